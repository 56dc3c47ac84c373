//! Expectation and maximisation: what matches are like, learnt from pairs of which nobody knows whether they match.
//!
//! The mixture of Fellegi and Sunter (1969), with the estimator of Dempster, Laird and Rubin (1977) as
//! Winkler (1988) applies it: a pair is a match with probability λ, and the levels of its comparisons are
//! independent given whether it is one. A missing value says nothing. What chance does, u, is given.

use crate::{plan::Pattern, settings::COMPARISONS_MAX};

/// Steps after which an estimate that still moves is taken as it is.
const STEPS_MAX: usize = 500;

/// A step that changes no probability by more than this is the last.
const CHANGE_MIN: f64 = 1e-5;

/// Pairs that were chosen in one way, so that matches have a share of their own among them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Session {
    /// The comparisons that say something.
    pub(crate) active: Active,
    /// Its pairs by their patterns.
    pub(crate) pairs: Vec<(Pattern, f64)>,
}

/// What matches and others are like, whatever share they have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mixture {
    /// The probability of a level in a match: by comparison, then by level.
    pub(crate) m: Vec<Vec<f64>>,
    /// The same in others.
    pub(crate) u: Vec<Vec<f64>>,
}

/// Which comparisons count: a bit for each. One that its blocking rule has decided says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Active(pub(crate) u16);

const _: () = assert!(COMPARISONS_MAX <= u16::BITS as usize);

impl Active {
    pub(crate) fn has(self, comparison: usize) -> bool {
        self.0 & (1 << comparison) != 0
    }
}

impl Mixture {
    /// The probability of a pattern among matches and among others.
    fn likelihoods(&self, pattern: Pattern, active: Active) -> (f64, f64) {
        let (mut matches, mut others) = (1.0, 1.0);
        for (comparison, (m, u)) in self.m.iter().zip(&self.u).enumerate() {
            let level = usize::from(pattern.level(comparison));
            if !active.has(comparison) || level == 0 {
                continue;
            }
            matches *= m.get(level - 1).copied().unwrap_or(0.0);
            others *= u.get(level - 1).copied().unwrap_or(0.0);
        }
        (matches, others)
    }

    /// The probability that a pair with this pattern is a match, where matches have the share λ.
    pub(crate) fn posterior(&self, lambda: f64, pattern: Pattern, active: Active) -> f64 {
        let (matches, others) = self.likelihoods(pattern, active);
        let (matches, others) = (lambda * matches, (1.0 - lambda) * others);
        if matches + others > 0.0 { matches / (matches + others) } else { 0.0 }
    }
}

/// A mixture with the share of matches in each of some sessions.
///
/// All sessions share m: what matches are like is learnt where they are dense, and where they are rare it
/// cannot drift to whatever else its pairs have in common.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// By session.
    pub(crate) lambdas: Vec<f64>,
    pub(crate) mixture: Mixture,
}

impl Estimate {
    /// The logarithm of the likelihood of all pairs of all sessions.
    #[cfg(test)]
    pub(crate) fn log_likelihood(&self, sessions: &[Session]) -> f64 {
        let of_session = |(session, lambda): (&Session, &f64)| {
            let of = |(pattern, count): &(Pattern, f64)| {
                let (matches, others) = self.mixture.likelihoods(*pattern, session.active);
                count * (lambda * matches + (1.0 - lambda) * others).ln()
            };
            session.pairs.iter().map(of).sum::<f64>()
        };
        sessions.iter().zip(&self.lambdas).map(of_session).sum()
    }

    /// One step: the λ and m that make the pairs likeliest, were each as much a match as it seems now.
    pub(crate) fn step(&self, sessions: &[Session]) -> Self {
        let levels = |m: &Vec<f64>| vec![0.0; m.len()];
        let mut tally: Vec<Vec<f64>> = self.mixture.m.iter().map(levels).collect();
        let mut next = self.clone();
        for (session, lambda) in sessions.iter().zip(&mut next.lambdas) {
            let (mut matches, mut pairs) = (0.0, 0.0);
            for (pattern, count) in &session.pairs {
                let expected = count * self.mixture.posterior(*lambda, *pattern, session.active);
                matches += expected;
                pairs += count;
                add(&mut tally, session.active, *pattern, expected);
            }
            if pairs > 0.0 {
                *lambda = matches / pairs;
            }
        }
        for (m, sums) in next.mixture.m.iter_mut().zip(tally) {
            let total: f64 = sums.iter().sum();
            if total > 0.0 {
                *m = sums.iter().map(|sum| sum / total).collect();
            }
        }
        next
    }

    /// Steps until nothing moves.
    pub(crate) fn converge(mut self, sessions: &[Session]) -> Self {
        for _ in 0..STEPS_MAX {
            let next = self.step(sessions);
            let change = self.change(&next);
            self = next;
            if change <= CHANGE_MIN {
                break;
            }
        }
        self
    }

    /// The largest difference of a probability.
    fn change(&self, other: &Self) -> f64 {
        let probabilities = |it: &Self| {
            let m = it.mixture.m.iter().flatten();
            it.lambdas.iter().chain(m).copied().collect::<Vec<f64>>()
        };
        let (before, after) = (probabilities(self), probabilities(other));
        before.iter().zip(after).map(|(before, after)| (before - after).abs()).fold(0.0, f64::max)
    }
}

/// Adds matches that are expected at the levels of a pattern.
fn add(tally: &mut [Vec<f64>], active: Active, pattern: Pattern, expected: f64) {
    for (comparison, levels) in tally.iter_mut().enumerate() {
        let level = usize::from(pattern.level(comparison)).checked_sub(1);
        let sum = level.and_then(|level| levels.get_mut(level));
        if let Some(sum) = sum.filter(|_| active.has(comparison)) {
            *sum += expected;
        }
    }
}

#[cfg(test)]
mod tests;
