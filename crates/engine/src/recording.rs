//! Decision records: what was decided, on what, for whom; written behind the answer by the one writer.
//!
//! Decide answers from memory and hands its record to a bounded queue. The writer takes the queue into its next batch, within
//! 50 ms, together with the assignment and the wins that follow from it.

use model::{
    Consents, DecisionId, Identifier, Key, PurposeSet, Timestamp,
    event::Order,
    value::Object,
};
use serde_json::json;
use store::{Reader, Table};

use crate::{
    fold::{self, Fold, Seen},
    keys::{self, Kind},
    load,
    record::{LogEntry, StoredDecision, encode},
    registry::rows,
    sealed::{Address, RowError},
    state::Shared,
};

/// Longest context kept in a record, as JSON; a longer one is left out and the record says so.
const CONTEXT_BYTES_MAX: usize = 4 * 1024;

/// One answered request, to be recorded.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: DecisionId,
    pub(crate) at: Timestamp,
    pub(crate) identifiers: Vec<Identifier>,
    pub(crate) said: Consents,
    pub(crate) definitions_version: u64,
    pub(crate) context: Object,
    /// The audiences the person was in.
    pub(crate) memberships: Vec<Key>,
    pub(crate) outcomes: Vec<decision::Outcome>,
    pub(crate) ids: Vec<DecisionId>,
    /// Experiences whose wins are counted for caps.
    pub(crate) capped: Vec<Key>,
}

/// Writes a record under its person's strand; a visitor nobody has seen gets one, where consent allows it.
pub(crate) fn write(fold: &mut Fold<'_>, shared: &Shared, record: Record) -> Result<(), RowError> {
    let keys = &shared.keys;
    let Some(address) = Address::of(&record.identifiers, keys) else { return Ok(()) };
    let policy = &fold.ground.snapshot.policy;
    let known = fold.route(&address)?;
    let is_new = known.is_none();
    let route = match known {
        Some(route) => route,
        None if fold::collect(policy, record.said, record.said) == PurposeSet::NONE => return Ok(()),
        None => fold.bear(&address)?,
    };
    let order = Order { time: record.at, tie: model::hash::event_name(&record.id.to_string()) };
    // A question about somebody proves nothing about who they are: it joins nobody.
    let seen = Seen { identifiers: &record.identifiers, order, is_trusted: false };
    let route = if is_new { fold.observe_links(route, &address, seen)? } else { route };
    let purposes = fold::collect(&fold.ground.snapshot.policy, route.consents, record.said);
    if purposes == PurposeSet::NONE {
        return Ok(());
    }
    let strand = route.strand;
    let seq = fold.log(LogEntry::Decision {
        lane: strand.lane,
        born: strand.born,
        id: record.id.0,
    });
    let row_key = keys::decision(strand, record.at, record.id);
    let stored = StoredDecision::V1 { json: text(&record, &route.unit.to_string()) };
    let sealed = keys.seal(&route.key, &row_key, &[], &stored)?;
    for (table, key, value) in rows::cut(Table::Decision, &row_key, &sealed)? {
        fold.pending.put(table, key, value.unwrap_or_default());
    }
    let mut is_person_changed = false;
    for outcome in &record.outcomes {
        let Some(won) = outcome.won() else { continue };
        if let Some(variant) = &outcome.assignment {
            let row = keys::row(strand, Kind::Assignment, won.key.as_str().as_bytes());
            // An assignment is immutable; the first one recorded stays.
            if fold.pending.get(Table::Strand, &row)?.is_none() {
                let assignment = load::stored_assignment(variant.clone(), seq);
                fold.pending.put(Table::Strand, row, encode(&assignment));
                is_person_changed = true;
            }
        }
        if record.capped.contains(&won.key) {
            let mut rest = won.key.as_str().as_bytes().to_vec();
            rest.extend_from_slice(&keys::ordered(record.at));
            fold.pending.put(Table::Strand, keys::row(strand, Kind::Win, &rest), Vec::new());
            is_person_changed = true;
        }
    }
    if is_person_changed {
        fold.visit(route.head).is_recorded = true;
    }
    Ok(())
}

fn text(record: &Record, unit: &str) -> String {
    let placements: Vec<_> = record.outcomes.iter().zip(&record.ids).map(outcome_json).collect();
    let context = serde_json::to_string(&record.context).unwrap_or_default();
    let context = if context.len() <= CONTEXT_BYTES_MAX {
        json!(record.context)
    } else {
        json!({"left_out": "larger than 4 KiB"})
    };
    json!({
        "id": record.id.to_string(),
        "at": record.at,
        "unit": unit,
        "definitions_version": record.definitions_version,
        "memberships": record.memberships,
        "context": context,
        "decisions": placements,
    })
    .to_string()
}

fn outcome_json((outcome, id): (&decision::Outcome, &DecisionId)) -> model::Value {
    json!({
        "id": id.to_string(),
        "placement": outcome.placement,
        "placement_version": outcome.placement_version,
        "experience": outcome.experience,
        "variant": outcome.variant,
        "reason": outcome.reason,
        "propensity": outcome.propensity,
        "shadow": outcome.shadow,
        "candidates": outcome.candidates,
        "consent": {
            "asked": outcome.consent.asked.0,
            "granted": outcome.consent.granted.0,
        },
    })
}
