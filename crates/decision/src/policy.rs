//! Policies: how units that come new to an experience are divided, by what the ones before them did.
//!
//! A policy is a definition like others, with versions, but the program writes it as it learns. Its version is the
//! *epoch*: units that are drawn within one are divided by constant shares, so they can be compared.

use model::{Duration, Key, definition::State, hash::BUCKET_COUNT};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ExperienceDocument, Share};

/// Most audiences by which a policy tells units apart.
pub const MAX_FEATURES: usize = 8;
/// Most shares of a policy, of all its cells together.
pub const MAX_SHARES: usize = 2_000;

/// How shares follow what units did, by the experience's `goal`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adaptive {
    /// The rule.
    pub policy: Policy,
    /// How long shares stay at least as they are; from the fortieth epoch on a twentieth of its number times as long.
    #[serde(default = "hourly")]
    pub every: Duration,
    /// The share that each variant keeps at least, so that one that becomes better can show it.
    #[serde(default = "hundredth")]
    pub floor: Share,
    /// The audiences by which `lin_ts` and `lin_ucb` tell units apart, as they were when a unit was drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub features: Vec<Key>,
    /// How much is tried out. Of `top_two` the part that goes to the challenger (0.5), of `epsilon_greedy` the part
    /// that is divided evenly (0.1), of `lin_ucb` the width of the bound in standard errors (1), of `lin_ts` that of
    /// the belief (1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploration: Option<f64>,
}

fn hourly() -> Duration {
    Duration::hours(1)
}

fn hundredth() -> Share {
    Share::from_buckets(100).unwrap_or_default()
}

/// A rule by which shares follow what units did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// A variant's share is the probability that it is the best.
    Thompson,
    /// A part of the units gets the one that is probably best, the rest its challenger: finds the best one sooner.
    TopTwo,
    /// The best so far, but for a part that is divided evenly.
    EpsilonGreedy,
    /// What finds out soonest which variant differs from the control.
    Accelerator,
    /// Thompson sampling of a linear model over the features.
    LinTs,
    /// The highest upper bound of a linear model over the features.
    LinUcb,
}

impl Policy {
    /// Whether it tells units apart.
    pub fn is_contextual(self) -> bool {
        matches!(self, Self::LinTs | Self::LinUcb)
    }
}

impl PolicyDocument {
    /// Whether it divides the units of this experience: it is of the same variants and features, and gives every
    /// variant that can be drawn a share, and no other.
    pub fn fits(&self, document: &ExperienceDocument) -> bool {
        let Some(adaptive) = document.allocation.adaptive() else { return false };
        let is_of_variants = self.variants.iter().eq(document.variants.iter().map(|v| &v.key));
        let is_of_cells = self.cells.len() == 1 << adaptive.features.len().min(MAX_FEATURES);
        let is_whole = |shares: &Vec<Share>| {
            let is_drawn = document.variants.iter().map(|variant| 0 < variant.weight);
            shares.iter().map(|share| *share != Share::NONE).eq(is_drawn)
                && shares.iter().map(|share| share.buckets()).sum::<u32>() == BUCKET_COUNT
        };
        is_of_variants
            && is_of_cells
            && self.features == adaptive.features
            && self.cells.iter().all(is_whole)
    }
}

/// How units that come new to an experience are divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyDocument {
    /// The key of the experience.
    pub key: Key,
    /// Only a live one acts.
    #[serde(default)]
    pub state: State,
    /// The experience's version from which it was learned.
    pub experience_version: u64,
    /// The metric by which it was learned.
    pub metric: Key,
    /// The audiences by which units are told apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub features: Vec<Key>,
    /// The experience's variants, in its order.
    #[schemars(length(min = 1, max = 200))]
    pub variants: Vec<Key>,
    /// By cell the share of each variant. Bit i of a cell's place says whether the unit is in the i-th audience.
    #[schemars(length(min = 1, max = 256))]
    pub cells: Vec<Vec<Share>>,
    /// From what it was learned, in a sentence.
    pub because: String,
}
