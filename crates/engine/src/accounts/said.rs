//! What an event says of an account.

use compact_str::CompactString;
use model::{Event, EventKind, Identifier, IdentifierType, Value, value::Object};
use profile::{
    IdentityRules,
    accounts::{MAX_ID_BYTES, MAX_ROLE_BYTES},
};

/// The track event that says that somebody belongs to an account, as the Segment specification for B2B names it.
const ADDED: &str = "Account Added User";
/// The one that says that they do no more.
const REMOVED: &str = "Account Removed User";

/// What an event says of an account.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) account: CompactString,
    /// Whether the person belongs to it from then on.
    pub(super) is_member: bool,
    /// What they are in it.
    pub(super) role: Option<CompactString>,
    /// What it says of the account itself.
    pub(super) traits: Object,
}

/// What `event` says of an account, if it does.
pub(super) fn of(event: &Event, rules: &IdentityRules) -> Option<Said> {
    let (is_member, is_group) = match (event.kind, event.name.as_str()) {
        (EventKind::Group, _) => (true, true),
        (EventKind::Track, ADDED) => (true, false),
        (EventKind::Track, REMOVED) => (false, false),
        _ => return None,
    };
    let named = [
        event.properties.get("group_id"),
        event.properties.get("groupId").filter(|_| !is_group),
        event.context.get("groupId"),
    ];
    let account = named.into_iter().flatten().find_map(|value| text(value, MAX_ID_BYTES))?;
    // What is a placeholder for people is one for accounts.
    if rules.blocked(&Identifier::new(IdentifierType::UserId, account.as_str()).normalised()) {
        return None;
    }
    let mut traits = match event.properties.get("traits") {
        Some(Value::Object(traits)) if is_group => traits.clone(),
        _ => Object::new(),
    };
    let own = if is_group { traits.remove("role") } else { event.properties.get("role").cloned() };
    let role = event.context.get("role").or(own.as_ref());
    let role = role.and_then(|role| text(role, MAX_ROLE_BYTES));
    Some(Said { account, is_member, role, traits })
}

/// A text or a whole number as a text, unless it is empty or too long.
fn text(value: &Value, bytes_max: usize) -> Option<CompactString> {
    let text = match value {
        Value::String(text) => text.trim().into(),
        Value::Number(number) if !number.is_f64() => number.to_string().into(),
        _ => return None,
    };
    Some(text).filter(|text: &CompactString| (1..=bytes_max).contains(&text.len()))
}
