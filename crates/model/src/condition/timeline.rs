//! Conditions on events: one walk over the window, newest event first.
//!
//! Time alone changes a window in two ways: its oldest events leave, and an event that does not
//! count yet enters. Because events leave oldest first, what a walk has found after each event is
//! what will be found once all older ones have left. So the walk that finds the answer also finds
//! when it ends: when the oldest event at which the answer changed leaves.

mod frequency;

use std::{collections::HashSet, ops::ControlFlow};

use jiff::tz::TimeZone;

use super::{
    EventCondition, EventPattern, Facts, Measure, Row, Rows, Seen, Span, Truth, Verdict,
    calendar::Unit,
    comparison::Bound,
    evaluate::{earlier, known_rows, next_instant},
    statistic::{Running, Statistic},
    syntax::Filter,
    window::Bounds,
};
use crate::{Duration, Purpose, Timestamp, value::Path};

/// What an event is to a condition.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bearing {
    /// It may be read and passes the filters.
    Selected,
    /// It may not be read, so it may or may not pass.
    Withheld,
}

/// The events a condition looks at, at one instant.
struct Selection<'a> {
    condition: &'a EventCondition,
    selector: Selector<'a>,
    /// The properties that rows keep.
    paths: &'a [Path],
    /// Where rows keep what is measured.
    measured: Option<usize>,
    stretch: Stretch<'a>,
    /// The zone in which periods are counted.
    zone: TimeZone,
}

/// Which events of one name are meant, for rows of one timeline.
pub(super) struct Selector<'a> {
    filters: &'a [Filter],
    /// Where rows keep what the filters look at, filter by filter, so that no row is searched by path.
    places: Vec<Option<usize>>,
    purpose: Purpose,
}

impl<'a> Selector<'a> {
    /// The events of `pattern` among `rows`.
    pub(super) fn of(pattern: &'a EventPattern, rows: &Rows<'_>) -> Self {
        let place = |filter: &Filter| rows.paths.binary_search(&filter.property).ok();
        let places = pattern.filters.iter().map(place).collect();
        Self { filters: &pattern.filters, places, purpose: rows.purpose }
    }

    /// What `row` is to the condition; `None` when it can be read and does not pass.
    pub(super) fn bearing(&self, row: Row<'_>) -> Option<Bearing> {
        if !row.purposes.contains(self.purpose) {
            return Some(Bearing::Withheld);
        }
        if self.places.is_empty() {
            return Some(Bearing::Selected);
        }
        let mut filters = self.filters.iter().zip(&self.places);
        filters
            .all(|(filter, place)| filter.test.holds(row.at(*place)))
            .then_some(Bearing::Selected)
    }
}

/// The events of one name that a window shows at one instant.
pub(super) struct Stretch<'a> {
    /// Those inside the window, oldest first.
    pub(super) inside: Span<'a>,
    /// Those that do not count yet.
    pub(super) ahead: Span<'a>,
    pub(super) bounds: Bounds,
    /// Older events that it reaches for are not held.
    pub(super) overflow: bool,
    /// When the oldest event held leaves, and the window with it no longer reaches past what is held.
    pub(super) complete_from: Option<Timestamp>,
}

impl<'a> Stretch<'a> {
    /// What the window of these bounds shows of `rows`.
    pub(super) fn of(rows: &Rows<'a>, bounds: Bounds) -> Self {
        let (past, ahead) = match rows.rows.last() {
            Some(newest) if newest.time > bounds.ceiling => rows.rows.split_after(bounds.ceiling),
            _ => (rows.rows, Span::default()),
        };
        let floor = bounds.floor;
        let oldest = rows.rows.first().map(|row| row.time);
        let inside = match (floor, oldest) {
            (Some(floor), Some(oldest)) if oldest <= floor => past.split_after(floor).1,
            _ => past,
        };
        // What overflowed is no newer than the oldest event held.
        let reaches_past_held = match (floor, oldest) {
            (Some(floor), Some(oldest)) => floor < oldest,
            _ => true,
        };
        let overflow = rows.overflow && reaches_past_held;
        let complete_from = oldest.and_then(|oldest| bounds.leaves(oldest));
        Self { inside, ahead, bounds, overflow, complete_from }
    }
}

impl EventCondition {
    /// Evaluates at `now` over what is known of the events of its name.
    pub(super) fn evaluate(&self, facts: &dyn Facts, now: Timestamp) -> Verdict {
        let selection = match self.select(facts, now) {
            Ok(selection) => selection,
            Err(verdict) => return verdict,
        };
        let Verdict { truth, valid_until } = selection.measure(&self.measure, now);
        let moves = earlier(selection.enters(), selection.stretch.bounds.until);
        Verdict { truth, valid_until: earlier(valid_until, moves) }
    }

    /// What is measured at `now`, in words, for an explanation.
    pub(super) fn measured(&self, facts: &dyn Facts, now: Timestamp) -> String {
        match self.select(facts, now) {
            Ok(selection) => selection.in_words(now),
            Err(Verdict { truth: Truth::Withheld, .. }) => "withheld".into(),
            Err(_) => "unknown, as there is nothing to count from".into(),
        }
    }

    /// The events that it looks at; a verdict where there is nowhere to look, or that may not be known.
    fn select<'a>(
        &'a self,
        facts: &'a dyn Facts,
        now: Timestamp,
    ) -> Result<Selection<'a>, Verdict> {
        let withheld = Verdict::lasting(Truth::Withheld);
        let rows = known_rows(facts.events(&self.of.name)).ok_or(withheld)?;
        let bounds = match &self.within {
            Some(window) => window.bounds(facts, now)?,
            None => Bounds::everything(now),
        };
        let zone = match self.measure.zone() {
            Some(zone) => zone.of(facts).ok_or(withheld)?,
            None => TimeZone::UTC,
        };
        Ok(Selection::new(self, rows, bounds, zone))
    }
}

impl<'a> Selection<'a> {
    fn new(condition: &'a EventCondition, rows: Rows<'a>, bounds: Bounds, zone: TimeZone) -> Self {
        let place = |path: &Path| rows.paths.binary_search(path).ok();
        let measured = condition.measure.property().and_then(place);
        let (selector, stretch) = (Selector::of(&condition.of, &rows), Stretch::of(&rows, bounds));
        Self { condition, selector, paths: rows.paths, measured, stretch, zone }
    }

    fn measure(&self, measure: &Measure, now: Timestamp) -> Verdict {
        match measure {
            Measure::Count(bound) => self.count(bound),
            Measure::Numbers { statistic, bound, .. } => self.numbers(*statistic, bound),
            Measure::Distinct { bound, .. } => self.distinct(bound),
            Measure::Periods { unit, bound, .. } => self.periods(*unit, bound),
            Measure::MostFrequent(filter) => self.most_frequent(filter),
            Measure::Share { filters, bound } => self.share(filters, bound),
            Measure::Last(filter) => self.last(filter),
            Measure::First(filter) => self.first(filter),
            Measure::Since(bound) => self.since(bound, now, self.newest_first()),
            Measure::SinceFirst(_) if self.stretch.overflow => self.overflowed(false),
            Measure::SinceFirst(bound) => self.since(bound, now, self.oldest_first()),
        }
    }

    fn newest_first(&self) -> impl Iterator<Item = (Bearing, Row<'a>)> {
        self.stretch
            .inside
            .iter()
            .rev()
            .filter_map(|row| self.selector.bearing(row).map(|bearing| (bearing, row)))
    }

    fn oldest_first(&self) -> impl Iterator<Item = (Bearing, Row<'a>)> {
        self.stretch
            .inside
            .iter()
            .filter_map(|row| self.selector.bearing(row).map(|bearing| (bearing, row)))
    }

    /// When an event leaves the window; never without one.
    fn leaves(&self, time: Timestamp) -> Option<Timestamp> {
        self.stretch.bounds.leaves(time)
    }

    /// When the next event that may matter enters.
    fn enters(&self) -> Option<Timestamp> {
        let next = self.stretch.ahead.iter().find(|row| self.selector.bearing(*row).is_some())?;
        self.stretch.bounds.enters(next.time)
    }

    /// The answer where events are lost that it would need: false, until the window no longer reaches for them.
    fn overflowed(&self, withheld: bool) -> Verdict {
        let truth = if withheld { Truth::Withheld } else { Truth::False };
        Verdict { truth, valid_until: self.stretch.complete_from }
    }

    /// Takes into a verdict on the newer events the answer with one more, older event.
    fn step(&self, verdict: &mut Verdict, truth: Truth, row: Row<'_>) {
        if truth != verdict.truth {
            *verdict = Verdict { truth, valid_until: self.leaves(row.time) };
        }
    }

    fn count(&self, bound: &Bound<u32>) -> Verdict {
        let (mut low, mut high) = (0_u32, 0_u32);
        self.fold_counts(bound, |bearing, _| {
            high = high.saturating_add(1);
            if bearing == Bearing::Selected {
                low = low.saturating_add(1);
            }
            (low, high)
        })
    }

    /// Takes numbers in newest first, always, so that a sum of doubles is the same whichever way it
    /// is reached.
    fn numbers(&self, statistic: Statistic, bound: &Bound<f64>) -> Verdict {
        let mut running = Running::new(statistic);
        let holds = |running: &Running| running.value().is_some_and(|value| bound.holds(value));
        let mut verdict = Verdict::lasting(holds(&running).into());
        let mut is_withheld = false;
        self.stretch.inside.each_newest_first(|row| {
            match self.selector.bearing(row) {
                Some(Bearing::Selected) => {
                    if let Some(amount) = row.number_at(self.measured) {
                        running.add(amount);
                        self.step(&mut verdict, holds(&running).into(), row);
                    }
                }
                Some(Bearing::Withheld) => {
                    is_withheld = true;
                    self.step(&mut verdict, Truth::Withheld, row);
                    return ControlFlow::Break(());
                }
                None => {}
            }
            ControlFlow::Continue(())
        });
        if self.stretch.overflow && !is_withheld { self.overflowed(false) } else { verdict }
    }

    /// Counts values; each event that may not be read may bring one more, or none.
    fn distinct(&self, bound: &Bound<u32>) -> Verdict {
        let (mut seen, mut withheld) = (HashSet::new(), 0_u32);
        self.fold_counts(bound, |bearing, row| {
            if bearing == Bearing::Withheld {
                withheld = withheld.saturating_add(1);
            } else if let Some(kind) = row.at(self.measured).as_ref().and_then(Seen::kind) {
                seen.insert(kind);
            }
            let low = u32::try_from(seen.len()).unwrap_or(u32::MAX);
            (low, low.saturating_add(withheld))
        })
    }

    /// Counts periods; one in which no event may be read may count, or not.
    fn periods(&self, unit: Unit, bound: &Bound<u32>) -> Verdict {
        let (mut low, mut high) = (0_u32, 0_u32);
        // The period that the walk is in: when it began, and whether it certainly counts.
        let mut period: Option<(Timestamp, bool)> = None;
        self.fold_counts(bound, |bearing, row| {
            if period.is_none_or(|(start, _)| row.time < start) {
                let start = unit.start(row.time, &self.zone, 0).unwrap_or(row.time);
                period = Some((start, false));
                high = high.saturating_add(1);
            }
            if let Some((_, counts)) = &mut period
                && bearing == Bearing::Selected
                && !*counts
            {
                *counts = true;
                low = low.saturating_add(1);
            }
            (low, high)
        })
    }

    /// The answer to how many there are; `take` tells after each event, newest first, how many at
    /// least and at most.
    fn fold_counts(
        &self,
        bound: &Bound<u32>,
        mut take: impl FnMut(Bearing, Row<'a>) -> (u32, u32),
    ) -> Verdict {
        let mut verdict = Verdict::lasting(bound.answer_over(0, 0));
        let (mut settled, mut is_withheld) = (bound.is_settled_at(0), false);
        for (bearing, row) in self.newest_first() {
            if settled {
                break;
            }
            let (low, high) = take(bearing, row);
            is_withheld = low < high;
            self.step(&mut verdict, bound.answer_over(low, high), row);
            settled = bound.is_settled_at(low);
        }
        if self.stretch.overflow && !settled { self.overflowed(is_withheld) } else { verdict }
    }

    fn last(&self, filter: &Filter) -> Verdict {
        let mut verdict = Verdict::lasting(Truth::False);
        if let Some((bearing, row)) = self.newest_first().next() {
            self.step(&mut verdict, self.answer(bearing, filter, row), row);
        }
        verdict
    }

    fn first(&self, filter: &Filter) -> Verdict {
        if self.stretch.overflow {
            return self.overflowed(false);
        }
        let mut seen = self.oldest_first();
        let Some((bearing, oldest)) = seen.next() else { return Verdict::lasting(Truth::False) };
        let truth = self.answer(bearing, filter, oldest);
        if self.leaves(oldest.time).is_none() {
            return Verdict::lasting(truth);
        }
        let alike = seen.take_while(|(bearing, row)| self.answer(*bearing, filter, *row) == truth);
        let newest_alike = alike.last().map_or(oldest, |(_, row)| row);
        Verdict { truth, valid_until: self.leaves(newest_alike.time) }
    }

    /// Time since the first of `rows`. Any withheld event before the first selected one may be it.
    fn since(
        &self,
        bound: &Bound<Duration>,
        now: Timestamp,
        rows: impl Iterator<Item = (Bearing, Row<'a>)>,
    ) -> Verdict {
        let mut truth = None;
        let mut valid_until = None;
        let mut candidate = |answer: Truth| {
            truth = Some(truth.map_or(answer, |t| if t == answer { t } else { Truth::Withheld }));
        };
        let mut selected = false;
        for (bearing, row) in rows {
            candidate(bound.holds(now.since(row.time)).into());
            let turns = turns(bound, row.time, now);
            valid_until = earlier(valid_until, earlier(turns, self.leaves(row.time)));
            selected = bearing == Bearing::Selected;
            if selected {
                break;
            }
        }
        if !selected {
            candidate(Truth::False);
        }
        Verdict { truth: truth.unwrap_or(Truth::False), valid_until }
    }

    /// What the event that decides says. A withheld one may be passed over or may hold any value.
    fn answer(&self, bearing: Bearing, filter: &Filter, row: Row<'_>) -> Truth {
        match bearing {
            Bearing::Selected => filter.test.holds(row.at(self.measured)).into(),
            Bearing::Withheld => Truth::Withheld,
        }
    }

    fn shown(&self, found: Option<(Bearing, Row<'_>)>) -> String {
        match found {
            None => "unknown, as there is no such event".into(),
            Some((_, row)) => {
                let value = row.at(self.measured).as_ref().map(Seen::to_value);
                super::explain::shown(value.as_ref())
            }
        }
    }

    fn in_words(&self, now: Timestamp) -> String {
        let selected = || self.newest_first().filter(|(bearing, _)| *bearing == Bearing::Selected);
        let withheld =
            self.stretch.inside.iter().filter(|row| !row.purposes.contains(self.selector.purpose));
        let measured = match &self.condition.measure {
            Measure::Count(_) => selected().count().to_string(),
            Measure::Numbers { statistic, .. } => {
                let mut running = Running::new(*statistic);
                let amounts = selected().filter_map(|(_, row)| row.at(self.measured)?.as_f64());
                amounts.for_each(|amount| running.add(amount));
                running.value().map_or("unknown, as there is no number".into(), rounded)
            }
            Measure::Distinct { .. } => {
                let kinds = selected()
                    .filter_map(|(_, row)| row.at(self.measured).as_ref().and_then(Seen::kind));
                kinds.collect::<HashSet<_>>().len().to_string()
            }
            Measure::Periods { unit, .. } => {
                let starts = selected().filter_map(|(_, row)| unit.start(row.time, &self.zone, 0));
                starts.collect::<HashSet<_>>().len().to_string()
            }
            Measure::MostFrequent(_) => self.most_frequent_in_words(),
            Measure::Share { filters, .. } => self.share_in_words(filters),
            Measure::Last(_) => self.shown(selected().next()),
            Measure::First(_) => self.shown(selected().last()),
            Measure::Since(_) => aged(selected().next(), now),
            Measure::SinceFirst(_) => aged(selected().last(), now),
        };
        let overflow = if self.stretch.overflow { ", older ones not held" } else { "" };
        match withheld.count() {
            0 => format!("{measured}{overflow}"),
            count => format!("{measured}, {count} withheld{overflow}"),
        }
    }
}

/// A number cut to millionths: what lies behind is the noise of reckoning with decimals in binary.
fn rounded(number: f64) -> String {
    ((number * 1e6_f64).round() / 1e6).to_string()
}

/// How long ago an event was, in words.
fn aged(found: Option<(Bearing, Row<'_>)>, now: Timestamp) -> String {
    match found {
        Some((_, row)) => now.since(row.time).in_words(),
        None => "unknown, as there is no such event".into(),
    }
}

/// When the answer about the age of an event at `time` next turns; ages only grow.
fn turns(bound: &Bound<Duration>, time: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let reaches = |age: Duration| time.saturating_add(age);
    let passes = |age: Duration| next_instant(reaches(age));
    let (first, second) = match *bound {
        Bound::Lt(age) | Bound::Gte(age) => (reaches(age), None),
        Bound::Lte(age) | Bound::Gt(age) => (passes(age), None),
        Bound::Between(low, high) => (reaches(low), Some(passes(high))),
        Bound::Eq(age) | Bound::Ne(age) => (reaches(age), Some(passes(age))),
    };
    [Some(first), second].into_iter().flatten().find(|instant| *instant > now)
}
