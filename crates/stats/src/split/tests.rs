use proptest::prelude::*;

use super::*;

const FINE: f64 = CONCENTRATIONS[0];

proptest! {
    #[test]
    fn counts_as_planned_are_no_mismatch(
        units in 10u64..1_000_000,
        weights in prop::collection::vec(1u64..100, 2..20),
    ) {
        let counts: Vec<u64> = weights.iter().map(|weight| units * weight).collect();
        let weights: Vec<f64> = weights.iter().map(|weight| float(*weight)).collect();
        prop_assert!(chi_squared(&counts, &weights).unwrap().p_value > 0.999_999);
        prop_assert!(sequential(&counts, &weights, FINE).unwrap().p_value > 0.999_999);
    }

    #[test]
    fn the_size_of_weights_does_not_matter(counts in prop::array::uniform3(1u64..10_000)) {
        let small = sequential(&counts, &[0.2, 0.3, 0.5], FINE).unwrap();
        let large = sequential(&counts, &[20.0, 30.0, 50.0], FINE).unwrap();
        prop_assert!((small.p_value - large.p_value).abs() < 1e-9);
    }

    #[test]
    fn hostile_counts_give_no_nan(
        counts in prop::collection::vec(any::<u64>().prop_map(|count| count >> 8), 0..5),
        weights in prop::collection::vec(any::<f64>(), 0..5),
        concentration in any::<f64>(),
    ) {
        let found = [chi_squared(&counts, &weights), sequential(&counts, &weights, concentration)];
        for found in found.into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&found.p_value), "{found:?}");
        }
    }
}

#[test]
fn a_loss_of_two_percent_in_a_large_arm_is_seen() {
    let counts = [100_000, 98_000];
    let level = Level::new(ALARM).unwrap();
    assert!(chi_squared(&counts, &[1.0, 1.0]).unwrap().is_mismatch(level));
    assert!(sequential(&counts, &[1.0, 1.0], FINE).unwrap().is_mismatch(level));
    assert!(!sequential(&[1_000, 980], &[1.0, 1.0], FINE).unwrap().is_mismatch(level));
}

#[test]
fn evidence_of_stretches_is_multiplied_before_it_is_averaged() {
    let (before, after) = (([600, 400], [0.5, 0.5]), ([100, 920], [0.1, 0.9]));
    let stretches = [before, after];
    let pairs = || stretches.iter().map(|(counts, weights)| (&counts[..], &weights[..]));
    let found = over_stretches(pairs()).unwrap();
    let product = |concentration: f64| -> f64 {
        let ln = |(counts, weights)| sequential(counts, weights, concentration).unwrap().ln_e_value;
        pairs().map(|stretch| ln(stretch).unwrap()).sum::<f64>().exp()
    };
    let mean = f64::midpoint(product(10_000.0), product(100.0));
    assert!((found.p_value * mean - 1.0).abs() < 1e-9, "{found:?}");
    assert!(found.p_value < 0.001);
    // A stretch in which there was one arm adds nothing.
    let with_one_arm = pairs().chain([(&[70][..], &[1.0][..])]);
    assert_eq!(over_stretches(with_one_arm), Ok(found));
    assert_eq!(over_stretches([(&[70][..], &[1.0][..])]), Err(Undefined::OneArm));
    assert_eq!(over_stretches([]), Err(Undefined::OneArm));
}

#[test]
fn says_what_is_missing() {
    assert_eq!(chi_squared(&[5], &[1.0]), Err(Undefined::OneArm));
    assert_eq!(chi_squared(&[0, 0], &[1.0, 1.0]), Err(Undefined::NoUnits));
    assert!(sequential(&[0, 0], &[1.0, 1.0], 10.0).unwrap().p_value >= 1.0);
    assert_eq!(chi_squared(&[5, 5], &[1.0]), Err(Undefined::Lengths { left: 2, right: 1 }));
    assert!(chi_squared(&[5, 5], &[1.0, 0.0]).is_err());
}
