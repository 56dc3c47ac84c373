//! Epsilon-greedy: mostly the arm with the highest mean, and now and then any arm.
//!
//! Source: R. S. Sutton, A. G. Barto, "Reinforcement learning", 2nd edition 2018, section 2.2.

use super::{PolicyError, moments, number, parameter, require};
use crate::sample::Sums;

/// Every arm gets ε/K, and the arm with the highest mean 1 − ε more; arms that tie share that evenly.
///
/// Errors: fewer than two arms, an arm without units, ε outside 0 to 1.
pub fn shares(arms: &[Sums], epsilon: f64) -> Result<Vec<f64>, PolicyError> {
    require(arms, 1)?;
    let epsilon = parameter("epsilon", epsilon, 0.0..=1.0)?;
    let mean = |(arm, sums): (usize, &Sums)| Ok(moments(arm, sums)?.0);
    let means: Vec<f64> = arms.iter().enumerate().map(mean).collect::<Result<_, _>>()?;
    Ok(of_scores(&means, epsilon))
}

/// The same of any scores, such as those of [`super::linear::upper_bounds`].
pub fn of_scores(scores: &[f64], epsilon: f64) -> Vec<f64> {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let is_best = |score: f64| score >= highest;
    let ties = scores.iter().filter(|score| is_best(**score)).count().max(1);
    let each = epsilon / number(scores.len() as u64);
    let share = |score: &f64| {
        if is_best(*score) { each + (1.0 - epsilon) / number(ties as u64) } else { each }
    };
    scores.iter().map(share).collect()
}
