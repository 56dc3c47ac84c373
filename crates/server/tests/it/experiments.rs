//! Experiments through the public interface: who takes part, who is kept out, and who is not counted.

use std::collections::BTreeMap;

use expect_test::expect;
use model::{Duration, Value};
use serde_json::json;

use crate::harness::{NOW, Server, get, post, put, server};

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

fn experience(placement: &str, more: Value) -> Value {
    let mut document = json!({"state": "live", "placement": placement,
        "variants": [{"key": "a", "content": {"n": 1}}, {"key": "b", "content": {"n": 2}}]});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

async fn decide(server: &Server, user: &str, placement: &str) -> Value {
    let ask = json!({"identifiers": {"user_id": user}, "placements": [placement], "explain": true});
    let answer = server.ok(post("/v1/decide", ask.to_string()).admin()).await;
    answer["decisions"][0].clone()
}

/// How many of a hundred people are decided for which reason.
async fn reasons(server: &Server, placement: &str) -> BTreeMap<String, u32> {
    let mut reasons = BTreeMap::new();
    for number in 0..100 {
        let decision = decide(server, &format!("u{number}"), placement).await;
        *reasons.entry(decision["reason"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    reasons
}

#[tokio::test]
async fn a_shared_holdout_keeps_the_same_people_from_all_it_covers() {
    let server = server();
    for placement in ["hero", "footer", "mail"] {
        define(&server, &format!("placements/{placement}"), json!({"state": "live"})).await;
        let tags = json!({"tags": if placement == "mail" { ["mail"] } else { ["site"] }});
        define(&server, &format!("experiences/{placement}_test"), experience(placement, tags))
            .await;
    }
    let holdout = json!({"state": "live", "share": 0.3, "experience_tags": ["site"]});
    define(&server, "holdouts/site", holdout).await;
    let mut held = 0;
    for number in 0..60 {
        let user = format!("u{number}");
        let is_held = |decision: &Value| decision["reason"] == "holdout";
        let hero = decide(&server, &user, "hero").await;
        assert_eq!(is_held(&hero), is_held(&decide(&server, &user, "footer").await));
        assert!(!is_held(&decide(&server, &user, "mail").await));
        held += u32::from(is_held(&hero));
        let told = hero["explanation"].to_string();
        assert!(told.contains("holdout `site`"), "{told}");
    }
    assert!((5..35).contains(&held), "{held}");
    // It is kept who was held out, and who was not.
    server.track(&json!({"type": "track", "event": "After", "userId": "u0"})).await;
    let profile = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u0").admin()).await;
    assert!(profile["assignments"]["holdout.site"].is_string(), "{}", profile["assignments"]);
    let listed = server.ok(get("/api/v1/holdouts").admin()).await;
    assert_eq!(listed["items"][0]["share"], 0.3);
}

#[tokio::test]
async fn a_person_takes_part_in_one_experience_of_a_group() {
    let server = server();
    let slot = |key: &str, from: f64, to: f64| json!({"key": key, "from": from, "to": to});
    let group = |slots: Value| json!({"state": "live", "slots": slots});
    let slots = json!([slot("first", 0.0, 0.4), slot("second", 0.4, 0.8)]);
    define(&server, "exclusion_groups/checkout", group(slots)).await;
    for (placement, slot) in [("cart", "first"), ("pay", "second")] {
        define(&server, &format!("placements/{placement}"), json!({"state": "live"})).await;
        let more = json!({"exclusion_group": {"group": "checkout", "slot": slot}});
        define(&server, &format!("experiences/{placement}_test"), experience(placement, more))
            .await;
    }
    let mut parts = BTreeMap::<(bool, bool), u32>::new();
    for number in 0..100 {
        let user = format!("u{number}");
        let cart = decide(&server, &user, "cart").await;
        let payment = decide(&server, &user, "pay").await;
        let takes_part = |decision: &Value| decision["reason"] == "split";
        *parts.entry((takes_part(&cart), takes_part(&payment))).or_default() += 1;
    }
    assert_eq!(parts.get(&(true, true)), None, "{parts:?}");
    for some in [(true, false), (false, true), (false, false)] {
        assert!(parts.get(&some).is_some_and(|count| *count > 5), "{parts:?}");
    }
    let mut told = Vec::new();
    let overlapping = json!([slot("first", 0.0, 0.5), slot("second", 0.4, 0.8)]);
    let taken = json!({"exclusion_group": {"group": "checkout", "slot": "first"}});
    let later = json!({"schedule": {"start": "2027-01-01T00:00:00Z"}});
    let nowhere = json!({"exclusion_group": {"group": "checkout", "slot": "third"}});
    for call in [
        put("/api/v1/exclusion_groups/other", &group(overlapping)),
        put("/api/v1/experiences/again", &experience("cart", taken)),
        put("/api/v1/experiences/again", &experience("cart", nowhere)),
        put("/api/v1/exclusion_groups/checkout", &group(json!([slot("first", 0.0, 0.4)]))),
        put("/api/v1/experiences/again", &experience("cart", later)),
    ] {
        told.push(server.verdict(call.admin()).await);
    }
    expect![[r#"
        422 invalid_definition: /slots/1/from: overlaps slot `first`
        422 invalid_definition: /exclusion_group/slot: slot `first` has the experience `cart_test` at that time
        422 invalid_definition: /exclusion_group/slot: exclusion group `checkout` has no slot `third`
        422 invalid_definition: this would break the experience `pay_test`: exclusion group `checkout` has no slot `second`
        201"#]]
    .assert_eq(&told.join("\n"));
}

#[tokio::test]
async fn a_ramp_lets_more_people_in_step_by_step_and_nobody_out() {
    let server = server();
    define(&server, "placements/hero", json!({"state": "live"})).await;
    let at = |days: i64| NOW.saturating_add(Duration::days(days)).to_string();
    let ramp = json!({"traffic": 0, "ramp": [
        {"at": at(1), "traffic": 0.2}, {"at": at(2), "traffic": 0.6}, {"at": at(3), "traffic": 1}]});
    define(&server, "experiences/hero_test", experience("hero", ramp)).await;
    let mut inside = Vec::new();
    let mut before: Vec<bool> = vec![false; 100];
    for day in 0..4 {
        server.clock.set(NOW.saturating_add(Duration::days(day)));
        let mut now = Vec::new();
        for number in 0..100 {
            let decision = decide(&server, &format!("u{number}"), "hero").await;
            now.push(decision["reason"] == "split");
        }
        assert!(before.iter().zip(&now).all(|(before, now)| *now || !before));
        inside.push(now.iter().filter(|inside| **inside).count());
        before = now;
    }
    assert_eq!((inside[0], inside[3]), (0, 100));
    assert!(
        5 < inside[1] && inside[1] < 40 && inside[1] < inside[2] && inside[2] < 85,
        "{inside:?}"
    );
}

#[tokio::test]
async fn an_a_a_test_has_one_content() {
    let server = server();
    define(&server, "placements/hero", json!({"state": "live"})).await;
    let document = experience("hero", json!({"mode": "aa"}));
    let refused = server.verdict(put("/api/v1/experiences/same", &document).admin()).await;
    expect!["422 invalid_definition: /variants/1/content: the variants of an A/A test have the same content"]
        .assert_eq(&refused);
    let variants = ["a", "b"].map(|key| json!({"key": key, "content": {"n": 1}}));
    let same = json!({"mode": "aa", "variants": variants});
    define(&server, "experiences/same", experience("hero", same)).await;
    assert_eq!(reasons(&server, "hero").await, BTreeMap::from([("split".to_owned(), 100)]));
}

/// Whoever looks through a preview, and whoever is known to test, is never counted.
#[tokio::test]
async fn testers_are_no_part_of_an_experiment() {
    let server = server();
    define(&server, "placements/hero", json!({"state": "live"})).await;
    define(&server, "experiences/hero_test", experience("hero", json!({}))).await;
    let rule = json!({"state": "live", "mark": "internal", "networks": ["192.0.2.0/24"]});
    define(&server, "traffic_rules/office", rule).await;
    let preview = json!({"preview": {"variants": {"hero_test": "b"}}}).to_string();
    let signed = server.call(post("/api/v1/previews", preview).admin()).await.json();
    let forced = json!({"identifiers": {"user_id": "tester"}, "placements": ["hero"], "preview": signed["token"]});
    let forced = server.ok(post("/v1/decide", forced.to_string()).source()).await;
    assert_eq!(forced["decisions"][0]["variant"], "b");
    assert!(forced["decisions"][0]["token"].is_null(), "nothing that an exposure could be made of");
    let here = json!({"identifiers": {"user_id": "tester"}, "placements": ["hero"], "context": {"ip": "192.0.2.7"}});
    server.ok(post("/v1/decide", here.to_string()).source()).await;
    server.track(&json!({"type": "track", "event": "After", "userId": "tester"})).await;
    let found = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=tester").admin()).await;
    let path = format!("/api/v1/profiles/{}/decisions", found["id"].as_str().unwrap());
    let recorded = server.ok(get(path).admin()).await;
    assert_eq!(recorded["items"], json!([]), "{recorded}");
    assert_eq!(found["assignments"], json!({}));
}

/// A policy that was learned divides those who come new; who was there keeps what they had, and nobody else writes one.
#[tokio::test]
async fn shares_follow_a_policy_that_only_the_program_writes() {
    let server = server();
    define(&server, "placements/hero", json!({"state": "live"})).await;
    let sales = json!({"state": "live", "kind": "conversion", "event": "Sold"});
    define(&server, "metrics/sales", sales).await;
    let adaptive =
        json!({"goal": "sales", "allocation": {"kind": "adaptive", "policy": "thompson"}});
    define(&server, "experiences/hero_test", experience("hero", adaptive)).await;
    let mut before = BTreeMap::new();
    for number in 0..40 {
        let user = format!("u{number}");
        let decision = decide(&server, &user, "hero").await;
        assert_eq!(decision["propensity"], 0.5);
        before.insert(user, decision["variant"].clone());
    }
    server.track(&json!({"type": "track", "event": "After", "userId": "u0"})).await;
    let document = json!({"key": "hero_test", "state": "live", "experience_version": 1, "metric": "sales",
        "variants": ["a", "b"], "cells": [[0.0001, 0.9999]], "because": "b sells more"});
    let refused = server.call(put("/api/v1/policies/hero_test", &document).admin()).await;
    assert_eq!(refused.status.as_u16(), 422, "{}", String::from_utf8_lossy(&refused.body));
    let policy = serde_json::from_value(document).unwrap();
    let learned = server.engine.learn(policy).await.unwrap();
    assert_eq!((learned.version, learned.updated_by.as_str()), (1, "learning"));
    let read = server.ok(get("/api/v1/policies/hero_test").admin()).await;
    assert_eq!(read["cells"], json!([[0.0001, 0.9999]]));
    for (user, variant) in &before {
        let decision = decide(&server, user, "hero").await;
        assert_eq!((&decision["variant"], &decision["propensity"]), (variant, &json!(0.5)));
    }
    for number in 0..40 {
        let decision = decide(&server, &format!("n{number}"), "hero").await;
        let told = decision["explanation"].to_string();
        assert!(told.contains("by policy 1"), "{told}");
        assert_eq!(
            decision["propensity"],
            if decision["variant"] == "b" { 0.9999 } else { 0.0001 }
        );
    }
    // What was learned from another version of the experience does not act.
    define(&server, "experiences/hero_test", experience("hero", json!({"priority": 3}))).await;
    let policy = serde_json::from_value(read_only(&read)).unwrap();
    assert!(server.engine.learn(policy).await.is_err());
    let log = server.ok(get("/api/v1/audit?limit=20").admin()).await;
    assert!(log.to_string().contains("policy.learn"), "{log}");
}

/// A definition without what the server adds when it is read.
fn read_only(definition: &Value) -> Value {
    let mut document = definition.clone();
    for name in ["version", "updated_at", "updated_by"] {
        document.as_object_mut().unwrap().remove(name);
    }
    document
}

/// What people do moves the shares of those who come after them, and results tell how far.
#[tokio::test]
async fn shares_follow_what_units_do() {
    let server = server();
    define(&server, "placements/hero", json!({"state": "live"})).await;
    let sales =
        json!({"state": "live", "kind": "conversion", "event": "Order Completed", "window": "7d"});
    define(&server, "metrics/sales", sales).await;
    let adaptive =
        json!({"goal": "sales", "allocation": {"kind": "adaptive", "policy": "thompson"}});
    define(&server, "experiences/hero_test", experience("hero", adaptive)).await;
    let results = || server.ok(get("/api/v1/experiences/hero_test/results").admin());
    visit(&server, "early", 40).await;
    let early = results().await;
    let allocation = &early["allocation"];
    assert_eq!(
        (&allocation["epoch"], &allocation["cells"]),
        (&json!(0), &json!([{"a": 0.5, "b": 0.5}]))
    );
    assert!(allocation["holds"].as_str().unwrap().contains("each arm needs"), "{allocation}");
    visit(&server, "u", 500).await;
    let learned = results().await;
    let allocation = &learned["allocation"];
    let holds = json!("`a` has 0 units since shares changed last; each arm needs 20");
    assert_eq!((&allocation["epoch"], &allocation["holds"]), (&json!(1), &holds));
    assert_eq!(
        allocation["cells"],
        json!([{"a": 0.99, "b": 0.01}]),
        "surely better, but for the floor"
    );
    server.clock.advance(Duration::hours(2));
    let shown = visit(&server, "late", 300).await;
    assert!(270 < shown["a"], "{shown:?}");
    let late = results().await;
    assert_eq!(
        late["split"]["verdict"], "as_planned",
        "each epoch is tested by its own shares: {}",
        late["split"]
    );
    assert!(!late["notes"].to_string().contains("weights changed"), "{}", late["notes"]);
    let planned = late["arms"][0]["planned_share"].as_f64().unwrap();
    assert!(0.6 < planned && planned < 0.8, "of 540 units a half, of 300 nearly all: {planned}");
    let compared = &late["metrics"][0]["arms"][1]["comparison"]["absolute"];
    let (low, high) = (compared["low"].as_f64().unwrap(), compared["high"].as_f64().unwrap());
    assert!(low < -0.2 && -0.3 < high, "half of those who see A buy, of B a quarter: {compared}");
    assert!(late["metrics"][0]["notes"].to_string().contains("stretches of constant shares"));
}

/// People who come and are decided for, of whom those who see A buy more; how many saw what.
async fn visit(server: &Server, name: &str, count: u32) -> BTreeMap<String, u32> {
    let mut shown = BTreeMap::new();
    for number in 0..count {
        let user = format!("{name}{number}");
        let ask = json!({"identifiers": {"user_id": user}, "placements": ["hero"]});
        let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
        let variant = answer["decisions"][0]["variant"].as_str().unwrap().to_owned();
        if number % (if variant == "a" { 2 } else { 4 }) == 0 {
            let event = json!({"type": "track", "event": "Order Completed", "userId": user});
            server.track(&event).await;
        }
        *shown.entry(variant).or_default() += 1;
    }
    server.engine.catch_up();
    server.engine.look_at_experiences();
    shown
}
