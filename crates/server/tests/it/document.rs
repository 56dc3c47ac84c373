//! The OpenAPI document: complete, and the same as the one in the repository.

use std::path::Path;

use crate::harness::{get, server};

#[test]
fn the_document_in_the_repository_is_current() {
    // Asked for when the test runs: clones share build results.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let path = Path::new(&package).join("../../docs/reference/openapi.json");
    let mut current = serde_json::to_string_pretty(&server::openapi::document()).unwrap();
    current.push('\n');
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == current,
        "docs/reference/openapi.json is stale: run `UPDATE_EXPECT=1 cargo test -p server document`"
    );
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    fn check(value: &serde_json::Value, document: &serde_json::Value) {
        match value {
            serde_json::Value::Object(object) => {
                if let Some(target) = object.get("$ref").and_then(|target| target.as_str()) {
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{target}");
                }
                object.values().for_each(|inner| check(inner, document));
            }
            serde_json::Value::Array(items) => {
                items.iter().for_each(|inner| check(inner, document))
            }
            _ => {}
        }
    }
    let document = server::openapi::document();
    check(&document, &document);
}

#[tokio::test]
async fn every_path_of_the_document_is_served() {
    let server = server();
    let document = server.ok(get("/openapi.json")).await;
    assert_eq!(document, server::openapi::document());
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path
            .replace("{write_key}", "x")
            .replace("{placement}", "x")
            .replace("{digest}", &"ab".repeat(32))
            .replace("{key}", "x")
            .replace("{id}", "x");
        for method in item.as_object().unwrap().keys() {
            let method = match method.as_str() {
                "get" => "GET",
                "post" => "POST",
                "put" => "PUT",
                "delete" => "DELETE",
                other => panic!("{other}"),
            };
            let answer = server.call(crate::harness::Call::new(method, &path)).await;
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            let is_served = !body.contains("no_such_path") && !body.contains("method_not_allowed");
            assert!(is_served, "{method} {path}: {body}");
        }
    }
}

#[tokio::test]
async fn the_page_for_people_says_what_runs() {
    let server = server();
    let page = server.call(get("/")).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains(env!("CARGO_PKG_VERSION")) && text.contains("ready"), "{text}");
    assert!(!text.contains('{') || text.contains("color-scheme"), "nothing is left unfilled");
}

#[tokio::test]
async fn metrics_count_what_was_answered() {
    let server = server();
    server.call(crate::harness::post("/v1/decide", "{}").source()).await;
    server.call(get("/api/v1/audiences")).await;
    let answer = server.call(get("/metrics")).await;
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = String::from_utf8(answer.body).unwrap();
    for line in [
        "concierge_http_requests_total{area=\"decide\",status=\"2xx\"} 1",
        "concierge_http_requests_total{area=\"management\",status=\"4xx\"} 1",
        "concierge_http_panics_total 0",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is missing from\n{text}");
    }
}
