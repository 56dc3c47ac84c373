//! Where units go and what they do: the worlds that are played.

use crate::draws::Draws;
use crate::sample::float;

/// How units are spread over the arms, by the share of the play that has passed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Split {
    /// The first arm (control) has this share, the others the rest in equal parts.
    Control(f64),
    /// The second arm's share rises in three steps from 5 % to a half.
    Ramp,
}

impl Split {
    /// The arm of the next unit.
    pub(crate) fn arm(self, draws: &mut Draws, arms: usize, passed: f64) -> usize {
        let control = match self {
            Self::Control(share) => share,
            Self::Ramp if passed < 1.0 / 3.0 => 0.95,
            Self::Ramp if passed < 2.0 / 3.0 => 0.75,
            Self::Ramp => 0.5,
        };
        if draws.yes(control) { 0 } else { 1 + draws.below(arms - 1) }
    }
}

/// What a unit does: its value, and a second quantity (before the exposure, or a denominator).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values {
    /// Converts with this chance.
    Conversion(f64),
    /// Buys with this chance, for a sum whose logarithm is normal with this deviation and whose median is 30.
    Revenue { buys: f64, spread: f64 },
    /// Does about what it did before, so that most of how units differ is known.
    History,
    /// Clicks on some of the pages it sees; each unit has a taste of its own.
    Clicks,
}

impl Values {
    pub(crate) fn draw(self, draws: &mut Draws) -> (f64, f64) {
        match self {
            Self::Conversion(chance) => (count(draws.yes(chance)), 0.0),
            Self::Revenue { buys, spread } if draws.yes(buys) => {
                (30.0 * (spread * draws.normal()).exp(), 0.0)
            }
            Self::Revenue { .. } => (0.0, 0.0),
            Self::History => {
                let before = 10.0 + 4.0 * draws.normal();
                (before + 2.0 * draws.normal(), before)
            }
            Self::Clicks => {
                let pages = 1 + draws.below(9);
                let taste = 0.4 * draws.uniform();
                let clicks = (0..pages).filter(|_| draws.yes(taste)).count();
                (float(clicks as u64), float(pages as u64))
            }
        }
    }

    /// The same with `lift` more on average: more who convert, or more who buy.
    pub(crate) fn lifted(self, lift: f64) -> Self {
        match self {
            Self::Conversion(chance) => Self::Conversion(chance * (1.0 + lift)),
            Self::Revenue { buys, spread } => Self::Revenue { buys: buys * (1.0 + lift), spread },
            Self::History | Self::Clicks => self,
        }
    }
}

fn count(is_yes: bool) -> f64 {
    if is_yes { 1.0 } else { 0.0 }
}
