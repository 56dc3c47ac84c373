//! The script that a site puts on its pages: the browser's client (`packages/sdk-browser`) with where to ask, and what
//! to hide until it is answered. Beside it modules that a page can load on top, such as a consent banner.
//!
//! Scripts are built ahead and kept in the repository, so that building the server needs no other tools.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use engine::definitions::SourceKind;
use serde_json::json;

use crate::{app::App, cors, error::ApiError, gate, packed::Packed, settings, tag};

/// A script as it was built.
macro_rules! built {
    ($file:literal) => {
        Packed::new(include_str!(concat!("../../../packages/sdk-browser/dist/", $file)))
    };
}

static CLIENT: Packed = built!("concierge.js");
/// Modules by their names. What a page loads of them is the same for every source.
static MODULES: [(&str, Packed); 5] = [
    ("consent-banner", built!("modules/consent-banner.js")),
    ("google-consent-mode", built!("modules/google-consent-mode.js")),
    ("tcf", built!("modules/tcf.js")),
    ("attention", built!("modules/attention.js")),
    ("staff", built!("modules/staff.js")),
];
/// Seconds for which a browser need not ask again, and for which it may use what it has while it asks: what is live
/// changes now and then, the client with each release.
const CACHED: HeaderValue =
    HeaderValue::from_static("public, max-age=60, stale-while-revalidate=86400");
const SCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
/// What a file's name ends with.
const SUFFIX: &str = ".js";

/// Packs what visitors load, before anybody waits for it.
pub(crate) fn pack_ahead() {
    if let Err(error) = CLIENT.gzip("") {
        tracing::error!(%error, "the script of pages cannot be packed");
    }
}

/// Answers with the script of a source.
pub(crate) async fn serve(
    State(app): State<App>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    cors::open(gate::finish_other(&app, script(&app, &file, &headers)))
}

/// Answers with a module.
pub(crate) async fn serve_module(
    State(app): State<App>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    cors::open(gate::finish_other(&app, module(&file, &headers)))
}

fn module(file: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let name = file.strip_suffix(SUFFIX).unwrap_or(file);
    match MODULES.iter().find(|(known, _)| *known == name) {
        Some((_, module)) => answer("", module, headers),
        None => Ok(missing("there is no module of this name")),
    }
}

fn script(app: &App, file: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let write_key = file.strip_suffix(SUFFIX).unwrap_or(file);
    let source = app.engine.source(write_key).filter(|source| source.kind == SourceKind::Public);
    if source.is_none() {
        return Ok(missing("no public source has this write key"));
    }
    let address = settings::public_address(app, headers);
    let options = json!({
        "server": address.map(|(protocol, host)| format!("{protocol}://{host}")),
        "writeKey": write_key,
        "hidden": app.engine.changed(),
    });
    // Of JSON within a script only the end of a script element could be read otherwise.
    let options = options.to_string().replace('<', "\\u003c");
    let line = format!("conciergeOptions=Object.assign({options},window.conciergeOptions);");
    answer(&line, &CLIENT, headers)
}

/// The answer where there is no script, as a script: of anything else a browser would only say that it was blocked.
fn missing(why: &str) -> Response {
    let said = format!("// There is no such script: {why}.\n");
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, SCRIPT)], said).into_response()
}

/// A script behind a line of its own, packed where the caller can unpack it; nothing where they have it already.
fn answer(line: &str, script: &Packed, headers: &HeaderMap) -> Result<Response, ApiError> {
    let text = [line, script.text].concat();
    let tag = tag::of(text.as_bytes());
    let is_packed = accepts_gzip(headers);
    let mut response = match tag::holds(headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false if is_packed => packed(line, script)?.into_response(),
        false => text.into_response(),
    };
    let kept = response.headers_mut();
    kept.insert(header::CONTENT_TYPE, SCRIPT);
    kept.insert(header::CACHE_CONTROL, CACHED);
    // Pages that isolate themselves load nothing of others that does not say so.
    kept.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    kept.insert(header::VARY, HeaderValue::from_static("host, accept-encoding"));
    if is_packed {
        kept.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    kept.extend(HeaderValue::from_str(&format!("W/{tag}")).ok().map(|tag| (header::ETAG, tag)));
    Ok(response)
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|list| list.split(',').any(|one| one.trim() == "gzip"))
}

fn packed(line: &str, script: &Packed) -> Result<Vec<u8>, ApiError> {
    script.gzip(line).map_err(|error| ApiError::internal(error.to_string()))
}
