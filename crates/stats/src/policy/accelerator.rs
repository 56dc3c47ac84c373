//! Allocation that finds sooner which arm differs from the control, in the way of a "Stats Accelerator".
//!
//! Traffic goes to the arms that are most likely to show the largest effect, and to the control as much as a
//! comparison with them needs. No vendor published its own rule; this one is made of three that are:
//! the probability to be the best (W. R. Thompson, Biometrika 1933) of the size of the effect; the share of
//! the control against several arms (C. W. Dunnett, "A multiple comparison procedure for comparing several treatments
//! with a control", JASA 1955: √k arms' worth); shares in proportion to deviations (J. Neyman, JRSS 1934).
//!
//! Shares that follow the data make plain means of the whole run wrong where rates drift: read such an experiment out
//! with [`super::epochs`].

use super::{
    PolicyError,
    best::{self, Folded, Normal},
    moments, number,
    thompson::posteriors,
};
use crate::sample::Sums;

/// The shares of all arms, of which the one at `control` is what the others are compared with.
///
/// 1. qᵢ = P(|θᵢ − θ₀| is the largest), effects taken as independent with variance sᵢ²/nᵢ + s₀²/n₀.
/// 2. k = 1/Σqᵢ² arms are really being compared, of mean deviation s̄ = Σqᵢsᵢ.
/// 3. The control gets s₀/(s₀ + √k s̄), the others divide the rest by qᵢ.
///
/// Errors: as those of [`super::thompson::gaussian`]; no such control.
pub fn shares(arms: &[Sums], control: usize) -> Result<Vec<f64>, PolicyError> {
    let posteriors = posteriors(arms)?;
    let deviations: Vec<f64> = arms.iter().zip(&posteriors).map(deviation).collect();
    of_beliefs(&posteriors, &deviations, control)
}

/// The same of what is believed of each arm's mean, and of the deviation of its units.
pub(super) fn of_beliefs(
    posteriors: &[Normal],
    deviations: &[f64],
    control: usize,
) -> Result<Vec<f64>, PolicyError> {
    super::at_least_two(posteriors.len())?;
    let Some(base) = posteriors.get(control) else {
        return Err(PolicyError::Parameter { name: "control", value: number(control as u64) });
    };
    let others: Vec<usize> = (0..posteriors.len()).filter(|arm| *arm != control).collect();
    let effect = |arm: &usize| {
        let Normal { mean, deviation } = posteriors[*arm];
        Folded(Normal { mean: mean - base.mean, deviation: deviation.hypot(base.deviation) })
    };
    let effects: Vec<Folded> = others.iter().map(effect).collect();
    let largest = if let [_] = effects[..] { vec![1.0] } else { best::probabilities(&effects)? };
    let compared = 1.0 / largest.iter().map(|q| q * q).sum::<f64>();
    let typical: f64 = others.iter().zip(&largest).map(|(arm, q)| q * deviations[*arm]).sum();
    let share = deviations[control] / (deviations[control] + compared.sqrt() * typical);
    let mut shares = vec![share; posteriors.len()];
    for (arm, q) in others.into_iter().zip(largest) {
        shares[arm] = (1.0 - share) * q;
    }
    Ok(shares)
}

/// The deviation of a unit, from that of the mean.
fn deviation((sums, posterior): (&Sums, &Normal)) -> f64 {
    posterior.deviation * number(sums.count).sqrt()
}

/// The difference in means between an arm and the control over the whole run, as if shares had been constant: what is
/// biased where they were not. For comparison with [`super::epochs::difference`].
pub fn naive_difference(arm: &Sums, control: &Sums) -> Result<f64, PolicyError> {
    Ok(moments(0, arm)?.0 - moments(1, control)?.0)
}
