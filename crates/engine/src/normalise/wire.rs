//! The fields of a call as clients write them, read once and borrowed from the body where possible.
//!
//! Written by hand because clients differ: names come in two spellings, ids come as numbers, `null`
//! stands for absent, and both spellings may be sent at once (the first one counts).

use std::{borrow::Cow, fmt};

use model::{LazyObject, value::Object};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// One call as sent. Empty texts count as absent.
#[derive(Debug, Default)]
pub(super) struct Wire<'a> {
    pub(super) kind: Option<Cow<'a, str>>,
    pub(super) user_id: Option<Cow<'a, str>>,
    pub(super) anonymous_id: Option<Cow<'a, str>>,
    pub(super) previous_id: Option<Cow<'a, str>>,
    pub(super) group_id: Option<Cow<'a, str>>,
    pub(super) event: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) category: Option<Cow<'a, str>>,
    pub(super) message_id: Option<Cow<'a, str>>,
    pub(super) timestamp: Option<Cow<'a, str>>,
    pub(super) original_timestamp: Option<Cow<'a, str>>,
    pub(super) sent_at: Option<Cow<'a, str>>,
    pub(super) properties: Option<LazyObject>,
    pub(super) traits: Option<Object>,
    pub(super) context: Option<LazyObject>,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier)]
enum Field {
    #[serde(rename = "type")]
    Kind,
    #[serde(rename = "userId", alias = "user_id")]
    UserId,
    #[serde(rename = "anonymousId", alias = "anonymous_id")]
    AnonymousId,
    #[serde(rename = "previousId", alias = "previous_id")]
    PreviousId,
    #[serde(rename = "groupId", alias = "group_id")]
    GroupId,
    #[serde(rename = "event")]
    Event,
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "category")]
    Category,
    #[serde(rename = "messageId", alias = "message_id")]
    MessageId,
    #[serde(rename = "timestamp")]
    Timestamp,
    #[serde(rename = "originalTimestamp", alias = "original_timestamp")]
    OriginalTimestamp,
    #[serde(rename = "sentAt", alias = "sent_at")]
    SentAt,
    #[serde(rename = "properties")]
    Properties,
    #[serde(rename = "traits")]
    Traits,
    #[serde(rename = "context")]
    Context,
    #[serde(other)]
    Unknown,
}

impl<'de: 'a, 'a> Deserialize<'de> for Wire<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WireVisitor(std::marker::PhantomData))
    }
}

struct WireVisitor<'a>(std::marker::PhantomData<Wire<'a>>);

impl<'de: 'a, 'a> Visitor<'de> for WireVisitor<'a> {
    type Value = Wire<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut wire = Wire::default();
        while let Some(field) = map.next_key()? {
            match field {
                Field::Kind => text(&mut map, "type", &mut wire.kind)?,
                Field::UserId => text(&mut map, "userId", &mut wire.user_id)?,
                Field::AnonymousId => text(&mut map, "anonymousId", &mut wire.anonymous_id)?,
                Field::PreviousId => text(&mut map, "previousId", &mut wire.previous_id)?,
                Field::GroupId => text(&mut map, "groupId", &mut wire.group_id)?,
                Field::Event => text(&mut map, "event", &mut wire.event)?,
                Field::Name => text(&mut map, "name", &mut wire.name)?,
                Field::Category => text(&mut map, "category", &mut wire.category)?,
                Field::MessageId => text(&mut map, "messageId", &mut wire.message_id)?,
                Field::Timestamp => text(&mut map, "timestamp", &mut wire.timestamp)?,
                Field::OriginalTimestamp => {
                    text(&mut map, "originalTimestamp", &mut wire.original_timestamp)?;
                }
                Field::SentAt => text(&mut map, "sentAt", &mut wire.sent_at)?,
                Field::Properties => object(&mut map, "properties", &mut wire.properties)?,
                Field::Traits => object(&mut map, "traits", &mut wire.traits)?,
                Field::Context => object(&mut map, "context", &mut wire.context)?,
                Field::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(wire)
    }
}

fn text<'de: 'a, 'a, A: MapAccess<'de>>(
    map: &mut A,
    field: &str,
    slot: &mut Option<Cow<'a, str>>,
) -> Result<(), A::Error> {
    let Text(sent) = map.next_value().map_err(|error| in_field(field, &error))?;
    if slot.is_none() {
        *slot = sent.filter(|text| !text.trim().is_empty());
    }
    Ok(())
}

fn object<'de, O: Deserialize<'de>, A: MapAccess<'de>>(
    map: &mut A,
    field: &str,
    slot: &mut Option<O>,
) -> Result<(), A::Error> {
    let sent: Option<O> = map.next_value().map_err(|error| in_field(field, &error))?;
    if slot.is_none() {
        *slot = sent;
    }
    Ok(())
}

/// What is wrong with a field, without what was sent: serde quotes that first, and says last what it expected.
fn in_field<E: Error>(field: &str, error: &E) -> E {
    let said = error.to_string();
    match said.rsplit_once(", expected ") {
        Some((_, expected)) => E::custom(format_args!("`{field}`: expected {expected}")),
        None => E::custom(format_args!("`{field}`: {said}")),
    }
}

/// A text that may come as a number or as `null`.
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor(std::marker::PhantomData))
    }
}

struct TextVisitor<'a>(std::marker::PhantomData<Text<'a>>);

impl<'de: 'a, 'a> Visitor<'de> for TextVisitor<'a> {
    type Value = Text<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a whole number")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text(None))
    }
}
