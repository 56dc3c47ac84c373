//! Forgetting messages whose dedup window has passed, in the writer's spare time.

use std::ops::ControlFlow;

use model::Timestamp;
use store::{Batch, KeyRange, Reader, ScanOrder, StoreError, Table};

use crate::{
    fold::DEDUP_WINDOW_SECONDS,
    writer::{Writer, committer::commit},
};

/// Rows looked at in one step: about a millisecond of work.
const ROWS_PER_STEP: usize = 2_000;
/// How often all entries are looked at.
const INTERVAL: model::Duration = model::Duration::hours(24);

/// How far the look at all dedup entries has come.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// The first entry not looked at yet.
    from: Vec<u8>,
    /// When the next round begins, after one has ended.
    next_round: Timestamp,
}

impl Sweep {
    /// The first round begins a day after the start, so that a restart is not followed by a scan.
    pub(crate) fn after(now: Timestamp) -> Self {
        Self { from: Vec::new(), next_round: now.saturating_add(INTERVAL) }
    }

    /// The expired entries of the next step. Moves on.
    fn expired(&mut self, reader: &dyn Reader, now: Timestamp) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut expired = Vec::new();
        let mut seen = 0;
        let mut last = None;
        let range = KeyRange::starting(&self.from);
        reader.scan(Table::Dedup, range, ScanOrder::Ascending, &mut |key, value| {
            if is_expired(value, now) {
                expired.push(key.to_vec());
            }
            seen += 1;
            last = Some(key.to_vec());
            if seen < ROWS_PER_STEP { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        match last.filter(|_| seen == ROWS_PER_STEP) {
            Some(mut last) => {
                last.push(0);
                self.from = last;
            }
            None => *self = Self::after(now),
        }
        Ok(expired)
    }
}

/// Whether an entry's window has passed; one that does not read is kept.
pub(crate) fn is_expired(value: &[u8], now: Timestamp) -> bool {
    let Ok(seconds) = value.try_into().map(u32::from_be_bytes) else { return false };
    now.0 / 1000 - i64::from(seconds) > DEDUP_WINDOW_SECONDS
}

impl Writer {
    /// One step, if a round is on.
    pub(super) fn sweep_step(&mut self) {
        let now = self.shared.clock.now();
        if self.sweep.from.is_empty() && now < self.sweep.next_round {
            return;
        }
        let expired = match self.sweep.expired(&*self.shared.store, now) {
            Ok(expired) => expired,
            Err(error) => {
                tracing::error!(%error, "could not look for expired dedup entries");
                return;
            }
        };
        // What a batch on its way renews must not be removed behind it.
        self.settle().ok();
        let mut batch = Batch::new();
        expired.iter().for_each(|key| batch.delete(Table::Dedup, key));
        if !batch.is_empty()
            && let Err(error) = commit(&self.shared, &mut batch)
        {
            tracing::error!(%error, "could not remove expired dedup entries");
        }
    }
}

#[cfg(test)]
mod tests {
    use store::{Memory, Store};

    use super::*;

    #[test]
    fn a_round_finds_exactly_the_expired() {
        let store = Memory::default();
        let now = Timestamp(1_800_000_000_000);
        let mut batch = Batch::new();
        for i in 0..5_000_u32 {
            let age = if i % 3 == 0 { DEDUP_WINDOW_SECONDS + 1 } else { DEDUP_WINDOW_SECONDS };
            let seconds = u32::try_from(now.0 / 1000 - age).unwrap();
            batch.put(Table::Dedup, i.to_be_bytes(), seconds.to_be_bytes());
        }
        store.commit(batch).unwrap();
        let mut sweep = Sweep { from: Vec::new(), next_round: now };
        let mut found = 0;
        for _ in 0..3 {
            found += sweep.expired(&store, now).unwrap().len();
        }
        assert_eq!(found, 1_667);
        assert!(sweep.from.is_empty() && sweep.next_round > now, "the round has ended");
    }
}
