//! What conditions name that is defined elsewhere, and how they come to know it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    ComputedTrait, Condition, EventCondition, EventName, Fact, Facts, Sight, Truth, Verdict,
    comparison::Test,
};
use crate::{Key, Purpose, Timestamp, Value, consent::PurposeKey, definition::Fault, value::Path};

/// The live definitions that conditions may name.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Computed traits.
    pub computed: BTreeMap<Key, NamedTrait>,
    /// Stages.
    pub stages: BTreeMap<Key, NamedStages>,
    /// Names how traits are folded: whoever was evaluated with traits that were folded in another way is
    /// evaluated anew.
    pub traits_epoch: u64,
}

impl Names {
    /// Every event name that a computed trait reads, each with the properties read of it.
    pub fn needed_events(&self) -> BTreeMap<EventName, BTreeSet<Path>> {
        let mut needed = BTreeMap::<EventName, BTreeSet<Path>>::new();
        for NamedTrait { rule, .. } in self.computed.values() {
            let properties = needed.entry(rule.event().clone()).or_default();
            properties.extend(rule.properties().cloned());
        }
        needed
    }
}

/// A computed trait that acts.
#[derive(Clone, Debug)]
pub struct NamedTrait {
    /// How it is computed.
    pub rule: Arc<ComputedTrait>,
    /// The version of its definition.
    pub version: u32,
    /// Its value is to be shown to few only.
    pub is_sensitive: bool,
    /// What it is computed for: it is made of data that may be used for this, and seen only there.
    pub purpose: Purpose,
    /// The key of that purpose.
    pub purpose_key: PurposeKey,
}

/// Stages that act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedStages {
    /// The keys of the stages, from the first to the furthest.
    pub keys: Vec<Key>,
    /// The names under which it is recorded who has reached the second and each further stage.
    pub reached: Vec<Key>,
    /// The version of their definition.
    pub version: u32,
    /// What they are for: they follow from data that may be used for this, and are seen only there.
    pub purpose: Purpose,
    /// The key of that purpose.
    pub purpose_key: PurposeKey,
}

/// A comparison of a computed trait.
#[derive(Clone, Debug, PartialEq)]
pub struct ComputedTest {
    /// The computed trait.
    pub key: Key,
    /// The item of an affinity whose score is compared; the value itself without.
    pub item: Option<Box<str>>,
    /// What its value must be.
    pub test: Test,
    /// What it comes down to, once it is known how the trait is computed.
    linked: Option<Linked>,
}

#[derive(Clone, Debug, PartialEq)]
struct Linked {
    rule: Arc<ComputedTrait>,
    version: u32,
    is_sensitive: bool,
    /// The same question to the events themselves, where the language has it.
    event: Option<Box<EventCondition>>,
}

impl ComputedTest {
    /// A comparison that does not know yet what it names.
    pub(super) fn new(key: Key, item: Option<Box<str>>, test: Test) -> Self {
        Self { key, item, test, linked: None }
    }

    /// How the trait is computed, and the version of its definition, once that is known.
    pub fn rule(&self) -> Option<(&ComputedTrait, u32)> {
        self.linked.as_ref().map(|linked| (&*linked.rule, linked.version))
    }

    /// Evaluates at `now`. What names nothing known is false.
    pub(super) fn evaluate(&self, facts: &dyn Facts, now: Timestamp) -> Verdict {
        let Some(Linked { rule, event, is_sensitive, .. }) = &self.linked else {
            return Verdict::lasting(Truth::False);
        };
        if *is_sensitive && facts.sight() == Sight::Public {
            return Verdict::lasting(Truth::Withheld);
        }
        if let Some(item) = &self.item {
            return rule.score_answer(item, &self.test, facts, now);
        }
        if let Some(event) = event {
            return event.evaluate(facts, now);
        }
        let reading = rule.read(facts, now);
        Verdict {
            truth: self.test.answer(as_ref(&reading.value)),
            valid_until: reading.valid_until,
        }
    }

    /// Whether what is compared may be shown.
    pub(super) fn is_shown(&self, facts: &dyn Facts) -> bool {
        let is_sensitive = self.linked.as_ref().is_some_and(|linked| linked.is_sensitive);
        !is_sensitive || facts.sight() == Sight::Full
    }

    /// What is compared at `now`.
    pub(super) fn found(&self, facts: &dyn Facts, now: Timestamp) -> Fact<Value> {
        let Some((rule, _)) = self.rule() else { return Fact::Missing };
        let Some(item) = &self.item else { return rule.read(facts, now).value };
        match rule.score(item, facts, now) {
            Fact::Known(score) => Fact::Known(score.into()),
            Fact::Missing => Fact::Missing,
            Fact::Withheld => Fact::Withheld,
        }
    }

    fn link(&mut self, names: &Names, purpose: Purpose) -> Result<(), String> {
        let Self { key, item, test, .. } = self;
        let Some(named) = names.computed.get(key) else {
            return Err(format!("there is no live computed trait `{key}`"));
        };
        let NamedTrait { rule, version, is_sensitive, purpose: own, purpose_key } = named;
        if *own != purpose {
            return Err(format!(
                "computed trait `{key}` is for the purpose `{purpose_key}`; what asks about it needs the same"
            ));
        }
        if item.is_some() && !rule.has_scores() {
            return Err(format!(
                "computed trait `{key}` is no affinity, so its items have no scores"
            ));
        }
        let event = rule.as_event_condition(test).filter(|_| item.is_none()).map(Box::new);
        let (rule, version, is_sensitive) = (Arc::clone(rule), *version, *is_sensitive);
        self.linked = Some(Linked { rule, version, is_sensitive, event });
        Ok(())
    }
}

pub(super) fn as_ref(fact: &Fact<Value>) -> Fact<&Value> {
    match fact {
        Fact::Known(value) => Fact::Known(value),
        Fact::Missing => Fact::Missing,
        Fact::Withheld => Fact::Withheld,
    }
}

impl Condition {
    /// Finds what it names among the live definitions, for a rule of that purpose; tells what is not there.
    pub fn link(&mut self, names: &Names, purpose: Purpose) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.link_from(&mut String::new(), names, purpose, &mut faults);
        faults
    }

    fn link_from(
        &mut self,
        pointer: &mut String,
        names: &Names,
        purpose: Purpose,
        faults: &mut Vec<Fault>,
    ) {
        let wrong = match self {
            Self::Computed(test) => test.link(names, purpose).err().map(|why| ("computed", why)),
            Self::Stage(test) => test.link(names, purpose).err().map(|why| ("stage", why)),
            _ => None,
        };
        faults.extend(wrong.map(|(field, why)| Fault::new(format!("{pointer}/{field}"), why)));
        let steps: Vec<String> = (0..self.parts().len()).map(|index| self.step(index)).collect();
        let outer = pointer.len();
        for (part, step) in self.parts_mut().iter_mut().zip(steps) {
            pointer.push_str(&step);
            part.link_from(pointer, names, purpose, faults);
            pointer.truncate(outer);
        }
    }
}
