//! What ingest takes and answers.

use compact_str::CompactString;
use model::{Event, SourceKey};
use serde::Serialize;
use thiserror::Error;

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
    /// Consent or suppression forbids keeping it; nothing of it was stored.
    Refused {
        /// A stable code: `no_consent`, `suppressed` or `erased`.
        code: CompactString,
    },
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
    /// The event as sent, cut at 32 KiB.
    pub body: Vec<u8>,
}

/// One item of an ingest call.
#[derive(Clone, Debug)]
pub enum Item {
    /// A sound event.
    Event(Box<Event>),
    /// One for the quarantine.
    Rejected(Box<Rejected>),
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
