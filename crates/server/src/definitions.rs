//! Definitions: list, read, save, delete, versions, state; with `ETag` and preconditions.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{FromRequestParts, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use engine::{
    Engine,
    definitions::{Definition, Expect, Kind, Page, Switch, Token},
};
use model::{Key, definition::State as Life, value::Object};
use serde::Deserialize;

use crate::{app::App, body, error::ApiError, query};

/// What the server adds to a document when it is read. They may come back in a save, and are passed over.
const READ_ONLY: [&str; 3] = ["version", "updated_at", "updated_by"];

/// Lists the traits that are defined or used, with what uses them.
pub(crate) async fn trait_usage(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let paging: query::Paging = query::parse(&uri)?;
    let page = app.engine.trait_usage(paging.cursor.as_deref(), paging.limit()?);
    Ok(Json(page).into_response())
}

/// A definition kind named in a path.
pub(crate) struct KindInPath(pub(crate) Kind);

impl<S: Send + Sync> FromRequestParts<S> for KindInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
        kind(&name).map(Self)
    }
}

/// A definition named in a path.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) key: Key,
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((kind_name, key)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
        let kind = kind(&kind_name)?;
        let key = key.parse().map_err(|error| ApiError::fault("/key", format!("{error}")))?;
        Ok(Self { kind, key })
    }
}

fn kind(plural: &str) -> Result<Kind, ApiError> {
    Kind::from_plural(plural).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.into_iter().map(Kind::plural).collect();
        let plural: String = plural.chars().take(40).collect();
        let detail = format!("there are no `{plural}`; the kinds are {}", known.join(", "));
        ApiError::new(StatusCode::NOT_FOUND, "unknown_kind", detail)
    })
}

/// Lists the definitions of a kind.
pub(crate) async fn list(
    State(app): State<App>,
    KindInPath(kind): KindInPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    let paging: query::Paging = query::parse(&uri)?;
    let page = app.engine.definitions(kind, paging.cursor.as_deref(), paging.limit()?)?;
    let items = page.items.iter().map(flat).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor }).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadQuery {
    version: Option<u64>,
}

/// Reads one definition, its newest version or the one asked for.
pub(crate) async fn read(
    State(app): State<App>,
    target: Target,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let ReadQuery { version } = query::parse(&uri)?;
    let definition = app.engine.definition(target.kind, &target.key, version)?;
    let etag = etag(definition.version);
    let known = listed(&headers, &header::IF_NONE_MATCH);
    // A weak comparison: an entity that is the same byte for byte is also the same in meaning.
    if known.iter().any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    Ok(represented(StatusCode::OK, &definition))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaveQuery {
    switch: Option<Switch>,
}

/// Saves a document as a new version.
pub(crate) async fn save(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    target: Target,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let SaveQuery { switch } = query::parse(&parts.uri)?;
    if switch.is_some() && target.kind != Kind::Audience {
        return Err(ApiError::invalid("only audiences take `switch`; the others act at once"));
    }
    let expect = expectation(&app.engine, &target, &parts.headers)?;
    let bytes = body::read(body, &parts.headers, &app.options).await?;
    let document = document(&bytes)?;
    let is_new = app.engine.definition(target.kind, &target.key, None).is_err();
    let switch = switch.unwrap_or_default();
    let saved =
        app.engine.put_switching(target.kind, target.key, document, expect, switch, &token).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(represented(status, &saved))
}

/// Checks a document as saving would, and saves nothing.
pub(crate) async fn check(
    State(app): State<App>,
    target: Target,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(body, &parts.headers, &app.options).await?;
    let document = document(&bytes)?;
    app.engine.check_definition(target.kind, &target.key, &document)?;
    Ok(Json(serde_json::json!({"sound": true})).into_response())
}

/// The document in a body, without what only the server says.
fn document(bytes: &[u8]) -> Result<Object, ApiError> {
    let mut document = body::object(bytes)?;
    for name in READ_ONLY {
        document.remove(name);
    }
    Ok(document)
}

/// Deletes a definition that nothing refers to.
pub(crate) async fn delete(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    target: Target,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let expect = expectation(&app.engine, &target, &headers)?;
    app.engine.delete_definition(target.kind, target.key, expect, &token).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lists all versions of a definition, newest first.
pub(crate) async fn versions(State(app): State<App>, target: Target) -> Result<Response, ApiError> {
    let versions = app.engine.definition_versions(target.kind, &target.key)?;
    let items = versions.iter().map(flat).collect();
    Ok(Json(Page::<Object> { items, next_cursor: None }).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewState {
    state: Life,
}

/// Changes the state of a definition and nothing else.
pub(crate) async fn set_state(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    target: Target,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let expect = expectation(&app.engine, &target, &parts.headers)?;
    let bytes = body::read(body, &parts.headers, &app.options).await?;
    let NewState { state } = body::json(&bytes)?;
    let saved =
        app.engine.set_definition_state(target.kind, target.key, state, expect, &token).await?;
    Ok(represented(StatusCode::OK, &saved))
}

/// The JSON Schema of a kind's documents.
pub(crate) async fn schema(KindInPath(kind): KindInPath) -> Result<Response, ApiError> {
    let mut response = Json(Engine::schema(kind)).into_response();
    let schema = HeaderValue::from_static("application/schema+json");
    response.headers_mut().insert(header::CONTENT_TYPE, schema);
    Ok(response)
}

/// A definition as it is sent: the document itself, with what only the server knows beside its fields.
pub(crate) fn flat(definition: &Definition) -> Object {
    let mut out = definition.document.clone();
    out.insert("state".to_owned(), definition.state.to_string().into());
    out.insert("version".to_owned(), definition.version.into());
    out.insert("updated_at".to_owned(), definition.updated_at.to_string().into());
    out.insert("updated_by".to_owned(), definition.updated_by.as_str().into());
    out
}

pub(crate) fn represented(status: StatusCode, definition: &Definition) -> Response {
    (status, [(header::ETAG, etag(definition.version))], Json(flat(definition))).into_response()
}

fn etag(version: u64) -> String {
    format!("\"v{version}\"")
}

/// What a change is conditional on. Without a precondition the last one to write wins, so that
/// documents can be applied again and again from files.
pub(crate) fn expectation(
    engine: &Engine,
    target: &Target,
    headers: &HeaderMap,
) -> Result<Expect, ApiError> {
    let if_match = listed(headers, &header::IF_MATCH);
    let if_none_match = listed(headers, &header::IF_NONE_MATCH);
    match (if_match.as_slice(), if_none_match.as_slice()) {
        ([], []) => Ok(Expect::Anything),
        ([], [star]) if star == "*" => Ok(Expect::Absent),
        ([star], []) if star == "*" => {
            let current = engine.definition(target.kind, &target.key, None);
            current.map(|definition| Expect::Version(definition.version)).map_err(|_| unmet(0))
        }
        ([tag], []) => version_of(tag).map(Expect::Version).ok_or_else(|| {
            let current = engine.definition(target.kind, &target.key, None);
            unmet(current.map_or(0, |definition| definition.version))
        }),
        _ => {
            let detail = "send one ETag in If-Match, or `*` in If-Match or If-None-Match";
            Err(ApiError::invalid(detail))
        }
    }
}

fn unmet(current: u64) -> ApiError {
    let detail = format!("the definition is at version {current}");
    ApiError::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail)
        .with_extra("current_version", current)
}

fn version_of(tag: &str) -> Option<u64> {
    tag.strip_prefix("\"v")?.strip_suffix('"')?.parse().ok()
}

/// The entity tags of a header, which may stand in several lines and be separated by commas.
fn listed(headers: &HeaderMap, name: &header::HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}
