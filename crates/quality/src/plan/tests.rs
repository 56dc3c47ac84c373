//! Which events violate which schema where, which schemas are refused, and that none takes long.

use expect_test::{Expect, expect};
use model::{Consents, EventKind, Identifier, IdentifierType, SourceKey, Timestamp, value::Object};
use serde_json::json;

use super::*;

fn document(value: Value) -> EventSchemaDocument {
    serde_json::from_value(value).unwrap()
}

fn event(name: &str, properties: Value, traits: Value) -> Event {
    let object = |value: Value| value.as_object().cloned().unwrap_or_else(Object::new);
    let source: SourceKey = "web".parse().unwrap();
    Event {
        source,
        message_id: "m".into(),
        kind: EventKind::Track,
        name: name.into(),
        identifiers: vec![Identifier::new(IdentifierType::UserId, "u")],
        event_time: Timestamp(0),
        received_at: Timestamp(0),
        sent_at: None,
        properties: LazyObject::from(object(properties)),
        traits: object(traits),
        context: LazyObject::from(object(json!({"locale": 7}))),
        consents: Consents::default(),
        historical: false,
        marks: model::event::Marks::default(),
    }
}

fn order(mut schema: Value) -> EventSchemaDocument {
    schema["key"] = "order".into();
    schema["event"] = "Order".into();
    document(schema)
}

fn check(schema: Value, properties: Value, expected: Expect) {
    let (plan, broken) = Plan::compile([&order(schema)]);
    assert!(broken.is_empty(), "{broken:?}");
    let breach = plan.check(&event("Order", properties, json!({"age": "x"})));
    let violations = breach.map(|breach| breach.violations).unwrap_or_default();
    let lines: Vec<_> = violations.iter().map(|v| format!("{} {}", v.path, v.rule)).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn a_violation_says_where_and_which_rule() {
    let schema = json!({"properties": {
        "type": "object",
        "properties": {
            "total": {"type": "number", "minimum": 0},
            "currency": {"enum": ["SEK", "EUR"]},
            "mail": {"format": "email"},
            "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
        },
        "required": ["total", "currency"],
        "$defs": {"item": {"type": "object", "required": ["sku"], "additionalProperties": false,
            "properties": {"sku": {"type": "string", "pattern": "^[A-Z]+$"}}}},
    }});
    check(schema.clone(), json!({"total": 1, "currency": "SEK"}), expect![""]);
    check(
        schema.clone(),
        json!({}),
        expect![[r#"
        /properties/total required
        /properties/currency required"#]],
    );
    check(
        schema.clone(),
        json!({"total": -1, "currency": "secret", "mail": "no mail", "items": [{"sku": "a"}, {"sku": "b"}, {}]}),
        expect![[r#"
            /properties/currency enum
            /properties/items/*/sku pattern
            /properties/items/*/sku required
            /properties/mail format
            /properties/total minimum"#]],
    );
    check(
        schema,
        json!({"total": 1, "currency": "SEK", "items": [{"sku": "A", "colour": 1, "anna@example.com": 1}]}),
        expect![[r#"
            /properties/items/*/* unknown_property
            /properties/items/*/colour unknown_property"#]],
    );
}

#[test]
fn names_that_the_plan_does_not_know_stay_in_the_event() {
    let schema =
        json!({"properties": {"type": "object", "additionalProperties": {"type": "string"}}});
    check(schema, json!({"anna": 1, "0701234567": 2}), expect!["/properties/* type"]);
}

#[test]
fn traits_context_and_unknown_properties_are_held_to_the_plan() {
    let schema = json!({
        "properties": {"properties": {"a": true}},
        "unknown_properties": "violate",
        "traits": {"properties": {"age": {"type": "integer"}}},
        "context": {"properties": {"locale": {"type": "string"}}},
    });
    check(
        schema,
        json!({"a": 1, "b/c": 2}),
        expect![[r#"
        /traits/age type
        /context/locale type
        /properties/b~1c unknown_property"#]],
    );
}

#[test]
fn events_that_no_schema_names_are_judged_by_the_star() {
    let others = document(json!({"key": "others", "event": "*", "mode": "block"}));
    let (plan, broken) = Plan::compile([&others, &order(json!({"mode": "flag"}))]);
    assert!(broken.is_empty());
    let mut unnamed = event("Other", json!({}), json!({}));
    let breach = plan.check(&unnamed).unwrap();
    assert_eq!((breach.mode, breach.violations[0].rule.as_str()), (Mode::Block, UNKNOWN_EVENT));
    unnamed.name = "Order".into();
    assert_eq!(plan.check(&unnamed), None);
    assert_eq!(Plan::default().check(&unnamed), None);
}

#[test]
fn a_broken_schema_is_left_out_and_keeps_no_other_from_acting() {
    let broken = document(json!({"key": "broken", "event": "Broken", "properties": {"type": 7}}));
    let again = document(json!({"key": "again", "event": "Order"}));
    let (plan, faults) = Plan::compile([&broken, &order(json!({})), &again]);
    let keys: Vec<_> = faults.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["broken", "again"]);
    assert!(plan.schema_of("Order").is_some() && plan.schema_of("Broken").is_none());
}

fn refused(schema: Value, expected: Expect) {
    let faults = Plan::check_schema(&order(schema));
    let lines: Vec<_> = faults.iter().map(|f| format!("{}: {}", f.pointer, f.detail)).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn what_could_take_long_or_leads_elsewhere_is_refused() {
    let of = |schema: Value| json!({"properties": schema});
    refused(
        of(json!({"$ref": "https://example.com/schema"})),
        expect![
            "/properties/$ref: a reference leads to a place in the same schema, as in `#/$defs/price`"
        ],
    );
    refused(
        of(json!({"$ref": "#/$defs/none"})),
        expect![
            "/properties/$ref: a reference leads to a place in the same schema, as in `#/$defs/price`"
        ],
    );
    refused(
        of(json!({"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"})),
        expect!["/properties/$ref/items/$ref: `#/$defs/a` refers to itself"],
    );
    refused(
        of(json!({"$id": "x"})),
        expect!["/properties/$id: `$id` is not taken; refer with `$ref`"],
    );
    refused(
        of(json!({"pattern": "(?=a)"})),
        expect![[r#"/properties/pattern: this is no JSON Schema: "(?=a)" is not a "regex""#]],
    );
    refused(
        of(json!({"properties": {"a": {"pattern": "a{1000}{1000}"}}})),
        expect![[
            r#"/properties/properties/a/pattern: this is no JSON Schema: "a{1000}{1000}" is not a "regex""#
        ]],
    );
    refused(
        of(json!({"description": "x".repeat(17_000)})),
        expect!["/properties: the schema has 17018 bytes; at most 16384 fit"],
    );
    refused(
        json!({"event": "Order", "properties": "x"}),
        expect![[
            r#"/properties: this is no JSON Schema: "x" is not of types "boolean", "object""#
        ]],
    );
}

#[test]
fn a_schema_that_stands_for_more_than_it_says_is_refused() {
    let mut definitions = serde_json::Map::new();
    for i in 0..8 {
        let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
        definitions.insert(format!("d{i}"), json!({"anyOf": [next, next, next]}));
    }
    definitions.insert("d8".to_owned(), json!(true));
    let schema = json!({"properties": {"$ref": "#/$defs/d0", "$defs": definitions}});
    let faults = Plan::check_schema(&order(schema));
    assert_eq!(faults.len(), 1);
    assert!(faults[0].detail.ends_with("has more than 2000 parts"), "{}", faults[0].detail);
    let mut deep = json!({"type": "string"});
    for _ in 0..40 {
        deep = json!({"items": deep});
    }
    let faults = Plan::check_schema(&order(json!({"properties": deep})));
    assert!(faults[0].detail.ends_with("deeper than 32 levels"), "{}", faults[0].detail);
}

/// A pattern that makes a backtracking matcher try two to the power of thirty ways, and many violations at once.
#[test]
fn no_event_makes_a_check_take_long() {
    let schema = json!({"properties": {
        "properties": {"text": {"pattern": "^(a+)+$"}, "list": {"items": {"type": "string"}, "uniqueItems": true}}
    }});
    let (plan, broken) = Plan::compile([&order(schema)]);
    assert!(broken.is_empty());
    let text = "a".repeat(30_000) + "!";
    let list: Vec<i32> = (0..5_000).collect();
    let breach = plan.check(&event("Order", json!({"text": text, "list": list}), json!({})));
    let violations = breach.unwrap().violations;
    assert!(violations.iter().any(|violation| violation.rule == "pattern"));
    assert!(violations.len() <= VIOLATIONS_MAX);
}
