//! Reading the log, and opening what it names.

use std::{
    collections::{HashMap, hash_map},
    ops::ControlFlow,
    sync::Arc,
};

use model::{DecisionId, PurposeSet, Seq, StrandId, Timestamp, UnitId};
use rustc_hash::FxBuildHasher;
use store::{KeyRange, Reader, ScanOrder, Slot, StrandKey, Table, VaultError};

use crate::{
    body,
    follow::{Entry, Followed, FollowedDecision, FollowedEvent, Transition, What},
    keys,
    privacy::{self, RequestKind},
    record::{LogEntry, LogRow, MetaHead, StoredDecision, Unreadable, decode},
    recording::document::{Documents, Place},
    registry::rows,
    sealed::RowError,
    state::Shared,
};

/// Rows of the log read in one step: some 1,400 entries, a few milliseconds of work.
const LOG_ROWS_MAX: usize = 16;
/// A step ends after the row with which it has opened so many bytes.
const STEP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What is committed from a position on, up to another or as much as a step takes.
pub(super) fn next(shared: &Shared, from: Seq, until: Option<Seq>) -> Result<Followed, RowError> {
    // The log, the bodies and the pages of one instant.
    let frozen = shared.store.snapshot()?;
    let rows = log_rows(&*frozen, from, until)?;
    let mut step = Step::over(shared, &*frozen);
    let mut followed = Followed { next: from, entries: Vec::new() };
    for (first, LogRow::V1 { now, entries, .. }) in rows {
        let count = entries.len() as u64;
        for (seq, entry) in (first.0..).map(Seq).zip(entries) {
            if let Some(what) = step.read(seq, entry)? {
                followed.entries.push(Entry { seq, now, what });
            }
        }
        followed.next = Seq(first.0 + count);
        if STEP_BYTES_MAX <= step.bytes {
            break;
        }
    }
    Ok(followed)
}

fn log_rows(
    reader: &dyn Reader,
    from: Seq,
    until: Option<Seq>,
) -> Result<Vec<(Seq, LogRow)>, RowError> {
    let mut rows: Vec<(Seq, LogRow)> = Vec::new();
    let mut damaged = None;
    let key = keys::log(from);
    let range = KeyRange::starting(&key);
    reader.scan(Table::Log, range, ScanOrder::Ascending, &mut |key, row| {
        let first = key.try_into().map_or(u64::MAX, u64::from_be_bytes);
        if until.is_some_and(|until| until.0 <= first) {
            return ControlFlow::Break(());
        }
        match decode(row, "log") {
            Ok(row) => rows.push((Seq(first), row)),
            Err(error) => damaged = Some(error),
        }
        let goes_on = damaged.is_none() && rows.len() < LOG_ROWS_MAX;
        if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    damaged.map_or(Ok(rows), |error| Err(error.into()))
}

/// What opens things.
struct Step<'a> {
    shared: &'a Shared,
    frozen: &'a dyn Reader,
    documents: Documents<'a>,
    /// Strands that were looked for; `None` where their pages or keys are gone.
    strands: HashMap<StrandId, Option<Opened>, FxBuildHasher>,
    bytes: usize,
}

#[derive(Clone)]
struct Opened {
    key: Arc<StrandKey>,
    unit: UnitId,
}

impl<'a> Step<'a> {
    fn over(shared: &'a Shared, frozen: &'a dyn Reader) -> Self {
        let documents = Documents::over(frozen);
        Self { shared, frozen, documents, strands: HashMap::default(), bytes: 0 }
    }

    /// What an entry says to sinks; `None` where it says nothing, or what it named is gone.
    fn read(&mut self, seq: Seq, entry: LogEntry) -> Result<Option<What>, RowError> {
        let strand = |lane, born| StrandId { born, lane };
        Ok(match entry {
            LogEntry::Event { lane, born, time, purposes, .. } => {
                self.event(strand(lane, born), seq, (time, purposes))?
            }
            LogEntry::Decision { lane, born, at, id } => {
                self.decision(strand(lane, born), at, DecisionId(id))?
            }
            LogEntry::Strand { lane } => {
                let strand = strand(lane, seq);
                self.opened(strand)?.map(|opened| What::Born { strand, unit: opened.unit })
            }
            LogEntry::Transition { lane, born, audience, version, kind, at } => {
                let head = strand(lane, born);
                Some(What::Transition(Transition { head, audience, version, kind, at }))
            }
            LogEntry::Head { lane, born, head } => {
                let strand = strand(lane, born);
                self.opened(strand)?.map(|opened| What::Head { strand, head, unit: opened.unit })
            }
            LogEntry::Moved { event, lane, born } => {
                Some(What::Moved { event, strand: strand(lane, born) })
            }
            LogEntry::EventRemoved { event, .. } => Some(What::EventRemoved { event }),
            LogEntry::DecisionRemoved { id, .. } => {
                Some(What::DecisionRemoved { id: DecisionId(id) })
            }
            LogEntry::Act { action } => {
                if action.starts_with("privacy.") {
                    self.erased(seq)?
                } else {
                    None
                }
            }
            LogEntry::Definition { .. }
            | LogEntry::Timer { .. }
            | LogEntry::Person { .. }
            | LogEntry::Removed => None,
        })
    }

    /// The strands of a request to erase somebody, which is known by its place in the log.
    fn erased(&self, request: Seq) -> Result<Option<What>, RowError> {
        let record = privacy::read(self.shared, request)?;
        let record = record.filter(|record| record.kind == RequestKind::Erase);
        Ok(record.map(|record| {
            let strands = record.strands.into_iter().map(|(strand, _)| strand).collect();
            What::Erased { request, strands }
        }))
    }

    fn event(
        &mut self,
        strand: StrandId,
        seq: Seq,
        (time, purposes): (Timestamp, PurposeSet),
    ) -> Result<Option<What>, RowError> {
        let Some(opened) = self.opened(strand)? else { return Ok(None) };
        let read = body::read(self.frozen, &self.shared.keys, &opened.key, seq, time);
        let Some(event) = kept(read)? else { return Ok(None) };
        self.bytes += event.properties.text().len() + event.context.text().len();
        Ok(Some(What::Event(Box::new(FollowedEvent { strand, purposes, event }))))
    }

    fn decision(
        &mut self,
        strand: StrandId,
        at: Timestamp,
        id: DecisionId,
    ) -> Result<Option<What>, RowError> {
        let Some(Opened { key, unit }) = self.opened(strand)? else { return Ok(None) };
        let row_key = keys::decision(strand, at, id);
        let Some((_, row)) = rows::first(self.frozen, Table::Decision, &row_key)? else {
            return Ok(None);
        };
        self.bytes += row.len();
        let keys = &self.shared.keys;
        let record = keys.open::<StoredDecision<'_>>(&key, &row_key, 0, &row, "decision");
        let Some(record) = kept(record.map_err(RowError::from))? else { return Ok(None) };
        let document = self.documents.read(Place { id, at, unit }, record)?;
        Ok(Some(What::Decision(Box::new(FollowedDecision { strand, document }))))
    }

    fn opened(&mut self, strand: StrandId) -> Result<Option<Opened>, RowError> {
        let place = match self.strands.entry(strand) {
            hash_map::Entry::Occupied(known) => return Ok(known.get().clone()),
            hash_map::Entry::Vacant(place) => place,
        };
        let row = self.frozen.get(Table::Strand, &keys::strand(strand))?;
        let opened = match row.map(|row| MetaHead::parse(&row)) {
            Some(Ok(meta)) => match self.shared.keys.vault.key(Slot(meta.slot)) {
                Ok(key) => Some(Opened { key: Arc::new(key), unit: meta.unit }),
                Err(VaultError::Erased { .. }) => None,
                Err(error) => return Err(error.into()),
            },
            // What is damaged is found where it is needed.
            Some(Err(_)) | None => None,
        };
        Ok(place.insert(opened).clone())
    }
}

/// What was read, unless it is gone or damaged: then there is nothing to be kept of it.
fn kept<T>(read: Result<T, RowError>) -> Result<Option<T>, RowError> {
    match read {
        Err(RowError::Unreadable(Unreadable(what))) => {
            tracing::debug!(what, "what the log names does not read back");
            Ok(None)
        }
        read => read.map(Some),
    }
}
