//! What events of a name look like: which properties they have, of which types, how often.
//!
//! Kept of each property are a name and counts, nothing that was sent. To look at every event would
//! cost more than it tells: after the first ones, every 16th is looked at, so shares are estimates.

use std::collections::BTreeMap;

use compact_str::CompactString;
use model::{Event, Timestamp, Value};
use serde_json::json;

use crate::name;

/// Events of a name that are looked at without exception.
const FIRST_EVENTS: u64 = 200;
/// After those, one in so many is.
const ONE_IN: u64 = 16;
/// Most properties that are told apart in events of a name, traits included; others count as `*`.
const PROPERTIES_MAX: usize = 150;
/// Events that must have been looked at before a property is proposed as required.
const REQUIRED_AFTER: u64 = 50;

/// The types of JSON Schema, in the order of the counts.
pub const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// What is known of one property.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Property {
    /// Events, of those looked at, that have it.
    pub present: u64,
    /// How often it was of each of [`TYPES`].
    pub types: [u64; TYPES.len()],
    /// When it was first seen.
    pub first: Timestamp,
    /// When it was last seen, among the events looked at.
    pub last: Timestamp,
    pub(crate) is_changed: bool,
}

/// What is known of the events of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Events that were looked at.
    pub looked_at: u64,
    /// By `properties/NAME` and `traits/NAME`.
    pub properties: BTreeMap<CompactString, Property>,
}

impl Shape {
    /// Looks at an event if it is its turn; `number` counts the events of the name.
    pub fn observe(&mut self, event: &Event, number: u64) {
        if number > FIRST_EVENTS && !number.is_multiple_of(ONE_IN) {
            return;
        }
        self.looked_at += 1;
        let at = event.received_at;
        for name in event.properties.names() {
            if let Some(value) = event.properties.get(name) {
                self.count("properties", name, value, at);
            }
        }
        for (name, value) in &event.traits {
            self.count("traits", name, value, at);
        }
    }

    fn count(&mut self, part: &str, name: &str, value: &Value, at: Timestamp) {
        let mut path = compact_str::format_compact!("{part}/{}", name::shown(name));
        if self.properties.len() >= PROPERTIES_MAX && !self.properties.contains_key(&path) {
            path = compact_str::format_compact!("{part}/{}", name::ANY);
        }
        let property = self.properties.entry(path).or_default();
        if property.present == 0 {
            property.first = at;
        }
        property.present += 1;
        property.last = property.last.max(at);
        property.is_changed = true;
        if let Some(count) = property.types.get_mut(type_of(value)) {
            *count += 1;
        }
    }

    /// Takes in what another source's events of the name look like.
    pub fn merge(&mut self, other: &Self) {
        self.looked_at += other.looked_at;
        for (path, more) in &other.properties {
            let property = self
                .properties
                .entry(path.clone())
                .or_insert_with(|| Property { first: more.first, ..Property::default() });
            property.present += more.present;
            property.types.iter_mut().zip(more.types).for_each(|(sum, more)| *sum += more);
            property.first = property.first.min(more.first);
            property.last = property.last.max(more.last);
        }
    }

    /// A schema that the events looked at fit: a proposal for a person to go through.
    ///
    /// A property is required when every event looked at has it, and there were enough of them.
    pub fn proposal(&self, part: &str) -> Option<Value> {
        let mut properties = serde_json::Map::new();
        let mut required = Vec::new();
        for (path, property) in &self.properties {
            let name = path.strip_prefix(part).and_then(|rest| rest.strip_prefix('/'));
            let Some(name) = name.filter(|name| *name != name::ANY) else { continue };
            properties.insert(name.to_owned(), json!({"type": property.schema_type()}));
            if self.looked_at >= REQUIRED_AFTER && property.present >= self.looked_at {
                required.push(name.to_owned());
            }
        }
        if properties.is_empty() {
            return None;
        }
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        Some(schema)
    }
}

impl Property {
    /// The types seen, as JSON Schema writes them: an integer is a number where both occur.
    fn schema_type(&self) -> Value {
        let has = |name: &str| {
            TYPES.iter().zip(self.types).any(|(known, count)| *known == name && count > 0)
        };
        let is_told = |name: &&&str| has(name) && !(**name == "integer" && has("number"));
        let mut seen: Vec<&str> = TYPES.iter().filter(is_told).copied().collect();
        match (seen.pop(), seen.is_empty()) {
            (Some(only), true) => only.into(),
            (last, _) => seen.into_iter().chain(last).collect::<Vec<_>>().into(),
        }
    }
}

/// The place of a value's type in [`TYPES`].
pub fn type_of(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(number) if number.is_f64() => 3,
        Value::Number(_) => 2,
        Value::String(_) => 4,
        Value::Array(_) => 5,
        Value::Object(_) => 6,
    }
}
