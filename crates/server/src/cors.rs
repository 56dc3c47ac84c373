//! Which pages may call from a browser: any, because a write key is public and no cookie lets anybody in.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// How long a browser may remember the answer to a preflight. Two hours is the most that browsers grant.
const MAX_AGE_SECONDS: &str = "7200";

/// Lets any page read the answer.
pub(crate) fn open(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("retry-after, x-request-id"),
    );
    response
}

/// Answers a browser's question whether it may call.
pub(crate) async fn preflight() -> Response {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, content-encoding, x-write-key, x-retry-count, prefer, \
             anonymousid, x-request-id",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS),
    ];
    open((StatusCode::NO_CONTENT, allowed).into_response())
}
