//! What the clients that exist rely on.

use std::io::Write as _;

use expect_test::expect;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::harness::{Call, Server, WRITE_KEY, get, post, server};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn track(id: &str) -> Value {
    json!({"type": "track", "event": "Viewed", "userId": "u1", "messageId": id})
}

async fn timeline(server: &Server) -> Vec<String> {
    let found = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u1").admin()).await;
    let id = found["id"].as_str().unwrap();
    let page = server.ok(get(format!("/api/v1/profiles/{id}/timeline")).admin()).await;
    let items = page["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn every_path_of_every_client_takes_events() {
    let server = server();
    let event =
        json!({"userId": "u1", "event": "E", "groupId": "g", "previousId": "a"}).to_string();
    for path in
        ["track", "t", "identify", "i", "page", "p", "screen", "s", "group", "g", "alias", "a"]
    {
        for slash in ["", "/"] {
            let answer = server.call(post(format!("/v1/{path}{slash}"), &event).source()).await;
            assert_eq!(answer.summary(), "200", "{path}{slash}");
            assert_eq!(answer.body, br#"{"success":true}"#);
            assert_eq!(answer.header("content-type"), "application/json");
        }
    }
    let batch = json!({"batch": [track("m1")]}).to_string();
    for path in ["/v1/batch", "/v1/b", "/v1/import", "/v1/batch/", "/v1/import/"] {
        assert_eq!(server.verdict(post(path, &batch).source()).await, "200", "{path}");
    }
    let beacon = post(format!("/beacon/v1/batch?writeKey={WRITE_KEY}"), &batch);
    assert_eq!(server.verdict(beacon.header("content-type", "text/plain")).await, "200");
}

#[tokio::test]
async fn the_write_key_is_found_wherever_it_stands() {
    let server = server();
    let basic = |user: &str| {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        format!("Basic {}", BASE64_STANDARD.encode(user))
    };
    let event = track("m").to_string();
    let keyed = |event: &Value| {
        let mut event = event.clone();
        event["writeKey"] = WRITE_KEY.into();
        event.to_string()
    };
    let call = |body: &str| post("/v1/track", body);
    let batch = json!({"batch": [track("m")], "writeKey": WRITE_KEY}).to_string();
    let good = [
        call(&event).header("authorization", basic(&format!("{WRITE_KEY}:"))),
        call(&event).header("authorization", format!("Bearer {WRITE_KEY}")),
        call(&event).header("x-write-key", WRITE_KEY),
        post(format!("/v1/track?writeKey={WRITE_KEY}"), &event),
        call(&keyed(&track("m"))),
        post("/v1/batch", batch),
    ];
    for (position, call) in good.into_iter().enumerate() {
        assert_eq!(server.verdict(call).await, "200", "form {position}");
    }
    let bad = [
        call(&event),
        call(&event).header("authorization", basic("nobody:")),
        call(&event).header("authorization", basic(":")),
        call(&event).header("x-write-key", "nobody"),
        post("/v1/batch", json!({"batch": [], "writeKey": "nobody"}).to_string()),
    ];
    let mut verdicts = String::new();
    for call in bad {
        verdicts += &server.verdict(call).await;
        verdicts += "\n";
    }
    expect![[r#"
        401 write_key_missing: send a write key: as the user of Basic, as Bearer, in the body, the query or X-Write-Key
        401 write_key_unknown: no source has this write key
        401 write_key_missing: send a write key: as the user of Basic, as Bearer, in the body, the query or X-Write-Key
        401 write_key_unknown: no source has this write key
        401 write_key_unknown: no source has this write key
    "#]].assert_eq(&verdicts);
}

#[tokio::test]
async fn gzip_is_recognised_by_its_mark_whatever_the_headers_say() {
    let server = server();
    let batch = json!({"batch": [track("m1"), track("m2")]}).to_string();
    let call = |body: &[u8]| post("/v1/batch", body).source();
    let form = "application/x-www-form-urlencoded";
    let good = [
        call(&gzip(&batch)).header("content-encoding", "gzip"),
        call(&gzip(&batch)).header("content-encoding", "gzip").header("content-type", form),
        call(&gzip(&batch)),
        call(batch.as_bytes()).header("content-encoding", "gzip"),
        call(batch.as_bytes()).header("content-type", form),
    ];
    for (position, call) in good.into_iter().enumerate() {
        assert_eq!(server.verdict(call).await, "200", "form {position}");
    }
    let brotli = call(b"\x0b\x02").header("content-encoding", "br");
    assert_eq!(
        server.verdict(brotli).await,
        "415 unsupported_encoding: send the body as gzip or without content encoding"
    );
}

#[tokio::test]
async fn each_event_gets_a_verdict_when_asked() {
    let server = server();
    let batch = json!({"batch": [
        track("m1"), track("m1"), {"type": "track", "userId": "u1"}, 7,
        {"type": "track", "event": "Old", "userId": "u1", "messageId": "m2", "timestamp": "1970-01-01T00:00:00Z"},
    ]});
    let call = post("/v1/batch", batch.to_string()).source();
    let answer = server.call(call.header("prefer", "respond-async, return=representation")).await;
    assert_eq!(answer.header("preference-applied"), "return=representation");
    let answer = answer.json();
    assert_eq!(answer["success"], true);
    let verdicts: Vec<String> = answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| format!("{} {} {}", e["message_id"], e["verdict"], e["code"]))
        .collect();
    expect![[r#"
        "m1" "accepted" null
        "m1" "duplicate" null
        null "quarantined" "no_event_name"
        null "quarantined" "not_an_object"
        null "quarantined" "timestamp_too_old""#]]
    .assert_eq(&verdicts.join("\n"));
    assert_eq!(timeline(&server).await, ["Viewed"]);
}

#[tokio::test]
async fn one_oversized_or_broken_event_spoils_no_other() {
    let server = server();
    let huge = json!({"type": "track", "event": "Huge", "userId": "u1",
        "properties": {"text": "x".repeat(40_000)}});
    let body = format!(
        r#"{{"batch":[{},{},{{"type":"track","event":"NaN","userId":"u1","properties":{{"x":NaN}}}}]}}"#,
        track("m1"),
        huge
    );
    let answer =
        server.ok(post("/v1/batch", body).source().header("prefer", "return=representation")).await;
    let codes: Vec<&Value> =
        answer["events"].as_array().unwrap().iter().map(|event| &event["code"]).collect();
    assert_eq!(codes, [&Value::Null, &json!("too_large"), &json!("malformed_json")]);
    assert_eq!(timeline(&server).await, ["Viewed"]);
}

#[tokio::test]
async fn an_import_continues_at_its_watermark_and_applies_no_row_twice() {
    let server = server();
    let file = "ab".repeat(32);
    let path = format!("/api/v1/imports/{file}");
    assert_eq!(server.ok(get(&path).admin()).await["watermark"], 0);
    let row = json!({"type": "track", "event": "Imported", "userId": "u1", "timestamp": "2020-01-01T00:00:00Z"});
    let rows = |first: u64, end: u64, events: Vec<Value>| {
        let body = json!({"first_row": first, "end_row": end, "events": events});
        post(format!("{path}/rows"), body.to_string()).admin()
    };
    let two_equal_rows = || vec![row.clone(), row.clone()];
    let done = server.ok(rows(0, 3, [two_equal_rows(), vec![json!(7)]].concat())).await;
    assert_eq!(done, json!({"watermark": 3, "quarantined": 1}));
    let again = server.call(rows(0, 2, two_equal_rows())).await;
    assert_eq!(again.summary(), "409 import_out_of_step: the import continues at row 3");
    assert_eq!(again.json()["watermark"], 3);
    assert_eq!(server.ok(get(&path).admin()).await["watermark"], 3);
    assert_eq!(timeline(&server).await, ["Imported", "Imported"]);

    let mismatch = server.verdict(rows(3, 9, two_equal_rows())).await;
    expect!["400 invalid_request: /events: rows 3 to 9 need as many events; there are 2"]
        .assert_eq(&mismatch);
    let unknown_field = json!({"first_row": 3, "end_row": 3, "events": [], "more": 1});
    let refused = post(format!("{path}/rows"), unknown_field.to_string()).admin();
    assert!(server.verdict(refused).await.starts_with("400 invalid_request: "));
    let no_digest = server.verdict(get("/api/v1/imports/abc").admin()).await;
    assert!(no_digest.starts_with("400 invalid_request"), "{no_digest}");
}

#[tokio::test]
async fn browsers_may_call_from_any_page() {
    let server = server();
    for path in ["/v1/t", "/v1/batch", "/v1/decide", "/beacon/v1/batch", "/v1/projects/x/settings"]
    {
        let answer = server
            .call(
                Call::new("OPTIONS", path)
                    .header("origin", "https://shop.example")
                    .header("access-control-request-method", "POST")
                    .header("access-control-request-headers", "authorization,content-type"),
            )
            .await;
        assert_eq!(answer.status.as_u16(), 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-max-age"), "7200");
        let allowed = answer.header("access-control-allow-headers");
        for header in ["authorization", "content-type", "x-retry-count", "prefer"] {
            assert!(allowed.split(", ").any(|name| name == header), "{header}");
        }
    }
    let refused = server.call(post("/v1/t", "{}")).await;
    assert_eq!(refused.header("access-control-allow-origin"), "*", "errors can be read too");
}

#[tokio::test]
async fn browsers_may_call_with_headers_that_no_version_had_before() {
    let server = server();
    let asked = "authorization, sentat,RSA-Retry-Attempt , no name,\u{e5},,content-type";
    let question =
        Call::new("OPTIONS", "/v1/track").header("access-control-request-headers", asked);
    let answer = server.call(question).await;
    assert_eq!(answer.status.as_u16(), 204);
    assert_eq!(answer.header("vary"), "access-control-request-headers");
    expect!["authorization, content-type, content-encoding, if-none-match, x-write-key, x-api-key, x-retry-count, prefer, anonymousid, x-request-id, sentat, rsa-retry-attempt"]
        .assert_eq(answer.header("access-control-allow-headers"));
    let many: Vec<String> = (0..10_000).map(|count| format!("x-{count}")).collect();
    let question = Call::new("OPTIONS", "/v1/track");
    let answer =
        server.call(question.header("access-control-request-headers", many.join(","))).await;
    assert!(answer.header("access-control-allow-headers").len() < 1000, "the answer stays small");
}

#[tokio::test]
async fn browser_clients_find_their_settings() {
    let server = server();
    let settings = get(format!("/v1/projects/{WRITE_KEY}/settings"));
    let settings = server.ok(settings.header("host", "events.shop.example:8080")).await;
    let destination = &settings["integrations"]["Segment.io"];
    assert_eq!(destination["apiKey"], WRITE_KEY);
    assert_eq!(destination["apiHost"], "events.shop.example:8080/v1");
    assert_eq!(settings["metrics"]["sampleRate"], 0, "no statistics go to third parties");
    let unknown = server.verdict(get("/v1/projects/nobody/settings")).await;
    assert_eq!(unknown, "404 not_found: no source has this write key");

    for path in ["/sourceConfig", "/sourceConfig/"] {
        let config = server.ok(get(format!("{path}?p=npm&v=3.34.1&writeKey={WRITE_KEY}"))).await;
        let source = &config["source"];
        assert_eq!(source["writeKey"], WRITE_KEY);
        assert!(source["id"].is_string() && source["config"].is_object());
        assert_eq!(source["destinations"], json!([]));
    }
}
