//! Finding a sequence: one walk over the events of all its names, oldest first, with the chains of
//! events that are on their way.
//!
//! Where a stage waits for an event, of the chains that agree on what later steps compare with only
//! the one that came last is kept: it began no earlier than the others, fewer events lie after it,
//! and less time has passed, so whatever completes another completes it too. Where a stage waits for
//! time to pass without an event, each is kept, since an older one is done sooner.
//!
//! What may not be read is looked at twice. A sequence is *sure* where it is found although such
//! events are taken for nothing that is wanted and for everything that must stay away, and *possible*
//! where it is found when they are taken the other way. Between the two it is withheld. An event of
//! that kind that could both begin a chain and end another makes the answer withheld in some cases
//! in which every reading of it agrees; the reference says the same.

use super::{Sequence, SequenceStep};
use crate::{
    Duration, Timestamp,
    condition::{
        Facts, Row, Rows, Seen, Truth, Verdict,
        comparison::Literal,
        evaluate::{earlier, known_rows},
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

/// What a later step compares with.
#[derive(Clone, PartialEq)]
enum Captured {
    /// It may not be read, so it may equal anything.
    Anything,
    /// A value, or the elements of a list, where there are any that can be compared.
    Values(Vec<Literal>),
}

/// Events that fit the stages so far.
#[derive(Clone)]
struct Chain {
    captured: Vec<Captured>,
    /// When it began.
    start: Timestamp,
    /// The place of its last stage.
    last: Timestamp,
    /// That place is the end of a time in which nothing happened, so an event there is later.
    has_ripened: bool,
}

/// What a walk found.
struct Found {
    /// When the newest complete chain began, if there is one.
    start: Option<Timestamp>,
    /// How many stages the furthest chain that is on its way has completed.
    stages: usize,
    /// When the next chain completes a stage by the clock alone.
    ripens: Option<Timestamp>,
}

/// The events of all names in the window, in their order, each with the place of its name.
struct Events<'a> {
    tracks: Vec<Rows<'a>>,
    all: Vec<(usize, Row<'a>)>,
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
        if self.cannot_begin(&tracks) {
            return Verdict { truth: Truth::False, valid_until: bounds.until };
        }
        let events = self.events(tracks, &bounds);
        let sure = self.walk(&events, Reading::Sure, bounds.ceiling);
        let leaves = |found: &Found| found.start.and_then(|start| bounds.leaves(start));
        if sure.start.is_some() && self.guards_at_end.is_empty() {
            // Nothing that may still come takes this away.
            let valid_until = earlier(leaves(&sure), bounds.until);
            return Verdict { truth: Truth::True, valid_until };
        }
        // In a window that has ended nothing ripens any more.
        let ripens = |found: &Found| found.ripens.filter(|ripens| now < *ripens);
        let until = |found: &Found| earlier(ripens(found), leaves(found));
        let moves = earlier(bounds.until, bounds.turns());
        let mut valid_until = earlier(earlier(events.enters, moves), until(&sure));
        let truth = match sure.start {
            Some(_) => Truth::True,
            None if events.any_withheld => {
                let possible = self.walk(&events, Reading::Possible, bounds.ceiling);
                valid_until = earlier(valid_until, until(&possible));
                if possible.start.is_some() { Truth::Withheld } else { Truth::False }
            }
            None => Truth::False,
        };
        Verdict { truth, valid_until }
    }

    /// How far it has come, in words.
    pub(in crate::condition) fn found(&self, facts: &dyn Facts, now: Timestamp) -> String {
        let Some(tracks) = self.tracks(facts) else { return "withheld".into() };
        let bounds = match self.bounds(facts, now) {
            Ok(bounds) => bounds,
            Err(Verdict { truth: Truth::Withheld, .. }) => return "withheld".into(),
            Err(_) => return "there is nothing to count from".into(),
        };
        let events = self.events(tracks, &bounds);
        let found = self.walk(&events, Reading::Sure, bounds.ceiling);
        let withheld = if events.any_withheld { ", some events withheld" } else { "" };
        match found.start {
            Some(start) => format!("it began at {start}{withheld}"),
            None => format!("{} of {} steps so far{withheld}", found.stages, self.stages.len()),
        }
    }

    /// The events of each name; `None` where one of them may not be looked at at all.
    fn tracks<'a>(&self, facts: &'a dyn Facts) -> Option<Vec<Rows<'a>>> {
        self.names.iter().map(|name| known_rows(facts.events(name))).collect()
    }

    /// Without an event of its first name there is nothing to wait for.
    fn cannot_begin(&self, tracks: &[Rows<'_>]) -> bool {
        tracks.first().is_none_or(|first| first.rows.is_empty())
    }

    fn bounds(&self, facts: &dyn Facts, now: Timestamp) -> Result<Bounds, Verdict> {
        self.within.as_ref().map_or(Ok(Bounds::everything(now)), |within| within.bounds(facts, now))
    }

    fn events<'a>(&self, tracks: Vec<Rows<'a>>, bounds: &Bounds) -> Events<'a> {
        let (mut all, mut any_withheld, mut enters) = (Vec::new(), false, None);
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
        Events { tracks, all, any_withheld, enters }
    }

    fn walk(&self, events: &Events<'_>, reading: Reading, now: Timestamp) -> Found {
        let mut walk = Walk::new(self, events, reading);
        for together in events.all.chunk_by(|(_, a), (_, b)| a.time == b.time) {
            together.first().into_iter().for_each(|(_, row)| walk.ripen(row.time));
            walk.see(together);
        }
        walk.ripen(now);
        walk.found()
    }
}

/// The chains on their way.
struct Walk<'a> {
    sequence: &'a Sequence,
    tracks: &'a [Rows<'a>],
    reading: Reading,
    /// For each stage, the chains that have completed it and nothing after it.
    waiting: Vec<Vec<Chain>>,
    /// For each stage, since when it is known whether what must stay away after it did, where
    /// older events are not held.
    known_since: Vec<Option<Timestamp>>,
}

impl<'a> Walk<'a> {
    fn new(sequence: &'a Sequence, events: &'a Events<'a>, reading: Reading) -> Self {
        let mut walk = Self {
            sequence,
            tracks: &events.tracks,
            reading,
            waiting: vec![Vec::new(); sequence.stages.len()],
            known_since: Vec::new(),
        };
        walk.known_since =
            (0..sequence.stages.len()).map(|stage| walk.known_since(stage)).collect();
        walk
    }

    fn step(&self, place: usize) -> Option<&'a SequenceStep> {
        self.sequence.places.get(place)
    }

    /// The step that chains wait for once they have completed `stage`; `None` after the last.
    fn awaited(&self, stage: usize) -> Option<(usize, &'a SequenceStep)> {
        let next = self.sequence.stages.get(stage + 1)?;
        Some((next.step, self.step(next.step)?))
    }

    /// For how long nothing may happen once `stage` is completed, where that is what comes next.
    fn absence(&self, stage: usize) -> Option<Duration> {
        self.awaited(stage).filter(|(_, step)| step.is_absent).and_then(|(_, step)| step.within)
    }

    /// The steps whose events must stay away while chains wait after `stage`.
    fn unwanted(&self, stage: usize) -> impl Iterator<Item = usize> + use<'a> {
        let next = self.sequence.stages.get(stage + 1);
        let guards = next.map_or(&self.sequence.guards_at_end, |next| &next.guards);
        let absent = self.awaited(stage).filter(|(_, step)| step.is_absent);
        guards.iter().copied().chain(absent.map(|(place, _)| place))
    }

    fn known_since(&self, stage: usize) -> Option<Timestamp> {
        let rows = |step| self.tracks.get(*self.sequence.tracks.get(step)?);
        let tracks = self.unwanted(stage).filter_map(rows);
        let lost = tracks.filter(|rows| rows.overflow);
        lost.map(|rows| rows.rows.first().map_or(Timestamp::MAX, |oldest| oldest.time)).max()
    }

    /// Completes the stages that need nothing but time to pass, up to and including `now`.
    fn ripen(&mut self, now: Timestamp) {
        for stage in 0..self.waiting.len() {
            let Some(length) = self.absence(stage) else { continue };
            let chains = self.waiting.get_mut(stage).map(std::mem::take).unwrap_or_default();
            let done = |chain: &Chain| chain.last.saturating_add(length) <= now;
            let (ripe, unripe): (Vec<_>, Vec<_>) = chains.into_iter().partition(done);
            if let Some(waiting) = self.waiting.get_mut(stage) {
                *waiting = unripe;
            }
            for chain in ripe {
                let last = chain.last.saturating_add(length);
                self.arrive(stage + 1, Chain { last, has_ripened: true, ..chain });
            }
        }
    }

    /// Takes in the next events, all of one instant: none is later than another, so each is seen by
    /// the chains that were there before.
    fn see(&mut self, together: &[(usize, Row<'_>)]) {
        let mut arriving = Vec::new();
        for &(track, row) in together {
            for stage in 0..self.waiting.len() {
                let onward = self.onward(stage, track, row);
                arriving.extend(onward.into_iter().map(|chain| (stage + 1, chain)));
            }
            arriving.extend(self.begun(track, row).map(|chain| (0, chain)));
        }
        for &(track, row) in together {
            for stage in 0..self.waiting.len() {
                self.end_chains(stage, track, row);
            }
        }
        arriving.into_iter().for_each(|(stage, chain)| self.arrive(stage, chain));
    }

    /// The chain that `row` begins, if it does.
    fn begun(&self, track: usize, row: Row<'_>) -> Option<Chain> {
        if !self.is_meant(0, track, row, self.reading == Reading::Possible) {
            return None;
        }
        let captured = vec![Captured::Values(Vec::new()); self.sequence.captures.len()];
        let mut chain = Chain { captured, start: row.time, last: row.time, has_ripened: false };
        self.capture(&mut chain, 0, track, row);
        Some(chain)
    }

    /// The chains after `stage` for which `row` is the next event, with it.
    fn onward(&self, stage: usize, track: usize, row: Row<'_>) -> Vec<Chain> {
        let Some((place, step)) = self.awaited(stage) else { return Vec::new() };
        let unread = self.reading == Reading::Possible;
        if step.is_absent || !self.is_meant(place, track, row, unread) {
            return Vec::new();
        }
        let waiting = self.waiting.get(stage).into_iter().flatten();
        let in_time = |chain: &&Chain| {
            let is_later = chain.last < row.time || chain.has_ripened;
            is_later && step.within.is_none_or(|within| row.time.since(chain.last) < within)
        };
        let of_same = |chain: &&Chain| self.is_same(chain, step, track, row, unread);
        let onward = waiting.filter(in_time).filter(of_same).map(|chain| {
            let mut chain = Chain { last: row.time, has_ripened: false, ..chain.clone() };
            self.capture(&mut chain, place, track, row);
            chain
        });
        onward.collect()
    }

    /// Ends the chains after `stage` that `row` must not follow.
    fn end_chains(&mut self, stage: usize, track: usize, row: Row<'_>) {
        let unread = self.reading == Reading::Sure;
        for place in self.unwanted(stage) {
            let Some(step) = self.step(place) else { continue };
            if !self.is_meant(place, track, row, unread) {
                continue;
            }
            let Some(chains) = self.waiting.get_mut(stage).map(std::mem::take) else { continue };
            let stays = |chain: &Chain| !self.is_same(chain, step, track, row, unread);
            let staying = chains.into_iter().filter(stays).collect();
            if let Some(waiting) = self.waiting.get_mut(stage) {
                *waiting = staying;
            }
        }
    }

    /// Puts a chain where it waits for the stage after `stage`.
    fn arrive(&mut self, stage: usize, chain: Chain) {
        let too_long = |span: Duration| chain.last.since(chain.start) >= span;
        let unknown = self.known_since.get(stage).copied().flatten();
        if self.sequence.span.is_some_and(too_long)
            || unknown.is_some_and(|known| chain.last < known)
        {
            return;
        }
        let waits_for_time = self.absence(stage).is_some();
        let Some(waiting) = self.waiting.get_mut(stage) else { return };
        let alike = waiting.iter_mut().find(|known| known.captured == chain.captured);
        match alike {
            Some(known) if !waits_for_time => *known = chain,
            _ => waiting.push(chain),
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
        step.zip(rows).is_some_and(|(step, rows)| step.what.selects(row, rows.paths))
    }

    /// Whether `row` has the values that a step shares with earlier ones; `unread` as for
    /// [`Self::is_meant`].
    fn is_same(
        &self,
        chain: &Chain,
        step: &SequenceStep,
        track: usize,
        row: Row<'_>,
        unread: bool,
    ) -> bool {
        step.same.iter().all(|same| {
            let place = self
                .sequence
                .captures
                .iter()
                .position(|capture| capture.step == same.step && capture.property == same.of);
            let known = place.and_then(|place| chain.captured.get(place));
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
        for (capture, captured) in self.sequence.captures.iter().zip(&mut chain.captured) {
            if capture.step == place {
                let seen = row.value(paths, &capture.property);
                let values = || seen.as_ref().map(literals).unwrap_or_default();
                *captured = if may_read { Captured::Values(values()) } else { Captured::Anything };
            }
        }
    }

    fn found(&self) -> Found {
        let ripens = (0..self.waiting.len()).filter_map(|stage| {
            let length = self.absence(stage)?;
            let oldest = self.waiting.get(stage)?.iter().map(|chain| chain.last).min()?;
            Some(oldest.saturating_add(length))
        });
        let reached = self.waiting.iter().rposition(|chains| !chains.is_empty());
        let complete = self.waiting.last().into_iter().flatten();
        Found {
            start: complete.map(|chain| chain.start).max(),
            stages: reached.map_or(0, |stage| stage + 1),
            ripens: ripens.min(),
        }
    }
}

/// What a value can be equal to: itself, or the elements of a list.
fn literals(seen: &Seen<'_>) -> Vec<Literal> {
    let Seen::List(elements) = seen else {
        return Literal::new(&seen.to_value(), false).into_iter().collect();
    };
    let mut literals = Vec::new();
    elements.any(|element| {
        literals.extend(Literal::new(&element.to_value(), false));
        MAX_ELEMENTS <= literals.len()
    });
    literals
}

/// Whether a value is what was captured, or a list that holds it.
fn is_among(captured: &Literal, seen: &Seen<'_>) -> bool {
    match seen {
        Seen::List(elements) => elements.any(|element| captured.equals(element)),
        other => captured.equals(other),
    }
}
