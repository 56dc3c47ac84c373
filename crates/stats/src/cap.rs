//! Capping of values that would decide everything (winsorization).

use crate::quantile::percentile_of_sorted;
use crate::undefined::{Undefined, within};

/// The cap that is the percentile of all values but zeros, of all arms together.
///
/// One cap for all arms, or it would hide that an arm sells more of what is expensive; and without the zeros, of
/// which there are so many that the 99th percentile of all values is often 0.
/// Interpolates linearly between ranks (Hyndman and Fan's type 7).
///
/// # Errors
/// When the share is not above 0 and at most 1, when there is no value but zeros, or some is no number.
pub fn cap_at(values_of_all_arms: &[f64], share: f64) -> Result<f64, Undefined> {
    within("the percentile", "above 0 and at most 1", share, 0.0 < share && share <= 1.0)?;
    if values_of_all_arms.iter().any(|value| !value.is_finite()) {
        return Err(Undefined::OutOfRange { name: "a value" });
    }
    let mut values: Vec<f64> =
        values_of_all_arms.iter().copied().filter(|value| *value != 0.0).collect();
    values.sort_unstable_by(f64::total_cmp);
    percentile_of_sorted(&values, share).ok_or(Undefined::NoUnits)
}

/// The value, or the cap when it is above.
pub fn capped(value: f64, cap: f64) -> f64 {
    value.min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_do_not_count() {
        let mut values = vec![0.0; 10_000];
        values.extend((1..=101).map(f64::from));
        assert!((cap_at(&values, 0.99).unwrap() - 100.0).abs() < 1e-9);
        assert!((capped(900.0, 100.0) - 100.0).abs() < 1e-12);
        assert!((capped(9.0, 100.0) - 9.0).abs() < 1e-12);
    }

    #[test]
    fn says_what_is_missing() {
        assert_eq!(cap_at(&[0.0, 0.0], 0.99), Err(Undefined::NoUnits));
        assert!(cap_at(&[1.0], 0.0).is_err());
        assert!(cap_at(&[f64::NAN], 0.5).is_err());
    }
}
