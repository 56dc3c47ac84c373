//! The lake: what happened, as tables of files that others read, kept up beside the store.
//!
//! It follows the log. Rows stay in memory, the *tail*, until there are enough of them for files, one for each table
//! and day; files are written whole and become part of the lake by the commit of a manifest in the store, which says
//! at once how far the log is in files. So the files that the manifest names and the rows in memory are all of the
//! log, each row once, at any moment and after any crash; and what is missing can be made again from the log.
//!
//! What has to leave (the erased, what retention rules remove) is hidden at once, and leaves the files when they are
//! rewritten by a thread of its own, which also makes large files of small ones.

mod manifest;
mod removals;
mod rows;
mod sink;
mod state;
pub mod tables;
mod upkeep;

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use model::{
    Seq, Timestamp,
    table::{Part, Row, Table, Wanted},
};
use thiserror::Error;

use crate::{
    engine::{Engine, EngineError},
    follow::{self, Sink as _},
};
pub(crate) use rows::context_column;
use state::State;

/// Why a file was not written or read.
#[derive(Debug, Error)]
#[error("could not {what} a file of the lake")]
pub struct ArchiveError {
    /// The step that failed, as a verb.
    pub what: &'static str,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The rows of a file, in its order.
pub type Rows = Box<dyn Iterator<Item = Result<Row, ArchiveError>> + Send>;

/// What to do with each part of a file.
pub type Scanned<'a> = dyn FnMut(&Part) -> ControlFlow<()> + 'a;

/// Where the files of the lake are, and how they are written and read. Names are relative, with `/` between folders.
pub trait Archive: Send + Sync + std::fmt::Debug {
    /// Writes a file and returns its size in bytes once it is on disk. Until then, whatever happens, there is none of
    /// this name. `rows` come in the order of strand and position.
    ///
    /// # Errors
    ///
    /// When a row cannot be had or the file cannot be written.
    fn write(&self, table: &'static Table, name: &str, rows: Rows) -> Result<u64, ArchiveError>;

    /// Reads a file, a part at a time.
    ///
    /// # Errors
    ///
    /// When it is not there or cannot be read.
    fn read(&self, table: &'static Table, name: &str) -> Result<Rows, ArchiveError>;

    /// Visits what is wanted of the rows of a file, in its order, until `visit` breaks.
    ///
    /// # Errors
    ///
    /// As [`Archive::read`].
    fn scan(
        &self,
        table: &'static Table,
        name: &str,
        wanted: &Wanted<'_>,
        visit: &mut Scanned<'_>,
    ) -> Result<(), ArchiveError>;

    /// The strands that a file has rows of, sorted.
    ///
    /// # Errors
    ///
    /// As [`Archive::read`].
    fn strands(&self, table: &'static Table, name: &str) -> Result<Vec<String>, ArchiveError>;

    /// Removes a file; one that is not there is removed already.
    ///
    /// # Errors
    ///
    /// When it is still there.
    fn remove(&self, name: &str) -> Result<(), ArchiveError>;

    /// The names of all files, those that were not finished included.
    ///
    /// # Errors
    ///
    /// When they cannot be listed.
    fn list(&self) -> Result<Vec<String>, ArchiveError>;

    /// Where a file is, for whoever reads it by other means.
    fn path(&self, name: &str) -> PathBuf;
}

/// When the lake does what.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows of the tail, of all tables, from which on files are written.
    pub tail_rows: usize,
    /// Bytes of memory that the tail takes from which on they are, about.
    pub tail_bytes: usize,
    /// How old the tail's oldest row becomes.
    pub tail_age: model::Duration,
    /// How long removals wait for others before files are rewritten for them.
    pub purge_after: model::Duration,
    /// Files of a day below this size are put together.
    pub small_bytes: u64,
    /// So many of them at once, of a day that goes on.
    pub small_files: usize,
    /// Bytes of files that upkeep reads in a second at most.
    pub upkeep_bytes_per_second: u64,
}

impl Default for Limits {
    /// A file every five minutes or 30 MiB of rows; erasures leave all files within an hour and what it takes to
    /// rewrite these, where a day is allowed.
    fn default() -> Self {
        Self {
            tail_rows: 40_000,
            tail_bytes: 32 * 1024 * 1024,
            tail_age: model::Duration::seconds(300),
            purge_after: model::Duration::hours(1),
            small_bytes: 32 * 1024 * 1024,
            small_files: 8,
            upkeep_bytes_per_second: 16 * 1024 * 1024,
        }
    }
}

/// The lake of a running engine. Clones share it.
#[derive(Clone, Debug)]
pub struct Lake {
    state: Arc<State>,
    upkeep: Arc<OnceLock<upkeep::Handle>>,
}

/// The lake at one moment. Files stay where they are for as long as this is held.
#[derive(Debug)]
pub struct Snapshot {
    /// All tables, those without rows included.
    pub tables: Vec<TableSnapshot>,
    /// Strands whose rows, in files, are to be passed over: they were erased. Sorted.
    pub hidden_strands: Vec<String>,
    /// Positions of events that files of `events` have under another strand than the one that they lie under by now,
    /// and that strand. Who has one of them under a hidden strand does not pass it over. Sorted.
    pub moved_events: Vec<(i64, String)>,
    /// Positions of events that are to be passed over in files of `events`: they are kept no longer. Sorted.
    pub hidden_events: Vec<i64>,
    /// Requests whose rows are to be passed over in files of `decisions` and `exposures`. Sorted.
    pub hidden_requests: Vec<String>,
}

impl Snapshot {
    /// Whether an event lies under another strand than files have it under.
    pub fn is_moved(&self, seq: i64) -> bool {
        self.moved_events.binary_search_by_key(&seq, |(moved, _)| *moved).is_ok()
    }
}

/// A table at one moment: its rows are those of its files but the hidden ones, and the tail's.
#[derive(Debug)]
pub struct TableSnapshot {
    /// Its columns.
    pub table: &'static Table,
    /// Its files, by day.
    pub files: Vec<FileSnapshot>,
    /// The rows that are in no file yet, in the order of the log.
    pub tail: Vec<Arc<Vec<Row>>>,
}

/// A file at one moment.
#[derive(Clone, Debug)]
pub struct FileSnapshot {
    /// Its name in the archive.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// The day on which its rows were received, as in `2026-11-26`.
    pub day: String,
    /// How many rows it has, hidden ones included.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// It is not removed while this is held.
    _file: Arc<manifest::File>,
}

/// How much of it there is, and how far behind it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Files that are part of it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows.
    pub rows: u64,
    /// Rows that are in no file yet.
    pub tail_rows: u64,
    /// Bytes of memory that those take, about.
    pub tail_bytes: u64,
    /// Removals that files are still to be rewritten for.
    pub removals: u64,
    /// The position of the log that it takes next.
    pub next: Seq,
    /// Since when removals wait; `None` when none do.
    pub removals_since: Option<Timestamp>,
}

impl Engine {
    /// Keeps a lake in an archive from now on, made from the log as far as it is not there. Once only.
    ///
    /// # Errors
    ///
    /// When what is stored of it cannot be read.
    pub fn keep_lake(
        &self,
        archive: Arc<dyn Archive>,
        limits: Limits,
    ) -> Result<Lake, EngineError> {
        let shared = self.shared_arc();
        let state = Arc::new(State::new(Arc::clone(shared), archive, limits));
        let mut sink = sink::Filler::new(Arc::clone(&state));
        sink.restart()?;
        state.remove_strangers()?;
        let lake = Lake { state, upkeep: Arc::default() };
        self.set_lake(lake.clone());
        self.follower().add(Box::new(sink));
        let upkeep = upkeep::start(Arc::clone(&lake.state))?;
        lake.upkeep.get_or_init(|| upkeep);
        Ok(lake)
    }
}

impl Lake {
    /// The lake as it is now.
    pub fn snapshot(&self) -> Snapshot {
        self.state.snapshot()
    }

    /// Where its files are.
    pub(crate) fn archive(&self) -> &dyn Archive {
        self.state.archive()
    }

    /// How much of it there is.
    pub fn usage(&self) -> Usage {
        self.state.usage()
    }

    /// Waits until it has everything that was acknowledged before.
    pub fn catch_up(&self, engine: &Engine) {
        let handle: &follow::Handle = engine.follower();
        handle.catch_up();
    }

    /// Writes everything that was acknowledged before to files, and waits for that.
    pub fn flush(&self, engine: &Engine) {
        // What is asked for while the follower still reads would be done with a part of it.
        engine.follower().catch_up();
        self.state.ask_for_flush();
        engine.follower().catch_up();
    }

    /// Rewrites and puts together all files that there is reason to, whether it is time or not, and waits for that.
    pub fn tidy_up(&self) {
        if let Some(upkeep) = self.upkeep.get() {
            upkeep.finish();
        }
    }

    /// Whether the upkeep has not ended.
    pub(crate) fn is_kept_up(&self) -> bool {
        self.upkeep.get().is_none_or(upkeep::Handle::is_running)
    }

    /// Ends the upkeep after the file that it is at. Idempotent.
    pub(crate) fn stop(&self) {
        if let Some(upkeep) = self.upkeep.get() {
            upkeep.stop();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
