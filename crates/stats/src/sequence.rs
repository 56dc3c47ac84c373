//! Intervals and p-values that hold at all times at once, however often one looks.

use crate::effect::{Effect, Inference, Level};
use crate::sample::float;
use crate::undefined::{Undefined, finite, positive};

/// The number of units at which the asymptotic sequence is tightest, unless the caller knows better.
///
/// An order of magnitude more or less makes intervals some tenth wider.
pub const TIGHTEST_AT_UNITS: f64 = 5_000.0;

/// The asymptotic confidence sequence of a difference; the default of read-outs.
///
/// With N units in both arms, V the variance of the estimate, ρ² = (−2 ln α + ln(−2 ln α + 1))/N* and k = Nρ² + 1:
/// half-width √(N·V) · √(2k·ln(√k/α)/(Nρ)²), evidence e = exp(ρ²θ²N/(2kV))/√k where θ²/V is the squared distance in
/// standard errors, and p = min(1, 1/e). N* is where it is tightest.
/// The least p-value and the intersection of the intervals over all looks hold as well.
///
/// Assumes that the [gate](crate::gate) is open: the guarantee is for large numbers. Two-sided.
/// Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence
/// sequences", arXiv 2103.06476 v7, equations 9 (width), 155 (p-value) and 161 (ρ).
///
/// # Errors
/// When the effect is none that [`Effect::new`] makes, or `tightest_at_units` is not positive.
pub fn asymptotic(
    effect: &Effect,
    level: Level,
    tightest_at_units: f64,
) -> Result<Inference, Undefined> {
    let z = effect.z()?;
    let growth = growth(float(effect.units), level, tightest_at_units)?;
    let std_errors = std_errors_at(growth, level);
    let k = growth + 1.0;
    let ln_e_value = growth * z * z / (2.0 * k) - 0.5 * k.ln();
    Ok(Inference {
        interval: effect.around(std_errors)?,
        p_value: always_valid(ln_e_value),
        ln_e_value: Some(finite("the evidence", ln_e_value)?),
    })
}

/// Half the width of the asymptotic sequence in standard errors.
pub(crate) fn std_errors(
    units: f64,
    level: Level,
    tightest_at_units: f64,
) -> Result<f64, Undefined> {
    let growth = growth(units, level, tightest_at_units)?;
    finite("half an interval", std_errors_at(growth, level))
}

/// Nρ².
fn growth(units: f64, level: Level, tightest_at_units: f64) -> Result<f64, Undefined> {
    positive("the number of units at which the sequence is tightest", tightest_at_units)?;
    let twice = -2.0 * level.alpha().ln();
    positive("the number of units", units * (twice + twice.ln_1p()) / tightest_at_units)
}

/// √(N·V)·√(2k ln(√k/α))/(Nρ) = SE·√(2k ln(√k/α)/(Nρ²)).
fn std_errors_at(growth: f64, level: Level) -> f64 {
    let k = growth + 1.0;
    (2.0 * k * (0.5 * k.ln() - level.alpha().ln()) / growth).sqrt()
}

/// The mixture sequential probability ratio test (mSPRT), with effects drawn from a normal distribution around 0.
///
/// With v the variance of the estimate and τ the deviation of effects that are looked for, on the effect's scale:
/// ln Λ = ½ ln(v/(v+τ²)) + τ²θ²/(2v(v+τ²)), p = min(1, 1/Λ),
/// half-width √(v(v+τ²)/τ² · (2 ln(1/α) + ln((v+τ²)/v))).
///
/// Assumes that the [gate](crate::gate) is open, and that τ was set before anything was seen. Two-sided.
/// Sources: Johari, Koomen, Pekelis, Walsh, "Peeking at A/B tests", KDD 2017, and "Always valid inference",
/// Operations Research 70(3), 2022.
///
/// # Errors
/// When the effect is none that [`Effect::new`] makes, or `effects_deviation` is not positive.
pub fn mixture(
    effect: &Effect,
    level: Level,
    effects_deviation: f64,
) -> Result<Inference, Undefined> {
    let z = effect.z()?;
    positive("the deviation of effects", effects_deviation)?;
    // Everything in units of the standard error, so that squares stay in range.
    let ratio = finite("the deviation of effects", effects_deviation / effect.std_error)?;
    let square = finite("the deviation of effects", ratio * ratio)?;
    let growth = square.ln_1p();
    let ln_e_value = -0.5 * growth + 0.5 * z * z * (square / (1.0 + square));
    let std_errors = ((1.0 + square) / square * (-2.0 * level.alpha().ln() + growth)).sqrt();
    Ok(Inference {
        interval: effect.around(std_errors)?,
        p_value: always_valid(ln_e_value),
        ln_e_value: Some(finite("the evidence", ln_e_value)?),
    })
}

/// min(1, 1/e).
pub(crate) fn always_valid(ln_e_value: f64) -> f64 {
    (-ln_e_value).exp().min(1.0)
}

#[cfg(test)]
mod tests;
