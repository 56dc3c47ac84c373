//! All experiences together: which won and lost, and what they have brought in money.

use std::collections::BTreeSet;

use experiment::{
    Arm, ArmSums, Metric, MetricKind, MetricResult, Reading, Tally, Word, judge, read_out,
};
use model::{Key, Value, definition::State};
use serde_json::json;

use super::{
    Sums,
    alarms::{self, Past},
    holdouts,
    results::{Experience, ResultsQuery, chosen, lag_seconds, of_stop, stopped},
};
use crate::{
    definitions::{DefinitionError, Kind},
    sealed::RowError,
    state::Shared,
};

/// What stands for all variants of an experience together.
const ALL_VARIANTS: &str = "all_variants";

/// The results of all experiences that act or that somebody was exposed to.
pub(crate) fn programme(shared: &Shared, query: &ResultsQuery) -> Result<Value, DefinitionError> {
    let reading = query.reading(decision::Method::default())?;
    let readable = shared.measured.get();
    let acting = shared.registry.experiences(State::Live);
    let exposing = readable.experiences.keys().filter(|key| holdouts::named(key).is_none());
    let keys: BTreeSet<Key> = exposing.cloned().chain(acting).collect();
    let nothing = Sums::default();
    let (mut told, mut counts) = (Vec::new(), [0_u64; 5]);
    for key in keys {
        let sums = readable.experiences.get(&key).map_or(&nothing, |sums| &**sums);
        let experience = match Experience::of(shared, &key, sums) {
            Ok(experience) => experience,
            // It was deleted.
            Err(DefinitionError::NotFound { kind: Kind::Experience, .. }) => continue,
            Err(error) => return Err(error),
        };
        let (word, document) = one(shared, &experience, reading)?;
        counts[word as usize] += 1;
        told.push(document);
    }
    let holdouts = holdouts::told(shared, &readable, reading)
        .map_err(|error| DefinitionError::Unavailable(error.to_string()))?;
    let count = |word: Word| counts[word as usize];
    Ok(json!({
        "as_of": readable.as_of,
        "lag_seconds": lag_seconds(shared, readable.as_of),
        "won": count(Word::Ship),
        "lost": count(Word::Stop),
        "undecided": count(Word::KeepRunning),
        "collecting": count(Word::Collecting),
        "invalid": count(Word::Invalid),
        "holdouts": holdouts,
        "experiences": told,
    }))
}

fn one(
    shared: &Shared,
    experience: &Experience<'_>,
    reading: Reading,
) -> Result<(Word, Value), DefinitionError> {
    let unreadable = |error: RowError| DefinitionError::Unavailable(error.to_string());
    let snapshot = shared.registry.snapshot_full();
    // Without a wanted metric there is none that could be missing.
    let mut metrics = chosen(&snapshot, &experience.document, None).unwrap_or_default();
    // What takes a look at all units is left to the results of the experience itself.
    metrics.retain(|metric| !metric.needs_all_units());
    let read = metrics.iter().map(|metric| experience.metric(shared, metric, reading));
    let read = read.collect::<Result<Vec<MetricResult>, _>>().map_err(unreadable)?;
    let compared: Vec<&Arm> = experience.sums.arms().into_iter().collect();
    let units = compared.iter().map(|arm| experience.sums.units(arm)).sum::<u64>();
    let (split, several) = (experience.split(), experience.several());
    let verdict = match stopped(shared, &experience.document)? {
        Some(stop) => of_stop(&stop),
        None => judge(&read, &split, &compared),
    };
    let past = Past::of(shared, experience).map_err(unreadable)?;
    let alarms = alarms::of(shared, experience, &metrics, &read, (&split, &several, &past));
    let money =
        metrics.iter().filter(|metric| metric.kind == MetricKind::Sum && metric.currency.is_some());
    let money: Vec<Value> =
        money.filter_map(|metric| brought(experience, metric, reading)).collect();
    let document = json!({
        "experience": experience.document.key,
        "name": experience.document.name,
        "state": experience.document.state,
        "units": units,
        "verdict": verdict,
        "alarms": alarms,
        "goal": read.into_iter().next(),
        "money": money,
    });
    Ok((verdict.verdict, document))
}

/// What an experience has brought in money: against its holdout, and against showing the best variant to everybody.
fn brought(experience: &Experience<'_>, metric: &Metric, reading: Reading) -> Option<Value> {
    let tallies = experience.sums.by_arm(metric.id);
    let mut all = Tally::default();
    let mut best: Option<(&Arm, f64, u64)> = None;
    for (arm, tally) in &tallies {
        if !matches!(arm, Arm::Variant(_)) || tally.units == 0 {
            continue;
        }
        all.merge(tally);
        let mean = mean(tally);
        if best.is_none_or(|(_, known, _)| known < mean) {
            best = Some((arm, mean, tally.units));
        }
    }
    let (best, best_mean, _) = best?;
    let everybody = Arm::Variant(ALL_VARIANTS.parse().ok()?);
    let against = |held: Arm| -> Option<Value> {
        let held_out = tallies.get(&held)?;
        let arms = [
            ArmSums { arm: &held, tally: held_out, sorted: None },
            ArmSums { arm: &everybody, tally: &all, sorted: None },
        ];
        let result = read_out(metric, &arms, reading);
        let compared = result.arms.get(1)?;
        #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
        let units = all.units as f64;
        let impact = compared.comparison.as_ref().map(|comparison| {
            let per_unit = comparison.absolute;
            json!({"value": per_unit.lift * units, "low": per_unit.low * units, "high": per_unit.high * units})
        });
        Some(
            json!({"impact": impact, "why_not": compared.why_not, "held_out_units": held_out.units}),
        )
    };
    #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
    let forgone = (best_mean - mean(&all)) * all.units as f64;
    Some(json!({
        "metric": metric.key,
        "currency": metric.currency,
        "against_shared_holdout": against(Arm::SharedHoldout),
        "against_holdout": against(Arm::Holdout),
        "best_variant": best.to_string(),
        "best_variant_for_everybody": forgone,
    }))
}

fn mean(tally: &Tally) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
    let units = tally.units as f64;
    if tally.units == 0 { 0.0 } else { tally.totals().upper / units }
}
