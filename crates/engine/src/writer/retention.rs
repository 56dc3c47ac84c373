//! Removing what rules no longer let stay, in the writer's spare time.
//!
//! A round looks at every strand, once a day and once the rules have changed. A step is one fold and
//! one commit: what it removes, and what follows from that for audiences, traits and timers.

use std::{collections::BTreeSet, sync::Arc};

use model::{Duration, Seq, StrandId, Timestamp, value::Object};
use store::Table;

use crate::{
    body,
    fold::{Fold, Ground},
    keys::{self, EventKey, Kind},
    page::Pages as _,
    privacy::{self, RequestKind, subject::Subject},
    record::{LogEntry, StoredRound, Unreadable, encode},
    retention::{Expired, Look, ROUND_KEY, Removed, Round, Rules},
    sealed::RowError,
    snapshot::Snapshot,
    state::Shared,
    writer::{Writer, amend, backfill::next_strand, flight::Above},
};

/// Strands looked at in one step: some milliseconds of work.
const STRANDS_PER_STEP: usize = 64;
/// Events removed in one step at most, about.
const EVENTS_PER_STEP: usize = 1_000;
/// How often everyone is looked at.
const INTERVAL: Duration = Duration::hours(24);
/// How long to wait after a step that failed.
const RETRY_AFTER: Duration = Duration::seconds(1);
/// In whose name people are erased who were not seen for long.
const ACTOR: &str = "retention";

/// How far the sweep is.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The round that is on.
    round: Option<Round>,
    /// The first strand that it has not looked at, as a key.
    from: Vec<u8>,
    /// The rules of the round that was last.
    rules: Option<Arc<Rules>>,
    /// When the next one begins.
    next_round: Timestamp,
    /// Not before this instant, after a step that failed.
    next_step: Timestamp,
}

impl Sweep {
    /// A day after the last round, whoever made it.
    pub(super) fn after(last: Option<Round>) -> Self {
        let ended_at = last.and_then(|round| round.ended_at);
        Self {
            round: None,
            from: vec![0],
            rules: None,
            next_round: ended_at.map_or(Timestamp(0), |at| at.saturating_add(INTERVAL)),
            next_step: Timestamp(0),
        }
    }

    /// Whether there is a step to do now.
    pub(super) fn is_due(&self, rules: &Rules, now: Timestamp) -> bool {
        !rules.is_empty()
            && self.next_step <= now
            && (self.round.is_some() || self.next_round <= now || self.is_by_others(rules))
    }

    /// Whether the round that is on, or was last, is by other rules.
    fn is_by_others(&self, rules: &Rules) -> bool {
        self.rules.as_ref().is_some_and(|known| **known != *rules)
    }
}

impl Writer {
    /// One step, if a round is on and no erasure is.
    pub(super) fn retention_step(&mut self) {
        let shared = Arc::clone(&self.shared);
        let snapshot = shared.registry.snapshot_full();
        let now = self.now.max(shared.clock.now());
        if self.erasures.is_any() || !self.retention.is_due(&snapshot.retention, now) {
            return;
        }
        if let Err(error) = self.remove_expired(&shared, &snapshot, now) {
            tracing::error!(%error, "could not remove what is kept no longer; trying again");
            self.retention.next_step = now.saturating_add(RETRY_AFTER);
        }
    }

    fn remove_expired(
        &mut self,
        shared: &Arc<Shared>,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<(), RowError> {
        // It looks at what is stored.
        self.settle()?;
        let mut round = self.retention.round.unwrap_or_else(|| Round::begun(now));
        if self.retention.is_by_others(&snapshot.retention) {
            // Whoever was looked at by the rules before is looked at again.
            self.retention.from = vec![0];
        }
        self.retention.rules = Some(Arc::clone(&snapshot.retention));
        let above = Above { flight: None, store: &*shared.store };
        let fold = Fold::new(Ground::of(shared, snapshot, above, now), self.next_seq);
        let pages = &shared.stored();
        let look = Look { pages, rules: &snapshot.retention, now };
        let mut step =
            Step { fold, look, snapshot, from: self.retention.from.clone(), seqs: Vec::new() };
        let end = step.walk(&mut round)?;
        if let End::All = end {
            round.ended_at = Some(now);
            let Round { began_at, strands, removed, .. } = round;
            let stored = StoredRound::V1 { began_at, ended_at: now, strands, removed };
            step.fold.pending.put(Table::Meta, ROUND_KEY, encode(&stored));
        }
        let Step { mut fold, from, seqs, .. } = step;
        if !seqs.is_empty() {
            fold.log(LogEntry::Act { action: "retention".into() });
            amend::log(&*shared.store, &mut fold.pending, seqs, &|_, entry| {
                *entry = LogEntry::Removed
            })?;
        }
        fold.people()?;
        self.commit_fold(fold)?;
        if let End::Inactive(head) = end {
            self.erase_inactive(shared, head)?;
            round.removed.people += 1;
        }
        shared.retention.set(round);
        if let End::All = end {
            let rules = self.retention.rules.take();
            self.retention = Sweep { rules, ..Sweep::after(Some(round)) };
        } else {
            (self.retention.round, self.retention.from) = (Some(round), from);
        }
        Ok(())
    }

    /// Erases somebody as if they had asked for it, with a receipt.
    fn erase_inactive(&mut self, shared: &Arc<Shared>, head: StrandId) -> Result<(), RowError> {
        let subject = Subject::of_person(&shared.stored(), head)?;
        let identifier = subject.identifiers.first().ok_or(Unreadable("strand"))?.clone();
        let ask = privacy::Ask {
            kind: RequestKind::Erase,
            identifier,
            traits: Object::new(),
            reason: Some("not seen for as long as a retention rule says".to_owned()),
            idempotency_key: None,
        };
        self.begin(shared, &ask, (&subject, None), ACTOR.into()).map(drop)
    }
}

/// Where a step has ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// There is more.
    Some,
    /// Everyone was looked at.
    All,
    /// Somebody has to go, and is passed.
    Inactive(StrandId),
}

/// One step: what it has looked at and found.
struct Step<'a> {
    fold: Fold<'a>,
    look: Look<'a>,
    snapshot: &'a Snapshot,
    /// The first strand not looked at.
    from: Vec<u8>,
    /// The places of removed events in the log.
    seqs: Vec<Seq>,
}

impl Step<'_> {
    fn walk(&mut self, round: &mut Round) -> Result<End, RowError> {
        for _ in 0..STRANDS_PER_STEP {
            let store = self.look.pages.reader;
            let Some((strand, head)) = next_strand(store, &self.from)? else {
                return Ok(End::All);
            };
            let next = keys::strand(StrandId { born: Seq(strand.born.0 + 1), ..strand });
            match self.strand(strand, head) {
                Ok(Found::Inactive) => {
                    (self.from, round.strands) = (next, round.strands + 1);
                    return Ok(End::Inactive(head));
                }
                Ok(Found::Removed { removed, has_more }) => {
                    round.removed.add(removed);
                    if has_more {
                        return Ok(End::Some);
                    }
                }
                // Nobody else has to wait for what does not read back.
                Err(RowError::Unreadable(error)) => {
                    tracing::warn!(%error, "while looking for what is kept no longer")
                }
                Err(error) => return Err(error),
            }
            (self.from, round.strands) = (next, round.strands + 1);
            if EVENTS_PER_STEP <= self.seqs.len() {
                return Ok(End::Some);
            }
        }
        Ok(End::Some)
    }

    fn strand(&mut self, strand: StrandId, head: StrandId) -> Result<Found, RowError> {
        if strand == head && self.look.is_inactive(self.snapshot, head)? {
            return Ok(Found::Inactive);
        }
        let page = self.fold.pending.existing(strand)?;
        let expired = self.look.expired(&page, EVENTS_PER_STEP)?;
        let (removed, has_more) = (expired.counts(), expired.has_more);
        if !expired.is_empty() {
            self.remove(strand, expired)?;
            self.fold.update(head).is_rejoined = true;
        }
        Ok(Found::Removed { removed, has_more })
    }

    fn remove(&mut self, strand: StrandId, expired: Expired) -> Result<(), RowError> {
        let Expired { events, visits, decisions, .. } = expired;
        let reader = self.look.pages.reader;
        let mut bodies = Vec::new();
        for event in &events {
            match body::row_count(reader, event.seq) {
                Ok(rows) => bodies.extend((0..rows).map(|row| keys::body(event.seq, row))),
                // Its first row is all that can be found of it.
                Err(RowError::Unreadable(_)) => bodies.push(keys::body(event.seq, 0)),
                Err(error) => return Err(error),
            }
        }
        let names: BTreeSet<_> =
            events.iter().map(|event| keys::event(event.name, event.time, event.seq)).collect();
        let page = self.fold.pending.page_mut(strand)?;
        page.remove_events(reader, &names)?;
        visits.iter().for_each(|name| page.delete(Kind::Visit, name));
        let StrandId { lane, born } = strand;
        for EventKey { seq: event, .. } in &events {
            self.fold.log(LogEntry::EventRemoved { event: *event, lane, born });
        }
        // The rows of a record count from 0.
        let records = decisions.iter().filter_map(|key| key.strip_suffix(&[0]));
        for (at, id) in records.filter_map(keys::parse_decision) {
            self.fold.log(LogEntry::DecisionRemoved { lane, born, at, id: id.0 });
        }
        bodies.into_iter().for_each(|key| self.fold.pending.delete(Table::Body, key));
        decisions.into_iter().for_each(|key| self.fold.pending.delete(Table::Decision, key));
        self.seqs.extend(events.iter().map(|event| event.seq));
        Ok(())
    }
}

/// What a look at a strand has found.
enum Found {
    /// It is the head of somebody who has to go.
    Inactive,
    Removed {
        removed: Removed,
        has_more: bool,
    },
}
