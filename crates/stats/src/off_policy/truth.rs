//! What estimators find where the truth is known: simulations with a seed.

use super::{ArmMeans, Estimator, Logged, Method, OffPolicyError, Overlap, Predicted};
use crate::{
    draws::Draws,
    policy::truth::{Accuracy, drawn},
};

/// How methods find what another policy would earn, each over the same `runs` logs.
///
/// Four actions are logged with propensities that depend on a stratum of two; rewards are around 5 to 8 with a
/// deviation of 1, so most of what makes weighted rewards vary is known to a model of means. `is_blind` gives the
/// model no strata, so that it is wrong while propensities are right.
pub fn accuracy(
    methods: &[Method],
    is_blind: bool,
    runs: u32,
    draws: &mut Draws,
) -> Result<Vec<Accuracy>, OffPolicyError> {
    let mut found = vec![Vec::new(); methods.len()];
    for _ in 0..runs {
        let log = log(draws);
        let mut means = ArmMeans::default();
        let seen = |stratum: usize| if is_blind { 0 } else { stratum as u64 };
        for (unit, row) in (0..).zip(&log) {
            means.add(unit, seen(row.stratum), row.action, row.reward);
        }
        for (method, found) in methods.iter().zip(&mut found) {
            let mut estimator = Estimator::new(*method)?;
            for (unit, row) in (0..).zip(&log) {
                let predict = |action| means.predict(unit, seen(row.stratum), action);
                let target = TARGET[row.stratum].iter().enumerate();
                let predicted = Predicted {
                    taken: predict(row.action),
                    target: target.map(|(action, p)| p * predict(action)).sum(),
                };
                estimator.add(&Logged {
                    reward: row.reward,
                    propensity: LOGGING[row.stratum][row.action],
                    target: TARGET[row.stratum][row.action],
                    supported: 1.0,
                    predicted: Some(predicted),
                })?;
            }
            let estimate = estimator.estimate(&Overlap::default())?;
            found.push((estimate.value, estimate.standard_error));
        }
    }
    Ok(found.iter().map(|estimates| Accuracy::of(estimates, worth())).collect())
}

/// The root of the mean squared error that weighting ([`Method::Ips`]) has in [`accuracy`], by theory:
/// `√((E[w²r²] − V²)/n)`.
pub fn deviation_of_weighting() -> f64 {
    let of_stratum = |stratum: usize| -> f64 {
        let terms = (0..4).map(|action| {
            let (p, pi) = (LOGGING[stratum][action], TARGET[stratum][action]);
            pi * pi / p * (MEANS[stratum][action].powi(2) + NOISE_VARIANCE)
        });
        terms.sum()
    };
    let square = f64::midpoint(of_stratum(0), of_stratum(1));
    ((square - worth().powi(2)) / f64::from(UNITS)).sqrt()
}

/// What the target earns of a unit on average in [`accuracy`].
pub fn worth() -> f64 {
    f64::midpoint(expected(&TARGET[0], 0), expected(&TARGET[1], 1))
}

const UNITS: u32 = 1500;
/// Of the reward of an action.
const NOISE_VARIANCE: f64 = 1.0;
const LOGGING: [[f64; 4]; 2] = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.3, 0.5]];
const TARGET: [[f64; 4]; 2] = [[0.1, 0.6, 0.2, 0.1], [0.6, 0.2, 0.1, 0.1]];
const MEANS: [[f64; 4]; 2] = [[5.0, 6.0, 7.0, 8.0], [8.0, 5.0, 6.0, 7.0]];

struct Row {
    stratum: usize,
    action: usize,
    reward: f64,
}

fn log(draws: &mut Draws) -> Vec<Row> {
    let mut row = || {
        let stratum = usize::from(draws.yes(0.5));
        let action = drawn(&LOGGING[stratum], draws);
        // The sum of three uniform numbers has variance 1/4.
        let noise: f64 = (0..3).map(|_| draws.uniform()).sum::<f64>() - 1.5;
        let noise = (4.0 * NOISE_VARIANCE).sqrt() * noise;
        Row { stratum, action, reward: MEANS[stratum][action] + noise }
    };
    (0..UNITS).map(|_| row()).collect()
}

fn expected(shares: &[f64; 4], stratum: usize) -> f64 {
    shares.iter().zip(&MEANS[stratum]).map(|(share, mean)| share * mean).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubly_robust_beats_weighting_and_survives_a_wrong_model() {
        let mut draws = Draws::new(3);
        let methods = [Method::Ips, Method::Snips, Method::Direct, Method::DoublyRobust];
        let good = accuracy(&methods, false, 300, &mut draws).unwrap();
        let wrong = accuracy(&methods, true, 300, &mut draws).unwrap();
        let [ips, snips, direct, robust] = good[..] else { panic!("four methods") };
        assert!(robust.deviation < 0.5 * ips.deviation, "{robust:?} {ips:?}");
        assert!(robust.deviation < snips.deviation, "{robust:?} {snips:?}");
        assert!(direct.bias.abs() < 0.02, "{direct:?}");
        for unbiased in [ips, robust, wrong[0], wrong[3]] {
            assert!(unbiased.bias.abs() < 4.0 * unbiased.bias_error, "{unbiased:?}");
            assert!(unbiased.coverage > 0.92, "{unbiased:?}");
        }
        assert!(wrong[2].bias.abs() > 10.0 * wrong[2].bias_error, "{:?}", wrong[2]);
    }
}
