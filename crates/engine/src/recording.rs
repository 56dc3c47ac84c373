//! Decision records: what was decided, on what, for whom; written behind the answer by the one writer.
//!
//! Decide answers from memory and hands its record to a bounded queue. The writer takes the queue
//! into its next batch, within 50 ms, together with the assignment and the wins that follow from
//! it.

use model::{
    Consents, Context, DecisionId, Identifier, Key, PurposeSet, Timestamp, UnitId, event::Order,
};
use profile::Assignment;
use serde::Serialize;
use store::{Reader, Table};

use crate::{
    fold::{self, Fold, Recorded, Seen},
    keys::{self, Kind},
    load,
    record::{LogEntry, StoredDecision, encode},
    registry::rows,
    sealed::{Address, RowError},
    state::Shared,
};

/// Longest record, as JSON; in a longer one the context is left out, and it says so.
const DOCUMENT_BYTES_MAX: usize = 16 * 1024;

/// One answered request, to be recorded.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: DecisionId,
    pub(crate) at: Timestamp,
    pub(crate) identifiers: Vec<Identifier>,
    pub(crate) said: Consents,
    pub(crate) definitions_version: u64,
    pub(crate) context: Context,
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
        None if fold::collect(policy, record.said, record.said) == PurposeSet::NONE => {
            return Ok(());
        }
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
    let seq =
        fold.log(LogEntry::Decision { lane: strand.lane, born: strand.born, id: record.id.0 });
    let row_key = keys::decision(strand, record.at, record.id);
    let stored = StoredDecision::V1 { json: text(&record, route.unit) };
    let sealed = keys.seal(&route.key, &row_key, &[], &stored)?;
    for (table, key, value) in rows::cut(Table::Decision, &row_key, &sealed)? {
        fold.pending.put(table, key, value.unwrap_or_default());
    }
    for outcome in &record.outcomes {
        let Some(won) = outcome.won() else { continue };
        if let Some(variant) = &outcome.assignment {
            let row = keys::row(strand, Kind::Assignment, won.key.as_str().as_bytes());
            // An assignment is immutable; the first one recorded stays.
            if fold.pending.get(Table::Strand, &row)?.is_none() {
                let assignment = load::stored_assignment(variant.clone(), seq);
                fold.pending.put(Table::Strand, row, encode(&assignment));
                let assignment = Assignment { seq, strand, variant: variant.clone() };
                let assigned = Recorded::Assigned(won.key.clone(), assignment);
                fold.visit(route.head).recorded.push(assigned);
            }
        }
        if record.capped.contains(&won.key) {
            let mut rest = won.key.as_str().as_bytes().to_vec();
            rest.extend_from_slice(&keys::ordered(record.at));
            fold.pending.put(Table::Strand, keys::row(strand, Kind::Win, &rest), Vec::new());
            fold.visit(route.head).recorded.push(Recorded::Won(won.key.clone(), record.at));
        }
    }
    Ok(())
}

/// The document of a record. Analysis reads it, so its parts are named as in the answer.
#[derive(Serialize)]
struct Document<'a> {
    id: String,
    at: Timestamp,
    unit: String,
    definitions_version: u64,
    memberships: &'a [Key],
    context: Situation<'a>,
    decisions: Vec<Decided<'a>>,
}

/// The context of a request, or the note that it was too large to keep.
#[derive(Serialize)]
#[serde(untagged)]
enum Situation<'a> {
    Kept(&'a Context),
    LeftOut { left_out: &'static str },
}

#[derive(Serialize)]
struct Decided<'a> {
    id: String,
    placement: &'a Key,
    placement_version: Option<u64>,
    experience: Option<&'a decision::Reference>,
    variant: Option<&'a Key>,
    reason: decision::Reason,
    propensity: f64,
    shadow: Option<&'a decision::Shadow>,
    candidates: &'a [decision::Candidate],
    consent: decision::ConsentBasis,
}

fn text(record: &Record, unit: UnitId) -> String {
    let document = |context| Document {
        id: record.id.to_string(),
        at: record.at,
        unit: unit.to_string(),
        definitions_version: record.definitions_version,
        memberships: &record.memberships,
        context,
        decisions: record.outcomes.iter().zip(&record.ids).map(decided).collect(),
    };
    // Maps of text and numbers always serialise.
    let write = |document: Document<'_>| serde_json::to_string(&document).unwrap_or_default();
    let whole = write(document(Situation::Kept(&record.context)));
    if whole.len() <= DOCUMENT_BYTES_MAX {
        return whole;
    }
    write(document(Situation::LeftOut { left_out: "the context was too large" }))
}

fn decided<'a>((outcome, id): (&'a decision::Outcome, &DecisionId)) -> Decided<'a> {
    Decided {
        id: id.to_string(),
        placement: &outcome.placement,
        placement_version: outcome.placement_version,
        experience: outcome.experience.as_ref(),
        variant: outcome.variant.as_ref(),
        reason: outcome.reason,
        propensity: outcome.propensity,
        shadow: outcome.shadow.as_ref(),
        candidates: &outcome.candidates,
        consent: outcome.consent,
    }
}
