//! What a look at all units of an experience has told, kept in memory, so that results are there at once.
//!
//! Whoever asks first waits for the look. From then on a thread of its own looks again whenever sums have moved on,
//! with rests between, and results say until when they count. Nothing of it is stored: after a restart the first who
//! asks waits again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use experiment::{Arm, Cap, Metric, MetricId, MetricKind};
use model::{Key, Timestamp};
use parking_lot::Mutex;
use store::StoreError;

use super::{Sums, book::Tallies, scan};
use crate::{background::Thread, sealed::RowError, state::Shared};

/// How often it is looked for what is out of date.
const CHECKED_EVERY: Duration = Duration::from_secs(1);
/// Units of an experience that are looked at while somebody waits, however often sums move on: a hundredth of a second
/// of work.
const UNITS_AT_ONCE: u64 = 200;
/// After a look comes a rest this many times as long, so that it takes a tenth of a core at most.
const REST: u32 = 10;
/// The same where nobody has asked [lately](ASKED_LATELY).
const LONG_REST: u32 = 100;
/// How long ago somebody asked at most, for what is about to be asked for again.
const ASKED_LATELY: Duration = Duration::from_secs(10 * 60);
/// How long what nobody asks for is kept and looked at again.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Most columns kept, and most sorted values in all of them: 32 MB.
const COLUMNS_MAX: usize = 200;
const VALUES_MAX: usize = 4_000_000;

/// What units told of a metric that sums do not tell.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The tallies under a cap by a quantile.
    pub(super) capped: Option<Tallies>,
    /// The sorted values of each arm, of a quantile.
    pub(super) sorted: Option<BTreeMap<Arm, Vec<f64>>>,
}

impl Told {
    fn values(&self) -> usize {
        self.sorted.iter().flat_map(BTreeMap::values).map(Vec::len).sum()
    }
}

/// What units told, and until when.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) told: Arc<Told>,
    /// What happened until then is counted; `None` where that is all that sums count as well.
    pub(super) as_of: Option<Timestamp>,
}

/// Of which metric of which experience something is kept.
type Place = (Key, MetricId);

#[derive(Debug)]
struct Column {
    told: Arc<Told>,
    /// The metric's cap then, which its id does not tell.
    cap: Option<Cap>,
    /// The sums of the experience then, and until when they counted.
    sums: Arc<Sums>,
    as_of: Timestamp,
    looked_at: Instant,
    took: Duration,
    asked_at: Instant,
}

impl Column {
    fn is_rested(&self, now: Instant) -> bool {
        let is_asked_for = now.duration_since(self.asked_at) < ASKED_LATELY;
        let times = if is_asked_for { REST } else { LONG_REST };
        self.took * times <= now.duration_since(self.looked_at)
    }
}

/// All that is kept.
#[derive(Debug, Default)]
pub(crate) struct Columns(Mutex<BTreeMap<Place, Column>>);

impl Columns {
    /// What is kept of a metric, unless it is out of date and told as fast by a look.
    fn kept(&self, place: &Place, cap: Option<Cap>, sums: &Arc<Sums>) -> Option<Looked> {
        let mut columns = self.0.lock();
        let column = columns.get_mut(place)?;
        column.asked_at = Instant::now();
        let is_current = Arc::ptr_eq(&column.sums, sums);
        let is_fast = sums.exposed_units() <= UNITS_AT_ONCE;
        if column.cap != cap || (!is_current && is_fast) {
            return None;
        }
        let as_of = (!is_current).then_some(column.as_of);
        Some(Looked { told: Arc::clone(&column.told), as_of })
    }

    /// Keeps what a look has told. What was asked for longest ago makes room.
    fn keep(&self, place: Place, column: Column) {
        let mut columns = self.0.lock();
        if VALUES_MAX < column.told.values() {
            columns.remove(&place);
            return;
        }
        let asked_at = columns.get(&place).map_or(column.asked_at, |known| known.asked_at);
        columns.insert(place, Column { asked_at, ..column });
        let is_full = |columns: &BTreeMap<Place, Column>| {
            let values: usize = columns.values().map(|column| column.told.values()).sum();
            COLUMNS_MAX < columns.len() || VALUES_MAX < values
        };
        while is_full(&columns) {
            let oldest = columns.iter().min_by_key(|(_, column)| column.asked_at);
            let Some(oldest) = oldest.map(|(place, _)| place.clone()) else { return };
            columns.remove(&oldest);
        }
    }

    /// What sums have moved away from, of all or only of what has rested. Forgets what nobody asks for any more, or
    /// could.
    fn outdated(&self, shared: &Shared, waits_for_rest: bool) -> Vec<(Key, Metric)> {
        let readable = shared.measured.get();
        let snapshot = shared.registry.snapshot_full();
        let now = Instant::now();
        let mut columns = self.0.lock();
        columns.retain(|(experience, _), column| {
            readable.experiences.contains_key(experience)
                && now.duration_since(column.asked_at) < KEPT_FOR
        });
        let mut found = Vec::new();
        columns.retain(|(experience, id), column| {
            let Some(metric) = snapshot.metrics.iter().find(|metric| metric.id == *id) else {
                return false;
            };
            let sums = readable.experiences.get(experience);
            let is_current = sums.is_some_and(|sums| Arc::ptr_eq(sums, &column.sums));
            if !is_current && (!waits_for_rest || column.is_rested(now)) {
                found.push((experience.clone(), metric.clone()));
            }
            true
        });
        found
    }
}

/// What all units of an experience tell of a metric that sums do not tell.
pub(super) fn look(shared: &Shared, experience: &Key, metric: &Metric) -> Result<Looked, RowError> {
    let readable = shared.measured.get();
    let Some(sums) = readable.experiences.get(experience) else { return Ok(Looked::default()) };
    let place = (experience.clone(), metric.id);
    match shared.columns.kept(&place, metric.cap, sums) {
        Some(looked) => Ok(looked),
        None => Ok(Looked { told: look_again(shared, experience, metric)?, as_of: None }),
    }
}

/// Looks at all units, and keeps what they tell.
fn look_again(shared: &Shared, experience: &Key, metric: &Metric) -> Result<Arc<Told>, RowError> {
    // The sums are taken first: what the rows have beyond them is looked at once more, and nothing is missed.
    let readable = shared.measured.get();
    let began = Instant::now();
    let capped = match metric.cap {
        Some(Cap::Quantile(_)) => Some(scan::capped(shared, experience, metric)?),
        _ => None,
    };
    let sorted = match metric.kind {
        MetricKind::Quantile => Some(scan::sorted(shared, experience, metric)?),
        _ => None,
    };
    let told = Arc::new(Told { capped, sorted });
    if let Some(sums) = readable.experiences.get(experience) {
        let now = Instant::now();
        let column = Column {
            told: Arc::clone(&told),
            cap: metric.cap,
            sums: Arc::clone(sums),
            as_of: readable.as_of,
            looked_at: now,
            took: now - began,
            asked_at: now,
        };
        shared.columns.keep((experience.clone(), metric.id), column);
    }
    Ok(told)
}

/// Looks again at all that is kept and that sums have moved away from.
pub(crate) fn catch_up(shared: &Shared) {
    refresh(shared, false, &AtomicBool::new(false));
}

fn refresh(shared: &Shared, waits_for_rest: bool, is_stopping: &AtomicBool) {
    if shared.failure().is_some() {
        return;
    }
    for (experience, metric) in shared.columns.outdated(shared, waits_for_rest) {
        if is_stopping.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = look_again(shared, &experience, &metric) {
            tracing::error!(%error, %experience, metric = %metric.key, "could not look at all units");
        }
    }
}

/// Who can end the thread.
#[derive(Debug)]
pub(crate) struct Handle {
    /// The thread waits for nothing but its end.
    stop: Mutex<Option<Sender<()>>>,
    is_stopping: Arc<AtomicBool>,
    thread: Thread,
}

impl Handle {
    /// Whether the thread has not ended.
    pub(crate) fn is_running(&self) -> bool {
        self.thread.is_running()
    }

    /// Ends the thread after the look that it is at. Idempotent.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        drop(self.stop.lock().take());
        self.thread.join();
    }
}

/// Starts the thread that looks again.
pub(crate) fn start(shared: Arc<Shared>) -> Result<Handle, StoreError> {
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    let is_stopping = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&is_stopping);
    let thread = Thread::start("columns", move || run(&shared, &stopped, &stopping))?;
    Ok(Handle { stop: Mutex::new(Some(stop)), is_stopping, thread })
}

fn run(shared: &Shared, stopped: &Receiver<()>, is_stopping: &AtomicBool) {
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(CHECKED_EVERY) {
        refresh(shared, true, is_stopping);
    }
}
