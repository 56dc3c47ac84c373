//! From records to a model, with nobody telling which of them match.
//!
//! First what chance does (u), from pairs drawn at random. Then what matches are like (m), from the
//! pairs that each blocking rule makes, looking at what the rule does not decide, for all rules
//! together. Then how many matches there are (λ), from all blocked pairs. Among pairs drawn at random
//! a few match; what they add to u is taken off it, and m and λ are learnt once more.

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    blocking::Blocking,
    em::{Active, Estimate, Mixture, Session},
    model::Model,
    plan::{Pattern, Plan},
    records::{self, Records},
};

/// Pairs drawn at random to learn what chance does; a level of one in ten thousand is seen a hundred times.
const CHANCE_PAIRS: u64 = 1_000_000;

/// Pairs of each blocking rule from which m is learnt: a sample of whole blocks where a rule makes more.
const RULE_PAIRS_MAX: u64 = 1_000_000;

/// How often u, m and λ are learnt from one another.
const ROUNDS: usize = 3;

/// Steps of λ after which it is taken as it is.
const LAMBDA_STEPS_MAX: usize = 200;

/// A step that changes λ by a smaller share of itself is the last.
const LAMBDA_CHANGE_MIN: f64 = 1e-6;

/// The share of matches among blocked pairs that learning begins with.
const LAMBDA_AT_FIRST: f64 = 0.1;

/// The probability that values agree in a match, before anything is learnt.
const AGREEMENT_AT_FIRST: f64 = 0.9;

/// The share of a level's chance that matches cannot explain away.
const CHANCE_SHARE_MIN: f64 = 0.01;

/// The least m of a level, so that a single surprise is strong evidence and no proof.
const M_MIN: f64 = 1e-4;

/// What is too little to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEvidence {
    /// Pairs need two records.
    #[error("there are fewer than two records, so that there is no pair to compare")]
    Records,
    /// No rule makes a pair.
    #[error("no two records share a blocking key, so that there is no pair to compare")]
    Pairs,
}

/// Learns a model.
pub(crate) fn train(
    plan: &Plan,
    records: &Records,
    blocking: &Blocking,
) -> Result<Model, NoEvidence> {
    if records.len() < 2 {
        return Err(NoEvidence::Records);
    }
    let evidence = Evidence::gather(plan, records, blocking);
    if evidence.sessions.is_empty() {
        return Err(NoEvidence::Pairs);
    }
    let chance = Chance::draw(plan, records);
    let mut mixture = Mixture { m: evidence.learn_m(&chance.levels), u: chance.levels.clone() };
    let mut lambda = evidence.learn_lambda(&mixture);
    for _ in 1..ROUNDS {
        mixture.u = chance.without_matches(lambda, &mixture.m);
        mixture.m = evidence.learn_m(&mixture.u);
        lambda = evidence.learn_lambda(&mixture);
    }
    Ok(Model::new(plan, lambda, &mixture))
}

/// The first level is what a match has, mostly; the others share the rest.
fn at_first(levels: usize) -> Vec<f64> {
    let others = f64::from(u32::try_from(levels.saturating_sub(1)).unwrap_or(u32::MAX)).max(1.0);
    let of =
        |level| if level == 0 { AGREEMENT_AT_FIRST } else { (1.0 - AGREEMENT_AT_FIRST) / others };
    (0..levels).map(of).collect()
}

/// How often each level comes about between records drawn at random.
struct Chance {
    /// By comparison, then by level.
    levels: Vec<Vec<f64>>,
    /// By comparison: half of the share that a single pair has.
    unseen: Vec<f64>,
}

impl Chance {
    fn draw(plan: &Plan, records: &Records) -> Self {
        let mut patterns: FxHashMap<Pattern, f64> = FxHashMap::default();
        for_random_pairs(records.len(), plan.settings().seed, |a, b| {
            *patterns.entry(plan.pattern(records, a, b)).or_default() += 1.0;
        });
        let patterns = sorted(patterns);
        let (mut levels, mut unseen) = (Vec::new(), Vec::new());
        for (place, compared) in plan.compared().iter().enumerate() {
            let mut shares = vec![0.0; compared.level_count()];
            for (pattern, count) in &patterns {
                let level = usize::from(pattern.level(place)).checked_sub(1);
                if let Some(share) = level.and_then(|level| shares.get_mut(level)) {
                    *share += count;
                }
            }
            let column = records.column(compared.column);
            // How often values are equal need not be drawn: it follows from their frequencies.
            let equal = column.filter(|_| compared.exact_level() == Some(1));
            let equal = equal.map(records::Column::chance_of_equality);
            levels.push(normalised(shares, equal));
            let pairs = column.map_or(1.0, |column| records::pairs(column.present));
            unseen.push(0.5 / pairs.max(1.0));
        }
        Self { levels, unseen }
    }

    /// What is left of each level when the matches among the pairs are taken away.
    fn without_matches(&self, lambda: f64, m: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let comparisons = self.levels.iter().zip(m).zip(&self.unseen);
        let left = |((levels, m), unseen): ((&Vec<f64>, &Vec<f64>), &f64)| {
            let level = |(seen, m): (&f64, &f64)| {
                let left = (seen - lambda * m) / (1.0 - lambda);
                left.max(seen * CHANCE_SHARE_MIN).max(*unseen)
            };
            normalised(levels.iter().zip(m).map(level).collect(), None)
        };
        comparisons.map(left).collect()
    }
}

/// Counts or shares as shares that add up to 1, the first of them as given where it is.
fn normalised(mut shares: Vec<f64>, first: Option<f64>) -> Vec<f64> {
    let given = first.unwrap_or(0.0);
    if let (Some(_), Some(share)) = (first, shares.first_mut()) {
        *share = 0.0;
    }
    let total: f64 = shares.iter().sum();
    if total > 0.0 {
        shares.iter_mut().for_each(|share| *share *= (1.0 - given) / total);
    } else if let Some(share) = shares.last_mut() {
        *share = 1.0 - given;
    }
    if let (Some(given), Some(share)) = (first, shares.first_mut()) {
        *share = given;
    }
    shares
}

/// Gives pairs drawn at random, or every pair where there are no more of them.
fn for_random_pairs(records: u32, seed: u64, mut take: impl FnMut(u32, u32)) {
    let length = u64::from(records);
    if length * (length - 1) / 2 <= CHANCE_PAIRS {
        for a in 0..records {
            for b in a + 1..records {
                take(a, b);
            }
        }
        return;
    }
    let draw = |number: u64, below: u64| {
        let hash = xxh3_64_with_seed(&number.to_le_bytes(), seed);
        // The upper half of the product is a number below the bound, with even chances.
        let drawn = (u128::from(hash) * u128::from(below)) >> u64::BITS;
        u32::try_from(drawn).unwrap_or(u32::MAX)
    };
    for pair in 0..CHANCE_PAIRS {
        let a = draw(2 * pair, length);
        let other = draw(2 * pair + 1, length - 1);
        take(a, if other >= a { other + 1 } else { other });
    }
}

/// What pairs of the blocks are like.
struct Evidence {
    /// One for each rule that makes pairs: all pairs walked, and the comparisons that the rule does not decide.
    sessions: Vec<Session>,
    /// The pairs of all rules, each once, scaled up to all of its rule.
    blocked: Vec<(Pattern, f64)>,
    all_active: Active,
    /// How many pairs all records make.
    pairs: f64,
}

impl Evidence {
    fn gather(plan: &Plan, records: &Records, blocking: &Blocking) -> Self {
        let places = 0..plan.compared().len();
        let all_active = Active(places.fold(0, |bits, place| bits | (1 << place)));
        let mut sessions = Vec::new();
        let mut blocked: FxHashMap<Pattern, f64> = FxHashMap::default();
        for (rule, keys) in plan.rules().iter().enumerate() {
            let mut all: FxHashMap<Pattern, f64> = FxHashMap::default();
            let mut first: FxHashMap<Pattern, f64> = FxHashMap::default();
            let walked = blocking.walk(rule, RULE_PAIRS_MAX, |pair| {
                let pattern = plan.pattern(records, pair.a, pair.b);
                *all.entry(pattern).or_default() += 1.0;
                if pair.is_first {
                    *first.entry(pattern).or_default() += 1.0;
                }
            });
            if walked == 0 {
                continue;
            }
            let scale = count(blocking.pair_count(rule)) / count(walked);
            for (pattern, count) in sorted(first) {
                *blocked.entry(pattern).or_default() += count * scale;
            }
            let decided = keys.iter().fold(0, |bits, key| {
                let place = plan.compared().iter().position(|it| it.column == key.column);
                bits | place.map_or(0, |place| 1 << place)
            });
            sessions.push(Session { active: Active(all_active.0 & !decided), pairs: sorted(all) });
        }
        let pairs = records::pairs(records.len());
        Self { sessions, blocked: sorted(blocked), all_active, pairs }
    }

    /// m of each comparison. One that every rule decides keeps what it begins with.
    fn learn_m(&self, u: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let m = u.iter().map(|levels| at_first(levels.len())).collect();
        let start = Estimate {
            lambdas: vec![LAMBDA_AT_FIRST; self.sessions.len()],
            mixture: Mixture { m, u: u.to_vec() },
        };
        let learnt = start.converge(&self.sessions).mixture.m.into_iter();
        let floor = |m: Vec<f64>| normalised(m.iter().map(|m| m.max(M_MIN)).collect(), None);
        learnt.map(floor).collect()
    }

    /// λ: the share of matches among all pairs, where those in no block are none.
    fn learn_lambda(&self, mixture: &Mixture) -> f64 {
        // At most all blocked pairs match; that a pair does is never out of the question.
        let blocked: f64 = self.blocked.iter().map(|(_, count)| count).sum();
        let (least, most) = (0.5 / self.pairs, (blocked / self.pairs).min(0.5));
        let mut lambda = most * LAMBDA_AT_FIRST;
        for _ in 0..LAMBDA_STEPS_MAX {
            let expected = |(pattern, count): &(Pattern, f64)| {
                count * mixture.posterior(lambda, *pattern, self.all_active)
            };
            let matches: f64 = self.blocked.iter().map(expected).sum();
            let next = (matches / self.pairs).clamp(least, most);
            let change = (next - lambda).abs();
            lambda = next;
            if change <= next * LAMBDA_CHANGE_MIN {
                break;
            }
        }
        lambda
    }
}

/// In one order, so that sums are the same whenever they are taken.
fn sorted(patterns: FxHashMap<Pattern, f64>) -> Vec<(Pattern, f64)> {
    let mut patterns: Vec<_> = patterns.into_iter().collect();
    patterns.sort_unstable_by_key(|(pattern, _)| *pattern);
    patterns
}

/// A count of pairs: below 2⁵³, so that it is exact.
#[expect(clippy::cast_precision_loss, reason = "there are at most PAIRS_MAX pairs")]
fn count(pairs: u64) -> f64 {
    pairs as f64
}
