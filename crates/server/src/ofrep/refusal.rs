//! Errors as the flag protocol has them.

use std::fmt;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// Why nothing was evaluated, in the words of OpenFeature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Code {
    ParseError,
    TargetingKeyMissing,
    InvalidContext,
    FlagNotFound,
    General,
}

/// A request or a flag that was not evaluated.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Refusal {
    /// The flag, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(rename = "errorCode")]
    code: Code,
    #[serde(rename = "errorDetails")]
    detail: String,
}

impl Refusal {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { key: None, code, detail: detail.into() }
    }

    /// The same, of a flag.
    pub(super) fn of_flag(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = serde_json::to_value(self.code).unwrap_or_default();
        write!(f, "{}: {}", code.as_str().unwrap_or_default(), self.detail)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.code {
            Code::FlagNotFound => StatusCode::NOT_FOUND,
            Code::ParseError | Code::TargetingKeyMissing | Code::InvalidContext | Code::General => {
                StatusCode::BAD_REQUEST
            }
        };
        (status, Json(self)).into_response()
    }
}
