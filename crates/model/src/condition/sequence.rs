//! Sequences: events of a person in an order, and events that stay away.
//!
//! The steps of a sequence take their places in time one after the other. A step with an event takes
//! the place of an event that is later than the step before: of two events of the same instant
//! neither is later, since nothing tells which came first. A step with `not` and a length takes the
//! instant at which that length has passed without such an event. A `not` without a length takes no
//! place of its own: no such event may lie between its neighbours, or up to now where it is the last
//! step. A step of events in any order takes the place of the last of them.
//!
//! What is written is compiled to plain steps first: a step that repeats becomes as many, one of events in
//! any order a set of as many, and in a strict sequence a `not` for each name goes before every event.

mod chains;
mod waiting;

use std::{fmt, ops::Range};

use serde_json::{Map, json};

use super::{EventName, EventPattern, Window, visits};
use crate::{Duration, Value, value::Path};

/// Events of a person in an order. Made by parsing, which sees that it begins with an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    steps: Vec<SequenceStep>,
    whole: Whole,
    /// The plain steps that the written ones come to.
    places: Vec<Place>,
    /// The names of all steps, each once.
    names: Vec<EventName>,
    /// For each step, the place of its name among them.
    tracks: Vec<usize>,
    /// What later steps compare with, each once.
    captures: Vec<Capture>,
    stages: Vec<Stage>,
    /// The steps without a place that guard the time after the last stage.
    guards_at_end: Vec<usize>,
}

/// What a sequence must be as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whole {
    /// Only events of this window, which never ends some time ago; all events up to now when absent.
    pub within: Option<Window>,
    /// From the first event to the place of the last step less than this passes.
    pub span: Option<Duration>,
    /// Less than this has passed since the place of the last step.
    pub finished_within: Option<Duration>,
    /// Between two of its events lies none of the names that its events have.
    pub is_strict: bool,
    /// All of its events lie in one visit.
    pub is_of_one_visit: bool,
}

/// One step of a sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceStep {
    /// The event that happens, or stays away; several, which happen in any order.
    pub events: Vec<StepEvent>,
    /// It must not happen.
    pub is_absent: bool,
    /// How many such events there must be one after the other; 1 for one that stays away, and for several.
    pub times: usize,
    /// For an event, the time since the step before, or the same step before, is less than this; for
    /// one that stays away, for how long. Several that are the first step lie less than this after the
    /// first of them.
    pub within: Option<Duration>,
}

/// An event of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepEvent {
    /// Which.
    pub what: EventPattern,
    /// It is of the same values as earlier steps.
    pub same: Vec<Same>,
}

/// A plain step.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    event: StepEvent,
    is_absent: bool,
    within: Option<Duration>,
    /// The places that come in any order with it, its own among them; it alone, mostly.
    set: Range<usize>,
}

/// A property that equals one of an earlier step's event. Where either has none, they are not equal;
/// a list equals what it has an element in common with.
#[derive(Clone, Debug, PartialEq)]
pub struct Same {
    /// Where the property is found.
    pub property: Path,
    /// The place of the earlier step, an event, among all steps; of a step that repeats, its first
    /// event. A step that repeats may name itself, which binds all but its first event. Never one of events
    /// in any order.
    pub step: usize,
    /// Where its property is found.
    pub of: Path,
}

/// A property of a step's event that a later step compares with.
#[derive(Clone, Debug, PartialEq)]
struct Capture {
    step: usize,
    property: Path,
}

/// An event, or a time in which none happens, with the steps that guard the time before it.
#[derive(Clone, Debug, PartialEq)]
struct Stage {
    /// The plain step; of those that come in any order, one that no earlier stage has taken.
    places: Range<usize>,
    guards: Vec<usize>,
}

impl Sequence {
    /// Compiles a sequence. Its first step must be an event, and each [`Same`] name an earlier event.
    pub(super) fn new(steps: Vec<SequenceStep>, whole: Whole) -> Self {
        let places = plain(&steps, whole.is_strict);
        let (mut names, mut captures) = (Vec::new(), Vec::new());
        let (mut stages, mut guards) = (Vec::new(), Vec::new());
        for (place, step) in places.iter().enumerate() {
            push_new(&mut names, step.event.what.name.clone());
            for same in &step.event.same {
                push_new(&mut captures, Capture { step: same.step, property: same.of.clone() });
            }
            if step.is_absent && step.within.is_none() {
                guards.push(place);
                continue;
            }
            // What guards the time before a set guards the time before each of it.
            let stage = Stage { places: step.set.clone(), guards: guards.clone() };
            stages.push(stage);
            if place + 1 == step.set.end {
                guards.clear();
            }
        }
        let track = |step: &Place| names.iter().position(|name| *name == step.event.what.name);
        let tracks = places.iter().filter_map(track).collect();
        Self { steps, whole, places, names, tracks, captures, stages, guards_at_end: guards }
    }

    /// The steps, in their order.
    pub fn steps(&self) -> &[SequenceStep] {
        &self.steps
    }

    /// What it must be as a whole.
    pub fn whole(&self) -> &Whole {
        &self.whole
    }

    /// Which events it looks at.
    pub fn patterns(&self) -> impl Iterator<Item = &EventPattern> {
        let visits = self.whole.is_of_one_visit.then(|| &*visits::PATTERN);
        self.places.iter().map(|step| &step.event.what).chain(visits)
    }

    /// The properties that it reads, by the name of their event; names may repeat.
    pub fn reads(&self) -> impl Iterator<Item = (&EventName, impl Iterator<Item = &Path>)> {
        self.places.iter().enumerate().map(|(place, Place { event, .. })| {
            let compared = event.same.iter().map(|same| &same.property);
            let captured = self.captures.iter().filter(move |capture| capture.step == place);
            let captured = captured.map(|capture| &capture.property);
            (&event.what.name, event.what.properties().chain(compared).chain(captured))
        })
    }

    /// The document it stands for.
    pub(super) fn to_value(&self) -> Value {
        let mut object = Map::new();
        let steps = self.steps.iter().map(SequenceStep::to_value).collect();
        object.insert("sequence".into(), Value::Array(steps));
        let Whole { within, span, finished_within, is_strict, is_of_one_visit } = &self.whole;
        if let Some(within) = within {
            object.insert("within".into(), within.to_value());
        }
        for (name, length) in [("span", span), ("finished_within", finished_within)] {
            object.extend(length.map(|length| (name.into(), length.to_string().into())));
        }
        for (name, holds) in [("strict", is_strict), ("same_visit", is_of_one_visit)] {
            object.extend(holds.then(|| (name.into(), true.into())));
        }
        Value::Object(object)
    }
}

impl SequenceStep {
    fn to_value(&self) -> Value {
        let event = |event: &StepEvent| {
            let mut object = event.what.to_object();
            if !event.same.is_empty() {
                object.insert("same".into(), event.same.iter().map(Same::to_value).collect());
            }
            if 1 < self.times {
                object.insert("times".into(), self.times.into());
            }
            Value::Object(object)
        };
        let mut value = match (&*self.events, self.is_absent) {
            ([one], false) => event(one),
            ([one], true) => json!({ "not": event(one) }),
            (several, _) => json!({ "any_order": several.iter().map(event).collect::<Value>() }),
        };
        if let Some(within) = self.within {
            value["within"] = within.to_string().into();
        }
        value
    }
}

impl Same {
    fn to_value(&self) -> Value {
        json!({"property": self.property, "step": self.step, "as": self.of})
    }
}

/// The plain steps that written ones come to.
fn plain(steps: &[SequenceStep], is_strict: bool) -> Vec<Place> {
    let mut names = Vec::new();
    let events = steps.iter().filter(|step| !step.is_absent).flat_map(|step| &step.events);
    events.for_each(|event| push_new(&mut names, event.what.name.clone()));
    let mut places: Vec<Place> = Vec::new();
    // Where the first event of each written step is.
    let mut firsts: Vec<usize> = Vec::new();
    for (written, step) in steps.iter().enumerate() {
        for repetition in 0..step.times {
            if is_strict && !step.is_absent {
                places.extend((places.len()..).zip(&names).map(nothing));
            }
            if repetition == 0 {
                firsts.push(places.len());
            }
            let bound = |same: &&Same| same.step != written || 0 < repetition;
            let placed = |same: &Same| Same {
                step: firsts.get(same.step).copied().unwrap_or_default(),
                ..same.clone()
            };
            let set = places.len()..places.len() + step.events.len();
            places.extend(step.events.iter().map(|event| Place {
                event: StepEvent {
                    what: event.what.clone(),
                    same: event.same.iter().filter(bound).map(placed).collect(),
                },
                is_absent: step.is_absent,
                within: step.within,
                set: set.clone(),
            }));
        }
    }
    places
}

/// That no event of a name lies where this place is.
fn nothing((place, name): (usize, &EventName)) -> Place {
    let what = EventPattern { name: name.clone(), filters: Vec::new() };
    let event = StepEvent { what, same: Vec::new() };
    Place { event, is_absent: true, within: None, set: place..place + 1 }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// As in `"A", then "B" within 1d, then no "C" for 1h`.
impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.steps.iter().enumerate() {
            if place > 0 {
                f.write_str(", then ")?;
            }
            step.fmt(f)?;
        }
        let Whole { within, span, finished_within, is_strict, is_of_one_visit } = &self.whole;
        if *is_strict {
            f.write_str(", with none of these between")?;
        }
        if *is_of_one_visit {
            f.write_str(", all in one visit")?;
        }
        span.map_or(Ok(()), |span| write!(f, ", all within {span} of one another"))?;
        finished_within.map_or(Ok(()), |length| write!(f, ", finished within {length}"))?;
        within.as_ref().map_or(Ok(()), |within| write!(f, ", {within}"))
    }
}

impl fmt::Display for SequenceStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_absent {
            f.write_str("no ")?;
        }
        for (place, event) in self.events.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { " and " })?;
            event.what.fmt(f)?;
            if 1 < self.times {
                write!(f, " {} times", self.times)?;
            }
            for (place, same) in event.same.iter().enumerate() {
                f.write_str(if place == 0 { " with the same " } else { " and " })?;
                same.fmt(f)?;
            }
        }
        if 1 < self.events.len() {
            f.write_str(" in any order")?;
        }
        match (self.is_absent, self.within) {
            (_, None) => Ok(()),
            (true, Some(within)) => write!(f, " for {within}"),
            (false, Some(within)) => write!(f, " within {within}"),
        }
    }
}

impl fmt::Display for Same {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, step, of } = self;
        write!(f, "{property}")?;
        if property != of {
            write!(f, " as the {of}")?;
        }
        write!(f, " of step {}", step + 1)
    }
}
