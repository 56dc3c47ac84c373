//! Sequences: events of a person in an order, and events that stay away.
//!
//! The steps of a sequence take their places in time one after the other. A step with an event takes
//! the place of an event that is later than the step before: of two events of the same instant
//! neither is later, since nothing tells which came first. A step with `not` and a length takes the
//! instant at which that length has passed without such an event. A `not` without a length takes no
//! place of its own: no such event may lie between its neighbours, or up to now where it is the last
//! step.

mod chains;

use std::fmt;

use serde_json::{Map, json};

use super::{EventName, EventPattern};
use crate::{Duration, Value, value::Path};

/// Events of a person in an order. Made by parsing, which sees that it begins with an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    steps: Vec<SequenceStep>,
    within: Option<Duration>,
    span: Option<Duration>,
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
    /// For an event, the time since the step before is less than this; for one that stays away, for
    /// how long. Never for the first step.
    pub within: Option<Duration>,
}

/// A property that equals one of an earlier step's event. Where either has none, they are not equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Same {
    /// Where the property is found.
    pub property: Path,
    /// The place of the earlier step, an event, among all steps.
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
        within: Option<Duration>,
        span: Option<Duration>,
    ) -> Self {
        let (mut names, mut captures) = (Vec::new(), Vec::new());
        let (mut stages, mut guards) = (Vec::new(), Vec::new());
        for (place, step) in steps.iter().enumerate() {
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
        let tracks = steps.iter().filter_map(track).collect();
        Self { steps, within, span, names, tracks, captures, stages, guards_at_end: guards }
    }

    /// The steps, in their order.
    pub fn steps(&self) -> &[SequenceStep] {
        &self.steps
    }

    /// Only events of the window `(now − within, now]`; all events up to now when absent.
    pub fn within(&self) -> Option<Duration> {
        self.within
    }

    /// From the first event to the place of the last step less than this passes.
    pub fn span(&self) -> Option<Duration> {
        self.span
    }

    /// Which events it looks at.
    pub fn patterns(&self) -> impl Iterator<Item = &EventPattern> {
        self.steps.iter().map(|step| &step.what)
    }

    /// The properties that it reads, by the name of their event; names may repeat.
    pub fn reads(&self) -> impl Iterator<Item = (&EventName, impl Iterator<Item = &Path>)> {
        self.steps.iter().enumerate().map(|(place, step)| {
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
        for (key, length) in [("within", self.within), ("span", self.span)] {
            if let Some(length) = length {
                object.insert(key.into(), length.to_string().into());
            }
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
        if let Some(span) = self.span {
            write!(f, ", all within {span} of one another")?;
        }
        self.within.map_or(Ok(()), |within| write!(f, ", within {within}"))
    }
}

impl fmt::Display for SequenceStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_absent {
            f.write_str("no ")?;
        }
        self.what.fmt(f)?;
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
