//! The normal form of an event: what every client's call becomes before anything else looks at it.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::{
    Consents, Identifier, IdentifierType, LazyObject, SourceKey, Timestamp, value::Object,
};

/// Which call of the tracking specification an event came as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Something a person did.
    Track,
    /// Who the person is: its traits describe them.
    Identify,
    /// A web page was seen.
    Page,
    /// A screen of an app was seen.
    Screen,
    /// The person belongs to an account.
    Group,
    /// Two identifiers are one person.
    Alias,
}

impl EventKind {
    /// The event name that conditions use for calls that carry no name of their own.
    pub fn default_name(self) -> &'static str {
        match self {
            Self::Track => "",
            Self::Identify => "Identify",
            Self::Page => "Page Viewed",
            Self::Screen => "Screen Viewed",
            Self::Group => "Group",
            Self::Alias => "Alias",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
        })
    }
}

/// One event in normal form: parsed, bounded, its times corrected for the sender's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The source whose write key it came with.
    pub source: SourceKey,
    /// The sender's id of this event, or one derived from source, canonical event and client time.
    pub message_id: CompactString,
    /// Which call it came as.
    pub kind: EventKind,
    /// The name conditions refer to: a track call's `event`, otherwise [`EventKind::default_name`].
    pub name: CompactString,
    /// The person's identifiers as sent: at least one, at most 20, no two of the same type and value.
    pub identifiers: Vec<Identifier>,
    /// When it happened: the sender's time, corrected by the skew between `sent_at` and arrival.
    pub event_time: Timestamp,
    /// When it reached the server.
    pub received_at: Timestamp,
    /// When the sender sent it, by the sender's clock.
    pub sent_at: Option<Timestamp>,
    /// Properties of a track, page or screen call; the account id and traits of a group call.
    pub properties: LazyObject,
    /// Traits of the person: those of an identify call, or `context.traits` of any other.
    pub traits: Object,
    /// What surrounded the event: page, device, campaign, library.
    pub context: LazyObject,
    /// What the event says about consent.
    pub consents: Consents,
    /// Imported or replayed: applied in full, but triggers nothing.
    pub historical: bool,
    /// What was noticed about it when it came.
    pub marks: Marks,
}

/// What was noticed about an event when it came, as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Marks(pub u8);

impl Marks {
    /// It does not fit the tracking plan.
    pub const VIOLATION: Self = Self(1);
    /// A program made it, no person.
    pub const BOT: Self = Self(1 << 1);
    /// The organisation's own people made it.
    pub const INTERNAL: Self = Self(1 << 2);
    /// It counts for nothing: it is kept, and audiences, traits and identities do not know of it.
    pub const UNCOUNTED: Self = Self(1 << 3);

    /// An identity token proved who it says the person is.
    pub const PROVEN: Self = Self(1 << 4);

    const NAMED: [(Self, &str); 3] =
        [(Self::VIOLATION, "violation"), (Self::BOT, "bot"), (Self::INTERNAL, "internal")];

    /// Whether all of `marks` are set.
    pub fn has(self, marks: Self) -> bool {
        self.0 & marks.0 == marks.0
    }

    /// These and `marks`.
    #[must_use]
    pub fn with(self, marks: Self) -> Self {
        Self(self.0 | marks.0)
    }

    /// The words for what was noticed.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.into_iter().filter(move |(mark, _)| self.has(*mark)).map(|(_, word)| word)
    }
}

/// The canonical position of an event among a person's events, the same in whichever order they arrive.
///
/// By event time, then by a hash of (source, message id).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Order {
    /// When it happened.
    pub time: Timestamp,
    /// Tells events of the same instant apart.
    pub tie: u64,
}

impl Event {
    /// Most identifiers one event may carry.
    pub const MAX_IDENTIFIERS: usize = 20;
    /// Longest event name, in bytes.
    pub const MAX_NAME_BYTES: usize = 200;
    /// Longest message id, in bytes.
    pub const MAX_MESSAGE_ID_BYTES: usize = 200;

    /// The identifier that fixes the event's lane: anonymous id, else user id, else the first of the others, as sent.
    pub fn routing(&self) -> Option<&Identifier> {
        routing(&self.identifiers)
    }

    /// The event's canonical position.
    pub fn order(&self) -> Order {
        let mut bytes = self.source.as_str().as_bytes().to_vec();
        bytes.push(0);
        bytes.extend_from_slice(self.message_id.as_bytes());
        Order { time: self.event_time, tie: xxhash_rust::xxh3::xxh3_64(&bytes) }
    }

    /// The user id as sent, if any.
    pub fn user_id(&self) -> Option<&Identifier> {
        self.identifiers.iter().find(|i| i.kind == IdentifierType::UserId)
    }
}

/// The identifier of `identifiers` that routes: anonymous id, else user id, else the first of the others.
pub fn routing(identifiers: &[Identifier]) -> Option<&Identifier> {
    let of = |kind: IdentifierType| identifiers.iter().find(|i| i.kind == kind);
    of(IdentifierType::AnonymousId)
        .or_else(|| of(IdentifierType::UserId))
        .or_else(|| identifiers.first())
}
