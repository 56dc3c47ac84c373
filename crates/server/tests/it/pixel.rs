//! Events as images: what mails and pages without scripts rely on.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::harness::{Answer, Call, Server, WRITE_KEY, get, server};

fn pixel(call: &str, event: &Value) -> Call {
    let data = BASE64_URL_SAFE_NO_PAD.encode(event.to_string());
    get(format!("/v1/pixel/{call}?data={data}&writeKey={WRITE_KEY}"))
}

/// Calls, and expects what is always answered.
async fn load(server: &Server, call: Call) -> Answer {
    let answer = server.call(call).await;
    assert_eq!(answer.summary(), "200");
    assert_eq!(answer.header("content-type"), "image/gif");
    assert_eq!(answer.header("cache-control"), "no-store, private");
    assert!(answer.body.starts_with(b"GIF89a\x01\0\x01\0"), "one pixel");
    assert!(answer.body.ends_with(b";"), "a whole file");
    answer
}

async fn timeline(server: &Server) -> Vec<Value> {
    let found = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u1").admin()).await;
    let id = found["id"].as_str().unwrap();
    let page = server.ok(get(format!("/api/v1/profiles/{id}/timeline")).admin()).await;
    page["items"].as_array().unwrap().clone()
}

async fn quarantine(server: &Server) -> Vec<String> {
    let listed = server.ok(get("/api/v1/quarantine").admin()).await;
    let codes = listed["items"].as_array().unwrap().iter();
    let mut codes: Vec<String> = codes.map(|item| item["code"].as_str().unwrap().into()).collect();
    codes.sort();
    codes
}

async fn answers(server: &Server, class: &str) -> String {
    let metrics = server.call(get("/metrics")).await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    let name = format!("concierge_http_requests_total{{area=\"ingest\",status=\"{class}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or("0").to_owned()
}

#[tokio::test]
async fn every_call_has_an_image() {
    let server = server();
    let event = json!({"userId": "u1", "event": "E", "groupId": "g", "previousId": "a"});
    for call in ["track", "identify", "page", "screen", "group", "alias", "track/"] {
        load(&server, pixel(call, &event)).await;
    }
    let mut names: Vec<Value> =
        timeline(&server).await.iter().map(|event| event["name"].clone()).collect();
    names.sort_by_key(Value::to_string);
    let expected =
        ["Alias", "E", "E", "Group", "Identify", "Page Viewed", "Screen Viewed"].map(Value::from);
    assert_eq!(names, expected);
}

#[tokio::test]
async fn the_event_and_its_key_are_read_in_every_form() {
    let server = server();
    let event = json!({"userId": "u1", "event": "Opened", "writeKey": WRITE_KEY});
    let in_data = BASE64_STANDARD.encode(event.to_string());
    let parameters = "userId=u1&event=Opened&context.page.path=%2Fmail&properties.subject=Hej+hej";
    for call in [
        get(format!("/v1/pixel/track?data={in_data}")),
        get(format!("/pixel/v1/track?{parameters}&writeKey={WRITE_KEY}")),
        get(format!("/pixel/v1/track/?{parameters}")).source(),
    ] {
        load(&server, call).await;
    }
    let events = timeline(&server).await;
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event["name"] == "Opened"));
    assert_eq!(events[0]["properties"], json!({"subject": "Hej hej"}));
    assert_eq!(events[0]["context"]["page"]["path"], "/mail");
}

#[tokio::test]
async fn each_load_is_an_event_unless_it_names_a_message() {
    let server = server();
    for event in [
        json!({"userId": "u1", "event": "Opened"}),
        json!({"userId": "u1", "event": "Named", "messageId": "m1"}),
    ] {
        load(&server, pixel("track", &event)).await;
        load(&server, pixel("track", &event)).await;
    }
    let events = timeline(&server).await;
    let count = |name: &str| events.iter().filter(|event| event["name"] == name).count();
    assert_eq!((count("Opened"), count("Named")), (2, 1));
}

#[tokio::test]
async fn asking_for_the_head_is_no_load() {
    let server = server();
    let event = json!({"userId": "u1", "event": "Opened"});
    let path = format!("/v1/pixel/track?data={}", BASE64_STANDARD.encode(event.to_string()));
    let answer = server.call(Call::new("HEAD", path).source()).await;
    assert_eq!(answer.summary(), "200");
    assert_eq!(answer.header("content-type"), "image/gif");
    let lookup = get("/api/v1/profiles/lookup?type=user_id&value=u1").admin();
    assert!(server.verdict(lookup).await.starts_with("404 not_found"));
}

#[tokio::test]
async fn what_is_no_event_is_set_aside_where_the_source_is_known() {
    let server = server();
    let huge = json!({"userId": "u1", "event": "E", "properties": {"text": "x".repeat(33_000)}});
    let deep =
        format!("writeKey={WRITE_KEY}&userId=u1&event=E&properties.{}=1", "a.".repeat(9_000));
    for call in [
        pixel("track", &json!({"userId": "u1"})),
        pixel("track", &json!([])),
        pixel("track", &huge),
        get("/v1/pixel/track?data=%ff%fe").source(),
        get("/v1/pixel/track?data=").source(),
        get("/v1/pixel/track").source(),
        get("/v1/pixel/track?userId=u1&event=E&properties=none").source(),
        get(format!("/v1/pixel/page?{deep}")),
    ] {
        load(&server, call).await;
    }
    let expected = [
        "malformed_event",
        "malformed_json",
        "malformed_json",
        "no_event_name",
        "no_event_name",
        "not_an_object",
        "too_large",
    ];
    assert_eq!(quarantine(&server).await, expected);
    assert_eq!(timeline(&server).await.len(), 1, "what nests deepest still fits");
}

#[tokio::test]
async fn whoever_cannot_be_served_gets_the_image_and_is_counted() {
    let server = server();
    let keyless = |path: &str| get(format!("/v1/pixel/track{path}"));
    load(&server, keyless("")).await;
    load(&server, keyless("?data=nonsense")).await;
    load(&server, keyless("?userId=u1&event=E&writeKey=nobody")).await;
    assert_eq!(answers(&server, "4xx").await, "3");
    assert!(quarantine(&server).await.is_empty(), "nobody fills the quarantine without a key");

    server.engine.shutdown();
    load(&server, pixel("track", &json!({"userId": "u1", "event": "E"}))).await;
    assert_eq!(answers(&server, "5xx").await, "1");
}
