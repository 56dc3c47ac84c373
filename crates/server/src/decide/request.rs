//! The body of a decision request, borrowed from the bytes it came in.

use std::{borrow::Cow, fmt};

use axum::http::{header, request::Parts};
use compact_str::CompactString;
use model::{
    Event, Identifier, IdentifierType, Key, LazyObject, Timestamp, Value, definition::Fault,
    value::Object,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use crate::{body, caller, error::ApiError};

/// Most placements of one request.
pub(crate) const PLACEMENTS_MAX: usize = 50;

/// What a caller sends. Unknown fields are passed over, so that newer clients can ask older servers.
#[derive(Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
pub(super) struct Sent<'a, C = LazyObject> {
    #[serde(default)]
    pub(super) identifiers: Identifiers,
    #[serde(default, borrow)]
    placements: Option<Vec<Text<'a>>>,
    #[serde(default)]
    pub(super) context: Option<C>,
    #[serde(default)]
    pub(super) explain: bool,
    #[serde(default = "yes")]
    pub(super) record: bool,
    #[serde(default, borrow)]
    pub(super) at: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    preview: Option<Cow<'a, str>>,
    #[serde(default, borrow, rename = "write_key", alias = "writeKey")]
    pub(super) write_key: Option<Cow<'a, str>>,
}

/// A text of the body; a copy only where it is written with escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn yes() -> bool {
    true
}

/// Parses the body. One that is faulty is parsed again, slowly, to name the place.
pub(super) fn parse(bytes: &[u8]) -> Result<Sent<'_>, ApiError> {
    // The deserializer would also take a list of the fields' values.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::fault("", "the body is a JSON object"));
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(sent) = serde_json::from_str(text)
    {
        return Ok(sent);
    }
    parse_slowly(bytes)
}

fn parse_slowly(bytes: &[u8]) -> Result<Sent<'_>, ApiError> {
    let sent: Sent<'_, Object> = serde_json::from_slice(bytes).map_err(|error| {
        if !error.is_data() {
            return body::malformed(&error);
        }
        match body::json::<Sent<'_, Object>>(bytes) {
            Err(named) => named,
            Ok(_) => ApiError::invalid(error.to_string()),
        }
    })?;
    let Sent { identifiers, placements, context, explain, record, at, preview, write_key } = sent;
    let context = context.map(LazyObject::from);
    Ok(Sent { identifiers, placements, context, explain, record, at, preview, write_key })
}

impl Sent<'_> {
    /// The token of a preview.
    pub(super) fn preview(&self) -> Option<&str> {
        self.preview.as_deref().filter(|token| !token.is_empty())
    }

    pub(super) fn instant(&self) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = &self.at else { return Ok(None) };
        text.parse().map(Some).map_err(|error| ApiError::fault("/at", format!("{error}")))
    }

    pub(super) fn placement_keys(&self) -> Result<Option<Vec<Key>>, ApiError> {
        let Some(placements) = &self.placements else { return Ok(None) };
        if placements.len() > PLACEMENTS_MAX {
            let detail = format!("at most {PLACEMENTS_MAX} placements fit one request");
            return Err(ApiError::fault("/placements", detail));
        }
        let key = |(position, Text(text)): (usize, &Text<'_>)| {
            text.parse().map_err(|error| {
                ApiError::fault(format!("/placements/{position}"), format!("{error}"))
            })
        };
        placements.iter().enumerate().map(key).collect::<Result<_, _>>().map(Some)
    }
}

/// Identifiers by their types' names. Empty and `null` values count as absent, numbers as their digits.
#[derive(Default)]
pub(crate) struct Identifiers {
    found: Vec<Identifier>,
    fault: Option<Fault>,
}

impl Identifiers {
    /// The identifiers, or the first fault among them.
    pub(super) fn into_sound(self) -> Result<Vec<Identifier>, ApiError> {
        self.into_found().map_err(|fault| ApiError::fault(fault.pointer, fault.detail))
    }

    /// The identifiers, or the first fault among them.
    pub(crate) fn into_found(self) -> Result<Vec<Identifier>, Fault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.found),
        }
    }

    /// Adds what an object's member says.
    pub(crate) fn add(&mut self, name: &str, value: &Value) {
        let text: CompactString = match value {
            Value::String(text) => text.as_str().into(),
            Value::Number(number) if !number.is_f64() => number.to_string().into(),
            Value::Null => return,
            _ => return self.refuse(name, "an identifier is a text or a whole number"),
        };
        let Some(kind) = identifier_type(name) else {
            let detail =
                "the types are user_id, anonymous_id, email, phone, device_id and external:<name>";
            return self.refuse(name, detail);
        };
        if text.len() > IdentifierType::MAX_VALUE_BYTES {
            return self.refuse(name, "an identifier has at most 512 bytes");
        }
        if text.trim().is_empty() {
            return;
        }
        if self.found.len() == Event::MAX_IDENTIFIERS {
            return self.refuse(name, "at most 20 identifiers fit one request");
        }
        self.found.push(Identifier::new(kind, text));
    }

    fn refuse(&mut self, name: &str, detail: &str) {
        let name: String = name.chars().take(80).collect();
        let pointer = format!("/identifiers/{}", name.replace('~', "~0").replace('/', "~1"));
        self.fault.get_or_insert(Fault::new(pointer, detail));
    }
}

/// The type a name stands for; the two that ingest clients know also in their spelling.
fn identifier_type(name: &str) -> Option<IdentifierType> {
    match name {
        "userId" => Some(IdentifierType::UserId),
        "anonymousId" => Some(IdentifierType::AnonymousId),
        name => IdentifierType::parse(name),
    }
}

impl<'de> Deserialize<'de> for Identifiers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdentifiersVisitor)
    }
}

struct IdentifiersVisitor;

impl<'de> Visitor<'de> for IdentifiersVisitor {
    type Value = Identifiers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of identifiers by type")
    }

    fn visit_unit<E>(self) -> Result<Identifiers, E> {
        Ok(Identifiers::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Identifiers, A::Error> {
        let mut identifiers = Identifiers::default();
        let mut count = 0;
        while let Some((Text(name), value)) = map.next_entry::<Text<'de>, Value>()? {
            count += 1;
            if count > 1000 {
                return Err(A::Error::custom("at most 20 identifiers fit one request"));
            }
            identifiers.add(&name, &value);
        }
        Ok(identifiers)
    }
}

/// Adds what the call itself tells about a browser: its address and its name for itself, where the
/// context leaves them out.
pub(super) fn fill_context(context: &mut LazyObject, parts: &Parts, proxies: usize) {
    if !context.contains("ip")
        && let Some(ip) = caller::ip(parts, proxies)
    {
        context.insert("ip", ip.to_string().into());
    }
    if !context.contains("user_agent")
        && !context.contains("userAgent")
        && let Some(agent) = parts.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok())
    {
        context.insert("user_agent", agent.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::Peer;

    #[test]
    fn a_context_that_says_it_itself_is_left_alone() {
        let mut request = axum::http::Request::new(());
        request.extensions_mut().insert(Peer("10.0.0.9:1".parse().unwrap()));
        let (mut parts, ()) = request.into_parts();
        parts.headers.insert(header::USER_AGENT, "Browser/1".parse().unwrap());
        let mut context = LazyObject::default();
        fill_context(&mut context, &parts, 0);
        assert_eq!(
            Value::Object(context.object()),
            serde_json::json!({"ip": "10.0.0.9", "user_agent": "Browser/1"})
        );
        let sent = serde_json::json!({"ip": "", "userAgent": "x"});
        let mut context = LazyObject::from(sent.as_object().unwrap().clone());
        fill_context(&mut context, &parts, 0);
        assert_eq!(Value::Object(context.object()), sent);
    }
}
