//! One batch of calls: fold it, and hand it to the committer.

use std::{mem::take, sync::Arc};

use model::{Seq, StrandId, Timestamp};
use store::{Reader, StoreError, Table};

use crate::{
    accounts::walk::Walks,
    fold::{Fold, Ground},
    ingest::{EventVerdict, ImportRows, IngestError},
    keys,
    observation::Observed,
    quarantine::{self, EntryKey},
    reading::{Ahead, Taken},
    record::{LogEntry, LogRow, encode},
    recording::{Record, Recorder},
    sealed::RowError,
    state::Shared,
    writer::{
        Ingest, Writer, amend,
        committer::{Answer, Reply, Takeoff, refuse},
        flight::{Above, Failed, Flight},
        recent::Recent,
    },
};

/// Bytes of log entries in one row, so that a row stays under the store's limit with its head.
const LOG_ROW_BYTES: usize = 3_900;
/// Timers fired in one batch at most.
const TIMERS_PER_BATCH: usize = 2_000;
/// Decision records committed in one batch at most.
const RECORDS_PER_BATCH: usize = 1_000;

/// A batch on its way to the disk.
#[derive(Debug)]
pub(super) struct Flying {
    flight: Arc<Flight>,
    /// The timers that it fires.
    due: Vec<(Timestamp, StrandId)>,
}

/// What is known of a batch beside its fold.
#[derive(Debug, Default)]
struct Calls {
    answers: Vec<Answer>,
    replies: Vec<Reply>,
    events: usize,
    recorded: usize,
    /// Timers that it fires.
    due: Vec<(Timestamp, StrandId)>,
}

impl Writer {
    /// Folds the calls, what is due and what is recorded, and hands it on to be committed.
    pub(crate) fn batch(&mut self, calls: Vec<Ingest<Taken>>) {
        let now = self.now.max(self.shared.clock.now());
        let flight = self.flying();
        let shared = Arc::clone(&self.shared);
        let above = Above { flight: flight.as_deref(), store: &*shared.store };
        let due = self.timers.take_due(&above, now, TIMERS_PER_BATCH);
        let records: Vec<_> = self.records.try_iter().take(RECORDS_PER_BATCH).collect();
        if calls.is_empty() && due.is_empty() && records.is_empty() && self.walking().is_none() {
            return;
        }
        let (work, replies): (Vec<_>, Vec<_>) =
            calls.into_iter().map(|call| ((call.items, call.import), call.reply)).unzip();
        let events = work.iter().map(|(items, _)| items.len()).sum();
        let mut calls = Calls { replies, events, due, ..Calls::default() };
        if let Err(error) = self.fold(work, &records, &mut calls, now, above) {
            // The timers are still on disk.
            self.timers.restore(&calls.due);
            refuse(&shared, calls.replies, calls.events, &error);
        }
    }

    fn fold(
        &mut self,
        work: Vec<(Vec<Taken>, Option<ImportRows>)>,
        records: &[Record],
        calls: &mut Calls,
        now: Timestamp,
        above: Above<'_>,
    ) -> Result<(), RowError> {
        let shared = Arc::clone(&self.shared);
        let snapshot = shared.registry.snapshot_full();
        let ground = Ground::of(&shared, &snapshot, above, now);
        let mut fold = Fold::new(ground, self.next_seq);
        for (items, import) in work {
            calls.answers.push(call(&mut fold, &shared, &self.recent, items, import)?);
        }
        for &(at, head) in &calls.due {
            fold.pending.delete(Table::Timer, keys::timer(head, at));
            fold.update(head).is_due = true;
        }
        let mut recorder = Recorder::after(&self.lineups);
        let used = take(&mut fold.flag_uses);
        shared.metrics.flag_uses_refused.inc_by(fold.flag_uses_refused);
        for record in records.iter().chain(&used) {
            match recorder.write(&mut fold, record) {
                Ok(()) => calls.recorded += 1,
                Err(RowError::Unreadable(error)) => {
                    shared.metrics.unreadable.inc();
                    tracing::error!(%error, "a decision's person does not read back");
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(account) = self.walking() {
            fold.walk(&account)?;
        }
        fold.people()?;
        self.take_off(fold, calls)?;
        self.lineups = recorder.into_lineups();
        Ok(())
    }

    /// The batch that is on its way to the disk, if one is.
    fn flying(&mut self) -> Option<Arc<Flight>> {
        if self.flying.as_ref().is_some_and(|flying| flying.flight.has_landed()) {
            // What has failed is no longer to be folded over.
            self.settle().ok();
        }
        self.flying.as_ref().map(|flying| Arc::clone(&flying.flight))
    }

    /// Waits until what was folded is committed; fails when it was not.
    pub(crate) fn settle(&mut self) -> Result<(), RowError> {
        let Some(Flying { flight, due }) = self.flying.take() else { return Ok(()) };
        flight.wait().map_err(|Failed| {
            // What it would have changed is as it was: timers on disk, lineups not stored.
            self.timers.restore(&due);
            self.lineups = Arc::default();
            match Walks::read(&*self.shared.store) {
                Ok(walks) => self.walks = walks,
                Err(error) => tracing::error!(%error, "could not read which accounts changed"),
            }
            RowError::Behind
        })
    }

    /// Folds nothing more into a batch, and commits it by itself.
    pub(super) fn commit_fold(&mut self, fold: Fold<'_>) -> Result<(), RowError> {
        self.take_off(fold, &mut Calls::default())?;
        self.settle()
    }

    /// Hands a batch to the committer, once the one before has landed. After an error nobody has
    /// been answered.
    fn take_off(&mut self, mut fold: Fold<'_>, calls: &mut Calls) -> Result<(), RowError> {
        let relocated = take(&mut fold.relocated);
        for (&event, &StrandId { lane, born }) in &relocated {
            fold.log(LogEntry::Moved { event, lane, born });
        }
        let (now, entries) = (fold.ground.now, take(&mut fold.entries));
        let lies = |seq: Seq, entry: &mut LogEntry| {
            if let (Some(strand), LogEntry::Event { born, .. }) = (relocated.get(&seq), entry) {
                *born = strand.born;
            }
        };
        let seqs = relocated.keys().copied().collect();
        amend::log(&fold.ground.above, &mut fold.pending, seqs, &lies)?;
        for (key, row) in self.log_rows(now, &entries) {
            fold.pending.put(Table::Log, key, row);
        }
        let metrics = &self.shared.metrics;
        metrics.pages_looked_at.inc_by(fold.pending.looked_at());
        let flight = Arc::new(Flight::of(&mut fold)?);
        metrics.pages_written.inc_by(flight.page_count() as u64);
        self.settle()?;
        self.advance(now, entries.len());
        self.timers.add(&fold.timers);
        self.walks.note(&fold.walks);
        let messages = take(&mut fold.messages);
        let takeoff = Takeoff {
            flight: Arc::clone(&flight),
            commits: self.recent.committed(messages.iter().copied()),
            messages,
            set_aside: take(&mut fold.set_aside),
            observed: take(&mut fold.observed),
            transitions: fold.transitions,
            recorded: calls.recorded,
            events: calls.events,
            answers: take(&mut calls.answers),
            replies: take(&mut calls.replies),
        };
        if let Err(refused) = self.committer.send(takeoff) {
            calls.replies = refused.replies;
            return Err(StoreError::Poisoned.into());
        }
        self.flying = Some(Flying { flight, due: take(&mut calls.due) });
        Ok(())
    }

    /// The keys and values of the log rows of a batch.
    pub(super) fn log_rows(&self, now: Timestamp, entries: &[LogEntry]) -> Vec<([u8; 8], Vec<u8>)> {
        let mut rows = Vec::new();
        let next_slot = self.shared.keys.vault.next_slot();
        let mut first = self.next_seq;
        let mut rest = entries;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |entry: &&LogEntry| {
                bytes += entry.bytes_max();
                bytes <= LOG_ROW_BYTES
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (entries, others) = rest.split_at(count);
            let begins = first == self.next_seq;
            let row = LogRow::V1 { begins, now, next_slot, entries: entries.to_vec() };
            rows.push((keys::log(first), encode(&row)));
            first = Seq(first.0 + entries.len() as u64);
            rest = others;
        }
        rows
    }

    /// Moves past a batch.
    pub(super) fn advance(&mut self, now: Timestamp, entries: usize) {
        self.now = now;
        self.next_seq = Seq(self.next_seq.0 + entries as u64);
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
        let verdict = match &item {
            Taken::Event(ahead) => match ahead.entry {
                Some(entry) => replayed(fold, shared, recent, ahead, &entry)?,
                None => event(fold, shared, recent, ahead)?,
            },
            Taken::Rejected(rejected) => quarantine::put(fold, shared, rejected)?,
        };
        fold.observed.push(Observed { item, verdict: verdict.clone() });
        verdicts.push(verdict);
    }
    Ok(Ok(verdicts))
}

/// Folds one event; one that cannot be applied is set aside.
fn event(
    fold: &mut Fold<'_>,
    shared: &Shared,
    recent: &Recent,
    ahead: &Ahead,
) -> Result<EventVerdict, RowError> {
    match judged(fold, shared, recent, ahead)? {
        EventVerdict::Quarantined { code, detail } => {
            quarantine::put_event(fold, shared, ahead, &code, &detail)
        }
        verdict => Ok(verdict),
    }
}

/// Folds one event from the quarantine; once it is decided, its entry goes.
fn replayed(
    fold: &mut Fold<'_>,
    shared: &Shared,
    recent: &Recent,
    ahead: &Ahead,
    entry: &EntryKey,
) -> Result<EventVerdict, RowError> {
    if !quarantine::contains(&fold.pending, entry)? {
        // Somebody else has replayed or discarded it.
        return Ok(EventVerdict::Duplicate);
    }
    let verdict = judged(fold, shared, recent, ahead)?;
    if !matches!(verdict, EventVerdict::Quarantined { .. }) {
        quarantine::resolve(fold, entry)?;
    }
    Ok(verdict)
}

/// What becomes of an event. It is quarantined where its person does not read back; nothing is stored of it then.
fn judged(
    fold: &mut Fold<'_>,
    shared: &Shared,
    recent: &Recent,
    ahead: &Ahead,
) -> Result<EventVerdict, RowError> {
    match fold.event(ahead, recent) {
        Err(RowError::Unreadable(error)) => {
            shared.metrics.unreadable.inc();
            tracing::error!(%error, "an event's person does not read back");
            Ok(EventVerdict::Quarantined {
                code: "profile_unreadable".into(),
                detail: "the stored profile does not read back; see the log".to_owned(),
            })
        }
        result => result,
    }
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
