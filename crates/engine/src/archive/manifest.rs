//! The manifest: which files are the lake. A file that it does not name is no part of it.
//!
//! | table | key | value |
//! |---|---|---|
//! | Meta | `49`, `01`, table u8, day i32 inverted at the sign, first u64, last u64 | [`StoredFile`] |

use std::{
    fmt,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use model::{Seq, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Batch, Reader, ScanOrder, Table};

use super::{
    Archive,
    removals::{Removals, StoredRemovals},
    tables,
};
use crate::{
    record::{Unreadable, decode, encode},
    registry::rows,
    sealed::RowError,
};

const FILE: [u8; 2] = [0x49, 0x01];
const REMOVALS: [u8; 2] = [0x49, 0x02];
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// A file of the lake, as stored; table, day and positions are in the row's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredFile {
    V1 {
        rows: u64,
        bytes: u64,
        /// A file that took the place of others is named after what it was cleaned of as well; 0 of one that did not.
        edition: u64,
        /// All that was to be removed before this position is not in it.
        clean_to: Seq,
    },
}

/// The day on which something was received, in days since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(pub(crate) i32);

impl Day {
    pub(crate) fn of(at: Timestamp) -> Self {
        Self(i32::try_from(at.0.div_euclid(DAY_MS)).unwrap_or(i32::MAX))
    }
}

impl fmt::Display for Day {
    /// As in `2026-11-26`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Timestamp(i64::from(self.0) * DAY_MS).to_string();
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

/// What a file is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    /// The place of its table in [`tables::ALL`].
    pub(crate) table: usize,
    pub(crate) day: Day,
    /// The first and the last position of its rows in the log.
    pub(crate) first: Seq,
    pub(crate) last: Seq,
}

/// A file. It is there as long as somebody holds this, and goes afterwards if it is no part of the lake any more.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) id: Id,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    edition: u64,
    clean_to: AtomicU64,
    is_gone: AtomicBool,
    archive: Arc<dyn Archive>,
}

impl Drop for File {
    fn drop(&mut self) {
        if self.is_gone.load(Ordering::Acquire)
            && let Err(error) = self.archive.remove(&self.name())
        {
            // The next start removes what the manifest does not name.
            tracing::warn!(%error, "could not remove a file that is no part of the lake any more");
        }
    }
}

/// What a file is made with, beside its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) edition: u64,
    pub(crate) clean_to: Seq,
}

impl File {
    pub(crate) fn new(archive: &Arc<dyn Archive>, id: Id, made: Made) -> Self {
        let Made { rows, bytes, edition, clean_to } = made;
        let (clean_to, is_gone) = (AtomicU64::new(clean_to.0), AtomicBool::new(false));
        Self { id, rows, bytes, edition, clean_to, is_gone, archive: Arc::clone(archive) }
    }

    /// Its name below the folder of the lake.
    pub(crate) fn name(&self) -> String {
        name(self.id, self.edition)
    }

    pub(crate) fn edition(&self) -> u64 {
        self.edition
    }

    /// All that was to be removed before this position is not in it.
    pub(crate) fn clean_to(&self) -> Seq {
        Seq(self.clean_to.load(Ordering::Acquire))
    }

    pub(crate) fn set_clean_to(&self, seq: Seq) {
        self.clean_to.store(seq.0, Ordering::Release);
    }

    /// Lets it be removed once nobody reads it.
    pub(crate) fn leave(&self) {
        self.is_gone.store(true, Ordering::Release);
    }

    /// Has the manifest name it, as clean up to a position.
    pub(crate) fn put(&self, clean_to: Seq, batch: &mut Batch) {
        let Self { rows, bytes, edition, .. } = *self;
        let stored = StoredFile::V1 { rows, bytes, edition, clean_to };
        batch.put(Table::Meta, key(self.id), encode(&stored));
    }

    /// Has the manifest name it no longer.
    pub(crate) fn delete(&self, batch: &mut Batch) {
        batch.delete(Table::Meta, key(self.id));
    }
}

/// The name of a file: its table, its day, its positions, and the edition of one that took the place of others.
pub(crate) fn name(id: Id, edition: u64) -> String {
    let Id { table, day, first, last } = id;
    let table = tables::ALL[table].name;
    let edition = if edition == 0 { String::new() } else { format!("-{edition:020}") };
    format!("{table}/day={day}/{:020}-{:020}{edition}.parquet", first.0, last.0)
}

fn key(id: Id) -> Vec<u8> {
    let Id { table, day, first, last } = id;
    let mut key = FILE.to_vec();
    key.push(u8::try_from(table).unwrap_or(u8::MAX));
    key.extend_from_slice(&(day.0 ^ i32::MIN).to_be_bytes());
    key.extend_from_slice(&first.0.to_be_bytes());
    key.extend_from_slice(&last.0.to_be_bytes());
    key
}

fn parse_key(key: &[u8]) -> Option<Id> {
    let (&table, rest) = key.strip_prefix(&FILE)?.split_first()?;
    let (day, rest) = rest.split_first_chunk::<4>()?;
    let (first, last) = rest.split_first_chunk::<8>()?;
    let table = usize::from(table);
    (table < tables::ALL.len()).then_some(Id {
        table,
        day: Day(i32::from_be_bytes(*day) ^ i32::MIN),
        first: Seq(u64::from_be_bytes(*first)),
        last: Seq(u64::from_be_bytes(last.try_into().ok()?)),
    })
}

/// Reads which files there are.
pub(crate) fn files(
    reader: &dyn Reader,
    archive: &Arc<dyn Archive>,
) -> Result<Vec<Arc<File>>, RowError> {
    let unreadable = || Unreadable("file of the lake");
    let mut found = Vec::new();
    let mut damaged = None;
    let range = store::prefix_range(&FILE);
    reader.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, row| {
        let stored = decode(row, "file of the lake");
        match parse_key(key).ok_or_else(unreadable).and_then(|id| Ok((id, stored?))) {
            Ok((id, StoredFile::V1 { rows, bytes, edition, clean_to })) => {
                let made = Made { rows, bytes, edition, clean_to };
                found.push(Arc::new(File::new(archive, id, made)));
            }
            Err(error) => damaged = Some(error),
        }
        ControlFlow::Continue(())
    })?;
    damaged.map_or(Ok(found), |error| Err(error.into()))
}

/// Removals that are stored and not done: all that was to be removed before a position.
#[derive(Debug)]
pub(crate) struct Purge {
    pub(crate) upto: Seq,
    pub(crate) at: Timestamp,
    pub(crate) removals: Removals,
}

/// Stores removals.
pub(crate) fn put_purge(purge: &Purge, batch: &mut Batch) -> Result<(), RowError> {
    let stored = StoredRemovals::V1 { at: purge.at, removals: purge.removals.clone() };
    for (table, key, value) in rows::cut(Table::Meta, &purge_key(purge.upto), &encode(&stored))? {
        batch.put(table, key, value.unwrap_or_default());
    }
    Ok(())
}

/// Forgets removals that are done.
pub(crate) fn delete_purge(
    reader: &dyn Reader,
    upto: Seq,
    batch: &mut Batch,
) -> Result<(), RowError> {
    let prefix = purge_key(upto);
    let range = store::prefix_range(&prefix);
    reader.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, _| {
        batch.delete(Table::Meta, key);
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// Reads the removals that are not done.
pub(crate) fn purges(reader: &dyn Reader) -> Result<Vec<Arc<Purge>>, RowError> {
    let mut found = Vec::new();
    let mut damaged = None;
    rows::visit(reader, Table::Meta, &REMOVALS, &mut |key, row| {
        let upto = key.strip_prefix(&REMOVALS).and_then(|upto| upto.try_into().ok());
        let upto = upto.map(u64::from_be_bytes).ok_or(Unreadable("removals"));
        match upto.and_then(|upto| Ok((upto, decode(row, "removals")?))) {
            Ok((upto, StoredRemovals::V1 { at, removals })) => {
                found.push(Arc::new(Purge { upto: Seq(upto), at, removals }));
            }
            Err(error) => damaged = Some(error),
        }
        ControlFlow::Continue(())
    })?;
    damaged.map_or(Ok(found), |error| Err(error.into()))
}

fn purge_key(upto: Seq) -> Vec<u8> {
    [&REMOVALS[..], &upto.0.to_be_bytes()].concat()
}

/// Forgets the whole manifest and all removals, since files are missing: the lake is made anew from the log.
pub(crate) fn forget(reader: &dyn Reader, batch: &mut Batch) -> Result<(), RowError> {
    for prefix in [FILE, REMOVALS] {
        let range = store::prefix_range(&prefix);
        reader.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, _| {
            batch.delete(Table::Meta, key);
            ControlFlow::Continue(())
        })?;
    }
    Ok(())
}
