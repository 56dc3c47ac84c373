//! An experience whose shares follow what its units did, played as it is run: over epochs, with a floor, and shares
//! that stay until there is enough to move them.

use super::{PolicyError, drawn, happens};
use crate::{
    draws::Draws,
    gate::{Gate, gate},
    policy::{
        beliefs::{self, Belief},
        epochs,
        shares::{FLOOR_USUAL, with_floor},
    },
    sample::Sums,
};

/// How many units pass between two looks at whether an epoch is over.
const LOOK_EVERY: u32 = 200;
/// How many units every arm must have in an epoch before it ends.
const UNITS_OF_AN_EPOCH: u64 = 20;

/// What is played.
#[derive(Clone, Copy, Debug)]
pub struct Programme<'a> {
    /// The chance of each arm that a unit converts, by the cell that the unit is in. Cells are equally frequent, and
    /// all have the same arms.
    pub rates: &'a [&'a [f64]],
    /// Whether the policy is told the cell of a unit; one that is not sees a single cell.
    pub is_cell_known: bool,
    /// How many units come.
    pub units: u32,
}

/// From what is believed of each arm by cell, `None` where nothing is, to the shares of the arms by cell.
pub type Next<'a> = dyn Fn(&[Option<Vec<Belief>>]) -> Result<Vec<Vec<f64>>, PolicyError> + 'a;

/// What was played.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// How many conversions were to be expected less than if each unit had got the best arm of its cell.
    pub regret: f64,
    /// The same if shares had been equal throughout.
    pub regret_of_equal: f64,
    /// What the arms did by epoch, all cells together.
    pub epochs: Vec<Vec<Sums>>,
}

impl Programme<'_> {
    /// Plays it once.
    ///
    /// # Errors
    /// Those of the policy.
    pub fn play(&self, next: &Next<'_>, draws: &mut Draws) -> Result<Played, PolicyError> {
        let arms = self.rates.first().map_or(0, |rates| rates.len());
        let cells = if self.is_cell_known { self.rates.len() } else { 1 };
        let nothing = vec![vec![Sums::default(); arms]; cells];
        let mut shares = vec![vec![1.0 / super::number(arms as u64); arms]; cells];
        let mut epochs = vec![nothing.clone()];
        let (mut regret, mut regret_of_equal) = (0.0, 0.0);
        for unit in 0..self.units {
            if unit.is_multiple_of(LOOK_EVERY) && is_over(&epochs) {
                let cells: Vec<_> = (0..cells).map(|cell| believed(&epochs, cell).ok()).collect();
                let floored = next(&cells)?.into_iter().map(|cell| with_floor(&cell, FLOOR_USUAL));
                shares = floored.collect::<Result<_, _>>()?;
                epochs.push(nothing.clone());
            }
            let cell = draws.below(self.rates.len());
            let seen = if self.is_cell_known { cell } else { 0 };
            let arm = drawn(&shares[seen], draws);
            let rates = self.rates[cell];
            if let Some(epoch) = epochs.last_mut() {
                epoch[seen][arm].add(happens(rates[arm], draws));
            }
            let best = rates.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            regret += best - rates[arm];
            regret_of_equal += best - rates.iter().sum::<f64>() / super::number(arms as u64);
        }
        let whole = epochs.iter().map(|epoch| (0..arms).map(|arm| total(epoch, arm)).collect());
        Ok(Played { regret, regret_of_equal, epochs: whole.collect() })
    }
}

impl Played {
    /// The regret as a part of that of equal shares; NaN where all arms are alike, so that none has a regret.
    pub fn relative_regret(&self) -> f64 {
        self.regret / self.regret_of_equal
    }

    /// The difference in means between an arm and the one at `control`, by epochs.
    ///
    /// # Errors
    /// Those of [`epochs::difference`].
    pub fn difference(
        &self,
        arm: usize,
        control: usize,
    ) -> Result<epochs::Stratified, PolicyError> {
        let epoch = |arms: &Vec<Sums>| epochs::Epoch {
            arm: arms[arm],
            control: arms[control],
            units: arms.iter().map(|sums| sums.count).sum(),
        };
        epochs::difference(&self.epochs.iter().map(epoch).collect::<Vec<_>>())
    }
}

/// Whether each arm has enough units in the present epoch, and enough that tell something in all.
fn is_over(epochs: &[Vec<Vec<Sums>>]) -> bool {
    let Some(present) = epochs.last() else { return false };
    let arms = present.first().map_or(0, Vec::len);
    let is_old = (0..arms).all(|arm| UNITS_OF_AN_EPOCH <= total(present, arm).count);
    let informative = |arm: usize| {
        let mut whole = Sums::default();
        epochs.iter().for_each(|epoch| whole.merge(&total(epoch, arm)));
        whole.informative()
    };
    is_old && gate((0..arms).map(informative)) == Gate::Open
}

/// What is believed of each arm by the units of a cell.
fn believed(epochs: &[Vec<Vec<Sums>>], cell: usize) -> Result<Vec<Belief>, PolicyError> {
    let seen = |epoch: &Vec<Vec<Sums>>| -> Option<epochs::Seen> {
        let arms: Result<Vec<_>, _> = epoch[cell].iter().map(Sums::as_mean).collect();
        let units = epoch[cell].iter().map(|sums| sums.count).sum();
        Some(epochs::Seen { units, arms: arms.ok()? })
    };
    beliefs::of(&epochs::of_arms(&epochs.iter().filter_map(seen).collect::<Vec<_>>())?)
}

fn total(cells: &[Vec<Sums>], arm: usize) -> Sums {
    let mut sums = Sums::default();
    cells.iter().for_each(|cell| sums.merge(&cell[arm]));
    sums
}
