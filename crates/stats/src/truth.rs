//! Whether the statistics are right when nothing or something is going on: seeded simulations with a known truth.
//!
//! A [`Check`] plays one experiment from draws and answers with a number; its mean over many plays must be what is
//! claimed. A list of checks becomes a table, which anybody can print again.

use crate::draws::Draws;
use crate::sample::float;

mod adaptive;
mod arms;
mod checks;
mod play;

pub use checks::checks;

/// What is claimed of the mean of a check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Claim {
    /// It is at most this.
    AtMost(f64),
    /// It is at least this.
    AtLeast(f64),
    /// It is this, give or take.
    Near {
        /// What it is.
        value: f64,
        /// By how much it may differ beside chance.
        tolerance: f64,
    },
    /// Nothing: it is shown for comparison.
    Shown,
}

/// A question that a simulation answers.
pub struct Check {
    /// The method that is tried.
    pub method: &'static str,
    /// What is played: the arms' shares, the values, how often one looks.
    pub setting: &'static str,
    /// What the number is, such as a share of false alarms.
    pub measure: &'static str,
    /// What is claimed of its mean.
    pub claim: Claim,
    /// How many plays cost about as much as 1,000 of the cheapest check: where one play takes long, there are fewer.
    pub plays_in_1000: u32,
    /// Plays once.
    pub play: Box<dyn Fn(&mut Draws) -> f64 + Send + Sync>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check")
            .field("method", &self.method)
            .field("setting", &self.setting)
            .finish_non_exhaustive()
    }
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The mean over all plays.
    pub mean: f64,
    /// Its standard error.
    pub std_error: f64,
    /// How many plays.
    pub plays: u32,
}

/// By how many standard errors a mean may miss a claim by chance: one check in 30,000 does.
const CHANCE: f64 = 4.0;

impl Check {
    /// Plays it as often as `budget` says, in units of the cheapest check; the same seed gives the same answer.
    pub fn run(&self, seed: u64, budget: u32) -> Found {
        let plays = u64::from(budget) * u64::from(self.plays_in_1000) / 1_000;
        let plays = u32::try_from(plays).unwrap_or(u32::MAX).max(2);
        let (mut sum, mut sum_of_squares) = (0.0, 0.0);
        for play in 0..plays {
            let value = (self.play)(&mut Draws::part(seed, u64::from(play)));
            sum += value;
            sum_of_squares += value * value;
        }
        let count = float(u64::from(plays));
        let mean = sum / count;
        let variance = ((sum_of_squares - sum * mean) / (count - 1.0)).max(0.0);
        Found { mean, std_error: (variance / count).sqrt(), plays }
    }

    /// Whether what was found agrees with the claim, but for chance.
    pub fn holds(&self, found: &Found) -> bool {
        let by_chance = CHANCE * found.std_error;
        match self.claim {
            Claim::AtMost(value) => found.mean - by_chance <= value,
            Claim::AtLeast(value) => found.mean + by_chance >= value,
            Claim::Near { value, tolerance } => (found.mean - value).abs() <= tolerance + by_chance,
            Claim::Shown => true,
        }
    }
}

#[cfg(test)]
mod tests;
