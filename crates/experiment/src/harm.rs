//! Whether a variant does harm by a metric, in numbers and in a sentence.

use model::Key;
use serde::Serialize;

use crate::{ArmResult, Comparison, Difference, MetricKind, MetricResult, Surely};

/// That a variant is surely worse than the control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Harm {
    /// By which metric.
    pub metric: Key,
    /// Which variant.
    pub variant: String,
    /// What it was compared with.
    pub control: String,
    /// In the metric's unit.
    pub absolute: Difference,
    /// As a share of the control's value.
    pub relative: Option<Difference>,
    /// How seldom no effect would show at least this much.
    pub p_value: f64,
    /// Units of both.
    pub units: u64,
    /// In a sentence.
    pub statement: String,
}

/// The first variant that is surely worse than the control; `None` where none is. A holdout that is worse than what is
/// shown is none: nobody would be spared by not showing it.
pub fn harm(result: &MetricResult) -> Option<Harm> {
    let control = result.arms.iter().find(|arm| arm.is_control)?;
    let variants = result.arms.iter().filter(|arm| arm.is_variant);
    variants.into_iter().find_map(|arm| {
        let compared = arm.comparison.as_ref()?;
        (compared.surely == Some(Surely::Worse)).then(|| of(result, control, arm, compared))
    })
}

fn of(result: &MetricResult, control: &ArmResult, arm: &ArmResult, compared: &Comparison) -> Harm {
    let units = control.units.saturating_add(arm.units);
    let statement = format!(
        "`{}` is surely worse than `{}` by the guardrail `{}`: {}, among {units} units",
        arm.arm,
        control.arm,
        result.metric,
        in_words(result, compared),
    );
    Harm {
        metric: result.metric.clone(),
        variant: arm.arm.clone(),
        control: control.arm.clone(),
        absolute: compared.absolute,
        relative: compared.relative,
        p_value: compared.p_value,
        units,
        statement,
    }
}

/// A difference with its interval, in the metric's unit and relative where that can be said.
pub(crate) fn in_words(result: &MetricResult, compared: &Comparison) -> String {
    let Difference { lift, low, high, .. } = compared.absolute;
    let absolute = match (result.kind, &result.currency) {
        (MetricKind::Conversion | MetricKind::Retention, _) => {
            let [lift, low, high] = [lift, low, high].map(|share| 100.0 * share);
            format!("{lift:+.2} percentage points (from {low:+.2} to {high:+.2})")
        }
        (MetricKind::TimeToEvent, _) => {
            format!("{lift:+.0} seconds (from {low:+.0} to {high:+.0})")
        }
        (_, Some(currency)) => format!("{lift:+.2} {currency} (from {low:+.2} to {high:+.2})"),
        (_, None) => format!("{lift:+.4} (from {low:+.4} to {high:+.4})"),
    };
    match &compared.relative {
        Some(relative) => format!("{absolute}, which is {:+.1} %", 100.0 * relative.lift),
        None => absolute,
    }
}

#[cfg(test)]
mod tests {
    use model::Purpose;
    use serde_json::json;
    use stats::{draws::Draws, effect::Level};

    use super::*;
    use crate::{Amount, Arm, ArmSums, Measured, Method, Metric, Reading, Tally, Values, read_out};

    fn complaints() -> Metric {
        let document = json!({"key": "complaints", "kind": "conversion", "event": "Complained",
            "direction": "lower", "role": "guardrail"});
        Metric::compile(&serde_json::from_value(document).unwrap(), &|_| Some(Purpose::ANALYTICS))
            .unwrap()
    }

    fn reading() -> Reading {
        Reading::new(Method::Sequential, Level::FIVE_PERCENT)
    }

    /// The harm that is found in one experiment with these shares of complaints, looked at each hundred units.
    fn found(seed: u64, shares: [f64; 2], looks: u64) -> Option<Harm> {
        let metric = complaints();
        let arms = ["a", "b"].map(|key| Arm::Variant(key.parse().unwrap()));
        let mut tallies = [Tally::default(), Tally::default()];
        let mut draws = Draws::part(20, seed);
        for _ in 0..looks {
            for _ in 0..100 {
                let place = draws.below(2);
                let upper = if draws.yes(shares[place]) { Amount::ONE } else { Amount::ZERO };
                let values = Values { upper, ..Values::default() };
                tallies[place].add(&Measured::Counted(values));
            }
            let sums: Vec<ArmSums<'_>> = arms
                .iter()
                .zip(&tallies)
                .map(|(arm, tally)| ArmSums { arm, tally, sorted: None })
                .collect();
            if let Some(harm) = harm(&read_out(&metric, &sums, reading())) {
                return Some(harm);
            }
        }
        None
    }

    #[test]
    fn harmless_variants_are_hardly_ever_stopped_however_often_somebody_looks() {
        let stopped = (0..100).filter(|seed| found(*seed, [0.1, 0.1], 60).is_some()).count();
        assert!(stopped <= 5, "{stopped} of 100, each looked at 60 times");
    }

    #[test]
    fn harmful_ones_are_stopped() {
        for seed in 0..20 {
            let harm = found(seed, [0.1, 0.2], 60).expect("twice as many complaints");
            assert!(0.0 < harm.absolute.low && harm.absolute.low < harm.absolute.lift);
            let beginning = "`b` is surely worse than `a` by the guardrail `complaints`: +";
            assert!(harm.statement.starts_with(beginning), "{}", harm.statement);
            assert!(harm.statement.contains(" percentage points (from +"), "{}", harm.statement);
        }
        assert_eq!(found(1, [0.2, 0.1], 60), None, "what is better does no harm");
    }

    #[test]
    fn a_holdout_that_is_worse_is_no_harm() {
        let metric = complaints();
        let tally = |every: usize| {
            let mut tally = Tally::default();
            for unit in 0..4_000_usize {
                let upper = if unit.is_multiple_of(every) { Amount::ONE } else { Amount::ZERO };
                let values = Values { upper, ..Values::default() };
                tally.add(&Measured::Counted(values));
            }
            tally
        };
        let (few, many) = (tally(20), tally(5));
        let told = |control: (&Arm, &Tally), other: (&Arm, &Tally)| {
            let sums = [control, other].map(|(arm, tally)| ArmSums { arm, tally, sorted: None });
            harm(&read_out(&metric, &sums, reading()))
        };
        let variant = Arm::Variant("a".parse().unwrap());
        assert_eq!(told((&variant, &few), (&Arm::Holdout, &many)), None);
        assert!(told((&Arm::Holdout, &few), (&variant, &many)).is_some());
    }
}
