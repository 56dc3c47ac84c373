//! What the engine may ask of a store.

use std::{fmt, ops::ControlFlow};

use bytes::Bytes;

use crate::{Batch, KeyRange, ScanOrder, StoreError, Table};

/// What a scan calls with each key and value, until it breaks.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Something rows can be read from: a store as it is now, or a snapshot of it.
pub trait Reader {
    /// The value under `key`, if there is one.
    ///
    /// # Errors
    ///
    /// When stored data cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Visits the rows of `range` in `order` until `visit` breaks.
    ///
    /// The rows are those of one instant: commits during the scan do not show. `visit` may call the
    /// store.
    ///
    /// # Errors
    ///
    /// When stored data cannot be read; rows may have been visited by then.
    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        order: ScanOrder,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError>;
}

/// The rows of one instant, frozen. Holding it keeps old versions on disk, so let it go soon.
pub trait Snapshot: Reader + Send + Sync + fmt::Debug {}

/// An ordered, durable, transactional set of tables with one writer.
pub trait Store: Reader + Send + Sync + fmt::Debug + 'static {
    /// A view of the rows as they are now, over all tables, that later commits do not change.
    ///
    /// # Errors
    ///
    /// When the view cannot be opened.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Applies all writes of `batch` atomically and returns once they are on disk, at the price of
    /// one sync.
    ///
    /// Readers never see a part of a batch in one scan or snapshot. An empty batch is done at once.
    /// What the batch holds afterwards is not said; its memory can be used again once it is cleared.
    ///
    /// # Errors
    ///
    /// After any error but [`StoreError::Poisoned`] nothing was applied. After that one the outcome
    /// is unknown until the process has restarted, and every later commit answers the same.
    fn apply(&self, batch: &mut Batch) -> Result<(), StoreError>;

    /// As [`Self::apply`], of a batch that is not needed any more.
    ///
    /// # Errors
    ///
    /// As [`Self::apply`].
    fn commit(&self, mut batch: Batch) -> Result<(), StoreError> {
        self.apply(&mut batch)
    }

    /// How much the store takes up and how far behind it is; cheap enough to ask every second.
    fn usage(&self) -> Usage;
}

/// How much a store takes up and how far behind it is. What an implementation cannot know is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Bytes on disk, journals included.
    pub disk_bytes: u64,
    /// Bytes of journals on disk. What a restart has to read.
    pub journal_bytes: u64,
    /// Number of journals.
    pub journals: u64,
    /// Bytes of rows in memory that are not in tables on disk yet.
    pub memtable_bytes: u64,
    /// Bytes in the block cache.
    pub cache_bytes: u64,
    /// Memtables that wait for being written out. A number that grows means that writes outrun the
    /// disk.
    pub flushes_waiting: u64,
    /// Compactions that run now.
    pub compactions_running: u64,
    /// Most runs in the first level of any table; commits are slowed down from 20 and halted at 30.
    pub level_zero_runs_max: u64,
    /// Free bytes on the disk, if it tells.
    pub free_bytes: Option<u64>,
    /// Why the store stopped accepting writes, if it did.
    pub poisoned: Option<String>,
}
