//! Reading a computed trait: one walk over the window, newest event first.
//!
//! As events leave a window oldest first, a value that a walk has found after some event is what
//! will be found once all older ones have left. So a number stays until the oldest event leaves at
//! which it changed; of values that need all events at once it is taken that any of them matters.

use std::{collections::HashMap, ops::ControlFlow};

use jiff::tz::TimeZone;

use super::{Affinity, Aggregate, ComputedTrait};
use crate::{
    Duration, Timestamp, Value,
    condition::{
        Fact, Facts, Row, Seen, Truth, Unit, Verdict,
        comparison::{Operand, Test},
        evaluate::{earlier, known_rows, next_instant},
        packed::List,
        statistic::Running,
        timeline::{Bearing, Selector, Stretch},
        window::Bounds,
    },
    value::Path,
};

/// The value of a computed trait at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The value; missing where there is no event to make it of, or where older ones are not held
    /// that it would need.
    pub value: Fact<Value>,
    /// The value is the same at every instant before this one, if nothing new is observed.
    pub valid_until: Option<Timestamp>,
}

/// How much a person takes to an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The item: a text as it is, anything else as JSON.
    pub item: String,
    /// Its score at the instant it was read.
    pub score: f64,
}

impl ComputedTrait {
    /// The value at `now`.
    pub fn read(&self, facts: &dyn Facts, now: Timestamp) -> Reading {
        let Some(look) = Look::of(self, facts, now) else {
            return Reading { value: Fact::Withheld, valid_until: None };
        };
        let Reading { value, valid_until } = look.value();
        Reading { value, valid_until: earlier(valid_until, look.enters()) }
    }

    /// The scores of an affinity at `now`, the highest first; `None` where they may not be known, or where
    /// there are none to know.
    pub fn scores(&self, facts: &dyn Facts, now: Timestamp) -> Option<Vec<Score>> {
        let Aggregate::Affinity(affinity) = &self.aggregate else { return None };
        let look = Look::of(self, facts, now)?;
        Some(look.affinity(affinity)?.scores(now))
    }

    /// The score of one item of an affinity at `now`.
    pub fn score(&self, item: &str, facts: &dyn Facts, now: Timestamp) -> Fact<f64> {
        let Aggregate::Affinity(affinity) = &self.aggregate else { return Fact::Missing };
        let taken = Look::of(self, facts, now).and_then(|look| look.affinity(affinity));
        let score = taken.map(|taken| taken.score(item, now));
        score.map_or(Fact::Withheld, |score| score.map_or(Fact::Missing, Fact::Known))
    }

    /// What `test` comes to for the score of one item.
    pub(in crate::condition) fn score_answer(
        &self,
        item: &str,
        test: &Test,
        facts: &dyn Facts,
        now: Timestamp,
    ) -> Verdict {
        let (Aggregate::Affinity(affinity), Some(look)) =
            (&self.aggregate, Look::of(self, facts, now))
        else {
            return Verdict::lasting(Truth::Withheld);
        };
        let enters = look.enters();
        let Some(taken) = look.affinity(affinity) else {
            let ends = look.withheld().and_then(|row| look.stretch.bounds.leaves(row.time));
            return Verdict { truth: Truth::Withheld, valid_until: earlier(ends, enters) };
        };
        let score = taken.score(item, now);
        let truth = test.holds(score.map(Value::from).as_ref()).into();
        let fades = score.and_then(|score| fades(test, score, affinity.half_life, now));
        let changes = earlier(taken.ends, enters);
        Verdict { truth, valid_until: earlier(fades, changes) }
    }
}

/// When a score that fades first passes a number that it is compared with.
fn fades(test: &Test, score: f64, half_life: Duration, now: Timestamp) -> Option<Timestamp> {
    let literals = match &test.operand {
        // No score is a text.
        Operand::None | Operand::Pattern(_) | Operand::Version(_) | Operand::Area(_) => &[][..],
        Operand::One(literal) => std::slice::from_ref(literal),
        Operand::Two(low, high) => &[low.clone(), high.clone()],
        Operand::Many(literals) => literals,
    };
    let passed = literals.iter().filter_map(|literal| {
        let number =
            literal.number()?.as_f64().filter(|number| 0.0 < *number && *number <= score)?;
        Some(now.saturating_add(Duration(whole((score / number).log2() * half(half_life)))))
    });
    passed.min().map(|instant| instant.max(next_instant(now)))
}

/// A length in milliseconds as a double; exact, as lengths are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "durations are below 2^53 milliseconds")]
fn half(Duration(length): Duration) -> f64 {
    length as f64
}

#[expect(clippy::cast_possible_truncation, reason = "rounds down, and saturates where it is long")]
fn whole(length: f64) -> i64 {
    length.floor() as i64
}

/// 2^(−age / half-life).
fn faded(age: Duration, half_life: Duration) -> f64 {
    (-half(age) / half(half_life)).exp2()
}

/// The events of a computed trait at an instant.
struct Look<'a> {
    rule: &'a ComputedTrait,
    selector: Selector<'a>,
    stretch: Stretch<'a>,
    /// Where rows keep the property.
    property: Option<usize>,
    /// Where rows keep the weight.
    weight: Option<usize>,
    /// The zone in which days are counted.
    zone: TimeZone,
}

/// The scores of items, as of the instant of the newest event.
struct Taken {
    newest: Timestamp,
    half_life: Duration,
    limit: usize,
    /// The highest first.
    items: Vec<(String, f64)>,
    ends: Option<Timestamp>,
}

impl Taken {
    fn score(&self, item: &str, now: Timestamp) -> Option<f64> {
        let (_, score) = self.items.iter().find(|(known, _)| known == item)?;
        Some(score * faded(now.since(self.newest), self.half_life))
    }

    fn scores(self, now: Timestamp) -> Vec<Score> {
        let faded = faded(now.since(self.newest), self.half_life);
        let items = self.items.into_iter().take(self.limit);
        items.map(|(item, score)| Score { item, score: score * faded }).collect()
    }
}

/// A number in the making.
enum Tally<'a> {
    Count(u32),
    Numbers(Running),
    Days { zone: &'a TimeZone, count: u32, start: Option<Timestamp> },
}

impl Tally<'_> {
    fn add(&mut self, row: Row<'_>, property: Option<usize>) {
        match self {
            Self::Count(count) => *count = count.saturating_add(1),
            Self::Numbers(running) => {
                if let Some(number) = row.number_at(property) {
                    running.add(number);
                }
            }
            Self::Days { zone, count, start } => {
                if start.is_none_or(|start| row.time < start) {
                    *start = Some(Unit::Day.start(row.time, zone, 0).unwrap_or(row.time));
                    *count = count.saturating_add(1);
                }
            }
        }
    }

    fn value(&self) -> Option<f64> {
        match self {
            Self::Count(count) | Self::Days { count, .. } => Some(f64::from(*count)),
            Self::Numbers(running) => running.value(),
        }
    }

    /// Whether older events can only make it larger.
    fn only_grows(&self) -> bool {
        matches!(self, Self::Count(_) | Self::Days { .. })
    }
}

impl<'a> Look<'a> {
    /// `None` where nothing may be known of the events.
    fn of(rule: &'a ComputedTrait, facts: &'a dyn Facts, now: Timestamp) -> Option<Self> {
        let rows = known_rows(facts.events(&rule.of.name))?;
        let bounds = match &rule.within {
            Some(window) => window.bounds(facts, now).ok()?,
            None => Bounds::everything(now),
        };
        let zone = match &rule.aggregate {
            Aggregate::Days(zone) => zone.of(facts)?,
            _ => TimeZone::UTC,
        };
        let place = |path: &Path| rows.paths.binary_search(path).ok();
        let weight = match &rule.aggregate {
            Aggregate::Affinity(affinity) => affinity.weight.as_ref().and_then(place),
            _ => None,
        };
        Some(Self {
            selector: Selector::of(&rule.of, &rows),
            stretch: Stretch::of(&rows, bounds),
            property: rule.aggregate.property().and_then(place),
            weight,
            zone,
            rule,
        })
    }

    fn value(&self) -> Reading {
        match &self.rule.aggregate {
            Aggregate::Count => self.number(Tally::Count(0)),
            Aggregate::Numbers { statistic, .. } => {
                self.number(Tally::Numbers(Running::new(*statistic)))
            }
            Aggregate::Days(_) => {
                self.number(Tally::Days { zone: &self.zone, count: 0, start: None })
            }
            Aggregate::Last(_) => self.newest(|row| row.at(self.property).map(|v| v.to_value())),
            Aggregate::Recency => self.newest(|row| Some(row.time.to_string().into())),
            Aggregate::First(_) => self.first(),
            Aggregate::Median(_) => self.median(),
            Aggregate::MostFrequent(_) => self.most_frequent(),
            Aggregate::Unique { limit, .. } => self.unique(usize::from(*limit)),
            Aggregate::Affinity(affinity) => match self.affinity(affinity) {
                Some(taken) => {
                    let items = taken.items.iter().take(taken.limit);
                    let items: Vec<Value> = items.map(|(item, _)| item.as_str().into()).collect();
                    Reading { value: listed(items), valid_until: taken.ends }
                }
                None => self.closed(),
            },
        }
    }

    /// When the next event that may matter enters.
    fn enters(&self) -> Option<Timestamp> {
        let next = self.stretch.ahead.iter().find(|row| self.selector.bearing(*row).is_some())?;
        self.stretch.bounds.enters(next.time)
    }

    fn leaves(&self, row: Row<'_>) -> Option<Timestamp> {
        self.stretch.bounds.leaves(row.time)
    }

    /// The newest event that may not be read.
    fn withheld(&self) -> Option<Row<'a>> {
        let mut rows = self.stretch.inside.iter().rev();
        rows.find(|row| self.selector.bearing(*row) == Some(Bearing::Withheld))
    }

    /// What cannot be told until the newest event that may not be read has left.
    fn closed(&self) -> Reading {
        let valid_until = self.withheld().and_then(|row| self.leaves(row));
        Reading { value: Fact::Withheld, valid_until }
    }

    /// What would need events that are not held.
    fn overflowed(&self) -> Reading {
        Reading { value: Fact::Missing, valid_until: self.stretch.complete_from }
    }

    /// The events that are selected, newest first; `None` where one of them may not be read.
    fn selected(&self) -> Option<Vec<Row<'a>>> {
        let sights = self.stretch.inside.iter().rev();
        let mut rows = Vec::new();
        for row in sights {
            match self.selector.bearing(row) {
                Some(Bearing::Selected) => rows.push(row),
                Some(Bearing::Withheld) => return None,
                None => {}
            }
        }
        Some(rows)
    }

    /// A value of all selected events, which any of them may change when it leaves.
    fn of_all(&self, value: impl FnOnce(&[Row<'a>]) -> Fact<Value>) -> Reading {
        let Some(rows) = self.selected() else { return self.closed() };
        let valid_until = rows.last().and_then(|oldest| self.leaves(*oldest));
        Reading { value: value(&rows), valid_until }
    }

    fn number(&self, mut tally: Tally<'_>) -> Reading {
        let mut known = tally.value();
        let (mut valid_until, mut is_withheld) = (None, false);
        self.stretch.inside.each_newest_first(|row| {
            match self.selector.bearing(row) {
                Some(Bearing::Selected) => {
                    tally.add(row, self.property);
                    let value = tally.value();
                    if self.step(value) != self.step(known) {
                        valid_until = self.leaves(row);
                    }
                    known = value;
                }
                Some(Bearing::Withheld) => {
                    (is_withheld, valid_until) = (true, self.leaves(row));
                    return ControlFlow::Break(());
                }
                None => {}
            }
            ControlFlow::Continue(())
        });
        if is_withheld {
            return Reading { value: Fact::Withheld, valid_until };
        }
        let highest = self.rule.levels.len().checked_sub(1);
        let is_settled = tally.only_grows()
            && highest.is_some()
            && known.and_then(|number| self.level(number)) == highest;
        if self.stretch.overflow && !is_settled {
            return self.overflowed();
        }
        Reading { value: self.shown(known), valid_until }
    }

    /// What tells a number from others: its level, or its bits.
    fn step(&self, number: Option<f64>) -> Option<u64> {
        let number = number?;
        match self.level(number) {
            Some(level) => u64::try_from(level).ok(),
            None => Some(number.to_bits()),
        }
    }

    /// The level that a number reaches, where there are levels.
    fn level(&self, number: f64) -> Option<usize> {
        let mut levels = self.rule.levels.iter();
        levels.rposition(|level| level.from.is_none_or(|from| from <= number))
    }

    fn shown(&self, number: Option<f64>) -> Fact<Value> {
        let Some(number) = number else { return Fact::Missing };
        match self.level(number).and_then(|level| self.rule.levels.get(level)) {
            Some(level) => Fact::Known(level.name.as_str().into()),
            None => Fact::Known(plain(number)),
        }
    }

    fn newest(&self, value: impl Fn(Row<'a>) -> Option<Value>) -> Reading {
        let mut seen = self.stretch.inside.iter().rev();
        let newest = seen.find_map(|row| self.selector.bearing(row).map(|bearing| (bearing, row)));
        match newest {
            None if self.stretch.overflow => self.overflowed(),
            None => Reading { value: Fact::Missing, valid_until: None },
            Some((Bearing::Withheld, _)) => self.closed(),
            Some((Bearing::Selected, row)) => {
                Reading { value: known(value(row)), valid_until: self.leaves(row) }
            }
        }
    }

    fn first(&self) -> Reading {
        if self.stretch.overflow {
            return self.overflowed();
        }
        let mut seen = self.stretch.inside.iter();
        let oldest = seen.find_map(|row| self.selector.bearing(row).map(|bearing| (bearing, row)));
        let Some((bearing, row)) = oldest else {
            return Reading { value: Fact::Missing, valid_until: None };
        };
        let value = match bearing {
            Bearing::Selected => known(row.at(self.property).map(|value| value.to_value())),
            Bearing::Withheld => Fact::Withheld,
        };
        Reading { value, valid_until: self.leaves(row) }
    }

    fn median(&self) -> Reading {
        if self.stretch.overflow {
            return self.overflowed();
        }
        self.of_all(|rows| {
            let numbers = rows.iter().filter_map(|row| row.number_at(self.property));
            let mut numbers: Vec<f64> = numbers.collect();
            numbers.sort_by(f64::total_cmp);
            let middle = numbers.len() / 2;
            let upper = numbers.get(middle).copied();
            let lower = middle.checked_sub(1).and_then(|below| numbers.get(below).copied());
            self.shown(match (lower, upper) {
                (Some(lower), Some(upper)) if numbers.len().is_multiple_of(2) => {
                    Some(lower / 2.0 + upper / 2.0)
                }
                _ => upper,
            })
        })
    }

    fn most_frequent(&self) -> Reading {
        if self.stretch.overflow {
            return self.overflowed();
        }
        self.of_all(|rows| {
            // How often each value was seen, in the order in which walking backwards meets them.
            let mut counts: Vec<(Value, u32)> = Vec::new();
            let mut places = HashMap::new();
            self.each_value(rows, |kind, value, _| {
                let place = *places.entry(kind).or_insert_with(|| {
                    counts.push((value.to_value(), 0));
                    counts.len() - 1
                });
                if let Some((_, count)) = counts.get_mut(place) {
                    *count += 1;
                }
            });
            // Of equals the last is taken, so the order is turned round.
            let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
            known(most.map(|(value, _)| value))
        })
    }

    fn unique(&self, limit: usize) -> Reading {
        self.of_all(|rows| {
            let mut seen = std::collections::HashSet::new();
            let mut values = Vec::new();
            self.each_value(rows, |kind, value, _| {
                if values.len() < limit && seen.insert(kind) {
                    values.push(value.to_value());
                }
            });
            listed(values)
        })
    }

    /// What an affinity comes to; `None` where an event may not be read.
    fn affinity(&self, affinity: &Affinity) -> Option<Taken> {
        let rows = self.selected()?;
        let newest = rows.first().map_or_else(Timestamp::default, |row| row.time);
        let mut scores: HashMap<String, f64> = HashMap::new();
        self.each_value(&rows, |_, value, row| {
            let weight = match &affinity.weight {
                Some(_) => row.number_at(self.weight).filter(|weight| 0.0 < *weight),
                None => Some(1.0),
            };
            if let Some(weight) = weight {
                let item = match value {
                    Seen::Text(text) => (*text).to_owned(),
                    other => other.to_value().to_string(),
                };
                let share = weight * faded(newest.since(row.time), affinity.half_life);
                *scores.entry(item).or_default() += share;
            }
        });
        let mut items: Vec<(String, f64)> = scores.into_iter().collect();
        items.sort_by(|(a, high), (b, low)| low.total_cmp(high).then_with(|| a.cmp(b)));
        Some(Taken {
            newest,
            half_life: affinity.half_life,
            limit: usize::from(affinity.limit),
            items,
            ends: rows.last().and_then(|oldest| self.leaves(*oldest)),
        })
    }

    /// Visits the texts, numbers and booleans that the property has, newest event first, with what
    /// tells them apart; every element of a list is one.
    fn each_value(&self, rows: &[Row<'a>], mut visit: impl FnMut(String, &Seen<'_>, Row<'a>)) {
        for row in rows {
            match row.at(self.property) {
                Some(Seen::List(elements)) => each_element(elements, |kind, value| {
                    visit(kind, value, *row);
                }),
                Some(value) => {
                    if let Some(kind) = value.kind() {
                        visit(kind, &value, *row);
                    }
                }
                None => {}
            }
        }
    }
}

fn each_element(elements: List<'_>, mut visit: impl FnMut(String, &Seen<'_>)) {
    elements.any(|element| {
        if let Some(kind) = element.kind() {
            visit(kind, element);
        }
        false
    });
}

fn known(value: Option<Value>) -> Fact<Value> {
    value.filter(|value| !value.is_null()).map_or(Fact::Missing, Fact::Known)
}

/// A list, which is missing where it would be empty.
fn listed(values: Vec<Value>) -> Fact<Value> {
    if values.is_empty() { Fact::Missing } else { Fact::Known(values.into()) }
}

/// A number as JSON: without a fraction where it has none.
fn plain(number: f64) -> Value {
    /// Whole numbers below this are doubles without loss.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT { whole(number).into() } else { number.into() }
}
