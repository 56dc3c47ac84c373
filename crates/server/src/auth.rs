//! Who calls: a source by its write key, or a token by its secret.

use std::borrow::Cow;

use axum::{
    extract::Query,
    http::{HeaderMap, Uri, header},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use engine::definitions::Source;

use crate::{app::App, error::ApiError};

/// Where a caller may put a secret besides the body, in the order in which they count.
pub(crate) fn secret<'a>(headers: &'a HeaderMap, uri: &Uri) -> Option<Cow<'a, str>> {
    authorization(headers)
        .or_else(|| text(headers, "x-write-key").map(Cow::Borrowed))
        .or_else(|| from_query(uri).map(Cow::Owned))
        .filter(|secret| !secret.is_empty())
}

/// The secret of a bearer token, from nowhere but its header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, rest) = text(headers, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim()).filter(|secret| !secret.is_empty())
}

/// The key of a client of feature flags: a write key or a token.
pub(crate) fn api_key(headers: &HeaderMap) -> Option<&str> {
    text(headers, "x-api-key").filter(|secret| !secret.is_empty())
}

/// The user of a Basic header or the secret of a Bearer one. Clients send their write key as the
/// user with an empty password.
fn authorization(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    if let Some(secret) = bearer(headers) {
        return Some(Cow::Borrowed(secret));
    }
    let (scheme, rest) = text(headers, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(rest.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let user = decoded.split_once(':').map_or(decoded.as_str(), |(user, _)| user);
    (!user.is_empty()).then(|| Cow::Owned(user.to_owned()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn from_query(uri: &Uri) -> Option<String> {
    uri.query().filter(|query| query.contains("rite"))?;
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    pairs
        .into_iter()
        .find(|(name, _)| name == "writeKey" || name == "write_key")
        .map(|(_, key)| key)
}

/// The source behind a write key.
pub(crate) fn source(app: &App, write_key: Option<&str>) -> Result<Source, ApiError> {
    let Some(write_key) = write_key.filter(|key| !key.is_empty()) else {
        return Err(missing_write_key());
    };
    app.engine
        .source(write_key)
        .ok_or_else(|| ApiError::unauthorized("write_key_unknown", "no source has this write key"))
}

/// The error of a call without any key.
pub(crate) fn missing_write_key() -> ApiError {
    let detail =
        "send a write key: as the user of Basic, as Bearer, in the body, the query or X-Write-Key";
    ApiError::unauthorized("write_key_missing", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret_of(name: &'static str, value: &str, uri: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        if !value.is_empty() {
            headers.insert(name, value.parse().unwrap());
        }
        secret(&headers, &uri.parse().unwrap()).map(Cow::into_owned)
    }

    #[test]
    fn a_write_key_is_found_wherever_clients_put_it() {
        let found = |name, value, uri| secret_of(name, value, uri).unwrap_or_default();
        assert_eq!(found("authorization", "Basic V0s6", "/"), "WK");
        assert_eq!(found("authorization", "basic V0s=", "/"), "WK");
        assert_eq!(found("authorization", "Bearer WK", "/"), "WK");
        assert_eq!(found("x-write-key", "WK", "/"), "WK");
        assert_eq!(found("accept", "*/*", "/?a=b&writeKey=W%4B"), "WK");
        assert_eq!(found("accept", "*/*", "/?write_key=WK"), "WK");
    }

    #[test]
    fn what_is_no_key_is_none() {
        for value in ["Basic", "Basic !!", "Basic Og==", "Digest WK", "Bearer ", ""] {
            assert_eq!(secret_of("authorization", value, "/?writekeys=x"), None, "{value}");
        }
    }
}
