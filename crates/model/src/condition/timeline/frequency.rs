//! Which value events have most often, and how large a part of them is of a kind.
//!
//! Both walk newest first, so that what is found after each event is what will be found once all older
//! ones have left. An event that may not be read could be of any value and of any kind, or not count;
//! where some way of reading such events gives another answer than another, the answer is withheld.

use std::collections::HashMap;

use super::{Bearing, Row, Seen, Selection, rounded};
use crate::{
    Value,
    condition::{Truth, Verdict, comparison::Bound, syntax::Filter},
};

/// How often each value was seen, newest first.
struct Tally<T> {
    seen: HashMap<String, Count<T>>,
    /// The count and the place of the value that leads.
    most: (u32, usize),
    leader: Option<T>,
    /// How many events were seen that may not be read, and before how many values the first of them.
    withheld: Option<(u32, usize)>,
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
        Self { seen: HashMap::new(), most: (0, 0), leader: None, withheld: None }
    }

    /// Takes in a value. Of values seen equally often the one that was seen first leads.
    fn see(&mut self, value: &Seen<'_>, what: impl FnOnce(&Seen<'_>) -> T) {
        let Some(kind) = value.kind() else { return };
        let place = self.seen.len();
        let count =
            self.seen.entry(kind).or_insert_with(|| Count { times: 0, place, what: what(value) });
        count.times = count.times.saturating_add(1);
        let (times, first) = self.most;
        if times < count.times || times == count.times && count.place <= first {
            self.most = (count.times, count.place);
            self.leader = Some(count.what.clone());
        }
    }

    /// Takes in an event that may not be read.
    fn miss(&mut self) {
        let (count, place) = self.withheld.unwrap_or((0, self.seen.len()));
        self.withheld = Some((count.saturating_add(1), place));
    }
}

impl Tally<bool> {
    /// Whether the value that leads is as it should be, over every way of reading what may not be read.
    fn answer(&self) -> Truth {
        let leader = Truth::from(self.leader.unwrap_or(false));
        let Some((extra, before)) = self.withheld else { return leader };
        let (most, first) = self.most;
        if most < extra || most == extra && before <= first {
            // They could all be of one value that was never seen.
            return Truth::Withheld;
        }
        // A value leads at best if all of them are of it, and then it may have been seen as early as they.
        let may_lead = |count: &&Count<bool>| {
            let times = count.times.saturating_add(extra);
            most < times || most == times && count.place.min(before) <= first
        };
        let mut others = self.seen.values().filter(may_lead).map(|count| count.what);
        if others.all(|holds| Truth::from(holds) == leader) { leader } else { Truth::Withheld }
    }
}

impl<'a> Selection<'a> {
    /// The answer of the last event that `take` has one for, newest first; `None` stands for an event
    /// that may not be read.
    fn fold_known(&self, mut take: impl FnMut(Option<Row<'a>>) -> Option<Truth>) -> Verdict {
        let mut verdict = Verdict::lasting(Truth::False);
        let mut is_withheld = false;
        for (bearing, row) in self.newest_first() {
            let known = Some(row).filter(|_| bearing == Bearing::Selected);
            is_withheld |= known.is_none();
            if let Some(truth) = take(known) {
                self.step(&mut verdict, truth, row);
            }
        }
        if self.stretch.overflow { self.overflowed(is_withheld) } else { verdict }
    }

    pub(super) fn most_frequent(&self, filter: &Filter) -> Verdict {
        let mut tally = Tally::new();
        self.fold_known(|row| {
            match row {
                Some(row) => {
                    tally.see(&row.at(self.measured)?, |value| {
                        filter.test.holds(Some(value.clone()))
                    });
                }
                None => tally.miss(),
            }
            Some(tally.answer())
        })
    }

    pub(super) fn share(&self, filters: &[Filter], bound: &Bound<f64>) -> Verdict {
        let mut part = Part::default();
        self.fold_known(|row| {
            match row {
                Some(row) => {
                    part.all = part.all.saturating_add(1);
                    part.of = part.of.saturating_add(self.is_part(filters, row).into());
                }
                None => part.withheld = part.withheld.saturating_add(1),
            }
            Some(part.answer(bound))
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
        let mut tally: Tally<Value> = Tally::new();
        for value in self.known().filter_map(|row| row.at(self.measured)) {
            tally.see(&value, |value| value.to_value());
        }
        let shown = |value: Value| crate::condition::explain::shown(Some(&value));
        tally.leader.map_or("unknown, as there is no value".into(), shown)
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

/// How many events are of a kind.
#[derive(Default)]
struct Part {
    of: u32,
    all: u32,
    /// How many may not be read.
    withheld: u32,
}

impl Part {
    /// Whether the share is as it should be, over every way of reading what may not be read.
    fn answer(&self, bound: &Bound<f64>) -> Truth {
        let Self { of, all, withheld } = *self;
        if all == 0 {
            // There may be no event at all, and then the condition is false.
            let may_be = 0 < withheld && may_hold(bound, 0.0, 1.0);
            return if may_be { Truth::Withheld } else { Truth::False };
        }
        let share = |of: u32, all: u32| f64::from(of) / f64::from(all);
        let most = all.saturating_add(withheld);
        let (least, greatest) = (share(of, most), share(of.saturating_add(withheld), most));
        match (may_hold(bound, least, greatest), always_holds(bound, least, greatest)) {
            (_, true) => Truth::True,
            (false, _) => Truth::False,
            _ => Truth::Withheld,
        }
    }
}

/// Whether a bound holds for some number of a range.
fn may_hold(bound: &Bound<f64>, least: f64, greatest: f64) -> bool {
    match *bound {
        Bound::Lt(_) | Bound::Lte(_) => bound.holds(least),
        Bound::Gt(_) | Bound::Gte(_) => bound.holds(greatest),
        Bound::Eq(wanted) => least <= wanted && wanted <= greatest,
        Bound::Ne(_) => least < greatest || bound.holds(least),
        Bound::Between(low, high) => low <= greatest && least <= high,
    }
}

/// Whether it holds for all of them.
fn always_holds(bound: &Bound<f64>, least: f64, greatest: f64) -> bool {
    match *bound {
        Bound::Ne(wanted) => wanted < least || greatest < wanted,
        _ => bound.holds(least) && bound.holds(greatest),
    }
}
