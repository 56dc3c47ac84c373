//! What is believed of arms whose shares have changed, and the shares that follow.
//!
//! Beliefs are stratified by epochs of constant shares, with the same weights for all arms: neither drift nor units
//! that have not had their time yet favour the arm that just got more units.

use super::{
    PolicyError, accelerator,
    best::{self, Normal},
    epochs::OverEpochs,
    greedy,
    linear::{self, Fit, Regression},
    number, top_two,
};

/// What is believed of an arm's mean: a normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation, above 0.
    pub deviation: f64,
    /// The standard deviation of a unit of the arm, above 0.
    pub unit_deviation: f64,
    /// How many units at constant shares would tell as much.
    pub units: f64,
}

impl Belief {
    /// The same where less is better.
    #[must_use]
    pub fn turned(self) -> Self {
        Self { mean: -self.mean, ..self }
    }
}

/// What is believed of each arm: Normal(Σwₑȳₑ, s²Σwₑ²/nₑ), with s² = ((n − 1)v + V)/n the arm's mean variance of a
/// unit, v, to which one unit of that within all arms, V, was added. So an arm in which nothing has varied yet is
/// not believed to be known exactly.
///
/// Errors: no arm varies.
pub fn of(seen: &OverEpochs) -> Result<Vec<Belief>, PolicyError> {
    // The variance of a mean over that of one unit's part in it.
    let variances = seen.arms.iter().zip(&seen.effective).map(|(arm, effective)| {
        let freedom = number(arm.count.saturating_sub(1));
        (arm.unit_variance / number(arm.count) * effective, freedom)
    });
    let variances: Vec<(f64, f64)> = variances.collect();
    let freedom: f64 = variances.iter().map(|(_, freedom)| freedom).sum();
    let within = variances.iter().map(|(variance, own)| variance * own).sum::<f64>() / freedom;
    if !(within > 0.0 && within.is_finite()) {
        return Err(PolicyError::NoVariance);
    }
    let arms = seen.arms.iter().zip(&seen.effective).zip(&variances);
    let belief =
        |((arm, units), (variance, freedom)): ((&crate::effect::Estimate, &f64), &(f64, f64))| {
            let unit_deviation = ((variance * freedom + within) / (freedom + 1.0)).sqrt();
            let deviation = unit_deviation / units.sqrt();
            Belief { mean: arm.value, deviation, unit_deviation, units: *units }
        };
    Ok(arms.map(belief).collect())
}

fn normal(belief: &Belief) -> Normal {
    Normal { mean: belief.mean, deviation: belief.deviation }
}

/// Thompson sampling: the probability that each arm has the highest mean ([`super::thompson`]).
pub fn thompson(beliefs: &[Belief]) -> Result<Vec<f64>, PolicyError> {
    best::probabilities(&beliefs.iter().map(normal).collect::<Vec<_>>())
}

/// Top-two Thompson sampling ([`top_two::shares`]).
pub fn top_two(beliefs: &[Belief], beta: f64) -> Result<Vec<f64>, PolicyError> {
    top_two::shares(&thompson(beliefs)?, beta)
}

/// Epsilon-greedy ([`greedy::shares`]).
pub fn greedy(beliefs: &[Belief], epsilon: f64) -> Result<Vec<f64>, PolicyError> {
    super::at_least_two(beliefs.len())?;
    let epsilon = super::parameter("epsilon", epsilon, 0.0..=1.0)?;
    let means: Vec<f64> = beliefs.iter().map(|belief| belief.mean).collect();
    Ok(greedy::of_scores(&means, epsilon))
}

/// What shows soonest which arm differs from the control ([`accelerator::shares`]).
pub fn accelerator(beliefs: &[Belief], control: usize) -> Result<Vec<f64>, PolicyError> {
    let means: Vec<Normal> = beliefs.iter().map(normal).collect();
    let deviations: Vec<f64> = beliefs.iter().map(|belief| belief.unit_deviation).collect();
    accelerator::of_beliefs(&means, &deviations, control)
}

/// How a linear policy explores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Linear {
    /// LinTS, whose belief is so many times as wide as the reward's deviation says ([`linear::best`]).
    Sampling(f64),
    /// LinUCB with a bound of so many standard errors ([`linear::upper_bounds`]).
    Bound(f64),
}

/// The shares of a linear policy over binary features, by cell: bit i of a cell's place is feature i.
///
/// `cells` says of each cell what is believed of each arm by its units alone, `None` where nothing is. Each arm is
/// fitted by ridge regression on (1, bits) with λ = 1, of rewards less their mean in units of their deviation, all
/// arms and cells together: a belief counts as so many observations as units at constant shares would tell as much.
///
/// Errors: cells that are not 2^features, no cell of which anything is believed.
pub fn linear(
    cells: &[Option<Vec<Belief>>],
    arms: usize,
    explores: Linear,
) -> Result<Vec<Vec<f64>>, PolicyError> {
    super::at_least_two(arms)?;
    if !cells.len().is_power_of_two() {
        return Err(PolicyError::Features {
            expected: cells.len().next_power_of_two(),
            found: cells.len(),
        });
    }
    let known = || cells.iter().flatten().flatten();
    let units: f64 = known().map(|belief| belief.units).sum();
    if units <= 0.0 || units.is_nan() {
        return Err(PolicyError::NoVariance);
    }
    let mean = known().map(|belief| belief.units * belief.mean).sum::<f64>() / units;
    let square = |belief: &Belief| belief.units * belief.unit_deviation * belief.unit_deviation;
    let deviation = (known().map(square).sum::<f64>() / units).sqrt();
    let features = cells.len().trailing_zeros() as usize;
    let x = |cell: usize| -> Vec<f64> {
        let bits = (0..features).map(|bit| if cell >> bit & 1 == 1 { 1.0 } else { 0.0 });
        std::iter::once(1.0).chain(bits).collect()
    };
    let fit = |arm: usize| -> Result<Fit, PolicyError> {
        let mut sums = Regression::new(features + 1)?;
        for (cell, beliefs) in cells.iter().enumerate() {
            if let Some(belief) = beliefs.as_ref().and_then(|beliefs| beliefs.get(arm)) {
                sums.observe_alike(&x(cell), belief.units, (belief.mean - mean) / deviation)?;
            }
        }
        sums.fit(1.0)
    };
    let fits: Vec<Fit> = (0..arms).map(fit).collect::<Result<_, _>>()?;
    let shares = |cell: usize| match explores {
        Linear::Sampling(v) => linear::best(&fits, &x(cell), v),
        Linear::Bound(alpha) => linear::upper_bounds(&fits, &x(cell), alpha)
            .map(|bounds| greedy::of_scores(&bounds, 0.0)),
    };
    (0..cells.len()).map(shares).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{effect::Estimate, policy::epochs, sample::Sums};

    fn seen(epochs: &[[(u64, u64); 2]]) -> OverEpochs {
        let epoch = |arms: &[(u64, u64); 2]| {
            let estimate = |(count, successes): &(u64, u64)| -> Estimate {
                Sums::of_successes(*count, *successes).unwrap().as_mean().unwrap()
            };
            let units = arms.iter().map(|(count, _)| count).sum();
            epochs::Seen { units, arms: arms.iter().map(estimate).collect() }
        };
        epochs::of_arms(&epochs.iter().map(epoch).collect::<Vec<_>>()).unwrap()
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn a_few_units_that_are_alike_are_not_known_exactly() {
        let alone =
            |value: f64, unit_variance: f64, count| Estimate { value, unit_variance, count };
        let epochs = [
            epochs::Seen { units: 540, arms: vec![alone(0.5, 0.25, 270), alone(0.25, 0.19, 270)] },
            epochs::Seen { units: 300, arms: vec![alone(0.5, 0.25, 297), alone(0.0, 0.0, 3)] },
        ];
        let steady = epochs::steadied(&epochs);
        near(steady[1].arms[0].unit_variance, 0.25);
        let within = 269.0 * 0.19 / 271.0;
        near(steady[1].arms[1].unit_variance, 20.0 * within / 22.0);
        near(steady[0].arms[1].unit_variance, (269.0 * 0.19 + 20.0 * within) / 289.0);
        // The second epoch, in which one arm had three units, decides little of the difference's certainty.
        let variance = epochs::of_arms(&steady).unwrap().arms[1].variance().unwrap();
        assert!(variance.sqrt() > 0.08, "{variance}");
    }

    #[test]
    fn arms_over_epochs_differ_by_the_stratified_difference() {
        let counts = [[(1000, 50), (9000, 459)], [(9000, 1800), (1000, 201)]];
        let epochs: Vec<epochs::Epoch> = counts
            .iter()
            .map(|[control, arm]| {
                let sums = |(count, successes): &(u64, u64)| {
                    Sums::of_successes(*count, *successes).unwrap()
                };
                epochs::Epoch { arm: sums(arm), control: sums(control), units: 10_000 }
            })
            .collect();
        let expected = epochs::difference(&epochs).unwrap();
        let found = seen(&counts);
        near(found.arms[1].value - found.arms[0].value, expected.difference);
        let variance = |arm: &Estimate| arm.variance().unwrap();
        near(variance(&found.arms[0]) + variance(&found.arms[1]), expected.variance);
        // Shares that do not change lose nothing.
        let constant = seen(&[[(500, 50), (500, 60)], [(500, 50), (500, 60)]]);
        near(constant.effective[0], 1000.0);
    }

    #[test]
    fn of_one_epoch_beliefs_are_those_of_the_sums() {
        let arms = [(400, 40), (300, 45)];
        let sums = arms.map(|(count, successes)| Sums::of_successes(count, successes).unwrap());
        let beliefs = of(&seen(&[arms])).unwrap();
        for (found, expected) in thompson(&beliefs)
            .unwrap()
            .iter()
            .zip(crate::policy::thompson::gaussian(&sums).unwrap())
        {
            // The variances differ by what one unit of n and of n − 1 makes.
            assert!((found - expected).abs() < 0.01, "{found} is not {expected}");
        }
        let shares = accelerator(&beliefs, 0).unwrap();
        let expected = crate::policy::accelerator::shares(&sums, 0).unwrap();
        assert!((shares[0] - expected[0]).abs() < 0.01, "{shares:?} {expected:?}");
        near(greedy(&beliefs, 0.1).unwrap()[1], 0.95);
        let turned: Vec<Belief> = beliefs.into_iter().map(Belief::turned).collect();
        near(greedy(&turned, 0.1).unwrap()[0], 0.95);
    }

    /// The arm that got most units in a good time is not believed to be the better one.
    #[test]
    fn drift_does_not_favour_the_arm_with_more_units() {
        let beliefs =
            of(&seen(&[[(5000, 500), (5000, 500)], [(1000, 300), (9000, 2700)]])).unwrap();
        let shares = thompson(&beliefs).unwrap();
        assert!((shares[0] - 0.5).abs() < 1e-9, "{shares:?}");
    }

    #[test]
    fn linear_policies_tell_cells_apart() {
        let belief =
            |mean: f64| Belief { mean, deviation: 0.01, unit_deviation: 0.3, units: 2000.0 };
        let cells = [Some(vec![belief(0.2), belief(0.1)]), Some(vec![belief(0.1), belief(0.2)])];
        for explores in [Linear::Sampling(1.0), Linear::Bound(1.0)] {
            let shares = linear(&cells, 2, explores).unwrap();
            assert!(shares[0][0] > 0.99 && shares[1][1] > 0.99, "{shares:?}");
        }
        // Of a cell that nobody was in, the others are believed.
        let cells = [Some(vec![belief(0.2), belief(0.1)]), None];
        assert!(linear(&cells, 2, Linear::Sampling(1.0)).unwrap()[1][0] > 0.55);
        assert_eq!(linear(&[None], 2, Linear::Bound(1.0)), Err(PolicyError::NoVariance));
    }
}
