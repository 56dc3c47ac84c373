//! Writes that are decided but not yet committed, readable as if they were.
//!
//! The fold of a batch reads rows that earlier events of the same batch have just written.
//! [`Pending`] lays those over the store, so that the fold need not know which of the two it reads,
//! and becomes one atomic [`Batch`] at the end.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, hash_map},
    ops::{Bound, ControlFlow},
};

use bytes::Bytes;
use model::{Seq, StrandId};
use rustc_hash::FxBuildHasher;
use store::{Batch, KeyRange, Reader, ScanOrder, StoreError, Table, Visit};

use crate::{
    cache::Cache,
    page::{Page, Pages},
    record::Unreadable,
    sealed::{Keys, RowError},
};

/// Pages as they are stored, by strand.
pub(crate) type SealedPages = Cache<StrandId, Bytes>;

/// The store under writes that are not committed yet.
pub(crate) struct Pending<'a> {
    base: &'a dyn Reader,
    keys: &'a Keys,
    /// Rows of pages that are known to be what the store has.
    known: &'a SealedPages,
    /// Strands born here or later have no page in the store, which saves looking for them.
    born_from: Seq,
    /// Point look-ups far outnumber scans, and most writes are never read again: tables whose rows
    /// are only ever read by key are kept in a hash map.
    points: HashMap<(Table, Vec<u8>), Option<Bytes>, FxBuildHasher>,
    /// Tables that are scanned stay sorted.
    sorted: BTreeMap<(Table, Vec<u8>), Option<Bytes>>,
    /// Pages that are written. They are sealed when the batch is taken.
    pages: HashMap<StrandId, Page, FxBuildHasher>,
    bytes: usize,
}

/// What is to be committed.
pub(crate) struct Written {
    pub(crate) batch: Batch,
    /// The pages among it, as they will be stored.
    pub(crate) pages: Vec<(StrandId, Bytes)>,
}

impl std::fmt::Debug for Pending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({} writes)", self.len())
    }
}

/// Whether rows of this table are scanned while a batch is folded.
fn is_scanned(table: Table) -> bool {
    matches!(table, Table::Index | Table::Timer)
}

/// Room for a page in a batch.
const PAGE_BYTES_USUAL: usize = 1_024;

impl<'a> Pending<'a> {
    /// No writes over `base`, all of whose strands were born before `born_from`.
    pub(crate) fn over(
        base: &'a dyn Reader,
        keys: &'a Keys,
        known: &'a SealedPages,
        born_from: Seq,
    ) -> Self {
        Self {
            base,
            keys,
            known,
            born_from,
            points: HashMap::default(),
            sorted: BTreeMap::new(),
            pages: HashMap::default(),
            bytes: 0,
        }
    }

    /// Adds the page of a strand that is born.
    pub(crate) fn bear(&mut self, page: Page) {
        self.pages.insert(page.strand(), page);
    }

    /// The page of a strand, to be changed.
    pub(crate) fn page_mut(&mut self, strand: StrandId) -> Result<&mut Page, RowError> {
        let stored = match self.pages.contains_key(&strand) {
            true => None,
            false => Some(self.stored(strand)?.ok_or(Unreadable("strand"))?),
        };
        match (self.pages.entry(strand), stored) {
            (hash_map::Entry::Occupied(page), _) => Ok(page.into_mut()),
            (hash_map::Entry::Vacant(place), Some(page)) => Ok(place.insert(page)),
            (hash_map::Entry::Vacant(_), None) => Err(Unreadable("strand").into()),
        }
    }

    fn stored(&self, strand: StrandId) -> Result<Option<Page>, RowError> {
        if self.born_from <= strand.born {
            return Ok(None);
        }
        match self.known.get(&strand) {
            Some(row) => {
                let mut page = Page::open(self.keys, strand, &row)?;
                page.read_leaves(self.base)?;
                Ok(Some(page))
            }
            None => Page::read(self.base, self.keys, strand),
        }
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
    pub(crate) fn take_batch(&mut self) -> Result<Written, RowError> {
        let rows = self.len() + self.pages.len();
        let bytes = std::mem::take(&mut self.bytes) + self.pages.len() * PAGE_BYTES_USUAL;
        let mut batch = Batch::with_capacity(rows, bytes);
        let mut write = |table, key: &[u8], value: Option<&[u8]>| match value {
            Some(value) => batch.put(table, key, value),
            None => batch.delete(table, key),
        };
        let sorted = std::mem::take(&mut self.sorted);
        let points = std::mem::take(&mut self.points);
        for ((table, key), value) in sorted.into_iter().chain(points) {
            write(table, &key, value.as_deref());
        }
        let mut pages = Vec::with_capacity(self.pages.len());
        for (strand, mut page) in std::mem::take(&mut self.pages) {
            let row = page.write(self.keys, &mut |key, value| write(Table::Strand, key, value))?;
            pages.push((strand, row));
        }
        Ok(Written { batch, pages })
    }
}

impl Pages for Pending<'_> {
    fn keys(&self) -> &Keys {
        self.keys
    }

    fn page(&self, strand: StrandId) -> Result<Option<Cow<'_, Page>>, RowError> {
        match self.pages.get(&strand) {
            Some(page) => Ok(Some(Cow::Borrowed(page))),
            None => Ok(self.stored(strand)?.map(Cow::Owned)),
        }
    }
}

impl Reader for Pending<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let id = (table, key.to_vec());
        let written = if is_scanned(table) { self.sorted.get(&id) } else { self.points.get(&id) };
        match written {
            Some(value) => Ok(value.clone()),
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
        // Of a strand only what has left its page is scanned, and a batch writes that at its end.
        if table == Table::Strand {
            return self.base.scan(table, range, order, visit);
        }
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
        if written.is_empty() {
            return self.base.scan(table, range, order, visit);
        }
        merge(self.base, table, range, order, written, visit)
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
    use store::{Memory, Store, Vault};

    use super::*;

    fn collect(reader: &dyn Reader, order: ScanOrder, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        reader
            .scan(Table::Index, KeyRange::all(), order, &mut |key, value| {
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
            let directory = tempfile::tempdir().unwrap();
            let keys = Keys { vault: Vault::open(directory.path(), 0).unwrap() };
            let known = SealedPages::new(0, Bytes::len);
            let store = Memory::default();
            let mut batch = Batch::new();
            for (key, value) in base {
                batch.put(Table::Index, [key], [value]);
            }
            store.commit(batch).unwrap();
            let snapshot = store.snapshot().unwrap();
            let mut pending = Pending::over(&*snapshot, &keys, &known, Seq(u64::MAX));
            for (key, value) in writes {
                match value {
                    Some(value) => pending.put(Table::Index, [key], vec![value]),
                    None => pending.delete(Table::Index, [key]),
                }
            }
            let through: Vec<_> = [ScanOrder::Ascending, ScanOrder::Descending]
                .map(|order| collect(&pending, order, limit))
                .into();
            store.commit(pending.take_batch().unwrap().batch).unwrap();
            let committed: Vec<_> = [ScanOrder::Ascending, ScanOrder::Descending]
                .map(|order| collect(&store, order, limit))
                .into();
            prop_assert_eq!(through, committed);
        }
    }
}
