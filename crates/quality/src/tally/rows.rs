//! The counts as rows: what is to be stored of them, and how they come back.

use std::ops::RangeInclusive;

use compact_str::CompactString;
use model::{SourceKey, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    plan::Violation,
    shape::Property,
    violations::{Count, Sample},
    volume::DAYS_KEPT,
};

use super::{Series, SourceDay, Tally, Verdict};

/// Names a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RowKey {
    /// A source's day.
    SourceDay(SourceKey, i64),
    /// The events of a name that a source sent.
    Series(SourceKey, CompactString),
    /// One day of those.
    Day(SourceKey, CompactString, i64),
    /// A property of them, by its path.
    Property(SourceKey, CompactString, CompactString),
    /// A violation, by event.
    Violation(CompactString, Violation),
}

/// What a row says. Part of the stored format: a new shape is a new variant at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Row {
    /// A [`SourceDay`].
    SourceDayV1 {
        /// One for each of [`Verdict::ALL`].
        verdicts: Vec<u64>,
        /// One for each of [`MARKS`](super::MARKS).
        marks: Vec<u64>,
        /// One for each step of lateness.
        lateness: Vec<u64>,
        /// One for each step of clock skew.
        skew: Vec<u64>,
    },
    /// A [`Series`] without its days and properties.
    SeriesV1 {
        /// When the first event was received.
        first: Timestamp,
        /// When the last was.
        last: Timestamp,
        /// Events accepted.
        total: u64,
        /// Events looked at for their shape.
        looked_at: u64,
    },
    /// Events by hour of the day.
    DayV1 {
        /// From midnight in UTC on.
        hours: Vec<u32>,
    },
    /// A [`Property`].
    PropertyV1 {
        /// Events that had it.
        present: u64,
        /// One for each type.
        types: Vec<u64>,
        /// When it was first seen.
        first: Timestamp,
        /// When it was last seen.
        last: Timestamp,
    },
    /// A [`Count`].
    ViolationV1 {
        /// Events.
        count: u64,
        /// When the first was received.
        first: Timestamp,
        /// When the last was.
        last: Timestamp,
        /// The newest.
        samples: Vec<Sample>,
    },
}

/// A row to be written; without a value, one to be removed.
pub type Change = (RowKey, Option<Row>);

impl Tally {
    /// The rows that changed since this was last asked.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let gone = std::mem::take(&mut self.forgotten);
        let mut changes: Vec<Change> = gone.into_iter().map(|key| (key, None)).collect();
        for (key, source) in &mut self.sources {
            for (day, counts) in &mut source.days {
                if std::mem::take(&mut counts.is_changed) {
                    let row_key = RowKey::SourceDay(key.clone(), *day);
                    changes.push((row_key, Some(counts.row())));
                }
            }
            for (name, series) in &mut source.events {
                if let Some(from) = series.changed_from.take() {
                    let from = from.max(self.today - DAYS_KEPT);
                    series.changes(key, name, from..=self.today, &mut changes);
                }
            }
        }
        for (event, counts) in &mut self.violations.events {
            for (violation, count) in counts {
                if std::mem::take(&mut count.is_changed) {
                    let row_key = RowKey::Violation(event.clone(), violation.clone());
                    changes.push((row_key, Some(count.row())));
                }
            }
        }
        changes
    }

    /// Takes a row back that was stored. One that does not fit its key is passed over: it is a count, no data.
    pub fn restore(&mut self, key: RowKey, row: Row) {
        match (key, row) {
            (
                RowKey::SourceDay(source, day),
                Row::SourceDayV1 { verdicts, marks, lateness, skew },
            ) => {
                self.today = self.today.max(day);
                let counts = SourceDay {
                    verdicts: fixed(&verdicts),
                    marks: fixed(&marks),
                    lateness: fixed(&lateness),
                    skew: fixed(&skew),
                    is_changed: false,
                };
                self.sources.entry(source).or_default().days.insert(day, counts);
            }
            (RowKey::Series(source, name), Row::SeriesV1 { first, last, total, looked_at }) => {
                let series = self.series(source, name);
                (series.first, series.last, series.total) = (first, last, total);
                series.shape.looked_at = looked_at;
            }
            (RowKey::Day(source, name, day), Row::DayV1 { hours }) => {
                self.series(source, name).hours.set_day(day, fixed(&hours));
            }
            (
                RowKey::Property(source, name, path),
                Row::PropertyV1 { present, types, first, last },
            ) => {
                let types = fixed(&types);
                let property = Property { present, types, first, last, is_changed: false };
                self.series(source, name).shape.properties.insert(path, property);
            }
            (
                RowKey::Violation(event, violation),
                Row::ViolationV1 { count, first, last, samples },
            ) => {
                let samples = samples.into();
                let count = Count { count, first, last, samples, is_changed: false };
                self.violations.restore(&event, violation, count);
            }
            _ => {}
        }
    }

    fn series(&mut self, source: SourceKey, name: CompactString) -> &mut Series {
        self.sources.entry(source).or_default().events.entry(name).or_default()
    }
}

impl SourceDay {
    fn row(&self) -> Row {
        Row::SourceDayV1 {
            verdicts: self.verdicts.to_vec(),
            marks: self.marks.to_vec(),
            lateness: self.lateness.to_vec(),
            skew: self.skew.to_vec(),
        }
    }

    /// How many events got a verdict.
    pub fn count_of(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(verdict as usize).copied().unwrap_or_default()
    }
}

impl Series {
    fn changes(
        &mut self,
        source: &SourceKey,
        name: &CompactString,
        days: RangeInclusive<i64>,
        changes: &mut Vec<Change>,
    ) {
        let Self { first, last, total, shape, .. } = self;
        let looked_at = shape.looked_at;
        let row = Row::SeriesV1 { first: *first, last: *last, total: *total, looked_at };
        changes.push((RowKey::Series(source.clone(), name.clone()), Some(row)));
        for (path, property) in &mut shape.properties {
            if std::mem::take(&mut property.is_changed) {
                let row_key = RowKey::Property(source.clone(), name.clone(), path.clone());
                changes.push((row_key, Some(property.row())));
            }
        }
        for day in days {
            if let Some(hours) = self.hours.day(day) {
                let row = Row::DayV1 { hours: hours.to_vec() };
                changes.push((RowKey::Day(source.clone(), name.clone(), day), Some(row)));
            }
        }
    }
}

impl Property {
    fn row(&self) -> Row {
        let Self { present, types, first, last, .. } = *self;
        Row::PropertyV1 { present, types: types.to_vec(), first, last }
    }
}

impl Count {
    fn row(&self) -> Row {
        let samples = self.samples.iter().cloned().collect();
        Row::ViolationV1 { count: self.count, first: self.first, last: self.last, samples }
    }
}

/// Counts as many as there are now; those of steps that came later are zero.
fn fixed<T: Copy + Default, const N: usize>(stored: &[T]) -> [T; N] {
    std::array::from_fn(|index| stored.get(index).copied().unwrap_or_default())
}
