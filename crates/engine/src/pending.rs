//! Writes that are decided but not yet committed, readable as if they were.
//!
//! The fold of a batch reads rows that earlier events of the same batch have just written.
//! [`Pending`] lays those over the store, so that the fold need not know which of the two it reads,
//! and becomes one atomic [`Batch`] at the end.

use std::{
    collections::{BTreeMap, HashMap},
    ops::{Bound, ControlFlow},
};

use bytes::Bytes;
use model::{Seq, StrandId};
use rustc_hash::FxBuildHasher;
use store::{Batch, KeyRange, Reader, ScanOrder, StoreError, Table, Visit};

use crate::keys;

/// Length of the lane at the start of a key.
const LANE_BYTES: usize = 2;

/// The store under writes that are not committed yet.
pub(crate) struct Pending<'a> {
    base: &'a dyn Reader,
    /// Strands born here or later have no rows in the store, which saves looking for them.
    born_from: Seq,
    /// Point look-ups far outnumber scans, and most writes are never read again: tables whose rows
    /// are only ever read by key are kept in a hash map.
    points: HashMap<(Table, Vec<u8>), Option<Bytes>, FxBuildHasher>,
    /// Tables that are scanned stay sorted.
    sorted: BTreeMap<(Table, Vec<u8>), Option<Bytes>>,
    bytes: usize,
}

impl std::fmt::Debug for Pending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({} writes)", self.len())
    }
}

/// Whether rows of this table are scanned while a batch is folded.
fn is_scanned(table: Table) -> bool {
    matches!(table, Table::Strand | Table::Index | Table::Timer)
}

impl<'a> Pending<'a> {
    /// No writes over `base`, all of whose strands were born before `born_from`.
    pub(crate) fn over(base: &'a dyn Reader, born_from: Seq) -> Self {
        Self { base, born_from, points: HashMap::default(), sorted: BTreeMap::new(), bytes: 0 }
    }

    /// Whether the store cannot have a row of the keys from `from` up to `to`: they lie in one lane,
    /// and where the lane's strands of this batch begin.
    fn is_unborn(&self, table: Table, from: &[u8], to: &[u8]) -> bool {
        let is_new = |strand: StrandId| self.born_from <= strand.born;
        table == Table::Strand
            && from.get(..LANE_BYTES) == to.get(..LANE_BYTES)
            && from.get(..keys::STRAND_BYTES).and_then(keys::parse_strand).is_some_and(is_new)
    }

    /// Sets `key` to `value`.
    pub(crate) fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Bytes>) {
        self.write(table, key.into(), Some(value.into()));
    }

    /// Removes `key`; it need not exist.
    pub(crate) fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.write(table, key.into(), None);
    }

    fn write(&mut self, table: Table, key: Vec<u8>, value: Option<Bytes>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
        if is_scanned(table) {
            self.sorted.insert((table, key), value);
        } else {
            self.points.insert((table, key), value);
        }
    }

    /// What is written under a key of a table that is read by key only.
    pub(crate) fn written(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        debug_assert!(!is_scanned(table), "rows of {table:?} are kept sorted");
        self.points.get(&(table, key.to_vec())).cloned().flatten()
    }

    /// How many rows are written.
    pub(crate) fn len(&self) -> usize {
        self.points.len() + self.sorted.len()
    }

    /// Takes the writes out as one batch.
    pub(crate) fn take_batch(&mut self) -> Batch {
        let mut batch = Batch::with_capacity(self.len(), std::mem::take(&mut self.bytes));
        let sorted = std::mem::take(&mut self.sorted);
        let points = std::mem::take(&mut self.points);
        for ((table, key), value) in sorted.into_iter().chain(points) {
            match value {
                Some(value) => batch.put(table, &key, &value),
                None => batch.delete(table, &key),
            }
        }
        batch
    }
}

impl Reader for Pending<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let id = (table, key.to_vec());
        let written = if is_scanned(table) { self.sorted.get(&id) } else { self.points.get(&id) };
        match written {
            Some(value) => Ok(value.clone()),
            None if self.is_unborn(table, key, key) => Ok(None),
            None => self.base.get(table, key),
        }
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        order: ScanOrder,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        debug_assert!(is_scanned(table), "rows of {table:?} are not kept sorted");
        if range.is_empty() {
            return Ok(());
        }
        let from = Bound::Included((table, range.from.to_vec()));
        let to = match &range.to {
            Some(to) => Bound::Excluded((table, to.to_vec())),
            None => Bound::Unbounded,
        };
        let written: Vec<(&[u8], Option<&Bytes>)> = self
            .sorted
            .range((from, to))
            .take_while(|((of, _), _)| *of == table)
            .map(|((_, key), value)| (key.as_slice(), value.as_ref()))
            .collect();
        let is_unborn = range.to.as_ref().is_some_and(|to| self.is_unborn(table, &range.from, to));
        let base: &dyn Reader = if is_unborn { &Nothing } else { self.base };
        if written.is_empty() {
            return base.scan(table, range, order, visit);
        }
        merge(base, table, range, order, written, visit)
    }
}

/// A store without rows.
struct Nothing;

impl Reader for Nothing {
    fn get(&self, _: Table, _: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }

    fn scan(
        &self,
        _: Table,
        _: KeyRange<'_>,
        _: ScanOrder,
        _: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Visits the rows of `base` and `written` in one order; a written row hides the base's row of the same key.
fn merge(
    base: &dyn Reader,
    table: Table,
    range: KeyRange<'_>,
    order: ScanOrder,
    mut written: Vec<(&[u8], Option<&Bytes>)>,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    if order == ScanOrder::Descending {
        written.reverse();
    }
    let comes_before = |a: &[u8], b: &[u8]| match order {
        ScanOrder::Ascending => a < b,
        ScanOrder::Descending => a > b,
    };
    let mut next = written.into_iter().peekable();
    let mut stopped = false;
    base.scan(table, range, order, &mut |key, value| {
        while let Some((written_key, written_value)) = next.next_if(|(k, _)| comes_before(k, key)) {
            if let Some(written_value) = written_value {
                visit(written_key, written_value).inspect_stop(&mut stopped)?;
            }
        }
        let hiding = next.next_if(|(k, _)| *k == key);
        let shown = match hiding {
            Some((_, written_value)) => written_value.map(|v| &v[..]),
            None => Some(value),
        };
        match shown {
            Some(shown) => visit(key, shown).inspect_stop(&mut stopped),
            None => ControlFlow::Continue(()),
        }
    })?;
    if stopped {
        return Ok(());
    }
    for (key, value) in next {
        if let Some(value) = value
            && visit(key, value).is_break()
        {
            break;
        }
    }
    Ok(())
}

/// Remembers that a visitor asked to stop.
trait InspectStop {
    fn inspect_stop(self, stopped: &mut bool) -> Self;
}

impl InspectStop for ControlFlow<()> {
    fn inspect_stop(self, stopped: &mut bool) -> Self {
        *stopped |= self.is_break();
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use store::{Memory, Store};

    use super::*;

    fn collect(reader: &dyn Reader, order: ScanOrder, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        reader
            .scan(Table::Strand, KeyRange::all(), order, &mut |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
                if rows.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        rows
    }

    proptest! {
        /// What is read through pending writes is what is read after their commit.
        #[test]
        fn pending_reads_as_committed(
            base in proptest::collection::btree_map(1_u8..20, any::<u8>(), 0..12),
            writes in proptest::collection::vec((1_u8..20, proptest::option::of(any::<u8>())), 0..12),
            limit in 1_usize..25,
        ) {
            let store = Memory::default();
            let mut batch = Batch::new();
            for (key, value) in base {
                batch.put(Table::Strand, [key], [value]);
            }
            store.commit(batch).unwrap();
            let snapshot = store.snapshot().unwrap();
            let mut pending = Pending::over(&*snapshot, Seq(u64::MAX));
            for (key, value) in writes {
                match value {
                    Some(value) => pending.put(Table::Strand, [key], vec![value]),
                    None => pending.delete(Table::Strand, [key]),
                }
            }
            let through: Vec<_> = [ScanOrder::Ascending, ScanOrder::Descending]
                .map(|order| collect(&pending, order, limit))
                .into();
            store.commit(pending.take_batch()).unwrap();
            let committed: Vec<_> = [ScanOrder::Ascending, ScanOrder::Descending]
                .map(|order| collect(&store, order, limit))
                .into();
            prop_assert_eq!(through, committed);
        }

        /// Not looking into the store for strands of the batch changes nothing that is read.
        #[test]
        fn strands_of_the_batch_read_as_committed(
            base in proptest::collection::btree_set((0_u64..4, 0_u8..3), 0..8),
            writes in proptest::collection::btree_set((0_u64..8, 0_u8..3), 0..8),
            born in 0_u64..8,
        ) {
            let key = |(born, rest): &(u64, u8)| {
                let lane = model::Lane::from_hash(1);
                [&keys::strand(StrandId { born: Seq(*born), lane })[..], &[*rest]].concat()
            };
            let store = Memory::default();
            let mut batch = Batch::new();
            base.iter().for_each(|row| batch.put(Table::Strand, key(row), [0]));
            store.commit(batch).unwrap();
            let mut pending = Pending::over(&store, Seq(4));
            writes.iter().for_each(|row| pending.put(Table::Strand, key(row), vec![1]));
            let prefix = &key(&(born, 0))[..keys::STRAND_BYTES];
            let mut found = Vec::new();
            pending.scan(Table::Strand, store::prefix_range(prefix), ScanOrder::Ascending, &mut |key, _| {
                found.push(key.to_vec());
                ControlFlow::Continue(())
            }).unwrap();
            let mut expected: Vec<_> = base.union(&writes).map(key).collect();
            expected.retain(|key| key.starts_with(prefix));
            prop_assert_eq!(&found, &expected);
            for row in 0..3 {
                let key = key(&(born, row));
                let is_there = pending.get(Table::Strand, &key).unwrap().is_some();
                prop_assert_eq!(is_there, expected.contains(&key));
            }
        }
    }
}
