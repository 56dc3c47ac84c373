//! Decisions out: the hottest path, so it is parsed once, answered once, and wrapped in nothing.

mod request;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use engine::{
    decide::{DecideAnswer, DecideRequest, Decision},
    definitions::{Scope, SourceKind},
};
use serde::{Serialize, Serializer};

use crate::{app::App, auth, body, cors, error::ApiError, gate, metrics::Area};

pub(crate) use request::PLACEMENTS_MAX;
use request::Sent;

/// Largest body of a decision request, in bytes: a context is small.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Answers a decision request.
pub(crate) async fn handle(State(app): State<App>, request: Request) -> Response {
    let started = Instant::now();
    let result = answer(&app, request).await;
    cors::open(gate::finish(&app, Area::Decide, started, None, result))
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = body::read_limited(body, &parts.headers, BODY_BYTES_MAX).await?;
    let sent: Sent<'_> = request::parse(&bytes)?;
    let caller = caller(app, &parts, &sent)?;
    if !matches!(caller, Caller::Token) && (sent.explain || sent.at.is_some()) {
        let detail = "`explain` and `at` need a token with the scope `decide`";
        return Err(ApiError::forbidden("token_required", detail));
    }
    let request = decide_request(app, &parts, sent, caller)?;
    let decided = decide(app, &request)?;
    Ok(written(&decided))
}

/// Decides, containing a bug to this one call.
pub(crate) fn decide(app: &App, request: &DecideRequest) -> Result<DecideAnswer, ApiError> {
    match catch_unwind(AssertUnwindSafe(|| app.engine.decide(request))) {
        Ok(decided) => Ok(decided?),
        Err(_) => Err(gate::panicked(app)),
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
enum Caller {
    /// A browser or an app with its public key.
    Public,
    /// A server with its write key.
    Server,
    /// A token with the scope for it.
    Token,
}

fn caller(app: &App, parts: &Parts, sent: &Sent<'_>) -> Result<Caller, ApiError> {
    let secret = auth::secret(&parts.headers, &parts.uri);
    let write_key = secret.as_deref().or(sent.write_key.as_deref());
    if let Some(source) = write_key.and_then(|key| app.engine.source(key)) {
        return Ok(match source.kind {
            SourceKind::Public => Caller::Public,
            SourceKind::Server => Caller::Server,
        });
    }
    match auth::bearer(&parts.headers).and_then(|secret| app.engine.token(secret)) {
        Some(token) if token.allows(Scope::Decide) => Ok(Caller::Token),
        Some(_) => Err(gate::missing_scope(Scope::Decide)),
        None if write_key.is_some() => {
            let detail = "this is neither a source's write key nor a token";
            Err(ApiError::unauthorized("write_key_unknown", detail))
        }
        None => Err(auth::missing_write_key()),
    }
}

fn decide_request(
    app: &App,
    parts: &Parts,
    sent: Sent<'_>,
    caller: Caller,
) -> Result<DecideRequest, ApiError> {
    let at = sent.instant()?;
    let placements = sent.placement_keys()?;
    let mut context = sent.context.unwrap_or_default();
    if matches!(caller, Caller::Public) {
        request::fill_context(&mut context, parts, app.options.proxies);
    }
    let consents = engine::normalise::consents(|name| context.get(name), &|key| app.purpose(key));
    Ok(DecideRequest {
        identifiers: sent.identifiers.into_sound()?,
        placements,
        context,
        consents,
        explain: sent.explain,
        record: sent.record,
        at,
        public: matches!(caller, Caller::Public),
    })
}

/// The answer as it is sent: the engine's own types, with the id as text.
#[derive(Serialize)]
struct Answer<'a> {
    decisions: Vec<Written<'a>>,
    definitions_version: u64,
}

struct Written<'a>(&'a Decision);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        struct Text<T>(T);
        impl<T: std::fmt::Display> Serialize for Text<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }
        let decision = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &Text(&decision.id))?;
        map.serialize_entry("placement", &decision.placement)?;
        map.serialize_entry("experience", &decision.experience)?;
        map.serialize_entry("variant", &decision.variant)?;
        map.serialize_entry("content", &decision.content)?;
        map.serialize_entry("reason", &decision.reason)?;
        map.serialize_entry("propensity", &decision.propensity)?;
        if let Some(token) = &decision.token {
            map.serialize_entry("token", token)?;
        }
        if decision.unrecorded {
            map.serialize_entry("unrecorded", &true)?;
        }
        if let Some(explanation) = &decision.explanation {
            map.serialize_entry("explanation", explanation)?;
        }
        map.end()
    }
}

/// Writes the answer.
pub(crate) fn written(decided: &DecideAnswer) -> Response {
    let answer = Answer {
        decisions: decided.decisions.iter().map(Written).collect(),
        definitions_version: decided.definitions_version,
    };
    let mut body = Vec::with_capacity(1024);
    if let Err(error) = serde_json::to_writer(&mut body, &answer) {
        return ApiError::internal(error.to_string()).into_response();
    }
    let mut response = axum::body::Body::from(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
