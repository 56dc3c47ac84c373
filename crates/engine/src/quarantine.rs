//! Events set aside: kept with the reason until they are replayed or discarded.
//!
//! An entry is a head in plain, by which entries are found and counted, and the rest sealed under a key
//! of its own, since it belongs to no strand yet and may have to be made unreadable for somebody. An
//! event that was sound but for its tracking plan or its person's rows also holds its dedup entry, so
//! that a retry is a duplicate for as long as it waits; the hold names the entry, and only that entry's
//! replay passes it.

mod usage;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, ops::ControlFlow};

use compact_str::CompactString;
use model::{EventKind, LazyObject, SourceKey, Timestamp, Value, condition::Sight, event::Marks};
use profile::TraitRules;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{KeyRange, Reader, ScanOrder, Slot, StoreError, Table, VaultError};

use crate::{
    definitions::Page,
    fold::Fold,
    ingest::{Arrival, EventVerdict, Kept, Rejected},
    keys,
    people::show,
    reading::Ahead,
    record::{self, LogEntry, StoredEvent, Unreadable},
    registry::rows::{self, Write},
    sealed::RowError,
    state::Shared,
};

pub(crate) use usage::{Change, Usage};

/// The plain start of the sealed rest: the slot of the entry's key.
const SLOT_BYTES: usize = 8;
/// The code of an event that finds the quarantine full.
const FULL: &str = "quarantine_full";
/// Most entries a page holds.
const MAX_PAGE: usize = 500;
/// Longest sealed rest of an entry: the event as sent, the context of its batch, and what is wrong.
const SEALED_BYTES_MAX: usize = 256 * 1024;

/// First bytes of the rows in table `Quarantine`; the entry's key follows.
const HEAD: u8 = 0;
const REST: u8 = 1;

/// Names an entry: its instant and its place in the log.
pub type EntryKey = [u8; 16];

/// What of an entry is in plain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredHead {
    V1 {
        /// Whose write key it came with.
        source: SourceKey,
        /// A stable code.
        code: CompactString,
        /// Bytes of the sealed rest.
        bytes: u32,
        /// The dedup entry that it holds: an event in normal form.
        holds: Option<Held>,
    },
}

/// The key of a dedup entry.
type Held = [u8; 18];

/// The rest of an entry; sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredRest<'a> {
    V1 {
        /// What is wrong.
        detail: Cow<'a, str>,
        #[serde(borrow)]
        kept: StoredKept<'a>,
    },
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredKept<'a> {
    /// An event that did not come into normal form.
    AsSent {
        received_at: Timestamp,
        sent_at: Option<Timestamp>,
        historical: bool,
        marks: Marks,
        /// The call that the path named.
        kind: Option<EventKind>,
        /// JSON text of the batch's context; empty for none.
        context: Cow<'a, str>,
        row: Option<CompactString>,
        /// As sent, cut at 32 KiB.
        body: Cow<'a, [u8]>,
    },
    /// An event in normal form.
    Normal {
        event_time: Timestamp,
        #[serde(borrow)]
        event: StoredEvent<'a>,
    },
}

/// Which entries are meant; what is left out is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this source.
    pub source: Option<SourceKey>,
    /// With this code.
    pub code: Option<CompactString>,
    /// Set aside at this instant or later.
    pub from: Option<Timestamp>,
    /// Set aside before this instant.
    pub until: Option<Timestamp>,
}

/// An entry without what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its id.
    pub id: String,
    /// When it was set aside.
    pub at: Timestamp,
    /// Whose write key it came with.
    pub source: SourceKey,
    /// A stable code.
    pub code: CompactString,
    /// A sentence that says what is wrong.
    pub detail: String,
}

/// One entry, whole.
#[derive(Clone, Debug)]
pub struct Entry {
    /// All but what was sent.
    pub summary: Summary,
    /// What was sent, and how.
    pub kept: Kept,
    /// Its key.
    pub key: EntryKey,
}

/// Sets aside what was not a sound event.
pub(crate) fn put(
    fold: &mut Fold<'_>,
    shared: &Shared,
    rejected: &Rejected,
) -> Result<EventVerdict, RowError> {
    let Rejected { source, code, detail, arrival, body } = rejected;
    let kept = StoredKept::AsSent {
        received_at: arrival.received_at,
        sent_at: arrival.sent_at,
        historical: arrival.historical,
        marks: arrival.marks,
        kind: arrival.kind,
        context: arrival.context.as_ref().map_or("", LazyObject::text).into(),
        row: arrival.row.clone(),
        body: body.into(),
    };
    let why = Why { source, code, detail };
    write(fold, shared, why, None, kept)
}

/// Sets aside an event in normal form. Until it is resolved, the same message again is a duplicate.
pub(crate) fn put_event(
    fold: &mut Fold<'_>,
    shared: &Shared,
    ahead: &Ahead,
    code: &str,
    detail: &str,
) -> Result<EventVerdict, RowError> {
    let event = &ahead.event;
    let kept = StoredKept::Normal { event_time: event.event_time, event: StoredEvent::of(event) };
    let why = Why { source: &event.source, code: &code.into(), detail };
    write(fold, shared, why, Some(ahead.dedup), kept)
}

#[derive(Clone, Copy)]
struct Why<'a> {
    source: &'a SourceKey,
    code: &'a CompactString,
    detail: &'a str,
}

fn write(
    fold: &mut Fold<'_>,
    shared: &Shared,
    why: Why<'_>,
    holds: Option<Held>,
    kept: StoredKept<'_>,
) -> Result<EventVerdict, RowError> {
    let Why { source, code, detail } = why;
    let key = entry_key(fold.ground.now, fold.next_seq.0);
    let slot = shared.keys.vault.allocate()?;
    let seal_key = shared.keys.vault.key(slot)?;
    let rest = StoredRest::V1 { detail: detail.into(), kept };
    let sealed = shared.keys.seal(&seal_key, &key, &slot.0.to_be_bytes(), &rest)?;
    if sealed.len() > SEALED_BYTES_MAX || !shared.quarantine.has_room(source, &fold.set_aside) {
        return Ok(EventVerdict::Refused { code: FULL.into() });
    }
    fold.log(LogEntry::Act { action: "quarantine".into() });
    let bytes = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
    let head = StoredHead::V1 { source: source.clone(), code: code.clone(), bytes, holds };
    fold.pending.put(Table::Quarantine, row_key(HEAD, &key), record::encode(&head));
    for (table, key, value) in rows::cut(Table::Quarantine, &row_key(REST, &key), &sealed)? {
        fold.pending.put(table, key, value.unwrap_or_default());
    }
    if let Some(dedup) = holds {
        fold.messages.push(dedup);
        fold.pending.put(Table::Dedup, dedup.to_vec(), key.to_vec());
    }
    fold.set_aside.push(Change::added(source, bytes));
    Ok(EventVerdict::Quarantined { code: code.clone(), detail: detail.to_owned() })
}

/// Removes an entry whose replay has been decided; false when somebody else has removed it before.
pub(crate) fn resolve(fold: &mut Fold<'_>, key: &EntryKey) -> Result<bool, RowError> {
    let Some(row) = fold.pending.get(Table::Quarantine, &row_key(HEAD, key))? else {
        return Ok(false);
    };
    let StoredHead::V1 { source, bytes, .. } = record::decode(&row, "quarantine")?;
    for row_key in row_keys(key, bytes) {
        fold.pending.delete(Table::Quarantine, row_key);
    }
    fold.set_aside.push(Change::removed(&source, bytes));
    Ok(true)
}

/// Whether an entry is there.
pub(crate) fn contains(reader: &dyn Reader, key: &EntryKey) -> Result<bool, StoreError> {
    Ok(reader.get(Table::Quarantine, &row_key(HEAD, key))?.is_some())
}

/// What discarding entries writes; those that are not there are passed over. The message of an entry
/// stays known for as long as that of an applied one.
pub(crate) fn discard(
    shared: &Shared,
    keys: &[EntryKey],
    now: Timestamp,
) -> Result<(Vec<Write>, Vec<Change>), RowError> {
    let (mut writes, mut changes) = (Vec::new(), Vec::new());
    for key in keys {
        let Some(row) = shared.store.get(Table::Quarantine, &row_key(HEAD, key))? else { continue };
        let StoredHead::V1 { source, bytes, holds, .. } = record::decode(&row, "quarantine")?;
        changes.push(Change::removed(&source, bytes));
        writes.extend(row_keys(key, bytes).into_iter().map(|key| (Table::Quarantine, key, None)));
        if let Some(dedup) = holds {
            writes.push((Table::Dedup, dedup.to_vec(), Some(keys::seconds(now).to_vec())));
        }
    }
    Ok((writes, changes))
}

/// The keys of the rows of an entry whose sealed rest takes so many bytes.
fn row_keys(key: &EntryKey, bytes: u32) -> Vec<Vec<u8>> {
    let rest = row_key(REST, key);
    let rows = (bytes as usize + rows::FRAME.len()).div_ceil(store::MAX_VALUE_BYTES);
    let row = |index: u8| [&rest[..], &[index]].concat();
    std::iter::once(row_key(HEAD, key)).chain((0..=u8::MAX).take(rows).map(row)).collect()
}

/// One entry; `None` when there is none under this id.
pub(crate) fn open(shared: &Shared, id: &str) -> Result<Option<Entry>, RowError> {
    let Some(key) = parse_id(id) else { return Ok(None) };
    let Some(head) = shared.store.get(Table::Quarantine, &row_key(HEAD, &key))? else {
        return Ok(None);
    };
    read(shared, key, &head).map(Some)
}

/// Entries that match, newest first. A cursor is the id of the last entry of the page before.
pub(crate) fn page(
    shared: &Shared,
    filter: &Filter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Entry>, RowError> {
    let limit = limit.clamp(1, MAX_PAGE);
    let from = row_key(HEAD, &keys::ordered(filter.from.unwrap_or(Timestamp(0))));
    let until = filter.until.map(|until| row_key(HEAD, &keys::ordered(until)));
    let before = cursor.and_then(parse_id).map(|key| row_key(HEAD, &key));
    let to = until.into_iter().chain(before).min().unwrap_or_else(|| vec![HEAD + 1]);
    let mut found = Vec::new();
    let mut damaged = None;
    let range = KeyRange::new(&from, &to);
    shared.store.scan(Table::Quarantine, range, ScanOrder::Descending, &mut |key, row| {
        match (record::decode(row, "quarantine"), parse_row_key(key)) {
            (Ok(head), Some(key)) if filter.takes(&head) => found.push((key, row.to_vec())),
            (Ok(_), _) => {}
            (Err(error), _) => damaged = Some(error),
        }
        // One more tells that there are more.
        if found.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(damaged) = damaged {
        return Err(damaged.into());
    }
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| has_more).map(|(key, _)| id_of(key));
    let items = found.into_iter().map(|(key, head)| read(shared, key, &head));
    Ok(Page { items: items.collect::<Result<_, _>>()?, next_cursor })
}

impl Filter {
    /// Whether anything is asked for at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn takes(&self, head: &StoredHead) -> bool {
        let StoredHead::V1 { source, code, .. } = head;
        self.source.as_ref().is_none_or(|wanted| wanted == source)
            && self.code.as_ref().is_none_or(|wanted| wanted == code)
    }
}

impl Entry {
    /// The entry as it is shown, with what was sent, as far as those may see it to whom it is shown.
    pub(crate) fn document(&self, rules: &TraitRules, sight: Sight) -> Value {
        let mut shown = json!(self.summary);
        let Value::Object(members) = &mut shown else { return shown };
        match &self.kept {
            Kept::AsSent { arrival, body } => {
                members.insert("received_at".into(), json!(arrival.received_at));
                members.insert("sent_at".into(), json!(arrival.sent_at));
                members.insert("call".into(), json!(arrival.kind));
                // A text that was not understood may hold anything.
                if sight != Sight::Full && rules.has_sensitive() {
                    members.insert("masked".into(), true.into());
                    return shown;
                }
                members.insert("context".into(), json!(arrival.context));
                members.insert("body".into(), String::from_utf8_lossy(body).into());
            }
            Kept::Normal(event) => {
                members.insert("received_at".into(), json!(event.received_at));
                let mut document = show::document((**event).clone());
                if sight != Sight::Full {
                    show::mask(rules, &mut document);
                }
                members.insert("event".into(), document);
            }
        }
        shown
    }
}

fn read(shared: &Shared, key: EntryKey, head: &[u8]) -> Result<Entry, RowError> {
    let StoredHead::V1 { source, code, .. } = record::decode(head, "quarantine")?;
    let (_, sealed) = rows::first(&*shared.store, Table::Quarantine, &row_key(REST, &key))?
        .ok_or(Unreadable("quarantine"))?;
    let seal_key = match shared.keys.vault.key(slot_of(&sealed)?) {
        Err(VaultError::Erased { .. }) => return Err(Unreadable("quarantine").into()),
        result => result?,
    };
    let plain = store::seal::open(&seal_key, &key, SLOT_BYTES, &sealed)
        .map_err(|_| Unreadable("quarantine"))?;
    let StoredRest::V1 { detail, kept } = record::decode(&plain, "quarantine")?;
    let kept = match kept {
        StoredKept::AsSent {
            received_at,
            sent_at,
            historical,
            marks,
            kind,
            context,
            row,
            body,
        } => {
            let context = Some(context).filter(|text| !text.is_empty());
            let context = context.map(|text| LazyObject::parse(&text)).transpose();
            let context = context.map_err(|_| Unreadable("quarantine"))?;
            let arrival = Arrival { received_at, sent_at, historical, marks, kind, context, row };
            Kept::AsSent { arrival, body: body.into_owned() }
        }
        StoredKept::Normal { event_time, event } => {
            Kept::Normal(Box::new(event.into_event(event_time)?))
        }
    };
    let detail = detail.into_owned();
    let at = keys::parse_ordered(&key[..8]).ok_or(Unreadable("quarantine"))?;
    Ok(Entry { summary: Summary { id: id_of(&key), at, source, code, detail }, kept, key })
}

/// The slot of the key that an entry is sealed with.
fn slot_of(sealed: &[u8]) -> Result<Slot, Unreadable> {
    let slot = sealed.first_chunk::<SLOT_BYTES>().ok_or(Unreadable("quarantine"))?;
    Ok(Slot(u64::from_be_bytes(*slot)))
}

/// What a look at a part of the quarantine found.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// The entries that are wanted, each with the slot of its key.
    pub(crate) entries: Vec<(EntryKey, Slot)>,
    /// The last entry that was looked at; `None` at the end.
    pub(crate) last: Option<EntryKey>,
}

/// Looks at entries after one, oldest first and `limit` at most, for those that are wanted.
pub(crate) fn search(
    shared: &Shared,
    after: Option<EntryKey>,
    limit: usize,
    is_wanted: &dyn Fn(&Kept) -> bool,
) -> Result<Search, RowError> {
    let from = after.map_or(vec![HEAD], |key| [&row_key(HEAD, &key)[..], &[0]].concat());
    let mut heads = Vec::new();
    let range = KeyRange::new(&from, &[HEAD + 1]).into_owned();
    shared.store.scan(Table::Quarantine, range, ScanOrder::Ascending, &mut |key, row| {
        heads.extend(parse_row_key(key).map(|key| (key, row.to_vec())));
        if heads.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let last = heads.last().filter(|_| heads.len() == limit).map(|(key, _)| *key);
    let mut entries = Vec::new();
    for (key, head) in heads {
        match read(shared, key, &head) {
            Ok(entry) if is_wanted(&entry.kept) => {
                let rest = rows::first(&*shared.store, Table::Quarantine, &row_key(REST, &key))?;
                let (_, sealed) = rest.ok_or(Unreadable("quarantine"))?;
                entries.push((key, slot_of(&sealed)?));
            }
            Ok(_) => {}
            // Nobody reads a damaged one either.
            Err(RowError::Unreadable(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Search { entries, last })
}

fn entry_key(at: Timestamp, seq: u64) -> EntryKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&keys::ordered(at));
    key[8..].copy_from_slice(&seq.to_be_bytes());
    key
}

fn row_key(part: u8, key: &[u8]) -> Vec<u8> {
    [&[part], key].concat()
}

fn parse_row_key(key: &[u8]) -> Option<EntryKey> {
    key.split_first()?.1.try_into().ok()
}

fn id_of(key: &EntryKey) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_id(id: &str) -> Option<EntryKey> {
    let mut key = EntryKey::default();
    if id.len() != 2 * key.len() || !id.is_ascii() {
        return None;
    }
    for (i, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(id.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(key)
}
