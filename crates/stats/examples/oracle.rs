//! Answers questions to this crate, one JSON object on each line, so that other programs can compare themselves:
//! `cargo run -p stats --example oracle < questions.jsonl > answers.jsonl`.
//!
//! An answer is `{"ok": …}` or `{"error": "…"}`. `tests/stats` asks, and compares with independent packages.

use std::io::{BufRead as _, Write as _};

use serde::Deserialize;
use serde_json::{Value, json};
use stats::adjusted::{RatioPairs, cuped, cuped_ratio, post_stratified, ratio};
use stats::bayes::{self, Posterior, Prior};
use stats::effect::{Effect, Estimate, Inference, Level, Scale};
use stats::looks::{Boundaries, repeated_p_value};
use stats::multiple::{Correction, adjust, alarms_by_evidence};
use stats::power::{Design, Reading, needed};
use stats::quantile::Quantile;
use stats::sample::{Pairs, Sums};
use stats::{Undefined, cap, exact, fixed, sequence, split};

type Values = Vec<f64>;

#[derive(Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
enum Question {
    Effect { scale: Relation, arms: Arms, by: Method },
    Pooled { control: Values, treatment: Values },
    Exact { scale: Relation, control: Values, treatment: Values },
    Split { counts: Vec<u64>, weights: Values, concentration: Option<f64> },
    Looks { fractions: Values, level: f64, power: f64 },
    Repeated { fractions: Values, power: f64, control: Values, treatment: Values },
    Adjust { correction: String, p_values: Values },
    Evidence { ln_e_values: Values, level: f64 },
    Standings { arms: Vec<(String, f64, f64)> },
    Power { effect: f64, unit_variance: f64, control: f64, treatment: f64 },
    Needed { effect: f64, unit_variance: f64, ratio: f64, power: f64 },
    Cap { values: Values, share: f64 },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Relation {
    Absolute,
    Relative,
}

/// Both arms, by how an estimate is made of them.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Arms {
    Mean(Values, Values),
    Share(Values, Values),
    Ratio(Vec<(f64, f64)>, Vec<(f64, f64)>),
    Cuped(Vec<(f64, f64)>, Vec<(f64, f64)>),
    /// Of each unit numerator and denominator, then both before.
    CupedRatio(Vec<[f64; 4]>, Vec<[f64; 4]>),
    Strata(Vec<Values>, Vec<Values>),
    /// The share, then the sorted values of both.
    Quantile(f64, Values, Values),
    /// The share, the sorted values of both, and for each unit how many values are below and how many there are.
    Clustered(f64, Values, Values, Vec<(f64, f64)>, Vec<(f64, f64)>),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    Welch,
    Normal,
    Asymptotic(f64),
    Mixture(f64),
    Posterior(Option<(f64, f64)>),
}

impl From<Relation> for Scale {
    fn from(relation: Relation) -> Self {
        match relation {
            Relation::Absolute => Self::Absolute,
            Relation::Relative => Self::Relative,
        }
    }
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str::<Question>(&line?) {
            Ok(question) => answer(question)
                .map_or_else(|why| json!({"error": why.to_string()}), |found| json!({"ok": found})),
            Err(error) => json!({"error": format!("no question: {error}")}),
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

const LEVEL: Level = Level::FIVE_PERCENT;

fn answer(question: Question) -> Result<Value, Undefined> {
    match question {
        Question::Effect { scale, arms, by } => infer(&effect(scale.into(), arms)?, &by),
        Question::Pooled { control, treatment } => {
            fixed::pooled_shares(&Sums::of(control), &Sums::of(treatment)).map(Value::from)
        }
        Question::Exact { scale, control, treatment } => {
            let (control, treatment) = (Sums::of(control), Sums::of(treatment));
            Ok(inference(&exact::shares(scale.into(), &control, &treatment, LEVEL)?))
        }
        Question::Split { counts, weights, concentration } => {
            let found = match concentration {
                None => split::chi_squared(&counts, &weights)?,
                Some(concentration) => split::sequential(&counts, &weights, concentration)?,
            };
            Ok(json!({"p_value": found.p_value, "ln_e_value": found.ln_e_value}))
        }
        Question::Looks { fractions, level, power } => {
            Ok(json!(Boundaries::new(&fractions, Level::new(level)?, power)?.std_errors()))
        }
        Question::Repeated { fractions, power, control, treatment } => {
            let effect = effect(Scale::Absolute, Arms::Mean(control, treatment))?;
            repeated_p_value(&fractions, &effect, power).map(Value::from)
        }
        Question::Adjust { correction, p_values } => {
            Ok(json!(adjust(correction_of(&correction)?, &p_values)?))
        }
        Question::Evidence { ln_e_values, level } => {
            Ok(json!(alarms_by_evidence(&ln_e_values, Level::new(level)?)?))
        }
        Question::Standings { arms } => standings(&arms),
        Question::Power { effect, unit_variance, control, treatment } => {
            let design =
                Design { unit_variance, control_units: control, treatment_units: treatment };
            let power = design.power(effect, LEVEL, Reading::Once)?;
            let detectable = design.detectable(power, LEVEL, Reading::Once)?;
            Ok(json!({"power": power, "detectable": detectable}))
        }
        Question::Needed { effect, unit_variance, ratio, power } => {
            let found = needed(effect, unit_variance, ratio, power, LEVEL, Reading::Once)?;
            Ok(json!({"control": found.control_units, "treatment": found.treatment_units}))
        }
        Question::Cap { values, share } => cap::cap_at(&values, share).map(Value::from),
    }
}

fn effect(scale: Scale, arms: Arms) -> Result<Effect, Undefined> {
    let (control, treatment) = match arms {
        Arms::Mean(one, other) => (Sums::of(one).as_mean()?, Sums::of(other).as_mean()?),
        Arms::Share(one, other) => (Sums::of(one).as_share()?, Sums::of(other).as_share()?),
        Arms::Ratio(one, other) => (ratio(&Pairs::of(one))?, ratio(&Pairs::of(other))?),
        Arms::Cuped(one, other) => return cuped(scale, &Pairs::of(one), &Pairs::of(other)),
        Arms::CupedRatio(one, other) => {
            return cuped_ratio(scale, &with_history(one), &with_history(other));
        }
        Arms::Strata(one, other) => post_stratified(&strata(one), &strata(other))?,
        Arms::Quantile(share, one, other) => (quantile(&one, share)?, quantile(&other, share)?),
        Arms::Clustered(share, one, other, below_one, below_other) => (
            Quantile::of_sorted(&one, share)?.estimate_clustered(&Pairs::of(below_one))?,
            Quantile::of_sorted(&other, share)?.estimate_clustered(&Pairs::of(below_other))?,
        ),
    };
    Effect::new(scale, &control, &treatment)
}

fn with_history(units: Vec<[f64; 4]>) -> RatioPairs {
    let mut sums = RatioPairs::default();
    for [above, below, above_before, below_before] in units {
        sums.add((above, below), (above_before, below_before));
    }
    sums
}

fn strata(values: Vec<Values>) -> Vec<Sums> {
    values.into_iter().map(Sums::of).collect()
}

fn quantile(values: &[f64], share: f64) -> Result<Estimate, Undefined> {
    Quantile::of_sorted(values, share)?.estimate()
}

fn infer(effect: &Effect, by: &Method) -> Result<Value, Undefined> {
    let mut found = match by {
        Method::Welch => inference(&fixed::welch(effect, LEVEL)?),
        Method::Normal => inference(&fixed::normal(effect, LEVEL)?),
        Method::Asymptotic(units) => inference(&sequence::asymptotic(effect, LEVEL, *units)?),
        Method::Mixture(deviation) => inference(&sequence::mixture(effect, LEVEL, *deviation)?),
        Method::Posterior(prior) => posterior(effect, *prior)?,
    };
    found["estimate"] = json!(effect.estimate);
    found["std_error"] = json!(effect.std_error);
    found["degrees_of_freedom"] = json!(effect.degrees_of_freedom);
    Ok(found)
}

fn inference(found: &Inference) -> Value {
    json!({
        "low": found.interval.low,
        "high": found.interval.high,
        "p_value": found.p_value,
        "ln_e_value": found.ln_e_value,
    })
}

fn posterior(effect: &Effect, prior: Option<(f64, f64)>) -> Result<Value, Undefined> {
    let prior = prior.map(|(mean, deviation)| Prior { mean, deviation });
    let posterior = Posterior::of_effect(effect, prior)?;
    let interval = bayes::credible_interval(&posterior, LEVEL)?;
    let loss = bayes::expected_loss(&posterior)?;
    Ok(json!({
        "mean": posterior.mean(),
        "deviation": posterior.deviation(),
        "chance": bayes::chance_above_zero(&posterior)?,
        "loss": [loss.of_control, loss.of_treatment],
        "low": interval.low,
        "high": interval.high,
    }))
}

fn standings(arms: &[(String, f64, f64)]) -> Result<Value, Undefined> {
    let posterior = |(kind, one, other): &(String, f64, f64)| match kind.as_str() {
        "beta" => Posterior::Beta { successes: *one, failures: *other },
        _ => Posterior::Gaussian { mean: *one, deviation: *other },
    };
    let found = bayes::standings(&arms.iter().map(posterior).collect::<Vec<_>>())?;
    Ok(found.iter().map(|arm| json!([arm.chance_best, arm.expected_loss])).collect())
}

fn correction_of(name: &str) -> Result<Correction, Undefined> {
    match name {
        "bonferroni" => Ok(Correction::Bonferroni),
        "holm" => Ok(Correction::Holm),
        "fdr_bh" => Ok(Correction::BenjaminiHochberg),
        "fdr_by" => Ok(Correction::BenjaminiYekutieli),
        _ => Err(Undefined::Impossible { reason: "no correction has this name" }),
    }
}
