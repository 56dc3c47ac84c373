//! What an experiment can find: its power, the least effect it would see, and how long it still takes.
//!
//! Normal approximation; effects and variances are of one scale, and the variance of a unit is the same in both arms.

use crate::effect::{Level, normal_bound};
use crate::sequence::std_errors;
use crate::special::{normal_above, normal_quantile_above};
use crate::undefined::{Undefined, finite, positive, within};

/// Halvings of a range of 10³⁰ until no digit changes.
const HALVINGS: u32 = 160;
/// More units than there can be.
const UNITS_MAX: f64 = 1e15;
/// The usual power: one in five real effects is missed.
pub const USUAL: f64 = 0.8;

/// The units of a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    /// The variance of a unit, s².
    pub unit_variance: f64,
    /// The units of the control.
    pub control_units: f64,
    /// The units of the treatment.
    pub treatment_units: f64,
}

/// How many units a comparison needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Needed {
    /// Of the control.
    pub control_units: f64,
    /// Of the treatment.
    pub treatment_units: f64,
}

/// Which test will be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// Once, at the end.
    Once,
    /// At any time, by [`crate::sequence::asymptotic`]. Counts only what is found at the end, so real power is more.
    AnyTime {
        /// Where the sequence is tightest.
        tightest_at_units: f64,
    },
}

impl Design {
    fn std_error(&self) -> Result<f64, Undefined> {
        positive("the variance of a unit", self.unit_variance)?;
        positive("the control's units", self.control_units)?;
        positive("the treatment's units", self.treatment_units)?;
        let variance = self.unit_variance * (1.0 / self.control_units + 1.0 / self.treatment_units);
        finite("a standard error", variance.sqrt())
    }

    fn bound(&self, level: Level, reading: Reading) -> Result<f64, Undefined> {
        match reading {
            Reading::Once => Ok(normal_bound(level)),
            Reading::AnyTime { tightest_at_units } => {
                std_errors(self.control_units + self.treatment_units, level, tightest_at_units)
            }
        }
    }

    /// The chance to find an effect of this size on the given side or the other:
    /// Φ(|θ|/SE − z) + Φ(−|θ|/SE − z), where z is the test's bound.
    ///
    /// # Errors
    /// When a number of the design is not positive, or the effect is no number.
    pub fn power(&self, effect: f64, level: Level, reading: Reading) -> Result<f64, Undefined> {
        let distance = finite("an effect", effect)?.abs() / self.std_error()?;
        let bound = self.bound(level, reading)?;
        Ok((normal_above(bound - distance) + normal_above(bound + distance)).min(1.0))
    }

    /// The least effect that is found with this power (minimum detectable effect), above 0.
    ///
    /// # Errors
    /// When a number of the design is not positive, or the power is not between α and 1.
    pub fn detectable(&self, power: f64, level: Level, reading: Reading) -> Result<f64, Undefined> {
        check_power(power, level)?;
        let std_error = self.std_error()?;
        let bound = self.bound(level, reading)?;
        let found = |distance: f64| normal_above(bound - distance) + normal_above(bound + distance);
        // Φ(distance − bound) alone reaches the power here.
        let (mut low, mut high) = (0.0, bound + normal_quantile_above(1.0 - power).abs() + 1.0);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if found(middle) < power {
                low = middle;
            } else {
                high = middle;
            }
        }
        finite("an effect", high * std_error)
    }
}

/// How many units find an effect of this size with this power.
///
/// `treatment_per_control` is how many units the treatment gets for one of the control.
///
/// # Errors
/// When a number is not positive, the power is not between α and 1, or no number of units is enough.
pub fn needed(
    effect: f64,
    unit_variance: f64,
    treatment_per_control: f64,
    power: f64,
    level: Level,
    reading: Reading,
) -> Result<Needed, Undefined> {
    check_power(power, level)?;
    positive("the effect's size", effect.abs())?;
    positive("the treatment's units for one of the control", treatment_per_control)?;
    let design = |control_units: f64| Design {
        unit_variance,
        control_units,
        treatment_units: control_units * treatment_per_control,
    };
    if design(UNITS_MAX).power(effect, level, reading)? < power {
        return Err(Undefined::OutOfRange { name: "the number of units needed" });
    }
    let (mut low, mut high) = (0.0f64, UNITS_MAX.ln());
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if design(middle.exp()).power(effect, level, reading)? < power {
            low = middle;
        } else {
            high = middle;
        }
    }
    let control_units = high.exp();
    Ok(Needed { control_units, treatment_units: control_units * treatment_per_control })
}

/// How long it still takes until there are as many units as needed, at the pace so far, in the pace's unit of time;
/// 0 when there are enough.
///
/// # Errors
/// When the units so far are negative, or the pace is not positive.
pub fn time_needed(
    needed: Needed,
    units_so_far: f64,
    units_each_day: f64,
) -> Result<f64, Undefined> {
    within("the units so far", "0 or more", units_so_far, units_so_far >= 0.0)?;
    positive("the units of a day", units_each_day)?;
    let missing = (needed.control_units + needed.treatment_units - units_so_far).max(0.0);
    finite("the time needed", missing / units_each_day)
}

fn check_power(power: f64, level: Level) -> Result<(), Undefined> {
    let is_within = level.alpha() < power && power < 1.0;
    within("the power", "above the level and below 1", power, is_within).map(|_| ())
}

#[cfg(test)]
mod tests;
