#![doc = include_str!("../README.md")]

mod answer;
mod convert;
mod error;
mod left_out;
mod output;
mod source;
mod sql;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use error::QueryError;
pub use left_out::Seen;
pub use output::Format;
pub use source::Source;
pub use sql::{Limits, Sql};
