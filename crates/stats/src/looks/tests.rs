use super::*;
use crate::effect::Estimate;

/// The bounds that Spotify's Confidence 4.1.0 gives for a power of 2 and four looks at 5 %.
#[test]
fn four_looks_with_a_power_of_two() {
    let found = Boundaries::new(&[0.25, 0.5, 0.75, 1.0], Level::FIVE_PERCENT, 2.0).unwrap();
    for (found, expected) in std::iter::zip(found.std_errors(), [2.9552, 2.5593, 2.3009, 2.0919]) {
        assert!((found - expected).abs() < 1e-4, "{found}");
    }
}

#[test]
fn one_look_at_the_end_is_the_fixed_test() {
    let found = Boundaries::new(&[1.0], Level::FIVE_PERCENT, 3.0).unwrap();
    assert!((found.std_errors()[0] - 1.959_963_984_540_054).abs() < 1e-12);
}

/// The chances that the bounds are passed add up to what may be spent: played with another method, random walks.
#[test]
fn spends_what_it_may() {
    let fractions: Vec<f64> = (1..=10).map(|look| f64::from(look) / 10.0).collect();
    let level = Level::new(0.1).unwrap();
    let bounds = Boundaries::new(&fractions, level, 1.5).unwrap();
    let mut draws = crate::draws::Draws::new(7);
    let walks = 100_000;
    let passed = (0..walks)
        .filter(|_| {
            let mut position = 0.0;
            fractions.iter().zip(bounds.std_errors()).any(|(fraction, bound)| {
                position += draws.normal() * 0.1f64.sqrt();
                position / fraction.sqrt() > *bound
            })
        })
        .count();
    let share = passed as f64 / f64::from(walks);
    assert!((share - 0.05).abs() < 4.0 * (0.05 * 0.95 / f64::from(walks)).sqrt(), "{share}");
}

#[test]
fn the_repeated_p_value_is_the_level_at_which_the_bound_is_reached() {
    let control = Estimate { value: 1.0, unit_variance: 1.0, count: 1_000 };
    let treatment = Estimate { value: 1.1, unit_variance: 1.0, count: 1_000 };
    let effect = Effect::absolute(&control, &treatment).unwrap();
    let p_value = repeated_p_value(&[0.3, 0.6], &effect, 2.0).unwrap();
    for (level, is_reached) in [(p_value * 1.001, true), (p_value * 0.999, false)] {
        let bounds = Boundaries::new(&[0.3, 0.6], Level::new(level).unwrap(), 2.0).unwrap();
        let look = bounds.look(1, &effect).unwrap();
        assert_eq!(look.is_reached, is_reached);
        assert_eq!(look.interval.contains(0.0), !is_reached);
    }
}

#[test]
fn refuses_looks_that_do_not_rise() {
    for fractions in [&[][..], &[0.5, 0.5], &[0.5, 0.4], &[0.5, 1.1], &[0.0, 1.0], &[f64::NAN]] {
        assert!(Boundaries::new(fractions, Level::FIVE_PERCENT, 2.0).is_err(), "{fractions:?}");
    }
    assert!(Boundaries::new(&[1.0], Level::FIVE_PERCENT, 0.0).is_err());
    let one = Boundaries::new(&[1.0], Level::FIVE_PERCENT, 1.0).unwrap();
    let control = Estimate { value: 1.0, unit_variance: 1.0, count: 10 };
    assert!(one.look(1, &Effect::absolute(&control, &control).unwrap()).is_err());
}
