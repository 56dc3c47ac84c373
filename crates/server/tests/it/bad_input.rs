//! Hostile and broken input: refused clearly, never fatal, never answered with 5xx.

use std::io::Write as _;

use expect_test::expect;
use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::harness::{Call, Server, get, post, server};

async fn verdicts(server: &Server, calls: Vec<(&str, Call)>) -> String {
    let mut out = String::new();
    for (name, call) in calls {
        let verdict = server.verdict(call).await;
        assert!(!verdict.starts_with('5'), "{name}: {verdict}");
        out += &format!("{name}: {verdict}\n");
    }
    let alive = server.call(get("/readyz")).await;
    assert_eq!(alive.status.as_u16(), 200, "it still serves");
    out
}

#[tokio::test]
async fn bodies_that_are_no_events() {
    let server = server();
    let track = |body: &[u8]| post("/v1/track", body).source();
    let batch = |body: &[u8]| post("/v1/batch", body).source();
    let deep = "{\"a\":".repeat(100_000);
    let deep_closed = format!(
        "{{\"event\":\"E\",\"userId\":\"u\",\"p\":{}{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let bomb = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b' '; 64 << 20]).unwrap();
        encoder.finish().unwrap()
    };
    let many = format!("{{\"batch\":[{}]}}", vec!["{}"; 501].join(","));
    let told = verdicts(
        &server,
        vec![
            ("empty", track(b"")),
            ("no json", track(b"hello")),
            ("cut off", track(b"{\"event\":")),
            ("an array", track(b"[]")),
            ("a number", track(b"17")),
            ("nan", track(br#"{"event":"E","userId":"u","properties":{"x":NaN}}"#)),
            ("no utf-8", track(b"{\"event\":\"\xff\xfe\",\"userId\":\"u\"}")),
            ("deep and open", track(&deep.as_bytes()[..30_000])),
            ("deep and large", track(deep.as_bytes())),
            ("deep and closed", track(deep_closed.as_bytes())),
            ("batch empty", batch(b"")),
            ("batch no json", batch(b"hello")),
            ("batch without list", batch(b"{}")),
            ("batch of a number", batch(br#"{"batch":1}"#)),
            ("batch cut off", batch(br#"{"batch":[{}"#)),
            ("batch deep", batch(format!("{{\"batch\":[{deep}").as_bytes())),
            ("batch of nothing", batch(br#"{"batch":[]}"#)),
            ("batch of 501", batch(many.as_bytes())),
            ("too large", batch(&vec![b' '; (1 << 20) + 1])),
            ("gzip bomb", batch(&bomb)),
            ("gzip broken", batch(b"\x1f\x8b\x08nonsense")),
        ],
    )
    .await;
    expect![[r#"
        empty: 400 malformed_json: the event is empty
        no json: 400 malformed_json: an event is a JSON object
        cut off: 400 malformed_json: `event`: EOF while parsing a value at line 1 column 9
        an array: 400 malformed_json: an event is a JSON object
        a number: 400 malformed_json: an event is a JSON object
        nan: 400 malformed_json: `properties`: expected value at line 1 column 45
        no utf-8: 400 malformed_json: the event is not text: invalid utf-8 sequence of 1 bytes from index 10
        deep and open: 400 malformed_json: the event's brackets do not close
        deep and large: 200
        deep and closed: 200
        batch empty: 400 malformed_json: the body is not JSON: EOF while parsing a value at line 1 column 0
        batch no json: 400 malformed_json: the body is not JSON: expected value at line 1 column 1
        batch without list: 400 invalid_request: the body has no list `batch`
        batch of a number: 400 invalid_request: the body has no list `batch`
        batch cut off: 400 malformed_json: the body is not JSON: the list `batch` does not end as it should
        batch deep: 400 malformed_json: the body is not JSON: the list `batch` does not end as it should
        batch of nothing: 200
        batch of 501: 413 batch_too_large: the batch has more than 500 events
        too large: 413 body_too_large: a body may have at most 1048576 bytes
        gzip bomb: 413 body_too_large: a body may have at most 4194304 bytes when decompressed
        gzip broken: 400 malformed_gzip: the gzip body is damaged
    "#]].assert_eq(&told);
}

#[tokio::test]
async fn events_that_are_not_sound_are_set_aside_and_the_call_succeeds() {
    let server = server();
    let event = |event: serde_json::Value| {
        post("/v1/track", event.to_string()).source().header("prefer", "return=representation")
    };
    let mut told = String::new();
    for (name, fields) in [
        ("1970", json!({"event": "E", "userId": "u", "timestamp": "1970-01-01T00:00:00Z"})),
        ("2100", json!({"event": "E", "userId": "u", "timestamp": "2100-01-01T00:00:00Z"})),
        ("no time", json!({"event": "E", "userId": "u", "timestamp": "soon"})),
        ("no name", json!({"userId": "u"})),
        ("nobody", json!({"event": "E"})),
        ("wrong types", json!({"event": "E", "userId": [1], "properties": "x"})),
        (
            "oversized",
            json!({"event": "E", "userId": "u", "properties": {"x": "y".repeat(40_000)}}),
        ),
        ("deep", json!({"event": "E", "userId": "u", "p": nested(40)})),
    ] {
        let answer = server.ok(event(fields)).await;
        told += &format!("{name}: {}\n", answer["events"][0]["code"].as_str().unwrap());
    }
    expect![[r#"
        1970: timestamp_too_old
        2100: timestamp_in_future
        no time: bad_timestamp
        no name: no_event_name
        nobody: no_identifier
        wrong types: malformed_event
        oversized: too_large
        deep: too_deep
    "#]]
    .assert_eq(&told);
}

fn nested(depth: usize) -> serde_json::Value {
    (0..depth).fold(json!(1), |inner, _| json!([inner]))
}

#[tokio::test]
async fn decide_requests_that_cannot_be_read() {
    let server = server();
    let decide = |body: &[u8]| post("/v1/decide", body).source();
    let deep = format!("{{\"context\":{}", "[".repeat(60_000));
    let told = verdicts(
        &server,
        vec![
            ("empty", decide(b"")),
            ("no json", decide(b"hello")),
            ("trailing", decide(b"{} {}")),
            ("no utf-8", decide(b"{\"identifiers\":{\"user_id\":\"\xff\"}}")),
            ("deep", decide(deep.as_bytes())),
            ("too large", decide(&vec![b' '; (64 << 10) + 1])),
            ("no key", post("/v1/decide", "{}")),
            ("unknown key", post("/v1/decide", "{}").header("x-write-key", "nobody")),
        ],
    )
    .await;
    expect![[r#"
        empty: 400 malformed_json: the body is not JSON: EOF while parsing a value at line 1 column 0
        no json: 400 malformed_json: the body is not JSON: expected value at line 1 column 1
        trailing: 400 malformed_json: the body is not JSON: trailing characters at line 1 column 4
        no utf-8: 400 malformed_json: the body is not JSON: invalid unicode code point at line 1 column 28
        deep: 400 invalid_request: /context: invalid type: sequence, expected a map
        too large: 413 body_too_large: a body may have at most 65536 bytes
        no key: 401 write_key_missing: send a write key: as the user of Basic, as Bearer, in the body, the query or X-Write-Key
        unknown key: 401 write_key_unknown: this is neither a source's write key nor a token
    "#]].assert_eq(&told);
}

#[tokio::test]
async fn documents_that_cannot_be_saved() {
    let server = server();
    let put = |body: &[u8]| Call::new("PUT", "/api/v1/audiences/a").admin().body(body);
    let rule = |depth: usize| {
        let rule = format!(
            "{}{{\"trait\":\"plan\",\"op\":\"exists\"}}{}",
            "{\"not\":".repeat(depth),
            "}".repeat(depth)
        );
        format!("{{\"condition\":{rule}}}")
    };
    let told = verdicts(
        &server,
        vec![
            ("empty", put(b"")),
            ("no json", put(b"hello")),
            ("an array", put(b"[]")),
            ("trailing", put(b"{} x")),
            ("no utf-8", put(b"{\"name\":\"\xff\"}")),
            ("rule 20 deep", put(rule(20).as_bytes())),
            ("rule 1000 deep", put(rule(1000).as_bytes())),
            ("too large", put(&vec![b' '; (1 << 20) + 1])),
            ("no key", Call::new("PUT", "/api/v1/audiences/No%20Key").admin().body("{}")),
            ("no utf-8 in the path", get("/api/v1/audiences/%ff").admin()),
            ("unknown kind", get("/api/v1/ships").admin()),
            ("unknown path", get("/api/v2/x")),
            ("unknown method", Call::new("PATCH", "/api/v1/audiences/a").admin()),
            ("get on an ingest path", get("/v1/track").source()),
        ],
    )
    .await;
    expect![[r#"
        empty: 400 malformed_json: the body is not JSON: EOF while parsing a value at line 1 column 0
        no json: 400 malformed_json: the body is not JSON: expected value at line 1 column 1
        an array: 400 invalid_request: the body is a JSON object
        trailing: 400 malformed_json: the body is not JSON: trailing characters at line 1 column 4
        no utf-8: 400 malformed_json: the body is not JSON: invalid unicode code point at line 1 column 10
        rule 20 deep: 422 invalid_definition: /condition/not/not/not/not/not/not/not/not/not/not/not/not/not/not/not/not: conditions are nested deeper than 16 levels; flatten them
        rule 1000 deep: 400 too_deep: the body nests more than 127 levels deep
        too large: 413 body_too_large: a body may have at most 1048576 bytes
        no key: 400 invalid_request: /key: `No Key` is not a key: use 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit
        no utf-8 in the path: 400 invalid_request: Invalid URL: Invalid UTF-8 in `key`
        unknown kind: 404 unknown_kind: there are no `ships`; the kinds are purposes, sources, traits, computed_traits, audiences, stages, placements, exclusion_groups, holdouts, metrics, experiences, policies, event_schemas, traffic_rules, retention_rules
        unknown path: 404 no_such_path: there is nothing under this path; see /openapi.json
        unknown method: 405 method_not_allowed: this path does not know the method; see /openapi.json
        get on an ingest path: 405 method_not_allowed: this path does not know the method; see /openapi.json
    "#]].assert_eq(&told);
}

#[tokio::test]
async fn what_failed_inside_never_leaves() {
    let server = server();
    server.engine.shutdown();
    let event = json!({"event": "E", "userId": "u"}).to_string();
    let answer = server.call(post("/v1/track", event).source()).await;
    assert_eq!(answer.status.as_u16(), 503);
    assert_eq!(answer.header("retry-after"), "1");
    expect![[r#"{"title":"Service Unavailable","status":503,"code":"unavailable","detail":"the server cannot take this now; try again","message":"the server cannot take this now; try again"}"#]].assert_eq(&String::from_utf8(answer.body).unwrap());
    assert_eq!(server.call(get("/readyz")).await.status.as_u16(), 503);
    assert_eq!(server.call(get("/healthz")).await.status.as_u16(), 200);
}
