//! Threads of the engine's own that run behind all others.

use std::thread::{Builder, JoinHandle};

use parking_lot::Mutex;
use store::StoreError;

use crate::priority;

/// A thread that runs until it is told to end, by a way of its own.
#[derive(Debug)]
pub(crate) struct Thread {
    name: &'static str,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Thread {
    /// Starts one that runs behind all others.
    pub(crate) fn start(
        name: &'static str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<Self, StoreError> {
        let builder = Builder::new().name(name.to_owned());
        let handle = builder.spawn(move || {
            priority::yield_to_all();
            run();
        });
        let handle = handle.map_err(|source| StoreError::Io { what: "start a thread", source })?;
        Ok(Self { name, handle: Mutex::new(Some(handle)) })
    }

    /// Whether it has not ended: neither by a panic nor because it was told to.
    pub(crate) fn is_running(&self) -> bool {
        // Whoever holds the lock waits for its end.
        let handle = self.handle.try_lock();
        handle.is_some_and(|handle| handle.as_ref().is_some_and(|handle| !handle.is_finished()))
    }

    /// Waits until it has ended, which it was told to. Idempotent.
    pub(crate) fn join(&self) {
        if let Some(handle) = self.handle.lock().take()
            && handle.join().is_err()
        {
            tracing::error!(thread = self.name, "a thread ended by a panic");
        }
    }
}
