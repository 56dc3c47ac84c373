//! From what a client sent to a normal-form event: which fields count, what is corrected, and what
//! is set aside with which reason.
//!
//! Pure: the time of arrival, the source and the purposes of the workspace come in with the [`Envelope`].
//! Nothing a client sends makes this fail: an unsound event becomes an [`Item::Rejected`] with a stable code.

mod batch;
mod consent;
mod depth;
mod identifiers;
mod message_id;
mod time;
mod wire;

#[cfg(test)]
mod tests;

use compact_str::CompactString;
use model::{
    Event, EventKind, Identifier, LazyObject, SourceKey, Timestamp, Value, condition::visits,
    event::Marks, value::Object,
};

use crate::{
    caller::Caller,
    enrich::Enricher,
    ingest::{Arrival, Item, Kept, Rejected},
};

pub use batch::{Batch, BatchError, split, split_list};
pub use consent::{
    BrowserSignals, ConsentReader, ConsentSignals, GoogleType, PurposeSignals, country,
};

/// Largest event, in bytes of JSON as sent.
pub const MAX_EVENT_BYTES: usize = 32 * 1024;
/// Deepest nesting of an event, the event itself counted as one.
pub const MAX_EVENT_DEPTH: usize = 32;

/// How long after an event the weather of its arrival is taken for that of the event.
const WEATHER_HOLDS: model::Duration = model::Duration(30 * 60 * 1000);

/// The code of an event that is not JSON at all.
pub const MALFORMED_JSON: &str = "malformed_json";
/// The code of an event that is JSON, but not an object.
pub const NOT_AN_OBJECT: &str = "not_an_object";

/// What is known about an event besides its own text.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    /// The source whose write key it came with.
    pub source: &'a SourceKey,
    /// When it reached the server: what the sender's clock is held against.
    pub received_at: Timestamp,
    /// When it is judged: that is when it arrives, or later when it is replayed from the quarantine.
    pub judged_at: Timestamp,
    /// When the sender sent the call, by the sender's clock; an event's own `sentAt` wins.
    pub sent_at: Option<Timestamp>,
    /// Imported or replayed: the sender's clock is not corrected.
    pub historical: bool,
    /// What was noticed about the caller.
    pub marks: Marks,
    /// The call that the path named; an event of a batch names its own.
    pub kind: Option<EventKind>,
    /// The batch's `context`: fills what an event's own context leaves out.
    pub context: Option<&'a LazyObject>,
    /// Tells apart equal events without a message id: the row of an import, the load of an image; `None` where an
    /// equal event is a retry.
    pub row: Option<&'a str>,
    /// What the call shows of who made it.
    pub caller: Caller<'a>,
    /// Completes contexts.
    pub enricher: &'a Enricher,
    /// How what it says about consent is read.
    pub consent: ConsentReader<'a>,
}

impl std::fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Envelope").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Why an event is set aside.
struct Unsound {
    code: &'static str,
    detail: String,
}

impl Unsound {
    fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// Brings one event, as sent, into normal form, or says why it cannot be.
pub fn normalise(body: &[u8], envelope: &Envelope<'_>) -> Item {
    match sound_event(body, envelope) {
        Ok(event) => Item::Event(Box::new(event)),
        Err(unsound) => Item::Rejected(Box::new(Rejected {
            source: envelope.source.clone(),
            code: CompactString::const_new(unsound.code),
            detail: unsound.detail,
            arrival: envelope.arrival(),
            body: body.get(..MAX_EVENT_BYTES).unwrap_or(body).to_vec(),
        })),
    }
}

/// Judges an event from the quarantine anew. It triggers nothing: its time has passed.
pub fn normalise_again(
    source: &SourceKey,
    kept: &Kept,
    judged_at: Timestamp,
    enricher: &Enricher,
    signals: &ConsentSignals,
) -> Item {
    let mut item = match kept {
        Kept::Normal(event) => Item::Event(event.clone()),
        Kept::AsSent { arrival, body } => {
            let envelope = Envelope {
                source,
                received_at: arrival.received_at,
                judged_at,
                sent_at: arrival.sent_at,
                historical: arrival.historical,
                marks: arrival.marks,
                kind: arrival.kind,
                context: arrival.context.as_ref(),
                row: arrival.row.as_deref(),
                // An address that only the call showed was not kept.
                caller: Caller::default(),
                enricher,
                consent: ConsentReader::of(signals),
            };
            normalise(body, &envelope)
        }
    };
    if let Item::Event(event) = &mut item {
        event.historical = true;
    }
    item
}

impl Envelope<'_> {
    /// What of it is kept with an event that is set aside.
    fn arrival(&self) -> Arrival {
        // What a batch says for all its events is kept with each; nothing longer than an event would pass.
        let context = self.context.filter(|context| context.text().len() <= MAX_EVENT_BYTES);
        Arrival {
            received_at: self.received_at,
            sent_at: self.sent_at,
            historical: self.historical,
            marks: self.marks,
            kind: self.kind,
            context: context.cloned(),
            row: self.row.map(CompactString::from),
        }
    }
}

fn sound_event(body: &[u8], envelope: &Envelope<'_>) -> Result<Event, Unsound> {
    let text = checked_text(body)?;
    let wire: wire::Wire<'_> = serde_json::from_str(text).map_err(|error| {
        let code = if is_json(text) { "malformed_event" } else { MALFORMED_JSON };
        Unsound::new(code, error.to_string())
    })?;
    let kind = kind_of(&wire, envelope)?;
    let name = name_of(&wire, kind)?;
    let sent_at = time::sent_at(&wire, envelope);
    let event_time = time::event_time(&wire, envelope)?;
    let message_id = match &wire.message_id {
        Some(id) if id.len() > Event::MAX_MESSAGE_ID_BYTES => {
            return Err(too_long("message_id_too_long", "messageId", Event::MAX_MESSAGE_ID_BYTES));
        }
        Some(id) => id.as_ref().into(),
        None => message_id::derive(text, kind, envelope)
            .map_err(|error| Unsound::new(MALFORMED_JSON, error.to_string()))?,
    };
    let mut context = context_of(wire.context, envelope.context);
    let traits = person_traits(kind, &mut context, wire.traits.as_ref());
    let identifiers = identifiers::collect(&identifiers::Sent {
        user_id: wire.user_id.as_deref(),
        anonymous_id: wire.anonymous_id.as_deref(),
        previous_id: wire.previous_id.as_deref().filter(|_| kind == EventKind::Alias),
        traits: &traits,
        context: &context,
    })?;
    let consents = envelope.consent.read(|name| context.get(name));
    let properties = Named {
        kind,
        properties: wire.properties,
        traits: wire.traits,
        name: wire.name.as_deref(),
        category: wire.category.as_deref(),
        group_id: wire.group_id.as_deref(),
        previous_id: wire.previous_id.as_deref(),
    }
    .into_properties();
    let page = (kind == EventKind::Page).then_some(&properties);
    envelope.enricher.complete(&mut context, &envelope.caller, page, event_time);
    if !envelope.historical && envelope.judged_at.since(event_time) < WEATHER_HOLDS {
        envelope.enricher.complete_weather(&mut context, envelope.judged_at);
    }
    Ok(Event {
        source: envelope.source.clone(),
        message_id,
        kind,
        name,
        identifiers,
        event_time,
        received_at: envelope.received_at,
        sent_at,
        properties,
        traits,
        context,
        consents,
        historical: envelope.historical,
        marks: envelope.marks,
    })
}

/// The body as text, once its size, form and depth allow it to be parsed.
fn checked_text(body: &[u8]) -> Result<&str, Unsound> {
    if body.len() > MAX_EVENT_BYTES {
        let detail = format!("the event has {} bytes; at most {MAX_EVENT_BYTES} fit", body.len());
        return Err(Unsound::new("too_large", detail));
    }
    let text = std::str::from_utf8(body)
        .map_err(|error| Unsound::new(MALFORMED_JSON, format!("the event is not text: {error}")))?;
    match text.trim_ascii_start().bytes().next() {
        Some(b'{') => {}
        None => return Err(Unsound::new(MALFORMED_JSON, "the event is empty")),
        Some(_) => {
            let code = if is_json(text) { NOT_AN_OBJECT } else { MALFORMED_JSON };
            return Err(Unsound::new(code, "an event is a JSON object"));
        }
    }
    match depth::of(body) {
        Some(depth) if depth > MAX_EVENT_DEPTH => {
            let detail = format!("the event nests {depth} deep; at most {MAX_EVENT_DEPTH} is read");
            Err(Unsound::new("too_deep", detail))
        }
        Some(_) => Ok(text),
        None => Err(Unsound::new(MALFORMED_JSON, "the event's brackets do not close")),
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn kind_of(wire: &wire::Wire<'_>, envelope: &Envelope<'_>) -> Result<EventKind, Unsound> {
    // The path decides where it names a call: some clients put another `type` into the body.
    if let Some(kind) = envelope.kind {
        return Ok(kind);
    }
    let sent = wire.kind.as_deref().unwrap_or_default();
    kind_from_text(sent).ok_or_else(|| {
        let detail = "`type` is none of track, identify, page, screen, group, alias";
        Unsound::new("unknown_type", detail)
    })
}

fn kind_from_text(text: &str) -> Option<EventKind> {
    Some(match text {
        "track" => EventKind::Track,
        "identify" => EventKind::Identify,
        "page" => EventKind::Page,
        "screen" => EventKind::Screen,
        "group" => EventKind::Group,
        "alias" => EventKind::Alias,
        _ => return None,
    })
}

fn name_of(wire: &wire::Wire<'_>, kind: EventKind) -> Result<CompactString, Unsound> {
    if kind != EventKind::Track {
        return Ok(CompactString::const_new(kind.default_name()));
    }
    let name = wire.event.as_deref().unwrap_or_default();
    if name.trim().is_empty() {
        return Err(Unsound::new("no_event_name", "a track call needs `event`, its name"));
    }
    if name == visits::STARTED {
        let detail = "the platform itself tells when a visit started; give the event another name";
        return Err(Unsound::new("reserved_name", detail));
    }
    if name.len() > Event::MAX_NAME_BYTES {
        return Err(too_long("name_too_long", "event", Event::MAX_NAME_BYTES));
    }
    Ok(name.into())
}

fn too_long(code: &'static str, field: &str, bytes_max: usize) -> Unsound {
    Unsound::new(code, format!("`{field}` is longer than {bytes_max} bytes"))
}

/// The event's own context, completed from the batch's.
fn context_of(own: Option<LazyObject>, shared: Option<&LazyObject>) -> LazyObject {
    let Some(shared) = shared else { return own.unwrap_or_default() };
    let Some(mut context) = own else { return shared.clone() };
    for name in shared.names() {
        if !context.contains(name)
            && let Some(value) = shared.get(name)
        {
            context.insert(name, value.clone());
        }
    }
    context
}

/// What the event says about the person. It leaves the context, so that nothing is stored twice.
///
/// An identify call's own `traits` win over its `context.traits`, which some clients send instead.
fn person_traits(kind: EventKind, context: &mut LazyObject, own: Option<&Object>) -> Object {
    let mut traits = match context.remove("traits") {
        Some(Value::Object(traits)) => traits,
        _ => Object::new(),
    };
    if kind == EventKind::Identify {
        traits.extend(own.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    }
    traits
}

/// The named fields of a call that become properties.
struct Named<'a> {
    kind: EventKind,
    properties: Option<LazyObject>,
    traits: Option<Object>,
    name: Option<&'a str>,
    category: Option<&'a str>,
    group_id: Option<&'a str>,
    previous_id: Option<&'a str>,
}

impl Named<'_> {
    fn into_properties(self) -> LazyObject {
        let mut properties = self.properties.unwrap_or_default();
        let mut put = |key: &str, value: Option<&str>| {
            if let Some(value) = value
                && !properties.contains(key)
            {
                properties.insert(key, value.into());
            }
        };
        match self.kind {
            EventKind::Page | EventKind::Screen => {
                put("name", self.name);
                put("category", self.category);
            }
            EventKind::Group => {
                put("group_id", self.group_id);
                if let Some(traits) = self.traits {
                    properties.insert("traits", Value::Object(traits));
                }
            }
            EventKind::Alias => put("previous_id", self.previous_id),
            EventKind::Track | EventKind::Identify => {}
        }
        properties
    }
}

/// Adds an identifier unless it is there already.
fn push_identifier(identifiers: &mut Vec<Identifier>, identifier: Identifier) {
    if !identifiers.contains(&identifier) {
        identifiers.push(identifier);
    }
}
