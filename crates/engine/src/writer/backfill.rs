//! After definitions changed: everyone is looked at once more, when the writer has nothing else to do.
//!
//! Decisions need not wait for it, since they evaluate in place what is stored for another version.
//! It makes entries, exits and timers of people nothing happens to, and computes the versions of
//! audiences that are to act next, which it lets act when it has come to the end.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
};

use audience::Catalog;
use model::{Lane, Seq, StrandId, Timestamp, id::LANE_COUNT};
use store::{KeyRange, Reader, ScanOrder, StoreError, Table, prefix_range};

use crate::{
    definitions::{Definition, DefinitionError},
    fold::{Fold, Ground},
    keys::{self, Kind},
    page::{Head, Pages},
    record::{LogEntry, StoredMembership, StoredState, decode},
    registry::Prepared,
    sealed::RowError,
    state::Shared,
    writer::{PreparedOperation, Writer, flight::Above},
};

/// People looked at in one step: a few milliseconds of work.
const PEOPLE_PER_STEP: usize = 128;
/// How long to wait after a step that failed.
const RETRY_AFTER: model::Duration = model::Duration::seconds(1);
/// Row of table `Meta` that names the audiences everyone was last evaluated with, and says how many strands there were.
const DONE_KEY: [u8; 1] = [0x50];

/// How far the look at everyone has come, for those who ask.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Strands looked at.
    strands: AtomicU64,
    /// Lanes behind it; all of them at the end.
    lanes: AtomicU16,
}

impl Progress {
    /// Nobody has been looked at.
    pub(super) fn begin(&self) {
        self.strands.store(0, Ordering::Relaxed);
        self.lanes.store(0, Ordering::Release);
    }

    fn finish(&self) {
        self.lanes.store(LANE_COUNT, Ordering::Release);
    }

    /// Whether everyone has been looked at.
    pub(crate) fn is_complete(&self) -> bool {
        self.lanes.load(Ordering::Acquire) == LANE_COUNT
    }

    /// How many strands were looked at, and what part of all those are.
    pub(crate) fn so_far(&self) -> (u64, f64) {
        let lanes = self.lanes.load(Ordering::Acquire);
        (self.strands.load(Ordering::Relaxed), f64::from(lanes) / f64::from(LANE_COUNT))
    }
}

/// How far the look at everyone has come.
#[derive(Clone, Debug)]
pub(crate) struct Backfill {
    fingerprint: u64,
    /// The first strand not looked at yet, as a key.
    from: Vec<u8>,
    /// Not before this instant.
    next_step: Timestamp,
}

impl Backfill {
    /// From the beginning.
    pub(crate) fn begin(shared: &Shared) -> Self {
        let fingerprint = shared.registry.snapshot().audiences.fingerprint_with_shadows();
        shared.backfill.begin();
        Self { fingerprint, from: vec![0], next_step: Timestamp(0) }
    }

    /// From the beginning, unless the last one was for the same audiences and none waits for its end.
    pub(crate) fn if_due(shared: &Shared) -> Result<Option<Self>, StoreError> {
        let begun = Self::begin(shared);
        let done = shared.store.get(Table::Meta, &DONE_KEY)?;
        let done = done.as_deref().and_then(|row| row.split_first_chunk::<8>());
        match done.filter(|(named, _)| **named == begun.fingerprint.to_be_bytes()) {
            Some((_, strands)) if !shared.registry.switches_by_itself() => {
                let strands = strands.try_into().map_or(0, u64::from_be_bytes);
                shared.backfill.strands.store(strands, Ordering::Relaxed);
                shared.backfill.finish();
                Ok(None)
            }
            _ => Ok(Some(begun)),
        }
    }

    /// Whether there is a step to do now.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.next_step <= now
    }
}

impl Writer {
    /// One step.
    pub(super) fn backfill_step(&mut self) {
        let now = self.shared.clock.now();
        let Some(backfill) = self.backfill.take_if(|backfill| backfill.is_due(now)) else { return };
        self.backfill = self.look_at_some(backfill.clone()).unwrap_or_else(|error| {
            tracing::error!(%error, "could not evaluate everyone anew; trying again");
            Some(Backfill { next_step: now.saturating_add(RETRY_AFTER), ..backfill })
        });
        if self.backfill.is_none() {
            self.shared.backfill.finish();
            if self.shared.registry.switches_by_itself() {
                self.operate(Box::new(switch_all));
            }
        }
    }

    fn look_at_some(&mut self, mut backfill: Backfill) -> Result<Option<Backfill>, RowError> {
        // It walks through what is stored.
        self.settle()?;
        let shared = Arc::clone(&self.shared);
        let snapshot = shared.registry.snapshot_full();
        let now = self.now.max(shared.clock.now());
        let store: &dyn Reader = &*shared.store;
        let ground = Ground::of(&shared, &snapshot, Above { flight: None, store }, now);
        let mut fold = Fold::new(ground, self.next_seq);
        let mut is_finished = true;
        for _ in 0..PEOPLE_PER_STEP {
            let Some((strand, head)) = next_strand(store, &backfill.from)? else { break };
            backfill.from = keys::strand(StrandId { born: Seq(strand.born.0 + 1), ..strand });
            is_finished = false;
            shared.backfill.strands.fetch_add(1, Ordering::Relaxed);
            shared.backfill.lanes.store(strand.lane.get(), Ordering::Release);
            if head == strand {
                let (is_stale, lacks_shadows) = lacks(&shared.stored(), head, &snapshot.audiences)?;
                if is_stale || lacks_shadows {
                    let update = fold.update(head);
                    update.is_stale |= is_stale;
                    update.lacks_shadows |= lacks_shadows;
                }
            }
        }
        if is_finished {
            let (strands, _) = shared.backfill.so_far();
            let done = [backfill.fingerprint.to_be_bytes(), strands.to_be_bytes()].concat();
            fold.pending.put(Table::Meta, DONE_KEY, done);
        }
        fold.people()?;
        self.commit_fold(fold)?;
        Ok((!is_finished).then_some(backfill))
    }
}

/// The first strand at or after `from`, with its head.
pub(super) fn next_strand(
    reader: &dyn Reader,
    from: &[u8],
) -> Result<Option<(StrandId, StrandId)>, RowError> {
    let mut found = None;
    reader.scan(
        Table::Strand,
        KeyRange::starting(from),
        ScanOrder::Ascending,
        &mut |key, row| {
            if key.len() == keys::STRAND_BYTES
                && let Some(strand) = keys::parse_strand(key)
                && let Ok(head) = Head::parse(row)
            {
                found = Some((strand, head.meta.head));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        },
    )?;
    Ok(found)
}

/// All strands, one after the other, each with its head.
pub(crate) fn strands(
    reader: &dyn Reader,
    visit: &mut dyn FnMut(StrandId, StrandId) -> Result<ControlFlow<()>, RowError>,
) -> Result<(), RowError> {
    let mut from = vec![0];
    while let Some((strand, head)) = next_strand(reader, &from)? {
        from = keys::strand(StrandId { born: Seq(strand.born.0 + 1), ..strand });
        if visit(strand, head)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// All strands that are heads, one after the other.
pub(crate) fn heads(
    reader: &dyn Reader,
    visit: &mut dyn FnMut(StrandId) -> Result<ControlFlow<()>, RowError>,
) -> Result<(), RowError> {
    strands(reader, &mut |strand, head| {
        if strand == head { visit(head) } else { Ok(ControlFlow::Continue(())) }
    })
}

/// The heads among the strands of one lane, in the order in which they were born: one scan, which opens no page.
pub(crate) fn heads_of(reader: &dyn Reader, lane: Lane) -> Result<Vec<StrandId>, StoreError> {
    let mut heads = Vec::new();
    let prefix = lane.get().to_be_bytes();
    reader.scan(Table::Strand, prefix_range(&prefix), ScanOrder::Ascending, &mut |key, row| {
        if key.len() == keys::STRAND_BYTES
            && let Some(strand) = keys::parse_strand(key)
            && Head::parse(row).is_ok_and(|head| head.meta.head == strand)
        {
            heads.push(strand);
        }
        ControlFlow::Continue(())
    })?;
    Ok(heads)
}

/// Whether somebody was last evaluated with other audiences than these, and whether not with all shadows.
fn lacks(pages: &dyn Pages, head: StrandId, audiences: &Catalog) -> Result<(bool, bool), RowError> {
    let page = pages.existing(head)?;
    let is_stale = match page.get(Kind::State, &[]) {
        None => true,
        Some(row) => {
            let StoredState::V1 { fingerprint, .. } = decode(row, "state")?;
            fingerprint != audiences.fingerprint()
        }
    };
    for shadow in audiences.shadows() {
        let Some(row) = page.get(Kind::Shadow, shadow.key().as_str().as_bytes()) else {
            return Ok((is_stale, true));
        };
        let StoredMembership::V1 { version, .. } = decode(row, "membership")?;
        if version != shadow.version() {
            return Ok((is_stale, true));
        }
    }
    Ok((is_stale, false))
}

/// Lets the versions act that wait for nothing but the end of the look at everyone.
fn switch_all(shared: &Shared, now: Timestamp) -> Option<PreparedOperation> {
    match shared.registry.prepare_switch_all(now, &shared.audit) {
        Ok(prepared) => Some(switching(shared, prepared, |_| {})),
        Err(error) => {
            // They are tried again when the next one is complete.
            tracing::warn!(%error, "versions of audiences are complete and cannot act yet");
            None
        }
    }
}

/// Commits and publishes that versions come to act.
pub(crate) fn switching(
    shared: &Shared,
    mut prepared: Prepared,
    answer: impl FnOnce(Result<Definition, DefinitionError>) + Send + 'static,
) -> PreparedOperation {
    let begins_backfill = prepared.begins_backfill(shared);
    PreparedOperation {
        writes: prepared.take_writes(),
        entry: LogEntry::Act { action: "audience.switch".into() },
        finish: Box::new(move |shared, result| {
            answer(match result {
                Ok(()) => Ok(shared.registry.publish(prepared)),
                Err(reason) => Err(DefinitionError::Unavailable(reason)),
            });
        }),
        begins_backfill,
    }
}
