//! How likely each arm is to be the best, and what choosing it would cost if it is not.
//!
//! More is better here; where less is, turn the signs of effects, or exchange successes and failures.
//! These numbers hold for a prior, whenever one looks; they are no false-alarm rate, and a rule that stops when a
//! chance is high enough has more false alarms than one minus that chance.

use crate::effect::{Effect, Interval, Level, normal_bound};
use crate::quadrature::nodes_between;
use crate::sample::{Sums, float};
use crate::special::{Share, beta_density, beta_regularized, normal_above, normal_density};
use crate::undefined::{Undefined, finite, positive};

/// More arms than this have no place in an experiment.
pub const ARMS_MAX: usize = 200;

/// What is believed of an effect before anything was seen: a normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Its mean, usually 0, on the effect's scale.
    pub mean: f64,
    /// Its standard deviation, above 0.
    pub deviation: f64,
}

/// What is believed of an arm's value or an effect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Posterior {
    /// A normal distribution.
    Gaussian {
        /// Its mean.
        mean: f64,
        /// Its standard deviation, above 0.
        deviation: f64,
    },
    /// A Beta distribution of a share.
    Beta {
        /// Successes and what the prior adds; at least 1.
        successes: f64,
        /// Failures and what the prior adds; at least 1.
        failures: f64,
    },
}

/// What a choice between two costs where it is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// E[max(θ, 0)]: what is lost by staying with the control.
    pub of_control: f64,
    /// E[max(−θ, 0)]: what is lost by taking the treatment.
    pub of_treatment: f64,
}

/// How an arm stands among all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The chance that no other arm has a larger value.
    pub chance_best: f64,
    /// E[the largest value − this arm's], in the unit of the values.
    pub expected_loss: f64,
}

impl Posterior {
    /// The normal posterior of an effect: precisions add up; without a prior the likelihood itself.
    ///
    /// 1/σ² = 1/SE² + 1/σ₀², μ = σ²(θ/SE² + μ₀/σ₀²). Assumes an estimate that is about normal.
    /// Source: Gelman et al., "Bayesian Data Analysis", 3rd edition, section 2.5.
    ///
    /// # Errors
    /// When the effect is none that [`Effect::new`] makes, or the prior's deviation is not positive.
    pub fn of_effect(effect: &Effect, prior: Option<Prior>) -> Result<Self, Undefined> {
        effect.check()?;
        let Some(prior) = prior else {
            return Ok(Self::Gaussian { mean: effect.estimate, deviation: effect.std_error });
        };
        positive("the prior's deviation", prior.deviation)?;
        finite("the prior's mean", prior.mean)?;
        // How much of the weight the data has; as a ratio, so that squares stay in range.
        let ratio = finite("the prior's deviation", effect.std_error / prior.deviation)?;
        let weight = 1.0 / (1.0 + ratio * ratio);
        let mean = effect.estimate * weight + prior.mean * (1.0 - weight);
        Ok(Self::Gaussian {
            mean: finite("a posterior", mean)?,
            deviation: positive("a posterior's deviation", effect.std_error * weight.sqrt())?,
        })
    }

    /// The Beta posterior of a share after an even prior: Beta(1+s, 1+f).
    ///
    /// # Errors
    /// When some value is neither 0 nor 1.
    pub fn of_share(sums: &Sums) -> Result<Self, Undefined> {
        if sums.count > 0 {
            sums.check()?;
        }
        sums.check_binary()?;
        let successes = float(sums.non_zero);
        Ok(Self::Beta { successes: 1.0 + successes, failures: 1.0 + float(sums.count) - successes })
    }

    /// Its mean.
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Gaussian { mean, .. } => mean,
            Self::Beta { successes, failures } => successes / (successes + failures),
        }
    }

    /// Its standard deviation.
    pub fn deviation(&self) -> f64 {
        match *self {
            Self::Gaussian { deviation, .. } => deviation,
            Self::Beta { successes, failures } => {
                let sum = successes + failures;
                ((successes / sum) * (failures / sum) / (sum + 1.0)).sqrt()
            }
        }
    }

    fn check(&self) -> Result<(), Undefined> {
        match *self {
            Self::Gaussian { mean, deviation } => {
                finite("a posterior", mean)?;
                positive("a posterior's deviation", deviation)?;
            }
            Self::Beta { successes, failures } => {
                for count in [successes, failures] {
                    positive("a posterior's count less 1", count - 1.0 + f64::EPSILON)?;
                }
            }
        }
        Ok(())
    }

    /// (density, chance below) at a point.
    fn at(&self, x: f64) -> (f64, f64) {
        match *self {
            Self::Gaussian { mean, deviation } => {
                let z = (x - mean) / deviation;
                (normal_density(z) / deviation, normal_above(-z))
            }
            Self::Beta { successes, failures } => {
                let share = Share { of: x, rest: 1.0 - x };
                if share.of <= 0.0 || share.rest <= 0.0 {
                    return (0.0, if share.rest <= 0.0 { 1.0 } else { 0.0 });
                }
                (
                    beta_density(successes, failures, share),
                    beta_regularized(successes, failures, share),
                )
            }
        }
    }

    /// Points between which the density is smooth enough for one panel, and beyond which there is nothing of it.
    fn breaks(&self) -> impl Iterator<Item = f64> {
        // A Beta distribution of few successes falls off like e⁻ˣ rather than a normal one.
        const STEPS: [f64; 12] = [0.0, 1.0, 2.0, 3.0, 4.5, 6.0, 8.0, 10.0, 13.0, 18.0, 26.0, 38.0];
        let (mean, deviation, is_share) =
            (self.mean(), self.deviation(), matches!(self, Self::Beta { .. }));
        STEPS.into_iter().flat_map(move |step| {
            [mean - step * deviation, mean + step * deviation]
                .map(|at| if is_share { at.clamp(0.0, 1.0) } else { at })
        })
    }
}

/// The chance that an effect is above 0.
///
/// # Errors
/// When the posterior is not one of a number on both sides of 0.
pub fn chance_above_zero(effect: &Posterior) -> Result<f64, Undefined> {
    let (mean, deviation) = gaussian(effect)?;
    Ok(normal_above(-mean / deviation))
}

/// What either choice costs where it is wrong, on the effect's scale:
/// E[max(θ, 0)] = μΦ(μ/σ) + σφ(μ/σ), and the same of −θ.
///
/// # Errors
/// As [`chance_above_zero`].
pub fn expected_loss(effect: &Posterior) -> Result<Loss, Undefined> {
    let (mean, deviation) = gaussian(effect)?;
    let z = mean / deviation;
    let of = |z: f64| (deviation * (z * normal_above(-z) + normal_density(z))).max(0.0);
    Ok(Loss { of_control: of(z), of_treatment: of(-z) })
}

/// Where the effect lies with a chance of 1−α, the same chance on either side.
///
/// # Errors
/// As [`chance_above_zero`].
pub fn credible_interval(effect: &Posterior, level: Level) -> Result<Interval, Undefined> {
    let (mean, deviation) = gaussian(effect)?;
    let half = normal_bound(level) * deviation;
    Ok(Interval {
        low: finite("an interval", mean - half)?,
        high: finite("an interval", mean + half)?,
    })
}

fn gaussian(effect: &Posterior) -> Result<(f64, f64), Undefined> {
    effect.check()?;
    match *effect {
        Posterior::Gaussian { mean, deviation } => Ok((mean, deviation)),
        Posterior::Beta { .. } => {
            Err(Undefined::Impossible { reason: "an effect is no share; compare arms instead" })
        }
    }
}

/// How each arm stands, in their order: ∫ fᵢ(x)·Π Fⱼ(x) dx over the others j, and the mean of the largest, integrated
/// numerically to some nine digits.
///
/// Assumes arms that are independent; for normal posteriors those of the arms' own values.
///
/// # Errors
/// With fewer than two arms or more than [`ARMS_MAX`], or when a posterior is none.
pub fn standings(arms: &[Posterior]) -> Result<Vec<Standing>, Undefined> {
    match arms.len() {
        0 | 1 => return Err(Undefined::OneArm),
        2..=ARMS_MAX => {}
        _ => return Err(Undefined::OutOfRange { name: "the number of arms" }),
    }
    for arm in arms {
        arm.check()?;
    }
    let nodes = nodes_between(arms.iter().flat_map(Posterior::breaks).collect());
    let mut chances = vec![0.0; arms.len()];
    let mut largest = 0.0;
    for (x, weight) in nodes {
        let at: Vec<(f64, f64)> = arms.iter().map(|arm| arm.at(x)).collect();
        for (chance, (density, others)) in chances.iter_mut().zip(with_others(&at)) {
            let mass = weight * density * others;
            *chance += mass;
            largest += mass * x;
        }
    }
    let all: f64 = chances.iter().sum();
    let largest = finite("the mean of the largest", largest / all)?;
    let standing = |(arm, chance): (&Posterior, f64)| Standing {
        chance_best: (chance / all).clamp(0.0, 1.0),
        expected_loss: (largest - arm.mean()).max(0.0),
    };
    Ok(arms.iter().zip(chances).map(standing).collect())
}

/// Each density with the product of the chances of all others.
fn with_others(at: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut before = 1.0;
    let mut found: Vec<(f64, f64)> = at
        .iter()
        .map(|(density, below)| {
            let others = before;
            before *= below;
            (*density, others)
        })
        .collect();
    let mut after = 1.0;
    for ((_, others), (_, below)) in found.iter_mut().zip(at).rev() {
        *others *= after;
        after *= below;
    }
    found
}

#[cfg(test)]
mod tests;
