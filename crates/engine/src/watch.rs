//! Looking at live experiences again and again, by a thread of its own.
//!
//! Each [`Task`] looks at all live experiences in rounds, over the sums that are in memory, and asks the writer for
//! what it wants changed, as an operator would. The thread runs behind all others and ends before the writer.
//!
//! # Adding a task
//!
//! Implement [`Task`] and hand it to [`start`] in `engine::open`. A task keeps nothing that a restart may not lose:
//! what has to stay is a definition, or a row that somebody else keeps.

mod broken;
mod guardrails;
mod learning;
mod stops;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use decision::ExperienceDocument;
use model::{Key, definition::State};
use store::StoreError;

use crate::{
    background::Thread, definitions::DefinitionError, ingest::Item, measure::Readable,
    sealed::RowError, state::Shared, writer::Job,
};

pub(crate) use broken::Broken;
pub(crate) use guardrails::Guardrails;
pub(crate) use learning::{Learning, standing};
pub(crate) use stops::{Stop, current as current_stop};

/// In whose name experiences are stopped that do harm.
pub(crate) const GUARDRAILS: &str = "guardrails";

/// What a task works with.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) shared: Arc<Shared>,
    /// The way to the writer.
    pub(crate) jobs: Sender<Job<Item>>,
}

/// A live experience, as it is looked at.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) key: Key,
    /// The version that acts.
    pub(crate) version: u64,
    pub(crate) document: ExperienceDocument,
    /// What experiences brought about, as it was when the round began.
    pub(crate) readable: Arc<Readable>,
}

/// Why a task could not look at an experience.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something that is done again and again for each live experience.
pub(crate) trait Task: Send {
    /// Its name in the program's log.
    fn name(&self) -> &'static str;

    /// How long after a round the next one begins.
    fn every(&self) -> Duration;

    /// Looks at one of them. One that fails is told, and looked at again in the next round.
    fn look(&mut self, desk: &Desk, live: &Live) -> Result<(), LookError>;
}

/// Who can speak to the thread.
#[derive(Debug)]
pub(crate) struct Handle {
    commands: Sender<Command>,
    is_stopping: Arc<AtomicBool>,
    thread: Thread,
}

enum Command {
    /// Makes a round of each task and answers then.
    Look(Sender<()>),
    Stop,
}

impl Handle {
    /// Makes a round of each task now, and returns when they are over or the thread has ended.
    pub(crate) fn look(&self) {
        let (done, waiting) = crossbeam_channel::bounded(1);
        if self.commands.send(Command::Look(done)).is_ok() {
            waiting.recv().ok();
        }
    }

    /// Whether the thread has not ended.
    pub(crate) fn is_running(&self) -> bool {
        self.thread.is_running()
    }

    /// Ends the thread after the experience that it is at. Idempotent.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        drop(self.commands.send(Command::Stop));
        self.thread.join();
    }
}

struct Watcher {
    desk: Desk,
    is_stopping: Arc<AtomicBool>,
    /// Each with the instant of its next round.
    tasks: Vec<(Box<dyn Task>, Instant)>,
}

/// Starts the thread. The first round of a task comes after its first rest: right after a start nothing is up to date.
pub(crate) fn start(desk: Desk, tasks: Vec<Box<dyn Task>>) -> Result<Handle, StoreError> {
    let (commands, taken) = crossbeam_channel::unbounded();
    let is_stopping = Arc::new(AtomicBool::new(false));
    let now = Instant::now();
    let tasks = tasks.into_iter().map(|task| {
        let first = now + task.every();
        (task, first)
    });
    let mut watcher =
        Watcher { desk, is_stopping: Arc::clone(&is_stopping), tasks: tasks.collect() };
    let thread = Thread::start("experiences", move || watcher.run(&taken))?;
    Ok(Handle { commands, is_stopping, thread })
}

impl Watcher {
    fn run(&mut self, commands: &Receiver<Command>) {
        loop {
            let next = self.tasks.iter().map(|(_, due)| *due).min();
            let command = match next {
                Some(next) => commands.recv_deadline(next),
                None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match command {
                Ok(Command::Look(done)) => {
                    self.rounds(|_| true);
                    // Whoever waited may have gone.
                    done.send(()).ok();
                }
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    self.rounds(|due| due <= now);
                }
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn rounds(&mut self, is_due: impl Fn(Instant) -> bool) {
        let Self { desk, is_stopping, tasks } = self;
        for (task, due) in tasks {
            if is_due(*due) {
                round(&mut **task, desk, is_stopping);
                *due = Instant::now() + task.every();
            }
        }
    }
}

/// Has a task look at each live experience.
fn round(task: &mut dyn Task, desk: &Desk, is_stopping: &AtomicBool) {
    let shared = &desk.shared;
    if shared.failure().is_some() {
        return;
    }
    let readable = shared.measured.get();
    for key in shared.registry.experiences(State::Live) {
        if is_stopping.load(Ordering::Acquire) {
            return;
        }
        let Some((document, version)) = shared.registry.experience(&key) else { continue };
        if document.state != State::Live {
            // It was saved meanwhile.
            continue;
        }
        let live = Live { key, version, document, readable: Arc::clone(&readable) };
        if let Err(error) = task.look(desk, &live) {
            shared.metrics.watch.failed.inc();
            tracing::error!(%error, task = task.name(), experience = %live.key, "could not look at an experience");
        }
    }
}

#[cfg(test)]
mod tests;
