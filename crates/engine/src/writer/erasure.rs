//! The steps of one erasure.
//!
//! Each looks at what is stored and removes some of it, so that one that is repeated, or begun anew
//! after a restart, does no harm. What is counted is written with what it counts.

use std::ops::ControlFlow;

use model::{Seq, StrandId, Timestamp};
use store::{Batch, KeyRange, Reader, ScanOrder, Slot, StoreError, Table, VaultError};

use crate::{
    body,
    ingest::Kept,
    keys::{self, Kind},
    messages::Message,
    page::Page,
    privacy::{
        self, receipt,
        rows::{self, Phase, Record, StoredErasure},
        subject,
    },
    quarantine,
    record::{Unreadable, decode, encode},
    sealed::RowError,
    state::Shared,
};

/// Events whose places are written down in one step: some milliseconds of work.
const EVENTS_PER_STEP: usize = 500;
/// Events whose places stand in one row, so that it stays well under the store's limit.
const EVENTS_PER_ROW: usize = 100;
/// Rows removed in one step at most, about.
const ROWS_PER_STEP: usize = 2_000;
/// Entries of the quarantine looked at in one step.
const QUARANTINED_PER_STEP: usize = 200;

/// An erasure that is on.
#[derive(Debug)]
pub(super) struct Erasure {
    pub(super) id: Seq,
    pub(super) record: Record,
    /// Where the events are that are not written down yet, last first; `None` before anybody looked.
    places: Option<Vec<Place>>,
    /// The next row of what is written down.
    part: u32,
    /// Whether the keys are known to be overwritten.
    is_keyless: bool,
    /// The entries of the quarantine up to this one were looked at.
    quarantine_after: Option<quarantine::EntryKey>,
    /// What the last step changed in the quarantine.
    set_aside: Vec<quarantine::Change>,
}

/// Where an event is.
#[derive(Clone, Copy, Debug)]
struct Place {
    strand: StrandId,
    seq: Seq,
    time: Timestamp,
}

impl Erasure {
    /// An erasure that goes on where its record says.
    pub(super) fn of(id: Seq, record: Record) -> Self {
        Self {
            id,
            record,
            places: None,
            part: 0,
            is_keyless: false,
            quarantine_after: None,
            set_aside: Vec::new(),
        }
    }

    /// One step; true when nothing is left to be removed.
    pub(super) fn step(
        &mut self,
        shared: &Shared,
        batch: &mut Batch,
        now: Timestamp,
    ) -> Result<bool, RowError> {
        if self.record.phase == Phase::Gathering {
            self.gather(shared, batch)?;
            return Ok(false);
        }
        if !self.is_keyless {
            let slots: Vec<Slot> = self.record.strands.iter().map(|(_, s)| Slot(*s)).collect();
            shared.keys.vault.erase_all(&slots)?;
            self.is_keyless = true;
        }
        let before = batch.len();
        self.remove_written_down(shared, batch)?;
        if batch.len() == before {
            self.remove_rows(shared, batch)?;
        }
        if batch.len() == before && !self.remove_quarantined(shared, batch, now)? {
            return Ok(true);
        }
        self.record.counts.rows += (batch.len() - before) as u64;
        self.save(shared, batch)?;
        Ok(false)
    }

    fn save(&self, shared: &Shared, batch: &mut Batch) -> Result<(), RowError> {
        let row = privacy::seal(shared, self.id, &self.record)?;
        batch.put(Table::Meta, rows::request(self.id), &row);
        Ok(())
    }

    /// Writes down where bodies and dedup entries are: only the pages tell, and nobody will read them.
    fn gather(&mut self, shared: &Shared, batch: &mut Batch) -> Result<(), RowError> {
        if self.places.is_none() {
            self.places = Some(self.places_of_all(shared)?);
            // What was counted before a restart is counted anew.
            self.record.counts.events = 0;
        }
        let places = self.places.get_or_insert_default();
        let taken = places.split_off(places.len().saturating_sub(EVENTS_PER_STEP));
        let is_last = places.is_empty();
        for places in taken.chunks(EVENTS_PER_ROW) {
            let bodies = places.iter().map(|place| place.seq).collect();
            let messages = messages(shared, places)?;
            let stored = StoredErasure::V1 { bodies, messages };
            batch.put(Table::Meta, rows::erasure(self.id, self.part), encode(&stored));
            self.part += 1;
        }
        self.record.counts.events += taken.len() as u64;
        if is_last {
            self.record.phase = Phase::Erasing;
        }
        self.save(shared, batch)
    }

    fn places_of_all(&self, shared: &Shared) -> Result<Vec<Place>, RowError> {
        let mut places = Vec::new();
        for &(strand, _) in &self.record.strands {
            let Some(page) = readable(shared, strand)? else { continue };
            let mut take = |name: &[u8]| {
                let at = keys::parse_event(name).ok_or(Unreadable("event"))?;
                places.push(Place { strand, seq: at.seq, time: at.time });
                Ok(())
            };
            page.of_kind(Kind::Event).try_for_each(|(name, _)| take(name))?;
            match page.chunks(&*shared.store, &mut |name, _| take(name)) {
                // A damaged chunk goes with the rest; the bodies it told of cannot be read without the key.
                Err(RowError::Unreadable(error)) => tracing::warn!(%error, "while erasing"),
                result => result?,
            }
        }
        Ok(places)
    }

    /// Removes bodies and dedup entries.
    fn remove_written_down(&self, shared: &Shared, batch: &mut Batch) -> Result<(), RowError> {
        let mut parts: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let prefix = rows::erasures(self.id);
        let range = store::prefix_range(&prefix);
        shared.store.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, row| {
            parts.push((key.to_vec(), row.to_vec()));
            if parts.len() < ROWS_PER_STEP / (2 * EVENTS_PER_ROW) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        for (key, row) in parts {
            let StoredErasure::V1 { bodies, messages } = decode(&row, "erasure")?;
            for seq in bodies {
                for row in 0..body::row_count(&*shared.store, seq)? {
                    batch.delete(Table::Body, keys::body(seq, row));
                }
            }
            messages.iter().for_each(|message| batch.delete(Table::Dedup, message));
            batch.delete(Table::Meta, key);
        }
        Ok(())
    }

    /// Removes pages, what has left them, decisions and timers.
    fn remove_rows(&mut self, shared: &Shared, batch: &mut Batch) -> Result<(), RowError> {
        let mut decisions = 0;
        for &(strand, _) in &self.record.strands {
            let prefix = keys::strand(strand);
            for table in [Table::Decision, Table::Strand] {
                let room = ROWS_PER_STEP.saturating_sub(batch.len());
                for key in keys_under(&*shared.store, table, &prefix, room)? {
                    // The rows of a record count from 0.
                    decisions += u64::from(table == Table::Decision && key.last() == Some(&0));
                    batch.delete(table, key);
                }
            }
            let lane = strand.lane.get().to_be_bytes();
            for key in keys_under(&*shared.store, Table::Timer, &lane, usize::MAX)? {
                if keys::parse_timer(&key).is_some_and(|(head, _)| head == strand) {
                    batch.delete(Table::Timer, key);
                }
            }
        }
        self.record.counts.decisions += decisions;
        Ok(())
    }

    /// Removes entries of the quarantine that name one of the person's identifiers; false when all were
    /// looked at.
    fn remove_quarantined(
        &mut self,
        shared: &Shared,
        batch: &mut Batch,
        now: Timestamp,
    ) -> Result<bool, RowError> {
        let is_erased = |identifier: &model::Identifier| {
            let hash = shared.keys.identifier(&identifier.normalised());
            shared.bars.get(&hash).erased_at == Some(self.record.at)
        };
        let names_person = |kept: &Kept| match kept {
            Kept::AsSent { body, arrival } => {
                let context = arrival.context.as_ref().map_or("", |context| context.text());
                let named = [body.as_slice(), context.as_bytes()].map(subject::named_in);
                named.iter().flatten().any(is_erased)
            }
            Kept::Normal(event) => event.identifiers.iter().any(is_erased),
        };
        let (after, limit) = (self.quarantine_after, QUARANTINED_PER_STEP);
        let found = quarantine::search(shared, after, limit, &names_person)?;
        let slots: Vec<Slot> = found.entries.iter().map(|(_, slot)| *slot).collect();
        if !slots.is_empty() {
            shared.keys.vault.erase_all(&slots)?;
        }
        let keys: Vec<_> = found.entries.iter().map(|(key, _)| *key).collect();
        let (writes, changes) = quarantine::discard(shared, &keys, now)?;
        for (table, key, value) in writes {
            match value {
                Some(value) => batch.put(table, key, value),
                None => batch.delete(table, key),
            }
        }
        self.set_aside = changes;
        self.record.counts.quarantined += keys.len() as u64;
        if found.last.is_some() {
            self.quarantine_after = found.last;
        }
        Ok(found.last.is_some() || !keys.is_empty())
    }

    /// Says that it is done.
    pub(super) fn finish(
        &mut self,
        shared: &Shared,
        batch: &mut Batch,
        now: Timestamp,
    ) -> Result<(), RowError> {
        self.record.phase = Phase::Done;
        let made = receipt::make(shared, &*shared.store, (self.id, &self.record), now)?;
        let (receipt, last) = made;
        self.record.receipt = Some(receipt);
        batch.put(Table::Meta, rows::LAST_RECEIPT, last);
        batch.delete(Table::Meta, rows::open(self.id));
        self.save(shared, batch)
    }

    /// Takes note of what a step has committed, and drops what somebody may have read into memory
    /// meanwhile, by an id.
    pub(super) fn forget(&mut self, shared: &Shared) {
        shared.quarantine.apply(&std::mem::take(&mut self.set_aside));
        let caches = &shared.caches;
        for (strand, _) in &self.record.strands {
            caches.generations.raise(strand);
            caches.pages.remove(strand);
            caches.people.remove(strand);
        }
    }
}

/// The dedup entries of events.
fn messages(shared: &Shared, places: &[Place]) -> Result<Vec<Message>, RowError> {
    let mut messages = Vec::with_capacity(places.len());
    let mut page: Option<Page> = None;
    for place in places {
        if page.as_ref().is_none_or(|page| page.strand() != place.strand) {
            page = readable(shared, place.strand)?;
        }
        let Some(page) = &page else { continue };
        match body::read(&*shared.store, &shared.keys, page.key(), place.seq, place.time) {
            Ok(event) => {
                let message = shared.keys.message(&event.source, &event.message_id);
                messages.push(keys::dedup(place.strand.lane, &message));
            }
            // Its entry goes with the dedup window.
            Err(RowError::Unreadable(error)) => tracing::warn!(%error, "while erasing"),
            Err(error) => return Err(error),
        }
    }
    Ok(messages)
}

/// A strand's page, unless it is gone, damaged or without a key.
fn readable(shared: &Shared, strand: StrandId) -> Result<Option<Page>, RowError> {
    match Page::read(&*shared.store, &shared.keys, strand) {
        Err(RowError::Unreadable(_) | RowError::Vault(VaultError::Erased { .. })) => Ok(None),
        result => result,
    }
}

fn keys_under(
    reader: &dyn Reader,
    table: Table,
    prefix: &[u8],
    limit: usize,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut keys = Vec::new();
    if limit == 0 {
        return Ok(keys);
    }
    let range: KeyRange<'_> = store::prefix_range(prefix);
    reader.scan(table, range, ScanOrder::Ascending, &mut |key, _| {
        keys.push(key.to_vec());
        if keys.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(keys)
}
