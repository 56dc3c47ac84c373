//! Computed traits: values that follow from a person's events of one name by a rule.
//!
//! A computed trait is read, not stored: it is worked out from the timeline when somebody asks, so
//! it is exact at that instant, costs nothing at ingest, and follows a late event, a merge or an
//! edit of its definition by itself. What is read tells until when it stays so, as an answer of a
//! condition does.

mod parse;
mod read;

use compact_str::CompactString;

use super::{
    EventName, EventPattern,
    calendar::Zone,
    comparison::{Bound, Literal, Op, Operand, Test},
    statistic::Statistic,
    syntax::{EventCondition, Measure},
    window::Window,
};
use crate::{Duration, value::Path};

pub use read::{Reading, Score};

/// Most values of a list, and of the items of an affinity.
pub const MAX_LISTED: u16 = 100;
/// Most levels of one computed trait.
pub const MAX_LEVELS: usize = 16;

/// A rule that makes a value of a person's events. Made by [`ComputedTrait::parse`].
#[derive(Clone, Debug, PartialEq)]
pub struct ComputedTrait {
    of: EventPattern,
    within: Option<Window>,
    aggregate: Aggregate,
    levels: Box<[Level]>,
}

/// What is made of the events.
#[derive(Clone, Debug, PartialEq)]
pub enum Aggregate {
    /// How many there are.
    Count,
    /// A statistic of a property's numbers.
    Numbers {
        /// Which.
        statistic: Statistic,
        /// Where the number is found.
        property: Path,
    },
    /// The middle one of a property's numbers; of an even number of them the mean of both in the middle.
    Median(Path),
    /// A property of the oldest event.
    First(Path),
    /// A property of the newest event.
    Last(Path),
    /// The value that a property has most often; of several the one seen last.
    MostFrequent(Path),
    /// The different values of a property, the one seen last first.
    Unique {
        /// Where the value is found.
        property: Path,
        /// How many of them are kept.
        limit: u16,
    },
    /// On how many days there is an event.
    Days(Zone),
    /// When the newest event happened.
    Recency,
    /// How much a person takes to each value of a property.
    Affinity(Affinity),
}

/// What a person takes to: each event adds its weight to the score of its item, and a weight halves
/// with every half-life that has passed since its event.
///
/// The score at an instant is the sum over the item's events of weight · 2^(−age / half-life). The
/// order of items does not change as time passes, since all scores fade alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Affinity {
    /// Where the item is found; every element of a list is one.
    pub property: Path,
    /// Where the weight of an event is found; 1 each without. What is no positive number adds nothing.
    pub weight: Option<Path>,
    /// How long it takes for a weight to halve.
    pub half_life: Duration,
    /// How many items are listed.
    pub limit: u16,
}

/// A step of a scale, as of price tiers or skill.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// What it is called.
    pub name: CompactString,
    /// The least number that reaches it; the lowest level has none.
    pub from: Option<f64>,
}

impl Aggregate {
    /// The property that is looked at, where one is.
    fn property(&self) -> Option<&Path> {
        match self {
            Self::Numbers { property, .. }
            | Self::Median(property)
            | Self::First(property)
            | Self::Last(property)
            | Self::MostFrequent(property)
            | Self::Unique { property, .. } => Some(property),
            Self::Affinity(affinity) => Some(&affinity.property),
            Self::Count | Self::Days(_) | Self::Recency => None,
        }
    }

    /// Whether its value is a number, which levels can be made of.
    fn is_number(&self) -> bool {
        matches!(self, Self::Count | Self::Numbers { .. } | Self::Median(_) | Self::Days(_))
    }
}

impl ComputedTrait {
    /// Which events it looks at.
    pub fn pattern(&self) -> &EventPattern {
        &self.of
    }

    /// The name of the events it looks at.
    pub fn event(&self) -> &EventName {
        &self.of.name
    }

    /// The paths of every property it reads.
    pub fn properties(&self) -> impl Iterator<Item = &Path> {
        let weight = match &self.aggregate {
            Aggregate::Affinity(affinity) => affinity.weight.as_ref(),
            _ => None,
        };
        self.of.properties().chain(self.aggregate.property()).chain(weight)
    }

    /// The traits it reads: that of the person's time zone.
    pub fn traits(&self) -> impl Iterator<Item = Path> {
        let calendar = self.within.as_ref().and_then(Window::zone);
        let days = match &self.aggregate {
            Aggregate::Days(zone) => Some(zone),
            _ => None,
        };
        [calendar, days].into_iter().flatten().filter_map(Zone::reads)
    }

    /// The longest stretch of the past that it can reach for; `None` when that has no end.
    pub fn reach(&self) -> Option<Duration> {
        self.within.as_ref().and_then(Window::reach)
    }

    /// Whether its items have scores, so that a condition can ask for that of one.
    pub fn has_scores(&self) -> bool {
        matches!(self.aggregate, Aggregate::Affinity(_))
    }

    /// The condition on events that asks the same as `test` of the value, where the language has one: it
    /// ends when the answer does, and not already when the value does.
    pub(super) fn as_event_condition(&self, test: &Test) -> Option<EventCondition> {
        if !self.levels.is_empty() {
            return None;
        }
        let measure = match &self.aggregate {
            Aggregate::Count => Measure::Count(test.bound(whole)?),
            Aggregate::Numbers { statistic, property } => Measure::Numbers {
                statistic: *statistic,
                property: property.clone(),
                bound: test.bound(|literal| literal.number()?.as_f64())?,
            },
            Aggregate::Days(zone) => Measure::Periods {
                unit: super::Unit::Day,
                zone: zone.clone(),
                bound: test.bound(whole)?,
            },
            Aggregate::Recency => {
                Measure::Since(test.bound(|literal| literal.text()?.parse().ok())?)
            }
            _ => return None,
        };
        Some(EventCondition { of: self.of.clone(), within: self.within.clone(), measure })
    }
}

fn whole(literal: &Literal) -> Option<u32> {
    literal.number()?.as_u64().and_then(|count| u32::try_from(count).ok())
}

impl Test {
    /// The test as a bound on a measured value, where it is one.
    fn bound<T: Copy + PartialOrd>(&self, one: impl Fn(&Literal) -> Option<T>) -> Option<Bound<T>> {
        match (&self.operand, self.op) {
            (Operand::One(literal), Op::Eq) => one(literal).map(Bound::Eq),
            (Operand::One(literal), Op::Ne) => one(literal).map(Bound::Ne),
            (Operand::One(literal), Op::Lt) => one(literal).map(Bound::Lt),
            (Operand::One(literal), Op::Lte) => one(literal).map(Bound::Lte),
            (Operand::One(literal), Op::Gt) => one(literal).map(Bound::Gt),
            (Operand::One(literal), Op::Gte) => one(literal).map(Bound::Gte),
            (Operand::Two(low, high), Op::Between) => Some(Bound::Between(one(low)?, one(high)?)),
            _ => None,
        }
    }
}
