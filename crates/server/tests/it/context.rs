//! What is added to the context of events and of requests, and that audiences and experiences read it.

use serde_json::{Value, json};

use crate::harness::{Server, get, post, put, server};

const IPHONE: &str = concat!(
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 ",
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
);

async fn with_audience(condition: Value) -> Server {
    let server = server();
    let audience = json!({"state": "live", "purpose": "personalization", "condition": condition});
    server.ok(put("/api/v1/audiences/asked", &audience).admin()).await;
    server
}

/// Who is in the audience: as kept up to date with each event, and as counted from what is stored.
async fn members(server: &Server) -> (Vec<String>, u64) {
    let mut live = Vec::new();
    for user in ["phone", "desk"] {
        let path = format!("/api/v1/profiles/lookup?type=user_id&value={user}");
        let shown = server.ok(get(path).admin()).await;
        if shown["audiences"]["asked"]["member"] == "true" {
            live.push(user.to_owned());
        }
    }
    let counted = server.ok(get("/api/v1/audiences/asked/members").admin()).await;
    (live, counted["count"].as_u64().unwrap())
}

#[tokio::test]
async fn audiences_ask_on_which_device_and_from_where_something_was_done() {
    let server = with_audience(json!({"event": "Order Completed", "where": [
        {"context": "device.type", "op": "eq", "value": "mobile"},
        {"context": "referrer.channel", "op": "eq", "value": "paid_search"},
        {"property": "revenue", "op": "gt", "value": 10}
    ]}))
    .await;
    let bought = |user: &str, context: Value| {
        json!({"type": "track", "event": "Order Completed", "userId": user,
            "properties": {"revenue": 20}, "context": context})
    };
    let ad = json!({"url": "https://shop.example/?utm_source=google&utm_medium=cpc"});
    server.track(&bought("phone", json!({"userAgent": IPHONE, "page": ad}))).await;
    server.track(&bought("desk", json!({"userAgent": "curl/8", "page": ad}))).await;
    assert_eq!(members(&server).await, (vec!["phone".to_owned()], 1));
    let shown = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=phone").admin()).await;
    let context = &shown["timeline"][0]["context"];
    assert_eq!(context["os"]["name"], "iOS");
    assert_eq!(context["campaign"]["medium"], "cpc");
}

#[tokio::test]
async fn what_rows_do_not_repeat_of_a_context_is_read_from_bodies() {
    let server = with_audience(json!({"event": "Order Completed", "where": [
        {"context": "device.id", "op": "eq", "value": "d1"}
    ]}))
    .await;
    for (user, device) in [("phone", "d1"), ("desk", "d2")] {
        let event = json!({"type": "track", "event": "Order Completed", "userId": user,
            "context": {"device": {"id": device}}});
        server.track(&event).await;
    }
    assert_eq!(members(&server).await, (vec!["phone".to_owned()], 1));
}

#[tokio::test]
async fn experiences_ask_for_the_device_of_the_request() {
    let server = server();
    let placement = json!({"state": "live", "default": {"title": "Big"},
        "content_schema": {"type": "object", "properties": {"title": {"type": "string"}}}});
    server.ok(put("/api/v1/placements/hero", &placement).admin()).await;
    let experience = json!({"state": "live", "placement": "hero",
        "eligibility": {"context": "device.type", "op": "eq", "value": "mobile"},
        "variants": [{"key": "a", "weight": 1, "content": {"title": "Small, on {{ context.os.name }}"}}]});
    server.ok(put("/api/v1/experiences/small", &experience).admin()).await;
    for (agent, expected) in [(IPHONE, "Small, on iOS"), ("curl/8", "Big")] {
        let ask = json!({"identifiers": {"anonymous_id": "a1"}, "placements": ["hero"],
            "context": {"user_agent": agent}});
        let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
        assert_eq!(answer["decisions"][0]["content"]["title"], expected);
    }
}

#[tokio::test]
async fn visits_are_events_that_audiences_ask_about() {
    let server = with_audience(json!({"all": [
        {"event": "Visit Started", "count": {"op": "gte", "value": 2}},
        {"event": "Visit Started", "last": {"context": "referrer.channel", "op": "eq", "value": "email"}},
        {"event": "Visit Started", "max": {"property": "pages", "op": "gte", "value": 2}}
    ]}))
    .await;
    let page = |user: &str, device: &str, at: &str, url: &str| {
        json!({"type": "page", "userId": user, "anonymousId": device, "timestamp": at,
            "properties": {"url": url, "path": "/start"}})
    };
    let mail = "https://shop.example/?utm_medium=email&utm_source=autumn";
    for (device, at, url) in [
        ("d1", "2026-11-20T10:00:00Z", "https://shop.example/"),
        // Within half an hour, on another device: the same visit.
        ("d2", "2026-11-20T10:20:00Z", "https://shop.example/"),
        ("d2", "2026-11-20T11:30:00Z", mail),
    ] {
        server.track(&page("phone", device, at, url)).await;
    }
    server.track(&page("desk", "d3", "2026-11-20T11:30:00Z", mail)).await;
    assert_eq!(members(&server).await, (vec!["phone".to_owned()], 1));
    let shown = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=phone").admin()).await;
    let visits = shown["visits"].as_array().unwrap();
    assert_eq!(visits.len(), 2);
    assert_eq!(visits[1]["pages"], 2);
    assert_eq!(visits[1]["seconds"], 1200);
    assert_eq!(visits[0]["landing"], "/start");
    assert_eq!(visits[0]["context"]["campaign.source"], "autumn");
    // An event that comes late fills the pause, and one visit is left.
    server.track(&page("phone", "d1", "2026-11-20T10:40:00Z", "https://shop.example/")).await;
    server.track(&page("phone", "d1", "2026-11-20T11:05:00Z", "https://shop.example/")).await;
    assert_eq!(members(&server).await, (vec![], 0));
}

#[tokio::test]
async fn places_are_asked_of_events_and_of_requests() {
    let server = server();
    for (user, location) in [
        ("near", json!({"latitude": 59.2, "longitude": 17.63})),
        ("far", json!({"latitude": 55.6, "longitude": 13.0})),
        ("nowhere", json!({"country": "SE"})),
    ] {
        let event = json!({"type": "track", "userId": user, "event": "Order Completed",
            "timestamp": "2026-11-21T12:00:00Z", "context": {"location": location}});
        server.track(&event).await;
    }
    let near = json!({"of": [59.33, 18.06], "km": 50});
    let last = json!({"context": "location", "op": "near", "value": near});
    // Everybody is read from the store, where their events are.
    let preview = json!({"condition": {"event": "Order Completed", "last": last}}).to_string();
    let found = server.ok(post("/api/v1/audiences/x/preview", preview).admin()).await;
    let users: Vec<&Value> =
        found["items"].as_array().unwrap().iter().map(|item| &item["user_id"]).collect();
    assert_eq!(users, ["near"]);
    let saved = json!({"state": "live", "condition": {"event": "Order Completed", "last": last}});
    server.ok(put("/api/v1/audiences/locals", &saved).admin()).await;
    let event = json!({"type": "track", "userId": "far", "event": "Order Completed",
        "context": {"location": {"latitude": 59.33, "longitude": 18.0}}});
    server.track(&event).await;
    let members = server.ok(get("/api/v1/audiences/locals/members").admin()).await;
    assert_eq!(members["count"], 2, "who comes nearer enters");

    server.ok(put("/api/v1/placements/p", &json!({"state": "live"})).admin()).await;
    let experience = json!({"state": "live", "placement": "p",
        "eligibility": {"context": "location", "op": "near", "value": near},
        "variants": [{"key": "a", "content": {"text": "here"}}]});
    server.ok(put("/api/v1/experiences/e", &experience).admin()).await;
    for (latitude, expected) in [(59.4, json!("here")), (57.7, Value::Null)] {
        let context = json!({"location": {"latitude": latitude, "longitude": 18.0}});
        let body =
            json!({"identifiers": {"user_id": "near"}, "placements": ["p"], "context": context});
        let answer = server.ok(post("/v1/decide", body.to_string()).admin()).await;
        assert_eq!(answer["decisions"][0]["content"]["text"], expected);
    }
}
