//! From exposures and events to what units did.

use std::{collections::BTreeMap, ops::Range};

use experiment::{Arm, Measured, Stratum, Tally, measure};
use model::{
    Purpose, StrandId, Timestamp, UnitId,
    condition::{EventName, EventRow, Fact, Facts, Layout, Rows, Run},
    table::{Part, Values, Wanted},
};

use super::{
    Trial, TrialError,
    links::People,
    rows::{Read, Reads},
    source::place,
};
use crate::archive::tables;

/// What all units did: by what they got, by the version of the definition that exposed them, and by their stratum.
pub type Found = BTreeMap<Exposing, Group>;

/// What units got, the version of the definition that exposed them, and their stratum.
pub type Exposing = (Arm, u64, Stratum);

/// What the units of a group did.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Units exposed to this arm and no other.
    pub units: u64,
    /// Units exposed to this arm first, and to others as well.
    pub several: u64,
    /// What the former did, added up.
    pub tally: Tally,
    /// What each of them did, where sums do not tell the metric.
    pub each: Vec<Measured>,
}

impl Group {
    fn add(&mut self, other: Self) {
        self.units += other.units;
        self.several += other.several;
        self.tally.merge(&other.tally);
        self.each.extend(other.each);
    }
}

/// That a strand was exposed, and to the arm of which group.
#[derive(Clone, Copy, Debug)]
struct Exposed {
    strand: StrandId,
    at: Timestamp,
    group: usize,
}

/// An event of somebody who was exposed: of a strand by its place, or of a person by its number.
#[derive(Debug)]
struct Happened {
    owner: usize,
    number: u32,
    row: EventRow,
}

/// What was found in some lanes.
#[derive(Debug, Default)]
pub(super) struct Block {
    groups: Groups,
    /// Exposures of people of several strands, by their numbers.
    exposed: Vec<(usize, Exposed)>,
    /// What they did.
    happened: Vec<Happened>,
}

/// Groups by their numbers.
#[derive(Debug, Default)]
struct Groups(Vec<(Exposing, Group)>);

impl Groups {
    fn number(&mut self, of: Exposing) -> usize {
        self.0.iter().position(|(known, _)| *known == of).unwrap_or_else(|| {
            self.0.push((of, Group::default()));
            self.0.len() - 1
        })
    }
}

/// A strand of a block.
#[derive(Clone, Copy, Debug)]
struct Slot {
    strand: StrandId,
    /// The number of its person, who has others.
    person: Option<usize>,
}

/// Measures the units of some lanes, and gathers what is about people of several strands.
pub(super) fn block(
    trial: &Trial<'_>,
    reads: &Reads,
    people: &People,
    lanes: Range<u16>,
) -> Result<Block, TrialError> {
    let mut block = Block::default();
    let mut exposed = exposures(trial, lanes.clone(), &mut block.groups)?;
    // Each file is in order, which a stable sort makes use of.
    exposed.sort_by_key(|one| (place(one.strand), one.at));
    let slots = slots(&exposed, people.within(&lanes));
    let Events { mut happened, moved } = events(trial, reads, lanes, (&slots, people))?;
    block.happened = moved;
    happened.sort_by_key(|one| one.owner);
    let (mut exposed, mut happened) =
        (exposed.into_iter().peekable(), happened.into_iter().peekable());
    let (mut mine, mut did) = (Vec::new(), Vec::new());
    let mut units =
        Units { trial, layout: &reads.layout, groups: std::mem::take(&mut block.groups) };
    for (place, slot) in slots.iter().enumerate() {
        let exposures = std::iter::from_fn(|| exposed.next_if(|one| one.strand == slot.strand));
        let events = std::iter::from_fn(|| happened.next_if(|one| one.owner == place));
        match slot.person {
            Some(person) => {
                block.exposed.extend(exposures.map(|one| (person, one)));
                block.happened.extend(events.map(|one| Happened { owner: person, ..one }));
            }
            None => {
                mine.extend(exposures);
                did.extend(events);
                units.measure(&mine, &did);
                mine.clear();
                did.clear();
            }
        }
    }
    block.groups = units.groups;
    Ok(block)
}

/// What was found in all lanes, with the people whose strands lie in several.
pub(super) fn together(trial: &Trial<'_>, reads: &Reads, blocks: Vec<Block>) -> Found {
    let mut groups = Groups::default();
    let (mut exposed, mut happened) = (Vec::new(), Vec::new());
    for block in blocks {
        let mut numbers = Vec::with_capacity(block.groups.0.len());
        for (of, group) in block.groups.0 {
            let number = groups.number(of);
            if let Some((_, known)) = groups.0.get_mut(number) {
                known.add(group);
            }
            numbers.push(number);
        }
        let renumbered = |(person, one): (usize, Exposed)| {
            let group = *numbers.get(one.group)?;
            Some((person, Exposed { group, ..one }))
        };
        exposed.extend(block.exposed.into_iter().filter_map(renumbered));
        happened.extend(block.happened);
    }
    exposed.sort_unstable_by_key(|(person, one)| (*person, one.at));
    happened.sort_unstable_by_key(|one| one.owner);
    let mut happened = happened.into_iter().peekable();
    let mut units = Units { trial, layout: &reads.layout, groups };
    for of_person in exposed.chunk_by(|a, b| a.0 == b.0) {
        let Some((person, _)) = of_person.first() else { continue };
        let mine: Vec<Exposed> = of_person.iter().map(|(_, one)| *one).collect();
        while happened.next_if(|one| one.owner < *person).is_some() {}
        let did =
            std::iter::from_fn(|| happened.next_if(|one| one.owner == *person)).collect::<Vec<_>>();
        units.measure(&mine, &did);
    }
    // Of some groups all units were exposed to another one first.
    let has_units = |group: &Group| 0 < group.units + group.several;
    units.groups.0.into_iter().filter(|(_, group)| has_units(group)).collect()
}

/// The exposures of some lanes.
fn exposures(
    trial: &Trial<'_>,
    lanes: Range<u16>,
    groups: &mut Groups,
) -> Result<Vec<Exposed>, TrialError> {
    let hidden = &trial.sources.hidden;
    let mut columns =
        vec!["strand", "event_time", "experience_version", "variant", "holdout", "policy", "cell"];
    if hidden.has_requests() {
        columns.push("request");
    }
    let is_meant = |experience: &str| experience == trial.experience.as_str();
    let wanted = Wanted { columns: &columns, lanes, only: Some(("experience", &is_meant)) };
    let mut exposed = Vec::new();
    trial.sources.exposures.each(trial, &tables::EXPOSURES, &wanted, &mut |part, is_file| {
        let [strands, times, rest @ ..] = &part.columns[..] else { return };
        let requests = part.columns.get(7);
        let mut told = Vec::new();
        for row in 0..part.rows {
            let (Some(strand), Some(at)) = (strands.strand(row), times.integer(row)) else {
                continue;
            };
            let request = requests.and_then(|requests| requests.text(row));
            let is_hidden = hidden.strand(strand) || request.is_some_and(|one| hidden.request(one));
            if is_file && is_hidden {
                continue;
            }
            let Some(of) = group(rest, row, &mut told, groups) else { continue };
            exposed.push(Exposed { strand, at: Timestamp(at), group: of });
        }
    })?;
    Ok(exposed)
}

/// By what a group is told apart, as a row of a part has it, and the number of the group.
type Told = ([Option<usize>; 2], [Option<i64>; 3], usize);
/// More than an experience has arms and strata, mostly; to look through many costs more than to read the words.
const TOLD_MAX: usize = 16;

/// The group of an exposure. Most rows of a part say the same as one before them, so the words are read only where
/// their numbers are new.
fn group(
    columns: &[Values],
    row: usize,
    told: &mut Vec<Told>,
    groups: &mut Groups,
) -> Option<usize> {
    let [versions, variants, holdouts, policies, cells, ..] = columns else { return None };
    let word = |values: &Values| match values {
        Values::Texts(texts) => texts.number(row),
        _ => None,
    };
    let words = [word(variants), word(holdouts)];
    let numbers = [versions.integer(row), policies.integer(row), cells.integer(row)];
    if let Some((.., group)) = told.iter().find(|known| known.0 == words && known.1 == numbers) {
        return Some(*group);
    }
    let arm = match holdouts.text(row) {
        None => Arm::Variant(variants.text(row)?.parse().ok()?),
        Some("experience") => Arm::Holdout,
        Some(_) => Arm::SharedHoldout,
    };
    let [version, policy, cell] = numbers;
    let natural = |number: Option<i64>| number.and_then(|n| u64::try_from(n).ok());
    let stratum = Stratum {
        policy: natural(policy).unwrap_or_default(),
        cell: cell.and_then(|cell| u16::try_from(cell).ok()).unwrap_or_default(),
    };
    let group = groups.number((arm, natural(version).unwrap_or_default(), stratum));
    if told.len() < TOLD_MAX {
        told.push((words, numbers, group));
    }
    Some(group)
}

/// The strands that were exposed, and those of people of several strands, in the order of files.
fn slots(exposed: &[Exposed], shared: &[(StrandId, usize)]) -> Vec<Slot> {
    let mut slots = Vec::with_capacity(exposed.len() + shared.len());
    let mut shared = shared.iter().copied().peekable();
    let of = |(strand, person): (StrandId, usize)| Slot { strand, person: Some(person) };
    for one in exposed.chunk_by(|a, b| a.strand == b.strand).filter_map(<[_]>::first) {
        let strand = one.strand;
        while let Some(other) = shared.next_if(|(other, _)| place(*other) < place(strand)) {
            slots.push(of(other));
        }
        let person = shared.next_if(|(other, _)| *other == strand).map(|(_, person)| person);
        slots.push(Slot { strand, person });
    }
    slots.extend(shared.map(of));
    slots
}

/// Finds strands among those of a block. Files have them in the order of the block, so each is looked for near the one
/// before.
struct Owners {
    /// The numbers of strands by their places: dense, since the processor waits for memory here.
    numbers: Vec<i64>,
    /// Where the one that was looked for last is, or would be.
    next: usize,
}

impl Owners {
    fn of(slots: &[Slot]) -> Self {
        Self { numbers: slots.iter().map(|slot| number(slot.strand)).collect(), next: 0 }
    }

    fn find(&mut self, strand: StrandId) -> Option<usize> {
        let number = number(strand);
        let is_before = |known: &i64| *known < number;
        let before = self.next.checked_sub(1).and_then(|before| self.numbers.get(before));
        // Another file begins anew.
        let from = if before.is_none_or(is_before) { self.next } else { 0 };
        let mut step = 1;
        while self.numbers.get(from + step).is_some_and(is_before) {
            step *= 2;
        }
        let near = self.numbers.get(from..self.numbers.len().min(from + step))?;
        self.next = from + near.partition_point(is_before);
        (self.numbers.get(self.next) == Some(&number)).then_some(self.next)
    }
}

/// The number of a strand; no log is so long that one has none.
fn number(strand: StrandId) -> i64 {
    strand.number().unwrap_or(i64::MAX)
}

/// What happened.
#[derive(Default)]
struct Events {
    /// To strands, by their places.
    happened: Vec<Happened>,
    /// To strands that files do not say, by the numbers of their people.
    moved: Vec<Happened>,
}

/// What happened to some strands.
fn events(
    trial: &Trial<'_>,
    reads: &Reads,
    lanes: Range<u16>,
    (slots, people): (&[Slot], &People),
) -> Result<Events, TrialError> {
    let first_tie = u64::from(lanes.start) << 48;
    let is_read = |name: &str| reads.is_read(name);
    let wanted = Wanted { columns: &reads.columns, lanes, only: Some(("name", &is_read)) };
    let hidden = &trial.sources.hidden;
    let mut owners = Owners::of(slots);
    // Somebody's events may come from several blocks.
    let (mut found, mut tie) = (Events::default(), first_tie);
    let mut take = |part: &Part, is_file: bool| {
        reads.each(part, trial.rules, &mut |read| {
            let Read { row, strand, seq, number, time, purposes } = read;
            // Events of one instant are told apart by the order in which they are read.
            tie += 1;
            // Most people were never exposed, and what they did is not decoded.
            let event = |owner| {
                let values = reads.values(number, part, row);
                let row = EventRow { time, tie, purposes, values };
                Happened { owner, number, row }
            };
            if let Some(seq) = seq.filter(|_| is_file) {
                if let Some(to) = hidden.moved(seq) {
                    found.moved.extend(people.person(to).map(event));
                    return;
                }
                if hidden.event(strand, seq) {
                    return;
                }
            }
            found.happened.extend(owners.find(strand).map(event));
        });
    };
    trial.sources.events.each(trial, &tables::EVENTS, &wanted, &mut take)?;
    Ok(found)
}

/// Measures units, and adds them up.
struct Units<'a> {
    trial: &'a Trial<'a>,
    layout: &'a Layout,
    groups: Groups,
}

impl Units<'_> {
    /// Measures a unit with these exposures, which did this.
    fn measure(&mut self, exposed: &[Exposed], happened: &[Happened]) {
        let Trial { metric, rules, now, .. } = *self.trial;
        let groups = &self.groups.0;
        let of = |one: &Exposed| {
            groups.get(one.group).map(|((arm, version, stratum), _)| (arm, version, stratum))
        };
        // The earliest counts; of two at one instant that whose arm sorts first, as for sums.
        let order = |one: &&Exposed| {
            let of = of(one);
            (one.at, of.map(|of| (of.0, of.1)), one.strand, of.map(|of| of.2))
        };
        let Some(first) = exposed.iter().min_by_key(order).copied() else { return };
        let arm = |one: &Exposed| of(one).map(|(arm, ..)| arm);
        let is_other = |one: &Exposed| one.group != first.group && arm(one) != arm(&first);
        let is_several = exposed.iter().any(is_other);
        let Some((_, group)) = self.groups.0.get_mut(first.group) else { return };
        if is_several {
            group.several += 1;
            return;
        }
        let mut run = Run::default();
        if !happened.is_empty() {
            run.extend(happened.iter().map(|one| (one.number, one.row.as_row())));
        }
        let may_be_read = exposed.iter().all(|one| rules.strand(one.strand));
        let did = Did { run: &run, layout: self.layout, purpose: metric.purpose, may_be_read };
        let (measured, _) = measure(metric, first.at, &did, now);
        group.units += 1;
        group.tally.add(&measured);
        if metric.needs_all_units() {
            group.each.push(measured);
        }
    }
}

/// What a unit did, as metrics ask.
struct Did<'a> {
    run: &'a Run,
    layout: &'a Layout,
    purpose: Purpose,
    may_be_read: bool,
}

impl Facts for Did<'_> {
    fn events(&self, name: &EventName) -> Fact<Rows<'_>> {
        if !self.may_be_read {
            return Fact::Withheld;
        }
        // Most units did nothing that is asked for.
        if self.run.is_empty() {
            return Fact::Missing;
        }
        let Some(number) = self.layout.number(name) else { return Fact::Missing };
        let (rows, paths) = (self.run.span(number), self.layout.paths(number));
        Fact::Known(Rows { rows, paths, purpose: self.purpose, overflow: false })
    }

    fn unit(&self) -> UnitId {
        UnitId(0)
    }
}
