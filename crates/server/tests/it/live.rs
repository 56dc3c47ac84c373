//! What happens now, as whoever watches sees it.

use axum::body::Body;
use http_body_util::BodyExt as _;
use model::Value;
use serde_json::json;

use crate::harness::{Call, Server, TOKEN, get, post, put, server};

/// An open stream.
struct Stream(Body);

impl Stream {
    async fn open(server: &Server, query: &str, token: &str) -> Self {
        let call = get(format!("/api/v1/live?{query}"));
        let answer = server.open(call.header("authorization", format!("Bearer {token}"))).await;
        assert_eq!(answer.status().as_u16(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut stream = Self(answer.into_body());
        assert_eq!(stream.frame().await, ": still here\n\n", "the head arrives at once");
        stream
    }

    async fn frame(&mut self) -> String {
        let frame = self.0.frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    }

    /// The next event of this name, as JSON.
    async fn next(&mut self, name: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if let Some(data) = frame.strip_prefix(&format!("event: {name}\ndata: ")) {
                return serde_json::from_str(data.trim_end()).unwrap();
            }
        }
    }
}

fn event(user: &str, name: &str) -> Value {
    json!({"type": "track", "event": name, "userId": user, "properties": {"note": "secret", "n": 1}})
}

async fn send(server: &Server, events: &[Value]) {
    server.ok(post("/v1/batch", json!({"batch": events}).to_string()).source()).await;
}

#[tokio::test]
async fn events_are_shown_as_they_come_and_as_open_as_the_token_may_see_them() {
    let server = server();
    let reader = server.token(&["events:read"]).await;
    let mut masked = Stream::open(&server, "", &reader).await;
    let mut open = Stream::open(&server, "", TOKEN).await;
    send(
        &server,
        &[event("u1", "Viewed"), json!({"type": "track", "userId": "u2", "note": "secret"})],
    )
    .await;

    let shown = open.next("event").await;
    assert_eq!((&shown["name"], &shown["verdict"]), (&json!("Viewed"), &json!("accepted")));
    assert_eq!(shown["identifiers"][0]["value"], "u1");
    assert_eq!(shown["properties"]["note"], "secret");
    let profile = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u1").admin()).await;
    assert_eq!(shown["profile"], profile["id"]);
    let aside = open.next("event").await;
    assert_eq!(
        (&aside["verdict"], &aside["code"]),
        (&json!("quarantined"), &json!("no_event_name"))
    );

    let shown = masked.next("event").await;
    assert_eq!(shown["properties"], json!({"note": "string", "n": "integer"}));
    assert_eq!(shown["identifiers"], json!([{"type": "user_id"}]));
    let aside = masked.next("event").await;
    assert_eq!(aside["code"], "no_event_name");
    for shown in [shown, aside] {
        let text = shown.to_string();
        assert!(
            !text.contains("secret") && !text.contains("\"u1\"") && !text.contains("u2"),
            "{text}"
        );
    }
    let audit = server.ok(get("/api/v1/audit").admin()).await;
    let watched = audit["items"].as_array().unwrap().iter().filter(|e| e["action"] == "live.watch");
    assert_eq!(watched.count(), 1, "whoever looks at people is written down");
}

#[tokio::test]
async fn sensitive_values_are_seen_by_those_alone_who_may() {
    let server = server();
    let ssn = json!({"state": "live", "sensitivity": "sensitive"});
    server.ok(put("/api/v1/traits/ssn", &ssn).admin()).await;
    let reader = server.token(&["events:read", "profiles:read"]).await;
    let mut some = Stream::open(&server, "", &reader).await;
    let mut all = Stream::open(&server, "", TOKEN).await;
    let traits = json!({"ssn": "19900101", "plan": "pro"});
    let sound = json!({"type": "identify", "userId": "u1", "traits": traits});
    send(&server, &[sound, json!({"type": "track", "userId": "u1", "traits": traits})]).await;
    let shown = all.next("event").await;
    assert_eq!(shown["traits"]["ssn"], "19900101");
    assert!(all.next("event").await["body"].as_str().unwrap().contains("19900101"));
    let shown = some.next("event").await;
    assert_eq!(shown["traits"], json!({"plan": "pro"}));
    assert_eq!(shown["masked"], json!(["ssn"]));
    let aside = some.next("event").await;
    assert_eq!(aside["code"], "no_event_name");
    assert!(!aside.to_string().contains("19900101"), "{aside}");
}

#[tokio::test]
async fn a_watcher_sees_what_it_asks_for_and_samples() {
    let server = server();
    let mut bought =
        Stream::open(&server, "event=Bought&source=default&verdict=accepted", TOKEN).await;
    let mut anna = Stream::open(&server, "identifier=user_id:anna", TOKEN).await;
    let mut some = Stream::open(&server, "event=Viewed&one_in=10", TOKEN).await;
    let mut events: Vec<Value> = (0..20).map(|i| event(&format!("u{i}"), "Viewed")).collect();
    events.push(event("anna", "Viewed"));
    events.push(event("bo", "Bought"));
    send(&server, &events).await;
    assert_eq!(bought.next("event").await["identifiers"][0]["value"], "bo");
    assert_eq!(anna.next("event").await["name"], "Viewed");
    assert_eq!(some.next("event").await["identifiers"][0]["value"], "u9");
    assert_eq!(some.next("event").await["identifiers"][0]["value"], "u19");
    for bad in ["verdict=odd", "identifier=anna", "odd=1", "source=A"] {
        let refused = server.verdict(get(format!("/api/v1/live?{bad}")).admin()).await;
        assert!(refused.starts_with("400 invalid_request"), "{bad}: {refused}");
    }
}

#[tokio::test]
async fn a_slow_watcher_loses_events_and_is_told_how_many() {
    let server = server();
    let mut slow = Stream::open(&server, "event=Viewed", TOKEN).await;
    let events: Vec<Value> = (0..400).map(|i| event(&format!("u{i}"), "Viewed")).collect();
    send(&server, &events).await;
    // What is shown is shown after the answer: one more call comes behind it.
    send(&server, &[event("last", "Other")]).await;
    assert_eq!(slow.next("lost").await, json!({"events": 144}), "256 wait");
    for i in 0..256 {
        let shown = slow.next("event").await;
        assert_eq!(shown["identifiers"][0]["value"], format!("u{i}"));
    }
}

#[tokio::test]
async fn as_many_watch_as_may_and_a_place_is_free_again() {
    let server = server();
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(Stream::open(&server, "", TOKEN).await);
    }
    let refused = server.verdict(get("/api/v1/live").admin()).await;
    assert!(refused.starts_with("429 too_many_watchers"), "{refused}");
    streams.pop();
    streams.push(Stream::open(&server, "", TOKEN).await);
}

#[tokio::test]
async fn watching_needs_its_scope_and_a_person_that_of_profiles() {
    let server = server();
    let as_ = |call: Call, token: &str| call.header("authorization", format!("Bearer {token}"));
    let other = server.token(&["definitions:read"]).await;
    let refused = server.verdict(as_(get("/api/v1/live"), &other)).await;
    assert!(refused.starts_with("403 missing_scope"), "{refused}");
    let reader = server.token(&["events:read"]).await;
    let refused = server.verdict(as_(get("/api/v1/live?identifier=user_id:u1"), &reader)).await;
    assert_eq!(refused, "403 missing_scope: the token lacks the scope `profiles:read`");
}
