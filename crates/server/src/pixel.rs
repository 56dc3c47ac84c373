//! Events as images: for mails and pages in which no script runs.
//!
//! Who loads an image reads no answer, so the answer is always the image, and what is wrong with an event is told
//! where an operator looks: the quarantine where the source is known, the counters in every case.

use std::time::Instant;

use axum::{
    extract::{Query, Request},
    http::{HeaderValue, Method, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use engine::normalise::MAX_EVENT_DEPTH;
use model::{EventKind, Value, value::Object};

use crate::{app::App, cors, error::ApiError, gate, ingest, metrics::Area};

/// A GIF of one transparent pixel.
const IMAGE: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0\
    !\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// Takes the event of an image's address and answers with the image when the event is durable and visible.
pub(crate) async fn handle(app: App, request: Request, kind: EventKind) -> Response {
    let (parts, _) = request.into_parts();
    // Who asks for the head only has not loaded the image, and may come back for it.
    if parts.method != Method::HEAD {
        let started = Instant::now();
        let result = take(&app, &parts, kind).await;
        // Counted and logged as what it came to; what is answered is the image.
        drop(gate::finish(&app, Area::Ingest, started, None, result));
    }
    cors::open(image())
}

fn image() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/gif")),
        // Each time it is shown is an event, so no copy may be shown in its place.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, private")),
    ];
    (headers, IMAGE).into_response()
}

/// What is no event at all is set aside, too: there is no other way to learn of it.
async fn take(app: &App, parts: &Parts, kind: EventKind) -> Result<Response, ApiError> {
    let known = ingest::known_source(app, parts)?;
    // An address is written once and loaded many times: equal events are not one event that was sent again.
    let load = app.request_id();
    let item = ingest::item(app, parts, known, &event(&parts.uri), kind, Some(&load))?;
    app.engine.ingest(vec![item]).await?;
    Ok(image())
}

/// The event in the query: the JSON text under `data`, else an object with a member for each parameter.
fn event(uri: &Uri) -> Vec<u8> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(pairs)| pairs);
    let pairs = pairs.unwrap_or_default();
    match pairs.iter().find(|(name, _)| name == "data") {
        Some((_, data)) => decoded(data.trim()),
        None => serde_json::to_vec(&from_parameters(pairs)).unwrap_or_default(),
    }
}

/// Base64 in either alphabet, with padding or without, or the text itself where it is no base64.
fn decoded(data: &str) -> Vec<u8> {
    let standard = |byte: u8| match byte {
        // A plus that was not escaped has been read as a space.
        b'-' | b' ' => b'+',
        b'_' => b'/',
        other => other,
    };
    let text: Vec<u8> = data.trim_end_matches('=').bytes().map(standard).collect();
    BASE64_STANDARD_NO_PAD.decode(text).unwrap_or_else(|_| data.as_bytes().to_vec())
}

/// An object with the parameters as texts; a dot in a name leads one level down.
fn from_parameters(pairs: Vec<(String, String)>) -> Object {
    let mut event = Object::new();
    for (name, value) in pairs {
        put(&mut event, &name, value, MAX_EVENT_DEPTH);
    }
    event
}

/// Of two values for one place the first counts; below the deepest level, a dot is part of the name.
fn put(object: &mut Object, name: &str, value: String, levels: usize) {
    match name.split_once('.').filter(|_| levels > 1) {
        None => {
            object.entry(name).or_insert(value.into());
        }
        Some((first, rest)) => {
            let inner = object.entry(first).or_insert_with(|| Object::new().into());
            if let Value::Object(inner) = inner {
                put(inner, rest, value, levels - 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(query: &str, expected: Expect) {
        let sent = event(&format!("/v1/pixel/track?{query}").parse().unwrap());
        expected.assert_eq(&String::from_utf8_lossy(&sent));
    }

    #[test]
    fn data_is_base64_in_any_form_or_json() {
        // Both `{"a":"?>?"}`, whose base64 differs between the alphabets.
        for data in [
            "eyJhIjoiPz4_In0",
            "eyJhIjoiPz4/In0=",
            "eyJhIjoiPz4%2FIn0%3D",
            "%7B%22a%22:%22?%3E?%22%7D",
        ] {
            check(&format!("writeKey=k&data={data}"), expect![[r#"{"a":"?>?"}"#]]);
        }
        check("data=eyJhIjoi4q++In0", expect![[r#"{"a":"⯾"}"#]]);
        check("data=!&data=eyJhIjoxfQ", expect!["!"]);
    }

    #[test]
    fn parameters_are_members_and_dots_lead_down() {
        check(
            "event=Email%20Opened&properties.subject=Hej+hej&context.page.url=https%3A%2F%2Fa.example%2F&event=No",
            expect![[
                r#"{"context":{"page":{"url":"https://a.example/"}},"event":"Email Opened","properties":{"subject":"Hej hej"}}"#
            ]],
        );
        check("a=1&a.b=2&.=3&=4", expect![[r#"{"":{"":"3"},"a":"1"}"#]]);
        check("", expect!["{}"]);
        check("%ff=%fe&%zz", expect![[r#"{"%zz":"","�":"�"}"#]]);
    }

    #[test]
    fn no_name_leads_deeper_than_an_event_may_nest() {
        let sent = event(&format!("/?{}=1", "a.".repeat(10_000)).parse().unwrap());
        let depth = sent.iter().filter(|byte| **byte == b'{').count();
        assert_eq!(depth, MAX_EVENT_DEPTH);
    }
}
