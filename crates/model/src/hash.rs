//! The hashes that bind meaning: lanes, event names and traffic buckets. `spec/hashing.json` holds their cases.
//!
//! None of them is keyed or secret; identifiers inside stored keys use the workspace's keyed hash,
//! which lives with the store.

use xxhash_rust::xxh3::xxh3_64;

use crate::{Identifier, Lane, UnitId};

/// How finely traffic can be divided: a bucket is a ten-thousandth.
pub const BUCKET_COUNT: u32 = 10_000;

/// The lane of a routing identifier, from its type and its value *as sent*.
pub fn lane(routing: &Identifier) -> Lane {
    let mut bytes = routing.kind.to_string().into_bytes();
    bytes.push(0);
    bytes.extend_from_slice(routing.value.as_bytes());
    Lane::from_hash(xxh3_64(&bytes))
}

/// The hash under which an event name stands in stored keys.
pub fn event_name(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// The bucket of `unit` under `salt`, `0..BUCKET_COUNT`.
///
/// It is MurmurHash3 x86 32 with seed 0 over `salt ":" unit` (the unit as 16 lower-case hexadecimal
/// digits), taken modulo the bucket count: the field's customary hash, easy to repeat in any
/// language.
pub fn bucket(salt: &str, unit: UnitId) -> u32 {
    murmur3_32(format!("{salt}:{unit}").as_bytes()) % BUCKET_COUNT
}

/// MurmurHash3 x86 32-bit, seed 0 (Austin Appleby, public domain specification).
pub fn murmur3_32(bytes: &[u8]) -> u32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let scramble = |k: u32| k.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let mut hash = 0_u32;
    let mut chunks = bytes.chunks_exact(4);
    for chunk in &mut chunks {
        let word = chunk.iter().rev().fold(0, |word, &byte| (word << 8) | u32::from(byte));
        hash ^= scramble(word);
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = chunks.remainder().iter().rev().fold(0, |word, &byte| (word << 8) | u32::from(byte));
    hash ^= scramble(tail);
    // The length enters modulo 2^32, as the algorithm states.
    hash ^= u32::try_from(bytes.len() & 0xffff_ffff).unwrap_or(u32::MAX);
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur3_matches_the_published_vectors() {
        // From the reference implementation's verification values for seed 0.
        assert_eq!(murmur3_32(b""), 0);
        assert_eq!(murmur3_32(b"hello"), 0x248b_fa47);
        assert_eq!(murmur3_32(b"hello, world"), 0x149b_bb7f);
        assert_eq!(murmur3_32(b"The quick brown fox jumps over the lazy dog"), 0x2e4f_f723);
    }

    #[test]
    fn buckets_spread_evenly_and_salts_are_independent() {
        let mut counts = [0_u32; 10];
        let mut both_low = 0;
        for i in 0..100_000_u64 {
            let unit = UnitId(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let (a, b) = (bucket("a", unit), bucket("b", unit));
            counts[usize::try_from(a / 1000).unwrap()] += 1;
            both_low += u32::from(a < 5000 && b < 5000);
        }
        assert!(counts.iter().all(|&n| (9_500..10_500).contains(&n)), "{counts:?}");
        assert!((24_500..25_500).contains(&both_low), "{both_low}");
    }
}
