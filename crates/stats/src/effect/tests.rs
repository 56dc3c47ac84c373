use proptest::prelude::*;

use super::*;
use crate::sequence::{TIGHTEST_AT_UNITS, asymptotic};
use crate::{fixed, sequence};

fn estimate() -> impl Strategy<Value = Estimate> {
    (0.01..100.0f64, 1e-4..1e4f64, 2u64..1_000_000)
        .prop_map(|(value, unit_variance, count)| Estimate { value, unit_variance, count })
}

fn scale() -> impl Strategy<Value = Scale> {
    prop_oneof![Just(Scale::Absolute), Just(Scale::Relative)]
}

type Method = fn(&Effect, Level) -> Result<Inference, Undefined>;

const METHODS: [Method; 3] =
    [fixed::welch, fixed::normal, |effect, level| asymptotic(effect, level, TIGHTEST_AT_UNITS)];

proptest! {
    /// What a p-value and an interval at a level say is the same.
    #[test]
    fn intervals_leave_nothing_out_when_p_is_above_the_level(
        control in estimate(),
        treatment in estimate(),
        scale in scale(),
        alpha in 0.001..0.5f64,
    ) {
        let effect = Effect::new(scale, &control, &treatment).unwrap();
        for method in METHODS {
            // The sequence is tuned to the level, so that its p-value is that of the same level.
            let found = method(&effect, Level::new(alpha).unwrap()).unwrap();
            prop_assume!((found.p_value - alpha).abs() > 1e-9);
            prop_assert_eq!(found.interval.contains(0.0), found.p_value > alpha);
        }
    }

    #[test]
    fn a_stricter_level_gives_a_wider_interval(control in estimate(), treatment in estimate()) {
        let effect = Effect::absolute(&control, &treatment).unwrap();
        for method in METHODS {
            let wide = method(&effect, Level::new(0.01).unwrap()).unwrap().interval;
            let narrow = method(&effect, Level::FIVE_PERCENT).unwrap().interval;
            prop_assert!(wide.low < narrow.low && narrow.high < wide.high);
        }
    }

    #[test]
    fn more_units_give_a_narrower_interval(control in estimate(), treatment in estimate()) {
        let more = |of: Estimate| Estimate { count: of.count * 2, ..of };
        let effect = Effect::absolute(&control, &treatment).unwrap();
        let surer = Effect::absolute(&more(control), &more(treatment)).unwrap();
        for method in METHODS {
            let wide = method(&effect, Level::FIVE_PERCENT).unwrap().interval;
            let narrow = method(&surer, Level::FIVE_PERCENT).unwrap().interval;
            prop_assert!(narrow.high - narrow.low < wide.high - wide.low);
        }
    }

    #[test]
    fn exchanged_arms_turn_the_absolute_effect_around(one in estimate(), other in estimate()) {
        let there = Effect::absolute(&one, &other).unwrap();
        let back = Effect::absolute(&other, &one).unwrap();
        for method in METHODS {
            let there = method(&there, Level::FIVE_PERCENT).unwrap();
            let back = method(&back, Level::FIVE_PERCENT).unwrap();
            prop_assert!((there.p_value - back.p_value).abs() <= 1e-12);
            let width = there.interval.high - there.interval.low;
            prop_assert!((there.interval.low + back.interval.high).abs() <= 1e-9 * width);
        }
    }

    /// The unit in which values are measured changes nothing but the unit of the answer.
    #[test]
    fn a_relative_effect_has_no_unit(control in estimate(), treatment in estimate()) {
        let in_cents = |of: Estimate| Estimate {
            value: of.value * 100.0, unit_variance: of.unit_variance * 1e4, ..of
        };
        let effect = Effect::relative(&control, &treatment).unwrap();
        let same = Effect::relative(&in_cents(control), &in_cents(treatment)).unwrap();
        prop_assert!((effect.estimate - same.estimate).abs() <= 1e-9 * effect.estimate.abs() + 1e-12);
        prop_assert!((effect.std_error - same.std_error).abs() <= 1e-9 * effect.std_error);
    }

    #[test]
    fn hostile_estimates_give_no_nan(
        values in prop::array::uniform4(any::<f64>()),
        counts in prop::array::uniform2(any::<u64>()),
        scale in scale(),
    ) {
        let control = Estimate { value: values[0], unit_variance: values[1], count: counts[0] };
        let treatment = Estimate { value: values[2], unit_variance: values[3], count: counts[1] };
        let Ok(effect) = Effect::new(scale, &control, &treatment) else { return Ok(()) };
        for method in METHODS {
            let Ok(found) = method(&effect, Level::FIVE_PERCENT) else { continue };
            prop_assert!(found.interval.low.is_finite() && found.interval.high.is_finite());
            prop_assert!((0.0..=1.0).contains(&found.p_value));
        }
    }

    /// Looking later at the same distance in standard errors is less surprising, and never more than fixed.
    #[test]
    fn a_sequence_is_wider_than_one_look(control in estimate(), treatment in estimate()) {
        let effect = Effect::absolute(&control, &treatment).unwrap();
        let once = fixed::normal(&effect, Level::FIVE_PERCENT).unwrap();
        let always = sequence::asymptotic(&effect, Level::FIVE_PERCENT, 5_000.0).unwrap();
        prop_assert!(always.interval.low < once.interval.low);
        prop_assert!(always.p_value >= once.p_value);
    }
}

#[test]
fn arms_that_allow_no_comparison_say_why() {
    let good = Estimate { value: 1.0, unit_variance: 2.0, count: 10 };
    let with = |change: fn(&mut Estimate)| {
        let mut changed = good;
        change(&mut changed);
        (Effect::relative(&changed, &good), Effect::relative(&good, &changed))
    };
    let both = |why| (Err(why), Err(why));
    assert_eq!(with(|it| it.count = 0), both(Undefined::NoUnits));
    assert_eq!(with(|it| it.count = 1), both(Undefined::OneUnit));
    assert_eq!(with(|it| it.unit_variance = 0.0), both(Undefined::NoVariance));
    assert_eq!(with(|it| it.value = -1.0).0, Err(Undefined::Baseline { value: -1.0 }));
    assert_eq!(with(|it| it.value = 0.0).0, Err(Undefined::Baseline { value: 0.0 }));
    assert!(with(|it| it.value = 0.0).1.is_ok());
    assert_eq!(
        with(|it| it.value = f64::NAN).0.unwrap_err().to_string(),
        "an estimate is too large or too small for a number"
    );
}

#[test]
fn levels_lie_between_0_and_1() {
    for alpha in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY, 1e-16] {
        assert!(Level::new(alpha).is_err(), "{alpha}");
    }
    assert_eq!(Level::FIVE_PERCENT.shared(5), Level::new(0.01).unwrap());
    assert_eq!(Level::FIVE_PERCENT.shared(0), Level::FIVE_PERCENT);
}
