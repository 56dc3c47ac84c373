//! Some columns of some rows of a file, thousands of rows at a time.
//!
//! A column whose values decide which rows are wanted is decoded first; pages of others in which no row is wanted are
//! not unpacked. Rows lie in the order of lanes, so those of a range of lanes follow each other, and pages before and
//! after them are not unpacked either.

mod words;

use std::{
    fs::File,
    io::{self, BufReader, Read},
    ops::{ControlFlow, Range},
    os::unix::fs::FileExt as _,
    sync::Arc,
};

use bytes::Bytes;
use model::{
    ProfileId, StrandId,
    table::{IsWanted, Kind, Part, Table, Texts, Values, Wanted},
};
use parquet::{
    column::reader::ColumnReaderImpl,
    data_type::{BoolType, DataType, DoubleType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{
        metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData},
        reader::{ChunkReader, Length},
        serialized_reader::SerializedPageReader,
        statistics::Statistics,
    },
};

use parking_lot::Mutex;
use words::{Numbered, Words};

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
    /// Where ids of profiles or strands are as numbers; absent for other texts, and in files of before there were any.
    number: Option<usize>,
    /// Its texts are ids of profiles or strands.
    is_id: bool,
}

/// Rows that are not wanted, and then rows that are.
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
                    Some(Only { column: group.text(at)?, is_wanted, known: Vec::new() })
                }
                Some((None, _)) => continue,
                None => None,
            },
            over: rows.start,
        };
        if let Some(only) = &mut parts.only {
            only.column.numbers.skip(rows.start)?;
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
    let numbers = Values::numbers_of(name);
    let number = numbers.and_then(|numbers| {
        let place = schema.columns().iter().position(|found| found.name() == numbers)?;
        let found = schema.column(place);
        let fits = found.physical_type() == physical(Kind::Integer) && found.max_def_level() == 1;
        fits.then_some(place)
    });
    let (kind, required, is_id) = (column.kind, column.required, numbers.is_some());
    Ok(Some(At { place, kind, required, number, is_id }))
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
        let mut column = self.typed::<Int64Type>(lane.place, lane.required)?;
        column.take(self.rows())?;
        let before = |end: i64| column.values.partition_point(|lane| *lane < end);
        Ok(before(from)..before(to))
    }

    fn column(&self, at: Option<At>) -> Result<Column, FolderError> {
        let Some(at) = at else { return Ok(Column::Missing) };
        let At { place, required, .. } = at;
        Ok(match at.kind {
            Kind::Text | Kind::Json if at.is_id => match at.number {
                Some(place) if self.is_full(place) => Column::Number(self.typed(place, false)?),
                _ => Column::Id(self.text(at)?),
            },
            Kind::Text | Kind::Json => Column::Text(self.text(at)?),
            Kind::Integer | Kind::Time => Column::Integer(self.typed(place, required)?),
            Kind::Number => Column::Real(self.typed(place, required)?),
            Kind::Boolean => Column::Boolean(self.typed(place, required)?),
        })
    }

    /// Whether every row has a value of a column in which some may have none.
    fn is_full(&self, place: usize) -> bool {
        let known = self.metadata.column(place).statistics();
        known.is_some_and(|known| known.null_count_opt() == Some(0))
    }

    fn typed<T: DataType>(&self, place: usize, required: bool) -> Result<Typed<T>, FolderError> {
        let pages = Box::new(self.pages(place)?);
        let reader = ColumnReaderImpl::new(self.metadata.column(place).column_descr_ptr(), pages);
        Ok(Typed { reader, required, values: Vec::new(), levels: Vec::new() })
    }

    fn text(&self, at: At) -> Result<Text, FolderError> {
        let pages = Numbered::of(self.pages(at.place)?, !at.required);
        let words = pages.words();
        let descriptor = self.metadata.column(at.place).column_descr_ptr();
        let reader = ColumnReaderImpl::new(descriptor, Box::new(pages));
        let (values, levels) = (Vec::new(), Vec::new());
        let numbers = Typed { reader, required: at.required, values, levels };
        Ok(Text { numbers, words, parts: 0, places: Vec::new() })
    }

    fn pages(&self, place: usize) -> Result<SerializedPageReader<Shared>, FolderError> {
        let chunk = self.metadata.column(place);
        Ok(SerializedPageReader::new(Arc::clone(self.file), chunk, self.rows(), None)?)
    }
}

/// What reads a column of a row group.
enum Column {
    Text(Text),
    /// Ids as texts.
    Id(Text),
    /// Ids as numbers.
    Number(Typed<Int64Type>),
    Integer(Typed<Int64Type>),
    Real(Typed<DoubleType>),
    Boolean(Typed<BoolType>),
    Missing,
}

/// What reads values of one kind, and those that were read last.
struct Typed<T: DataType> {
    reader: ColumnReaderImpl<T>,
    /// Whether every row has a value.
    required: bool,
    values: Vec<T::T>,
    /// For each row of a column that may be absent, whether it is not: 1 or 0.
    levels: Vec<i16>,
}

/// What reads texts.
struct Text {
    numbers: Typed<Int32Type>,
    words: Arc<Mutex<Words>>,
    /// Parts that were read.
    parts: u32,
    /// For each number, the last part that has it and its place among the words of that part.
    places: Vec<(u32, usize)>,
}

/// The column by whose values rows are wanted.
struct Only<'a> {
    column: Text,
    is_wanted: IsWanted<'a>,
    /// For each number whether its text is wanted, once that was asked.
    known: Vec<Option<bool>>,
}

/// What reads the rows of a row group, part by part.
struct Parts<'a> {
    columns: Vec<Column>,
    only: Option<Only<'a>>,
    /// Rows that nobody wants and that the columns have not passed over yet.
    over: usize,
}

impl Parts<'_> {
    /// What is wanted of the next rows.
    fn next(&mut self, count: usize) -> Result<Part, FolderError> {
        let mut runs = match &mut self.only {
            Some(only) => only.runs(count)?,
            None => vec![Run { over: 0, read: count }],
        };
        let passed: usize = runs.iter().map(|run| run.over + run.read).sum();
        let Some(first) = runs.first_mut() else {
            self.over += count;
            return Ok(Part::default());
        };
        first.over += std::mem::replace(&mut self.over, count - passed);
        let rows = runs.iter().map(|run| run.read).sum();
        let columns = self.columns.iter_mut().map(|column| column.values(&runs, rows));
        Ok(Part { rows, columns: columns.collect::<Result<_, _>>()? })
    }
}

impl Only<'_> {
    /// Which of the next rows are wanted.
    fn runs(&mut self, count: usize) -> Result<Vec<Run>, FolderError> {
        self.column.read(count)?;
        let (mut runs, mut run) = (Vec::new(), Run::default());
        let words = self.column.words.lock();
        self.known.resize(words.count(), None);
        self.column.numbers.each(&[Run { over: 0, read: count }], |number| {
            let is_meant = match number {
                Some(number) => match self.known.get_mut(number_of(*number)?) {
                    Some(Some(known)) => *known,
                    Some(unknown) => {
                        let is_meant = (self.is_wanted)(words.get(number_of(*number)?)?);
                        *unknown.insert(is_meant)
                    }
                    None => false,
                },
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
        if 0 < run.read {
            runs.push(run);
        }
        Ok(runs)
    }
}

impl Column {
    fn values(&mut self, runs: &[Run], rows: usize) -> Result<Values, FolderError> {
        Ok(match self {
            Self::Text(column) => Values::Texts(column.texts(runs)?),
            Self::Id(column) => Values::Ids(column.ids(runs, rows)?),
            Self::Number(column) => {
                let id = |number: &i64| StrandId::from_number(*number).map(ProfileId);
                Values::Ids(column.picked(runs, rows, id)?)
            }
            Self::Integer(column) => Values::Integers(column.picked(runs, rows, |n| Some(*n))?),
            Self::Real(column) => Values::Numbers(column.picked(runs, rows, |n| Some(*n))?),
            Self::Boolean(column) => Values::Booleans(column.picked(runs, rows, |b| Some(*b))?),
            Self::Missing => {
                let mut texts = Texts::default();
                (0..rows).for_each(|_| texts.push(None));
                Values::Texts(texts)
            }
        })
    }
}

impl<T: DataType> Typed<T> {
    fn skip(&mut self, rows: usize) -> Result<(), FolderError> {
        if 0 < rows && self.reader.skip_records(rows)? != rows {
            return Err(too_few().into());
        }
        Ok(())
    }

    /// Decodes so many rows.
    fn take(&mut self, rows: usize) -> Result<(), FolderError> {
        self.values.clear();
        self.values.reserve(rows);
        self.levels.clear();
        let mut left = rows;
        while 0 < left {
            let levels = (!self.required).then_some(&mut self.levels);
            let (read, _, _) = self.reader.read_records(left, levels, None, &mut self.values)?;
            if read == 0 {
                return Err(too_few().into());
            }
            left -= read;
        }
        Ok(())
    }

    /// Decodes rows from the first that is wanted to the last, and what lies between them: values are small, so that
    /// decoding some in vain costs less than beginning anew for each run.
    fn take_all(&mut self, runs: &[Run]) -> Result<(), FolderError> {
        let Some(first) = runs.first() else { return self.take(0) };
        self.skip(first.over)?;
        let all: usize = runs.iter().map(|run| run.over + run.read).sum();
        self.take(all - first.over)
    }

    /// Visits the values of rows that [`Self::take_all`] decoded.
    fn each(
        &self,
        runs: &[Run],
        mut visit: impl FnMut(Option<&T::T>) -> Result<(), FolderError>,
    ) -> Result<(), FolderError> {
        let (mut row, mut value) = (0, 0);
        let is_full = self.required || self.values.len() == self.levels.len();
        for (nth, run) in runs.iter().enumerate() {
            // Rows before the first run were passed over.
            let over = if nth == 0 { 0 } else { run.over };
            if is_full {
                let values = self.values.get(row + over..row + over + run.read);
                values.ok_or_else(too_few)?.iter().try_for_each(|value| visit(Some(value)))?;
            } else {
                let levels = |from: usize, to: usize| self.levels.get(from..to).ok_or_else(too_few);
                value += levels(row, row + over)?.iter().filter(|level| **level != 0).count();
                for level in levels(row + over, row + over + run.read)? {
                    let found = match level {
                        0 => None,
                        _ => Some(self.values.get(value).ok_or_else(too_few)?),
                    };
                    value += usize::from(found.is_some());
                    visit(found)?;
                }
            }
            row += over + run.read;
        }
        Ok(())
    }

    /// What something makes of the values of rows.
    fn picked<U>(
        &mut self,
        runs: &[Run],
        rows: usize,
        of: impl Fn(&T::T) -> Option<U>,
    ) -> Result<Vec<Option<U>>, FolderError> {
        self.take_all(runs)?;
        let mut picked = Vec::with_capacity(rows);
        self.each(runs, |value| {
            picked.push(value.and_then(&of));
            Ok(())
        })?;
        Ok(picked)
    }
}

impl Text {
    /// Decodes the numbers of so many rows.
    fn read(&mut self, rows: usize) -> Result<(), FolderError> {
        self.words.lock().forget();
        self.numbers.take(rows)
    }

    /// Decodes the numbers of rows.
    fn read_all(&mut self, runs: &[Run]) -> Result<(), FolderError> {
        self.words.lock().forget();
        self.numbers.take_all(runs)
    }

    fn texts(&mut self, runs: &[Run]) -> Result<Texts, FolderError> {
        self.read_all(runs)?;
        let words = self.words.lock();
        self.parts += 1;
        self.places.resize(words.count(), (0, 0));
        let mut texts = Texts::default();
        self.numbers.each(runs, |number| {
            let Some(number) = number else {
                texts.push(None);
                return Ok(());
            };
            let number = number_of(*number)?;
            let place = self.places.get_mut(number).ok_or_else(too_few)?;
            if place.0 != self.parts {
                *place = (self.parts, texts.word(words.get(number)?));
            }
            texts.push(Some(place.1));
            Ok(())
        })?;
        Ok(texts)
    }

    fn ids(&mut self, runs: &[Run], rows: usize) -> Result<Vec<Option<ProfileId>>, FolderError> {
        self.read_all(runs)?;
        let (words, mut ids) = (self.words.lock(), Vec::with_capacity(rows));
        self.numbers.each(runs, |number| {
            let text = number.map(|number| Ok::<_, FolderError>(words.get(number_of(*number)?)?));
            ids.push(text.transpose()?.and_then(|text| text.parse().ok()));
            Ok(())
        })?;
        Ok(ids)
    }
}

fn number_of(number: i32) -> Result<usize, FolderError> {
    usize::try_from(number).map_err(|_| too_few().into())
}

fn too_few() -> ParquetError {
    ParquetError::General("a column has too few values".to_owned())
}
