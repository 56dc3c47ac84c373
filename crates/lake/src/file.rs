//! Files of rows, whichever their format.

use std::io::{self, Write};

use model::value::Object;
use thiserror::Error;

use crate::{
    delimited::Delimited,
    lines::Lines,
    parquet::{Groups, Layout},
    table::Table,
};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object on each line (`application/x-ndjson`).
    Jsonl,
    /// Comma-separated values with a line of names first (RFC 4180). What is absent and what is an
    /// empty text are the same in it.
    Csv,
    /// Apache Parquet, compressed with LZ4.
    Parquet,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Jsonl, Self::Csv, Self::Parquet];

    /// Its name, as files end in it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// Writes the rows of a table, one after the other.
pub trait RowWriter {
    /// Writes a row. A column that it lacks is absent.
    ///
    /// # Errors
    ///
    /// When the row does not fit the table, or the file cannot be written.
    fn write(&mut self, row: &Object) -> Result<(), WriteError>;

    /// Writes what is still in memory and the end of the file; without it the file is not whole.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    fn finish(self: Box<Self>) -> Result<(), WriteError>;
}

/// Why a row was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A value is not of its column's kind, or absent where it must not be.
    #[error("column `{column}` of table `{table}` takes {expected}")]
    Value {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// The row has a column that the table has not.
    #[error("table `{table}` has no column `{column}`")]
    Column {
        /// The table.
        table: &'static str,
        /// What the row calls it.
        column: String,
    },
    /// The file cannot be written.
    #[error("the file cannot be written")]
    Io(#[from] io::Error),
    /// The file cannot be written as CSV.
    #[error("the file cannot be written")]
    Csv(#[from] csv::Error),
    /// The file cannot be written as Parquet.
    #[error("the file cannot be written")]
    Parquet(#[from] ::parquet::errors::ParquetError),
}

/// What writes rows of `table` to `file`.
///
/// # Errors
///
/// When the start of the file cannot be written.
pub fn writer<'a>(
    format: Format,
    table: &'static Table,
    file: Box<dyn Write + Send + 'a>,
) -> Result<Box<dyn RowWriter + 'a>, WriteError> {
    Ok(match format {
        Format::Jsonl => Box::new(Lines::begin(table, file)),
        Format::Csv => Box::new(Delimited::begin(table, file)?),
        Format::Parquet => Box::new(Groups::begin(table, file, Layout::Loose)?),
    })
}
