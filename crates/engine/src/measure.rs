//! Measuring experiences: who was exposed to what, what they did by each metric, and the sums of that.
//!
//! All of it is made behind the log, by a sink of the follower, so neither events nor decisions wait for it. An
//! exposure is what a recorded decision says won, shown or held out, by one rule for every arm; or what a server
//! says of an experience that somebody else decides. Exposures lie under the strand through which they came. What
//! counts as a unit is the person at the time of reading: whenever something changes about one of their strands, all
//! of what was counted of the people that these strands belonged to is taken out of the sums, and what holds now is
//! put in. So merges, splits, late events and erasures need no rule of their own, and sums are those of the units'
//! rows at any time.
//!
//! | table | key | value |
//! |---|---|---|
//! | Measure | lane u16, `01`, born u64 | `rows::StoredStrand`, sealed: its exposures, with whom they count |
//! | Measure | lane u16, `02`, experience u64, born u64 | `rows::StoredUnit`, sealed: what the head's person did |
//! | Measure | `11`, experience u64, `00`, version u64, place | `rows::StoredCount`: exposed units |
//! | Measure | `11`, experience u64, `01`, metric u64, place | `rows::StoredTally`: sums |
//! | Measure | `12`, due u64, strand | empty: whom to look at then though nothing happens |
//! | Measure | `13`, experience u64, day u32, `00` or `01` and so on | as under `11`, at the end of a day (UTC) |
//! | Measure | `15`, experience | empty: its sums are to be added up anew |
//! | Measure | `14` | `rows::StoredWalk`: how far everyone has been measured anew |
//!
//! What a shared holdout holds back is an experience here, under a name that no experience has (`holdouts`).
//!
//! A place is an arm and the stratum (`experiment::Stratum`), since only units that were divided by the same shares can
//! be compared: under an allocation that learns the epoch and the cell in which a unit was given its variant, else the
//! weights by which it was, once they are not the first (`plans`).

mod alarms;
mod book;
pub(crate) mod columns;
mod exposures;
mod holdouts;
mod planned;
mod plans;
pub(crate) mod programme;
pub(crate) mod results;
mod rows;
pub(crate) mod scan;
#[cfg(test)]
mod tests;
pub(crate) mod tried;
mod unit;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

use model::{Event, Key, Lane, StrandId, Timestamp, condition::visits, id::LANE_COUNT};
use parking_lot::Mutex;
use store::{Batch, KeyRange, Reader, ScanOrder, Table, prefix_range};

use crate::{
    follow::{Followed, Save, Sink, What},
    keys,
    record::encode,
    sealed::RowError,
    snapshot::{Projection, Snapshot},
    state::Shared,
};

pub(crate) use book::{Book, Sums};
use exposures::Stated;
pub(crate) use plans::Plans;
use rows::StoredWalk;

/// Strands looked at in one step: about a tenth of a second of work.
const STRANDS_PER_STEP: usize = 4_000;
/// Strands of the walk over everyone taken into one step.
const WALKED_PER_STEP: usize = 2_000;
/// Units that are due taken into one step.
const DUE_PER_STEP: usize = 1_000;
/// How long the sums of an experience whose units were erased may be off before they are added up anew.
const RECOUNT_AFTER: model::Duration = model::Duration::seconds(2);

/// What readers see: the sums as they were saved last, and when that was.
#[derive(Debug, Default)]
pub(crate) struct Published(Mutex<Arc<Readable>>);

/// The sums as they were saved last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readable {
    /// By experience.
    pub(crate) experiences: BTreeMap<Key, Arc<Sums>>,
    /// What happened until then is counted.
    pub(crate) as_of: Timestamp,
    /// The part of everyone that has been measured by the metrics of now, from 0 to 1.
    pub(crate) measured: f64,
}

impl Published {
    /// What there is now.
    pub(crate) fn get(&self) -> Arc<Readable> {
        Arc::clone(&self.0.lock())
    }

    fn set(&self, readable: Readable) {
        *self.0.lock() = Arc::new(readable);
    }
}

/// The sink.
pub(crate) struct Measuring {
    shared: Arc<Shared>,
    book: Book,
    /// Strands to be looked at.
    dirty: BTreeSet<StrandId>,
    /// Lanes in which events have moved, of which it is only said where they lie now.
    moved: BTreeSet<Lane>,
    /// Exposures to be added.
    stated: Vec<Stated>,
    /// Strands that were erased.
    erased: BTreeSet<StrandId>,
    walk: Option<Walk>,
    /// Experiences whose sums are to be added up anew, from when on.
    recounts: BTreeMap<Key, Timestamp>,
    /// The instant of what was taken last; `None` when all of it is saved.
    taken_at: Option<Timestamp>,
    /// What acts, over timelines that hold what metrics read.
    projected: Option<Arc<Snapshot>>,
    /// The day of the last picture for time series, in days since 1970.
    day: Option<u32>,
}

/// The walk over everyone after metrics changed.
#[derive(Clone, Debug)]
struct Walk {
    fingerprint: u64,
    /// The first row not looked at yet.
    from: Vec<u8>,
}

impl Measuring {
    /// A sink that begins with what is stored once it is [restarted](Sink::restart).
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            book: Book::default(),
            dirty: BTreeSet::new(),
            moved: BTreeSet::new(),
            stated: Vec::new(),
            erased: BTreeSet::new(),
            walk: None,
            recounts: BTreeMap::new(),
            taken_at: None,
            projected: None,
            day: None,
        }
    }

    /// What acts now, over timelines that hold what metrics read.
    fn projected(&mut self) -> Arc<Snapshot> {
        let snapshot = self.shared.registry.snapshot_full();
        if let Some(known) =
            self.projected.as_ref().filter(|known| known.version == snapshot.version)
        {
            return Arc::clone(known);
        }
        let events = snapshot.metrics.events();
        let projection = Arc::new(Projection::new([&events]));
        let projected = Arc::new(snapshot.projected(projection));
        self.projected = Some(Arc::clone(&projected));
        projected
    }

    /// Takes in strands that are to be looked at although nothing happened: of the walk, and those that are due.
    /// Returns the fingerprint of the metrics by which everyone is measured once these are.
    fn take_own(
        &mut self,
        snapshot: &Snapshot,
        now: Timestamp,
        rows: &mut Batch,
    ) -> Result<Option<u64>, RowError> {
        self.take_due(now, rows)?;
        let fingerprint = snapshot.metrics.fingerprint();
        if self.walk.as_ref().is_none_or(|walk| walk.fingerprint != fingerprint)
            && self.book.measured_by() != Some(fingerprint)
        {
            self.walk = Some(Walk { fingerprint, from: vec![0] });
        }
        let Some(mut walk) = self.walk.take() else { return Ok(None) };
        let store = Arc::clone(&self.shared.store);
        let mut found = 0;
        let mut last = None;
        let end = LANE_COUNT.to_be_bytes();
        let range = KeyRange::new(&walk.from, &end);
        store.scan(Table::Measure, range, ScanOrder::Ascending, &mut |key, _| {
            last = Some(key.to_vec());
            if let Some(strand) = rows::parse_strand(key) {
                self.dirty.insert(strand);
                found += 1;
            }
            if found < WALKED_PER_STEP { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let is_last = found < WALKED_PER_STEP;
        let from = last.map(|last| [&last[..], &[0]].concat()).filter(|_| !is_last);
        let stored = StoredWalk::V1 { fingerprint, from: from.clone() };
        rows.put(Table::Measure, rows::WALK, encode(&stored));
        let Some(from) = from else { return Ok(Some(fingerprint)) };
        walk.from = from;
        self.walk = Some(walk);
        Ok(None)
    }

    /// Takes in everybody from whom an event may have moved: all that were exposed in its lane. That happens rarely,
    /// when a shared device turns out to have been somebody else's.
    fn take_moved(&mut self) -> Result<(), RowError> {
        let store = Arc::clone(&self.shared.store);
        for lane in std::mem::take(&mut self.moved) {
            let prefix = rows::strands(lane);
            let range = prefix_range(&prefix);
            store.scan(Table::Measure, range, ScanOrder::Ascending, &mut |key, _| {
                self.dirty.extend(rows::parse_strand(key));
                ControlFlow::Continue(())
            })?;
        }
        Ok(())
    }

    fn take_due(&mut self, now: Timestamp, rows: &mut Batch) -> Result<(), RowError> {
        let store = Arc::clone(&self.shared.store);
        let end = rows::due_before(now);
        let range = KeyRange::new(&rows::DUE, &end);
        let mut found = 0;
        store.scan(Table::Measure, range, ScanOrder::Ascending, &mut |key, _| {
            self.dirty.extend(rows::parse_due(key));
            rows.delete(Table::Measure, key);
            found += 1;
            if found < DUE_PER_STEP { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(())
    }

    /// How much of everyone is measured by the metrics of now.
    fn progress(&self) -> f64 {
        let Some(walk) = &self.walk else { return 1.0 };
        let lane = walk.from.first_chunk().map_or(0, |lane| u16::from_be_bytes(*lane));
        f64::from(lane) / f64::from(LANE_COUNT)
    }

    /// Adds up anew what could not be taken out unit by unit, since it could not be read any more. Nothing of this
    /// step may have been counted yet: what is added up is what is stored.
    fn recount(&mut self, now: Timestamp, rows: &mut Batch) -> Result<(), RowError> {
        let due = self.recounts.iter().find(|(_, due)| **due <= now);
        let Some(experience) = due.map(|(key, _)| key.clone()) else { return Ok(()) };
        let sums = unit::counted(&self.shared, &experience)?;
        self.book.replace(&experience, sums);
        self.recounts.remove(&experience);
        rows.delete(Table::Measure, rows::recount(&experience));
        Ok(())
    }

    /// Keeps how everything stood at the end of each day, for time series.
    fn picture(&mut self, now: Timestamp, rows: &mut Batch) {
        let day = rows::day(now);
        match self.day {
            Some(last) if last < day => self.book.write_picture(last, rows),
            _ => {}
        }
        self.day = Some(day);
    }
}

impl Sink for Measuring {
    fn name(&self) -> &'static str {
        "measure"
    }

    fn take(&mut self, followed: &Followed) -> Result<(), RowError> {
        let snapshot = self.projected();
        for entry in &followed.entries {
            self.taken_at = Some(entry.now);
            match &entry.what {
                What::Decision(decision) => {
                    self.stated.extend(exposures::decided(&self.shared, decision))
                }
                What::Event(followed) => {
                    self.stated.extend(exposures::stated(&self.shared, followed));
                    if may_count(&snapshot, &followed.event) {
                        self.dirty.insert(followed.strand);
                    }
                }
                What::Head { strand, head, .. } => self.dirty.extend([*strand, *head]),
                What::Moved { strand, .. } => {
                    self.moved.insert(strand.lane);
                }
                What::Erased { strands, .. } => self.erased.extend(strands),
                What::Transition(_)
                | What::Born { .. }
                | What::EventRemoved { .. }
                | What::DecisionRemoved { .. } => {}
            }
        }
        if self.book.is_empty() && self.stated.is_empty() {
            // Nobody was exposed to anything.
            self.dirty.clear();
            self.moved.clear();
            self.erased.clear();
        }
        Ok(())
    }

    fn save(&mut self, now: Timestamp, rows: &mut Batch) -> Result<Save, RowError> {
        let snapshot = self.projected();
        self.picture(now, rows);
        self.recount(now, rows)?;
        if self.book.is_empty() && self.stated.is_empty() && self.dirty.is_empty() {
            self.book.is_measured_by(snapshot.metrics.fingerprint(), &snapshot.metrics);
            return Ok(self.saves_all());
        }
        self.take_moved()?;
        // What is taken in here fits into this step.
        let measured_by = match self.dirty.len() < STRANDS_PER_STEP - WALKED_PER_STEP - DUE_PER_STEP
        {
            true => self.take_own(&snapshot, now, rows)?,
            false => None,
        };
        let mut looked = self.dirty.clone();
        let later = match looked.iter().nth(STRANDS_PER_STEP).copied() {
            Some(first) => looked.split_off(&first),
            None => BTreeSet::new(),
        };
        let lost = unit::look_again(unit::Look {
            shared: &self.shared,
            snapshot: &snapshot,
            now,
            stated: &self.stated,
            erased: &self.erased,
            dirty: looked,
            book: &mut self.book,
            rows: &mut *rows,
        })?;
        for experience in lost {
            rows.put(Table::Measure, rows::recount(&experience), []);
            self.recounts.entry(experience).or_insert(now.saturating_add(RECOUNT_AFTER));
        }
        self.dirty = later;
        self.stated.clear();
        self.erased.clear();
        if let Some(fingerprint) = measured_by {
            self.book.is_measured_by(fingerprint, &snapshot.metrics);
        }
        self.book.write(rows);
        Ok(if self.dirty.is_empty() { self.saves_all() } else { Save::Rows })
    }

    fn saved(&mut self) -> Result<(), RowError> {
        self.publish();
        Ok(())
    }

    fn restart(&mut self) -> Result<(), RowError> {
        self.dirty.clear();
        self.moved.clear();
        self.stated.clear();
        self.erased.clear();
        self.recounts.clear();
        self.taken_at = None;
        let store: &dyn Reader = &*self.shared.store;
        self.book = Book::read(store)?;
        self.walk = match rows::walk(store)? {
            Some(StoredWalk::V1 { fingerprint, from: Some(from) }) => {
                Some(Walk { fingerprint, from })
            }
            Some(StoredWalk::V1 { fingerprint, from: None }) => {
                self.book.was_measured_by(fingerprint);
                None
            }
            None => None,
        };
        let now = self.shared.clock.now();
        self.recounts = rows::recounts(store)?.into_iter().map(|key| (key, now)).collect();
        self.day = Some(rows::day(now));
        self.publish();
        Ok(())
    }
}

impl Measuring {
    /// All that was taken is in the rows.
    fn saves_all(&mut self) -> Save {
        let now = self.shared.clock.now();
        let as_of = self.taken_at.take().unwrap_or(now);
        self.book.as_of = self.book.as_of.max(as_of);
        if !self.book.has_changed() {
            self.publish();
        }
        Save::All
    }

    fn publish(&mut self) {
        let (as_of, measured) = (self.book.as_of, self.progress());
        let experiences = self.book.shared();
        self.shared.measured.set(Readable { experiences, as_of, measured });
    }
}

/// Whether what units did may be something else since an event. Most events are of names that no metric counts. Who it
/// is about is not asked here, since it is told when that changes.
fn may_count(snapshot: &Snapshot, event: &Event) -> bool {
    let metrics = &snapshot.metrics;
    metrics.reads(&event.name)
        // Each event may begin a visit or make it longer.
        || metrics.reads(visits::STARTED)
        // Whether anything may be read hangs on what was said, in some countries also on where somebody is.
        || !event.consents.is_empty()
        || snapshot.policy.is_regional()
}

/// The key of a strand with the lane in front, as all rows of people begin.
fn lane_of(strand: StrandId) -> [u8; 2] {
    strand.lane.get().to_be_bytes()
}

/// The hash under which an experience stands in keys.
fn number(experience: &Key) -> u64 {
    model::hash::event_name(experience.as_str())
}

/// Reads the strand at the end of a key.
fn strand_at_end(key: &[u8]) -> Option<StrandId> {
    let lane = key.first_chunk::<2>()?;
    let born = key.last_chunk::<8>()?;
    keys::parse_strand(&[&lane[..], &born[..]].concat())
}
