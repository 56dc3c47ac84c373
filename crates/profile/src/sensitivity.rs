//! How carefully a value about a person is to be handled.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The class of a trait. It says who may see the value; what it may be used for is said by purposes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// It says nothing about the person that others could not know.
    None,
    /// It is about the person: seen by whoever may read profiles.
    #[default]
    Personal,
    /// Its disclosure could do harm: seen only with the scope `profiles:sensitive`, and never read by a call
    /// that proves nothing about who is asking.
    Sensitive,
}
