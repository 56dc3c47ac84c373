//! The proxy in front of a real site, and of servers that decide, stall, or are gone.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test, what cannot be is a failure"
)]

mod stage;

use std::time::Duration;

use hyper::{Response, StatusCode, header};
use proxy::{Consent, Options};
use serde_json::{Value, json};
use stage::{PAGE, Stage, body, gone, html};

const CHANGE: &str = r##"{"decisions": [{"placement": "home", "content": {
    "title": "Hej", "changes": [{"kind": "text", "selector": "#offer", "value": "Sale"}]}}]}"##;

#[tokio::test]
async fn a_page_shows_what_is_decided_for_its_visitor() {
    let stage = Stage::new(|_| html(PAGE), |_| body(CHANGE)).await;
    let answer =
        stage.get("/a?b=c", &[("accept-language", "sv"), ("if-none-match", "\"1\"")]).await;
    assert!(answer.contains("<p id=\"offer\">Sale</p>"), "{answer}");
    assert!(
        answer.contains("<script type=\"application/json\" id=\"concierge-decisions\" data-made>{"),
        "{answer}"
    );
    for header in
        ["cache-control: private, no-store", "via: 1.1 concierge", "transfer-encoding: chunked"]
    {
        assert!(answer.contains(header), "{header} in {answer}");
    }
    assert!(!answer.contains("etag") && !answer.contains("content-length"), "{answer}");
    let visitor =
        answer.split("ajs_anonymous_id=").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    let asked = stage.questions();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["identifiers"], json!({"anonymous_id": visitor}));
    assert_eq!(asked[0]["write_key"], "k");
    assert_eq!(asked[0]["context"]["page"]["path"], "/a");
    assert_eq!(asked[0]["context"]["page"]["url"], format!("http://{}/a?b=c", stage.address));
    assert_eq!(asked[0]["context"]["ip"], "127.0.0.1");
    let call = stage.calls().remove(0);
    assert_eq!(call.get("accept-encoding").unwrap(), "identity");
    assert_eq!(call.get("x-forwarded-for").unwrap(), "127.0.0.1");
    assert_eq!(call.get("host").unwrap(), &stage.address);
    assert!(call.get("if-none-match").is_none() && call.get("connection").is_none());
}

#[tokio::test]
async fn whatever_is_no_page_passes_as_it_is() {
    let stage = Stage::new(
        |request| match request.uri().path() {
            "/packed" => {
                let mut response = html("<p id=\"offer\">packed");
                response.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
                response
            }
            "/moved" => {
                let mut response = html("");
                *response.status_mut() = StatusCode::FOUND;
                response.headers_mut().insert(header::LOCATION, "/there".parse().unwrap());
                response
            }
            "/same" => {
                let mut response = html("");
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                response
            }
            _ => body("{\"html\": \"<p id='offer'>\"}"),
        },
        |_| body(CHANGE),
    )
    .await;
    for (path, expected) in [
        ("/packed", "<p id=\"offer\">packed"),
        ("/moved", "location: /there"),
        ("/same", "HTTP/1.1 304"),
        ("/data", "{\"html\": \"<p id='offer'>\"}"),
    ] {
        let answer = stage.get(path, &[]).await;
        assert!(answer.contains(expected), "{answer}");
        assert!(!answer.contains("set-cookie") && !answer.contains("no-store"), "{answer}");
    }
}

#[tokio::test]
async fn bodies_pass_both_ways() {
    let stage = Stage::new(|_| body("done"), |_| body(CHANGE)).await;
    let answer = stage.send("POST", "/form", &[("content-length", "5")], "a=b&c").await;
    assert!(answer.ends_with("done"), "{answer}");
    assert_eq!(stage.bodies(), ["a=b&c"]);
    let answer = stage.send("HEAD", "/", &[], "").await;
    assert!(answer.contains("content-length: 4") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(stage.questions().is_empty());
}

#[tokio::test]
async fn a_page_waits_for_no_server() {
    let stage = Stage::with(
        |_| html(PAGE),
        Stage::stalling(),
        |options| {
            options.patience = Duration::from_millis(20);
        },
    )
    .await;
    for _ in 0..3 {
        let answer = stage.get("/", &[]).await;
        assert!(answer.ends_with(PAGE) && answer.contains("etag"), "{answer}");
        // What a shared cache may keep gives nobody a visitor's id.
        assert!(!answer.contains("set-cookie"), "{answer}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_costs_nothing() {
    let stage = Stage::with(|_| html(PAGE), Some(gone().await), |_| ()).await;
    for _ in 0..7 {
        assert!(stage.get("/", &[]).await.ends_with(PAGE));
    }
}

#[tokio::test]
async fn nonsense_of_a_server_changes_nothing() {
    for nonsense in ["", "{}", "<html>", "{\"decisions\": 1}"] {
        let stage = Stage::new(|_| html(PAGE), move |_| body(nonsense)).await;
        assert!(stage.get("/", &[]).await.ends_with(PAGE), "{nonsense}");
    }
    let refused = |_: &Value| Response::builder().status(401).body(CHANGE.into()).unwrap();
    let stage = Stage::new(|_| html(PAGE), refused).await;
    assert!(stage.get("/", &[]).await.ends_with(PAGE));
}

#[tokio::test]
async fn a_redirect_leads_on_before_the_page() {
    let redirect = r#"{"decisions": [{"placement": "home", "content": {"redirect": "/other?x"}}]}"#;
    let stage = Stage::new(|_| html(PAGE), move |_| body(redirect)).await;
    let answer = stage.get("/", &[]).await;
    assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
    assert!(answer.contains(&format!("location: http://{}/other?x", stage.address)), "{answer}");
    assert!(answer.contains("cache-control: private, no-store"), "{answer}");
    assert!(stage.get("/other", &[]).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn consent_holds() {
    let required = |options: &mut Options| options.consent = Consent::Required;
    let stage = Stage::with(|_| html(PAGE), Stage::answering(|_| body(CHANGE)), required).await;
    assert!(stage.get("/", &[]).await.ends_with(PAGE));
    let refused = "concierge_consent=%7B%22personalization%22%3Afalse%7D";
    assert!(stage.get("/", &[("cookie", refused)]).await.ends_with(PAGE));
    assert!(stage.questions().is_empty());
    let granted = "concierge_consent=%7B%22personalization%22%3Atrue%7D; ajs_anonymous_id=a";
    let answer = stage.get("/", &[("cookie", granted)]).await;
    assert!(answer.contains("Sale") && !answer.contains("set-cookie"), "{answer}");
    assert_eq!(
        stage.questions()[0]["context"]["consent"],
        json!({"categoryPreferences": {"personalization": true}})
    );
}

#[tokio::test]
async fn a_preview_is_left_to_the_browser() {
    let stage = Stage::new(|_| html(PAGE), |_| body(CHANGE)).await;
    assert!(stage.get("/?concierge_preview=token", &[]).await.ends_with(PAGE));
    let cookie = [("cookie", "a=b; concierge_preview=1")];
    assert!(stage.get("/", &cookie).await.ends_with(PAGE), "on the pages after it, too");
    assert!(stage.questions().is_empty());
}

#[tokio::test]
async fn pages_are_given_the_tag() {
    let tagged = |options: &mut Options| options.tag = Some("https://c.example/".to_owned());
    let stage = Stage::with(|_| html(PAGE), Some(gone().await), tagged).await;
    let answer = stage.get("/", &[]).await;
    assert!(
        answer.contains("<script async src=\"https://c.example/sdk/k.js\"></script><script>"),
        "{answer}"
    );
    assert!(answer.contains("Shipping"), "{answer}");
}

#[tokio::test]
async fn a_page_streams() {
    let site = stage::slow_site().await;
    let (options, _decider) =
        stage::options(site.address.clone(), Stage::answering(|_| body(CHANGE))).await;
    let address = stage::proxy(options).await;
    let mut caller = stage::Caller::connect(&address).await;
    caller.ask("GET", "/", &[], "").await;
    site.send(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<head></head><p>first</p><p id=offer>",
    )
    .await;
    caller.read_until("<p>first</p>").await;
    site.send("Shipping</p>").await;
    caller.read_until("Sale</p>").await;
    site.send("<p id=off").await;
    site.close().await;
    // What was held back arrives.
    caller.read_until("<p id=off").await;
}

#[tokio::test]
async fn a_site_that_is_gone_is_told_so() {
    let site = gone().await;
    let (options, _decider) = stage::options(site, Stage::answering(|_| body(CHANGE))).await;
    let address = stage::proxy(options).await;
    let mut caller = stage::Caller::connect(&address).await;
    caller.ask("GET", "/", &[], "").await;
    assert!(caller.rest().await.starts_with("HTTP/1.1 502"));
}
