//! Sequences: events of a person in an order, and events that stay away.
//!
//! The steps of a sequence take their places in time one after the other. A step with an event takes
//! the place of an event that is later than the step before: of two events of the same instant
//! neither is later, since nothing tells which came first. A step with `not` and a length takes the
//! instant at which that length has passed without such an event. A `not` without a length takes no
//! place of its own: no such event may lie between its neighbours, or up to now where it is the last
//! step.
//!
//! What is written is compiled to plain steps first: a step that repeats becomes as many, and in a
//! strict sequence a `not` for each name goes before every event.

mod chains;

use std::fmt;

use serde_json::{Map, json};

use super::{EventName, EventPattern, Window};
use crate::{Duration, Value, value::Path};

/// Events of a person in an order. Made by parsing, which sees that it begins with an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    steps: Vec<SequenceStep>,
    within: Option<Window>,
    span: Option<Duration>,
    is_strict: bool,
    /// The plain steps that the written ones come to.
    places: Vec<SequenceStep>,
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

/// One step of a sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceStep {
    /// The event that happens, or stays away.
    pub what: EventPattern,
    /// It is of the same values as earlier steps.
    pub same: Vec<Same>,
    /// It must not happen.
    pub is_absent: bool,
    /// How many such events there must be one after the other; 1 for one that stays away.
    pub times: usize,
    /// For an event, the time since the step before, or the same step before, is less than this; for
    /// one that stays away, for how long.
    pub within: Option<Duration>,
}

/// A property that equals one of an earlier step's event. Where either has none, they are not equal;
/// a list equals what it has an element in common with.
#[derive(Clone, Debug, PartialEq)]
pub struct Same {
    /// Where the property is found.
    pub property: Path,
    /// The place of the earlier step, an event, among all steps; of a step that repeats, its first
    /// event. A step that repeats may name itself, which binds all but its first event.
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

/// A step that takes a place in time, with the steps that guard the time before it.
#[derive(Clone, Debug, PartialEq)]
struct Stage {
    step: usize,
    guards: Vec<usize>,
}

impl Sequence {
    /// Compiles a sequence. Its first step must be an event, and each [`Same`] name an earlier event.
    pub(super) fn new(
        steps: Vec<SequenceStep>,
        within: Option<Window>,
        span: Option<Duration>,
        is_strict: bool,
    ) -> Self {
        let places = plain(&steps, is_strict);
        let (mut names, mut captures) = (Vec::new(), Vec::new());
        let (mut stages, mut guards) = (Vec::new(), Vec::new());
        for (place, step) in places.iter().enumerate() {
            push_new(&mut names, step.what.name.clone());
            for same in &step.same {
                push_new(&mut captures, Capture { step: same.step, property: same.of.clone() });
            }
            if step.is_absent && step.within.is_none() {
                guards.push(place);
            } else {
                stages.push(Stage { step: place, guards: std::mem::take(&mut guards) });
            }
        }
        let track = |step: &SequenceStep| names.iter().position(|name| *name == step.what.name);
        let tracks = places.iter().filter_map(track).collect();
        Self {
            steps,
            within,
            span,
            is_strict,
            places,
            names,
            tracks,
            captures,
            stages,
            guards_at_end: guards,
        }
    }

    /// The steps, in their order.
    pub fn steps(&self) -> &[SequenceStep] {
        &self.steps
    }

    /// Only events of this window, which never ends some time ago; all events up to now when absent.
    pub fn within(&self) -> Option<&Window> {
        self.within.as_ref()
    }

    /// From the first event to the place of the last step less than this passes.
    pub fn span(&self) -> Option<Duration> {
        self.span
    }

    /// Which events it looks at.
    pub fn patterns(&self) -> impl Iterator<Item = &EventPattern> {
        self.places.iter().map(|step| &step.what)
    }

    /// The properties that it reads, by the name of their event; names may repeat.
    pub fn reads(&self) -> impl Iterator<Item = (&EventName, impl Iterator<Item = &Path>)> {
        self.places.iter().enumerate().map(|(place, step)| {
            let compared = step.same.iter().map(|same| &same.property);
            let captured = self.captures.iter().filter(move |capture| capture.step == place);
            let captured = captured.map(|capture| &capture.property);
            (&step.what.name, step.what.properties().chain(compared).chain(captured))
        })
    }

    /// The document it stands for.
    pub(super) fn to_value(&self) -> Value {
        let mut object = Map::new();
        let steps = self.steps.iter().map(SequenceStep::to_value).collect();
        object.insert("sequence".into(), Value::Array(steps));
        if let Some(within) = &self.within {
            object.insert("within".into(), within.to_value());
        }
        if let Some(span) = self.span {
            object.insert("span".into(), span.to_string().into());
        }
        if self.is_strict {
            object.insert("strict".into(), true.into());
        }
        Value::Object(object)
    }
}

impl SequenceStep {
    fn to_value(&self) -> Value {
        let mut object = self.what.to_object();
        if !self.same.is_empty() {
            object.insert("same".into(), self.same.iter().map(Same::to_value).collect());
        }
        if 1 < self.times {
            object.insert("times".into(), self.times.into());
        }
        if self.is_absent {
            object = Map::from_iter([("not".to_owned(), Value::Object(object))]);
        }
        if let Some(within) = self.within {
            object.insert("within".into(), within.to_string().into());
        }
        Value::Object(object)
    }
}

impl Same {
    fn to_value(&self) -> Value {
        json!({"property": self.property, "step": self.step, "as": self.of})
    }
}

/// The plain steps that written ones come to.
fn plain(steps: &[SequenceStep], is_strict: bool) -> Vec<SequenceStep> {
    let mut names = Vec::new();
    let events = steps.iter().filter(|step| !step.is_absent);
    events.for_each(|step| push_new(&mut names, step.what.name.clone()));
    let nothing = |name: &EventName| SequenceStep {
        what: EventPattern { name: name.clone(), filters: Vec::new() },
        same: Vec::new(),
        is_absent: true,
        times: 1,
        within: None,
    };
    let mut places: Vec<SequenceStep> = Vec::new();
    // Where the first event of each written step is.
    let mut firsts: Vec<usize> = Vec::new();
    for (written, step) in steps.iter().enumerate() {
        for repetition in 0..step.times {
            if is_strict && !step.is_absent && !places.is_empty() {
                places.extend(names.iter().map(nothing));
            }
            if repetition == 0 {
                firsts.push(places.len());
            }
            let bound = |same: &&Same| same.step != written || 0 < repetition;
            let placed = |same: &Same| Same {
                step: firsts.get(same.step).copied().unwrap_or_default(),
                ..same.clone()
            };
            places.push(SequenceStep {
                same: step.same.iter().filter(bound).map(placed).collect(),
                within: step.within.filter(|_| !places.is_empty()),
                times: 1,
                ..step.clone()
            });
        }
    }
    places
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
        if self.is_strict {
            f.write_str(", with none of these between")?;
        }
        if let Some(span) = self.span {
            write!(f, ", all within {span} of one another")?;
        }
        self.within.as_ref().map_or(Ok(()), |within| write!(f, ", {within}"))
    }
}

impl fmt::Display for SequenceStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_absent {
            f.write_str("no ")?;
        }
        self.what.fmt(f)?;
        if 1 < self.times {
            write!(f, " {} times", self.times)?;
        }
        for (place, Same { property, step, of }) in self.same.iter().enumerate() {
            f.write_str(if place == 0 { " with the same " } else { " and " })?;
            write!(f, "{property}")?;
            if property != of {
                write!(f, " as the {of}")?;
            }
            write!(f, " of step {}", step + 1)?;
        }
        match (self.is_absent, self.within) {
            (_, None) => Ok(()),
            (true, Some(within)) => write!(f, " for {within}"),
            (false, Some(within)) => write!(f, " within {within}"),
        }
    }
}
