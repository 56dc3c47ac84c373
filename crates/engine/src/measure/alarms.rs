//! What somebody should look at: a wrong split, units in several arms, variants that pages do not show, harm, effects
//! that decay, and winners that nobody is held out of.

use decision::{Allocation, ExperienceDocument, Share, health::Verdict};
use experiment::{
    Arm, ArmSums, Metric, MetricKind, MetricResult, Role, Several, SplitResult, Surely, Tally,
    decayed,
};
use model::{Value, definition::State};
use serde_json::json;

use super::{Sums, book, results::Experience, rows};
use crate::{sealed::RowError, state::Shared};

/// Units exposed within so many days are those of lately.
const LATELY_DAYS: u32 = 14;
/// Over how many days the pace of exposures is taken.
const PACE_DAYS: u32 = 7;

/// How an experience stood some days ago.
#[derive(Default)]
pub(super) struct Past {
    /// [`PACE_DAYS`] ago or less, with how many days that is.
    pace: Option<(u32, Sums)>,
    /// [`LATELY_DAYS`] ago or more.
    before: Option<Sums>,
}

impl Past {
    pub(super) fn of(shared: &Shared, experience: &Experience<'_>) -> Result<Self, RowError> {
        let today = rows::day(shared.clock.now());
        let days = book::pictures(&*shared.store, &experience.document.key)?;
        let first = today.saturating_sub(PACE_DAYS);
        let pace = days.range(first..today).next().map(|(day, sums)| (today - day, sums.clone()));
        let before = days.range(..=today.saturating_sub(LATELY_DAYS)).next_back();
        Ok(Self { pace, before: before.map(|(_, sums)| sums.clone()) })
    }

    /// How many units were exposed in a day; `None` before the first day is over.
    pub(super) fn units_per_day(&self, experience: &Experience<'_>) -> Option<f64> {
        let (days, then) = self.pace.as_ref()?;
        let units = |sums: &Sums| experience.arms.iter().map(|arm| sums.units(arm)).sum::<u64>();
        let new = units(experience.sums).saturating_sub(units(then));
        #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
        let pace = new as f64 / f64::from(*days);
        Some(pace)
    }
}

/// The alarms of an experience, most important first.
pub(super) fn of(
    shared: &Shared,
    experience: &Experience<'_>,
    metrics: &[&Metric],
    results: &[MetricResult],
    (split, several, past): (&SplitResult, &Several, &Past),
) -> Vec<Value> {
    let mut alarms = Vec::new();
    if split.verdict == "mismatch" {
        alarms.push(json!({"alarm": "split", "statement": split.statement}));
    }
    if several.is_alarm {
        alarms.push(json!({"alarm": "several", "statement": several.statement}));
    }
    alarms.extend(
        unshown(shared, &experience.document)
            .map(|statement| json!({"alarm": "page", "statement": statement})),
    );
    for result in results.iter().filter(|result| result.role == Role::Guardrail) {
        let is_harmed = |surely: Option<Surely>| surely == Some(Surely::Worse);
        let compared = result.arms.iter().filter(|arm| arm.is_variant).filter(|arm| {
            is_harmed(arm.comparison.as_ref().and_then(|comparison| comparison.surely))
        });
        alarms.extend(compared.map(|arm| {
            let statement =
                format!("`{}` is surely worse by the guardrail `{}`", arm.arm, result.metric);
            json!({"alarm": "guardrail", "statement": statement})
        }));
    }
    if let (Some(before), Some(metric)) = (&past.before, metrics.first()) {
        let decays =
            experience.arms.iter().skip(1).filter_map(|arm| decay(experience, metric, arm, before));
        alarms.extend(decays.map(|statement| json!({"alarm": "decay", "statement": statement})));
    }
    alarms.extend(
        unheld(shared, &experience.document)
            .map(|statement| json!({"alarm": "unheld", "statement": statement})),
    );
    alarms
}

/// What is said of each variant whose places are missing on pages, by what browsers told in the last day.
fn unshown(shared: &Shared, document: &ExperienceDocument) -> impl Iterator<Item = String> {
    let version = shared.registry.experience(&document.key).map(|(_, version)| version);
    let told = version
        .map(|version| shared.observation.health(&document.key, version, shared.clock.now()));
    let unshown = told
        .into_iter()
        .flatten()
        .filter(|(_, counts)| matches!(counts.verdict(), Verdict::Failing | Verdict::Broken));
    unshown.map(|(variant, counts)| {
        let why = counts.most_missing().map_or_else(String::new, |(selector, times)| {
            format!("; `{selector}` found nothing {times} times")
        });
        let (applied, all) = (counts.applied, counts.outcomes());
        format!("`{variant}` could be shown on {applied} of {all} pages in the last day{why}")
    })
}

/// What is said of a winner that everybody gets: once nobody is held out, nobody sees its effect decay.
fn unheld(shared: &Shared, document: &ExperienceDocument) -> Option<String> {
    let snapshot = shared.registry.snapshot_full();
    let mut covering = snapshot.decisions.shared_holdouts(&document.placement, &document.key);
    let is_held = document.holdout != Share::NONE || covering.next().is_some();
    let mut drawn = document.variants.iter().filter(|variant| 0 < variant.weight);
    let (Some(winner), None) = (drawn.next(), drawn.next()) else { return None };
    let has_won = document.state == State::Live && 1 < document.variants.len();
    let is_decided_here = document.allocation != Allocation::External {};
    (has_won && is_decided_here && !is_held).then(|| {
        format!(
            "everybody gets `{}` and nobody is held out, so nothing tells whether it still does what it did; a \
             `holdout` of 0.05 would",
            winner.key
        )
    })
}

/// Whether an arm's effect is smaller among units exposed lately than it was before. It is told by the sums of earlier
/// days, so never of a quantile, and without a cap by one, which is said.
fn decay(experience: &Experience<'_>, metric: &Metric, arm: &Arm, before: &Sums) -> Option<String> {
    if metric.kind == MetricKind::Quantile {
        return None;
    }
    let control = experience.arms.first()?;
    let tally = |sums: &Sums, arm: &Arm| -> Option<Tally> { sums.by_arm(metric.id).remove(arm) };
    let of = |arm| Some((tally(before, arm)?, tally(experience.sums, arm)?));
    let (control_before, control_now) = of(control)?;
    let (arm_before, arm_now) = of(arm)?;
    let (control_lately, arm_lately) =
        (control_now.since(&control_before), arm_now.since(&arm_before));
    let sums = |arm, tally| ArmSums { arm, tally, sorted: None };
    let statement = decayed(
        metric,
        [sums(control, &control_before), sums(arm, &arm_before)],
        [sums(control, &control_lately), sums(arm, &arm_lately)],
    )?;
    Some(match metric.is_capped_by_quantile() {
        true => {
            format!("{statement}, both without the cap, which is a quantile of all units of now")
        }
        false => statement,
    })
}
