//! After definitions changed: everyone is looked at once more, when the writer has nothing else to do.
//!
//! Decisions need not wait for it, since they evaluate in place what is stored for another version.
//! It makes entries, exits and timers of people nothing happens to.

use std::{ops::ControlFlow, sync::Arc};

use model::{Lane, Seq, StrandId, Timestamp};
use store::{KeyRange, Reader, ScanOrder, StoreError, Table, prefix_range};

use crate::{
    fold::{Fold, Ground},
    keys::{self, Kind},
    page::{Head, Pages},
    record::{StoredState, decode},
    sealed::RowError,
    state::Shared,
    writer::{Writer, flight::Above},
};

/// People looked at in one step: a few milliseconds of work.
const PEOPLE_PER_STEP: usize = 128;
/// How long to wait after a step that failed.
const RETRY_AFTER: model::Duration = model::Duration::seconds(1);
/// Row of table `Meta` that names the audiences everyone was last evaluated with.
const DONE_KEY: [u8; 1] = [0x50];

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
        let fingerprint = shared.registry.snapshot().audiences.fingerprint();
        Self { fingerprint, from: vec![0], next_step: Timestamp(0) }
    }

    /// From the beginning, unless the last one was for the same audiences.
    pub(crate) fn if_due(shared: &Shared) -> Result<Option<Self>, StoreError> {
        let begun = Self::begin(shared);
        let done = shared.store.get(Table::Meta, &DONE_KEY)?;
        Ok((done.as_deref() != Some(&begun.fingerprint.to_be_bytes()[..])).then_some(begun))
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
            if head == strand && !is_evaluated(&shared.stored(), head, backfill.fingerprint)? {
                fold.visit(head).is_stale = true;
            }
        }
        if is_finished {
            fold.pending.put(Table::Meta, DONE_KEY, backfill.fingerprint.to_be_bytes().to_vec());
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

fn is_evaluated(pages: &dyn Pages, head: StrandId, fingerprint: u64) -> Result<bool, RowError> {
    let page = pages.existing(head)?;
    let Some(row) = page.get(Kind::State, &[]) else { return Ok(false) };
    let StoredState::V1 { fingerprint: stored, .. } = decode(row, "state")?;
    Ok(stored == fingerprint)
}
