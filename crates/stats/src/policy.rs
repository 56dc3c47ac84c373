//! How to divide units among arms, given what is known of them: bandit policies as functions from sufficient
//! statistics to shares.
//!
//! A policy is deterministic. The share of an arm under Thompson sampling is the probability that it is the best,
//! by quadrature (see [`thompson`]) and not by drawing: equal statistics give equal shares, and the share is the
//! true propensity of an arm that is drawn by it. [`truth`] shows what policies do where the truth is known.

pub mod accelerator;
pub mod beliefs;
pub mod epochs;
pub mod greedy;
pub mod linear;
pub mod shares;
pub mod thompson;
pub mod top_two;
pub mod truth;

mod best;

use thiserror::Error;

use crate::sample::Sums;

/// Why no shares can be given.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PolicyError {
    /// There is nothing to choose between.
    #[error("a policy needs at least 2 arms, not {0}")]
    Arms(usize),
    /// An arm has not been tried often enough.
    #[error("arm {arm} has {count} units, fewer than {minimum}")]
    TooFewUnits {
        /// Its place.
        arm: usize,
        /// How many it has.
        count: u64,
        /// How many it needs.
        minimum: u64,
    },
    /// The sums of an arm cannot be those of numbers, or of zeros and ones where only these are allowed.
    #[error("the sums of arm {0} are not those of such a sample")]
    Sums(usize),
    /// No arm varies, so nothing is known of how sure the means are.
    #[error("no arm has a variance above 0")]
    NoVariance,
    /// A floor for each arm that is more than everything.
    #[error("a floor of {floor} for each of {arms} arms is more than everything")]
    Floor {
        /// The floor, as a fraction of one.
        floor: f64,
        /// How many arms.
        arms: usize,
    },
    /// A parameter outside its range.
    #[error("`{name}` is {value}, outside its range")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// A vector of another length than the arm's.
    #[error("{found} features where {expected} are expected")]
    Features {
        /// How many the arm has.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// A feature or reward that is no finite number.
    #[error("a feature or reward is not a finite number")]
    NotFinite,
    /// The matrix of an arm is not positive definite to working precision.
    #[error("the sums of the features are not positive definite")]
    Singular,
}

/// Refuses arms of which one has fewer than `minimum` units: a policy that moves on noise starves an arm that
/// was merely unlucky.
pub fn require(arms: &[Sums], minimum: u64) -> Result<(), PolicyError> {
    at_least_two(arms.len())?;
    match arms.iter().position(|sums| sums.count < minimum) {
        Some(arm) => Err(PolicyError::TooFewUnits { arm, count: arms[arm].count, minimum }),
        None => Ok(()),
    }
}

fn at_least_two(arms: usize) -> Result<(), PolicyError> {
    if arms < 2 { Err(PolicyError::Arms(arms)) } else { Ok(()) }
}

/// A parameter that has to lie in `range`.
fn parameter(
    name: &'static str,
    value: f64,
    range: impl std::ops::RangeBounds<f64>,
) -> Result<f64, PolicyError> {
    let fits = value.is_finite() && range.contains(&value);
    if fits { Ok(value) } else { Err(PolicyError::Parameter { name, value }) }
}

/// A count as a number; exact up to 2⁵³, which no sample reaches.
#[expect(clippy::cast_precision_loss, reason = "counts of units stay far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

/// The mean of a sample and Σ(x − mean)²; an error for sums that no sample of finite numbers has.
fn moments(arm: usize, sums: &Sums) -> Result<(f64, f64), PolicyError> {
    let n = number(sums.count);
    let mean = sums.sum / n;
    // Rounding may put the centred sum a little below 0.
    let centred = (sums.sum_of_squares - sums.sum * mean).max(0.0);
    let possible = sums.count > 0
        && mean.is_finite()
        && sums.sum_of_squares.is_finite()
        && sums.sum_of_squares - sums.sum * mean >= -1e-9 * sums.sum_of_squares.abs();
    if possible { Ok((mean, centred)) } else { Err(PolicyError::Sums(arm)) }
}

#[cfg(test)]
mod tests;
