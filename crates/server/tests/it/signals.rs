//! Searches, forms, downloads and attention as the guide shows them.

use serde_json::{Value, json};

use crate::harness::{Server, get, put, server};

const PAGE: &str = include_str!("../../../../docs/guide/signals.md");

async fn is_member(server: &Server, user: &str, audience: &str) -> bool {
    let path = format!("/api/v1/profiles/lookup?type=user_id&value={user}");
    let profile = server.ok(get(path).admin()).await;
    profile["audiences"][audience]["member"] == json!("true")
}

/// Follows the guide from top to bottom: sends its events, saves its definitions.
#[tokio::test]
async fn whoever_sends_the_guides_signals_is_in_the_guides_audiences() {
    let server = server();
    server.track(&json!({"type": "identify", "userId": "quiet"})).await;
    let mut audiences = Vec::new();
    for block in PAGE.split("```json").skip(1).filter_map(|rest| rest.split("```").next()) {
        let mut document: Value = serde_json::from_str(block).unwrap();
        let Some(key) = document["key"].as_str().map(str::to_owned) else {
            document["userId"] = json!("eager");
            server.track(&document).await;
            continue;
        };
        let kinds =
            [("condition", "audiences"), ("events", "purposes"), ("declared_use", "traits")];
        let (_, kind) = kinds.into_iter().find(|(field, _)| document.get(field).is_some()).unwrap();
        let path = format!("/api/v1/{kind}/{key}");
        server.ok(put(path, &document).admin()).await;
        if kind == "audiences" {
            audiences.push(key);
        }
    }
    assert_eq!(audiences.len(), 4);
    for audience in audiences {
        assert!(is_member(&server, "eager", &audience).await, "{audience}");
        assert!(!is_member(&server, "quiet", &audience).await, "{audience}");
    }
}
