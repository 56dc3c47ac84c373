//! A value in its column.

use std::borrow::Cow;

use model::{Value, table::Cell, value::Object};

use crate::{Column, Kind, Table, WriteError};

/// The cells of a row in the order of the table's columns.
pub(crate) fn cells<'a>(
    table: &'static Table,
    row: &'a Object,
) -> Result<Vec<Cell<'a>>, WriteError> {
    let cells = table.columns.iter().map(|column| cell(table, column, row.get(column.name)));
    let cells = cells.collect::<Result<Vec<_>, _>>()?;
    let is_known = |name: &str| table.columns.iter().any(|column| column.name == name);
    match row.keys().find(|name| !is_known(name)) {
        Some(name) => Err(WriteError::Column { table: table.name, column: name.clone() }),
        None => Ok(cells),
    }
}

fn cell<'a>(
    table: &'static Table,
    column: &'static Column,
    value: Option<&'a Value>,
) -> Result<Cell<'a>, WriteError> {
    let expected = expected(column.kind);
    let unfit = || WriteError::Value { table: table.name, column: column.name, expected };
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return if column.required { Err(unfit()) } else { Ok(Cell::Absent) };
    };
    let cell = match column.kind {
        Kind::Text => value.as_str().map(|text| Cell::Text(Cow::Borrowed(text))),
        Kind::Json => Some(Cell::Text(Cow::Owned(value.to_string()))),
        Kind::Integer => value.as_i64().map(Cell::Integer),
        Kind::Number => value.as_f64().map(Cell::Number),
        Kind::Boolean => value.as_bool().map(Cell::Boolean),
        Kind::Time => value.as_str().and_then(|text| text.parse().ok()).map(Cell::Time),
    };
    cell.ok_or_else(unfit)
}

/// What a column of a kind takes, in words.
pub(crate) const fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a text",
        Kind::Integer => "an integer",
        Kind::Number => "a number",
        Kind::Boolean => "true or false",
        Kind::Time => "an instant (RFC 3339)",
        Kind::Json => "JSON",
    }
}

/// Whether a cell stands rightly in a column.
pub(crate) fn fits(column: &Column, cell: &Cell<'_>) -> bool {
    match cell {
        Cell::Absent => !column.required,
        Cell::Text(_) => matches!(column.kind, Kind::Text | Kind::Json),
        Cell::Integer(_) => column.kind == Kind::Integer,
        Cell::Number(_) => column.kind == Kind::Number,
        Cell::Boolean(_) => column.kind == Kind::Boolean,
        Cell::Time(_) => column.kind == Kind::Time,
    }
}
