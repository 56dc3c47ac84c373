//! What is kept of a sample of numbers: how many, their sum and the sum of their squares.
//!
//! Sums are added to one another and taken from one another, so that a unit whose value changes, or who turns out to
//! be somebody else, is taken out and put back without looking at the others.
//!
//! Assumption: a sum of squares holds 16 digits, so a variance is good to about 16 − 2·log₁₀(mean/deviation) digits.
//! Values of people (visits, money) have a deviation of at least their mean; for values that lie close around a
//! large number, subtract that number first.

use crate::effect::Estimate;
use crate::undefined::{Undefined, finite};

/// The sufficient statistics of a sample of one quantity, a value for each unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// How many units; also those whose value is 0.
    pub count: u64,
    /// How many units have another value than 0.
    pub non_zero: u64,
    /// Σx.
    pub sum: f64,
    /// Σx².
    pub sum_of_squares: f64,
}

impl Sums {
    /// The sums of these values, in their order.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sums = Self::default();
        for value in values {
            sums.add(value);
        }
        sums
    }

    /// The sums of a sample of yes and no.
    ///
    /// # Errors
    /// When there are more successes than units.
    pub fn of_successes(count: u64, successes: u64) -> Result<Self, Undefined> {
        let sum = float(successes);
        let sums = Self { count, non_zero: successes, sum, sum_of_squares: sum };
        sums.check()?;
        Ok(sums)
    }

    /// Puts a unit in.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.non_zero += u64::from(value != 0.0);
        self.sum += value;
        self.sum_of_squares += value * value;
    }

    /// Takes a unit out that was put in with this value.
    ///
    /// # Errors
    /// When no such unit can be in the sample; it is then unchanged.
    pub fn remove(&mut self, value: f64) -> Result<(), Undefined> {
        self.subtract(&Self::of([value]))
    }

    /// Puts in all units of another sample.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.non_zero = self.non_zero.saturating_add(other.non_zero);
        self.sum += other.sum;
        self.sum_of_squares += other.sum_of_squares;
    }

    /// Takes out the units of another sample, all of which must have been put in.
    ///
    /// # Errors
    /// When there are fewer units than that; the sample is then unchanged.
    pub fn subtract(&mut self, other: &Self) -> Result<(), Undefined> {
        let fewer = Undefined::Impossible { reason: "more units are taken out than were put in" };
        let count = self.count.checked_sub(other.count).ok_or(fewer)?;
        let non_zero = self.non_zero.checked_sub(other.non_zero).ok_or(fewer)?;
        if non_zero > count {
            return Err(fewer);
        }
        // Where no value is left no rounding is left either.
        *self = if non_zero == 0 {
            Self { count, ..Self::default() }
        } else {
            Self {
                count,
                non_zero,
                sum: self.sum - other.sum,
                sum_of_squares: (self.sum_of_squares - other.sum_of_squares).max(0.0),
            }
        };
        Ok(())
    }

    /// Σx / n.
    ///
    /// # Errors
    /// Without units, or when the sums are no numbers.
    pub fn mean(&self) -> Result<f64, Undefined> {
        self.check()?;
        Ok(self.sum / float(self.count))
    }

    /// The variance of a unit, (Σx² − (Σx)²/n) / (n−1); 0 where rounding would make it negative.
    ///
    /// # Errors
    /// With fewer than two units, or when the sums are no numbers.
    pub fn variance(&self) -> Result<f64, Undefined> {
        self.check()?;
        if self.count < 2 {
            return Err(Undefined::OneUnit);
        }
        let count = float(self.count);
        let around_mean = self.sum_of_squares - self.sum * (self.sum / count);
        // What the rounding of so many additions may leave is not variance.
        let rounding = self.sum_of_squares * count * f64::EPSILON;
        let variance = if around_mean <= rounding { 0.0 } else { around_mean / (count - 1.0) };
        finite("a variance", variance)
    }

    /// The mean as an estimate: variance of a unit with n−1.
    ///
    /// # Errors
    /// As [`Self::variance`].
    pub fn as_mean(&self) -> Result<Estimate, Undefined> {
        let value = self.mean()?;
        Ok(Estimate { value, unit_variance: self.variance()?, count: self.count })
    }

    /// The share of units with the value 1 as an estimate: variance of a unit p(1−p), with n as is usual for shares.
    ///
    /// # Errors
    /// With fewer than two units, or when some value is neither 0 nor 1.
    pub fn as_share(&self) -> Result<Estimate, Undefined> {
        let value = self.mean()?;
        self.check_binary()?;
        if self.count < 2 {
            return Err(Undefined::OneUnit);
        }
        Ok(Estimate { value, unit_variance: value * (1.0 - value), count: self.count })
    }

    /// How many units tell how units differ: of values 0 and 1 the rarer of the two; of others (Σx)²/Σx², rounded
    /// down, which is how many equal values would be as unequal as these (Kish's effective sample size).
    ///
    /// So a few large orders count for few, however many small ones there are beside them; values of both signs that
    /// balance count for nothing. The gate of sequential statistics counts these ([`crate::gate`]).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of what is no number, or too large, gives the nearest count"
    )]
    pub fn informative(&self) -> u64 {
        if self.is_binary() {
            return self.non_zero.min(self.count.saturating_sub(self.non_zero));
        }
        let effective = self.sum * (self.sum / self.sum_of_squares);
        // Equal values make a whole number, from which rounding must not take one.
        ((effective * (1.0 + 1e-12)).floor() as u64).min(self.non_zero)
    }

    #[expect(
        clippy::float_cmp,
        reason = "sums of zeros and ones are whole numbers, without rounding"
    )]
    fn is_binary(&self) -> bool {
        let non_zero = float(self.non_zero);
        self.sum == non_zero && self.sum_of_squares == non_zero
    }

    pub(crate) fn check_binary(&self) -> Result<(), Undefined> {
        if self.is_binary() {
            Ok(())
        } else {
            Err(Undefined::Impossible { reason: "a share is of values 0 and 1" })
        }
    }

    pub(crate) fn check(&self) -> Result<(), Undefined> {
        if self.count == 0 {
            return Err(Undefined::NoUnits);
        }
        if self.count > UNITS_MAX {
            return Err(Undefined::OutOfRange { name: "a count" });
        }
        if self.non_zero > self.count {
            return Err(Undefined::Impossible { reason: "more units have a value than there are" });
        }
        finite("a sum", self.sum)?;
        finite("a sum of squares", self.sum_of_squares)?;
        // Cauchy and Schwarz, with room for rounding.
        let bound = self.sum_of_squares * float(self.non_zero) * (1.0 + 1e-9);
        if self.sum_of_squares < 0.0 || self.sum * self.sum > bound {
            return Err(Undefined::Impossible { reason: "the squares are too small for the sum" });
        }
        Ok(())
    }
}

/// More units than this are no count of anything, and are not exact as a number: 2⁵³.
pub const UNITS_MAX: u64 = 1 << 53;

/// The sufficient statistics of two quantities of the same units: numerator and denominator of a ratio, or a value
/// and the same before the exposure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pairs {
    /// Of the first quantity.
    pub first: Sums,
    /// Of the second quantity; its count is that of the first.
    pub second: Sums,
    /// Σxy.
    pub sum_of_products: f64,
}

impl Pairs {
    /// The sums of these pairs, in their order.
    pub fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut sums = Self::default();
        for (first, second) in pairs {
            sums.add(first, second);
        }
        sums
    }

    /// Puts a unit in.
    pub fn add(&mut self, first: f64, second: f64) {
        self.first.add(first);
        self.second.add(second);
        self.sum_of_products += first * second;
    }

    /// Takes a unit out that was put in with these values.
    ///
    /// # Errors
    /// When no such unit can be in the sample; it is then unchanged.
    pub fn remove(&mut self, first: f64, second: f64) -> Result<(), Undefined> {
        self.subtract(&Self::of([(first, second)]))
    }

    /// Puts in all units of another sample.
    pub fn merge(&mut self, other: &Self) {
        self.first.merge(&other.first);
        self.second.merge(&other.second);
        self.sum_of_products += other.sum_of_products;
    }

    /// Takes out the units of another sample, all of which must have been put in.
    ///
    /// # Errors
    /// When there are fewer units than that; the sample is then unchanged.
    pub fn subtract(&mut self, other: &Self) -> Result<(), Undefined> {
        let mut left = *self;
        left.first.subtract(&other.first)?;
        left.second.subtract(&other.second)?;
        // Products are 0 where one of the factors is.
        let none = left.first.non_zero == 0 || left.second.non_zero == 0;
        left.sum_of_products =
            if none { 0.0 } else { self.sum_of_products - other.sum_of_products };
        *self = left;
        Ok(())
    }

    /// The covariance of a unit, (Σxy − ΣxΣy/n) / (n−1).
    ///
    /// # Errors
    /// With fewer than two units, or when the counts of both quantities differ.
    pub fn covariance(&self) -> Result<f64, Undefined> {
        self.first.check()?;
        self.second.check()?;
        if self.first.count != self.second.count {
            return Err(Undefined::Impossible { reason: "two quantities of different units" });
        }
        if self.first.count < 2 {
            return Err(Undefined::OneUnit);
        }
        let count = float(self.first.count);
        let around_means = self.sum_of_products - self.first.sum * (self.second.sum / count);
        finite("a covariance", around_means / (count - 1.0))
    }
}

/// A count as a number; exact up to [`UNITS_MAX`].
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
