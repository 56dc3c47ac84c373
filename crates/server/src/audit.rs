//! The audit log: who did what, when.

use axum::{
    Json,
    extract::State,
    http::Uri,
    response::{IntoResponse, Response},
};

use crate::{app::App, error::ApiError, query};

/// Lists the audit log, newest first.
pub(crate) async fn list(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let paging: query::Paging = query::parse(&uri)?;
    let limit = paging.limit()?;
    let page = app.read(move |engine| engine.audit(paging.cursor.as_deref(), limit)).await?;
    Ok(Json(page).into_response())
}
