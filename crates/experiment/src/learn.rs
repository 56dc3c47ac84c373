//! How shares follow what units did.
//!
//! Within an epoch shares are constant; between two, new ones are computed here. What is believed of arms is stratified
//! by epochs ([`stats::policy::beliefs`]), so that neither drift nor windows that are not over yet favour the arm that
//! just got more units. When an epoch ends does not depend on what its units did.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use stats::{
    gate::{Gate, gate},
    policy::{PolicyError, beliefs, epochs, shares},
};

use crate::{Arm, Direction, Metric, Stratum, StratumSums, Tally, readout::informative};

/// How many units every arm must have in an epoch before it ends.
pub const UNITS_OF_AN_EPOCH: u64 = 20;
/// The smallest change of a share, in ten-thousandths, that is worth a new epoch.
pub const CHANGE_MIN: u32 = 50;

/// A rule by which shares follow what units did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// A share is the probability that the arm is the best.
    Thompson,
    /// The same, but that the runner-up is played with this chance, from 0 to 1.
    TopTwo(f64),
    /// The best so far, but for this part, from 0 to 1, which is divided evenly.
    EpsilonGreedy(f64),
    /// What finds out soonest which arm differs from the one at this place.
    Accelerator(usize),
    /// A linear policy over cells.
    Linear(beliefs::Linear),
}

/// What is learned from.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The metric that says what is good.
    pub metric: &'a Metric,
    /// The arms that can be drawn, in the order of their shares.
    pub arms: &'a [Arm],
    /// How many cells units are told apart by: 2 to the power of the number of features, 1 without any.
    pub cells: u16,
    /// Units exposed, several or not.
    pub exposed: &'a BTreeMap<(Arm, Stratum), u64>,
    /// What they did by the metric.
    pub tallies: &'a BTreeMap<(Arm, Stratum), Tally>,
}

/// Why shares stay as they are.
#[derive(Clone, Debug, PartialEq)]
pub enum Hold {
    /// Sums do not tell the metric.
    Untold,
    /// The epoch has not told enough yet.
    Young {
        /// The arm with fewest units.
        arm: Arm,
        /// How many it has.
        units: u64,
    },
    /// There is too little of some arm to say anything.
    Collecting {
        /// The arm that has least.
        arm: Arm,
        /// Its units that tell something.
        informative: u64,
    },
    /// Nothing follows from the sums.
    Policy(PolicyError),
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untold => f.write_str(
                "shares cannot follow a quantile, or values capped by one: sums do not tell them",
            ),
            Self::Young { arm, units } => write!(
                f,
                "`{arm}` has {units} units since shares changed last; each arm needs {UNITS_OF_AN_EPOCH}"
            ),
            Self::Collecting { arm, informative } => write!(
                f,
                "`{arm}` has {informative} units that tell something; each arm needs {} before shares move",
                stats::gate::INFORMATIVE_MIN
            ),
            Self::Policy(why) => write!(f, "no shares follow from what was seen: {why}"),
        }
    }
}

impl From<PolicyError> for Hold {
    fn from(why: PolicyError) -> Self {
        Self::Policy(why)
    }
}

impl Seen<'_> {
    /// The shares of the next epoch in ten-thousandths, by cell, while `epoch` is the present one. `floor` is what each
    /// arm keeps, as a fraction of one.
    ///
    /// # Errors
    ///
    /// Why shares stay as they are.
    pub fn shares(&self, epoch: u64, rule: Rule, floor: f64) -> Result<Vec<Vec<u32>>, Hold> {
        if self.metric.needs_all_units() {
            return Err(Hold::Untold);
        }
        self.is_old_enough(epoch)?;
        self.is_enough()?;
        let cells = match rule {
            Rule::Thompson => vec![beliefs::thompson(&self.believed()?)?],
            Rule::TopTwo(runner_up) => vec![beliefs::top_two(&self.believed()?, 1.0 - runner_up)?],
            Rule::EpsilonGreedy(epsilon) => vec![beliefs::greedy(&self.believed()?, epsilon)?],
            Rule::Accelerator(control) => vec![beliefs::accelerator(&self.believed()?, control)?],
            Rule::Linear(explores) => {
                let cells: Vec<_> =
                    (0..self.cells).map(|cell| self.beliefs(Some(cell)).ok()).collect();
                beliefs::linear(&cells, self.arms.len(), explores)?
            }
        };
        let whole = |cell: Vec<f64>| {
            let floored = shares::with_floor(&cell, floor)?;
            Ok(shares::apportion(&floored, model::hash::BUCKET_COUNT)?)
        };
        cells.into_iter().map(whole).collect()
    }

    /// Whether every arm has been drawn often enough since shares changed last.
    fn is_old_enough(&self, epoch: u64) -> Result<(), Hold> {
        let units = |arm: &Arm| -> u64 {
            let of_epoch = self.exposed.iter();
            let of_epoch =
                of_epoch.filter(|((of, stratum), _)| of == arm && stratum.policy == epoch);
            of_epoch.map(|(_, units)| units).sum()
        };
        let least = self.arms.iter().map(|arm| (units(arm), arm)).min();
        match least {
            Some((units, arm)) if units < UNITS_OF_AN_EPOCH => {
                Err(Hold::Young { arm: arm.clone(), units })
            }
            _ => Ok(()),
        }
    }

    /// Whether there is enough of every arm to say anything.
    fn is_enough(&self) -> Result<(), Hold> {
        let told = |arm: &Arm| {
            let mut whole = Tally::default();
            let of_arm = self.tallies.iter().filter(|((of, _), _)| of == arm);
            of_arm.for_each(|(_, tally)| whole.merge(tally));
            informative(self.metric, &whole)
        };
        match gate(self.arms.iter().map(told)) {
            Gate::Open => Ok(()),
            Gate::Collecting { arm, informative } => match self.arms.get(arm) {
                Some(arm) => Err(Hold::Collecting { arm: arm.clone(), informative }),
                None => Err(Hold::Policy(PolicyError::Arms(0))),
            },
        }
    }

    fn believed(&self) -> Result<Vec<beliefs::Belief>, PolicyError> {
        self.beliefs(None)
    }

    /// What is believed of each arm, turned so that more is better: by the units of a cell, or by all.
    fn beliefs(&self, cell: Option<u16>) -> Result<Vec<beliefs::Belief>, PolicyError> {
        let strata = strata(self.arms, self.exposed, self.tallies, cell);
        let arms: Vec<usize> = (0..self.arms.len()).collect();
        let seen: Vec<epochs::Seen> =
            strata.iter().map(|stratum| stratum.seen(self.metric, &arms)).collect();
        let beliefs = beliefs::of(&epochs::of_arms(&seen)?)?.into_iter();
        Ok(match self.metric.direction {
            Direction::Higher => beliefs.collect(),
            Direction::Lower => beliefs.map(beliefs::Belief::turned).collect(),
        })
    }
}

/// What units did by epoch: those of one cell, or of all cells together.
fn strata(
    arms: &[Arm],
    exposed: &BTreeMap<(Arm, Stratum), u64>,
    tallies: &BTreeMap<(Arm, Stratum), Tally>,
    cell: Option<u16>,
) -> Vec<StratumSums> {
    let is_of_cell = |stratum: &Stratum| cell.is_none_or(|cell| stratum.cell == cell);
    let mut by_epoch: BTreeMap<u64, StratumSums> = BTreeMap::new();
    let empty = || StratumSums { units: 0, tallies: vec![Tally::default(); arms.len()] };
    for ((arm, stratum), units) in exposed {
        if is_of_cell(stratum) && arms.contains(arm) {
            by_epoch.entry(stratum.policy).or_insert_with(empty).units += units;
        }
    }
    for ((arm, stratum), tally) in tallies {
        let place = arms.iter().position(|known| known == arm).filter(|_| is_of_cell(stratum));
        let epoch = by_epoch.get_mut(&stratum.policy);
        if let Some(known) =
            epoch.zip(place).and_then(|(epoch, place)| epoch.tallies.get_mut(place))
        {
            known.merge(tally);
        }
    }
    by_epoch.into_values().collect()
}

/// What units did by stratum, in the order of the arms: for [`crate::read_out_over`]. Of a policy that tells cells
/// apart, each cell of an epoch is a stratum by itself, since shares differ between them.
pub fn by_stratum(
    arms: &[Arm],
    exposed: &BTreeMap<(Arm, Stratum), u64>,
    tallies: &BTreeMap<(Arm, Stratum), Tally>,
) -> Vec<StratumSums> {
    let cells: BTreeSet<u16> = exposed.keys().map(|(_, stratum)| stratum.cell).collect();
    let of_cell = |cell| strata(arms, exposed, tallies, Some(cell));
    cells.into_iter().flat_map(of_cell).collect()
}

/// Whether some share changed by enough for a new epoch.
pub fn is_worth_it(before: &[Vec<u32>], after: &[Vec<u32>]) -> bool {
    let is_alike = before.len() == after.len()
        && before.iter().zip(after).all(|(before, after)| {
            before.len() == after.len()
                && before.iter().zip(after).all(|(b, a)| b.abs_diff(*a) < CHANGE_MIN)
        });
    !is_alike
}
