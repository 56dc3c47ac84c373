use std::fmt::Write as _;

use expect_test::{Expect, expect};
use model::{
    Key, Purpose, PurposeSet, Value,
    condition::{Condition, EventRow},
    definition::Fault,
    hash,
};
use serde_json::json;

use crate::{
    AudienceDocument, Catalog, Change, Touched,
    fixture::{at, catalog, compile, live, paths, row},
};

fn check((catalog, faults): (Catalog, Vec<(Key, Vec<Fault>)>), expected: Expect) {
    let mut text = String::new();
    for audience in catalog.audiences() {
        let kind = if audience.request_only() { "in place" } else { "stored" };
        writeln!(text, "{} {kind}", audience.key()).unwrap();
    }
    for (key, faults) in faults {
        for fault in faults {
            writeln!(text, "{key}{}: {}", fault.pointer, fault.detail).unwrap();
        }
    }
    expected.assert_eq(&text);
}

fn refers(to: &str) -> Value {
    json!({"not": {"audience": to}})
}

#[test]
fn references_order_audiences_and_pass_on_context() {
    check(
        compile([
            ("a", refers("c")),
            ("b", json!({"context": "device.type", "op": "exists"})),
            ("c", refers("d")),
            ("d", json!({"all": []})),
            ("e", json!({"any": [{"audience": "a"}, {"audience": "b"}]})),
        ]),
        expect![[r#"
            b in place
            d stored
            c stored
            a stored
            e in place
        "#]],
    );
}

#[test]
fn faults_are_contained() {
    check(
        compile([
            ("broken", json!({"all": [{"event": ""}]})),
            ("on_broken", refers("broken")),
            ("on_on_broken", refers("on_broken")),
            ("itself", refers("itself")),
            (
                "since_itself",
                json!({"event": "A", "within": {"since": {"audience": "since_itself"}}}),
            ),
            ("gone", json!({"all": [{"audience": "nobody_home"}]})),
            ("circle_a", refers("circle_b")),
            ("circle_b", refers("circle_a")),
            ("on_circle", refers("circle_a")),
            ("fine", json!({"all": []})),
        ]),
        expect![[r#"
            fine stored
            broken/condition/all/0/event: `event` is the name of an event, 1 to 200 bytes
            circle_a/condition/not/audience: audience `circle_a` refers to itself through `circle_b`
            circle_b/condition/not/audience: audience `circle_b` refers to itself through `circle_a`
            gone/condition/all/0/audience: there is no live audience `nobody_home`
            itself/condition/not/audience: audience `itself` refers to itself
            on_broken/condition/not/audience: audience `broken` has faults of its own; mend it first
            on_circle/condition/not/audience: audience `circle_a` refers to others in a circle or more than 16 deep
            on_on_broken/condition/not/audience: audience `on_broken` has faults of its own; mend it first
            since_itself/condition/within/since/audience: audience `since_itself` refers to itself
        "#]],
    );
}

#[test]
fn purposes_and_keys_are_checked() {
    let everybody = || json!({"all": []});
    check(
        Catalog::compile(vec![
            live("a", 1, "marketing", everybody()),
            live("b", 1, "personalization", refers("a")),
            live("c", 1, "unheard_of", everybody()),
            live("d", 1, "analytics", everybody()),
            live("d", 2, "analytics", everybody()),
        ]),
        expect![[r#"
            a stored
            d stored
            b/condition/not/audience: audience `a` is for the purpose `marketing`, and this one for `personalization`; both need the same
            c/purpose: there is no purpose `unheard_of`; define it or name another
            d/key: another live audience has the key `d`
        "#]],
    );
}

#[test]
fn references_go_a_bounded_number_deep() {
    let name = |i: usize| format!("a{i:02}");
    let chain = (0..20).map(|i| {
        let condition = if i == 0 { json!({"all": []}) } else { refers(&name(i - 1)) };
        live(&name(i), 1, "personalization", condition)
    });
    let (catalog, faults) = Catalog::compile(chain.collect());
    assert_eq!(catalog.audiences().len(), 17);
    assert_eq!(faults.len(), 3);
}

#[test]
fn changes_touch_what_reads_them() {
    let catalog = catalog([
        ("any_order", json!({"event": "Order"})),
        (
            "big_order",
            json!({"not": {"event": "Order", "where": [{"property": "x", "op": "gte", "value": 5}]}}),
        ),
        (
            "last_order",
            json!({"event": "Order", "where": [{"property": "x", "op": "exists"}],
                              "last": {"property": "y", "op": "eq", "value": 1}}),
        ),
        ("lund", json!({"trait": "address.city", "op": "eq", "value": "Lund"})),
        ("moved", json!({"trait": "address", "op": "exists"})),
        ("not_lund", refers("lund")),
        ("so_lund", refers("not_lund")),
        ("asked", json!({"consent": "marketing"})),
        (
            "mobile",
            json!({"all": [{"event": "Order"}, {"context": "device.type", "op": "exists"}]}),
        ),
    ]);
    let touched = |change: &Change<'_>| -> Vec<&str> {
        let touched = catalog.touched(change);
        touched.iter().map(|i| catalog.audiences()[i].key().as_str()).collect()
    };
    let name_hash = hash::event_name("Order");
    let order = |purposes, x| row(at(0), purposes, x);
    let event =
        |row: EventRow| touched(&Change::Event { name_hash, row: row.as_row(), paths: &paths() });
    assert_eq!(event(order(PurposeSet::ALL, None)), ["any_order"]);
    assert_eq!(event(order(PurposeSet::ALL, Some(json!(1)))), ["any_order", "last_order"]);
    let all = ["any_order", "big_order", "last_order"];
    assert_eq!(event(order(PurposeSet::ALL, Some(json!(9)))), all);
    assert_eq!(event(order(PurposeSet::NONE, None)), all, "unreadable, so anything");
    assert_eq!(touched(&Change::Timeline { name_hash }), all);
    assert_eq!(touched(&Change::Timeline { name_hash: 1 }), [""; 0]);
    assert_eq!(touched(&Change::Trait("address")), ["lund", "moved", "not_lund", "so_lund"]);
    assert_eq!(touched(&Change::Trait("address.city")), ["lund", "moved", "not_lund", "so_lund"]);
    assert_eq!(touched(&Change::Trait("city")), [""; 0]);
    assert_eq!(touched(&Change::Consent(Purpose::MARKETING)), ["asked"]);
    assert_eq!(touched(&Change::Consent(Purpose::PERSONALIZATION)).len(), 8);
    assert_eq!(touched(&Change::Everything).len(), 8, "all but the one answered in place");
}

#[test]
fn needed_events_are_the_union() {
    let catalog = catalog([
        ("a", json!({"event": "Order", "sum": {"property": "revenue", "op": "gt", "value": 1}})),
        ("b", json!({"event": "Order", "where": [{"property": "currency", "op": "exists"}]})),
        ("c", json!({"event": "Page Viewed"})),
    ]);
    let needed: Vec<(String, Vec<String>)> = catalog
        .needed_events()
        .into_iter()
        .map(|(name, paths)| (name.text.into(), paths.iter().map(ToString::to_string).collect()))
        .collect();
    let order = ("Order".into(), vec!["currency".into(), "revenue".into()]);
    assert_eq!(needed, [order, ("Page Viewed".into(), vec![])]);
}

#[test]
fn a_set_of_positions_iterates_in_order() {
    let mut touched = Touched::default();
    assert!(touched.is_empty());
    let positions = [0, 1, 63, 64, 65, 200];
    positions.iter().rev().for_each(|position| touched.insert(*position));
    assert_eq!(touched.iter().collect::<Vec<_>>(), positions);
    touched.clear();
    assert!(touched.is_empty());
}

#[test]
fn documents_are_closed_and_described() {
    let document = json!({"key": "vip", "condition": {"all": []}});
    let audience: AudienceDocument = serde_json::from_value(document).unwrap();
    assert_eq!(audience.purpose.to_string(), "personalization");
    assert!(serde_json::from_value::<AudienceDocument>(json!({"key": "vip"})).is_err());
    let unknown = json!({"key": "vip", "condition": {"all": []}, "colour": 1});
    assert!(serde_json::from_value::<AudienceDocument>(unknown).is_err());
    let schema = serde_json::to_value(schemars::schema_for!(AudienceDocument)).unwrap();
    assert_eq!(schema["properties"]["condition"]["$ref"], "#/$defs/Condition");
    assert!(Condition::parse(&audience.condition).is_ok());
}
