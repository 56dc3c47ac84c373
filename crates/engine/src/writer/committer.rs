//! The thread that brings flights to the disk: seals, writes and syncs, lets readers see what
//! changed, and answers the calls.

use std::{sync::Arc, thread, time::Instant};

use crossbeam_channel::{Receiver, Sender};
use store::{Batch, StoreError};
use tokio::sync::oneshot;

use crate::{
    ingest::{EventVerdict, IngestError},
    messages::Message,
    observation::Observed,
    priority::yield_to_requests,
    quarantine,
    sealed::RowError,
    state::Shared,
    writer::flight::{Failed, Flight},
};

/// A batch up to this size leaves its memory to the next one: to have it from the system each time
/// costs more than to fill it.
const BATCH_BYTES_KEPT: usize = 8 * 1024 * 1024;

/// Verdicts of one call, or why none of it was taken.
pub(crate) type Answer = Result<Vec<EventVerdict>, IngestError>;
/// Who waits for them.
pub(crate) type Reply = oneshot::Sender<Answer>;

/// A flight with all that is to be done when it has landed.
#[derive(Debug)]
pub(crate) struct Takeoff {
    pub(crate) flight: Arc<Flight>,
    /// The messages that it applies.
    pub(crate) messages: Vec<Message>,
    /// What the quarantine gains and loses.
    pub(crate) set_aside: Vec<quarantine::Change>,
    /// What it brings.
    pub(crate) observed: Vec<Observed>,
    /// How many commits there are with it.
    pub(crate) commits: u64,
    pub(crate) transitions: usize,
    pub(crate) recorded: usize,
    /// How many events wait.
    pub(crate) events: usize,
    pub(crate) answers: Vec<Answer>,
    pub(crate) replies: Vec<Reply>,
}

/// The thread. It ends, after all it was handed, when this is dropped.
#[derive(Debug)]
pub(crate) struct Committer {
    takeoffs: Option<Sender<Takeoff>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread.
    pub(crate) fn start(shared: Arc<Shared>) -> Result<Self, StoreError> {
        // The writer waits for one flight to land before it hands on the next.
        let (takeoffs, taken) = crossbeam_channel::bounded(1);
        let thread = thread::Builder::new()
            .name("committer".into())
            .spawn(move || run(&shared, taken))
            .map_err(|source| StoreError::Io { what: "start the committer", source })?;
        Ok(Self { takeoffs: Some(takeoffs), thread: Some(thread) })
    }

    /// Hands a flight on; gives it back when the thread has gone.
    pub(crate) fn send(&self, takeoff: Takeoff) -> Result<(), Box<Takeoff>> {
        match &self.takeoffs {
            Some(takeoffs) => takeoffs.send(takeoff).map_err(|refused| Box::new(refused.0)),
            None => Err(Box::new(takeoff)),
        }
    }
}

impl Committer {
    /// Waits until all it was handed is done, and ends the thread.
    pub(crate) fn stop(&mut self) {
        self.takeoffs = None;
        if let Some(thread) = self.thread.take() {
            // What it panicked over has been told.
            thread.join().ok();
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(shared: &Shared, takeoffs: Receiver<Takeoff>) {
    yield_to_requests();
    let mut batch = Batch::new();
    for takeoff in takeoffs {
        // Whatever happens here, the writer must not wait for ever.
        let _landing = Landing(Arc::clone(&takeoff.flight));
        takeoff.land(shared, &mut batch);
        if batch.bytes() > BATCH_BYTES_KEPT {
            batch = Batch::new();
        }
    }
}

/// Says, at the latest when it is dropped, that a flight has landed.
struct Landing(Arc<Flight>);

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.land(Err(Failed));
    }
}

impl Takeoff {
    fn land(self, shared: &Shared, batch: &mut Batch) {
        batch.clear();
        let sealed = self.flight.seal(&shared.keys, batch);
        let committed = sealed.and_then(|()| Ok(commit(shared, batch)?));
        match committed {
            Ok(()) => {
                self.flight.publish(&shared.caches);
                // Whoever sees that there was this commit must find its messages.
                shared.messages.add(&self.messages);
                shared.quarantine.apply(&self.set_aside);
                shared.commits.store(self.commits, std::sync::atomic::Ordering::Release);
                self.flight.land(Ok(()));
                shared.metrics.transitions.inc_by(self.transitions as u64);
                shared.metrics.decisions_recorded.inc_by(self.recorded as u64);
                count_verdicts(shared, &self.answers);
                answer(shared, self.replies, self.answers, self.events);
                // Nobody waits for this any more.
                shared.observation.observe(shared, &self.observed);
            }
            Err(error) => {
                self.flight.land(Err(Failed));
                refuse(shared, self.replies, self.events, &error);
            }
        }
    }
}

/// Answers calls.
fn answer(shared: &Shared, replies: Vec<Reply>, answers: Vec<Answer>, events: usize) {
    shared.metrics.queue.dec_by(i64::try_from(events).unwrap_or_default());
    for (reply, answer) in replies.into_iter().zip(answers) {
        // A caller that has gone away needs no answer.
        drop(reply.send(answer));
    }
}

/// Tells calls that nothing of theirs was taken.
pub(super) fn refuse(shared: &Shared, replies: Vec<Reply>, events: usize, error: &RowError) {
    tracing::error!(%error, "a batch was not committed");
    let unavailable = || Err(IngestError::Unavailable("the store takes no writes".into()));
    let answers = replies.iter().map(|_| unavailable()).collect();
    answer(shared, replies, answers, events);
}

/// Commits with one sync. A store that has failed stays failed, and readiness says so.
pub(crate) fn commit(shared: &Shared, batch: &mut Batch) -> Result<(), StoreError> {
    if shared.failure().is_some() {
        return Err(StoreError::Poisoned);
    }
    let bytes = batch.bytes();
    let started = Instant::now();
    let result = shared.store.apply(batch);
    shared.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
    match result {
        Ok(()) => {
            shared.metrics.commits.inc();
            shared.metrics.committed_bytes.inc_by(bytes as u64);
            Ok(())
        }
        Err(error) => {
            if matches!(error, StoreError::Poisoned) {
                shared.fail("the store has failed and the server must be restarted");
            }
            Err(error)
        }
    }
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
