//! Parquet: rows are gathered in columns and written as a row group when there are enough.

use std::{io::Write, sync::Arc};

use model::{
    ProfileId,
    table::{self, Cell, Kind, Row},
    value::Object,
};
use parquet::{
    basic::{Compression, Encoding},
    data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        metadata::SortingColumn,
        properties::{WriterProperties, WriterPropertiesPtr, WriterVersion},
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::{
        parser::parse_message_type,
        types::{ColumnPath, TypePtr},
    },
};

use crate::{
    RowWriter, Table, WriteError,
    cell::{cells, expected, fits},
};

/// A row group is written once its rows take so many bytes in memory; analysis reads a group at a
/// time, so that it should be neither small nor larger than memory.
const GROUP_BYTES: usize = 32 * 1024 * 1024;
/// A row group is written once it has so many rows, however short they are.
const GROUP_ROWS: usize = 100_000;
/// Rows of a page of a column: what has to be read for the rows of one person, for each column.
const PAGE_ROWS: usize = 8_192;
/// A page is left as it is where compression leaves this part of it or more: most pages of numbers, and of numbers of a
/// dictionary, are dense already, and reading them would take twice as long.
const COMPRESSED_PART_MAX: f64 = 0.9;
/// Different values of a column are numbered as long as they take no more than this; of ids, which never repeat, that
/// would only take time.
const DICTIONARY_BYTES: usize = 128 * 1024;

/// How rows lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As they come.
    Loose,
    /// In the order of the first and the third column, so that those with one value of the first are found by the
    /// least and the greatest value of each page. Behind the table's columns are the ids of profiles and strands once
    /// more, as numbers, which take a tenth of the time to read.
    Sorted,
}

/// A column of ids as numbers.
#[derive(Clone, Copy)]
struct Numbers {
    /// The place of the ids.
    of: usize,
    name: &'static str,
}

impl Layout {
    fn numbers(self, table: &Table) -> Vec<Numbers> {
        if self == Self::Loose {
            return Vec::new();
        }
        let columns = table.columns.iter().enumerate();
        let numbers = |name| table::Values::numbers_of(name);
        columns.filter_map(|(of, c)| Some(Numbers { of, name: numbers(c.name)? })).collect()
    }

    fn properties(self, table: &Table) -> WriterPropertiesPtr {
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::LZ4_RAW)
            .set_created_by("concierge".to_owned());
        if self == Self::Sorted {
            let by =
                |place| SortingColumn { column_idx: place, descending: false, nulls_first: false };
            properties = properties
                // Pages of the second version say whether they are compressed.
                .set_writer_version(WriterVersion::PARQUET_2_0)
                .set_data_page_v2_compression_ratio_threshold(COMPRESSED_PART_MAX)
                .set_encoding(Encoding::PLAIN)
                .set_sorting_columns(Some(vec![by(0), by(2)]))
                .set_data_page_row_count_limit(PAGE_ROWS)
                .set_dictionary_page_size_limit(DICTIONARY_BYTES);
            let numbers = table.columns.iter();
            let numbers = numbers.filter(|c| matches!(c.kind, Kind::Integer | Kind::Time));
            let ids = self.numbers(table).into_iter().map(|numbers| numbers.name);
            // Whatever else is read, these are, so that they are never compressed: in large files that saves nothing.
            for column in ids.clone().map(ColumnPath::from) {
                properties = properties.set_column_compression(column, Compression::UNCOMPRESSED);
            }
            let numbers = numbers.map(|column| column.name).chain(ids);
            for column in numbers.map(ColumnPath::from) {
                properties = properties
                    .set_column_dictionary_enabled(column.clone(), false)
                    .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
            }
        }
        Arc::new(properties.build())
    }
}

pub(crate) struct Groups<'a> {
    table: &'static Table,
    numbers: Vec<Numbers>,
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
        layout: Layout,
    ) -> Result<Self, WriteError> {
        let (properties, numbers) = (layout.properties(table), layout.numbers(table));
        let file = SerializedFileWriter::new(file, schema(table, &numbers)?, properties)?;
        let columns = empty(table, &numbers);
        Ok(Self { table, numbers, file, columns, rows: 0, bytes: 0 })
    }

    /// Writes a row, which has a cell for each column.
    pub(crate) fn push(&mut self, row: Row) -> Result<(), WriteError> {
        let columns = self.table.columns;
        let unfit = columns.iter().zip(&row).find(|(column, cell)| !fits(column, cell));
        let missing = columns.get(row.len());
        if let Some(column) = unfit.map(|(column, _)| column).or(missing) {
            let (table, expected) = (self.table.name, expected(column.kind));
            return Err(WriteError::Value { table, column: column.name, expected });
        }
        self.take(row)
    }

    fn take(&mut self, row: Vec<Cell<'_>>) -> Result<(), WriteError> {
        let number = |numbers: &Numbers| match row.get(numbers.of) {
            Some(Cell::Text(id)) => id.parse().ok().and_then(|ProfileId(strand)| strand.number()),
            _ => None,
        };
        let numbers = self.numbers.iter().map(number);
        let numbers = numbers.map(|number| number.map_or(Cell::Absent, Cell::Integer));
        let numbers: Vec<Cell<'_>> = numbers.collect();
        for (column, cell) in self.columns.iter_mut().zip(row.into_iter().chain(numbers)) {
            self.bytes += column.push(cell);
        }
        self.rows += 1;
        if GROUP_ROWS <= self.rows || GROUP_BYTES <= self.bytes {
            self.write_group()?;
        }
        Ok(())
    }

    /// Writes what is still in memory and the end of the file.
    pub(crate) fn end(mut self) -> Result<(), WriteError> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.file.finish()?;
        Ok(self.file.inner_mut().flush()?)
    }

    fn write_group(&mut self) -> Result<(), WriteError> {
        let columns = std::mem::replace(&mut self.columns, empty(self.table, &self.numbers));
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
        self.take(cells(self.table, row)?)
    }

    fn finish(self: Box<Self>) -> Result<(), WriteError> {
        self.end()
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

fn empty(table: &Table, numbers: &[Numbers]) -> Vec<Gathered> {
    let gathered = |column: &crate::Column| Gathered {
        values: match column.kind {
            Kind::Text | Kind::Json => Values::Text(Vec::new()),
            Kind::Integer | Kind::Time => Values::Integer(Vec::new()),
            Kind::Number => Values::Number(Vec::new()),
            Kind::Boolean => Values::Boolean(Vec::new()),
        },
        levels: (!column.required).then(Vec::new),
    };
    let number =
        |_: &Numbers| Gathered { values: Values::Integer(Vec::new()), levels: Some(Vec::new()) };
    table.columns.iter().map(gathered).chain(numbers.iter().map(number)).collect()
}

/// The schema in the library's own language.
fn schema(table: &Table, numbers: &[Numbers]) -> Result<TypePtr, ParquetError> {
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
    for Numbers { name, .. } in numbers {
        text.push_str(&format!("optional int64 {name};\n"));
    }
    text.push('}');
    Ok(Arc::new(parse_message_type(&text)?))
}
