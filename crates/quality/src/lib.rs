#![doc = include_str!("../README.md")]

pub mod document;
pub mod lag;
pub mod name;
pub mod plan;
pub mod shape;
pub mod tally;
pub mod traffic;
pub mod violations;
pub mod volume;

pub use document::{EventSchemaDocument, Mode, Unknown};
pub use plan::{Breach, Plan, Violation};
pub use tally::{Seen, Tally, Verdict};
