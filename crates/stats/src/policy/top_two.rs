//! Top-two Thompson sampling: finds the best arm sooner than Thompson sampling, which stops looking at the second
//! best once it believes in the first.
//!
//! Source: D. Russo, "Simple Bayesian algorithms for best-arm identification", COLT 2016.

use super::{PolicyError, at_least_two, parameter};

/// The shares of top-two Thompson sampling, given the probability pᵢ of each arm to be the best.
///
/// The best arm of a draw is played with probability β; otherwise draws are repeated until another arm is the
/// best, which is played. So ψᵢ = pᵢ (β + (1 − β) Σⱼ≠ᵢ pⱼ/(1 − pⱼ)), exactly. Where one arm is the best with
/// certainty to working precision, the others share 1 − β evenly, since nothing tells them apart.
///
/// `best` are probabilities that add up to 1; β is between 0 and 1, usually 1/2.
pub fn shares(best: &[f64], beta: f64) -> Result<Vec<f64>, PolicyError> {
    at_least_two(best.len())?;
    parameter("beta", beta, 0.0..=1.0)?;
    for p in best {
        parameter("best", *p, 0.0..=1.0)?;
    }
    let others = |j: usize| -> f64 {
        // 1 − pⱼ as a sum, which keeps its digits where pⱼ is nearly 1.
        best.iter().enumerate().filter(|(k, _)| *k != j).map(|(_, p)| p).sum()
    };
    let rest: Vec<f64> = (0..best.len()).map(others).collect();
    #[expect(clippy::cast_precision_loss, reason = "a small number of arms")]
    let even = 1.0 / (best.len() - 1) as f64;
    let second = |i: usize, j: usize| if rest[j] > 0.0 { best[i] / rest[j] } else { even };
    let share = |i: usize| {
        let as_second: f64 =
            (0..best.len()).filter(|j| *j != i).map(|j| best[j] * second(i, j)).sum();
        beta * best[i] + (1.0 - beta) * as_second
    };
    Ok((0..best.len()).map(share).collect())
}
