//! Frees memtables where nobody waits for it.
//!
//! The engine lets go of a memtable that was written out, some hundred thousand rows, while it holds
//! the lock that every read takes; all readers then stand still for tens of milliseconds. So each
//! memtable is held here until the engine has let go of it, and freed by a thread of its own.

use std::{
    any::Any,
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;

/// How often the thread looks whether the engine has let go.
const LOOK: Duration = Duration::from_millis(200);

/// A memtable, of which only the count of its holders matters here.
type Held = Arc<dyn Any + Send + Sync>;

/// Holds the memtables of all tables.
pub(crate) struct Retired {
    /// By table: the memtable that was written to last.
    active: Mutex<Vec<Held>>,
    waiting: Sender<Held>,
}

impl Retired {
    /// Begins to hold `active`, and starts the thread. It ends when this is dropped.
    pub(crate) fn start(active: Vec<Held>) -> io::Result<Self> {
        let (waiting, arriving) = mpsc::channel();
        thread::Builder::new().name("store:free".into()).spawn(move || free(&arriving))?;
        Ok(Self { active: Mutex::new(active), waiting })
    }

    /// Takes note of the memtable that a table writes to now.
    pub(crate) fn observe(&self, table: usize, active: Held) {
        let mut known = self.active.lock();
        if let Some(known) = known.get_mut(table)
            && !Arc::ptr_eq(known, &active)
        {
            // Without the thread it is freed here.
            drop(self.waiting.send(std::mem::replace(known, active)));
        }
    }
}

fn free(arriving: &Receiver<Held>) {
    let mut waiting: Vec<Held> = Vec::new();
    loop {
        let arrived = if waiting.is_empty() {
            arriving.recv().map_err(RecvTimeoutError::from)
        } else {
            arriving.recv_timeout(LOOK)
        };
        match arrived {
            Ok(memtable) => waiting.push(memtable),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        waiting.retain(|memtable| 1 < Arc::strong_count(memtable));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memtable_is_freed_by_the_thread_once_the_engine_has_let_go() {
        struct Memtable(Sender<Option<String>>);
        impl Drop for Memtable {
            fn drop(&mut self) {
                let name = thread::current().name().map(str::to_owned);
                self.0.send(name).unwrap();
            }
        }
        let (freed, by) = mpsc::channel();
        let first: Held = Arc::new(Memtable(freed.clone()));
        let retired = Retired::start(vec![Arc::clone(&first)]).unwrap();
        retired.observe(0, Arc::clone(&first));
        retired.observe(0, Arc::new(Memtable(freed)));
        assert!(by.recv_timeout(2 * LOOK).is_err(), "the engine still has it");
        drop(first);
        assert_eq!(by.recv().unwrap().as_deref(), Some("store:free"));
    }
}
