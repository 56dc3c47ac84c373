#![doc = include_str!("../README.md")]

pub mod table;

mod cell;
mod delimited;
mod file;
mod folder;
mod lines;
mod parquet;
mod read;
#[cfg(test)]
mod tests;

pub use file::{Format, RowWriter, WriteError, writer};
pub use folder::{Folder, FolderError, Source};
pub use model::table::{Cell, Column, Kind, Row, Table};
pub use read::Rows;
