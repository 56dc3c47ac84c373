//! What policies do where the truth is known: simulations with a seed, for tests and for the report on statistics.

use super::{PolicyError, accelerator, epochs, number, shares, thompson};
use crate::{draws::Draws, sample::Sums};

mod programme;

pub use programme::{Next, Played, Programme};

/// How an estimator did over many simulated experiments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accuracy {
    /// The mean of the estimates less the truth.
    pub bias: f64,
    /// The standard error of that mean, from the number of experiments.
    pub bias_error: f64,
    /// The root of the mean squared error.
    pub deviation: f64,
    /// The part of 95 % intervals in which the truth was.
    pub coverage: f64,
}

impl Accuracy {
    /// Of estimates with their standard errors.
    pub fn of(estimates: &[(f64, f64)], truth: f64) -> Self {
        let n = number(estimates.len() as u64);
        let mean_of =
            |value: &dyn Fn(&(f64, f64)) -> f64| estimates.iter().map(value).sum::<f64>() / n;
        let bias = mean_of(&|(estimate, _)| estimate - truth);
        let square = mean_of(&|(estimate, _)| (estimate - truth).powi(2));
        let is_covered = |(estimate, error): &(f64, f64)| (estimate - truth).abs() <= 1.96 * error;
        Self {
            bias,
            bias_error: ((square - bias * bias) / n).sqrt(),
            deviation: square.sqrt(),
            coverage: mean_of(&|estimate| f64::from(u8::from(is_covered(estimate)))),
        }
    }
}

/// The slope of regret over ln T that no policy can beat in the long run: Σ Δᵢ/KL(μᵢ, μ*)
/// (T. L. Lai, H. Robbins, "Asymptotically efficient adaptive allocation rules", 1985).
pub fn least_slope(rates: &[f64]) -> f64 {
    let best = rates.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let divergence = |p: f64| p * (p / best).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - best)).ln();
    rates.iter().filter(|rate| **rate < best).map(|rate| (best - rate) / divergence(*rate)).sum()
}

/// The mean regret of Thompson sampling over arms with these rates, once as many units have come as each of
/// `horizons` says, in rising order.
///
/// Shares are computed anew after every twentieth of the units so far. No floor is kept: with one, regret is linear.
pub fn thompson_regret(
    rates: &[f64],
    horizons: &[u64],
    runs: u32,
    draws: &mut Draws,
) -> Result<Vec<f64>, PolicyError> {
    let best = rates.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut regret = vec![0.0; horizons.len()];
    for _ in 0..runs {
        let mut arms = vec![Sums::default(); rates.len()];
        let (mut units, mut lost, mut until) = (0_u64, 0.0, 0_u64);
        let mut shares = Vec::new();
        for (total, horizon) in regret.iter_mut().zip(horizons) {
            while units < *horizon {
                if units >= until {
                    shares = thompson::binary(&arms, thompson::BetaPrior::default())?;
                    until = units + (units / 20).max(1);
                }
                let arm = drawn(&shares, draws);
                arms[arm].add(happens(rates[arm], draws));
                lost += best - rates[arm];
                units += 1;
            }
            *total += lost / f64::from(runs);
        }
    }
    Ok(regret)
}

/// The true difference of [`drift`].
pub const DRIFTING_EFFECT: f64 = 0.01;

/// How the plain difference in means and that by epochs find [`DRIFTING_EFFECT`] between an arm and the
/// control, while the rate of both falls from 30 % to 8 % over ten epochs and shares follow the data: the arm is
/// the better one, so what it gets grows as rates fall.
pub fn drift(runs: u32, draws: &mut Draws) -> Result<[Accuracy; 2], PolicyError> {
    const EPOCHS: u32 = 10;
    const UNITS: u64 = 2000;
    let (mut plain, mut by_epochs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let mut whole = [Sums::default(); 2];
        let mut seen = Vec::new();
        let mut parts = vec![0.5, 0.5];
        for epoch in 0..EPOCHS {
            let base = 0.30 - 0.22 * f64::from(epoch) / f64::from(EPOCHS - 1);
            let mut now = [Sums::default(); 2];
            for _ in 0..UNITS {
                let arm = drawn(&parts, draws);
                let rate = if arm == 0 { base } else { base + DRIFTING_EFFECT };
                let value = happens(rate, draws);
                now[arm].add(value);
                whole[arm].add(value);
            }
            let [control, arm] = now;
            seen.push(epochs::Epoch { arm, control, units: UNITS });
            let best = thompson::binary(&whole, thompson::BetaPrior::default())?;
            parts = shares::with_floor(&best, 0.05)?;
        }
        let read = epochs::difference(&seen)?;
        by_epochs.push((read.difference, read.variance.sqrt()));
        let error = |sums: &Sums| {
            let rate = sums.sum / number(sums.count);
            rate * (1.0 - rate) / number(sums.count)
        };
        let difference = accelerator::naive_difference(&whole[1], &whole[0])?;
        plain.push((difference, (error(&whole[0]) + error(&whole[1])).sqrt()));
    }
    Ok([Accuracy::of(&plain, DRIFTING_EFFECT), Accuracy::of(&by_epochs, DRIFTING_EFFECT)])
}

/// An arm by its share.
pub(crate) fn drawn(shares: &[f64], draws: &mut Draws) -> usize {
    let mut rest = draws.uniform();
    let position = shares.iter().position(|share| {
        rest -= share;
        rest < 0.0
    });
    position.unwrap_or(shares.len() - 1)
}

/// 1 with this probability, and else 0.
fn happens(rate: f64, draws: &mut Draws) -> f64 {
    f64::from(u8::from(draws.yes(rate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regret_of_thompson_sampling_grows_like_the_logarithm() {
        let rates = [0.5, 0.4, 0.3];
        let horizons = [1000, 4000, 16_000];
        let regret = thompson_regret(&rates, &horizons, 100, &mut Draws::new(1)).unwrap();
        let slope = |from: usize| (regret[from + 1] - regret[from]) / 4.0_f64.ln();
        let least = least_slope(&rates);
        // Linear regret would have slopes 4 times, √T twice as steep from one stretch to the next.
        assert!(slope(1) < 1.5 * slope(0), "{regret:?}");
        assert!((0.4 * least..1.6 * least).contains(&slope(1)), "{} against {least}", slope(1));
        assert!(regret[2] < 80.0, "even shares lose 1600: {regret:?}");
    }

    #[test]
    fn programmes_keep_their_shares_until_there_is_enough() {
        let few = Programme { rates: &[&[0.1, 0.3]], is_cell_known: false, units: 400 };
        let last = |cells: &[Option<Vec<crate::policy::beliefs::Belief>>]| {
            Ok(vec![vec![0.0, 1.0]; cells.len()])
        };
        let played = few.play(&last, &mut Draws::new(3)).unwrap();
        let [only] = &played.epochs[..] else { panic!("{played:?}") };
        assert_eq!(only[0].count + only[1].count, 400);
        assert!((played.regret_of_equal - 40.0).abs() < 1e-9, "{played:?}");
        assert!((played.relative_regret() - 1.0).abs() < 0.2, "{played:?}");
        let many = Programme { units: 20_000, ..few };
        let played = many.play(&last, &mut Draws::new(3)).unwrap();
        let shares: Vec<f64> =
            played.epochs[1..].iter().map(|arms| number(arms[0].count)).collect();
        assert!(!shares.is_empty());
        // The floor of 1 %, and no epoch ends before either arm has 20 units.
        let units: u64 = played.epochs[1..].iter().flatten().map(|sums| sums.count).sum();
        let part = shares.iter().sum::<f64>() / number(units);
        assert!((0.005..0.02).contains(&part), "{part}");
        let (_, ended) = shares.split_last().unwrap();
        assert!(ended.iter().all(|count| 20.0 <= *count), "{shares:?}");
    }

    #[test]
    fn epochs_are_unbiased_where_rates_drift_and_plain_means_are_not() {
        let [plain, by_epochs] = drift(400, &mut Draws::new(2)).unwrap();
        assert!(by_epochs.bias.abs() < 4.0 * by_epochs.bias_error, "{by_epochs:?}");
        assert!(by_epochs.coverage > 0.92, "{by_epochs:?}");
        assert!(plain.bias.abs() > 10.0 * plain.bias_error, "{plain:?}");
        assert!(plain.coverage < 0.8, "{plain:?}");
    }
}
