//! What a person did: the newest events of each name, in canonical order.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

use model::{
    Timestamp,
    condition::{EventName, EventRow},
};

use crate::traits::weight_of;

/// Most events of one name that are held decoded. The rows on disk stay for their retention.
pub const MAX_ROWS: usize = 1_000;

/// The events of one name.
#[derive(Clone, Debug, Default, PartialEq)]
struct Track {
    /// Oldest first by `(time, tie)`. Shared between copies of a profile until one of them changes it.
    rows: Arc<Vec<EventRow>>,
    /// Older rows exist than those that are held.
    overflow: bool,
    /// Roughly how many bytes the rows take.
    weight: usize,
}

/// A person's events by name: for each name the [`MAX_ROWS`] newest by canonical order.
///
/// Taking in rows is commutative, associative and idempotent. How many names there are is bounded
/// by whoever inserts: only events that live definitions read are decoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// Sorted by name. A map would take a node with room for eleven names for the few that most people have.
    tracks: Vec<(EventName, Track)>,
}

impl Timeline {
    /// Takes in one event, late ones at their place. The same event (by time and tie) is taken in once.
    pub fn insert(&mut self, name: &EventName, row: EventRow) {
        if let Some(track) = self.track_mut(name) {
            track.insert(row);
        }
    }

    /// Notes that older events of this name exist than those that are held.
    pub fn mark_overflow(&mut self, name: &EventName) {
        if let Some(track) = self.track_mut(name) {
            track.overflow = true;
        }
    }

    fn place(&self, name: &EventName) -> Result<usize, usize> {
        self.tracks.binary_search_by(|(known, _)| known.cmp(name))
    }

    fn track(&self, name: &EventName) -> Option<&Track> {
        self.place(name).ok().and_then(|place| self.tracks.get(place)).map(|(_, track)| track)
    }

    /// The track of a name, made where there is none; always `Some`.
    fn track_mut(&mut self, name: &EventName) -> Option<&mut Track> {
        let place = self.place(name).unwrap_or_else(|place| {
            self.tracks.insert(place, (name.clone(), Track::default()));
            place
        });
        self.tracks.get_mut(place).map(|(_, track)| track)
    }

    /// Takes in the events of another part of the component.
    pub fn merge(&mut self, other: &Self) {
        for (name, theirs) in &other.tracks {
            match self.place(name) {
                Err(place) => self.tracks.insert(place, (name.clone(), theirs.clone())),
                Ok(place) => {
                    if let Some((_, track)) = self.tracks.get_mut(place) {
                        track.overflow |= theirs.overflow;
                        theirs.rows.iter().for_each(|row| track.insert(row.clone()));
                    }
                }
            }
        }
    }

    /// The events of a name, oldest first, and whether older ones exist beyond them.
    pub fn rows(&self, name: &EventName) -> (&[EventRow], bool) {
        self.track(name).map_or((&[], false), |track| (&track.rows, track.overflow))
    }

    /// How many events of a name are held.
    pub fn count(&self, name: &EventName) -> usize {
        self.rows(name).0.len()
    }

    /// When an event of this name happened last.
    pub fn last_seen(&self, name: &EventName) -> Option<Timestamp> {
        self.rows(name).0.last().map(|row| row.time)
    }

    /// The names of which events are held.
    pub fn names(&self) -> impl Iterator<Item = &EventName> {
        self.tracks.iter().map(|(name, _)| name)
    }

    /// All events that are held, newest first over all names.
    pub fn newest_first(&self) -> impl Iterator<Item = (&EventName, &EventRow)> {
        // The newest unread row of each track; the heap gives the newest of those.
        let head = |name, rows: &'_ [EventRow]| rows.last().map(|row| (row.time, row.tie, name));
        let mut heap: BinaryHeap<_> =
            self.tracks.iter().filter_map(|(name, track)| head(name, &track.rows)).collect();
        let mut unread: BTreeMap<&EventName, &[EventRow]> =
            self.tracks.iter().map(|(name, track)| (name, track.rows.as_slice())).collect();
        std::iter::from_fn(move || {
            let (_, _, name) = heap.pop()?;
            let rows = unread.get_mut(name)?;
            let (row, rest) = rows.split_last()?;
            *rows = rest;
            heap.extend(head(name, rest));
            Some((name, row))
        })
    }

    /// Roughly how many bytes they take in memory.
    pub(crate) fn weight(&self) -> usize {
        self.tracks.iter().map(|(name, track)| 128 + name.text.len() + track.weight).sum()
    }
}

impl Track {
    fn insert(&mut self, row: EventRow) {
        let key = |row: &EventRow| (row.time, row.tie);
        let place = self.rows.partition_point(|known| key(known) < key(&row));
        if self.rows.get(place).is_some_and(|known| key(known) == key(&row)) {
            return;
        }
        let full = self.rows.len() >= MAX_ROWS;
        self.overflow |= full;
        if full && place == 0 {
            return;
        }
        self.weight += row_weight(&row);
        let rows = Arc::make_mut(&mut self.rows);
        rows.insert(place, row);
        if full {
            self.weight = self.weight.saturating_sub(row_weight(&rows.remove(0)));
        }
    }
}

fn row_weight(row: &EventRow) -> usize {
    let values = row.values.iter().map(|(path, value)| 24 + path.as_str().len() + weight_of(value));
    size_of::<EventRow>() + values.sum::<usize>()
}
