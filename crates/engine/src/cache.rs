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

use lru::LruCache;
use parking_lot::Mutex;
use rustc_hash::FxBuildHasher;

/// How many locks a cache is split over.
///
/// Each shard evicts by itself, so a shard must be many times as large as the largest entry: with
/// many small shards, one person with tens of thousands of events would push everyone else out of
/// theirs, and two such people each other.
const SHARD_COUNT: usize = 8;

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

/// A sharded cache that evicts the least recently used entries beyond a weight.
pub(crate) struct Cache<K, V> {
    shards: Vec<Mutex<Shard<K, V>>>,
    shard_weight_max: usize,
    weigh: fn(&V) -> usize,
}

struct Shard<K, V> {
    entries: LruCache<K, (V, usize), FxBuildHasher>,
    weight: usize,
}

impl<K, V> std::fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cache(at most {} bytes a shard)", self.shard_weight_max)
    }
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// A cache of at most about `weight_max`, as `weigh` counts.
    pub(crate) fn new(weight_max: usize, weigh: fn(&V) -> usize) -> Self {
        let shard = || {
            let entries = LruCache::unbounded_with_hasher(FxBuildHasher);
            Mutex::new(Shard { entries, weight: 0 })
        };
        Self {
            shards: (0..SHARD_COUNT).map(|_| shard()).collect(),
            shard_weight_max: weight_max / SHARD_COUNT,
            weigh,
        }
    }

    /// The value under `key`, which becomes the most recently used.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.shard(key)?.lock().entries.get(key).map(|(value, _)| value.clone())
    }

    /// Sets `key` to what the writer has committed.
    pub(crate) fn publish(&self, key: K, value: V) {
        let weight = (self.weigh)(&value);
        if let Some(shard) = self.shard(&key) {
            shard.lock().put(key, value, weight, self.shard_weight_max);
        }
    }

    /// Sets `key` to what a reader found in the store, unless it was published since the read began at `generation`.
    pub(crate) fn offer(&self, key: K, value: V, generation: u64, current: &Generations) {
        let weight = (self.weigh)(&value);
        if let Some(shard) = self.shard(&key) {
            let mut shard = shard.lock();
            if current.of(&key) == generation {
                shard.put(key, value, weight, self.shard_weight_max);
            }
        }
    }

    /// Forgets `key`.
    pub(crate) fn remove(&self, key: &K) {
        if let Some(shard) = self.shard(key) {
            let mut shard = shard.lock();
            if let Some((_, weight)) = shard.entries.pop(key) {
                shard.weight -= weight;
            }
        }
    }

    /// Number of entries and their weight.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(entries, weight), shard| {
            let shard = shard.lock();
            (entries + shard.entries.len(), weight + shard.weight)
        })
    }

    fn shard(&self, key: &K) -> Option<&Mutex<Shard<K, V>>> {
        // The upper bits: the map inside the shard uses the lower ones.
        let hash = FxBuildHasher.hash_one(key) >> 48;
        let index = usize::try_from(hash).unwrap_or_default() % SHARD_COUNT;
        self.shards.get(index)
    }
}

impl<K: Hash + Eq, V> Shard<K, V> {
    fn put(&mut self, key: K, value: V, weight: usize, weight_max: usize) {
        if let Some((_, replaced)) = self.entries.put(key, (value, weight)) {
            self.weight -= replaced;
        }
        self.weight += weight;
        while self.weight > weight_max && self.entries.len() > 1 {
            let Some((_, (_, evicted))) = self.entries.pop_lru() else { break };
            self.weight -= evicted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_under_its_weight_and_keeps_the_recent() {
        let cache: Cache<u64, Vec<u8>> = Cache::new(SHARD_COUNT * 10_000, Vec::len);
        for key in 0..10_000 {
            cache.publish(key, vec![0; 100]);
        }
        let (entries, weight) = cache.size();
        assert!(weight <= SHARD_COUNT * 10_000, "{weight}");
        assert!(entries > SHARD_COUNT * 50, "{entries}");
        assert!(cache.get(&9_999).is_some());
        assert!(cache.get(&0).is_none());
        cache.remove(&9_999);
        assert!(cache.get(&9_999).is_none());
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
