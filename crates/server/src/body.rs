//! Reading bodies: bounded in bytes and time, gzip recognised by its own mark, JSON whatever the content type says.

use std::{error::Error, future::poll_fn, io::Read, pin::pin, task::Poll, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    http::{HeaderMap, StatusCode, header},
};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use model::{Value, value::Object};
use serde::Deserialize;

use crate::{error::ApiError, options::Options};

/// How long a body may take to arrive.
const READ_TIME_MAX: Duration = Duration::from_secs(30);
/// The first two bytes of every gzip file, with which no JSON text can begin.
const GZIP_MARK: &[u8] = &[0x1f, 0x8b];

/// Reads a body and decompresses it where it is gzip.
///
/// The mark decides, not the header: some clients compress and do not say so, some proxies
/// decompress and leave the header.
pub(crate) async fn read(
    body: Body,
    headers: &HeaderMap,
    options: &Options,
) -> Result<Bytes, ApiError> {
    read_up_to(body, headers, options.body_bytes_max, options.decoded_bytes_max).await
}

/// [`read`] with other limits.
pub(crate) async fn read_up_to(
    body: Body,
    headers: &HeaderMap,
    bytes_max: usize,
    decoded_bytes_max: usize,
) -> Result<Bytes, ApiError> {
    let encoding = headers.get(header::CONTENT_ENCODING).map_or(&b""[..], |value| value.as_bytes());
    if !matches!(encoding, b"" | b"gzip" | b"x-gzip" | b"identity") {
        let detail = "send the body as gzip or without content encoding";
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            detail,
        ));
    }
    let bytes = read_limited(body, headers, bytes_max).await?;
    if bytes.starts_with(GZIP_MARK) { gunzip(&bytes, decoded_bytes_max) } else { Ok(bytes) }
}

/// Reads a body of at most `bytes_max` bytes, as it travels.
pub(crate) async fn read_limited(
    body: Body,
    headers: &HeaderMap,
    bytes_max: usize,
) -> Result<Bytes, ApiError> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let mut reading = pin!(whole(Limited::new(body, bytes_max)));
    // A small body has come with its head; then there is nothing to wait for.
    let at_once = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
    let read = match at_once {
        Poll::Ready(read) => Ok(read),
        Poll::Pending => tokio::time::timeout(READ_TIME_MAX, reading).await,
    };
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
        Ok(Err(_)) => Err(ApiError::invalid("the body broke off")),
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "the body took longer than 30 s to arrive",
        )),
    }
}

/// A body in one piece; one that came in one piece is not copied.
async fn whole(mut body: Limited<Body>) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let Some(first) = body.frame().await else { return Ok(Bytes::new()) };
    let first = first?.into_data().unwrap_or_default();
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut bytes = Vec::from(first);
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(&frame?.into_data().unwrap_or_default());
    }
    Ok(bytes.into())
}

fn too_large(bytes_max: usize) -> ApiError {
    let detail = format!("a body may have at most {bytes_max} bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

fn gunzip(compressed: &[u8], bytes_max: usize) -> Result<Bytes, ApiError> {
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut decoded = Vec::with_capacity(bytes_max.min(compressed.len().saturating_mul(4)));
    let mut reader = MultiGzDecoder::new(compressed).take(limit);
    reader.read_to_end(&mut decoded).map_err(|_| {
        ApiError::new(StatusCode::BAD_REQUEST, "malformed_gzip", "the gzip body is damaged")
    })?;
    if decoded.len() > bytes_max {
        let detail = format!("a body may have at most {bytes_max} bytes when decompressed");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail));
    }
    Ok(decoded.into())
}

/// Parses a management body, naming the place of a fault. `T` refuses unknown fields.
pub(crate) fn json<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        match error.into_inner() {
            inner if inner.is_data() => ApiError::fault(pointer, without_position(&inner)),
            inner => malformed(&inner),
        }
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(parsed)
}

/// Parses a body that is a JSON object.
pub(crate) fn object(bytes: &[u8]) -> Result<Object, ApiError> {
    match json(bytes)? {
        Value::Object(object) => Ok(object),
        _ => Err(ApiError::fault("", "the body is a JSON object")),
    }
}

/// The error of a body that is not JSON.
pub(crate) fn malformed(error: &serde_json::Error) -> ApiError {
    // The parser gives this case no type of its own.
    if error.to_string().starts_with("recursion limit exceeded") {
        let detail = "the body nests more than 127 levels deep";
        return ApiError::new(StatusCode::BAD_REQUEST, "too_deep", detail);
    }
    let detail = format!("the body is not JSON: {error}");
    ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
}

/// The sentence of a serde error without its line and column, which the pointer says better.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(sentence, _)| sentence.to_owned())
}

/// An error's path as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}
