//! One experiment, watched at every unit.

use super::arms::{Split, Values};
use crate::draws::Draws;
use crate::gate::INFORMATIVE_MIN;
use crate::sample::{Pairs, float};

/// An experiment that is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Experiment {
    pub(crate) split: Split,
    pub(crate) values: Values,
    /// How much more the treatments have on average, as a share.
    pub(crate) lift: f64,
    pub(crate) arms: usize,
    /// How many units all arms get.
    pub(crate) units: u32,
    /// How many informative units every arm must have before anybody looks.
    pub(crate) gate: u64,
}

impl Experiment {
    /// Two arms of this split and these values, without an effect, behind the usual gate.
    pub(crate) fn of_two(split: Split, values: Values, units: u32) -> Self {
        Self { split, values, lift: 0.0, arms: 2, units, gate: INFORMATIVE_MIN }
    }

    /// 1 when what is looked at after each unit is ever true of some treatment beside the control, else 0.
    pub(crate) fn ever(&self, draws: &mut Draws, is_it: impl Fn(&Pairs, &Pairs) -> bool) -> f64 {
        let is_ever = self.watch(draws, |arms, changed| {
            let Some((control, treatments)) = arms.split_first() else { return false };
            match changed.checked_sub(1).and_then(|position| treatments.get(position)) {
                Some(treatment) => is_it(control, treatment),
                None => treatments.iter().any(|treatment| is_it(control, treatment)),
            }
        });
        if is_ever { 1.0 } else { 0.0 }
    }

    /// Whether what is looked at is ever true; it sees all arms and which of them just changed.
    pub(crate) fn watch(&self, draws: &mut Draws, is_it: impl Fn(&[Pairs], usize) -> bool) -> bool {
        let mut arms = vec![Pairs::default(); self.arms];
        let lifted = self.values.lifted(self.lift);
        let mut is_open = false;
        for unit in 0..self.units {
            let passed = f64::from(unit) / f64::from(self.units);
            let changed = self.split.arm(draws, self.arms, passed);
            let (first, second) = if changed == 0 { self.values } else { lifted }.draw(draws);
            if let Some(arm) = arms.get_mut(changed) {
                arm.add(first, second);
            }
            // The gate never closes again, as the looks before have been seen.
            is_open = is_open || arms.iter().all(|arm| arm.first.informative() >= self.gate);
            if is_open && is_it(&arms, changed) {
                return true;
            }
        }
        false
    }

    /// The same, looked at only after these shares of all units, whose position is told.
    pub(crate) fn at(
        &self,
        draws: &mut Draws,
        fractions: &[f64],
        is_it: impl Fn(usize, &Pairs, &Pairs) -> bool,
    ) -> f64 {
        let is_ever = self.watch(draws, |arms, _| {
            let [control, treatment] = arms else { return false };
            let units = float(control.first.count + treatment.first.count);
            let is_now = |fraction: &f64| (fraction * f64::from(self.units) - units).abs() < 0.5;
            let Some(look) = fractions.iter().position(is_now) else { return false };
            is_it(look, control, treatment)
        });
        if is_ever { 1.0 } else { 0.0 }
    }
}
