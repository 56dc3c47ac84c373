//! The pieces of an answer, as they come.

use bytes::Bytes;
use tokio::{sync::mpsc, task::AbortHandle};

use crate::QueryError;

/// An answer on its way. Dropping it ends the query.
#[derive(Debug)]
pub struct Answer {
    pieces: mpsc::Receiver<Result<Bytes, QueryError>>,
    task: AbortHandle,
}

impl Answer {
    pub(crate) fn new(
        pieces: mpsc::Receiver<Result<Bytes, QueryError>>,
        task: AbortHandle,
    ) -> Self {
        Self { pieces, task }
    }

    /// The next piece; `None` at the end. Waits on the calling thread, so it must not be called from one that
    /// runs tasks.
    ///
    /// # Errors
    ///
    /// When the query broke; nothing follows then, and what came before is no whole answer.
    pub fn next_piece(&mut self) -> Option<Result<Bytes, QueryError>> {
        self.pieces.blocking_recv()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
