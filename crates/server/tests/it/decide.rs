//! Decisions over HTTP.

use expect_test::expect;
use serde_json::{Value, json};

use crate::harness::{Call, Server, TOKEN, get, post, put, server};

fn decide(body: &Value) -> Call {
    post("/v1/decide", body.to_string())
}

async fn with_experience() -> Server {
    let server = server();
    let placement = json!({"state": "live", "default": {"title": "Welcome"},
        "content_schema": {"type": "object", "properties": {"title": {"type": "string"}}}});
    server.ok(put("/api/v1/placements/home_hero", &placement).admin()).await;
    let experience = json!({"state": "live", "placement": "home_hero",
        "eligibility": {"trait": "plan", "op": "eq", "value": "pro"},
        "variants": [{"key": "a", "weight": 1, "content": {"title": "Hello, pro"}}]});
    server.ok(put("/api/v1/experiences/pro_hello", &experience).admin()).await;
    server
}

#[tokio::test]
async fn an_event_changes_the_next_decision() {
    let server = with_experience().await;
    let ask = json!({"identifiers": {"user_id": "u1"}, "placements": ["home_hero"]});
    let before = server.ok(decide(&ask).source()).await;
    assert_eq!(before["decisions"][0]["content"]["title"], "Welcome");
    assert_eq!(before["decisions"][0]["reason"], "default");
    server.track(&json!({"type": "identify", "userId": "u1", "traits": {"plan": "pro"}})).await;
    let after = server.ok(decide(&ask).source()).await;
    let decision = &after["decisions"][0];
    assert_eq!(decision["content"]["title"], "Hello, pro");
    assert_eq!(decision["experience"], "pro_hello");
    assert_eq!(decision["reason"], "targeting_match");
    assert_eq!(decision["id"].as_str().unwrap().len(), 32, "an id is text");
    assert!(decision["explanation"].is_null());
    assert!(after["definitions_version"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn explanations_and_other_instants_need_a_token() {
    let server = with_experience().await;
    let mut verdicts = Vec::new();
    let explain =
        json!({"identifiers": {"user_id": "u1"}, "placements": ["home_hero"], "explain": true});
    let at = json!({"identifiers": {"user_id": "u1"}, "at": "2026-11-21T12:00:00Z"});
    let profiles = server.token(&["profiles:read"]).await;
    for call in [
        decide(&explain).source(),
        decide(&at).source(),
        decide(&at),
        decide(&at).header("authorization", "Bearer nobody"),
        decide(&at).header("authorization", format!("Bearer {profiles}")),
        decide(&at).admin(),
    ] {
        verdicts.push(server.verdict(call).await);
    }
    expect![[r#"
        403 token_required: `explain` and `at` need a token with the scope `decide`
        403 token_required: `explain` and `at` need a token with the scope `decide`
        401 write_key_missing: send a write key: as the user of Basic, as Bearer, in the body, the query or X-Write-Key
        401 write_key_unknown: this is neither a source's write key nor a token
        403 missing_scope: the token lacks the scope `decide`
        200"#]].assert_eq(&verdicts.join("\n"));
    let token = server.token(&["decide"]).await;
    let explained =
        server.ok(decide(&explain).header("authorization", format!("Bearer {token}"))).await;
    assert!(explained["decisions"][0]["explanation"].is_array());
}

#[tokio::test]
async fn every_way_to_name_somebody_is_read() {
    let server = with_experience().await;
    server
        .track(&json!({"type": "identify", "userId": "42", "anonymousId": "a1", "traits": {"plan": "pro"},
            "context": {"externalIds": [{"type": "crm", "id": "c7"}]}}))
        .await;
    for identifiers in [
        json!({"user_id": "42"}),
        json!({"user_id": 42, "email": null, "phone": ""}),
        json!({"userId": "42"}),
        json!({"anonymous_id": "a1"}),
        json!({"external:crm": "c7"}),
    ] {
        let body =
            json!({"identifiers": identifiers, "placements": ["home_hero"], "newer_field": 1});
        let answer = server.ok(decide(&body).admin()).await;
        assert_eq!(answer["decisions"][0]["experience"], "pro_hello", "{identifiers}");
    }
    let nobody = server.ok(decide(&json!({"placements": ["home_hero"]})).source()).await;
    assert_eq!(nobody["decisions"][0]["reason"], "default");
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_told_where() {
    let server = with_experience().await;
    let mut told = Vec::new();
    let keys = |count: usize| (0..count).map(|i| format!("p{i}")).collect::<Vec<_>>();
    for body in [
        json!({"identifiers": {"shoe_size": 44}}),
        json!({"identifiers": {"user_id": {"a": 1}}}),
        json!({"identifiers": {"user_id": "x".repeat(513)}}),
        json!({"identifiers": ["u1"]}),
        json!({"placements": ["Home Hero"]}),
        json!({"placements": "home_hero"}),
        json!({"placements": keys(51)}),
        json!({"context": "none"}),
        json!({"explain": "yes"}),
        json!({"at": "yesterday"}),
        json!([]),
    ] {
        let answer = server.call(decide(&body).admin()).await;
        let problem = answer.json();
        told.push(format!("{} {}", answer.status.as_u16(), problem["detail"].as_str().unwrap()));
    }
    expect![[r#"
        400 /identifiers/shoe_size: the types are user_id, anonymous_id, email, phone, device_id and external:<name>
        400 /identifiers/user_id: an identifier is a text or a whole number
        400 /identifiers/user_id: an identifier has at most 512 bytes
        400 /identifiers: invalid type: sequence, expected an object of identifiers by type
        400 /placements/0: `Home Hero` is not a key: use 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit
        400 /placements: invalid type: string "home_hero", expected a sequence
        400 /placements: at most 50 placements fit one request
        400 /context: invalid type: string "none", expected a map
        400 /explain: invalid type: string "yes", expected a boolean
        400 /at: `yesterday` is not a time: write RFC 3339, as in 2026-11-21T12:00:00Z
        400 the body is a JSON object"#]].assert_eq(&told.join("\n"));
    let fifty = server.ok(decide(&json!({"placements": keys(50)})).source()).await;
    assert_eq!(fifty["decisions"].as_array().unwrap().len(), 50, "unknown placements fail nobody");
}

#[tokio::test]
async fn recorded_decisions_stand_with_the_person() {
    let server = with_experience().await;
    server.track(&json!({"type": "identify", "userId": "u1", "traits": {"plan": "pro"}})).await;
    let ask = |record: bool| json!({"identifiers": {"user_id": "u1"}, "placements": ["home_hero"], "record": record});
    server.ok(decide(&ask(false)).source()).await;
    let recorded = server.ok(decide(&ask(true)).source()).await;
    // Whatever is acknowledged after the record was queued is committed after it.
    server.track(&json!({"type": "track", "event": "E", "userId": "u1"})).await;
    let found = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u1").admin()).await;
    let path = format!("/api/v1/profiles/{}/decisions", found["id"].as_str().unwrap());
    let items = server.ok(get(path).admin()).await["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), 1, "{items:?}");
    assert!(recorded["decisions"][0]["token"].is_string());
}

#[tokio::test]
async fn answers_are_for_this_person_alone() {
    let server = with_experience().await;
    let answer =
        server.call(decide(&json!({})).header("authorization", format!("Bearer {TOKEN}"))).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn somebody_who_was_asked_about_before_they_were_known_is_known_once_they_are() {
    let server = with_experience().await;
    let ask = json!({"identifiers": {"user_id": "u1"}, "placements": ["home_hero"]});
    for call in [decide(&ask).source(), decide(&ask).admin()] {
        assert_eq!(server.ok(call).await["decisions"][0]["reason"], "default");
    }
    let traits = json!({"plan": "pro"});
    server
        .track(&json!({"type": "identify", "userId": "u1", "anonymousId": "a1", "traits": traits}))
        .await;
    for call in [decide(&ask).source(), decide(&ask).admin()] {
        assert_eq!(server.ok(call).await["decisions"][0]["reason"], "targeting_match");
    }
}
