//! Events that were set aside: found by what is known of them, looked at, replayed and discarded.

use model::{Duration, Value};
use serde_json::json;

use crate::harness::{Call, NOW, Server, get, post, server};

/// Sends a batch and says what became of each event.
async fn verdicts(server: &Server, events: &[Value], around: &Value) -> Vec<String> {
    let mut batch = around.clone();
    batch["batch"] = json!(events);
    let call = post("/v1/batch", batch.to_string()).source();
    let answer = server.ok(call.header("prefer", "return=representation")).await;
    let verdict = |event: &Value| event["verdict"].as_str().unwrap().to_owned();
    answer["events"].as_array().unwrap().iter().map(verdict).collect()
}

/// The ids and codes of the entries that a query finds.
async fn found(server: &Server, query: &str) -> Vec<(String, String)> {
    let listed = server.ok(get(format!("/api/v1/quarantine?{query}")).admin()).await;
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    let items = listed["items"].as_array().unwrap();
    items.iter().map(|item| (text(item, "id"), text(item, "code"))).collect()
}

async fn codes(server: &Server, query: &str) -> Vec<String> {
    found(server, query).await.into_iter().map(|(_, code)| code).collect()
}

/// 25 hours ahead: too far to be believed now, and not tomorrow.
fn ahead(user: &str) -> Value {
    json!({"type": "track", "event": "Ahead", "userId": user, "timestamp": "2026-11-23T13:00:00Z"})
}

async fn timeline(server: &Server, user: &str) -> Vec<Value> {
    let path = format!("/api/v1/profiles/lookup?type=user_id&value={user}");
    let profile = server.ok(get(path).admin()).await;
    profile["timeline"].as_array().unwrap().clone()
}

#[tokio::test]
async fn entries_are_found_by_source_code_and_time() {
    let server = server();
    let nameless = json!({"type": "track", "userId": "u1"});
    verdicts(&server, &[ahead("u1"), nameless.clone(), json!(7)], &json!({})).await;
    server.clock.advance(Duration::hours(1));
    verdicts(&server, &[nameless], &json!({})).await;

    let all = ["no_event_name", "not_an_object", "no_event_name", "timestamp_in_future"];
    assert_eq!(codes(&server, "").await, all, "the newest first");
    assert_eq!(codes(&server, "code=no_event_name").await, ["no_event_name"; 2]);
    assert_eq!(codes(&server, "source=default").await, all);
    assert!(codes(&server, "source=shop").await.is_empty());
    let later = NOW.saturating_add(Duration::hours(1));
    assert_eq!(codes(&server, &format!("from={later}")).await, all[..1]);
    assert_eq!(codes(&server, &format!("until={later}")).await, all[1..]);
    assert_eq!(codes(&server, &format!("until={later}&code=no_event_name")).await, all[..1]);

    let first = server.ok(get("/api/v1/quarantine?code=no_event_name&limit=1").admin()).await;
    assert_eq!(first["items"].as_array().unwrap().len(), 1);
    assert!(first["items"][0].get("body").is_none(), "a list shows nothing that was sent");
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = format!("/api/v1/quarantine?code=no_event_name&limit=1&cursor={cursor}");
    let rest = server.ok(get(rest).admin()).await;
    assert_ne!(rest["items"][0]["id"], first["items"][0]["id"]);
    assert_eq!(rest["next_cursor"], Value::Null);
}

#[tokio::test]
async fn an_entry_shows_what_was_sent_and_how() {
    let server = server();
    let around = json!({"context": {"ip": "1.2.3.4"}, "sentAt": "2026-11-22T11:00:00Z"});
    verdicts(&server, &[ahead("u1")], &around).await;
    let (id, _) = found(&server, "").await.remove(0);
    let entry = server.ok(get(format!("/api/v1/quarantine/{id}")).admin()).await;
    assert_eq!(entry["body"], ahead("u1").to_string());
    assert_eq!(entry["context"], around["context"]);
    assert_eq!(entry["sent_at"], "2026-11-22T11:00:00.000Z");
    assert_eq!(entry["received_at"], NOW.to_string());
    let audit = server.ok(get("/api/v1/audit").admin()).await;
    let seen = audit["items"].as_array().unwrap().iter().any(|entry| {
        entry["action"] == "quarantine.read" && entry["subject"] == format!("quarantine/{id}")
    });
    assert!(seen, "whoever looks is written down: {audit}");
}

#[tokio::test]
async fn a_replay_judges_by_now_corrects_by_then_and_counts_once() {
    let server = server();
    // The clock of the sender is an hour slow, and the batch's context belongs to the event.
    let around = json!({"context": {"locale": "sv-SE"}, "sentAt": "2026-11-22T11:00:00Z"});
    assert_eq!(verdicts(&server, &[ahead("u1")], &around).await, ["quarantined"]);
    let (id, _) = found(&server, "").await.remove(0);
    let replay = || post(format!("/api/v1/quarantine/{id}/replay"), "").admin();
    assert_eq!(server.ok(replay()).await["code"], "timestamp_in_future", "nothing has changed");
    assert_eq!(found(&server, "").await.len(), 1, "so it waits on");

    server.clock.advance(Duration::hours(48));
    assert_eq!(server.ok(replay()).await, json!({"verdict": "accepted"}));
    assert!(found(&server, "").await.is_empty(), "it is resolved");
    assert!(server.verdict(replay()).await.starts_with("404 not_found"));
    let events = timeline(&server, "u1").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["at"], "2026-11-23T14:00:00.000Z");
    assert_eq!(events[0]["received_at"], NOW.to_string());
    assert_eq!(events[0]["context"]["locale"], "sv-SE");
    assert_eq!(events[0]["historical"], true);

    // The sender tries again: the same event has been applied.
    assert_eq!(verdicts(&server, &[ahead("u1")], &json!({})).await, ["duplicate"]);
}

#[tokio::test]
async fn all_that_match_are_replayed_or_discarded_page_by_page() {
    let server = server();
    let events: Vec<Value> = (0..450).map(|i| ahead(&format!("u{i}"))).collect();
    verdicts(&server, &events, &json!({})).await;
    let nameless: Vec<Value> =
        (0..100).map(|i| json!({"type": "track", "userId": format!("u{i}")})).collect();
    verdicts(&server, &nameless, &json!({})).await;
    server.clock.advance(Duration::hours(48));

    let first = server.ok(post("/api/v1/quarantine/replay?source=default", "").admin()).await;
    let counts = json!({"accepted": 400, "duplicate": 0, "quarantined": 100, "refused": 0});
    assert_eq!(first["verdicts"], counts);
    let cursor = first["next_cursor"].as_str().unwrap();
    let path = format!("/api/v1/quarantine/replay?source=default&cursor={cursor}");
    let last = server.ok(post(path, "").admin()).await;
    assert_eq!(last["verdicts"]["accepted"], 50);
    assert_eq!(last["next_cursor"], Value::Null);
    assert_eq!(codes(&server, "limit=500").await, vec!["no_event_name"; 100]);

    let discard = |query: &str| Call::new("DELETE", format!("/api/v1/quarantine{query}")).admin();
    let meant = server.verdict(discard("")).await;
    assert!(meant.starts_with("400 invalid_request: say which"), "{meant}");
    let unknown = server.verdict(discard("?event=E")).await;
    assert!(unknown.starts_with("400 invalid_request"), "{unknown}");
    let discarded = server.ok(discard("?code=no_event_name")).await;
    assert_eq!(discarded, json!({"discarded": 100, "next_cursor": null}));
    assert!(codes(&server, "").await.is_empty());
    let metrics = server.call(get("/metrics")).await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains("concierge_quarantine_entries 0\n"), "{metrics}");
}

#[tokio::test]
async fn looking_and_acting_need_their_scopes() {
    let server = server();
    verdicts(&server, &[json!(7)], &json!({})).await;
    let (id, _) = found(&server, "").await.remove(0);
    let reader = format!("Bearer {}", server.token(&["profiles:read"]).await);
    let writer = format!("Bearer {}", server.token(&["events:write"]).await);
    let entry = format!("/api/v1/quarantine/{id}");
    let as_ = |call: Call, token: &str| call.header("authorization", token);
    assert_eq!(server.verdict(as_(get(&entry), &reader)).await, "200");
    assert!(server.verdict(as_(get(&entry), &writer)).await.starts_with("403 missing_scope"));
    let discard = || Call::new("DELETE", &entry);
    assert!(server.verdict(as_(discard(), &reader)).await.starts_with("403 missing_scope"));
    assert_eq!(server.verdict(as_(discard(), &writer)).await, "204");
    assert!(server.verdict(get(&entry).admin()).await.starts_with("404 not_found"));
}
