//! A compiled condition: what it needs to know, and its evaluation.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Duration, Key, Timestamp, consent::PurposeKey, value::Path};

use super::{Condition, EventName, Facts, Verdict};

/// What a rule reads. The union over live definitions is the dependency index and the projection of timelines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Event names, each with the properties read of it.
    pub events: BTreeMap<EventName, BTreeSet<Path>>,
    /// Traits.
    pub traits: BTreeSet<Path>,
    /// Context values: a rule with any of these can only be answered within a request.
    pub contexts: BTreeSet<Path>,
    /// Other audiences.
    pub audiences: BTreeSet<Key>,
    /// Purposes asked about by `{"consent": …}`.
    pub purposes: BTreeSet<PurposeKey>,
    /// The longest window over events; `None` when some event condition has none (lifetime).
    pub longest_window: Option<Duration>,
}

/// A condition, compiled.
#[derive(Clone, Debug)]
pub struct Rule {
    condition: Condition,
    needs: Needs,
}

/// One step of an explained evaluation, in document order; children follow their parent.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Step {
    /// JSON pointer of the condition inside the rule.
    pub pointer: String,
    /// The condition in words, as in `count of "Order Completed" within 30d is 2, wanted gte 3`.
    pub text: String,
    /// Its verdict.
    pub truth: super::Truth,
    /// Until when that holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
}

impl Rule {
    /// Compiles `condition`.
    pub fn compile(condition: Condition) -> Self {
        todo!("{condition:?}")
    }

    /// The condition it was compiled from.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// What it reads.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Evaluates at `now`.
    pub fn evaluate(&self, facts: &dyn Facts, now: Timestamp) -> Verdict {
        todo!("{now:?} {}", facts.unit())
    }

    /// Evaluates every part at `now` and tells what each found.
    pub fn explain(&self, facts: &dyn Facts, now: Timestamp) -> Vec<Step> {
        todo!("{now:?} {}", facts.unit())
    }
}
