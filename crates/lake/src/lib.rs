#![doc = include_str!("../README.md")]

pub mod table;

mod cell;
mod delimited;
mod file;
mod folder;
mod lines;
mod parquet;
mod read;
mod scan;
#[cfg(test)]
mod tests;

pub use file::{Format, RowWriter, WriteError, writer};
pub use folder::{Folder, FolderError, Source};
pub use model::table::{Cell, Column, Kind, Part, Row, Table, Wanted};
pub use read::Rows;
pub use scan::Visit;
