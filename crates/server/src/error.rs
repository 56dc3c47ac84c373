//! Errors as callers see them: RFC 9457 problem documents with a stable code, and a private detail that is only logged.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use engine::{
    EngineError, decide::DecideError, definitions::DefinitionError, ingest::IngestError,
    preview::PreviewError,
};
use model::{Value, definition::Fault};
use serde::Serialize;

/// Why a call was not done. Boxed, so that the way where all is well carries no weight of it.
#[derive(Debug)]
pub(crate) struct ApiError(Box<Facts>);

#[derive(Debug)]
struct Facts {
    status: StatusCode,
    /// Stable: programs branch on it.
    code: &'static str,
    /// A sentence for people.
    detail: String,
    /// For input: each fault with its place.
    errors: Vec<Fault>,
    /// Facts beside the sentence, for programs.
    extra: Option<(&'static str, Value)>,
    retry_after_seconds: Option<u32>,
    /// Logged, never sent.
    private: Option<String>,
}

/// What the gate logs of a failed call; travels beside the response and is never sent.
#[derive(Clone, Debug)]
pub(crate) struct Private(pub(crate) Arc<str>);

#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    // Ingest clients read `code` and `message`.
    message: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Fault],
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    extra: Option<std::collections::BTreeMap<&'static str, Value>>,
}

impl ApiError {
    /// An error with a status, a stable code and a sentence.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Facts {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            extra: None,
            retry_after_seconds: None,
            private: None,
        }))
    }

    /// The input cannot be read or makes no sense.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    /// The input has a fault at one place.
    pub(crate) fn fault(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let fault = Fault::new(pointer, detail);
        Self::invalid(sentence(&fault)).with_errors(vec![fault])
    }

    /// What was sent reads, and is not sound.
    pub(crate) fn faults(status: StatusCode, code: &'static str, faults: Vec<Fault>) -> Self {
        let detail = match faults.as_slice() {
            [one] => sentence(one),
            _ => format!("the request has {} faults", faults.len()),
        };
        Self::new(status, code, detail).with_errors(faults)
    }

    /// There is no such thing.
    pub(crate) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("{what} not found"))
    }

    /// Nothing let the caller in.
    pub(crate) fn unauthorized(code: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// The caller is known and may not.
    pub(crate) fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// Something of ours failed; `private` says what.
    pub(crate) fn internal(private: impl Into<String>) -> Self {
        let detail = "the server failed; it was logged";
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail);
        error.0.private = Some(private.into());
        error
    }

    /// Something of ours cannot work now; `private` says what.
    pub(crate) fn unavailable(private: impl Into<String>) -> Self {
        let detail = "the server cannot take this now; try again";
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        error.0.private = Some(private.into());
        error.with_retry_after(1)
    }

    /// Its HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Its stable code and its sentence, for a list in which each item fails by itself.
    pub(crate) fn told(&self) -> (&'static str, &str) {
        (self.0.code, &self.0.detail)
    }

    /// Adds a fact for programs.
    pub(crate) fn with_extra(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.extra = Some((name, value.into()));
        self
    }

    fn with_errors(mut self, errors: Vec<Fault>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Says after how many seconds to try again.
    pub(crate) fn with_retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }
}

/// A fault in one sentence.
fn sentence(fault: &Fault) -> String {
    match fault.pointer.as_str() {
        "" => fault.detail.clone(),
        pointer => format!("{pointer}: {}", fault.detail),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self(facts) = self;
        let problem = Problem {
            title: facts.status.canonical_reason().unwrap_or("Error"),
            status: facts.status.as_u16(),
            code: facts.code,
            detail: &facts.detail,
            message: &facts.detail,
            errors: &facts.errors,
            extra: facts.extra.map(|pair| std::iter::once(pair).collect()),
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (facts.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = facts.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if facts.status == StatusCode::UNAUTHORIZED {
            // `Basic` would make browsers ask people for a password.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(private) = facts.private {
            response.extensions_mut().insert(Private(private.into()));
        }
        response
    }
}

impl From<IngestError> for ApiError {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Overloaded { retry_after_seconds } => {
                let detail = "too many events at once";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", detail)
                    .with_retry_after(retry_after_seconds.max(1))
            }
            IngestError::Unavailable(private) => Self::unavailable(private),
            IngestError::ImportOutOfStep { watermark } => {
                let detail = format!("the import continues at row {watermark}");
                Self::new(StatusCode::CONFLICT, "import_out_of_step", detail)
                    .with_extra("watermark", watermark)
            }
        }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl From<DecideError> for ApiError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Engine(error) => error.into(),
            DecideError::Preview(error) => error.into(),
        }
    }
}

impl From<PreviewError> for ApiError {
    fn from(error: PreviewError) -> Self {
        let (status, code) = match error {
            PreviewError::Unknown => (StatusCode::FORBIDDEN, "preview_unknown"),
            PreviewError::WithoutDebug => (StatusCode::FORBIDDEN, "preview_without_debug"),
            PreviewError::Expired | PreviewError::ProfileGone => (StatusCode::GONE, "preview_gone"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<DefinitionError> for ApiError {
    fn from(error: DefinitionError) -> Self {
        let detail = error.to_string();
        match error {
            DefinitionError::NotFound { .. } => {
                Self::new(StatusCode::NOT_FOUND, "not_found", detail)
            }
            DefinitionError::Conflict { current, .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail)
                    .with_extra("current_version", current)
            }
            DefinitionError::Invalid(errors) => {
                let detail = match errors.as_slice() {
                    [one] => sentence(one),
                    _ => detail,
                };
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_definition", detail)
                    .with_errors(errors)
            }
            DefinitionError::Forbidden { .. } => Self::forbidden("missing_scope", detail),
            DefinitionError::InUse { .. } => Self::new(StatusCode::CONFLICT, "in_use", detail),
            DefinitionError::NoEdit { .. } => Self::new(StatusCode::NOT_FOUND, "not_found", detail),
            DefinitionError::Incomplete { .. } => {
                Self::new(StatusCode::CONFLICT, "edit_incomplete", detail).with_retry_after(1)
            }
            DefinitionError::Unavailable(private) => Self::unavailable(private),
        }
    }
}
