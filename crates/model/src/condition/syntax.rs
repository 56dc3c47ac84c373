//! The parsed document, and the way back to JSON.

use compact_str::CompactString;
use serde_json::{Map, json};

use super::{
    EventName, Row,
    comparison::{Bound, Literal, Operand, Test},
    sequence::Sequence,
};
use crate::{Duration, Key, Value, consent::PurposeKey, value::Path};

/// A condition of the language, parsed and bounded. Made by [`Condition::parse`].
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Every part holds; true when there are none.
    All(Vec<Condition>),
    /// At least one part holds.
    Any(Vec<Condition>),
    /// The part does not hold.
    Not(Box<Condition>),
    /// At least `count` of the parts hold.
    AtLeast {
        /// How many must hold: 1 to the number of parts.
        count: usize,
        /// The parts.
        of: Vec<Condition>,
    },
    /// A trait of the person compares.
    Trait {
        /// Where the trait is found.
        path: Path,
        /// What its value must be.
        test: Test,
    },
    /// A value of the request's context compares.
    Context {
        /// Where the value is found.
        path: Path,
        /// What it must be.
        test: Test,
    },
    /// Something about the person's events of one name.
    Event(Box<EventCondition>),
    /// Events of the person in an order.
    Sequence(Box<Sequence>),
    /// The person is in another audience.
    Audience {
        /// The audience.
        key: Key,
        /// For how long without a break, if that matters.
        for_at_least: Option<Duration>,
    },
    /// The purpose is granted.
    Consent(PurposeKey),
    /// The person's unit falls into the first share of a salt's buckets.
    Bucket {
        /// Names the division of the population.
        salt: CompactString,
        /// Buckets below this one: the share in ten-thousandths.
        below: u32,
    },
}

/// Which events are meant: their name, and what each of them must be.
#[derive(Clone, Debug, PartialEq)]
pub struct EventPattern {
    /// Their name.
    pub name: EventName,
    /// What each of them must be; all of these hold.
    pub filters: Vec<Filter>,
}

/// A condition on the person's events of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct EventCondition {
    /// Which events count.
    pub of: EventPattern,
    /// Only events of the window `(now − within, now]`; all events up to now when absent.
    pub within: Option<Duration>,
    /// What is asked of those events.
    pub measure: Measure,
}

/// A comparison of one property of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// Where the property is found.
    pub property: Path,
    /// What its value must be.
    pub test: Test,
}

/// What is asked of the events that pass the filters.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// How many there are.
    Count(Bound<u32>),
    /// The sum of a property; what is not a number adds nothing, and no events sum to 0.
    Sum {
        /// Where the number is found.
        property: Path,
        /// What the sum must be.
        bound: Bound<f64>,
    },
    /// The newest event's property compares; false when there is no event.
    Last(Filter),
    /// The oldest event's property compares; false when there is no event.
    First(Filter),
    /// The time since the newest event; false when there is no event.
    Since(Bound<Duration>),
}

impl EventPattern {
    /// Whether `row` passes every filter. The caller has made sure that the row may be read.
    ///
    /// `paths` are the properties that rows of its name keep.
    pub fn selects(&self, row: Row<'_>, paths: &[Path]) -> bool {
        self.filters.iter().all(|filter| filter.test.holds(row.value(paths, &filter.property)))
    }

    /// The paths of every property it reads.
    pub fn properties(&self) -> impl Iterator<Item = &Path> {
        self.filters.iter().map(|filter| &filter.property)
    }

    /// Its part of a document.
    pub(super) fn to_object(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("event".into(), self.name.text.as_str().into());
        if !self.filters.is_empty() {
            let filters = self.filters.iter().map(Filter::to_value).collect();
            object.insert("where".into(), Value::Array(filters));
        }
        object
    }
}

impl EventCondition {
    /// The paths of every property it reads.
    pub fn properties(&self) -> impl Iterator<Item = &Path> {
        self.of.properties().chain(self.measure.property())
    }
}

impl Measure {
    /// The property that is measured, where one is.
    pub fn property(&self) -> Option<&Path> {
        match self {
            Self::Sum { property, .. } => Some(property),
            Self::Last(filter) | Self::First(filter) => Some(&filter.property),
            Self::Count(_) | Self::Since(_) => None,
        }
    }
}

impl Condition {
    /// The document it stands for; parsing it gives an equal condition.
    pub fn to_value(&self) -> Value {
        let list = |parts: &[Self]| parts.iter().map(Self::to_value).collect::<Vec<_>>();
        match self {
            Self::All(parts) => json!({ "all": list(parts) }),
            Self::Any(parts) => json!({ "any": list(parts) }),
            Self::Not(part) => json!({ "not": part.to_value() }),
            Self::AtLeast { count, of } => {
                json!({ "at_least": { "count": count, "of": list(of) } })
            }
            Self::Trait { path, test } => tested("trait", path, test),
            Self::Context { path, test } => tested("context", path, test),
            Self::Event(event) => event.to_value(),
            Self::Sequence(sequence) => sequence.to_value(),
            Self::Audience { key, for_at_least: None } => json!({ "audience": key }),
            Self::Audience { key, for_at_least } => {
                json!({ "audience": key, "for_at_least": for_at_least })
            }
            Self::Consent(purpose) => json!({ "consent": purpose }),
            Self::Bucket { salt, below } => {
                let share = f64::from(*below) / f64::from(crate::hash::BUCKET_COUNT);
                json!({ "bucket": { "salt": salt, "below": share } })
            }
        }
    }
}

impl EventCondition {
    fn to_value(&self) -> Value {
        let mut object = self.of.to_object();
        if let Some(within) = self.within {
            object.insert("within".into(), within.to_string().into());
        }
        let (key, measure) = match &self.measure {
            Measure::Count(bound) => {
                let value = bound.to_value(Value::from);
                ("count", json!({ "op": bound.op().as_str(), "value": value }))
            }
            Measure::Sum { property, bound } => {
                let value = bound.to_value(Value::from);
                ("sum", json!({ "property": property, "op": bound.op().as_str(), "value": value }))
            }
            Measure::Last(filter) => ("last", filter.to_value()),
            Measure::First(filter) => ("first", filter.to_value()),
            Measure::Since(bound) => {
                let value = bound.to_value(|age| age.to_string().into());
                ("since", json!({ "op": bound.op().as_str(), "value": value }))
            }
        };
        object.insert(key.into(), measure);
        Value::Object(object)
    }
}

impl Filter {
    fn to_value(&self) -> Value {
        tested("property", &self.property, &self.test)
    }
}

fn tested(key: &str, path: &Path, test: &Test) -> Value {
    let mut object = Map::new();
    object.insert(key.into(), path.as_str().into());
    object.insert("op".into(), test.op.as_str().into());
    let value = match &test.operand {
        Operand::None => None,
        Operand::One(literal) => Some(literal.to_value()),
        Operand::Two(low, high) => Some(Value::Array(vec![low.to_value(), high.to_value()])),
        Operand::Many(literals) => Some(literals.iter().map(Literal::to_value).collect()),
    };
    if let Some(value) = value {
        object.insert("value".into(), value);
    }
    if test.ignore_case {
        object.insert("ignore_case".into(), true.into());
    }
    Value::Object(object)
}

impl serde::Serialize for Condition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}
