//! The simplest model of a reward: the mean of each action, in each stratum, from other units.

use std::collections::BTreeMap;

/// How many parts the units are divided into, of which each is predicted from the others.
const FOLDS: usize = 5;

/// Means by action and stratum, with cross-fitting: what is predicted for a unit comes from the folds that it is
/// not in, so that no unit's own reward makes its prediction look right (V. Chernozhukov et al., "Double/debiased
/// machine learning", 2018).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArmMeans {
    cells: BTreeMap<(u64, usize), Cell>,
    whole: Cell,
}

/// Counts and sums of a cell, by fold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cell {
    counts: [u64; FOLDS],
    sums: [f64; FOLDS],
}

impl Cell {
    fn add(&mut self, fold: usize, reward: f64) {
        self.counts[fold] += 1;
        self.sums[fold] += reward;
    }

    /// How many, and their sum, outside of a fold.
    fn outside(&self, fold: usize) -> (u64, f64) {
        let others = (0..self.counts.len()).filter(|other| *other != fold);
        others.fold((0, 0.0), |(n, sum), other| (n + self.counts[other], sum + self.sums[other]))
    }
}

impl ArmMeans {
    /// Takes in the reward of a unit. `hash` puts the unit into a fold; all rows of one unit have the same.
    pub fn add(&mut self, hash: u64, stratum: u64, action: usize, reward: f64) {
        let fold = fold(hash);
        self.cells.entry((stratum, action)).or_default().add(fold, reward);
        self.whole.add(fold, reward);
    }

    /// What a unit with this hash would earn with an action: the mean of the other folds, drawn towards the mean of
    /// everything by one unit, so that there is a prediction for what was hardly tried.
    pub fn predict(&self, hash: u64, stratum: u64, action: usize) -> f64 {
        let fold = fold(hash);
        let (all, total) = self.whole.outside(fold);
        let typical = if all > 0 { total / super::number(all) } else { 0.0 };
        let cell = self.cells.get(&(stratum, action)).map(|cell| cell.outside(fold));
        let (n, sum) = cell.unwrap_or_default();
        (sum + typical) / (super::number(n) + 1.0)
    }
}

fn fold(hash: u64) -> usize {
    usize::try_from(hash % FOLDS as u64).unwrap_or_default()
}
