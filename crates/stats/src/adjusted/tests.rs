use proptest::prelude::*;

use super::*;

fn pairs() -> impl Strategy<Value = Pairs> {
    prop::collection::vec(((0u32..100).prop_map(f64::from), (1u32..100).prop_map(f64::from)), 3..60)
        .prop_map(Pairs::of)
        .prop_filter("varies", |it| it.first.variance().is_ok_and(|variance| variance > 0.0))
}

proptest! {
    #[test]
    fn a_ratio_to_ones_is_a_mean(pairs in pairs()) {
        let ones = Pairs {
            first: pairs.first,
            second: Sums::of_successes(pairs.first.count, pairs.first.count).unwrap(),
            sum_of_products: pairs.first.sum,
        };
        let (ratio, mean) = (ratio(&ones).unwrap(), pairs.first.as_mean().unwrap());
        prop_assert!((ratio.value - mean.value).abs() < 1e-12 * mean.value);
        prop_assert!((ratio.unit_variance - mean.unit_variance).abs() < 1e-9 * mean.unit_variance);
    }

    /// Over the joined units no other θ leaves less variance.
    #[test]
    fn theta_leaves_least_variance(one in pairs(), other in pairs(), away in -1.0..1.0f64) {
        let mut joined = one;
        joined.merge(&other);
        let theta = theta(&[&one, &other]).unwrap();
        let best = adjusted(&joined, theta).unwrap().unit_variance;
        prop_assert!(best <= adjusted(&joined, theta + away).unwrap().unit_variance + 1e-9);
    }

    #[test]
    fn one_stratum_changes_nothing(one in pairs(), other in pairs()) {
        let (control, treatment) = post_stratified(&[one.first], &[other.first]).unwrap();
        for (found, plain) in [(control, one.first), (treatment, other.first)] {
            let plain = plain.as_mean().unwrap();
            prop_assert!((found.value - plain.value).abs() < 1e-12 * plain.value);
            prop_assert!((found.unit_variance - plain.unit_variance).abs() < 1e-9 * plain.unit_variance);
        }
    }
}

/// Over ones a ratio is a mean, and its adjustment that of a mean.
#[test]
fn a_ratio_to_ones_is_adjusted_as_a_mean() {
    let units = |more: f64| -> Vec<(f64, f64)> {
        (0..40).map(|n| (f64::from(n % 7) + more, f64::from(n % 5 + n % 7))).collect()
    };
    let ratios = |units: &[(f64, f64)]| {
        let mut sums = RatioPairs::default();
        units.iter().for_each(|(after, before)| sums.add((*after, 1.0), (*before, 1.0)));
        sums
    };
    let (one, other) = (units(0.0), units(0.5));
    for scale in [Scale::Absolute, Scale::Relative] {
        let found = cuped_ratio(scale, &ratios(&one), &ratios(&other)).unwrap();
        let mean = cuped(scale, &Pairs::of(one.clone()), &Pairs::of(other.clone())).unwrap();
        assert!((found.estimate - mean.estimate).abs() < 1e-12, "{found:?} {mean:?}");
        assert!((found.std_error - mean.std_error).abs() < 1e-12, "{found:?} {mean:?}");
    }
    let nothing_before = RatioPairs { before: Pairs::of([(0.0, 0.0); 40]), ..ratios(&one) };
    let found = cuped_ratio(Scale::Absolute, &nothing_before, &ratios(&other));
    assert_eq!(found, Err(Undefined::Baseline { value: 0.0 }));
}

#[test]
fn a_covariate_that_does_not_vary_adjusts_nothing() {
    let arm = |values: [f64; 3]| Pairs::of(values.map(|value| (value, 0.0)));
    let (control, treatment) = (arm([1.0, 2.0, 3.0]), arm([2.0, 4.0, 5.0]));
    let plain =
        Effect::relative(&control.first.as_mean().unwrap(), &treatment.first.as_mean().unwrap());
    assert_eq!(cuped(Scale::Relative, &control, &treatment), plain);
}

#[test]
fn a_value_that_was_the_same_before_leaves_no_variance() {
    let arm = |values: [f64; 3]| Pairs::of(values.map(|value| (value, value)));
    let found = cuped(Scale::Absolute, &arm([1.0, 2.0, 3.0]), &arm([2.0, 4.0, 5.0]));
    assert_eq!(found, Err(Undefined::NoVariance));
}

#[test]
fn says_what_is_missing() {
    assert_eq!(theta(&[]), Err(Undefined::NoUnits));
    assert_eq!(ratio(&Pairs::default()), Err(Undefined::NoUnits));
    let nothing_below = Pairs::of([(1.0, 0.0), (2.0, 0.0)]);
    assert_eq!(ratio(&nothing_below), Err(Undefined::Baseline { value: 0.0 }));
    let one = [Sums::of([1.0, 2.0]), Sums::of([3.0])];
    let two = [Sums::of([1.0, 2.0]), Sums::of([3.0, 4.0])];
    assert_eq!(post_stratified(&one, &two), Err(Undefined::OneUnit));
    assert_eq!(post_stratified(&one, &two[..1]), Err(Undefined::Lengths { left: 2, right: 1 }));
    assert_eq!(post_stratified(&[], &[]), Err(Undefined::NoUnits));
}
