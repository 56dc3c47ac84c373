//! What came in, counted: by source, by event, by day.
//!
//! Everything is bounded, whatever is sent: a source tells so many events apart, an event so many
//! properties. What changed since it was last asked is handed out as rows, each whole, so that a row
//! that was lost is written again with the next change.

mod rows;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use compact_str::CompactString;
use model::{Duration, Event, SourceKey, Timestamp, event::Marks};

use crate::{
    lag::{self, Lateness, Skew},
    name,
    plan::Breach,
    shape::Shape,
    violations::Violations,
    volume::{self, DAYS_KEPT, Hours},
};

pub use rows::{Change, Row, RowKey};

/// Most events that are told apart of a source; others count as `*`.
const EVENTS_MAX: usize = 500;
/// Most sources that are told apart. A source is made by an administrator, so nobody else can fill this.
const SOURCES_MAX: usize = 1_000;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// Applied.
    Accepted = 0,
    /// Known already.
    Duplicate = 1,
    /// Set aside.
    Quarantined = 2,
    /// Not taken.
    Refused = 3,
}

impl Verdict {
    /// All of them, with the word each is told with.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Accepted, "accepted"),
        (Self::Duplicate, "duplicate"),
        (Self::Quarantined, "quarantined"),
        (Self::Refused, "refused"),
    ];
}

/// The marks that say whose an event is, with the word each is told with.
pub const MARKS: [(Marks, &str); 2] = [(Marks::BOT, "bot"), (Marks::INTERNAL, "internal")];

/// An event in normal form and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The event.
    pub event: &'a Event,
    /// What became of it.
    pub verdict: Verdict,
    /// What is wrong with it.
    pub breach: Option<&'a Breach>,
}

/// One day of a source, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceDay {
    /// How many events got each of [`Verdict::ALL`].
    pub verdicts: [u64; Verdict::ALL.len()],
    /// How many of the accepted ones carried each of [`MARKS`].
    pub marks: [u64; MARKS.len()],
    /// How late the accepted ones that count came, without imports and replays.
    pub lateness: Lateness,
    /// How far the senders' clocks were off.
    pub skew: Skew,
    is_changed: bool,
}

/// The events of a name that a source sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// When the first was received.
    pub first: Timestamp,
    /// When the last was received.
    pub last: Timestamp,
    /// How many were accepted.
    pub total: u64,
    /// By the hour in which they were received.
    pub hours: Hours,
    /// What they look like.
    pub shape: Shape,
    /// The first day that was counted on since the rows were last taken.
    changed_from: Option<i64>,
}

/// What a source sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceTally {
    /// By day.
    pub days: BTreeMap<i64, SourceDay>,
    /// By the name of the event.
    pub events: BTreeMap<CompactString, Series>,
}

/// What came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By source.
    pub sources: BTreeMap<SourceKey, SourceTally>,
    /// What did not fit the plan.
    pub violations: Violations,
    /// The last day that was counted on.
    today: i64,
    /// Rows of days that are no longer kept.
    forgotten: Vec<RowKey>,
}

impl Tally {
    /// Counts an event. Of one that counts for nothing only its verdict and its marks are.
    pub fn observe(&mut self, seen: Seen<'_>) {
        let Seen { event, verdict, breach } = seen;
        let counts = !event.marks.has(Marks::UNCOUNTED);
        if let Some(day) = self.source_day(&event.source, event.received_at) {
            day.count(verdict);
            if verdict == Verdict::Accepted {
                day.accept(event, counts);
            }
        }
        if !counts {
            return;
        }
        if let Some(breach) = breach
            && matches!(verdict, Verdict::Accepted | Verdict::Quarantined)
        {
            self.violations.add(event, &breach.violations);
        }
        // An import is a past of its own: it says nothing about what comes in by the hour.
        if verdict == Verdict::Accepted {
            self.accepted(event);
        }
    }

    /// Counts what was no sound event.
    pub fn observe_unsound(&mut self, source: &SourceKey, verdict: Verdict, at: Timestamp) {
        if let Some(day) = self.source_day(source, at) {
            day.count(verdict);
        }
    }

    fn accepted(&mut self, event: &Event) {
        let Some(source) = self.sources.get_mut(&event.source) else { return };
        let mut name = name::shown(&event.name);
        if source.events.len() >= EVENTS_MAX && !source.events.contains_key(name) {
            name = name::ANY;
        }
        let series = match source.events.get_mut(name) {
            Some(series) => series,
            None => source.events.entry(name.into()).or_default(),
        };
        series.accept(event);
    }

    fn source_day(&mut self, source: &SourceKey, at: Timestamp) -> Option<&mut SourceDay> {
        let day = volume::day(at);
        if day > self.today {
            self.today = day;
            self.forget();
        }
        if day <= self.today - DAYS_KEPT {
            return None;
        }
        if !self.sources.contains_key(source) {
            if self.sources.len() >= SOURCES_MAX {
                return None;
            }
            self.sources.insert(source.clone(), SourceTally::default());
        }
        Some(self.sources.get_mut(source)?.days.entry(day).or_default())
    }

    /// Drops the days of sources that are over; those of events drop by themselves.
    fn forget(&mut self) {
        let oldest = self.today - DAYS_KEPT + 1;
        for (key, source) in &mut self.sources {
            let kept = source.days.split_off(&oldest);
            let gone = std::mem::replace(&mut source.days, kept);
            for day in gone.into_keys() {
                self.forgotten.push(RowKey::SourceDay(key.clone(), day));
                let events = source.events.keys();
                self.forgotten
                    .extend(events.map(|name| RowKey::Day(key.clone(), name.clone(), day)));
            }
        }
    }
}

impl SourceDay {
    fn accept(&mut self, event: &Event, counts: bool) {
        for (count, (mark, _)) in self.marks.iter_mut().zip(MARKS) {
            *count += u64::from(event.marks.has(mark));
        }
        if counts && !event.historical {
            let at = event.received_at;
            self.lateness[lag::lateness_step(at.since(event.event_time))] += 1;
            if let Some(sent_at) = event.sent_at {
                self.skew[lag::skew_step(at.since(sent_at))] += 1;
            }
        }
    }

    fn count(&mut self, verdict: Verdict) {
        self.verdicts[verdict as usize] += 1;
        self.is_changed = true;
    }
}

impl Series {
    fn accept(&mut self, event: &Event) {
        let at = event.received_at;
        if self.total == 0 {
            self.first = at;
        }
        self.total += 1;
        self.last = self.last.max(at);
        let day = volume::day(at);
        self.changed_from = Some(self.changed_from.map_or(day, |from| from.min(day)));
        if !event.historical {
            self.hours.add(volume::hour(at));
        }
        self.shape.observe(event, self.total);
    }

    /// How the hour compares with the weeks before.
    pub fn assess(&self, hour: i64) -> volume::Assessment {
        self.hours.assess(hour, volume::hour(self.first))
    }
}

impl SourceTally {
    /// The sum of the last days.
    pub fn last_days(&self, days: i64, now: Timestamp) -> SourceDay {
        let from = volume::day(now) - days + 1;
        let mut sum = SourceDay::default();
        for day in self.days.range(from..).map(|(_, day)| day) {
            add(&mut sum.verdicts, &day.verdicts);
            add(&mut sum.marks, &day.marks);
            add(&mut sum.lateness, &day.lateness);
            add(&mut sum.skew, &day.skew);
        }
        sum
    }

    /// When an event of the source was accepted last.
    pub fn last(&self) -> Option<Timestamp> {
        self.events.values().map(|series| series.last).max()
    }
}

fn add<const N: usize>(sum: &mut [u64; N], more: &[u64; N]) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// How long ago, never negative.
pub fn age(last: Timestamp, now: Timestamp) -> Duration {
    now.since(last).max(Duration(0))
}
