//! Which names of the person an event carries.

use compact_str::CompactString;
use model::{Event, Identifier, IdentifierType, LazyObject, Value, value::Object};

use super::{Unsound, push_identifier, too_long};

/// Where a call may name the person.
pub(super) struct Sent<'a> {
    pub(super) user_id: Option<&'a str>,
    pub(super) anonymous_id: Option<&'a str>,
    /// Only of an alias call. It is taken as an anonymous id: that is what clients put there, and a
    /// user id among them must not join two known people without review.
    pub(super) previous_id: Option<&'a str>,
    pub(super) traits: &'a Object,
    pub(super) context: &'a LazyObject,
}

/// Collects the identifiers, the client's own anonymous id before an alias call's previous one,
/// because the first one routes.
pub(super) fn collect(sent: &Sent<'_>) -> Result<Vec<Identifier>, Unsound> {
    let mut found = Vec::with_capacity(3);
    add(&mut found, IdentifierType::UserId, sent.user_id)?;
    add(&mut found, IdentifierType::AnonymousId, sent.anonymous_id)?;
    let previous = sent.previous_id.filter(|&id| Some(id) != sent.user_id);
    add(&mut found, IdentifierType::AnonymousId, previous)?;
    add_value(&mut found, IdentifierType::Email, sent.traits.get("email"))?;
    add_value(&mut found, IdentifierType::Phone, sent.traits.get("phone"))?;
    if let Some(Value::Object(device)) = sent.context.get("device") {
        add_value(&mut found, IdentifierType::DeviceId, device.get("id"))?;
        add_value(&mut found, IdentifierType::DeviceId, device.get("advertisingId"))?;
    }
    for list in ["externalIds", "externalId"] {
        if let Some(Value::Array(entries)) = sent.context.get(list) {
            add_external(&mut found, entries)?;
        }
    }
    if found.is_empty() {
        let detail = "the event names nobody: send userId, anonymousId or another identifier";
        return Err(Unsound::new("no_identifier", detail));
    }
    Ok(found)
}

fn add_external(found: &mut Vec<Identifier>, entries: &[Value]) -> Result<(), Unsound> {
    for entry in entries {
        // Ids of accounts and other collections name no person.
        let collection = entry.get("collection").and_then(Value::as_str).unwrap_or("users");
        let Some(name) = entry.get("type").and_then(Value::as_str) else { continue };
        if collection == "users"
            && let Some(kind) = external_type(name)
        {
            add_value(found, kind, entry.get("id"))?;
        }
    }
    Ok(())
}

/// The type an external id's name stands for: ours where it is one of ours, else `external:<name>`
/// with the name made legal.
fn external_type(name: &str) -> Option<IdentifierType> {
    if let Some(kind) = IdentifierType::parse(name) {
        return Some(kind);
    }
    let legal = |c: char| match c {
        'a'..='z' | '0'..='9' | '_' | '-' => c,
        'A'..='Z' => c.to_ascii_lowercase(),
        _ => '_',
    };
    let name: String = name.chars().map(legal).collect();
    IdentifierType::parse(&format!("external:{name}"))
}

fn add_value(
    found: &mut Vec<Identifier>,
    kind: IdentifierType,
    value: Option<&Value>,
) -> Result<(), Unsound> {
    match value {
        Some(Value::String(text)) => add(found, kind, Some(text)),
        Some(Value::Number(number)) if !number.is_f64() => {
            add(found, kind, Some(&number.to_string()))
        }
        _ => Ok(()),
    }
}

fn add(
    found: &mut Vec<Identifier>,
    kind: IdentifierType,
    value: Option<&str>,
) -> Result<(), Unsound> {
    let Some(value) = value.filter(|text| !text.trim().is_empty()) else { return Ok(()) };
    if value.len() > IdentifierType::MAX_VALUE_BYTES {
        let field = kind.to_string();
        return Err(too_long("identifier_too_long", &field, IdentifierType::MAX_VALUE_BYTES));
    }
    push_identifier(found, Identifier::new(kind, CompactString::new(value)));
    if found.len() > Event::MAX_IDENTIFIERS {
        let detail = format!("the event has more than {} identifiers", Event::MAX_IDENTIFIERS);
        return Err(Unsound::new("too_many_identifiers", detail));
    }
    Ok(())
}
