//! What an arm differs from the control by, and how sure that is.
//!
//! Whatever is measured (a mean, a share, a ratio, a quantile, a value adjusted by what was before) is brought to an
//! [`Estimate`] for each arm; two of them make an [`Effect`]; every test and interval takes an effect.

use crate::sample::{UNITS_MAX, float};
use crate::special::normal_quantile_above;
use crate::undefined::{Undefined, finite, within};

/// What the units of one arm say of a quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate, in the quantity's unit.
    pub value: f64,
    /// The variance of what one unit contributes: the estimate's own is this divided by the count.
    pub unit_variance: f64,
    /// How many units.
    pub count: u64,
}

impl Estimate {
    /// The variance of the estimate: unit variance / count.
    ///
    /// # Errors
    /// With fewer than two units, without variance, or when something is no number.
    pub fn variance(&self) -> Result<f64, Undefined> {
        match self.count {
            0 => return Err(Undefined::NoUnits),
            1 => return Err(Undefined::OneUnit),
            2..=UNITS_MAX => {}
            _ => return Err(Undefined::OutOfRange { name: "a count" }),
        }
        finite("an estimate", self.value)?;
        finite("a variance", self.unit_variance)?;
        if self.unit_variance < 0.0 {
            return Err(Undefined::Impossible { reason: "a variance is negative" });
        }
        if self.unit_variance == 0.0 {
            return Err(Undefined::NoVariance);
        }
        finite("a variance", self.unit_variance / float(self.count))
    }
}

/// The chance of a false alarm that is accepted, α, above 0 and below 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Level(f64);

impl Level {
    /// α = 5 %: intervals of 95 %.
    pub const FIVE_PERCENT: Self = Self(0.05);
    /// The least level: below it the quantiles of tests have no digits.
    pub const MIN: f64 = 1e-15;

    /// The level `alpha`.
    ///
    /// # Errors
    /// When it is not between [`Self::MIN`] and 1.
    pub fn new(alpha: f64) -> Result<Self, Undefined> {
        let is_within = (Self::MIN..1.0).contains(&alpha);
        within("the level", "a number of at least 1e-15 and below 1", alpha, is_within).map(Self)
    }

    /// α.
    pub fn alpha(self) -> f64 {
        self.0
    }

    /// α/k, for k comparisons together (Bonferroni); α itself for none.
    pub fn shared(self, comparisons: usize) -> Self {
        let comparisons = u32::try_from(comparisons).unwrap_or(u32::MAX).max(1);
        Self((self.0 / f64::from(comparisons)).max(Self::MIN))
    }
}

/// Against what a difference is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// In the unit of the quantity.
    Absolute,
    /// As a share of the control's value: 0.1 is 10 % more.
    Relative,
}

/// A difference between an arm and the control, with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// The difference.
    pub estimate: f64,
    /// The standard deviation of the estimate.
    pub std_error: f64,
    /// Welch's and Satterthwaite's degrees of freedom, of the absolute difference on either scale.
    pub degrees_of_freedom: f64,
    /// How many units of both arms together.
    pub units: u64,
}

impl Effect {
    /// The effect of a treatment on the scale.
    ///
    /// Absolute: θ = b − a, Var θ = s²_a/n_a + s²_b/n_b.
    ///
    /// Relative, by the delta method: θ = (b − a)/a, Var θ = s²_b/(a² n_b) + b² s²_a/(a⁴ n_a), so that intervals are
    /// symmetric around the ratio itself, not around its logarithm.
    /// The degrees of freedom are those of the absolute difference,
    /// (V_a + V_b)² / (V_a²/(n_a−1) + V_b²/(n_b−1)) with V = s²/n.
    ///
    /// Assumes independent units and a control whose value is many standard errors from 0.
    /// Sources: Welch 1947; Deng, Knoblich, Lu, "Applying the delta method in metric analytics", KDD 2018.
    ///
    /// # Errors
    /// When an arm has fewer than two units or no variance; relative also when the control's value is not positive.
    pub fn new(scale: Scale, control: &Estimate, treatment: &Estimate) -> Result<Self, Undefined> {
        Self::against(scale, control, treatment, control.value, treatment.value)
    }

    /// The absolute effect: [`Self::new`].
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn absolute(control: &Estimate, treatment: &Estimate) -> Result<Self, Undefined> {
        Self::new(Scale::Absolute, control, treatment)
    }

    /// The relative effect: [`Self::new`].
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn relative(control: &Estimate, treatment: &Estimate) -> Result<Self, Undefined> {
        Self::new(Scale::Relative, control, treatment)
    }

    /// As [`Self::new`], relative to other values than those whose difference is taken.
    pub(crate) fn against(
        scale: Scale,
        control: &Estimate,
        treatment: &Estimate,
        control_value: f64,
        treatment_value: f64,
    ) -> Result<Self, Undefined> {
        let variances = (control.variance()?, treatment.variance()?);
        let difference = treatment.value - control.value;
        let (estimate, variance) = match scale {
            Scale::Absolute => (difference, variances.0 + variances.1),
            Scale::Relative => {
                if !control_value.is_finite() || control_value <= 0.0 {
                    return Err(Undefined::Baseline { value: control_value });
                }
                let ratio = treatment_value / control_value;
                let variance =
                    (variances.1 + ratio * ratio * variances.0) / (control_value * control_value);
                (difference / control_value, variance)
            }
        };
        let effect = Self {
            estimate,
            std_error: variance.sqrt(),
            degrees_of_freedom: welch_degrees(
                (variances.0, float(control.count)),
                (variances.1, float(treatment.count)),
            ),
            units: control.count + treatment.count,
        };
        effect.check()?;
        Ok(effect)
    }

    /// The effect's distance from nothing in standard errors.
    pub(crate) fn z(&self) -> Result<f64, Undefined> {
        self.check()?;
        finite("a distance in standard errors", self.estimate / self.std_error)
    }

    pub(crate) fn check(&self) -> Result<(), Undefined> {
        finite("an effect", self.estimate)?;
        finite("a standard error", self.std_error)?;
        finite("the degrees of freedom", self.degrees_of_freedom)?;
        if self.std_error <= 0.0 || self.degrees_of_freedom <= 0.0 {
            return Err(Undefined::NoVariance);
        }
        Ok(())
    }

    /// The effect with so many standard errors on either side.
    pub(crate) fn around(&self, std_errors: f64) -> Result<Interval, Undefined> {
        let half = finite("half an interval", self.std_error * std_errors)?;
        Ok(Interval {
            low: finite("an interval", self.estimate - half)?,
            high: finite("an interval", self.estimate + half)?,
        })
    }
}

/// Welch's and Satterthwaite's degrees of freedom of (variance of the mean, count) of two arms; the variances are
/// scaled first, since their squares may be out of range.
fn welch_degrees(one: (f64, f64), other: (f64, f64)) -> f64 {
    let share = one.0 / (one.0 + other.0);
    let rest = 1.0 - share;
    1.0 / (share * share / (one.1 - 1.0) + rest * rest / (other.1 - 1.0))
}

/// From where to where the truth may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether the value lies in it, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// What a test says of an effect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inference {
    /// Covers the truth with a chance of at least 1−α.
    pub interval: Interval,
    /// How seldom an effect of nothing would show at least this much; two-sided.
    /// It is at most α exactly when the interval leaves 0 out.
    pub p_value: f64,
    /// The logarithm of the evidence against no effect, for methods that may be looked at at any time ([`e-values`]).
    ///
    /// [`e-values`]: https://doi.org/10.1111/rssb.12489
    pub ln_e_value: Option<f64>,
}

/// The two-sided quantile of the standard normal distribution at the level.
pub(crate) fn normal_bound(level: Level) -> f64 {
    normal_quantile_above(level.alpha() / 2.0)
}

#[cfg(test)]
mod tests;
