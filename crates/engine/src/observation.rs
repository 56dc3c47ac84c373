//! What came in, beside the fold: counted for the reports on data quality, and shown to whoever watches.
//!
//! The committer hands over what it has committed, once the calls are answered, so that nothing here
//! costs the fold or a caller anything, and nothing is counted that was not taken. Counts live in memory
//! and are stored now and then: a crash loses those of the last half minute, a stop none.

mod coverage;
mod health;
mod live;
mod outcomes;
pub(crate) mod report;
mod rows;

use std::collections::BTreeMap;

use decision::health::{Counts, Health};
use model::{Key, Timestamp};
use parking_lot::Mutex;
use quality::{Seen, Tally, Verdict};
use store::{Reader, StoreError};

use crate::{ingest::EventVerdict, reading::Taken, state::Shared};

pub(crate) use health::health;
pub use live::{LiveQuery, Watch};
pub use report::{EventQuery, VolumeQuery};
pub(crate) use rows::RowWrite;

/// One item of a call, and what became of it.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) item: Taken,
    pub(crate) verdict: EventVerdict,
}

/// The counts.
#[derive(Debug)]
pub(crate) struct Observation {
    tally: Mutex<Tally>,
    /// What became of decisions on pages.
    health: Mutex<Health>,
    live: live::Live,
}

impl Observation {
    /// Reads what was stored.
    pub(crate) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let tally = Mutex::new(rows::tally(reader)?);
        let health = Mutex::new(rows::health(reader)?);
        Ok(Self { tally, health, live: live::Live::default() })
    }

    /// Takes in what was committed.
    pub(crate) fn observe(&self, shared: &Shared, observed: &[Observed]) {
        if observed.is_empty() {
            return;
        }
        self.live.tell(shared, observed);
        self.count_outcomes(shared, observed);
        let mut tally = self.tally.lock();
        for Observed { item, verdict } in observed {
            let verdict = counted(verdict);
            match item {
                Taken::Event(ahead) => {
                    let breach = ahead.breach.as_ref();
                    tally.observe(Seen { event: &ahead.event, verdict, breach });
                }
                Taken::Rejected(rejected) => {
                    let at = rejected.arrival.received_at;
                    tally.observe_unsound(&rejected.source, verdict, at);
                }
            }
        }
    }

    fn count_outcomes(&self, shared: &Shared, observed: &[Observed]) {
        let now = shared.clock.now();
        for Observed { item, verdict } in observed {
            if let (Taken::Event(ahead), EventVerdict::Accepted) = (item, verdict) {
                outcomes::observe(&mut self.health.lock(), &ahead.event, &shared.keys, now);
            }
        }
    }

    /// How the variants of a version of an experience have fared on pages for a day.
    pub(crate) fn health(
        &self,
        experience: &Key,
        version: u64,
        now: Timestamp,
    ) -> BTreeMap<Key, Counts> {
        self.health.lock().of(experience, version, now)
    }

    /// Begins to watch what comes in; `None` when as many watch as may.
    pub(crate) fn watch(&self, query: LiveQuery) -> Option<Watch> {
        self.live.watch(query)
    }

    /// The rows that changed since this was last asked.
    pub(crate) fn take_rows(&self, now: Timestamp) -> Vec<RowWrite> {
        let mut changed = rows::of_tally(self.tally.lock().take_changes());
        changed.extend(rows::of_health(self.health.lock().take_changes(now)));
        changed
    }

    /// How many kinds of events came in unusual numbers in the last full hour.
    pub(crate) fn unusual(&self, now: Timestamp) -> usize {
        report::unusual(&self.tally.lock(), now)
    }
}

fn counted(verdict: &EventVerdict) -> Verdict {
    match verdict {
        EventVerdict::Accepted => Verdict::Accepted,
        EventVerdict::Duplicate => Verdict::Duplicate,
        EventVerdict::Quarantined { .. } => Verdict::Quarantined,
        EventVerdict::Refused { .. } => Verdict::Refused,
    }
}
