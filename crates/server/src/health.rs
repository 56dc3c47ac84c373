//! Is it alive, is it ready, how is it doing; and the page for people who open the address in a browser.

use std::sync::atomic::Ordering;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{app::App, gate, openapi};

/// The version of the program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The process answers.
pub(crate) async fn alive() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// It can do its work: definitions compiled, store sound, not stopping.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let answer = match state(&app) {
        "ready" => (StatusCode::OK, Json(json!({"status": "ready"}))),
        other => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": other}))),
    };
    answer.into_response()
}

fn state(app: &App) -> &'static str {
    if app.is_draining.load(Ordering::Relaxed) {
        "stopping"
    } else if app.engine.ready() {
        "ready"
    } else {
        "not ready"
    }
}

/// Metrics in the Prometheus text format.
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    let mut text = app.engine.metrics();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    app.metrics.write(&mut text);
    typed("text/plain; version=0.0.4; charset=utf-8", text)
}

/// The OpenAPI document.
pub(crate) async fn openapi(State(app): State<App>) -> Response {
    gate::finish_other(&app, Ok(typed("application/json", openapi::text())))
}

/// A page that says what this is and where to go on.
pub(crate) async fn index(State(app): State<App>) -> Response {
    let page = include_str!("health/index.html")
        .replace("{version}", VERSION)
        .replace("{state}", state(&app));
    let mut response = typed("text/html; charset=utf-8", page);
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn typed(content_type: &'static str, body: impl Into<axum::body::Body>) -> Response {
    let mut response = body.into().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
