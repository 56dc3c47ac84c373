//! What a metric can tell by now, and how long it takes until it tells what the experiment is for.

use serde::Serialize;
use stats::{
    Undefined,
    power::{self, Design, Needed},
    sequence,
};

use crate::{ArmResult, Difference, Method, Metric, Reading};

/// What can be found with the units there are, and what that still takes. Of several arms it is the one that tells
/// least. Effects are found with this power: four times out of five.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Power {
    /// The chance to find what is said to be found.
    pub power: f64,
    /// The least difference that is found now, in the metric's unit.
    pub detectable: f64,
    /// The same as a share of the control's value; `null` where that is not above 0.
    pub detectable_relative: Option<f64>,
    /// The least change that is worth finding, as a share of the control's value: what the metric says.
    pub smallest_effect: Option<f64>,
    /// How many more units of all arms find that; 0 where there are enough, `null` where no number that is worth
    /// waiting for does, or where the metric does not say what is worth finding.
    pub units_needed: Option<u64>,
    /// How many days that takes at the pace of the last week.
    pub days_needed: Option<f64>,
    /// In a sentence.
    pub statement: String,
    /// Units of all arms that count.
    #[serde(skip)]
    units: u64,
}

/// Most times as many units as there are that are worth waiting for.
const TIMES_MAX: f64 = 1_000.0;
/// Most days that are worth waiting for.
const DAYS_MAX: f64 = 3_650.0;

impl Power {
    /// Tells it of arms that were compared; nothing of what is still collecting.
    pub(crate) fn of(metric: &Metric, arms: &[ArmResult], reading: Reading) -> Option<Self> {
        let control = arms.iter().find(|arm| arm.is_control)?;
        let value = control.value.filter(|value| 0.0 < *value);
        let units = arms.iter().map(|arm| arm.units).sum();
        let mut least: Option<Self> = None;
        for arm in arms {
            let Some(compared) = &arm.comparison else { continue };
            let Ok(design) = design(control, arm, &compared.absolute) else { continue };
            let Ok(told) = Self::of_arm(metric, &design, (value, units), reading) else { continue };
            if least.as_ref().is_none_or(|least| least.detectable < told.detectable) {
                least = Some(told);
            }
        }
        least
    }

    fn of_arm(
        metric: &Metric,
        design: &Design,
        (value, units): (Option<f64>, u64),
        reading: Reading,
    ) -> Result<Self, Undefined> {
        let (level, how) = (reading.level, how(reading.method));
        let detectable = design.detectable(power::USUAL, level, how)?;
        let detectable_relative =
            value.map(|value| detectable / value).filter(|share| share.is_finite());
        let smallest_effect = metric.smallest_effect;
        let wanted = smallest_effect.zip(value).map(|(share, value)| share * value);
        let needed = wanted.and_then(|wanted| {
            let ratio = design.treatment_units / design.control_units;
            let needed =
                power::needed(wanted, design.unit_variance, ratio, power::USUAL, level, how);
            more(needed.ok()?, design, units)
        });
        let mut told = Self {
            power: power::USUAL,
            detectable,
            detectable_relative,
            smallest_effect: wanted.and(smallest_effect),
            units_needed: needed,
            days_needed: None,
            statement: String::new(),
            units,
        };
        told.statement = told.in_words();
        Ok(told)
    }

    /// The same where so many units of all arms are exposed in a day, of which `exposed` were exposed so far.
    pub fn at_pace(&mut self, units_per_day: f64, exposed: u64) {
        let Some(needed) = self.units_needed else { return };
        #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
        let (counted, exposed, needed) = (self.units as f64, exposed.max(1) as f64, needed as f64);
        let days = needed / (units_per_day * (counted / exposed).min(1.0));
        self.days_needed = Some(days).filter(|days| *days <= DAYS_MAX);
        self.statement = self.in_words();
    }

    fn in_words(&self) -> String {
        const HOW_OFTEN: &str = "four times out of five";
        let Some(smallest) = self.smallest_effect.map(|share| 100.0 * share) else {
            return match self.detectable_relative {
                Some(share) => format!(
                    "with the units there are, a change of {:.1} % or more is found {HOW_OFTEN}",
                    100.0 * share
                ),
                None => format!(
                    "with the units there are, a difference of {:.4} or more is found {HOW_OFTEN}",
                    self.detectable
                ),
            };
        };
        match (self.units_needed, self.days_needed) {
            (Some(0), _) => format!(
                "there are enough units to find a change of {smallest:.1} % {HOW_OFTEN}, so what change there is is \
                 probably smaller"
            ),
            (Some(units), Some(days)) => format!(
                "about {:.0} more days are needed to find a change of {smallest:.1} % {HOW_OFTEN}: {units} units at the pace \
                 of the last week",
                days.max(1.0).ceil()
            ),
            (Some(units), None) => format!(
                "about {units} more units are needed to find a change of {smallest:.1} % {HOW_OFTEN}"
            ),
            (None, _) => format!(
                "no number of units that is worth waiting for finds a change of {smallest:.1} %"
            ),
        }
    }
}

fn how(method: Method) -> power::Reading {
    match method {
        // The last of planned looks asks for hardly more than one look does.
        Method::Fixed | Method::PlannedLooks => power::Reading::Once,
        // Those that may be looked at at any time differ by less than orientation needs.
        Method::Sequential | Method::Msprt | Method::Exact => {
            power::Reading::AnyTime { tightest_at_units: sequence::TIGHTEST_AT_UNITS }
        }
    }
}

/// The comparison as a design: what is left of a unit's variance once what it did before is taken out.
fn design(
    control: &ArmResult,
    arm: &ArmResult,
    absolute: &Difference,
) -> Result<Design, Undefined> {
    #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
    let (control_units, treatment_units) = (control.units as f64, arm.units as f64);
    if control.units == 0 || arm.units == 0 {
        return Err(Undefined::NoUnits);
    }
    let unit_variance = absolute.std_error.powi(2) / (1.0 / control_units + 1.0 / treatment_units);
    Ok(Design { unit_variance, control_units, treatment_units })
}

/// How many more units all arms together need, growing alike; `None` where that is not worth waiting for.
fn more(needed: Needed, design: &Design, units: u64) -> Option<u64> {
    let times = (needed.control_units / design.control_units).max(1.0);
    #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
    let more = (units as f64 * (times - 1.0)).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 1000 times as many"
    )]
    (times <= TIMES_MAX).then_some(more as u64)
}

#[cfg(test)]
mod tests {
    use model::Purpose;
    use serde_json::json;
    use stats::effect::Level;

    use super::*;
    use crate::{Amount, Arm, ArmSums, Measured, Tally, Values, read_out};

    fn metric(smallest_effect: Option<f64>) -> Metric {
        let mut document = json!({"key": "orders", "kind": "conversion", "event": "Bought"});
        document["smallest_effect"] = smallest_effect.into();
        Metric::compile(&serde_json::from_value(document).unwrap(), &|_| Some(Purpose::ANALYTICS))
            .unwrap()
    }

    /// Of so many units in each of two arms every tenth bought.
    fn told(smallest_effect: Option<f64>, units: usize, method: Method) -> Option<Power> {
        let arms = ["a", "b"].map(|key| Arm::Variant(key.parse().unwrap()));
        let mut tally = Tally::default();
        for unit in 0..units {
            let upper = if unit.is_multiple_of(10) { Amount::ONE } else { Amount::ZERO };
            let values = Values { upper, ..Values::default() };
            tally.add(&Measured::Counted(values));
        }
        let sums = arms.each_ref().map(|arm| ArmSums { arm, tally: &tally, sorted: None });
        let reading = Reading::new(method, Level::FIVE_PERCENT);
        read_out(&metric(smallest_effect), &sums, reading).power
    }

    #[test]
    fn one_look_needs_as_many_units_as_the_textbook_says() {
        // n = 2·p(1−p)·(z₀.₉₇₅ + z₀.₈)²/δ² with p = 0.1 and δ = 0.01: 14,128 in each arm.
        let told = told(Some(0.1), 1_000, Method::Fixed).unwrap();
        let needed = told.units_needed.unwrap();
        assert!((26_250..26_262).contains(&needed), "{needed}");
        let expected = (2.0 * 0.09 / 1_000.0_f64).sqrt() * (1.959_964 + 0.841_621);
        assert!((told.detectable - expected).abs() < 1e-6, "{}", told.detectable);
        assert!((told.detectable_relative.unwrap() - 10.0 * expected).abs() < 1e-5);
    }

    #[test]
    fn looking_at_any_time_takes_more() {
        let units = |method| told(Some(0.1), 1_000, method).unwrap().units_needed.unwrap();
        assert!(units(Method::Fixed) < units(Method::Sequential));
    }

    #[test]
    fn it_is_said_in_days_once_the_pace_is_known() {
        let mut told = told(Some(0.1), 1_000, Method::Fixed).unwrap();
        assert!(told.statement.starts_with("about 262"), "{}", told.statement);
        // Of four exposed units two count.
        told.at_pace(2_000.0, 4_000);
        let days = told.days_needed.unwrap();
        assert!((26.2..26.3).contains(&days), "{days}");
        assert!(told.statement.starts_with("about 27 more days"), "{}", told.statement);
        told.at_pace(0.0, 4_000);
        assert_eq!(told.days_needed, None, "nobody comes any more");
    }

    #[test]
    fn what_is_not_said_or_not_there_is_not_made_up() {
        assert_eq!(told(Some(0.1), 100, Method::Sequential), None, "collecting");
        let without = told(None, 1_000, Method::Sequential).unwrap();
        assert_eq!((without.units_needed, without.smallest_effect), (None, None));
        assert!(without.statement.starts_with("with the units there are, a change of "));
        let enough = told(Some(0.5), 20_000, Method::Sequential).unwrap();
        assert_eq!(enough.units_needed, Some(0));
        let never = told(Some(0.0001), 1_000, Method::Sequential).unwrap();
        assert_eq!(never.units_needed, None);
        assert!(never.statement.starts_with("no number of units"), "{}", never.statement);
    }
}
