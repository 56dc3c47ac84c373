//! What another policy would have earned, from what one that drew at random has logged.
//!
//! A logged unit has a reward r, the propensity p with which its action was drawn, and the probability π with
//! which the policy in question (the *target*) would have drawn the same action: its weight is w = π/p. Estimators that
//! use a model of the reward also take what it predicts: q̂ for the action that was taken, and
//! v̂ = Σₐ π(a) q̂(a) for the target.
//!
//! | [`Method`] | estimate | source |
//! |---|---|---|
//! | `Ips` | mean of wr | Horvitz, Thompson, JASA 1952 |
//! | `Clipped` | mean of min(w, M)r | Ionides, JCGS 2008 |
//! | `Snips` | Σwr/Σw | Swaminathan, Joachims, NIPS 2015 |
//! | `Direct` | mean of v̂ | Dudík, Langford, Li, ICML 2011 |
//! | `DoublyRobust` | mean of v̂ + w(r − q̂) | Dudík, Langford, Li, ICML 2011 |
//! | `SwitchDoublyRobust` | mean of v̂ + w(r − q̂) where w ≤ τ, else v̂ | Wang, Agarwal, Dudík, ICML 2017 |
//! | `ShrunkDoublyRobust` | mean of v̂ + λw/(w² + λ)(r − q̂) | Su, Dimakopoulou, Krishnamurthy, Dudík, ICML 2020 |
//!
//! **Assumptions.** Propensities are true and above 0 wherever the target's probability is; units do not influence one
//! another; the prediction for a unit does not come from that unit's own reward (see [`ArmMeans`]). `Ips`
//! and `DoublyRobust` are unbiased then, `Snips` is consistent; `Clipped`, `Switch…` and `Shrunk…` trade bias for
//! variance; `Direct` is as good as its model, and its interval knows nothing of the model's error.
//!
//! **Overlap.** The effective sample size (Σw)²/Σw² says how many units drawn by the target itself would tell as much
//! (Kish 1965). Below [`Overlap::effective_min`], or where the target does what was never logged, there is
//! no number but a refusal.

mod arm_means;
pub mod truth;

use thiserror::Error;

pub use arm_means::ArmMeans;

/// One logged unit, seen by the target policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logged {
    /// What it earned.
    pub reward: f64,
    /// The probability with which its action was drawn: above 0, at most 1.
    pub propensity: f64,
    /// The probability with which the target would have drawn the same action.
    pub target: f64,
    /// The part of the target's probability that lies on actions that could have been drawn; usually 1.
    pub supported: f64,
    /// What a model predicts, where there is one.
    pub predicted: Option<Predicted>,
}

/// What a model of the reward predicts for a unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predicted {
    /// q̂, for the action that was taken.
    pub taken: f64,
    /// v̂ = Σₐ π(a) q̂(a), under the target.
    pub target: f64,
}

/// How to estimate; see the table of the module.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the table of the module says what they are")]
pub enum Method {
    Ips,
    /// Weights above `most` count as `most`, which is above 0.
    Clipped {
        most: f64,
    },
    Snips,
    Direct,
    DoublyRobust,
    /// Weights above `most` leave the unit to the model.
    SwitchDoublyRobust {
        most: f64,
    },
    /// λ, above 0: the smaller, the nearer to the model alone.
    ShrunkDoublyRobust {
        lambda: f64,
    },
}

/// How much overlap is asked for before there is a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// Smallest effective sample size. Below a few dozen the normal interval is no interval.
    pub effective_min: f64,
    /// Largest part of the target's probability on what was never logged.
    pub unsupported_max: f64,
    /// The effective part of the sample below which there is a warning.
    pub effective_part_low: f64,
    /// The part of all weight that one unit may have without a warning.
    pub heaviest_part_high: f64,
}

impl Default for Overlap {
    fn default() -> Self {
        Self {
            effective_min: 100.0,
            unsupported_max: 0.001,
            effective_part_low: 0.1,
            heaviest_part_high: 0.05,
        }
    }
}

/// Something to know about an estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Warning {
    /// Few units carry the estimate.
    LowOverlap {
        /// The effective sample size as a part of the sample.
        effective_part: f64,
    },
    /// One unit carries much of it.
    HeavyUnit {
        /// Its part of all weight.
        part: f64,
    },
    /// The mean weight is further from 1 than chance explains (over 4 standard errors): propensities are not true, or
    /// the target does what could not be drawn.
    WeightsOff {
        /// The mean weight.
        mean: f64,
    },
}

/// An estimate with its uncertainty.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The mean reward of a unit under the target.
    pub value: f64,
    /// The standard error of it.
    pub standard_error: f64,
    /// Units.
    pub count: u64,
    /// The value less the mean reward of the same units as logged.
    pub gain: f64,
    /// The standard error of it. It is smaller than that of the two apart, as they share their units.
    pub gain_error: f64,
    /// (Σw)²/Σw².
    pub effective: f64,
    /// What to know.
    pub warnings: Vec<Warning>,
}

impl Estimate {
    /// The interval of so many standard errors to each side, such as 1.96 for 95 % by the normal approximation.
    pub fn interval(&self, errors: f64) -> (f64, f64) {
        (self.value - errors * self.standard_error, self.value + errors * self.standard_error)
    }

    /// The same of the gain.
    pub fn gain_interval(&self, errors: f64) -> (f64, f64) {
        (self.gain - errors * self.gain_error, self.gain + errors * self.gain_error)
    }
}

/// Why there is no estimate.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum OffPolicyError {
    /// Fewer than two units.
    #[error("{0} units are too few")]
    TooFewUnits(u64),
    /// A value that cannot be.
    #[error("`{name}` of a unit is {value}, outside its range")]
    Value {
        /// Which.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// A parameter of a method outside its range.
    #[error("`{name}` is {value}, outside its range")]
    Parameter {
        /// Which.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// The method needs predictions, and a unit has none.
    #[error("a unit has no prediction")]
    NoPrediction,
    /// Units that the target would have treated alike are too few, or too unevenly weighted.
    #[error("the effective sample is {effective:.1} of {count} units, {needed:.0} are needed")]
    LittleOverlap {
        /// The effective sample size.
        effective: f64,
        /// Units.
        count: u64,
        /// The least effective sample size.
        needed: f64,
    },
    /// The target does what was never logged.
    #[error("{:.1} % of what the policy would do was never tried", 100.0 * unsupported)]
    Unsupported {
        /// That part of its probability.
        unsupported: f64,
    },
}

/// Takes in logged units one by one and keeps sums only.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimator {
    method: Method,
    count: u64,
    weight: Centred,
    heaviest: f64,
    supported: f64,
    /// The term of each unit.
    term: Centred,
    reward: Centred,
    /// The term of each unit less its reward.
    gain: Centred,
    /// Σw², Σw²r, Σw²r² for the linearised error of the ratio.
    ratio: [f64; 3],
    /// Σwr, Σwr².
    products: [f64; 2],
}

/// A running mean and Σ(x − mean)², by Welford's method, so that no digits are lost where the mean is large.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Centred {
    mean: f64,
    squares: f64,
}

impl Centred {
    /// Takes in `x`, the `count`-th.
    fn add(&mut self, x: f64, count: u64) {
        let step = x - self.mean;
        self.mean += step / number(count);
        self.squares += step * (x - self.mean);
    }

    /// s/√n.
    fn standard_error(&self, count: u64) -> f64 {
        (self.squares / (number(count) - 1.0) / number(count)).sqrt()
    }
}

impl Estimator {
    /// An estimator that has seen nothing.
    pub fn new(method: Method) -> Result<Self, OffPolicyError> {
        let parameter = match method {
            Method::Clipped { most } => Some(("most", most)),
            Method::SwitchDoublyRobust { most } => Some(("most", most)),
            Method::ShrunkDoublyRobust { lambda } => Some(("lambda", lambda)),
            Method::Ips | Method::Snips | Method::Direct | Method::DoublyRobust => None,
        };
        if let Some((name, value)) = parameter.filter(|(_, value)| value.is_nan() || *value <= 0.0)
        {
            return Err(OffPolicyError::Parameter { name, value });
        }
        Ok(Self {
            method,
            count: 0,
            weight: Centred::default(),
            heaviest: 0.0,
            supported: 0.0,
            term: Centred::default(),
            reward: Centred::default(),
            gain: Centred::default(),
            ratio: [0.0; 3],
            products: [0.0; 2],
        })
    }

    /// Takes in one unit.
    pub fn add(&mut self, unit: &Logged) -> Result<(), OffPolicyError> {
        let Logged { reward, propensity, target, supported, predicted } = *unit;
        check("reward", reward, f64::MIN..=f64::MAX)?;
        check("propensity", propensity, f64::MIN_POSITIVE..=1.0)?;
        check("target", target, 0.0..=1.0 + 1e-9)?;
        check("supported", supported, 0.0..=1.0 + 1e-9)?;
        if let Some(Predicted { taken, target }) = predicted {
            check("predicted", taken, f64::MIN..=f64::MAX)?;
            check("predicted", target, f64::MIN..=f64::MAX)?;
        }
        let w = check("weight", target / propensity, 0.0..=f64::MAX)?;
        let term = self.term(w, reward, predicted)?;
        self.count += 1;
        self.weight.add(w, self.count);
        self.heaviest = self.heaviest.max(w);
        self.supported += supported.min(1.0);
        self.term.add(term, self.count);
        self.reward.add(reward, self.count);
        self.gain.add(term - reward, self.count);
        self.products[0] += w * reward;
        self.products[1] += w * reward * reward;
        for (sum, power) in self.ratio.iter_mut().zip([1.0, reward, reward * reward]) {
            *sum += w * w * power;
        }
        Ok(())
    }

    /// What a unit contributes to the mean.
    fn term(&self, w: f64, r: f64, predicted: Option<Predicted>) -> Result<f64, OffPolicyError> {
        let predicted = || predicted.ok_or(OffPolicyError::NoPrediction);
        let corrected = |w: f64| {
            let Predicted { taken, target } = predicted()?;
            Ok(target + w * (r - taken))
        };
        match self.method {
            Method::Ips | Method::Snips => Ok(w * r),
            Method::Clipped { most } => Ok(w.min(most) * r),
            Method::Direct => Ok(predicted()?.target),
            Method::DoublyRobust => corrected(w),
            Method::SwitchDoublyRobust { most } => corrected(if w <= most { w } else { 0.0 }),
            Method::ShrunkDoublyRobust { lambda } => corrected(lambda * w / (w * w + lambda)),
        }
    }

    /// The effective sample size (Σw)²/Σw²; 0 where nothing has weight.
    pub fn effective(&self) -> f64 {
        let sum = self.weight.mean * number(self.count);
        if self.ratio[0] > 0.0 { sum * sum / self.ratio[0] } else { 0.0 }
    }

    /// The estimate, where overlap is as asked for.
    pub fn estimate(&self, overlap: &Overlap) -> Result<Estimate, OffPolicyError> {
        if self.count < 2 {
            return Err(OffPolicyError::TooFewUnits(self.count));
        }
        let (n, effective) = (number(self.count), self.effective());
        let unsupported = 1.0 - self.supported / n;
        if unsupported > overlap.unsupported_max {
            return Err(OffPolicyError::Unsupported { unsupported });
        }
        if effective < overlap.effective_min || effective <= 0.0 {
            let needed = overlap.effective_min;
            return Err(OffPolicyError::LittleOverlap { effective, count: self.count, needed });
        }
        let (value, [standard_error, gain_error]) = match self.method {
            Method::Snips => self.ratio(),
            _ => {
                let errors = [self.term, self.gain].map(|terms| terms.standard_error(self.count));
                (self.term.mean, errors)
            }
        };
        // Sums of what is finite may still overflow.
        check("reward", value, f64::MIN..=f64::MAX)?;
        check("reward", standard_error, 0.0..=f64::MAX)?;
        check("reward", gain_error, 0.0..=f64::MAX)?;
        let (gain, warnings) = (value - self.reward.mean, self.warnings(effective, overlap));
        let count = self.count;
        Ok(Estimate { value, standard_error, gain, gain_error, count, effective, warnings })
    }

    /// v = Σwr/Σw with the errors of it and of v − r̄ by the delta method: √Σψ²/n with ψ = w(r − v)/w̄, and with
    /// ψ = w(r − v)/w̄ − (r − r̄).
    fn ratio(&self) -> (f64, [f64; 2]) {
        let n = number(self.count);
        let (weight, mean) = (self.weight.mean, self.reward.mean);
        let [first, second] = self.products;
        let value = first / (weight * n);
        let [ones, firsts, seconds] = self.ratio;
        let weighted = seconds - 2.0 * value * firsts + value * value * ones;
        let mixed = second - (value + mean) * first + value * mean * weight * n;
        let own = weighted / weight / weight;
        let gain = own - 2.0 * mixed / weight + self.reward.squares;
        (value, [own, gain].map(|squares| squares.max(0.0).sqrt() / n))
    }

    fn warnings(&self, effective: f64, overlap: &Overlap) -> Vec<Warning> {
        let n = number(self.count);
        let mut warnings = Vec::new();
        let effective_part = effective / n;
        if effective_part < overlap.effective_part_low {
            warnings.push(Warning::LowOverlap { effective_part });
        }
        let part = self.heaviest / (self.weight.mean * n);
        if part > overlap.heaviest_part_high {
            warnings.push(Warning::HeavyUnit { part });
        }
        let Centred { mean, .. } = self.weight;
        if (mean - 1.0).abs() > 4.0 * self.weight.standard_error(self.count) + 1e-9 {
            warnings.push(Warning::WeightsOff { mean });
        }
        warnings
    }
}

/// The part of traffic that must be given to actions at random, so that `count` units carry an estimate for any one
/// policy over `actions` actions: with a part ε an action is drawn with at least ε/K, so the effective sample is
/// at least εn/K. More than 1 where no share is enough for so few units.
pub fn exploration_needed(count: u64, actions: usize, overlap: &Overlap) -> f64 {
    overlap.effective_min * number(actions as u64) / number(count.max(1))
}

fn check(
    name: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
) -> Result<f64, OffPolicyError> {
    if range.contains(&value) { Ok(value) } else { Err(OffPolicyError::Value { name, value }) }
}

#[expect(clippy::cast_precision_loss, reason = "counts of units stay far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
