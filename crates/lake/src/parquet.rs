//! Parquet: rows are gathered in columns and written as a row group when there are enough.

use std::{io::Write, sync::Arc};

use model::value::Object;
use parquet::{
    basic::Compression,
    data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::{parser::parse_message_type, types::TypePtr},
};

use crate::{
    Kind, RowWriter, Table, WriteError,
    cell::{Cell, cells},
};

/// A row group is written once its rows take so many bytes in memory; analysis reads a group at a
/// time, so that it should be neither small nor larger than memory.
const GROUP_BYTES: usize = 32 * 1024 * 1024;
/// A row group is written once it has so many rows, however short they are.
const GROUP_ROWS: usize = 100_000;

pub(crate) struct Groups<'a> {
    table: &'static Table,
    file: SerializedFileWriter<Box<dyn Write + Send + 'a>>,
    columns: Vec<Gathered>,
    rows: usize,
    bytes: usize,
}

/// The values of one column of the group in the making.
struct Gathered {
    values: Values,
    /// For each row of a column that may be absent, whether it is not: 1 or 0.
    levels: Option<Vec<i16>>,
}

enum Values {
    Text(Vec<ByteArray>),
    Integer(Vec<i64>),
    Number(Vec<f64>),
    Boolean(Vec<bool>),
}

impl<'a> Groups<'a> {
    pub(crate) fn begin(
        table: &'static Table,
        file: Box<dyn Write + Send + 'a>,
    ) -> Result<Self, WriteError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::LZ4_RAW)
            .set_created_by("concierge".to_owned());
        let properties = Arc::new(properties.build());
        let file = SerializedFileWriter::new(file, schema(table)?, properties)?;
        Ok(Self { table, file, columns: empty(table), rows: 0, bytes: 0 })
    }

    fn write_group(&mut self) -> Result<(), WriteError> {
        let columns = std::mem::replace(&mut self.columns, empty(self.table));
        let mut group = self.file.next_row_group()?;
        for Gathered { values, levels } in columns {
            let missing = || ParquetError::General("a column is missing".to_owned());
            let mut column = group.next_column()?.ok_or_else(missing)?;
            write_column(&mut column, &values, levels.as_deref())?;
            column.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

fn write_column(
    column: &mut SerializedColumnWriter<'_>,
    values: &Values,
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    match values {
        Values::Text(values) => column.typed::<ByteArrayType>().write_batch(values, levels, None),
        Values::Integer(values) => column.typed::<Int64Type>().write_batch(values, levels, None),
        Values::Number(values) => column.typed::<DoubleType>().write_batch(values, levels, None),
        Values::Boolean(values) => column.typed::<BoolType>().write_batch(values, levels, None),
    }
    .map(drop)
}

impl RowWriter for Groups<'_> {
    fn write(&mut self, row: &Object) -> Result<(), WriteError> {
        let cells = cells(self.table, row)?;
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += column.push(cell);
        }
        self.rows += 1;
        if GROUP_ROWS <= self.rows || GROUP_BYTES <= self.bytes {
            self.write_group()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.file.finish()?;
        Ok(self.file.inner_mut().flush()?)
    }
}

impl Gathered {
    /// Takes a cell of the column's kind, and says about how many bytes it takes.
    fn push(&mut self, cell: Cell<'_>) -> usize {
        if let Some(levels) = &mut self.levels {
            levels.push(i16::from(cell != Cell::Absent));
        }
        match (&mut self.values, cell) {
            (Values::Text(values), Cell::Text(text)) => {
                let bytes = text.into_owned().into_bytes();
                let length = bytes.len();
                values.push(ByteArray::from(bytes));
                length + size_of::<ByteArray>()
            }
            (Values::Integer(values), Cell::Integer(number)) => {
                values.push(number);
                size_of::<i64>()
            }
            (Values::Integer(values), Cell::Time(time)) => {
                values.push(time.0);
                size_of::<i64>()
            }
            (Values::Number(values), Cell::Number(number)) => {
                values.push(number);
                size_of::<f64>()
            }
            (Values::Boolean(values), Cell::Boolean(truth)) => {
                values.push(truth);
                size_of::<bool>()
            }
            // A cell is of its column's kind, or absent.
            _ => size_of::<i16>(),
        }
    }
}

fn empty(table: &Table) -> Vec<Gathered> {
    let gathered = |column: &crate::Column| Gathered {
        values: match column.kind {
            Kind::Text | Kind::Json => Values::Text(Vec::new()),
            Kind::Integer | Kind::Time => Values::Integer(Vec::new()),
            Kind::Number => Values::Number(Vec::new()),
            Kind::Boolean => Values::Boolean(Vec::new()),
        },
        levels: (!column.required).then(Vec::new),
    };
    table.columns.iter().map(gathered).collect()
}

/// The schema in the library's own language.
fn schema(table: &Table) -> Result<TypePtr, ParquetError> {
    let mut text = format!("message {} {{\n", table.name);
    for column in table.columns {
        let presence = if column.required { "required" } else { "optional" };
        let (physical, logical) = match column.kind {
            Kind::Text => ("binary", "(STRING)"),
            Kind::Json => ("binary", "(JSON)"),
            Kind::Integer => ("int64", ""),
            Kind::Number => ("double", ""),
            Kind::Boolean => ("boolean", ""),
            Kind::Time => ("int64", "(TIMESTAMP(MILLIS,true))"),
        };
        text.push_str(&format!("{presence} {physical} {} {logical};\n", column.name));
    }
    text.push('}');
    Ok(Arc::new(parse_message_type(&text)?))
}
