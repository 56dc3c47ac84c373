//! What all definitions share: kinds, states, and how a fault in one is reported.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The life of a definition. Only live ones act.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Being written; acts on nobody.
    #[default]
    Draft,
    /// Acts.
    Live,
    /// Stopped for now; answers with reason `paused` where it would have acted.
    Paused,
    /// Put away; kept for history.
    Archived,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draft => "draft",
            Self::Live => "live",
            Self::Paused => "paused",
            Self::Archived => "archived",
        })
    }
}

/// One fault in a document: where, and a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the document.
    pub pointer: String,
    /// What is wrong and what would be right: lower-case, no full stop.
    pub detail: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Largest rule (a condition as compact JSON), in bytes.
pub const MAX_RULE_BYTES: usize = 16 * 1024;
/// Deepest nesting of a rule.
pub const MAX_RULE_DEPTH: usize = 16;
