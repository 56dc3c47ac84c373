//! Whether the arms got the shares of units that they should have (sample ratio mismatch).
//!
//! When they did not, something loses or doubles units, and no result of the experiment can be trusted.
//! Sources: Fabijan et al., "Diagnosing sample ratio mismatch in online controlled experiments", KDD 2019; Lindon and
//! Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022.

use crate::effect::Level;
use crate::sample::float;
use crate::sequence::always_valid;
use crate::special::chi_squared_above;
use crate::undefined::{Undefined, finite, positive};

/// The level at which a mismatch is an alarm: the test runs for every experiment, and an alarm stops it.
pub const ALARM: f64 = 0.001;

/// How close to the planned shares mismatches are looked for by [`over_stretches`]: some percent around them, and gross
/// ones, which show among some dozens of units.
pub const CONCENTRATIONS: [f64; 2] = [10_000.0, 100.0];

/// What a test of the split says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// How seldom the planned shares would give such counts.
    pub p_value: f64,
    /// The logarithm of the evidence against the planned shares; none of the fixed test.
    pub ln_e_value: Option<f64>,
}

impl Split {
    /// Whether the shares are not those that were planned, at the level.
    pub fn is_mismatch(&self, level: Level) -> bool {
        self.p_value <= level.alpha()
    }
}

/// χ² = Σ (n_i − N·w_i)²/(N·w_i) with k−1 degrees of freedom, for one look; weights need not sum to 1.
///
/// Assumes at least some five units expected in each arm. Source: Pearson 1900.
///
/// # Errors
/// With fewer than two arms, without units, or when a weight is not positive.
pub fn chi_squared(counts: &[u64], weights: &[f64]) -> Result<Split, Undefined> {
    let shares = shares(counts, weights)?;
    let total = total(counts);
    if total < 1.0 {
        return Err(Undefined::NoUnits);
    }
    let statistic: f64 = std::iter::zip(counts, &shares)
        .map(|(count, share)| {
            let expected = total * share;
            (float(*count) - expected).powi(2) / expected
        })
        .sum();
    let degrees_of_freedom = float(counts.len() as u64 - 1);
    let p_value = chi_squared_above(finite("χ²", statistic)?, degrees_of_freedom);
    Ok(Split { p_value, ln_e_value: None })
}

/// The sequential test of the split: the mixture of multinomials over a Dirichlet distribution around the plan.
///
/// With α_i = concentration·w_i and A = Σα_i:
/// ln e = ln Γ(A) − ln Γ(A+N) + Σ(ln Γ(α_i+n_i) − ln Γ(α_i)) − Σ n_i ln w_i, and p = min(1, 1/e); the least p over all
/// looks holds as well. Exact at all times for any number of units, none included (p = 1).
/// Weights must have been the same from the first unit counted; see [`over_stretches`] for a change of shares.
///
/// # Errors
/// With fewer than two arms, or when a weight or the concentration is not positive.
pub fn sequential(counts: &[u64], weights: &[f64], concentration: f64) -> Result<Split, Undefined> {
    let ln_e_value = evidence(counts, weights, concentration)?;
    Ok(Split { p_value: always_valid(ln_e_value), ln_e_value: Some(ln_e_value) })
}

fn evidence(counts: &[u64], weights: &[f64], concentration: f64) -> Result<f64, Undefined> {
    positive("the concentration", concentration)?;
    let shares = shares(counts, weights)?;
    let total = total(counts);
    let mut ln_e_value = -rise(concentration, total);
    for (count, share) in std::iter::zip(counts, &shares) {
        let count = float(*count);
        ln_e_value += rise(concentration * share, count) - count * share.ln();
    }
    finite("the evidence", ln_e_value)
}

/// The sequential test of the split over stretches of constant weights, each with the counts and weights of its arms:
/// the mean of the evidence with each of [`CONCENTRATIONS`], of which each is the product of that of the stretches.
///
/// A mean of evidence is evidence as well, so this is exact as [`sequential`] is. A stretch of one arm or none says
/// nothing.
///
/// # Errors
/// When no stretch has two arms, and otherwise as those of [`sequential`].
pub fn over_stretches<'a>(
    stretches: impl IntoIterator<Item = (&'a [u64], &'a [f64])>,
) -> Result<Split, Undefined> {
    let mut sums = None;
    for (counts, weights) in stretches {
        if counts.len() < 2 && counts.len() == weights.len() {
            continue;
        }
        let [fine, gross] = sums.get_or_insert([0.0; 2]);
        for (sum, concentration) in std::iter::zip([fine, gross], CONCENTRATIONS) {
            *sum += evidence(counts, weights, concentration)?;
        }
    }
    let [fine, gross] = sums.ok_or(Undefined::OneArm)?;
    let larger = fine.max(gross);
    let ln_e_value = larger + f64::midpoint((fine - larger).exp(), (gross - larger).exp()).ln();
    Ok(Split { p_value: always_valid(ln_e_value), ln_e_value: Some(ln_e_value) })
}

fn total(counts: &[u64]) -> f64 {
    counts.iter().map(|count| float(*count)).sum()
}

/// ln Γ(from + by) − ln Γ(from).
fn rise(from: f64, by: f64) -> f64 {
    libm::lgamma(from + by) - libm::lgamma(from)
}

fn shares(counts: &[u64], weights: &[f64]) -> Result<Vec<f64>, Undefined> {
    if counts.len() != weights.len() {
        return Err(Undefined::Lengths { left: counts.len(), right: weights.len() });
    }
    if counts.len() < 2 {
        return Err(Undefined::OneArm);
    }
    for weight in weights {
        positive("a weight", *weight)?;
    }
    let sum = finite("the sum of weights", weights.iter().sum())?;
    Ok(weights.iter().map(|weight| weight / sum).collect())
}

#[cfg(test)]
mod tests;
