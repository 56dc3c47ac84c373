use super::*;

/// Student's data of 1908; the expected values are those of SciPy's `ttest_ind`.
#[test]
fn welch_of_two_small_samples() {
    let control = Sums::of([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]);
    let treatment = Sums::of([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]);
    let (control, treatment) = (control.as_mean().unwrap(), treatment.as_mean().unwrap());
    let effect = Effect::absolute(&control, &treatment).unwrap();
    let found = welch(&effect, Level::FIVE_PERCENT).unwrap();
    assert!((effect.estimate - 1.58).abs() < 1e-12);
    assert!((effect.degrees_of_freedom - 17.776_473_516_178_488).abs() < 1e-9);
    assert!((found.p_value - 0.079_394_140_187_358_3).abs() < 1e-12);
    assert!((found.interval.low + 0.205_483_230_711_711_37).abs() < 1e-12);
    assert!((found.interval.high - 3.365_483_230_711_710_4).abs() < 1e-12);
}

#[test]
fn shares_that_are_all_alike_cannot_be_compared() {
    let none = Sums::of_successes(100, 0).unwrap();
    assert_eq!(pooled_shares(&none, &none), Err(Undefined::NoVariance));
    assert_eq!(pooled_shares(&none, &Sums::default()), Err(Undefined::NoUnits));
    // One arm without successes is enough for the pooled test.
    let some = Sums::of_successes(100, 10).unwrap();
    assert!(pooled_shares(&none, &some).unwrap() < 0.01);
}
