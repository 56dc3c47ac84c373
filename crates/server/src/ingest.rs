//! Events in: single calls and batches as existing clients send them.

use std::time::Instant;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use compact_str::CompactString;
use engine::{
    definitions::{Source, SourceKind},
    ingest::{EventVerdict, Item, Rejected},
    normalise::{
        self, BatchError, BrowserSignals, ConsentReader, ConsentSignals, Envelope, MALFORMED_JSON,
        NOT_AN_OBJECT, normalise,
    },
};
use model::{EventKind, event::Marks};
use serde::{Deserialize, Serialize};

use crate::{app::App, auth, body, caller, cors, error::ApiError, gate, metrics::Area};

/// What a path takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    /// One event, of the kind that the path names.
    Single(EventKind),
    /// A list of events.
    Batch,
    /// A list of events that happened long ago: they trigger nothing.
    Historical,
}

/// Takes a call and answers when its events are durable and visible.
pub(crate) async fn handle(app: App, request: Request, call: Call) -> Response {
    let started = Instant::now();
    let result = take(&app, request, call).await;
    cors::open(gate::finish(&app, Area::Ingest, started, None, result))
}

async fn take(app: &App, request: Request, call: Call) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    // A key that stands outside the body is judged before the body is read.
    let known = known_source(app, &parts)?;
    let bytes = body::read(body, &parts.headers, &app.options).await?;
    let items = match call {
        Call::Single(kind) => vec![single(app, &parts, known, &bytes, kind)?],
        Call::Batch => batch(app, &parts, known, &bytes, false)?,
        Call::Historical => batch(app, &parts, known, &bytes, true)?,
    };
    let wants_verdicts = wants_verdicts(&parts);
    let ids = if wants_verdicts { items.iter().map(message_id).collect() } else { Vec::new() };
    let verdicts = app.engine.ingest(items).await?;
    Ok(if wants_verdicts { represented(&ids, &verdicts) } else { accepted() })
}

/// The source whose key stands outside the body, where one does.
pub(crate) fn known_source(app: &App, parts: &Parts) -> Result<Option<Source>, ApiError> {
    let write_key = auth::secret(&parts.headers, &parts.uri);
    write_key.map(|key| auth::source(app, Some(&key))).transpose()
}

/// What a call tells about who sends it. A server's own address and program say nothing about the person.
pub(crate) fn noticed(app: &App, source: &Source, parts: &Parts) -> Marks {
    if source.kind != SourceKind::Public {
        return Marks::default();
    }
    app.engine.caller_marks(&caller::of(app, source, parts))
}

fn single(
    app: &App,
    parts: &Parts,
    known: Option<Source>,
    bytes: &Bytes,
    kind: EventKind,
) -> Result<Item, ApiError> {
    match item(app, parts, known, bytes, kind, None)? {
        // With nothing in the body that could be an event, there is nothing to set aside.
        Item::Rejected(rejected) if is_no_event(&rejected) => {
            Err(ApiError::new(StatusCode::BAD_REQUEST, MALFORMED_JSON, rejected.detail))
        }
        item => Ok(item),
    }
}

/// One event in normal form, or why it is none; `row` as in [`Envelope`].
pub(crate) fn item(
    app: &App,
    parts: &Parts,
    known: Option<Source>,
    bytes: &[u8],
    kind: EventKind,
    row: Option<&str>,
) -> Result<Item, ApiError> {
    let source = match known {
        Some(source) => source,
        None => auth::source(app, key_in_body(bytes)?.as_deref())?,
    };
    let signals = app.engine.consent_signals();
    let received_at = app.engine.now();
    let envelope = Envelope {
        source: &source.key,
        received_at,
        judged_at: received_at,
        sent_at: None,
        historical: false,
        marks: noticed(app, &source, parts),
        kind: Some(kind),
        context: None,
        row,
        caller: caller::of(app, &source, parts),
        enricher: &app.options.enricher,
        consent: consent_reader(&signals, &source, &parts.headers),
    };
    Ok(normalise(bytes, &envelope))
}

fn is_no_event(rejected: &Rejected) -> bool {
    rejected.code == MALFORMED_JSON || rejected.code == NOT_AN_OBJECT
}

/// How what a call says about consent is read. A server's own headers say nothing about the person.
pub(crate) fn consent_reader<'a>(
    signals: &'a ConsentSignals,
    source: &Source,
    headers: &HeaderMap,
) -> ConsentReader<'a> {
    let browser = match source.kind {
        SourceKind::Public => browser_signals(headers),
        SourceKind::Server => BrowserSignals::default(),
    };
    ConsentReader { signals, browser }
}

/// What a browser says in the headers of a call.
pub(crate) fn browser_signals(headers: &HeaderMap) -> BrowserSignals {
    let is_set = |name| headers.get(name).is_some_and(|value| value.as_bytes() == b"1");
    BrowserSignals { gpc: is_set("sec-gpc"), dnt: is_set("dnt") }
}

/// The write key that a single call carries in its body.
fn key_in_body(bytes: &[u8]) -> Result<Option<String>, ApiError> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default, rename = "writeKey", alias = "write_key")]
        write_key: Option<String>,
    }
    let body: Body = serde_json::from_slice(bytes).map_err(|error| body::malformed(&error))?;
    Ok(body.write_key)
}

fn batch(
    app: &App,
    parts: &Parts,
    known: Option<Source>,
    bytes: &Bytes,
    historical: bool,
) -> Result<Vec<Item>, ApiError> {
    let batch = normalise::split(bytes, app.options.batch_events_max).map_err(refused_batch)?;
    let source = match known {
        Some(source) => source,
        None => auth::source(app, batch.write_key.as_deref())?,
    };
    let signals = app.engine.consent_signals();
    let received_at = app.engine.now();
    let envelope = Envelope {
        source: &source.key,
        received_at,
        judged_at: received_at,
        sent_at: batch.sent_at,
        historical,
        // Who brings the past is not who made it.
        marks: if historical { Marks::default() } else { noticed(app, &source, parts) },
        kind: None,
        context: batch.context.as_ref(),
        row: None,
        caller: caller::of(app, &source, parts),
        enricher: &app.options.enricher,
        consent: consent_reader(&signals, &source, &parts.headers),
    };
    Ok(batch.events.iter().map(|event| normalise(event, &envelope)).collect())
}

fn refused_batch(error: BatchError) -> ApiError {
    let detail = error.to_string();
    let (status, code) = match error {
        BatchError::TooMany { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "batch_too_large"),
        BatchError::NoList { .. } => (StatusCode::BAD_REQUEST, "invalid_request"),
        BatchError::Malformed(_) | BatchError::Unclosed { .. } => {
            (StatusCode::BAD_REQUEST, MALFORMED_JSON)
        }
    };
    ApiError::new(status, code, detail)
}

fn wants_verdicts(parts: &Parts) -> bool {
    prefers_representation(&parts.headers)
}

fn prefers_representation(headers: &HeaderMap) -> bool {
    headers.get_all("prefer").iter().any(|value| {
        let preferences = value.to_str().unwrap_or_default().split([',', ';']);
        preferences.map(str::trim).any(|one| one.eq_ignore_ascii_case("return=representation"))
    })
}

fn message_id(item: &Item) -> Option<CompactString> {
    match item {
        Item::Event(event) | Item::Replayed(event, _) => Some(event.message_id.clone()),
        Item::Rejected(_) => None,
    }
}

fn json(body: impl Into<axum::body::Body>) -> Response {
    let mut response = body.into().into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn accepted() -> Response {
    json(r#"{"success":true}"#)
}

/// The answer with a verdict for each event, in the order sent.
fn represented(ids: &[Option<CompactString>], verdicts: &[EventVerdict]) -> Response {
    #[derive(Serialize)]
    struct Represented<'a> {
        success: bool,
        events: Vec<One<'a>>,
    }
    #[derive(Serialize)]
    struct One<'a> {
        message_id: Option<&'a str>,
        #[serde(flatten)]
        verdict: &'a EventVerdict,
    }
    let events = ids
        .iter()
        .zip(verdicts)
        .map(|(id, verdict)| One { message_id: id.as_deref(), verdict })
        .collect();
    let body = serde_json::to_vec(&Represented { success: true, events }).unwrap_or_default();
    let mut response = json(body);
    let applied = HeaderValue::from_static("return=representation");
    response.headers_mut().insert("preference-applied", applied);
    response
}
