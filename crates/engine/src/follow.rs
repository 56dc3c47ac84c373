//! Following the log: what was committed is read again a moment later, opened, and handed on in order to
//! those who keep something of it: the lake, and what experiences are measured by.
//!
//! Nothing of this is on the way of an event. The follower reads snapshots of the store by a thread of its
//! own, which runs behind all others, so it may fall behind under load and catches up after it.
//!
//! # Adding a sink
//!
//! Implement [`Sink`] and hand it to [`Follower::start`], or later to [`Handle::add`]. A sink keeps what it
//! takes in memory until it says by [`Sink::save`] what is to be stored of it; the follower commits those
//! rows together with how far the sink has come. So after a restart a sink is given exactly what it had not
//! saved, and what it stores needs no watermark of its own. A sink that is new is given the whole log.
//!
//! | table | key | value |
//! |---|---|---|
//! | Meta | `4a`, name of a sink | the next seq that it takes, u64 |

mod read;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use audience::TransitionKind;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use model::{DecisionId, Event, Key, PurposeSet, Seq, StrandId, Timestamp, UnitId};
use store::{Batch, StoreError, Table};

use crate::{
    background::Thread, record::Unreadable, recording::document::Document, sealed::RowError,
    state::Shared, writer::committer::commit,
};

/// How long the follower waits before it looks whether something was committed: a part of the two seconds
/// within which an event is seen by whoever asks the lake.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long a sink that failed is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// First byte of the rows that say how far sinks have come.
const WATERMARK: u8 = 0x4a;

/// What was committed, in the order of the log, from one position up to another.
#[derive(Debug)]
pub(crate) struct Followed {
    /// The position after the last that was read. Positions that are missing among the entries say nothing
    /// to sinks, or what they said is not kept any more.
    pub(crate) next: Seq,
    pub(crate) entries: Vec<Entry>,
}

/// One input, or what followed from one.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) seq: Seq,
    /// The instant of its batch.
    pub(crate) now: Timestamp,
    pub(crate) what: What,
}

/// What an entry of the log says, with what it names.
#[derive(Debug)]
pub(crate) enum What {
    /// An event that was taken. It counts for nothing where its marks say so.
    Event(Box<FollowedEvent>),
    /// An answered request that was recorded.
    Decision(Box<FollowedDecision>),
    /// The person with this head went into an audience or out of it.
    Transition(Transition),
    /// A strand was born, its own head.
    Born { strand: StrandId, unit: UnitId },
    /// A strand belongs to the person with this head from now on.
    Head { strand: StrandId, head: StrandId, unit: UnitId },
    /// The event of an earlier entry lies under this strand now.
    Moved { event: Seq, strand: StrandId },
    /// The event of an earlier entry is kept no longer.
    EventRemoved { event: Seq },
    /// The decisions that were recorded by this id are kept no longer.
    DecisionRemoved { id: DecisionId },
    /// All that lies under these strands is to be forgotten, as a request about privacy says.
    Erased { request: Seq, strands: Vec<StrandId> },
}

/// An event with what stands beside it.
#[derive(Debug)]
pub(crate) struct FollowedEvent {
    pub(crate) strand: StrandId,
    /// What it may be used for: the verdict of the collect gate.
    pub(crate) purposes: PurposeSet,
    pub(crate) event: Event,
}

/// A recorded decision.
#[derive(Debug)]
pub(crate) struct FollowedDecision {
    pub(crate) strand: StrandId,
    pub(crate) document: Document,
}

/// Somebody went into an audience or out of it.
#[derive(Debug)]
pub(crate) struct Transition {
    pub(crate) head: StrandId,
    pub(crate) audience: Key,
    pub(crate) version: u32,
    pub(crate) kind: TransitionKind,
    /// The logged instant: when it was so, which may be before the batch's.
    pub(crate) at: Timestamp,
}

/// What a sink wants stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Save {
    /// The rows it wrote, if any; what it has taken stays in memory.
    Rows,
    /// The rows it wrote, with which all that it has taken is stored.
    All,
}

/// Somebody who keeps something of what is committed.
pub(crate) trait Sink: Send {
    /// Its name in the row that says how far it has come: part of the stored format.
    fn name(&self) -> &'static str;

    /// Takes what comes next.
    fn take(&mut self, followed: &Followed) -> Result<(), RowError>;

    /// Writes what is to be stored now. It is asked after each [`Sink::take`], and several times a second
    /// while nothing comes; it decides itself when it is time, and does other work of its own here, a step
    /// at a time. The rows are committed at once, and [`Sink::saved`] called.
    fn save(&mut self, now: Timestamp, rows: &mut Batch) -> Result<Save, RowError>;

    /// What it wrote last is stored.
    fn saved(&mut self) -> Result<(), RowError>;

    /// Forgets what was not saved; it is handed over again. Called when something of this failed.
    fn restart(&mut self) -> Result<(), RowError>;
}

/// Who can speak to the follower.
#[derive(Debug)]
pub(crate) struct Handle {
    commands: Sender<Command>,
    thread: Thread,
}

enum Command {
    Add(Box<dyn Sink>),
    /// Answers once everything is taken that was committed before.
    CatchUp(Sender<()>),
    Stop,
}

impl Handle {
    /// Hands it another sink.
    pub(crate) fn add(&self, sink: Box<dyn Sink>) {
        // It has ended only where the engine has, and then there is nothing to follow.
        drop(self.commands.send(Command::Add(sink)));
    }

    /// Waits until all sinks have taken what was committed before, or the follower has ended.
    pub(crate) fn catch_up(&self) {
        let (done, waiting) = crossbeam_channel::bounded(1);
        if self.commands.send(Command::CatchUp(done)).is_ok() {
            waiting.recv().ok();
        }
    }

    /// Whether the thread has not ended.
    pub(crate) fn is_running(&self) -> bool {
        self.thread.is_running()
    }

    /// Ends the thread after the step that it is at. Idempotent.
    pub(crate) fn stop(&self) {
        drop(self.commands.send(Command::Stop));
        self.thread.join();
    }
}

/// The thread that follows.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    places: Vec<Place>,
}

/// A sink and how far it is.
struct Place {
    sink: Box<dyn Sink>,
    /// The next position that it takes.
    next: Seq,
    /// Not before this, after something failed.
    rests_until: Option<Instant>,
}

impl Follower {
    /// Starts the thread with the sinks that are there from the beginning.
    pub(crate) fn start(
        shared: Arc<Shared>,
        sinks: Vec<Box<dyn Sink>>,
    ) -> Result<Handle, StoreError> {
        let (commands, taken) = crossbeam_channel::unbounded();
        let thread = Thread::start("follower", move || {
            let mut follower = Self { shared, places: Vec::new() };
            sinks.into_iter().for_each(|sink| follower.add(sink));
            follower.run(&taken);
        })?;
        Ok(Handle { commands, thread })
    }

    fn run(&mut self, commands: &Receiver<Command>) {
        loop {
            let is_behind = self.step();
            let patience = if is_behind { Duration::ZERO } else { PATIENCE };
            match commands.recv_timeout(patience) {
                Ok(Command::Add(sink)) => self.add(sink),
                Ok(Command::CatchUp(done)) => {
                    while self.step() {}
                    // Whoever waited may have gone.
                    done.send(()).ok();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn add(&mut self, sink: Box<dyn Sink>) {
        let mut place = Place { sink, next: Seq(0), rests_until: None };
        if let Err(error) = place.restart(&self.shared) {
            place.fail(&self.shared, &error);
        }
        self.places.push(place);
    }

    /// Hands on a part of what is there; whether there may be more.
    fn step(&mut self) -> bool {
        if self.shared.failure().is_some() {
            return false;
        }
        let taken = self.hand_on();
        for place in &mut self.places {
            if place.is_awake()
                && let Err(error) = place.save(&self.shared)
            {
                place.fail(&self.shared, &error);
            }
        }
        taken.unwrap_or_else(|error| {
            tracing::error!(%error, "could not follow the log; trying again");
            false
        })
    }

    /// Reads what the sink that is furthest behind takes next.
    fn hand_on(&mut self) -> Result<bool, RowError> {
        let awake = || self.places.iter().filter(|place| place.is_awake());
        let Some(from) = awake().map(|place| place.next).min() else { return Ok(false) };
        let until = awake().map(|place| place.next).filter(|next| from < *next).min();
        let followed = read::next(&self.shared, from, until)?;
        if followed.next == from {
            return Ok(false);
        }
        for place in &mut self.places {
            if place.next != from || !place.is_awake() {
                continue;
            }
            match place.sink.take(&followed) {
                Ok(()) => place.next = followed.next,
                Err(error) => place.fail(&self.shared, &error),
            }
        }
        Ok(true)
    }
}

impl Place {
    fn is_awake(&self) -> bool {
        self.rests_until.is_none_or(|until| until <= Instant::now())
    }

    fn save(&mut self, shared: &Shared) -> Result<(), RowError> {
        let mut rows = Batch::new();
        let save = self.sink.save(shared.clock.now(), &mut rows)?;
        if save == Save::All {
            rows.put(Table::Meta, watermark(self.sink.name()), self.next.0.to_be_bytes());
        }
        if rows.is_empty() {
            return Ok(());
        }
        commit(shared, &mut rows)?;
        self.sink.saved()
    }

    /// Leaves it alone for a while, and begins again with what it has saved.
    fn fail(&mut self, shared: &Shared, error: &RowError) {
        tracing::error!(%error, sink = self.sink.name(), "could not keep what was committed; trying again");
        self.rests_until = Some(Instant::now() + RETRY_AFTER);
        if let Err(error) = self.restart(shared) {
            tracing::error!(%error, sink = self.sink.name(), "could not begin again");
        }
    }

    fn restart(&mut self, shared: &Shared) -> Result<(), RowError> {
        // Until it is known where it stands, it must take nothing.
        self.next = Seq(u64::MAX);
        self.sink.restart()?;
        let row = shared.store.get(Table::Meta, &watermark(self.sink.name()))?;
        let next = row.map(|row| row[..].try_into().map(u64::from_be_bytes));
        self.next = Seq(next.transpose().map_err(|_| Unreadable("watermark"))?.unwrap_or(1));
        Ok(())
    }
}

/// The key of the row that says how far a sink has come.
pub(crate) fn watermark(sink: &str) -> Vec<u8> {
    [&[WATERMARK], sink.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
