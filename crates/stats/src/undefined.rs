//! Why a number cannot be given.

/// What is asked for is not defined for what was given.
///
/// Every function of this crate answers with finite numbers or with one of these.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Undefined {
    /// An arm without units.
    #[error("there are no units")]
    NoUnits,
    /// An arm with one unit, which says nothing about how units differ.
    #[error("one unit does not tell how units differ: at least two are needed")]
    OneUnit,
    /// A comparison of fewer than two arms.
    #[error("one arm has nothing to be compared with")]
    OneArm,
    /// An arm in which all units have the same value.
    #[error("all units of an arm have the same value, so that chance cannot be told from effect")]
    NoVariance,
    /// A relative effect needs a positive value to relate to.
    #[error("the control's value is {value}; a relative effect needs one above 0")]
    Baseline {
        /// The control's value.
        value: f64,
    },
    /// A parameter out of its range.
    #[error("{name} must be {range}, not {value}")]
    Parameter {
        /// Which parameter.
        name: &'static str,
        /// What it may be.
        range: &'static str,
        /// What it was.
        value: f64,
    },
    /// Sums that no sample has, such as more units with a value than units.
    #[error("no sample has these sums: {reason}")]
    Impossible {
        /// What contradicts what.
        reason: &'static str,
    },
    /// Two lists that belong together differ in length.
    #[error("{left} of one belong to {right} of the other")]
    Lengths {
        /// The length of the first list.
        left: usize,
        /// The length of the second list.
        right: usize,
    },
    /// The result is out of the range of a floating-point number.
    #[error("{name} is too large or too small for a number")]
    OutOfRange {
        /// Which result.
        name: &'static str,
    },
}

/// The value, when it is a number.
pub(crate) fn finite(name: &'static str, value: f64) -> Result<f64, Undefined> {
    if value.is_finite() { Ok(value) } else { Err(Undefined::OutOfRange { name }) }
}

/// The parameter, when it is a number in its range.
pub(crate) fn within(
    name: &'static str,
    range: &'static str,
    value: f64,
    is_within: bool,
) -> Result<f64, Undefined> {
    if is_within && value.is_finite() {
        Ok(value)
    } else {
        Err(Undefined::Parameter { name, range, value })
    }
}

/// The parameter, when it is a positive number.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<f64, Undefined> {
    within(name, "a number above 0", value, value > 0.0)
}
