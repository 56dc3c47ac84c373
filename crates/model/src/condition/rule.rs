//! A compiled condition: what it needs to know, and its evaluation.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Anchor, Condition, EventName, EventPattern, Facts, Names, Quota, Subject, Verdict, Window,
    calendar::Zone, explain, sequence::Whole, visits,
};
use crate::{
    Duration, Key, Purpose, Timestamp, consent::PurposeKey, definition::Fault, value::Path,
};

/// What a rule reads. The union over live definitions is the dependency index and the projection of timelines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Event names, each with the properties read of it.
    pub events: BTreeMap<EventName, BTreeSet<Path>>,
    /// Traits.
    pub traits: BTreeSet<Path>,
    /// Context values: a rule with any of these can only be answered within a request.
    pub contexts: BTreeSet<Path>,
    /// Other audiences, and the names under which it is recorded who has reached a stage.
    pub audiences: BTreeSet<Key>,
    /// Computed traits, each with the version that was linked; 0 where none was.
    pub computed: BTreeMap<Key, u32>,
    /// Stages, by the keys of their definitions.
    pub stages: BTreeSet<Key>,
    /// It asks about accounts.
    pub accounts: bool,
    /// Audiences that it asks about the members of accounts, each with how many must be in; they are among
    /// `audiences` as well.
    pub members: BTreeMap<Key, BTreeSet<Quota>>,
    /// Purposes asked about by `{"consent": …}`.
    pub purposes: BTreeSet<PurposeKey>,
    /// The longest window over events, nothing when there are none; `None` when some event
    /// condition has none (lifetime).
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
        let mut needs = Needs { longest_window: Some(Duration::default()), ..Needs::default() };
        needs.add(&condition);
        Self { condition, needs }
    }

    /// Compiles `condition` for a purpose, with what it names; tells what is not there.
    pub fn link(
        mut condition: Condition,
        names: &Names,
        purpose: Purpose,
    ) -> Result<Self, Vec<Fault>> {
        let faults = condition.link(names, purpose);
        if faults.is_empty() { Ok(Self::compile(condition)) } else { Err(faults) }
    }

    /// The condition it was compiled from.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// What it reads.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Which events it looks at.
    pub fn event_patterns(&self) -> Vec<&EventPattern> {
        let mut found = Vec::new();
        self.condition.visit(&mut |_, condition| match condition {
            Condition::Event(event) => found.push(&event.of),
            Condition::Sequence(sequence) => found.extend(sequence.patterns()),
            Condition::Computed(computed) => {
                found.extend(computed.rule().map(|(rule, _)| rule.pattern()));
            }
            _ => {}
        });
        self.condition.visit(&mut |_, condition| match condition.window() {
            Some(Window::Since(Anchor::Event(pattern))) => found.push(pattern),
            Some(Window::Visit) => found.push(&visits::PATTERN),
            _ => {}
        });
        found
    }

    /// Evaluates at `now`.
    pub fn evaluate(&self, facts: &dyn Facts, now: Timestamp) -> Verdict {
        self.condition.evaluate(facts, now)
    }

    /// Evaluates every part at `now` and tells what each found.
    pub fn explain(&self, facts: &dyn Facts, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        self.condition.visit(&mut |pointer, condition| {
            let Verdict { truth, valid_until } = condition.evaluate(facts, now);
            let text = explain::finding(condition, facts, now);
            steps.push(Step { pointer: pointer.into(), text, truth, valid_until });
        });
        steps
    }
}

impl Condition {
    /// Calls `see` with this condition and every one inside it, each with its JSON pointer, in document order.
    pub fn visit<'a>(&'a self, see: &mut impl FnMut(&str, &'a Self)) {
        self.visit_from(&mut String::new(), see);
    }

    fn visit_from<'a>(&'a self, pointer: &mut String, see: &mut impl FnMut(&str, &'a Self)) {
        see(pointer, self);
        let outer = pointer.len();
        for (index, part) in self.parts().iter().enumerate() {
            pointer.push_str(&self.step(index));
            part.visit_from(pointer, see);
            pointer.truncate(outer);
        }
    }

    /// The step of a JSON pointer from this condition to one of its parts.
    pub(super) fn step(&self, index: usize) -> String {
        match self {
            Self::Not(_) => "/not".into(),
            Self::All(_) => format!("/all/{index}"),
            Self::Any(_) => format!("/any/{index}"),
            _ => format!("/at_least/of/{index}"),
        }
    }

    /// The conditions directly inside this one, to be changed.
    pub(super) fn parts_mut(&mut self) -> &mut [Self] {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::AtLeast { of: parts, .. } => parts,
            Self::Not(part) => std::slice::from_mut(part),
            _ => &mut [],
        }
    }

    /// The other audience that this condition names, with where it does, as a JSON pointer. What is named
    /// inside its parts is the parts'.
    pub fn audience(&self) -> Option<(&'static str, &Key)> {
        match self {
            Self::Audience { key, .. } => Some(("/audience", key)),
            _ => match self.window()?.anchor()? {
                Anchor::Entry(key) => Some(("/within/since/audience", key)),
                Anchor::Event(_) | Anchor::Trait(_) => None,
            },
        }
    }

    /// The window that this condition looks at, where it looks at events and has one.
    pub fn window(&self) -> Option<&Window> {
        match self {
            Self::Event(event) => event.within.as_ref(),
            Self::Sequence(sequence) => sequence.whole().within.as_ref(),
            _ => None,
        }
    }

    /// The conditions directly inside this one.
    pub fn parts(&self) -> &[Self] {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::AtLeast { of: parts, .. } => parts,
            Self::Not(part) => std::slice::from_ref(part),
            _ => &[],
        }
    }
}

impl Needs {
    fn widen(&mut self, window: Option<Duration>) {
        let longest = self.longest_window.zip(window);
        self.longest_window = longest.map(|(longest, window)| longest.max(window));
    }

    /// Adds what it takes to place a window, and how far it reaches.
    fn add_window(&mut self, window: Option<&Window>) {
        self.widen(window.and_then(Window::reach));
        self.traits.extend(window.and_then(Window::zone).and_then(Zone::reads));
        if let Some(anchor) = window.and_then(Window::anchor) {
            self.add_anchor(anchor);
        }
        if let Some(Window::Visit) = window {
            self.add_visits();
        }
    }

    fn add_visits(&mut self) {
        let read = self.events.entry(visits::PATTERN.name.clone()).or_default();
        read.insert(visits::LAST.clone());
    }

    fn add_value(&mut self, subject: Subject, path: &Path) {
        let read = match subject {
            Subject::Trait => &mut self.traits,
            Subject::Context => &mut self.contexts,
        };
        read.insert(path.clone());
    }

    fn add_anchor(&mut self, anchor: &Anchor) {
        match anchor {
            Anchor::Event(pattern) => {
                let properties = self.events.entry(pattern.name.clone()).or_default();
                properties.extend(pattern.properties().cloned());
            }
            Anchor::Trait(path) => self.add_value(Subject::Trait, path),
            Anchor::Entry(key) => {
                self.audiences.insert(key.clone());
            }
        }
    }

    fn add(&mut self, condition: &Condition) {
        condition.visit(&mut |_, part| match part {
            Condition::Trait { path, .. } => self.add_value(Subject::Trait, path),
            Condition::Context { path, .. } => self.add_value(Subject::Context, path),
            Condition::Pair(pair) => {
                self.add_value(pair.subject, &pair.path);
                self.add_value(Subject::Trait, &pair.other);
            }
            Condition::Dated(dated) => {
                self.add_value(dated.subject, &dated.path);
                self.traits.extend(dated.when.zone().and_then(Zone::reads));
            }
            Condition::Event(event) => {
                self.add_window(event.within.as_ref());
                let properties = self.events.entry(event.of.name.clone()).or_default();
                properties.extend(event.properties().cloned());
                self.traits.extend(event.measure.zone().and_then(Zone::reads));
            }
            Condition::Sequence(sequence) => {
                for (name, properties) in sequence.reads() {
                    self.events.entry(name.clone()).or_default().extend(properties.cloned());
                }
                let Whole { within, is_of_one_visit, .. } = sequence.whole();
                self.add_window(within.as_ref());
                if *is_of_one_visit {
                    self.add_visits();
                }
            }
            Condition::Computed(computed) => {
                let version = computed.rule().map_or(0, |(_, version)| version);
                self.computed.insert(computed.key.clone(), version);
                if let Some((rule, _)) = computed.rule() {
                    let properties = self.events.entry(rule.event().clone()).or_default();
                    properties.extend(rule.properties().cloned());
                    self.widen(rule.reach());
                    self.traits.extend(rule.traits());
                }
            }
            Condition::Stage(stage) => {
                self.stages.insert(stage.stages.clone());
                self.audiences.extend(stage.reads().iter().cloned());
            }
            Condition::Audience { key, .. } => {
                self.audiences.insert(key.clone());
            }
            Condition::Account(account) => {
                self.accounts = true;
                for (_, audience, quota) in account.members() {
                    self.audiences.insert(audience.clone());
                    self.members.entry(audience.clone()).or_default().insert(quota);
                }
            }
            Condition::Consent(purpose) => {
                self.purposes.insert(purpose.clone());
            }
            _ => {}
        });
    }
}
