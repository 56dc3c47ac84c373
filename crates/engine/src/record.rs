//! What stands in rows: versioned records and their encoding.
//!
//! A record is an enum whose first variant is version 1; postcard writes the variant's number
//! first. A new shape is a new variant and an arm that turns it into the current one;
//! `tests/fixtures` holds bytes of every version ever written.

use std::borrow::Cow;

use compact_str::CompactString;
use decision::{ConsentBasis, Holdout, RecordedTraits, Reference, WhyNot};
use model::{
    ActId, Consents, Drawn, Event, EventKind, Identifier, Key, Lane, LazyObject, PurposeSet, Seq,
    StrandId, Timestamp, UnitId,
    condition::Truth,
    event::{Marks, Order},
    value::Object,
};
use profile::Reason;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{keys, retention::Removed, turns::Turns};

mod log;

pub(crate) use log::{LogEntry, LogRow};

/// A stored row that does not read back.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a stored {0} does not read back")]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// Encodes a record.
pub(crate) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    encode_in(record, 0)
}

/// Encodes a record that takes some `bytes`.
pub(crate) fn encode_in<T: Serialize>(record: &T, bytes: usize) -> Vec<u8> {
    let room = Room(Vec::with_capacity(bytes));
    // Postcard fails only for types whose length is unknown or whose own serialisation fails; records have neither.
    postcard::serialize_with_flavor(record, room).unwrap_or_default()
}

/// A vector to encode into; postcard's own always begins without room.
struct Room(Vec<u8>);

impl postcard::ser_flavors::Flavor for Room {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// Decodes a record, which may borrow from `bytes`; `what` names it in the error.
pub(crate) fn decode<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    what: &'static str,
) -> Result<T, Unreadable> {
    postcard::from_bytes(bytes).map_err(|_| Unreadable(what))
}

/// JSON inside a record: as text, since postcard does not describe itself.
pub(crate) fn json_text(object: &Object) -> String {
    if object.is_empty() {
        String::new()
    } else {
        serde_json::to_string(object).unwrap_or_default()
    }
}

/// The same of an object that is text already.
fn lazy_text(object: &LazyObject) -> Cow<'_, str> {
    Cow::Borrowed(if object.is_empty() { "" } else { object.text() })
}

/// Reads JSON written by [`lazy_text`].
fn lazy_object(text: &str) -> Result<LazyObject, Unreadable> {
    if text.is_empty() {
        return Ok(LazyObject::default());
    }
    LazyObject::parse(text).map_err(|_| Unreadable("event"))
}

/// Reads JSON written by [`json_text`].
pub(crate) fn json_object(text: &str, what: &'static str) -> Result<Object, Unreadable> {
    if text.is_empty() {
        return Ok(Object::new());
    }
    serde_json::from_str(text).map_err(|_| Unreadable(what))
}

/// What a strand's page says in plain: what must be readable without its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MetaHead {
    /// Where its key is.
    pub(crate) slot: u64,
    /// The head of its component.
    pub(crate) head: StrandId,
    /// What assignments hash.
    pub(crate) unit: UnitId,
    /// What the component has said about consent, so that the collect gate needs no profile.
    pub(crate) consents: Consents,
}

impl MetaHead {
    /// Length in bytes, the version byte included.
    pub(crate) const BYTES: usize = 1 + 8 + keys::STRAND_BYTES + 8 + 8;
    const VERSION: u8 = 1;

    /// As bytes.
    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = Self::VERSION;
        bytes[1..9].copy_from_slice(&self.slot.to_be_bytes());
        bytes[9..19].copy_from_slice(&keys::strand(self.head));
        bytes[19..27].copy_from_slice(&self.unit.0.to_be_bytes());
        bytes[27..31].copy_from_slice(&self.consents.granted.0.to_be_bytes());
        bytes[31..35].copy_from_slice(&self.consents.denied.0.to_be_bytes());
        bytes
    }

    /// From the start of a page's row.
    pub(crate) fn parse(row: &[u8]) -> Result<Self, Unreadable> {
        let unreadable = || Unreadable("strand");
        let bytes: &[u8; Self::BYTES] = row.first_chunk().ok_or_else(unreadable)?;
        if bytes[0] != Self::VERSION {
            return Err(unreadable());
        }
        let word = |at: usize| bytes[at..at + 8].try_into().map(u64::from_be_bytes);
        let half = |at: usize| bytes[at..at + 4].try_into().map(u32::from_be_bytes);
        Ok(Self {
            slot: word(1).map_err(|_| unreadable())?,
            head: keys::parse_strand(&bytes[9..19]).ok_or_else(unreadable)?,
            unit: UnitId(word(19).map_err(|_| unreadable())?),
            consents: Consents {
                granted: PurposeSet(half(27).map_err(|_| unreadable())?),
                denied: PurposeSet(half(31).map_err(|_| unreadable())?),
            },
        })
    }
}

/// Who opened a strand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredMeta {
    V1 {
        /// The identifier that routes to it, as sent.
        routing: Identifier,
        /// The user id it belongs to, as sent, or none.
        user: Option<Identifier>,
        /// The instant of its first event's batch.
        born_at: Timestamp,
    },
}

/// An identifier as one strand observed it; behind one byte, its [`verdict`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredLink {
    V1 {
        /// In normal form.
        identifier: Identifier,
        /// Canonical position of its earliest observation.
        order: Order,
        /// Its newest observation, to the day.
        last: Timestamp,
        /// Whether it may join people: not a mere claim from a source that demands proof.
        trusted: bool,
    },
}

/// The first byte of a link row: what identity resolution made of the link. 0 joins.
pub(crate) fn verdict(refused: Option<Reason>) -> u8 {
    match refused {
        None => 0,
        Some(Reason::Limit) => 1,
        Some(Reason::TwoKnownUsers) => 2,
        Some(Reason::SharedDevice) => 3,
        Some(Reason::Blocked) => 4,
        Some(Reason::NotJoinable) => 5,
        Some(Reason::Unverified) => 6,
        Some(Reason::Full) => 7,
        Some(Reason::KeptApart) => 8,
        Some(Reason::Large) => 9,
    }
}

/// Reads a byte written by [`verdict`].
pub(crate) fn refused(verdict: u8) -> Result<Option<Reason>, Unreadable> {
    Ok(Some(match verdict {
        0 => return Ok(None),
        1 => Reason::Limit,
        2 => Reason::TwoKnownUsers,
        3 => Reason::SharedDevice,
        4 => Reason::Blocked,
        5 => Reason::NotJoinable,
        6 => Reason::Unverified,
        7 => Reason::Full,
        8 => Reason::KeptApart,
        9 => Reason::Large,
        _ => return Err(Unreadable("link")),
    }))
}

/// A trait as one strand observed it; sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredTrait {
    V1 {
        /// Its name.
        name: CompactString,
        /// JSON text of its value.
        value: String,
        /// Whose word it is.
        source: Key,
        /// Canonical position of the event that said so.
        order: Order,
        /// What it may be used for.
        purposes: PurposeSet,
    },
}

/// A statement about consent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredConsent {
    V1 {
        /// What was said.
        consents: Consents,
        /// Whether the person was identified with proof, so that it binds the person and not only the device.
        identified: bool,
        /// Whose word it is.
        source: Key,
    },
}

/// Where somebody was seen last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredCountry {
    V1 {
        /// The two letters of the country.
        letters: [u8; 2],
        /// Canonical position of the event that told it.
        order: Order,
    },
}

/// What was asked to be done about the person whom a strand belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// To be left alone.
    pub(crate) suppressed: bool,
    /// To use nothing that is stored.
    pub(crate) restricted: bool,
}

/// A [`Standing`], as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredStanding {
    V1 { suppressed: bool, restricted: bool },
}

/// A first assignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredAssignment {
    V1 {
        /// The variant.
        variant: Key,
        /// When, in the log.
        seq: Seq,
    },
    /// The same where shares follow what units did.
    V2 { variant: Key, seq: Seq, drawn: Drawn },
}

/// A membership of a head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredMembership {
    V1 {
        /// The version of the audience that was evaluated.
        version: u32,
        /// In, out, or withheld.
        truth: Truth,
        /// When that changed last.
        since: Option<Timestamp>,
        /// When it had changed before that.
        previous: Option<Timestamp>,
        /// From when on it must be looked at again, or an instant before that.
        valid_until: Option<Timestamp>,
    },
}

/// The state of a head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredState {
    V1 {
        /// The one persisted timer.
        due: Option<Timestamp>,
        /// Names the set of audiences that the memberships were evaluated with.
        fingerprint: u64,
    },
}

/// A visit, as far as this strand has seen it; the position of its first event is in the row's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredVisit<'a> {
    V1 {
        last: Timestamp,
        events: u32,
        pages: u32,
        purposes: PurposeSet,
        landing: Cow<'a, str>,
        /// As in [`StoredValues`].
        context: Cow<'a, str>,
    },
}

impl StoredVisit<'_> {
    /// The record of a visit.
    pub(crate) fn of(visit: &profile::Visit) -> StoredVisit<'_> {
        let profile::Visit { last, events, pages, purposes, .. } = *visit;
        let profile::Entry { landing, context } = &*visit.entry;
        let (landing, context) = (landing.into(), context.into());
        StoredVisit::V1 { last, events, pages, purposes, landing, context }
    }

    /// The visit again.
    pub(crate) fn into_visit(self, start: Order) -> profile::Visit {
        let Self::V1 { last, events, pages, purposes, landing, context } = self;
        let (landing, context) = (landing.into_owned(), context.into_owned());
        let entry = std::sync::Arc::new(profile::Entry { landing, context });
        profile::Visit { start, last, events, pages, purposes, entry }
    }
}

/// The turns at a device that several users share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredTurns {
    V1(Turns),
}

/// Where the values of an event are that audiences may ask about: its properties, and the parts of
/// its context that [`ROW_CONTEXT`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Values {
    /// It has none.
    Absent = 0,
    /// In its timeline row.
    InRow = 1,
    /// Only in its body, since they are long.
    InBody = 2,
}

/// The head of a timeline row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventHead {
    /// Where the values are.
    pub(crate) values: Values,
    /// Whether it counts; the rows of events that do not are passed over by all but who looks at the timeline.
    pub(crate) counts: bool,
    /// The collect gate's verdict: what it may be used for.
    pub(crate) purposes: PurposeSet,
    /// Tells events of the same instant apart.
    pub(crate) tie: u64,
}

impl EventHead {
    /// Length in bytes, the version byte included.
    pub(crate) const BYTES: usize = 1 + 1 + 4 + 8;
    const VERSION: u8 = 1;
    /// Set beside the place of the properties of an event that does not count.
    const UNCOUNTED: u8 = 0x80;

    /// As bytes.
    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = Self::VERSION;
        bytes[1] = self.values as u8 | if self.counts { 0 } else { Self::UNCOUNTED };
        bytes[2..6].copy_from_slice(&self.purposes.0.to_be_bytes());
        bytes[6..].copy_from_slice(&self.tie.to_be_bytes());
        bytes
    }

    /// From the start of a timeline row.
    pub(crate) fn parse(row: &[u8]) -> Result<Self, Unreadable> {
        let unreadable = || Unreadable("event");
        let bytes: &[u8; Self::BYTES] = row.first_chunk().ok_or_else(unreadable)?;
        let values = match (bytes[0], bytes[1] & !Self::UNCOUNTED) {
            (Self::VERSION, 0) => Values::Absent,
            (Self::VERSION, 1) => Values::InRow,
            (Self::VERSION, 2) => Values::InBody,
            _ => return Err(unreadable()),
        };
        let counts = bytes[1] & Self::UNCOUNTED == 0;
        let purposes = bytes[2..6].try_into().map(u32::from_be_bytes).map_err(|_| unreadable())?;
        let tie = bytes[6..].try_into().map(u64::from_be_bytes).map_err(|_| unreadable())?;
        Ok(Self { values, counts, purposes: PurposeSet(purposes), tie })
    }
}

/// The values in a timeline row, each as JSON text; empty for no members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredValues<'a> {
    V1 {
        #[serde(borrow)]
        properties: Cow<'a, str>,
        /// Flat: the paths of [`ROW_CONTEXT`] are its members' names.
        #[serde(borrow)]
        context: Cow<'a, str>,
    },
}

impl<'a> StoredValues<'a> {
    /// The record of an event's values, and where they are: nothing is kept of none or of long ones.
    pub(crate) fn of(event: &'a StoredEvent<'_>, context: &LazyObject) -> (Values, Option<Self>) {
        let StoredEvent::V1 { properties, .. } = event;
        let Some(context) = row_context(context) else { return (Values::InBody, None) };
        match (properties.len(), context.len()) {
            (0, 0) => (Values::Absent, None),
            (..=ROW_PROPERTIES_BYTES_MAX, ..=ROW_CONTEXT_BYTES_MAX) => {
                let properties = Cow::Borrowed(&**properties);
                (Values::InRow, Some(Self::V1 { properties, context: context.into() }))
            }
            _ => (Values::InBody, None),
        }
    }

    /// Bytes of text.
    pub(crate) fn len(&self) -> usize {
        let Self::V1 { properties, context } = self;
        properties.len() + context.len()
    }
}

/// Longest properties, as JSON text, that a timeline row repeats.
const ROW_PROPERTIES_BYTES_MAX: usize = 512;
/// Longest parts of a context, as JSON text, that it repeats.
const ROW_CONTEXT_BYTES_MAX: usize = 512;

/// What timeline rows repeat of a context, sorted. Audiences may ask about more, but that is read from bodies.
pub(crate) const ROW_CONTEXT: [&str; 18] = [
    "app.name",
    "browser.name",
    "campaign.content",
    "campaign.medium",
    "campaign.name",
    "campaign.source",
    "device.model",
    "device.type",
    "local.hour",
    "local.weekday",
    "locale",
    "location.city",
    "location.country",
    "location.region",
    "os.name",
    "referrer.channel",
    "referrer.domain",
    "weather.sky",
];

/// The parts of a context that a timeline row repeats, as JSON text; empty for none, `None` where one
/// of them is no single value.
pub(crate) fn row_context(context: &LazyObject) -> Option<String> {
    let mut text = String::new();
    for path in ROW_CONTEXT {
        let Some(value) = context.find_at(path) else { continue };
        if value.is_object() || value.is_array() {
            return None;
        }
        text.push(if text.is_empty() { '{' } else { ',' });
        // The paths are of characters that stand in JSON as they are.
        text.push('"');
        text.push_str(path);
        text.push_str("\":");
        text.push_str(&value.to_string());
    }
    if !text.is_empty() {
        text.push('}');
    }
    Some(text)
}

/// The body of an event; sealed. Its time is in the name of its timeline row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredEvent<'a> {
    V1 {
        kind: EventKind,
        name: CompactString,
        source: Key,
        message_id: CompactString,
        identifiers: Cow<'a, [Identifier]>,
        received_at: Timestamp,
        sent_at: Option<Timestamp>,
        /// JSON text, as are the next two; empty for no members.
        properties: Cow<'a, str>,
        traits: Cow<'a, str>,
        context: Cow<'a, str>,
        consents: Consents,
        historical: bool,
        marks: Marks,
    },
}

impl<'a> StoredEvent<'a> {
    /// The record of `event`.
    pub(crate) fn of(event: &'a Event) -> Self {
        Self::V1 {
            kind: event.kind,
            name: event.name.clone(),
            source: event.source.clone(),
            message_id: event.message_id.clone(),
            identifiers: Cow::Borrowed(&event.identifiers),
            received_at: event.received_at,
            sent_at: event.sent_at,
            properties: lazy_text(&event.properties),
            traits: json_text(&event.traits).into(),
            context: lazy_text(&event.context),
            consents: event.consents,
            historical: event.historical,
            marks: event.marks,
        }
    }

    /// The event again; its time comes from the row's key.
    pub(crate) fn into_event(self, event_time: Timestamp) -> Result<Event, Unreadable> {
        let Self::V1 {
            kind,
            name,
            source,
            message_id,
            identifiers,
            received_at,
            sent_at,
            properties,
            traits,
            context,
            consents,
            historical,
            marks,
        } = self;
        Ok(Event {
            source,
            message_id,
            kind,
            name,
            identifiers: identifiers.into_owned(),
            event_time,
            received_at,
            sent_at,
            properties: lazy_object(&properties)?,
            traits: json_object(&traits, "event")?,
            context: lazy_object(&context)?,
            consents,
            historical,
            marks,
        })
    }
}

/// The last round of the sweep that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredRound {
    V1 {
        began_at: Timestamp,
        ended_at: Timestamp,
        /// Strands that it looked at.
        strands: u64,
        removed: Removed,
    },
}

/// Something an operator did to people, with all that its fold needs.
///
/// It names identifiers by their keyed hashes, as the index does: who was erased is named nowhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredAct {
    V1 {
        /// The name of the token it was done with.
        actor: CompactString,
        deed: Deed,
    },
}

/// An identifier by its keyed hash, and the lane of those who hold it.
pub(crate) type Named = (Lane, keys::Hash16);

/// What was done. A new kind is a new variant at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Deed {
    /// Identifiers in different parts belong to different people.
    KeepApart { parts: Vec<Vec<Named>> },
    /// A proposal is accepted: all of these belong to one person.
    Merge { proposal: Pair, identifiers: Vec<Named> },
    /// What an act did no longer holds.
    Undo { act: ActId },
    /// Those of these pairs may be one person; somebody is to look.
    Propose { proposals: Vec<Proposed> },
    /// A proposal is rejected, and is not made again.
    Reject { proposal: Pair },
}

/// Two people by one identifier of each, the smaller hash first: what a proposal is known by.
pub(crate) type Pair = [keys::Hash16; 2];

/// A proposal that somebody hands in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Proposed {
    pub(crate) sides: [Named; 2],
    /// How sure its maker is, 0 to 1.
    pub(crate) score: f64,
    /// What that rests on: how much each comparison speaks for it.
    pub(crate) weights: Vec<(CompactString, f64)>,
}

/// How large a person is who has more identifiers than most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredLarge {
    V1 {
        /// Since when.
        since: Timestamp,
        identifiers: u32,
        strands: u32,
        /// Whether something was refused because there is no more room.
        is_full: bool,
    },
}

/// Two people who may be one. It names them by keyed hashes of identifiers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredProposal {
    V1 {
        /// Where the log was when it was made.
        seq: Seq,
        /// When.
        at: Timestamp,
        /// Both people, each by an identifier.
        sides: [Named; 2],
        /// The identifiers that both were seen with and that the rules did not let join, with the reason's verdict.
        evidence: Vec<(Named, u8)>,
        /// What somebody handed in; `None` of one that the rules made.
        scored: Option<(f64, Vec<(CompactString, f64)>)>,
        state: ProposalState,
    },
}

/// What has become of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ProposalState {
    Open,
    /// By this act, as long as that is in force.
    Accepted(ActId),
    /// By this act.
    Rejected(ActId),
}

/// What has become of an act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum ActState {
    V1 {
        /// Where the log has it.
        seq: Seq,
        /// When it was done.
        at: Timestamp,
        kind: ActKind,
        /// Since when it holds, or does not, as a place of the log.
        since: Seq,
        in_force: bool,
    },
}

/// The kind of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ActKind {
    KeepApart,
    Merge,
    Undo(ActId),
    /// It says nothing about who is who.
    Other,
}

/// An answered request as recorded, in one row; sealed with the strand's key.
///
/// Its id and instant are in the row's key, the unit in the strand's meta row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredDecision<'a> {
    V1(DecisionParts<'a>),
    /// With how variants were drawn where shares follow what units did, by the places of their outcomes.
    V2(DecisionParts<'a>, Vec<(u16, Drawn)>),
    /// With the traits that experiences have recorded.
    V3(DecisionParts<'a>, Beside),
}

/// What a record has of some of its outcomes only, by their places.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Beside {
    /// How variants were drawn where shares follow what units did.
    pub(crate) drawn: Vec<(u16, Drawn)>,
    /// The traits that the experience that won has recorded.
    pub(crate) recorded: Vec<(u16, RecordedTraits)>,
}

/// The parts of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DecisionParts<'a> {
    pub(crate) definitions_version: u64,
    /// The lower half of the id of the first decision; the others' ids follow it.
    pub(crate) first: u64,
    /// The audiences the person was in, and the furthest of each set of stages they had reached, but for
    /// the first, as `car.decision`.
    pub(crate) memberships: Vec<Cow<'a, Key>>,
    /// One for each placement, in the order asked.
    pub(crate) outcomes: Vec<StoredOutcome<'a>>,
    /// JSON text; `None` where it was too large to keep.
    pub(crate) context: Option<Cow<'a, str>>,
}

impl<'a> StoredDecision<'a> {
    /// The record of these parts.
    pub(crate) fn of(parts: DecisionParts<'a>, beside: Beside) -> Self {
        let Beside { drawn, recorded } = &beside;
        match (drawn.is_empty(), recorded.is_empty()) {
            (true, true) => Self::V1(parts),
            (false, true) => Self::V2(parts, beside.drawn),
            (_, false) => Self::V3(parts, beside),
        }
    }

    /// Its parts.
    pub(crate) fn into_parts(self) -> (DecisionParts<'a>, Beside) {
        match self {
            Self::V1(parts) => (parts, Beside::default()),
            Self::V2(parts, drawn) => (parts, Beside { drawn, ..Beside::default() }),
            Self::V3(parts, beside) => (parts, beside),
        }
    }

    /// Leaves the context out.
    pub(crate) fn without_context(mut self) -> Self {
        let (Self::V1(parts) | Self::V2(parts, _) | Self::V3(parts, _)) = &mut self;
        parts.context = None;
        self
    }

    /// Leaves the traits out.
    pub(crate) fn without_traits(self) -> Self {
        let (parts, beside) = self.into_parts();
        Self::of(parts, Beside { recorded: Vec::new(), ..beside })
    }
}

/// What was decided for one placement. Its experience, or its shadow's, is the candidate without a reason not to win.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredOutcome<'a> {
    pub(crate) placement: StoredPlacement<'a>,
    /// Why the candidates that were looked at did not win, in the order of the lineup; and how many
    /// of them in a row.
    pub(crate) verdicts: Vec<(Option<WhyNot>, u32)>,
    /// The variant of the experience that is shown.
    pub(crate) variant: Option<Cow<'a, Key>>,
    /// The variant that a held-out unit would have got, and the holdout.
    pub(crate) shadow: Option<(Cow<'a, Key>, Cow<'a, Holdout>)>,
    pub(crate) reason: decision::Reason,
    pub(crate) propensity: f64,
    pub(crate) consent: ConsentBasis,
}

/// The placement that was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredPlacement<'a> {
    /// The one whose [`StoredLineup`] this names.
    Lineup(LineupId),
    /// One without candidates: unknown, broken or paused.
    Named { key: Cow<'a, Key>, version: Option<u64> },
    /// One of which a token told what won; who lost is not known.
    Told { placement: Cow<'a, Reference>, winner: Cow<'a, Reference> },
}

/// Names a [`StoredLineup`] by a hash of it.
pub(crate) type LineupId = [u8; 8];

/// A placement with all its candidates, each at its version, in the order of arbitration: what
/// records would otherwise repeat. Decisions refer to it, so it is never changed and never removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredLineup {
    V1 { placement: Reference, candidates: Vec<Reference> },
}

#[cfg(test)]
mod tests;
