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

/// How many locks a cache is split over: a power of two, some times the number of cores of a large machine.
const SHARD_COUNT: usize = 64;

/// Counts publications. One for all caches of an engine.
#[derive(Debug, Default)]
pub(crate) struct Generation(AtomicU64);

impl Generation {
    /// The generation to read the store under.
    pub(crate) fn current(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Begins a publication: offers read before this call are refused from here on.
    pub(crate) fn raise(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
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

    /// Sets `key` to what a reader found in the store, unless something was published since it began at `generation`.
    pub(crate) fn offer(&self, key: K, value: V, generation: u64, current: &Generation) {
        let weight = (self.weigh)(&value);
        if let Some(shard) = self.shard(&key) {
            let mut shard = shard.lock();
            if current.current() == generation {
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
        let cache: Cache<u64, Vec<u8>> = Cache::new(64 * 1000, Vec::len);
        for key in 0..10_000 {
            cache.publish(key, vec![0; 100]);
        }
        let (entries, weight) = cache.size();
        assert!(weight <= 64 * 1000, "{weight}");
        assert!(entries > 300, "{entries}");
        assert!(cache.get(&9_999).is_some());
        assert!(cache.get(&0).is_none());
        cache.remove(&9_999);
        assert!(cache.get(&9_999).is_none());
    }

    #[test]
    fn an_offer_read_before_a_publication_is_refused() {
        let generation = Generation::default();
        let cache: Cache<u64, u64> = Cache::new(64 * 100, |_| 1);
        let before = generation.current();
        generation.raise();
        cache.publish(1, 2);
        cache.offer(1, 1, before, &generation);
        assert_eq!(cache.get(&1), Some(2));
        cache.remove(&1);
        cache.offer(1, 1, before, &generation);
        assert_eq!(cache.get(&1), None);
        cache.offer(1, 3, generation.current(), &generation);
        assert_eq!(cache.get(&1), Some(3));
    }
}
