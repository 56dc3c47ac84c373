//! What happens now, as server-sent events.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use bytes::Bytes;
use compact_str::CompactString;
use engine::{
    definitions::{Scope, Token},
    observation::{LiveQuery, Watch},
};
use hyper::body::Frame;
use model::{Identifier, IdentifierType, SourceKey};
use serde::Deserialize;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::{app::App, audiences::audit, error::ApiError, gate, profiles::sight, query};

/// How often a stream looks whether the server is stopping.
const TICK: Duration = Duration::from_secs(1);
/// After so many ticks a comment is sent, so that nobody in between takes the stream for dead.
const TICKS_PER_COMMENT: u32 = 15;
/// The verdicts that can be asked for.
const VERDICTS: [&str; 4] = ["accepted", "duplicate", "quarantined", "refused"];

/// What to watch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Selection {
    source: Option<SourceKey>,
    event: Option<CompactString>,
    verdict: Option<CompactString>,
    /// `type:value`.
    identifier: Option<String>,
    #[serde(default)]
    one_in: u64,
}

/// Shows events as they come.
pub(crate) async fn watch(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Selection { source, event, verdict, identifier, one_in } = query::parse(&uri)?;
    if verdict.as_deref().is_some_and(|verdict| !VERDICTS.contains(&verdict)) {
        return Err(ApiError::invalid(format!("`verdict` is one of {}", VERDICTS.join(", "))));
    }
    let unmasked = token.allows(Scope::ProfilesRead);
    if identifier.is_some() && !unmasked {
        // That somebody is active now is personal, too.
        return Err(gate::missing_scope(Scope::ProfilesRead));
    }
    let identifier = identifier.as_deref().map(parse_identifier).transpose()?;
    if unmasked {
        audit(&app, &token, "live.watch", "live".to_owned()).await?;
    }
    let query =
        LiveQuery { source, event, identifier, verdict, one_in, unmasked, sight: sight(&token) };
    let watch = app.engine.watch(query).ok_or_else(|| {
        let status = StatusCode::TOO_MANY_REQUESTS;
        ApiError::new(status, "too_many_watchers", "as many watch as may; try again later")
    })?;
    Ok(stream(app, watch))
}

fn parse_identifier(text: &str) -> Result<Identifier, ApiError> {
    // A type may have a colon of its own: `external:crm:42`.
    let parsed = text.match_indices(':').rev().find_map(|(colon, _)| {
        let (kind, value) = (text.get(..colon)?, text.get(colon + 1..)?);
        let is_sound = (1..=IdentifierType::MAX_VALUE_BYTES).contains(&value.len());
        Some(Identifier::new(IdentifierType::parse(kind)?, value)).filter(|_| is_sound)
    });
    parsed
        .ok_or_else(|| ApiError::invalid("write `identifier` as `type:value`, as in `user_id:u1`"))
}

fn stream(app: App, watch: Watch) -> Response {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut response = Response::new(Body::new(Stream { app, watch, tick, ticks: 0 }));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The body: events as they come, what was lost before them, comments while nothing comes.
struct Stream {
    app: App,
    watch: Watch,
    tick: Interval,
    ticks: u32,
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
            this.ticks += 1;
            if this.ticks.is_multiple_of(TICKS_PER_COMMENT) || this.ticks == 1 {
                return data(": still here\n\n".to_owned());
            }
        }
        match this.watch.take_lost() {
            0 => {}
            lost => return data(format!("event: lost\ndata: {{\"events\":{lost}}}\n\n")),
        }
        match this.watch.events.poll_recv(context) {
            Poll::Ready(Some(event)) => data(format!("event: event\ndata: {event}\n\n")),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}
