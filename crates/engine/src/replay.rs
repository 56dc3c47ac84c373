//! Replay equals live (I3): the log, read back and folded again, ends in the same state.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use audience::{Entry, Memberships};
use model::{ActId, Consents, Event, ProfileId, Seq, StrandId, Timestamp};
use profile::{Origin, TraitValue};
use serde_json::{Value, json};
use store::{KeyRange, ScanOrder, Table};

use crate::{
    accounts::list,
    acts::history,
    load::{Loader, Person},
    page::Stored,
    people::show,
    record::{LogEntry, LogRow, StoredAct, decode},
    sealed::RowError,
    state::Shared,
    writer::heads,
};

/// The inputs of one batch, as the log has them.
#[derive(Debug)]
pub(crate) struct Logged {
    /// The batch's instant.
    pub(crate) now: Timestamp,
    /// Its events, in order.
    pub(crate) events: Vec<Event>,
    /// What operators did to people: each by itself, in a batch without events.
    pub(crate) acts: Vec<(ActId, StoredAct)>,
    /// Whether timers fired in it.
    pub(crate) has_timers: bool,
}

/// Reads the log back, batch by batch.
pub(crate) fn read(shared: &Shared) -> Result<Vec<Logged>, RowError> {
    let mut rows: Vec<(Seq, LogRow)> = Vec::new();
    let mut damaged = None;
    let all = KeyRange::all();
    shared.store.scan(Table::Log, all, ScanOrder::Ascending, &mut |key, row| {
        let first = key.try_into().map_or(0, u64::from_be_bytes);
        match decode(row, "log") {
            Ok(row) => rows.push((Seq(first), row)),
            Err(error) => damaged = Some(error),
        }
        ControlFlow::Continue(())
    })?;
    if let Some(error) = damaged {
        return Err(error.into());
    }
    let mut batches: Vec<Logged> = Vec::new();
    for (first, LogRow::V1 { begins, now, entries, .. }) in rows {
        let mut events = Vec::new();
        let mut acts = Vec::new();
        let has_timers = entries.iter().any(|entry| matches!(entry, LogEntry::Timer { .. }));
        for (seq, entry) in (first.0..).zip(entries) {
            match entry {
                LogEntry::Event { lane, born, time, .. } => {
                    let strand = StrandId { born, lane };
                    events.push(show::stored_event(shared, strand, Seq(seq), time)?);
                }
                LogEntry::Person { act } => acts.push((act, history::read(&*shared.store, act)?)),
                _ => {}
            }
        }
        match batches.last_mut().filter(|_| !begins) {
            Some(last) => {
                last.events.extend(events);
                last.acts.extend(acts);
                last.has_timers |= has_timers;
            }
            None => batches.push(Logged { now, events, acts, has_timers }),
        }
    }
    Ok(batches)
}

/// Everything that is known of everyone, in one canonical form: what a replay must reproduce.
pub(crate) fn export(shared: &Arc<Shared>) -> Result<BTreeMap<String, Value>, RowError> {
    let snapshot = shared.registry.snapshot_full();
    let frozen = shared.store.snapshot()?;
    let pages = Stored { reader: &*frozen, keys: &shared.keys };
    let loader = Loader { pages: &pages, snapshot: &snapshot };
    let mut people = BTreeMap::new();
    heads(&*frozen, &mut |head| {
        let person = loader.person(head)?;
        people.insert(ProfileId(head).to_string(), canonical(shared, &person)?);
        Ok(ControlFlow::Continue(()))
    })?;
    list::each(&pages, None, &mut |_, account| {
        let traits: BTreeMap<_, _> =
            account.traits.iter().map(|(n, t)| (n.to_string(), word(t))).collect();
        let key = format!("account {}", account.id);
        people.insert(key, json!({"id": account.id, "members": account.members, "traits": traits}));
        ControlFlow::Continue(())
    })?;
    Ok(people)
}

fn canonical(shared: &Shared, person: &Person) -> Result<Value, RowError> {
    let records = person.profile.records();
    let component = records.component.unpack();
    let timeline =
        show::page(shared, &shared.registry.snapshot_full(), &person.profile, None, 1_000)?;
    let traits: BTreeMap<_, _> =
        records.traits.iter().map(|(name, t)| (name.to_string(), word(t))).collect();
    let accounts: Vec<_> = records
        .accounts
        .iter()
        .map(|said| {
            json!([said.account, said.is_member, said.origin.order, said.origin.purposes.0])
        })
        .collect();
    let consents = records.consents.statements().map(|said| {
        let Consents { granted, denied } = said.consents;
        json!([said.order, said.identified, granted.0, denied.0])
    });
    Ok(json!({
        "strands": component.strands,
        "consents": consents.collect::<Vec<_>>(),
        "identifiers": component.identifiers,
        "traits": traits,
        "accounts": accounts,
        "timeline": timeline.items,
        "memberships": memberships(&person.memberships),
    }))
}

/// What was said of a trait, and where.
fn word(value: &TraitValue) -> Value {
    let Origin { order, source, purposes } = &*value.origin;
    json!([value.value, source, order, purposes.0])
}

/// Members and since when; until when is not canonical, since a stored bound may be earlier than need be.
fn memberships(memberships: &Memberships) -> Vec<Value> {
    let is_told = |e: &&Entry| e.truth().is_true() || e.since().is_some();
    let entries = memberships.entries().iter().filter(is_told);
    entries.map(|e| json!([e.key(), e.version(), e.truth(), e.since()])).collect()
}

#[cfg(test)]
mod tests;
