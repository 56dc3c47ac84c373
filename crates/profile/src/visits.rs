//! Visits: stretches of activity without a pause of half an hour.
//!
//! A visit is a connected component of instants, two of which are linked when less than [`PAUSE`]
//! lies between them. So which visits there are depends on what happened and not on the order of
//! arrival: a late event can fill the pause between two visits and make them one. Events of all
//! devices of a person count together.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use model::{PurposeSet, Timestamp, condition::visits::PAUSE, event::Order, weight};

/// Most visits that are kept of a person, the newest.
pub const MAX_VISITS: usize = 100;

/// One visit.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// The position of its first event.
    pub start: Order,
    /// The time of its last event.
    pub last: Timestamp,
    /// How many events it has.
    pub events: u32,
    /// How many of them show a page or a screen.
    pub pages: u32,
    /// The purposes for which every event of it was collected.
    pub purposes: PurposeSet,
    /// The situation of its first event, shared by copies.
    pub entry: Arc<Entry>,
}

/// How a visit began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The path of the page or the name of the screen that was seen first; empty when unknown.
    pub landing: String,
    /// The parts of the context that timelines keep, as flat JSON text; empty for none.
    pub context: String,
}

impl Visit {
    /// Whether the two are one visit.
    pub fn joins(&self, other: &Self) -> bool {
        let (early, late) = if self.start <= other.start { (self, other) } else { (other, self) };
        late.start.time.since(early.last) < PAUSE
    }

    /// Whether it is over at `now`, if nothing more happens.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.last.saturating_add(PAUSE) <= now
    }

    /// Takes in the events of another visit that [joins](Self::joins) it.
    pub fn absorb(&mut self, other: &Self) {
        if other.start < self.start {
            self.start = other.start;
            self.entry = Arc::clone(&other.entry);
        }
        self.last = self.last.max(other.last);
        self.events = self.events.saturating_add(other.events);
        self.pages = self.pages.saturating_add(other.pages);
        self.purposes = self.purposes.intersection(other.purposes);
    }
}

/// The visits of a person, oldest first, none joining another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Visits {
    visits: Vec<Visit>,
    has_earlier: bool,
}

/// What taking in an event changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// Where the visits began that are no longer there as they were.
    pub replaced: Vec<Order>,
    /// The visit that the event belongs to; `None` when it is older than what is kept.
    pub visit: Option<Visit>,
}

impl Visits {
    /// Takes in an event, as a visit of its own, or the visits of another strand one by one. The
    /// caller takes in each event once.
    pub fn insert(&mut self, mut visit: Visit) -> Changed {
        let mut replaced = Vec::new();
        let from = self.visits.partition_point(|known| known.start <= visit.start);
        let from = from.saturating_sub(1);
        let joined = |visit: &Visit, known: Option<&Visit>| known.is_some_and(|k| k.joins(visit));
        // The one before may not join while the one after does.
        let from = if joined(&visit, self.visits.get(from)) { from } else { self.after(&visit) };
        while joined(&visit, self.visits.get(from)) {
            let known = self.visits.remove(from);
            replaced.push(known.start);
            visit.absorb(&known);
        }
        self.visits.insert(from, visit.clone());
        let mut visit = Some(visit);
        if self.visits.len() > MAX_VISITS {
            let oldest = self.visits.remove(0);
            self.has_earlier = true;
            if from == 0 {
                visit = None;
            } else {
                replaced.push(oldest.start);
            }
        }
        Changed { replaced, visit }
    }

    fn after(&self, visit: &Visit) -> usize {
        self.visits.partition_point(|known| known.start <= visit.start)
    }

    /// Notes that there were earlier ones than those that are kept.
    pub fn mark_earlier(&mut self) {
        self.has_earlier = true;
    }

    /// Whether there were earlier ones.
    pub fn has_earlier(&self) -> bool {
        self.has_earlier
    }

    /// All that are kept, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Visit> {
        self.visits.iter()
    }

    /// Bytes in memory, beside the list itself.
    pub fn weight(&self) -> usize {
        let entry = |visit: &Visit| {
            let Entry { landing, context } = &*visit.entry;
            weight::shared(size_of::<Entry>())
                + weight::block(landing.capacity())
                + weight::block(context.capacity())
        };
        weight::block(self.visits.capacity() * size_of::<Visit>())
            + self.visits.iter().map(entry).sum::<usize>()
    }
}
