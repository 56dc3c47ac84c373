//! Shares that follow what units did: who is drawn by which policy, and what stays.

use std::collections::BTreeMap;

use decision::{
    Catalog, Defined, ExperienceDocument, Outcome, PolicyDocument, Request, Versioned, decide,
};
use model::{Drawn, LazyObject, Timestamp, UnitId, condition::Truth, hash};
use serde_json::{Value, json};

use crate::person::{TestPerson, Written, defined, key};

const NOW: Timestamp = Timestamp(1_790_000_000_000);

fn document(allocation: &Value, weights: &[u32]) -> ExperienceDocument {
    let variants = weights.iter().enumerate();
    let variants: Vec<_> =
        variants.map(|(i, weight)| json!({"key": format!("v{i}"), "weight": weight})).collect();
    serde_json::from_value(json!({
        "key": "hero", "placement": "home", "state": "live", "goal": "sales",
        "allocation": allocation, "variants": variants,
    }))
    .unwrap()
}

fn thompson() -> Value {
    json!({"kind": "adaptive", "policy": "thompson"})
}

fn contextual() -> Value {
    json!({"kind": "adaptive", "policy": "lin_ts", "features": ["regulars", "mobile"]})
}

fn policy(version: u64, changes: &Value) -> Versioned<PolicyDocument> {
    let mut document = json!({
        "key": "hero", "state": "live", "experience_version": 1, "metric": "sales",
        "variants": ["v0", "v1"], "cells": [[0.2, 0.8]], "because": "a test says so",
    });
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    Versioned { version, document: serde_json::from_value(document).unwrap() }
}

fn catalog(document: ExperienceDocument, policies: &[Versioned<PolicyDocument>]) -> Catalog {
    let placement = json!({"key": "home", "state": "live", "default": {"title": "default"}});
    let placement = Versioned { version: 1, document: serde_json::from_value(placement).unwrap() };
    let defined = Defined { policies, ..defined() };
    let experience = Versioned { version: 1, document };
    let (catalog, broken) = Catalog::compile(&[placement], &[experience], defined);
    assert_eq!(broken, []);
    catalog
}

fn ask(catalog: &Catalog, person: Written) -> Outcome {
    let context = LazyObject::default();
    let person = TestPerson::new(person, &context);
    let request = Request {
        placements: Some(&[key("home")]),
        context: &context,
        public: false,
        explain: false,
        forced: None,
    };
    decide(catalog, &person, &request, NOW).remove(0)
}

fn units() -> impl Iterator<Item = u64> {
    (0..2_000_u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn variant(outcome: &Outcome) -> String {
    outcome.variant.as_ref().unwrap().to_string()
}

#[test]
fn before_there_is_a_policy_weights_divide_and_it_says_so() {
    let fixed = catalog(document(&json!({"kind": "fixed"}), &[1, 3]), &[]);
    let adaptive = catalog(document(&thompson(), &[1, 3]), &[]);
    for unit in units() {
        let (before, after) =
            (ask(&fixed, Written::stranger(unit)), ask(&adaptive, Written::stranger(unit)));
        assert_eq!((&before.variant, before.propensity), (&after.variant, after.propensity));
        assert_eq!(before.drawn, None);
        let buckets = if variant(&after) == "v0" { 2_500 } else { 7_500 };
        assert_eq!(after.drawn, Some(Drawn { policy: 0, cell: 0, buckets }));
    }
}

#[test]
fn a_policy_divides_by_its_shares_with_draws_of_its_own() {
    for version in [1, 7] {
        let catalog = catalog(document(&thompson(), &[1, 1]), &[policy(version, &json!({}))]);
        for unit in units() {
            let outcome = ask(&catalog, Written::stranger(unit));
            let bucket = hash::bucket(&format!("variant:hero:{version}"), UnitId(unit));
            let (expected, buckets) = if bucket < 2_000 { ("v0", 2_000) } else { ("v1", 8_000) };
            assert_eq!(variant(&outcome), expected);
            assert_eq!(outcome.drawn, Some(Drawn { policy: version, cell: 0, buckets }));
            assert!((outcome.propensity - f64::from(buckets) / 10_000.0).abs() < 1e-12);
        }
    }
}

#[test]
fn who_was_drawn_keeps_variant_and_propensity_whatever_is_learned() {
    let catalog = catalog(document(&thompson(), &[1, 1]), &[policy(9, &json!({}))]);
    let drawn = Drawn { policy: 4, cell: 0, buckets: 6_000 };
    for unit in units() {
        let mut person = Written::stranger(unit);
        person.assignments = BTreeMap::from([(key("hero"), key("v0"))]);
        person.drawn = BTreeMap::from([(key("hero"), drawn)]);
        let outcome = ask(&catalog, person);
        assert_eq!((variant(&outcome).as_str(), outcome.propensity), ("v0", 0.6));
        assert_eq!((outcome.drawn, outcome.assignment), (Some(drawn), None));
    }
}

#[test]
fn what_somebody_was_assigned_and_is_retired_is_replaced_by_the_same_in_every_epoch() {
    let shares = json!({"variants": ["v0", "v1", "v2"], "cells": [[0.5, 0, 0.5]]});
    let of = |version| catalog(document(&thompson(), &[1, 0, 1]), &[policy(version, &shares)]);
    let (one, two) = (of(1), of(2));
    let moved = units().filter(|unit| {
        let person = || {
            let mut person = Written::stranger(*unit);
            person.assignments = BTreeMap::from([(key("hero"), key("v1"))]);
            person
        };
        assert_eq!(ask(&one, person()).variant, ask(&two, person()).variant);
        // Those who are new are drawn anew.
        let new = |catalog| ask(catalog, Written::stranger(*unit)).variant;
        new(&one) != new(&two)
    });
    assert!(900 < moved.count(), "about half of 2 000 move from one epoch to the next");
}

#[test]
fn features_tell_units_apart_and_what_may_not_be_known_does_not() {
    let cells = json!([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5], [0.3, 0.7]]);
    let changes = json!({"features": ["regulars", "mobile"], "cells": cells});
    let catalog = catalog(document(&contextual(), &[1, 1]), &[policy(3, &changes)]);
    let of = |regulars: Truth, mobile: Truth| {
        let shown = units().map(|unit| {
            let mut person = Written::stranger(unit);
            person.audiences =
                BTreeMap::from([(key("regulars"), regulars), (key("mobile"), mobile)]);
            ask(&catalog, person)
        });
        let shown: Vec<_> = shown.collect();
        let cell = shown[0].drawn.unwrap().cell;
        let first = shown.iter().filter(|outcome| variant(outcome) == "v0").count();
        (cell, (first + 50) / 100)
    };
    assert_eq!(of(Truth::False, Truth::False), (0, 18));
    assert_eq!(of(Truth::True, Truth::False), (1, 2));
    assert_eq!(of(Truth::False, Truth::True), (2, 10));
    assert_eq!(of(Truth::True, Truth::True), (3, 6));
    assert_eq!(of(Truth::Withheld, Truth::True), (2, 10));
}

#[test]
fn a_policy_of_other_variants_or_cells_does_not_act() {
    let others = [
        json!({"variants": ["v1", "v0"]}),
        json!({"variants": ["v0"], "cells": [[1]]}),
        json!({"cells": [[0.2, 0.7]]}),
        json!({"cells": [[0, 1]]}),
        json!({"cells": [[0.2, 0.8], [0.2, 0.8]]}),
        json!({"features": ["mobile"]}),
        json!({"key": "other"}),
    ];
    for changes in others {
        let catalog = catalog(document(&thompson(), &[1, 1]), &[policy(5, &changes)]);
        let drawn = ask(&catalog, Written::stranger(1)).drawn.unwrap();
        assert_eq!((drawn.policy, drawn.buckets), (0, 5_000), "{changes}");
    }
}

#[test]
fn what_cannot_be_learned_is_told_where() {
    let told = |allocation: Value, changes: &Value| {
        let mut document = serde_json::to_value(document(&allocation, &[1, 1])).unwrap();
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        let document = serde_json::from_value(document).unwrap();
        let placement = json!({"key": "home", "state": "live"});
        let placement = serde_json::from_value(placement).unwrap();
        let faults = Catalog::check_experience(&document, Some(&placement), defined());
        faults.iter().map(|fault| fault.pointer.to_string()).collect::<Vec<_>>()
    };
    let with = |changes: Value| {
        let mut allocation = thompson();
        for (name, value) in changes.as_object().unwrap() {
            allocation[name] = value.clone();
        }
        told(allocation, &json!({}))
    };
    assert_eq!(told(thompson(), &json!({})), [""; 0]);
    assert_eq!(told(contextual(), &json!({})), [""; 0]);
    assert_eq!(told(thompson(), &json!({"goal": null})), ["/goal"]);
    assert_eq!(told(thompson(), &json!({"mode": "aa"})), ["/allocation/kind"]);
    assert_eq!(told(thompson(), &json!({"variants": [{"key": "a"}]})), ["/variants"]);
    assert_eq!(with(json!({"every": "30s"})), ["/allocation/every"]);
    assert_eq!(with(json!({"floor": 0})), ["/allocation/floor"]);
    assert_eq!(with(json!({"floor": 0.6})), ["/allocation/floor"]);
    assert_eq!(with(json!({"features": ["mobile"]})), ["/allocation/features"]);
    assert_eq!(with(json!({"exploration": 0.5})), ["/allocation/exploration"]);
    assert_eq!(
        with(json!({"policy": "epsilon_greedy", "exploration": 1.5})),
        ["/allocation/exploration"]
    );
    assert_eq!(with(json!({"policy": "lin_ucb"})), ["/allocation/features"]);
    let many: Vec<_> = (0..9).map(|place| format!("a{place}")).collect();
    assert_eq!(with(json!({"policy": "lin_ucb", "features": many})), ["/allocation/features"]);
}
