//! What to do with an experience, in a word and a sentence.

use serde::Serialize;
use stats::{
    Undefined,
    effect::{Effect, Level},
    split,
};

use crate::{
    Arm, ArmResult, ArmSums, Direction, Metric, MetricResult, Role, Surely, estimate,
    harm::in_words,
};

/// The share of units exposed to several arms from which on something is wrong with how units are told apart.
const SEVERAL_MAX: f64 = 0.01;
/// Fewest units of which such a share is told.
const SEVERAL_AMONG: u64 = 100;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// There is too little to say anything.
    Collecting,
    /// Nothing is sure yet.
    KeepRunning,
    /// A variant is surely better, and harms nothing.
    Ship,
    /// It is surely no good.
    Stop,
    /// The numbers cannot be trusted.
    Invalid,
}

/// What to do, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What to do.
    pub verdict: Word,
    /// Which variant is meant, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Why, in a sentence.
    pub reason: String,
}

/// Whether arms got the shares of units that they should have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitResult {
    /// `as_planned`, `mismatch` or `unknown`.
    pub verdict: &'static str,
    /// How seldom the planned shares would give such counts, however often somebody looks.
    pub p_value: Option<f64>,
    /// In a sentence.
    pub statement: String,
}

/// Units exposed to more than one arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Several {
    /// How many; they count for none.
    pub units: u64,
    /// Their share of all that were exposed.
    pub share: f64,
    /// Whether there are so many that something is wrong.
    pub is_alarm: bool,
    /// In a sentence.
    pub statement: String,
}

/// Units of arms while one version of the definition acted, with the weights that it gave them.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// Of each arm: how many units were exposed first, several or not, and its weight.
    pub arms: Vec<(u64, f64)>,
}

/// Tests the split: for each version of the definition by itself, since weights may have changed in between, and then
/// together.
pub fn test_split(stretches: &[Stretch]) -> SplitResult {
    let unknown = |statement| SplitResult { verdict: "unknown", p_value: None, statement };
    let played = |Stretch { arms }: &Stretch| -> (Vec<u64>, Vec<f64>) {
        arms.iter().filter(|(_, weight)| 0.0 < *weight).copied().unzip()
    };
    let played: Vec<_> = stretches.iter().map(played).collect();
    let pairs = played.iter().map(|(counts, weights)| (counts.as_slice(), weights.as_slice()));
    let p_value = match split::over_stretches(pairs) {
        Ok(found) => found.p_value,
        Err(Undefined::OneArm) => {
            return unknown(
                "no units were divided among arms yet, so there is no split to be tested"
                    .to_owned(),
            );
        }
        Err(why) => return unknown(why.to_string()),
    };
    let is_mismatch = Level::new(split::ALARM).is_ok_and(|level| p_value <= level.alpha());
    if is_mismatch {
        let statement = format!(
            "the arms do not have the shares of units that they should have (p = {p_value:.2e}): something loses or \
             doubles units, and no number here can be trusted until it is found"
        );
        return SplitResult { verdict: "mismatch", p_value: Some(p_value), statement };
    }
    let statement = "the arms have the shares of units that they should have".to_owned();
    SplitResult { verdict: "as_planned", p_value: Some(p_value), statement }
}

/// What to say of units exposed to several arms, of which so many were `redrawn` since what they had is retired.
pub fn several(units: u64, redrawn: u64, exposed: u64) -> Several {
    let all = units.saturating_add(exposed);
    #[expect(clippy::cast_precision_loss, reason = "a share is for reading")]
    let share = |units: u64| if all == 0 { 0.0 } else { units as f64 / all as f64 };
    let is_alarm = SEVERAL_AMONG <= all && SEVERAL_MAX < share(units.saturating_sub(redrawn));
    let percent = 100.0 * share(units);
    let mut statement = match units {
        0 => "no unit was exposed to more than one arm".to_owned(),
        _ if is_alarm => format!(
            "{units} units ({percent:.1} %) were exposed to more than one arm; they are left out, and there are so many \
             that people are probably told apart wrongly"
        ),
        _ => format!(
            "{units} units ({percent:.1} %) were exposed to more than one arm and are left out"
        ),
    };
    if 0 < redrawn {
        statement = format!(
            "{statement}; {redrawn} of them had a variant that was retired and were drawn anew"
        );
    }
    Several { units, share: share(units), is_alarm, statement }
}

/// How many standard errors an effect must have lost before that is said.
const DECAY_STD_ERRORS: f64 = 3.0;

/// What is said of an arm whose effect among units exposed lately is surely smaller than among those before; `None`
/// where that is not so. Both pairs are control and arm.
pub fn decayed(
    metric: &Metric,
    before: [ArmSums<'_>; 2],
    lately: [ArmSums<'_>; 2],
) -> Option<String> {
    let effect = |[control, arm]: &[ArmSums<'_>; 2]| -> Option<Effect> {
        let of = |arm| estimate::of_arm(metric, arm).ok();
        Effect::absolute(&of(control)?, &of(arm)?).ok()
    };
    let (first, last) = (effect(&before)?, effect(&lately)?);
    let better = if metric.direction == Direction::Higher { 1.0 } else { -1.0 };
    let lost = better * (first.estimate - last.estimate);
    let std_error = first.std_error.hypot(last.std_error);
    let was_good = 0.0 < better * first.estimate;
    let [_, arm] = &before;
    (was_good && DECAY_STD_ERRORS * std_error < lost).then(|| {
        format!(
            "the effect of `{}` by `{}` decays: it was {:+.4} and is {:+.4} among units exposed lately",
            arm.arm, metric.key, first.estimate, last.estimate
        )
    })
}

/// What to do with an experience. `metrics` are all that were read out, the one it is judged by first.
pub fn judge(metrics: &[MetricResult], split: &SplitResult, arms: &[&Arm]) -> Verdict {
    let primary = match judgeable(metrics, split, arms) {
        Ok(primary) => primary,
        Err(verdict) => return verdict,
    };
    let goal = &primary.metric;
    let compared = || primary.arms.iter().filter(|arm| arm.comparison.is_some());
    let better = compared().filter(|arm| surely(primary, &arm.arm) == Some(Surely::Better));
    let lift = |arm: &ArmResult| arm.comparison.as_ref().map_or(0.0, |c| c.absolute.lift.abs());
    if let Some(best) = better.max_by(|a, b| lift(a).total_cmp(&lift(b))) {
        let name = best.arm.as_str();
        return match harmed(metrics, name) {
            None => {
                let reason =
                    format!("`{name}` is surely better by `{goal}`: {}", words(primary, best));
                say(Word::Ship, Some(name), reason)
            }
            Some(guardrail) => {
                let worse = &guardrail.metric;
                let reason = format!(
                    "`{name}` is better by `{goal}`, but surely worse by the guardrail `{worse}`"
                );
                say(Word::Stop, Some(name), reason)
            }
        };
    }
    let is_worse = |arm: &ArmResult| surely(primary, &arm.arm) == Some(Surely::Worse);
    if 0 < compared().count() && compared().all(is_worse) {
        let reason = format!("every variant is surely worse than the control by `{goal}`");
        return say(Word::Stop, None, reason);
    }
    let variants = compared().filter(|arm| arm.is_variant);
    let harmed =
        variants.into_iter().find_map(|arm| Some((arm.arm.as_str(), harmed(metrics, &arm.arm)?)));
    if let Some((arm, guardrail)) = harmed {
        let reason = format!("`{arm}` is surely worse by the guardrail `{}`", guardrail.metric);
        return say(Word::Stop, Some(arm), reason);
    }
    let mut reason =
        format!("by `{goal}` no variant is surely better or worse than the control yet");
    if let Some(power) = &primary.power {
        reason = format!("{reason}; {}", power.statement);
    }
    say(Word::KeepRunning, None, reason)
}

/// The metric that an experience is judged by, or why there is nothing to be judged yet.
fn judgeable<'a>(
    metrics: &'a [MetricResult],
    split: &SplitResult,
    arms: &[&Arm],
) -> Result<&'a MetricResult, Verdict> {
    let collecting = |reason: &str| Err(say(Word::Collecting, None, reason.to_owned()));
    if arms.is_empty() {
        return collecting("nobody has been exposed yet");
    }
    if split.verdict == "mismatch" {
        return Err(say(Word::Invalid, None, split.statement.clone()));
    }
    if arms.len() < 2 {
        return collecting(
            "everybody got the same, so there is nothing to compare with: add a second variant or a holdout",
        );
    }
    let Some(primary) = metrics.first() else {
        return collecting("no metric is live, so nothing is measured");
    };
    // What is sure already is so by the exact sequence.
    let is_sure = primary.arms.iter().any(|arm| surely(primary, &arm.arm).is_some());
    if primary.is_collecting && !is_sure {
        return collecting(primary.notes.first().map_or("there is too little yet", String::as_str));
    }
    if primary.arms.iter().all(|arm| arm.comparison.is_none()) {
        let why = primary.arms.iter().find_map(|arm| arm.why_not.as_deref()).unwrap_or("no arm");
        return collecting(&format!("nothing can be said by `{}`: {why}", primary.metric));
    }
    Ok(primary)
}

fn say(verdict: Word, variant: Option<&str>, reason: String) -> Verdict {
    Verdict { verdict, variant: variant.map(str::to_owned), reason }
}

/// The guardrail by which an arm is surely worse.
fn harmed<'a>(metrics: &'a [MetricResult], arm: &str) -> Option<&'a MetricResult> {
    let mut guardrails = metrics.iter().filter(|metric| metric.role == Role::Guardrail);
    guardrails.find(|metric| surely(metric, arm) == Some(Surely::Worse))
}

fn surely(metric: &MetricResult, arm: &str) -> Option<Surely> {
    let result = metric.arms.iter().find(|result| result.arm == arm)?;
    result.comparison.as_ref()?.surely
}

/// A difference that is sure, by an interval that says so: one relative to a control that is itself uncertain may hold
/// 0 although the difference is sure.
fn words(metric: &MetricResult, arm: &ArmResult) -> String {
    let Some(comparison) = &arm.comparison else { return String::new() };
    match &comparison.relative {
        Some(relative) if 0.0 < relative.low || relative.high < 0.0 => format!(
            "{:+.1} % (from {:+.1} % to {:+.1} %)",
            100.0 * relative.lift,
            100.0 * relative.low,
            100.0 * relative.high
        ),
        _ => in_words(metric, comparison),
    }
}
