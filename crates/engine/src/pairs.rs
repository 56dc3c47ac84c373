//! Which strand each pair of (routing identifier, user id) opened, for all pairs, in memory.
//!
//! Every event asks. Held here, an answer costs a miss of the processor's cache and not a search
//! through the runs of the store's tree, and a pair that nobody has is known not to be there. Until
//! all pairs have been read after a start, those that were not read yet are looked up in the store.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use model::{Lane, Seq, StrandId};
use parking_lot::RwLock;
use rustc_hash::FxBuildHasher;
use store::{Reader, ScanOrder, Table};

use crate::{
    keys::{self, Hash16},
    record::Unreadable,
    route,
    sealed::RowError,
};

/// Most pairs in memory, some 40 bytes each: beyond, the store is asked for those that are not.
const PAIRS_MAX: usize = 4_000_000;
/// So many that no lock is waited for, and that a map that grows moves few entries at a time.
const SHARD_COUNT: usize = 256;

/// What is known of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// The strand that it opened.
    Strand(StrandId),
    /// It has opened none.
    Nobody,
    /// Only the store knows.
    Unknown,
}

/// The pairs. They may be asked and changed from any thread.
pub(crate) struct Pairs {
    shards: Vec<RwLock<Shard>>,
    entries: AtomicUsize,
    is_complete: AtomicBool,
}

#[derive(Default)]
struct Shard {
    /// The birth of the strand; its lane is that of the pair.
    born: HashMap<Hash16, Seq, FxBuildHasher>,
    /// Pairs that were removed since the start, while older rows may still be read.
    removed: HashSet<Hash16, FxBuildHasher>,
}

impl std::fmt::Debug for Pairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pairs({})", self.entries.load(Ordering::Relaxed))
    }
}

impl Default for Pairs {
    fn default() -> Self {
        Self {
            shards: (0..SHARD_COUNT).map(|_| RwLock::default()).collect(),
            entries: AtomicUsize::new(0),
            is_complete: AtomicBool::new(false),
        }
    }
}

impl Pairs {
    /// The strand of a pair in a lane, as of the last publication.
    fn find(&self, lane: Lane, pair: &Hash16) -> Known {
        // Before the look: what is not found after all was read is not there.
        let is_complete = self.is_complete.load(Ordering::Acquire);
        let born = self.shard(pair).read().born.get(pair).copied();
        match born {
            Some(born) => Known::Strand(StrandId { born, lane }),
            None if is_complete => Known::Nobody,
            None => Known::Unknown,
        }
    }

    /// The same, of a pair that memory does not know from its row in `reader`.
    pub(crate) fn find_or_read(
        &self,
        reader: &dyn Reader,
        lane: Lane,
        pair: &Hash16,
    ) -> Result<Option<StrandId>, RowError> {
        match self.find(lane, pair) {
            Known::Strand(strand) => Ok(Some(strand)),
            Known::Nobody => Ok(None),
            Known::Unknown => route::strand(reader, lane, pair),
        }
    }

    /// Takes note of the strand that a pair has opened.
    pub(crate) fn set(&self, pair: Hash16, strand: StrandId) {
        self.insert(&mut self.shard(&pair).write(), pair, strand.born);
    }

    /// Takes note that the next event of a pair opens a strand.
    pub(crate) fn remove(&self, pair: &Hash16) {
        let mut shard = self.shard(pair).write();
        if shard.born.remove(pair).is_some() {
            self.entries.fetch_sub(1, Ordering::Relaxed);
        }
        if !self.is_complete.load(Ordering::Acquire) {
            shard.removed.insert(*pair);
        }
    }

    /// Takes in a row of the store, which may be older than what was set or removed.
    fn take_in(&self, pair: Hash16, born: Seq) {
        let mut shard = self.shard(&pair).write();
        if !shard.removed.contains(&pair) && !shard.born.contains_key(&pair) {
            self.insert(&mut shard, pair, born);
        }
    }

    fn insert(&self, shard: &mut Shard, pair: Hash16, born: Seq) {
        if self.entries.load(Ordering::Relaxed) < PAIRS_MAX {
            if shard.born.insert(pair, born).is_none() {
                self.entries.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        self.is_complete.store(false, Ordering::Release);
        if let Some(known) = shard.born.get_mut(&pair) {
            *known = born;
        }
    }

    /// Says that every row of the store has been taken in.
    fn complete(&self) {
        let is_full = self.entries.load(Ordering::Relaxed) >= PAIRS_MAX;
        self.is_complete.store(!is_full, Ordering::Release);
        for shard in &self.shards {
            shard.write().removed = HashSet::default();
        }
    }

    fn shard(&self, pair: &Hash16) -> &RwLock<Shard> {
        // Pairs are keyed hashes, so any byte of them will do.
        &self.shards[usize::from(pair[15])]
    }
}

/// Reads the pairs that are stored, step by step.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The next lane to be read.
    lane: u16,
    is_done: bool,
}

impl Reading {
    /// Whether there is something left to read.
    pub(crate) fn is_due(&self) -> bool {
        !self.is_done
    }

    /// Leaves the pairs as they are; those that were not read are looked up.
    pub(crate) fn give_up(&mut self) {
        self.is_done = true;
    }

    /// Reads the pairs of the next lane: a thousandth of all.
    pub(crate) fn step(&mut self, pairs: &Pairs, reader: &dyn Reader) -> Result<(), RowError> {
        let Some(lane) = Lane::from_stored(self.lane) else {
            pairs.complete();
            self.is_done = true;
            return Ok(());
        };
        self.lane += 1;
        let prefix = keys::routes(lane);
        let mut unreadable = None;
        let range = store::prefix_range(&prefix);
        reader.scan(Table::Index, range, ScanOrder::Ascending, &mut |key, row| {
            let pair = key.get(prefix.len()..).and_then(|pair| pair.try_into().ok());
            match (pair, keys::parse_strand(row)) {
                (Some(pair), Some(strand)) => {
                    pairs.take_in(pair, strand.born);
                    ControlFlow::Continue(())
                }
                _ => {
                    unreadable = Some(Unreadable("route"));
                    ControlFlow::Break(())
                }
            }
        })?;
        unreadable.map_or(Ok(()), |unreadable| Err(unreadable.into()))
    }
}

#[cfg(test)]
mod tests {
    use model::{Identifier, IdentifierType};
    use proptest::prelude::*;
    use store::{Batch, Memory, Store, Vault};

    use super::*;
    use crate::sealed::{Address, Keys};

    /// What happens to one of a few pairs, and when.
    #[derive(Clone, Debug)]
    enum Act {
        Open(usize, u64),
        Close(usize),
        Read(u16),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0..6_usize, 1..100_u64).prop_map(|(pair, born)| Act::Open(pair, born)),
            (0..6_usize).prop_map(Act::Close),
            (1..700_u16).prop_map(Act::Read),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever changes while the store is read, an answer is what the store has.
        #[test]
        fn memory_answers_as_the_store_does(
            before in proptest::collection::vec((0..6_usize, 1..100_u64), 0..6),
            acts in proptest::collection::vec(act(), 0..12),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let keys = Keys { vault: Vault::open(directory.path(), 0).unwrap() };
            let addresses: Vec<Address> = (0..6)
                .map(|n| Identifier::new(IdentifierType::AnonymousId, format!("a{n}")))
                .map(|routing| Address::of(&[routing], &keys).unwrap())
                .collect();
            let (store, pairs, mut reading) = (Memory::default(), Pairs::default(), Reading::default());
            let write = |pair: usize, born: Option<u64>| {
                let address = &addresses[pair];
                let (mut batch, row_key) = (Batch::new(), keys::route(address.lane, &address.pair));
                match born {
                    Some(born) => {
                        let strand = StrandId { born: Seq(born), lane: address.lane };
                        batch.put(Table::Index, row_key, keys::strand(strand));
                    }
                    None => batch.delete(Table::Index, row_key),
                }
                store.commit(batch).unwrap();
            };
            before.iter().for_each(|&(pair, born)| write(pair, Some(born)));
            for act in acts.into_iter().chain([Act::Read(2_000)]) {
                match act {
                    Act::Open(pair, born) => {
                        write(pair, Some(born));
                        let address = &addresses[pair];
                        pairs.set(address.pair, StrandId { born: Seq(born), lane: address.lane });
                    }
                    Act::Close(pair) => {
                        write(pair, None);
                        pairs.remove(&addresses[pair].pair);
                    }
                    Act::Read(lanes) => {
                        for _ in 0..lanes {
                            if reading.is_due() {
                                reading.step(&pairs, &store).unwrap();
                            }
                        }
                    }
                }
                for address in &addresses {
                    let row = store.get(Table::Index, &keys::route(address.lane, &address.pair));
                    let stored = row.unwrap().and_then(|row| keys::parse_strand(&row));
                    match pairs.find(address.lane, &address.pair) {
                        Known::Strand(strand) => prop_assert_eq!(Some(strand), stored),
                        Known::Nobody => prop_assert_eq!(None, stored),
                        Known::Unknown => prop_assert!(reading.is_due()),
                    }
                }
            }
            prop_assert!(!reading.is_due());
        }
    }
}
