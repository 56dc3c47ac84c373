//! A metric tried over the lake: what units did by it, without it being defined and without waiting for its sums.
//!
//! Rows of the lake lie in the order of lanes and strands, so that everything about some lanes is read file by file,
//! held, joined by strand and let go; threads take the lanes in turns. Who has strands in several lanes is put
//! together at the end. What a unit did is computed by the one rule by which sums are kept ([`experiment::measure`]),
//! so a metric that is tried has the numbers that it will have once it is defined, but for what the lake does not
//! know: visits, which are no events, and exposures that servers state.

mod links;
mod rows;
mod source;
mod units;

use std::{
    ops::Range,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
};

use model::{Key, StrandId, Timestamp, id::LANE_COUNT};
use thiserror::Error;

use crate::{
    archive::{Archive, ArchiveError},
    priority,
};

pub use experiment::{Metric, MetricDocument};
pub use rows::Unfit;
pub use source::{Source, Sources};
pub use units::{Exposing, Found, Group};

/// Rows of files that a thread goes through at once, about; it holds those that are wanted. Few blocks are quicker than
/// many, since pages that lie across their borders are unpacked for each.
const EVENTS_AT_ONCE: u64 = 9_000_000;
const EXPOSURES_AT_ONCE: u64 = 1_500_000;

/// What is tried.
pub struct Trial<'a> {
    /// Where the files are.
    pub archive: &'a dyn Archive,
    /// What is read.
    pub sources: &'a Sources,
    /// Whose units are measured.
    pub experience: &'a Key,
    /// By what.
    pub metric: &'a Metric,
    /// What may be read.
    pub rules: &'a dyn Rules,
    /// As of when.
    pub now: Timestamp,
    /// How many threads read.
    pub threads: usize,
    /// Whether nobody waits for it any more; asked again and again, on all of these threads.
    pub is_abandoned: &'a (dyn Fn() -> bool + Sync),
}

/// What may be read for the purpose of a metric.
pub trait Rules: Sync {
    /// Whether what a strand's person did may be read.
    fn strand(&self, strand: StrandId) -> bool;

    /// Whether an event may be read that was collected for these purposes, a list in JSON.
    fn purposes(&self, list: &str) -> bool;
}

impl std::fmt::Debug for Trial<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial")
            .field("experience", self.experience)
            .field("metric", self.metric)
            .finish_non_exhaustive()
    }
}

impl Trial<'_> {
    /// Measures all units.
    ///
    /// # Errors
    ///
    /// When the metric reads what the lake has not, a file cannot be read, or nobody waits for it any more.
    pub fn run(&self) -> Result<Found, TrialError> {
        let reads = rows::Reads::of(self.metric, self.sources.hidden.has_events())?;
        let blocks = self.blocks();
        let links = self.each(&blocks, &|lanes| links::moved(self, lanes))?;
        let elsewhere = self.sources.hidden.moved.iter().map(|(_, to)| *to);
        let people = links::People::of(links, elsewhere);
        let blocks = self.each(&blocks, &|lanes| units::block(self, &reads, &people, lanes))?;
        Ok(units::together(self, &reads, blocks))
    }

    /// Lanes that are held at once.
    fn blocks(&self) -> Vec<Range<u16>> {
        let Sources { events, exposures, .. } = self.sources;
        let events = events.rows.div_ceil(EVENTS_AT_ONCE);
        let exposures = exposures.rows.div_ceil(EXPOSURES_AT_ONCE);
        let most = u64::from(LANE_COUNT);
        let count = events.max(exposures).max(self.threads as u64).clamp(1, most);
        let count = count.next_multiple_of(self.threads.max(1) as u64).min(most);
        let bound = |nth: u64| u16::try_from(most * nth / count).unwrap_or(LANE_COUNT);
        (0..count).map(|nth| bound(nth)..bound(nth + 1)).collect()
    }

    /// Does something for each block, on all threads, and returns what came of it in the order of blocks.
    fn each<T: Send>(
        &self,
        blocks: &[Range<u16>],
        work: &(dyn Fn(Range<u16>) -> Result<T, TrialError> + Sync),
    ) -> Result<Vec<T>, TrialError> {
        let next = AtomicUsize::new(0);
        let take = || {
            priority::yield_to_requests();
            let mut done = Vec::new();
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let Some(lanes) = blocks.get(nth) else { return Ok(done) };
                let result = work(lanes.clone()).inspect_err(|_| {
                    next.store(blocks.len(), Ordering::Relaxed);
                })?;
                done.push((nth, result));
            }
        };
        let done = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads.max(1)).map(|_| scope.spawn(take)).collect();
            let joined = threads.into_iter().map(|t| t.join().unwrap_or_else(|p| resume_unwind(p)));
            joined.collect::<Result<Vec<_>, TrialError>>()
        })?;
        let mut done: Vec<(usize, T)> = done.into_iter().flatten().collect();
        done.sort_unstable_by_key(|(nth, _)| *nth);
        Ok(done.into_iter().map(|(_, result)| result).collect())
    }
}

/// Why a metric cannot be tried.
#[derive(Debug, Error)]
pub enum TrialError {
    /// It reads what the lake has no column for.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// A file cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Nobody waits for it any more.
    #[error("it was given up, since nobody waits for it or the server stops")]
    Abandoned,
}
