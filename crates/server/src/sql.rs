//! SQL over the lake: a query comes in, its rows go out while they are found.

use std::{ops::ControlFlow, sync::Arc};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use engine::{
    analytics::{AnalyticsError, Answer, Form, Query},
    definitions::{Scope, Token},
};
use serde::Deserialize;

use crate::{
    app::App,
    audiences::audit,
    body,
    error::ApiError,
    export::purpose,
    gate,
    streamed::{self, Sink},
};

/// After how many seconds to ask again when others are being answered.
const BUSY_SECONDS: u32 = 2;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    sql: String,
    purpose: String,
    format: Option<AskedForm>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AskedForm {
    Json,
    Csv,
    Arrow,
}

/// Answers a query. What is wrong with it is told before anything is answered; what breaks later breaks the answer off.
pub(crate) async fn run(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let bytes = body::read(sent, &parts.headers, &app.options).await?;
    let Asked { sql, purpose: purpose_key, format } = body::json(&bytes)?;
    let Some(analytics) = app.options.analytics.clone() else {
        let detail = "this server answers no SQL: it was built or started without the lake";
        return Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, "no_analytics", detail));
    };
    if app.engine.has_sensitive_traits() && !token.allows(Scope::ProfilesSensitive) {
        return Err(gate::missing_scope(Scope::ProfilesSensitive));
    }
    let purpose = purpose(&app, &purpose_key)?;
    // The text may name people, who would stay named in the audit log after they are erased.
    audit(&app, &token, "query", format!("for {purpose_key}")).await?;
    let form = format.map_or_else(|| accepted(&parts.headers), AskedForm::form);
    let query = Query { sql, purpose, form };
    let started = tokio::task::spawn_blocking(move || begin(&*analytics, query)).await;
    let (first, mut answer) = started.map_err(|error| ApiError::internal(error.to_string()))??;
    streamed::answer(&app, content_type(form), move |_, sink| {
        if let Some(first) = first
            && sink.send(first).is_continue()
        {
            rest(&mut *answer, sink);
        }
        Ok(())
    })
}

type Begun = (Option<bytes::Bytes>, Box<dyn Answer>);

/// Waits for the first piece, since most of what breaks breaks before it.
fn begin(
    analytics: &dyn engine::analytics::Analytics,
    query: Query,
) -> Result<Begun, AnalyticsError> {
    let mut answer = analytics.start(query)?;
    let first = answer.next_piece().transpose()?;
    Ok((first, answer))
}

fn rest(answer: &mut dyn Answer, sink: &mut Sink) {
    while let Some(piece) = answer.next_piece() {
        let sent = match piece {
            Ok(piece) => sink.send(piece),
            Err(error) => {
                sink.break_off(reason(&error));
                ControlFlow::Break(())
            }
        };
        if sent.is_break() {
            return;
        }
    }
}

/// Why an answer broke off, for the log: what is said of a query may quote values, which are about people.
fn reason(error: &AnalyticsError) -> &str {
    match error {
        AnalyticsError::Failed(detail) => detail,
        AnalyticsError::Query(_) => "the query met a value that it cannot handle",
        AnalyticsError::Limit(_) | AnalyticsError::Busy(_) => "the query met a limit",
    }
}

impl AskedForm {
    fn form(self) -> Form {
        match self {
            Self::Json => Form::Json,
            Self::Csv => Form::Csv,
            Self::Arrow => Form::Arrow,
        }
    }
}

/// The form that the caller accepts; JSON where nothing is said that we know.
fn accepted(headers: &HeaderMap) -> Form {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    match accepted.unwrap_or_default() {
        accept if accept.contains("text/csv") => Form::Csv,
        accept if accept.contains("application/vnd.apache.arrow.stream") => Form::Arrow,
        _ => Form::Json,
    }
}

fn content_type(form: Form) -> &'static str {
    match form {
        Form::Json => "application/json",
        Form::Csv => "text/csv; charset=utf-8",
        Form::Arrow => "application/vnd.apache.arrow.stream",
    }
}

impl From<AnalyticsError> for ApiError {
    fn from(error: AnalyticsError) -> Self {
        match error {
            AnalyticsError::Query(detail) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_query", detail)
            }
            AnalyticsError::Limit(detail) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "query_limit", detail)
            }
            AnalyticsError::Busy(detail) => {
                let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail);
                error.with_retry_after(BUSY_SECONDS)
            }
            AnalyticsError::Failed(private) => Self::internal(private),
        }
    }
}
