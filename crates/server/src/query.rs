//! Query strings of management calls: known names only, lists by cursor.

use axum::{extract::Query, http::Uri};
use serde::{Deserialize, de::DeserializeOwned};

use crate::error::ApiError;

/// Most items of one page.
const LIMIT_MAX: usize = 500;
/// Items of a page when the caller does not say.
const LIMIT: usize = 50;

/// Parses the query string; `T` refuses unknown names.
pub(crate) fn parse<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    Query::try_from_uri(uri).map(|Query(parsed)| parsed).map_err(|rejection| {
        let text = rejection.body_text();
        let said = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        ApiError::invalid(format!("the query cannot be read: {said}"))
    })
}

/// For paths that take no query.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
    limit: Option<usize>,
}

impl Paging {
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        checked_limit(self.limit)
    }
}

/// The number of items asked for, within bounds.
pub(crate) fn checked_limit(limit: Option<usize>) -> Result<usize, ApiError> {
    match limit {
        None => Ok(LIMIT),
        Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(ApiError::invalid(format!("`limit` is 1 to {LIMIT_MAX}"))),
    }
}
