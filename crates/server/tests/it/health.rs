//! How experiences fare on pages: what browsers report with the tokens of decisions is told, and stops what asks for
//! it.

use model::Value;
use serde_json::json;

use crate::harness::{Server, WRITE_KEY, get, post, put, server};

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

fn experience(selector: &str, stops: bool) -> Value {
    let change = json!({"kind": "text", "selector": selector, "value": "New"});
    json!({"state": "live", "placement": "shop", "stop_on_broken": stops,
        "variants": [{"key": "a"}, {"key": "b", "content": {"changes": [change]}}]})
}

/// Has a visitor be decided for, and answers with the decision.
async fn decided(server: &Server, visitor: &str) -> Value {
    let asked = json!({"write_key": WRITE_KEY, "identifiers": {"anonymous_id": visitor}});
    server.ok(post("/v1/decide", asked.to_string())).await["decisions"][0].clone()
}

async fn report(server: &Server, visitor: &str, event: &str, properties: Value) {
    let event = json!({"event": event, "anonymousId": visitor, "properties": properties});
    server.ok(post("/v1/track", event.to_string()).source()).await;
}

/// Visitors of whom those with `b` do not find what it changes.
async fn visit(server: &Server, count: usize) {
    for number in 0..count {
        let visitor = format!("v{number}");
        let decision = decided(server, &visitor).await;
        let token = &decision["token"];
        if decision["variant"] == "b" {
            let missed = json!({"token": token, "reason": "not_found", "selectors": ["#offer"]});
            report(server, &visitor, "Experience Missed", missed.clone()).await;
            // Whoever says it again says nothing new.
            report(server, &visitor, "Experience Missed", missed).await;
        } else {
            report(server, &visitor, "Experience Applied", json!({"token": token})).await;
            report(server, &visitor, "Experience Viewed", json!({"token": token})).await;
        }
    }
}

async fn health(server: &Server) -> Value {
    server.ok(get("/api/v1/experiences/test/health").admin()).await
}

#[tokio::test]
async fn an_experience_whose_page_has_changed_is_stopped_if_it_asks_for_that() {
    for stops in [false, true] {
        let server = server();
        define(&server, "placements/shop", json!({"state": "live"})).await;
        define(&server, "experiences/test", experience("#offer", stops)).await;
        assert_eq!(health(&server).await["verdict"], "collecting");
        visit(&server, 260).await;
        let told = health(&server).await;
        let (a, b) = (&told["variants"][0], &told["variants"][1]);
        assert_eq!((&told["verdict"], &a["verdict"]), (&json!("broken"), &json!("sound")));
        assert_eq!((&a["variant"], &a["applied"]), (&json!("a"), &a["viewed"]));
        assert_eq!((&b["variant"], &b["applied"]), (&json!("b"), &json!(0)));
        assert_eq!(b["missing"], json!({"#offer": b["not_found"]}));
        let all = a["applied"].as_u64().unwrap() + b["not_found"].as_u64().unwrap();
        assert_eq!(all, 260, "each visitor counts once");

        server.engine.look_at_experiences();
        let read = server.ok(get("/api/v1/experiences/test/results").admin()).await;
        assert_eq!(read["state"], if stops { "paused" } else { "live" });
        let mut alarms = read["alarms"].as_array().unwrap().iter();
        let alarm = alarms.find(|alarm| alarm["alarm"] == "page");
        if !stops {
            let missed = b["not_found"].as_u64().unwrap();
            let told = format!(
                "`b` could be shown on 0 of {missed} pages in the last day; `#offer` found nothing {missed} times"
            );
            assert_eq!(alarm.unwrap()["statement"], told);
        }
        if stops {
            let because = read["stopped"]["because"].as_str().unwrap();
            assert!(because.contains("variant `b` could not be shown"), "{because}");
            assert!(because.contains("`#offer`"), "{because}");
        }
        // A repaired one begins anew.
        define(&server, "experiences/test", experience("#other", stops)).await;
        let told = health(&server).await;
        assert_eq!((&told["verdict"], &told["state"]), (&json!("collecting"), &json!("live")));
    }
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let mut server = server();
    define(&server, "placements/shop", json!({"state": "live"})).await;
    define(&server, "experiences/test", experience("#offer", false)).await;
    visit(&server, 20).await;
    let told = health(&server).await;
    assert_ne!(told["variants"][0]["applied"], 0);
    server.restart();
    assert_eq!(health(&server).await, told);
}

#[tokio::test]
async fn what_nobody_signed_is_not_believed() {
    let server = server();
    define(&server, "placements/shop", json!({"state": "live"})).await;
    define(&server, "experiences/test", experience("#offer", true)).await;
    let token = decided(&server, "v").await["token"].as_str().unwrap().to_owned();
    // One character in the middle is another, whatever it was: the last one may be an `A` by chance.
    let (before, after) = token.split_at(token.len() / 2);
    let other = if after.starts_with('A') { "B" } else { "A" };
    let forged = format!("{before}{other}{}", &after[1..]);
    for token in [json!(null), json!(7), json!("x"), json!(forged)] {
        let missed = json!({"token": token, "experience": "test", "variant": "b",
            "reason": "not_found", "selectors": ["#offer"]});
        report(&server, "v", "Experience Missed", missed).await;
    }
    for variant in health(&server).await["variants"].as_array().unwrap() {
        assert_eq!(variant["not_found"], 0);
    }
    let unknown = server.call(get("/api/v1/experiences/nobody/health").admin()).await;
    assert_eq!(unknown.status.as_u16(), 404);
}
