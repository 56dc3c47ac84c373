//! What an experience truly does to a shopper: the answer that a read-out must find.

use serde::Serialize;

use super::{chance::Chance, shopper::Shopper};

/// The true effect of one variant, in log-odds of acting on it.
///
/// It depends on the keys alone, so that it is known for whatever experiences a server has. A
/// variant called `control`, a holdout and a placement's default do nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Effect {
    pub(crate) experience: String,
    pub(crate) variant: String,
    /// For a shopper in the middle of the trait below.
    pub(crate) log_odds: f64,
    /// The trait that changes it: `price_sensitivity` or `skill`.
    pub(crate) depends_on: &'static str,
    /// By how much, from one end of the trait to the other.
    pub(crate) slope: f64,
}

impl Effect {
    /// The effect of a variant in the world of `seed`.
    pub(crate) fn of(seed: u64, experience: &str, variant: &str) -> Self {
        let subject = format!("{experience}/{variant}");
        let mut chance = Chance::new(seed, "effect", &subject);
        let depends_on = if chance.happens(0.5) { "price_sensitivity" } else { "skill" };
        let (log_odds, slope) = (0.25 + 0.35 * chance.normal(), 0.6 * chance.normal());
        let acts = if variant == "control" { 0.0 } else { 1.0 };
        Self {
            experience: experience.to_owned(),
            variant: variant.to_owned(),
            log_odds: acts * log_odds,
            depends_on,
            slope: acts * slope,
        }
    }

    /// What it does to this shopper.
    pub(crate) fn on(&self, shopper: &Shopper) -> f64 {
        let leaning = match self.depends_on {
            "skill" => shopper.skill,
            _ => shopper.price_sensitivity,
        };
        self.log_odds + self.slope * (leaning - 0.5)
    }
}

/// The probability with these log-odds.
pub(crate) fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_does_nothing_and_others_are_fixed_by_their_keys() {
        let shopper = &super::super::shopper::population(1, 1)[0];
        assert!(Effect::of(1, "hero", "control").on(shopper).abs() < 1e-12);
        assert_eq!(Effect::of(1, "hero", "b"), Effect::of(1, "hero", "b"));
        assert_ne!(Effect::of(1, "hero", "b"), Effect::of(2, "hero", "b"));
        assert!((probability(0.0) - 0.5).abs() < 1e-12);
    }
}
