use proptest::prelude::*;

use super::*;

const ANY_TIME: Reading = Reading::AnyTime { tightest_at_units: 5_000.0 };

fn design() -> impl Strategy<Value = Design> {
    (0.01..100.0f64, 10.0..1e6f64, 10.0..1e6f64).prop_map(|(unit_variance, one, other)| Design {
        unit_variance,
        control_units: one,
        treatment_units: other,
    })
}

proptest! {
    #[test]
    fn the_detectable_effect_has_the_power(design in design(), power in 0.2..0.99f64) {
        for reading in [Reading::Once, ANY_TIME] {
            let effect = design.detectable(power, Level::FIVE_PERCENT, reading).unwrap();
            let found = design.power(effect, Level::FIVE_PERCENT, reading).unwrap();
            prop_assert!((found - power).abs() < 1e-9);
        }
    }

    #[test]
    fn the_units_needed_have_the_power(effect in 0.01..1.0f64, ratio in 0.02..50.0f64) {
        for reading in [Reading::Once, ANY_TIME] {
            let Needed { control_units, treatment_units } =
                needed(effect, 4.0, ratio, USUAL, Level::FIVE_PERCENT, reading).unwrap();
            prop_assume!(control_units > 1.5);
            let design = Design { unit_variance: 4.0, control_units, treatment_units };
            let found = design.power(effect, Level::FIVE_PERCENT, reading).unwrap();
            prop_assert!((found - USUAL).abs() < 1e-9);
        }
    }

    #[test]
    fn looking_at_any_time_costs_units(effect in 0.01..0.5f64) {
        let units = |reading| {
            needed(effect, 1.0, 1.0, USUAL, Level::FIVE_PERCENT, reading).unwrap().control_units
        };
        prop_assert!(units(Reading::Once) < units(ANY_TIME));
    }
}

#[test]
fn time_runs_out() {
    let needed = Needed { control_units: 600.0, treatment_units: 400.0 };
    assert_eq!(time_needed(needed, 900.0, 50.0), Ok(2.0));
    assert_eq!(time_needed(needed, 2_000.0, 50.0), Ok(0.0));
    assert!(time_needed(needed, 0.0, 0.0).is_err());
    assert!(time_needed(needed, -1.0, 5.0).is_err());
}

#[test]
fn says_what_is_missing() {
    let design = Design { unit_variance: 0.0, control_units: 10.0, treatment_units: 10.0 };
    let level = Level::FIVE_PERCENT;
    assert!(design.power(1.0, level, Reading::Once).is_err());
    assert!(needed(0.0, 1.0, 1.0, USUAL, level, Reading::Once).is_err());
    assert!(needed(1.0, 1.0, 1.0, 0.05, level, Reading::Once).is_err());
    assert!(needed(1e-12, 1.0, 1.0, USUAL, level, Reading::Once).is_err());
}
