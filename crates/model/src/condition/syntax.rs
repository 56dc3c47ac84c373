//! The parsed document.

use crate::{Value, definition::Fault};

/// A condition of contract.md's language, parsed and bounded.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Placeholder until the language is written.
    All(Vec<Condition>),
}

impl Condition {
    /// Parses a JSON document; every fault is reported with its JSON pointer.
    pub fn parse(document: &Value) -> Result<Self, Vec<Fault>> {
        todo!("{document}")
    }
}
