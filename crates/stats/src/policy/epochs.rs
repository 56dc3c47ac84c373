//! Reading out an experiment whose shares changed: the difference in means, stratified by epochs of constant shares.
//!
//! Where shares follow the data and rates drift with time, plain means compare different times (Simpson's paradox):
//! an arm that got most of its units in good weeks looks good. Within an epoch shares were constant, so the
//! difference in it is unbiased, and so is any weighted mean of such differences whose weights do not
//! depend on the outcomes.
//!
//! Source: Optimizely, "Stats Accelerator: acceleration under time-varying signals". The rigorous extensions are
//! V. Hadad et al., PNAS 2021, and I. Waudby-Smith et al., "Anytime-valid off-policy inference for contextual
//! bandits", 2022.

use super::{PolicyError, moments, number};
use crate::{effect::Estimate, sample::Sums};

/// What was seen of two arms while shares were constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Units of the arm that began in this epoch.
    pub arm: Sums,
    /// Units of the control that did.
    pub control: Sums,
    /// Units of all arms that did: what the epoch weighs.
    pub units: u64,
}

/// A difference in means over epochs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stratified {
    /// Σ wₑ (ȳₑ − ȳₑ,control).
    pub difference: f64,
    /// The variance of the difference.
    pub variance: f64,
    /// Σ wₑ ȳₑ,control, for a relative difference.
    pub control_mean: f64,
    /// Units of the epochs that count.
    pub units: u64,
    /// Units of epochs that were left out, in which one of the two arms had fewer than two units. The difference says
    /// nothing of those times.
    pub left_out: u64,
}

/// The difference in means between an arm and the control: δ = Σwₑ(ȳₑ − ȳₑ,c), wₑ the epoch's part of the units,
/// Var δ = Σwₑ²(sₑ²/nₑ + sₑ,c²/nₑ,c).
///
/// Assumes that units are divided at random within an epoch, that a unit counts in the epoch in which it began, and
/// that epochs end at times that do not depend on their own outcomes.
///
/// Errors: no epoch in which both arms have two units ([`PolicyError::TooFewUnits`]), or sums that cannot be.
pub fn difference(epochs: &[Epoch]) -> Result<Stratified, PolicyError> {
    let counts = |epoch: &&Epoch| epoch.arm.count >= 2 && epoch.control.count >= 2;
    let units: u64 = epochs.iter().filter(counts).map(|epoch| epoch.units).sum();
    let all: u64 = epochs.iter().map(|epoch| epoch.units).sum();
    if units == 0 {
        let fewest = |epoch: &Epoch| epoch.arm.count.min(epoch.control.count);
        let count = epochs.iter().map(fewest).max().unwrap_or_default();
        return Err(PolicyError::TooFewUnits { arm: 0, count, minimum: 2 });
    }
    let nothing = Stratified {
        difference: 0.0,
        variance: 0.0,
        control_mean: 0.0,
        units,
        left_out: all - units,
    };
    epochs.iter().filter(counts).try_fold(nothing, |sum, epoch| {
        let weight = number(epoch.units) / number(units);
        let (mean, variance) = mean_and_variance(0, &epoch.arm)?;
        let (control_mean, control_variance) = mean_and_variance(1, &epoch.control)?;
        Ok(Stratified {
            difference: sum.difference + weight * (mean - control_mean),
            variance: sum.variance + weight * weight * (variance + control_variance),
            control_mean: sum.control_mean + weight * control_mean,
            ..sum
        })
    })
}

/// What was seen of several arms while shares were constant.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Units of all arms that began in this epoch: what it weighs.
    pub units: u64,
    /// What the units of each arm that did say of it.
    pub arms: Vec<Estimate>,
}

/// What several arms did over the same epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct OverEpochs {
    /// Of each arm its mean over epochs. Its variance is that of the mean, and its count is that of its units in the
    /// epochs that count; so the difference of two of them is that of [`difference`].
    pub arms: Vec<Estimate>,
    /// Of each arm how many units at constant shares would tell as much: 1/Σ(wₑ²/nₑ).
    pub effective: Vec<f64>,
    /// Units of the epochs that count.
    pub units: u64,
    /// Units of epochs that were left out, in which some arm had fewer than two units.
    pub left_out: u64,
}

/// The mean of each arm over the epochs in which all of them have two units: Σwₑȳₑ of variance Σwₑ²sₑ²/nₑ, with the
/// same weights wₑ for all arms, the epochs' parts of the units. Assumes what [`difference`] does.
///
/// Errors: an epoch with another number of arms than the first ([`PolicyError::Arms`]), no epoch that counts
/// ([`PolicyError::TooFewUnits`]), estimates that are no finite numbers.
pub fn of_arms(epochs: &[Seen]) -> Result<OverEpochs, PolicyError> {
    let arms = epochs.first().map_or(0, |epoch| epoch.arms.len());
    super::at_least_two(arms)?;
    if let Some(other) = epochs.iter().find(|epoch| epoch.arms.len() != arms) {
        return Err(PolicyError::Arms(other.arms.len()));
    }
    let counting: Vec<&Seen> =
        epochs.iter().filter(|epoch| epoch.arms.iter().all(|arm| arm.count >= 2)).collect();
    let units: u64 = counting.iter().map(|epoch| epoch.units).sum();
    let all: u64 = epochs.iter().map(|epoch| epoch.units).sum();
    if units == 0 {
        let fewest = |epoch: &Seen| epoch.arms.iter().map(|arm| arm.count).min();
        let count = epochs.iter().filter_map(fewest).max().unwrap_or_default();
        return Err(PolicyError::TooFewUnits { arm: 0, count, minimum: 2 });
    }
    let (mut estimates, mut effective) = (Vec::new(), Vec::new());
    for arm in 0..arms {
        let (mut mean, mut variance, mut spread, mut count) = (0.0, 0.0, 0.0, 0_u64);
        for epoch in &counting {
            let (weight, seen) = (number(epoch.units) / number(units), &epoch.arms[arm]);
            let own = weight * weight / number(seen.count);
            mean += weight * seen.value;
            variance += own * seen.unit_variance;
            spread += own;
            count += seen.count;
        }
        if !(mean.is_finite() && variance.is_finite() && variance >= 0.0) {
            return Err(PolicyError::NotFinite);
        }
        let unit_variance = variance * number(count);
        estimates.push(Estimate { value: mean, unit_variance, count });
        effective.push(1.0 / spread);
    }
    Ok(OverEpochs { arms: estimates, effective, units, left_out: all - units })
}

/// How many units of an arm's variance within all epochs are added to that within one.
const STEADY: f64 = 20.0;

/// The same epochs with variances that few units cannot mistake: to the variance of an arm's units within an epoch,
/// 20 units of its variance within all epochs were added, (Sₑ + 20V)/(nₑ − 1 + 20) with V = ΣSₑ/Σ(nₑ − 1). So three
/// units that happen to be alike are not believed to be known exactly, and of many it hardly says anything.
pub fn steadied(epochs: &[Seen]) -> Vec<Seen> {
    let arms = epochs.iter().map(|epoch| epoch.arms.len()).min().unwrap_or_default();
    let mut steady = epochs.to_vec();
    for arm in 0..arms {
        let freedom = |seen: &Estimate| (number(seen.count) - 1.0).max(0.0);
        let seen = || epochs.iter().map(|epoch| &epoch.arms[arm]);
        let all: f64 = seen().map(freedom).sum();
        if all <= 0.0 {
            continue;
        }
        let within = seen().map(|seen| seen.unit_variance * freedom(seen)).sum::<f64>() / all;
        for epoch in &mut steady {
            let seen = &mut epoch.arms[arm];
            let own = freedom(seen);
            seen.unit_variance = (seen.unit_variance * own + within * STEADY) / (own + STEADY);
        }
    }
    steady
}

/// The mean and s²/n, the variance of it.
fn mean_and_variance(arm: usize, sums: &Sums) -> Result<(f64, f64), PolicyError> {
    let (mean, centred) = moments(arm, sums)?;
    let n = number(sums.count);
    Ok((mean, centred / (n - 1.0) / n))
}
