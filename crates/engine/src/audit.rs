//! The audit log: who did what to which definition, token or profile, newest first.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicU64, Ordering},
};

use compact_str::CompactString;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Reader, StoreError, Table};

use crate::{
    definitions::{AuditEntry, Page},
    keys,
    record::{self, Unreadable},
    registry::rows::{self, Write},
};

/// Most entries a page holds.
const MAX_PAGE: usize = 500;
/// Longest part of an entry's subject or action that is kept, in bytes.
const MAX_TEXT_BYTES: usize = 512;

/// First byte of the rows in table `Meta`: `0x44`, instant, counter; both inverted, so that a scan
/// meets the newest first.
const PREFIX: u8 = 0x44;
const KEY_BYTES: usize = 1 + 8 + 8;

/// An entry, as stored.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum StoredEntry {
    V1 {
        actor: CompactString,
        action: CompactString,
        subject: String,
        /// JSON text.
        change: Option<String>,
    },
}

/// Where the next entry goes.
#[derive(Debug)]
pub(crate) struct AuditLog {
    /// Tells entries of the same instant apart, in the order in which they were made.
    next: AtomicU64,
}

impl AuditLog {
    /// Finds the newest entry of a store.
    pub(crate) fn open(reader: &dyn Reader) -> Result<Self, StoreError> {
        let newest = rows::first(reader, Table::Meta, &[PREFIX])?;
        let last = newest.and_then(|(key, _)| parse_key(&key)).map(|(_, count)| count);
        Ok(Self { next: AtomicU64::new(last.map_or(0, |count| count.saturating_add(1))) })
    }

    /// The rows of `entry`. Its instant should not lie before that of entries made earlier.
    pub(crate) fn writes(&self, entry: AuditEntry) -> Result<Vec<Write>, StoreError> {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let stored = StoredEntry::V1 {
            actor: entry.actor,
            action: shortened(&entry.action).into(),
            subject: shortened(&entry.subject).to_owned(),
            change: entry.change.map(|change| change.to_string()),
        };
        rows::cut(Table::Meta, &key(entry.at, count), &record::encode(&stored))
    }
}

/// A page of the log, newest first. A cursor nobody gave out begins at the newest.
pub(crate) fn page(
    reader: &dyn Reader,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<AuditEntry>, StoreError> {
    let limit = limit.clamp(1, MAX_PAGE);
    // The row after the cursor's: no key continues a key of full length, so one byte more lies before the next.
    let from = cursor.and_then(parse_cursor).map_or(vec![PREFIX], |mut key| {
        key.push(u8::MAX);
        key
    });
    let range = store::KeyRange::new(&from, &[PREFIX + 1]).into_owned();
    let mut items = Vec::new();
    let mut last_key = Vec::new();
    let mut next_cursor = None;
    let mut unreadable = None;
    rows::visit_range(reader, Table::Meta, range, &mut |key, value| {
        if items.len() == limit {
            next_cursor = Some(write_cursor(&last_key));
            return ControlFlow::Break(());
        }
        last_key = key.to_vec();
        match read(key, value) {
            Ok(entry) => items.push(entry),
            Err(error) => unreadable = Some(error),
        }
        if unreadable.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    match unreadable {
        Some(error) => Err(StoreError::Corrupt { what: error.to_string() }),
        None => Ok(Page { items, next_cursor }),
    }
}

/// The entries of one instant, newest first.
pub(crate) fn of_instant(
    reader: &dyn Reader,
    at: Timestamp,
) -> Result<Vec<AuditEntry>, StoreError> {
    let mut instant = key(at, 0);
    instant.truncate(KEY_BYTES - size_of::<u64>());
    let mut entries = Vec::new();
    rows::visit(reader, Table::Meta, &instant, &mut |key, value| {
        entries.push(read(key, value));
        ControlFlow::Continue(())
    })?;
    let read: Result<Vec<AuditEntry>, Unreadable> = entries.into_iter().collect();
    read.map_err(|error| StoreError::Corrupt { what: error.to_string() })
}

fn read(key: &[u8], value: &[u8]) -> Result<AuditEntry, Unreadable> {
    const WHAT: &str = "audit entry";
    let (at, _) = parse_key(key).ok_or(Unreadable(WHAT))?;
    let StoredEntry::V1 { actor, action, subject, change } = record::decode(value, WHAT)?;
    let change = change.map(|text| serde_json::from_str(&text)).transpose();
    let change = change.map_err(|_| Unreadable(WHAT))?;
    Ok(AuditEntry { at, actor, action, subject, change })
}

fn key(at: Timestamp, count: u64) -> Vec<u8> {
    let inverted = keys::ordered(at).map(|byte| !byte);
    [&[PREFIX], &inverted[..], &(!count).to_be_bytes()].concat()
}

fn parse_key(key: &[u8]) -> Option<(Timestamp, u64)> {
    let (at, count) = key.strip_prefix(&[PREFIX])?.split_first_chunk::<8>()?;
    let at = keys::parse_ordered(&at.map(|byte| !byte))?;
    Some((at, !u64::from_be_bytes(count.try_into().ok()?)))
}

fn write_cursor(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_cursor(text: &str) -> Option<Vec<u8>> {
    let is_cursor = text.len() == 2 * KEY_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_cursor {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok();
    (0..KEY_BYTES).map(byte).collect::<Option<Vec<u8>>>().filter(|key| key[0] == PREFIX)
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use store::{Batch, Memory, Store};

    use super::*;

    fn entry(at: i64, action: &str) -> AuditEntry {
        AuditEntry {
            at: Timestamp(at),
            actor: "ann".into(),
            action: action.into(),
            subject: "audiences/vip".to_owned(),
            change: Some(json!([{"pointer": "/state", "old": "draft", "new": "live"}])),
        }
    }

    fn write(store: &Memory, log: &AuditLog, entry: AuditEntry) {
        let mut batch = Batch::new();
        for (table, key, value) in log.writes(entry).unwrap() {
            batch.put(table, key, value.unwrap());
        }
        store.commit(batch).unwrap();
    }

    fn read_all(store: &Memory, limit: usize) -> Vec<AuditEntry> {
        let mut entries = Vec::new();
        let mut cursor = None;
        loop {
            let page = page(store, cursor.as_deref(), limit).unwrap();
            assert!(page.items.len() <= limit);
            entries.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return entries,
            }
        }
    }

    #[test]
    fn the_newest_comes_first_over_pages_and_restarts() {
        let store = Memory::new();
        let log = AuditLog::open(&store).unwrap();
        for (at, action) in [(-5, "a"), (7, "b"), (7, "c")] {
            write(&store, &log, entry(at, action));
        }
        let log = AuditLog::open(&store).unwrap();
        write(&store, &log, entry(7, "d"));
        for limit in 1..6 {
            let actions: Vec<_> =
                read_all(&store, limit).into_iter().map(|e| e.action.to_string()).collect();
            assert_eq!(actions, ["d", "c", "b", "a"], "pages of {limit}");
        }
        assert_eq!(read_all(&store, 1)[3].at, Timestamp(-5));
        assert_eq!(read_all(&store, 9)[0].change, entry(0, "").change);
        let at_seven = of_instant(&store, Timestamp(7)).unwrap();
        let at_seven: Vec<&str> = at_seven.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(at_seven, ["d", "c", "b"]);
        assert!(of_instant(&store, Timestamp(8)).unwrap().is_empty());
    }

    #[test]
    fn an_entry_longer_than_a_row_comes_back_whole() {
        let store = Memory::new();
        let log = AuditLog::open(&store).unwrap();
        let long = AuditEntry { change: Some(json!("x".repeat(50_000))), ..entry(1, "long") };
        write(&store, &log, long.clone());
        let found = read_all(&store, 5).remove(0);
        assert_eq!(found.change, long.change);
        let wordy = AuditEntry { subject: "å".repeat(1_000), ..entry(2, "wordy") };
        write(&store, &log, wordy);
        assert_eq!(read_all(&store, 5)[0].subject, "å".repeat(256));
    }

    #[test]
    fn a_foreign_cursor_begins_at_the_newest() {
        let store = Memory::new();
        let log = AuditLog::open(&store).unwrap();
        write(&store, &log, entry(1, "a"));
        for cursor in ["", "zz", &"00".repeat(KEY_BYTES), &"é".repeat(KEY_BYTES)] {
            assert_eq!(page(&store, Some(cursor), 5).unwrap().items.len(), 1, "{cursor}");
        }
    }

    #[test]
    fn bytes_of_version_1_read_back() {
        let stored = StoredEntry::V1 {
            actor: "ann".into(),
            action: "definition.put".into(),
            subject: "audiences/vip".to_owned(),
            change: Some("[]".to_owned()),
        };
        let bytes = record::encode(&stored);
        let hex = "0003616e6e0e646566696e6974696f6e2e7075740d61756469656e6365732f76697001025b5d";
        assert_eq!(write_cursor(&bytes), hex);
        assert_eq!(record::decode::<StoredEntry>(&bytes, "audit entry"), Ok(stored));
    }
}
