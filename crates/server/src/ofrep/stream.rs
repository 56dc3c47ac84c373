//! Word that definitions changed, as server-sent events: clients then ask for their flags anew.
//!
//! A stream carries no flags and nothing about anybody, so whoever may ask for flags may open one.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use hyper::body::Frame;
use model::Value;
use serde_json::json;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Interval, MissedTickBehavior, interval},
};

use super::caller;
use crate::{app::App, auth, cors, decide::Caller, error::ApiError, gate, metrics::Area};

/// The path of the stream.
pub(crate) const PATH: &str = "/ofrep/v1/events";
/// How many streams may be open at once: each is a connection, and connections are for more than this.
pub(crate) const STREAMS_MAX: usize = 2_000;
/// When to try again where that many are open, in seconds.
const RETRY_SECONDS: u32 = 60;
/// How long a client may be inactive before it lets go of its stream, in seconds.
const INACTIVITY_SECONDS: u32 = 120;
/// How long browsers wait before they open a broken stream again, in milliseconds.
const REOPEN_MS: u32 = 5_000;
/// How often a stream looks whether definitions changed or the server is stopping.
const TICK: Duration = Duration::from_secs(1);
/// After so many ticks a comment is sent, so that nobody in between takes the stream for dead.
const TICKS_PER_COMMENT: u32 = 15;

/// The streams that a client is told of. The key of a public source may stand in an address, and no other secret may.
pub(super) fn offered(app: &App, parts: &Parts, caller: &Caller) -> Option<Value> {
    if !caller.is_public() {
        return None;
    }
    let secret = auth::secret(&parts.headers, &parts.uri);
    let key = auth::api_key(&parts.headers).or(secret.as_deref())?;
    let query = encoded(key);
    let place = match &app.options.public_url {
        Some(url) => json!({"url": format!("{}{PATH}?{query}", url.trim_end_matches('/'))}),
        None => json!({"endpoint": {"requestUri": format!("{PATH}?{query}")}}),
    };
    let mut stream = json!({"type": "sse", "inactivityDelaySec": INACTIVITY_SECONDS});
    if let (Value::Object(stream), Value::Object(place)) = (&mut stream, place) {
        stream.extend(place);
    }
    Some(Value::Array(vec![stream]))
}

fn encoded(key: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("writeKey", key).finish()
}

/// Opens a stream.
pub(crate) async fn events(State(app): State<App>, request: Request) -> Response {
    let started = Instant::now();
    let (parts, _) = request.into_parts();
    let result = open(&app, &parts);
    cors::open(gate::finish(&app, Area::Other, started, None, result))
}

fn open(app: &App, parts: &Parts) -> Result<Response, ApiError> {
    caller(app, parts)?;
    let slot = Arc::clone(&app.flag_streams).try_acquire_owned().map_err(|_| {
        let detail = "as many streams are open as may be; ask for the flags now and then instead";
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail)
            .with_retry_after(RETRY_SECONDS)
    })?;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let current = app.engine.definitions_version();
    let seen = last_event_id(&parts.headers).unwrap_or(current);
    let stream = Stream { app: app.clone(), tick, ticks: 0, seen, _slot: slot };
    let mut response = Response::new(Body::new(stream));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The version that a client whose stream broke has been told of.
fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// The body: word of a change, comments while there is none.
struct Stream {
    app: App,
    tick: Interval,
    ticks: u32,
    /// The version of the definitions that the client knows of.
    seen: u64,
    _slot: OwnedSemaphorePermit,
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let data = |text: String| Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
        while this.tick.poll_tick(context).is_ready() {
            if this.app.is_draining.load(Ordering::Relaxed) {
                return Poll::Ready(None);
            }
            this.ticks = this.ticks.wrapping_add(1);
            if this.ticks == 1 {
                return data(format!("retry: {REOPEN_MS}\n\n"));
            }
            let version = this.app.engine.definitions_version();
            if version != this.seen {
                this.seen = version;
                return data(changed(version));
            }
            if this.ticks.is_multiple_of(TICKS_PER_COMMENT) {
                return data(": still here\n\n".to_owned());
            }
        }
        Poll::Pending
    }
}

fn changed(version: u64) -> String {
    let word = json!({"type": "refetchEvaluation", "etag": format!("\"v{version}\"")});
    format!("id: {version}\nevent: message\ndata: {word}\n\n")
}
