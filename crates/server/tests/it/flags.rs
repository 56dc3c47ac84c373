//! Feature flags: the remote evaluation protocol of OpenFeature.

use axum::body::Body;
use expect_test::expect;
use http_body_util::BodyExt as _;
use model::{Duration, Value};
use serde_json::json;

use crate::harness::{Answer, Call, NOW, Server, WRITE_KEY, get, post, put, server};

const ALL: &str = "/ofrep/v1/evaluate/flags";

fn one(key: &str, context: &Value) -> Call {
    post(format!("{ALL}/{key}"), json!({"context": context}).to_string())
}

fn all(context: &Value) -> Call {
    post(ALL, json!({"context": context}).to_string())
}

async fn define(server: &Server, kind: &str, key: &str, document: Value) {
    server.ok(put(format!("/api/v1/{kind}/{key}"), &document).admin()).await;
}

/// A server with a flag for subscribers, an experiment, a flag without a value and one that is paused.
async fn with_flags() -> Server {
    let server = server();
    define(
        &server,
        "placements",
        "checkout",
        json!({"state": "live", "default": {"value": false}}),
    )
    .await;
    define(
        &server,
        "experiences",
        "checkout_pro",
        json!({"state": "live", "placement": "checkout",
            "eligibility": {"any": [{"trait": "plan", "op": "eq", "value": "pro"},
                {"context": "plan", "op": "eq", "value": "pro"}]},
            "variants": [{"key": "on", "content": {"value": true}}]}),
    )
    .await;
    define(&server, "placements", "hero", json!({"state": "live"})).await;
    define(
        &server,
        "experiences",
        "hero_test",
        json!({"state": "live", "placement": "hero", "variants": [
            {"key": "a", "content": {"title": "A", "level": 1}},
            {"key": "b", "content": {"title": "B", "level": 2}}]}),
    )
    .await;
    define(&server, "placements", "bare", json!({"state": "live"})).await;
    define(&server, "placements", "off", json!({"state": "paused", "default": {"value": "x"}}))
        .await;
    define(&server, "placements", "later", json!({"state": "draft"})).await;
    server
}

fn refused(answer: &Answer) -> String {
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap_or("-").to_owned();
    format!(
        "{} {} {} {}",
        answer.status.as_u16(),
        text("key"),
        text("errorCode"),
        text("errorDetails")
    )
}

async fn decisions(server: &Server, user: &str) -> Vec<Value> {
    // Whatever is acknowledged after a record was queued is committed after it.
    server.track(&json!({"type": "track", "event": "After", "userId": user})).await;
    let path = format!("/api/v1/profiles/lookup?type=user_id&value={user}");
    let found = server.ok(get(path).admin()).await;
    let path = format!("/api/v1/profiles/{}/decisions", found["id"].as_str().unwrap());
    server.ok(get(path).admin()).await["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn one_flag_is_a_decision_and_recorded() {
    let server = with_flags().await;
    let off = server.ok(one("checkout", &json!({"targetingKey": "u1"})).source()).await;
    assert_eq!((&off["value"], &off["reason"]), (&json!(false), &json!("STATIC")));
    assert_eq!(
        (&off["variant"], &off["metadata"]["decision_reason"]),
        (&json!("default"), &json!("default"))
    );
    server.track(&json!({"type": "identify", "userId": "u1", "traits": {"plan": "pro"}})).await;
    let on = server.ok(one("checkout", &json!({"targetingKey": "u1"})).source()).await;
    assert_eq!((&on["key"], &on["value"]), (&json!("checkout"), &json!(true)));
    assert_eq!((&on["reason"], &on["variant"]), (&json!("TARGETING_MATCH"), &json!("on")));
    let metadata = on["metadata"].as_object().unwrap();
    assert_eq!(metadata["experience"], "checkout_pro");
    assert!(!metadata.contains_key("token"), "what is recorded needs no token");
    assert!(metadata.values().all(|value| !value.is_object() && !value.is_array()), "{metadata:?}");
    let split = server.ok(one("hero", &json!({"targetingKey": "u1"})).source()).await;
    assert_eq!(
        (&split["reason"], &split["metadata"]["propensity"]),
        (&json!("SPLIT"), &json!(0.5))
    );
    assert!(split["value"]["title"].is_string() && split["value"]["level"].is_i64(), "{split}");
    let bare = server.ok(one("bare", &json!({"targetingKey": "u1"})).source()).await;
    assert!(!bare.as_object().unwrap().contains_key("value"), "the client's default holds");
    let paused = server.ok(one("off", &json!({"targetingKey": "u1"})).source()).await;
    assert_eq!((&paused["reason"], &paused["value"]), (&json!("DISABLED"), &json!("x")));
    let recorded = decisions(&server, "u1").await;
    let ids: Vec<_> = recorded.iter().map(|record| &record["decisions"][0]["id"]).collect();
    for evaluated in [&off, &on, &split, &bare, &paused] {
        assert!(ids.contains(&&evaluated["metadata"]["decision_id"]), "{evaluated}");
    }
}

#[tokio::test]
async fn the_context_says_who_and_where() {
    let server = with_flags().await;
    server.track(&json!({"type": "identify", "userId": "u1", "anonymousId": "a1", "traits": {"plan": "pro"}})).await;
    for (context, value) in [
        (json!({"targetingKey": "u1"}), true),
        (json!({"targetingKey": "a1"}), false),
        (json!({"targetingKey": "a1", "targetingKeyType": "anonymous_id"}), true),
        (json!({"targetingKey": "u2", "plan": "pro"}), true),
        (json!({"targetingKey": "u2", "plan": "free"}), false),
    ] {
        let flag = server.ok(one("checkout", &context).source()).await;
        assert_eq!(flag["value"], value, "{context}");
    }
}

#[tokio::test]
async fn all_flags_are_an_offer_that_is_not_recorded() {
    let server = with_flags().await;
    let context = json!({"targetingKey": "u1"});
    let answer = server.call(all(&context).source()).await;
    let body = answer.json();
    let flags = body["flags"].as_array().unwrap();
    let keys: Vec<_> = flags.iter().map(|flag| flag["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["bare", "checkout", "hero", "off"], "drafts are no flags");
    let hero = &flags[2];
    assert!(hero["metadata"]["token"].is_string(), "{hero}");
    let single = server.ok(one("hero", &context).source()).await;
    assert_eq!((&hero["variant"], &hero["value"]), (&single["variant"], &single["value"]));
    let stream = &body["eventStreams"][0];
    assert_eq!(stream["endpoint"]["requestUri"], format!("/ofrep/v1/events?writeKey={WRITE_KEY}"));
    assert_eq!((&stream["type"], &stream["inactivityDelaySec"]), (&json!("sse"), &json!(120)));
    let recorded = decisions(&server, "u1").await;
    assert_eq!(recorded.len(), 1, "only the single evaluation: {recorded:?}");
}

#[tokio::test]
async fn an_unchanged_answer_is_not_sent_again() {
    let server = with_flags().await;
    let context = json!({"targetingKey": "u1"});
    let first = server.call(all(&context).source()).await;
    let tag = first.etag();
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(first.header("access-control-expose-headers"), "etag, retry-after, x-request-id");
    let again = |tag: &str| all(&context).source().header("if-none-match", tag);
    let same = server.call(again(&tag)).await;
    assert_eq!((same.status.as_u16(), same.body.len(), same.etag()), (304, 0, tag.clone()));
    // A change that makes no difference to this person makes none to the tag.
    define(&server, "placements", "later", json!({"state": "draft", "name": "Later"})).await;
    assert_eq!(server.call(again(&tag)).await.status.as_u16(), 304);
    server.track(&json!({"type": "identify", "userId": "u1", "traits": {"plan": "pro"}})).await;
    let changed = server.call(again(&tag)).await;
    assert_eq!(changed.status.as_u16(), 200);
    assert_ne!(changed.etag(), tag);
    server.clock.set(NOW.saturating_add(Duration::days(1)));
    let fresh = server.call(again(&changed.etag())).await;
    assert_eq!(fresh.status.as_u16(), 200, "tokens never get too old");
    let other = server.call(all(&json!({"targetingKey": "u2"})).source()).await;
    assert_ne!(other.etag(), fresh.etag());
}

#[tokio::test]
async fn errors_are_the_protocols() {
    let server = with_flags().await;
    let path = format!("{ALL}/hero");
    let mut told = Vec::new();
    for call in [
        post(&path, "{"),
        post(&path, "{}"),
        post(&path, r#"{"context":{}}"#),
        post(&path, r#"{"context":{"targetingKey":7}}"#),
        one("nothing", &json!({"targetingKey": "u1"})),
        one("later", &json!({"targetingKey": "u1"})),
        one("No%20Key", &json!({"targetingKey": "u1"})),
        post(ALL, "[]"),
        post(ALL, r#"{"context":{"targetingKey":""}}"#),
    ] {
        told.push(refused(&server.call(call.source()).await));
    }
    expect![[r#"
        400 hero PARSE_ERROR not JSON: EOF while parsing an object at line 1 column 1
        400 hero INVALID_CONTEXT the body has no `context`
        400 hero TARGETING_KEY_MISSING the context has no `targetingKey`
        400 hero INVALID_CONTEXT `targetingKey` is a text
        404 nothing FLAG_NOT_FOUND flag `nothing` was not found
        404 later FLAG_NOT_FOUND flag `later` was not found
        404 No Key FLAG_NOT_FOUND flag `No Key` was not found
        400 - PARSE_ERROR the body is a JSON object
        400 - TARGETING_KEY_MISSING the context has no `targetingKey`"#]]
    .assert_eq(&told.join("\n"));
}

#[tokio::test]
async fn keys_and_tokens_come_by_either_header() {
    let server = with_flags().await;
    let context = json!({"targetingKey": "u1"});
    let ask = || one("hero", &context);
    let decide = server.token(&["decide"]).await;
    let other = server.token(&["profiles:read"]).await;
    let mut verdicts = Vec::new();
    for call in [
        ask().header("x-api-key", WRITE_KEY),
        ask().header("authorization", format!("Bearer {WRITE_KEY}")),
        ask().header("x-api-key", &decide),
        ask().header("authorization", format!("Bearer {decide}")),
        ask(),
        ask().header("x-api-key", "nobody"),
        ask().header("x-api-key", &other),
    ] {
        verdicts.push(server.verdict(call).await);
    }
    expect![[r#"
        200
        200
        200
        200
        401 write_key_missing: send a write key: as the user of Basic, as Bearer, in the body, the query or X-Write-Key
        401 write_key_unknown: this is neither a source's write key nor a token
        403 missing_scope: the token lacks the scope `decide`"#]]
    .assert_eq(&verdicts.join("\n"));
    let trusted = server.ok(all(&context).header("x-api-key", &decide)).await;
    assert!(trusted["eventStreams"].is_null(), "a token is never written into an address");
}

#[tokio::test]
async fn a_public_key_reads_no_field_that_is_not_public() {
    let server = server();
    define(&server, "placements", "greeting", json!({"state": "live"})).await;
    let value = "Hello {{ profile.traits.name }} {{ profile.traits.city }}";
    let variants = json!([{"key": "a", "content": {"value": value}}]);
    define(
        &server,
        "experiences",
        "greet",
        json!({"state": "live", "placement": "greeting", "public_fields": ["traits.city"], "variants": variants}),
    )
    .await;
    let traits = json!({"name": "Eva", "city": "Lund"});
    server.track(&json!({"type": "identify", "userId": "u1", "traits": traits})).await;
    let context = json!({"targetingKey": "u1"});
    let public = server.ok(one("greeting", &context).source()).await;
    assert_eq!(public["value"], "Hello  Lund");
    let trusted = server.ok(one("greeting", &context).admin()).await;
    assert_eq!(trusted["value"], "Hello Eva Lund");
}

#[tokio::test]
async fn a_flag_that_is_used_is_recorded_once() {
    let server = with_flags().await;
    let context = json!({"targetingKey": "a1", "targetingKeyType": "anonymous_id"});
    let all = server.ok(all(&context).source()).await;
    let hero = &all["flags"][2];
    let use_of = |token: &Value, who: &str| {
        json!({"type": "track", "event": "Flag Used", "anonymousId": who,
            "properties": {"flag": "hero", "variant": hero["variant"], "token": token}})
    };
    let token = &hero["metadata"]["token"];
    server.track(&use_of(token, "a1")).await;
    server.track(&use_of(token, "a1")).await;
    // What is copied by somebody else, or made up, is no use.
    server.track(&use_of(token, "a2")).await;
    server.track(&use_of(&json!("AgAA"), "a2")).await;
    let recorded = async |who: &str| {
        let path = format!("/api/v1/profiles/lookup?type=anonymous_id&value={who}");
        let found = server.ok(get(path).admin()).await;
        let path = format!("/api/v1/profiles/{}/decisions", found["id"].as_str().unwrap());
        server.ok(get(path).admin()).await["items"].as_array().unwrap().clone()
    };
    let records = recorded("a1").await;
    assert_eq!(records.len(), 1, "{records:?}");
    let decision = &records[0]["decisions"][0];
    assert_eq!(decision["id"], hero["metadata"]["decision_id"]);
    assert_eq!(decision["experience"]["key"], "hero_test");
    assert_eq!((&decision["variant"], &decision["reason"]), (&hero["variant"], &json!("split")));
    assert_eq!(decision["propensity"], 0.5);
    assert_eq!(recorded("a2").await.len(), 0);
    let metrics = server.call(get("/metrics")).await.body;
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(metrics.contains("concierge_flag_uses_refused_total 2"), "{metrics}");
    // The variant that was used is kept when the weights turn.
    let other = if hero["variant"] == "a" { "b" } else { "a" };
    let variants = json!([{"key": hero["variant"], "weight": 1}, {"key": other, "weight": 9_999}]);
    let document = json!({"state": "live", "placement": "hero", "variants": variants});
    define(&server, "experiences", "hero_test", document).await;
    let kept = server.ok(one("hero", &context).source()).await;
    assert_eq!(kept["variant"], hero["variant"]);
    server.clock.set(NOW.saturating_add(Duration::days(8)));
    let late = server
        .ok(post("/v1/batch", json!({"batch": [use_of(token, "a1")]}).to_string()).source())
        .await;
    assert_eq!(late["success"], true);
    assert_eq!(recorded("a1").await.len(), 2, "the use and the single evaluation");
}

/// The next part of a stream.
async fn frame(stream: &mut Body) -> String {
    let frame = stream.frame().await.unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn a_change_of_definitions_is_told_to_open_streams() {
    let server = with_flags().await;
    let call = get(format!("/ofrep/v1/events?writeKey={WRITE_KEY}"));
    let answer = server.open(call).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let mut stream = answer.into_body();
    assert_eq!(frame(&mut stream).await, "retry: 5000\n\n", "the head arrives at once");
    define(&server, "placements", "bare", json!({"state": "live", "default": {"value": 1}})).await;
    let version = server.engine.definitions_version();
    let told = format!(
        "id: {version}\nevent: message\ndata: {{\"etag\":\"\\\"v{version}\\\"\",\"type\":\"refetchEvaluation\"}}\n\n"
    );
    assert_eq!(frame(&mut stream).await, told);
    // Whose stream broke before is told at once.
    let call = get("/ofrep/v1/events").source().header("last-event-id", (version - 1).to_string());
    let mut stream = server.open(call).await.into_body();
    assert_eq!(frame(&mut stream).await, "retry: 5000\n\n");
    assert_eq!(frame(&mut stream).await, told);
    assert_eq!(server.call(get("/ofrep/v1/events")).await.status.as_u16(), 401);
}

/// Streams are connections, and connections are for more than waiting.
#[tokio::test]
async fn no_more_streams_are_opened_than_there_is_room_for() {
    const STREAMS_MAX: usize = 2_000;
    let server = server();
    let open = || server.open(get("/ofrep/v1/events").source());
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        streams.push(open().await);
    }
    let refused = server.call(get("/ofrep/v1/events").source()).await;
    assert_eq!(refused.header("retry-after"), "60");
    expect![
        "429 too_many_streams: as many streams are open as may be; ask for the flags now and then instead"
    ]
    .assert_eq(&refused.summary());
    // One that is closed makes room.
    streams.pop();
    assert_eq!(open().await.status().as_u16(), 200);
}
