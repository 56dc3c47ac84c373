//! A person made of literal facts.

use std::{collections::BTreeMap, path::PathBuf, sync::LazyLock};

use decision::{
    Defined, Divisions, ExclusionGroupDocument, HELD_OUT, HoldoutDocument, NOT_HELD_OUT, Person,
};
use model::{
    Drawn, Key, LazyObject, Purpose, Timestamp, UnitId, Value,
    condition::{EventName, Fact, Facts, Membership, Names, Rows, Truth},
    consent::PurposeKey,
    value::{Object, Path},
};
use serde::Deserialize;
use serde_json::json;

/// Reads a file of cases.
pub(crate) fn spec<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "..", "spec", name].iter().collect();
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// No definitions but the built-in purposes.
pub(crate) fn defined() -> Defined<'static> {
    static NONE: Divisions = Divisions { holdouts: Vec::new(), exclusion_groups: Vec::new() };
    divided(&NONE)
}

/// The same with holdouts and exclusion groups.
pub(crate) fn divided(divisions: &Divisions) -> Defined<'_> {
    static NAMES: Names =
        Names { computed: BTreeMap::new(), stages: BTreeMap::new(), traits_epoch: 0 };
    Defined { purposes: &purposes, names: &NAMES, divisions, policies: &[] }
}

/// The exclusion group `key` with slots of these ranges, called `s0` and so on.
pub(crate) fn group(key: &str, slots: &[(f64, f64)]) -> ExclusionGroupDocument {
    let slots = slots.iter().enumerate();
    let slots: Vec<_> = slots
        .map(|(place, (from, to))| json!({"key": format!("s{place}"), "from": from, "to": to}))
        .collect();
    serde_json::from_value(json!({"key": key, "state": "live", "slots": slots})).unwrap()
}

/// A holdout of all experiences.
pub(crate) fn holdout(key: &str, share: f64) -> HoldoutDocument {
    serde_json::from_value(json!({"key": key, "state": "live", "share": share})).unwrap()
}

/// The built-in purposes, under their keys.
pub(crate) fn purposes(key: &PurposeKey) -> Option<Purpose> {
    let found = Purpose::BUILT_IN.iter().find(|(_, name)| key.to_string() == *name);
    found.map(|(purpose, _)| *purpose)
}

/// The person of a case, as `spec/decisions.json` writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    pub(crate) unit: String,
    #[serde(default)]
    pub(crate) suppressed: bool,
    #[serde(default = "personalization")]
    pub(crate) granted: Vec<PurposeKey>,
    #[serde(default)]
    pub(crate) traits: Object,
    #[serde(default)]
    pub(crate) withheld: Vec<String>,
    #[serde(default)]
    pub(crate) audiences: BTreeMap<Key, Truth>,
    #[serde(default)]
    pub(crate) assignments: BTreeMap<Key, Key>,
    /// How assignments were drawn, where shares follow what units did.
    #[serde(default)]
    pub(crate) drawn: BTreeMap<Key, Drawn>,
    /// Whether they are in shared holdouts, where that was drawn before.
    #[serde(default)]
    pub(crate) holdouts: BTreeMap<Key, bool>,
    #[serde(default)]
    pub(crate) wins: BTreeMap<Key, Vec<Timestamp>>,
}

fn personalization() -> Vec<PurposeKey> {
    vec![PurposeKey::default()]
}

impl Written {
    /// A person of `unit` about whom nothing is known.
    pub(crate) fn stranger(unit: u64) -> Self {
        serde_json::from_value(serde_json::json!({"unit": UnitId(unit).to_string()})).unwrap()
    }
}

/// A person in a situation, one set of facts with consent and one without.
#[derive(Debug)]
pub(crate) struct TestPerson {
    written: Written,
    open: TestFacts,
    closed: TestFacts,
}

#[derive(Clone, Debug)]
struct TestFacts {
    granted: bool,
    context: LazyObject,
    written: Written,
}

impl TestPerson {
    pub(crate) fn new(written: Written, context: &LazyObject) -> Self {
        let facts =
            |granted| TestFacts { granted, context: context.clone(), written: written.clone() };
        Self { open: facts(true), closed: facts(false), written }
    }
}

impl Person for TestPerson {
    fn facts(&self, purpose: Purpose) -> &dyn Facts {
        if self.granted(purpose) { &self.open } else { &self.closed }
    }

    fn service_facts(&self) -> &dyn Facts {
        &self.open
    }

    fn granted(&self, purpose: Purpose) -> bool {
        self.written.granted.iter().any(|key| purposes(key) == Some(purpose))
    }

    fn known(&self) -> bool {
        !self.written.traits.is_empty()
    }

    fn unit(&self) -> UnitId {
        UnitId(u64::from_str_radix(&self.written.unit, 16).unwrap())
    }

    fn suppressed(&self) -> bool {
        self.written.suppressed
    }

    fn assignment(&self, name: &Key) -> Option<&Key> {
        static ANSWERS: LazyLock<[Key; 2]> = LazyLock::new(|| [NOT_HELD_OUT, HELD_OUT].map(key));
        let Some((_, holdout)) = name.parts() else { return self.written.assignments.get(name) };
        let held = *self.written.holdouts.get(&holdout)?;
        Some(&ANSWERS[usize::from(held)])
    }

    fn drawn(&self, experience: &Key) -> Option<Drawn> {
        self.written.drawn.get(experience).copied()
    }

    fn wins_since(&self, experience: &Key, since: Timestamp) -> u32 {
        let wins = self.written.wins.get(experience).into_iter().flatten();
        u32::try_from(wins.filter(|win| since < **win).count()).unwrap()
    }

    fn fields(&self, purpose: Purpose, public_only: Option<&[Path]>) -> Object {
        let visible = |name: &str| {
            let public = public_only.is_none_or(|paths| paths.iter().any(|p| p.as_str() == name));
            public && !self.written.withheld.iter().any(|withheld| withheld == name)
        };
        let mut fields = self.written.traits.clone();
        fields.retain(|name, _| self.granted(purpose) && visible(name));
        fields
    }
}

impl Facts for TestFacts {
    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        if !self.granted || self.written.withheld.iter().any(|name| name == path.as_str()) {
            return Fact::Withheld;
        }
        path.find(&self.written.traits).map_or(Fact::Missing, Fact::Known)
    }

    fn context(&self, path: &Path) -> Fact<&Value> {
        self.context.find(path).map_or(Fact::Missing, Fact::Known)
    }

    fn events(&self, _: &EventName) -> Fact<Rows<'_>> {
        if self.granted { Fact::Missing } else { Fact::Withheld }
    }

    fn membership(&self, audience: &Key) -> Option<Membership> {
        let truth = *self.written.audiences.get(audience)?;
        let truth = if self.granted { truth } else { Truth::Withheld };
        Some(Membership::unrecorded(truth))
    }

    fn consents_to(&self, purpose: &PurposeKey) -> Option<bool> {
        purposes(purpose)?;
        Some(self.written.granted.contains(purpose))
    }

    fn unit(&self) -> UnitId {
        UnitId(u64::from_str_radix(&self.written.unit, 16).unwrap())
    }
}
