//! How long data is kept: what would be removed, and how far that is.

use axum::{
    Json,
    extract::State,
    http::Uri,
    response::{IntoResponse, Response},
};
use model::Key;
use serde::Deserialize;
use serde_json::json;

use crate::{app::App, error::ApiError, query};

/// The sweep, or the last one that has ended.
pub(crate) async fn progress(State(app): State<App>) -> Response {
    Json(json!({"round": app.engine.retention()})).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DryRunQuery {
    rule: Option<Key>,
}

/// Counts what would be removed now.
pub(crate) async fn dry_run(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let DryRunQuery { rule } = query::parse(&uri)?;
    let asked = rule.clone();
    let found = app.read(move |engine| engine.retention_dry_run(asked.as_ref())).await?;
    match (found, rule) {
        (Some(found), _) => Ok(Json(found).into_response()),
        (None, rule) => {
            let key = rule.map(|key| key.to_string()).unwrap_or_default();
            Err(ApiError::not_found(format!("retention rule `{key}`")))
        }
    }
}
