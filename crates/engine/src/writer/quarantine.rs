//! Events set aside: kept as they were sent, with the reason, until they are replayed or released.

use compact_str::CompactString;
use model::{Event, SourceKey, Timestamp, Value};
use serde::{Deserialize, Serialize};
use store::{Reader, StoreError, Table};

use crate::{
    definitions::Page,
    fold::Fold,
    ingest::{EventVerdict, Rejected},
    keys,
    record::{self, LogEntry, Unreadable},
    registry::rows,
    sealed::RowError,
    state::Shared,
};

/// Longest body kept of an event.
const BODY_BYTES_MAX: usize = 32 * 1024;
/// Names the key under which bodies are sealed: they belong to no strand yet.
const SEAL_CONTEXT: &str = "concierge 2026 quarantine";
/// Most entries a page holds.
const MAX_PAGE: usize = 500;
/// Bytes of an entry's key: its instant and its place in the log.
const KEY_BYTES: usize = 16;

/// An event set aside; sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredRejected {
    V1 {
        /// Whose write key it came with.
        source: SourceKey,
        /// A stable code.
        code: CompactString,
        /// What is wrong.
        detail: String,
        /// As sent, cut at 32 KiB.
        body: Vec<u8>,
    },
}

/// Sets aside what was not a sound event.
pub(crate) fn put(
    fold: &mut Fold<'_>,
    shared: &Shared,
    rejected: &Rejected,
) -> Result<EventVerdict, RowError> {
    let body = rejected.body.get(..BODY_BYTES_MAX).unwrap_or(&rejected.body).to_vec();
    let record = StoredRejected::V1 {
        source: rejected.source.clone(),
        code: rejected.code.clone(),
        detail: rejected.detail.clone(),
        body,
    };
    let seq = fold.log(LogEntry::Act { action: "quarantine".into() });
    let mut key = keys::ordered(fold.ground.now).to_vec();
    key.extend_from_slice(&seq.0.to_be_bytes());
    let seal_key = shared.keys.vault.derived_key(SEAL_CONTEXT);
    let sealed = shared.keys.seal(&seal_key, &key, &[], &record)?;
    for (table, key, value) in rows::cut(Table::Quarantine, &key, &sealed)? {
        fold.pending.put(table, key, value.unwrap_or_default());
    }
    let (code, detail) = (rejected.code.clone(), rejected.detail.clone());
    Ok(EventVerdict::Quarantined { code, detail })
}

/// Sets aside a sound event whose person does not read back.
pub(crate) fn put_event(
    fold: &mut Fold<'_>,
    shared: &Shared,
    event: &Event,
) -> Result<EventVerdict, RowError> {
    let rejected = Rejected {
        source: event.source.clone(),
        code: "profile_unreadable".into(),
        detail: "the stored profile does not read back; see the log".into(),
        body: record::encode(&record::StoredEvent::of(event)),
    };
    put(fold, shared, &rejected)
}

/// One entry; `None` when there is none under this id.
pub(crate) fn open(shared: &Shared, id: &str) -> Result<Option<Rejected>, RowError> {
    let Some(key) = parse_id(id) else { return Ok(None) };
    let mut found = None;
    rows::visit(&*shared.store, Table::Quarantine, &key, &mut |_, value| {
        found = Some(value.to_vec());
        std::ops::ControlFlow::Break(())
    })?;
    found.map(|sealed| read(shared, &key, &sealed)).transpose()
}

fn read(shared: &Shared, key: &[u8], sealed: &[u8]) -> Result<Rejected, RowError> {
    let seal_key = shared.keys.vault.derived_key(SEAL_CONTEXT);
    let StoredRejected::V1 { source, code, detail, body } =
        shared.keys.open(&seal_key, key, 0, sealed, "quarantine")?;
    Ok(Rejected { source, code, detail, body })
}

/// Entries, newest first. A cursor is the id of the last entry of the page before.
pub(crate) fn page(
    shared: &Shared,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Value>, RowError> {
    let limit = limit.clamp(1, MAX_PAGE);
    let before = cursor.and_then(parse_id);
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    rows::visit(&*shared.store, Table::Quarantine, &[], &mut |key, value| {
        if before.as_ref().is_some_and(|before| key >= before.as_slice()) {
            return std::ops::ControlFlow::Break(());
        }
        found.push((key.to_vec(), value.to_vec()));
        // Only the newest are wanted, and keys come oldest first.
        if found.len() > 2 * limit {
            found.drain(..limit);
        }
        std::ops::ControlFlow::Continue(())
    })?;
    let has_more = found.len() > limit;
    let newest: Vec<_> = found.into_iter().rev().take(limit).collect();
    let next_cursor = newest.last().filter(|_| has_more).map(|(key, _)| id_of(key));
    let items = newest.iter().map(|(key, value)| entry(shared, key, value));
    Ok(Page { items: items.collect::<Result<_, _>>()?, next_cursor })
}

fn entry(shared: &Shared, key: &[u8], value: &[u8]) -> Result<Value, RowError> {
    let rejected = read(shared, key, value)?;
    let at = key.get(..8).and_then(keys::parse_ordered).unwrap_or(Timestamp(0));
    Ok(serde_json::json!({
        "id": id_of(key),
        "at": at,
        "source": rejected.source,
        "code": rejected.code,
        "detail": rejected.detail,
        "body": String::from_utf8_lossy(&rejected.body),
    }))
}

/// The keys of an entry's rows.
pub(crate) fn row_keys(reader: &dyn Reader, id: &str) -> Result<Vec<Vec<u8>>, StoreError> {
    let Some(prefix) = parse_id(id) else { return Ok(Vec::new()) };
    let mut keys = Vec::new();
    let range = store::prefix_range(&prefix);
    reader.scan(Table::Quarantine, range, store::ScanOrder::Ascending, &mut |key, _| {
        keys.push(key.to_vec());
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(keys)
}

fn id_of(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_id(id: &str) -> Option<Vec<u8>> {
    if id.len() != 2 * KEY_BYTES || !id.is_ascii() {
        return None;
    }
    (0..KEY_BYTES).map(|i| u8::from_str_radix(&id[2 * i..2 * i + 2], 16).ok()).collect()
}

/// Why a quarantined body could not be read: it is sealed, so damage shows.
impl From<Unreadable> for StoreError {
    fn from(unreadable: Unreadable) -> Self {
        Self::Corrupt { what: unreadable.0.into() }
    }
}
