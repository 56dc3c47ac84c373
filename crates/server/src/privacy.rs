//! Requests of people about their own data: filed, followed, and answered with a document.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use engine::{
    definitions::Token,
    privacy::{Ask, MAX_IDEMPOTENCY_KEY_BYTES, PrivacyError, RequestKind, access::Document},
};
use hyper::body::{Body, Frame};
use model::{Identifier, IdentifierType, value::Object};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::{app::App, audiences::audit, body, error::ApiError, profiles::sight, query};

/// Pieces of a document that wait to be sent: the reader does not run far ahead of a slow caller.
const PIECES_AHEAD: usize = 4;
const IDEMPOTENCY_KEY: &str = "idempotency-key";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRequest {
    r#type: RequestKind,
    identifier: SentIdentifier,
    #[serde(default)]
    traits: Object,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentIdentifier {
    r#type: IdentifierType,
    value: String,
}

/// Takes a request. 201 when it is done, 202 while it goes on, 200 when it was known before.
pub(crate) async fn file(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let idempotency_key = idempotency_key(&parts.headers)?;
    let bytes = body::read(sent, &parts.headers, &app.options).await?;
    let NewRequest { r#type: kind, identifier, traits, reason } = body::json(&bytes)?;
    let SentIdentifier { r#type, value } = identifier;
    if value.trim().is_empty() || IdentifierType::MAX_VALUE_BYTES < value.len() {
        return Err(ApiError::fault("/identifier/value", "a value has 1 to 512 bytes"));
    }
    let identifier = Identifier::new(r#type, value);
    let ask = Ask { kind, identifier, traits, reason, idempotency_key };
    let filed = app.engine.file_privacy_request(ask, &token).await?;
    let status = match (filed.is_new, filed.is_done) {
        (false, _) => StatusCode::OK,
        (true, true) => StatusCode::CREATED,
        (true, false) => StatusCode::ACCEPTED,
    };
    let id = filed.request["id"].as_str().unwrap_or_default();
    let location = format!("/api/v1/privacy/requests/{id}");
    Ok((status, [(header::LOCATION, location)], Json(filed.request)).into_response())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&text.len()) {
        return Ok(Some(text.to_owned()));
    }
    let detail =
        format!("`Idempotency-Key` has 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters");
    Err(ApiError::invalid(detail))
}

/// Lists requests, newest first.
pub(crate) async fn list(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let paging: query::Paging = query::parse(&uri)?;
    let limit = paging.limit()?;
    let page =
        app.read(move |engine| engine.privacy_requests(paging.cursor.as_deref(), limit)).await?;
    Ok(Json(page).into_response())
}

/// Reads one request, with its receipt once it is done.
pub(crate) async fn read(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let name = id.clone();
    let request = app.read(move |engine| engine.privacy_request(&name)).await?;
    Ok(Json(request.ok_or_else(|| no_request(&id))?).into_response())
}

/// Sends everything that is held about the people whom a request for access named.
pub(crate) async fn document(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let name = id.clone();
    let sight = sight(&token);
    let document = app.read(move |engine| engine.privacy_document(&name, sight)).await?;
    let document = document.ok_or_else(|| no_request(&id))?;
    audit(&app, &token, "privacy.document", format!("privacy/requests/{id}")).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"personal-data.json\""),
        ),
    ];
    Ok((headers, axum::body::Body::new(Pieces::of(document))).into_response())
}

fn no_request(id: &str) -> ApiError {
    let id: String = id.chars().take(40).collect();
    ApiError::not_found(format!("privacy request `{id}`"))
}

/// A document on its way: its pieces are read by a thread of their own, as they are taken.
struct Pieces(mpsc::Receiver<Result<Bytes, engine::EngineError>>);

impl Pieces {
    fn of(mut document: Document) -> Self {
        let (pieces, taken) = mpsc::channel(PIECES_AHEAD);
        tokio::task::spawn_blocking(move || {
            while let Some(piece) = document.next_piece() {
                if let Err(error) = &piece {
                    tracing::error!(%error, "a document of personal data broke off");
                }
                // A caller that has gone away takes no more.
                if pieces.blocking_send(piece.map(Bytes::from)).is_err() {
                    return;
                }
            }
        });
        Self(taken)
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = engine::EngineError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

impl From<PrivacyError> for ApiError {
    fn from(error: PrivacyError) -> Self {
        match error {
            PrivacyError::Invalid(faults) => {
                Self::faults(StatusCode::UNPROCESSABLE_ENTITY, "invalid_privacy_request", faults)
            }
            PrivacyError::Unavailable(private) => Self::unavailable(private),
        }
    }
}
