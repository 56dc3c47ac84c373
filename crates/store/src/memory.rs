//! A store in memory: the twin of the embedded one for tests and simulation.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::{Batch, KeyRange, Reader, ScanOrder, Snapshot, Store, StoreError, Table, Usage, Visit};

type Rows = BTreeMap<Vec<u8>, Bytes>;

/// A store in memory. Clones share their rows, so that a clone kept aside is what a restarted
/// process would find.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    tables: Arc<RwLock<Tables>>,
}

/// The rows of all tables. A snapshot shares them, and the next commit copies the tables it changes
/// while one is held.
#[derive(Clone, Debug, Default)]
struct Tables([Arc<Rows>; Table::ALL.len()]);

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn tables(&self) -> Tables {
        self.tables.read().clone()
    }
}

impl Reader for Memory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.tables.read().get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        order: ScanOrder,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        // The lock is not held while visiting, so that `visit` may call the store.
        self.tables().scan(table, range, order, visit)
    }
}

impl Store for Memory {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(self.tables()))
    }

    fn apply(&self, batch: &mut Batch) -> Result<(), StoreError> {
        let changes = batch.changes()?;
        let mut tables = self.tables.write();
        for change in changes {
            let rows = Arc::make_mut(&mut tables.0[change.table.index()]);
            match change.value {
                Some(value) => rows.insert(change.key.to_vec(), Bytes::copy_from_slice(value)),
                None => rows.remove(change.key),
            };
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        let tables = self.tables();
        let rows = tables.0.iter().flat_map(|rows| rows.iter());
        let bytes = rows.map(|(key, value)| key.len() + value.len()).sum::<usize>();
        Usage { memtable_bytes: bytes as u64, ..Usage::default() }
    }
}

impl Reader for Tables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0[table.index()].get(key).cloned())
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        order: ScanOrder,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        // An empty range would make the map panic.
        if range.is_empty() {
            return Ok(());
        }
        let mut rows = self.0[table.index()].range::<[u8], _>(range.bounds());
        while let Some((key, value)) = match order {
            ScanOrder::Ascending => rows.next(),
            ScanOrder::Descending => rows.next_back(),
        } {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Snapshot for Tables {}
