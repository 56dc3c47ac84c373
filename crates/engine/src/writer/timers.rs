//! Which timers are due: an index in memory over the timers on disk.
//!
//! Timers lie by lane and due instant. In memory there is one instant per lane, that of its first
//! timer, so that a look at all of them costs a thousand comparisons, and starting costs one seek
//! per lane however many timers there are.

use std::ops::ControlFlow;

use model::{Lane, StrandId, Timestamp, id::LANE_COUNT};
use store::{KeyRange, Reader, ScanOrder, StoreError, Table};

use crate::keys;

/// The first due instant of each lane.
#[derive(Debug)]
pub(crate) struct Timers {
    /// By lane; [`Timestamp::MAX`] where a lane has no timer.
    first: Vec<Timestamp>,
}

impl Timers {
    /// Finds the first timer of every lane.
    pub(crate) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let mut first = Vec::with_capacity(usize::from(LANE_COUNT));
        for lane in 0..LANE_COUNT {
            first.push(first_of(reader, lane)?);
        }
        Ok(Self { first })
    }

    /// Whether any timer is due.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.first.iter().any(|first| *first <= now)
    }

    /// Takes note of timers that were committed.
    pub(crate) fn add(&mut self, timers: &[(Timestamp, StrandId)]) {
        for (due, head) in timers {
            if let Some(first) = self.first.get_mut(usize::from(head.lane.get())) {
                *first = (*first).min(*due);
            }
        }
    }

    /// The timers due by `now`, at most `limit`; the batch that visits their people removes their rows.
    pub(crate) fn take_due(
        &mut self,
        reader: &dyn Reader,
        now: Timestamp,
        limit: usize,
    ) -> Vec<(Timestamp, StrandId)> {
        let mut due = Vec::new();
        for (lane, first) in (0..LANE_COUNT).zip(&mut self.first) {
            if *first > now || due.len() >= limit {
                continue;
            }
            match due_in(reader, lane, now, limit, &mut due) {
                Ok(next) => *first = next,
                Err(error) => {
                    tracing::error!(%error, "could not read timers");
                    return due;
                }
            }
        }
        due
    }

    /// Takes timers back whose batch was not committed.
    pub(crate) fn restore(&mut self, due: &[(Timestamp, StrandId)]) {
        self.add(due);
    }
}

/// Adds the timers of a lane that are due, up to `limit` in all; returns the first that is left.
fn due_in(
    reader: &dyn Reader,
    lane: u16,
    now: Timestamp,
    limit: usize,
    due: &mut Vec<(Timestamp, StrandId)>,
) -> Result<Timestamp, StoreError> {
    let mut next = Timestamp::MAX;
    scan(reader, lane, &mut |at, head| {
        if at > now || due.len() >= limit {
            next = at;
            return ControlFlow::Break(());
        }
        due.push((at, head));
        ControlFlow::Continue(())
    })?;
    Ok(next)
}

fn first_of(reader: &dyn Reader, lane: u16) -> Result<Timestamp, StoreError> {
    let mut first = Timestamp::MAX;
    scan(reader, lane, &mut |at, _| {
        first = at;
        ControlFlow::Break(())
    })?;
    Ok(first)
}

fn scan(
    reader: &dyn Reader,
    lane: u16,
    visit: &mut dyn FnMut(Timestamp, StrandId) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    debug_assert!(Lane::from_stored(lane).is_some());
    let (from, to) = (lane.to_be_bytes(), (lane + 1).to_be_bytes());
    let range = KeyRange::new(&from, &to);
    reader.scan(Table::Timer, range, ScanOrder::Ascending, &mut |key, _| match keys::parse_timer(
        key,
    ) {
        Some((head, at)) => visit(at, head),
        None => ControlFlow::Continue(()),
    })
}
