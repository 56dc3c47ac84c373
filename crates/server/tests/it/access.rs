//! Who may do what.

use expect_test::expect;
use serde_json::json;

use crate::harness::{Call, TOKEN, WRITE_KEY, get, post, put, server};

#[tokio::test]
async fn management_needs_a_token_that_is_known() {
    let server = server();
    let bearer =
        |secret: &str| get("/api/v1/audiences").header("authorization", format!("Bearer {secret}"));
    let mut verdicts = Vec::new();
    for call in [
        get("/api/v1/audiences"),
        bearer("nonsense"),
        bearer(WRITE_KEY),
        get("/api/v1/audiences").header("authorization", format!("Basic {TOKEN}")),
        get(format!("/api/v1/audiences?token={TOKEN}")),
    ] {
        let answer = server.call(call).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        verdicts.push(answer.summary());
    }
    expect![[r#"
        401 token_missing: send a token: `Authorization: Bearer …`
        401 token_unknown: the token is not known
        401 token_unknown: the token is not known
        401 token_missing: send a token: `Authorization: Bearer …`
        401 token_missing: send a token: `Authorization: Bearer …`"#]]
    .assert_eq(&verdicts.join("\n"));
    assert_eq!(server.verdict(bearer(TOKEN)).await, "200");
}

#[tokio::test]
async fn each_route_asks_for_its_scope() {
    let server = server();
    let audience = json!({"condition": {"trait": "plan", "op": "eq", "value": "pro"}});
    let digest = "ab".repeat(32);
    type MakeCall = fn(&str) -> Call;
    let calls: [(&str, MakeCall); 12] = [
        ("definitions:read", |_| get("/api/v1/audiences")),
        ("definitions:write", |_| put("/api/v1/audiences/a", &json!({}))),
        ("definitions:write", |_| Call::new("DELETE", "/api/v1/audiences/a")),
        ("definitions:publish", |_| post("/api/v1/audiences/a/state", r#"{"state":"live"}"#)),
        ("profiles:read", |_| get("/api/v1/profiles/lookup?type=user_id&value=u1")),
        ("events:write", |digest| get(format!("/api/v1/imports/{digest}"))),
        ("export", |_| get("/api/v1/export/profiles?purpose=analytics")),
        ("backup", |_| get("/api/v1/backup/rows")),
        ("backup:keys", |_| get("/api/v1/backup/keys")),
        ("profiles:write", |_| {
            post("/api/v1/profiles/00000000000000000999/split", r#"{"all":true}"#)
        }),
        ("admin", |_| get("/api/v1/audit")),
        ("admin", |_| post("/api/v1/tokens", "{}")),
    ];
    // Tokens that hold everything but the scope in question.
    let all = [
        "decide",
        "definitions:read",
        "definitions:write",
        "definitions:publish",
        "profiles:read",
        "events:write",
        "backup",
        "backup:keys",
        "profiles:write",
        "export",
    ];
    server.ok(put("/api/v1/audiences/a", &audience).admin()).await;
    for (scope, call) in calls {
        let others: Vec<&str> = all.into_iter().filter(|other| *other != scope).collect();
        let token = server.token(&others).await;
        let refused = call(&digest).header("authorization", format!("Bearer {token}"));
        assert_eq!(
            server.verdict(refused).await,
            format!("403 missing_scope: the token lacks the scope `{scope}`")
        );
        let admitted = server.verdict(call(&digest).admin()).await;
        assert!(
            !admitted.starts_with("401") && !admitted.starts_with("403"),
            "{scope}: {admitted}"
        );
    }
}

#[tokio::test]
async fn drafts_may_be_written_without_the_right_to_publish() {
    let server = server();
    let writer = server.token(&["definitions:read", "definitions:write"]).await;
    let write = |body: &serde_json::Value| {
        put("/api/v1/audiences/a", body).header("authorization", format!("Bearer {writer}"))
    };
    let mut document = json!({"condition": {"trait": "plan", "op": "eq", "value": "pro"}});
    assert_eq!(server.verdict(write(&document)).await, "201");
    document["state"] = "live".into();
    assert!(server.verdict(write(&document)).await.starts_with("403 missing_scope"));
    assert_eq!(server.verdict(put("/api/v1/audiences/a", &document).admin()).await, "200");
    document.as_object_mut().unwrap().remove("state");
    document["name"] = "changed".into();
    assert!(server.verdict(write(&document)).await.starts_with("403 missing_scope"), "it is live");
}

#[tokio::test]
async fn a_token_is_shown_once_and_stands_in_the_audit_log_by_name() {
    let server = server();
    let body = json!({"name": "ci", "scopes": ["definitions:read", "definitions:read"]});
    let answer = server.call(post("/api/v1/tokens", body.to_string()).admin()).await;
    assert_eq!(answer.status.as_u16(), 201);
    let made = answer.json();
    assert_eq!(made["scopes"], json!(["definitions:read"]));
    let secret = made["secret"].as_str().unwrap();
    let audit = server.ok(get("/api/v1/audit").admin()).await;
    assert!(audit["items"].to_string().contains("token.create"), "{audit}");
    assert!(!audit.to_string().contains(secret), "the secret is not in the log");

    let mut faults = Vec::new();
    for body in [
        json!({"name": " ", "scopes": ["admin"]}),
        json!({"name": "x", "scopes": []}),
        json!({"name": "x", "scopes": ["everything"]}),
        json!({"name": "x", "scopes": ["admin"], "more": 1}),
        json!({"name": "x"}),
    ] {
        let answer = server.call(post("/api/v1/tokens", body.to_string()).admin()).await;
        faults.push(format!("{} {}", answer.summary(), answer.json()["errors"]));
    }
    expect![[r#"
        201 null
        400 invalid_request: /scopes: a token without scopes lets nobody in [{"detail":"a token without scopes lets nobody in","pointer":"/scopes"}]
        400 invalid_request: /scopes/0: unknown variant `everything`, expected one of `admin`, `decide`, `definitions:read`, `definitions:write`, `definitions:publish`, `profiles:read`, `profiles:sensitive`, `events:write`, `backup`, `backup:keys`, `profiles:write`, `events:read`, `export`, `privacy` [{"detail":"unknown variant `everything`, expected one of `admin`, `decide`, `definitions:read`, `definitions:write`, `definitions:publish`, `profiles:read`, `profiles:sensitive`, `events:write`, `backup`, `backup:keys`, `profiles:write`, `events:read`, `export`, `privacy`","pointer":"/scopes/0"}]
        400 invalid_request: /more: unknown field `more`, expected `name` or `scopes` [{"detail":"unknown field `more`, expected `name` or `scopes`","pointer":"/more"}]
        400 invalid_request: missing field `scopes` [{"detail":"missing field `scopes`","pointer":""}]"#]].assert_eq(&faults.join("\n"));
}

#[tokio::test]
async fn a_source_gets_write_keys() {
    let server = server();
    let source = json!({"kind": "server", "state": "live"});
    assert_eq!(server.verdict(put("/api/v1/sources/backend", &source).admin()).await, "201");
    let made = server.ok(post("/api/v1/sources/backend/write_keys", "").admin()).await;
    let key = made["write_key"].as_str().unwrap();
    let event = json!({"event": "E", "userId": "u1"}).to_string();
    assert_eq!(server.verdict(post("/v1/track", event).header("x-write-key", key)).await, "200");
    let unknown = post("/api/v1/sources/nobody/write_keys", "").admin();
    assert!(server.verdict(unknown).await.starts_with("404 not_found"));
}

#[tokio::test]
async fn calls_have_names() {
    let server = server();
    let named = |id: &str| get("/api/v1/audiences").admin().header("x-request-id", id);
    assert_eq!(server.call(named("abc-1")).await.header("x-request-id"), "abc-1");
    let given = server.call(named("not a name")).await.header("x-request-id").to_owned();
    assert_ne!(given, "not a name");
    assert_ne!(server.call(get("/api/v1/audiences")).await.header("x-request-id"), given);
    assert!(!server.call(post("/v1/t", "")).await.header("x-request-id").is_empty());
}
