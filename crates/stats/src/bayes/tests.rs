use proptest::prelude::*;

use super::*;

fn gaussian() -> impl Strategy<Value = Posterior> {
    (-5.0..5.0f64, 0.01..3.0f64)
        .prop_map(|(mean, deviation)| Posterior::Gaussian { mean, deviation })
}

proptest! {
    /// Two normal arms have a closed form: Φ of their distance.
    #[test]
    fn two_arms_stand_as_their_difference_says(one in gaussian(), other in gaussian()) {
        let found = standings(&[one, other]).unwrap();
        let difference = Posterior::Gaussian {
            mean: other.mean() - one.mean(),
            deviation: one.deviation().hypot(other.deviation()),
        };
        let loss = expected_loss(&difference).unwrap();
        prop_assert!((found[1].chance_best - chance_above_zero(&difference).unwrap()).abs() < 1e-8);
        prop_assert!((found[0].expected_loss - loss.of_control).abs() < 1e-7);
        prop_assert!((found[1].expected_loss - loss.of_treatment).abs() < 1e-7);
    }

    #[test]
    fn equal_arms_stand_equally(arm in gaussian(), count in 2usize..8) {
        for standing in standings(&vec![arm; count]).unwrap() {
            prop_assert!((standing.chance_best - 1.0 / count as f64).abs() < 1e-8);
        }
    }

    #[test]
    fn a_stronger_prior_pulls_further(estimate in 0.1..5.0f64, deviation in 0.1..5.0f64) {
        let effect = Effect { estimate, std_error: 1.0, degrees_of_freedom: 9.0, units: 11 };
        let pulled = |deviation| {
            Posterior::of_effect(&effect, Some(Prior { mean: 0.0, deviation })).unwrap().mean()
        };
        prop_assert!(0.0 < pulled(deviation / 2.0) && pulled(deviation / 2.0) < pulled(deviation));
        prop_assert!(pulled(deviation) < estimate);
    }
}

/// Beta(2,1) against Beta(1,1): P(X > Y) = E[X] = 2/3, E[max(Y − X, 0)] = E[(1−X)²/2] = 1/12.
#[test]
fn two_shares_with_a_closed_form() {
    let even = Posterior::of_share(&Sums::default()).unwrap();
    let once = Posterior::of_share(&Sums::of_successes(1, 1).unwrap()).unwrap();
    let found = standings(&[even, once]).unwrap();
    assert!((found[1].chance_best - 2.0 / 3.0).abs() < 1e-9);
    assert!((found[1].expected_loss - 1.0 / 12.0).abs() < 1e-9);
}

#[test]
fn says_what_is_missing() {
    let sure = Posterior::Gaussian { mean: 1.0, deviation: 0.0 };
    let one = Posterior::Gaussian { mean: 1.0, deviation: 1.0 };
    assert_eq!(standings(&[one]), Err(Undefined::OneArm));
    assert!(standings(&[one, sure]).is_err());
    assert!(standings(&[one, Posterior::Gaussian { mean: f64::NAN, deviation: 1.0 }]).is_err());
    assert!(standings(&[one, Posterior::Beta { successes: 0.0, failures: 3.0 }]).is_err());
    assert!(standings(&[one; 201]).is_err());
    assert!(standings(&[one; 200]).is_ok());
    assert!(Posterior::of_share(&Sums::of([2.5])).is_err());
}
