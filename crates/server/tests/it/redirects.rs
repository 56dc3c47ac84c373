//! Visitors are led to variants, and each is counted before they leave.

use std::collections::BTreeMap;

use expect_test::expect;
use model::Value;
use serde_json::json;

use crate::harness::{Answer, Call, Server, WRITE_KEY, get, put, server};

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

fn landing(url: &str) -> Value {
    let address = json!({"type": "string", "format": "redirect"});
    json!({"state": "live", "default": {"url": url}, "content_schema": {
        "type": "object", "properties": {"url": address}, "required": ["url"]}})
}

async fn with_landing() -> Server {
    let server = server();
    define(&server, "placements/landing", landing("/old")).await;
    let url = |url: &str| json!({"url": url});
    define(
        &server,
        "experiences/landing_test",
        json!({"state": "live", "placement": "landing", "variants": [
            {"key": "old"}, {"key": "new", "content": url("https://shop.example/new?v=2")}]}),
    )
    .await;
    server
}

fn follow(query: &str) -> Call {
    get(format!("/r/landing?writeKey={WRITE_KEY}{query}"))
}

/// The value of a cookie that is set.
fn cookie(answer: &Answer, name: &str) -> Option<String> {
    let set = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let pair = set.filter_map(|cookie| cookie.split(';').next()?.split_once('='));
    pair.filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).next()
}

async fn decisions(server: &Server, visitor: &str) -> Vec<Value> {
    let path = format!("/api/v1/profiles/lookup?type=anonymous_id&value={visitor}");
    let found = server.ok(get(path).admin()).await;
    let path = format!("/api/v1/profiles/{}/decisions", found["id"].as_str().unwrap());
    server.ok(get(path).admin()).await["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn each_visitor_is_counted_before_they_are_led_on() {
    let server = with_landing().await;
    let mut led = BTreeMap::<String, u32>::new();
    for _ in 0..24 {
        let answer = server.call(follow("&utm_source=ad&v=1")).await;
        assert_eq!(answer.status.as_u16(), 302);
        assert_eq!(answer.header("cache-control"), "private, no-store");
        let to = answer.header("location").to_owned();
        let visitor = cookie(&answer, "ajs_anonymous_id").unwrap();
        // Nothing is waited for: the record was there before the answer was.
        let recorded = decisions(&server, &visitor).await;
        assert_eq!(recorded.len(), 1);
        let decision = &recorded[0]["decisions"][0];
        let variant = if to.starts_with("/old") { "old" } else { "new" };
        assert_eq!((&decision["variant"], &decision["propensity"]), (&json!(variant), &json!(0.5)));
        let cookies = format!("ajs_anonymous_id={visitor}");
        let again = server.call(follow("&utm_source=ad&v=1").header("cookie", cookies)).await;
        assert_eq!(again.header("location"), to, "the visitor keeps the variant");
        assert_eq!(cookie(&again, "ajs_anonymous_id"), None, "and the name");
        *led.entry(to).or_default() += 1;
    }
    let targets: Vec<_> = led.keys().map(String::as_str).collect();
    assert_eq!(targets, ["/old?utm_source=ad&v=1", "https://shop.example/new?v=2&utm_source=ad"]);
    assert!(led.values().all(|count| *count > 4), "{led:?}");
}

#[tokio::test]
async fn who_refuses_is_led_to_the_default_and_given_no_name() {
    let server = with_landing().await;
    let only = json!([{"key": "new", "content": {"url": "/new"}}]);
    let document =
        json!({"state": "live", "placement": "landing", "purpose": "marketing", "variants": only});
    define(&server, "experiences/landing_test", document).await;
    // Marketing needs consent, which nobody gave; a crawler is nobody; who asks for the head goes nowhere.
    for call in [
        follow(""),
        follow("").header("from", "bot@search.example"),
        Call::new("HEAD", format!("/r/landing?writeKey={WRITE_KEY}")),
    ] {
        let answer = server.call(call).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (302, "/old"));
        assert_eq!(cookie(&answer, "ajs_anonymous_id"), None);
    }
}

#[tokio::test]
async fn a_circle_and_what_is_no_redirect_are_told() {
    let server = with_landing().await;
    define(&server, "placements/hero", json!({"state": "live"})).await;
    let mut told = Vec::new();
    for call in [
        get("/r/landing"),
        get("/r/landing?writeKey=nobody"),
        get(format!("/r/hero?writeKey={WRITE_KEY}")),
        get(format!("/r/No%20Key?writeKey={WRITE_KEY}")),
        follow("").header("cookie", "concierge_redirects=8"),
        follow("").header("cookie", "concierge_redirects=7"),
    ] {
        told.push(server.verdict(call).await);
    }
    expect![[r#"
        401 write_key_missing: send a write key: as the user of Basic, as Bearer, in the body, the query or X-Write-Key
        401 write_key_unknown: no source has this write key
        404 not_found: redirect `hero` not found
        404 not_found: redirect `No Key` not found
        508 redirect_loop: this visitor was led here again and again; a redirect leads back to itself
        302"#]]
    .assert_eq(&told.join("\n"));
    let answer = server.call(follow("").header("cookie", "concierge_redirects=7")).await;
    assert_eq!(cookie(&answer, "concierge_redirects").as_deref(), Some("8"));
}

#[tokio::test]
async fn nobody_but_the_definition_says_where_to() {
    let server = with_landing().await;
    let mut told = Vec::new();
    for url in ["{{ context.page.url }}", "//evil.example", "/r/landing", "ftp://shop.example/"] {
        let variants = json!([{"key": "a", "content": {"url": url}}]);
        let document = json!({"state": "live", "placement": "landing", "variants": variants});
        told.push(server.verdict(put("/api/v1/experiences/landing_test", &document).admin()).await);
    }
    let mut bare = landing("/old");
    bare.as_object_mut().unwrap().remove("default");
    told.push(server.verdict(put("/api/v1/placements/other", &bare).admin()).await);
    expect![[r#"
        422 invalid_definition: /variants/0/content/url: the address of a redirect is written out, so it is no template
        422 invalid_definition: /variants/0/content/url: a redirect begins with https://, http:// or a single slash
        422 invalid_definition: /variants/0/content/url: this leads to another redirect
        422 invalid_definition: /variants/0/content/url: a redirect begins with https://, http:// or a single slash
        422 invalid_definition: /default: a placement that redirects needs a default `url`"#]]
    .assert_eq(&told.join("\n"));
}
