//! What the units of an arm say of a metric: a value with its variance.

use stats::{
    Undefined,
    effect::Estimate,
    sample::{Pairs, Sums},
};

use crate::{Metric, Tally, Totals};

/// The two-sided normal quantile of 95 %, for the interval of order statistics.
const Z: f64 = 1.959_963_984_540_054;

/// The estimate that sums tell.
pub(crate) fn of_sums(metric: &Metric, tally: &Tally) -> Result<Estimate, Undefined> {
    if metric.is_ratio() {
        return ratio(&upper_and_lower(tally));
    }
    let upper = upper(tally);
    let estimate = if metric.is_binary() { upper.as_share() } else { upper.as_mean() };
    estimate.or_else(|why| match why {
        // One unit has a value, and no variance.
        Undefined::OneUnit => Ok(Estimate { value: upper.mean()?, unit_variance: 0.0, count: 1 }),
        why => Err(why),
    })
}

fn upper(tally: &Tally) -> Sums {
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

/// One sum divided by another, by the delta method: r = x̄/ȳ, Var r ≈ (s²_x − 2r·s_xy + r²·s²_y)/(n·ȳ²).
/// Source: Deng, Knoblich, Lu, "Applying the delta method in metric analytics", KDD 2018.
fn ratio(pairs: &Pairs) -> Result<Estimate, Undefined> {
    let (upper, lower) = (pairs.first.mean()?, pairs.second.mean()?);
    if lower == 0.0 {
        return Err(Undefined::Impossible { reason: "there is nothing to divide by" });
    }
    let value = upper / lower;
    let variance = pairs.first.variance()? - 2.0 * value * pairs.covariance()?
        + value * value * pairs.second.variance()?;
    let unit_variance = variance.max(0.0) / (lower * lower);
    Ok(Estimate { value, unit_variance, count: pairs.first.count })
}

/// The means of control and treatment without what made their units differ before (CUPED): with θ = cov(y, x)/var(x)
/// over both together, ȳ_b − θ(x̄_b − x̄_a) with the variance s²_y + θ²s²_x − 2θ·s_xy in each. The control's mean stays
/// what it was, so that relative effects relate to it. `None` where nobody did anything before.
/// Source: Deng, Xu, Kohavi, Walker, "Improving the sensitivity of online controlled experiments", WSDM 2013.
pub(crate) fn adjusted(
    control: &Tally,
    treatment: &Tally,
) -> Result<Option<(Estimate, Estimate)>, Undefined> {
    let (control, treatment) = (after_and_before(control), after_and_before(treatment));
    let mut both = control;
    both.merge(&treatment);
    let before = both.second.variance()?;
    if before <= 0.0 {
        return Ok(None);
    }
    let theta = both.covariance()? / before;
    let start = control.second.mean()?;
    let estimate = |pairs: &Pairs| -> Result<Estimate, Undefined> {
        let shift = theta * (pairs.second.mean()? - start);
        let variance = pairs.first.variance()? + theta * theta * pairs.second.variance()?
            - 2.0 * theta * pairs.covariance()?;
        Ok(Estimate {
            value: pairs.first.mean()? - shift,
            unit_variance: variance.max(0.0),
            count: pairs.first.count,
        })
    };
    Ok(Some((estimate(&control)?, estimate(&treatment)?)))
}

/// The quantile of sorted values, with a standard error from the distance of the order statistics that stand z standard
/// deviations of a binomial variable to either side: SE = (x_u − x_l)/(2z), u, l = n·q ± z·√(n·q(1−q)).
/// Source: Deng, Knoblich, Lu, KDD 2018, section 4.
pub(crate) fn of_sorted(values: &[f64], quantile: f64) -> Result<Estimate, Undefined> {
    let count = values.len() as u64;
    #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
    let n = count as f64;
    let at = |rank: f64| -> Result<f64, Undefined> {
        let place = rank.clamp(0.0, (n - 1.0).max(0.0));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place among them"
        )]
        let low = place.floor() as usize;
        let first = values.get(low).ok_or(Undefined::NoUnits)?;
        let next = values.get(low + 1).unwrap_or(first);
        Ok(first + (next - first) * place.fract())
    };
    let middle = quantile * (n - 1.0);
    let half = Z * (n * quantile * (1.0 - quantile)).sqrt();
    let value = at(middle)?;
    let std_error = (at(middle + half)? - at(middle - half)?) / (2.0 * Z);
    Ok(Estimate { value, unit_variance: std_error * std_error * n, count })
}
