//! The reference: memberships by looking at the full history, again at every instant at which one could change.
//!
//! It uses neither the dependency index, nor expiries, nor the evaluation of rules (only their
//! order and the documents they were compiled from), so that the incremental fold can be held
//! against it in property tests and simulations. It is slow.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Duration, Key, Purpose, PurposeSet, Timestamp, UnitId, Value,
    condition::{
        Condition, EventName, EventRow, Fact, Facts, Measure, Membership, Rows, Run, Sequence,
        Stay, Truth, When, Whole, Window, reference,
        visits::{LAST, PAUSE},
    },
    consent::PurposeKey,
    value::{Object, Path},
};

use crate::{Audience, Catalog, FactsByPurpose};

/// Something learnt about a person.
#[derive(Clone, Debug)]
pub struct Observation {
    /// When it was learnt.
    pub at: Timestamp,
    /// What.
    pub what: Learnt,
}

/// What was learnt about a person.
#[derive(Clone, Debug)]
pub enum Learnt {
    /// They did something, now, earlier or (as clocks go) later.
    Event {
        /// The event's name.
        name: String,
        /// The event.
        row: EventRow,
        /// The properties that rows of its name keep, sorted; the same for all events of the name.
        paths: Vec<Path>,
    },
    /// A trait of theirs has a value, which may be read for some purposes; JSON `null` removes it.
    Trait {
        /// The trait's name.
        name: String,
        /// Its value.
        value: Value,
        /// What it may be read for.
        purposes: PurposeSet,
    },
    /// They granted or withdrew a purpose, and with it what may be read.
    Consent {
        /// The purpose.
        purpose: Purpose,
        /// Whether it is granted from now on.
        granted: bool,
    },
}

/// Everything known of a person, held plainly.
#[derive(Clone, Debug)]
pub struct Person {
    views: Vec<View>,
}

#[derive(Clone, Debug)]
struct View {
    purpose: Purpose,
    granted: PurposeSet,
    traits: Object,
    trait_purposes: BTreeMap<String, PurposeSet>,
    events: BTreeMap<String, (Vec<Path>, Run)>,
}

impl Default for Person {
    fn default() -> Self {
        let view = |purpose| View {
            purpose,
            granted: PurposeSet::ALL,
            traits: Object::new(),
            trait_purposes: BTreeMap::new(),
            events: BTreeMap::new(),
        };
        Self { views: PurposeSet::ALL.iter().map(view).collect() }
    }
}

impl Person {
    /// Takes in one more thing.
    pub fn learn(&mut self, what: &Learnt) {
        self.views.iter_mut().for_each(|view| view.learn(what));
    }
}

impl View {
    fn learn(&mut self, what: &Learnt) {
        match what {
            Learnt::Event { name, row, paths } => {
                let known = || (paths.clone(), Run::default());
                let (_, run) = self.events.entry(name.clone()).or_insert_with(known);
                run.insert(0, row);
            }
            Learnt::Trait { name, value, purposes } => {
                self.traits.insert(name.clone(), value.clone());
                self.trait_purposes.insert(name.clone(), *purposes);
            }
            Learnt::Consent { purpose, granted: true } => {
                self.granted = self.granted.with(*purpose);
            }
            Learnt::Consent { purpose, granted: false } => {
                self.granted = self.granted.without(*purpose);
            }
        }
    }

    fn may_read(&self) -> bool {
        self.granted.contains(self.purpose)
    }
}

impl FactsByPurpose for Person {
    fn facts(&self, purpose: Purpose) -> &dyn Facts {
        &self.views[usize::from(purpose.number())]
    }
}

impl Facts for View {
    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        let name = path.as_str().split('.').next().unwrap_or_default();
        let purposes = self.trait_purposes.get(name).copied().unwrap_or(PurposeSet::ALL);
        match path.find(&self.traits) {
            _ if !self.may_read() || !purposes.contains(self.purpose) => Fact::Withheld,
            Some(value) => Fact::Known(value),
            None => Fact::Missing,
        }
    }

    fn context(&self, _: &Path) -> Fact<&Value> {
        Fact::Missing
    }

    fn events(&self, name: &EventName) -> Fact<Rows<'_>> {
        if !self.may_read() {
            return Fact::Withheld;
        }
        match self.events.get(name.text.as_str()) {
            Some((paths, run)) => {
                let rows = run.span(0);
                Fact::Known(Rows { rows, paths, purpose: self.purpose, overflow: false })
            }
            None => Fact::Missing,
        }
    }

    fn membership(&self, _: &Key) -> Option<Membership> {
        None
    }

    fn consents_to(&self, purpose: &PurposeKey) -> Option<bool> {
        let known = Purpose::BUILT_IN.into_iter().find(|(_, key)| *key == purpose.0.as_str());
        known.map(|(purpose, _)| self.granted.contains(purpose))
    }

    fn unit(&self) -> UnitId {
        UnitId(7)
    }
}

/// Memberships at `at` in all audiences of `catalog` that are stored, from the full history, which is ordered by time.
/// Nothing but truth and transitions is worked out.
pub fn members(
    history: &[Observation],
    catalog: &Catalog,
    at: Timestamp,
) -> BTreeMap<Key, Membership> {
    let mut last = BTreeMap::new();
    replay(history, catalog, at, |_, members| last.clone_from(members));
    last
}

/// Replays the history up to `until` and shows the memberships at every instant at which one could
/// change, and at `until`.
pub fn replay(
    history: &[Observation],
    catalog: &Catalog,
    until: Timestamp,
    mut show: impl FnMut(Timestamp, &BTreeMap<Key, Membership>),
) {
    let documents: Vec<(&Audience, Value)> = catalog
        .audiences()
        .iter()
        .filter(|audience| !audience.request_only())
        .map(|audience| (audience, audience.rule().condition().to_value()))
        .collect();
    let mut instants = instants(history, catalog);
    instants.insert(until);
    let lengths = lengths(catalog);
    let mut person = Person::default();
    let mut members = BTreeMap::new();
    let mut waiting = history.iter().peekable();
    // Before anything is learnt there is no person.
    let born = history.first().map_or(until, |first| first.at);
    while let Some(now) = instants.pop_first().filter(|now| *now <= until) {
        if born < now {
            evaluate(&person, &documents, now, &mut members);
        }
        while let Some(observation) = waiting.next_if(|next| next.at <= now) {
            person.learn(&observation.what);
            evaluate(&person, &documents, now, &mut members);
        }
        let moved = members.values().any(|member| member.since == Some(now));
        instants.extend(lengths.iter().filter(|_| moved).map(|l| now.saturating_add(*l)));
        show(now, &members);
    }
}

fn evaluate(
    person: &Person,
    documents: &[(&Audience, Value)],
    now: Timestamp,
    members: &mut BTreeMap<Key, Membership>,
) {
    for (audience, document) in documents {
        let facts = Known { person: person.facts(audience.purpose()), members };
        let truth = reference::truth(document, &facts, now);
        let before = members.get(audience.key()).copied();
        let turned = before.is_some_and(|b| b.truth.is_true()) != truth.is_true();
        let before = before.unwrap_or(Membership::unrecorded(Truth::False));
        let (since, previous) =
            if turned { (Some(now), before.since) } else { (before.since, before.previous) };
        let member = Membership { truth, since, previous, valid_until: None };
        members.insert(audience.key().clone(), member);
    }
}

/// Every instant at which an answer could change: something is learnt, an event begins to count,
/// leaves a window, or reaches an age.
fn instants(history: &[Observation], catalog: &Catalog) -> BTreeSet<Timestamp> {
    let (lengths, ages) = (turning_lengths(catalog), turning_ages(catalog));
    let mut instants = BTreeSet::new();
    for Observation { at, what } in history {
        instants.insert(*at);
        match what {
            Learnt::Event { row, paths, .. } => {
                instants.insert(row.time);
                let last =
                    row.as_row().value(paths, &LAST).and_then(|last| last.to_value().as_i64());
                instants.extend(last.map(|last| Timestamp(last).saturating_add(PAUSE)));
                for length in &lengths {
                    let reached = row.time.saturating_add(*length);
                    instants.extend([reached, Timestamp(reached.0 + 1)]);
                }
            }
            Learnt::Trait { value, .. } => {
                let then = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
                let turns = then.into_iter().flat_map(|then| ages.iter().map(move |a| (then, a)));
                instants.extend(turns.map(|(then, age)| then.saturating_add(*age)));
            }
            Learnt::Consent { .. } => {}
        }
    }
    instants
}

/// How long after an instant in a trait, or before it where negative, an answer may turn. Days turn
/// by themselves, so histories for this reference have none.
fn turning_ages(catalog: &Catalog) -> BTreeSet<Duration> {
    let mut ages = BTreeSet::from([Duration::default()]);
    for audience in catalog.audiences() {
        audience.rule().condition().visit(&mut |_, condition| {
            let Condition::Dated(dated) = condition else { return };
            match dated.when {
                When::OlderThan(age) | When::NewerThan(age) => ages.extend([age]),
                When::WithinNext(Duration(length)) => ages.extend([Duration(-length)]),
                When::Around(_) | When::Anniversary(_) => {}
            }
        });
    }
    ages
}

/// How long after an event an answer may turn by the clock alone.
fn turning_lengths(catalog: &Catalog) -> BTreeSet<Duration> {
    let mut lengths = BTreeSet::new();
    for audience in catalog.audiences() {
        audience.rule().condition().visit(&mut |_, condition| match condition {
            Condition::Event(event) => {
                lengths.extend(event.within.iter().flat_map(turns));
                match event.measure {
                    Measure::Since(bound) | Measure::SinceFirst(bound) => {
                        let (low, high) = bound.ends();
                        lengths.extend([low, high]);
                    }
                    _ => {}
                }
            }
            Condition::Sequence(sequence) => {
                let Whole { within, finished_within, .. } = sequence.whole();
                lengths.extend(within.iter().flat_map(turns));
                let absences = absences(sequence);
                let ends = absences.iter().chain([&Duration(0)]);
                let finished =
                    ends.flat_map(|end| finished_within.map(|Duration(f)| Duration(end.0 + f)));
                lengths.extend(finished.chain(absences.iter().copied()));
            }
            _ => {}
        });
    }
    lengths
}

/// How long after it happens an event enters or leaves a window. Calendars turn by themselves, so
/// histories for this reference have none.
fn turns(window: &Window) -> Vec<Duration> {
    match window {
        Window::Last(length) => vec![*length],
        Window::Ago { from, to } => vec![*from, *to],
        Window::Fixed { .. } | Window::Calendar { .. } | Window::Since(_) => Vec::new(),
        Window::Visit => vec![PAUSE],
    }
}

/// The lengths for which nothing may happen, and the sums of those that follow one another.
fn absences(sequence: &Sequence) -> Vec<Duration> {
    let steps = sequence.steps();
    let runs =
        (0..steps.len()).flat_map(|first| (first + 1..=steps.len()).map(move |end| first..end));
    let run = |run: std::ops::Range<usize>| {
        let absent = steps.get(run)?.iter().filter(|step| step.is_absent);
        Some(Duration(absent.filter_map(|step| step.within).map(|Duration(length)| length).sum()))
    };
    runs.filter_map(run).collect()
}

/// How long after somebody goes in or out an answer about that may turn.
fn lengths(catalog: &Catalog) -> BTreeSet<Duration> {
    let mut lengths = BTreeSet::new();
    for audience in catalog.audiences() {
        audience.rule().condition().visit(&mut |_, condition| {
            let Condition::Audience { stay, .. } = condition else { return };
            match *stay {
                Stay::ForAtLeast(length)
                | Stay::EnteredWithin(length)
                | Stay::LeftWithin(length) => lengths.extend([length]),
                Stay::Present | Stay::Ever => {}
            }
        });
    }
    lengths
}

/// A person's facts with memberships as worked out so far.
struct Known<'a> {
    person: &'a dyn Facts,
    members: &'a BTreeMap<Key, Membership>,
}

impl Facts for Known<'_> {
    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        self.person.trait_value(path)
    }

    fn context(&self, path: &Path) -> Fact<&Value> {
        self.person.context(path)
    }

    fn events(&self, name: &EventName) -> Fact<Rows<'_>> {
        self.person.events(name)
    }

    fn membership(&self, audience: &Key) -> Option<Membership> {
        let outside = Membership::unrecorded(Truth::False);
        Some(self.members.get(audience).copied().unwrap_or(outside))
    }

    fn consents_to(&self, purpose: &PurposeKey) -> Option<bool> {
        self.person.consents_to(purpose)
    }

    fn unit(&self) -> UnitId {
        self.person.unit()
    }
}
