//! Tests for one look, at a time that was set before: Welch's t and the normal test, and two shares.
//!
//! Looking again and again and stopping when it suits makes them wrong; for that there is [`crate::sequence`].

use crate::effect::{Effect, Inference, Level, normal_bound};
use crate::sample::{Sums, float};
use crate::special::{normal_above, student_beyond, student_quantile_beyond};
use crate::undefined::Undefined;

/// Welch's two-sided t-test: p = P(|T_ν| > |θ|/SE), interval θ ± t_ν(1−α/2)·SE.
///
/// Assumes that means are about normal, which holds from some hundred units on unless values are very skewed.
/// Source: Welch, "The generalization of Student's problem when several different population variances are
/// involved", Biometrika 34, 1947.
///
/// # Errors
/// When the effect is none that [`Effect::new`] makes.
pub fn welch(effect: &Effect, level: Level) -> Result<Inference, Undefined> {
    let t = effect.z()?;
    let bound = student_quantile_beyond(level.alpha(), effect.degrees_of_freedom);
    Ok(Inference {
        interval: effect.around(bound)?,
        p_value: student_beyond(t, effect.degrees_of_freedom),
        ln_e_value: None,
    })
}

/// The two-sided normal test: p = P(|Z| > |θ|/SE), interval θ ± z(1−α/2)·SE.
///
/// For two shares this is the test with separate variances (Wald), whose interval and p-value agree.
///
/// # Errors
/// When the effect is none that [`Effect::new`] makes.
pub fn normal(effect: &Effect, level: Level) -> Result<Inference, Undefined> {
    let z = effect.z()?;
    Ok(Inference {
        interval: effect.around(normal_bound(level))?,
        p_value: two_sided(z),
        ln_e_value: None,
    })
}

/// The p-value of the test of two shares with a common variance under no effect (score test):
/// z = (p_b − p_a)/√(p(1−p)(1/n_a + 1/n_b)), where p is the share in both arms together.
///
/// It is nearer to its level for rare successes than [`normal`], but its interval would not agree with it.
///
/// # Errors
/// When an arm has no units, a value is neither 0 nor 1, or all are the same.
pub fn pooled_shares(control: &Sums, treatment: &Sums) -> Result<f64, Undefined> {
    let (a, b) = (control.as_share()?, treatment.as_share()?);
    let mut both = *control;
    both.merge(treatment);
    let unit_variance = both.as_share()?.unit_variance;
    if unit_variance <= 0.0 {
        return Err(Undefined::NoVariance);
    }
    let variance = unit_variance * (1.0 / float(a.count) + 1.0 / float(b.count));
    Ok(two_sided((b.value - a.value) / variance.sqrt()))
}

pub(crate) fn two_sided(z: f64) -> f64 {
    2.0 * normal_above(z.abs())
}

#[cfg(test)]
mod tests;
