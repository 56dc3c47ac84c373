//! From sums to results: what each arm did, and what it differs from the control by.

#[cfg(test)]
mod tests;

use model::{Key, Timestamp};
use serde::Serialize;
use stats::{
    Undefined,
    bayes::{self, Posterior, Standing},
    effect::{Effect, Estimate, Inference, Scale},
    exact, gate,
    multiple::{self, Correction},
    policy::epochs,
};

use crate::{Arm, Direction, Method, Metric, MetricKind, Power, Reading, Role, Tally, estimate};

/// What one arm did.
#[derive(Clone, Copy, Debug)]
pub struct ArmSums<'a> {
    /// Which arm.
    pub arm: &'a Arm,
    /// Its sums.
    pub tally: &'a Tally,
    /// The values of its units, sorted: of a quantile, which sums do not tell.
    pub sorted: Option<&'a [f64]>,
}

/// What the units of one stratum did, within which shares were constant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StratumSums {
    /// How many units were exposed in it, whatever they got: what it weighs.
    pub units: u64,
    /// The sums of each arm, in the order of the arms.
    pub tallies: Vec<Tally>,
}

impl StratumSums {
    /// What the units of these arms say of a metric; nothing where they say nothing.
    pub(crate) fn seen(&self, metric: &Metric, arms: &[usize]) -> epochs::Seen {
        let nothing = Estimate { value: 0.0, unit_variance: 0.0, count: 0 };
        let estimate = |place: &usize| {
            let tally = self.tallies.get(*place)?;
            estimate::of_sums(metric, tally).ok()
        };
        let arms = arms.iter().map(|place| estimate(place).unwrap_or(nothing));
        epochs::Seen { units: self.units, arms: arms.collect() }
    }
}

/// The result of a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricResult {
    /// The metric's key.
    pub metric: Key,
    /// What people call it.
    pub name: String,
    /// What it computes.
    pub kind: MetricKind,
    /// What it is to the experience.
    pub role: Role,
    /// Which way is better.
    pub direction: Direction,
    /// The currency of values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Whether some arm has too little for anything but the exact sequence of shares.
    pub is_collecting: bool,
    /// What happened until then is counted, where that is less than the experience's other results count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Why nothing is said, or what is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What can be found by now, and how long it takes to find more; `null` while it is collecting.
    pub power: Option<Power>,
    /// The arms, the control first.
    pub arms: Vec<ArmResult>,
}

/// What one arm did, and how that compares.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmResult {
    /// The arm.
    pub arm: String,
    /// Whether others are compared with it.
    pub is_control: bool,
    /// Whether it is a variant, and no holdout.
    #[serde(skip)]
    pub is_variant: bool,
    /// Units that count.
    pub units: u64,
    /// Units that count with another value than 0.
    pub nonzero: u64,
    /// Units that wait for the end of their window.
    pub waiting: u64,
    /// Units whose events may not be read.
    pub withheld: u64,
    /// Units of which more happened than is kept.
    pub overflow: u64,
    /// Its value; `null` where there is none.
    pub value: Option<f64>,
    /// The standard error of the value.
    pub std_error: Option<f64>,
    /// The chance that no other arm is better; `null` while there is too little.
    pub chance_best: Option<f64>,
    /// What choosing it costs if another is better, in the metric's unit.
    pub expected_loss: Option<f64>,
    /// How it compares with the control; `null` for the control, and where nothing can be said.
    pub comparison: Option<Comparison>,
    /// Why nothing can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

/// How an arm compares with the control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// How interval and p-value came about: as was asked for, or by the exact sequence while an arm has too little for
    /// anything else.
    pub method: Method,
    /// In the metric's unit.
    pub absolute: Difference,
    /// As a share of the control's value; `null` where that is not above 0.
    pub relative: Option<Difference>,
    /// How seldom no effect would show at least this much.
    pub p_value: f64,
    /// The same, for all groups of a breakdown together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value_of_all: Option<f64>,
    /// The part of the variance that was taken out by what units did before; 0 where nothing was.
    pub variance_reduction: f64,
    /// Which way it surely goes; `null` while the interval holds both.
    pub surely: Option<Surely>,
    /// How many more units of both arms would make this difference sure, if it stays as it is; 0 when it is. `null`
    /// where no number of units that is worth waiting for would.
    pub units_needed: Option<u64>,
    /// What everybody exposed would have brought more with this arm than with the control: of sums of money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact: Option<Difference>,
}

/// A difference with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The difference.
    pub lift: f64,
    /// Its standard error.
    pub std_error: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Which way an arm surely differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Surely {
    /// In the direction that is better.
    Better,
    /// In the other.
    Worse,
}

/// Reads a metric out. The first arm is the control.
pub fn read_out(metric: &Metric, arms: &[ArmSums<'_>], reading: Reading) -> MetricResult {
    told(metric, arms, None, reading)
}

/// Reads a metric out of an experience whose shares followed what units did: values and differences are stratified by
/// strata within which shares were constant ([`epochs::of_arms`]), and what units did before is not taken out.
pub fn read_out_over(
    metric: &Metric,
    arms: &[ArmSums<'_>],
    strata: &[StratumSums],
    reading: Reading,
) -> MetricResult {
    if metric.kind == MetricKind::Quantile {
        let mut result = told(metric, arms, None, reading);
        result.arms.iter_mut().filter(|arm| arm.comparison.is_some()).for_each(|arm| {
            arm.comparison = None;
            arm.why_not = Some("quantiles cannot be compared where shares changed".into());
        });
        return result;
    }
    let mut result = told(metric, arms, Some(strata), reading);
    if !result.is_collecting {
        result.notes.push(format!(
            "differences are those within each of {} stretches of constant shares, weighted by their units; what \
             units did before is not taken out, and the interval takes shares as given, so that it is approximate \
             where they followed the data closely",
            strata.len()
        ));
    }
    result
}

/// The estimates of these arms over the strata in which all of them have two units, none of which is believed to be
/// known exactly because a few units happen to be alike.
fn over(metric: &Metric, arms: &[usize], strata: &[StratumSums]) -> Option<Vec<Estimate>> {
    let seen: Vec<epochs::Seen> = strata.iter().map(|stratum| stratum.seen(metric, arms)).collect();
    epochs::of_arms(&epochs::steadied(&seen)).ok().map(|seen| seen.arms)
}

fn told(
    metric: &Metric,
    arms: &[ArmSums<'_>],
    strata: Option<&[StratumSums]>,
    reading: Reading,
) -> MetricResult {
    let informative = arms.iter().map(|arm| informative(metric, arm.tally));
    let is_collecting = gate::gate(informative) != gate::Gate::Open;
    let why_not = reading.why_not(metric, strata.is_some());
    let is_asked_for = reading.method == Method::Exact;
    let is_exact = metric.is_binary()
        && strata.is_none()
        && (is_asked_for || is_collecting && arms.len() <= EXACT_ARMS_MAX);
    let control = arms.first().filter(|_| is_collecting && 1 < arms.len());
    let notes = control.map(|control| collecting(metric, arms, (control, is_exact)));
    let control = arms.first().map(|control| (control, estimate::of_arm(metric, control)));
    let all: Vec<usize> = (0..arms.len()).collect();
    let stratified = strata.and_then(|strata| over(metric, &all, strata));
    let reading = Reading { level: reading.level.shared(arms.len().saturating_sub(1)), ..reading };
    let exposed = arms.iter().map(|arm| arm.tally.units).sum();
    let told = match (&stratified, strata) {
        _ if is_collecting => Vec::new(),
        (Some(estimates), _) => stratified_standings(metric, estimates),
        (None, Some(_)) => Vec::new(),
        (None, None) => standings(metric, arms),
    };
    let results = arms.iter().enumerate().map(|(place, arm)| {
        let whole = stratified.as_ref().and_then(|estimates| estimates.get(place));
        let own = whole.map_or_else(|| estimate::of_arm(metric, arm), |estimate| Ok(*estimate));
        let comparison = match (&control, place) {
            (_, 0) | (None, _) => Ok(None),
            _ if why_not.is_some() => Err(why_not.unwrap_or_default().to_owned()),
            (Some((control, _)), _) if is_exact => compare_exactly(metric, (control, arm), reading)
                .map(Some)
                .map_err(|why| why.to_string()),
            _ if is_collecting => Err("there is not enough yet to say anything".to_owned()),
            (Some(control), _) => {
                let how = (reading, exposed);
                match strata {
                    Some(strata) => compare_over(metric, (control.0, arm, place), strata, how),
                    None => {
                        compare(metric, control, (arm, &own), how).map_err(|why| why.to_string())
                    }
                }
                .map(Some)
            }
        };
        let standing = told.get(place).copied().flatten();
        ArmResult {
            chance_best: standing.map(|standing| standing.chance_best),
            expected_loss: standing.map(|standing| standing.expected_loss),
            ..arm_result(arm, place == 0, own, comparison)
        }
    });
    let arms: Vec<ArmResult> = results.collect();
    let notes = notes.into_iter().chain(adjusted(&arms));
    MetricResult {
        metric: metric.key.clone(),
        name: metric.name.clone(),
        kind: metric.kind,
        role: metric.role,
        direction: metric.direction,
        currency: metric.currency.clone(),
        is_collecting,
        as_of: None,
        power: if is_collecting { None } else { Power::of(metric, &arms, reading) },
        arms,
        notes: notes.collect(),
    }
}

/// What is said where differences are not those of the values beside them.
fn adjusted(arms: &[ArmResult]) -> Option<String> {
    let compared = arms.iter().filter_map(|arm| arm.comparison.as_ref());
    let most = compared.map(|compared| compared.variance_reduction).fold(0.0, f64::max);
    (TOLD_REDUCTION <= most).then(|| {
        format!(
            "what units did before is taken out of differences ({:.0} % of their variance), so they are not just those \
             of the values; `adjusted=false` tells these",
            100.0 * most
        )
    })
}

fn arm_result(
    arm: &ArmSums<'_>,
    is_control: bool,
    own: Result<Estimate, Undefined>,
    comparison: Result<Option<Comparison>, String>,
) -> ArmResult {
    let Tally { units, nonzero, waiting, withheld, overflow, .. } = *arm.tally;
    let (comparison, why_not) = match comparison {
        Ok(comparison) => (comparison, None),
        Err(why_not) => (None, Some(why_not)),
    };
    ArmResult {
        arm: arm.arm.to_string(),
        is_control,
        is_variant: matches!(arm.arm, Arm::Variant(_)),
        units,
        nonzero,
        waiting,
        withheld,
        overflow,
        value: own.ok().map(|own| own.value).filter(|value| value.is_finite()),
        std_error: own.ok().and_then(|own| own.variance().ok()).map(f64::sqrt),
        chance_best: None,
        expected_loss: None,
        comparison,
        why_not,
    }
}

fn collecting(
    metric: &Metric,
    arms: &[ArmSums<'_>],
    (control, is_exact): (&ArmSums<'_>, bool),
) -> String {
    let least = arms.iter().min_by_key(|arm| informative(metric, arm.tally)).unwrap_or(control);
    let what = if metric.is_binary() {
        "units that did it, and as many that did not"
    } else {
        "units with a value other than 0, counted as fewer where few of them make up most"
    };
    let unsaid =
        if is_exact { "more is said than by the exact sequence" } else { "anything is said" };
    format!(
        "`{}` has {} so far; each arm needs {} {what} before {unsaid}",
        least.arm,
        informative(metric, least.tally),
        gate::INFORMATIVE_MIN,
    )
}

/// How many units of an arm tell how units differ; fewer than have a value where few of them make up most of it.
pub(crate) fn informative(metric: &Metric, tally: &Tally) -> u64 {
    match metric.kind {
        // What is looked at is how they are ordered, for which no value is larger than another by much.
        MetricKind::Quantile => tally.nonzero,
        _ => estimate::upper(tally).informative(),
    }
}

fn compare(
    metric: &Metric,
    (control, of_control): &(&ArmSums<'_>, Result<Estimate, Undefined>),
    (arm, of_arm): (&ArmSums<'_>, &Result<Estimate, Undefined>),
    (reading, exposed): (Reading, u64),
) -> Result<Comparison, Undefined> {
    let (of_control, of_arm) = ((*of_control)?, (*of_arm)?);
    let plain = |scale| Effect::new(scale, &of_control, &of_arm);
    let effect_on = |scale| match reading.is_adjusted {
        true => match estimate::adjusted_effect(metric, scale, control.tally, arm.tally)? {
            Some(adjusted) => Ok(adjusted),
            None => plain(scale),
        },
        false => plain(scale),
    };
    let effect = effect_on(Scale::Absolute)?;
    let sizes = reading.sizes(metric, &of_control);
    let absolute = reading.infer(&effect, sizes.absolute)?;
    let relative = effect_on(Scale::Relative)
        .and_then(|effect| Ok(difference(&effect, &reading.infer(&effect, sizes.relative)?)));
    let without = plain(Scale::Absolute)?.std_error;
    Ok(Comparison {
        method: reading.method,
        absolute: difference(&effect, &absolute),
        relative: relative.ok(),
        p_value: absolute.p_value,
        p_value_of_all: None,
        variance_reduction: (1.0 - (effect.std_error / without).powi(2)).clamp(0.0, 1.0),
        surely: surely(metric.direction, &absolute),
        units_needed: units_needed(&effect, reading, sizes.absolute),
        impact: impact(metric, &effect, &absolute, exposed),
    })
}

/// Most arms of which few are compared by the exact sequence without being asked for: it takes two milliseconds each,
/// which add up over the days of a series and the groups of a breakdown.
const EXACT_ARMS_MAX: usize = 20;
/// The least part of the variance that is said to have been taken out.
const TOLD_REDUCTION: f64 = 0.005;
/// Ratios of shares above this are not told: the control's share may be next to nothing.
const RATIO_MAX: f64 = 1_000.0;

/// The same of shares by the exact sequence, for which no arm has too little.
fn compare_exactly(
    metric: &Metric,
    (control, arm): (&ArmSums<'_>, &ArmSums<'_>),
    reading: Reading,
) -> Result<Comparison, Undefined> {
    let sums = [control, arm].map(|arm| estimate::upper(arm.tally));
    let inference = |scale| exact::shares(scale, &sums[0], &sums[1], reading.level);
    let absolute = inference(Scale::Absolute)?;
    let of_control = estimate::of_sums(metric, control.tally)?;
    let of_arm = estimate::of_sums(metric, arm.tally)?;
    // Of a few units the variance of a share may be 0, which tells nothing but is no reason to say nothing.
    #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
    let variance = |of: &Estimate| of.unit_variance / of.count as f64;
    let variances = [variance(&of_control), variance(&of_arm)];
    let ratio = of_arm.value / of_control.value;
    let told = |lift: f64, variance: f64, Inference { interval, .. }: Inference| Difference {
        lift,
        std_error: variance.sqrt(),
        low: interval.low,
        high: interval.high,
    };
    let relative = inference(Scale::Relative).ok().map(|relative| {
        let variance = (variances[1] + ratio * ratio * variances[0]) / of_control.value.powi(2);
        told(ratio - 1.0, variance, relative)
    });
    Ok(Comparison {
        method: Method::Exact,
        absolute: told(of_arm.value - of_control.value, variances.iter().sum(), absolute),
        relative: relative.filter(|relative| relative.high < RATIO_MAX),
        p_value: absolute.p_value,
        p_value_of_all: None,
        variance_reduction: 0.0,
        surely: surely(metric.direction, &absolute),
        units_needed: None,
        impact: None,
    })
}

/// The same over strata, of which only those count in which both arms have two units.
fn compare_over(
    metric: &Metric,
    (control, arm, place): (&ArmSums<'_>, &ArmSums<'_>, usize),
    strata: &[StratumSums],
    (reading, exposed): (Reading, u64),
) -> Result<Comparison, String> {
    let Some(&[of_control, of_arm]) = over(metric, &[0, place], strata).as_deref() else {
        return Err("in no stretch of constant shares do both have two units".to_owned());
    };
    let reading = Reading { is_adjusted: false, ..reading };
    let compared =
        compare(metric, &(control, Ok(of_control)), (arm, &Ok(of_arm)), (reading, exposed));
    compared.map_err(|why| why.to_string())
}

/// How each arm stands among all: the chance that it is the best, and what choosing it costs if it is not. Nothing
/// where some arm tells nothing.
fn standings(metric: &Metric, arms: &[ArmSums<'_>]) -> Vec<Option<Standing>> {
    let beliefs = arms.iter().map(|arm| {
        let estimate = estimate::of_arm(metric, arm)?;
        estimate::posterior(metric, arm, &estimate)
    });
    let beliefs: Result<Vec<Posterior>, Undefined> = beliefs.collect();
    match beliefs.and_then(|beliefs| bayes::standings(&beliefs)) {
        Ok(standings) => standings.into_iter().map(Some).collect(),
        Err(_) => vec![None; arms.len()],
    }
}

/// The same of estimates over strata, taken as normal.
fn stratified_standings(metric: &Metric, estimates: &[Estimate]) -> Vec<Option<Standing>> {
    let better = if metric.direction == Direction::Higher { 1.0 } else { -1.0 };
    let beliefs = estimates.iter().map(|estimate| {
        let deviation = estimate.variance()?.sqrt();
        Ok(Posterior::Gaussian { mean: better * estimate.value, deviation })
    });
    let beliefs: Result<Vec<Posterior>, Undefined> = beliefs.collect();
    match beliefs.and_then(|beliefs| bayes::standings(&beliefs)) {
        Ok(standings) => standings.into_iter().map(Some).collect(),
        Err(_) => vec![None; estimates.len()],
    }
}

/// Adjusts p-values of several results of one metric so that they hold for all of them together (Holm).
pub fn adjust_together(results: &mut [MetricResult]) {
    let arms = results.iter().flat_map(|result| &result.arms);
    let compared = arms.filter_map(|arm| arm.comparison.as_ref());
    let p_values: Vec<f64> = compared.map(|compared| compared.p_value).collect();
    let Ok(adjusted) = multiple::adjust(Correction::Holm, &p_values) else { return };
    let arms = results.iter_mut().flat_map(|result| &mut result.arms);
    let compared = arms.filter_map(|arm| arm.comparison.as_mut());
    compared.zip(adjusted).for_each(|(compared, p)| compared.p_value_of_all = Some(p));
}

/// Most times as many units as there are that are worth waiting for.
const TIMES_MAX: f64 = 1_000.0;

/// How many more units would make an effect sure that stays as it is: the interval is narrowed until it leaves out 0.
fn units_needed(effect: &Effect, reading: Reading, size: f64) -> Option<u64> {
    if reading.method == Method::PlannedLooks {
        // How many there are to be is planned.
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
    let units = effect.units as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 1000 times as many"
    )]
    let scaled = |times: f64| Effect {
        std_error: effect.std_error / times.sqrt(),
        units: (units * times) as u64,
        degrees_of_freedom: effect.degrees_of_freedom * times,
        ..*effect
    };
    let is_sure = |times: f64| {
        reading.infer(&scaled(times), size).is_ok_and(|inference| !inference.interval.contains(0.0))
    };
    let (mut low, mut high) = (1.0, TIMES_MAX);
    if is_sure(low) {
        return Some(0);
    }
    if !is_sure(high) {
        return None;
    }
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if is_sure(middle) { high = middle } else { low = middle }
    }
    Some(scaled(high).units.saturating_sub(effect.units))
}

/// A difference for each unit, for all that were exposed.
fn impact(
    metric: &Metric,
    effect: &Effect,
    inference: &Inference,
    exposed: u64,
) -> Option<Difference> {
    if metric.kind != MetricKind::Sum || metric.currency.is_none() {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
    let times = exposed as f64;
    let Difference { lift, std_error, low, high } = difference(effect, inference);
    let (lift, std_error) = (lift * times, std_error * times);
    Some(Difference { lift, std_error, low: low * times, high: high * times })
}

fn difference(effect: &Effect, inference: &Inference) -> Difference {
    Difference {
        lift: effect.estimate,
        std_error: effect.std_error,
        low: inference.interval.low,
        high: inference.interval.high,
    }
}

fn surely(direction: Direction, inference: &Inference) -> Option<Surely> {
    let (low, high) = (inference.interval.low, inference.interval.high);
    let is_more = if 0.0 < low {
        true
    } else if high < 0.0 {
        false
    } else {
        return None;
    };
    let is_better = is_more == (direction == Direction::Higher);
    Some(if is_better { Surely::Better } else { Surely::Worse })
}
