//! Guardrails through the public interface: what is refused, and where a stop is told.

use expect_test::expect;
use serde_json::{Value, json};

use crate::harness::{Server, get, post, put, server};

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

fn experience(more: Value) -> Value {
    let mut document = json!({"state": "live", "placement": "hero", "goal": "orders",
        "variants": [{"key": "a"}, {"key": "b"}]});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

async fn shop(server: &Server) {
    define(server, "placements/hero", json!({"state": "live"})).await;
    let conversion = |event: &str| json!({"state": "live", "kind": "conversion", "event": event, "window": "7d"});
    define(server, "metrics/orders", conversion("Order Completed")).await;
    let mut complaints = conversion("Complained");
    complaints["direction"] = "lower".into();
    define(server, "metrics/complaints", complaints).await;
    let wait = json!({"state": "live", "kind": "quantile", "event": "Page Loaded", "property": "ms", "quantile": 0.95});
    define(server, "metrics/wait", wait).await;
    define(server, "metrics/draft", json!({"kind": "count", "event": "Error"})).await;
}

#[tokio::test]
async fn guardrails_are_checked_when_they_are_saved() {
    let server = server();
    shop(&server).await;
    let many: Vec<String> = (0..21).map(|number| format!("m{number}")).collect();
    let mut told = Vec::new();
    for more in [
        json!({"guardrails": ["complaints", "no_such", "draft"]}),
        json!({"guardrails": ["complaints", "orders", "complaints"]}),
        json!({"guardrails": ["wait"]}),
        json!({"guardrails": many, "state": "draft"}),
        json!({"guardrails": ["complaints"], "stop_on_mismatch": true, "stop_on_broken": true,
            "allocation": {"kind": "external"}}),
    ] {
        let answer = server.call(put("/api/v1/experiences/test", &experience(more)).admin()).await;
        assert_eq!(answer.status, 422);
        for error in answer.json()["errors"].as_array().unwrap() {
            let (pointer, detail) = (&error["pointer"], &error["detail"]);
            let line = format!("{}: {}", pointer.as_str().unwrap(), detail.as_str().unwrap());
            if !line.ends_with("does not exist") || line.contains("no_such") {
                told.push(line);
            }
        }
    }
    define(&server, "experiences/test", experience(json!({"guardrails": ["complaints"]}))).await;
    let capped = json!({"state": "live", "kind": "sum", "event": "Complained", "property": "cost", "cap": {"quantile": 0.99}});
    told.push(server.verdict(put("/api/v1/metrics/complaints", &capped).admin()).await);
    let archived = json!({"state": "archived", "kind": "conversion", "event": "Complained"});
    told.push(server.verdict(put("/api/v1/metrics/complaints", &archived).admin()).await);
    expect![[r#"
        /guardrails/1: metric `no_such` does not exist
        /guardrails/2: metric `draft` is draft: make it live first
        /guardrails/2: metric `complaints` is named twice
        /guardrails/0: metric `wait` takes a quantile, so all units are looked at, and guardrails are looked at each minute
        /guardrails: at most 20 metrics stop an experience
        /guardrails: somebody else decides this experience, so it cannot be stopped here
        /stop_on_mismatch: somebody else decides this experience, so it cannot be stopped here
        /stop_on_broken: somebody else decides this experience, so it cannot be stopped here
        422 invalid_definition: /cap/quantile: experience `test` is stopped by it, and is looked at each minute: a quantile takes a look at all units
        409 in_use: metric `complaints` is used by experience `test`"#]].assert_eq(&told.join("\n"));
}

#[tokio::test]
async fn a_stop_is_told_by_the_results_and_the_audit_log() {
    let server = server();
    shop(&server).await;
    define(&server, "experiences/test", experience(json!({"guardrails": ["complaints"]}))).await;
    for number in 0..700 {
        let user = format!("u{number}");
        let ask = json!({"identifiers": {"user_id": user}, "placements": ["hero"]});
        let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
        let every = if answer["decisions"][0]["variant"] == "a" { 4 } else { 2 };
        if number % every == 0 {
            let event = json!({"type": "track", "event": "Complained", "userId": user});
            server.track(&event).await;
        }
    }
    server.engine.catch_up();
    server.engine.look_at_experiences();
    let read = server.ok(get("/api/v1/experiences/test/results").admin()).await;
    assert_eq!((&read["state"], &read["guardrails"]), (&json!("paused"), &json!(["complaints"])));
    let stopped = &read["stopped"];
    assert_eq!((&stopped["guardrail"], &stopped["variant"]), (&json!("complaints"), &json!("b")));
    assert_eq!(
        (&stopped["by"], &stopped["at"]),
        (&json!("guardrails"), &json!("2026-11-22T12:00:00.000Z"))
    );
    assert_eq!(read["verdict"]["verdict"], "stop");
    let role = read["metrics"].as_array().unwrap().iter().find(|m| m["metric"] == "complaints");
    assert_eq!(role.unwrap()["role"], "guardrail", "to this experience");
    let log = server.ok(get("/api/v1/audit?limit=1").admin()).await;
    let entry = &log["items"][0];
    assert_eq!(
        (&entry["action"], &entry["actor"]),
        (&json!("experience.stop"), &json!("guardrails"))
    );
    assert_eq!(entry["change"]["because"], stopped["because"]);
    let because = stopped["because"].as_str().unwrap();
    assert!(
        because.contains("`b` is surely worse than `a` by the guardrail `complaints`"),
        "{because}"
    );
    let metrics = server.call(get("/metrics").admin()).await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains("concierge_experiences_stopped_total 1"), "{metrics}");
}
