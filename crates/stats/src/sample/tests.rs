use proptest::prelude::*;

use super::*;

/// Whole numbers, so that sums have no rounding and can be compared exactly.
fn values() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-1_000i32..1_000).prop_map(f64::from), 0..40)
}

fn pairs() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec(
        ((-99i32..99).prop_map(f64::from), (-99i32..99).prop_map(f64::from)),
        0..40,
    )
}

proptest! {
    #[test]
    fn merging_is_taking_all_values_together(one in values(), other in values()) {
        let mut merged = Sums::of(one.iter().copied());
        merged.merge(&Sums::of(other.iter().copied()));
        prop_assert_eq!(merged, Sums::of(one.into_iter().chain(other)));
    }

    #[test]
    fn taking_out_undoes_putting_in(kept in values(), passing in values()) {
        let mut sums = Sums::of(kept.iter().chain(&passing).copied());
        for value in &passing {
            sums.remove(*value).unwrap();
        }
        prop_assert_eq!(sums, Sums::of(kept));
    }

    #[test]
    fn pairs_merge_and_are_taken_out(kept in pairs(), passing in pairs()) {
        let mut sums = Pairs::of(kept.iter().copied());
        sums.merge(&Pairs::of(passing.iter().copied()));
        prop_assert_eq!(sums, Pairs::of(kept.iter().chain(&passing).copied()));
        for (first, second) in &passing {
            sums.remove(*first, *second).unwrap();
        }
        prop_assert_eq!(sums, Pairs::of(kept));
    }

    #[test]
    fn variance_and_covariance_are_those_of_the_definition(pairs in pairs()) {
        prop_assume!(pairs.len() >= 2);
        let count = pairs.len() as f64;
        let mean_first = pairs.iter().map(|pair| pair.0).sum::<f64>() / count;
        let mean_second = pairs.iter().map(|pair| pair.1).sum::<f64>() / count;
        let around = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / (count - 1.0);
        let variance = around(&|pair| (pair.0 - mean_first).powi(2));
        let covariance = around(&|pair| (pair.0 - mean_first) * (pair.1 - mean_second));
        let sums = Pairs::of(pairs.iter().copied());
        prop_assert!((sums.first.variance().unwrap() - variance).abs() < 1e-8);
        prop_assert!((sums.covariance().unwrap() - covariance).abs() < 1e-8);
    }

    /// Whatever the sums are, the answer is a number or a reason.
    #[test]
    fn hostile_sums_give_no_nan(
        count in any::<u64>(),
        non_zero in any::<u64>(),
        sum in any::<f64>(),
        sum_of_squares in any::<f64>(),
    ) {
        let sums = Sums { count, non_zero, sum, sum_of_squares };
        for answer in [sums.mean(), sums.variance()] {
            prop_assert!(answer.is_err() || answer.unwrap().is_finite());
        }
        if let Ok(estimate) = sums.as_mean() {
            prop_assert!(estimate.variance().is_err() || estimate.variance().unwrap() > 0.0);
        }
    }
}

#[test]
fn an_empty_sample_says_so() {
    assert_eq!(Sums::default().mean(), Err(Undefined::NoUnits));
    assert_eq!(Sums::of([3.0]).variance(), Err(Undefined::OneUnit));
    assert_eq!(Pairs::of([(1.0, 2.0)]).covariance(), Err(Undefined::OneUnit));
}

#[test]
fn equal_values_have_no_variance_whatever_their_rounding() {
    let sums = Sums::of([0.1; 1_000]);
    assert_eq!(sums.variance(), Ok(0.0));
    assert_eq!(sums.as_mean().unwrap().variance(), Err(Undefined::NoVariance));
}

#[test]
fn more_is_not_taken_out_than_is_in() {
    let mut sums = Sums::of([1.0, 0.0]);
    let before = sums;
    assert!(sums.subtract(&Sums::of([1.0, 1.0])).is_err());
    assert!(sums.subtract(&Sums::of([0.0, 0.0])).is_err());
    assert_eq!(sums, before);
}

#[test]
fn shares_are_of_yes_and_no() {
    assert_eq!(Sums::of_successes(10, 4), Ok(Sums::of([1., 1., 1., 1., 0., 0., 0., 0., 0., 0.])));
    assert!(Sums::of_successes(3, 4).is_err());
    let share = Sums::of_successes(10, 4).unwrap().as_share().unwrap();
    assert_eq!((share.value, share.unit_variance, share.count), (0.4, 0.24, 10));
    assert!(Sums::of([1.0, 2.0]).as_share().is_err());
}

#[test]
fn the_rarer_outcome_informs() {
    assert_eq!(Sums::of_successes(100, 97).unwrap().informative(), 3);
    assert_eq!(Sums::of_successes(100, 3).unwrap().informative(), 3);
}

#[test]
fn few_large_values_inform_little() {
    assert_eq!(Sums::of([0.0, 2.5, 2.5, 2.5]).informative(), 3);
    assert_eq!(Sums::of([7.3; 1_000]).informative(), 1_000);
    let mut values = vec![1.0; 100];
    values.push(1_000.0);
    assert_eq!(Sums::of(values).informative(), 1);
    assert_eq!(Sums::of([-3.0, 3.0]).informative(), 0);
    assert_eq!(Sums::default().informative(), 0);
}
