//! What documents may say, and what saving one refuses.

use decision::{Catalog, ExperienceDocument, Kind, PlacementDocument, Versioned};
use expect_test::{Expect, expect};
use model::{Duration, definition::Fault};
use serde_json::{Value, json};

use crate::person::{defined, key};

fn told(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{}: {}\n", fault.pointer, fault.detail)).collect()
}

fn placement(more: Value) -> PlacementDocument {
    let mut document = json!({"key": "home", "state": "live"});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(document).unwrap()
}

fn experience(more: Value) -> ExperienceDocument {
    let mut document =
        json!({"key": "hero", "state": "live", "placement": "home", "variants": [{"key": "a"}]});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(document).unwrap()
}

fn check_experience(more: Value, expected: Expect) {
    let home = placement(json!({}));
    let faults = Catalog::check_experience(&experience(more), Some(&home), defined());
    expected.assert_eq(&told(&faults));
}

fn check_placement(more: Value, expected: Expect) {
    expected.assert_eq(&told(&Catalog::check_placement(&placement(more))));
}

#[test]
fn a_sound_document_has_no_faults() {
    check_placement(json!({}), expect![""]);
    check_experience(json!({}), expect![""]);
}

#[test]
fn what_is_new_in_an_experience_is_checked_too() {
    check_experience(
        json!({
            "never_after": [{"event": "Order Completed"}, {"trait": "plan", "op": "exists"}, {}],
            "schedule": {"hours": [{"from": "9:00"}, {"to": "24:01"}], "timezone": "Mars/Utopia"},
            "caps": {"shared": [{"group": "g", "count": 0, "within": "0s"}]},
            "variants": [{"key": "a", "editions": [
                {}, {"locale": "sv_SE"}, {"when": {"event": ""}, "content": {"x": "{{ y.z }}"}},
            ]}],
        }),
        expect![[r#"
            /caps/shared/0/count: a cap of 0 shows nothing: pause the experience instead
            /caps/shared/0/within: must be longer than nothing
            /schedule/hours/0/from: write a time of day as hours and minutes: 09:30
            /schedule/hours/1/to: write a time of day as hours and minutes: 09:30
            /schedule/timezone: this is no name of the time zone database, such as Europe/Stockholm
            /never_after/1: this may ask about events only
            /never_after/2: a condition has one of the fields all, any, not, at_least, trait, context, computed, event, sequence, audience, stage, account, consent, bucket
            /variants/0/editions/0: an edition is for a `locale`, for those of whom `when` holds, or both
            /variants/0/editions/1/locale: this is no language tag, such as sv or sv-SE
            /variants/0/editions/2/when/event: `event` is the name of an event, 1 to 200 bytes
            /variants/0/editions/2/content/x: `y` is not a variable here: use `profile`, `account` or `context`
        "#]],
    );
}

#[test]
fn every_fault_of_an_experience_is_told_at_once() {
    check_experience(
        json!({
            "purpose": "service", "salt": "", "control": "z",
            "schedule": {"start": "2026-11-22", "end": "2026-11-21"},
            "caps": {"per_person": {"count": 0, "within": "0s"}},
            "exclusion_group": {"group": "g", "slot": "s"},
            "eligibility": {"all": [{"event": "x", "within": "soon"}]},
            "variants": [
                {"key": "a", "weight": 1, "content": {"x": ["{{ user.name }}"]}},
                {"key": "a", "weight": 1_000_000}, {"key": "holdout"},
            ],
        }),
        expect![[r#"
            /salt: a salt has 1 to 64 bytes
            /caps/per_person/count: a cap of 0 shows nothing: pause the experience instead
            /caps/per_person/within: must be longer than nothing
            /control: there is no variant `z`
            /variants/1/key: there is another variant `a`
            /variants/2/key: `holdout` is what held-out units are recorded with
            /exclusion_group/group: exclusion group `g` does not exist
            /purpose: nothing is shown under the purpose `service`
            /eligibility/all/0/within: `within` is a duration, as in "30d", or an object: {"from":"60d","to":"30d"} ago, {"after":"2026-01-01","before":"2026-02-01"}, {"calendar":"this_month"}, {"since":{"event":…}}, or {"visit":"current"}
            /schedule/end: the end must be after the start
            /variants/0/weight: 1 of 1000002 is less than a ten-thousandth
            /variants/0/content/x/0: `user` is not a variable here: use `profile`, `account` or `context`
        "#]],
    );
    check_experience(
        json!({"purpose": "research"}),
        expect![[r#"
        /purpose: purpose `research` does not exist
    "#]],
    );
    check_experience(
        json!({"variants": []}),
        expect![[r#"
        /variants: an experience has 1 to 200 variants, not 0
    "#]],
    );
    check_experience(
        json!({"variants": [{"key": "a", "weight": 0}]}),
        expect![[r#"
        /variants: at least one variant needs a weight above 0
    "#]],
    );
    let many: Vec<_> = (0..201).map(|i| json!({"key": format!("v{i}")})).collect();
    check_experience(
        json!({"variants": many}),
        expect![[r#"
        /variants: an experience has 1 to 200 variants, not 201
    "#]],
    );
}

#[test]
fn an_experience_needs_a_sound_placement() {
    let faults = Catalog::check_experience(&experience(json!({})), None, defined());
    expect![[r#"
        /placement: placement `home` does not exist
    "#]]
    .assert_eq(&told(&faults));
    let broken = placement(json!({"content_schema": {"type": 1}}));
    let faults = Catalog::check_experience(&experience(json!({})), Some(&broken), defined());
    expect![[r#"
        /placement: placement `home` has faults of its own
    "#]]
    .assert_eq(&told(&faults));
}

#[test]
fn every_fault_of_a_placement_is_told_at_once() {
    check_placement(
        json!({
            "content_schema": {"pattern": "x"},
            "default": {"title": "{{ profile.name }}", "html": "{% if %}"},
            "match": {"any": [{"trait": "plan", "op": "exists"}]},
        }),
        expect![[r#"
            /content_schema/pattern: `pattern` is not supported here, or has the wrong type of value
            /default/html: not a template: --> 1:6 | 1 | {% if %} | ^--- | = Value expected.
            /default/title: `profile` is not a variable here: use `context`
            /match: a placement's `match` may ask about the context only
        "#]],
    );
}

#[test]
fn documents_refuse_unknown_fields_and_survive_a_round_trip() {
    for more in [
        json!({"wieght": 1}),
        json!({"allocation": {"kind": "fixed", "floor": 0.1}}),
        json!({"allocation": {"kind": "magic"}}),
        json!({"traffic": 1.5}),
        json!({"traffic": 0.12345}),
        json!({"schedule": {"from": "2026-11-21"}}),
    ] {
        let mut document = json!({"key": "hero", "placement": "home", "variants": [{"key": "a"}]});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert!(serde_json::from_value::<ExperienceDocument>(document).is_err(), "{more}");
    }
    let full = experience(json!({
        "name": "Hero", "description": "x", "tags": ["t"], "goal": "revenue", "hypothesis": "h",
        "control": "a", "allocation": {"kind": "fixed"}, "traffic": 0.5, "priority": -2,
        "schedule": {"start": "2026-11-21T00:00:00Z"}, "holdout": 0.1, "salt": "s",
        "caps": {"per_person": {"count": 1, "within": "7d"}}, "public_fields": ["first_name"],
        "exclusion_group": {"group": "g", "slot": "s"}, "mode": "aa",
        "ramp": [{"at": "2026-11-21T00:00:00Z", "traffic": 1}], "eligibility": {"all": []},
        "guardrails": ["errors"], "stop_on_mismatch": true, "stop_on_broken": true,
        "record_traits": ["plan"],
        "method": {"kind": "planned_looks", "units": 20_000, "looks": 4},
    }));
    let text = serde_json::to_string(&full).unwrap();
    assert_eq!(serde_json::from_str::<ExperienceDocument>(&text).unwrap(), full);
    let home = placement(json!({"default": {"a": 1}, "match": {"all": []}, "content_schema": {}}));
    let text = serde_json::to_string(&home).unwrap();
    assert_eq!(serde_json::from_str::<PlacementDocument>(&text).unwrap(), home);
}

#[test]
fn the_json_schemas_close_the_documents() {
    for (schema, fields) in [
        (schemars::schema_for!(PlacementDocument), ["content_schema", "default", "match"]),
        (schemars::schema_for!(ExperienceDocument), ["variants", "traffic", "exclusion_group"]),
    ] {
        let schema = schema.as_value();
        assert_eq!(schema["additionalProperties"], json!(false));
        for field in fields {
            assert!(schema["properties"].get(field).is_some(), "{field}");
        }
    }
}

#[test]
fn the_catalog_tells_what_its_rules_read_and_who_competes() {
    let version = |document| Versioned { version: 1, document };
    let bought = |within: &str| {
        let once = json!({"op": "gte", "value": 1});
        json!({"event": "Order Completed", "within": within, "count": once})
    };
    let experiences = [
        experience(json!({"key": "b", "eligibility": bought("30d")})),
        experience(json!({"key": "c", "priority": 1, "eligibility": {"all": [
            bought("7d"), {"trait": "plan", "op": "exists"}, {"audience": "vip"},
        ]}})),
        experience(json!({"key": "a", "state": "paused"})),
        experience(json!({"key": "draft", "state": "draft", "eligibility": bought("90d")})),
        experience(json!({"key": "lost", "placement": "nowhere"})),
    ];
    let experiences: Vec<_> = experiences.into_iter().map(version).collect();
    let home = Versioned { version: 1, document: placement(json!({})) };
    let (catalog, broken) = Catalog::compile(&[home], &experiences, defined());

    let order: Vec<_> = catalog.by_placement(&key("home")).map(|r| r.key.as_str()).collect();
    assert_eq!(order, ["c", "a", "b"]);
    let needs = catalog.needs();
    assert_eq!(needs.longest_window, Some(Duration::days(30)));
    assert_eq!(
        needs.events.keys().map(|name| name.text.as_str()).collect::<Vec<_>>(),
        ["Order Completed"]
    );
    assert_eq!((needs.traits.len(), needs.audiences.len()), (1, 1));
    let broken: Vec<_> = broken.iter().map(|b| (b.kind, b.key.as_str())).collect();
    assert_eq!(broken, [(Kind::Experience, "lost")]);
    assert_eq!(Catalog::default().needs().longest_window, Some(Duration::default()));
}
