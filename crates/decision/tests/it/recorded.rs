//! Traits that are recorded with a decision: whichever arm wins, and never around consent.

use decision::{
    Catalog, ExperienceDocument, Outcome, PlacementDocument, Recorded, Request, Versioned, decide,
};
use expect_test::{Expect, expect};
use model::{LazyObject, Timestamp, condition::Facts, value::Path};
use serde_json::{Value, json};

use crate::person::{TestPerson, Written, defined, key};

fn experience(more: Value) -> ExperienceDocument {
    let mut document = json!({"key": "hero", "state": "live", "placement": "home",
        "variants": [{"key": "a"}], "record_traits": ["plan", "city", "seen"]});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(document).unwrap()
}

fn catalog(experience: ExperienceDocument) -> Catalog {
    let home: PlacementDocument =
        serde_json::from_value(json!({"key": "home", "state": "live"})).unwrap();
    let versioned = Versioned { version: 1, document: experience };
    Catalog::compile(&[Versioned { version: 1, document: home }], &[versioned], defined()).0
}

fn someone() -> Written {
    serde_json::from_value(json!({"unit": "e6fac472eaf3dff4", "withheld": ["city"],
        "traits": {"plan": "é".repeat(200), "city": "Riga"}}))
    .unwrap()
}

fn decided(catalog: &Catalog, person: Written) -> Outcome {
    let context = LazyObject::default();
    let placements = [key("home")];
    let request = Request {
        placements: Some(&placements),
        context: &context,
        public: false,
        explain: true,
        forced: None,
    };
    let person = TestPerson::new(person, &context);
    decide(catalog, &person, &request, Timestamp(0)).remove(0)
}

fn recorded(outcome: &Outcome) -> [Option<&Recorded>; 4] {
    ["plan", "city", "seen", "age"].map(|name| outcome.recorded.get(&Path::parse(name).unwrap()))
}

#[test]
fn whatever_won_is_recorded_with_what_its_purpose_may_read() {
    let value = Recorded::Known("é".repeat(80));
    let expected = [Some(&value), Some(&Recorded::Withheld), Some(&Recorded::Missing), None];
    for holdout in [0.0, 1.0] {
        let outcome = decided(&catalog(experience(json!({"holdout": holdout}))), someone());
        assert_eq!(outcome.shadow.is_some(), 0.0 < holdout);
        assert_eq!(recorded(&outcome), expected, "held out or not");
        let told = outcome.explanation.iter().map(|step| &*step.text);
        let told: Vec<&str> = told.filter(|text| text.contains("recorded")).collect();
        assert_eq!(told[1..], ["`city` is recorded as withheld", "`seen` is recorded as missing"]);
    }
    let values = decided(&catalog(experience(json!({}))), someone()).recorded;
    assert_eq!(Value::Object(values.values()), json!({"plan": "é".repeat(80), "seen": null}));
    assert_eq!(values.withheld(), ["city"]);
    let refused = Written { granted: Vec::new(), ..someone() };
    let outcome = decided(&catalog(experience(json!({}))), refused);
    assert!(outcome.recorded.is_empty(), "nothing won, so nothing is recorded");
}

#[test]
fn what_is_used_later_is_recorded_by_the_same_rule() {
    let catalog = catalog(experience(json!({})));
    let context = LazyObject::default();
    let person = TestPerson::new(someone(), &context);
    let facts = |purpose| -> &dyn Facts { decision::Person::facts(&person, purpose) };
    let later = catalog.recorded(&key("home"), &key("hero"), facts);
    assert_eq!(later, decided(&catalog, someone()).recorded);
    assert!(catalog.recorded(&key("home"), &key("gone"), facts).is_empty());
}

fn check(more: Value, expected: Expect) {
    let faults = experience(more).faults();
    let told = faults.iter().map(|fault| format!("{}: {}\n", fault.pointer, fault.detail));
    expected.assert_eq(&told.collect::<String>());
}

#[test]
fn each_trait_that_cannot_be_recorded_has_its_place() {
    check(json!({}), expect![""]);
    check(
        json!({"record_traits": ["a", "b", "a", "c", "d", "e", "f", "g", "x\n", "n".repeat(65)]}),
        expect![[r#"
            /record_traits: at most 8 traits are recorded with a decision
            /record_traits/2: trait `a` is named twice
            /record_traits/8: the name of a trait has no control characters
            /record_traits/9: the name of a trait that is recorded has at most 64 bytes
        "#]],
    );
    check(
        json!({"allocation": {"kind": "external"}}),
        expect![[r#"
            /record_traits: somebody else decides this experience, so no trait is recorded with a decision
        "#]],
    );
    let unfit = json!({"key": "hero", "placement": "home", "variants": [], "record_traits": [""]});
    assert!(serde_json::from_value::<ExperienceDocument>(unfit).is_err());
}
