//! What is kept of privacy requests. Nothing here names a person: identifiers stand as keyed hashes.
//!
//! | table | key | value |
//! |---|---|---|
//! | Meta | `60`, seq u64 of the request, inverted | [`StoredRequest`], sealed for the workspace |
//! | Meta | `61`, hash16 of an identifier | [`StoredBar`] |
//! | Meta | `62`, seq u64 of a request, count u32 | [`StoredErasure`] |
//! | Meta | `63` | the receipt made last: its number u64, its code 32 bytes |
//! | Meta | `64`, hash16 of an idempotency key | seq u64 of the request |
//! | Meta | `65`, seq u64 of a request | empty: it is not done yet |
//! | Meta | `66`, seq u64 of a request | [`StoredForgotten`] |

use compact_str::CompactString;
use model::{Seq, StrandId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    keys::Hash16,
    messages::Message,
    privacy::{Counts, RequestKind, bars::Bar},
};

pub(crate) const REQUEST: u8 = 0x60;
pub(crate) const BAR: u8 = 0x61;
const ERASURE: u8 = 0x62;
/// The key of the receipt made last.
pub(crate) const LAST_RECEIPT: [u8; 1] = [0x63];
const IDEMPOTENCY: u8 = 0x64;
const OPEN: u8 = 0x65;
const FORGOTTEN: u8 = 0x66;

/// Names the key that requests are sealed with.
pub(crate) const SEAL_CONTEXT: &str = "concierge 2026 privacy request";

/// A request and what has become of it; sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredRequest {
    V1(Record),
}

/// The current form of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) kind: RequestKind,
    /// The type of the identifier that it was made by.
    pub(crate) identifier_type: CompactString,
    pub(crate) identifier: Hash16,
    pub(crate) reason: Option<String>,
    /// The name of the token it was made with.
    pub(crate) actor: CompactString,
    pub(crate) at: Timestamp,
    pub(crate) phase: Phase,
    /// The strands it is about, each with the slot of its key.
    pub(crate) strands: Vec<(StrandId, u64)>,
    pub(crate) counts: Counts,
    pub(crate) receipt: Option<StoredReceipt>,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Nobody finds the person any more. What is to be removed is being written down.
    Gathering,
    /// That is written down. Keys are overwritten, then bytes removed.
    Erasing,
    /// Done.
    Done,
}

/// That a request was done, for whoever must show it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredReceipt {
    pub(crate) done_at: Timestamp,
    /// 1 for the first receipt of the workspace.
    pub(crate) number: u64,
    /// The code of the receipt before; zeros for the first.
    pub(crate) previous: [u8; 32],
    /// The keyed hash of the request as it is shown, the receipt's other parts included.
    pub(crate) code: [u8; 32],
}

/// What is barred of an identifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredBar {
    V1 { erased_at: Option<Timestamp>, suppressed: bool },
}

/// Rows that are to be removed, and that nobody finds once the key is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredErasure {
    V1 { bodies: Vec<Seq>, messages: Vec<Message> },
}

/// How far an erasure is in the lake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredForgotten {
    V1 {
        /// From when on nobody who asks sees the rows.
        hidden_at: Timestamp,
        /// When the last file that had any was rewritten.
        rewritten_at: Option<Timestamp>,
    },
}

/// The key of how far an erasure is in the lake.
pub(crate) fn forgotten(id: Seq) -> Vec<u8> {
    named(FORGOTTEN, &id.0.to_be_bytes())
}

impl From<StoredBar> for Bar {
    fn from(StoredBar::V1 { erased_at, suppressed }: StoredBar) -> Self {
        Self { erased_at, suppressed }
    }
}

impl From<Bar> for StoredBar {
    fn from(Bar { erased_at, suppressed }: Bar) -> Self {
        Self::V1 { erased_at, suppressed }
    }
}

/// The key of a request; the newest sorts first.
pub(crate) fn request(id: Seq) -> Vec<u8> {
    named(REQUEST, &(!id.0).to_be_bytes())
}

/// The prefix of all requests.
pub(crate) const REQUESTS: [u8; 1] = [REQUEST];

/// Reads the key of a request.
pub(crate) fn parse_request(key: &[u8]) -> Option<Seq> {
    let id = key.strip_prefix(&REQUESTS)?;
    Some(Seq(!u64::from_be_bytes(id.try_into().ok()?)))
}

/// The key of what is barred of an identifier.
pub(crate) fn bar(identifier: &Hash16) -> Vec<u8> {
    named(BAR, identifier)
}

/// The prefix of what is to be removed for a request.
pub(crate) fn erasures(id: Seq) -> Vec<u8> {
    named(ERASURE, &id.0.to_be_bytes())
}

/// The key of a part of it.
pub(crate) fn erasure(id: Seq, part: u32) -> Vec<u8> {
    [&erasures(id)[..], &part.to_be_bytes()].concat()
}

/// The key under which a request is known by what its caller called it.
pub(crate) fn idempotency(key: &Hash16) -> Vec<u8> {
    named(IDEMPOTENCY, key)
}

/// The key that says that a request is not done yet.
pub(crate) fn open(id: Seq) -> Vec<u8> {
    named(OPEN, &id.0.to_be_bytes())
}

/// The prefix of all that are not done yet.
pub(crate) const OPENS: [u8; 1] = [OPEN];

/// Reads the key of a request that is not done yet.
pub(crate) fn parse_open(key: &[u8]) -> Option<Seq> {
    let id = key.strip_prefix(&OPENS)?;
    Some(Seq(u64::from_be_bytes(id.try_into().ok()?)))
}

fn named(prefix: u8, rest: &[u8]) -> Vec<u8> {
    [&[prefix], rest].concat()
}
