use proptest::prelude::*;

use super::*;
use crate::sample::Sums;

fn binary(count: u64, successes: u64) -> Sums {
    Sums::of_successes(count, successes).unwrap_or_default()
}

/// The sums of numbers.
fn sums(values: &[f64]) -> Sums {
    Sums::of(values.iter().copied())
}

fn thompson(arms: &[Sums]) -> Vec<f64> {
    thompson::binary(arms, thompson::BetaPrior::default()).unwrap()
}

fn assert_near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

/// P(B > A) of two beta distributions with whole parameters, as a sum of positive terms
/// (E. Miller, "Formulas for Bayesian A/B testing", 2015).
fn beta_exceeds([a, b]: [u64; 2], [c, d]: [u64; 2]) -> f64 {
    let ln_factorial = |n: u64| (1..=n).map(|k| number(k).ln()).sum::<f64>();
    let ln_beta =
        |x: u64, y: u64| ln_factorial(x - 1) + ln_factorial(y - 1) - ln_factorial(x + y - 1);
    let term = |i: u64| {
        let ln = ln_beta(a + i, b + d) - number(d + i).ln() - ln_beta(1 + i, d) - ln_beta(a, b);
        ln.exp()
    };
    (0..c).map(term).sum()
}

#[test]
fn normal_arms_agree_with_the_closed_form() {
    let arms =
        [best::Normal { mean: 0.0, deviation: 3.0 }, best::Normal { mean: 1.0, deviation: 4.0 }];
    // Φ((1 − 0)/√(9 + 16)).
    assert_near(best::probabilities(&arms).unwrap()[1], 0.579_259_709_439_103, 1e-12);
    let narrow = best::Normal { mean: 0.3, deviation: 1e-7 };
    let wide = best::Normal { mean: 0.0, deviation: 0.3 };
    // Φ(1), but for the narrow one's own variance.
    assert_near(best::probabilities(&[narrow, wide]).unwrap()[0], 0.841_344_746_068_543, 1e-9);
}

#[test]
fn equal_arms_share_evenly_however_many() {
    for count in [2, 3, 20, 200] {
        for arm in [binary(0, 0), binary(50, 0), binary(1_000_000, 20_000)] {
            for share in thompson(&vec![arm; count]) {
                assert_near(share, 1.0 / number(count as u64), 1e-9);
            }
        }
    }
}

#[test]
fn a_clear_winner_gets_everything_but_nothing_is_lost() {
    let shares = thompson(&[binary(1_000_000, 20_000), binary(1_000_000, 30_000), binary(0, 0)]);
    assert!(shares[0] < 1e-9);
    // The untried arm has a uniform rate, of which 97 % lies above 3 %.
    assert_near(shares[2], 0.97, 1e-3);
}

#[test]
fn a_mean_that_has_not_varied_is_not_certain() {
    let shares = thompson::gaussian(&[sums(&[0.0; 50]), sums(&[0.0, 0.0, 0.0, 90.0])]).unwrap();
    assert!(shares[0] > 0.01 && shares[0] < 0.5, "{shares:?}");
    let error = thompson::gaussian(&[sums(&[2.0; 9]), sums(&[2.0; 9])]).unwrap_err();
    assert_eq!(error, PolicyError::NoVariance);
}

#[test]
fn hostile_sums_are_refused() {
    let good = binary(10, 3);
    let prior = thompson::BetaPrior::default();
    for (sum, sum_of_squares) in
        [(f64::NAN, 3.0), (-1.0, 3.0), (11.0, 11.0), (3.0, 4.0), (f64::INFINITY, f64::INFINITY)]
    {
        let bad = Sums { count: 10, non_zero: 3, sum, sum_of_squares };
        assert_eq!(thompson::binary(&[good, bad], prior), Err(PolicyError::Sums(1)));
    }
    let impossible = Sums { count: 10, non_zero: 3, sum: 30.0, sum_of_squares: 3.0 };
    assert_eq!(thompson::gaussian(&[impossible, good]), Err(PolicyError::Sums(0)));
    assert_eq!(thompson::binary(&[good], prior), Err(PolicyError::Arms(1)));
    let narrow = thompson::BetaPrior { alpha: 0.5, beta: 1.0 };
    assert!(matches!(thompson::binary(&[good, good], narrow), Err(PolicyError::Parameter { .. })));
    let few = PolicyError::TooFewUnits { arm: 1, count: 10, minimum: 11 };
    assert_eq!(require(&[binary(11, 0), good], 11), Err(few));
}

#[test]
fn top_two_follows_the_formula() {
    let p = [0.7, 0.2, 0.1];
    let shares = top_two::shares(&p, 0.5).unwrap();
    let first = 0.5 * 0.7 + 0.5 * (0.2 * 0.7 / 0.8 + 0.1 * 0.7 / 0.9);
    assert_near(shares[0], first, 1e-15);
    assert_near(shares.iter().sum(), 1.0, 1e-15);
    // One arm is certain: nothing tells the others apart.
    assert_eq!(top_two::shares(&[1.0, 0.0, 0.0], 0.5).unwrap(), [0.5, 0.25, 0.25]);
}

#[test]
fn greedy_splits_ties() {
    let arms = [binary(10, 5), binary(20, 10), binary(10, 1)];
    let shares = greedy::shares(&arms, 0.3).unwrap();
    assert_near(shares[0], 0.1 + 0.35, 1e-15);
    assert_near(shares[1], 0.1 + 0.35, 1e-15);
    assert_near(shares[2], 0.1, 1e-15);
}

#[test]
fn floors_hold_and_parts_add_up() {
    let floored = shares::with_floor(&[0.0, 0.995, 0.005], 0.01).unwrap();
    assert_near(floored[0], 0.01, 1e-15);
    assert_near(floored[1], 0.98, 1e-15);
    let error = shares::with_floor(&[0.5, 0.5], 0.6).unwrap_err();
    assert_eq!(error, PolicyError::Floor { floor: 0.6, arms: 2 });
    assert_eq!(shares::apportion(&[1.0, 1.0, 1.0], 10_000).unwrap(), [3334, 3333, 3333]);
    assert!(shares::apportion(&[0.0, 0.0], 10_000).is_err());
}

#[test]
fn the_accelerator_gives_the_control_what_it_needs() {
    // Equal deviations and nothing known of the effects: the control gets √k arms' worth.
    let arm = binary(100, 10);
    let shares = accelerator::shares(&[arm; 5], 2).unwrap();
    assert_near(shares[2], 1.0 / (1.0 + 2.0), 1e-9);
    assert_near(shares[0], shares[4], 1e-12);
    // One arm stands out, for better or worse: it and the control share nearly everything.
    let shares =
        accelerator::shares(&[binary(2000, 200), binary(2000, 100), binary(2000, 204)], 0).unwrap();
    assert!(shares[1] > 0.4 && shares[2] < 0.05, "{shares:?}");
    assert!(accelerator::shares(&[arm; 3], 3).is_err());
}

#[test]
fn epochs_undo_simpsons_paradox() {
    // The arm is a tenth of a point better in either epoch, and got most of its units in the bad one.
    let bad = epochs::Epoch { arm: binary(9000, 459), control: binary(1000, 50), units: 10_000 };
    let good = epochs::Epoch { arm: binary(1000, 201), control: binary(9000, 1800), units: 10_000 };
    let read = epochs::difference(&[bad, good]).unwrap();
    assert_near(read.difference, 0.001, 1e-12);
    assert_near(read.control_mean, 0.125, 1e-12);
    let naive = accelerator::naive_difference(&binary(10_000, 660), &binary(10_000, 1850)).unwrap();
    assert!(naive < -0.1);
    let thin = epochs::Epoch { arm: binary(1, 1), control: binary(99, 5), units: 100 };
    assert_eq!(epochs::difference(&[bad, thin]).unwrap().left_out, 100);
    assert_eq!(
        epochs::difference(&[thin]),
        Err(PolicyError::TooFewUnits { arm: 0, count: 1, minimum: 2 })
    );
}

#[test]
fn linear_policies_refuse_what_does_not_fit() {
    let mut arm = linear::Regression::new(2).unwrap();
    assert_eq!(arm.observe(&[1.0], 0.0), Err(PolicyError::Features { expected: 2, found: 1 }));
    assert_eq!(arm.observe(&[1.0, f64::NAN], 0.0), Err(PolicyError::NotFinite));
    assert_eq!(arm.observe(&[1.0, 2.0], f64::INFINITY), Err(PolicyError::NotFinite));
    assert_eq!(arm.count(), 0);
    assert!(matches!(arm.fit(0.0), Err(PolicyError::Parameter { .. })));
    assert!(linear::Regression::new(0).is_err());
    let fit = arm.fit(1.0).unwrap();
    assert_eq!(linear::best(&[fit.clone(), fit], &[0.0, 0.0], 1.0).unwrap(), [0.5, 0.5]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn two_beta_arms_agree_with_the_exact_sum(
        a in 0_u64..400, b in 0_u64..400, c in 0_u64..400, d in 0_u64..400,
    ) {
        let found = thompson(&[binary(a + b, a), binary(c + d, c)]);
        let exact = beta_exceeds([a + 1, b + 1], [c + 1, d + 1]);
        prop_assert!((found[1] - exact).abs() < 1e-9, "{} is not {exact}", found[1]);
    }

    /// Shares add up to 1, and follow the arms into another order.
    #[test]
    fn shares_belong_to_arms(seen in prop::collection::vec((0_u64..10_000, 0.0..1.0_f64), 2..9)) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        let arm = |(count, rate): &(u64, f64)| binary(*count, (number(*count) * rate) as u64);
        let arms: Vec<Sums> = seen.iter().map(arm).collect();
        let forward = thompson(&arms);
        prop_assert!((forward.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let turned: Vec<Sums> = arms.iter().rev().copied().collect();
        for (one, other) in forward.iter().zip(thompson(&turned).iter().rev()) {
            prop_assert!((one - other).abs() < 1e-9);
        }
    }

    /// Whatever the shares, floored ones hold the floor and parts add up.
    #[test]
    fn floors_and_parts_of_any_shares(raw in prop::collection::vec(0.0..1.0_f64, 2..60), part in 0.0..1.0_f64) {
        let total: f64 = raw.iter().sum();
        prop_assume!(total > 1e-6);
        let given: Vec<f64> = raw.iter().map(|share| share / total).collect();
        let floor = part / number(given.len() as u64);
        let floored = shares::with_floor(&given, floor).unwrap();
        prop_assert!((floored.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        prop_assert!(floored.iter().all(|share| *share >= floor - 1e-12));
        let parts = shares::apportion(&floored, 10_000).unwrap();
        prop_assert_eq!(parts.iter().sum::<u32>(), 10_000);
        for (part, share) in parts.iter().zip(&floored) {
            prop_assert!((f64::from(*part) - share * 10_000.0).abs() <= 1.0);
        }
    }

    /// Sums of regressions add up, and a prediction solves the normal equations.
    #[test]
    fn regressions_add_up(rows in prop::collection::vec((-3.0..3.0_f64, -3.0..3.0_f64, -1.0..1.0_f64), 0..40)) {
        let mut whole = linear::Regression::new(3).unwrap();
        let mut halves = [whole.clone(), whole.clone()];
        for (place, (a, b, reward)) in rows.iter().enumerate() {
            let x = [1.0, *a, *b];
            whole.observe(&x, *reward).unwrap();
            halves[place % 2].observe(&x, *reward).unwrap();
        }
        let [mut one, other] = halves;
        one.add(&other).unwrap();
        let (left, right) = (whole.fit(1.0).unwrap(), one.fit(1.0).unwrap());
        for (l, r) in left.coefficients().iter().zip(right.coefficients()) {
            prop_assert!((l - r).abs() < 1e-9);
        }
        // θ minimises |r − Xθ|² + |θ|²: the gradient is 0.
        let theta = left.coefficients();
        for j in 0..3 {
            let gradient: f64 = rows.iter().map(|(a, b, reward)| {
                let x = [1.0, *a, *b];
                let fitted: f64 = x.iter().zip(theta).map(|(x, t)| x * t).sum();
                x[j] * (fitted - reward)
            }).sum::<f64>() + theta[j];
            prop_assert!(gradient.abs() < 1e-9, "{gradient}");
        }
    }
}
