//! Which value events have most often, and how large a part of them is of a kind.
//!
//! Both walk newest first, so that what is found after each event is what will be found once all older
//! ones have left. An event that may not be read could be of any value and of any kind, or not count,
//! so that from it on the answer is withheld.

use std::collections::HashMap;

use super::{Bearing, Row, Seen, Selection, rounded};
use crate::{
    Value,
    condition::{Truth, Verdict, comparison::Bound, syntax::Filter},
};

/// How often each value was seen, and the one that was seen most often.
struct Tally<T> {
    seen: HashMap<String, Count<T>>,
    /// The count and the place of the value that leads.
    most: (u32, usize),
}

/// One value of a tally.
struct Count<T> {
    times: u32,
    /// How many other values were seen before it.
    place: usize,
    what: T,
}

impl<T: Clone> Tally<T> {
    fn new() -> Self {
        Self { seen: HashMap::new(), most: (0, 0) }
    }

    /// Takes in a value; tells what `what` made of it where it leads now. Of values seen equally often
    /// the one that was seen first leads.
    fn see(&mut self, value: &Seen<'_>, what: impl FnOnce(&Seen<'_>) -> T) -> Option<T> {
        let place = self.seen.len();
        let count = self.seen.entry(value.kind()?).or_insert_with(|| Count {
            times: 0,
            place,
            what: what(value),
        });
        count.times = count.times.saturating_add(1);
        let (times, first) = self.most;
        let leads = times < count.times || times == count.times && count.place <= first;
        if !leads {
            return None;
        }
        self.most = (count.times, count.place);
        Some(count.what.clone())
    }
}

impl<'a> Selection<'a> {
    /// The answer of the last event that `take` has one for, newest first; withheld from the first one
    /// on that may not be read.
    fn fold_known(&self, mut take: impl FnMut(Row<'a>) -> Option<bool>) -> Verdict {
        let mut verdict = Verdict::lasting(Truth::False);
        for (bearing, row) in self.newest_first() {
            if bearing == Bearing::Withheld {
                self.step(&mut verdict, Truth::Withheld, row);
                return verdict;
            }
            if let Some(holds) = take(row) {
                self.step(&mut verdict, holds.into(), row);
            }
        }
        if self.stretch.overflow { self.overflowed(false) } else { verdict }
    }

    pub(super) fn most_frequent(&self, filter: &Filter) -> Verdict {
        let mut tally = Tally::new();
        self.fold_known(|row| {
            tally.see(&row.at(self.measured)?, |value| filter.test.holds(Some(value.clone())))
        })
    }

    pub(super) fn share(&self, filters: &[Filter], bound: &Bound<f64>) -> Verdict {
        let (mut part, mut all) = (0_u32, 0_u32);
        self.fold_known(|row| {
            all = all.saturating_add(1);
            part = part.saturating_add(self.is_part(filters, row).into());
            Some(bound.holds(f64::from(part) / f64::from(all)))
        })
    }

    fn is_part(&self, filters: &[Filter], row: Row<'_>) -> bool {
        filters.iter().all(|filter| filter.test.holds(row.value(self.paths, &filter.property)))
    }

    fn known(&self) -> impl Iterator<Item = Row<'a>> {
        let known = self.newest_first().filter(|(bearing, _)| *bearing == Bearing::Selected);
        known.map(|(_, row)| row)
    }

    pub(super) fn most_frequent_in_words(&self) -> String {
        let mut tally = Tally::new();
        let mut most: Option<Value> = None;
        for row in self.known() {
            let value = row.at(self.measured);
            most = value.and_then(|value| tally.see(&value, |value| value.to_value())).or(most);
        }
        let shown = |value: Value| crate::condition::explain::shown(Some(&value));
        most.map_or("unknown, as there is no value".into(), shown)
    }

    pub(super) fn share_in_words(&self, filters: &[Filter]) -> String {
        let (mut part, mut all) = (0_u32, 0_u32);
        for row in self.known() {
            all = all.saturating_add(1);
            part = part.saturating_add(self.is_part(filters, row).into());
        }
        match all {
            0 => "unknown, as there is no such event".into(),
            _ => rounded(f64::from(part) / f64::from(all)),
        }
    }
}
