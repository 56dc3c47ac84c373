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
use model::{
    ProfileId,
    table::{IsWanted, Kind, Part, Table, Texts, Values, Wanted},
};
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
    /// Its texts are ids of profiles or strands.
    is_id: bool,
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
                Some((Some(at), is_wanted)) => Some((group.typed::<ByteArrayType>(at)?, is_wanted)),
                Some((None, _)) => continue,
                None => None,
            },
            over: rows.start,
        };
        if let Some((column, _)) = &mut parts.only {
            column.reader.skip_records(rows.start)?;
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
    let is_id = Values::are_ids(name);
    Ok(Some(At { place, kind: column.kind, required: column.required, is_id }))
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
        let mut column = self.typed::<Int64Type>(lane)?;
        column.take(&[Run { over: 0, read: self.rows() }], self.rows())?;
        let before = |end: i64| column.values.partition_point(|lane| *lane < end);
        Ok(before(from)..before(to))
    }

    fn column(&self, at: Option<At>) -> Result<Column, FolderError> {
        let Some(at) = at else { return Ok(Column::Missing) };
        Ok(match at.kind {
            Kind::Text | Kind::Json if at.is_id => Column::Id(self.typed(at)?),
            Kind::Text | Kind::Json => Column::Text(self.typed(at)?),
            Kind::Integer | Kind::Time => Column::Integer(self.typed(at)?),
            Kind::Number => Column::Number(self.typed(at)?),
            Kind::Boolean => Column::Boolean(self.typed(at)?),
        })
    }

    fn typed<T: DataType>(&self, at: At) -> Result<Typed<T>, FolderError> {
        let chunk = self.metadata.column(at.place);
        let pages = SerializedPageReader::new(Arc::clone(self.file), chunk, self.rows(), None)?;
        let pages: Box<dyn PageReader> = Box::new(pages);
        let reader = ColumnReaderImpl::new(chunk.column_descr_ptr(), pages);
        Ok(Typed { reader, required: at.required, values: Vec::new(), levels: Vec::new() })
    }
}

/// What reads a column of a row group.
enum Column {
    Text(Typed<ByteArrayType>),
    Id(Typed<ByteArrayType>),
    Integer(Typed<Int64Type>),
    Number(Typed<DoubleType>),
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

/// What reads the rows of a row group, part by part.
struct Parts<'a> {
    columns: Vec<Column>,
    only: Option<(Typed<ByteArrayType>, IsWanted<'a>)>,
    /// Rows that nobody wants and that the columns have not passed over yet.
    over: usize,
}

impl Parts<'_> {
    /// What is wanted of the next rows.
    fn next(&mut self, count: usize) -> Result<Part, FolderError> {
        let runs = self.runs(count)?;
        let rows = runs.iter().map(|run| run.read).sum();
        if rows == 0 {
            return Ok(Part::default());
        }
        let columns = self.columns.iter_mut().map(|column| column.values(&runs, rows));
        Ok(Part { rows, columns: columns.collect::<Result<_, _>>()? })
    }

    /// Which of the next rows are wanted.
    fn runs(&mut self, count: usize) -> Result<Vec<Run>, FolderError> {
        let mut run = Run { over: std::mem::take(&mut self.over), read: 0 };
        let Some((column, is_wanted)) = &mut self.only else {
            return Ok(vec![Run { read: count, ..run }]);
        };
        column.take(&[Run { over: 0, read: count }], count)?;
        let (mut runs, mut asked) = (Vec::new(), Recent::default());
        column.each(|text| {
            let mut ask = |text: &str| usize::from(is_wanted(text));
            let is_meant = text.map(|text| asked.get(text, &mut ask)).transpose()? == Some(1);
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
        if run.read == 0 {
            self.over = run.over;
        } else {
            runs.push(run);
        }
        Ok(runs)
    }
}

impl Column {
    fn values(&mut self, runs: &[Run], rows: usize) -> Result<Values, FolderError> {
        Ok(match self {
            Self::Text(column) => {
                column.take(runs, rows)?;
                let (mut texts, mut recent) = (Texts::default(), Recent::default());
                column.each(|text| {
                    let word = text.map(|text| recent.get(text, &mut |text| texts.word(text)));
                    texts.push(word.transpose()?);
                    Ok(())
                })?;
                Values::Texts(texts)
            }
            Self::Id(column) => {
                column.take(runs, rows)?;
                let mut ids = Vec::with_capacity(rows);
                column.each(|text| {
                    ids.push(text.and_then(|t| ProfileId::from_hexadecimal(t.data()).ok()));
                    Ok(())
                })?;
                Values::Ids(ids)
            }
            Self::Integer(column) => Values::Integers(column.picked(runs, rows)?),
            Self::Number(column) => Values::Numbers(column.picked(runs, rows)?),
            Self::Boolean(column) => Values::Booleans(column.picked(runs, rows)?),
            Self::Missing => {
                let mut texts = Texts::default();
                (0..rows).for_each(|_| texts.push(None));
                Values::Texts(texts)
            }
        })
    }
}

impl<T: DataType> Typed<T> {
    /// Reads the values of so many rows in runs.
    fn take(&mut self, runs: &[Run], rows: usize) -> Result<(), FolderError> {
        self.values.clear();
        self.values.reserve(rows);
        self.levels.clear();
        for run in runs {
            if 0 < run.over && self.reader.skip_records(run.over)? != run.over {
                return Err(too_few().into());
            }
            let mut left = run.read;
            while 0 < left {
                let levels = (!self.required).then_some(&mut self.levels);
                let (read, _, _) =
                    self.reader.read_records(left, levels, None, &mut self.values)?;
                if read == 0 {
                    return Err(too_few().into());
                }
                left -= read;
            }
        }
        let found = if self.required { self.values.len() } else { self.levels.len() };
        if found == rows { Ok(()) } else { Err(too_few().into()) }
    }

    /// Visits the value of each row that was read.
    fn each(
        &self,
        mut visit: impl FnMut(Option<&T::T>) -> Result<(), FolderError>,
    ) -> Result<(), FolderError> {
        let mut values = self.values.iter();
        if self.required {
            return values.try_for_each(|value| visit(Some(value)));
        }
        self.levels.iter().try_for_each(|level| match level {
            0 => visit(None),
            _ => visit(Some(values.next().ok_or_else(too_few)?)),
        })
    }

    /// Reads the values of so many rows in runs, and for that all between them: where values are small, decoding some
    /// in vain costs less than beginning anew for each run.
    fn picked(&mut self, runs: &[Run], rows: usize) -> Result<Vec<Option<T::T>>, FolderError> {
        let Some((first, others)) = runs.split_first() else { return Ok(Vec::new()) };
        let between: usize = others.iter().map(|run| run.over + run.read).sum();
        let read = first.read + between;
        self.take(&[Run { over: first.over, read }], read)?;
        let mut picked = Vec::with_capacity(rows);
        let mut runs = runs.iter().map(|run| (run.over, run.read));
        let (_, mut wanted) = runs.next().unwrap_or_default();
        let mut unwanted = 0;
        self.each(|value| {
            if wanted == 0 && unwanted == 0 {
                (unwanted, wanted) = runs.next().unwrap_or_default();
            }
            if unwanted > 0 {
                unwanted -= 1;
            } else {
                wanted -= 1;
                picked.push(value.cloned());
            }
            Ok(())
        })?;
        Ok(picked)
    }
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
        find: &mut dyn FnMut(&str) -> usize,
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
        let found = find(text);
        if let Some(place) = self.known.get_mut(self.next) {
            *place = (address, length, found);
        }
        self.next = (self.next + 1) % self.known.len();
        Ok(found)
    }
}
