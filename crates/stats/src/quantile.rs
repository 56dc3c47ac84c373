//! Quantiles of an arm: the median of a time, the 95th percentile of a delay.

use crate::adjusted::ratio;
use crate::effect::{Estimate, Level, normal_bound};
use crate::sample::{Pairs, float};
use crate::undefined::{Undefined, finite, within};

/// A quantile with the order statistics around it, read from the sorted values of an arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    /// Which share of values lies below it, above 0 and below 1.
    pub share: f64,
    /// How many values the arm has.
    pub count: u64,
    /// The quantile itself.
    pub value: f64,
    /// The value at [`Around::low`].
    pub low: f64,
    /// The value at [`Around::high`].
    pub high: f64,
}

/// At which shares of the sorted values the order statistics lie between which the quantile is with 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Around {
    /// ν − z·√(ν(1−ν)/n).
    pub low: f64,
    /// ν + z·√(ν(1−ν)/n).
    pub high: f64,
}

/// Where the order statistics around a quantile lie.
///
/// # Errors
/// When the share is not between 0 and 1, or there are too few values for both to lie between the least and the
/// greatest: n ≤ z²·max(ν/(1−ν), (1−ν)/ν).
pub fn around(share: f64, count: u64) -> Result<Around, Undefined> {
    within("the quantile", "between 0 and 1", share, 0.0 < share && share < 1.0)?;
    match count {
        0 => return Err(Undefined::NoUnits),
        1 => return Err(Undefined::OneUnit),
        _ => {}
    }
    let half = z() * (share * (1.0 - share) / float(count)).sqrt();
    let found = Around { low: share - half, high: share + half };
    if found.low <= 0.0 || found.high >= 1.0 {
        return Err(Undefined::OutOfRange { name: "the interval of a quantile of so few values" });
    }
    Ok(found)
}

fn z() -> f64 {
    normal_bound(Level::FIVE_PERCENT)
}

impl Quantile {
    /// Reads a quantile and its neighbours from values in rising order, interpolating linearly between ranks
    /// (Hyndman and Fan's type 7).
    ///
    /// # Errors
    /// As [`around`], or when the values do not rise.
    pub fn of_sorted(values: &[f64], share: f64) -> Result<Self, Undefined> {
        if !values.is_sorted() || values.iter().any(|value| !value.is_finite()) {
            return Err(Undefined::Impossible { reason: "values for a quantile do not rise" });
        }
        let count = values.len() as u64;
        let around = around(share, count)?;
        let at = |share| percentile_of_sorted(values, share).ok_or(Undefined::NoUnits);
        let (value, low, high) = (at(share)?, at(around.low)?, at(around.high)?);
        Ok(Self { share, count, value, low, high })
    }

    /// The quantile as an estimate, of independent values.
    ///
    /// The density at the quantile follows from how far the order statistics are apart:
    /// unit variance (n−1)·((high − low)/(2z))².
    /// Source: Price and Bonett, "Estimating the variance of the sample median", 2001; Deng, Knoblich, Lu 2018.
    ///
    /// # Errors
    /// As [`around`], or when the order statistics are not in order.
    pub fn estimate(&self) -> Result<Estimate, Undefined> {
        around(self.share, self.count)?;
        if !(self.low <= self.value && self.value <= self.high) {
            return Err(Undefined::Impossible { reason: "order statistics are not in order" });
        }
        let half = (self.high - self.low) / (2.0 * z());
        let unit_variance = finite("a variance", (float(self.count) - 1.0) * half * half)?;
        Ok(Estimate { value: self.value, unit_variance, count: self.count })
    }

    /// The quantile as an estimate, where a unit has several values, which depend on one another.
    ///
    /// `below` has for each unit how many of its values are at most the quantile, and how many it has.
    /// The variance of independent values is multiplied by how much more the share below varies than if they were:
    /// Var(Σbelow/Σvalues over units, delta method) / (ν(1−ν)/n).
    /// Source: Deng, Knoblich, Lu, "Applying the delta method in metric analytics", KDD 2018, section 4.
    ///
    /// # Errors
    /// As [`Self::estimate`], and with fewer than two units.
    pub fn estimate_clustered(&self, below: &Pairs) -> Result<Estimate, Undefined> {
        let independent = self.estimate()?;
        let varies = ratio(below)?.variance()?;
        let if_independent = self.share * (1.0 - self.share) / float(self.count);
        let unit_variance = independent.unit_variance * (varies / if_independent);
        Ok(Estimate { unit_variance: finite("a variance", unit_variance)?, ..independent })
    }
}

/// The value at a share of sorted values, interpolated between the ranks around it; none of no values.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the rank lies between 0 and the number of values"
)]
pub(crate) fn percentile_of_sorted(values: &[f64], share: f64) -> Option<f64> {
    let rank = share * float(values.len().checked_sub(1)? as u64);
    let lower = *values.get(rank.floor() as usize)?;
    let upper = *values.get(rank.ceil() as usize)?;
    Some(lower + (upper - lower) * rank.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rising(count: u32) -> Vec<f64> {
        (0..count).map(f64::from).collect()
    }

    #[test]
    fn the_median_of_evenly_spread_values() {
        let found = Quantile::of_sorted(&rising(1_001), 0.5).unwrap();
        assert!((found.value - 500.0).abs() < 1e-9);
        // The variance of the sample median is 1/(4·n·f²), here with f = 1/1000.
        let variance = found.estimate().unwrap().variance().unwrap();
        assert!((variance / (1_000.0f64.powi(2) / 4_004.0) - 1.0).abs() < 0.01, "{variance}");
    }

    #[test]
    fn units_with_one_value_each_are_independent() {
        let found = Quantile::of_sorted(&rising(1_000), 0.5).unwrap();
        let below = Pairs::of((0..1_000).map(|unit| (if unit < 500 { 1.0 } else { 0.0 }, 1.0)));
        let (one, other) = (found.estimate().unwrap(), found.estimate_clustered(&below).unwrap());
        assert!((other.unit_variance / one.unit_variance - 1.0).abs() < 0.01);
    }

    #[test]
    fn refuses_what_has_no_interval() {
        assert!(Quantile::of_sorted(&rising(10), 0.99).is_err());
        assert!(Quantile::of_sorted(&[2.0, 1.0, 3.0], 0.5).is_err());
        assert_eq!(Quantile::of_sorted(&[], 0.5), Err(Undefined::NoUnits));
        assert!(Quantile::of_sorted(&rising(100), 1.0).is_err());
        let equal = Quantile::of_sorted(&[4.0; 100], 0.5).unwrap().estimate().unwrap();
        assert_eq!(equal.variance(), Err(Undefined::NoVariance));
    }
}
