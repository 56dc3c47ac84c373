//! Results by a trait as it was at the decision: what they tell, to whom, and of whom they do not.

use std::sync::atomic::{AtomicU32, Ordering};

use model::Duration;
use serde_json::{Value, json};

use crate::harness::{Call, NOW, Server, get, post, put, server};

static SENT: AtomicU32 = AtomicU32::new(0);

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

fn experiment(more: Value) -> Value {
    let mut document = json!({"state": "live", "placement": "hero", "record_traits": ["plan"],
        "variants": [{"key": "a", "content": {"title": "A"}}, {"key": "b", "content": {"title": "B"}}]});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

async fn shop() -> Server {
    let server = server();
    define(&server, "placements/hero", json!({"state": "live", "default": {"title": "Hello"}}))
        .await;
    let conversion = json!({"state": "live", "kind": "conversion", "event": "Order Completed"});
    define(&server, "metrics/conversion", conversion).await;
    define(&server, "experiences/test", experiment(json!({}))).await;
    server
}

/// Waits until all that was decided is counted.
async fn settle(server: &Server) {
    let number = SENT.fetch_add(1, Ordering::Relaxed);
    let flush = json!({"type": "track", "event": "Flush", "userId": "nobody", "messageId": format!("f{number}")});
    server.track(&flush).await;
    server.engine.catch_up();
}

async fn identify(server: &Server, user: &str, plan: &str, may_personalize: bool) {
    let preferences = json!({"personalization": may_personalize});
    // Of one instant a refusal wins, so what is refused is refused before.
    let at = if may_personalize { NOW } else { NOW.saturating_add(Duration::hours(-1)) };
    server
        .track(
            &json!({"type": "identify", "userId": user, "traits": {"plan": plan}, "timestamp": at,
            "context": {"consent": {"categoryPreferences": preferences}}}),
        )
        .await;
}

async fn decide(server: &Server, user: &str) -> String {
    let ask = json!({"identifiers": {"user_id": user}, "placements": ["hero"]});
    let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
    answer["decisions"][0]["variant"].as_str().unwrap_or("none").to_owned()
}

fn by_trait(name: &str) -> Call {
    get(format!("/api/v1/experiences/test/results?metric=conversion&breakdown=trait:{name}"))
}

fn group<'a>(results: &'a Value, kind: &str, name: &str) -> &'a Value {
    let groups = results["groups"].as_array().unwrap();
    let found = groups.iter().find(|group| group["kind"] == kind && group["group"] == name);
    found.unwrap_or_else(|| panic!("no {kind} `{name}` in {groups:#?}"))
}

fn arm<'a>(group: &'a Value, key: &str) -> &'a Value {
    let arms = group["metrics"][0]["arms"].as_array().unwrap();
    arms.iter().find(|arm| arm["arm"] == key).unwrap()
}

fn units(group: &Value) -> u64 {
    ["a", "b"].iter().map(|key| arm(group, key)["units"].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn plans_with_different_effects_are_told_apart_as_they_were_at_the_decision() {
    let server = shop().await;
    let mut counts = [[0_u32; 2]; 2];
    for number in 0..800 {
        let user = format!("u{number}");
        let is_gold = number % 2 == 0;
        identify(&server, &user, if is_gold { "gold" } else { "free" }, true).await;
        let is_b = decide(&server, &user).await == "b";
        let count = &mut counts[usize::from(is_gold)][usize::from(is_b)];
        *count += 1;
        // `b` sells three times as much to those with gold, and a third to the others.
        let one_in = if is_gold == is_b { 2 } else { 6 };
        if *count % one_in == 0 {
            server
                .track(&json!({"type": "track", "event": "Order Completed", "userId": user}))
                .await;
        }
        // What becomes of their plan later does not matter.
        identify(&server, &user, "none any more", true).await;
    }
    // A plan may be called like a group that is none; and some say nothing, or may not be asked.
    identify(&server, "odd", "withheld", true).await;
    decide(&server, "odd").await;
    for number in 0..7 {
        let user = format!("w{number}");
        identify(&server, &user, "gold", false).await;
        let agree = json!({"consent": {"categoryPreferences": {"personalization": true}}});
        server
            .track(&json!({"type": "track", "event": "Seen", "userId": user, "context": agree}))
            .await;
        decide(&server, &user).await;
    }
    for number in 0..3 {
        decide(&server, &format!("n{number}")).await;
    }
    settle(&server).await;
    let results = server.ok(by_trait("plan").admin()).await;
    let (gold, free) = (group(&results, "value", "gold"), group(&results, "value", "free"));
    for (place, found) in [free, gold].into_iter().enumerate() {
        for (key, count) in ["a", "b"].iter().zip(counts[place]) {
            assert_eq!(arm(found, key)["units"], count, "nobody else is among them");
        }
    }
    let comparison = |group| &arm(group, "b")["comparison"];
    assert_eq!(comparison(gold)["surely"], "better", "{gold:#}");
    assert_eq!(comparison(free)["surely"], "worse", "{free:#}");
    assert!(comparison(gold)["p_value_of_all"].as_f64() > comparison(gold)["p_value"].as_f64());
    assert_eq!(units(group(&results, "value", "withheld")), 1);
    assert_eq!(units(group(&results, "withheld", "withheld")), 7);
    assert_eq!(units(group(&results, "missing", "missing")), 3);
    assert_eq!(results["groups"].as_array().unwrap().len(), 5);
    let other = server.ok(by_trait("never_recorded").admin()).await;
    assert_eq!(units(group(&other, "unknown", "unknown")), 811);
}

#[tokio::test]
async fn who_may_not_see_a_trait_sees_no_group_of_it() {
    let server = shop().await;
    identify(&server, "u1", "gold", true).await;
    decide(&server, "u1").await;
    settle(&server).await;
    let as_one_with = async |scopes: &[&str], call: Call| {
        let token = server.token(scopes).await;
        server.call(call.header("authorization", format!("Bearer {token}"))).await
    };
    let definitions = ["definitions:read"];
    let people = ["definitions:read", "profiles:read"];
    let all = ["definitions:read", "profiles:read", "profiles:sensitive"];
    let lacks = |scope: &str| format!("403 missing_scope: the token lacks the scope `{scope}`");
    let verdict = async |scopes: &[&str]| as_one_with(scopes, by_trait("plan")).await.summary();
    assert_eq!(verdict(&definitions).await, lacks("profiles:read"));
    assert_eq!(verdict(&people).await, "200");
    let class = |sensitivity: &str| json!({"state": "live", "sensitivity": sensitivity});
    define(&server, "traits/plan", class("none")).await;
    assert_eq!(verdict(&definitions).await, "200", "it says nothing that others could not know");

    // What is recorded is read by more people than may see what is sensitive, so it is refused on either side.
    let refused = server.call(put("/api/v1/traits/plan", &class("sensitive")).admin()).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/sensitivity", "{:#}", refused.json());
    define(&server, "traits/illness", class("sensitive")).await;
    let inside = experiment(json!({"record_traits": ["plan", "illness.name"]}));
    let refused = server.call(put("/api/v1/experiences/test", &inside).admin()).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/record_traits/1", "{:#}", refused.json());
    let twice = experiment(json!({"record_traits": ["plan", "plan"]}));
    let refused = server.call(put("/api/v1/experiences/test", &twice).admin()).await;
    assert_eq!(refused.json()["errors"][0]["pointer"], "/record_traits/1", "{:#}", refused.json());

    // What was recorded before is masked from then on.
    define(&server, "experiences/test", experiment(json!({"record_traits": []}))).await;
    define(&server, "traits/plan", class("sensitive")).await;
    assert_eq!(verdict(&people).await, lacks("profiles:sensitive"));
    assert_eq!(verdict(&all).await, "200");
    let known = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u1").admin()).await;
    let decisions = format!("/api/v1/profiles/{}/decisions", known["id"].as_str().unwrap());
    let decided = async |scopes: &[&str]| {
        let page = as_one_with(scopes, get(&decisions)).await.json();
        page["items"][0]["decisions"][0].clone()
    };
    let seen = decided(&all).await;
    assert_eq!((&seen["traits"], &seen["traits_withheld"]), (&json!({"plan": "gold"}), &json!([])));
    let masked = decided(&people).await;
    assert_eq!((&masked["traits"], &masked["masked"]), (&json!({}), &json!(["plan"])));
}

#[tokio::test]
async fn a_flag_that_is_used_records_traits_as_they_were_when_it_was() {
    let server = shop().await;
    identify(&server, "u1", "gold", true).await;
    identify(&server, "u2", "gold", false).await;
    let agree = json!({"consent": {"categoryPreferences": {"personalization": true}}});
    server
        .track(&json!({"type": "track", "event": "Seen", "userId": "u2", "context": agree}))
        .await;
    for user in ["u1", "u2", "u3"] {
        let ask = json!({"context": {"targetingKey": user}});
        let all = server.ok(post("/ofrep/v1/evaluate/flags", ask.to_string()).source()).await;
        let token = &all["flags"][0]["metadata"]["token"];
        assert!(token.is_string(), "{all:#}");
        let used = json!({"type": "track", "event": "Flag Used", "userId": user, "properties": {"token": token},
            "traits": {"plan": "told with the use"}});
        server.track(&used).await;
        identify(&server, user, "later", true).await;
    }
    settle(&server).await;
    let results = server.ok(by_trait("plan").admin()).await;
    assert_eq!(units(group(&results, "value", "gold")), 1, "{results:#}");
    assert_eq!(units(group(&results, "withheld", "withheld")), 1);
    assert_eq!(units(group(&results, "missing", "missing")), 1);
}

#[tokio::test]
async fn what_somebody_else_decides_has_no_trait_recorded() {
    let server = shop().await;
    let external = json!({"allocation": {"kind": "external"}});
    let refused = server.call(put("/api/v1/experiences/mail", &experiment(external)).admin()).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/record_traits", "{:#}", refused.json());
}
