//! The settings documents that browser clients fetch before they start.

use axum::{
    Json,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{app::App, auth, cors, error::ApiError, gate};

/// What the Segment browser client fetches from `cdnURL`: that there is one destination, and where it is.
pub(crate) async fn segment(
    State(app): State<App>,
    Path(write_key): Path<String>,
    headers: HeaderMap,
) -> Response {
    cors::open(gate::finish_other(&app, segment_document(&app, &write_key, &headers)))
}

fn segment_document(app: &App, write_key: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    if app.engine.source(write_key).is_none() {
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "no source has this write key",
        ));
    }
    let mut destination = json!({
        "apiKey": write_key,
        "unbundledIntegrations": [],
        "addBundledMetadata": true,
        "maybeBundledConfigIds": {},
        "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
    });
    if let (Some((protocol, host)), Some(destination)) =
        (public_address(app, headers), destination.as_object_mut())
    {
        destination.insert("apiHost".to_owned(), format!("{host}/v1").into());
        destination.insert("protocol".to_owned(), protocol.into());
    }
    Ok(cached(Json(json!({
        "integrations": {"Segment.io": destination},
        "plan": {
            "track": {"__default": {"enabled": true, "integrations": {}}},
            "identify": {"__default": {"enabled": true}},
            "group": {"__default": {"enabled": true}},
        },
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
    }))))
}

/// What the RudderStack browser client fetches from `configUrl`: a source without destinations in the browser.
pub(crate) async fn rudder(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let write_key = auth::secret(&parts.headers, &parts.uri);
    let document = auth::source(&app, write_key.as_deref()).map(|source| {
        cached(Json(json!({
            "source": {
                "id": source.key,
                "name": source.key,
                "writeKey": write_key,
                "enabled": true,
                "workspaceId": "concierge",
                "config": {
                    "statsCollection": {"errors": {"enabled": false}, "metrics": {"enabled": false}},
                },
                "connections": [],
                "destinations": [],
                "dataplanes": {},
            },
        })))
    });
    cors::open(gate::finish_other(&app, document))
}

fn cached(document: Json<serde_json::Value>) -> Response {
    let mut response = document.into_response();
    let minutes = HeaderValue::from_static("private, max-age=300");
    response.headers_mut().insert(header::CACHE_CONTROL, minutes);
    response
}

/// Protocol and host under which the browser reached us, for clients that are told where to send.
pub(crate) fn public_address(app: &App, headers: &HeaderMap) -> Option<(String, String)> {
    if let Some(url) = &app.options.public_url {
        let (protocol, host) = url.split_once("://")?;
        return Some((protocol.to_owned(), host.trim_end_matches('/').to_owned()));
    }
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    if host.is_empty() || !host.bytes().all(harmless) {
        return None;
    }
    let forwarded = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    let trusted = forwarded.filter(|_| app.options.proxies > 0);
    let protocol = if trusted == Some("https") { "https" } else { "http" };
    Some((protocol.to_owned(), host.to_owned()))
}
