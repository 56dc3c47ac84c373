use super::*;
use crate::effect::Estimate;

fn effect(estimate: f64) -> Effect {
    let control = Estimate { value: 1.0, unit_variance: 4.0, count: 3_000 };
    let treatment = Estimate { value: 1.0 + estimate, unit_variance: 4.0, count: 3_000 };
    Effect::absolute(&control, &treatment).unwrap()
}

/// The formula as the paper writes it, step by step.
#[test]
fn equals_the_papers_formula() {
    let effect = effect(0.1);
    let alpha = 0.05f64;
    let n = 6_000.0f64;
    let rho = ((-2.0 * alpha.ln() + (-2.0 * alpha.ln() + 1.0).ln()) / 5_000.0).sqrt();
    let k = n * rho.powi(2) + 1.0;
    let variance = effect.std_error.powi(2);
    let half = (n * variance).sqrt() * (2.0 * k * (k.sqrt() / alpha).ln()).sqrt() / (n * rho);
    let e = (rho.powi(2) * 0.01 * n / (2.0 * k * variance)).exp() / k.sqrt();
    let found = asymptotic(&effect, Level::FIVE_PERCENT, 5_000.0).unwrap();
    assert!((found.interval.low - (0.1 - half)).abs() < 1e-12);
    assert!((found.interval.high - (0.1 + half)).abs() < 1e-12);
    assert!((found.ln_e_value.unwrap() - e.ln()).abs() < 1e-12);
}

#[test]
fn no_difference_is_no_evidence() {
    let found = asymptotic(&effect(0.0), Level::FIVE_PERCENT, TIGHTEST_AT_UNITS).unwrap();
    assert!(found.p_value >= 1.0);
    assert!(found.ln_e_value.unwrap() < 0.0);
}

#[test]
fn is_tightest_in_standard_errors_where_it_is_told() {
    let width = |tightest| {
        let interval = asymptotic(&effect(0.0), Level::FIVE_PERCENT, tightest).unwrap().interval;
        interval.high - interval.low
    };
    assert!(width(6_000.0) < width(600.0));
    assert!(width(6_000.0) < width(60_000.0));
}

#[test]
fn refuses_a_tuning_that_is_none() {
    assert!(asymptotic(&effect(0.1), Level::FIVE_PERCENT, 0.0).is_err());
    assert!(asymptotic(&effect(0.1), Level::FIVE_PERCENT, f64::NAN).is_err());
}
