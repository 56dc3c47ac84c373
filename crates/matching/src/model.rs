//! What was learnt: how likely each level is for matches and for strangers, and what that weighs.

use serde::{Deserialize, Serialize};

use crate::{
    em::Mixture,
    plan::Plan,
    records::{MISSING, Records},
};

/// A model of Fellegi and Sunter. It holds probabilities only, nothing of any record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The probability that two records drawn at random match, 0 to 1.
    pub lambda: f64,
    /// What each comparison says, in the order of the settings.
    pub comparisons: Vec<Learnt>,
}

/// What one comparison says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learnt {
    /// The column.
    pub column: String,
    /// Its levels, the last one being everything else.
    pub levels: Vec<LearntLevel>,
}

/// How likely a level is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearntLevel {
    /// The level, as the settings write it; `else` is the last.
    pub level: String,
    /// Its probability where two records match, 0 to 1.
    pub m: f64,
    /// Its probability where they do not, 0 to 1.
    pub u: f64,
}

impl LearntLevel {
    /// What the level adds to the weight of a match, in bits.
    pub fn weight(&self) -> f64 {
        (self.m / self.u).log2()
    }
}

/// A model that was learnt for other settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelFault {
    /// Its comparisons or levels are others.
    #[error("the model was learnt for other comparisons: at `{0}` they differ")]
    Comparison(String),
    /// A probability is none.
    #[error("the model has a probability of `{0}` that is not between 0 and 1")]
    Probability(String),
}

/// The names of a comparison's levels, the last one being `else`.
pub(crate) fn level_names(plan: &Plan, comparison: usize) -> Vec<String> {
    let levels = plan.comparisons().get(comparison).into_iter().flat_map(|it| &it.levels);
    levels.map(ToString::to_string).chain(["else".to_owned()]).collect()
}

impl Model {
    pub(crate) fn new(plan: &Plan, lambda: f64, mixture: &Mixture) -> Self {
        let learnt = |(place, (m, u)): (usize, (&Vec<f64>, &Vec<f64>))| {
            let probabilities = m.iter().zip(u);
            let levels = level_names(plan, place).into_iter().zip(probabilities);
            let column = plan.comparisons().get(place).map(|it| it.column.clone());
            Learnt {
                column: column.unwrap_or_default(),
                levels: levels.map(|(level, (&m, &u))| LearntLevel { level, m, u }).collect(),
            }
        };
        let comparisons = mixture.m.iter().zip(&mixture.u).enumerate().map(learnt).collect();
        Self { lambda, comparisons }
    }

    /// Checks that this model, read from somewhere, fits the settings.
    ///
    /// # Errors
    /// Where it does not.
    pub fn check(&self, plan: &Plan) -> Result<(), ModelFault> {
        let is_open = |probability: f64| 0.0 < probability && probability < 1.0;
        if !is_open(self.lambda) {
            return Err(ModelFault::Probability("lambda".into()));
        }
        let count = self.comparisons.len().max(plan.comparisons().len());
        for place in 0..count {
            let learnt = self.comparisons.get(place);
            let expected = plan.comparisons().get(place).map(|it| it.column.as_str());
            let names: Vec<String> =
                learnt.into_iter().flat_map(|it| &it.levels).map(|it| it.level.clone()).collect();
            let column = learnt.map(|it| it.column.as_str());
            if column != expected || names != level_names(plan, place) {
                let name = expected.or(column).unwrap_or_default();
                return Err(ModelFault::Comparison(name.to_owned()));
            }
            let mut levels = learnt.into_iter().flat_map(|it| &it.levels);
            if levels
                .any(|level| !(0.0 < level.m && level.m <= 1.0 && 0.0 < level.u && level.u <= 1.0))
            {
                return Err(ModelFault::Probability(expected.unwrap_or_default().to_owned()));
            }
        }
        Ok(())
    }
}

/// Weighs pairs by a model.
#[derive(Debug)]
pub(crate) struct Scale<'a> {
    plan: &'a Plan,
    records: &'a Records,
    /// What is known before anything is compared, in bits.
    prior: f64,
    /// By comparison, then by level, in bits.
    weights: Vec<Vec<f64>>,
    /// For each comparison with term frequencies, the level they count at, its u in bits and its column.
    frequencies: Vec<Option<Frequencies>>,
}

#[derive(Clone, Copy, Debug)]
struct Frequencies {
    level: u8,
    u_bits: f64,
    column: usize,
}

/// A pair with what it weighs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The record that came first.
    pub a: u32,
    /// The other one.
    pub b: u32,
    /// The logarithm to base 2 of the odds that they match, in bits.
    pub weight: f64,
}

impl Scored {
    /// The probability that they match, 0 to 1.
    pub fn probability(&self) -> f64 {
        1.0 / (1.0 + (-self.weight).exp2())
    }
}

/// The weight at which a pair matches with this probability.
pub fn weight_of(probability: f64) -> f64 {
    (probability / (1.0 - probability)).log2()
}

/// Why two records are taken for one person, or not. The parts add up to the weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What two records drawn at random weigh, in bits.
    pub prior: f64,
    /// What each comparison adds.
    pub parts: Vec<Part>,
}

/// What one comparison adds.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The comparison's place in the settings.
    pub comparison: usize,
    /// The level's place from 0; `None` where a value is missing.
    pub level: Option<usize>,
    /// What the level adds, in bits.
    pub weight: f64,
    /// What it adds that the value is rare, or takes away when it is common, in bits.
    pub term_frequency: f64,
}

impl Explanation {
    /// What it all adds up to, in bits.
    pub fn weight(&self) -> f64 {
        self.parts.iter().fold(self.prior, |sum, part| sum + part.weight + part.term_frequency)
    }
}

impl<'a> Scale<'a> {
    pub(crate) fn new(plan: &'a Plan, records: &'a Records, model: &Model) -> Self {
        let mut frequencies = Vec::new();
        for (compared, learnt) in plan.compared().iter().zip(&model.comparisons) {
            let level = compared.exact_level().filter(|_| compared.term_frequency);
            frequencies.push(level.and_then(|level| {
                let u = learnt.levels.get(usize::from(level) - 1)?.u;
                Some(Frequencies { level, u_bits: u.log2(), column: compared.column })
            }));
        }
        let weights = |learnt: &Learnt| learnt.levels.iter().map(LearntLevel::weight).collect();
        Self {
            plan,
            records,
            prior: weight_of(model.lambda),
            weights: model.comparisons.iter().map(weights).collect(),
            frequencies,
        }
    }

    /// The logarithm to base 2 of the odds that two records match.
    pub(crate) fn weight(&self, a: u32, b: u32) -> f64 {
        let pattern = self.plan.pattern(self.records, a, b);
        let parts = self.weights.iter().enumerate().map(|(comparison, weights)| {
            let level = pattern.level(comparison);
            let Some(weight) = usize::from(level).checked_sub(1).and_then(|it| weights.get(it))
            else {
                return 0.0;
            };
            weight + self.term_frequency(comparison, level, a)
        });
        parts.fold(self.prior, |sum, part| sum + part)
    }

    /// The exact level's chance is that of two values being equal at all; that of this value is its frequency.
    fn term_frequency(&self, comparison: usize, level: u8, record: u32) -> f64 {
        let Some(Some(frequencies)) = self.frequencies.get(comparison) else { return 0.0 };
        let Some(column) = self.records.column(frequencies.column) else { return 0.0 };
        let code = self.records.code(record, frequencies.column);
        if level != frequencies.level || code == MISSING {
            return 0.0;
        }
        frequencies.u_bits - column.frequency(code).log2()
    }

    pub(crate) fn explain(&self, a: u32, b: u32) -> Explanation {
        let pattern = self.plan.pattern(self.records, a, b);
        let part = |(comparison, weights): (usize, &Vec<f64>)| {
            let level = pattern.level(comparison);
            let place = usize::from(level).checked_sub(1);
            Part {
                comparison,
                level: place,
                weight: place.and_then(|place| weights.get(place)).copied().unwrap_or(0.0),
                term_frequency: self.term_frequency(comparison, level, a),
            }
        };
        let parts = self.weights.iter().enumerate().map(part).collect();
        Explanation { prior: self.prior, parts }
    }
}
