//! Serving: what was acknowledged is there for the next decision, after a restart too.

use serde_json::json;

use crate::support::{Server, run, stdout};

#[test]
fn an_event_is_seen_by_the_next_decision_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "127.0.0.1:0");
    let save = |path: &str, document: serde_json::Value| {
        let (status, answer) = server.call("PUT", &format!("/api/v1/{path}"), &document).unwrap();
        assert_eq!(status, 201, "{answer}");
    };
    let bought = json!({"event": "Order Completed", "count": {"op": "gte", "value": 1}});
    save("audiences/buyers", json!({"key": "buyers", "state": "live", "condition": bought}));
    save(
        "placements/hero",
        json!({"key": "hero", "state": "live", "default": {"title": "Welcome"}}),
    );
    save(
        "experiences/thanks",
        json!({"key": "thanks", "state": "live", "placement": "hero", "eligibility": {"audience": "buyers"},
            "variants": [{"key": "a", "content": {"title": "Thanks, {{ profile.traits.first_name | default: 'you' }}"}}]}),
    );
    let decide = json!({"identifiers": {"user_id": "u1"}, "placements": ["hero"], "record": false});
    let title = |server: &Server| {
        server.post("/v1/decide", &decide)["decisions"][0]["content"]["title"].clone()
    };
    assert_eq!(title(&server), "Welcome");
    server.post("/v1/identify", &json!({"userId": "u1", "traits": {"first_name": "Ann"}}));
    server.post("/v1/track", &json!({"userId": "u1", "event": "Order Completed"}));
    assert_eq!(title(&server), "Thanks, Ann");
    assert!(server.terminate().success());

    let server = Server::start(dir.path(), "127.0.0.1:0");
    assert_eq!(title(&server), "Thanks, Ann");
    let told = run(
        dir.path(),
        &[
            "decide",
            "--server",
            &server.base,
            "--user-id",
            "u1",
            "--placement",
            "hero",
            "--explain",
        ],
    );
    assert!(stdout(&told).contains("hero: thanks, variant a"), "{}", stdout(&told));
    let told = run(dir.path(), &["profile", "--server", &server.base, "user_id", "u1"]);
    assert!(stdout(&told).contains("first_name  Ann"), "{}", stdout(&told));
    assert!(server.terminate().success());
}
