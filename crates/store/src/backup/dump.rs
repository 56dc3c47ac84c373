//! Taking a backup: all rows of a snapshot as chunks, and the manifest.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::{
    About, FORMAT, Manifest, TableSummary,
    chunk::{self, CHUNK_BYTES, Chunk, Content},
};
use crate::{KeyRange, Reader, ScanOrder, StoreError, Table};

/// Hands the rows of `frozen` to `sink` as the bytes of a backup, in pieces of about four mebibytes,
/// the manifest last. Ends without a manifest when `sink` breaks, and answers `None`.
///
/// # Errors
///
/// When stored data cannot be read.
pub fn dump(
    frozen: &dyn Reader,
    about: About,
    sink: &mut dyn FnMut(Vec<u8>) -> ControlFlow<()>,
) -> Result<Option<Manifest>, StoreError> {
    let mut dump = Dump { sink, chunks: Vec::new(), bytes: 0 };
    let mut tables = BTreeMap::new();
    for table in Table::ALL {
        let Some(summary) = dump.table(frozen, table)? else { return Ok(None) };
        tables.insert(table.name().to_owned(), summary);
    }
    let Dump { sink, chunks, bytes } = dump;
    let data_format = crate::directory::FORMAT_VERSION;
    let manifest = Manifest { format: FORMAT, data_format, about, tables, bytes, chunks };
    let index = u32::try_from(manifest.chunks.len()).unwrap_or(u32::MAX).saturating_add(1);
    let last = Chunk::pack(index, Content::Manifest, &manifest.write());
    Ok(sink(last.bytes).is_continue().then_some(manifest))
}

struct Dump<'a> {
    sink: &'a mut dyn FnMut(Vec<u8>) -> ControlFlow<()>,
    /// Digests of the chunks so far.
    chunks: Vec<String>,
    bytes: u64,
}

impl Dump<'_> {
    fn table(
        &mut self,
        frozen: &dyn Reader,
        table: Table,
    ) -> Result<Option<TableSummary>, StoreError> {
        let mut hasher = blake3::Hasher::new();
        let mut rows = 0;
        let mut plain = Vec::with_capacity(CHUNK_BYTES);
        let mut has_broken = false;
        frozen.scan(table, KeyRange::all(), ScanOrder::Ascending, &mut |key, value| {
            chunk::push_row(&mut plain, key, value);
            rows += 1;
            if plain.len() < CHUNK_BYTES {
                return ControlFlow::Continue(());
            }
            hasher.update(&plain);
            let passed = self.pass(table, &plain);
            has_broken = passed.is_break();
            plain.clear();
            passed
        })?;
        if !plain.is_empty() && !has_broken {
            hasher.update(&plain);
            has_broken = self.pass(table, &plain).is_break();
        }
        let digest = hasher.finalize().to_hex().to_string();
        Ok((!has_broken).then_some(TableSummary { rows, digest }))
    }

    fn pass(&mut self, table: Table, plain: &[u8]) -> ControlFlow<()> {
        let index = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX).saturating_add(1);
        let chunk = Chunk::pack(index, Content::Rows(table), plain);
        self.chunks.push(chunk.digest());
        self.bytes += chunk.bytes.len() as u64;
        (self.sink)(chunk.bytes)
    }
}
