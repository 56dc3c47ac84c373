//! An exact sequence for yes and no, which needs no gate: for arms with few successes.

use crate::effect::{Inference, Interval, Level, Scale};
use crate::sample::{Sums, float};
use crate::sequence::always_valid;
use crate::special::ln_beta;
use crate::undefined::{Undefined, finite};

/// Both parameters of the Beta distribution over which likelihoods are mixed: Jeffreys' prior, which is nearly as
/// good as the best one for any true share (Krichevsky and Trofimov 1981).
const PRIOR: f64 = 0.5;
/// Steps of a search for a minimum by thirds: around a minimum, values change with the square of the distance.
const THIRDS: u32 = 60;
/// Steps of a search for a root by halves; further ones change no digit.
const HALVES: u32 = 60;
/// Ratios of shares below this, or above its inverse, are not looked for.
const RATIO_MIN: f64 = 1e-12;

/// The difference of two shares, valid at all times for any number of units.
///
/// For each arm M(p) = B(½+s, ½+f) / (B(½,½)·pˢ(1−p)ᶠ) is a martingale of mean 1 at the true p, after s successes and f
/// failures. Arms are independent, so M_a(p_a)·M_b(p_b) is one at the true pair; by Ville's inequality it ever
/// passes 1/α with a chance of α at most. The interval has the differences of all pairs where it has not; p is the
/// inverse of its least value among pairs without a difference, which is at the common share.
///
/// Absolute: p_b − p_a. Relative: p_b/p_a − 1. No assumption but independent units with a constant share.
/// Wider than the asymptotic sequence where that holds.
/// Sources: Robbins, "Statistical methods related to the law of the iterated logarithm", 1970 (beta-binomial
/// mixture); Ville 1939.
///
/// # Errors
/// When an arm has no units or other values than 0 and 1; relative also when the control's share may be 0.
pub fn shares(
    scale: Scale,
    control: &Sums,
    treatment: &Sums,
    level: Level,
) -> Result<Inference, Undefined> {
    let arms = Arms { control: Arm::of(control)?, treatment: Arm::of(treatment)? };
    let ln_e_value = evidence(control, treatment)?;
    let interval = arms.interval(scale, level)?;
    Ok(Inference { interval, p_value: always_valid(ln_e_value), ln_e_value: Some(ln_e_value) })
}

/// The logarithm of the evidence against equal shares alone, which takes far less time than the interval.
///
/// # Errors
/// As [`shares`], on the absolute scale.
pub fn evidence(control: &Sums, treatment: &Sums) -> Result<f64, Undefined> {
    let arms = Arms { control: Arm::of(control)?, treatment: Arm::of(treatment)? };
    finite("the evidence", arms.mixed() + arms.loss(arms.common(), arms.common()))
}

#[derive(Clone, Copy, Debug)]
struct Arm {
    successes: f64,
    failures: f64,
}

impl Arm {
    fn of(sums: &Sums) -> Result<Self, Undefined> {
        sums.check()?;
        sums.check_binary()?;
        let successes = float(sums.non_zero);
        Ok(Self { successes, failures: float(sums.count) - successes })
    }

    fn share(self) -> f64 {
        self.successes / (self.successes + self.failures)
    }

    /// −ln of the likelihood of a share.
    fn loss(self, share: f64) -> f64 {
        -(times_ln(self.successes, share) + times_ln(self.failures, 1.0 - share))
    }

    /// ln of the likelihood, mixed over all shares.
    fn mixed(self) -> f64 {
        ln_beta(PRIOR + self.successes, PRIOR + self.failures) - ln_beta(PRIOR, PRIOR)
    }
}

/// count·ln(share), 0 where the count is 0.
fn times_ln(count: f64, share: f64) -> f64 {
    if count > 0.0 { count * share.max(0.0).ln() } else { 0.0 }
}

struct Arms {
    control: Arm,
    treatment: Arm,
}

impl Arms {
    fn mixed(&self) -> f64 {
        self.control.mixed() + self.treatment.mixed()
    }

    fn loss(&self, control: f64, treatment: f64) -> f64 {
        self.control.loss(control) + self.treatment.loss(treatment)
    }

    fn common(&self) -> f64 {
        let successes = self.control.successes + self.treatment.successes;
        let failures = self.control.failures + self.treatment.failures;
        successes / (successes + failures)
    }

    /// Whether some pair of shares with this effect has not been ruled out. The pairs that have not are a convex
    /// set, so that their effects are an interval on either scale.
    fn is_possible(&self, link: &Link, level: Level) -> bool {
        let (mut low, mut high) = link.controls();
        let loss = |control: f64| self.loss(control, link.treatment(control));
        let mixed = self.mixed();
        let is_enough = |loss: f64| mixed + loss < -level.alpha().ln();
        for _ in 0..THIRDS {
            let third = (high - low) / 3.0;
            let (left, right) = (loss(low + third), loss(high - third));
            if is_enough(left.min(right)) {
                return true;
            }
            if left <= right {
                high -= third;
            } else {
                low += third;
            }
        }
        let ends = link.controls();
        let least = [low, f64::midpoint(low, high), high, ends.0, ends.1]
            .into_iter()
            .map(loss)
            .fold(f64::INFINITY, f64::min);
        is_enough(least)
    }

    fn interval(&self, scale: Scale, level: Level) -> Result<Interval, Undefined> {
        let (control, treatment) = (self.control.share(), self.treatment.share());
        match scale {
            Scale::Absolute => {
                let is_possible = |it| self.is_possible(&Link::Difference(it), level);
                let found = treatment - control;
                Ok(Interval {
                    low: last_possible(found, -1.0, is_possible),
                    high: last_possible(found, 1.0, is_possible),
                })
            }
            Scale::Relative => {
                if self.control.successes <= 0.0 {
                    return Err(Undefined::Baseline { value: 0.0 });
                }
                let is_possible = |it: f64| self.is_possible(&Link::Ratio(it.exp()), level);
                let found = (treatment / control).max(RATIO_MIN).ln();
                let low = last_possible(found, RATIO_MIN.ln(), is_possible);
                let high = last_possible(found, -RATIO_MIN.ln(), is_possible);
                let low = if low <= RATIO_MIN.ln() { -1.0 } else { low.exp_m1() };
                Ok(Interval { low, high: high.exp_m1() })
            }
        }
    }
}

/// How the treatment's share follows from the control's.
enum Link {
    Difference(f64),
    Ratio(f64),
}

impl Link {
    fn treatment(&self, control: f64) -> f64 {
        match self {
            Self::Difference(by) => (control + by).clamp(0.0, 1.0),
            Self::Ratio(by) => (control * by).min(1.0),
        }
    }

    /// The least and the largest share of the control for which the treatment's is one.
    fn controls(&self) -> (f64, f64) {
        match self {
            Self::Difference(by) => ((-by).max(0.0), (1.0 - by).min(1.0)),
            Self::Ratio(by) => (0.0, (1.0 / by).min(1.0)),
        }
    }
}

/// The furthest from `from`, which is possible, towards `end` that still is.
fn last_possible(from: f64, end: f64, is_possible: impl Fn(f64) -> bool) -> f64 {
    if is_possible(end) {
        return end;
    }
    let (mut inside, mut outside) = (from, end);
    for _ in 0..HALVES {
        let middle = f64::midpoint(inside, outside);
        if is_possible(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    // Outside, so that rounding never makes the interval narrower than it should be.
    outside
}

#[cfg(test)]
mod tests;
