//! Stages: an ordered set of which a person is always in exactly one.
//!
//! Everybody begins in the first stage. Each further one has a condition, and a person is in the
//! furthest stage that they have reached: one whose condition holds for them, or that of a stage
//! after it. So a stage is compiled to what an audience is, namely who has reached it.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use model::{
    Key, Purpose, Value,
    condition::{Condition, NamedStages, Names, Rule, Stay, Subject},
    consent::PurposeKey,
    definition::{Fault, State},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most stages of one definition. Each refers to the next, and references go a bounded number deep.
pub const MAX_STAGES: usize = 12;

/// The definition of stages, such as need, research, decision and customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StagesDocument {
    /// The key they are referred to by, as in `{"stage": "car", "in": ["research"]}`.
    pub key: Key,
    /// What people call them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which way it is that people go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words to find them by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether they act. They are draft, live or archived, never paused.
    #[serde(default)]
    pub state: State,
    /// The purpose whose data they are worked out from and whose views show them.
    #[serde(default)]
    pub purpose: PurposeKey,
    /// Whether people may go back.
    #[serde(default)]
    pub policy: StagePolicy,
    /// The stages, from the first to the furthest: 2 to 12.
    pub stages: Vec<StageDocument>,
}

/// Whether people may go back to an earlier stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StagePolicy {
    /// They are in the furthest stage whose condition holds now.
    #[default]
    MayReturn,
    /// They are in the furthest stage whose condition held once.
    AdvanceOnly,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageDocument {
    /// Its key, unlike that of the others.
    pub key: Key,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who is that far. The first stage has none: everybody is in it who is in no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Condition>")]
    pub condition: Option<Value>,
}

/// Live stages, as the catalog is compiled from them.
#[derive(Clone, Debug)]
pub struct LiveStages {
    /// The definition.
    pub document: StagesDocument,
    /// Its version.
    pub version: u32,
    /// The number of its purpose; `None` when the workspace has no purpose of that key.
    pub purpose: Option<Purpose>,
}

impl StagesDocument {
    /// What is wrong with the list of stages, their conditions left aside.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let count = self.stages.len();
        if !(2..=MAX_STAGES).contains(&count) {
            let detail = format!("there are 2 to {MAX_STAGES} stages, not {count}");
            faults.push(Fault::new("/stages", detail));
        }
        let mut seen = BTreeSet::new();
        for (place, StageDocument { key, condition, .. }) in self.stages.iter().enumerate() {
            if !seen.insert(key) {
                let detail = format!("there is another stage `{key}`");
                faults.push(Fault::new(format!("/stages/{place}/key"), detail));
            }
            let detail = match (place, condition) {
                (0, Some(_)) => "everybody is in the first stage who is in no other; leave it out",
                (1.., None) => "say who has come to this stage",
                _ => continue,
            };
            faults.push(Fault::new(format!("/stages/{place}/condition"), detail));
        }
        faults
    }

    /// What conditions need to know of it.
    pub fn named(&self, version: u32, purpose: Purpose) -> NamedStages {
        let keys: Vec<Key> = self.stages.iter().map(|stage| stage.key.clone()).collect();
        NamedStages {
            reached: keys.iter().skip(1).map(|key| key.within(&self.key)).collect(),
            keys,
            version,
            purpose,
            purpose_key: self.purpose.clone(),
        }
    }
}

/// A stage on its way to being compiled: who has reached it, or what is wrong with its condition.
pub(crate) struct Reached {
    /// The name under which it is recorded.
    pub(crate) key: Key,
    pub(crate) rule: Result<Rule, Vec<Fault>>,
    /// Where its condition stands in the definition.
    pub(crate) place: String,
}

/// What the stages of a definition are compiled to, all but the first.
pub(crate) fn reached(live: &LiveStages, names: &Names) -> Vec<Reached> {
    let LiveStages { document, purpose, .. } = live;
    let mut found: Vec<Reached> = Vec::new();
    for (place, stage) in document.stages.iter().enumerate().skip(1).rev() {
        let place = format!("/stages/{place}/condition");
        let condition = stage.condition.as_ref().unwrap_or(&Value::Null);
        let parsed = Condition::parse(condition).and_then(|mut condition| {
            let wrong = purpose.map(|purpose| condition.link(names, purpose)).unwrap_or_default();
            if wrong.is_empty() { Ok(condition) } else { Err(wrong) }
        });
        let parsed = parsed.and_then(|condition| match asks_context(&condition) {
            Some(pointer) => {
                let detail =
                    "how far somebody is does not depend on the request; leave the context out";
                Err(vec![Fault::new(pointer, detail)])
            }
            None => Ok(condition),
        });
        let rule = parsed.map(|condition| {
            let further = found.last().map(|further| further.key.clone());
            Rule::compile(match further {
                Some(key) => Condition::Any(vec![
                    condition,
                    Condition::Audience { key, stay: Stay::Present },
                ]),
                None => condition,
            })
        });
        found.push(Reached { key: stage.key.within(&document.key), rule, place });
    }
    found
}

/// Where a condition asks about the context.
fn asks_context(condition: &Condition) -> Option<String> {
    let mut found = None;
    condition.visit(&mut |pointer, part| {
        let asks = match part {
            Condition::Context { .. } => true,
            Condition::Pair(pair) => pair.subject == Subject::Context,
            Condition::Dated(dated) => dated.subject == Subject::Context,
            _ => false,
        };
        if asks {
            found.get_or_insert(format!("{pointer}/context"));
        }
    });
    found
}

/// Where a part of a compiled stage stands in its definition; `None` for what was put around it.
pub(crate) fn original(place: &str, pointer: &str, is_furthest: bool) -> Option<String> {
    let inside = if is_furthest { pointer } else { pointer.strip_prefix("/any/0")? };
    Some(format!("{place}{inside}"))
}
