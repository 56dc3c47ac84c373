//! Looking at what others would see, through the public interface alone.

use serde_json::{Value, json};

use crate::harness::{Answer, Server, post, put, server};

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

/// What whoever holds a link asks for: `more` beside its token.
async fn asked(server: &Server, path: &str, token: &str, more: Value) -> Answer {
    let mut ask = json!({"identifiers": {"anonymous_id": "looker"}, "placements": ["hero"], "preview": token});
    ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.call(post(path, ask.to_string()).source()).await
}

/// What an explanation says of a stage.
fn told(answer: &Value, stage: &str) -> Vec<String> {
    let steps = answer["decisions"][0]["explanation"].as_array().unwrap();
    let of_stage = steps.iter().filter(|step| step["stage"] == stage);
    of_stage.map(|step| step["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_link_with_debug_says_why_and_another_does_not() {
    let server = shop().await;
    for number in 0..2 {
        let order = json!({"type": "track", "event": "Order Completed", "anonymousId": "looker",
            "messageId": format!("order-{number}")});
        server.track(&order).await;
    }
    let plain = signed(&server, json!({})).await;
    let refused = asked(&server, "/v1/decide", &plain, json!({"explain": true})).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["code"]),
        (403, &json!("preview_without_debug"))
    );
    let token = signed(&server, json!({"debug": true})).await;
    let answer = asked(&server, "/v1/decide", &token, json!({"explain": true})).await.json();
    assert_eq!((title(&answer), &answer["preview"]), ("Thanks, ", &json!(true)));
    assert!(answer["context"].is_object(), "the situation as it was completed");
    let identity = told(&answer, "identity");
    assert!(identity[0].starts_with("recognised by anonymous_id as profile"), "{identity:?}");
    let eligibility = told(&answer, "eligibility");
    assert_eq!(eligibility[0], "eligible");
    assert!(eligibility[1].starts_with("in audience good: a member since"), "as it is stored");
    assert!(answer["decisions"][0]["token"].is_null(), "who looks for faults counts for nothing");
    // Without a token, nobody is told.
    let ask = json!({"placements": ["hero"], "explain": true, "preview": ""}).to_string();
    let answer = server.call(post("/v1/decide", ask).source()).await;
    assert_eq!(answer.json()["code"], "token_required");
}

#[tokio::test]
async fn sensitive_values_are_shown_under_no_link() {
    let server = shop().await;
    let sensitive = json!({"state": "live", "sensitivity": "sensitive"});
    define(&server, "traits/diagnosis", sensitive).await;
    for (key, name, value) in [("open", "city", "Oslo"), ("closed", "diagnosis", "secret-flu")] {
        let is = json!({"trait": name, "op": "eq", "value": value});
        define(
            &server,
            &format!("experiences/{key}"),
            json!({"state": "live", "placement": "hero", "priority": 5, "eligibility": is,
                "variants": [{"key": "a", "content": {"title": key}}]}),
        )
        .await;
    }
    let known = json!({"type": "identify", "userId": "u1", "anonymousId": "looker",
        "traits": {"city": "Rome", "diagnosis": "secret-flu"}});
    server.track(&known).await;
    let found = crate::harness::get("/api/v1/profiles/lookup?type=user_id&value=u1").admin();
    let id = server.ok(found).await["id"].as_str().unwrap().to_owned();
    for preview in [json!({"debug": true}), json!({"debug": true, "profile": id})] {
        let token = signed(&server, preview.clone()).await;
        let answer = asked(&server, "/v1/decide", &token, json!({"explain": true})).await.json();
        let text = told(&answer, "eligibility").join("; ");
        assert!(text.contains("trait city is \"Rome\""), "{preview}: {text}");
        assert!(!answer.to_string().contains("secret-flu\""), "{preview}: {answer}");
    }
}

#[tokio::test]
async fn whoever_has_a_link_is_told_what_it_shows_and_may_have_other_variants_shown() {
    let server = shop().await;
    let plain = signed(&server, json!({"variants": {"thanks": "dry"}, "drafts": ["spring"]})).await;
    let looked = asked(&server, "/v1/preview", &plain, json!({})).await.json();
    assert_eq!(looked["preview"], json!({"variants": {"thanks": "dry"}, "drafts": ["spring"]}));
    assert_eq!(looked["expires_at"], "2026-11-22T13:00:00.000Z");
    let choice = |key: &str, state: &str, variants: Value| json!({"key": key, "name": null, "state": state, "variants": variants});
    let (spring, thanks) =
        (choice("spring", "draft", json!(["a"])), choice("thanks", "live", json!(["warm", "dry"])));
    assert_eq!(looked["experiences"], json!([spring, thanks]));
    for more in [json!({"variants": {}}), json!({"experiences": ["thanks"]})] {
        let refused = asked(&server, "/v1/preview", &plain, more).await;
        assert_eq!(refused.json()["code"], "preview_without_debug");
    }

    let token = signed(&server, json!({"debug": true})).await;
    assert!(
        token.starts_with('.'),
        "a page is told that what is done on it is done by whoever looks"
    );
    let of = json!({"experiences": ["thanks", "spring", "none"]});
    let looked = asked(&server, "/v1/preview", &token, of).await.json();
    assert_eq!(
        looked["experiences"],
        json!([thanks]),
        "drafts are told of by links that name them"
    );
    let other = asked(&server, "/v1/preview", &token, json!({"variants": {"thanks": "dry"}})).await;
    let other = other.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(title(&shown(&server, &other).await), "Thank you");
    let back = asked(&server, "/v1/preview", &other, json!({"variants": {}})).await.json();
    assert_eq!(back["token"], token);
    let wrong =
        asked(&server, "/v1/preview", &other, json!({"variants": {"thanks": "loud"}})).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["code"]), (422, &json!("invalid_preview")));

    let hidden = asked(&server, "/v1/preview", &other, json!({"variants": {"spring": "x"}})).await;
    assert_eq!(
        hidden.json()["errors"][0]["detail"],
        "there is no experience `spring`",
        "nor a draft"
    );

    server.clock.advance(model::Duration::hours(1));
    let gone = asked(&server, "/v1/preview", &other, json!({"variants": {}})).await;
    assert_eq!(gone.json()["code"], "preview_gone", "another variant lasts no longer");
}

#[tokio::test]
async fn a_link_with_debug_is_made_by_those_who_may_ask_for_reasons() {
    let server = shop().await;
    let body = json!({"preview": {"debug": true}}).to_string();
    let read = server.token(&["definitions:read"]).await;
    let refused = server
        .call(post("/api/v1/previews", &body).header("authorization", format!("Bearer {read}")))
        .await;
    assert_eq!(refused.status.as_u16(), 403, "{}", refused.summary());
    let both = server.token(&["definitions:read", "decide"]).await;
    let made = server
        .call(post("/api/v1/previews", &body).header("authorization", format!("Bearer {both}")))
        .await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.summary());
}
