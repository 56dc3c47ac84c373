//! By which weights units were divided: since which version of an experience's definition they have held.
//!
//! Units that were divided by other weights are a stratum of their own. Where weights changed from 19:1 to 1:1 while
//! people did less and less, most units of the first arm are from before, and to compare all of both would compare
//! then with now.

use std::collections::BTreeMap;

use decision::{Allocation, ExperienceDocument};
use experiment::Stratum;
use model::Key;
use parking_lot::Mutex;

use super::results;
use crate::{definitions::Kind, state::Shared};

/// Most versions of which it is remembered; then all are read again.
const KNOWN_MAX: usize = 10_000;

/// What is known of versions: since which the weights of each have held.
#[derive(Debug, Default)]
pub(crate) struct Plans(Mutex<BTreeMap<(Key, u64), u64>>);

/// The weights of the variants that can be drawn, in lowest terms, and the buckets that are held out.
type Weights = (Vec<(Key, u32)>, u32);

/// How a version divides units.
#[derive(PartialEq)]
enum Plan {
    /// By weights.
    Weights(Weights),
    /// By what units did, or by somebody else.
    Otherwise,
}

impl Plans {
    /// The stratum of units that a version of an experience divided by its weights. All units of an experience whose
    /// weights never changed are of one.
    pub(super) fn stratum(&self, shared: &Shared, experience: &Key, version: u64) -> Stratum {
        let mut known = self.0.lock();
        let place = (experience.clone(), version);
        let since = match known.get(&place) {
            Some(since) => *since,
            None => {
                let since = since(&known, shared, &place);
                if KNOWN_MAX <= known.len() {
                    known.clear();
                }
                known.insert(place, since);
                since
            }
        };
        Stratum::of_weights(since)
    }
}

/// The version since which the weights of a version have held; 0 where there were no others before, or that is not
/// known.
fn since(
    known: &BTreeMap<(Key, u64), u64>,
    shared: &Shared,
    (experience, version): &(Key, u64),
) -> u64 {
    let plan = plan(shared, experience, *version);
    if !matches!(plan, Some(Plan::Weights(_))) {
        return 0;
    }
    let mut first = *version;
    loop {
        let before = first.saturating_sub(1);
        match self::plan(shared, experience, before) {
            None => return 0,
            other if other != plan => return first,
            _ => {}
        }
        if let Some(since) = known.get(&(experience.clone(), before)) {
            return *since;
        }
        first = before;
    }
}

/// How a version divides units; `None` where it is not there.
fn plan(shared: &Shared, experience: &Key, version: u64) -> Option<Plan> {
    let found = shared.registry.get(&*shared.store, Kind::Experience, experience, Some(version));
    let document = results::document(&found.ok()?.document)?;
    Some(match document.allocation {
        Allocation::Fixed {} => Plan::Weights(weights(&document)),
        Allocation::Adaptive(_) | Allocation::External {} => Plan::Otherwise,
    })
}

/// The weights of a definition, whether they divide units or only say how somebody else should.
pub(super) fn weights(document: &ExperienceDocument) -> Weights {
    let drawn = document.variants.iter().filter(|variant| 0 < variant.weight);
    let drawn: Vec<(Key, u32)> = drawn.map(|v| (v.key.clone(), v.weight)).collect();
    let divisor = drawn.iter().fold(0, |known, (_, weight)| divisor(known, *weight)).max(1);
    let drawn = drawn.into_iter().map(|(key, weight)| (key, weight / divisor));
    (drawn.collect(), document.holdout.buckets())
}

/// The greatest that divides both.
fn divisor(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { divisor(other, one % other) }
}
