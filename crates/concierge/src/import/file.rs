//! Reading a file: compressed or not, its digest, and its rows one by one.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

use anyhow::{Context as _, bail};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::{
    mapping::{FileFormat, Mapping},
    record::{Columns, Record},
};

/// How much is read at a time.
const BUFFER_BYTES: usize = 256 * 1024;
/// Longest line of a JSONL file, so that a file that is none does not fill the memory.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What a file is, before its rows are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    /// BLAKE3 of the uncompressed content, so that the same rows compressed otherwise are the same file.
    pub(super) digest: String,
    /// Lines of the content: about as many as there are rows.
    pub(super) lines: u64,
}

/// Opens a file, uncompressing it when it begins as gzip does.
pub(super) fn open(path: &Path) -> anyhow::Result<Box<dyn Read + Send>> {
    let cannot = || format!("cannot read {}", path.display());
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path).with_context(cannot)?);
    let compressed = file.fill_buf().with_context(cannot)?.starts_with(&[0x1f, 0x8b]);
    if compressed { Ok(Box::new(MultiGzDecoder::new(file))) } else { Ok(Box::new(file)) }
}

/// Reads the file once for its digest and its length in lines.
pub(super) fn summary(path: &Path) -> anyhow::Result<Summary> {
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

/// How the file is written: as the mapping says, or as its name does.
pub(super) fn format_of(path: &Path, mapping: &Mapping) -> anyhow::Result<FileFormat> {
    if let Some(format) = mapping.format {
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
            "the name {} does not tell how the file is written: put format = \"csv\" or \"jsonl\" into the mapping",
            path.display()
        )
    }
}

/// What reading a row gives to whoever takes it.
pub(super) enum Row<'a> {
    Record(Record<'a>),
    /// A line of a JSONL file that is no object.
    NoObject,
}

/// Gives every row to `take`, with the number of its line, until `take` answers false.
pub(super) fn read_rows(
    path: &Path,
    mapping: &Mapping,
    columns: &Columns,
    take: &mut dyn FnMut(u64, Row<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let place = || path.display().to_string();
    match format_of(path, mapping)? {
        FileFormat::Csv => read_csv(open(path)?, mapping, columns, take).with_context(place),
        FileFormat::Jsonl => read_jsonl(open(path)?, columns, take).with_context(place),
    }
}

fn read_csv(
    content: Box<dyn Read + Send>,
    mapping: &Mapping,
    columns: &Columns,
    take: &mut dyn FnMut(u64, Row<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let Ok(delimiter) = u8::try_from(mapping.delimiter) else {
        bail!("delimiter: `{}` is not one byte long", mapping.delimiter)
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(content);
    let heading = reader.byte_headers().context("reading the heading")?;
    let name = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}').trim().to_owned()
    };
    let heading: Vec<String> = heading.iter().map(name).collect();
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
