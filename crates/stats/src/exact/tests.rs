use proptest::prelude::*;

use super::*;

fn arm() -> impl Strategy<Value = Sums> {
    (1u64..3_000, 0u64..=1_000)
        .prop_map(|(count, share)| Sums::of_successes(count, count * share / 1_000).unwrap())
}

fn found(scale: Scale, control: &Sums, treatment: &Sums) -> Inference {
    shares(scale, control, treatment, Level::FIVE_PERCENT).unwrap()
}

proptest! {
    #[test]
    fn interval_and_p_value_agree_on_both_scales(control in arm(), treatment in arm()) {
        let absolute = found(Scale::Absolute, &control, &treatment);
        prop_assume!((absolute.p_value - 0.05).abs() > 1e-6);
        prop_assert_eq!(absolute.interval.contains(0.0), absolute.p_value > 0.05);
        prop_assert!(absolute.interval.low >= -1.0 && absolute.interval.high <= 1.0);
        if control.non_zero > 0 {
            let relative = found(Scale::Relative, &control, &treatment);
            prop_assert_eq!(relative.interval.contains(0.0), absolute.p_value > 0.05);
            prop_assert!(relative.interval.low >= -1.0 && relative.interval.high.is_finite());
        }
    }

    #[test]
    fn exchanged_arms_turn_the_interval_around(one in arm(), other in arm()) {
        let there = found(Scale::Absolute, &one, &other);
        let back = found(Scale::Absolute, &other, &one);
        prop_assert!((there.p_value - back.p_value).abs() < 1e-9);
        prop_assert!((there.interval.low + back.interval.high).abs() < 1e-7);
    }

    #[test]
    fn the_observed_difference_is_inside(control in arm(), treatment in arm()) {
        let interval = found(Scale::Absolute, &control, &treatment).interval;
        let difference = treatment.mean().unwrap() - control.mean().unwrap();
        prop_assert!(interval.low < difference + 1e-12 && difference - 1e-12 < interval.high);
    }
}

#[test]
fn one_unit_in_each_arm_says_nothing() {
    let interval = found(Scale::Absolute, &Sums::of([0.0]), &Sums::of([1.0])).interval;
    assert!(interval.low < -0.7 && interval.high >= 1.0, "{interval:?}");
}

#[test]
fn a_large_difference_is_seen_with_few_units() {
    let control = Sums::of_successes(40, 4).unwrap();
    let treatment = Sums::of_successes(40, 25).unwrap();
    assert!(found(Scale::Absolute, &control, &treatment).p_value < 0.01);
}

#[test]
fn refuses_what_is_no_share() {
    let some = Sums::of_successes(10, 3).unwrap();
    let none = Sums::of_successes(10, 0).unwrap();
    let level = Level::FIVE_PERCENT;
    assert_eq!(shares(Scale::Absolute, &some, &Sums::default(), level), Err(Undefined::NoUnits));
    assert!(shares(Scale::Absolute, &some, &Sums::of([2.0, 0.5]), level).is_err());
    assert_eq!(
        shares(Scale::Relative, &none, &some, level),
        Err(Undefined::Baseline { value: 0.0 })
    );
    assert!(shares(Scale::Relative, &some, &none, level).is_ok());
}
