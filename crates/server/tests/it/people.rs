//! Reading people, and that it is written down who did.

use serde_json::{Value, json};

use crate::harness::{get, server};

#[tokio::test]
async fn a_profile_is_found_by_any_identifier_and_the_reader_is_written_down() {
    let server = server();
    let event = json!({"type": "identify", "userId": "u1", "anonymousId": "a1",
        "traits": {"plan": "pro", "email": "ann@example.org"}});
    server.track(&event).await;
    let mut ids = Vec::new();
    for (kind, value) in [("user_id", "u1"), ("anonymous_id", "a1"), ("email", "Ann%40Example.org")]
    {
        let path = format!("/api/v1/profiles/lookup?type={kind}&value={value}");
        let profile = server.ok(get(path).admin()).await;
        assert_eq!(profile["traits"]["plan"]["value"], "pro");
        ids.push(profile["id"].as_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let read = server.ok(get(format!("/api/v1/profiles/{}", ids[0])).admin()).await;
    assert_eq!(read["id"], ids[0].as_str());

    let audit = server.ok(get("/api/v1/audit?limit=500").admin()).await;
    let actions: Vec<&str> =
        audit["items"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert_eq!(actions.iter().filter(|action| **action == "profile.lookup").count(), 3);
    assert!(!audit.to_string().contains("ann@example.org"), "the log names no person");
}

#[tokio::test]
async fn timelines_come_in_pages_newest_first() {
    let server = server();
    for (i, time) in ["2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z"].into_iter().enumerate() {
        let name = format!("E{i}");
        server
            .track(&json!({"type": "track", "event": name, "userId": "u1", "timestamp": time}))
            .await;
    }
    let found = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u1").admin()).await;
    let path = format!("/api/v1/profiles/{}/timeline?limit=1", found["id"].as_str().unwrap());
    let first = server.ok(get(&path).admin()).await;
    assert_eq!(first["items"][0]["name"], "E1");
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server.ok(get(format!("{path}&cursor={cursor}")).admin()).await;
    assert_eq!(second["items"][0]["name"], "E0");
}

#[tokio::test]
async fn an_explanation_is_given_for_a_person_and_recorded_nowhere() {
    let server = server();
    server.track(&json!({"type": "identify", "userId": "u1", "traits": {"plan": "pro"}})).await;
    let found = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u1").admin()).await;
    let id = found["id"].as_str().unwrap();
    let path =
        format!("/api/v1/profiles/{id}/explain?placement=home_hero,exit_popup&url=https://x.y/");
    let explained = server.ok(get(path).admin()).await;
    let placements: Vec<&Value> = explained["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|decision| &decision["placement"])
        .collect();
    assert_eq!(placements, ["home_hero", "exit_popup"]);
    let decisions = server.ok(get(format!("/api/v1/profiles/{id}/decisions")).admin()).await;
    assert_eq!(decisions["items"], json!([]));
}

#[tokio::test]
async fn who_is_not_there_is_not_found() {
    let server = server();
    for path in [
        "/api/v1/profiles/lookup?type=user_id&value=nobody",
        "/api/v1/profiles/00000000000000000999",
        "/api/v1/profiles/nonsense",
        "/api/v1/profiles/00000000000000000999/timeline",
        "/api/v1/profiles/00000000000000000999/decisions",
        "/api/v1/profiles/00000000000000000999/explain",
    ] {
        let verdict = server.verdict(get(path).admin()).await;
        assert!(verdict.starts_with("404 not_found"), "{path}: {verdict}");
    }
    for path in ["?type=shoe_size&value=44", "?type=user_id&value=", "?type=user_id"] {
        let verdict = server.verdict(get(format!("/api/v1/profiles/lookup{path}")).admin()).await;
        assert!(verdict.starts_with("400 invalid_request"), "{path}: {verdict}");
    }
}
