//! Edits of live audiences over HTTP.

use expect_test::expect;
use serde_json::{Value, json};

use crate::harness::{Server, get, post, put, server};

const AUDIENCE: &str = "/api/v1/audiences/pros";
const EDIT: &str = "/api/v1/audiences/pros/edit";
const SWITCH: &str = "/api/v1/audiences/pros/edit/switch";

fn audience(plan: &str) -> Value {
    json!({"state": "live", "condition": {"trait": "plan", "op": "eq", "value": plan}})
}

impl Server {
    /// Two people with the plan `pro`, one with `free`, and the audience of the first two.
    async fn with_pros() -> Self {
        let server = server();
        for (user, plan) in [("u1", "pro"), ("u2", "pro"), ("u3", "free")] {
            let event = json!({"type": "identify", "userId": user, "traits": {"plan": plan}});
            server.track(&event).await;
        }
        server.ok(put(AUDIENCE, &audience("pro")).admin()).await;
        server
    }

    async fn pros(&self) -> Value {
        self.ok(get(format!("{AUDIENCE}/members")).admin()).await["count"].clone()
    }

    /// Waits until the edit has been computed for everyone.
    async fn complete(&self) {
        for _ in 0..2_000 {
            let edit = self.ok(get(EDIT).admin()).await;
            if edit["progress"]["is_complete"] == true {
                return;
            }
            // The writer looks around every 20 ms; it is the writer that is waited for, not an instant.
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
        panic!("waited in vain");
    }
}

#[tokio::test]
async fn an_edit_is_shown_with_what_it_would_change_and_switched_to_when_asked() {
    let server = Server::with_pros().await;
    expect!["404 not_found: audience `pros` has no version that waits to act"]
        .assert_eq(&server.verdict(get(EDIT).admin()).await);
    let saved =
        server.ok(put(format!("{AUDIENCE}?switch=manual"), &audience("free")).admin()).await;
    assert_eq!(saved["version"], 2);
    let edit = server.ok(get(EDIT).admin()).await;
    assert_eq!(
        (&edit["from"], &edit["to"], &edit["switch"]),
        (&json!(1), &json!(2), &json!("manual"))
    );
    let exactly = |count: u64| json!({"value": count, "low": count, "high": count});
    let difference = &edit["difference"];
    assert_eq!(difference["enter"], exactly(1));
    assert_eq!(difference["leave"], exactly(2));
    assert_eq!(difference["stay"], exactly(0));
    assert_eq!(difference["entering"][0]["user_id"], "u3");
    let reader = server.token(&["definitions:read"]).await;
    let blind = get(EDIT).header("authorization", format!("Bearer {reader}"));
    let blind = server.ok(blind).await["difference"].clone();
    assert_eq!((&blind["entering"], &blind["leaving"]), (&json!([]), &json!([])));
    assert_eq!(blind["leave"], exactly(2));
    server.complete().await;
    assert_eq!(server.pros().await, 2, "the version before acts");
    let by_reader = post(SWITCH, "").header("authorization", format!("Bearer {reader}"));
    assert!(server.verdict(by_reader).await.starts_with("403 "));
    let of_another = post(SWITCH, "").admin().header("if-match", "\"v1\"");
    expect!["412 version_mismatch: audience `pros` is at version 2"]
        .assert_eq(&server.verdict(of_another).await);
    let acting = server.call(post(SWITCH, "").admin().header("if-match", "\"v2\"")).await;
    assert_eq!((acting.summary().as_str(), acting.etag().as_str()), ("200", "\"v2\""));
    assert_eq!(server.pros().await, 1);
    assert!(server.verdict(post(SWITCH, "").admin()).await.starts_with("404 "));
    let log = server.ok(get("/api/v1/audit").admin()).await;
    let line = log["items"].as_array().unwrap().iter().find(|l| l["action"] == "audience.switch");
    assert_eq!(line.unwrap()["change"], json!({"from": 1, "to": 2}));
}

#[tokio::test]
async fn two_who_edit_the_same_version_do_not_overwrite_each_other() {
    let server = Server::with_pros().await;
    let save = |plan: &str| {
        put(format!("{AUDIENCE}?switch=manual"), &audience(plan))
            .admin()
            .header("if-match", "\"v1\"")
    };
    server.ok(save("free")).await;
    expect!["412 version_mismatch: audience `pros` is at version 2"]
        .assert_eq(&server.verdict(save("team")).await);
    // Saving what acts takes the edit back.
    server.ok(put(AUDIENCE, &audience("pro")).admin()).await;
    assert!(server.verdict(get(EDIT).admin()).await.starts_with("404 "));
    assert_eq!(server.pros().await, 2);
}

#[tokio::test]
async fn an_edit_may_act_at_once_and_other_kinds_know_no_other_way() {
    let server = Server::with_pros().await;
    server.ok(put(format!("{AUDIENCE}?switch=now"), &audience("free")).admin()).await;
    assert_eq!(server.pros().await, 1);
    let other = put("/api/v1/placements/p?switch=now", &json!({})).admin();
    expect!["400 invalid_request: only audiences take `switch`; the others act at once"]
        .assert_eq(&server.verdict(other).await);
    let unknown = put(format!("{AUDIENCE}?switch=soon"), &audience("pro")).admin();
    assert!(server.verdict(unknown).await.starts_with("400 "));
}
