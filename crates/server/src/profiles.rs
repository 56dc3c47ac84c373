//! People: found by any identifier, with timeline, decisions, and an explanation of what they would see.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::Uri,
    response::{IntoResponse, Response},
};
use engine::{
    decide::DecideRequest,
    definitions::{Scope, Token},
};
use model::{
    Identifier, IdentifierType, Key, LazyObject, ProfileId, Timestamp, Value, condition::Sight,
};
use serde::Deserialize;

use crate::{app::App, audiences::audit, decide, error::ApiError, query};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lookup {
    r#type: String,
    value: String,
}

/// Finds the profile that holds an identifier.
pub(crate) async fn lookup(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Lookup { r#type, value } = query::parse(&uri)?;
    let kind = IdentifierType::parse(&r#type).ok_or_else(|| {
        let detail = "`type` is user_id, anonymous_id, email, phone, device_id or external:<name>";
        ApiError::invalid(detail)
    })?;
    if value.is_empty() || value.len() > IdentifierType::MAX_VALUE_BYTES {
        return Err(ApiError::invalid("`value` has 1 to 512 bytes"));
    }
    let identifier = Identifier::new(kind, value);
    let found = app.read(move |engine| engine.find_profile(&identifier)).await?;
    // The value stays out of the answer and the log: it may be personal.
    let id = found.ok_or_else(|| ApiError::not_found(format!("a profile with this {type}")))?;
    audit(&app, &token, "profile.lookup", format!("profiles/{id}")).await?;
    shown(&app, id, sight(&token)).await
}

/// How much the holder of a token may see of people.
pub(crate) fn sight(token: &Token) -> Sight {
    if token.allows(Scope::ProfilesSensitive) { Sight::Full } else { Sight::Masked }
}

/// Reads a profile by its id.
pub(crate) async fn read(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = profile_id(&id)?;
    audit(&app, &token, "profile.read", format!("profiles/{id}")).await?;
    shown(&app, id, sight(&token)).await
}

async fn shown(app: &App, id: ProfileId, sight: Sight) -> Result<Response, ApiError> {
    let profile = app.read(move |engine| engine.profile(id, sight)).await?;
    Ok(Json(profile.ok_or_else(|| no_profile(id))?).into_response())
}

/// Lists a person's events, newest first.
pub(crate) async fn timeline(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let id = profile_id(&id)?;
    let paging: query::Paging = query::parse(&uri)?;
    let limit = paging.limit()?;
    audit(&app, &token, "profile.timeline", format!("profiles/{id}")).await?;
    let sight = sight(&token);
    let page =
        app.read(move |engine| engine.timeline(id, paging.cursor.as_deref(), limit, sight)).await?;
    Ok(Json(page.ok_or_else(|| no_profile(id))?).into_response())
}

/// Lists a person's recorded decisions, newest first.
pub(crate) async fn decisions(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let id = profile_id(&id)?;
    let paging: query::Paging = query::parse(&uri)?;
    let limit = paging.limit()?;
    audit(&app, &token, "profile.decisions", format!("profiles/{id}")).await?;
    let sight = sight(&token);
    let page = app
        .read(move |engine| engine.profile_decisions(id, paging.cursor.as_deref(), limit, sight))
        .await?;
    Ok(Json(page.ok_or_else(|| no_profile(id))?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainQuery {
    /// One key or several, separated by commas; absent: every placement of the page.
    placement: Option<String>,
    at: Option<Timestamp>,
    /// The address of the page, for placements and rules that look at it.
    url: Option<String>,
}

/// Says what a person would see now, or would have seen at an instant, and why. Nothing is recorded.
pub(crate) async fn explain(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let id = profile_id(&id)?;
    let ExplainQuery { placement, at, url } = query::parse(&uri)?;
    let placements = placement.map(|list| placement_keys(&list)).transpose()?;
    audit(&app, &token, "profile.explain", format!("profiles/{id}")).await?;
    let sight = sight(&token);
    let profile = app.read(move |engine| engine.profile(id, sight)).await?;
    let profile = profile.ok_or_else(|| no_profile(id))?;
    let mut context = LazyObject::default();
    if let Some(url) = url {
        context.insert("page", serde_json::json!({"url": url}));
    }
    let request = DecideRequest {
        identifiers: identifiers(&profile),
        placements,
        context,
        consents: model::Consents::default(),
        explain: true,
        marks: model::event::Marks::default(),
        record: false,
        at,
        public: false,
        source: None,
        masked: sight == Sight::Masked,
        preview: None,
    };
    let decided = decide::decide(&app, &request)?;
    Ok(decide::written(&decided))
}

/// The identifiers a profile document lists, at most as many as an event may carry.
fn identifiers(profile: &Value) -> Vec<Identifier> {
    let listed = profile.get("identifiers").and_then(Value::as_array);
    let one = |entry: &Value| {
        let kind = IdentifierType::parse(entry.get("type")?.as_str()?)?;
        Some(Identifier::new(kind, entry.get("value")?.as_str()?))
    };
    listed.into_iter().flatten().filter_map(one).take(model::Event::MAX_IDENTIFIERS).collect()
}

fn placement_keys(list: &str) -> Result<Vec<Key>, ApiError> {
    let keys: Result<Vec<Key>, _> = list.split(',').map(|key| key.trim().parse()).collect();
    let keys = keys.map_err(|error: model::id::IdError| ApiError::invalid(error.to_string()))?;
    if keys.len() > decide::PLACEMENTS_MAX {
        let detail = format!("at most {} placements fit one request", decide::PLACEMENTS_MAX);
        return Err(ApiError::invalid(detail));
    }
    Ok(keys)
}

/// Reads a profile's id in a path.
pub(crate) fn profile_id(text: &str) -> Result<ProfileId, ApiError> {
    text.parse().map_err(|_| {
        let text: String = text.chars().take(40).collect();
        ApiError::not_found(format!("profile `{text}`"))
    })
}

/// Nobody has this id.
pub(crate) fn no_profile(id: ProfileId) -> ApiError {
    ApiError::not_found(format!("profile `{id}`"))
}
