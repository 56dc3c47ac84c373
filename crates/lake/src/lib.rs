#![doc = include_str!("../README.md")]

pub mod table;

mod cell;
mod delimited;
mod file;
mod lines;
mod parquet;
#[cfg(test)]
mod tests;

pub use file::{Format, RowWriter, WriteError, writer};
pub use table::{Column, Kind, Table};
