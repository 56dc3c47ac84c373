//! The engine: what the shell holds and calls.

mod observe;
pub(crate) mod open;
pub(crate) mod save;

use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use crossbeam_channel::Sender;
use model::{
    Identifier, Key, ProfileId, Timestamp, Value, condition::Sight, definition, event::Marks,
    value::Object,
};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::{
    accounts,
    acts::history,
    archive::{ArchiveError, Lake},
    audit,
    caller::Caller,
    clock::Clock,
    decide::{DecideAnswer, DecideError, DecideRequest, Decider},
    definitions::{AuditEntry, Definition, DefinitionError, Kind, Page, Source, Token},
    follow,
    ingest::{EventVerdict, ImportRows, IngestError, Item},
    large,
    measure::{self, columns, results::ResultsQuery},
    normalise::ConsentSignals,
    page::Stored,
    people::{
        AudienceChoice, Edit, Explained, GoesOn, Members, Preview, Progress, TraitUsage, members,
        preview, show,
    },
    preview::{Choice, Claims as Signed, Preview as Shown, PreviewError},
    privacy::{self, access::Document},
    proposals::{self, ProposalId, list},
    quarantine, reading, registry, retention,
    sealed::RowError,
    state::Shared,
    watch,
    writer::{self, Ingest, Job},
};

/// Most events that wait for the writer; beyond it calls are refused with 429.
const QUEUE_EVENTS_MAX: usize = 20_000;

/// How to open an engine.
#[derive(Debug)]
pub struct Options {
    /// The data directory; created when absent.
    pub dir: PathBuf,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Cap of the decoded profile cache, in bytes.
    pub cache_bytes: usize,
    /// The first source's write key, when this is the first start.
    pub write_key: Option<String>,
    /// The first administrator token, when this is the first start.
    pub token: Option<String>,
}

/// Why an engine could not be opened or asked.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The key directory failed.
    #[error(transparent)]
    Vault(#[from] store::VaultError),
    /// Stored state does not read back.
    #[error("{0}")]
    Unreadable(String),
    /// The files of the lake failed.
    #[error(transparent)]
    Lake(#[from] ArchiveError),
    /// What a first start makes could not be made.
    #[error("the first start failed")]
    FirstStart(#[source] DefinitionError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}

impl From<RowError> for EngineError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Store(error) => Self::Store(error),
            RowError::Behind => Self::Unreadable(error.to_string()),
            RowError::Vault(error) => Self::Vault(error),
            RowError::Archive(error) => Self::Lake(error),
            RowError::Seal(error) => Self::Unreadable(error.to_string()),
            RowError::Unreadable(error) => Self::Unreadable(error.to_string()),
        }
    }
}

/// What a first start made: shown once, stored only as hashes.
#[derive(Clone)]
pub struct FirstKeys {
    /// The first source's write key.
    pub write_key: String,
    /// The first administrator token.
    pub token: String,
}

impl std::fmt::Debug for FirstKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FirstKeys(redacted)")
    }
}

/// The running system. Clones share it.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    decider: Decider,
    jobs: Sender<Job<Item>>,
    /// Events queued and not yet answered.
    waiting: AtomicUsize,
    /// The readers and the writer, while they run.
    threads: Mutex<Vec<JoinHandle<()>>>,
    follower: follow::Handle,
    watch: watch::Handle,
    columns: columns::Handle,
    lake: OnceLock<Lake>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Inner {
    /// What looks at experiences ends first, since it asks the writer; the follower ends last, with what it has taken
    /// by then.
    fn stop(&self) {
        self.watch.stop();
        self.columns.stop();
        stop(&self.jobs, &self.threads);
        self.follower.stop();
        if let Some(lake) = self.lake.get() {
            lake.stop();
        }
    }
}

impl Inner {
    /// Whether those still run that run behind: without them nothing harmful is stopped, and nothing is counted.
    fn runs_behind(&self) -> bool {
        let Self { follower, watch, columns, lake, .. } = self;
        follower.is_running()
            && watch.is_running()
            && columns.is_running()
            && lake.get().is_none_or(Lake::is_kept_up)
    }
}

fn stop(jobs: &Sender<Job<Item>>, threads: &Mutex<Vec<JoinHandle<()>>>) {
    let mut threads = threads.lock();
    for _ in 0..reading::READERS {
        // They may have ended by themselves; then there is nobody to tell.
        drop(jobs.send(Job::Stop));
    }
    for thread in threads.drain(..) {
        if thread.join().is_err() {
            tracing::error!("a reader or the writer ended by a panic");
        }
    }
}

/// Gives back the place of a call's events in the queue, also when the caller stops waiting.
struct Place<'a> {
    waiting: &'a AtomicUsize,
    events: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.events, Ordering::AcqRel);
    }
}

impl Engine {
    /// Opens the data directory and starts the writer; `FirstKeys` only when the directory is new.
    pub fn open(options: Options) -> Result<(Self, Option<FirstKeys>), EngineError> {
        open::open(options)
    }

    /// Opens over a store of the caller's, with the key files in `options.dir`: for simulations and tests with faults.
    pub fn open_over(
        store: Arc<dyn store::Store>,
        options: Options,
    ) -> Result<(Self, Option<FirstKeys>), EngineError> {
        open::over(store, options)
    }

    /// Takes no more input, commits what is queued, stops the threads. Idempotent.
    pub fn shutdown(&self) {
        self.inner.stop();
    }

    /// The same, but what the lake has in memory is in files then.
    pub fn flush_and_shutdown(&self) {
        self.inner.watch.stop();
        stop(&self.inner.jobs, &self.inner.threads);
        if let Some(lake) = self.lake() {
            lake.flush(self);
        }
        self.shutdown();
    }

    /// Whether it can do all its work: definitions compiled, every thread running, store not failed.
    pub fn ready(&self) -> bool {
        let threads = self.inner.threads.lock();
        let is_running = !threads.is_empty() && threads.iter().all(|thread| !thread.is_finished());
        is_running && self.inner.runs_behind() && self.shared().failure().is_none()
    }

    /// The current instant of the engine's clock.
    pub fn now(&self) -> Timestamp {
        self.shared().clock.now()
    }

    /// Metrics in the Prometheus text format.
    pub fn metrics(&self) -> String {
        let shared = self.shared();
        let (people, bytes) = shared.caches.people.size();
        let usage = shared.store.usage();
        let metrics = &shared.metrics;
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let size = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        metrics.cached_people.set(count(people));
        metrics.cached_bytes.set(count(bytes));
        metrics.disk_bytes.set(size(usage.disk_bytes));
        metrics.journal_bytes.set(size(usage.journal_bytes));
        // What does not read back is found where it is needed.
        let proposals = proposals::count(&*shared.store, None).unwrap_or_default();
        metrics.merge_proposals.set(size(proposals));
        let people = large::counts(&*shared.store).unwrap_or_default();
        metrics.large_profiles.set(size(people.large));
        metrics.full_profiles.set(size(people.full));
        metrics.broken_definitions.set(count(shared.registry.snapshot().faults.len()));
        metrics.volumes_unusual.set(count(shared.observation.unusual(shared.clock.now())));
        metrics.clock_unbelieved.set(shared.clock.unbelieved().0 / 1_000);
        let waiting = shared.quarantine.total();
        metrics.quarantine_entries.set(size(waiting.entries));
        metrics.quarantine_bytes.set(size(waiting.bytes));
        if let Some(lake) = self.lake() {
            let usage = lake.usage();
            metrics.lake.files.set(size(usage.files));
            metrics.lake.bytes.set(size(usage.bytes));
            metrics.lake.tail_rows.set(size(usage.tail_rows));
            metrics.lake.removals.set(size(usage.removals));
            let end = writer::log_end(&*shared.store).map_or(usage.next, |end| end.next_seq);
            metrics.lake.behind.set(size(end.0.saturating_sub(usage.next.0)));
        }
        metrics.text()
    }

    /// The source a write key belongs to.
    pub fn source(&self, write_key: &str) -> Option<Source> {
        let shared = self.shared();
        let snapshot = shared.registry.snapshot();
        let rights = shared.credentials.source(&shared.keys.vault, &snapshot, write_key)?;
        Some(rights.source.clone())
    }

    /// The token behind a bearer secret.
    pub fn token(&self, secret: &str) -> Option<Token> {
        self.shared().credentials.token(&self.shared().keys.vault, secret)
    }

    /// The number of the purpose with this key.
    pub fn purpose(&self, key: &str) -> Option<model::Purpose> {
        self.shared().registry.snapshot().policy.find(&key.parse().ok()?)
    }

    /// What signals stand for which purposes.
    pub fn consent_signals(&self) -> Arc<ConsentSignals> {
        Arc::clone(&self.shared().registry.snapshot().signals)
    }

    /// Applies the items and returns when they are durable and visible, with one verdict each.
    pub async fn ingest(&self, items: Vec<Item>) -> Result<Vec<EventVerdict>, IngestError> {
        self.submit(items, None).await
    }

    /// Applies rows of an import together with its watermark, and returns with one verdict each.
    pub async fn import(
        &self,
        rows: ImportRows,
        items: Vec<Item>,
    ) -> Result<Vec<EventVerdict>, IngestError> {
        self.submit(items, Some(rows)).await
    }

    async fn submit(
        &self,
        items: Vec<Item>,
        import: Option<ImportRows>,
    ) -> Result<Vec<EventVerdict>, IngestError> {
        let shared = self.shared();
        if let Some(reason) = shared.failure() {
            return Err(IngestError::Unavailable(reason));
        }
        let events = items.len();
        let waiting = &self.inner.waiting;
        let before = waiting.fetch_add(events, Ordering::AcqRel);
        let _place = Place { waiting, events };
        if before + events > QUEUE_EVENTS_MAX && before > 0 {
            shared.metrics.overloaded.inc();
            return Err(IngestError::Overloaded { retry_after_seconds: 1 });
        }
        let (reply, answer) = oneshot::channel();
        shared.metrics.queue.inc_by(i64::try_from(events).unwrap_or_default());
        writer::send(&self.inner.jobs, Job::Ingest(Ingest { items, import, reply }))?;
        answer.await.map_err(|_| IngestError::Unavailable("the engine is stopping".into()))?
    }

    /// The row an import continues at; 0 when it is new.
    pub fn import_watermark(&self, file: &str) -> Result<u64, EngineError> {
        Ok(show::import_watermark(&*self.shared().store, file)?)
    }

    /// Events set aside, newest first.
    pub fn quarantined(
        &self,
        filter: &quarantine::Filter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<quarantine::Entry>, EngineError> {
        Ok(quarantine::page(self.shared(), filter, cursor, limit)?)
    }

    /// One event set aside, with what was sent; `None` when there is none under this id.
    pub fn quarantined_entry(&self, id: &str) -> Result<Option<quarantine::Entry>, EngineError> {
        Ok(quarantine::open(self.shared(), id)?)
    }

    /// Whether anything that is known of people is to be shown to few only.
    pub fn has_sensitive_traits(&self) -> bool {
        self.shared().registry.snapshot().traits.has_sensitive()
    }

    /// One event that was set aside, as it is shown.
    pub fn quarantined_document(&self, entry: &quarantine::Entry, sight: Sight) -> Value {
        entry.document(&self.shared().registry.snapshot().traits, sight)
    }

    /// What is noticed about a caller: whether it is a program, or one of the organisation's own people.
    pub fn caller_marks(&self, caller: &Caller<'_>) -> Marks {
        let shared = self.shared();
        shared.agents.of_caller(&shared.registry.snapshot().traffic, caller)
    }

    /// Decides. Synchronous: from the cache, or with a few reads of the store when the profile is cold.
    pub fn decide(&self, request: &DecideRequest) -> Result<DecideAnswer, DecideError> {
        self.inner.decider.decide(self.shared(), request)
    }

    /// The version of all definitions together that decisions are made from.
    pub fn definitions_version(&self) -> u64 {
        self.shared().registry.snapshot().version
    }

    /// The keys of the placements that answer as feature flags.
    pub fn flags(&self) -> Vec<Key> {
        self.shared().registry.snapshot().decisions.flags().cloned().collect()
    }

    /// Whether a placement answers as a feature flag.
    pub fn is_flag(&self, placement: &Key) -> bool {
        self.shared().registry.snapshot().decisions.is_flag(placement)
    }

    /// Where a live placement whose content is an address leads by default; none where it is no such placement.
    pub fn leads_to(&self, placement: &Key) -> Option<String> {
        self.shared().registry.snapshot().decisions.leads_to(placement).map(str::to_owned)
    }

    /// What live experiences may change on which pages, so that a page can hide it until it is decided.
    pub fn changed(&self) -> Vec<decision::catalog::Changed> {
        self.shared().registry.snapshot().decisions.changed()
    }

    /// A name for a visitor who brought none, which nobody guesses.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn new_anonymous_id(&self) -> Result<String, EngineError> {
        let mut bytes = [0; 16];
        open::random(&mut bytes)?;
        Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// What the token of a preview says.
    pub fn read_preview(&self, token: &str) -> Result<Signed, PreviewError> {
        self.inner.decider.read_preview(self.shared(), token)
    }

    /// The experiences that a preview names, and those of `others` that are live or paused.
    pub fn preview_choices(&self, preview: &Shown, others: &[Key]) -> Vec<Choice> {
        preview.choices(others, &self.shared().registry)
    }

    /// Signs a preview that can be looked at until `expires_at`; its faults where it is not sound, or names a
    /// profile that is not there.
    pub fn sign_preview(
        &self,
        preview: Shown,
        expires_at: Timestamp,
    ) -> Result<Result<String, Vec<definition::Fault>>, EngineError> {
        if let Some(id) = preview.profile_id()
            && show::head(self.shared(), id)?.is_none()
        {
            return Ok(Err(vec![definition::Fault::new(
                "/profile",
                format!("there is no profile `{id}`"),
            )]));
        }
        Ok(self.inner.decider.sign(self.shared(), preview, expires_at))
    }

    /// Waits until what was committed before is counted in results and kept by all who follow the log.
    pub fn catch_up(&self) {
        self.inner.follower.catch_up();
        columns::catch_up(self.shared());
    }

    /// The results of an experience.
    pub fn results(&self, key: &Key, query: &ResultsQuery) -> Result<Value, DefinitionError> {
        query.check(self.shared())?;
        measure::results::results(self.shared(), key, query)
    }

    /// The results of all experiences together.
    pub fn programme(&self, query: &ResultsQuery) -> Result<Value, DefinitionError> {
        measure::programme::programme(self.shared(), query)
    }

    /// Definitions of a kind, in key order.
    pub fn definitions(
        &self,
        kind: Kind,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Definition>, DefinitionError> {
        Ok(self.shared().registry.list(kind, cursor, limit))
    }

    /// One definition: its newest version, or the one asked for.
    pub fn definition(
        &self,
        kind: Kind,
        key: &Key,
        version: Option<u64>,
    ) -> Result<Definition, DefinitionError> {
        self.shared().registry.get(&*self.shared().store, kind, key, version)
    }

    /// All versions of a definition, newest first.
    pub fn definition_versions(
        &self,
        kind: Kind,
        key: &Key,
    ) -> Result<Vec<Definition>, DefinitionError> {
        self.shared().registry.versions(&*self.shared().store, kind, key)
    }

    /// Checks a document as [`Engine::put_definition`] would, without saving.
    pub fn check_definition(
        &self,
        kind: Kind,
        key: &Key,
        document: &Object,
    ) -> Result<(), DefinitionError> {
        self.shared().registry.check(kind, key, document)
    }

    /// The JSON Schema of a kind's documents.
    pub fn schema(kind: Kind) -> Value {
        registry::schema(kind)
    }

    /// The audit log, newest first.
    pub fn audit(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<AuditEntry>, EngineError> {
        Ok(audit::page(&*self.shared().store, cursor, limit)?)
    }

    /// The id of the profile that holds an identifier.
    pub fn find_profile(&self, identifier: &Identifier) -> Result<Option<ProfileId>, EngineError> {
        Ok(show::find(self.shared(), identifier)?)
    }

    /// A page of accounts, those who belong to each counted.
    pub fn accounts(&self, cursor: Option<&str>, limit: usize) -> Result<Page<Value>, EngineError> {
        Ok(accounts::list::accounts(self.shared(), cursor, limit)?)
    }

    /// An account by its id.
    pub fn account(&self, id: &str) -> Result<Option<Value>, EngineError> {
        let snapshot = self.shared().registry.snapshot();
        Ok(accounts::list::account(self.shared(), &snapshot, id)?)
    }

    /// A page of the people who belong to an account; `None` when there is no such account.
    pub fn account_members(
        &self,
        id: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Option<Page<Value>>, EngineError> {
        Ok(accounts::list::members(self.shared(), id, cursor, limit)?)
    }

    /// The profile as contract.md gives it (identifiers, traits, consents, audiences, recent
    /// timeline); `None` when unknown.
    pub fn profile(&self, id: ProfileId, sight: Sight) -> Result<Option<Value>, EngineError> {
        let snapshot = self.shared().registry.snapshot_full();
        Ok(show::profile(self.shared(), &snapshot, id, sight)?)
    }

    /// A person's events, newest first.
    pub fn timeline(
        &self,
        id: ProfileId,
        cursor: Option<&str>,
        limit: usize,
        sight: Sight,
    ) -> Result<Option<Page<Value>>, EngineError> {
        let Some(profile) = show::component(self.shared(), id)? else { return Ok(None) };
        let snapshot = self.shared().registry.snapshot_full();
        let mut page = show::page(self.shared(), &snapshot, &profile, cursor, limit)?;
        if sight != Sight::Full {
            page.items.iter_mut().for_each(|event| show::mask(&snapshot.traits, event));
        }
        Ok(Some(page))
    }

    /// Which definitions that act use which trait, by the name of the trait.
    pub fn trait_usage(&self, cursor: Option<&str>, limit: usize) -> Page<TraitUsage> {
        self.shared().registry.trait_usage(cursor, limit)
    }

    /// What operators did to a person, newest first; `None` when there is no such person.
    pub fn acts(&self, id: ProfileId) -> Result<Option<Vec<Value>>, EngineError> {
        let shared = self.shared();
        let Some(head) = show::head(shared, id)? else { return Ok(None) };
        let frozen = shared.store.snapshot().map_err(RowError::from)?;
        let pages = Stored { reader: &*frozen, keys: &shared.keys };
        Ok(Some(history::of(&pages, head)?))
    }

    /// People with more than 100 identifiers, or without room for more.
    pub fn large_profiles(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Value>, EngineError> {
        Ok(large::page(&*self.shared().store, cursor, limit)?)
    }

    /// Proposals to merge people that are `open`, `accepted`, `rejected` or `moot`, newest first.
    pub fn merge_proposals(
        &self,
        state: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Value>, EngineError> {
        Ok(list::page(self.shared(), state, cursor, limit)?)
    }

    /// One proposal, with what is known of both sides; `None` when there is none.
    pub fn merge_proposal(
        &self,
        id: ProposalId,
        sight: Sight,
    ) -> Result<Option<Value>, EngineError> {
        let snapshot = self.shared().registry.snapshot_full();
        Ok(list::one(self.shared(), &snapshot, id, sight)?)
    }

    /// A person's recorded decisions, newest first, as those may see them who have `sight`.
    pub fn profile_decisions(
        &self,
        id: ProfileId,
        cursor: Option<&str>,
        limit: usize,
        sight: Sight,
    ) -> Result<Option<Page<Value>>, EngineError> {
        let Some(profile) = show::component(self.shared(), id)? else { return Ok(None) };
        Ok(Some(show::decisions(self.shared(), &profile, sight, (cursor, limit))?))
    }

    /// Requests of people about their own data, newest first.
    pub fn privacy_requests(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Value>, EngineError> {
        Ok(privacy::page(self.shared(), cursor, limit)?)
    }

    /// One request; `None` when there is none of this id.
    pub fn privacy_request(&self, id: &str) -> Result<Option<Value>, EngineError> {
        let Some(id) = privacy::parse_id(id) else { return Ok(None) };
        let record = privacy::read(self.shared(), id)?;
        Ok(record.map(|record| privacy::receipt::shown(self.shared(), id, &record)))
    }

    /// Everything that is held about the people whom a request for access named, piece by piece; `None`
    /// when there is no such request.
    pub fn privacy_document(
        &self,
        id: &str,
        sight: Sight,
    ) -> Result<Option<Document>, EngineError> {
        let Some(id) = privacy::parse_id(id) else { return Ok(None) };
        Ok(Document::of(Arc::clone(&self.inner.shared), id, sight)?)
    }

    /// How far the sweep is that removes what is kept no longer: of the round that goes on, else of the
    /// last one; `None` when there was none.
    pub fn retention(&self) -> Option<retention::Round> {
        self.shared().retention.get()
    }

    /// What would be removed now: by a retention rule in any state, or by all live ones; `None` when there
    /// is no such rule. It reads everyone.
    pub fn retention_dry_run(
        &self,
        rule: Option<&Key>,
    ) -> Result<Option<retention::DryRun>, EngineError> {
        let registry = &self.shared().registry;
        let rules = match rule {
            None => registry.snapshot_full().retention.clone(),
            Some(key) => match registry.retention_rule(key) {
                Some(rules) => std::sync::Arc::new(rules),
                None => return Ok(None),
            },
        };
        Ok(Some(retention::dry_run(self.shared(), &rules)?))
    }

    /// Who is in an audience at an instant, evaluated over full histories.
    pub fn members(
        &self,
        audience: &AudienceChoice,
        at: Option<Timestamp>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Members, DefinitionError> {
        members::members(self.shared(), audience, at, cursor, limit)
    }

    /// How many people are in an audience at an instant, told from those looked at while it goes on.
    pub fn preview(
        &self,
        audience: &AudienceChoice,
        at: Option<Timestamp>,
        limit: usize,
        goes_on: GoesOn<'_>,
    ) -> Result<Preview, DefinitionError> {
        preview::preview(self.shared(), audience, at, limit, goes_on)
    }

    /// The edit of an audience whose newest version does not act yet, told from people looked at while it goes on.
    pub fn edit(
        &self,
        key: &Key,
        limit: usize,
        goes_on: GoesOn<'_>,
    ) -> Result<Edit, DefinitionError> {
        let shared = self.shared();
        let no_edit = || DefinitionError::NoEdit { key: key.clone() };
        let (edit, newest) = shared.registry.edit(key).ok_or_else(no_edit)?;
        let (done, part) = shared.backfill.so_far();
        let is_complete = shared.backfill.is_complete();
        let difference = preview::difference(shared, key, limit, goes_on)
            .map_err(|error| DefinitionError::Unavailable(error.to_string()))?;
        Ok(Edit {
            from: edit.live.definition.version,
            to: newest.version,
            switch: edit.switch,
            since: edit.since,
            progress: Progress { done, part, is_complete },
            difference,
        })
    }

    /// Why a person is in an audience or not at an instant; `None` when there is no such person.
    pub fn explain_membership(
        &self,
        audience: &AudienceChoice,
        at: Option<Timestamp>,
        id: ProfileId,
        sight: Sight,
    ) -> Result<Option<Explained>, DefinitionError> {
        members::explain(self.shared(), audience, at, id, sight)
    }

    /// Looks at all live experiences now, as is done once a minute, and returns when that is done: stops those that
    /// do harm by their guardrails.
    pub fn look_at_experiences(&self) {
        self.inner.watch.look();
    }

    #[cfg(test)]
    pub(crate) fn shared_for_tests(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    pub(crate) fn shared_arc(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    #[cfg(test)]
    pub(crate) fn watcher(&self) -> &watch::Handle {
        &self.inner.watch
    }

    #[cfg(test)]
    pub(crate) fn columns(&self) -> &columns::Handle {
        &self.inner.columns
    }

    pub(crate) fn follower(&self) -> &follow::Handle {
        &self.inner.follower
    }

    pub(crate) fn set_lake(&self, lake: Lake) {
        self.inner.lake.get_or_init(|| lake);
    }

    /// The lake, if one is kept.
    pub fn lake(&self) -> Option<&Lake> {
        self.inner.lake.get()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.inner.shared
    }
}
