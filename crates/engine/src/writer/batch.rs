//! One batch of calls: fold, commit, publish, answer.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use bytes::Bytes;
use model::{Seq, StrandId, Timestamp};
use store::{Batch, Reader, StoreError, Table};

use crate::{
    fold::{Fold, Ground},
    ingest::{EventVerdict, ImportRows, IngestError},
    keys,
    pending::Written,
    reading::Taken,
    record::{LogEntry, LogRow, encode},
    recording::{Record, Recorder},
    sealed::RowError,
    state::{Caches, Shared},
    writer::{Ingest, Writer, quarantine, recent::Recent},
};

/// Log entries in one row, so that a row stays well under the store's limit.
const LOG_ENTRIES_PER_ROW: usize = 80;
/// Timers fired in one batch at most.
const TIMERS_PER_BATCH: usize = 2_000;
/// Decision records committed in one batch at most.
const RECORDS_PER_BATCH: usize = 1_000;

/// Verdicts of one call, or why none of it was taken.
type Answer = Result<Vec<EventVerdict>, IngestError>;

impl Writer {
    /// Folds and commits the calls, what is due and what is recorded, then answers.
    pub(crate) fn batch(&mut self, calls: Vec<Ingest<Taken>>) {
        let now = self.now.max(self.shared.clock.now());
        let due = self.timers.take_due(&*self.shared.store, now, TIMERS_PER_BATCH);
        let records: Vec<_> = self.records.try_iter().take(RECORDS_PER_BATCH).collect();
        if calls.is_empty() && due.is_empty() && records.is_empty() {
            return;
        }
        let (work, replies): (Vec<_>, Vec<_>) =
            calls.into_iter().map(|call| ((call.items, call.import), call.reply)).unzip();
        let count: usize = work.iter().map(|(items, _)| items.len()).sum();
        let answers = match self.fold_and_commit(work, &due, records, now) {
            Ok(answers) => answers,
            Err(error) => {
                tracing::error!(%error, "a batch was not committed");
                // The timers are still on disk.
                self.timers.restore(&due);
                let unavailable =
                    || Err(IngestError::Unavailable("the store takes no writes".into()));
                replies.iter().map(|_| unavailable()).collect()
            }
        };
        self.shared.metrics.queue.dec_by(i64::try_from(count).unwrap_or_default());
        for (reply, answer) in replies.into_iter().zip(answers) {
            // A caller that has gone away needs no answer.
            drop(reply.send(answer));
        }
    }

    fn fold_and_commit(
        &mut self,
        work: Vec<(Vec<Taken>, Option<ImportRows>)>,
        due: &[(Timestamp, StrandId)],
        records: Vec<Record>,
        now: Timestamp,
    ) -> Result<Vec<Answer>, RowError> {
        let shared = Arc::clone(&self.shared);
        let snapshot = shared.registry.snapshot_full();
        let ground = Ground {
            keys: &shared.keys,
            rules: &shared.rules,
            caches: &shared.caches,
            snapshot: &snapshot,
            now,
        };
        let store: &dyn Reader = &*shared.store;
        let mut fold = Fold::new(ground, store, self.next_seq);
        let mut answers = Vec::with_capacity(work.len());
        for (items, import) in work {
            answers.push(call(&mut fold, &shared, &self.recent, items, import)?);
        }
        for &(at, head) in due {
            fold.pending.delete(Table::Timer, keys::timer(head, at));
            fold.visit(head).is_due = true;
        }
        let mut recorder = Recorder::after(&self.lineups);
        let mut recorded = 0;
        for record in &records {
            match recorder.write(&mut fold, record) {
                Ok(()) => recorded += 1,
                Err(RowError::Unreadable(error)) => {
                    shared.metrics.unreadable.inc();
                    tracing::error!(%error, "a decision's person does not read back");
                }
                Err(error) => return Err(error),
            }
        }
        fold.people()?;
        self.commit_fold(fold, &answers, recorded)?;
        self.lineups = recorder.into_lineups();
        Ok(answers)
    }

    /// Commits what was folded and lets readers see it.
    pub(super) fn commit_fold(
        &mut self,
        mut fold: Fold<'_>,
        answers: &[Answer],
        recorded: usize,
    ) -> Result<(), RowError> {
        let (now, entries) = (fold.ground.now, std::mem::take(&mut fold.entries));
        let entry_count = entries.len();
        for (key, row) in self.log_rows(now, entries) {
            fold.pending.put(Table::Log, key, row);
        }
        let Written { batch, pages } = fold.pending.take_batch()?;
        self.commit(batch)?;
        let commits = self.recent.committed(std::mem::take(&mut fold.messages));
        self.shared.commits.store(commits, Ordering::Release);
        self.advance(now, entry_count);
        publish(&self.shared.caches, &mut fold, pages);
        self.timers.add(&fold.timers);
        let metrics = &self.shared.metrics;
        metrics.transitions.inc_by(fold.transitions as u64);
        metrics.decisions_recorded.inc_by(recorded as u64);
        count_verdicts(&self.shared, answers);
        Ok(())
    }

    /// The keys and values of the log rows of a batch.
    pub(super) fn log_rows(
        &self,
        now: Timestamp,
        entries: Vec<LogEntry>,
    ) -> Vec<([u8; 8], Vec<u8>)> {
        let mut rows = Vec::with_capacity(entries.len().div_ceil(LOG_ENTRIES_PER_ROW));
        let next_slot = self.shared.keys.vault.next_slot();
        let mut first = self.next_seq;
        let mut rest = entries.into_iter().peekable();
        while rest.peek().is_some() {
            let entries: Vec<_> = rest.by_ref().take(LOG_ENTRIES_PER_ROW).collect();
            let count = entries.len() as u64;
            let row = LogRow::V1 { begins: first == self.next_seq, now, next_slot, entries };
            rows.push((keys::log(first), encode(&row)));
            first = Seq(first.0 + count);
        }
        rows
    }

    /// Moves past a committed batch.
    pub(super) fn advance(&mut self, now: Timestamp, entries: usize) {
        self.now = now;
        self.next_seq = Seq(self.next_seq.0 + entries as u64);
    }

    /// Commits with one sync. A store that has failed stays failed, and readiness says so.
    pub(super) fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        if self.shared.failure().is_some() {
            return Err(StoreError::Poisoned);
        }
        let bytes = batch.bytes();
        let started = Instant::now();
        let result = self.shared.store.commit(batch);
        self.shared.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
        match result {
            Ok(()) => {
                self.shared.metrics.commits.inc();
                self.shared.metrics.committed_bytes.inc_by(bytes as u64);
                Ok(())
            }
            Err(error) => {
                if matches!(error, StoreError::Poisoned) {
                    self.shared.fail("the store has failed and the server must be restarted");
                }
                Err(error)
            }
        }
    }
}

/// Lets readers see a committed batch.
fn publish(caches: &Caches, fold: &mut Fold<'_>, pages: Vec<(StrandId, Bytes)>) {
    let generations = &caches.generations;
    // From here on, what readers found in the store before is not taken into the caches.
    fold.routes.keys().for_each(|pair| generations.raise(pair));
    fold.identifiers.iter().for_each(|hash| generations.raise(hash));
    fold.stale.iter().chain(&fold.gone).for_each(|head| generations.raise(head));
    fold.people.iter().for_each(|person| generations.raise(&person.profile.id().0));
    pages.iter().for_each(|(strand, _)| generations.raise(strand));
    for (pair, (route, is_changed)) in fold.routes.drain() {
        if is_changed {
            caches.holders.remove(&pair);
        }
        match route {
            Some(route) if is_changed => caches.routes.publish(pair, route),
            Some(_) => {}
            None => caches.routes.remove(&pair),
        }
    }
    fold.identifiers.iter().for_each(|hash| caches.holders.remove(hash));
    fold.stale.iter().chain(&fold.gone).for_each(|head| caches.people.remove(head));
    pages.into_iter().for_each(|(strand, row)| caches.pages.publish(strand, row));
    for person in fold.people.drain(..) {
        caches.people.publish(person.profile.id().0, person);
    }
}

/// Folds one call.
fn call(
    fold: &mut Fold<'_>,
    shared: &Shared,
    recent: &Recent,
    items: Vec<Taken>,
    import: Option<ImportRows>,
) -> Result<Answer, RowError> {
    if let Some(rows) = &import
        && let Err(error) = step_import(fold, rows)?
    {
        return Ok(Err(error));
    }
    let mut verdicts = Vec::with_capacity(items.len());
    for item in items {
        verdicts.push(match item {
            Taken::Event(ahead) => match fold.event(&ahead, recent) {
                Ok(verdict) => verdict,
                Err(RowError::Unreadable(error)) => {
                    shared.metrics.unreadable.inc();
                    tracing::error!(%error, "an event's person does not read back");
                    quarantine::put_event(fold, shared, &ahead.event)?
                }
                Err(error) => return Err(error),
            },
            Taken::Rejected(rejected) => quarantine::put(fold, shared, &rejected)?,
        });
    }
    Ok(Ok(verdicts))
}

/// Moves an import's watermark, if the rows continue it.
fn step_import(
    fold: &mut Fold<'_>,
    rows: &ImportRows,
) -> Result<Result<(), IngestError>, RowError> {
    let key = import_key(&rows.file);
    let row = fold.pending.get(Table::Import, &key)?;
    let watermark = row.map_or(0, |row| row[..].try_into().map_or(0, u64::from_be_bytes));
    if rows.first_row != watermark || rows.end_row < rows.first_row {
        return Ok(Err(IngestError::ImportOutOfStep { watermark }));
    }
    fold.pending.put(Table::Import, key, rows.end_row.to_be_bytes().to_vec());
    Ok(Ok(()))
}

/// The key of an import's watermark.
pub(crate) fn import_key(file: &str) -> Vec<u8> {
    blake3::hash(file.as_bytes()).as_bytes().to_vec()
}

fn count_verdicts(shared: &Shared, answers: &[Answer]) {
    let metrics = &shared.metrics;
    for verdict in answers.iter().flatten().flatten() {
        match verdict {
            EventVerdict::Accepted => metrics.accepted.inc(),
            EventVerdict::Duplicate => metrics.duplicates.inc(),
            EventVerdict::Quarantined { .. } => metrics.quarantined.inc(),
            EventVerdict::Refused { .. } => metrics.refused.inc(),
        };
    }
}
