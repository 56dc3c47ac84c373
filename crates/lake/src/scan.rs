//! Some columns of some rows of a file, thousands of rows at a time.
//!
//! A column whose values decide which rows are wanted is decoded first; of the others only the values of those rows
//! are. Rows lie in the order of lanes, so those of a range of lanes follow each other, and pages before and after
//! them are not unpacked.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    ops::{ControlFlow, Range},
    os::unix::fs::FileExt as _,
    sync::Arc,
};

use bytes::Bytes;
use model::table::{Kind, Part, Table, Texts, Values, Wanted};
use parquet::{
    column::{page::PageReader, reader::ColumnReaderImpl},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData},
        reader::{ChunkReader, Length},
        serialized_reader::SerializedPageReader,
        statistics::Statistics,
    },
};

use crate::{folder::FolderError, read::physical};

/// Rows decoded at once: those of a page.
const ROWS_PER_PART: usize = 8_192;
/// The heads of pages are read so many bytes at a time.
const HEAD_BYTES: usize = 512;
/// The column by which rows of lanes are found.
const LANE: &str = "lane";

/// What to do with each part.
pub type Visit<'a> = dyn FnMut(&Part) -> ControlFlow<()> + 'a;

/// A file that several readers share, each at a place of its own.
#[derive(Debug)]
struct Shared(Arc<File>);

/// A place in it.
#[derive(Debug)]
struct Place {
    file: Arc<File>,
    at: u64,
}

impl Read for Place {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Length for Shared {
    fn len(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }
}

impl ChunkReader for Shared {
    type T = BufReader<Place>;

    fn get_read(&self, at: u64) -> Result<Self::T, ParquetError> {
        let place = Place { file: Arc::clone(&self.0), at };
        Ok(BufReader::with_capacity(HEAD_BYTES, place))
    }

    fn get_bytes(&self, at: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, at)?;
        Ok(bytes.into())
    }
}

/// Where a column is in a file, and of which kind.
#[derive(Clone, Copy)]
struct At {
    place: usize,
    kind: Kind,
    required: bool,
}

/// Rows to be passed over, and then rows to be read.
#[derive(Clone, Copy, Default)]
struct Run {
    over: usize,
    read: usize,
}

/// Visits what is wanted of a file until `visit` breaks.
pub(crate) fn scan(
    table: &'static Table,
    file: File,
    wanted: &Wanted<'_>,
    visit: &mut Visit<'_>,
) -> Result<(), FolderError> {
    let file = Arc::new(Shared(Arc::new(file)));
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&*file)?;
    let at = |name: &str| find(table, &metadata, name);
    let columns = wanted.columns.iter().map(|name| at(name)).collect::<Result<Vec<_>, _>>()?;
    let only = wanted.only.map(|(name, is_wanted)| Ok::<_, FolderError>((at(name)?, is_wanted)));
    let (only, lane) = (only.transpose()?, at(LANE)?);
    for group in metadata.row_groups() {
        let group = Group { file: &file, metadata: group };
        let rows = group.of_lanes(lane, &wanted.lanes)?;
        if rows.is_empty() {
            continue;
        }
        let mut parts = Parts {
            columns: columns.iter().map(|at| group.column(*at)).collect::<Result<_, _>>()?,
            only: match only {
                Some((Some(at), is_wanted)) => {
                    Some((group.typed::<ByteArrayType>(at)?, at.required, is_wanted))
                }
                Some((None, _)) => continue,
                None => None,
            },
            over: rows.start,
        };
        if let Some((column, ..)) = &mut parts.only {
            column.skip_records(rows.start)?;
        }
        let mut left = rows.len();
        while 0 < left {
            let count = left.min(ROWS_PER_PART);
            left -= count;
            let part = parts.next(count)?;
            if 0 < part.rows && visit(&part).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Where a column of a table is in a file; `None` where the file lacks one that may be absent.
fn find(
    table: &'static Table,
    metadata: &ParquetMetaData,
    name: &str,
) -> Result<Option<At>, FolderError> {
    let known = table.columns.iter().find(|column| column.name == name);
    let column = known.ok_or(FolderError::Column("of no such name"))?;
    let schema = metadata.file_metadata().schema_descr();
    let Some(place) = schema.columns().iter().position(|found| found.name() == name) else {
        return if column.required { Err(FolderError::Column(column.name)) } else { Ok(None) };
    };
    let found = schema.column(place);
    let fits = found.physical_type() == physical(column.kind)
        && found.max_def_level() == i16::from(!column.required);
    if !fits {
        return Err(FolderError::Column(column.name));
    }
    Ok(Some(At { place, kind: column.kind, required: column.required }))
}

/// A row group.
struct Group<'a> {
    file: &'a Arc<Shared>,
    metadata: &'a RowGroupMetaData,
}

impl Group<'_> {
    fn rows(&self) -> usize {
        usize::try_from(self.metadata.num_rows()).unwrap_or_default()
    }

    /// The rows of some lanes: they follow each other.
    fn of_lanes(&self, lane: Option<At>, lanes: &Range<u16>) -> Result<Range<usize>, FolderError> {
        let lane = lane.ok_or(FolderError::Column(LANE))?;
        let (from, to) = (i64::from(lanes.start), i64::from(lanes.end));
        if let Some(Statistics::Int64(known)) = self.metadata.column(lane.place).statistics()
            && let (Some(first), Some(last)) = (known.min_opt(), known.max_opt())
        {
            if *last < from || to <= *first {
                return Ok(0..0);
            }
            if from <= *first && *last < to {
                return Ok(0..self.rows());
            }
        }
        let mut values = Vec::new();
        read(&mut self.typed::<Int64Type>(lane)?, self.rows(), None, &mut values)?;
        let before = |end: i64| values.partition_point(|lane| *lane < end);
        Ok(before(from)..before(to))
    }

    fn column(&self, at: Option<At>) -> Result<Column, FolderError> {
        let Some(at) = at else { return Ok(Column::Missing) };
        Ok(match at.kind {
            Kind::Text | Kind::Json => Column::Text(self.typed(at)?, at.required),
            Kind::Integer | Kind::Time => Column::Integer(self.typed(at)?, at.required),
            Kind::Number => Column::Number(self.typed(at)?, at.required),
            Kind::Boolean => Column::Boolean(self.typed(at)?, at.required),
        })
    }

    fn typed<T: DataType>(&self, at: At) -> Result<ColumnReaderImpl<T>, FolderError> {
        let chunk = self.metadata.column(at.place);
        let pages = SerializedPageReader::new(Arc::clone(self.file), chunk, self.rows(), None)?;
        let pages: Box<dyn PageReader> = Box::new(pages);
        Ok(ColumnReaderImpl::new(chunk.column_descr_ptr(), pages))
    }
}

/// What reads a column of a row group, and whether every row has a value.
enum Column {
    Text(ColumnReaderImpl<ByteArrayType>, bool),
    Integer(ColumnReaderImpl<Int64Type>, bool),
    Number(ColumnReaderImpl<DoubleType>, bool),
    Boolean(ColumnReaderImpl<BoolType>, bool),
    Missing,
}

/// What reads the rows of a row group, part by part.
struct Parts<'a> {
    columns: Vec<Column>,
    only: Option<(ColumnReaderImpl<ByteArrayType>, bool, &'a dyn Fn(&str) -> bool)>,
    /// Rows that nobody wants and that the columns have not passed over yet.
    over: usize,
}

impl Parts<'_> {
    /// What is wanted of the next rows.
    fn next(&mut self, count: usize) -> Result<Part, FolderError> {
        let mut runs = Vec::new();
        let mut run = Run { over: self.over, read: 0 };
        match &mut self.only {
            None => run.read = count,
            Some((column, required, is_wanted)) => {
                let mut texts = Reading::default();
                texts.take(column, &[Run { over: 0, read: count }], *required)?;
                if texts.rows(*required) != count {
                    return Err(FolderError::Column("of the condition"));
                }
                let mut asked = Recent::default();
                texts.each(*required, &mut |text| {
                    let is_meant = match text {
                        Some(text) => {
                            asked.get(text, &mut |text| Ok(usize::from(is_wanted(text))))? == 1
                        }
                        None => false,
                    };
                    if is_meant {
                        run.read += 1;
                    } else {
                        if 0 < run.read {
                            runs.push(std::mem::take(&mut run));
                        }
                        run.over += 1;
                    }
                    Ok(())
                })?;
            }
        }
        self.over = if run.read == 0 { run.over } else { 0 };
        if 0 < run.read {
            runs.push(run);
        }
        let rows = runs.iter().map(|run| run.read).sum();
        if rows == 0 {
            return Ok(Part::default());
        }
        let columns = self.columns.iter_mut().map(|column| column.values(&runs, rows));
        Ok(Part { rows, columns: columns.collect::<Result<_, _>>()? })
    }
}

impl Column {
    fn values(&mut self, runs: &[Run], rows: usize) -> Result<Values, FolderError> {
        Ok(match self {
            Self::Text(column, required) => {
                let mut reading = Reading::default();
                reading.take(column, runs, *required)?;
                reading.check(*required, rows)?;
                let (mut texts, mut recent) = (Texts::default(), Recent::default());
                reading.each(*required, &mut |text| {
                    let word = text.map(|text| recent.get(text, &mut |text| Ok(texts.word(text))));
                    texts.push(word.transpose()?);
                    Ok(())
                })?;
                Values::Texts(texts)
            }
            Self::Integer(column, required) => {
                Values::Integers(all(column, runs, *required, rows)?)
            }
            Self::Number(column, required) => Values::Numbers(all(column, runs, *required, rows)?),
            Self::Boolean(column, required) => {
                Values::Booleans(all(column, runs, *required, rows)?)
            }
            Self::Missing => {
                let mut texts = Texts::default();
                (0..rows).for_each(|_| texts.push(None));
                Values::Texts(texts)
            }
        })
    }
}

fn all<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    runs: &[Run],
    required: bool,
    rows: usize,
) -> Result<Vec<Option<T::T>>, FolderError> {
    let mut reading = Reading::default();
    reading.take(column, runs, required)?;
    reading.check(required, rows)?;
    let mut values = Vec::with_capacity(rows);
    reading.each(required, &mut |value| {
        values.push(value.cloned());
        Ok(())
    })?;
    Ok(values)
}

/// Decoded values of a column: those that are there, and for each row of a column that may be absent whether it is.
struct Reading<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Default for Reading<T> {
    fn default() -> Self {
        Self { values: Vec::new(), levels: Vec::new() }
    }
}

impl<T> Reading<T> {
    fn take<D: DataType<T = T>>(
        &mut self,
        column: &mut ColumnReaderImpl<D>,
        runs: &[Run],
        required: bool,
    ) -> Result<(), FolderError> {
        for run in runs {
            if 0 < run.over && column.skip_records(run.over)? != run.over {
                return Err(too_few().into());
            }
            let levels = (!required).then_some(&mut self.levels);
            read(column, run.read, levels, &mut self.values)?;
        }
        Ok(())
    }

    fn rows(&self, required: bool) -> usize {
        if required { self.values.len() } else { self.levels.len() }
    }

    fn check(&self, required: bool, rows: usize) -> Result<(), FolderError> {
        if self.rows(required) == rows { Ok(()) } else { Err(too_few().into()) }
    }

    /// Visits the value of each row.
    fn each(
        &self,
        required: bool,
        visit: &mut dyn FnMut(Option<&T>) -> Result<(), FolderError>,
    ) -> Result<(), FolderError> {
        let mut values = self.values.iter();
        if required {
            return values.try_for_each(|value| visit(Some(value)));
        }
        self.levels.iter().try_for_each(|level| match level {
            0 => visit(None),
            _ => visit(Some(values.next().ok_or_else(too_few)?)),
        })
    }
}

fn read<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    count: usize,
    mut levels: Option<&mut Vec<i16>>,
    values: &mut Vec<T::T>,
) -> Result<(), FolderError> {
    let mut left = count;
    while 0 < left {
        let (rows, _, _) = column.read_records(left, levels.as_deref_mut(), None, values)?;
        if rows == 0 {
            return Err(too_few().into());
        }
        left -= rows;
    }
    Ok(())
}

fn too_few() -> ParquetError {
    ParquetError::General("a column has too few values".to_owned())
}

/// What was found for the last different texts. Texts of one dictionary that are the same lie in the same place, so
/// they are told apart by where they are. The texts have to be held meanwhile.
#[derive(Default)]
struct Recent {
    known: [(usize, usize, usize); 8],
    next: usize,
}

impl Recent {
    fn get(
        &mut self,
        text: &ByteArray,
        find: &mut dyn FnMut(&str) -> Result<usize, FolderError>,
    ) -> Result<usize, FolderError> {
        let bytes = text.data();
        // An address is never 0, so what is not known yet is nobody's.
        let (address, length) = (bytes.as_ptr().addr(), bytes.len());
        let known = self.known.iter().find(|known| known.0 == address && known.1 == length);
        if let Some((_, _, found)) = known {
            return Ok(*found);
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| ParquetError::General("a text is not UTF-8".to_owned()))?;
        let found = find(text)?;
        if let Some(place) = self.known.get_mut(self.next) {
            *place = (address, length, found);
        }
        self.next = (self.next + 1) % self.known.len();
        Ok(found)
    }
}
