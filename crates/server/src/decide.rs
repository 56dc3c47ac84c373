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
    definitions::{Scope, Source, SourceKind},
    normalise::{BrowserSignals, ConsentReader},
};
use model::{Consents, DecisionId, Key, LazyObject, SourceKey, Timestamp, event::Marks};

use crate::{app::App, auth, body, cors, error::ApiError, gate, ingest, metrics::Area};

use request::Sent;
pub(crate) use request::{Identifiers, PLACEMENTS_MAX};

/// Largest body of a decision request, in bytes: a context is small.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

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
    let secret = auth::secret(&parts.headers, &parts.uri);
    let write_key = secret.as_deref().or(sent.write_key.as_deref());
    let caller = Caller::of(app, write_key, auth::bearer(&parts.headers))?;
    // Whether a preview allows reasons is found out as it is read.
    let is_explained = sent.explain && sent.preview().is_none();
    if !matches!(caller, Caller::Token { .. }) && (is_explained || sent.at.is_some()) {
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
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A browser or an app with its public key.
    Public(Source),
    /// A server with its write key.
    Server(Source),
    /// A token with the scope for it.
    Token {
        /// It may see sensitive values, too.
        sees_all: bool,
    },
}

impl Caller {
    /// Whoever has a secret: a source with its write key, or a token that may decide.
    pub(crate) fn of(
        app: &App,
        write_key: Option<&str>,
        token: Option<&str>,
    ) -> Result<Self, ApiError> {
        if let Some(source) = write_key.and_then(|key| app.engine.source(key)) {
            return Ok(match source.kind {
                SourceKind::Public => Self::Public(source),
                SourceKind::Server => Self::Server(source),
            });
        }
        match token.and_then(|secret| app.engine.token(secret)) {
            Some(token) if token.allows(Scope::Decide) => {
                Ok(Self::Token { sees_all: token.allows(Scope::ProfilesSensitive) })
            }
            Some(_) => Err(gate::missing_scope(Scope::Decide)),
            None if write_key.is_some() => {
                let detail = "this is neither a source's write key nor a token";
                Err(ApiError::unauthorized("write_key_unknown", detail))
            }
            None => Err(auth::missing_write_key()),
        }
    }

    /// The source whose write key it has.
    pub(crate) fn source(&self) -> Option<&SourceKey> {
        match self {
            Self::Public(source) | Self::Server(source) => Some(&source.key),
            Self::Token { .. } => None,
        }
    }

    /// Whether it proved nothing about who it is.
    pub(crate) fn is_public(&self) -> bool {
        matches!(self, Self::Public(_))
    }
}

/// What a request says beside whom it is about and what is wanted.
pub(crate) struct Situation {
    pub(crate) context: LazyObject,
    pub(crate) consents: Consents,
    pub(crate) marks: Marks,
}

impl Situation {
    /// What the context says, completed by what the call itself shows of a browser.
    pub(crate) fn of(
        app: &App,
        parts: &Parts,
        caller: &Caller,
        mut context: LazyObject,
        at: Option<Timestamp>,
    ) -> Self {
        let mut marks = Marks::default();
        let mut browser = BrowserSignals::default();
        if let Caller::Public(source) = caller {
            request::fill_context(&mut context, parts, app.options.proxies);
            marks = ingest::noticed(app, source, parts);
            browser = ingest::browser_signals(&parts.headers);
        }
        let instant = at.unwrap_or_else(|| app.engine.now());
        app.options.enricher.complete_request(&mut context, instant);
        if at.is_none() {
            app.options.enricher.complete_weather(&mut context, instant);
        }
        let signals = app.engine.consent_signals();
        let consents = ConsentReader { signals: &signals, browser }.read(|name| context.get(name));
        Self { context, consents, marks }
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
    let preview = sent.preview().map(str::to_owned);
    let context = sent.context.unwrap_or_default();
    let Situation { context, consents, marks } = Situation::of(app, parts, &caller, context, at);
    Ok(DecideRequest {
        identifiers: sent.identifiers.into_sound()?,
        placements,
        context,
        consents,
        explain: sent.explain,
        record: sent.record,
        at,
        marks,
        public: caller.is_public(),
        source: caller.source().cloned(),
        // Content may need what only its reader is to see; who asks for reasons looks at it.
        masked: sent.explain && !matches!(caller, Caller::Token { sees_all: true }),
        preview,
    })
}

/// Room for the answer around its decisions, in bytes.
const ANSWER_BYTES: usize = 128;
/// Room for a usual decision, in bytes.
const DECISION_BYTES: usize = 512;

/// The answer as it is sent: the engine's own types, with the id as text. Ids, keys and tokens are
/// of characters that stand in JSON as they are.
fn write(decided: &DecideAnswer) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(ANSWER_BYTES + decided.decisions.len() * DECISION_BYTES);
    out.extend_from_slice(b"{\"decisions\":[");
    for (position, decision) in decided.decisions.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_decision(decision, &mut out)?;
    }
    out.extend_from_slice(b"],\"definitions_version\":");
    serde_json::to_writer(&mut out, &decided.definitions_version)?;
    if decided.preview {
        out.extend_from_slice(b",\"preview\":true");
    }
    if let Some(context) = &decided.context {
        out.extend_from_slice(b",\"context\":");
        serde_json::to_writer(&mut out, context)?;
    }
    out.push(b'}');
    Ok(out)
}

fn write_decision(decision: &Decision, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let plain = |out: &mut Vec<u8>, name: &[u8], text: Option<&[u8]>| {
        out.extend_from_slice(name);
        match text {
            Some(text) => {
                out.push(b'"');
                out.extend_from_slice(text);
                out.push(b'"');
            }
            None => out.extend_from_slice(b"null"),
        }
    };
    fn key(key: &Key) -> &[u8] {
        key.as_str().as_bytes()
    }
    plain(out, b"{\"id\":", Some(&digits(decision.id)));
    plain(out, b",\"placement\":", Some(key(&decision.placement)));
    plain(out, b",\"experience\":", decision.experience.as_ref().map(key));
    plain(out, b",\"variant\":", decision.variant.as_ref().map(key));
    out.extend_from_slice(b",\"content\":");
    serde_json::to_writer(&mut *out, &decision.content)?;
    out.extend_from_slice(b",\"reason\":");
    serde_json::to_writer(&mut *out, &decision.reason)?;
    out.extend_from_slice(b",\"propensity\":");
    serde_json::to_writer(&mut *out, &decision.propensity)?;
    if let Some(places) = &decision.places {
        out.extend_from_slice(b",\"places\":");
        serde_json::to_writer(&mut *out, places)?;
    }
    if let Some(trigger) = &decision.trigger {
        out.extend_from_slice(b",\"trigger\":");
        serde_json::to_writer(&mut *out, trigger)?;
    }
    if let Some(token) = &decision.token {
        plain(out, b",\"token\":", Some(token.as_bytes()));
    }
    if decision.unrecorded {
        out.extend_from_slice(b",\"unrecorded\":true");
    }
    if let Some(explanation) = &decision.explanation {
        out.extend_from_slice(b",\"explanation\":");
        serde_json::to_writer(&mut *out, explanation)?;
    }
    out.push(b'}');
    Ok(())
}

/// The digits of an id, as its text has them.
fn digits(id: DecisionId) -> [u8; 32] {
    const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 32];
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(id.0.to_be_bytes()) {
        *pair = [byte >> 4, byte & 0xf].map(|half| HEXADECIMAL[usize::from(half)]);
    }
    digits
}

/// Writes the answer.
pub(crate) fn written(decided: &DecideAnswer) -> Response {
    let body = match write(decided) {
        Ok(body) => body,
        Err(error) => return ApiError::internal(error.to_string()).into_response(),
    };
    let mut response = axum::body::Body::from(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::decide::{Awaited, Place};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_written_by_hand_is_what_the_types_say() {
        let key = |text: &str| -> Option<Key> { Some(text.parse().unwrap()) };
        let bare = Decision {
            id: DecisionId(0x00c0_ffee),
            placement: key("home").unwrap(),
            experience: None,
            variant: None,
            content: None,
            reason: serde_json::from_value(json!("default")).unwrap(),
            propensity: 1.0,
            places: None,
            trigger: None,
            token: None,
            unrecorded: false,
            explanation: None,
        };
        let content = json!({"title": "say \"hej\"\n", "n": [1.5, null]});
        let full = Decision {
            id: DecisionId(u128::from(u64::MAX)),
            experience: key("hero"),
            variant: key("a"),
            content: Some(Arc::new(content.as_object().unwrap().clone())),
            propensity: 0.1,
            places: Some(Arc::new([Place {
                selector: "h1".to_owned(),
                fallbacks: vec!["#a > h1".to_owned()],
            }])),
            trigger: Some(Awaited { on: "idle", percent: None, ms: Some(20_000) }),
            token: Some("AaBb_-09".to_owned()),
            unrecorded: true,
            explanation: Some(Vec::new()),
            ..bare.clone()
        };
        for decisions in [vec![], vec![bare.clone()], vec![full, bare]] {
            let preview = decisions.len() == 1;
            let context = preview.then(|| LazyObject::from(content.as_object().unwrap().clone()));
            let decided = DecideAnswer { decisions, definitions_version: 7, preview, context };
            let mut expected = serde_json::to_value(&decided).unwrap();
            for (value, decision) in
                expected["decisions"].as_array_mut().unwrap().iter_mut().zip(&decided.decisions)
            {
                value["id"] = Value::from(decision.id.to_string());
            }
            let written: Value = serde_json::from_slice(&write(&decided).unwrap()).unwrap();
            assert_eq!(written, expected);
        }
        let id = DecisionId(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210);
        assert_eq!(digits(id), id.to_string().as_bytes());
    }
}
