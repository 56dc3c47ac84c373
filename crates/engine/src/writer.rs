//! The one writer: takes what has been queued, folds it, commits it with one sync, publishes it,
//! and only then answers (I1).
//!
//! The engine's store commits one batch at a time, so the writer takes everything that is waiting
//! into the next batch: under load the sync is shared by many calls, and a single call waits for
//! nobody.

mod acting;
mod amend;
mod backfill;
mod batch;
pub(crate) mod committer;
mod erasure;
pub(crate) mod flight;
mod operation;
mod privacy;
pub(crate) mod recent;
mod retention;
pub(crate) mod sweep;
mod timers;

use std::{sync::Arc, thread, time::Duration};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use model::{Seq, Timestamp};
use store::{Batch, Reader, ScanOrder, StoreError, Table};
use tokio::sync::oneshot;

use crate::{
    accounts::walk::Walks,
    ingest::{EventVerdict, ImportRows, IngestError},
    keys::Hash16,
    messages, pairs,
    priority::yield_to_requests,
    reading::Taken,
    record::{self, LogRow},
    recording::{Lineups, Record},
    sealed::RowError,
    state::Shared,
};

pub(crate) use acting::Acting;
pub(crate) use backfill::{Progress, heads, heads_of, strands, switching};
pub(crate) use batch::import_key;
pub(crate) use operation::{Operation, PreparedOperation};
pub(crate) use privacy::Filing;

/// Events folded into one batch at most: enough to share a sync, small enough to keep a call's wait short.
const BATCH_EVENTS_MAX: usize = 2_000;
/// How often counts of what comes in are stored: what a crash may lose of them, and one sync each time.
const COUNTS_INTERVAL: model::Duration = model::Duration::seconds(30);
/// How long the writer waits for work before it looks at timers and decision records.
const TICK: Duration = Duration::from_millis(20);

/// Something for the writer to do. The items of a call are [`Item`](crate::ingest::Item)s on their
/// way to the reader and [`Taken`] on their way on.
pub(crate) enum Job<I> {
    /// Events of one call.
    Ingest(Ingest<I>),
    /// An operator's act: it is prepared and committed by itself.
    Operation(Operation),
    /// An operator's act on people: it is folded by itself.
    Act(Acting),
    /// A request of a person about their own data; like an act, it is done by itself.
    Privacy(Box<Filing>),
    /// The reader that takes it ends, and with the last of them, after what is queued, the writer.
    Stop,
}

/// What is no part of a batch of calls.
enum Special {
    Operation(Operation),
    Act(Acting),
    Privacy(Box<Filing>),
}

/// Events of one call, and who waits for their verdicts.
pub(crate) struct Ingest<I> {
    pub(crate) items: Vec<I>,
    pub(crate) import: Option<ImportRows>,
    pub(crate) reply: oneshot::Sender<Result<Vec<EventVerdict>, IngestError>>,
}

/// The writer's own state.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    jobs: Receiver<Job<Taken>>,
    records: Receiver<Record>,
    /// Lineups that are known to be stored.
    lineups: Arc<Lineups>,
    next_seq: Seq,
    /// The instant of the last batch.
    now: Timestamp,
    timers: timers::Timers,
    /// Accounts whose members are to be looked at.
    walks: Walks,
    backfill: Option<backfill::Backfill>,
    erasures: privacy::Erasures,
    sweep: sweep::Sweep,
    retention: retention::Sweep,
    /// When counts are stored again.
    next_counts: Timestamp,
    recent: recent::Recent,
    /// What is left to be read of the messages that were applied before the start.
    messages: messages::Reading,
    /// The same of the pairs that opened strands before it.
    pairs: pairs::Reading,
    /// The batch that was handed to the committer last.
    flying: Option<batch::Flying>,
    committer: committer::Committer,
}

/// Where the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogEnd {
    pub(crate) next_seq: Seq,
    pub(crate) now: Timestamp,
    pub(crate) next_slot: u64,
}

/// Reads where the log ends; a new log begins at 1, so that no strand has the number 0.
pub(crate) fn log_end(reader: &dyn Reader) -> Result<LogEnd, StoreError> {
    let mut last = None;
    reader.scan(Table::Log, store::KeyRange::all(), ScanOrder::Descending, &mut |key, row| {
        last = Some((key.to_vec(), row.to_vec()));
        std::ops::ControlFlow::Break(())
    })?;
    let Some((key, row)) = last else {
        return Ok(LogEnd { next_seq: Seq(1), now: Timestamp(0), next_slot: 0 });
    };
    let corrupt = || StoreError::Corrupt { what: "the end of the log".into() };
    let first = u64::from_be_bytes(key.as_slice().try_into().map_err(|_| corrupt())?);
    let LogRow::V1 { now, next_slot, entries, .. } =
        record::decode(&row, "log").map_err(|_| corrupt())?;
    let count = u64::try_from(entries.len()).map_err(|_| corrupt())?;
    Ok(LogEnd { next_seq: Seq(first + count.max(1)), now, next_slot })
}

impl Writer {
    /// A writer that continues the log at `end`.
    pub(crate) fn new(
        shared: Arc<Shared>,
        jobs: Receiver<Job<Taken>>,
        records: Receiver<Record>,
        end: LogEnd,
    ) -> Result<Self, RowError> {
        let timers = timers::Timers::read(&*shared.store)?;
        let walks = Walks::read(&*shared.store)?;
        let backfill = backfill::Backfill::if_due(&shared)?;
        let erasures = privacy::Erasures::read(&shared)?;
        let LogEnd { next_seq, now, .. } = end;
        let started = shared.clock.now();
        let sweep = sweep::Sweep::after(started);
        let retention = retention::Sweep::after(shared.retention.get());
        let committer = committer::Committer::start(Arc::clone(&shared))?;
        Ok(Self {
            shared,
            jobs,
            records,
            lineups: Arc::default(),
            next_seq,
            now,
            timers,
            walks,
            backfill,
            next_counts: started.saturating_add(COUNTS_INTERVAL),
            erasures,
            sweep,
            retention,
            recent: recent::Recent::default(),
            messages: messages::Reading::default(),
            pairs: pairs::Reading::default(),
            flying: None,
            committer,
        })
    }

    /// Starts the writer's thread. It ends when its queue is closed, after what is in it.
    pub(crate) fn start(mut self) -> Result<thread::JoinHandle<()>, StoreError> {
        thread::Builder::new()
            .name("writer".into())
            .spawn(move || {
                yield_to_requests();
                self.run();
            })
            .map_err(|source| StoreError::Io { what: "start the writer", source })
    }

    fn run(&mut self) {
        loop {
            let first = match self.jobs.recv_timeout(self.patience()) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    self.settle().ok();
                    self.committer.stop();
                    self.store_counts();
                    return;
                }
            };
            let is_idle = first.is_none();
            let mut calls = Vec::new();
            let special = self.collect(first, &mut calls);
            self.batch(calls);
            match special {
                Some(Special::Operation(operation)) => self.operate(operation),
                Some(Special::Act(acting)) => self.act(acting),
                Some(Special::Privacy(filing)) => self.file(*filing),
                None => {}
            }
            self.privacy_step();
            self.read_pairs();
            self.read_messages();
            self.store_counts_if_due();
            if is_idle {
                self.backfill_step();
                self.sweep_step();
                self.retention_step();
            }
            if self.shared.keys.vault.needs_preparing()
                && let Err(error) = self.shared.keys.vault.prepare()
            {
                tracing::error!(%error, "could not prepare strand keys");
            }
        }
    }

    /// How long to wait for work: not at all while there is work of the writer's own.
    fn patience(&self) -> Duration {
        let now = self.shared.clock.now();
        let is_busy = self.backfill.as_ref().is_some_and(|b| b.is_due(now))
            || self.timers.is_due(now)
            || self.walking().is_some()
            || self.erasures.is_due(now)
            || self.retention.is_due(&self.shared.registry.snapshot().retention, now)
            || self.pairs.is_due()
            || self.messages.is_due();
        if is_busy { Duration::ZERO } else { TICK }
    }

    /// The account some of whose members are to be looked at next, while the store takes writes.
    fn walking(&self) -> Option<Hash16> {
        self.walks.next().filter(|_| self.shared.failure().is_none())
    }

    /// One step of learning which pairs had opened strands before the start.
    fn read_pairs(&mut self) {
        if self.pairs.is_due()
            && let Err(error) = self.pairs.step(&self.shared.caches.pairs, &*self.shared.store)
        {
            tracing::error!(%error, "could not read routes; each that is not in memory is looked up");
            self.pairs.give_up();
        }
    }

    /// One step of learning which messages were applied before the start.
    fn read_messages(&mut self) {
        if self.messages.is_due()
            && let Err(error) = self.messages.step(&self.shared.messages, &*self.shared.store)
        {
            tracing::error!(%error, "could not read dedup entries; each message is looked up");
            self.messages.give_up();
        }
    }

    /// Stores what was counted since the last time, now and then.
    fn store_counts_if_due(&mut self) {
        let now = self.shared.clock.now();
        if now >= self.next_counts {
            self.next_counts = now.saturating_add(COUNTS_INTERVAL);
            self.store_counts();
        }
    }

    /// Stores what was counted since the last time. Counts are no input: they are in no log.
    fn store_counts(&mut self) {
        let mut batch = Batch::new();
        for (key, value) in self.shared.observation.take_rows(self.shared.clock.now()) {
            match value {
                Some(value) => batch.put(Table::Meta, key, value),
                None => batch.delete(Table::Meta, key),
            }
        }
        if batch.is_empty() {
            return;
        }
        self.settle().ok();
        if let Err(error) = committer::commit(&self.shared, &mut batch) {
            tracing::error!(%error, "could not store counts");
        }
    }

    /// Takes queued calls up to a batch; returns the act that ended it, if one did.
    fn collect(
        &mut self,
        first: Option<Job<Taken>>,
        calls: &mut Vec<Ingest<Taken>>,
    ) -> Option<Special> {
        let mut events = 0;
        let mut next = first;
        while let Some(job) = next {
            match job {
                Job::Ingest(call) => {
                    events += call.items.len();
                    calls.push(call);
                }
                Job::Operation(operation) => return Some(Special::Operation(operation)),
                Job::Act(acting) => return Some(Special::Act(acting)),
                Job::Privacy(filing) => return Some(Special::Privacy(filing)),
                // Readers keep it.
                Job::Stop => {}
            }
            if events >= BATCH_EVENTS_MAX {
                return None;
            }
            next = self.jobs.try_recv().ok();
        }
        None
    }
}

/// Tells the sender of a job that nobody will do it.
pub(crate) fn send<I>(jobs: &Sender<Job<I>>, job: Job<I>) -> Result<(), IngestError> {
    jobs.send(job).map_err(|_| IngestError::Unavailable("the engine is stopping".into()))
}
