//! Which input is tried next, and for how long.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::change::changed;

/// Inputs that are tried where no time is given: some tenths of a second.
const RUNS: usize = 400;

/// Largest input in bytes; a larger one says nothing that a smaller one does not.
const INPUT_BYTES_MAX: usize = 16 * 1024;

/// Most inputs to go on from: the seeds and what led somewhere new.
const POOL_MAX: usize = 4_096;

/// Most changes that are made to an input at once.
const CHANGES_MAX: u32 = 4;

/// How many words of a message tell its kind: what follows says what of many things was expected instead.
const WORDS_MAX: usize = 6;

/// What became of an input: a few words without anything of the input itself, or each would be new.
pub type Outcome = String;

/// Tries the seeds, a line each, and then what they change into, until the runs or the time are used up.
///
/// # Panics
/// When the check does; the input is printed before.
#[expect(clippy::print_stderr, reason = "what broke a check is of no use unless it is seen")]
pub fn run(name: &str, seeds: &str, check: impl Fn(&[u8]) -> Outcome) {
    let seed = number("CONCIERGE_FUZZ_SEED").unwrap_or(1);
    let until = number("CONCIERGE_FUZZ_SECONDS").map(|it| Instant::now() + Duration::from_secs(it));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut pool: Vec<Vec<u8>> = seeds.lines().map(|line| line.as_bytes().to_vec()).collect();
    let seed_count = pool.len();
    let mut known = BTreeSet::new();
    let mut runs = 0_usize;
    loop {
        let is_seed = runs < seed_count;
        let input = if is_seed {
            pool.get(runs).cloned().unwrap_or_default()
        } else {
            next(&pool, &mut random)
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&input))).unwrap_or_else(|panic| {
            eprintln!("{name}, run {runs} of seed {seed}, broke on this input:");
            eprintln!("{}", String::from_utf8_lossy(&input));
            resume_unwind(panic)
        });
        if known.insert(outcome) && !is_seed && pool.len() < POOL_MAX {
            pool.push(input);
        }
        runs += 1;
        let is_over = until.map_or(runs >= RUNS, |until| Instant::now() >= until);
        if is_over && runs >= seed_count {
            break;
        }
    }
    eprintln!("{name}: {runs} inputs, {} outcomes, seed {seed}", known.len());
}

/// An input that some changes make of one of the pool.
fn next(pool: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut input = any(pool, random);
    for _ in 0..random.random_range(1..=CHANGES_MAX) {
        let other = any(pool, random);
        input = changed(&input, &other, random);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn any(pool: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    if pool.is_empty() {
        return Vec::new();
    }
    pool.get(random.random_range(0..pool.len())).cloned().unwrap_or_default()
}

/// The first words of a message without what it quotes and counts, so that messages of one kind are one
/// outcome. Where a message shows a piece of the input, what it says of it comes after a sign of equality.
pub fn kind_of(message: &str) -> Outcome {
    let said = message.rsplit_once(" = ").map_or(message, |(_, said)| said);
    let unquoted = said.split(['`', '"']).step_by(2);
    let words =
        unquoted.flat_map(|part| part.split(|c: char| !(c.is_ascii_alphabetic() || c == '_')));
    words.filter(|word| !word.is_empty()).take(WORDS_MAX).collect::<Vec<_>>().join(" ")
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
