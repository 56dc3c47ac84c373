//! Computed traits as people define them.

#[cfg(test)]
mod tests;

use model::{
    Duration, Key, Value, condition::ComputedTrait, consent::PurposeKey, definition::Fault,
    definition::State, value::Path,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Sensitivity;

/// The definition of a computed trait: a value that follows from a person's events of one name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComputedTraitDocument {
    /// The key it is referred to by, as in `{"computed": "orders_a_year", …}`.
    pub key: Key,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it says about somebody, and why that is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether it acts. It is draft, live or archived, never paused.
    #[serde(default)]
    pub state: State,
    /// The purpose whose data it is made of and whose views show it.
    #[serde(default)]
    pub purpose: PurposeKey,
    /// How carefully its value is to be handled.
    #[serde(default)]
    pub sensitivity: Sensitivity,
    /// The name of the events it is made of.
    pub event: String,
    /// What each of those events must be, as in conditions.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Value>,
    /// Only events of this window, as in conditions; all events up to now without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Value>,
    /// What is made of them.
    pub measure: Measure,
    /// The property that is measured; not with `count`, `days` and `recency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<Path>,
    /// The property that holds the weight of an event in an affinity; 1 each without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Path>,
    /// How long it takes for a weight to halve in an affinity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_life: Option<Duration>,
    /// How many values are listed, 1 to 100; 20 without, and 5 of an affinity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// In whose time zone `days` are counted, as in conditions; UTC without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Names for ranges of a number, the lowest first: the value is then the name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<LevelDocument>,
}

/// What is made of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ComputedTraitMeasure")]
pub enum Measure {
    /// How many there are.
    Count,
    /// The sum of a property; 0 without events.
    Sum,
    /// Its least number.
    Min,
    /// Its greatest.
    Max,
    /// Its mean.
    Avg,
    /// Its middle number.
    Median,
    /// Its value in the oldest event.
    First,
    /// Its value in the newest event.
    Last,
    /// The value it has most often; of several the one seen last.
    MostFrequent,
    /// Its different values, the one seen last first.
    Unique,
    /// On how many days there is an event.
    Days,
    /// The instant of the newest event; a comparison with a duration asks for its age.
    Recency,
    /// The items the person takes to most: each event adds its weight to its item's score, and weights
    /// halve with every half-life.
    Affinity,
}

/// A named range of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComputedTraitLevel")]
pub struct LevelDocument {
    /// What the range is called.
    pub name: String,
    /// The least number in it; the first level has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
}

impl ComputedTraitDocument {
    /// How it is computed, or everything that is wrong with that.
    pub fn compile(&self) -> Result<ComputedTrait, Vec<Fault>> {
        match serde_json::to_value(self) {
            Ok(Value::Object(document)) => ComputedTrait::parse(&document),
            _ => Err(vec![Fault::new("", "the document cannot be written as JSON")]),
        }
    }
}
