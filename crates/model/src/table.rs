//! Tables of rows, as analysis reads them: their columns, of which kind each is, and values in them.

mod part;

use std::borrow::Cow;

use crate::Timestamp;

pub use part::{IsWanted, Part, Texts, Values, Wanted};

/// A table: rows of the same columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, plural.
    pub name: &'static str,
    /// What a row is.
    pub row: &'static str,
    /// Its columns, in order.
    pub columns: &'static [Column],
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Whether every row has a value.
    pub required: bool,
    /// What a value means.
    pub meaning: &'static str,
}

impl Column {
    /// A column in which every row has a value.
    pub const fn always(name: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self { name, kind, required: true, meaning }
    }

    /// A column in which a row may have no value.
    pub const fn perhaps(name: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self { name, kind, required: false, meaning }
    }
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// A signed integer of 64 bits.
    Integer,
    /// A number of double precision.
    Number,
    /// True or false.
    Boolean,
    /// An instant in UTC, to the millisecond: RFC 3339 as text, a timestamp in Parquet.
    Time,
    /// Any JSON: itself in JSON Lines, its text elsewhere.
    Json,
}

impl Kind {
    /// The word that documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Time => "time",
            Self::Json => "JSON",
        }
    }
}

/// A value in its column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// None.
    Absent,
    /// Text, or JSON as text.
    Text(Cow<'a, str>),
    /// Of an integer column.
    Integer(i64),
    /// Of a column of numbers.
    Number(f64),
    /// Of a boolean column.
    Boolean(bool),
    /// Of a column of instants.
    Time(Timestamp),
}

/// The cells of a row, in the order of its table's columns.
pub type Row = Vec<Cell<'static>>;
