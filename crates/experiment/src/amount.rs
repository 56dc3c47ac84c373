//! What a unit did, as a whole number of millionths.

use serde::{Deserialize, Serialize};

/// A number of millionths: of a currency's unit, of a second, of an event.
///
/// Sums of whole numbers are the same in whichever order they are made, and taking out what was added leaves what
/// was there before. Sums of doubles are not.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Amount(i64);

/// Millionths in one.
const MILLION: f64 = 1e6;

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(1_000_000);
    /// The largest amount of one unit, a billion: the squares of a hundred million of them still add up.
    pub const MAX: Self = Self(1_000_000_000_000_000);

    /// The amount nearest to a number, within a billion to either side; none of what is no number.
    pub fn of(number: f64) -> Option<Self> {
        if !number.is_finite() {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is rounded, and then clamped")]
        let millionths = (number * MILLION).round() as i64;
        Some(Self(millionths).clamped())
    }

    /// So many of something.
    pub fn count(count: usize) -> Self {
        Self(i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(1_000_000)).clamped()
    }

    fn clamped(self) -> Self {
        Self(self.0.clamp(-Self::MAX.0, Self::MAX.0))
    }

    /// Both together, within a billion.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0)).clamped()
    }

    /// The smaller of the two.
    #[must_use]
    pub fn at_most(self, most: Self) -> Self {
        self.min(most)
    }

    /// How many millionths.
    pub fn millionths(self) -> i64 {
        self.0
    }

    /// As a double.
    #[expect(clippy::cast_precision_loss, reason = "it is less than 2^53")]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / MILLION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_and_bounded() {
        assert_eq!(Amount::of(19.99).map(Amount::millionths), Some(19_990_000));
        assert_eq!(Amount::of(-0.000_000_4), Some(Amount::ZERO));
        assert_eq!(Amount::of(1e300), Some(Amount::MAX));
        assert_eq!(Amount::of(f64::NAN), None);
        assert_eq!(Amount::count(3).to_f64().to_string(), "3");
        assert_eq!(Amount::MAX.plus(Amount::ONE), Amount::MAX);
    }
}
