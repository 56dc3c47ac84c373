//! Accounts: what is known of them, and who belongs to each.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::Uri,
    response::{IntoResponse, Response},
};
use engine::definitions::Token;

use crate::{app::App, audiences::audit, error::ApiError, query};

/// Longest part of an id that is repeated in a message, in characters.
const MAX_SHOWN: usize = 40;

/// Lists accounts.
pub(crate) async fn list(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let paging: query::Paging = query::parse(&uri)?;
    let limit = paging.limit()?;
    let page = app.read(move |engine| engine.accounts(paging.cursor.as_deref(), limit)).await?;
    Ok(Json(page).into_response())
}

/// Reads an account by its id.
pub(crate) async fn read(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query::Nothing {} = query::parse(&uri)?;
    let asked = id.clone();
    let account = app.read(move |engine| engine.account(&asked)).await?;
    Ok(Json(account.ok_or_else(|| no_account(&id))?).into_response())
}

/// Lists the people who belong to an account.
pub(crate) async fn members(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let paging: query::Paging = query::parse(&uri)?;
    let limit = paging.limit()?;
    audit(&app, &token, "account.members", format!("accounts/{id}")).await?;
    let asked = id.clone();
    let page = app
        .read(move |engine| engine.account_members(&asked, paging.cursor.as_deref(), limit))
        .await?;
    Ok(Json(page.ok_or_else(|| no_account(&id))?).into_response())
}

fn no_account(id: &str) -> ApiError {
    let shown: String = id.chars().take(MAX_SHOWN).collect();
    ApiError::not_found(format!("account `{shown}`"))
}
