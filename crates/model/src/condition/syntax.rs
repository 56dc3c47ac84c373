//! The parsed document, and the way back to JSON.

use compact_str::CompactString;
use serde_json::{Map, json};

use super::{
    AccountTest, Belonging, ComputedTest, EventName, Quota, Row, StageTest,
    calendar::{Unit, Zone},
    comparison::{Bound, Literal, Operand, Test},
    dated::Dated,
    membership::Stay,
    pair::Pair,
    sequence::Sequence,
    statistic::Statistic,
    window::Window,
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
    /// A computed trait of the person compares.
    Computed(Box<ComputedTest>),
    /// A trait, or a value of the context, compares with another trait.
    Pair(Box<Pair>),
    /// A trait, or a value of the context, is an instant or a date that stands in some way to now.
    Dated(Box<Dated>),
    /// Something about the person's events of one name.
    Event(Box<EventCondition>),
    /// Events of the person in an order.
    Sequence(Box<Sequence>),
    /// The person is or was in another audience.
    Audience {
        /// The audience.
        key: Key,
        /// Whether they are in it, were in it, and since when.
        stay: Stay,
    },
    /// The person is in one of some stages.
    Stage(Box<StageTest>),
    /// Something about the accounts that the person belongs to.
    Account(Box<AccountTest>),
    /// What is known of the person's belonging to an account compares; only asked of an account.
    Belonging {
        /// What of it.
        of: Belonging,
        /// What it must be.
        test: Test,
    },
    /// So many of the members are in an audience; only asked of an account.
    Members {
        /// How many.
        quota: Quota,
        /// The audience.
        audience: Key,
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
    /// Only events of this window; all events up to now when absent.
    pub within: Option<Window>,
    /// What is asked of those events.
    pub measure: Measure,
}

/// A comparison of one value of an event: a property, or a part of its context.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// Where the value is found.
    pub property: Path,
    /// What its value must be.
    pub test: Test,
}

/// What is asked of the events that pass the filters.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// How many there are.
    Count(Bound<u32>),
    /// A statistic of a property; what is not a number adds nothing. False where it takes a number
    /// and there is none.
    Numbers {
        /// Which.
        statistic: Statistic,
        /// Where the number is found.
        property: Path,
        /// What it must be.
        bound: Bound<f64>,
    },
    /// How many different texts, numbers and booleans a property has.
    Distinct {
        /// Where the value is found.
        property: Path,
        /// How many there must be.
        bound: Bound<u32>,
    },
    /// In how many calendar periods there is an event.
    Periods {
        /// The kind of period.
        unit: Unit,
        /// In whose time zone.
        zone: Zone,
        /// How many there must be.
        bound: Bound<u32>,
    },
    /// The value that a property has most often compares; of values that it has equally often, the
    /// one that came last. False when there is none.
    MostFrequent(Filter),
    /// How large a part of the events passes more filters, from 0 to 1; false when there is no event.
    Share {
        /// What each event of the part must be.
        filters: Vec<Filter>,
        /// How large it must be.
        bound: Bound<f64>,
    },
    /// The newest event's property compares; false when there is no event.
    Last(Filter),
    /// The oldest event's property compares; false when there is no event.
    First(Filter),
    /// The time since the newest event; false when there is no event.
    Since(Bound<Duration>),
    /// The time since the oldest event; false when there is no event.
    SinceFirst(Bound<Duration>),
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
        let shared = self.measure.filters().iter().map(|filter| &filter.property);
        self.of.properties().chain(self.measure.property()).chain(shared)
    }
}

impl Measure {
    /// The property that is measured, where one is.
    pub fn property(&self) -> Option<&Path> {
        match self {
            Self::Numbers { property, .. } | Self::Distinct { property, .. } => Some(property),
            Self::Last(filter) | Self::First(filter) | Self::MostFrequent(filter) => {
                Some(&filter.property)
            }
            Self::Count(_)
            | Self::Since(_)
            | Self::SinceFirst(_)
            | Self::Periods { .. }
            | Self::Share { .. } => None,
        }
    }

    /// What each event of a part must be, where a part is measured.
    pub fn filters(&self) -> &[Filter] {
        match self {
            Self::Share { filters, .. } => filters,
            _ => &[],
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
            Self::Trait { path, test } => tested("trait", path.as_str(), test),
            Self::Context { path, test } => tested("context", path.as_str(), test),
            Self::Computed(computed) => {
                let mut value = tested("computed", computed.key.as_str(), &computed.test);
                if let Some(item) = &computed.item {
                    value["item"] = (**item).into();
                }
                value
            }
            Self::Pair(pair) => pair.to_value(),
            Self::Dated(dated) => dated.to_value(),
            Self::Event(event) => event.to_value(),
            Self::Sequence(sequence) => sequence.to_value(),
            Self::Audience { key, stay } => stay.to_value(key),
            Self::Stage(stage) => {
                let mut value = json!({ "stage": stage.stages, "in": stage.of });
                if let Some(length) = stage.for_at_least {
                    value["for_at_least"] = length.to_string().into();
                }
                value
            }
            Self::Account(account) => account.to_value(),
            Self::Belonging { of, test } => tested("membership", of.as_str(), test),
            Self::Members { quota, audience } => quota.to_value(audience),
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
        if let Some(within) = &self.within {
            object.insert("within".into(), within.to_value());
        }
        object.insert(self.measure.key().into(), self.measure.to_value());
        Value::Object(object)
    }
}

impl Measure {
    /// The word it is asked with.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Count(_) => "count",
            Self::Numbers { statistic, .. } => statistic.as_str(),
            Self::Distinct { .. } => "distinct",
            Self::Periods { .. } => "periods",
            Self::MostFrequent(_) => "most_frequent",
            Self::Share { .. } => "share",
            Self::Last(_) => "last",
            Self::First(_) => "first",
            Self::Since(_) => "since",
            Self::SinceFirst(_) => "since_first",
        }
    }

    /// The zone of its calendar, where it has one.
    pub(super) fn zone(&self) -> Option<&Zone> {
        match self {
            Self::Periods { zone, .. } => Some(zone),
            _ => None,
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Count(bound) => bounded(bound, Value::from, json!({})),
            Self::Since(bound) | Self::SinceFirst(bound) => {
                bounded(bound, |age| age.to_string().into(), json!({}))
            }
            Self::Numbers { property, bound, .. } => {
                bounded(bound, Value::from, json!({ "property": property }))
            }
            Self::Distinct { property, bound } => {
                bounded(bound, Value::from, json!({ "property": property }))
            }
            Self::Periods { unit, zone, bound } => {
                let more = json!({"unit": unit.as_str(), "timezone": zone.to_string()});
                bounded(bound, Value::from, more)
            }
            Self::Share { filters, bound } => {
                let filters: Value = filters.iter().map(Filter::to_value).collect();
                bounded(bound, Value::from, json!({ "where": filters }))
            }
            Self::Last(filter) | Self::First(filter) | Self::MostFrequent(filter) => {
                filter.to_value()
            }
        }
    }
}

/// A bound as a document has it, with what else is said beside it.
fn bounded<T: Copy + PartialOrd>(
    bound: &Bound<T>,
    one: impl Fn(T) -> Value,
    mut object: Value,
) -> Value {
    object["op"] = bound.op().as_str().into();
    object["value"] = bound.to_value(one);
    object
}

impl Filter {
    fn to_value(&self) -> Value {
        match self.property.in_context() {
            Some(path) => tested("context", path, &self.test),
            None => tested("property", self.property.as_str(), &self.test),
        }
    }
}

fn tested(key: &str, path: &str, test: &Test) -> Value {
    let mut object = Map::new();
    object.insert(key.into(), path.into());
    object.insert("op".into(), test.op.as_str().into());
    let value = match &test.operand {
        Operand::None => None,
        Operand::One(literal) => Some(literal.to_value()),
        Operand::Two(low, high) => Some(Value::Array(vec![low.to_value(), high.to_value()])),
        Operand::Many(literals) => Some(literals.iter().map(Literal::to_value).collect()),
        Operand::Pattern(pattern) => Some(pattern.as_str().into()),
        Operand::Version(version) => Some(version.to_string().into()),
        Operand::Area(area) => Some(area.to_value()),
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
