//! Operators' acts: definitions, credentials, audit. Each is prepared on the writer's thread, so
//! that nothing changes in between.

use store::{Batch, Table};

use model::Timestamp;

use crate::{
    record::LogEntry,
    registry::rows::Write,
    state::Shared,
    writer::{Writer, committer::commit},
};

/// Prepares an act at an instant; `None` when there is nothing to commit. Whoever waits is told by the act itself.
pub(crate) type Operation = Box<dyn FnOnce(&Shared, Timestamp) -> Option<PreparedOperation> + Send>;

/// What to call when an act is committed, or why it was not.
pub(crate) type Finish = Box<dyn FnOnce(&Shared, Result<(), String>) + Send>;

/// An act ready to be committed.
pub(crate) struct PreparedOperation {
    pub(crate) writes: Vec<Write>,
    pub(crate) entry: LogEntry,
    pub(crate) finish: Finish,
    /// Whether memberships must be looked at again.
    pub(crate) begins_backfill: bool,
}

impl Writer {
    /// Commits one act.
    pub(super) fn operate(&mut self, operation: Operation) {
        // An act reads what is stored.
        self.settle().ok();
        let now = self.now.max(self.shared.clock.now());
        let shared = std::sync::Arc::clone(&self.shared);
        let Some(prepared) = operation(&shared, now) else { return };
        let PreparedOperation { writes, entry, finish, begins_backfill } = prepared;
        let mut batch = Batch::new();
        for (table, key, value) in writes {
            match value {
                Some(value) => batch.put(table, key, value),
                None => batch.delete(table, key),
            }
        }
        for (key, row) in self.log_rows(now, &[entry]) {
            batch.put(Table::Log, key, row);
        }
        let result = commit(&shared, &mut batch);
        if result.is_ok() {
            self.advance(now, 1);
        }
        if begins_backfill {
            // Before anybody sees that definitions have changed, lest they seem to be evaluated already.
            shared.backfill.begin();
        }
        finish(&shared, result.map_err(|error| error.to_string()));
        if begins_backfill {
            self.backfill = Some(super::backfill::Backfill::begin(&shared));
        }
    }
}
