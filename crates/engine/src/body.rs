//! The bodies of events: each as it was taken in, once, in the order of the log.
//!
//! A row of a timeline only repeats what audiences may ask about. Timelines lie by person, so the
//! store has to merge each new row among older ones again and again, while bodies arrive in the order
//! of their keys and are written once. Whoever wants all events in order reads them in one go.

use std::borrow::Cow;

use bytes::Bytes;
use model::{Event, Seq, Timestamp};
use store::{Reader, SealError, StrandKey, Table, seal::Packed};

use crate::{
    keys,
    pending::Pending,
    record::{EventHead, StoredEvent, StoredValues, Unreadable, Values, encode_in},
    sealed::{Keys, RowError},
};

/// Most bytes of a sealed body in one row; the rest goes to continuation rows.
const ROW_BYTES: usize = 3_900;

/// Room for an event without what it says.
const RECORD_BYTES: usize = 192;
/// Room for the lengths of an event's values.
const VALUES_BYTES: usize = 8;

/// The plain start of a body: its version, and how many rows it takes.
const HEAD_BYTES: usize = 2;
const VERSION: u8 = 1;

/// An event as it is written, but for its key: packed ahead of the fold.
#[derive(Clone, Debug)]
pub(crate) struct PackedEvent {
    body: Packed,
    values: Values,
    /// [`StoredValues`], encoded, where the timeline repeats the values.
    repeated: Option<Vec<u8>>,
}

impl PackedEvent {
    /// Packs an event; fails when it is longer than any row may be.
    pub(crate) fn of(event: &Event) -> Result<Self, SealError> {
        let stored = StoredEvent::of(event);
        let (values, repeated) = StoredValues::of(&stored, &event.context);
        let StoredEvent::V1 { properties: text, context, .. } = &stored;
        let encode =
            |repeated: StoredValues<'_>| encode_in(&repeated, repeated.len() + VALUES_BYTES);
        let repeated = repeated.map(encode);
        let plain = encode_in(&stored, text.len() + context.len() + RECORD_BYTES);
        Ok(Self { body: Packed::of(&plain)?, values, repeated })
    }

    /// Where the event's values are.
    pub(crate) fn values(&self) -> Values {
        self.values
    }

    /// The timeline row of the event.
    pub(crate) fn row(&self, head: EventHead) -> Vec<u8> {
        let repeated = self.repeated.as_deref().unwrap_or_default();
        [&head.to_bytes(), repeated].concat()
    }

    /// Writes the body of the event at `seq`.
    pub(crate) fn write_body(
        &self,
        pending: &mut Pending<'_>,
        keys: &Keys,
        key: &StrandKey,
        seq: Seq,
    ) -> Result<(), RowError> {
        let row_key = keys::body(seq, 0);
        let seal = |rows| {
            let sealer = keys.vault.sealer();
            sealer.seal_packed(key, &row_key, &[VERSION, rows], &self.body).map(Bytes::from)
        };
        let mut sealed = seal(1)?;
        if sealed.len() > ROW_BYTES {
            // How many rows it takes is bound to the rest, and does not change its length.
            let rows = sealed.len().div_ceil(ROW_BYTES);
            let rows = u8::try_from(rows).map_err(|_| Unreadable("event"))?;
            sealed = seal(rows)?;
            for row in 1..rows {
                let from = usize::from(row) * ROW_BYTES;
                let to = (from + ROW_BYTES).min(sealed.len());
                pending.put(Table::Body, keys::body(seq, row), sealed.slice(from..to));
            }
            sealed.truncate(ROW_BYTES);
        }
        pending.put(Table::Body, row_key, sealed);
        Ok(())
    }
}

/// How many rows the body at `seq` takes; 0 when there is none.
pub(crate) fn row_count(reader: &dyn Reader, seq: Seq) -> Result<u8, RowError> {
    let Some(first) = reader.get(Table::Body, &keys::body(seq, 0))? else { return Ok(0) };
    match first[..] {
        [VERSION, rows, ..] => Ok(rows.max(1)),
        _ => Err(Unreadable("event").into()),
    }
}

/// Reads the event at `seq`; its time is in the name of its timeline row.
pub(crate) fn read(
    reader: &dyn Reader,
    keys: &Keys,
    key: &StrandKey,
    seq: Seq,
    time: Timestamp,
) -> Result<Event, RowError> {
    let row_key = keys::body(seq, 0);
    let row = |index| reader.get(Table::Body, &keys::body(seq, index));
    let first = row(0)?.ok_or(Unreadable("event"))?;
    let &[VERSION, rows, ..] = &first[..] else { return Err(Unreadable("event").into()) };
    let mut whole = Cow::Borrowed(&first[..]);
    for index in 1..rows {
        whole.to_mut().extend_from_slice(&row(index)?.ok_or(Unreadable("event"))?);
    }
    let stored: StoredEvent<'_> = keys.open(key, &row_key, HEAD_BYTES, &whole, "event")?;
    Ok(stored.into_event(time)?)
}
