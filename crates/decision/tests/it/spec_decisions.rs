//! `spec/decisions.json`: what placements show, case by case.

use std::collections::BTreeMap;

use decision::{
    Catalog, Divisions, ExclusionGroupDocument, ExperienceDocument, HoldoutDocument, Outcome,
    PlacementDocument, Request, Versioned, decide,
};
use model::{Key, LazyObject, Timestamp, Value, value::Object};
use serde::Deserialize;
use serde_json::json;

use crate::person::{TestPerson, Written, divided, spec};

#[derive(Deserialize)]
struct Spec {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    placements: Vec<PlacementDocument>,
    experiences: Vec<ExperienceDocument>,
    #[serde(default)]
    holdouts: Vec<HoldoutDocument>,
    #[serde(default)]
    exclusion_groups: Vec<ExclusionGroupDocument>,
    person: Written,
    request: WrittenRequest,
    now: Timestamp,
    outcomes: Vec<Value>,
    #[serde(default)]
    broken: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRequest {
    placements: Option<Vec<Key>>,
    #[serde(default)]
    context: Object,
    #[serde(default)]
    public: bool,
    forced: Option<BTreeMap<Key, Key>>,
}

fn versioned<D>(documents: Vec<D>) -> Vec<Versioned<D>> {
    documents.into_iter().map(|document| Versioned { version: 1, document }).collect()
}

/// An outcome as the cases write it: what says nothing is left out.
fn written(outcome: &Outcome) -> Value {
    let mut found = json!({"placement": outcome.placement, "reason": outcome.reason});
    let mut set = |name: &str, value: Option<Value>| {
        found.as_object_mut().unwrap().extend(value.map(|value| (name.to_owned(), value)));
    };
    set("experience", outcome.experience.as_ref().map(|e| json!(e.key)));
    set("variant", outcome.variant.as_ref().map(|variant| json!(variant)));
    set("content", outcome.content.as_ref().map(|content| json!(content)));
    set("assignment", outcome.assignment.as_ref().map(|assignment| json!(assignment)));
    let holdouts: BTreeMap<_, _> = outcome.holdouts.iter().cloned().collect();
    set("holdouts", (!holdouts.is_empty()).then(|| json!(holdouts)));
    // Written to nine places, so that cases need not spell what floats make of 0.99 times 0.5.
    let propensity = (outcome.propensity * 1e9).round() / 1e9;
    set("propensity", (propensity < 1.0).then(|| json!(propensity)));
    set(
        "shadow",
        outcome.shadow.as_ref().map(|shadow| {
            json!({
                "experience": shadow.experience.key,
                "variant": shadow.variant,
                "holdout": shadow.holdout,
            })
        }),
    );
    let candidates = outcome.candidates.iter();
    let candidates: Vec<_> =
        candidates.map(|c| json!({"experience": c.experience.key, "why_not": c.why_not})).collect();
    set("candidates", Some(json!(candidates)));
    found
}

#[test]
fn decisions_match_the_cases() {
    let spec: Spec = spec("decisions.json");
    assert!(25 <= spec.cases.len());
    for case in spec.cases {
        let name = &case.name;
        let (placements, experiences) = (versioned(case.placements), versioned(case.experiences));
        let Case { holdouts, exclusion_groups, .. } = case;
        let divisions = Divisions { holdouts, exclusion_groups };
        let (catalog, broken) = Catalog::compile(&placements, &experiences, divided(&divisions));
        let broken: Vec<_> = broken
            .iter()
            .map(|broken| {
                let pointers: Vec<_> = broken.faults.iter().map(|fault| &fault.pointer).collect();
                json!({"kind": broken.kind, "key": broken.key, "pointers": pointers})
            })
            .collect();
        assert_eq!(broken, case.broken, "{name}");
        let WrittenRequest { placements, context, public, forced } = case.request;
        let context = LazyObject::from(context);
        let person = TestPerson::new(case.person, &context);
        let request = Request {
            placements: placements.as_deref(),
            context: &context,
            public,
            explain: false,
            forced: forced.as_ref(),
        };
        let outcomes = decide(&catalog, &person, &request, case.now);
        let found: Vec<_> = outcomes
            .iter()
            .zip(&case.outcomes)
            .map(|(outcome, expected)| {
                let mut found = written(outcome);
                if expected.get("candidates").is_none() {
                    found.as_object_mut().unwrap().remove("candidates");
                }
                found
            })
            .collect();
        assert_eq!(outcomes.len(), case.outcomes.len(), "{name}");
        assert_eq!(found, case.outcomes, "{name}");

        let request = Request { explain: true, ..request };
        for (explained, plain) in
            decide(&catalog, &person, &request, case.now).into_iter().zip(outcomes)
        {
            assert!(!explained.explanation.is_empty(), "{name}");
            assert_eq!(Outcome { explanation: Vec::new(), ..explained }, plain, "{name}");
        }
    }
}
