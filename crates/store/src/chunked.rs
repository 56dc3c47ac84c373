//! Values that are longer than a row may be, such as definitions, cut into rows.
//!
//! The chunks of `key` lie at `key ‖ index` with one byte of index. The first begins with the
//! length of the whole value (`u32`, big endian). A table that holds chunked values must have no
//! two keys of which one is the other plus one byte.

use std::ops::ControlFlow;

use crate::{Batch, KeyRange, MAX_VALUE_BYTES, Reader, ScanOrder, StoreError, Table};

/// The longest value that can be chunked.
pub const MAX_CHUNKED_BYTES: usize = 64 * 1024;

const LENGTH_BYTES: usize = 4;

/// How many chunks the longest value takes.
#[expect(clippy::cast_possible_truncation, reason = "a constant that is 17")]
const MAX_CHUNKS: u8 = (MAX_CHUNKED_BYTES + LENGTH_BYTES).div_ceil(MAX_VALUE_BYTES) as u8;

/// Sets `key` to `value`, in as many rows as it takes, and removes what a longer value left behind.
///
/// # Errors
///
/// When the value is longer than [`MAX_CHUNKED_BYTES`]; the batch is unchanged then.
pub fn put_chunked(
    batch: &mut Batch,
    table: Table,
    key: &[u8],
    value: &[u8],
) -> Result<(), StoreError> {
    let too_large = StoreError::ValueTooLarge {
        table: table.name(),
        bytes: value.len(),
        limit: MAX_CHUNKED_BYTES,
    };
    if value.len() > MAX_CHUNKED_BYTES {
        return Err(too_large);
    }
    let length = u32::try_from(value.len()).map_err(|_| too_large)?;
    let mut framed = Vec::with_capacity(LENGTH_BYTES + value.len());
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(value);
    let mut chunks = framed.chunks(MAX_VALUE_BYTES);
    for index in 0..MAX_CHUNKS {
        let row_key = chunk_key(key, index);
        match chunks.next() {
            Some(chunk) => batch.put(table, row_key, chunk),
            None => batch.delete(table, row_key),
        }
    }
    Ok(())
}

/// Removes `key` and all its chunks; it need not exist.
pub fn delete_chunked(batch: &mut Batch, table: Table, key: &[u8]) {
    for index in 0..MAX_CHUNKS {
        batch.delete(table, chunk_key(key, index));
    }
}

/// The chunked value under `key`, if there is one.
///
/// # Errors
///
/// When stored data cannot be read, or chunks are missing.
pub fn get_chunked(
    reader: &dyn Reader,
    table: Table,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut framed = Vec::new();
    let (from, to) = (chunk_key(key, 0), chunk_key(key, MAX_CHUNKS));
    // One scan, not one read a chunk: a scan sees one instant, so a value that is replaced
    // meanwhile is never read in part.
    reader.scan(
        table,
        KeyRange::new(&from, &to),
        ScanOrder::Ascending,
        &mut |row_key, chunk| {
            if row_key.len() == key.len() + 1 {
                framed.extend_from_slice(chunk);
            }
            ControlFlow::Continue(())
        },
    )?;
    if framed.is_empty() {
        return Ok(None);
    }
    let value = framed.split_off(LENGTH_BYTES.min(framed.len()));
    let is_whole = <[u8; LENGTH_BYTES]>::try_from(framed)
        .is_ok_and(|length| usize::try_from(u32::from_be_bytes(length)) == Ok(value.len()));
    if !is_whole {
        let what = format!("a value in table `{}` lacks chunks", table.name());
        return Err(StoreError::Corrupt { what });
    }
    Ok(Some(value))
}

fn chunk_key(key: &[u8], index: u8) -> Vec<u8> {
    let mut row_key = Vec::with_capacity(key.len() + 1);
    row_key.extend_from_slice(key);
    row_key.push(index);
    row_key
}
