//! Requests of people about their own data, done on the writer's thread.
//!
//! All but an erasure are one fold and one commit. An erasure begins like that: with its commit nobody
//! finds the person any more, and nothing that happened until then is taken. Then it goes on between
//! batches, in steps that can each be repeated: it writes down what nobody could find without the key,
//! overwrites the key, and removes the bytes.

use std::{collections::VecDeque, sync::Arc};

use compact_str::CompactString;
use model::{Consents, Seq, StrandId, Timestamp, event::Order};
use profile::{Origin, TraitValue};
use store::{Batch, Reader, ScanOrder, Table};
use tokio::sync::oneshot;

use crate::{
    accounts,
    definitions::AuditEntry,
    fold::{Fold, Ground},
    keys::{self, Hash16, Kind},
    large, load,
    page::Pages as _,
    privacy::{
        self, Ask, Counts, Filed, PrivacyError, RequestKind,
        bars::Bar,
        receipt,
        rows::{self, Phase, Record, StoredBar},
        subject::{self, Subject},
    },
    record::{
        LogEntry, Standing, StoredStanding, StoredState, StoredTurns, Unreadable, decode, encode,
    },
    route,
    sealed::RowError,
    state::Shared,
    writer::{Writer, committer::commit, erasure::Erasure, flight::Above},
};

/// Steps of an erasure that its caller waits for: enough for all but people with very long histories.
const STEPS_AT_ONCE: usize = 16;
/// What stands as the source of a trait that a person has put right.
const STATED_SOURCE: &str = "privacy_request";
/// How long to wait after a step that failed.
const RETRY_AFTER: model::Duration = model::Duration::seconds(1);

/// A request on its way to the writer, and who waits for it.
#[derive(Debug)]
pub(crate) struct Filing {
    pub(crate) ask: Ask,
    /// The name of the token it is made with.
    pub(crate) actor: CompactString,
    pub(crate) reply: oneshot::Sender<Result<Filed, PrivacyError>>,
}

/// The erasures that are not done yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    waiting: VecDeque<Erasure>,
    /// Not before this instant, after a step that failed.
    next_step: Timestamp,
}

impl Erasures {
    /// Those that a process before did not finish.
    pub(super) fn read(shared: &Shared) -> Result<Self, RowError> {
        let mut ids = Vec::new();
        let range = store::prefix_range(&rows::OPENS);
        shared.store.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, _| {
            ids.extend(rows::parse_open(key));
            std::ops::ControlFlow::Continue(())
        })?;
        let mut waiting = VecDeque::new();
        for id in ids {
            let record = privacy::read(shared, id)?.ok_or(Unreadable("privacy request"))?;
            waiting.push_back(Erasure::of(id, record));
        }
        Ok(Self { waiting, next_step: Timestamp(0) })
    }

    /// Whether any is on.
    pub(super) fn is_any(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether there is a step to do now.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        !self.waiting.is_empty() && self.next_step <= now
    }
}

impl Writer {
    /// Does what is asked for, and answers when it is durable and visible; of a long erasure, that the
    /// person is found no more.
    pub(super) fn file(&mut self, filing: Filing) {
        let Filing { ask, actor, reply } = filing;
        let filed = self.take_request(&ask, actor);
        // A caller that has gone away needs no answer.
        drop(reply.send(filed));
    }

    fn take_request(&mut self, ask: &Ask, actor: CompactString) -> Result<Filed, PrivacyError> {
        privacy::check(ask)?;
        self.settle()?;
        let shared = Arc::clone(&self.shared);
        let name = ask.idempotency_key.as_ref();
        let name = name.map(|name| shared.keys.vault.hash("idempotency key", name.as_bytes()));
        if let Some(known) = self.known(&shared, ask, name.as_ref())? {
            return Ok(filed(&shared, known, false)?);
        }
        let subject = Subject::of(&shared.stored(), &shared.rules, &ask.identifier)?;
        let subject = subject.ok_or_else(|| {
            let detail = "this value names nobody: too many have it";
            PrivacyError::Invalid(vec![model::definition::Fault::new("/identifier/value", detail)])
        })?;
        let id = self.begin(&shared, ask, (&subject, name), actor)?;
        for _ in 0..STEPS_AT_ONCE {
            self.privacy_step();
        }
        Ok(filed(&shared, id, true)?)
    }

    /// The request that this one repeats: of the same name, or an erasure of the same that still runs.
    fn known(
        &self,
        shared: &Shared,
        ask: &Ask,
        name: Option<&Hash16>,
    ) -> Result<Option<Seq>, RowError> {
        if let Some(name) = name
            && let Some(row) = shared.store.get(Table::Meta, &rows::idempotency(name))?
        {
            let id = row[..].try_into().map(u64::from_be_bytes);
            return Ok(Some(Seq(id.map_err(|_| Unreadable("privacy request"))?)));
        }
        let hash = shared.keys.identifier(&ask.identifier.normalised());
        let mut running = self.erasures.waiting.iter();
        let same = running
            .find(|running| ask.kind == RequestKind::Erase && running.record.identifier == hash);
        Ok(same.map(|running| running.id))
    }

    /// Folds and commits a request, up to what takes long.
    pub(super) fn begin(
        &mut self,
        shared: &Arc<Shared>,
        ask: &Ask,
        (subject, name): (&Subject, Option<Hash16>),
        actor: CompactString,
    ) -> Result<Seq, RowError> {
        let snapshot = shared.registry.snapshot_full();
        let now = self.now.max(shared.clock.now());
        let above = Above { flight: None, store: &*shared.store };
        let mut fold = Fold::new(Ground::of(shared, &snapshot, above, now), self.next_seq);
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut record = Record {
            kind: ask.kind,
            identifier_type: compact_str::ToCompactString::to_compact_string(&ask.identifier.kind),
            identifier: shared.keys.identifier(&ask.identifier.normalised()),
            reason: ask.reason.clone(),
            actor: actor.clone(),
            at: now,
            phase: Phase::Done,
            strands: subject.pages.iter().map(|page| (page.strand(), page.meta().slot)).collect(),
            counts: Counts {
                profiles: count(subject.heads.len()),
                strands: count(subject.pages.len()),
                identifiers: count(subject.identifiers.len()),
                ..Counts::default()
            },
            receipt: None,
        };
        let id = fold.log(LogEntry::Act { action: record.action() });
        let mut act = Act { fold: &mut fold, shared, subject, ask, now };
        let bars = act.perform(&mut record)?;
        if record.is_done() {
            let (receipt, last) = receipt::make(shared, &fold.pending, (id, &record), now)?;
            record.receipt = Some(receipt);
            fold.pending.put(Table::Meta, rows::LAST_RECEIPT, last);
        } else {
            fold.pending.put(Table::Meta, rows::open(id), Vec::new());
        }
        fold.pending.put(Table::Meta, rows::request(id), privacy::seal(shared, id, &record)?);
        if let Some(name) = name {
            fold.pending.put(Table::Meta, rows::idempotency(&name), id.0.to_be_bytes().to_vec());
        }
        let audit = audit(id, &record, actor, now);
        for (table, key, value) in shared.audit.writes(audit)? {
            fold.pending.put(table, key, value.unwrap_or_default());
        }
        fold.people()?;
        self.commit_fold(fold)?;
        bars.into_iter().for_each(|(hash, bar)| shared.bars.set(hash, bar));
        if !record.is_done() {
            self.erasures.waiting.push_back(Erasure::of(id, record));
        }
        Ok(id)
    }

    /// One step of the oldest erasure, if one is on.
    pub(super) fn privacy_step(&mut self) {
        let now = self.now.max(self.shared.clock.now());
        if !self.erasures.is_due(now) {
            return;
        }
        let Some(mut erasure) = self.erasures.waiting.pop_front() else { return };
        match self.erase_some(&mut erasure, now) {
            Ok(true) => {}
            Ok(false) => self.erasures.waiting.push_front(erasure),
            Err(error) => {
                tracing::error!(%error, "could not go on with an erasure; trying again");
                // What was not committed does not count.
                if let Ok(Some(record)) = privacy::read(&self.shared, erasure.id) {
                    erasure = Erasure::of(erasure.id, record);
                }
                self.erasures.waiting.push_front(erasure);
                self.erasures.next_step = now.saturating_add(RETRY_AFTER);
            }
        }
    }

    /// Goes on with an erasure; true when that was the last step.
    fn erase_some(&mut self, erasure: &mut Erasure, now: Timestamp) -> Result<bool, RowError> {
        // What is on its way to the disk may write what is to be removed.
        self.settle()?;
        let shared = Arc::clone(&self.shared);
        let mut batch = Batch::new();
        let is_last = erasure.step(&shared, &mut batch, now)?;
        if is_last {
            erasure.finish(&shared, &mut batch, now)?;
            let action = CompactString::const_new("privacy.erased");
            for (key, row) in self.log_rows(now, &[LogEntry::Act { action }]) {
                batch.put(Table::Log, key, row);
            }
        }
        commit(&shared, &mut batch)?;
        if is_last {
            self.advance(now, 1);
        }
        erasure.forget(&shared);
        Ok(is_last)
    }
}

fn filed(shared: &Shared, id: Seq, is_new: bool) -> Result<Filed, RowError> {
    let record = privacy::read(shared, id)?.ok_or(Unreadable("privacy request"))?;
    let request = receipt::shown(shared, id, &record);
    Ok(Filed { request, is_new, is_done: record.is_done() })
}

fn audit(id: Seq, record: &Record, actor: CompactString, now: Timestamp) -> AuditEntry {
    let subject = format!("privacy/requests/{}", privacy::id_text(id));
    AuditEntry { at: now, actor, action: record.action(), subject, change: None }
}

/// What is done at once for a request.
struct Act<'a, 'f> {
    fold: &'a mut Fold<'f>,
    shared: &'a Shared,
    subject: &'a Subject,
    ask: &'a Ask,
    now: Timestamp,
}

/// What is to be barred from now on.
type NewBars = Vec<(Hash16, Bar)>;

impl Act<'_, '_> {
    /// Folds what is asked for; returns what is barred once that is committed.
    fn perform(&mut self, record: &mut Record) -> Result<NewBars, RowError> {
        let standing = |change: fn(&mut Standing)| change;
        match self.ask.kind {
            RequestKind::Access => Ok(Vec::new()),
            RequestKind::Suppress => {
                self.stand(standing(|standing| standing.suppressed = true))?;
                self.bar(|bar| bar.suppressed = true)
            }
            RequestKind::Unsuppress => {
                self.stand(standing(|standing| standing.suppressed = false))?;
                self.bar(|bar| bar.suppressed = false)
            }
            RequestKind::Restrict => {
                self.stand(standing(|standing| standing.restricted = true))?;
                Ok(Vec::new())
            }
            RequestKind::Unrestrict => {
                self.stand(standing(|standing| standing.restricted = false))?;
                Ok(Vec::new())
            }
            RequestKind::Rectify => {
                self.state_traits(record)?;
                Ok(Vec::new())
            }
            RequestKind::Erase => {
                self.cut_off()?;
                record.phase = Phase::Gathering;
                let now = self.now;
                self.bar(|bar| bar.erased_at = bar.erased_at.max(Some(now)))
            }
        }
    }

    /// Changes what is barred of each of the person's identifiers.
    fn bar(&mut self, change: impl Fn(&mut Bar)) -> Result<NewBars, RowError> {
        let mut bars = Vec::new();
        for identifier in &self.subject.identifiers {
            let hash = self.shared.keys.identifier(identifier);
            let mut bar = self.shared.bars.get(&hash);
            change(&mut bar);
            let row_key = rows::bar(&hash);
            if bar == Bar::default() {
                self.fold.pending.delete(Table::Meta, row_key);
            } else {
                self.fold.pending.put(Table::Meta, row_key, encode(&StoredBar::from(bar)));
            }
            bars.push((hash, bar));
        }
        Ok(bars)
    }

    /// Changes how the person stands, on each strand, so that it holds after a merge and a split.
    fn stand(&mut self, change: fn(&mut Standing)) -> Result<(), RowError> {
        for strand in self.subject.pages.iter().map(|page| page.strand()) {
            let page = self.fold.pending.page_mut(strand)?;
            let known = page.get(Kind::Standing, &[]).map(|row| decode(row, "standing"));
            let mut standing = match known.transpose()? {
                Some(StoredStanding::V1 { suppressed, restricted }) => {
                    Standing { suppressed, restricted }
                }
                None => Standing::default(),
            };
            change(&mut standing);
            let Standing { suppressed, restricted } = standing;
            if standing == Standing::default() {
                page.delete(Kind::Standing, &[]);
            } else {
                let stored = StoredStanding::V1 { suppressed, restricted };
                page.put(Kind::Standing, &[], &encode(&stored));
            }
        }
        self.look_again();
        Ok(())
    }

    /// Writes what the person has put right.
    fn state_traits(&mut self, record: &mut Record) -> Result<(), RowError> {
        let source = STATED_SOURCE.parse().map_err(|_| Unreadable("source"))?;
        let policy = &self.fold.ground.snapshot.policy;
        for &head in &self.subject.heads {
            let page = self.fold.pending.existing(head)?;
            let country = load::country(&page)?.map(|seen| seen.country);
            let purposes = policy.collect(page.meta().consents, Consents::default(), country);
            let order = Order { time: self.now, tie: self.fold.next_seq.0 };
            let origin = Arc::new(Origin { order, source: Clone::clone(&source), purposes });
            for (name, value) in &self.ask.traits {
                let value = TraitValue { value: value.clone(), origin: Arc::clone(&origin) };
                let stored = load::stored_trait(&name.as_str().into(), &value);
                let page = self.fold.pending.page_mut(head)?;
                page.put(Kind::Stated, &keys::trait_name(name), &encode(&stored));
                record.counts.traits += 1;
            }
        }
        self.look_again();
        Ok(())
    }

    /// Has the people read and all their audiences evaluated anew.
    fn look_again(&mut self) {
        for &head in &self.subject.heads {
            self.fold.update(head).is_rejoined = true;
        }
    }

    /// Takes away all that leads to the person: from here on nobody finds them, and whatever comes
    /// under one of their identifiers begins somebody new.
    fn cut_off(&mut self) -> Result<(), RowError> {
        let keys = self.fold.ground.keys;
        for page in &self.subject.pages {
            let strand = page.strand();
            let (routing, user) = subject::opened_by(page)?;
            let pair = keys.pair(&routing, user.as_ref());
            self.close_pair(strand, pair)?;
            self.forget_turn(strand, keys.pair(&routing, None), pair)?;
            for opener in [Some(routing), user].into_iter().flatten() {
                let opener = opener.normalised();
                let (lane, hash) = (route::holder_lane(&opener), keys.identifier(&opener));
                route::release(&mut self.fold.pending, lane, &hash, strand)?;
            }
            for (hash, row) in page.of_kind(Kind::Link) {
                let (link, _) = route::parse_link(row)?;
                let crate::record::StoredLink::V1 { identifier, .. } = link;
                let hash: Hash16 = hash.try_into().map_err(|_| Unreadable("link"))?;
                let lane = route::holder_lane(&identifier);
                route::release(&mut self.fold.pending, lane, &hash, strand)?;
                self.fold.identifiers.push(hash);
            }
            for (name, _) in page.of_kind(Kind::Act) {
                let (act, _) = keys::parse_act_mark(name).ok_or(Unreadable("act"))?;
                let (lane, hash) = keys::act_holders(act);
                route::release(&mut self.fold.pending, lane, &hash, strand)?;
            }
            accounts::forget(self.fold, page)?;
            if let Some(row) = page.get(Kind::State, &[]) {
                let StoredState::V1 { due, .. } = decode(row, "state")?;
                if let Some(due) = due {
                    self.fold.pending.delete(Table::Timer, keys::timer(strand, due));
                }
            }
        }
        for &head in &self.subject.heads {
            large::forget(self.fold, head)?;
        }
        self.fold.stale.extend(self.subject.heads.iter().copied());
        Ok(())
    }

    /// Lets the pair that opened a strand open a new one, unless it has done so already.
    fn close_pair(&mut self, strand: StrandId, pair: Hash16) -> Result<(), RowError> {
        let pending = &mut self.fold.pending;
        if route::strand(&*pending, strand.lane, &pair)? == Some(strand) {
            pending.delete(Table::Index, keys::route(strand.lane, &pair));
            self.fold.pairs.insert(pair, None);
        }
        Ok(())
    }

    /// Forgets who was seen with a device, and which strand was theirs.
    fn forget_turn(
        &mut self,
        strand: StrandId,
        anonymous: Hash16,
        pair: Hash16,
    ) -> Result<(), RowError> {
        let pending = &mut self.fold.pending;
        let row_key = keys::turns(strand.lane, &anonymous);
        let Some(row) = pending.get(Table::Index, &row_key)? else { return Ok(()) };
        let StoredTurns::V1(mut turns) = decode(&row, "turns")?;
        turns.erase(pair, strand.born);
        if turns.is_empty() {
            pending.delete(Table::Index, row_key);
        } else {
            pending.put(Table::Index, row_key, encode(&StoredTurns::V1(turns)));
        }
        Ok(())
    }
}
