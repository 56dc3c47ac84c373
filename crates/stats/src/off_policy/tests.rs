use super::*;

fn logged(reward: f64, propensity: f64, target: f64) -> Logged {
    let predicted = Some(Predicted { taken: 0.5, target: 0.6 });
    Logged { reward, propensity, target, supported: 1.0, predicted }
}

const ANY_OVERLAP: Overlap = Overlap {
    effective_min: 0.0,
    unsupported_max: 1.0,
    effective_part_low: 0.0,
    heaviest_part_high: 1.0,
};

fn estimate(method: Method, rows: &[Logged]) -> Estimate {
    let mut estimator = Estimator::new(method).unwrap();
    rows.iter().for_each(|row| estimator.add(row).unwrap());
    estimator.estimate(&ANY_OVERLAP).unwrap()
}

#[test]
fn each_method_follows_its_formula() {
    // Weights 2, 0.5 and 4.
    let rows = [logged(1.0, 0.25, 0.5), logged(0.0, 0.5, 0.25), logged(2.0, 0.125, 0.5)];
    let near = |method, expected: f64| {
        let found = estimate(method, &rows).value;
        assert!((found - expected).abs() < 1e-12, "{method:?}: {found}");
    };
    near(Method::Ips, 10.0 / 3.0);
    near(Method::Clipped { most: 3.0 }, 8.0 / 3.0);
    near(Method::Snips, 10.0 / 6.5);
    near(Method::Direct, 0.6);
    near(Method::DoublyRobust, 0.6 + (1.0 - 0.25 + 6.0) / 3.0);
    near(Method::SwitchDoublyRobust { most: 3.0 }, 0.6 + (1.0 - 0.25) / 3.0);
    let shrunk = |w: f64, rest: f64| 2.0 * w / (w * w + 2.0) * rest;
    let sum = shrunk(2.0, 0.5) + shrunk(0.5, -0.5) + shrunk(4.0, 1.5);
    near(Method::ShrunkDoublyRobust { lambda: 2.0 }, 0.6 + sum / 3.0);
    let ips = estimate(Method::Ips, &rows);
    assert!((ips.effective - 6.5 * 6.5 / 20.25).abs() < 1e-12);
    // Terms 2, 0 and 8: variance 52/3, over 3.
    assert!((ips.standard_error - (52.0_f64 / 3.0 / 3.0).sqrt()).abs() < 1e-12);
}

#[test]
fn the_gain_is_over_the_same_units() {
    let rows = [logged(1.0, 0.25, 0.5), logged(0.0, 0.5, 0.25), logged(2.0, 0.125, 0.5)];
    let ips = estimate(Method::Ips, &rows);
    // Terms less rewards: 1, 0 and 6.
    assert!((ips.gain - 7.0 / 3.0).abs() < 1e-12);
    assert!((ips.gain_error - (62.0_f64 / 3.0 / 2.0 / 3.0).sqrt()).abs() < 1e-12);
    let snips = estimate(Method::Snips, &rows);
    let (v, w) = (10.0 / 6.5, 6.5 / 3.0);
    let terms = [(2.0, 1.0), (0.5, 0.0), (4.0, 2.0)].map(|(x, r)| x * (r - v) / w - (r - 1.0));
    let error = terms.iter().map(|term| term * term).sum::<f64>().sqrt() / 3.0;
    assert!((snips.gain - (v - 1.0)).abs() < 1e-12);
    assert!((snips.gain_error - error).abs() < 1e-12, "{} {error}", snips.gain_error);
    // A policy that is the one that logged gains nothing, for sure.
    let same: Vec<_> = (0..9).map(|n| logged(f64::from(n), 0.5, 0.5)).collect();
    assert!(estimate(Method::Ips, &same).gain_error < 1e-12);
}

#[test]
fn a_policy_that_was_never_tried_is_refused() {
    let mut estimator = Estimator::new(Method::Snips).unwrap();
    for place in 0..1000 {
        let target = if place < 20 { 1.0 } else { 0.0 };
        estimator.add(&logged(1.0, 0.5, target)).unwrap();
    }
    let refused = estimator.estimate(&Overlap::default()).unwrap_err();
    let OffPolicyError::LittleOverlap { effective, count, .. } = refused else {
        panic!("{refused}")
    };
    assert!((effective - 20.0).abs() < 1e-9);
    assert_eq!(count, 1000);
    let mut estimator = Estimator::new(Method::Ips).unwrap();
    for _ in 0..1000 {
        estimator.add(&Logged { supported: 0.9, ..logged(1.0, 0.5, 0.5) }).unwrap();
    }
    let refused = estimator.estimate(&Overlap::default()).unwrap_err();
    assert!(matches!(refused, OffPolicyError::Unsupported { .. }));
    assert!(refused.to_string().starts_with("10.0 %"), "{refused}");
}

#[test]
fn nothing_and_nonsense_are_refused() {
    let estimator = Estimator::new(Method::Ips).unwrap();
    assert_eq!(estimator.estimate(&ANY_OVERLAP), Err(OffPolicyError::TooFewUnits(0)));
    let mut estimator = Estimator::new(Method::Ips).unwrap();
    for (reward, propensity, target) in [
        (f64::NAN, 0.5, 0.5),
        (1.0, 0.0, 0.5),
        (1.0, 1.5, 0.5),
        (1.0, f64::NAN, 0.5),
        (1.0, 0.5, -0.1),
        (1.0, 0.5, 1.1),
        (1.0, f64::MIN_POSITIVE, 1.0 + 1.0),
    ] {
        assert!(
            estimator.add(&logged(reward, propensity, target)).is_err(),
            "{reward} {propensity} {target}"
        );
    }
    assert_eq!(estimator, Estimator::new(Method::Ips).unwrap());
    for method in [Method::Clipped { most: 0.0 }, Method::ShrunkDoublyRobust { lambda: f64::NAN }] {
        assert!(Estimator::new(method).is_err());
    }
    let mut estimator = Estimator::new(Method::DoublyRobust).unwrap();
    let without = Logged { predicted: None, ..logged(1.0, 0.5, 0.5) };
    assert_eq!(estimator.add(&without), Err(OffPolicyError::NoPrediction));
    // No weight at all is no overlap, even where none is asked for.
    let mut estimator = Estimator::new(Method::Snips).unwrap();
    (0..9).for_each(|_| estimator.add(&logged(1.0, 0.5, 0.0)).unwrap());
    assert!(matches!(estimator.estimate(&ANY_OVERLAP), Err(OffPolicyError::LittleOverlap { .. })));
}

#[test]
fn wrong_propensities_are_noticed() {
    let rows: Vec<_> = (0..2000)
        .map(|place| {
            // Said to be drawn with 0.2, drawn half the time.
            let target = if place % 2 == 0 { 1.0 } else { 0.0 };
            logged(1.0, if place % 2 == 0 { 0.2 } else { 0.8 }, target)
        })
        .collect();
    let estimate = estimate(Method::Snips, &rows);
    assert!(estimate.warnings.iter().any(|warning| matches!(warning, Warning::WeightsOff { .. })));
}

#[test]
fn means_of_arms_never_use_the_own_fold() {
    let mut means = ArmMeans::default();
    (0..100).for_each(|hash| means.add(hash, 0, 1, if hash % 5 == 3 { 1.0 } else { 0.0 }));
    assert!(means.predict(3, 0, 1).abs() < 1e-12, "all other folds have 0");
    assert!(means.predict(2, 0, 1) > 0.2);
    assert!(
        (means.predict(2, 9, 9) - 0.25).abs() < 1e-12,
        "what was never tried has the mean of all"
    );
}

#[test]
fn exploration_is_what_the_effective_sample_asks_for() {
    let overlap = Overlap::default();
    assert!((exploration_needed(10_000, 4, &overlap) - 0.04).abs() < 1e-12);
    assert!(exploration_needed(100, 4, &overlap) > 1.0);
}
