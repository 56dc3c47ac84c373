//! Feature flags for the clients of OpenFeature: its remote evaluation protocol, 0.3.
//!
//! A placement's key is the flag's key, and a decision its evaluation. One flag that is asked for is a decision like
//! any other and recorded; all at once are an offer of which nobody knows yet what will be used, so it is recorded by
//! the event `Flag Used` that brings the evaluation's token back.

mod refusal;
mod stream;
mod subject;

use std::time::Instant;

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use engine::decide::{DecideAnswer, DecideRequest, Decision, Reason};
use model::{Duration, Key, Timestamp, Value, value::Object};
use serde::Serialize;

use crate::{
    app::App,
    auth, body, cors,
    decide::{self, BODY_BYTES_MAX, Caller, Situation},
    error::ApiError,
    gate,
    metrics::Area,
    tag,
};

use refusal::{Code, Refusal};
pub(crate) use stream::{STREAMS_MAX, events};
use subject::Subject;

/// How long an answer to all flags is at most held for unchanged, so that its tokens never get too old to come back.
const ANSWER_LASTS: Duration = Duration::days(1);

/// The variant of somebody who is held out of an experience; no variant has this key.
const HELD_OUT: &str = "holdout";
/// The variant where no experience won.
const NO_VARIANT: &str = "default";

/// Evaluates one flag.
pub(crate) async fn flag(
    State(app): State<App>,
    key: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let key = key.map_or_else(|_| String::new(), |Path(key)| key);
    let result = one(&app, key, request).await;
    cors::open(gate::finish(&app, Area::Decide, started, None, result))
}

/// Evaluates all flags.
pub(crate) async fn flags(State(app): State<App>, request: Request) -> Response {
    let started = Instant::now();
    let result = all(&app, request).await;
    cors::open(gate::finish(&app, Area::Decide, started, None, result))
}

async fn one(app: &App, key: String, request: Request) -> Result<Response, ApiError> {
    let (parts, caller, bytes) = read(app, request).await?;
    let subject = match Subject::parse(&bytes) {
        Ok(subject) => subject,
        Err(refusal) => return Ok(refusal.of_flag(key).into_response()),
    };
    let flag = key.parse::<Key>().ok().filter(|flag| app.engine.is_flag(flag));
    let Some(flag) = flag else {
        let refusal = Refusal::new(Code::FlagNotFound, format!("flag `{key}` was not found"));
        return Ok(refusal.of_flag(key).into_response());
    };
    let decided = evaluate(app, &parts, &caller, subject, vec![flag], Use::Certain)?;
    let version = decided.definitions_version;
    let evaluation = decided.decisions.first().map(|decision| Evaluation::of(decision, version));
    let evaluation = evaluation.ok_or_else(|| ApiError::internal("a flag was not decided"))?;
    let response = match evaluation {
        Evaluation::Flag(flag) => Json(flag).into_response(),
        Evaluation::Failed(refusal) => refusal.into_response(),
    };
    Ok(for_one_person(response))
}

async fn all(app: &App, request: Request) -> Result<Response, ApiError> {
    let (parts, caller, bytes) = read(app, request).await?;
    let subject = match Subject::parse(&bytes) {
        Ok(subject) => subject,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    // There are as many as there may be placements, a thousand.
    let flags = app.engine.flags();
    let decided = evaluate(app, &parts, &caller, subject, flags, Use::Possible)?;
    let version = decided.definitions_version;
    let all = decided.decisions.iter().map(|decision| Evaluation::of(decision, version));
    let answer = All {
        flags: all.collect(),
        event_streams: stream::offered(app, &parts, &caller),
        metadata: AllMetadata { definitions_version: version },
    };
    let tag = answer.tag(app.engine.now());
    let mut response = if tag::holds(&parts.headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(&answer).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(&format!("W/{tag}")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(for_one_person(response))
}

/// The call, once it is known who makes it.
async fn read(app: &App, request: Request) -> Result<(Parts, Caller, bytes::Bytes), ApiError> {
    let (parts, body) = request.into_parts();
    let caller = caller(app, &parts)?;
    let bytes = body::read_limited(body, &parts.headers, BODY_BYTES_MAX).await?;
    Ok((parts, caller, bytes))
}

/// Who calls: `X-API-Key` or what other paths take, each a write key or a token.
fn caller(app: &App, parts: &Parts) -> Result<Caller, ApiError> {
    let api_key = auth::api_key(&parts.headers);
    let secret = auth::secret(&parts.headers, &parts.uri);
    let write_key = api_key.or(secret.as_deref());
    Caller::of(app, write_key, api_key.or_else(|| auth::bearer(&parts.headers)))
}

/// Whether somebody will see what is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Certain,
    Possible,
}

fn evaluate(
    app: &App,
    parts: &Parts,
    caller: &Caller,
    subject: Subject,
    flags: Vec<Key>,
    used: Use,
) -> Result<DecideAnswer, ApiError> {
    let Subject { identifiers, context } = subject;
    let Situation { context, consents, marks } = Situation::of(app, parts, caller, context, None);
    let request = DecideRequest {
        identifiers,
        placements: Some(flags),
        context,
        consents,
        explain: false,
        record: used == Use::Certain,
        at: None,
        marks,
        public: caller.is_public(),
        source: caller.source().cloned(),
        masked: false,
        preview: None,
    };
    let mut decided = decide::decide(app, &request)?;
    for decision in &mut decided.decisions {
        // What is recorded already needs no token to be recorded by.
        if used == Use::Certain && !decision.unrecorded {
            decision.token = None;
        }
    }
    Ok(decided)
}

fn for_one_person(mut response: Response) -> Response {
    // `no-cache` would let a proxy keep it; the client keeps it by itself and asks with the tag.
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

/// The answer to all flags.
#[derive(Debug, Serialize)]
struct All<'a> {
    flags: Vec<Evaluation<'a>>,
    #[serde(rename = "eventStreams", skip_serializing_if = "Option::is_none")]
    event_streams: Option<Value>,
    metadata: AllMetadata,
}

#[derive(Debug, Serialize)]
struct AllMetadata {
    definitions_version: u64,
}

impl All<'_> {
    /// A tag of all that a client could tell apart, but for what each evaluation has anew.
    fn tag(&self, now: Timestamp) -> String {
        let told: Vec<_> = self.flags.iter().map(Evaluation::told).collect();
        let day = now.0.div_euclid(ANSWER_LASTS.0);
        let text = serde_json::to_vec(&(told, day)).unwrap_or_default();
        tag::of(&text)
    }
}

/// A flag, or why there is none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Evaluation<'a> {
    Flag(Flag<'a>),
    Failed(Refusal),
}

/// An evaluated flag.
#[derive(Debug, Serialize)]
struct Flag<'a> {
    key: &'a Key,
    /// Absent, the client uses the default of its own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<FlagValue<'a>>,
    reason: &'static str,
    /// Always there: some clients do not do without.
    variant: &'a str,
    metadata: Metadata<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum FlagValue<'a> {
    Content(&'a Object),
    Member(&'a Value),
}

/// What else there is to tell; flat, as the protocol wants it.
#[derive(Debug, Serialize)]
struct Metadata<'a> {
    #[serde(flatten)]
    told: Told<'a>,
    decision_id: String,
    definitions_version: u64,
    /// What `Flag Used` brings back; only where the evaluation is not recorded yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

/// The part of it that follows from definitions and person.
#[derive(Clone, Copy, Debug, Serialize)]
struct Told<'a> {
    /// Our own reason, of which there are more.
    decision_reason: Reason,
    propensity: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    experience: Option<&'a Key>,
}

impl<'a> Evaluation<'a> {
    fn of(decision: &'a Decision, definitions_version: u64) -> Self {
        let Decision { placement: key, content, reason, .. } = decision;
        if *reason == Reason::Error && content.is_none() {
            let refusal = Refusal::new(Code::General, format!("flag `{key}` is broken"));
            return Self::Failed(refusal.of_flag(key.as_str()));
        }
        let metadata = Metadata {
            told: Told {
                decision_reason: *reason,
                propensity: decision.propensity,
                experience: decision.experience.as_ref(),
            },
            decision_id: decision.id.to_string(),
            definitions_version,
            token: decision.token.as_deref(),
        };
        let value = content.as_deref().and_then(value);
        let variant = match &decision.variant {
            Some(variant) => variant.as_str(),
            None if *reason == Reason::Holdout => HELD_OUT,
            None => NO_VARIANT,
        };
        Self::Flag(Flag { key, value, reason: openfeature(*reason), variant, metadata })
    }

    /// What a client could tell apart.
    fn told(&self) -> Value {
        let told = match self {
            Self::Failed(refusal) => serde_json::to_value(refusal),
            Self::Flag(Flag { key, value, reason, variant, metadata }) => {
                serde_json::to_value((key, value, reason, variant, metadata.told))
            }
        };
        told.unwrap_or_default()
    }
}

/// The value of a flag with this content: of content with the single member `value` that member, unless it is a list;
/// else the whole. `null` is none, so that the client's default holds.
fn value(content: &Object) -> Option<FlagValue<'_>> {
    match content.get("value") {
        Some(Value::Null) if content.len() == 1 => None,
        Some(member) if content.len() == 1 && !member.is_array() => Some(FlagValue::Member(member)),
        _ => Some(FlagValue::Content(content)),
    }
}

/// The reason in the words of the protocol, which has fewer.
fn openfeature(reason: Reason) -> &'static str {
    match reason {
        Reason::TargetingMatch => "TARGETING_MATCH",
        // A holdout is drawn as well.
        Reason::Split | Reason::Holdout => "SPLIT",
        Reason::Paused => "DISABLED",
        Reason::Default | Reason::NoConsent | Reason::FrequencyCap | Reason::Excluded => "STATIC",
        Reason::Error => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value_of(content: &Value) -> Value {
        let content = content.as_object().unwrap();
        serde_json::to_value(value(content)).unwrap()
    }

    #[test]
    fn a_single_member_value_is_the_flags_value() {
        for (content, expected) in [
            (json!({"value": true}), json!(true)),
            (json!({"value": "blue"}), json!("blue")),
            (json!({"value": 1.5}), json!(1.5)),
            (json!({"value": {"a": 1}}), json!({"a": 1})),
            (json!({"value": null}), Value::Null),
            (json!({"value": [1]}), json!({"value": [1]})),
            (json!({"value": 1, "unit": "cm"}), json!({"value": 1, "unit": "cm"})),
            (json!({"title": "Hi"}), json!({"title": "Hi"})),
            (json!({}), json!({})),
        ] {
            assert_eq!(value_of(&content), expected, "{content}");
        }
    }
}
