//! What a draft would have gained, from people whose variant was drawn.

use decision::backtest::{Action, Chances, chance, supported};
use model::{Purpose, Timestamp, condition::EventName};
use serde::Serialize;
use stats::off_policy::{
    ArmMeans, Estimate, Estimator, Logged, Method, OffPolicyError, Overlap, Predicted, Warning,
    exploration_needed,
};

use super::Reward;
use crate::{load::Person, snapshot::Snapshot};

/// Standard errors on each side of a 95 % interval by the normal approximation.
const ERRORS: f64 = 1.959_963_984_540_054;

/// The effect of a draft.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Lift {
    /// The log carries a number.
    Estimated(Estimated),
    /// It does not.
    Refused(Refused),
}

/// A number and how sure it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimated {
    /// People for whom the experience won, as recorded or by the draft; each counts once, by the first such decision.
    pub people: u64,
    /// How many people drawn by the draft itself would tell as much.
    pub effective: f64,
    /// The mean reward of a person, as logged.
    pub logged: f64,
    /// The same under the draft: the doubly robust estimate.
    pub draft: f64,
    /// The draft's less what was logged.
    pub lift: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Its interval at 95 %.
    pub interval: [f64; 2],
    /// The draft's mean by self-normalised weights, which use no model: if it differs much, trust neither.
    pub self_normalised: f64,
    /// What to know.
    pub warnings: Vec<String>,
}

/// Why there is no number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refused {
    /// In a sentence.
    pub detail: String,
    /// People for whom the experience won, as recorded or by the draft.
    pub people: u64,
    /// How many of them the draft would have treated as they were, as far as that tells something.
    pub effective: f64,
    /// The part of what the draft would do that was never tried.
    pub unsupported: f64,
    /// The part of traffic that has to be given to its contents at random, so that as many people carry a number;
    /// `None` where no share is enough, or where exploration is not what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exploration_needed: Option<f64>,
}

/// A person's part in the effect: what could have been shown, what was, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    hash: u64,
    taken: usize,
    logged: usize,
    draft: usize,
    reward: f64,
}

/// What is needed of all of them. Chances and actions are few, so each is kept once.
#[derive(Debug, Default)]
pub(super) struct Effect {
    actions: Vec<Action>,
    chances: Vec<Chances>,
    units: Vec<Unit>,
    /// Whether the draft changes how often experiences with caps win.
    pub(super) caps_change: bool,
    /// People whose time for a reward is not over.
    pub(super) not_over: u64,
    /// People whose chances are not known.
    pub(super) unknown: u64,
}

impl Effect {
    pub(super) fn unit(
        &mut self,
        hash: u64,
        taken: Action,
        logged: Chances,
        draft: Chances,
        reward: f64,
    ) -> Unit {
        let taken = place(&mut self.actions, taken);
        let logged = place(&mut self.chances, logged);
        Unit { hash, taken, logged, draft: place(&mut self.chances, draft), reward }
    }

    pub(super) fn take(&mut self, unit: Option<Unit>) {
        self.units.extend(unit);
    }

    /// Takes in what another part found, its actions and chances by their places here.
    pub(super) fn add(&mut self, other: Self) {
        let actions: Vec<usize> =
            other.actions.into_iter().map(|action| place(&mut self.actions, action)).collect();
        let chances: Vec<usize> =
            other.chances.into_iter().map(|chances| place(&mut self.chances, chances)).collect();
        self.units.extend(other.units.into_iter().map(|unit| Unit {
            taken: actions[unit.taken],
            logged: chances[unit.logged],
            draft: chances[unit.draft],
            ..unit
        }));
        self.caps_change |= other.caps_change;
        self.not_over += other.not_over;
        self.unknown += other.unknown;
    }

    /// The effect, by the doubly robust estimate over means of contents, beside self-normalised weights.
    pub(super) fn lift(mut self) -> Lift {
        // Sums of the same numbers in another order may differ in their last digits.
        self.units.sort_unstable_by_key(|unit| unit.hash);
        let people = self.units.len() as u64;
        let (effective, unsupported) = self.overlap();
        let refuse = |detail: String, exploration_needed| {
            Lift::Refused(Refused { detail, people, effective, unsupported, exploration_needed })
        };
        if self.caps_change {
            let detail = "the draft changes how often experiences with caps win, so later decisions hang on what \
                          never happened";
            return refuse(detail.into(), None);
        }
        let overlap = Overlap::default();
        match self.estimates(&overlap) {
            Ok([robust, plain]) => Lift::Estimated(estimated(&robust, &plain, self.unknown)),
            Err(
                error @ (OffPolicyError::LittleOverlap { .. } | OffPolicyError::Unsupported { .. }),
            ) => {
                let actions = self.chances.iter().map(Vec::len).max().unwrap_or(1).max(2);
                let share = exploration_needed(people, actions, &overlap);
                let (words, share) = if share <= 1.0 {
                    (format!("needs an exploration share of {:.1} %", 100.0 * share), Some(share))
                } else {
                    ("so few people carry no number, whatever the share".into(), None)
                };
                refuse(format!("{error}: {words}"), share)
            }
            Err(OffPolicyError::TooFewUnits(_)) if 0 < self.not_over => {
                let detail = "the time in which rewards count is not over for anybody yet";
                refuse(detail.into(), None)
            }
            Err(error) => refuse(error.to_string(), None),
        }
    }

    /// Predictions come from the same contents among others, by what could have been shown to them.
    fn estimates(&mut self, overlap: &Overlap) -> Result<[Estimate; 2], OffPolicyError> {
        let mut means = ArmMeans::default();
        for unit in &self.units {
            means.add(unit.hash, unit.stratum(), unit.taken, unit.reward);
        }
        let mut robust = Estimator::new(Method::DoublyRobust)?;
        let mut plain = Estimator::new(Method::Snips)?;
        let Self { actions, chances, units, .. } = self;
        for unit in units {
            let (logged, draft) = (&chances[unit.logged], &chances[unit.draft]);
            let mut predicted = 0.0;
            for (action, chance) in draft {
                let action = place(actions, action.clone());
                predicted += chance * means.predict(unit.hash, unit.stratum(), action);
            }
            let taken = means.predict(unit.hash, unit.stratum(), unit.taken);
            let row = Logged {
                reward: unit.reward,
                propensity: chance(logged, &actions[unit.taken]),
                target: chance(draft, &actions[unit.taken]),
                supported: supported(draft, logged),
                predicted: Some(Predicted { taken, target: predicted }),
            };
            robust.add(&row)?;
            plain.add(&row)?;
        }
        Ok([robust.estimate(overlap)?, plain.estimate(overlap)?])
    }

    /// The effective sample, and the part of the draft's probability on what was never tried.
    fn overlap(&self) -> (f64, f64) {
        let (mut sum, mut squares, mut tried) = (0.0, 0.0, 0.0);
        for unit in &self.units {
            let (logged, draft) = (&self.chances[unit.logged], &self.chances[unit.draft]);
            let taken = &self.actions[unit.taken];
            let (target, propensity) = (chance(draft, taken), chance(logged, taken));
            let weight = if propensity > 0.0 { target / propensity } else { 0.0 };
            sum += weight;
            squares += weight * weight;
            tried += supported(draft, logged);
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of people stay far below 2^53")]
        let people = self.units.len() as f64;
        let effective = if squares > 0.0 { sum * sum / squares } else { 0.0 };
        (effective, if people > 0.0 { (1.0 - tried / people).max(0.0) } else { 0.0 })
    }
}

impl Unit {
    /// People who could have been shown the same.
    fn stratum(&self) -> u64 {
        self.logged as u64
    }
}

/// The place of a value in a list that has each once.
fn place<T: PartialEq>(all: &mut Vec<T>, value: T) -> usize {
    all.iter().position(|known| *known == value).unwrap_or_else(|| {
        all.push(value);
        all.len() - 1
    })
}

fn estimated(robust: &Estimate, plain: &Estimate, unknown: u64) -> Estimated {
    let (low, high) = robust.gain_interval(ERRORS);
    let mut warnings: Vec<String> = robust.warnings.iter().map(warning).collect();
    if 0 < unknown {
        warnings.push(format!("{unknown} people are left out, whose chances are not known"));
    }
    Estimated {
        people: robust.count,
        effective: robust.effective,
        logged: robust.value - robust.gain,
        draft: robust.value,
        lift: robust.gain,
        standard_error: robust.gain_error,
        interval: [low, high],
        self_normalised: plain.value,
        warnings,
    }
}

fn warning(warning: &Warning) -> String {
    match warning {
        Warning::LowOverlap { effective_part } => {
            format!(
                "little overlap: {:.1} % of the people carry the number",
                100.0 * effective_part
            )
        }
        Warning::HeavyUnit { part } => {
            format!("one person has {:.1} % of all weight", 100.0 * part)
        }
        Warning::WeightsOff { mean } => format!(
            "weights are {mean:.3} on average and should be 1: what was logged is not what was drawn"
        ),
    }
}

/// What a person was worth in the time after a decision, from events that may be read for analytics. Times are those of
/// metrics: from the instant of the decision on, without the end.
pub(super) fn reward(
    person: &Person,
    (event, reward): (&EventName, &Reward),
    at: Timestamp,
    snapshot: &Snapshot,
) -> f64 {
    let view = person.profile.view(&snapshot.policy, Purpose::ANALYTICS);
    let model::condition::Fact::Known(rows) = view.events(event) else { return 0.0 };
    let until = at.saturating_add(reward.within);
    let counted = rows.rows.iter().filter(|row| {
        at <= row.time && row.time < until && row.purposes.contains(Purpose::ANALYTICS)
    });
    match &reward.property {
        None => f64::from(u8::from(counted.count() > 0)),
        Some(property) => {
            let value =
                |seen: Option<model::condition::Seen<'_>>| seen.and_then(|seen| seen.as_f64());
            counted.filter_map(|row| value(row.value(rows.paths, property))).sum()
        }
    }
}
