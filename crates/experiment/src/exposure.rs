//! Exposures: that an experience won for somebody, what they got, and when.

use std::fmt;

use model::{Key, Timestamp};
use serde::{Deserialize, Serialize};

/// Most arms whose first exposure is kept of a strand: more would say nothing but that it changed again.
pub const MAX_ARMS_OF_A_UNIT: usize = 8;

/// What those got for whom an experience won.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Arm {
    /// This variant.
    Variant(Key),
    /// The default, since the experience's own holdout kept them away.
    Holdout,
    /// The default, since a holdout that several experiences share kept them away.
    SharedHoldout,
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variant(key) => key.fmt(f),
            Self::Holdout => f.write_str("holdout"),
            Self::SharedHoldout => f.write_str("shared_holdout"),
        }
    }
}

/// That an experience won for a unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Exposure {
    /// When. Declared first, so that exposures order by age.
    pub at: Timestamp,
    /// What the unit got.
    pub arm: Arm,
    /// The version of the experience's definition; 0 where it is not known.
    pub version: u64,
}

/// Among whom a unit was divided at random: where shares changed, what units did tells how arms differ only among units
/// that were divided by the same shares.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Stratum {
    /// What divided them. Under an allocation that learns it is the epoch, which is the version of the policy whose
    /// shares acted; 0 while the document's weights do. Of weights that replaced others it is 2⁶³ and the
    /// version of the definition since which they have held.
    pub policy: u64,
    /// The cell of the unit's features; 0 of a policy without features.
    pub cell: u16,
}

/// Marks that weights of the document divided a unit, which were not its first.
const BY_WEIGHTS: u64 = 1 << 63;

impl Stratum {
    /// That of all units that the first weights of an experience divided.
    pub const ONLY: Self = Self { policy: 0, cell: 0 };

    /// That of units that were divided by weights which have held since a version; 0 of the first.
    pub fn of_weights(since: u64) -> Self {
        match since {
            0 => Self::ONLY,
            since => Self { policy: BY_WEIGHTS | since, cell: 0 },
        }
    }

    /// The epoch whose policy divided the units; `None` where weights did.
    pub fn epoch(self) -> Option<u64> {
        (self.policy != 0 && self.policy & BY_WEIGHTS == 0).then_some(self.policy)
    }
}

/// What a unit was exposed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exposed<'a> {
    /// One arm, first by this exposure.
    Once(&'a Exposure),
    /// Several arms: what it did tells nothing about any of them.
    Several(&'a Exposure),
}

/// What a unit with these exposures, of all its strands, was exposed to; `None` where there are none.
///
/// The earliest counts. Of two at the same instant it is the one whose arm sorts first, whatever the order here.
pub fn effective<'a>(exposures: impl IntoIterator<Item = &'a Exposure>) -> Option<Exposed<'a>> {
    let mut first: Option<&Exposure> = None;
    let mut is_several = false;
    for exposure in exposures {
        is_several |= first.is_some_and(|first| first.arm != exposure.arm);
        first = Some(first.map_or(exposure, |first| first.min(exposure)));
    }
    first.map(|first| if is_several { Exposed::Several(first) } else { Exposed::Once(first) })
}
