//! Rows of a table as columns of the engine.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{
            ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, StringBuilder,
            TimestampMillisecondBuilder,
        },
        datatypes::SchemaRef,
    },
    error::Result,
};
use model::table::{Cell, Kind, Row, Table};

/// Rows as a batch. What is not of its column's kind is absent in it.
pub(crate) fn batch(table: &Table, schema: &SchemaRef, rows: &[Row]) -> Result<RecordBatch> {
    let columns = table.columns.iter().enumerate();
    let columns = columns.map(|(at, column)| array(column.kind, at, rows)).collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn array(kind: Kind, at: usize, rows: &[Row]) -> ArrayRef {
    let cells = rows.iter().map(|row| row.get(at));
    match kind {
        Kind::Text | Kind::Json => {
            let mut builder = StringBuilder::new();
            for cell in cells {
                builder.append_option(match cell {
                    Some(Cell::Text(text)) => Some(text),
                    _ => None,
                });
            }
            Arc::new(builder.finish())
        }
        Kind::Integer => {
            let mut builder = Int64Builder::with_capacity(rows.len());
            for cell in cells {
                builder.append_option(match cell {
                    Some(Cell::Integer(number)) => Some(*number),
                    _ => None,
                });
            }
            Arc::new(builder.finish())
        }
        Kind::Number => {
            let mut builder = Float64Builder::with_capacity(rows.len());
            for cell in cells {
                builder.append_option(match cell {
                    Some(Cell::Number(number)) => Some(*number),
                    _ => None,
                });
            }
            Arc::new(builder.finish())
        }
        Kind::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(rows.len());
            for cell in cells {
                builder.append_option(match cell {
                    Some(Cell::Boolean(truth)) => Some(*truth),
                    _ => None,
                });
            }
            Arc::new(builder.finish())
        }
        Kind::Time => {
            let builder = TimestampMillisecondBuilder::with_capacity(rows.len());
            let mut builder = builder.with_timezone("UTC");
            for cell in cells {
                builder.append_option(match cell {
                    Some(Cell::Time(instant)) => Some(instant.0),
                    _ => None,
                });
            }
            Arc::new(builder.finish())
        }
    }
}
