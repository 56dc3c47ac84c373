//! The log: one entry for each input and for what is to be known of what followed from it.

use audience::TransitionKind;
use compact_str::CompactString;
use model::{ActId, Key, Lane, PurposeSet, Seq, StrandId, Timestamp};
use serde::{Deserialize, Serialize};

/// One input in the log. Each takes one seq.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LogEntry {
    /// An event; with the entry's own seq these are the parts of its row's name, and what the collect
    /// gate said it may be used for.
    Event { lane: Lane, born: Seq, name: [u8; 8], time: Timestamp, purposes: PurposeSet },
    /// A strand was born with the event that follows at `seq + 1`… its id is this entry's seq.
    Strand { lane: Lane },
    /// A definition changed.
    Definition { kind: u8, key: Key, version: u64 },
    /// The timers of a person were due.
    Timer { lane: Lane, born: Seq, due: Timestamp },
    /// A decision was recorded; these are the parts of its row's name.
    Decision { lane: Lane, born: Seq, at: Timestamp, id: u128 },
    /// Something an operator did; the audit log says what.
    Act { action: CompactString },
    /// Something an operator did to people: [`StoredAct`](super::StoredAct) says what.
    Person { act: ActId },
    /// What was here is kept no longer.
    Removed,
    /// The person with this head went into an audience or out of it, at an instant that may lie before
    /// the batch's.
    Transition {
        lane: Lane,
        born: Seq,
        audience: Key,
        version: u32,
        kind: TransitionKind,
        at: Timestamp,
    },
    /// A strand belongs to the person with this head from now on.
    Head { lane: Lane, born: Seq, head: StrandId },
    /// The event that an earlier entry records lies under another strand of its lane now; that entry
    /// says so as well.
    Moved { event: Seq, lane: Lane, born: Seq },
    /// The event of an earlier entry is kept no longer. That entry says nothing any more.
    EventRemoved { event: Seq, lane: Lane, born: Seq },
    /// The same of a decision.
    DecisionRemoved { lane: Lane, born: Seq, at: Timestamp, id: u128 },
}

impl LogEntry {
    /// The most bytes that it takes in a row.
    pub(crate) fn bytes_max(&self) -> usize {
        match self {
            Self::Transition { audience, .. } => Self::FIXED_BYTES_MAX + audience.as_str().len(),
            Self::Definition { key, .. } => Self::FIXED_BYTES_MAX + key.as_str().len(),
            Self::Act { action } => Self::FIXED_BYTES_MAX + action.len(),
            _ => Self::FIXED_BYTES_MAX,
        }
    }

    /// A tag, a lane, three numbers of 64 bits or one of 128 beside one of 64 and an instant.
    const FIXED_BYTES_MAX: usize = 1 + 3 + 10 + 10 + 19;
}

/// A part of a committed batch: entries with consecutive seqs, the first being the row's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LogRow {
    V1 {
        /// Whether a batch begins with this row: batches may have one instant.
        begins: bool,
        /// The batch's instant.
        now: Timestamp,
        /// The next free key slot after this batch.
        next_slot: u64,
        /// Its entries.
        entries: Vec<LogEntry>,
    },
}
