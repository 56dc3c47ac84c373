//! Which events a rule recognises, and which rules are refused.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

fn traffic(rules: &[Value]) -> Traffic {
    let documents: Vec<TrafficRuleDocument> = rules
        .iter()
        .enumerate()
        .map(|(index, rule)| {
            let mut rule = rule.clone();
            rule["key"] = format!("r{index}").into();
            serde_json::from_value(rule).unwrap()
        })
        .collect();
    let (traffic, broken) = Traffic::compile(&documents);
    assert!(broken.is_empty(), "{broken:?}");
    traffic
}

fn marks(rules: &[Value], ip: &str, agent: &str, is_known_bot: bool, context: Value) -> String {
    let traits = json!({"email": "anna@our.example"}).as_object().unwrap().clone();
    let context = LazyObject::from(context.as_object().unwrap().clone());
    let seen = Sighting {
        ip: ip.parse().ok(),
        user_agent: Some(agent),
        is_known_bot,
        traits: &traits,
        context: &context,
    };
    let marks = traffic(rules).marks(&seen);
    let counted = if marks.has(Marks::UNCOUNTED) { "uncounted" } else { "counted" };
    marks.words().chain([counted]).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_way_to_recognise_is_enough() {
    let office = json!({"mark": "internal", "networks": ["192.0.2.0/24", "2001:db8::1"], "user_agents": ["OurApp/"]});
    let of =
        |ip: &str, agent: &str| marks(std::slice::from_ref(&office), ip, agent, false, json!({}));
    assert_eq!(of("192.0.2.77", "Mozilla/5.0"), "internal uncounted");
    assert_eq!(of("2001:db8::1", ""), "internal uncounted");
    assert_eq!(of("198.51.100.1", "ourapp/2 beta"), "internal uncounted");
    assert_eq!(of("198.51.100.1", "Mozilla/5.0"), "counted");
    assert_eq!(of("no address", ""), "counted");
}

#[test]
fn a_condition_asks_about_the_event_itself() {
    let staff = json!({"mark": "internal", "counts": true, "condition": {"any": [
        {"trait": "email", "op": "ends_with", "value": "@our.example"},
        {"context": "page.url", "op": "contains", "value": "internal=1"}]}});
    assert_eq!(marks(&[staff], "", "", false, json!({})), "internal counted");
    let tagged = json!({"mark": "internal", "condition":
        {"context": "page.url", "op": "contains", "value": "internal=1"}});
    let page = |url: &str| {
        marks(std::slice::from_ref(&tagged), "", "", false, json!({"page": {"url": url}}))
    };
    assert_eq!(page("https://a.example/?internal=1"), "internal uncounted");
    assert_eq!(page("https://a.example/"), "counted");
}

#[test]
fn known_bots_do_not_count_unless_a_rule_says_otherwise() {
    let of = |rules: &[Value]| marks(rules, "", "", true, json!({}));
    assert_eq!(of(&[]), "bot uncounted");
    assert_eq!(of(&[json!({"mark": "bot", "known_bots": true, "counts": true})]), "bot counted");
    let monitor = json!({"mark": "internal", "known_bots": true});
    assert_eq!(of(&[monitor]), "internal uncounted");
}

fn refused(mut rule: Value, expected: Expect) {
    rule["key"] = "r".into();
    let faults = Traffic::check_rule(&serde_json::from_value(rule).unwrap());
    let lines: Vec<_> = faults.iter().map(|f| format!("{}: {}", f.pointer, f.detail)).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn a_rule_that_recognises_nobody_or_asks_too_much_is_refused() {
    refused(
        json!({"mark": "bot"}),
        expect![
            ": say how they are recognised: `networks`, `user_agents`, `known_bots` or `condition`"
        ],
    );
    refused(
        json!({"mark": "bot", "networks": ["192.0.2.0/33"], "user_agents": [" "]}),
        expect![[r#"
        /networks/0: `192.0.2.0/33` is no network: write `192.0.2.0/24` or `2001:db8::/32`
        /user_agents/0: a text to look for has 1 to 200 bytes"#]],
    );
    refused(
        json!({"mark": "bot", "condition": {"not": {"audience": "vip"}}}),
        expect![
            "/condition/not: a traffic rule asks about the event's own `trait` and `context` only"
        ],
    );
}
