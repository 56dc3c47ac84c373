//! What the lake is at a moment: files, tail, and what is hidden.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use model::{
    Seq, Timestamp,
    table::{Cell, Row},
};
use parking_lot::{Mutex, MutexGuard};

use super::{
    Archive, FileSnapshot, Limits, Snapshot, TableSnapshot, Usage,
    manifest::{self, File, Purge},
    removals::{Fate, Removals},
    tables,
};
use crate::{privacy, sealed::RowError, state::Shared};

/// What the filler, the upkeep and those who ask share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) shared: Arc<Shared>,
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) limits: Limits,
    contents: Mutex<Contents>,
    /// Held by whoever changes which files there are, from before the commit until it shows in the contents.
    changing: Mutex<()>,
    is_flush_asked: AtomicBool,
}

/// What is in the lake.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// By table, in the order of day and position.
    pub(crate) files: [Vec<Arc<File>>; tables::ALL.len()],
    pub(crate) tail: Tail,
    /// Removals that are stored and that files are still to be rewritten for.
    pub(crate) purges: Vec<Arc<Purge>>,
    /// Removals that are not stored yet. They are no longer in the tail.
    pub(crate) coming: Removals,
    /// The position of the log that is taken next.
    pub(crate) next: Seq,
}

/// The rows that are in no file yet.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// By table: what each step of the follower brought.
    pub(crate) rows: [Vec<Arc<Vec<Row>>>; tables::ALL.len()],
    pub(crate) count: usize,
    pub(crate) bytes: usize,
    /// When its oldest row came.
    pub(crate) since: Option<Timestamp>,
}

/// About how much memory a row takes.
pub(crate) fn weight(row: &[Cell<'_>]) -> usize {
    let text = |cell: &Cell<'_>| if let Cell::Text(text) = cell { text.len() } else { 0 };
    size_of_val(row) + row.iter().map(text).sum::<usize>()
}

impl Tail {
    pub(crate) fn add(&mut self, table: usize, rows: Vec<Row>) {
        if rows.is_empty() {
            return;
        }
        self.count += rows.len();
        self.bytes += rows.iter().map(|row| weight(row)).sum::<usize>();
        if let Some(chunks) = self.rows.get_mut(table) {
            chunks.push(Arc::new(rows));
        }
    }

    /// Takes out what is removed.
    pub(crate) fn apply(&mut self, removals: &Removals) {
        let named = removals.named();
        for (table, chunks) in self.rows.iter_mut().enumerate() {
            for chunk in chunks.iter_mut() {
                let is_touched = |row: &Row| named.judge(table, row) != Fate::Stays;
                if !chunk.iter().any(is_touched) {
                    continue;
                }
                // Whoever reads the chunk keeps it as it is.
                Arc::make_mut(chunk).retain_mut(|row| named.amend(table, row));
            }
            chunks.retain(|chunk| !chunk.is_empty());
        }
        let rows = || self.rows.iter().flatten().flat_map(|chunk| chunk.iter());
        (self.count, self.bytes) = (rows().count(), rows().map(|row| weight(row)).sum());
    }
}

impl State {
    pub(crate) fn new(shared: Arc<Shared>, archive: Arc<dyn Archive>, limits: Limits) -> Self {
        let (contents, changing) = (Mutex::default(), Mutex::default());
        let is_flush_asked = AtomicBool::new(false);
        Self { shared, archive, limits, contents, changing, is_flush_asked }
    }

    pub(crate) fn archive(&self) -> &dyn Archive {
        &*self.archive
    }

    pub(crate) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock()
    }

    pub(crate) fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock()
    }

    pub(crate) fn ask_for_flush(&self) {
        self.is_flush_asked.store(true, Ordering::Release);
    }

    pub(crate) fn take_flush_asked(&self) -> bool {
        self.is_flush_asked.swap(false, Ordering::AcqRel)
    }

    /// Removes the files that the manifest does not name: what a crash left behind. Only at the start, when nobody
    /// writes any.
    pub(crate) fn remove_strangers(&self) -> Result<(), RowError> {
        let known: std::collections::HashSet<String> =
            self.contents().files.iter().flatten().map(|file| file.name()).collect();
        let found = self.archive.list()?;
        for stranger in found.iter().filter(|name| !known.contains(*name)) {
            self.archive.remove(stranger)?;
        }
        Ok(())
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let contents = self.contents();
        let table = |place: usize| {
            let file = |file: &Arc<File>| FileSnapshot {
                name: file.name(),
                path: self.archive.path(&file.name()),
                day: file.id.day.to_string(),
                rows: file.rows,
                bytes: file.bytes,
                _file: Arc::clone(file),
            };
            TableSnapshot {
                table: tables::ALL[place],
                files: contents.files[place].iter().map(file).collect(),
                tail: contents.tail.rows[place].clone(),
            }
        };
        let mut hidden = contents.coming.clone();
        contents.purges.iter().for_each(|purge| hidden.add(&purge.removals));
        let mut named = hidden.named();
        // Whoever an event was moved to may have been erased since.
        let (erased, kept): (Vec<_>, Vec<_>) =
            named.moved.iter().partition(|(_, to)| named.strands.contains(to.as_str()));
        let erased: Vec<i64> = erased.into_iter().map(|(seq, _)| *seq).collect();
        let moved_events = kept.into_iter().map(|(seq, to)| (*seq, to.clone())).collect();
        named.events.extend(erased);
        Snapshot {
            tables: (0..tables::ALL.len()).map(table).collect(),
            hidden_strands: named.strands.into_iter().collect(),
            moved_events,
            hidden_events: named.events.into_iter().collect(),
            hidden_requests: named.requests.into_iter().collect(),
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        let contents = self.contents();
        let files = || contents.files.iter().flatten();
        let count = |n: usize| n as u64;
        let stored: usize = contents.purges.iter().map(|purge| purge.removals.len()).sum();
        Usage {
            files: count(files().count()),
            bytes: files().map(|file| file.bytes).sum(),
            rows: files().map(|file| file.rows).sum(),
            tail_rows: count(contents.tail.count),
            tail_bytes: count(contents.tail.bytes),
            removals: count(stored + contents.coming.len()),
            next: contents.next,
            removals_since: contents.purges.iter().map(|purge| purge.at).min(),
        }
    }

    /// Reads what is stored of it. Where a file is missing, all of it is forgotten, to be made anew from the log.
    pub(crate) fn read(&self, sink: &str) -> Result<(), RowError> {
        let _changing = self.changing();
        let store = &*self.shared.store;
        let mut files = manifest::files(store, &self.archive)?;
        let found: std::collections::HashSet<String> = self.archive.list()?.into_iter().collect();
        let mut purges = manifest::purges(store)?;
        if let Some(missing) = files.iter().find(|file| !found.contains(&file.name())) {
            let file = missing.name();
            tracing::warn!(
                %file,
                "a file of the lake is missing; making the lake anew from the log"
            );
            let mut batch = store::Batch::new();
            manifest::forget(store, &mut batch)?;
            batch.delete(store::Table::Meta, crate::follow::watermark(sink));
            crate::writer::committer::commit(&self.shared, &mut batch)?;
            (files, purges) = (Vec::new(), Vec::new());
        }
        let mut contents = self.contents();
        let before = std::mem::take(&mut *contents);
        contents.purges = purges;
        for file in files {
            // Whoever reads a file holds what is known already.
            let is_same = |known: &&Arc<File>| known.name() == file.name();
            let known = before.files.iter().flatten().find(is_same).cloned();
            contents.files[file.id.table].push(known.unwrap_or(file));
        }
        Ok(())
    }

    /// Hides whoever was erased after a position, of which the follower has not come to tell yet.
    pub(crate) fn hide_erased_since(&self, seq: Seq) -> Result<(), RowError> {
        let erased = privacy::lake::erased_since(&self.shared, seq)?;
        self.contents().coming.strands.extend(erased);
        Ok(())
    }
}
