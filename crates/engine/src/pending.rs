//! Writes that are decided but not yet committed, readable as if they were.
//!
//! The fold of a batch reads rows that earlier events of the same batch have just written.
//! [`Pending`] lays those over the store, so that the fold need not know which of the two it reads,
//! and becomes one atomic [`Batch`] at the end.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    ops::{Bound, ControlFlow},
    sync::Arc,
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
    writer::flight::Above,
};

/// Writes by table and key; `None` removes.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// Point look-ups far outnumber scans, and most writes are never read again: tables whose rows
    /// are only ever read by key are kept in a hash map.
    points: HashMap<(Table, Vec<u8>), Option<Bytes>, FxBuildHasher>,
    /// Tables that are scanned stay sorted.
    sorted: BTreeMap<(Table, Vec<u8>), Option<Bytes>>,
}

/// Whether rows of this table are scanned while a batch is folded.
pub(crate) fn is_sorted(table: Table) -> bool {
    matches!(table, Table::Index | Table::Timer)
}

impl Writes {
    fn write(&mut self, table: Table, key: Vec<u8>, value: Option<Bytes>) {
        if is_sorted(table) {
            self.sorted.insert((table, key), value);
        } else {
            self.points.insert((table, key), value);
        }
    }

    /// What is written under a key; `None` when nothing is.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Option<&Option<Bytes>> {
        let id = (table, key.to_vec());
        if is_sorted(table) { self.sorted.get(&id) } else { self.points.get(&id) }
    }

    /// Adds all writes to a batch.
    pub(crate) fn add_to(&self, batch: &mut Batch) {
        for ((table, key), value) in self.sorted.iter().chain(&self.points) {
            match value {
                Some(value) => batch.put(*table, key, value),
                None => batch.delete(*table, key),
            }
        }
    }
}

/// Pages as they are stored, opened, by strand.
pub(crate) type KnownPages = Cache<StrandId, Arc<Page>>;

/// The store under writes that are not committed yet.
pub(crate) struct Pending<'a> {
    base: Above<'a>,
    keys: &'a Keys,
    /// Pages that are known to be what the store has.
    known: &'a KnownPages,
    /// Strands born here or later have no page in the store, which saves looking for them.
    born_from: Seq,
    writes: Writes,
    /// Pages that are changed.
    pages: ChangedPages,
    /// How many pages were looked at that are not.
    looked_at: Cell<u64>,
}

/// Pages that differ from what is stored.
pub(crate) type ChangedPages = HashMap<StrandId, Arc<Page>, FxBuildHasher>;

impl std::fmt::Debug for Pending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({} pages)", self.pages.len())
    }
}

impl<'a> Pending<'a> {
    /// No writes over `base`, all of whose strands were born before `born_from`.
    pub(crate) fn over(
        base: Above<'a>,
        keys: &'a Keys,
        known: &'a KnownPages,
        born_from: Seq,
    ) -> Self {
        let (writes, pages) = (Writes::default(), HashMap::default());
        Self { base, keys, known, born_from, writes, pages, looked_at: Cell::new(0) }
    }

    /// Adds the page of a strand that is born.
    pub(crate) fn bear(&mut self, page: Page) {
        self.pages.insert(page.strand(), Arc::new(page));
    }

    /// The page of a strand, to be changed.
    pub(crate) fn page_mut(&mut self, strand: StrandId) -> Result<&mut Page, RowError> {
        if !self.pages.contains_key(&strand) {
            let stored = self.stored(strand)?.ok_or(Unreadable("strand"))?;
            self.pages.insert(strand, stored);
        }
        let page = self.pages.get_mut(&strand).ok_or(Unreadable("strand"))?;
        Ok(Arc::make_mut(page))
    }

    fn stored(&self, strand: StrandId) -> Result<Option<Arc<Page>>, RowError> {
        if self.born_from <= strand.born {
            return Ok(None);
        }
        self.looked_at.set(self.looked_at.get() + 1);
        let flying = self.base.flight.and_then(|flight| flight.page(strand).cloned());
        match flying.or_else(|| self.known.get(&strand)) {
            Some(page) => Ok(Some(page)),
            None => Ok(Page::read(self.base.store, self.keys, strand)?.map(Arc::new)),
        }
    }

    /// Sets `key` to `value`.
    pub(crate) fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Bytes>) {
        self.writes.write(table, key.into(), Some(value.into()));
    }

    /// Removes `key`; it need not exist.
    pub(crate) fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.writes.write(table, key.into(), None);
    }

    /// What this batch has written under a key.
    pub(crate) fn written(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.writes.get(table, key).cloned().flatten()
    }

    /// How many pages were looked at, in memory or not, that had not been changed by then.
    pub(crate) fn looked_at(&self) -> u64 {
        self.looked_at.get()
    }

    /// Takes the writes and the changed pages out.
    pub(crate) fn take(&mut self) -> (Writes, ChangedPages) {
        (std::mem::take(&mut self.writes), std::mem::take(&mut self.pages))
    }
}

impl Pages for Pending<'_> {
    fn reader(&self) -> &dyn Reader {
        self
    }

    fn keys(&self) -> &Keys {
        self.keys
    }

    fn page(&self, strand: StrandId) -> Result<Option<Arc<Page>>, RowError> {
        match self.pages.get(&strand) {
            Some(page) => Ok(Some(Arc::clone(page))),
            None => self.stored(strand),
        }
    }
}

impl Reader for Pending<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.writes.get(table, key) {
            Some(written) => Ok(written.clone()),
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
        scan_over(&self.base, &self.writes, table, range, order, visit)
    }
}

/// Scans `base` with `writes` laid over it, of a table that they keep sorted.
pub(crate) fn scan_over(
    base: &dyn Reader,
    writes: &Writes,
    table: Table,
    range: KeyRange<'_>,
    order: ScanOrder,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    debug_assert!(is_sorted(table), "rows of {table:?} are not kept sorted");
    if range.is_empty() {
        return Ok(());
    }
    let from = Bound::Included((table, range.from.to_vec()));
    let to = match &range.to {
        Some(to) => Bound::Excluded((table, to.to_vec())),
        None => Bound::Unbounded,
    };
    let written: Vec<(&[u8], Option<&Bytes>)> = writes
        .sorted
        .range((from, to))
        .take_while(|((of, _), _)| *of == table)
        .map(|((_, key), value)| (key.as_slice(), value.as_ref()))
        .collect();
    if written.is_empty() {
        return base.scan(table, range, order, visit);
    }
    merge(base, table, range, order, written, visit)
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
            let known = KnownPages::new(0, |page| page.weight());
            let store = Memory::default();
            let mut batch = Batch::new();
            for (key, value) in base {
                batch.put(Table::Index, [key], [value]);
            }
            store.commit(batch).unwrap();
            let snapshot = store.snapshot().unwrap();
            let above = Above { flight: None, store: &*snapshot };
            let mut pending = Pending::over(above, &keys, &known, Seq(u64::MAX));
            for (key, value) in writes {
                match value {
                    Some(value) => pending.put(Table::Index, [key], vec![value]),
                    None => pending.delete(Table::Index, [key]),
                }
            }
            let through: Vec<_> = [ScanOrder::Ascending, ScanOrder::Descending]
                .map(|order| collect(&pending, order, limit))
                .into();
            let mut batch = Batch::new();
            pending.take().0.add_to(&mut batch);
            store.commit(batch).unwrap();
            let committed: Vec<_> = [ScanOrder::Ascending, ScanOrder::Descending]
                .map(|order| collect(&store, order, limit))
                .into();
            prop_assert_eq!(through, committed);
        }
    }
}
