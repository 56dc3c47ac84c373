//! How full the quarantine is, in all and of each source.
//!
//! Counted in memory: read once at the start from the heads of the entries, then changed by what is
//! committed. So a limit is passed by what one batch and the one behind it hold, and never by more.

use std::{collections::BTreeMap, ops::ControlFlow};

use model::SourceKey;
use parking_lot::Mutex;
use store::{Reader, ScanOrder, StoreError, Table};

use crate::record;

use super::{HEAD, StoredHead};

/// Most entries: what an operator can still look through by code and source.
pub(crate) const ENTRIES_MAX: u64 = 100_000;
/// Most bytes of sealed entries: 512 MiB.
pub(crate) const BYTES_MAX: u64 = 512 << 20;
/// One source takes at most this part of either, so that a broken or hostile one does not keep the others out.
const SOURCE_PART: u64 = 2;

/// An amount of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl Amount {
    fn fits(self, part: u64) -> bool {
        self.entries < ENTRIES_MAX / part && self.bytes < BYTES_MAX / part
    }

    fn add(&mut self, change: &Change) {
        let Change { is_added, bytes, .. } = *change;
        if is_added {
            self.entries += 1;
            self.bytes += u64::from(bytes);
        } else {
            self.entries = self.entries.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(u64::from(bytes));
        }
    }
}

/// An entry that a batch adds or removes.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    source: SourceKey,
    bytes: u32,
    is_added: bool,
}

impl Change {
    pub(crate) fn added(source: &SourceKey, bytes: u32) -> Self {
        Self { source: source.clone(), bytes, is_added: true }
    }

    pub(crate) fn removed(source: &SourceKey, bytes: u32) -> Self {
        Self { source: source.clone(), bytes, is_added: false }
    }
}

/// The count.
#[derive(Debug, Default)]
pub(crate) struct Usage(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    total: Amount,
    sources: BTreeMap<SourceKey, Amount>,
}

impl Usage {
    /// Counts what is stored.
    pub(crate) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let mut counted = Counted::default();
        let range = store::prefix_range(&[HEAD]);
        reader.scan(Table::Quarantine, range, ScanOrder::Ascending, &mut |_, row| {
            // One that does not read shows when it is listed; it must not keep the engine from starting.
            if let Ok(StoredHead::V1 { source, bytes, .. }) = record::decode(row, "quarantine") {
                counted.add(&Change::added(&source, bytes));
            }
            ControlFlow::Continue(())
        })?;
        Ok(Self(Mutex::new(counted)))
    }

    /// Whether one more of a source fits behind what a batch has changed so far.
    pub(crate) fn has_room(&self, source: &SourceKey, pending: &[Change]) -> bool {
        let counted = self.0.lock();
        let mut total = counted.total;
        let mut own = counted.sources.get(source).copied().unwrap_or_default();
        for change in pending {
            total.add(change);
            if change.source == *source {
                own.add(change);
            }
        }
        total.fits(1) && own.fits(SOURCE_PART)
    }

    /// Takes in what was committed.
    pub(crate) fn apply(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let mut counted = self.0.lock();
        changes.iter().for_each(|change| counted.add(change));
    }

    /// All of it.
    pub(crate) fn total(&self) -> Amount {
        self.0.lock().total
    }
}

impl Counted {
    fn add(&mut self, change: &Change) {
        self.total.add(change);
        let own = self.sources.entry(change.source.clone()).or_default();
        own.add(change);
        if own.entries == 0 {
            self.sources.remove(&change.source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str) -> SourceKey {
        name.parse().unwrap()
    }

    #[test]
    fn one_source_fills_its_part_and_leaves_the_rest_to_others() {
        let usage = Usage::default();
        let (web, shop) = (source("web"), source("shop"));
        let half = usize::try_from(ENTRIES_MAX / SOURCE_PART).unwrap();
        usage.apply(&vec![Change::added(&web, 100); half - 1]);
        assert!(usage.has_room(&web, &[]));
        assert!(!usage.has_room(&web, &[Change::added(&web, 100)]), "the batch counts, too");
        assert!(usage.has_room(&shop, &[Change::added(&web, 100)]));
        usage.apply(&vec![Change::added(&shop, 100); half]);
        assert!(!usage.has_room(&source("third"), &[Change::added(&web, 100)]));
        assert!(usage.has_room(&web, &[Change::removed(&web, 100)]));
        assert_eq!(usage.total().entries, ENTRIES_MAX - 1);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let usage = Usage::default();
        let web = source("web");
        usage.apply(&[Change::added(&web, u32::try_from(BYTES_MAX / SOURCE_PART).unwrap())]);
        assert!(!usage.has_room(&web, &[]));
        assert!(usage.has_room(&source("shop"), &[]));
        usage.apply(&[Change::removed(&web, u32::MAX)]);
        assert_eq!(usage.total(), Amount::default(), "never below nothing");
    }
}
