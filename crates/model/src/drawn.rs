//! How a unit was drawn where shares follow what units before it did.

use serde::{Deserialize, Serialize};

/// By which policy a unit was drawn, and what its variant's share was then.
///
/// It is kept with the assignment, so that the propensity of what a unit is shown stays that of its draw however
/// shares move on, and so that units are compared with those that were drawn like them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Drawn {
    /// The version of the policy, which names the epoch; 0 before there was one, when weights divided the units.
    pub policy: u64,
    /// In which audiences that the policy tells apart the unit was: bit i stands for the i-th.
    pub cell: u16,
    /// The share of the variant, in ten-thousandths.
    pub buckets: u16,
}
