//! Which pages may call from a browser: any, because a write key is public and no cookie lets anybody in.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// How long a browser may remember the answer to a preflight. Two hours is the most that browsers grant.
const MAX_AGE_SECONDS: &str = "7200";
/// What is allowed whether a browser asks for it or not.
const KNOWN_HEADERS: [&str; 10] = [
    "authorization",
    "content-type",
    "content-encoding",
    "if-none-match",
    "x-write-key",
    "x-api-key",
    "x-retry-count",
    "prefer",
    "anonymousid",
    "x-request-id",
];
/// How many names of a question are looked at; clients ask for fewer than ten.
const ASKED_HEADERS_MAX: usize = 50;

/// Lets any page read the answer.
pub(crate) fn open(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("etag, retry-after, x-request-id"),
    );
    response
}

/// Answers a browser's question whether it may call: with any header, because clients add names of their own from
/// version to version, and what is not known is not read. `*` would not do: it leaves out `Authorization`, and
/// older browsers do not know it.
pub(crate) async fn preflight(headers: HeaderMap) -> Response {
    let mut names: Vec<HeaderName> = KNOWN_HEADERS.map(HeaderName::from_static).into();
    let asked = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let asked = asked.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    for name in asked.take(ASKED_HEADERS_MAX) {
        if let Ok(name) = HeaderName::from_bytes(name.trim_ascii())
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, &names.join(", ")),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS),
        (header::VARY, "access-control-request-headers"),
    ];
    open((StatusCode::NO_CONTENT, allowed).into_response())
}
