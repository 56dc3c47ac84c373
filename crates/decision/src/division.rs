//! What divides all units at once: holdouts that several experiences share, and exclusion groups.

use std::collections::BTreeSet;

use model::{
    Key,
    definition::{Fault, State},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Share, bucket::MAX_SALT_BYTES};

/// Most slots of an exclusion group.
pub const MAX_SLOTS: usize = 200;
/// Most tags that a holdout names.
pub const MAX_HOLDOUT_TAGS: usize = 50;

/// A share of all units to whom none of its experiences is shown, so that what they do together can be measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldoutDocument {
    /// Its key.
    pub key: Key,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Only a live one holds anybody.
    #[serde(default)]
    pub state: State,
    /// The share of all units that it holds out.
    pub share: Share,
    /// Only experiences with one of these tags; all experiences when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub experience_tags: Vec<String>,
    /// What it draws with; the key when absent. A new salt holds out others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub salt: Option<String>,
}

/// Experiences of which a unit takes part in at most one: each has a slot, and each unit lies in one slot at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExclusionGroupDocument {
    /// Its key.
    pub key: Key,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Experiences that act need a live one.
    #[serde(default)]
    pub state: State,
    /// Its slots, which share no unit. What no slot covers takes part in nothing.
    #[schemars(length(max = 200))]
    pub slots: Vec<Slot>,
}

/// A fixed range of a group's units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Its key within the group.
    pub key: Key,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the range starts, included.
    pub from: Share,
    /// Where the range ends, not included.
    pub to: Share,
}

/// All divisions that act.
#[derive(Clone, Debug, Default)]
pub struct Divisions {
    /// The holdouts, in key order.
    pub holdouts: Vec<HoldoutDocument>,
    /// The exclusion groups.
    pub exclusion_groups: Vec<ExclusionGroupDocument>,
}

impl HoldoutDocument {
    /// Whether it holds units from an experience with these tags.
    pub fn covers(&self, tags: &[String]) -> bool {
        self.experience_tags.is_empty() || tags.iter().any(|tag| self.experience_tags.contains(tag))
    }

    /// What is wrong with it.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(salt) = &self.salt
            && !(1..=MAX_SALT_BYTES).contains(&salt.len())
        {
            faults.push(Fault::new("/salt", format!("a salt has 1 to {MAX_SALT_BYTES} bytes")));
        }
        if self.experience_tags.len() > MAX_HOLDOUT_TAGS {
            let detail = format!("a holdout names at most {MAX_HOLDOUT_TAGS} tags");
            faults.push(Fault::new("/experience_tags", detail));
        }
        faults.extend(never_paused(self.state, "a holdout"));
        faults
    }
}

impl ExclusionGroupDocument {
    /// The slot with this key.
    pub fn slot(&self, key: &Key) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.key == *key)
    }

    /// What is wrong with it.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.slots.len() > MAX_SLOTS {
            let detail = format!("an exclusion group has at most {MAX_SLOTS} slots");
            return vec![Fault::new("/slots", detail)];
        }
        let mut keys = BTreeSet::new();
        for (place, slot) in self.slots.iter().enumerate() {
            if slot.to <= slot.from {
                let detail = "must be greater than `from`";
                faults.push(Fault::new(format!("/slots/{place}/to"), detail));
            }
            if !keys.insert(&slot.key) {
                let detail = format!("there is another slot `{}`", slot.key);
                faults.push(Fault::new(format!("/slots/{place}/key"), detail));
            }
            let before = self.slots.iter().take(place);
            if let Some(other) = before.into_iter().find(|other| slot.overlaps(other)) {
                let detail = format!("overlaps slot `{}`", other.key);
                faults.push(Fault::new(format!("/slots/{place}/from"), detail));
            }
        }
        faults.extend(never_paused(self.state, "an exclusion group"));
        faults
    }
}

impl Slot {
    fn overlaps(&self, other: &Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}

fn never_paused(state: State, what: &str) -> Option<Fault> {
    let detail = || format!("{what} is draft, live or archived, never paused");
    (state == State::Paused).then(|| Fault::new("/state", detail()))
}
