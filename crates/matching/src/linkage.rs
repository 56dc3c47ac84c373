//! The whole run: records into blocks, a model learnt, pairs weighed.

use crate::{
    blocking::{Blocking, LeftOut, PAIRS_MAX},
    model::{Explanation, Model, Scale, Scored, weight_of},
    plan::Plan,
    records::Records,
    train::{self, NoEvidence},
};

/// Most pairs that are kept: 24 bytes each.
pub const PAIRS_KEPT_MAX: usize = 20_000_000;

/// Records with the blocks they are in.
#[derive(Debug)]
pub struct Linkage<'a> {
    plan: &'a Plan,
    records: &'a Records,
    blocking: Blocking,
}

/// There is more to do than was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// Blocks make too many pairs.
    #[error(
        "the blocking rules make {0} pairs, more than {PAIRS_MAX}; add keys to the rules that make most of them"
    )]
    Pairs(u64),
    /// Too many pairs are likely matches.
    #[error(
        "more than {PAIRS_KEPT_MAX} pairs reach the threshold; raise it, or compare more columns"
    )]
    Kept,
}

impl<'a> Linkage<'a> {
    /// Sorts records into blocks.
    ///
    /// # Errors
    /// When the blocks make more than [`PAIRS_MAX`] pairs.
    pub fn new(plan: &'a Plan, records: &'a Records) -> Result<Self, TooMany> {
        let linkage = Self { plan, records, blocking: Blocking::new(plan, records) };
        let pairs = linkage.blocks().map(|blocks| blocks.pairs).sum();
        if pairs > PAIRS_MAX { Err(TooMany::Pairs(pairs)) } else { Ok(linkage) }
    }

    /// What each blocking rule makes, in the order of the settings.
    pub fn blocks(&self) -> impl Iterator<Item = Blocks> {
        self.blocking
            .left_out()
            .enumerate()
            .map(|(rule, left_out)| Blocks { pairs: self.blocking.pair_count(rule), left_out })
    }

    /// Learns a model from the pairs of the blocks. The same records, settings and seed give the same model.
    ///
    /// # Errors
    /// When there is nothing to learn from.
    pub fn train(&self) -> Result<Model, NoEvidence> {
        train::train(self.plan, self.records, &self.blocking)
    }

    /// The pairs that match with at least this probability, the likeliest first.
    ///
    /// # Errors
    /// When there are more than [`PAIRS_KEPT_MAX`].
    pub fn score(&self, model: &Model, probability: f64) -> Result<Vec<Scored>, TooMany> {
        let scale = Scale::new(self.plan, self.records, model);
        let least = weight_of(probability);
        let mut kept = Vec::new();
        let mut is_full = false;
        for rule in 0..self.blocking.rule_count() {
            self.blocking.walk(rule, u64::MAX, |pair| {
                if !pair.is_first || is_full {
                    return;
                }
                let weight = scale.weight(pair.a, pair.b);
                if weight >= least {
                    is_full = kept.len() == PAIRS_KEPT_MAX;
                    kept.push(Scored { a: pair.a, b: pair.b, weight });
                }
            });
        }
        if is_full {
            return Err(TooMany::Kept);
        }
        kept.sort_unstable_by(|x, y| {
            y.weight.total_cmp(&x.weight).then((x.a, x.b).cmp(&(y.a, y.b)))
        });
        Ok(kept)
    }

    /// Explains pairs by what each comparison weighs.
    pub fn explainer(&self, model: &Model) -> impl Fn(&Scored) -> Explanation {
        let scale = Scale::new(self.plan, self.records, model);
        move |pair| scale.explain(pair.a, pair.b)
    }
}

/// What a blocking rule makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Its pairs, with those that an earlier rule makes too.
    pub pairs: u64,
    /// What it did not look at.
    pub left_out: LeftOut,
}

/// Keeps of each record only the pair that weighs most, so that each is in one pair at most.
///
/// Pairs come the likeliest first, and are taken in this order.
pub fn one_to_one(pairs: &[Scored], records: u32) -> Vec<Scored> {
    let mut is_taken = vec![false; records as usize];
    let mut kept = Vec::new();
    for pair in pairs {
        let ends = [pair.a as usize, pair.b as usize];
        if ends.iter().all(|end| is_taken.get(*end) == Some(&false)) {
            kept.push(*pair);
            for end in ends {
                if let Some(taken) = is_taken.get_mut(end) {
                    *taken = true;
                }
            }
        }
    }
    kept
}

/// The cluster of each record: the place of the first record that pairs join it with, itself where none does.
pub fn clusters(pairs: &[Scored], records: u32) -> Vec<u32> {
    let mut parents: Vec<u32> = (0..records).collect();
    for pair in pairs {
        let (a, b) = (root(&mut parents, pair.a), root(&mut parents, pair.b));
        if let Some(parent) = parents.get_mut(a.max(b) as usize) {
            *parent = a.min(b);
        }
    }
    (0..records).map(|record| root(&mut parents, record)).collect()
}

/// Follows parents to the record that has none but itself, and shortens the way for the next time.
fn root(parents: &mut [u32], mut record: u32) -> u32 {
    loop {
        let parent = parents.get(record as usize).copied().unwrap_or(record);
        if parent == record {
            return record;
        }
        let above = parents.get(parent as usize).copied().unwrap_or(parent);
        if let Some(slot) = parents.get_mut(record as usize) {
            *slot = above;
        }
        record = above;
    }
}

#[cfg(test)]
mod tests;
