//! The language-neutral cases of `spec/conditions.json`.

use serde::Deserialize;

use super::facts::Person;
use crate::{
    Timestamp, Value,
    condition::{Condition, Rule, Truth, reference},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    #[expect(dead_code, reason = "for those who read the file")]
    about: Vec<String>,
    pub(super) people: std::collections::BTreeMap<String, Person>,
    pub(super) cases: Vec<Case>,
    pub(super) refused: Vec<Refused>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) condition: Value,
    person: String,
    pub(super) now: Timestamp,
    truth: Truth,
    /// Checked where stated; `null` is never.
    #[serde(default, deserialize_with = "stated")]
    valid_until: Option<Option<Timestamp>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refused {
    pub(super) condition: Value,
    pointers: Vec<String>,
}

fn stated<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<Timestamp>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

pub(super) fn spec() -> Spec {
    serde_json::from_str(include_str!("../../../../../spec/conditions.json")).unwrap()
}

#[test]
fn every_case_is_answered_as_stated() {
    let spec = spec();
    for Case { condition, person, now, truth, valid_until } in &spec.cases {
        let person = &spec.people[person];
        let parsed = Condition::parse(condition).unwrap_or_else(|f| panic!("{condition}: {f:?}"));
        let verdict = Rule::compile(parsed).evaluate(person, *now);
        assert_eq!(verdict.truth, *truth, "{condition} at {now}");
        assert_eq!(reference::truth(condition, person, *now), *truth, "reference: {condition}");
        if let Some(valid_until) = valid_until {
            assert_eq!(verdict.valid_until, *valid_until, "{condition} at {now}");
        }
    }
    assert!(spec.cases.len() >= 60);
}

#[test]
fn every_faulty_document_is_refused_at_the_stated_places() {
    for Refused { condition, pointers } in spec().refused {
        let Err(faults) = Condition::parse(&condition) else { panic!("accepted: {condition}") };
        let found: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(found, pointers, "{condition}: {faults:?}");
        for fault in &faults {
            assert!(!fault.detail.ends_with('.') && !fault.detail.is_empty(), "{fault:?}");
        }
    }
}
