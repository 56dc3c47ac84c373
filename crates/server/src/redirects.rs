//! Redirects: a visitor is led to the address that is decided for them, and is counted before they leave.
//!
//! Whoever follows a redirect is gone before a page could report it, so the server reports it to itself, as the event
//! `Redirect Followed`, and answers once that is durable. Where it cannot be recorded, be it for want of consent or of
//! room, the visitor is led to the default, which counts for nobody.

mod cookies;

use std::time::Instant;

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use engine::{
    REDIRECT_FOLLOWED,
    decide::{DecideRequest, Decision},
    definitions::{Source, SourceKind},
    ingest::EventVerdict,
};
use model::{EventKind, Identifier, IdentifierType, Key, LazyObject, Value};
use serde_json::json;

use crate::{
    app::App,
    auth,
    decide::{self, Caller, Situation},
    error::ApiError,
    gate, ingest,
    metrics::Area,
    settings,
};
use cookies::{Cookies, HOPS_MAX};

/// Parameters that are for this server and go along to nobody.
const OWN_PARAMETERS: [&str; 2] = ["writeKey", "write_key"];

/// Leads a visitor on.
pub(crate) async fn follow(
    State(app): State<App>,
    placement: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let (parts, _) = request.into_parts();
    let placement = placement.map_or_else(|_| String::new(), |Path(placement)| placement);
    let result = lead(&app, &placement, &parts).await;
    gate::finish(&app, Area::Decide, started, None, result)
}

async fn lead(app: &App, placement: &str, parts: &Parts) -> Result<Response, ApiError> {
    let source = auth::source(app, auth::secret(&parts.headers, &parts.uri).as_deref())?;
    if source.kind != SourceKind::Public {
        let detail = "the address of a redirect is public: use the write key of a public source";
        return Err(ApiError::forbidden("public_source_required", detail));
    }
    let key = placement.parse::<Key>().ok();
    let found = key.and_then(|key| Some((app.engine.leads_to(&key)?, key)));
    let Some((default, placement)) = found else {
        return Err(ApiError::not_found(format_args!("redirect `{placement}`")));
    };
    let cookies = Cookies::read(&parts.headers);
    if cookies.hops >= HOPS_MAX {
        let detail = "this visitor was led here again and again; a redirect leads back to itself";
        return Err(ApiError::new(StatusCode::LOOP_DETECTED, "redirect_loop", detail));
    }
    let chosen = match parts.method {
        // Who asks for the head only goes nowhere.
        Method::HEAD => None,
        _ => choose(app, (parts, source), placement, &cookies).await,
    };
    let url = chosen.as_ref().map_or(default.as_str(), |chosen| &chosen.url);
    let address = HeaderValue::from_str(&with_query(url, &parts.uri))
        .map_err(|_| ApiError::invalid("the query cannot be sent on"))?;
    let mut response = StatusCode::FOUND.into_response();
    let is_secure = settings::public_address(app, &parts.headers)
        .is_some_and(|(protocol, _)| protocol == "https");
    let kept = chosen.as_ref().map(|chosen| chosen.visitor.as_str());
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, address);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    for cookie in cookies.written(kept, is_secure) {
        headers.append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Where somebody is led, once that is recorded.
struct Chosen {
    url: String,
    visitor: String,
}

/// Decides for a visitor and records it; none where they are to be led to the default without being counted.
async fn choose(
    app: &App,
    (parts, source): (&Parts, Source),
    placement: Key,
    cookies: &Cookies,
) -> Option<Chosen> {
    let visitor = match &cookies.visitor {
        Some(known) => known.clone(),
        None => app.engine.new_anonymous_id().ok()?,
    };
    let page = page(app, parts);
    let caller = Caller::Public(source.clone());
    let decision = decided(app, parts, &caller, (placement, &visitor, &page))?;
    let token = decision.token.as_ref()?;
    let url = decision.content.as_ref()?.get("url")?.as_str()?.to_owned();
    let event = json!({
        "event": REDIRECT_FOLLOWED,
        "anonymousId": visitor,
        "properties": {
            "placement": decision.placement,
            "experience": decision.experience,
            "variant": decision.variant,
            "url": url,
            "token": token,
        },
        "context": {"page": page},
    });
    let bytes = serde_json::to_vec(&event).ok()?;
    // Each request is a redirect of its own, however equal they are.
    let row = app.request_id();
    let (source, kind) = (Some(source), EventKind::Track);
    let item = ingest::item(app, parts, source, &bytes, kind, Some(&row)).ok()?;
    let verdicts = app.engine.ingest(vec![item]).await.ok()?;
    let is_recorded = matches!(verdicts.as_slice(), [EventVerdict::Accepted]);
    is_recorded.then_some(Chosen { url, visitor })
}

fn decided(
    app: &App,
    parts: &Parts,
    caller: &Caller,
    (placement, visitor, page): (Key, &str, &Value),
) -> Option<Decision> {
    let context = json!({"page": page}).as_object().cloned().unwrap_or_default();
    let situation = Situation::of(app, parts, caller, LazyObject::from(context), None);
    let Situation { context, consents, marks } = situation;
    let request = DecideRequest {
        identifiers: vec![Identifier::new(IdentifierType::AnonymousId, visitor)],
        placements: Some(vec![placement]),
        context,
        consents,
        explain: false,
        // The event records it, so that it is done when the answer is sent.
        record: false,
        at: None,
        marks,
        public: true,
        source: caller.source().cloned(),
        masked: false,
        preview: None,
    };
    decide::decide(app, &request).ok()?.decisions.into_iter().next()
}

/// The page as events tell of it: this address and where the visitor came from.
fn page(app: &App, parts: &Parts) -> Value {
    let path = parts.uri.path();
    let query = parameters(&parts.uri);
    let query = if query.is_empty() { query } else { format!("?{query}") };
    let address = settings::public_address(app, &parts.headers);
    let (protocol, host) = address.unwrap_or_default();
    let referrer = parts.headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    json!({
        "url": format!("{protocol}://{host}{path}{query}"),
        "path": path,
        "search": query,
        "referrer": referrer,
    })
}

/// The visitor's own parameters, escaped anew.
fn parameters(uri: &Uri) -> String {
    written(pairs(uri.query()).filter(|(name, _)| !OWN_PARAMETERS.contains(&&**name)))
}

type Pair<'a> = (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>);

fn pairs(query: Option<&str>) -> impl Iterator<Item = Pair<'_>> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
}

fn written<'a>(pairs: impl Iterator<Item = Pair<'a>>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// An address with the visitor's parameters; one that the address has already stays as it is written there.
fn with_query(url: &str, uri: &Uri) -> String {
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (place, own) = url.split_once('?').unwrap_or((url, ""));
    let is_free = |name: &str| pairs(Some(own)).all(|(known, _)| known != name);
    let sent = pairs(uri.query()).filter(|(name, _)| !OWN_PARAMETERS.contains(&&**name));
    let sent = written(sent.filter(|(name, _)| is_free(name)));
    let parts = [own, &sent].into_iter().filter(|part| !part.is_empty());
    let query = parts.collect::<Vec<_>>().join("&");
    let mut whole = place.to_owned();
    for (mark, part) in [('?', query.as_str()), ('#', fragment)] {
        if !part.is_empty() {
            whole.push(mark);
            whole.push_str(part);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_visitors_parameters_go_along() {
        let led =
            |url: &str, query: &str| with_query(url, &format!("/r/x{query}").parse().unwrap());
        assert_eq!(led("/b", "?writeKey=k"), "/b");
        assert_eq!(led("/b", "?utm_source=a&writeKey=k&x=%C3%A5"), "/b?utm_source=a&x=%C3%A5");
        assert_eq!(led("https://a.se/b?v=2#top", "?v=1&w=3"), "https://a.se/b?v=2&w=3#top");
        assert_eq!(led("/b?", ""), "/b");
        assert_eq!(led("/b", "?a=1%0D%0ASet-Cookie%3Ax"), "/b?a=1%0D%0ASet-Cookie%3Ax");
    }
}
