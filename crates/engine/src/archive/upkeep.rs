//! Keeping the files in order: what is removed leaves them, and small ones are put together.
//!
//! A step makes one file of others, row by row, and has the manifest name it in their place; the others are removed
//! once nobody reads them. A crash leaves the old ones or the new one, and what the manifest does not name is removed
//! at the start. It runs behind all others and reads no more in a second than it may.

use std::{
    collections::{BTreeMap, BinaryHeap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use model::{Seq, Timestamp, table::Row};
use store::{Batch, StoreError};

use super::{
    ArchiveError, Rows,
    manifest::{self, Day, File, Id, Made, Purge},
    removals::{Fate, Named, Removals},
    sink::order,
    state::State,
    tables,
};
use crate::{background::Thread, privacy, sealed::RowError, writer::committer::commit};

/// How long to wait before it looks for work again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait after a step that failed.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Files put together in one step at most: each is open while that lasts.
const INPUTS_MAX: usize = 16;
/// Files that are looked into in one step at most, where nothing is to be removed from them.
const LOOKS_MAX: usize = 64;

/// Who can speak to the thread.
#[derive(Debug)]
pub(super) struct Handle {
    commands: Sender<Command>,
    thread: Thread,
}

enum Command {
    /// Do all there is reason to, and say so.
    Finish(Sender<()>),
    Stop,
}

impl Handle {
    pub(super) fn finish(&self) {
        let (done, waiting) = crossbeam_channel::bounded(1);
        if self.commands.send(Command::Finish(done)).is_ok() {
            waiting.recv().ok();
        }
    }

    /// Whether the thread has not ended.
    pub(super) fn is_running(&self) -> bool {
        self.thread.is_running()
    }

    pub(super) fn stop(&self) {
        drop(self.commands.send(Command::Stop));
        self.thread.join();
    }
}

/// Starts the thread.
pub(super) fn start(state: Arc<State>) -> Result<Handle, StoreError> {
    let (commands, taken) = crossbeam_channel::unbounded();
    let thread = Thread::start("lake upkeep", move || run(&state, &taken))?;
    Ok(Handle { commands, thread })
}

fn run(state: &State, commands: &Receiver<Command>) {
    let mut rest = PATIENCE;
    loop {
        match commands.recv_timeout(rest) {
            Ok(Command::Finish(done)) => {
                while matches!(step(state, true), Ok(Some(_))) {}
                // Whoever waited may have gone.
                done.send(()).ok();
            }
            Err(RecvTimeoutError::Timeout) => {
                rest = match step(state, false) {
                    Ok(Some(bytes)) => pause(state, bytes),
                    Ok(None) => PATIENCE,
                    Err(error) => {
                        tracing::error!(%error, "could not keep the lake in order; trying again");
                        RETRY_AFTER
                    }
                };
            }
            Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// How long to rest after so many bytes.
fn pause(state: &State, bytes: u64) -> Duration {
    let per_second = state.limits.upkeep_bytes_per_second.max(1);
    Duration::from_millis(bytes.saturating_mul(1_000) / per_second)
}

/// Does one thing; how many bytes it read for it, or that there is nothing to be done.
pub(super) fn step(state: &State, at_once: bool) -> Result<Option<u64>, RowError> {
    if state.shared.failure().is_some() {
        return Ok(None);
    }
    let now = state.shared.clock.now();
    let purges = state.contents().purges.clone();
    let waited = |purge: &Arc<Purge>| state.limits.purge_after <= now.since(purge.at);
    if purges.iter().any(|purge| at_once || waited(purge)) {
        return purge(state, &purges, now).map(Some);
    }
    match small(state, Day::of(now), at_once) {
        Some(inputs) => replace(state, &inputs, &purges).map(Some),
        None => Ok(None),
    }
}

/// Goes on with removals: looks into files, up to the first from which something is to be removed.
fn purge(state: &State, purges: &[Arc<Purge>], now: Timestamp) -> Result<u64, RowError> {
    let upto = purges.iter().map(|purge| purge.upto).max().unwrap_or_default();
    let files: Vec<Arc<File>> = state.contents().files.iter().flatten().cloned().collect();
    let mut clean = Vec::new();
    let mut looked = 0;
    for file in files.iter().filter(|file| file.clean_to() < upto) {
        if is_concerned(state, file, &named(purges, file.clean_to()))? {
            mark(state, &clean, upto)?;
            return Ok(looked + replace(state, std::slice::from_ref(file), purges)?);
        }
        // To look for strands takes a small part of the file.
        looked += file.bytes / 16;
        clean.push(Arc::clone(file));
        if clean.len() == LOOKS_MAX {
            mark(state, &clean, upto)?;
            return Ok(looked);
        }
    }
    mark(state, &clean, upto)?;
    finish(state, purges, now)?;
    Ok(looked)
}

/// The removals of which a file that is clean up to a position has not been cleaned.
fn named(purges: &[Arc<Purge>], clean_to: Seq) -> Named {
    let mut all = Removals::default();
    let due = purges.iter().filter(|purge| clean_to < purge.upto);
    due.for_each(|purge| all.add(&purge.removals));
    all.named()
}

fn is_concerned(state: &State, file: &File, named: &Named) -> Result<bool, RowError> {
    let strands = if named.strands.is_empty() {
        Vec::new()
    } else {
        state.archive.strands(tables::ALL[file.id.table], &file.name())?
    };
    let has_strand =
        |strand: &str| strands.binary_search_by(|known| known.as_str().cmp(strand)).is_ok();
    let number = |seq: Seq| i64::try_from(seq.0).unwrap_or(i64::MAX);
    let range = (number(file.id.first), number(file.id.last));
    Ok(named.concerns(file.id.table, range, &has_strand))
}

/// Has the manifest say that nothing is in these files that was to be removed before a position.
fn mark(state: &State, files: &[Arc<File>], upto: Seq) -> Result<(), RowError> {
    if files.is_empty() {
        return Ok(());
    }
    let _changing = state.changing();
    let mut batch = Batch::new();
    files.iter().for_each(|file| file.put(upto, &mut batch));
    commit(&state.shared, &mut batch)?;
    files.iter().for_each(|file| file.set_clean_to(upto));
    Ok(())
}

/// Forgets removals once no file is left that they are about.
fn finish(state: &State, purges: &[Arc<Purge>], now: Timestamp) -> Result<(), RowError> {
    let _changing = state.changing();
    let mut batch = Batch::new();
    for purge in purges {
        manifest::delete_purge(&*state.shared.store, purge.upto, &mut batch)?;
        let hidden_at = purge.at;
        privacy::lake::rewritten(&purge.removals.receipts, (hidden_at, now), &mut batch);
    }
    commit(&state.shared, &mut batch)?;
    let is_done = |purge: &Arc<Purge>| purges.iter().any(|done| done.upto == purge.upto);
    state.contents().purges.retain(|purge| !is_done(purge));
    Ok(())
}

/// Small files of one table and day that are to be put together.
fn small(state: &State, today: Day, at_once: bool) -> Option<Vec<Arc<File>>> {
    let contents = state.contents();
    let mut groups: BTreeMap<(usize, Day), Vec<Arc<File>>> = BTreeMap::new();
    let is_small = |file: &&Arc<File>| file.bytes < state.limits.small_bytes;
    for file in contents.files.iter().flatten().filter(is_small) {
        groups.entry((file.id.table, file.id.day)).or_default().push(Arc::clone(file));
    }
    let is_enough = |day: Day, count: usize| {
        let is_over = day < today || at_once;
        state.limits.small_files <= count || is_over && 1 < count
    };
    let (_, mut files) =
        groups.into_iter().find(|((_, day), files)| is_enough(*day, files.len()))?;
    // The smallest first, so that a row is written again a few times only.
    files.sort_by_key(|file| (file.bytes, file.id));
    files.truncate(INPUTS_MAX);
    files.sort_by_key(|file| file.id);
    Some(files)
}

/// Makes one file of others, without what is removed; how many bytes they have.
fn replace(state: &State, inputs: &[Arc<File>], purges: &[Arc<Purge>]) -> Result<u64, RowError> {
    let bytes = inputs.iter().map(|file| file.bytes).sum();
    let Some(first) = inputs.first() else { return Ok(0) };
    let (table, day) = (first.id.table, first.id.day);
    let upto = purges.iter().map(|purge| purge.upto).max();
    let clean_to = upto.or(inputs.iter().map(|file| file.clean_to()).min()).unwrap_or_default();
    let named = Arc::new(named(purges, Seq(0)));
    let edition = inputs.iter().map(|file| file.edition()).max().unwrap_or_default();
    let edition = edition.max(clean_to.0) + 1;
    let id = Id {
        table,
        day,
        first: inputs.iter().map(|file| file.id.first).min().unwrap_or_default(),
        last: inputs.iter().map(|file| file.id.last).max().unwrap_or_default(),
    };
    let mut sources: Vec<Rows> = Vec::new();
    for file in inputs {
        let moved = moved(state, file, &named)?;
        sources.push(Box::new(moved.into_iter().map(Ok)));
        let named = Arc::clone(&named);
        let rows = state.archive.read(tables::ALL[table], &file.name())?;
        sources.push(Box::new(rows.filter_map(move |row| match row {
            Ok(row) => (named.judge(table, &row) == Fate::Stays).then_some(Ok(row)),
            Err(error) => Some(Err(error)),
        })));
    }
    let count = Arc::new(AtomicU64::new(0));
    let rows = Merged::of(sources)?.inspect({
        let count = Arc::clone(&count);
        move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut rows = rows.peekable();
    let made = match rows.peek() {
        None => None,
        Some(_) => {
            let name = manifest::name(id, edition);
            let bytes = state.archive.write(tables::ALL[table], &name, Box::new(rows))?;
            let rows = count.load(Ordering::Relaxed);
            Some(Arc::new(File::new(&state.archive, id, Made { rows, bytes, edition, clean_to })))
        }
    };
    swap(state, inputs, made)?;
    Ok(bytes)
}

/// Has the manifest name a file in the place of others.
fn swap(state: &State, inputs: &[Arc<File>], made: Option<Arc<File>>) -> Result<(), RowError> {
    let _changing = state.changing();
    let mut batch = Batch::new();
    inputs.iter().for_each(|file| file.delete(&mut batch));
    if let Some(made) = &made {
        made.put(made.clean_to(), &mut batch);
    }
    if let Err(error) = commit(&state.shared, &mut batch) {
        // After a failure whose outcome is unknown the process has to start anew, and looks then.
        if let (Some(made), false) = (&made, matches!(error, StoreError::Poisoned)) {
            made.leave();
        }
        return Err(error.into());
    }
    let mut contents = state.contents();
    for file in inputs {
        contents.files[file.id.table].retain(|known| known.id != file.id);
    }
    if let Some(made) = made {
        let files = &mut contents.files[made.id.table];
        let place = files.partition_point(|known| known.id < made.id);
        files.insert(place, made);
    }
    drop(contents);
    inputs.iter().for_each(|file| file.leave());
    Ok(())
}

/// The rows of a file that belong among those of other strands now, in order: no more than removals name.
fn moved(state: &State, file: &File, named: &Named) -> Result<Vec<Row>, RowError> {
    let table = file.id.table;
    let mut found = Vec::new();
    if named.moved.is_empty() || table != super::rows::EVENTS {
        return Ok(found);
    }
    for row in state.archive.read(tables::ALL[table], &file.name())? {
        let mut row = row?;
        if matches!(named.judge(table, &row), Fate::Moved(_)) && named.amend(table, &mut row) {
            found.push(row);
        }
    }
    found.sort_by(|a, b| order(a).cmp(&order(b)));
    Ok(found)
}

/// The rows of several sources that are each in order, in order.
struct Merged {
    sources: Vec<Rows>,
    heads: BinaryHeap<Head>,
}

/// The next row of a source.
struct Head {
    row: Row,
    source: usize,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    /// The first in order is the greatest, since that is what a heap gives.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        order(&other.row).cmp(&order(&self.row)).then(other.source.cmp(&self.source))
    }
}

impl Merged {
    fn of(sources: Vec<Rows>) -> Result<Self, ArchiveError> {
        let mut merged = Self { sources, heads: BinaryHeap::new() };
        for source in 0..merged.sources.len() {
            merged.advance(source)?;
        }
        Ok(merged)
    }

    fn advance(&mut self, source: usize) -> Result<(), ArchiveError> {
        if let Some(row) = self.sources.get_mut(source).and_then(Iterator::next) {
            self.heads.push(Head { row: row?, source });
        }
        Ok(())
    }
}

impl Iterator for Merged {
    type Item = Result<Row, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Head { row, source } = self.heads.pop()?;
        Some(self.advance(source).map(|()| row))
    }
}
