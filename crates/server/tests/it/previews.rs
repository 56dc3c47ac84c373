//! Looking at what others would see, through the public interface alone.

use serde_json::{Value, json};

use crate::harness::{Server, post, put, server};

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

/// A shop with an offer for good customers, whose greeting names them, and a draft for everybody.
async fn shop() -> Server {
    let server = server();
    let placement = |title: &str| json!({"state": "live", "default": {"title": title}});
    define(&server, "placements/hero", placement("Hello")).await;
    let bought = json!({"event": "Order Completed", "count": {"op": "gte", "value": 2}});
    define(&server, "audiences/good", json!({"state": "live", "condition": bought})).await;
    define(
        &server,
        "experiences/thanks",
        json!({"state": "live", "placement": "hero", "priority": 1,
            "eligibility": {"audience": "good"}, "public_fields": ["traits.first_name"],
            "variants": [
                {"key": "warm", "content": {"title": "Thanks, {{ profile.traits.first_name }}{{ profile.traits.city }}"}},
                {"key": "dry", "weight": 0, "content": {"title": "Thank you"}},
            ]}),
    )
    .await;
    let seen = json!({"event": "Unheard Of", "where": [{"property": "x", "op": "eq", "value": 7}]});
    define(
        &server,
        "experiences/spring",
        json!({"state": "draft", "placement": "hero", "priority": 9, "eligibility": seen,
            "variants": [{"key": "a", "content": {"title": "Spring"}}]}),
    )
    .await;
    server
}

async fn signed(server: &Server, preview: Value) -> String {
    let body = json!({"preview": preview}).to_string();
    let answer = server.call(post("/api/v1/previews", body).admin()).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.summary());
    answer.json()["token"].as_str().unwrap().to_owned()
}

/// What a page shows that was opened with a preview's link.
async fn shown(server: &Server, token: &str) -> Value {
    let ask = json!({"identifiers": {"anonymous_id": "looker"}, "placements": ["hero"], "preview": token});
    server.ok(post("/v1/decide", ask.to_string()).source()).await
}

fn title(answer: &Value) -> &str {
    answer["decisions"][0]["content"]["title"].as_str().unwrap()
}

#[tokio::test]
async fn an_invented_person_is_shown_what_such_a_person_would_be() {
    let server = shop().await;
    let nobody = shown(&server, &signed(&server, json!({"persona": {}})).await).await;
    assert_eq!((title(&nobody), &nobody["preview"]), ("Hello", &json!(true)));
    let order = |ago: &str| json!({"event": "Order Completed", "ago": ago});
    let persona = json!({"traits": {"first_name": "Ada", "city": "Turku"},
        "events": [order("3d"), order("40d")]});
    let good = shown(&server, &signed(&server, json!({"persona": persona})).await).await;
    assert_eq!(title(&good), "Thanks, Ada", "only fields that are public");
    assert!(good["decisions"][0]["token"].is_null(), "no exposure can be reported");
    let stated = json!({"persona": {"audiences": {"good": true}}});
    assert_eq!(title(&shown(&server, &signed(&server, stated).await).await), "Thanks, ");
    let refused =
        json!({"persona": {"audiences": {"good": true}, "consents": {"personalization": false}}});
    let refused = shown(&server, &signed(&server, refused).await).await;
    assert_eq!(
        (title(&refused), &refused["decisions"][0]["reason"]),
        ("Hello", &json!("no_consent"))
    );
}

#[tokio::test]
async fn a_variant_and_a_draft_are_seen_before_anybody_else_sees_them() {
    let server = shop().await;
    let forced = signed(&server, json!({"variants": {"thanks": "dry"}})).await;
    assert_eq!(title(&shown(&server, &forced).await), "Thank you", "neither eligible nor drawn");
    let event = json!({"event": "Unheard Of", "properties": {"x": 7}});
    let spring = |drafts: Value| json!({"drafts": drafts, "persona": {"events": [event]}});
    let with = signed(&server, spring(json!(["spring"]))).await;
    assert_eq!(
        title(&shown(&server, &with).await),
        "Spring",
        "reads an event that nothing live reads"
    );
    let without = signed(&server, spring(json!([]))).await;
    assert_eq!(title(&shown(&server, &without).await), "Hello");
}

#[tokio::test]
async fn a_profile_is_looked_at_and_nothing_is_left_behind() {
    let server = shop().await;
    server
        .track(&json!({"type": "identify", "userId": "u1", "traits": {"first_name": "Bo", "city": "Oslo"}}))
        .await;
    for number in 0..2 {
        let order = json!({"type": "track", "event": "Order Completed", "userId": "u1",
            "messageId": format!("order-{number}")});
        server.track(&order).await;
    }
    let found = crate::harness::get("/api/v1/profiles/lookup?type=user_id&value=u1").admin();
    let id = server.ok(found).await["id"].as_str().unwrap().to_owned();
    let as_bo = signed(&server, json!({"profile": id})).await;
    assert_eq!(title(&shown(&server, &as_bo).await), "Thanks, Bo");
    let decisions = |path: String| server.ok(crate::harness::get(path).admin());
    let page = decisions(format!("/api/v1/profiles/{id}/decisions")).await;
    assert_eq!(page["items"], json!([]), "nothing is recorded of whom it was about");
    let looker =
        crate::harness::get("/api/v1/profiles/lookup?type=anonymous_id&value=looker").admin();
    assert_eq!(server.call(looker).await.status.as_u16(), 404, "nor of who looked");
}

#[tokio::test]
async fn what_is_no_preview_is_refused_with_its_reason() {
    let server = shop().await;
    let refused = |preview: Value| {
        let body = json!({"preview": preview}).to_string();
        let server = &server;
        async move {
            let answer = server.call(post("/api/v1/previews", body).admin()).await;
            assert_eq!(answer.status.as_u16(), 422, "{}", answer.summary());
            answer.json()["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|e| e["pointer"].clone())
                .collect::<Vec<_>>()
        }
    };
    let faults =
        refused(json!({"variants": {"thanks": "loud", "none": "a"}, "drafts": ["none"]})).await;
    assert_eq!(faults, ["/drafts/0", "/variants/none", "/variants/thanks"]);
    let persona =
        json!({"audiences": {"none": true}, "consents": {"none": true}, "country": "Sweden"});
    let faults = refused(json!({"persona": persona})).await;
    assert_eq!(faults, ["/persona/audiences/none", "/persona/consents/none", "/persona/country"]);
    let faults = refused(json!({"profile": "00010000000000000099"})).await;
    assert_eq!(faults, ["/profile"]);

    let token = signed(&server, json!({})).await;
    let ask = |token: &str| {
        let ask = json!({"placements": ["hero"], "preview": token}).to_string();
        server.call(post("/v1/decide", ask).source())
    };
    assert_eq!(ask(&token).await.status.as_u16(), 200);
    let mut changed = token.clone();
    changed.replace_range(8..9, if &token[8..9] == "A" { "B" } else { "A" });
    assert_eq!(ask(&changed).await.json()["code"], "preview_unknown");
    server.clock.advance(model::Duration::hours(1));
    assert_eq!(ask(&token).await.json()["code"], "preview_gone");
}
