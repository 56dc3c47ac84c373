//! Thompson sampling: an arm's share is the probability that it is the best.
//!
//! Source: W. R. Thompson, "On the likelihood that one unknown probability exceeds another in view of the
//! evidence of two samples", Biometrika 1933; S. Agrawal, N. Goyal, "Further optimal regret bounds for Thompson
//! sampling", AISTATS 2013.

use super::{
    PolicyError,
    best::{self, Beta, Normal},
    moments, number, parameter, require,
};
use crate::sample::Sums;

/// What is believed of a rate before anything is seen: as if `alpha` successes and `beta` failures had been.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BetaPrior {
    /// At least 1.
    pub alpha: f64,
    /// At least 1.
    pub beta: f64,
}

impl Default for BetaPrior {
    /// Every rate is as likely as every other.
    fn default() -> Self {
        Self { alpha: 1.0, beta: 1.0 }
    }
}

/// The probability that each arm has the highest rate, of arms whose units have the value 0 or 1.
///
/// Posterior of an arm with s successes of n: Beta(α + s, β + n − s), independent between arms. Shares are right
/// to 1e-9. An arm without units is allowed: it has its prior.
///
/// Errors: fewer than two arms, a prior below 1, sums that are not those of zeros and ones.
pub fn binary(arms: &[Sums], prior: BetaPrior) -> Result<Vec<f64>, PolicyError> {
    require(arms, 0)?;
    let alpha = parameter("alpha", prior.alpha, 1.0..=f64::MAX)?;
    let beta = parameter("beta", prior.beta, 1.0..=f64::MAX)?;
    let posterior = |(arm, sums): (usize, &Sums)| {
        let (n, successes) = (number(sums.count), sums.sum);
        // Of zeros and ones the sum is the sum of squares, and no rounding happens below 2⁵³.
        let is_binary = (0.0..=n).contains(&successes)
            && (sums.sum_of_squares - successes).abs() <= 1e-9 * successes;
        is_binary
            .then_some(Beta { alpha: alpha + successes, beta: beta + (n - successes) })
            .ok_or(PolicyError::Sums(arm))
    };
    let posteriors: Vec<_> = arms.iter().enumerate().map(posterior).collect::<Result<_, _>>()?;
    best::probabilities(&posteriors)
}

/// The probability that each arm has the highest mean, of arms whose units have any value.
///
/// Posterior of an arm's mean: Normal(mean, v/n), independent between arms, with v the variance of the arm to
/// which one unit of the variance within all arms together was added: v = (S + V)/n, S = Σ(x − mean)²,
/// V = ΣS/Σ(n − 1). So an arm in which nothing has varied yet is not believed to be known exactly. Assumes
/// that there are enough units for means to be normal; see [`require`]. Shares are right to 1e-9.
///
/// Errors: fewer than two arms, an arm with fewer than two units, no variance in any arm.
pub fn gaussian(arms: &[Sums]) -> Result<Vec<f64>, PolicyError> {
    best::probabilities(&posteriors(arms)?)
}

/// What is believed of each arm's mean.
pub(super) fn posteriors(arms: &[Sums]) -> Result<Vec<Normal>, PolicyError> {
    require(arms, 2)?;
    let moments: Vec<_> =
        arms.iter().enumerate().map(|(arm, sums)| moments(arm, sums)).collect::<Result<_, _>>()?;
    let freedom: f64 = arms.iter().map(|sums| number(sums.count) - 1.0).sum();
    let within = moments.iter().map(|(_, centred)| centred).sum::<f64>() / freedom;
    if within <= 0.0 {
        return Err(PolicyError::NoVariance);
    }
    let posterior = |(sums, (mean, centred)): (&Sums, &(f64, f64))| {
        let n = number(sums.count);
        Normal { mean: *mean, deviation: ((centred + within) / n / n).sqrt() }
    };
    Ok(arms.iter().zip(&moments).map(posterior).collect())
}
