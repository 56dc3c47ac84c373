use expect_test::expect;
use model::condition::Condition;
use serde_json::json;

use super::*;

fn of(key: &str) -> &'static ReadyMade {
    find(&key.parse().unwrap()).unwrap()
}

/// Something for the parameters that have no default.
fn required(ready_made: &ReadyMade) -> Object {
    let open = ready_made.parameters.iter().filter(|parameter| parameter.default.is_none());
    open.map(|parameter| {
        let value = match &parameter.takes {
            Takes::Texts => json!(["x"]),
            Takes::Choice { of } => json!(of[0]),
            other => panic!("`{}` needs a default: {other:?}", parameter.name),
        };
        (parameter.name.clone(), value)
    })
    .collect()
}

fn holds_a_place(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            ["parameter", "choice", "part"].iter().any(|name| fields.contains_key(*name))
                || fields.values().any(holds_a_place)
        }
        Value::Array(items) => items.iter().any(holds_a_place),
        _ => false,
    }
}

#[test]
fn each_is_sound_with_its_defaults_and_every_choice() {
    let read: Vec<ReadyMade> = serde_json::from_str(include_str!("../ready_made.json")).unwrap();
    assert_eq!(read.len(), all().len());
    for ready_made in all() {
        let set = required(ready_made);
        let mut variants = vec![set.clone()];
        for parameter in &ready_made.parameters {
            if let Takes::Choice { of } = &parameter.takes {
                variants.extend(of.iter().map(|choice| {
                    let mut set = set.clone();
                    set.insert(parameter.name.clone(), choice.as_str().into());
                    set
                }));
            }
            if let Some(default) = &parameter.default {
                parameter.takes.check(default).unwrap();
            }
            if let Some(above) = &parameter.above {
                assert!(ready_made.parameters.iter().any(|other| other.name == *above));
            }
        }
        for set in variants {
            let Filled { computed_traits, audience } = ready_made.fill(&set).unwrap();
            Condition::parse(&audience["condition"]).unwrap();
            assert!(!holds_a_place(&audience["condition"]), "{}", audience["condition"]);
            assert!(!computed_traits.iter().any(|made| holds_a_place(&json!(made))));
        }
    }
}

#[test]
fn parameters_are_filled_in() {
    let set = json!({"segment": "loyal", "recent": "14d", "revenue": "total"});
    let filled = of("rfm").fill(set.as_object().unwrap()).unwrap();
    assert_eq!(
        filled.audience["condition"],
        json!({"all": [
            {"event": "Order Completed", "since": {"op": "lt", "value": "14d"}},
            {"event": "Order Completed", "within": "365d", "count": {"op": "gte", "value": 5}},
            {"not": {"event": "Order Completed", "within": "365d",
                "sum": {"property": "total", "op": "gte", "value": 500}}},
        ]})
    );
    let set = json!({"trait": "tier", "luxury_from": 99.5});
    let filled = of("price_tier").fill(set.as_object().unwrap()).unwrap();
    assert_eq!(filled.computed_traits[0]["key"], "tier");
    assert_eq!(filled.computed_traits[0]["levels"][2], json!({"name": "luxury", "from": 99.5}));
    let condition = json!({"computed": "tier", "op": "eq", "value": "luxury"});
    assert_eq!(filled.audience["condition"], condition);
}

#[test]
fn what_is_wrong_is_told_by_its_place() {
    let faults = |key: &str, set: Value| {
        let faults = of(key).fill(set.as_object().unwrap()).unwrap_err();
        let lines: Vec<String> =
            faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
        lines.join("\n")
    };
    let wrong = json!({"segment": "kings", "recent": "1000d", "some": 1.5, "much": "500", "order": "", "a/b": 1});
    expect![[r#"
        /parameters/a~1b: there is no such parameter; there are segment, recent, long, some, many, much, within, order, revenue
        /parameters/segment: it must be one of `champions`, `loyal`, `potential`, `new`, `need_attention`, `about_to_sleep`, `cannot_lose`, `at_risk`, `lost`
        /parameters/recent: it must be a duration from `1d` to `365d`
        /parameters/some: it must be a whole number from 2 to 1000
        /parameters/much: it must be a number from 0 to 1000000000
        /parameters/order: it must be a text of 1 to 200 characters"#]]
    .assert_eq(&faults("rfm", wrong));
    expect![[r#"/parameters/long: it must be greater than `recent`"#]]
        .assert_eq(&faults("rfm", json!({"segment": "new", "recent": "90d", "long": "30d"})));
    expect![[r#"/parameters/names: it must be set: names of campaigns, their sources, their media, or channels"#]]
        .assert_eq(&faults("campaign", json!({"names": null})));
    expect![[r#"/parameters/names: it must be a list of 1 to 100 texts"#]]
        .assert_eq(&faults("place", json!({"names": []})));
    expect![[r#"/parameters/trait: it must be a key: 1 to 64 of `a-z 0-9 _ -`"#]]
        .assert_eq(&faults("skill", json!({"trait": "My Skill"})));
}
