//! The shares of now, of an experience whose shares follow what units did.

use model::{
    Purpose, Timestamp, UnitId,
    condition::{Facts, Names, Rule},
    definition::Fault,
    hash::BUCKET_COUNT,
};
use serde_json::json;

use super::{Versioned, compile};
use crate::{
    ExperienceDocument, PolicyDocument, Share,
    bucket::Salt,
    document::{Allocation, Mode},
    policy::{Adaptive, MAX_FEATURES, MAX_SHARES},
};

/// What acts now.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    /// By what units are told apart.
    pub(crate) features: Box<[Rule]>,
    /// `None` while weights divide the units.
    policy: Option<Shares>,
}

/// The shares of a policy.
#[derive(Clone, Debug)]
struct Shares {
    version: u64,
    salt: Salt,
    /// By cell where the range of each variant ends.
    ends: Box<[Box<[u32]>]>,
}

impl Epoch {
    /// Compiles how shares follow what units did; `None` where they do not.
    pub(super) fn compile(
        document: &ExperienceDocument,
        named: Option<(&Names, Purpose)>,
        policies: &[Versioned<PolicyDocument>],
        faults: &mut Vec<Fault>,
    ) -> Option<Self> {
        let Allocation::Adaptive(adaptive) = &document.allocation else { return None };
        check(document, adaptive, faults);
        let mut features = Vec::with_capacity(adaptive.features.len());
        for (place, audience) in adaptive.features.iter().enumerate() {
            let pointer = format!("/allocation/features/{place}");
            match compile::rule(&json!({"audience": audience}), "", named) {
                Ok(rule) => features.push(rule),
                Err(found) => {
                    faults.extend(found.into_iter().map(|one| Fault::new(&*pointer, one.detail)));
                }
            }
        }
        let policy = policies.iter().find(|policy| policy.document.key == document.key);
        let policy = policy.and_then(|policy| Shares::of(policy, document));
        Some(Self { features: features.into(), policy })
    }

    /// The version of the policy that acts; 0 while weights do.
    pub(crate) fn policy(&self) -> u64 {
        self.policy.as_ref().map_or(0, |policy| policy.version)
    }

    /// Which of the audiences that are told apart hold somebody; one that may not be known does not.
    pub(crate) fn cell(&self, facts: &dyn Facts, now: Timestamp) -> u16 {
        let bits = self.features.iter().enumerate().map(|(place, rule)| {
            u16::from(rule.evaluate(facts, now).truth.is_true()).wrapping_shl(bit(place))
        });
        bits.sum()
    }

    /// A unit's bucket, whose variant owns it by its place, and that variant's range; `None` while weights act.
    pub(super) fn draw(&self, cell: u16, unit: UnitId) -> Option<(u32, usize, (u32, u32))> {
        let policy = self.policy.as_ref()?;
        let ends = policy.ends.get(usize::from(cell))?;
        let bucket = policy.salt.bucket(unit);
        let place = ends.iter().position(|end| bucket < *end)?;
        let start = place.checked_sub(1).and_then(|before| ends.get(before)).copied();
        Some((bucket, place, (start.unwrap_or_default(), *ends.get(place)?)))
    }
}

/// There are few features, so a place is a bit.
fn bit(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl Shares {
    /// The shares of a policy, where it is one of this experience.
    fn of(policy: &Versioned<PolicyDocument>, document: &ExperienceDocument) -> Option<Self> {
        let Versioned { version, document: policy } = policy;
        if !policy.fits(document) {
            return None;
        }
        let ends = |shares: &Vec<Share>| -> Box<[u32]> {
            let ends = shares.iter().scan(0_u32, |sum, share| {
                *sum = sum.saturating_add(share.buckets());
                Some(*sum)
            });
            ends.collect()
        };
        let text = document.salt.as_deref().unwrap_or(document.key.as_str());
        Some(Self {
            version: *version,
            salt: Salt::of_epoch(text, *version),
            ends: policy.cells.iter().map(ends).collect(),
        })
    }
}

fn check(document: &ExperienceDocument, adaptive: &Adaptive, faults: &mut Vec<Fault>) {
    let mut fault = |pointer: &str, detail: String| faults.push(Fault::new(pointer, detail));
    let Adaptive { policy, every, floor, features, exploration } = adaptive;
    let drawn = document.variants.iter().filter(|variant| 0 < variant.weight).count();
    if document.goal.is_none() {
        fault("/goal", "what shares follow is the goal: name a metric".into());
    }
    if document.mode == Mode::Aa {
        fault("/allocation/kind", "an A/A test divides units by fixed weights".into());
    }
    if drawn < 2 {
        fault(
            "/variants",
            "shares can follow what units did only among two variants or more".into(),
        );
    }
    if every.0 < 60_000 {
        fault("/allocation/every", "shares stay as they are for a minute or more".into());
    }
    let whole = usize::try_from(floor.buckets()).unwrap_or(usize::MAX).saturating_mul(drawn);
    if *floor == Share::NONE || usize::try_from(BUCKET_COUNT).unwrap_or_default() < whole {
        let detail =
            format!("a floor lies above 0, and {drawn} of them are no more than everything");
        fault("/allocation/floor", detail);
    }
    let told = 1..=MAX_FEATURES;
    match (policy.is_contextual(), features.len()) {
        (true, count) if !told.contains(&count) => {
            let detail = format!("this policy tells units apart by 1 to {MAX_FEATURES} audiences");
            fault("/allocation/features", detail);
        }
        (true, count) if MAX_SHARES >> count < document.variants.len() => {
            let detail = format!(
                "2 to the power of {count} cells with {} variants are more than {MAX_SHARES} shares",
                document.variants.len()
            );
            fault("/allocation/features", detail);
        }
        (false, 1..) => {
            fault("/allocation/features", "only `lin_ts` and `lin_ucb` tell units apart".into());
        }
        _ => {}
    }
    let range = match policy {
        crate::Policy::TopTwo | crate::Policy::EpsilonGreedy => 0.0..=1.0,
        crate::Policy::LinTs | crate::Policy::LinUcb => 0.01..=100.0,
        crate::Policy::Thompson | crate::Policy::Accelerator => {
            if exploration.is_some() {
                fault("/allocation/exploration", "this policy has nothing to set".into());
            }
            return;
        }
    };
    if exploration.is_some_and(|given| !range.contains(&given)) {
        let detail = format!("a number from {} to {}", range.start(), range.end());
        fault("/allocation/exploration", detail);
    }
}
