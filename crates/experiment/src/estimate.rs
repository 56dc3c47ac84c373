//! What the units of an arm say of a metric: a value with its variance, and how two arms differ.

use stats::{
    Undefined,
    adjusted::{self, RatioPairs},
    bayes::Posterior,
    effect::{Effect, Estimate, Scale},
    quantile::Quantile,
    sample::{Pairs, Sums},
};

use crate::{ArmSums, Direction, Metric, MetricKind, Tally, Totals};

/// The estimate of an arm, by its sums or, of a quantile, its sorted values.
pub(crate) fn of_arm(metric: &Metric, arm: &ArmSums<'_>) -> Result<Estimate, Undefined> {
    if let (Some(quantile), Some(values)) = (metric.quantile, arm.sorted) {
        return Quantile::of_sorted(values, quantile)?.estimate();
    }
    of_sums(metric, arm.tally)
}

/// The estimate of what sums tell.
pub(crate) fn of_sums(metric: &Metric, tally: &Tally) -> Result<Estimate, Undefined> {
    if metric.is_ratio() {
        return adjusted::ratio(&upper_and_lower(tally));
    }
    let upper = upper(tally);
    let estimate = if metric.is_binary() { upper.as_share() } else { upper.as_mean() };
    estimate.or_else(|why| match why {
        // One unit has a value, and no variance.
        Undefined::OneUnit => Ok(Estimate { value: upper.mean()?, unit_variance: 0.0, count: 1 }),
        why => Err(why),
    })
}

/// The sums of what a metric is about: values, or the upper part of a ratio.
pub(crate) fn upper(tally: &Tally) -> Sums {
    let Totals { units, upper, upper_squares, .. } = tally.totals();
    Sums { count: units, non_zero: tally.nonzero, sum: upper, sum_of_squares: upper_squares }
}

/// Sums of a quantity of which nobody has counted the zeros.
fn second(units: u64, sum: f64, sum_of_squares: f64) -> Sums {
    Sums { count: units, non_zero: units, sum, sum_of_squares }
}

fn upper_and_lower(tally: &Tally) -> Pairs {
    let Totals { units, lower, lower_squares, upper_lower, .. } = tally.totals();
    let second = second(units, lower, lower_squares);
    Pairs { first: upper(tally), second, sum_of_products: upper_lower }
}

fn after_and_before(tally: &Tally) -> Pairs {
    let Totals { units, before, before_squares, upper_before, .. } = tally.totals();
    let second = second(units, before, before_squares);
    Pairs { first: upper(tally), second, sum_of_products: upper_before }
}

/// How a treatment differs from the control, with what units did before taken out; `None` where that tells nothing.
pub(crate) fn adjusted_effect(
    metric: &Metric,
    scale: Scale,
    control: &Tally,
    treatment: &Tally,
) -> Result<Option<Effect>, Undefined> {
    if metric.is_ratio() {
        return adjusted_ratio(scale, control, treatment);
    }
    let can_be = metric.kind != MetricKind::Quantile;
    let pairs = [control, treatment].map(after_and_before);
    let [control, treatment] = &pairs;
    let mut both = *control;
    both.merge(treatment);
    if !can_be || both.second.variance()? <= 0.0 {
        return Ok(None);
    }
    adjusted::cuped(scale, control, treatment).map(Some)
}

/// The same of a ratio; `None` also where an arm has nothing of its lower part before, as when nobody has a history.
fn adjusted_ratio(
    scale: Scale,
    control: &Tally,
    treatment: &Tally,
) -> Result<Option<Effect>, Undefined> {
    let pairs = [control, treatment].map(both_before);
    let [control, treatment] = &pairs;
    let mut both = *control;
    both.merge(treatment);
    let has_history = |pairs: &RatioPairs| 0.0 < pairs.before.second.sum;
    let can_be = has_history(control) && has_history(treatment);
    if !can_be || adjusted::ratio(&both.before)?.unit_variance <= 0.0 {
        return Ok(None);
    }
    adjusted::cuped_ratio(scale, control, treatment).map(Some)
}

fn both_before(tally: &Tally) -> RatioPairs {
    let totals = tally.totals();
    let units = totals.units;
    let before = Pairs {
        first: second(units, totals.before, totals.before_squares),
        second: second(units, totals.before_lower, totals.before_lower_squares),
        sum_of_products: totals.before_both,
    };
    RatioPairs {
        after: upper_and_lower(tally),
        before,
        first_products: (totals.upper_before, totals.upper_before_lower),
        second_products: (totals.lower_before, totals.lower_before_lower),
    }
}

/// What is believed of an arm's value, turned so that more is better.
pub(crate) fn posterior(
    metric: &Metric,
    arm: &ArmSums<'_>,
    estimate: &Estimate,
) -> Result<Posterior, Undefined> {
    let turned = metric.direction == Direction::Lower;
    if metric.is_binary() {
        let belief = Posterior::of_share(&upper(arm.tally))?;
        return Ok(match belief {
            Posterior::Beta { successes, failures } if turned => {
                Posterior::Beta { successes: failures, failures: successes }
            }
            belief => belief,
        });
    }
    let deviation = estimate.variance()?.sqrt();
    let mean = if turned { -estimate.value } else { estimate.value };
    Ok(Posterior::Gaussian { mean, deviation })
}
