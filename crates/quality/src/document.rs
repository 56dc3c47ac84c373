//! The schema of an event as people write it.

use model::{Key, Value, definition::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The event of a schema that stands for all events without one of their own.
pub const ANY_EVENT: &str = "*";

/// What an event of one name should look like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventSchemaDocument {
    /// The key it is referred to by.
    pub key: Key,
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// When the event is sent and what it is for.
    #[serde(default)]
    pub description: String,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether it acts.
    #[serde(default)]
    pub state: State,
    /// The name of the event, such as `Order Completed`; `Identify`, `Page Viewed`, `Screen Viewed`, `Group` and
    /// `Alias` for calls without one. `*` stands for all events that no live schema names.
    pub event: String,
    /// What becomes of an event that does not fit.
    #[serde(default)]
    pub mode: Mode,
    /// JSON Schema (draft 2020-12) of the event's properties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<Value>,
    /// JSON Schema of the traits that come with the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traits: Option<Value>,
    /// JSON Schema of the event's context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    /// Whether properties that the schema does not name are violations.
    #[serde(default)]
    pub unknown_properties: Unknown,
}

/// What becomes of an event that violates its schema.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is taken; the violations are counted.
    #[default]
    Observe,
    /// It is taken and carries a mark; the violations are counted.
    Flag,
    /// It goes to the quarantine with its violations as the reason.
    Block,
}

/// What is thought of names that a schema does not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// They are fine.
    #[default]
    Allow,
    /// Each is a violation.
    Violate,
}
