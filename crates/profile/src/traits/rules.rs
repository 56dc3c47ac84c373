//! What definitions say about traits: what is kept of their values, of which type they are, how they are handled.

use std::{cmp::Ordering, collections::BTreeMap};

use compact_str::CompactString;
use model::{Key, SourceKey, Value, definition::Fault, definition::State, hash, value::Object};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Sensitivity, TraitValue, traits::MAX_NAME_BYTES};

/// Most values of a union.
pub const MAX_UNION: usize = 100;
/// Values of a union where nothing is said.
const UNION: usize = 20;
/// Most sources of a priority.
const MAX_SOURCES: usize = 50;
/// Key that no definition of a trait may have: its path is that of the report on use.
const RESERVED: &str = "usage";

/// The definition of a trait, as people write it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraitDocument {
    /// The key of the definition.
    pub key: Key,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it says about somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether it acts. It is draft, live or archived, never paused.
    #[serde(default)]
    pub state: State,
    /// The name of the trait as it is sent; the key without.
    #[serde(default, rename = "trait", skip_serializing_if = "Option::is_none")]
    pub sent_as: Option<String>,
    /// What it is held for, in a sentence. The report on use lists traits without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_use: Option<String>,
    /// How carefully its value is to be handled.
    #[serde(default)]
    pub sensitivity: Sensitivity,
    /// The type of its values; values of another are not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<TraitType>,
    /// What is kept of several values.
    #[serde(default)]
    pub merge: MergeWord,
    /// How many values a union keeps, 1 to 100; 20 without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The sources whose word counts most, the first before the second; for `source_priority`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceKey>,
}

/// The type of a trait's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraitType {
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    List,
    /// An object.
    Object,
}

/// What is kept of the values of a trait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MergeWord {
    /// The newest by event time.
    #[default]
    Last,
    /// The oldest by event time.
    First,
    /// The greatest: of numbers by value, of texts by code point, so that dates order as dates.
    Max,
    /// The least.
    Min,
    /// The sum of the numbers of all events.
    Sum,
    /// The different values, those seen last; every element of a list is one.
    Union,
    /// The newest of the source that counts most.
    SourcePriority,
}

/// What is kept of the values of a trait, with what that takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Merge {
    /// The newest.
    #[default]
    Last,
    /// The oldest.
    First,
    /// The greatest.
    Max,
    /// The least.
    Min,
    /// The sum.
    Sum,
    /// So many different ones.
    Union(usize),
    /// The newest of the first of these sources.
    SourcePriority(Vec<SourceKey>),
}

/// What a definition says about a trait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraitRule {
    /// What is kept of its values.
    pub merge: Merge,
    /// The type of its values, where only one is kept.
    pub kind: Option<TraitType>,
    /// How carefully its value is to be handled.
    pub sensitivity: Sensitivity,
}

/// The live definitions of traits, by the name that is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraitRules {
    by_name: BTreeMap<CompactString, TraitRule>,
    epoch: u64,
}

impl TraitRules {
    /// Rules by the names of traits.
    pub fn new(by_name: BTreeMap<CompactString, TraitRule>) -> Self {
        let mut text = String::new();
        let merged = by_name.iter().filter(|(_, rule)| !rule.is_plain());
        for (name, TraitRule { merge, kind, .. }) in merged {
            text.push_str(&format!("{}:{name}{merge:?}{kind:?};", name.len()));
        }
        let epoch = if text.is_empty() { 0 } else { hash::event_name(&text) };
        Self { by_name, epoch }
    }

    /// Nothing is said about any trait.
    pub(super) const fn none() -> Self {
        Self { by_name: BTreeMap::new(), epoch: 0 }
    }

    /// Whether nothing is said about any trait.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// What is said about a trait.
    pub fn get(&self, name: &str) -> Option<&TraitRule> {
        self.by_name.get(name)
    }

    /// Names what is kept of values: traits folded under another epoch must be folded anew. 0 where of
    /// every trait any newest value is.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How carefully the value at a path among traits is to be handled: as the strictest says of a trait of that very
    /// name and of the one that the path leads into.
    pub fn sensitivity(&self, path: &str) -> Sensitivity {
        let first = path.split_once('.').map_or(path, |(first, _)| first);
        let rules = [path, first].into_iter().filter_map(|name| self.get(name));
        rules.map(|rule| rule.sensitivity).max().unwrap_or_default()
    }

    /// Whether the value of a trait is to be shown to few only.
    pub fn is_sensitive(&self, name: &str) -> bool {
        self.get(name).is_some_and(|rule| rule.sensitivity == Sensitivity::Sensitive)
    }

    /// Whether anything is to be shown to few only.
    pub fn has_sensitive(&self) -> bool {
        self.by_name.values().any(|rule| rule.sensitivity == Sensitivity::Sensitive)
    }

    /// What is kept of the values of a trait.
    pub(super) fn merge(&self, name: &str) -> &Merge {
        static LAST: Merge = Merge::Last;
        self.get(name).map_or(&LAST, |rule| &rule.merge)
    }
}

impl TraitRule {
    /// Whether its values are folded as those of a trait without a definition.
    pub fn is_plain(&self) -> bool {
        self.merge == Merge::Last && self.kind.is_none()
    }

    /// Whether a value can be kept; `null` says that there is none.
    pub(super) fn accepts(&self, value: &Value) -> bool {
        let is_of_type = match (self.kind, value) {
            (None, _) | (_, Value::Null) => true,
            (Some(kind), value) => kind == TraitType::of(value),
        };
        is_of_type
            && match (&self.merge, value) {
                (_, Value::Null) => true,
                (Merge::Sum, value) => value.is_number(),
                (Merge::Max | Merge::Min, value) => !value.is_array() && !value.is_object(),
                _ => true,
            }
    }
}

impl TraitType {
    fn of(value: &Value) -> Self {
        match value {
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) | Value::Null => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }
}

impl Merge {
    /// Whether several values are kept, which the value of the trait is made of.
    pub fn keeps_parts(&self) -> bool {
        matches!(self, Self::Sum | Self::Union(_))
    }

    /// Whether `null` is a value, namely that there is none any more. Elsewhere it is passed over.
    pub(super) fn takes_removals(&self) -> bool {
        matches!(self, Self::Last | Self::SourcePriority(_))
    }

    /// Whether `new` is to be kept in place of `known`. A total order, so that neither the order of arrival nor how
    /// often a value is seen makes a difference.
    pub(super) fn prefers(&self, new: &TraitValue, known: &TraitValue) -> bool {
        let newer = || new.by_age(known);
        let ordering = match self {
            Self::Last | Self::Sum | Self::Union(_) => newer(),
            Self::First => newer().reverse(),
            Self::Max => value_order(&new.value, &known.value).then_with(newer),
            Self::Min => value_order(&known.value, &new.value).then_with(newer),
            Self::SourcePriority(sources) => {
                let rank = |value: &TraitValue| {
                    let place = sources.iter().position(|source| *source == value.origin.source);
                    place.unwrap_or(sources.len())
                };
                rank(known).cmp(&rank(new)).then_with(newer)
            }
        };
        ordering.is_gt()
    }
}

/// Booleans before numbers before texts; numbers by value, texts by code point.
fn value_order(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Bool(_) => 0,
        Value::Number(_) => 1,
        _ => 2,
    };
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => {
                let double = |number: &serde_json::Number| number.as_f64().unwrap_or_default();
                double(a).total_cmp(&double(b))
            }
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

impl TraitDocument {
    /// The name of the trait as it is sent.
    pub fn sent_as(&self) -> &str {
        self.sent_as.as_deref().unwrap_or(self.key.as_str())
    }

    /// What it says about the trait, or everything that is wrong with it.
    pub fn compile(&self) -> Result<TraitRule, Vec<Fault>> {
        let mut faults = Vec::new();
        let name = self.sent_as();
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) {
            let detail = format!("the name of a trait has 1 to {MAX_NAME_BYTES} bytes");
            faults.push(Fault::new("/trait", detail));
        }
        if self.key.as_str() == RESERVED {
            let detail = "`usage` is the path of the report on use; name the trait in `trait`";
            faults.push(Fault::new("/key", detail));
        }
        if self.limit.is_some() && self.merge != MergeWord::Union {
            faults.push(Fault::new("/limit", "`limit` goes with the policy `union`"));
        }
        let limit = self.limit.unwrap_or(UNION);
        if !(1..=MAX_UNION).contains(&limit) {
            faults.push(Fault::new("/limit", format!("`limit` is 1 to {MAX_UNION}")));
        }
        let is_by_source = self.merge == MergeWord::SourcePriority;
        if is_by_source == self.sources.is_empty() || MAX_SOURCES < self.sources.len() {
            let detail = format!(
                "the policy `source_priority` names 1 to {MAX_SOURCES} sources, others none"
            );
            faults.push(Fault::new("/sources", detail));
        }
        let fits = match (self.merge, self.r#type) {
            (_, None) => true,
            (MergeWord::Sum, Some(kind)) => kind == TraitType::Number,
            (MergeWord::Max | MergeWord::Min, Some(kind)) => {
                matches!(kind, TraitType::Number | TraitType::Text | TraitType::Boolean)
            }
            _ => true,
        };
        if !fits {
            faults.push(Fault::new("/type", "values of this type cannot be merged so"));
        }
        let merge = match self.merge {
            MergeWord::Last => Merge::Last,
            MergeWord::First => Merge::First,
            MergeWord::Max => Merge::Max,
            MergeWord::Min => Merge::Min,
            MergeWord::Sum => Merge::Sum,
            MergeWord::Union => Merge::Union(limit),
            MergeWord::SourcePriority => Merge::SourcePriority(self.sources.clone()),
        };
        let rule = TraitRule { merge, kind: self.r#type, sensitivity: self.sensitivity };
        if faults.is_empty() { Ok(rule) } else { Err(faults) }
    }
}

/// Leaves out of what an event says what no value of a trait can be made of; it is told to no one, as
/// the event holds it.
pub(super) fn is_passed_over(rules: &TraitRules, name: &str, value: &Value) -> bool {
    value.is_null() && !rules.merge(name).takes_removals()
}

/// The values that an event brings to a trait: every element of a list, where a union is kept.
pub(super) fn pieces<'a>(merge: &Merge, value: &'a Value) -> &'a [Value] {
    match (merge, value) {
        (Merge::Union(_), Value::Array(elements)) => elements,
        _ => std::slice::from_ref(value),
    }
}

/// The traits of an event or a decision without those that are sensitive, and the names of these.
pub fn masked(rules: &TraitRules, traits: Object) -> (Object, Vec<String>) {
    let (hidden, shown): (Vec<_>, Vec<_>) =
        traits.into_iter().partition(|(name, _)| rules.sensitivity(name) == Sensitivity::Sensitive);
    (shown.into_iter().collect(), hidden.into_iter().map(|(name, _)| name).collect())
}
