//! The audience as people write it.

use model::{Key, Value, condition::Condition, consent::PurposeKey, definition::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The definition of an audience.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AudienceDocument {
    /// The key it is referred to by.
    pub key: Key,
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// Who is meant and why.
    #[serde(default)]
    pub description: String,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether it acts.
    #[serde(default)]
    pub state: State,
    /// The purpose whose data it is folded from and whose views show it.
    #[serde(default)]
    pub purpose: PurposeKey,
    /// Who is in it. Kept as written: `Condition::parse` tells the faults with their places.
    #[schemars(with = "Condition")]
    pub condition: Value,
}
