//! Finding a sequence: one walk over the events of all its names, oldest first, with the chains of
//! events that are on their way.
//!
//! Where a stage waits for an event, of the chains that agree on what later steps compare with only
//! the one that came last is kept: it began no earlier than the others, fewer events lie after it,
//! and less time has passed, so whatever completes another completes it too. Where a stage waits for
//! time to pass without an event, each is kept, since an older one is done sooner. Of a set of events in any
//! order a chain remembers which it has; such chains agree where they have the same. A chain that comes too
//! late for whatever it waits for is let go, so that no more are held than a rule's lengths can still need.
//!
//! What may not be read is looked at twice. A sequence is *sure* where it is found although such
//! events are taken for nothing that is wanted and for everything that must stay away, and *possible*
//! where it is found when they are taken the other way. Between the two it is withheld. An event of
//! that kind that could both begin a chain and end another makes the answer withheld in some cases
//! in which every reading of it agrees; the reference says the same.

use std::{ops::Range, rc::Rc};

use super::{
    Capture, Place, Same, Sequence, Whole,
    waiting::{Captured, Chain, Look, UNMARKED, Wait, Waiting, mark},
};
use crate::{
    Duration, Timestamp,
    condition::{
        Facts, Row, Rows, Seen, Truth, Verdict,
        comparison::Literal,
        evaluate::{earlier, known_rows},
        visits,
        window::Bounds,
    },
};

/// Most elements of a list that a later step compares with, so that comparing two lists takes no more
/// than some hundred thousand steps; an event of 32 KiB holds no more than ten thousand elements.
const MAX_ELEMENTS: usize = 100;

/// How events that may not be read are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Sure,
    Possible,
}

/// A chain that is complete.
#[derive(Clone, Copy)]
struct Complete {
    start: Timestamp,
    /// The place of its last step.
    finish: Timestamp,
}

/// What a walk found.
struct Found {
    complete: Vec<Complete>,
    /// How many stages the furthest chain that is on its way has completed.
    stages: usize,
    /// When the next chain completes a stage by the clock alone.
    ripens: Option<Timestamp>,
}

/// The events of all names in the window, in their order, each with the place of its name.
struct Events<'a> {
    tracks: Vec<Rows<'a>>,
    all: Vec<(usize, Row<'a>)>,
    /// The person's visits, where they matter.
    visits: Option<Rows<'a>>,
    /// Once a chain is complete, nothing takes that away: no later event, and no time.
    is_lasting: bool,
    /// Some of them may not be read.
    any_withheld: bool,
    /// When the next event dated after now begins to count.
    enters: Option<Timestamp>,
}

impl Sequence {
    /// Evaluates at `now`.
    pub(in crate::condition) fn evaluate(&self, facts: &dyn Facts, now: Timestamp) -> Verdict {
        let Some(tracks) = self.tracks(facts) else { return Verdict::lasting(Truth::Withheld) };
        let bounds = match self.bounds(facts, now) {
            Ok(bounds) => bounds,
            Err(verdict) => return verdict,
        };
        if self.lacks(&tracks) {
            return Verdict { truth: Truth::False, valid_until: bounds.until };
        }
        let Some(visits) = self.visits(facts) else { return Verdict::lasting(Truth::Withheld) };
        let events = self.events(tracks, visits, &bounds);
        let sure = self.walk(&events, Reading::Sure, bounds.ceiling);
        let stands = self.stands(&sure, &bounds, now);
        if let Some(until) = stands
            && self.guards_at_end.is_empty()
        {
            // Nothing that may still come takes this away.
            return Verdict { truth: Truth::True, valid_until: earlier(until, bounds.until) };
        }
        // In a window that has ended nothing ripens any more.
        let ripens = |found: &Found| found.ripens.filter(|ripens| now < *ripens);
        let moves = earlier(bounds.until, bounds.turns());
        let waits = earlier(earlier(events.enters, moves), ripens(&sure));
        if let Some(until) = stands {
            return Verdict { truth: Truth::True, valid_until: earlier(waits, until) };
        }
        if !events.any_withheld {
            return Verdict { truth: Truth::False, valid_until: waits };
        }
        let possible = self.walk(&events, Reading::Possible, bounds.ceiling);
        let waits = earlier(waits, ripens(&possible));
        match self.stands(&possible, &bounds, now) {
            Some(until) => Verdict { truth: Truth::Withheld, valid_until: earlier(waits, until) },
            None => Verdict { truth: Truth::False, valid_until: waits },
        }
    }

    /// Whether a complete chain was found that counts, and how long one does.
    fn stands(&self, found: &Found, bounds: &Bounds, now: Timestamp) -> Option<Option<Timestamp>> {
        let ages = |chain: &Complete| {
            self.whole.finished_within.map(|length| chain.finish.saturating_add(length))
        };
        let counting =
            found.complete.iter().filter(|chain| ages(chain).is_none_or(|until| now < until));
        let untils = counting.map(|chain| earlier(ages(chain), bounds.leaves(chain.start)));
        untils.max_by_key(|until| until.unwrap_or(Timestamp::MAX))
    }

    /// How far it has come, in words.
    pub(in crate::condition) fn found(&self, facts: &dyn Facts, now: Timestamp) -> String {
        let Some(tracks) = self.tracks(facts) else { return "withheld".into() };
        let bounds = match self.bounds(facts, now) {
            Ok(bounds) => bounds,
            Err(Verdict { truth: Truth::Withheld, .. }) => return "withheld".into(),
            Err(_) => return "there is nothing to count from".into(),
        };
        let Some(visits) = self.visits(facts) else { return "withheld".into() };
        let events = self.events(tracks, visits, &bounds);
        let found = self.walk(&events, Reading::Sure, bounds.ceiling);
        let withheld = if events.any_withheld { ", some events withheld" } else { "" };
        let newest = found.complete.iter().max_by_key(|chain| chain.start);
        match (newest, self.whole.finished_within) {
            (None, _) => {
                format!("{} of {} steps so far{withheld}", found.stages, self.stages.len())
            }
            (Some(chain), None) => format!("it began at {}{withheld}", chain.start),
            (Some(chain), Some(_)) => {
                format!("it began at {}, finished at {}{withheld}", chain.start, chain.finish)
            }
        }
    }

    /// The events of each name; `None` where one of them may not be looked at at all.
    fn tracks<'a>(&self, facts: &'a dyn Facts) -> Option<Vec<Rows<'a>>> {
        self.names.iter().map(|name| known_rows(facts.events(name))).collect()
    }

    /// Whether there is no event at all of a name that it wants, so that there is nothing to wait for.
    fn lacks(&self, tracks: &[Rows<'_>]) -> bool {
        self.places.iter().zip(&self.tracks).any(|(step, track)| {
            !step.is_absent && tracks.get(*track).is_none_or(|rows| rows.rows.is_empty())
        })
    }

    fn bounds(&self, facts: &dyn Facts, now: Timestamp) -> Result<Bounds, Verdict> {
        let Whole { within, .. } = &self.whole;
        within.as_ref().map_or(Ok(Bounds::everything(now)), |within| within.bounds(facts, now))
    }

    /// The person's visits, where they matter; `None` where they may not be looked at.
    #[expect(clippy::option_option, reason = "what does not matter is not withheld")]
    fn visits<'a>(&self, facts: &'a dyn Facts) -> Option<Option<Rows<'a>>> {
        if !self.whole.is_of_one_visit {
            return Some(None);
        }
        known_rows(facts.events(&visits::PATTERN.name)).map(Some)
    }

    fn events<'a>(
        &self,
        tracks: Vec<Rows<'a>>,
        visits: Option<Rows<'a>>,
        bounds: &Bounds,
    ) -> Events<'a> {
        let may_read =
            |rows: &Rows<'_>| rows.rows.iter().all(|row| row.purposes.contains(rows.purpose));
        let (mut all, mut enters) = (Vec::new(), None);
        let mut any_withheld = visits.as_ref().is_some_and(|visits| !may_read(visits));
        for (track, rows) in tracks.iter().enumerate() {
            let (past, ahead) = rows.rows.split_after(bounds.ceiling);
            enters = earlier(enters, ahead.first().and_then(|row| bounds.enters(row.time)));
            let inside = bounds.floor.map_or(past, |floor| past.split_after(floor).1);
            all.extend(inside.iter().map(|row| (track, row)));
            any_withheld |= inside.iter().any(|row| !row.purposes.contains(rows.purpose));
        }
        if tracks.len() > 1 {
            all.sort_by_key(|(_, row)| row.time);
        }
        // Windows without an end to the past let nothing leave, whatever its time.
        let is_lasting = self.guards_at_end.is_empty()
            && self.whole.finished_within.is_none()
            && bounds.leaves(bounds.ceiling).is_none();
        Events { tracks, all, visits, is_lasting, any_withheld, enters }
    }

    fn walk(&self, events: &Events<'_>, reading: Reading, now: Timestamp) -> Found {
        let mut walk = Walk::new(self, events, reading);
        for together in events.all.chunk_by(|(_, a), (_, b)| a.time == b.time) {
            if let Some((_, row)) = together.first() {
                walk.ripen(row.time);
                walk.see(together, row.time);
            }
            if events.is_lasting && walk.is_complete() {
                break;
            }
        }
        walk.ripen(now);
        walk.found()
    }
}

/// The chains on their way.
struct Walk<'a> {
    sequence: &'a Sequence,
    tracks: &'a [Rows<'a>],
    visits: Option<Rows<'a>>,
    reading: Reading,
    /// For each stage, the chains that have completed it and nothing after it.
    waiting: Vec<Waiting>,
    /// For each stage, since when it is known whether what must stay away after it did, where
    /// older events are not held.
    known_since: Vec<Option<Timestamp>>,
}

impl<'a> Walk<'a> {
    fn new(sequence: &'a Sequence, events: &'a Events<'a>, reading: Reading) -> Self {
        let mut walk = Self {
            sequence,
            tracks: &events.tracks,
            visits: events.visits,
            reading,
            waiting: Vec::new(),
            known_since: Vec::new(),
        };
        walk.waiting = (0..sequence.stages.len()).map(|stage| walk.nobody(stage)).collect();
        walk.known_since =
            (0..sequence.stages.len()).map(|stage| walk.known_since(stage)).collect();
        walk
    }

    fn step(&self, place: usize) -> Option<&'a Place> {
        self.sequence.places.get(place)
    }

    /// The places that chains wait for once they have completed `stage`, those that they have of a set among
    /// them; none after the last.
    fn awaited(&self, stage: usize) -> Range<usize> {
        self.sequence.stages.get(stage + 1).map_or(0..0, |next| next.places.clone())
    }

    /// For how long nothing may happen once `stage` is completed, where that is what comes next.
    fn absence(&self, stage: usize) -> Option<Duration> {
        let mut awaited = self.awaited(stage).filter_map(|place| self.step(place));
        awaited.next().filter(|step| step.is_absent).and_then(|step| step.within)
    }

    /// Where chains will wait once they have completed `stage`.
    fn nobody(&self, stage: usize) -> Waiting {
        let awaited = self.awaited(stage);
        let Some(step) = self.step(awaited.start).filter(|_| !awaited.is_empty()) else {
            return Waiting::new(Wait::Nothing, None);
        };
        let wait = match (step.is_absent, step.within) {
            (true, Some(length)) => Wait::Time(length),
            (_, patience) => Wait::Event { patience, span: self.sequence.whole.span },
        };
        let compared = step.event.same.first().filter(|_| awaited.len() == 1);
        Waiting::new(wait, compared.and_then(|same| self.capture_of(same)))
    }

    /// The place of what a step compares with among what is captured.
    fn capture_of(&self, same: &Same) -> Option<usize> {
        let is_meant = |capture: &Capture| capture.step == same.step && capture.property == same.of;
        self.sequence.captures.iter().position(is_meant)
    }

    /// Which of the chains after `stage` may have the values of a row at a place that may be read.
    fn look(&self, stage: usize, place: usize, track: usize, row: Row<'_>) -> Look {
        let is_awaited = self.awaited(stage).contains(&place);
        let is_indexed = self.waiting.get(stage).is_some_and(Waiting::is_indexed);
        let step = self.step(place).filter(|_| is_awaited && is_indexed);
        match step.and_then(|step| step.event.same.first()) {
            Some(same) if self.may_read(track, row) => {
                let paths = self.tracks.get(track).map_or(&[][..], |rows| rows.paths);
                Look::of(row.value(paths, &same.property).as_ref())
            }
            _ => Look::All,
        }
    }

    /// The visit that goes on at an instant, by its number.
    fn visit_at(&self, time: Timestamp) -> Option<usize> {
        let visits = self.visits?;
        let (past, _) = visits.rows.split_after(time);
        let row = past.last()?;
        let may_read = row.purposes.contains(visits.purpose) || self.reading == Reading::Possible;
        (may_read && time < visits::end(row, &visits)).then_some(past.len())
    }

    /// The steps whose events must stay away while chains wait after `stage`.
    fn unwanted(&self, stage: usize) -> impl Iterator<Item = usize> + use<'a> {
        let next = self.sequence.stages.get(stage + 1);
        let guards = next.map_or(&self.sequence.guards_at_end, |next| &next.guards);
        let absent = self.absence(stage).and_then(|_| self.awaited(stage).next());
        guards.iter().copied().chain(absent)
    }

    fn known_since(&self, stage: usize) -> Option<Timestamp> {
        let rows = |step| self.tracks.get(*self.sequence.tracks.get(step)?);
        let tracks = self.unwanted(stage).filter_map(rows);
        let lost = tracks.filter(|rows| rows.overflow);
        lost.map(|rows| rows.rows.first().map_or(Timestamp::MAX, |oldest| oldest.time)).max()
    }

    /// Completes the stages that need nothing but time to pass, up to and including `now`, and lets go of
    /// the chains for which an event at `now` comes too late.
    fn ripen(&mut self, now: Timestamp) {
        for stage in 0..self.waiting.len() {
            let due = self.waiting.get_mut(stage).map(|waiting| waiting.take_due(now));
            let Some(length) = self.absence(stage) else { continue };
            for chain in due.into_iter().flatten() {
                let last = chain.last.saturating_add(length);
                self.arrive(stage + 1, Chain { last, from: last, has_ripened: true, ..chain });
            }
        }
    }

    /// Takes in the next events, all of one instant: none is later than another, so each is seen by
    /// the chains that were there before.
    fn see(&mut self, together: &[(usize, Row<'_>)], now: Timestamp) {
        let mut arriving = Vec::new();
        let visit = self.visit_at(now);
        for &(track, row) in together {
            for stage in 0..self.waiting.len() {
                self.onward(stage, track, row, visit, &mut arriving);
            }
            self.begin(track, row, visit, &mut arriving);
        }
        for &(track, row) in together {
            for stage in 0..self.waiting.len() {
                self.end_chains(stage, track, row);
            }
        }
        arriving.into_iter().for_each(|(stage, chain)| self.arrive(stage, chain));
    }

    /// The chains that `row` begins.
    fn begin(
        &self,
        track: usize,
        row: Row<'_>,
        visit: Option<usize>,
        arriving: &mut Vec<(usize, Chain)>,
    ) {
        let is_outside = self.visits.is_some() && visit.is_none();
        let first = self.sequence.stages.first().map_or(0..0, |first| first.places.clone());
        for place in first {
            let unread = self.reading == Reading::Possible;
            if is_outside || !self.is_meant(place, track, row, unread) {
                continue;
            }
            let count = self.sequence.captures.len();
            let time = row.time;
            let mut chain = Chain {
                captured: vec![Captured::Values(Rc::default()); count],
                marks: vec![UNMARKED; count],
                start: time,
                from: time,
                last: time,
                has_ripened: false,
                taken: 0,
                visit,
            };
            self.take(&mut chain, 0, place, track, row);
            arriving.push((0, chain));
        }
    }

    /// The chains after `stage` for which `row` is the next event, with it.
    fn onward(
        &self,
        stage: usize,
        track: usize,
        row: Row<'_>,
        visit: Option<usize>,
        arriving: &mut Vec<(usize, Chain)>,
    ) {
        let unread = self.reading == Reading::Possible;
        let awaited = self.awaited(stage);
        for place in awaited.clone() {
            let Some(step) = self.step(place).filter(|step| !step.is_absent) else { continue };
            if !self.is_meant(place, track, row, unread) {
                continue;
            }
            let look = self.look(stage, place, track, row);
            let waiting = self.waiting.get(stage).into_iter();
            let onward = waiting.flat_map(|waiting| waiting.look(&look)).filter(|chain| {
                let is_later = chain.last < row.time || chain.has_ripened;
                is_later
                    && chain.taken & bit(&awaited, place) == 0
                    && (self.visits.is_none() || chain.visit == visit && visit.is_some())
                    && step.within.is_none_or(|within| row.time.since(chain.from) < within)
                    && self.is_same(chain, step, track, row, unread)
            });
            arriving.extend(onward.map(|chain| {
                let mut chain = Chain { last: row.time, has_ripened: false, ..chain.clone() };
                self.take(&mut chain, stage + 1, place, track, row);
                (stage + 1, chain)
            }));
        }
    }

    /// Adds `row` to a chain, at a place, with which it completes `stage`.
    fn take(&self, chain: &mut Chain, stage: usize, place: usize, track: usize, row: Row<'_>) {
        let set = self.sequence.stages.get(stage).map_or(0..0, |stage| stage.places.clone());
        if self.awaited(stage) == set {
            chain.taken |= bit(&set, place);
        } else {
            chain.taken = 0;
            chain.from = row.time;
        }
        self.capture(chain, place, track, row);
    }

    /// Ends the chains after `stage` that `row` must not follow.
    fn end_chains(&mut self, stage: usize, track: usize, row: Row<'_>) {
        let unread = self.reading == Reading::Sure;
        for place in self.unwanted(stage) {
            let Some(step) = self.step(place) else { continue };
            if !self.is_meant(place, track, row, unread) {
                continue;
            }
            let look = self.look(stage, place, track, row);
            // It is looked at while what it waits with is asked.
            let Some(mut waiting) = self.waiting.get_mut(stage).map(std::mem::take) else {
                continue;
            };
            waiting.retain(&look, |chain| !self.is_same(chain, step, track, row, unread));
            if let Some(place) = self.waiting.get_mut(stage) {
                *place = waiting;
            }
        }
    }

    /// Puts a chain where it waits for the stage after `stage`.
    fn arrive(&mut self, stage: usize, chain: Chain) {
        let too_long = |span: Duration| chain.last.since(chain.start) >= span;
        let unknown = self.known_since.get(stage).copied().flatten();
        if self.sequence.whole.span.is_some_and(too_long)
            || unknown.is_some_and(|known| chain.last < known)
        {
            return;
        }
        if let Some(waiting) = self.waiting.get_mut(stage) {
            waiting.arrive(chain);
        }
    }

    fn may_read(&self, track: usize, row: Row<'_>) -> bool {
        self.tracks.get(track).is_some_and(|rows| row.purposes.contains(rows.purpose))
    }

    /// Whether `row` is an event of the step at `place`. What may not be read is where `unread` says
    /// so: it is taken as is best for a possible chain and worst for a sure one.
    fn is_meant(&self, place: usize, track: usize, row: Row<'_>, unread: bool) -> bool {
        if self.sequence.tracks.get(place) != Some(&track) {
            return false;
        }
        if !self.may_read(track, row) {
            return unread;
        }
        let (step, rows) = (self.step(place), self.tracks.get(track));
        step.zip(rows).is_some_and(|(step, rows)| step.event.what.selects(row, rows.paths))
    }

    /// Whether `row` has the values that a step shares with earlier ones; `unread` as for
    /// [`Self::is_meant`].
    fn is_same(
        &self,
        chain: &Chain,
        step: &Place,
        track: usize,
        row: Row<'_>,
        unread: bool,
    ) -> bool {
        step.event.same.iter().all(|same| {
            let known = self.capture_of(same).and_then(|place| chain.captured.get(place));
            match known {
                _ if !self.may_read(track, row) => unread,
                Some(Captured::Anything) => unread,
                Some(Captured::Values(values)) => {
                    let paths = self.tracks.get(track).map_or(&[][..], |rows| rows.paths);
                    let seen = row.value(paths, &same.property);
                    seen.is_some_and(|seen| values.iter().any(|value| is_among(value, &seen)))
                }
                None => false,
            }
        })
    }

    /// Takes from `row` what later steps compare with.
    fn capture(&self, chain: &mut Chain, place: usize, track: usize, row: Row<'_>) {
        let may_read = self.may_read(track, row);
        let paths = self.tracks.get(track).map_or(&[][..], |rows| rows.paths);
        let kept = chain.captured.iter_mut().zip(&mut chain.marks);
        for (capture, (captured, kept_mark)) in self.sequence.captures.iter().zip(kept) {
            if capture.step != place {
                continue;
            }
            let seen = row.value(paths, &capture.property).filter(|_| may_read);
            let values = || seen.as_ref().map(literals).unwrap_or_default();
            *captured = if may_read { Captured::Values(values()) } else { Captured::Anything };
            *kept_mark = seen.as_ref().map_or(UNMARKED, mark);
        }
    }

    fn is_complete(&self) -> bool {
        self.waiting.last().is_some_and(|waiting| waiting.iter().next().is_some())
    }

    fn found(&self) -> Found {
        let reached = self.waiting.iter().rposition(|waiting| waiting.iter().next().is_some());
        let complete = self.waiting.last().into_iter().flat_map(Waiting::iter);
        let complete = complete.map(|chain| Complete { start: chain.start, finish: chain.last });
        Found {
            complete: complete.collect(),
            stages: reached.map_or(0, |stage| stage + 1),
            ripens: self.waiting.iter().filter_map(Waiting::ripens).min(),
        }
    }
}

/// The bit that stands for a place of a set.
fn bit(set: &Range<usize>, place: usize) -> u8 {
    let index = u32::try_from(place.saturating_sub(set.start)).unwrap_or(u32::MAX);
    1_u8.checked_shl(index).unwrap_or_default()
}

/// What a value can be equal to: itself, or the elements of a list.
fn literals(seen: &Seen<'_>) -> Rc<[Literal]> {
    let Seen::List(elements) = seen else {
        return Literal::new(&seen.to_value(), false).into_iter().collect();
    };
    let mut literals = Vec::new();
    elements.any(|element| {
        literals.extend(Literal::new(&element.to_value(), false));
        MAX_ELEMENTS <= literals.len()
    });
    literals.into()
}

/// Whether a value is what was captured, or a list that holds it.
fn is_among(captured: &Literal, seen: &Seen<'_>) -> bool {
    match seen {
        Seen::List(elements) => elements.any(|element| captured.equals(element)),
        other => captured.equals(other),
    }
}
