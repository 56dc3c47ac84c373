//! Which pairs are looked at: those that share all keys of a rule, block by block.

use std::ops::Range;

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::Xxh3;

use crate::{
    plan::{Plan, PlannedKey},
    records::{MISSING, Records},
};

/// Most records of one block: it makes 12.5 million pairs. A larger one says little about its people and
/// costs the square of its size, so it is left out of its rule, and told.
pub const BLOCK_RECORDS_MAX: usize = 5_000;

/// Most pairs of one run, which take some minutes.
pub const PAIRS_MAX: u64 = 1_000_000_000;

/// A key of records that are in no block of a rule.
const NONE: u64 = 0;

/// The blocks of every rule.
#[derive(Clone, Debug)]
pub(crate) struct Blocking {
    rules: Vec<Rule>,
}

/// The blocks of one rule.
#[derive(Clone, Debug)]
struct Rule {
    /// For each record the hash of what it has to share, or [`NONE`].
    keys: Vec<u64>,
    /// The records that are in blocks, ordered by key and then by place.
    order: Vec<u32>,
    left_out: LeftOut,
}

/// What a rule did not look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Blocks of more than [`BLOCK_RECORDS_MAX`] records.
    pub blocks: u64,
    /// The records in them.
    pub records: u64,
}

impl Blocking {
    /// Sorts the records into blocks. The seed decides in which order blocks are walked.
    pub(crate) fn new(plan: &Plan, records: &Records) -> Self {
        let seed = plan.settings().seed;
        let rules = plan.rules().iter().map(|keys| Rule::new(records, keys, seed)).collect();
        Self { rules }
    }

    pub(crate) fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// What each rule left out.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = LeftOut> {
        self.rules.iter().map(|rule| rule.left_out)
    }

    /// How many pairs a rule makes, with those that an earlier rule makes too.
    pub(crate) fn pair_count(&self, rule: usize) -> u64 {
        let blocks = self.rules.get(rule).into_iter().flat_map(Rule::blocks);
        blocks.map(|block| block_pairs(block.len())).sum()
    }

    /// Walks the pairs of a rule, whole blocks at a time, until at least `most` were walked; answers how many were.
    ///
    /// Blocks are walked in the order of their keys' hashes, so that a part of them is a sample of them.
    pub(crate) fn walk(&self, rule: usize, most: u64, mut take: impl FnMut(Pair)) -> u64 {
        let mut walked = 0;
        let Some(blocks) = self.rules.get(rule) else { return 0 };
        for block in blocks.blocks() {
            if walked >= most {
                break;
            }
            let members = blocks.order.get(block).unwrap_or_default();
            walked += block_pairs(members.len());
            for (place, &a) in members.iter().enumerate() {
                for &b in members.iter().skip(place + 1) {
                    take(Pair { a, b, is_first: !self.made_before(rule, a, b) });
                }
            }
        }
        walked
    }

    fn made_before(&self, rule: usize, a: u32, b: u32) -> bool {
        self.rules.iter().take(rule).any(|rule| rule.key(a) != NONE && rule.key(a) == rule.key(b))
    }
}

/// Two records of a block; `a` came before `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) a: u32,
    pub(crate) b: u32,
    /// Whether no earlier rule makes this pair.
    pub(crate) is_first: bool,
}

fn block_pairs(records: usize) -> u64 {
    let records = records as u64;
    records * records.saturating_sub(1) / 2
}

impl Rule {
    fn new(records: &Records, keys: &[PlannedKey], seed: u64) -> Self {
        let mut hashes = key_hashes(records, keys, seed);
        let mut order: Vec<u32> = (0..records.len())
            .filter(|record| hashes.get(*record as usize).is_some_and(|key| *key != NONE))
            .collect();
        order.sort_unstable_by_key(|&record| (hashes.get(record as usize).copied(), record));
        let mut rule = Self { keys: Vec::new(), order: Vec::new(), left_out: LeftOut::default() };
        for block in order.chunk_by(|a, b| hashes.get(*a as usize) == hashes.get(*b as usize)) {
            if block.len() <= BLOCK_RECORDS_MAX {
                rule.order.extend_from_slice(block);
            } else {
                rule.left_out.blocks += 1;
                rule.left_out.records += block.len() as u64;
            }
        }
        if rule.left_out.blocks > 0 {
            // Without its key a record is in no block, so that later rules do not count on this one.
            let mut kept = vec![NONE; hashes.len()];
            for &record in &rule.order {
                if let (Some(kept), Some(key)) =
                    (kept.get_mut(record as usize), hashes.get(record as usize))
                {
                    *kept = *key;
                }
            }
            hashes = kept;
        }
        rule.keys = hashes;
        rule
    }

    fn key(&self, record: u32) -> u64 {
        self.keys.get(record as usize).copied().unwrap_or(NONE)
    }

    fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let same = |a: &u32, b: &u32| self.key(*a) == self.key(*b);
        self.order.chunk_by(same).scan(0, |from, block| {
            let range = *from..*from + block.len();
            *from = range.end;
            Some(range)
        })
    }
}

/// For each record the hash of the values that the keys look at; [`NONE`] where one is missing.
fn key_hashes(records: &Records, keys: &[PlannedKey], seed: u64) -> Vec<u64> {
    let beginnings: Vec<Option<Beginnings>> =
        keys.iter().map(|key| Beginnings::new(records, *key)).collect();
    let hash = |record: u32| {
        let mut hasher = Xxh3::with_seed(seed);
        for (key, beginnings) in keys.iter().zip(&beginnings) {
            let code = records.code(record, key.column);
            if code == MISSING {
                return NONE;
            }
            let code = beginnings.as_ref().map_or(code, |beginnings| beginnings.of(code));
            hasher.update(&code.to_le_bytes());
        }
        hasher.digest().max(1)
    };
    (0..records.len()).map(hash).collect()
}

/// The codes of the beginnings of a column's values.
struct Beginnings(Vec<u32>);

impl Beginnings {
    fn new(records: &Records, key: PlannedKey) -> Option<Self> {
        let first = usize::from(key.first?);
        let column = records.column(key.column)?;
        let mut known: FxHashMap<String, u32> = FxHashMap::default();
        let mut codes = Vec::new();
        for value in column.values() {
            let beginning: String = value.text.as_str().chars().take(first).collect();
            let next = u32::try_from(known.len() + 1).unwrap_or(u32::MAX);
            codes.push(*known.entry(beginning).or_insert(next));
        }
        Some(Self(codes))
    }

    fn of(&self, code: u32) -> u32 {
        (code as usize)
            .checked_sub(1)
            .and_then(|place| self.0.get(place))
            .copied()
            .unwrap_or(MISSING)
    }
}

#[cfg(test)]
mod tests;
