//! The embedded store: one directory, one process, an LSM tree (fjall) below.
//!
//! The directory holds `FORMAT` (the version of this layout), `LOCK` (held while open) and `rows/`
//! (the engine's files).

use std::{
    any::Any,
    fmt,
    ops::Bound,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use fjall::{
    AbstractTree, Database, Keyspace, OwnedWriteBatch, PersistMode, Readable, Slice,
    compaction::Leveled,
    config::{
        BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy,
        FilterPolicyEntry, HashRatioPolicy, PartitioningPolicy, PinningPolicy,
    },
};
use parking_lot::Mutex;

use crate::{
    Batch, KeyRange, Reader, ScanOrder, Snapshot, Store, StoreError, Table, Usage, Visit,
    directory::{Directory, free_bytes},
    repair,
    retired::Retired,
};

const MIB: u64 = 1024 * 1024;

/// How many full memtables of a table may wait to be written out before commits to it wait. The
/// engine itself waits at one more.
const WAITING_MEMTABLES_MAX: usize = 3;

/// How often a waiting commit looks again. Writing out a memtable takes tens of milliseconds.
const WAIT_STEP: Duration = Duration::from_millis(2);

/// How an embedded store uses memory and disk.
///
/// Memory at rest is about the cache, one memtable per busy table and the filters (ten bits per key
/// of [`Table::Index`] and [`Table::Dedup`]). While writes outrun the disk, up to three memtables
/// more per busy table wait to be written out; then commits wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FjallOptions {
    /// Blocks kept decoded in memory.
    pub cache_bytes: u64,
    /// Sealed journals kept before tables are made to flush. At most this, one sealed journal and
    /// the active one, of about 64 MiB each, are read when the store is opened after a crash.
    pub journal_bytes_max: u64,
    /// Rows in memory of [`Table::Strand`] before they are written out; other tables get less. Large,
    /// since pages of popular people are written again and again: what is overwritten here is
    /// neither written out nor merged.
    pub memtable_bytes: u64,
    /// Threads for flushes and compactions.
    pub worker_threads: usize,
    /// Free disk space below which commits are refused, so that journals and compactions never hit
    /// the end of the disk.
    pub reserve_bytes: u64,
}

impl Default for FjallOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 64 * MIB,
            journal_bytes_max: 192 * MIB,
            memtable_bytes: 96 * MIB,
            worker_threads: worker_threads(),
            reserve_bytes: 256 * MIB,
        }
    }
}

/// With several workers, the engine keeps the first one free for flushes by letting it spin while a
/// compaction waits. That is worth a core only where there are cores to spare.
fn worker_threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if cores > 2 { 2 } else { 1 }
}

/// The embedded store. Clones share it; the directory is released when the last clone and the last
/// snapshot are gone.
#[derive(Clone, Debug)]
pub struct Fjall {
    inner: Arc<Inner>,
}

struct Inner {
    // In the order in which they are to be dropped: the lock on the directory goes last.
    tables: Vec<Keyspace>,
    database: Database,
    poisoned: Mutex<Option<String>>,
    reserve_bytes: AtomicU64,
    memtable_bytes: u64,
    retired: Retired,
    directory: Directory,
}

impl Fjall {
    /// Opens the store in `dir`, creating it if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] when another process has it open, [`StoreError::Version`] when
    /// another version wrote it, [`StoreError::Corrupt`] when its journals are damaged beyond a
    /// torn tail; see [`repair`](repair::repair).
    pub fn open(dir: &Path, options: FjallOptions) -> Result<Self, StoreError> {
        let directory = Directory::open(dir)?;
        repair::make_ready(directory.rows())?;
        let database = Database::builder(directory.rows())
            .cache_size(options.cache_bytes)
            .max_journaling_size(options.journal_bytes_max.max(64 * MIB))
            .worker_threads(options.worker_threads.max(1))
            .manual_journal_persist(true)
            .open()
            .map_err(|error| from_fjall("open the store", dir, error))?;
        let tables: Vec<Keyspace> = Table::ALL
            .into_iter()
            .map(|table| database.keyspace(table.name(), || keyspace_options(table)))
            .collect::<Result<_, _>>()
            .map_err(|error| from_fjall("open a table", dir, error))?;
        let memtables = tables.iter().map(active_memtable).collect();
        let retired = Retired::start(memtables)
            .map_err(|source| StoreError::Io { what: "start a thread", source })?;
        let inner = Inner {
            tables,
            database,
            poisoned: Mutex::default(),
            reserve_bytes: AtomicU64::new(options.reserve_bytes),
            memtable_bytes: options.memtable_bytes,
            retired,
            directory,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The directory the store was opened in.
    pub fn dir(&self) -> &Path {
        self.inner.directory.path()
    }

    /// Changes the free disk space below which commits are refused, from the next commit on.
    pub fn set_reserve_bytes(&self, bytes: u64) {
        self.inner.reserve_bytes.store(bytes, Ordering::Relaxed);
    }
}

impl Inner {
    fn keyspace(&self, table: Table) -> &Keyspace {
        &self.tables[table.index()]
    }

    /// Refuses a commit before it begins when it could run into the end of the disk.
    ///
    /// The engine treats a failed journal write as fatal, rightly, since what a half-written
    /// journal holds is unknown. So the disk must never be full when it writes.
    fn require_space(&self, batch_bytes: usize) -> Result<(), StoreError> {
        let reserve_bytes = self.reserve_bytes.load(Ordering::Relaxed);
        match free_bytes(self.directory.path()) {
            Some(free) if free < reserve_bytes.saturating_add(batch_bytes as u64) => {
                Err(StoreError::Full { free_bytes: free, reserve_bytes })
            }
            _ => Ok(()),
        }
    }

    /// Waits while memtables of the `touched` tables pile up, since memory must stay bounded.
    ///
    /// The engine waits as well, but longer at a time, and for ever once its workers have failed.
    fn wait_for_flushes(&self, touched: [bool; Table::ALL.len()]) -> Result<(), StoreError> {
        for table in Table::ALL.into_iter().filter(|table| touched[table.index()]) {
            while self.keyspace(table).tree.sealed_memtable_count() >= WAITING_MEMTABLES_MAX {
                self.require_running()?;
                thread::sleep(WAIT_STEP);
            }
        }
        Ok(())
    }

    /// Notices when a worker of the engine has failed, of which it tells only on a write; this
    /// writes nothing.
    fn require_running(&self) -> Result<(), StoreError> {
        if self.poisoned.lock().is_some() {
            return Err(StoreError::Poisoned);
        }
        self.database.persist(PersistMode::Buffer).map_err(|error| self.poison(&error))
    }

    /// Has the memtables among those `touched` that are full written out in the background.
    ///
    /// The engine would do so by itself, but by a message to its workers from every commit on a
    /// full memtable. When these fill the queue, each worker can wait for room in it while none is
    /// left to make any, and memory and journals grow without bound from then on. So its own limit
    /// is off, and this sends one message per memtable, never from a worker.
    fn write_out_full_memtables(&self, touched: [bool; Table::ALL.len()]) {
        for table in Table::ALL.into_iter().filter(|table| touched[table.index()]) {
            let keyspace = self.keyspace(table);
            let is_full = keyspace.tree.active_memtable().size() > self.memtable_limit(table);
            if is_full && let Err(error) = keyspace.rotate_memtable() {
                // The batch itself is on disk. Only later ones must not go on.
                self.poison(&error);
            }
        }
    }

    /// Takes note of memtables that took the place of full ones, whoever had these written out.
    fn hold_memtables(&self, touched: [bool; Table::ALL.len()]) {
        for table in Table::ALL.into_iter().filter(|table| touched[table.index()]) {
            self.retired.observe(table.index(), active_memtable(self.keyspace(table)));
        }
    }

    fn memtable_limit(&self, table: Table) -> u64 {
        let share = match table {
            Table::Strand => 1,
            Table::Body => 4,
            Table::Index
            | Table::Dedup
            | Table::Timer
            | Table::Log
            | Table::Decision
            | Table::Measure => 8,
            Table::Definition | Table::Meta | Table::Quarantine | Table::Import => 16,
        };
        self.memtable_bytes / share
    }

    /// Remembers why the store went down. The first cause is the one that matters.
    fn poison(&self, cause: &fjall::Error) -> StoreError {
        let mut poisoned = self.poisoned.lock();
        poisoned.get_or_insert_with(|| match cause {
            fjall::Error::Poisoned => "a background flush or compaction failed".to_owned(),
            cause => format!("a commit failed: {cause}"),
        });
        StoreError::Poisoned
    }

    fn read_error(&self, error: fjall::Error) -> StoreError {
        from_fjall("read rows", self.directory.path(), error)
    }
}

impl Reader for Fjall {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        // Rows enter the memtable only after the sync, but one after the other. Read as they come,
        // a batch would show by some of its rows while snapshots do not have it yet.
        let value = self.inner.database.snapshot().get(self.inner.keyspace(table), key);
        Ok(value.map_err(|error| self.inner.read_error(error))?.map(into_bytes))
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        order: ScanOrder,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        // The engine's own live scans read the newest version of each row, even of a batch that is
        // half applied. A snapshot does not.
        let snapshot = self.inner.database.snapshot();
        scan(&self.inner, &snapshot, table, &range, order, visit)
    }
}

impl Store for Fjall {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let view = self.inner.database.snapshot();
        Ok(Box::new(FjallSnapshot { view, inner: Arc::clone(&self.inner) }))
    }

    fn apply(&self, batch: &mut Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let batch_bytes = batch.bytes();
        let changes = batch.changes()?;
        self.inner.require_running()?;
        self.inner.require_space(batch_bytes)?;
        let mut write = OwnedWriteBatch::with_capacity(self.inner.database.clone(), changes.len())
            .durability(Some(PersistMode::SyncData));
        let mut touched = [false; Table::ALL.len()];
        for change in changes {
            let keyspace = self.inner.keyspace(change.table);
            match change.value {
                Some(value) => write.insert(keyspace, change.key, value),
                None => write.remove(keyspace, change.key),
            }
            touched[change.table.index()] = true;
        }
        self.inner.wait_for_flushes(touched)?;
        write.commit().map_err(|error| self.inner.poison(&error))?;
        self.inner.write_out_full_memtables(touched);
        self.inner.hold_memtables(touched);
        Ok(())
    }

    fn usage(&self) -> Usage {
        let database = &self.inner.database;
        // A failure is remembered as the cause, which is what is read below.
        self.inner.require_running().ok();
        let runs = self.inner.tables.iter().map(|keyspace| keyspace.tree.l0_run_count());
        Usage {
            disk_bytes: database.disk_space().unwrap_or_default(),
            journal_bytes: database.journal_disk_space().unwrap_or_default(),
            journals: database.journal_count() as u64,
            memtable_bytes: database.write_buffer_size(),
            cache_bytes: database.cache_size(),
            flushes_waiting: database.outstanding_flushes() as u64,
            compactions_running: database.active_compactions() as u64,
            level_zero_runs_max: runs.max().unwrap_or_default() as u64,
            free_bytes: free_bytes(self.inner.directory.path()),
            poisoned: self.inner.poisoned.lock().clone(),
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fjall").field("dir", &self.directory.path()).finish_non_exhaustive()
    }
}

/// A snapshot of the embedded store.
struct FjallSnapshot {
    view: fjall::Snapshot,
    inner: Arc<Inner>,
}

impl Reader for FjallSnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.view.get(self.inner.keyspace(table), key);
        Ok(value.map_err(|error| self.inner.read_error(error))?.map(into_bytes))
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        order: ScanOrder,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        scan(&self.inner, &self.view, table, &range, order, visit)
    }
}

impl Snapshot for FjallSnapshot {}

impl fmt::Debug for FjallSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallSnapshot").field("seqno", &self.view.seqno()).finish_non_exhaustive()
    }
}

fn scan(
    inner: &Inner,
    view: &fjall::Snapshot,
    table: Table,
    range: &KeyRange<'_>,
    order: ScanOrder,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    if range.is_empty() {
        return Ok(());
    }
    // The engine looks for the end of a range in every run of the tree before the first row comes
    // out. Going forward it is cheaper by half to run one row past the end.
    let bounds = match order {
        ScanOrder::Ascending => (Bound::Included(&*range.from), Bound::Unbounded),
        ScanOrder::Descending => range.bounds(),
    };
    let mut rows = view.range::<&[u8], _>(inner.keyspace(table), bounds);
    while let Some(row) = match order {
        ScanOrder::Ascending => rows.next(),
        ScanOrder::Descending => rows.next_back(),
    } {
        let (key, value) = row.into_inner().map_err(|error| inner.read_error(error))?;
        if !range.contains(&key) || visit(&key, &value).is_break() {
            break;
        }
    }
    Ok(())
}

fn active_memtable(keyspace: &Keyspace) -> Arc<dyn Any + Send + Sync> {
    keyspace.tree.active_memtable()
}

/// Hands out the engine's own memory without copying it.
fn into_bytes(slice: Slice) -> Bytes {
    Bytes::from_owner(slice)
}

/// How the engine keeps a table.
fn keyspace_options(table: Table) -> fjall::KeyspaceCreateOptions {
    // The log, bodies and decision records are read in long scans, the others by key. Of people who
    // are not in memory none is next to another, so what stands around a page is read for nothing
    // and takes the place of other pages in the cache.
    let block_bytes = match table {
        Table::Log | Table::Body | Table::Decision => 16 * 1024,
        Table::Strand => 1024,
        _ => 4 * 1024,
    };
    // Look-ups here mostly find nothing (a new message, a new identifier, somebody who was exposed to
    // nothing), so the last level needs its filters as well. Elsewhere a key that is asked for exists,
    // and leaving out the last level's filters saves nine tenths of their memory.
    let expects_hits = !matches!(table, Table::Index | Table::Dedup | Table::Measure);
    fjall::KeyspaceCreateOptions::default()
        // A look-up asks the filter and the index of every run. Kept where they are, they cost no
        // look-up in the cache of blocks, nor its room.
        .filter_block_pinning_policy(PinningPolicy::all(true))
        .filter_block_partitioning_policy(PartitioningPolicy::all(false))
        .index_block_pinning_policy(PinningPolicy::all(true))
        .index_block_partitioning_policy(PartitioningPolicy::all(false))
        // Within a block, too, a key is looked up and not searched for.
        .data_block_hash_ratio_policy(HashRatioPolicy::all(0.75))
        // See `write_out_full_memtables`.
        .max_memtable_size(u64::MAX)
        .compaction_strategy(Arc::new(compaction(table)))
        .data_block_size_policy(BlockSizePolicy::all(block_bytes))
        // Values are sealed, so they do not compress.
        .data_block_compression_policy(CompressionPolicy::disabled())
        .expect_point_read_hits(expects_hits)
        .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(
            BloomConstructionPolicy::BitsPerKey(10.0),
        )))
}

/// How runs of a table are merged.
///
/// Pages are rewritten again and again in no order, so merging a few runs rewrites all of the level
/// below: the more runs wait for it, the fewer bytes each page costs, and the more filters a look-up
/// asks. One level holds some two million people before there is a second one.
fn compaction(table: Table) -> Leveled {
    match table {
        Table::Strand => Leveled::default().with_l0_threshold(8).with_table_target_size(128 * MIB),
        // Few look-ups get past the filter in memory.
        Table::Dedup => Leveled::default().with_l0_threshold(12),
        Table::Index => Leveled::default().with_l0_threshold(8),
        _ => Leveled::default(),
    }
}

/// Tells the engine's errors apart by what the caller should do.
fn from_fjall(what: &'static str, dir: &Path, error: fjall::Error) -> StoreError {
    use fjall::{Error, LsmError};
    match error {
        Error::Io(source) | Error::Storage(LsmError::Io(source)) => StoreError::Io { what, source },
        Error::Locked => StoreError::Locked { dir: PathBuf::from(dir), holder: None },
        Error::Poisoned => StoreError::Poisoned,
        Error::InvalidVersion(found) => StoreError::Version {
            found: found.map_or_else(|| "unreadable".to_owned(), |found| format!("rows {found}")),
            known: crate::directory::FORMAT_VERSION,
        },
        other => StoreError::Corrupt { what: format!("could not {what}: {other}") },
    }
}
