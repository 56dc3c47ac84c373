//! Decoded state kept in memory, so that decisions do not wait for the store.
//!
//! The writer publishes what it has committed; readers that had to go to the store offer what they
//! found. An offer that was read before a publication may be older than it, so every publication
//! raises a generation, and an offer is only taken when no publication began since its read did.
//! Both happen under the shard's lock, which makes the check and the insertion one step.

use std::{
    hash::{BuildHasher, Hash},
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::RwLock;
use quick_cache::{
    Weighter,
    unsync::{self, DefaultLifecycle},
};
use rustc_hash::FxBuildHasher;

/// How many locks a cache is split over.
///
/// Each shard evicts by itself and takes in nothing that is larger than itself, so a shard must be
/// many times as large as the largest entry: with many small shards, one person with tens of
/// thousands of events would push everyone else out of theirs, or find no place.
const SHARD_COUNT: usize = 8;

/// What an entry weighs, about: only used to make room at the start.
const ENTRY_WEIGHT: usize = 1_024;

/// How many keys are told apart by their generation. Keys that share one only make each other's
/// offers fail now and then.
const GENERATION_COUNT: usize = 4_096;

/// Counts publications, key by key: a person who takes long to read must not be refused because
/// somebody else changed meanwhile.
pub(crate) struct Generations(Box<[AtomicU64]>);

impl std::fmt::Debug for Generations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Generations")
    }
}

impl Default for Generations {
    fn default() -> Self {
        Self((0..GENERATION_COUNT).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Generations {
    /// The generation of a key, to be taken before the store is read.
    pub(crate) fn of(&self, key: &impl Hash) -> u64 {
        self.slot(key).map_or(0, |slot| slot.load(Ordering::Acquire))
    }

    /// Begins a publication of a key: offers read before this call are refused from here on.
    pub(crate) fn raise(&self, key: &impl Hash) {
        if let Some(slot) = self.slot(key) {
            slot.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn slot(&self, key: &impl Hash) -> Option<&AtomicU64> {
        let hash = FxBuildHasher.hash_one(key) >> 32;
        self.0.get(usize::try_from(hash).unwrap_or_default() % GENERATION_COUNT)
    }
}

/// A sharded cache that keeps what is asked for again and again within a weight.
///
/// What is evicted is chosen as by CLOCK-Pro (Jiang, Chen, Zhang: "CLOCK-Pro: An Effective Improvement
/// of the CLOCK Replacement", 2005): somebody who is seen once pushes out nobody who keeps coming
/// back, and a look-up only sets a mark, so that readers do not exclude one another.
pub(crate) struct Cache<K, V> {
    shards: Vec<RwLock<Shard<K, V>>>,
    shard_weight_max: usize,
    weigh: fn(&V) -> usize,
}

type Shard<K, V> = unsync::Cache<K, Weighed<V>, Scale, FxBuildHasher>;

/// A value with its weight, which is reckoned once.
#[derive(Clone)]
struct Weighed<V> {
    value: V,
    weight: usize,
}

/// Reads the weight of an entry.
#[derive(Clone)]
struct Scale;

impl<K, V> Weighter<K, Weighed<V>> for Scale {
    fn weight(&self, _: &K, weighed: &Weighed<V>) -> u64 {
        weighed.weight as u64
    }
}

impl<K, V> std::fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cache(at most {} bytes a shard)", self.shard_weight_max)
    }
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// A cache of at most about `weight_max`, as `weigh` counts.
    pub(crate) fn new(weight_max: usize, weigh: fn(&V) -> usize) -> Self {
        let shard_weight_max = weight_max / SHARD_COUNT;
        let shard = || {
            let (items, lifecycle) = (shard_weight_max / ENTRY_WEIGHT, DefaultLifecycle::default());
            let weight_max = shard_weight_max as u64;
            RwLock::new(Shard::with(items, weight_max, Scale, FxBuildHasher, lifecycle))
        };
        Self { shards: (0..SHARD_COUNT).map(|_| shard()).collect(), shard_weight_max, weigh }
    }

    /// The value under `key`, which is marked as asked for.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.shard(key)?.read().get(key).map(|found| found.value.clone())
    }

    /// Whether there is a value under `key`.
    pub(crate) fn contains(&self, key: &K) -> bool {
        self.shard(key).is_some_and(|shard| shard.read().contains_key(key))
    }

    /// Sets `key` to what the writer has committed.
    pub(crate) fn publish(&self, key: K, value: V) {
        let weighed = self.weighed(value);
        if let Some(shard) = self.shard(&key) {
            shard.write().insert(key, weighed);
        }
    }

    /// Sets `key` to what a reader found in the store, unless it was published since the read began at `generation`.
    pub(crate) fn offer(&self, key: K, value: V, generation: u64, current: &Generations) {
        let weighed = self.weighed(value);
        if let Some(shard) = self.shard(&key) {
            let mut shard = shard.write();
            if current.of(&key) == generation {
                shard.insert(key, weighed);
            }
        }
    }

    /// Forgets `key`.
    pub(crate) fn remove(&self, key: &K) {
        if let Some(shard) = self.shard(key) {
            shard.write().remove(key);
        }
    }

    /// Number of entries and their weight.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(entries, weight), shard| {
            let shard = shard.read();
            let shard_weight = usize::try_from(shard.weight()).unwrap_or(usize::MAX);
            (entries + shard.len(), weight + shard_weight)
        })
    }

    fn weighed(&self, value: V) -> Weighed<V> {
        Weighed { weight: (self.weigh)(&value), value }
    }

    fn shard(&self, key: &K) -> Option<&RwLock<Shard<K, V>>> {
        // The upper bits: the map inside the shard uses the lower ones.
        let hash = FxBuildHasher.hash_one(key) >> 48;
        let index = usize::try_from(hash).unwrap_or_default() % SHARD_COUNT;
        self.shards.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_under_its_weight_and_keeps_who_comes_back() {
        let cache: Cache<u64, Vec<u8>> = Cache::new(SHARD_COUNT * 10_000, Vec::len);
        for key in 0..10_000 {
            cache.publish(key, vec![0; 100]);
            // Those below come back now and then.
            let often = key % 200;
            if cache.get(&often).is_none() {
                cache.publish(often, vec![0; 100]);
            }
        }
        let (entries, weight) = cache.size();
        assert!(weight <= SHARD_COUNT * 10_000, "{weight}");
        assert!(entries > SHARD_COUNT * 50, "{entries}");
        assert!((0..200).filter(|key| cache.get(key).is_some()).count() > 180);
        assert!((200..9_000).filter(|key| cache.get(key).is_some()).count() < SHARD_COUNT * 100);
        cache.publish(1, vec![1; 100]);
        assert_eq!(cache.get(&1), Some(vec![1; 100]), "what is published is there at once");
        cache.remove(&1);
        assert!(cache.get(&1).is_none());
    }

    #[test]
    fn an_offer_read_before_a_publication_is_refused() {
        let generations = Generations::default();
        let cache: Cache<u64, u64> = Cache::new(SHARD_COUNT * 100, |_| 1);
        let before = generations.of(&1_u64);
        generations.raise(&1_u64);
        cache.publish(1, 2);
        cache.offer(1, 1, before, &generations);
        assert_eq!(cache.get(&1), Some(2));
        cache.remove(&1);
        cache.offer(1, 1, before, &generations);
        assert_eq!(cache.get(&1), None);
        let now = generations.of(&1_u64);
        generations.raise(&2_u64);
        cache.offer(1, 3, now, &generations);
        assert_eq!(cache.get(&1), Some(3), "another key's publication does not matter");
    }
}
