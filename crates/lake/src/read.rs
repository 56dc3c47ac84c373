//! Reading Parquet files back, some rows at a time.

use std::{fs::File, vec};

use model::{
    Timestamp,
    table::{Cell, Kind, Row, Table},
};
use parquet::{
    column::reader::{ColumnReaderImpl, get_typed_column_reader},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::reader::{FileReader, SerializedFileReader},
};

use crate::folder::FolderError;

/// Rows decoded at once.
const ROWS_PER_STEP: usize = 1_024;

/// The rows of a file of a table, in its order. Columns that the file lacks are absent.
pub struct Rows {
    table: &'static Table,
    file: SerializedFileReader<File>,
    /// Where each column of the table is in the file.
    places: Vec<Option<usize>>,
    next_group: usize,
    columns: Vec<Option<Column>>,
    /// Rows of the group that are not decoded.
    left: usize,
    /// Decoded values, column by column.
    decoded: Vec<vec::IntoIter<Cell<'static>>>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rows of {}", self.table.name)
    }
}

/// What reads a column of a row group.
enum Column {
    Text(ColumnReaderImpl<ByteArrayType>),
    Integer(ColumnReaderImpl<Int64Type>),
    Time(ColumnReaderImpl<Int64Type>),
    Number(ColumnReaderImpl<DoubleType>),
    Boolean(ColumnReaderImpl<BoolType>),
}

impl Rows {
    pub(crate) fn of(table: &'static Table, file: File) -> Result<Self, FolderError> {
        let file = SerializedFileReader::new(file)?;
        let schema = file.metadata().file_metadata().schema_descr_ptr();
        let mut places = Vec::with_capacity(table.columns.len());
        for column in table.columns {
            let place = schema.columns().iter().position(|found| found.name() == column.name);
            let fits = |place: &usize| {
                let found = schema.column(*place);
                found.physical_type() == physical(column.kind)
                    && found.max_def_level() == i16::from(!column.required)
            };
            if place.is_none() && column.required || place.is_some_and(|place| !fits(&place)) {
                return Err(FolderError::Column(column.name));
            }
            places.push(place);
        }
        let (columns, decoded) = (Vec::new(), Vec::new());
        Ok(Self { table, file, places, next_group: 0, columns, left: 0, decoded })
    }

    /// Decodes the next rows; false when there are none.
    fn step(&mut self) -> Result<bool, FolderError> {
        while self.left == 0 {
            if self.next_group == self.file.num_row_groups() {
                return Ok(false);
            }
            let group = self.file.get_row_group(self.next_group)?;
            let rows = group.metadata().num_rows();
            self.columns.clear();
            for (column, place) in self.table.columns.iter().zip(&self.places) {
                let reader = place.map(|place| group.get_column_reader(place)).transpose()?;
                self.columns.push(reader.map(|reader| match column.kind {
                    Kind::Text | Kind::Json => Column::Text(get_typed_column_reader(reader)),
                    Kind::Integer => Column::Integer(get_typed_column_reader(reader)),
                    Kind::Time => Column::Time(get_typed_column_reader(reader)),
                    Kind::Number => Column::Number(get_typed_column_reader(reader)),
                    Kind::Boolean => Column::Boolean(get_typed_column_reader(reader)),
                }));
            }
            self.left = usize::try_from(rows).unwrap_or_default();
            self.next_group += 1;
        }
        let count = self.left.min(ROWS_PER_STEP);
        self.left -= count;
        self.decoded.clear();
        for (column, found) in self.table.columns.iter().zip(&mut self.columns) {
            let cells = match found {
                Some(found) => found.cells(count, column.required)?,
                None => vec![Cell::Absent; count],
            };
            if cells.len() != count {
                return Err(FolderError::Column(column.name));
            }
            self.decoded.push(cells.into_iter());
        }
        Ok(true)
    }
}

impl Iterator for Rows {
    type Item = Result<Row, FolderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.decoded.first().is_none_or(|cells| cells.len() == 0) {
            match self.step() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    // What follows cannot be told from what is missing.
                    (self.left, self.next_group) = (0, self.file.num_row_groups());
                    self.decoded.clear();
                    return Some(Err(error));
                }
            }
        }
        Some(Ok(self.decoded.iter_mut().filter_map(Iterator::next).collect()))
    }
}

impl Column {
    fn cells(&mut self, count: usize, required: bool) -> Result<Vec<Cell<'static>>, ParquetError> {
        match self {
            Self::Text(reader) => cells(reader, count, required, |bytes: ByteArray| {
                let text = String::from_utf8(bytes.data().to_vec());
                text.map(|text| Cell::Text(text.into()))
                    .map_err(|_| ParquetError::General("a text is not UTF-8".to_owned()))
            }),
            Self::Integer(reader) => cells(reader, count, required, |n| Ok(Cell::Integer(n))),
            Self::Time(reader) => {
                cells(reader, count, required, |ms| Ok(Cell::Time(Timestamp(ms))))
            }
            Self::Number(reader) => cells(reader, count, required, |n| Ok(Cell::Number(n))),
            Self::Boolean(reader) => cells(reader, count, required, |b| Ok(Cell::Boolean(b))),
        }
    }
}

fn cells<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
    required: bool,
    cell: impl Fn(T::T) -> Result<Cell<'static>, ParquetError>,
) -> Result<Vec<Cell<'static>>, ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut rows = 0;
    while rows < count {
        let levels = (!required).then_some(&mut levels);
        let (read, _, _) = reader.read_records(count - rows, levels, None, &mut values)?;
        if read == 0 {
            break;
        }
        rows += read;
    }
    let mut values = values.into_iter();
    if required {
        return values.map(cell).collect();
    }
    let missing = || ParquetError::General("a value is missing".to_owned());
    let of = |level: i16| match level {
        0 => Ok(Cell::Absent),
        _ => cell(values.next().ok_or_else(missing)?),
    };
    levels.into_iter().map(of).collect()
}

pub(crate) fn physical(kind: Kind) -> parquet::basic::Type {
    match kind {
        Kind::Text | Kind::Json => parquet::basic::Type::BYTE_ARRAY,
        Kind::Integer | Kind::Time => parquet::basic::Type::INT64,
        Kind::Number => parquet::basic::Type::DOUBLE,
        Kind::Boolean => parquet::basic::Type::BOOLEAN,
    }
}

/// The different values of the first column, which is a text that every row has.
pub(crate) fn first_column(table: &'static Table, file: File) -> Result<Vec<String>, FolderError> {
    let mut rows = Rows::of(table, file)?;
    // The others are not even opened.
    rows.places.truncate(1);
    let mut found: Vec<String> = Vec::new();
    for row in rows {
        if let Some(Cell::Text(text)) = row?.into_iter().next()
            && found.last().is_none_or(|last| *last != text)
        {
            found.push(text.into_owned());
        }
    }
    Ok(found)
}
