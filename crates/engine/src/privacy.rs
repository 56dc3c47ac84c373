//! Requests of people about their own data: to see it, to have it erased, put right, or left alone.
//!
//! A request is made by any identifier and is about whoever has it. The writer does it: what changes a
//! person is folded like everything else, so memberships, timers and caches follow in the same commit.
//! An erasure goes on in small steps between batches, and after a restart where it stood. Each request
//! ends with a receipt, which names nobody and can be checked later.

pub mod access;
pub(crate) mod bars;
pub(crate) mod lake;
pub(crate) mod receipt;
pub(crate) mod rows;
pub(crate) mod subject;

use std::ops::ControlFlow;

use compact_str::CompactString;
use model::{Identifier, Seq, Value, definition::Fault, value::Object};
use serde::{Deserialize, Serialize};
use store::{KeyRange, ScanOrder, Table};
use thiserror::Error;

use crate::{
    definitions::Page,
    privacy::rows::{Phase, Record, StoredRequest},
    record::Unreadable,
    sealed::RowError,
    state::Shared,
};

/// Most traits that one request puts right.
pub const MAX_TRAITS: usize = 100;
/// Longest reason, in bytes.
pub const MAX_REASON_BYTES: usize = 500;
/// Longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 200;
/// Most requests on a page.
const MAX_PAGE: usize = 500;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// All that is held about the person, to be handed out.
    Access,
    /// Nothing of the person is to be readable any more.
    Erase,
    /// Nothing is to be collected of the person from now on, and nothing to be chosen for them.
    Suppress,
    /// The contrary.
    Unsuppress,
    /// What is held is to be kept and used for nothing.
    Restrict,
    /// The contrary.
    Unrestrict,
    /// A trait is to say what the person says, whatever sources say.
    Rectify,
}

impl RequestKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Erase => "erase",
            Self::Suppress => "suppress",
            Self::Unsuppress => "unsuppress",
            Self::Restrict => "restrict",
            Self::Unrestrict => "unrestrict",
            Self::Rectify => "rectify",
        }
    }
}

/// A request, as it is made.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is asked for.
    pub kind: RequestKind,
    /// Of whom: of whoever has this identifier.
    pub identifier: Identifier,
    /// What is put right; for no other kind.
    pub traits: Object,
    /// Why, in words that name nobody.
    pub reason: Option<String>,
    /// What the caller calls the request: a second one of this name is the first.
    pub idempotency_key: Option<String>,
}

/// A request that was taken.
#[derive(Clone, Debug)]
pub struct Filed {
    /// The request, as it is shown.
    pub request: Value,
    /// It was not known before.
    pub is_new: bool,
    /// Nothing is left to be done.
    pub is_done: bool,
}

/// Why a request was not taken.
#[derive(Debug, Error)]
pub enum PrivacyError {
    /// It makes no sense.
    #[error("the request has {} faults", .0.len())]
    Invalid(Vec<Fault>),
    /// It could not be done now.
    #[error("{0}")]
    Unavailable(String),
}

impl From<RowError> for PrivacyError {
    fn from(error: RowError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What was found and done, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// People who had the identifier.
    pub profiles: u64,
    /// Strands they consisted of.
    pub strands: u64,
    /// Identifiers they had.
    pub identifiers: u64,
    /// Traits that were put right.
    pub traits: u64,
    /// Events that were removed.
    pub events: u64,
    /// Decisions that were removed.
    pub decisions: u64,
    /// Entries of the quarantine that were removed.
    pub quarantined: u64,
    /// Rows of the store that were removed, of all these and of what was known beside.
    pub rows: u64,
}

/// Checks a request by itself.
pub(crate) fn check(ask: &Ask) -> Result<(), PrivacyError> {
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: String| faults.push(Fault::new(pointer, detail));
    if ask.reason.as_ref().is_some_and(|reason| MAX_REASON_BYTES < reason.len()) {
        fault("/reason", format!("a reason has at most {MAX_REASON_BYTES} bytes"));
    }
    match (ask.kind, ask.traits.len()) {
        (RequestKind::Rectify, 1..=MAX_TRAITS) => {}
        (RequestKind::Rectify, _) => {
            fault("/traits", format!("to rectify takes 1 to {MAX_TRAITS} traits"));
        }
        (_, 0) => {}
        _ => fault("/traits", "only `rectify` takes traits".to_owned()),
    }
    for (name, value) in &ask.traits {
        if !profile::traits::is_sound(name, value) {
            let pointer = format!("/traits/{}", name.replace('~', "~0").replace('/', "~1"));
            let (name_max, value_max) =
                (profile::traits::MAX_NAME_BYTES, profile::traits::MAX_VALUE_BYTES);
            fault(&pointer, format!("a name has 1 to {name_max} bytes, a value {value_max}"));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(PrivacyError::Invalid(faults)) }
}

/// Seals a request.
pub(crate) fn seal(shared: &Shared, id: Seq, record: &Record) -> Result<bytes::Bytes, RowError> {
    let key = shared.keys.vault.derived_key(rows::SEAL_CONTEXT);
    shared.keys.seal(&key, &rows::request(id), &[], &StoredRequest::V1(record.clone()))
}

/// Reads a request.
pub(crate) fn read(shared: &Shared, id: Seq) -> Result<Option<Record>, RowError> {
    let row = shared.store.get(Table::Meta, &rows::request(id))?;
    Ok(row.map(|row| open(shared, id, &row)).transpose()?)
}

fn open(shared: &Shared, id: Seq, row: &[u8]) -> Result<Record, Unreadable> {
    let key = shared.keys.vault.derived_key(rows::SEAL_CONTEXT);
    let StoredRequest::V1(record) =
        shared.keys.open(&key, &rows::request(id), 0, row, "privacy request")?;
    Ok(record)
}

/// A page of requests as they are shown, newest first. A cursor is the id of the last of the page before.
pub(crate) fn page(
    shared: &Shared,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Value>, RowError> {
    let limit = limit.clamp(1, MAX_PAGE);
    let after = cursor.and_then(parse_id).map(|id| [&rows::request(id)[..], &[0]].concat());
    let from = after.unwrap_or_else(|| rows::REQUESTS.to_vec());
    let mut found = Vec::new();
    let range = KeyRange::new(&from, &[rows::REQUESTS[0] + 1]).into_owned();
    shared.store.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, row| {
        found.push((key.to_vec(), row.to_vec()));
        if limit < found.len() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let has_more = limit < found.len();
    found.truncate(limit);
    let mut items = Vec::with_capacity(found.len());
    let mut last = None;
    for (key, row) in found {
        let id = rows::parse_request(&key).ok_or(Unreadable("privacy request"))?;
        items.push(receipt::shown(shared, id, &open(shared, id, &row)?));
        last = Some(id);
    }
    let next_cursor = last.filter(|_| has_more).map(id_text);
    Ok(Page { items, next_cursor })
}

/// The id of a request as text.
pub(crate) fn id_text(id: Seq) -> String {
    format!("{:016x}", id.0)
}

/// Reads an id written by [`id_text`].
pub(crate) fn parse_id(text: &str) -> Option<Seq> {
    let is_id = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| u64::from_str_radix(text, 16).ok().map(Seq)).flatten()
}

impl Record {
    /// Whether nothing is left to be done.
    pub(crate) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// What happened, as the audit log names it.
    pub(crate) fn action(&self) -> CompactString {
        compact_str::format_compact!("privacy.{}", self.kind.as_str())
    }
}
