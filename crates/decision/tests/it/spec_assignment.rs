//! `spec/assignment.json`: who takes part, who is held out, who gets which variant.

use decision::{Catalog, Divisions, Outcome, Reason, Request, Versioned, decide};
use model::{LazyObject, Timestamp, UnitId, hash};
use serde::Deserialize;
use serde_json::json;

use crate::person::{TestPerson, Written, divided, group, holdout, key, spec};

#[derive(Deserialize)]
struct Spec {
    ranges: Vec<Ranges>,
    cases: Vec<Case>,
    slots: Vec<Slot>,
    holdouts: Vec<Held>,
}

#[derive(Deserialize)]
struct Ranges {
    weights: Vec<u32>,
    ranges: Vec<[u32; 2]>,
}

#[derive(Deserialize)]
struct Case {
    salt: String,
    unit: String,
    weights: Vec<u32>,
    traffic: f64,
    holdout: f64,
    in_traffic: bool,
    held_out: bool,
    variant: usize,
}

#[derive(Deserialize)]
struct Slot {
    group: String,
    from: f64,
    to: f64,
    unit: String,
    in_slot: bool,
}

#[derive(Deserialize)]
struct Held {
    key: String,
    share: f64,
    unit: String,
    held_out: bool,
}

/// What `unit` gets of an experience that is `document` with variants of `weights`.
fn outcome(
    weights: &[u32],
    unit: &str,
    document: serde_json::Value,
    divisions: &Divisions,
) -> Outcome {
    let variants: Vec<_> = weights
        .iter()
        .enumerate()
        .map(|(i, weight)| json!({"key": format!("v{i}"), "weight": weight}))
        .collect();
    let mut experience =
        json!({"key": "hero", "placement": "home", "state": "live", "variants": variants});
    experience.as_object_mut().unwrap().extend(document.as_object().unwrap().clone());
    let placement = json!({"key": "home", "state": "live"});
    let (catalog, broken) = Catalog::compile(
        &[Versioned { version: 1, document: serde_json::from_value(placement).unwrap() }],
        &[Versioned { version: 1, document: serde_json::from_value(experience).unwrap() }],
        divided(divisions),
    );
    assert_eq!(broken, []);
    let (context, home) = (LazyObject::default(), [key("home")]);
    let unit = u64::from_str_radix(unit, 16).unwrap();
    let person = TestPerson::new(Written::stranger(unit), &context);
    let request = Request {
        placements: Some(&home),
        context: &context,
        public: false,
        explain: false,
        forced: None,
    };
    decide(&catalog, &person, &request, Timestamp(0)).remove(0)
}

#[test]
fn ranges_match_the_cases() {
    let spec: Spec = spec("assignment.json");
    let none = Divisions::default();
    for case in &spec.ranges {
        // Enough units to meet every range of a hundredth or more, and many boundaries closely.
        for i in 0..2_000_u64 {
            let unit = UnitId(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let bucket = hash::bucket("variant:hero", unit);
            let owner = case.ranges.iter().position(|[from, to]| *from <= bucket && bucket < *to);
            let owner = owner.unwrap();
            let outcome = outcome(&case.weights, &unit.to_string(), json!({}), &none);
            assert_eq!(outcome.variant, Some(key(&format!("v{owner}"))), "{:?}", case.weights);
            let [from, to] = case.ranges[owner];
            assert!((outcome.propensity - f64::from(to - from) / 10_000.0).abs() < 1e-12);
        }
    }
    assert!(!spec.ranges.is_empty());
}

#[test]
fn assignments_match_the_cases() {
    let spec: Spec = spec("assignment.json");
    for case in &spec.cases {
        let document = json!({"salt": case.salt, "traffic": case.traffic, "holdout": case.holdout});
        let outcome = outcome(&case.weights, &case.unit, document, &Divisions::default());
        let variant = key(&format!("v{}", case.variant));
        match outcome.reason {
            Reason::Excluded => assert!(!case.in_traffic),
            Reason::Holdout => {
                assert!(case.in_traffic && case.held_out);
                assert_eq!(outcome.shadow.unwrap().variant, variant);
            }
            _ => {
                assert!(case.in_traffic && !case.held_out);
                assert_eq!(outcome.variant, Some(variant));
            }
        }
    }
    assert!(!spec.cases.is_empty());
}

#[test]
fn slots_and_shared_holdouts_match_the_cases() {
    let spec: Spec = spec("assignment.json");
    for Slot { group: name, from, to, unit, in_slot } in &spec.slots {
        let exclusion_groups = vec![group(name, &[(*from, *to)])];
        let divisions = Divisions { exclusion_groups, ..Divisions::default() };
        let slot = json!({"exclusion_group": {"group": name, "slot": "s0"}});
        let outcome = outcome(&[1], unit, slot, &divisions);
        assert_eq!(outcome.reason == Reason::TargetingMatch, *in_slot);
    }
    for Held { key: name, share, unit, held_out } in &spec.holdouts {
        let divisions = Divisions { holdouts: vec![holdout(name, *share)], ..Divisions::default() };
        let outcome = outcome(&[1], unit, json!({}), &divisions);
        assert_eq!(outcome.reason == Reason::Holdout, *held_out);
    }
    assert!(!spec.slots.is_empty() && !spec.holdouts.is_empty());
}
