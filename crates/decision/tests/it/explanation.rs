//! How decisions are explained.

use decision::{Catalog, Divisions, Request, Step, Versioned, decide};
use expect_test::{Expect, expect};
use model::{LazyObject, Timestamp, condition::Truth};
use serde_json::{Value, json};

use crate::person::{TestPerson, Written, divided, group, holdout, key};

/// One line per step.
fn told(steps: &[Step]) -> String {
    let line = |step: &Step| {
        let stage = serde_json::to_value(step.stage).unwrap();
        let experience = step.experience.as_ref().map_or("-", |key| key.as_str());
        let truth = match step.truth {
            Some(Truth::True) => "yes",
            Some(Truth::False) => "no",
            Some(Truth::Withheld) => "withheld",
            None => "-",
        };
        let pointer = step.pointer.as_ref().map_or(String::new(), |p| format!(" [{p}]"));
        let stage = stage.as_str().unwrap();
        format!("{stage:<11} {experience:<6} {truth:<8} {}{pointer}\n", step.text)
    };
    steps.iter().map(line).collect()
}

fn check(experiences: &[Value], person: Value, global: Option<f64>, expected: Expect) {
    let placement = json!({"key": "home", "state": "live", "default": {"title": "default"}});
    let version = |document| Versioned { version: 1, document };
    let placement = version(serde_json::from_value(placement).unwrap());
    let experiences: Vec<_> = experiences
        .iter()
        .map(|document| Versioned {
            version: 1,
            document: serde_json::from_value(document.clone()).unwrap(),
        })
        .collect();
    let holdouts = global.map(|share| holdout("everything", share)).into_iter().collect();
    let divisions = Divisions { holdouts, exclusion_groups: vec![group("home", &[(0.0, 0.5)])] };
    let (catalog, broken) = Catalog::compile(&[placement], &experiences, divided(&divisions));
    assert_eq!(broken, []);
    let context = LazyObject::default();
    let written: Written = serde_json::from_value(person).unwrap();
    let person = TestPerson::new(written, &context);
    let request = Request {
        placements: Some(&[key("home")]),
        context: &context,
        public: false,
        explain: true,
        forced: None,
    };
    let outcome = decide(&catalog, &person, &request, Timestamp(1_790_000_000_000)).remove(0);
    expected.assert_eq(&told(&outcome.explanation));
}

fn hero() -> Value {
    json!({
        "key": "hero", "placement": "home", "state": "live", "priority": 3,
        "eligibility": {"all": [
            {"trait": "plan", "op": "eq", "value": "pro"},
            {"trait": "age", "op": "gte", "value": 18},
        ]},
        "traffic": 0.95, "holdout": 0.05,
        "caps": {"per_person": {"count": 3, "within": "7d"}},
        "exclusion_group": {"group": "home", "slot": "s0"},
        "variants": [{"key": "a", "content": {"title": "A"}}, {"key": "b", "content": {"title": "B"}}],
    })
}

const UNIT: &str = "e6fac472eaf3dff4";

#[test]
fn a_winner_is_explained_from_person_to_content() {
    let second =
        json!({"key": "second", "placement": "home", "state": "live", "variants": [{"key": "a"}]});
    let person = json!({"unit": UNIT, "traits": {"plan": "pro", "age": 40}});
    check(
        &[second, hero()],
        person,
        None,
        expect![[r#"
            person      -      -        a known person, unit e6fac472eaf3dff4
            consent     hero   yes      purpose `personalization` is granted
            suppression hero   yes      the person is not suppressed
            schedule    hero   yes      the experience acts now, 2026-09-21T14:13:20.000Z
            eligibility hero   yes      eligible
            eligibility hero   yes      all of 2 [/eligibility]
            eligibility hero   yes      trait plan is "pro", wanted eq "pro" [/eligibility/all/0]
            eligibility hero   yes      trait age is 40, wanted gte 18 [/eligibility/all/1]
            exclusion   hero   yes      bucket 595 of group `home`, slot `s0` 0 to 5000
            traffic     hero   yes      bucket 9172, traffic below 9500
            caps        hero   yes      shown 0 times within 1w, at most 3
            consent     second yes      purpose `personalization` is granted
            suppression second yes      the person is not suppressed
            schedule    second yes      the experience acts now, 2026-09-21T14:13:20.000Z
            eligibility second yes      everyone is eligible
            traffic     second yes      everyone takes part
            arbitration hero   yes      priority 3; before `second` (priority 0)
            holdout     hero   yes      bucket 4040, held out below 500
            variant     hero   -        `a` by bucket 1529, of 0 to 5000
            content     hero   -        the content of `a`
        "#]],
    );
}

#[test]
fn a_candidate_is_explained_up_to_the_gate_that_stopped_it() {
    let hidden = json!({"unit": UNIT, "withheld": ["plan"], "traits": {"age": 40}});
    check(
        &[hero()],
        hidden,
        None,
        expect![[r#"
        person      -      -        a known person, unit e6fac472eaf3dff4
        consent     hero   yes      purpose `personalization` is granted
        suppression hero   yes      the person is not suppressed
        schedule    hero   yes      the experience acts now, 2026-09-21T14:13:20.000Z
        eligibility hero   withheld whether eligible may not be known for this purpose
        eligibility hero   withheld all of 2 [/eligibility]
        eligibility hero   withheld trait plan is withheld, wanted eq "pro" [/eligibility/all/0]
        eligibility hero   yes      trait age is 40, wanted gte 18 [/eligibility/all/1]
        arbitration -      -        no experience passed every gate
        content     -      -        the placement's default content
    "#]],
    );
    let refused = json!({"unit": UNIT, "granted": []});
    check(
        &[hero()],
        refused,
        None,
        expect![[r#"
        person      -      -        an unknown visitor, unit e6fac472eaf3dff4
        consent     hero   no       purpose `personalization` is not granted
        arbitration -      -        no experience passed every gate
        content     -      -        the placement's default content
    "#]],
    );
}

#[test]
fn assignments_and_holdouts_are_told() {
    let person = json!({
        "unit": UNIT, "traits": {"plan": "pro", "age": 40}, "assignments": {"hero": "b"},
    });
    let mut document = hero();
    document["traffic"] = json!(0.1);
    check(
        &[document.clone()],
        person.clone(),
        None,
        expect![[r#"
        person      -      -        a known person, unit e6fac472eaf3dff4
        consent     hero   yes      purpose `personalization` is granted
        suppression hero   yes      the person is not suppressed
        schedule    hero   yes      the experience acts now, 2026-09-21T14:13:20.000Z
        eligibility hero   yes      eligible
        eligibility hero   yes      all of 2 [/eligibility]
        eligibility hero   yes      trait plan is "pro", wanted eq "pro" [/eligibility/all/0]
        eligibility hero   yes      trait age is 40, wanted gte 18 [/eligibility/all/1]
        exclusion   hero   yes      in group `home` the person takes part in `hero`
        traffic     hero   yes      bucket 9172, traffic below 1000, kept by an assignment
        caps        hero   yes      shown 0 times within 1w, at most 3
        arbitration hero   yes      the only one that passed every gate, priority 3
        holdout     hero   yes      decided by the assignment `b`
        variant     hero   -        `b` by assignment
        content     hero   -        the content of `b`
    "#]],
    );
    check(
        &[document],
        person,
        Some(1.0),
        expect![[r#"
            person      -      -        a known person, unit e6fac472eaf3dff4
            consent     hero   yes      purpose `personalization` is granted
            suppression hero   yes      the person is not suppressed
            schedule    hero   yes      the experience acts now, 2026-09-21T14:13:20.000Z
            eligibility hero   yes      eligible
            eligibility hero   yes      all of 2 [/eligibility]
            eligibility hero   yes      trait plan is "pro", wanted eq "pro" [/eligibility/all/0]
            eligibility hero   yes      trait age is 40, wanted gte 18 [/eligibility/all/1]
            exclusion   hero   yes      in group `home` the person takes part in `hero`
            traffic     hero   yes      bucket 9172, traffic below 1000, kept by an assignment
            caps        hero   yes      shown 0 times within 1w, at most 3
            arbitration hero   yes      the only one that passed every gate, priority 3
            holdout     hero   no       holdout `everything`: bucket 193, held out below 10000
            variant     hero   -        `b` by assignment
            content     -      -        the placement's default content
        "#]],
    );
}

#[test]
fn content_that_breaks_is_told_without_its_values() {
    let document = json!({
        "key": "hero", "placement": "home", "state": "live",
        "variants": [{"key": "a", "content": {"title": "{{ profile.name | plus: 1 }}"}}],
    });
    let person = json!({"unit": UNIT, "traits": {"name": "Ada"}});
    check(
        &[document],
        person,
        None,
        expect![[r#"
            person      -      -        a known person, unit e6fac472eaf3dff4
            consent     hero   yes      purpose `personalization` is granted
            suppression hero   yes      the person is not suppressed
            schedule    hero   yes      the experience acts now, 2026-09-21T14:13:20.000Z
            eligibility hero   yes      everyone is eligible
            traffic     hero   yes      everyone takes part
            arbitration hero   yes      the only one that passed every gate, priority 0
            variant     hero   -        `a` by bucket 1529, of 0 to 10000
            content     hero   no       the content of `a` broke: `plus`: a number is needed
            content     -      -        the placement's default content
        "#]],
    );
}
