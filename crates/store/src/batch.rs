//! A batch: the writes of one commit, collected without an allocation per row.

use std::ops::Range;

use crate::{StoreError, Table};

/// The longest value of a row.
///
/// With less than a disk page (4 KiB), losing any one page of a journal breaks the structure of a
/// batch, which recovery notices and cuts off, instead of damaging only the inside of a value,
/// which stops recovery.
pub const MAX_VALUE_BYTES: usize = 4_000;

/// The longest key. Real ones are under 64 bytes; a limit far above them only catches mistakes.
pub const MAX_KEY_BYTES: usize = 1_024;

/// The most bytes, keys and values together, that one commit takes: it must fit into memory several
/// times over.
pub const MAX_BATCH_BYTES: usize = 64 * 1024 * 1024;

/// Writes that are applied together. A later write to the same key wins.
#[derive(Debug, Default)]
pub struct Batch {
    /// Keys and values one after the other. One growing buffer is much cheaper than two vectors a
    /// row.
    bytes: Vec<u8>,
    writes: Vec<Write>,
    refused: Option<StoreError>,
}

/// Where a write's key and value are in the buffer.
#[derive(Clone, Debug)]
struct Write {
    table: Table,
    is_delete: bool,
    key: Range<usize>,
    value: Range<usize>,
}

/// One write of a batch, as an engine applies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    pub(crate) table: Table,
    pub(crate) key: &'a [u8],
    /// `None` deletes.
    pub(crate) value: Option<&'a [u8]>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for `writes` writes of `bytes` bytes in total.
    pub fn with_capacity(writes: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), writes: Vec::with_capacity(writes), refused: None }
    }

    /// Sets `key` to `value`.
    ///
    /// A key or value over its limit makes the commit of the whole batch fail, so that callers need
    /// not check every row.
    pub fn put(&mut self, table: Table, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        if value.len() > MAX_VALUE_BYTES {
            self.refuse(StoreError::ValueTooLarge {
                table: table.name(),
                bytes: value.len(),
                limit: MAX_VALUE_BYTES,
            });
            return;
        }
        self.push(table, key.as_ref(), Some(value));
    }

    /// Removes `key`; it need not exist.
    pub fn delete(&mut self, table: Table, key: impl AsRef<[u8]>) {
        self.push(table, key.as_ref(), None);
    }

    /// The number of writes, overwritten ones included.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.refused.is_none()
    }

    /// The bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds the writes of `other` after those of this batch.
    pub fn append(&mut self, other: Self) {
        let shift = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.writes.extend(other.writes.into_iter().map(|write| Write {
            key: write.key.start + shift..write.key.end + shift,
            value: write.value.start + shift..write.value.end + shift,
            ..write
        }));
        self.refused = self.refused.take().or(other.refused);
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.writes.clear();
        self.refused = None;
    }

    fn push(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            self.refuse(StoreError::KeyLength {
                table: table.name(),
                bytes: key.len(),
                limit: MAX_KEY_BYTES,
            });
            return;
        }
        let key_start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let value_start = self.bytes.len();
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.writes.push(Write {
            table,
            is_delete: value.is_none(),
            key: key_start..value_start,
            value: value_start..self.bytes.len(),
        });
    }

    /// Remembers the first reason why this batch cannot be committed.
    fn refuse(&mut self, error: StoreError) {
        self.refused.get_or_insert(error);
    }

    /// The writes to apply: sorted by table and key, one per key, after all limits were checked.
    ///
    /// Sorted keys let the engine's memtables and caches work on neighbours.
    pub(crate) fn changes(
        &mut self,
    ) -> Result<impl ExactSizeIterator<Item = Change<'_>>, StoreError> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        if self.bytes.len() > MAX_BATCH_BYTES {
            return Err(StoreError::BatchTooLarge {
                bytes: self.bytes.len(),
                limit: MAX_BATCH_BYTES,
            });
        }
        let bytes = &self.bytes;
        // The sort is stable, so that of equal keys the last one written stays last; that is the
        // one to keep.
        self.writes.sort_by(|a, b| {
            (a.table, &bytes[a.key.clone()]).cmp(&(b.table, &bytes[b.key.clone()]))
        });
        self.writes.dedup_by(|later, earlier| {
            let is_same = later.table == earlier.table
                && bytes[later.key.clone()] == bytes[earlier.key.clone()];
            if is_same {
                std::mem::swap(later, earlier);
            }
            is_same
        });
        Ok(self.writes.iter().map(|write| Change {
            table: write.table,
            key: &bytes[write.key.clone()],
            value: (!write.is_delete).then(|| &bytes[write.value.clone()]),
        }))
    }
}
