//! Stories about experiences, through the public interface alone.

use model::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Call, Server, get, post, put, server};

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

async fn placement(server: &Server, key: &str) {
    let schema = json!({"type": "object", "properties": {"title": {"type": "string"}}});
    let document =
        json!({"state": "live", "default": {"title": "Hello"}, "content_schema": schema});
    define(server, &format!("placements/{key}"), document).await;
}

/// What somebody is shown in a placement, and why.
async fn shown(server: &Server, user: &str, placement: &str) -> (String, String) {
    let ask = json!({"identifiers": {"user_id": user}, "placements": [placement]});
    let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
    let decision = &answer["decisions"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&decision["content"]["title"]), text(&decision["reason"]))
}

/// S1: returning customers see another hero on the home page, and a holdout of them does not.
#[tokio::test]
async fn returning_customers_see_another_hero() {
    let server = server();
    placement(&server, "hero").await;
    let returning = json!({"all": [
        {"event": "Visit Started", "count": {"op": "gte", "value": 2}},
        {"event": "Order Completed"}
    ]});
    let audience = json!({"state": "live", "condition": returning});
    define(&server, "audiences/returning_customers", audience).await;
    define(
        &server,
        "experiences/welcome_back",
        json!({"state": "live", "placement": "hero", "holdout": 0.5,
            "eligibility": {"audience": "returning_customers"},
            "variants": [{"key": "a", "content": {"title": "Welcome back"}}]}),
    )
    .await;
    let page = |user: &str, at: &str| {
        json!({"type": "page", "userId": user, "timestamp": at,
            "properties": {"url": "https://shop.example/"}})
    };
    let mut counts = std::collections::BTreeMap::<(String, String), u32>::new();
    for number in 0..40 {
        let user = format!("u{number}");
        server.track(&page(&user, "2026-11-20T10:00:00Z")).await;
        if number % 2 == 0 {
            let order = json!({"type": "track", "event": "Order Completed", "userId": user,
                "timestamp": "2026-11-20T10:05:00Z"});
            server.track(&order).await;
            assert_eq!(shown(&server, &user, "hero").await.1, "default", "still the first visit");
        }
        server.track(&page(&user, "2026-11-21T10:00:00Z")).await;
        *counts.entry(shown(&server, &user, "hero").await).or_default() += 1;
    }
    let of = |title: &str, reason: &str| counts.get(&(title.into(), reason.into())).copied();
    assert_eq!(of("Hello", "default"), Some(20), "those who never bought");
    let (shown, held) = (of("Welcome back", "targeting_match"), of("Hello", "holdout"));
    assert_eq!(shown.unwrap() + held.unwrap(), 20);
    assert!(shown.unwrap() > 4 && held.unwrap() > 4, "{counts:?}");
}

/// S10: someone who bought a phone gets no offer of a phone, whatever they agreed to, but of a case.
#[tokio::test]
async fn nobody_is_offered_what_they_just_bought() {
    let server = server();
    placement(&server, "hero").await;
    let phone = json!([{"property": "category", "op": "eq", "value": "phones"}]);
    let bought = json!({"event": "Order Completed", "where": phone, "within": "30d"});
    let offer = |priority: i32, title: &str, more: Value| {
        let mut document = json!({"state": "live", "placement": "hero", "priority": priority,
            "variants": [{"key": "a", "content": {"title": title}}]});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        document
    };
    let phones = offer(2, "A phone", json!({"never_after": [bought]}));
    define(&server, "experiences/phones", phones).await;
    let cases = offer(1, "A case", json!({"eligibility": bought}));
    define(&server, "experiences/cases", cases).await;
    let order = |user: &str, at: &str, personalization: bool| {
        json!({"type": "track", "event": "Order Completed", "userId": user, "timestamp": at,
            "properties": {"category": "phones"},
            "context": {"consent": {"categoryPreferences": {
                "personalization": personalization, "analytics": true}}}})
    };
    assert_eq!(shown(&server, "nobody", "hero").await.0, "A phone");
    server.track(&order("buyer", "2026-11-15T10:00:00Z", true)).await;
    assert_eq!(shown(&server, "buyer", "hero").await.0, "A case");
    server.track(&order("long_ago", "2026-10-01T10:00:00Z", true)).await;
    assert_eq!(shown(&server, "long_ago", "hero").await.0, "A phone");
    // What was bought without consent to personalization never chooses anything, and still counts
    // for this: a later grant does not open it.
    server.track(&order("private", "2026-11-15T10:00:00Z", false)).await;
    let granted = json!({"type": "identify", "userId": "private",
        "context": {"consent": {"categoryPreferences": {"personalization": true}}}});
    server.track(&granted).await;
    assert_eq!(shown(&server, "private", "hero").await, ("Hello".into(), "excluded".into()));
}

/// One page shows an experience of a group once, and a person is not shown more than they can bear.
#[tokio::test]
async fn a_page_and_a_person_have_enough_of_promotions() {
    let server = server();
    for key in ["hero", "side"] {
        placement(&server, key).await;
        define(
            &server,
            &format!("experiences/{key}_sale"),
            json!({"state": "live", "placement": key, "page_group": "sale",
                "caps": {"shared": [{"group": "promotions", "count": 2, "within": "1d"}]},
                "variants": [{"key": "a", "content": {"title": "Sale"}}]}),
        )
        .await;
    }
    let ask = json!({"identifiers": {"user_id": "u1"}, "placements": ["side", "hero"]});
    let mut seen = Vec::new();
    for _ in 0..4 {
        let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
        let reasons = answer["decisions"].as_array().unwrap().iter();
        let reasons: Vec<_> = reasons.map(|d| d["reason"].as_str().unwrap().to_owned()).collect();
        seen.push(reasons.join(" "));
        // A win counts when its record is durable; an event of the same person comes after it.
        server.track(&json!({"type": "track", "event": "Seen", "userId": "u1"})).await;
    }
    let first = "excluded targeting_match";
    assert_eq!(seen[0], first, "{seen:?}");
    assert_eq!(seen[3], "frequency_cap frequency_cap", "{seen:?}");
}

#[tokio::test]
async fn what_an_edition_asks_about_is_in_use() {
    let server = server();
    placement(&server, "hero").await;
    let everybody = json!({"state": "live", "condition": {"all": []}});
    define(&server, "audiences/vip", everybody).await;
    let document = |key: &str| {
        json!({"state": "live", "placement": "hero",
            "variants": [{"key": "a", "content": {"title": "Hello"}, "editions": [
                {"locale": "sv", "content": {"title": "Hej"}},
                {"when": {"audience": key}, "content": {"title": "You again"}}]}]})
    };
    define(&server, "experiences/welcome", document("vip")).await;
    let verdict = server.verdict(Call::new("DELETE", "/api/v1/audiences/vip").admin()).await;
    assert_eq!(verdict, "409 in_use: audience `vip` is used by experience `welcome`");
    let verdict =
        server.verdict(put("/api/v1/experiences/welcome", &document("gone")).admin()).await;
    let expected = "/variants/0/editions/1/when/audience: audience `gone` does not exist";
    assert_eq!(verdict, format!("422 invalid_definition: {expected}"));
}

/// A visitor whom a campaign brought sees a banner on the third page of the visit, until the visit has ended.
#[tokio::test]
async fn the_third_page_of_a_visit_from_a_campaign_shows_a_banner() {
    let server = server();
    placement(&server, "banner").await;
    let now_on = json!({"visit": "current"});
    let third = json!({"event": "Visit Started", "within": now_on, "where": [
        {"context": "campaign.name", "op": "eq", "value": "autumn"},
        {"property": "pages", "op": "gte", "value": 3}]});
    let is_first = json!({"event": "Visit Started", "count": {"op": "eq", "value": 1}});
    let has_bought = json!({"event": "Order Completed", "within": now_on});
    let condition = json!({"all": [third, is_first, {"not": has_bought}]});
    let audience = json!({"state": "live", "condition": condition});
    define(&server, "audiences/arriving", audience).await;
    let banner = json!({"state": "live", "placement": "banner",
        "eligibility": {"audience": "arriving"},
        "variants": [{"key": "a", "content": {"title": "Ten per cent off"}}]});
    define(&server, "experiences/welcome", banner).await;
    let page = |user: &str, at: &str, query: &str| {
        json!({"type": "page", "userId": user, "timestamp": at,
            "properties": {"url": format!("https://shop.example/{query}")}})
    };
    let members = async || {
        let members = server.ok(get("/api/v1/audiences/arriving/members").admin()).await;
        members["count"].as_u64().unwrap()
    };
    for (user, query) in [("new", "?utm_campaign=autumn"), ("direct", "")] {
        server.track(&page(user, "2026-11-22T11:40:00Z", query)).await;
        server.track(&page(user, "2026-11-22T11:45:00Z", "")).await;
        assert_eq!(shown(&server, user, "banner").await.0, "Hello", "the second page");
        server.track(&page(user, "2026-11-22T11:50:00.250Z", "")).await;
    }
    assert_eq!(shown(&server, "new", "banner").await.0, "Ten per cent off");
    assert_eq!(shown(&server, "direct", "banner").await.0, "Hello");
    assert_eq!(members().await, 1);
    // The visit ends half an hour after its last event, and with it the membership, with no traffic.
    let end = 1_795_348_800_000 + 20 * 60_000 + 250;
    server.clock.set(Timestamp(end - 1));
    assert_eq!(shown(&server, "new", "banner").await.0, "Ten per cent off");
    server.clock.set(Timestamp(end));
    assert_eq!(shown(&server, "new", "banner").await.0, "Hello");
    assert_eq!(members().await, 0);
    // A page that comes late makes the visit go on; an order within it is reason enough to stop.
    server.track(&page("new", "2026-11-22T12:10:00Z", "")).await;
    assert_eq!(shown(&server, "new", "banner").await.0, "Ten per cent off");
    let order = json!({"type": "track", "event": "Order Completed", "userId": "new",
        "timestamp": "2026-11-22T12:15:00Z"});
    server.track(&order).await;
    assert_eq!(shown(&server, "new", "banner").await.0, "Hello");
    // The next visit is not the first one.
    server.clock.set(Timestamp(end + 86_400_000));
    for minute in ["01", "02", "03"] {
        let at = format!("2026-11-23T12:{minute}:00Z");
        server.track(&page("new", &at, "?utm_campaign=autumn")).await;
    }
    assert_eq!(shown(&server, "new", "banner").await.0, "Hello");
}
