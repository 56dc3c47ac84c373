//! How results are read: by which method intervals and p-values come about.

use serde::Serialize;
use stats::{
    Undefined,
    effect::{Effect, Estimate, Inference, Level},
    fixed,
    looks::{self, Boundaries},
    sequence,
};

use crate::Metric;

/// How intervals and p-values come about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// They hold however often somebody looks: asymptotic confidence sequences.
    #[default]
    Sequential,
    /// The same, narrowest for effects of the size that is looked for: mSPRT.
    Msprt,
    /// They hold at looks that were planned before (group sequential, Lan and DeMets).
    PlannedLooks,
    /// They hold for one look, at a time that was set before: Welch's test.
    Fixed,
    /// They hold however often somebody looks and for any number of units, of shares: beta-binomial sequences.
    Exact,
}

impl Method {
    /// All of them, with the words they are asked for by.
    pub const ALL: [(Self, &str); 5] = [
        (Self::Sequential, "sequential"),
        (Self::Msprt, "msprt"),
        (Self::PlannedLooks, "planned_looks"),
        (Self::Fixed, "fixed"),
        (Self::Exact, "exact"),
    ];

    /// The method of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(method, _)| method)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(method, _)| *method == self).map_or("", |(_, name)| name)
    }
}

/// How something is read out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// How intervals come about.
    pub method: Method,
    /// The chance of a false alarm that is accepted for all comparisons of a metric together.
    pub level: Level,
    /// Whether what units did before the exposure is taken out.
    pub is_adjusted: bool,
    /// Of mSPRT: the size of effect that is looked for, as a share of the control's value; that of the metric's
    /// `smallest_effect` when absent.
    pub effect: Option<f64>,
    /// Of planned looks: those that have come.
    pub looks: Looks,
}

impl Reading {
    /// By this method at this level, with what units did before taken out.
    pub fn new(method: Method, level: Level) -> Self {
        Self { method, level, is_adjusted: true, effect: None, looks: Looks::default() }
    }

    /// Why a metric cannot be read like this, whatever its sums are.
    pub(crate) fn why_not(&self, metric: &Metric, is_stratified: bool) -> Option<&'static str> {
        match self.method {
            Method::Msprt | Method::PlannedLooks | Method::Exact if is_stratified => Some(
                "shares changed while units were exposed, and this is for shares that stay: ask for `sequential` or `fixed`",
            ),
            Method::Msprt if self.looked_for(metric).is_none() => Some(
                "mSPRT looks for a size of effect: give one with `effect`, or the metric a `smallest_effect`",
            ),
            Method::PlannedLooks if self.looks.shares().is_empty() => {
                Some("none of the planned looks has come yet")
            }
            Method::Exact if !metric.is_binary() => Some(
                "the exact sequence is for shares of units, as conversion and retention are: ask for `sequential`",
            ),
            _ => None,
        }
    }

    fn looked_for(&self, metric: &Metric) -> Option<f64> {
        self.effect.or(metric.smallest_effect)
    }

    /// The sizes of effect that are looked for of a control with this value.
    pub(crate) fn sizes(&self, metric: &Metric, control: &Estimate) -> Sizes {
        // Without a size there is none above 0, which `mixture` refuses.
        let relative = self.looked_for(metric).unwrap_or_default();
        Sizes { absolute: relative * control.value, relative }
    }

    /// What an effect says, where effects of this size on its scale are looked for.
    ///
    /// # Errors
    /// When nothing can be said, as by the exact sequence, which is of sums.
    pub(crate) fn infer(&self, effect: &Effect, size: f64) -> Result<Inference, Undefined> {
        match self.method {
            Method::Sequential => {
                sequence::asymptotic(effect, self.level, sequence::TIGHTEST_AT_UNITS)
            }
            Method::Msprt => sequence::mixture(effect, self.level, size),
            Method::PlannedLooks => self.looks.infer(effect, self.level),
            Method::Fixed => fixed::welch(effect, self.level),
            Method::Exact => Err(Undefined::OutOfRange { name: "an effect without its sums" }),
        }
    }
}

/// Sizes of effect that are looked for, on either scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) absolute: f64,
    pub(crate) relative: f64,
}

/// Most planned looks.
pub const LOOKS_MAX: usize = 12;
/// How the level is spent over looks: late, near O'Brien and Fleming.
const SPENDING: f64 = 3.0;

/// The planned looks that have come, each with the part of all planned units that were exposed by then.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Looks {
    shares: [f64; LOOKS_MAX],
    count: usize,
}

impl Looks {
    /// Adds a look; whether it counts. One that saw hardly more than the one before is none, and once all planned units
    /// are exposed there is none any more.
    pub fn add(&mut self, share: f64) -> bool {
        let last = self.shares().last().copied().unwrap_or_default();
        let share = if 1.0 - share < looks::STEP_MIN { 1.0 } else { share };
        // Of what is no number nothing is known.
        let is_later = last + looks::STEP_MIN <= share;
        match self.shares.get_mut(self.count).filter(|_| is_later) {
            Some(place) => {
                *place = share;
                self.count += 1;
                true
            }
            None => false,
        }
    }

    /// The part of the units that each saw.
    pub fn shares(&self) -> &[f64] {
        self.shares.get(..self.count).unwrap_or_default()
    }

    /// What an effect says at the last of them.
    fn infer(&self, effect: &Effect, level: Level) -> Result<Inference, Undefined> {
        let shares = self.shares();
        let boundaries = Boundaries::new(shares, level, SPENDING)?;
        let look = boundaries.look(shares.len().saturating_sub(1), effect)?;
        let p_value = looks::repeated_p_value(shares, effect, SPENDING)?;
        Ok(Inference { interval: look.interval, p_value, ln_e_value: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_counts_that_saw_more_up_to_all_that_were_planned() {
        let mut looks = Looks::default();
        let counted = [0.0, 0.3, 0.3004, 0.6, f64::NAN, 0.9995, 1.2].map(|share| looks.add(share));
        assert_eq!(counted, [false, true, false, true, false, true, false]);
        assert_eq!(looks.shares(), [0.3, 0.6, 1.0]);
    }

    #[test]
    fn an_early_look_asks_for_more_and_the_last_for_hardly_more_than_one_look_does() {
        let effect =
            Effect { estimate: 2.1, std_error: 1.0, degrees_of_freedom: 1e6, units: 5_000 };
        let told = |shares: &[f64]| {
            let mut looks = Looks::default();
            shares.iter().for_each(|share| assert!(looks.add(*share)));
            looks.infer(&effect, Level::FIVE_PERCENT).unwrap()
        };
        let (early, last) = (told(&[0.25]), told(&[0.25, 0.5, 0.75, 1.0]));
        assert!(early.interval.contains(0.0) && 0.05 < early.p_value, "{early:?}");
        assert!(!last.interval.contains(0.0) && last.p_value < 0.05, "{last:?}");
    }

    #[test]
    fn every_method_is_found_by_its_name() {
        for (method, name) in Method::ALL {
            assert_eq!(Method::parse(name), Some(method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.name());
        }
    }
}
