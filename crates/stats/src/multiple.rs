//! Many tests at once: p-values and evidence adjusted so that a level means what it says for all of them together.

use crate::effect::Level;
use crate::sample::float;
use crate::undefined::{Undefined, within};

/// What is kept at the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Correction {
    /// The chance of any false alarm, under any dependence: p·m.
    Bonferroni,
    /// The same with more power (Holm 1979); the default for few comparisons.
    Holm,
    /// The expected share of false ones among the alarms, for independent or positively dependent tests (Benjamini
    /// and Hochberg 1995).
    BenjaminiHochberg,
    /// The same under any dependence (Benjamini and Yekutieli 2001), as for always-valid p-values that were stopped
    /// by looking at all of them.
    BenjaminiYekutieli,
}

/// The adjusted p-values, in the order of the given: each is an alarm at every level that it does not exceed.
///
/// # Errors
/// When some p-value is not from 0 to 1.
pub fn adjust(correction: Correction, p_values: &[f64]) -> Result<Vec<f64>, Undefined> {
    for p_value in p_values {
        within("a p-value", "from 0 to 1", *p_value, (0.0..=1.0).contains(p_value))?;
    }
    let count = float(p_values.len() as u64);
    // How much the p-value of a rank, counted from 1, is multiplied by.
    let harmonic: f64 = (1..=p_values.len()).map(|rank| 1.0 / float(rank as u64)).sum();
    let factor = |rank: usize| {
        let rank = float(rank as u64);
        match correction {
            Correction::Bonferroni => count,
            Correction::Holm => count - rank + 1.0,
            Correction::BenjaminiHochberg => count / rank,
            Correction::BenjaminiYekutieli => harmonic * count / rank,
        }
    };
    let mut ranked: Vec<(usize, f64)> = p_values.iter().copied().enumerate().collect();
    ranked.sort_by(|one, other| one.1.total_cmp(&other.1));
    for (place, (_, p_value)) in ranked.iter_mut().enumerate() {
        *p_value = (*p_value * factor(place + 1)).min(1.0);
    }
    match correction {
        // A step down: no p-value is below one before it.
        Correction::Bonferroni | Correction::Holm => carry(ranked.iter_mut(), f64::max),
        // A step up: none is above one after it.
        _ => carry(ranked.iter_mut().rev(), f64::min),
    }
    let mut adjusted = vec![1.0; p_values.len()];
    for (position, p_value) in ranked {
        if let Some(place) = adjusted.get_mut(position) {
            *place = p_value;
        }
    }
    Ok(adjusted)
}

fn carry<'a>(ranked: impl Iterator<Item = &'a mut (usize, f64)>, of_two: impl Fn(f64, f64) -> f64) {
    let mut before = None;
    for (_, p_value) in ranked {
        *p_value = before.map_or(*p_value, |before| of_two(before, *p_value));
        before = Some(*p_value);
    }
}

/// Which tests are alarms by their evidence (e-BH): in the order of the given.
///
/// The k largest e-values, for the largest k whose smallest is at least m/(α·k). Keeps the expected share of false
/// alarms under any dependence and at any time, so it is right for sequences as they are.
/// Source: Wang and Ramdas, "False discovery rate control with e-values", JRSS B 84(3), 2022.
///
/// # Errors
/// When some evidence is no number.
pub fn alarms_by_evidence(ln_e_values: &[f64], level: Level) -> Result<Vec<bool>, Undefined> {
    if ln_e_values.iter().any(|it| it.is_nan()) {
        return Err(Undefined::OutOfRange { name: "the evidence" });
    }
    let needed = (float(ln_e_values.len() as u64) / level.alpha()).ln();
    let mut ranked = ln_e_values.to_vec();
    ranked.sort_by(|one, other| other.total_cmp(one));
    let least = ranked
        .iter()
        .enumerate()
        .rev()
        .find(|(place, ln_e_value)| **ln_e_value >= needed - float(*place as u64 + 1).ln())
        .map(|(_, ln_e_value)| *ln_e_value);
    Ok(ln_e_values.iter().map(|it| least.is_some_and(|least| *it >= least)).collect())
}

#[cfg(test)]
mod tests;
