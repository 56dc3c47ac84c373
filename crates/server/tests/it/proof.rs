//! Sources that demand proof, and the identity tokens that give it.

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::harness::{NOW, Server, get, post, put, server};

/// A server whose first source demands proof, and the secret of its tokens.
async fn demanding() -> (Server, String) {
    let server = server();
    let source = json!({"state": "live", "kind": "public", "identity": "verified"});
    server.ok(put("/api/v1/sources/default", &source).admin()).await;
    let secret = new_secret(&server).await;
    (server, secret)
}

async fn new_secret(server: &Server) -> String {
    let made = server.ok(post("/api/v1/sources/default/identity_secret", "").admin()).await;
    made["identity_secret"].as_str().unwrap().to_owned()
}

fn signed(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::default(), claims, &key).unwrap()
}

fn in_an_hour() -> i64 {
    NOW.0 / 1_000 + 3_600
}

fn claiming(user: &str, token: Option<String>) -> Value {
    json!({"type": "identify", "userId": user, "anonymousId": "a1", "context": {"identity_token": token}})
}

async fn claim(server: &Server, user: &str, token: Option<String>) {
    server.track(&claiming(user, token)).await;
}

/// Whether somebody holds the user id.
async fn is_known(server: &Server, user: &str) -> bool {
    let path = format!("/api/v1/profiles/lookup?type=user_id&value={user}");
    server.verdict(get(path).admin()).await == "200"
}

#[tokio::test]
async fn a_claim_counts_with_a_token_of_the_source() {
    let (server, secret) = demanding().await;
    claim(&server, "u1", None).await;
    assert!(!is_known(&server, "u1").await);
    claim(&server, "u1", Some(signed(&secret, &json!({"sub": "u1", "exp": in_an_hour()})))).await;
    assert!(is_known(&server, "u1").await);
    let path = "/api/v1/profiles/lookup?type=anonymous_id&value=a1";
    let profile = server.ok(get(path).admin()).await;
    assert_eq!(profile["identifiers"][0]["value"], "u1", "{profile}");
    assert!(!profile.to_string().contains("identity_token"), "a token is not kept");
}

/// Sends a claim; says why its token proved nothing, and why the claim was refused.
async fn refusal(server: &Server, message: &str, event: Value) -> (Value, Value) {
    let mut event = event;
    event["messageId"] = message.into();
    server.track(&event).await;
    let path = "/api/v1/profiles/lookup?type=anonymous_id&value=a1";
    let profile = server.ok(get(path).admin()).await;
    assert!(!profile.to_string().contains("identity_token\":"), "a token is not kept");
    let mut events = profile["timeline"].as_array().unwrap().iter();
    let event = events.find(|event| event["message_id"] == message).unwrap();
    let claim = &profile["refused_identifiers"][0];
    (event["context"]["identity_token_refused"].clone(), claim["reason"].clone())
}

#[tokio::test]
async fn a_token_that_proves_nothing_changes_nothing_and_says_why() {
    let (server, secret) = demanding().await;
    let good = json!({"sub": "u1", "exp": in_an_hour()});
    let and = |more: &Value| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        signed(&secret, &claims)
    };
    let (payload, now) = (signed(&secret, &good), NOW.0 / 1_000);
    let tokens = [
        (signed("another secret", &good), "signature"),
        (and(&json!({"sub": "u2"})), "other_identifiers"),
        (and(&json!({"exp": now - 60})), "expired"),
        (and(&json!({"nbf": now + 61})), "not_yet"),
        (and(&json!({"aud": "shop"})), "audience"),
        (and(&json!({"aud": ["shop", "app"]})), "audience"),
        (and(&json!({"aud": 7})), "malformed"),
        (signed(&secret, &json!({"sub": "u1"})), "no_expiry"),
        // {"alg":"none"} and the claims of `good`, without a signature.
        (format!("eyJhbGciOiJub25lIn0.{}.", payload.split('.').nth(1).unwrap()), "malformed"),
        ("nonsense".to_owned(), "malformed"),
        ("x".repeat(10_000), "malformed"),
    ];
    for (at, (token, reason)) in tokens.into_iter().enumerate() {
        let told = refusal(&server, &format!("m{at}"), claiming("u1", Some(token.clone()))).await;
        assert_eq!(told, (reason.into(), "unverified".into()), "{token}");
        assert!(!is_known(&server, "u1").await, "{token}");
    }
    // It proves the user, and not the address that comes along.
    let event = json!({"type": "identify", "userId": "u1", "anonymousId": "a1",
        "traits": {"email": "ann@example.org"}, "context": {"identity_token": payload}});
    assert_eq!(refusal(&server, "address", event).await.0, "other_identifiers");
    assert!(!is_known(&server, "u1").await);
    let narrow = json!({"aud": ["shop", "default"], "nbf": now, "exp": now + 1});
    claim(&server, "u1", Some(and(&narrow))).await;
    assert!(is_known(&server, "u1").await);
}

#[tokio::test]
async fn a_source_without_a_secret_believes_no_token() {
    let server = server();
    let source = json!({"state": "live", "kind": "public", "identity": "verified"});
    server.ok(put("/api/v1/sources/default", &source).admin()).await;
    let token = signed("", &json!({"sub": "u1", "exp": in_an_hour()}));
    assert_eq!(refusal(&server, "m", claiming("u1", Some(token))).await.0, "no_secret");
    assert!(!is_known(&server, "u1").await);
}

#[tokio::test]
async fn the_secret_before_stays_good_until_the_next() {
    let (server, first) = demanding().await;
    let second = new_secret(&server).await;
    let token =
        |secret: &str, user: &str| signed(secret, &json!({"sub": user, "exp": in_an_hour()}));
    for (user, secret) in [("u1", &first), ("u2", &second)] {
        let event = json!({"type": "identify", "userId": user,
            "context": {"identityToken": token(secret, user)}});
        server.track(&event).await;
        assert!(is_known(&server, user).await);
    }
    let third = new_secret(&server).await;
    assert!(first != second && second != third);
    claim(&server, "u3", Some(token(&first, "u3"))).await;
    assert!(!is_known(&server, "u3").await, "two secrets ago");
}

#[tokio::test]
async fn a_secret_is_made_by_those_who_publish() {
    let server = server();
    let token = server.token(&["definitions:write"]).await;
    let call = post("/api/v1/sources/default/identity_secret", "");
    let verdict = server.verdict(call.header("authorization", format!("Bearer {token}"))).await;
    assert!(verdict.starts_with("403 missing_scope"), "{verdict}");
    let verdict = server.verdict(post("/api/v1/sources/nobody/identity_secret", "").admin()).await;
    assert!(verdict.starts_with("404 not_found"), "{verdict}");
}
