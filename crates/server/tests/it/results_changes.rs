//! What results say of an experience that was changed while units were exposed to it.

use std::{
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
};

use model::Duration;
use serde_json::{Value, json};

use crate::harness::{NOW, Server, get, post, put, server};

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

async fn shop(server: &Server) {
    define(server, "placements/hero", json!({"state": "live"})).await;
    for (key, event) in [("bought", "Ordered"), ("complained", "Complained")] {
        let metric = json!({"state": "live", "kind": "conversion", "event": event});
        define(server, &format!("metrics/{key}"), metric).await;
    }
}

/// An experience of two variants with these weights and, where they have one, this content.
fn test(weights: [u32; 2], content: &str) -> Value {
    let variant =
        |key: &str, weight: u32| json!({"key": key, "weight": weight, "content": {"is": content}});
    json!({"state": "live", "placement": "hero", "goal": "bought", "guardrails": ["complained"],
        "variants": [variant("a", weights[0]), variant("b", weights[1])]})
}

/// Shows something to these users, of whom every so many, whatever they see, order and complain.
async fn expose(server: &Server, users: Range<u32>, every: u32) {
    let mut seen = [0_u32; 2];
    for number in users {
        let user = format!("u{number}");
        let ask = json!({"identifiers": {"user_id": user}, "placements": ["hero"]});
        let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
        let place = usize::from(answer["decisions"][0]["variant"] == "b");
        seen[place] += 1;
        if seen[place].is_multiple_of(every) {
            for event in ["Ordered", "Complained"] {
                server.track(&json!({"type": "track", "event": event, "userId": user})).await;
            }
        }
    }
}

static FLUSHES: AtomicU32 = AtomicU32::new(0);

/// Results, once everything is counted.
async fn results(server: &Server, query: &str) -> Value {
    let number = FLUSHES.fetch_add(1, Ordering::Relaxed);
    let id = format!("changes {number}");
    let flush = json!({"type": "track", "event": "Flush", "userId": "nobody", "messageId": id});
    server.track(&flush).await;
    server.engine.catch_up();
    server.ok(get(format!("/api/v1/experiences/test/results{query}")).admin()).await
}

fn arm<'a>(results: &'a Value, arm: &str) -> &'a Value {
    let metric = results["metrics"].as_array().unwrap();
    let metric = metric.iter().find(|metric| metric["metric"] == "bought").unwrap();
    metric["arms"].as_array().unwrap().iter().find(|known| known["arm"] == arm).unwrap()
}

/// While most got `a` every second bought, and hardly anybody does now that both get as many: of all units together `a`
/// is surely better, and of those that were divided alike it is not.
#[tokio::test]
async fn other_weights_do_not_compare_then_with_now() {
    let server = server();
    shop(&server).await;
    define(&server, "experiences/test", test([9, 1], "x")).await;
    expose(&server, 0..700, 2).await;
    // Neither what only looks like another weight nor another content makes a difference.
    define(&server, "experiences/test", test([18, 2], "y")).await;
    expose(&server, 700..800, 2).await;
    let before = results(&server, "").await;
    let compared = &arm(&before, "b")["comparison"];
    assert_eq!(compared["method"], "exact", "shares that stayed are compared by few units, too");
    let notes = before["notes"].to_string();
    assert!(
        notes.contains("what `a` shows was changed") && !notes.contains("not alike"),
        "{notes}"
    );

    server.clock.set(NOW.saturating_add(Duration::days(1)));
    define(&server, "experiences/test", test([1, 1], "y")).await;
    expose(&server, 800..1_600, 10).await;
    let read = results(&server, "").await;
    let exposed = |arm: usize| read["arms"][arm]["units"].as_u64().unwrap();
    let planned = |arm: usize| read["arms"][arm]["planned_share"].as_f64().unwrap();
    let all = exposed(0) + exposed(1);
    assert!((planned(0) - (0.9 * 800.0 + 0.5 * 800.0) / 1_600.0).abs() < 1e-9, "{read:#}");
    assert_eq!((all, &read["split"]["verdict"]), (1_600, &json!("as_planned")), "{read:#}");
    let compared = &arm(&read, "b")["comparison"];
    assert_eq!(compared["surely"], Value::Null, "{read:#}");
    assert!(compared["absolute"]["lift"].as_f64().unwrap().abs() < 0.03, "{compared:#}");
    assert_eq!(read["verdict"]["verdict"], "keep_running", "{read:#}");
    server.engine.look_at_experiences();
    let read = results(&server, "").await;
    assert_eq!((&read["state"], &read["stopped"]), (&json!("live"), &Value::Null));
    let notes = read["notes"].to_string();
    assert!(
        notes.contains("what `a` shows was changed") && !notes.contains("not alike"),
        "{notes}"
    );
}

#[tokio::test]
async fn a_retired_variant_is_no_longer_compared() {
    let server = server();
    shop(&server).await;
    define(&server, "experiences/test", test([1, 1], "x")).await;
    expose(&server, 0..400, 3).await;
    assert!(arm(&results(&server, "").await, "b")["comparison"].is_object());
    server.clock.set(NOW.saturating_add(Duration::days(1)));
    define(&server, "experiences/test", test([1, 0], "x")).await;
    expose(&server, 0..300, 3).await;
    let read = results(&server, "").await;
    assert_eq!(arm(&read, "b")["comparison"], Value::Null);
    assert!(arm(&read, "b")["why_not"].as_str().unwrap().starts_with("it is retired"), "{read:#}");
    let several = &read["several"];
    assert!(several["units"].as_u64().unwrap() > 100 && several["is_alarm"] == false, "{several}");
    let told = several["statement"].as_str().unwrap();
    assert!(told.contains("had a variant that was retired"), "{told}");
}

#[tokio::test]
async fn a_goal_that_is_not_there_is_refused() {
    let server = server();
    shop(&server).await;
    let mut document = test([1, 1], "x");
    document["goal"] = json!("typo");
    let answer = server.call(put("/api/v1/experiences/test", &document).admin()).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert!(
        answer.summary().contains("/goal: metric `typo` does not exist"),
        "{}",
        answer.summary()
    );
}
