//! What ingest takes and answers.

use compact_str::CompactString;
use model::{Event, EventKind, LazyObject, SourceKey, Timestamp, event::Marks};
use serde::Serialize;
use thiserror::Error;

use crate::quarantine;

/// What became of one event, in the order the events were given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum EventVerdict {
    /// Durable and applied.
    Accepted,
    /// The same (source, message id) was applied before; nothing changed.
    Duplicate,
    /// Set aside with its reason; it can be replayed.
    Quarantined {
        /// A stable code, such as `timestamp_in_future`.
        code: CompactString,
        /// A sentence that says what is wrong.
        detail: String,
    },
    /// Consent or suppression forbids keeping it, or the quarantine is full; nothing of it was stored.
    Refused {
        /// A stable code: `no_consent`, `suppressed`, `erased` or `quarantine_full`.
        code: CompactString,
    },
}

impl EventVerdict {
    /// The word it is told with.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Quarantined { .. } => "quarantined",
            Self::Refused { .. } => "refused",
        }
    }
}

/// Something that is not a sound event, as it was sent, with the reason.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Whose write key it came with.
    pub source: SourceKey,
    /// A stable code, such as `too_large`.
    pub code: CompactString,
    /// A sentence that names the fault and its place.
    pub detail: String,
    /// How it came, which is needed to judge it again.
    pub arrival: Arrival,
    /// The event as sent, cut at 32 KiB.
    pub body: Vec<u8>,
}

/// How an event came, besides its own text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrival {
    /// When it reached the server.
    pub received_at: Timestamp,
    /// When the sender sent the call, by the sender's clock.
    pub sent_at: Option<Timestamp>,
    /// Imported.
    pub historical: bool,
    /// What was noticed about the caller.
    pub marks: Marks,
    /// The call that the path named.
    pub kind: Option<EventKind>,
    /// The batch's `context`.
    pub context: Option<LazyObject>,
    /// What told it apart from equal events.
    pub row: Option<CompactString>,
}

/// What the quarantine keeps of an event.
#[derive(Clone, Debug)]
pub enum Kept {
    /// One that did not come into normal form.
    AsSent {
        /// How it came.
        arrival: Arrival,
        /// The event as sent, cut at 32 KiB.
        body: Vec<u8>,
    },
    /// One in normal form.
    Normal(Box<Event>),
}

/// One item of an ingest call.
#[derive(Clone, Debug)]
pub enum Item {
    /// A sound event.
    Event(Box<Event>),
    /// One for the quarantine.
    Rejected(Box<Rejected>),
    /// One from the quarantine, sound now: when it is decided, its entry goes.
    Replayed(Box<Event>, quarantine::EntryKey),
}

/// Identity of a row range of an import: its permanent watermark (a row is never applied twice).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRows {
    /// BLAKE3 digest of the file, 64 hexadecimal digits.
    pub file: String,
    /// The first row these events came from; must equal the watermark.
    pub first_row: u64,
    /// One past the last row.
    pub end_row: u64,
}

/// Why a call was not taken at all. Nothing of it was applied.
#[derive(Clone, Debug, Error)]
pub enum IngestError {
    /// The queue is full.
    #[error("overloaded: try again in {retry_after_seconds} s")]
    Overloaded {
        /// Whole seconds to wait.
        retry_after_seconds: u32,
    },
    /// The store cannot take writes (disk full or failed) or the engine is stopping.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The import's rows do not start at its watermark.
    #[error("import continues at row {watermark}")]
    ImportOutOfStep {
        /// The row to continue at.
        watermark: u64,
    },
}
