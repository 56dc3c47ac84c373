//! Reading a backup: to check it, or to make a store of it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    ops::ControlFlow,
    path::Path,
};

use super::{
    BackupError, Flaw, MANIFEST_FILE, Manifest, TableSummary,
    chunk::{self, Chunk, Content},
    chunk_file, io_error,
};
use crate::{Batch, Fjall, FjallOptions, KeyRange, Reader, ScanOrder, Store, StoreError, Table};

/// Reads every file of the backup in `dir` and answers with its manifest.
///
/// # Errors
///
/// [`BackupError::Damaged`] names the first file that is not what was written.
pub fn check(dir: &Path) -> Result<Manifest, BackupError> {
    visit(dir, &mut |_, _| Ok(()))
}

/// Makes a store in `data`, an empty directory, of the backup in `dir`, then reads all rows back and
/// compares them with what was backed up.
///
/// The store has no keys yet. It is not fit for use before this has answered.
///
/// # Errors
///
/// As [`check`]; [`BackupError::ReadBack`] when the new store does not hold what was written.
pub fn restore(dir: &Path, data: &Path) -> Result<Manifest, BackupError> {
    let store = Fjall::open(data, FjallOptions::default())?;
    let mut batch = Batch::new();
    let manifest = visit(dir, &mut |table, rows| {
        batch.clear();
        for (key, value) in rows {
            batch.put(table, key, value);
        }
        store.apply(&mut batch)
    })?;
    read_back(&store, &manifest)?;
    Ok(manifest)
}

type Rows<'a> = Vec<chunk::Row<'a>>;

/// Visits the rows of all chunks, each checked before, and compares their sums with the manifest.
fn visit(
    dir: &Path,
    take: &mut dyn FnMut(Table, Rows<'_>) -> Result<(), StoreError>,
) -> Result<Manifest, BackupError> {
    let manifest = read_manifest(dir)?;
    let mut found: BTreeMap<Table, Found> = BTreeMap::new();
    for (index, expected) in (1..).zip(&manifest.chunks) {
        let path = dir.join(chunk_file(index));
        let damaged = || BackupError::Damaged { path: path.clone() };
        let chunk = read_chunk(&path)?.map_err(|_| damaged())?;
        let Content::Rows(table) = chunk.content else { return Err(damaged()) };
        if chunk.index != index || chunk.digest() != *expected {
            return Err(damaged());
        }
        let plain = chunk.unpack().map_err(|_| damaged())?;
        let mut rows = Vec::new();
        collect(&plain, &mut rows).map_err(|_| damaged())?;
        let sum = found.entry(table).or_default();
        sum.rows += rows.len() as u64;
        sum.hasher.update(&plain);
        take(table, rows)?;
    }
    for table in Table::ALL {
        let found = found.remove(&table).unwrap_or_default().summary();
        if manifest.tables.get(table.name()) != Some(&found) {
            return Err(BackupError::Damaged { path: dir.join(MANIFEST_FILE) });
        }
    }
    Ok(manifest)
}

fn collect<'a>(mut plain: &'a [u8], rows: &mut Rows<'a>) -> Result<(), Flaw> {
    while let Some((row, rest)) = chunk::split_row(plain)? {
        rows.push(row);
        plain = rest;
    }
    Ok(())
}

fn read_manifest(dir: &Path) -> Result<Manifest, BackupError> {
    let path = dir.join(MANIFEST_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BackupError::Unfinished { dir: dir.to_path_buf() });
        }
        Err(source) => return Err(io_error("read", &path)(source)),
    };
    Manifest::read(&bytes).map_err(|flaw| match flaw {
        Flaw::Damaged => BackupError::Damaged { path },
        Flaw::Version { format, data_format } => BackupError::Version { path, format, data_format },
    })
}

/// The chunk of a file that holds nothing else.
fn read_chunk(path: &Path) -> Result<Result<Chunk, Flaw>, BackupError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(Flaw::Damaged)),
        Err(source) => return Err(io_error("open", path)(source)),
    };
    Chunk::read(&mut file).map_err(io_error("read", path))
}

/// The sum of a table's rows so far.
#[derive(Default)]
struct Found {
    rows: u64,
    hasher: blake3::Hasher,
}

impl Found {
    fn summary(&self) -> TableSummary {
        TableSummary { rows: self.rows, digest: self.hasher.finalize().to_hex().to_string() }
    }
}

fn read_back(store: &Fjall, manifest: &Manifest) -> Result<(), BackupError> {
    for table in Table::ALL {
        let mut found = Found::default();
        let mut row = Vec::new();
        store.scan(table, KeyRange::all(), ScanOrder::Ascending, &mut |key, value| {
            row.clear();
            chunk::push_row(&mut row, key, value);
            found.hasher.update(&row);
            found.rows += 1;
            ControlFlow::Continue(())
        })?;
        if manifest.tables.get(table.name()) != Some(&found.summary()) {
            return Err(BackupError::ReadBack { table: table.name().to_owned() });
        }
    }
    Ok(())
}
