//! Tests for a few looks that are planned ahead, with a maximum of units: more power than a sequence that may be
//! looked at at any time.

use crate::effect::{Effect, Interval, Level};
use crate::quadrature::{Nodes, nodes};
use crate::special::{normal_above, normal_density, normal_quantile_above};
use crate::undefined::{Undefined, within};

/// More looks than one a week for two years gain nothing over a sequence, and cost time.
pub const LOOKS_MAX: usize = 104;
/// Looks that lie closer together than this share of all units are one look.
pub const STEP_MIN: f64 = 1e-3;
/// Beyond so many standard errors a boundary cannot be told from none.
const BOUND_MAX: f64 = 8.0;
/// From where on a normal density counts for nothing: 10⁻¹⁷ lies beyond.
const TAIL: f64 = 8.5;
/// Halvings of an interval of 16 standard errors until no digit changes.
const HALVINGS: u32 = 60;

/// The boundaries of a group sequential test.
#[derive(Clone, Debug, PartialEq)]
pub struct Boundaries {
    /// How many standard errors from 0 an effect must be at each look.
    std_errors: Vec<f64>,
}

/// What a planned look says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Covers the truth with a chance of at least 1−α at all looks together (repeated confidence interval).
    pub interval: Interval,
    /// Whether the boundary is reached, that is, whether the interval leaves 0 out.
    pub is_reached: bool,
}

impl Boundaries {
    /// The boundaries after Lan and DeMets with α(t) = α·t^power, each side spending half.
    ///
    /// `fractions` are the shares t of the largest number of units that each look sees, rising to at most 1; the
    /// looks need not be known ahead, only their largest number of units: those up to now are enough.
    /// A power of 1 spends evenly (near Pocock), 3 late (near O'Brien and Fleming).
    ///
    /// With Bₖ = √tₖ·Zₖ, which has independent increments under no effect, the bound cₖ solves
    /// P(Bⱼ ≤ √tⱼ·cⱼ for all j < k, Bₖ > √tₖ·cₖ) = (α(tₖ) − α(tₖ₋₁))/2, integrated numerically to some ten digits.
    /// A side ignores that the other may have been reached before, which makes bounds wider by less than 10⁻⁴.
    ///
    /// Sources: Lan and DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70, 1983; Armitage,
    /// McPherson and Rowe 1969 (the recursion); Jennison and Turnbull 1989 (repeated intervals).
    ///
    /// # Errors
    /// Without looks, with more than [`LOOKS_MAX`], when fractions do not rise by [`STEP_MIN`] at least, or when the
    /// power is not from 0.1 to 10.
    pub fn new(fractions: &[f64], level: Level, power: f64) -> Result<Self, Undefined> {
        within("the power of spending", "from 0.1 to 10", power, (0.1..=10.0).contains(&power))?;
        check(fractions)?;
        let spent = |fraction: f64| 0.5 * level.alpha() * fraction.powf(power);
        let mut std_errors = Vec::with_capacity(fractions.len());
        let mut still: Option<Density> = None;
        let mut before = 0.0;
        for (look, fraction) in fractions.iter().enumerate() {
            let share = spent(*fraction) - spent(before);
            let increment = (fraction - before).sqrt();
            let scale = fraction.sqrt();
            let bound = match &still {
                None => normal_quantile_above(share).min(BOUND_MAX),
                Some(density) => density.bound(share, increment, scale),
            };
            std_errors.push(bound);
            if let Some(next) = fractions.get(look + 1) {
                let panel = increment.min((next - fraction).sqrt());
                let end = bound * scale;
                still = Some(Density::after(still.as_ref(), increment, end, scale, panel));
            }
            before = *fraction;
        }
        Ok(Self { std_errors })
    }

    /// How many standard errors from 0 an effect must be at each look, in their order.
    pub fn std_errors(&self) -> &[f64] {
        &self.std_errors
    }

    /// What the effect says at the look with this position.
    ///
    /// Assumes that the looks before said nothing, and that the units seen are the planned share.
    ///
    /// # Errors
    /// When there is no such look, or the effect is none that [`Effect::new`] makes.
    pub fn look(&self, look: usize, effect: &Effect) -> Result<Look, Undefined> {
        let bound = self.std_errors.get(look).ok_or(Undefined::Lengths {
            left: look.saturating_add(1),
            right: self.std_errors.len(),
        })?;
        let interval = effect.around(*bound)?;
        Ok(Look { interval, is_reached: effect.z()?.abs() >= *bound })
    }
}

/// The least level at which the boundary of the last of these looks is reached (repeated p-value): two-sided.
///
/// # Errors
/// As [`Boundaries::new`] and [`Boundaries::look`].
pub fn repeated_p_value(fractions: &[f64], effect: &Effect, power: f64) -> Result<f64, Undefined> {
    let z = effect.z()?.abs();
    let reached = |ln_alpha: f64| {
        let boundaries = Boundaries::new(fractions, Level::new(ln_alpha.exp())?, power)?;
        Ok(boundaries.std_errors.last().is_some_and(|bound| z >= *bound))
    };
    let (mut low, mut high) = (Level::MIN.ln() + 1e-9, (1.0 - 1e-9f64).ln());
    if !reached(high)? {
        return Ok(1.0);
    }
    if reached(low)? {
        return Ok(Level::MIN);
    }
    while high - low > 1e-9 {
        let middle = f64::midpoint(low, high);
        if reached(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high.exp())
}

fn check(fractions: &[f64]) -> Result<(), Undefined> {
    if fractions.is_empty() {
        return Err(Undefined::NoUnits);
    }
    if fractions.len() > LOOKS_MAX {
        return Err(Undefined::OutOfRange { name: "the number of looks" });
    }
    let mut before = 0.0;
    for fraction in fractions {
        let rises = *fraction >= before + STEP_MIN && *fraction <= 1.0;
        within(
            "a look's share of units",
            "above that before by 0.001, at most 1",
            *fraction,
            rises,
        )?;
        before = *fraction;
    }
    Ok(())
}

/// The density of B where no boundary was reached so far, at the nodes of an integral.
struct Density {
    nodes: Nodes,
    /// The density at each node, times the node's weight.
    weighted: Vec<f64>,
}

impl Density {
    fn after(before: Option<&Self>, increment: f64, end: f64, scale: f64, panel: f64) -> Self {
        let nodes = nodes(-TAIL * scale, end, 2.0 * panel);
        let weighted = nodes
            .iter()
            .map(|(at, weight)| {
                let density = match before {
                    None => normal_density(at / increment) / increment,
                    Some(before) => before.next(*at, increment),
                };
                density * weight
            })
            .collect();
        Self { nodes, weighted }
    }

    fn integrate(&self, kernel: impl Fn(f64) -> f64) -> f64 {
        std::iter::zip(&self.nodes, &self.weighted).map(|((at, _), mass)| mass * kernel(*at)).sum()
    }

    fn next(&self, at: f64, increment: f64) -> f64 {
        self.integrate(|from| {
            let distance = (at - from) / increment;
            if distance.abs() > TAIL { 0.0 } else { normal_density(distance) / increment }
        })
    }

    /// The bound that is passed with the chance `share` at the next look.
    fn bound(&self, share: f64, increment: f64, scale: f64) -> f64 {
        let passed =
            |bound: f64| self.integrate(|from| normal_above((bound * scale - from) / increment));
        if passed(BOUND_MAX) >= share {
            return BOUND_MAX;
        }
        let (mut low, mut high) = (-BOUND_MAX, BOUND_MAX);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if passed(middle) > share {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }
}

#[cfg(test)]
mod tests;
