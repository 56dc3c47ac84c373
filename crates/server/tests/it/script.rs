//! The script that sites put on their pages, and what decisions tell the browser's client.

use std::io::Read as _;

use flate2::read::GzDecoder;
use model::Value;
use serde_json::json;

use crate::harness::{Server, WRITE_KEY, get, post, put, server};

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

fn text(kind: &str, selector: &str) -> Value {
    json!({"kind": kind, "selector": selector, "fallbacks": ["footer p"], "value": "New"})
}

async fn with_experiences() -> Server {
    let server = server();
    let home = json!({"context": "page.path", "op": "starts_with", "value": "/shop"});
    define(&server, "placements/shop", json!({"state": "live", "match": home})).await;
    for (key, state, selector) in [("on", "live", "#offer"), ("off", "draft", "#draft")] {
        let variants = json!([{"key": "as_it_was"},
            {"key": "new", "content": {"changes": [text("text", selector)]}}]);
        let document = json!({"state": state, "placement": "shop", "variants": variants});
        define(&server, &format!("experiences/{key}"), document).await;
    }
    server
}

fn script() -> String {
    format!("/sdk/{WRITE_KEY}.js")
}

/// The options that a script begins with.
fn options(text: &str) -> Value {
    let text = text.strip_prefix("conciergeOptions=Object.assign(").unwrap();
    let (options, client) = text.split_once(",window.conciergeOptions);").unwrap();
    assert!(client.len() > 1_000, "the client follows");
    serde_json::from_str(options).unwrap()
}

#[tokio::test]
async fn a_page_is_told_where_to_ask_and_what_to_hide() {
    let server = with_experiences().await;
    let answer = server.call(get(script()).header("host", "c.shop.example")).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let plain = String::from_utf8(answer.body.clone()).unwrap();
    // Of what is live its selectors alone: no key, no rule, no content.
    let expected = json!({"server": "http://c.shop.example", "writeKey": WRITE_KEY,
        "hidden": [{"paths": ["/shop*"], "selectors": ["#offer", "footer p"]}]});
    assert_eq!(options(&plain), expected);

    let packed = get(script()).header("host", "c.shop.example");
    let packed = server.call(packed.header("accept-encoding", "br, gzip")).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut unpacked = String::new();
    GzDecoder::new(&*packed.body).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    assert!(packed.body.len() < 8_192, "a visitor loads {} bytes", packed.body.len());

    let again = get(script()).header("host", "c.shop.example");
    let again = server.call(again.header("if-none-match", answer.header("etag"))).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    define(&server, "placements/shop", json!({"state": "paused"})).await;
    let changed = get(script()).header("host", "c.shop.example");
    let changed = server.call(changed.header("if-none-match", answer.header("etag"))).await;
    let changed = String::from_utf8(changed.body).unwrap();
    assert_eq!(options(&changed)["hidden"], json!([]));
}

#[tokio::test]
async fn only_public_sources_have_one() {
    let server = server();
    define(&server, "sources/backend", json!({"state": "live", "kind": "server"})).await;
    let made = server.ok(post("/api/v1/sources/backend/write_keys", "").admin()).await;
    for key in ["nobody", made["write_key"].as_str().unwrap(), "</script>"] {
        let path = format!("/sdk/{}.js", key.replace('/', "%2F").replace(['<', '>'], "%3C"));
        let answer = server.call(get(path)).await;
        assert_eq!(answer.status.as_u16(), 404, "{key}");
        // What is no script would be blocked, and nobody would read why.
        assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
        assert!(answer.body.starts_with(b"// There is no such script: no public source"));
    }
}

#[tokio::test]
async fn modules_are_handed_to_any_page() {
    let server = server();
    for name in ["consent-banner", "google-consent-mode", "tcf"] {
        let path = format!("/sdk/modules/{name}.js");
        let answer = server.call(get(&path)).await;
        assert_eq!(answer.status.as_u16(), 200, "{name}");
        assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
        let packed = server.call(get(&path).header("accept-encoding", "gzip")).await;
        let mut unpacked = Vec::new();
        GzDecoder::new(&*packed.body).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, answer.body);
        let again = get(&path).header("if-none-match", answer.header("etag"));
        assert_eq!(server.call(again).await.status.as_u16(), 304, "{name}");
    }
    for name in ["nothing.js", "..%2Fconcierge.js", ".js"] {
        let answer = server.call(get(format!("/sdk/modules/{name}"))).await;
        assert_eq!(answer.status.as_u16(), 404, "{name}");
    }
}

#[tokio::test]
async fn every_variant_is_looked_at_by_the_same_places() {
    let server = with_experiences().await;
    let place = json!([{"selector": "#offer", "fallbacks": ["footer p"]}]);
    let mut seen = std::collections::BTreeSet::new();
    for visitor in 0..24 {
        let asked = json!({"write_key": WRITE_KEY, "identifiers": {"anonymous_id": format!("v{visitor}")},
            "context": {"page": {"path": "/shop/a"}}});
        let answer = server.ok(post("/v1/decide", asked.to_string())).await;
        let decision = &answer["decisions"][0];
        assert_eq!(decision["places"], place);
        seen.insert(decision["variant"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn whoever_is_led_on_is_found_out_about_like_whoever_is_not() {
    let server = server();
    define(&server, "placements/shop", json!({"state": "live"})).await;
    let variants = json!([{"key": "stays"}, {"key": "goes", "content": {"redirect": "/b"}}]);
    let document = json!({"state": "live", "placement": "shop", "variants": variants});
    define(&server, "experiences/e", document).await;
    let mut seen = std::collections::BTreeSet::new();
    for visitor in 0..24 {
        let asked =
            json!({"write_key": WRITE_KEY, "identifiers": {"anonymous_id": format!("v{visitor}")}});
        let decision =
            server.ok(post("/v1/decide", asked.to_string())).await["decisions"][0].clone();
        assert_eq!(decision["places"], json!([{"selector": "html"}]));
        seen.insert(decision["variant"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen.len(), 2);
    let text = String::from_utf8(server.call(get(script())).await.body).unwrap();
    assert_eq!(options(&text)["hidden"], json!([]), "never the whole page");
}

#[tokio::test]
async fn changes_that_cannot_be_made_are_refused_when_they_are_saved() {
    let server = server();
    let closed = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let placement = json!({"state": "live", "content_schema": closed});
    define(&server, "placements/shop", placement).await;
    let save = |changes: Value| {
        let variants = json!([{"key": "a", "content": {"changes": changes}}]);
        let document = json!({"state": "live", "placement": "shop", "variants": variants});
        put("/api/v1/experiences/e", &document).admin()
    };
    server.ok(save(json!([text("text", "h1")]))).await;
    let answer = server.call(save(json!([text("text", "h1"), text("run", "h1")]))).await;
    assert_eq!(answer.status.as_u16(), 422);
    let fault = &answer.json()["errors"][0];
    assert_eq!(fault["pointer"], "/variants/0/content/changes/1");
    assert!(fault["detail"].as_str().unwrap().starts_with("unknown variant `run`"), "{fault}");
}

#[tokio::test]
async fn what_is_filled_into_markup_is_escaped() {
    let server = server();
    define(&server, "placements/shop", json!({"state": "live"})).await;
    let html = "<b>{{ context.page.title }}</b>";
    let change = |kind: &str, member: &str| json!({"kind": kind, "selector": "h1", member: html, "where": "after"});
    let plain = json!({"kind": "text", "selector": "h1", "value": html});
    let markup = json!({"kind": "html", "selector": "h1", "html": html});
    let changes = json!([plain, markup, change("insert", "html")]);
    let variants = json!([{"key": "a", "content": {"changes": changes}}]);
    let document = json!({"state": "live", "placement": "shop", "variants": variants});
    define(&server, "experiences/e", document).await;
    let asked = json!({"write_key": WRITE_KEY, "identifiers": {"anonymous_id": "v"},
        "context": {"page": {"title": "<img onerror=x>"}}});
    let answer = server.ok(post("/v1/decide", asked.to_string())).await;
    let changes = &answer["decisions"][0]["content"]["changes"];
    assert_eq!(changes[0]["value"], "<b><img onerror=x></b>");
    for change in [&changes[1], &changes[2]] {
        assert_eq!(change["html"], "<b>&lt;img onerror=x&gt;</b>");
    }
}
