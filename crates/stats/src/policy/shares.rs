//! What is done with shares before units are divided by them: a floor, and whole parts.

use super::{PolicyError, at_least_two, number, parameter};

/// The floor of each arm where nothing else is said, as a fraction of one: an arm that gets nothing can never
/// show that it has become better.
pub const FLOOR_USUAL: f64 = 0.01;

/// Shares like `shares`, of which none is below `floor`.
///
/// Arms below the floor are raised to it, and what the others have above the floor is scaled down alike, so that
/// nothing changes where no arm is below, and the order of arms stays.
///
/// Errors: shares that are negative or do not add up to 1 (to 1e-6), a floor above 1/K.
pub fn with_floor(shares: &[f64], floor: f64) -> Result<Vec<f64>, PolicyError> {
    at_least_two(shares.len())?;
    let arms = shares.len();
    parameter("floor", floor, 0.0..=1.0)?;
    if floor * number(arms as u64) > 1.0 + 1e-12 {
        return Err(PolicyError::Floor { floor, arms });
    }
    for share in shares {
        parameter("share", *share, 0.0..=1.0 + 1e-6)?;
    }
    let total: f64 = shares.iter().sum();
    parameter("sum of shares", total, 1.0 - 1e-6..=1.0 + 1e-6)?;
    let spare = (1.0 - floor * number(arms as u64)).max(0.0);
    let above = |share: f64| (share / total - floor).max(0.0);
    let whole: f64 = shares.iter().map(|share| above(*share)).sum();
    let scaled = |share: &f64| {
        // Nothing lies above a floor of 1/K but rounding.
        let part = if whole > 0.0 { above(*share) / whole } else { 1.0 / number(arms as u64) };
        floor + spare * part
    };
    Ok(shares.iter().map(scaled).collect())
}

/// Whole parts of `total` in proportion to `shares`, by the method of largest remainders; of equal remainders the
/// earlier arm goes first. Parts add up to `total`.
///
/// Errors: shares that are negative, not finite, or all 0.
pub fn apportion(shares: &[f64], total: u32) -> Result<Vec<u32>, PolicyError> {
    at_least_two(shares.len())?;
    for share in shares {
        parameter("share", *share, 0.0..=f64::MAX)?;
    }
    let sum = parameter("sum of shares", shares.iter().sum(), f64::MIN_POSITIVE..=f64::MAX)?;
    let exact: Vec<f64> = shares.iter().map(|share| share / sum * f64::from(total)).collect();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and `total`"
    )]
    let mut parts: Vec<u32> = exact.iter().map(|exact| exact.floor() as u32).collect();
    let given: u32 = parts.iter().sum();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    let remainder = |arm: usize| exact[arm] - exact[arm].floor();
    order.sort_by(|a, b| remainder(*b).total_cmp(&remainder(*a)).then(a.cmp(b)));
    for arm in order.into_iter().cycle().take(total.saturating_sub(given) as usize) {
        parts[arm] += 1;
    }
    Ok(parts)
}
