//! The metric as people write it.

use model::{Duration, Key, Value, consent::PurposeKey, definition::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The definition of a metric: a number of each exposed unit, computed from what the person did after the exposure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricDocument {
    /// The key it is referred to by.
    pub key: Key,
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// What it tells, and why it matters.
    #[serde(default)]
    pub description: String,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Only a live metric is measured.
    #[serde(default)]
    pub state: State,
    /// The purpose for which events are read; a unit whose events may not be read for it is left out and counted.
    #[serde(default = "analytics")]
    pub purpose: PurposeKey,
    /// What is computed.
    pub kind: MetricKind,
    /// The name of the events that count.
    pub event: String,
    /// What each of these events must be, as in the condition language.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Value>,
    /// The property whose numbers are taken: of a sum, a mean, a quantile; of a ratio whose upper part is a sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// What the upper part of a ratio is divided by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denominator: Option<PartDocument>,
    /// How long after the exposure counting begins; at once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Duration>,
    /// How long events count from then on; for ever when absent. Needed by `retention` and `time_to_event`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// Which quantile, between 0 and 1, both left out: 0.5 is the median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 0.999))]
    pub quantile: Option<f64>,
    /// What one unit counts for at most, so that a few do not drown the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<CapDocument>,
    /// Which way is better.
    #[serde(default)]
    pub direction: Direction,
    /// What it is to an experience.
    #[serde(default)]
    pub role: Role,
    /// The least change that is worth finding, as a share of the control's value: 0.05 is 5 %. Results tell how long
    /// finding it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0001, max = 10.0))]
    pub smallest_effect: Option<f64>,
    /// The currency of the amounts, as in `EUR`. Events whose property `currency` is another are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    pub currency: Option<String>,
    /// How long before the exposure the same is measured to take out what made people differ already; `0s` for not
    /// at all.
    #[serde(default = "two_weeks")]
    pub before: Duration,
}

impl MetricDocument {
    /// Whether sums do not tell it, and all units have to be looked at.
    pub fn needs_all_units(&self) -> bool {
        let capped_by_quantile = self.cap.is_some_and(|cap| cap.quantile.is_some());
        self.kind == MetricKind::Quantile || capped_by_quantile
    }
}

fn analytics() -> PurposeKey {
    match "analytics".parse() {
        Ok(key) => PurposeKey(key),
        Err(_) => PurposeKey::default(),
    }
}

fn two_weeks() -> Duration {
    Duration::days(14)
}

/// What a metric computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// The share of units with at least one event.
    Conversion,
    /// Events per unit.
    Count,
    /// The sum of a property per unit.
    Sum,
    /// The mean of a property per event, such as the value of an order.
    Mean,
    /// One sum or count divided by another, both over all units.
    Ratio,
    /// A quantile of the units' sums of a property, among units with at least one event.
    Quantile,
    /// The share of units with an event within the window, among units whose window has passed.
    Retention,
    /// Seconds from the exposure to the first event, and the window's length where none came, among units whose
    /// window has passed.
    TimeToEvent,
}

/// A sum or a count of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartDocument {
    /// The name of the events that count.
    pub event: String,
    /// What each of these events must be.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Value>,
    /// The property whose numbers are added; events are counted when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
}

/// What one unit counts for at most: an amount, or the quantile of all units' amounts that are not 0, all arms
/// together. One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapDocument {
    /// The amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<f64>,
    /// The quantile, as in 0.99.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.5, max = 0.9999))]
    pub quantile: Option<f64>,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is better.
    #[default]
    Higher,
    /// Less is better.
    Lower,
}

/// What a metric is to an experience.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What the experience is to change.
    #[default]
    Goal,
    /// What must not get worse.
    Guardrail,
}
