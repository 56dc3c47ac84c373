//! Reading a file: compressed or not, its digest, and its rows one by one.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

use anyhow::{Context as _, bail};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::Value;

mod record;

pub(crate) use record::{Column, Columns, Record};

/// How much is read at a time.
const BUFFER_BYTES: usize = 256 * 1024;
/// Longest line of a JSONL file, so that a file that is none does not fill the memory.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Lines of a JSONL file that are looked at for the names of its columns.
const LINES_FOR_NAMES: usize = 100;

type CsvReader = csv::Reader<Box<dyn Read + Send>>;

/// How a file is written. Either may be compressed with gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FileFormat {
    /// Comma-separated values with a heading.
    Csv,
    /// A JSON object on each line; columns are dotted paths.
    Jsonl,
}

/// How a file is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// By its name when not given.
    pub(crate) format: Option<FileFormat>,
    /// What separates the columns of a CSV file.
    pub(crate) delimiter: char,
}

/// What a file is, before its rows are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// BLAKE3 of the uncompressed content, so that the same rows compressed otherwise are the same file.
    pub(crate) digest: String,
    /// Lines of the content: about as many as there are rows.
    pub(crate) lines: u64,
}

/// Opens a file, uncompressing it when it begins as gzip does.
pub(crate) fn open(path: &Path) -> anyhow::Result<Box<dyn Read + Send>> {
    let cannot = || format!("cannot read {}", path.display());
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path).with_context(cannot)?);
    let compressed = file.fill_buf().with_context(cannot)?.starts_with(&[0x1f, 0x8b]);
    if compressed { Ok(Box::new(MultiGzDecoder::new(file))) } else { Ok(Box::new(file)) }
}

/// Reads the file once for its digest and its length in lines.
pub(crate) fn summary(path: &Path) -> anyhow::Result<Summary> {
    let mut content = open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut lines = 0_u64;
    loop {
        let read = content.read(&mut buffer);
        let length = read.with_context(|| format!("cannot read {}", path.display()))?;
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
        lines += bytes.iter().map(|&byte| u64::from(byte == b'\n')).sum::<u64>();
    }
    Ok(Summary { digest: hasher.finalize().to_hex().to_string(), lines })
}

/// How the file is written: as the form says, or as its name does.
pub(crate) fn format_of(path: &Path, form: Form) -> anyhow::Result<FileFormat> {
    if let Some(format) = form.format {
        return Ok(format);
    }
    let name = path.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if name.ends_with(".csv") || name.ends_with(".tsv") {
        Ok(FileFormat::Csv)
    } else if name.ends_with(".jsonl") || name.ends_with(".ndjson") {
        Ok(FileFormat::Jsonl)
    } else {
        bail!(
            "the name {} does not tell how the file is written: it ends in neither .csv, .tsv, .jsonl nor .ndjson \
             (also with .gz), and no format was named",
            path.display()
        )
    }
}

/// What reading a row gives to whoever takes it.
pub(crate) enum Row<'a> {
    Record(Record<'a>),
    /// A line of a JSONL file that is no object.
    NoObject,
}

/// Gives every row to `take`, with the number of its line, until `take` answers false.
pub(crate) fn read_rows(
    path: &Path,
    form: Form,
    columns: &Columns,
    take: &mut dyn FnMut(u64, Row<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let place = || path.display().to_string();
    match format_of(path, form)? {
        FileFormat::Csv => read_csv(open(path)?, form, columns, take).with_context(place),
        FileFormat::Jsonl => read_jsonl(open(path)?, columns, take).with_context(place),
    }
}

/// The names of a file's columns: its heading, or the paths that its first lines have, in order.
pub(crate) fn column_names(path: &Path, form: Form) -> anyhow::Result<Vec<String>> {
    let place = || path.display().to_string();
    match format_of(path, form)? {
        FileFormat::Csv => Ok(heading(&mut csv_reader(open(path)?, form)?).with_context(place)?),
        FileFormat::Jsonl => {
            let mut names = Vec::new();
            let content = BufReader::with_capacity(BUFFER_BYTES, open(path)?);
            for line in content.take(LINE_BYTES_MAX).lines().take(LINES_FOR_NAMES) {
                if let Ok(Value::Object(row)) = serde_json::from_str(&line.with_context(place)?) {
                    record::collect_paths(&row, "", &mut names);
                }
            }
            Ok(names)
        }
    }
}

fn csv_reader(content: Box<dyn Read + Send>, form: Form) -> anyhow::Result<CsvReader> {
    let Ok(delimiter) = u8::try_from(form.delimiter) else {
        bail!("delimiter: `{}` is not one byte long", form.delimiter)
    };
    let mut builder = csv::ReaderBuilder::new();
    builder.delimiter(delimiter).flexible(true).buffer_capacity(BUFFER_BYTES);
    Ok(builder.from_reader(content))
}

fn heading(reader: &mut CsvReader) -> anyhow::Result<Vec<String>> {
    let heading = reader.byte_headers().context("reading the heading")?;
    let name = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}').trim().to_owned()
    };
    Ok(heading.iter().map(name).collect())
}

fn read_csv(
    content: Box<dyn Read + Send>,
    form: Form,
    columns: &Columns,
    take: &mut dyn FnMut(u64, Row<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let mut reader = csv_reader(content, form)?;
    let heading = heading(&mut reader)?;
    let places = columns.in_heading(&heading).map_err(anyhow::Error::msg)?;
    let mut row = csv::ByteRecord::new();
    while reader.read_byte_record(&mut row)? {
        let line = row.position().map_or(0, csv::Position::line);
        if !take(line, Row::Record(Record::Csv { row: &row, places: &places }))? {
            break;
        }
    }
    Ok(())
}

fn read_jsonl(
    content: Box<dyn Read + Send>,
    columns: &Columns,
    take: &mut dyn FnMut(u64, Row<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let paths = columns.as_paths().map_err(anyhow::Error::msg)?;
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, content);
    let mut text = Vec::new();
    let mut line = 0;
    loop {
        text.clear();
        line += 1;
        let length = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
        if length == 0 {
            return Ok(());
        }
        if length as u64 == LINE_BYTES_MAX {
            bail!("line {line} is longer than {LINE_BYTES_MAX} bytes");
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let parsed = serde_json::from_slice::<Value>(&text);
        let goes_on = match parsed {
            Ok(Value::Object(row)) => {
                take(line, Row::Record(Record::Json { row: &row, paths: &paths }))?
            }
            _ => take(line, Row::NoObject)?,
        };
        if !goes_on {
            return Ok(());
        }
    }
}
