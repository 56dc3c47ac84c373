//! Secrets: management tokens and sources' write keys. Each is shown once, when it is made.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use engine::definitions::{Scope, Token};
use model::Key;
use serde::Deserialize;

use crate::{app::App, body, error::ApiError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    name: String,
    scopes: Vec<Scope>,
}

/// Creates a token. Its secret stands in this answer and nowhere else.
pub(crate) async fn create(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(body, &parts.headers, &app.options).await?;
    let NewToken { name, mut scopes } = body::json(&bytes)?;
    if scopes.is_empty() {
        return Err(ApiError::fault("/scopes", "a token without scopes lets nobody in"));
    }
    scopes.sort_unstable();
    scopes.dedup();
    let secret = app.engine.create_token(&name, scopes.clone(), &token).await?;
    let created = serde_json::json!({"name": name, "scopes": scopes, "secret": secret});
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

/// Gives a source a new secret for identity tokens. It stands in this answer and nowhere else.
pub(crate) async fn create_identity_secret(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(key): Path<String>,
) -> Result<Response, ApiError> {
    let source: Key = key.parse().map_err(|error| ApiError::fault("/key", format!("{error}")))?;
    let secret = app.engine.create_identity_secret(source.clone(), &token).await?;
    let created = serde_json::json!({"source": source, "identity_secret": secret});
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

/// Gives a source one more write key. Its secret stands in this answer and nowhere else.
pub(crate) async fn create_write_key(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(key): Path<String>,
) -> Result<Response, ApiError> {
    let source: Key = key.parse().map_err(|error| ApiError::fault("/key", format!("{error}")))?;
    let secret = app.engine.create_write_key(source.clone(), &token).await?;
    let created = serde_json::json!({"source": source, "write_key": secret});
    Ok((StatusCode::CREATED, Json(created)).into_response())
}
