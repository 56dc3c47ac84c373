//! What all experiences together have brought, against the units that a shared holdout keeps from them.
//!
//! The first decision in which a shared holdout is asked about a unit exposes the unit to it: to the programme, which
//! is everything that the holdout covers, or to nothing. Experiences that win later change nothing about that. So a
//! unit counts once however many experiences won for it, and from the first on; adding up experiences would count it
//! in each. What units did is measured, stored and kept right as for an experience, under a name that no experience
//! has ([`decision::holdout_name`]).

use std::collections::BTreeSet;

use decision::{HELD_OUT, HoldoutDocument, Reference};
use experiment::{
    Arm, ArmSums, Exposure, Metric, MetricKind, MetricResult, Reading, Stratum, Stretch, Tally,
    read_out, several, test_split,
};
use model::{Key, StrandId, Timestamp, Value};
use serde_json::json;

use super::{Readable, Sums, book, columns, exposures::Stated, rows::StoredExposure};
use crate::{
    definitions::Kind, recording::document::Decided, registry::documents::Typed, sealed::RowError,
    state::Shared,
};

/// What stands for all experiences that a holdout covers: the arm of units that it does not hold.
const PROGRAMME: &str = "programme";

/// Where and when something was decided.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    pub(super) strand: StrandId,
    pub(super) at: Timestamp,
    pub(super) decision: u128,
}

/// What was decided for a winner says of shared holdouts: each that was asked has held the unit, or has not. They are
/// asked in order, up to the one that holds it.
pub(super) fn divided(
    shared: &Shared,
    answer: Answer,
    decided: &Decided,
    (won, held_by): (&Reference, Option<&Key>),
) -> Vec<Stated> {
    let snapshot = shared.registry.snapshot();
    let covering: Vec<&Key> =
        snapshot.decisions.shared_holdouts(&decided.placement, &won.key).collect();
    // It was changed since: who was asked before it is not known any more.
    if held_by.is_some_and(|held_by| !covering.contains(&held_by)) {
        return Vec::new();
    }
    let mut stated = Vec::new();
    for holdout in covering {
        let is_held = held_by == Some(holdout);
        let Some((document, version)) = shared.registry.holdout(holdout) else { continue };
        let Ok(programme) = PROGRAMME.parse() else { continue };
        if document.share != decision::Share::NONE {
            let arm = if is_held { Arm::SharedHoldout } else { Arm::Variant(programme) };
            stated.push(Stated {
                strand: answer.strand,
                experience: decision::holdout_name(holdout),
                exposure: StoredExposure {
                    exposure: Exposure { at: answer.at, arm, version },
                    decision: Some(answer.decision),
                    stratum: Stratum::ONLY,
                },
            });
        }
        if is_held {
            break;
        }
    }
    stated
}

/// The holdout that has this name among experiences.
pub(super) fn named(name: &Key) -> Option<Key> {
    name.parts().filter(|(kind, _)| kind.as_str() == HELD_OUT).map(|(_, holdout)| holdout)
}

/// What the programme has brought against each shared holdout that somebody was asked about.
pub(super) fn told(
    shared: &Shared,
    readable: &Readable,
    reading: Reading,
) -> Result<Vec<Value>, RowError> {
    let mut all = Vec::new();
    for (name, sums) in &readable.experiences {
        let Some(key) = named(name) else { continue };
        // It was deleted.
        let Some((document, _)) = shared.registry.holdout(&key) else { continue };
        all.push(one(shared, (name, sums), &document, reading)?);
    }
    Ok(all)
}

fn one(
    shared: &Shared,
    (name, sums): (&Key, &Sums),
    document: &HoldoutDocument,
    reading: Reading,
) -> Result<Value, RowError> {
    let snapshot = shared.registry.snapshot_full();
    let mut arms = vec![Arm::SharedHoldout];
    arms.extend(PROGRAMME.parse().ok().map(Arm::Variant));
    let units: Vec<u64> = arms.iter().map(|arm| sums.units(arm)).collect();
    let (held_out, exposed) = (units.first().copied(), units.last().copied().unwrap_or_default());
    let is_money = |metric: &&Metric| metric.kind == MetricKind::Sum && metric.currency.is_some();
    let mut money = Vec::new();
    for metric in snapshot.metrics.iter().filter(is_money) {
        let result = read(shared, (name, sums), metric, (&arms, reading))?;
        money.push(brought(&result, exposed));
    }
    Ok(json!({
        "holdout": document.key,
        "name": document.name,
        "state": document.state,
        "share": document.share,
        "experience_tags": document.experience_tags,
        "held_out_units": held_out,
        "units": exposed,
        "split": test_split(&stretches(shared, document, sums, &arms)),
        "several": several(sums.several(), 0, units.iter().sum()),
        "money": money,
    }))
}

/// Reads a metric out, the units that are held out being the control.
fn read(
    shared: &Shared,
    (name, sums): (&Key, &Sums),
    metric: &Metric,
    (arms, reading): (&[Arm], Reading),
) -> Result<MetricResult, RowError> {
    let looked = match metric.needs_all_units() {
        true => columns::look(shared, name, metric)?,
        false => columns::Looked::default(),
    };
    let tallies = looked.told.capped.as_ref().or_else(|| sums.tallies.get(&metric.id));
    let tallies = tallies.map(book::by_arm).unwrap_or_default();
    let nobody = Tally::default();
    let sums: Vec<ArmSums<'_>> = arms
        .iter()
        .map(|arm| ArmSums { arm, tally: tallies.get(arm).unwrap_or(&nobody), sorted: None })
        .collect();
    Ok(MetricResult { as_of: looked.as_of, ..read_out(metric, &sums, reading) })
}

/// A result with what all units that are not held out have brought because they are not.
fn brought(result: &MetricResult, exposed: u64) -> Value {
    let compared = result.arms.last();
    let comparison = compared.and_then(|arm| arm.comparison.as_ref());
    #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
    let units = exposed as f64;
    let impact = comparison.map(|comparison| {
        let per_unit = comparison.absolute;
        json!({"value": per_unit.lift * units, "low": per_unit.low * units, "high": per_unit.high * units})
    });
    json!({
        "metric": result.metric,
        "currency": result.currency,
        "impact": impact,
        "why_not": compared.and_then(|arm| arm.why_not.as_deref()),
        "result": result,
    })
}

/// The units that each version of a holdout has divided, and the shares that it gave them.
fn stretches(
    shared: &Shared,
    document: &HoldoutDocument,
    sums: &Sums,
    arms: &[Arm],
) -> Vec<Stretch> {
    let versions: BTreeSet<u64> = sums.exposed.keys().map(|(_, version, _)| *version).collect();
    let of_version = |version: u64| {
        let known = shared
            .registry
            .get(&*shared.store, Kind::Holdout, &document.key, Some(version))
            .ok()?;
        let share = match crate::registry::typed(Kind::Holdout, &known.document) {
            Ok(Typed::Holdout(document)) => document.share,
            _ => return None,
        };
        let shares = [share.fraction(), share.rest()];
        let counts = arms.iter().map(|arm| sums.exposed_in(arm, version, Stratum::ONLY));
        Some(Stretch { arms: counts.zip(shares).collect() })
    };
    versions.into_iter().filter_map(of_version).collect()
}
