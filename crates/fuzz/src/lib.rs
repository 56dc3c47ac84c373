#![doc = include_str!("../README.md")]

mod change;
mod run;

pub use run::{Outcome, kind_of, run};
