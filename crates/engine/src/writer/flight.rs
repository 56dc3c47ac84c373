//! A folded batch on its way to the disk.
//!
//! The writer folds the next batch while this one is sealed, written and synced by a thread of its
//! own. Until it has landed, the next fold reads what it changed from here; readers see nothing of
//! it before, and no call is answered before. A batch that was folded over one that failed fails too.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use model::StrandId;
use rustc_hash::FxBuildHasher;
use store::{Batch, KeyRange, Reader, ScanOrder, StoreError, StrandKey, Table, Visit};

use crate::{
    accounts::{self, SharedAccount},
    fold::Fold,
    keys::Hash16,
    load::{Person, SharedPerson},
    page::{Laid, Page},
    pending::{self, Writes},
    sealed::{Keys, RowError},
    state::Caches,
};

/// The strands that pairs opened; `None` where the next event of a pair opens one.
pub(crate) type Opened = HashMap<Hash16, Option<StrandId>, FxBuildHasher>;

/// What a batch changes.
#[derive(Debug)]
pub(crate) struct Flight {
    writes: Writes,
    pages: HashMap<StrandId, Arc<Page>, FxBuildHasher>,
    /// The rows of the pages, each with its strand's key.
    laid: Vec<(Arc<StrandKey>, Vec<Laid>)>,
    pairs: Opened,
    accounts: accounts::Changed,
    people: HashMap<StrandId, SharedPerson, FxBuildHasher>,
    /// Heads that changed and are not among the people.
    dropped: HashSet<StrandId, FxBuildHasher>,
    identifiers: Vec<Hash16>,
    outcome: OnceLock<Result<(), Failed>>,
}

/// It was not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

impl Flight {
    /// Takes what a fold has changed.
    pub(crate) fn of(fold: &mut Fold<'_>) -> Result<Self, RowError> {
        let (writes, changed) = fold.pending.take();
        let mut laid = Vec::with_capacity(changed.len());
        let mut pages = HashMap::with_capacity_and_hasher(changed.len(), FxBuildHasher);
        for (strand, mut page) in changed {
            laid.push((Arc::clone(page.key()), Arc::make_mut(&mut page).lay_out()?));
            pages.insert(strand, page);
        }
        let people = std::mem::take(&mut fold.people).into_iter();
        let stale = std::mem::take(&mut fold.stale).into_iter();
        Ok(Self {
            writes,
            pages,
            laid,
            pairs: std::mem::take(&mut fold.pairs),
            accounts: fold.accounts.changed(),
            people: people.map(|person| (person.profile.id().0, person)).collect(),
            dropped: stale.chain(std::mem::take(&mut fold.gone)).collect(),
            identifiers: std::mem::take(&mut fold.identifiers),
            outcome: OnceLock::new(),
        })
    }

    /// Adds everything to a batch of the store.
    pub(crate) fn seal(&self, keys: &Keys, batch: &mut Batch) -> Result<(), RowError> {
        self.writes.add_to(batch);
        for (key, rows) in &self.laid {
            for row in rows {
                match row.seal(keys, key)? {
                    Some(value) => batch.put(Table::Strand, &row.key, &value),
                    None => batch.delete(Table::Strand, &row.key),
                }
            }
        }
        Ok(())
    }

    /// How many pages it changes.
    pub(crate) fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// Lets readers see it, once it is committed.
    pub(crate) fn publish(&self, caches: &Caches) {
        let generations = &caches.generations;
        // From here on, what readers found in the store before is not taken into the caches.
        self.identifiers.iter().for_each(|hash| generations.raise(hash));
        self.dropped.iter().for_each(|head| generations.raise(head));
        self.people.keys().for_each(|head| generations.raise(head));
        self.pages.keys().for_each(|strand| generations.raise(strand));
        self.accounts.keys().for_each(|account| generations.raise(account));
        for (pair, strand) in &self.pairs {
            match strand {
                Some(strand) => caches.pairs.set(*pair, *strand),
                None => caches.pairs.remove(pair),
            }
        }
        self.identifiers.iter().for_each(|hash| caches.holders.remove(hash));
        self.dropped.iter().for_each(|head| caches.people.remove(head));
        for (name, account) in &self.accounts {
            match account {
                Some(account) => caches.accounts.publish(*name, Arc::clone(account)),
                None => caches.accounts.remove(name),
            }
        }
        caches.consenting.publish(&self.pages);
        for (strand, page) in &self.pages {
            caches.pages.publish(*strand, Arc::clone(page));
        }
        for (head, person) in &self.people {
            caches.people.publish(*head, Arc::clone(person));
        }
    }

    /// Says whether it was committed. The first word counts.
    pub(crate) fn land(&self, outcome: Result<(), Failed>) {
        self.outcome.get_or_init(|| outcome);
    }

    /// Whether it is known what became of it.
    pub(crate) fn has_landed(&self) -> bool {
        self.outcome.get().is_some()
    }

    /// Waits until it has landed.
    pub(crate) fn wait(&self) -> Result<(), Failed> {
        *self.outcome.wait()
    }

    /// The page of a strand, if it changed.
    pub(crate) fn page(&self, strand: StrandId) -> Option<&Arc<Page>> {
        self.pages.get(&strand)
    }

    /// An account, if it changed.
    pub(crate) fn account(&self, name: &Hash16) -> Option<SharedAccount> {
        self.accounts.get(name).cloned()
    }

    /// The strand that a pair opened, if it changed; within, `None` where the pair will open one.
    pub(crate) fn opened(&self, pair: &Hash16) -> Option<Option<StrandId>> {
        self.pairs.get(pair).copied()
    }

    /// The person with this head, if they changed; within, `None` where nobody has looked at them since.
    pub(crate) fn person(&self, head: &StrandId) -> Option<Option<Arc<Person>>> {
        match self.people.get(head) {
            Some(person) => Some(Some(Arc::clone(person))),
            None => self.dropped.contains(head).then_some(None),
        }
    }
}

/// The store as it will be when a flight has landed.
#[derive(Clone, Copy)]
pub(crate) struct Above<'a> {
    pub(crate) flight: Option<&'a Flight>,
    pub(crate) store: &'a dyn Reader,
}

impl Reader for Above<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.flight.and_then(|flight| flight.writes.get(table, key)) {
            Some(written) => Ok(written.clone()),
            None => self.store.get(table, key),
        }
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        order: ScanOrder,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let Some(flight) = self.flight else { return self.store.scan(table, range, order, visit) };
        if pending::is_sorted(table) {
            return pending::scan_over(self.store, &flight.writes, table, range, order, visit);
        }
        // Rarely what has left a page is read right after it was written.
        flight.wait().map_err(|Failed| StoreError::Poisoned)?;
        self.store.scan(table, range, order, visit)
    }
}
