//! What the engine's threads share.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use model::StrandId;
use parking_lot::Mutex;
use profile::Account;
use profile::IdentityRules;
use store::Store;

use crate::{
    audit::AuditLog,
    cache::{Cache, Generations},
    clock::Clock,
    consenting::Consenting,
    credentials::Credentials,
    keys::Hash16,
    load::SharedPerson,
    measure::{Plans, Published, columns::Columns, tried::Trying},
    messages::Messages,
    metrics::Metrics,
    observation::Observation,
    page::Stored,
    pairs::Pairs,
    pending::KnownPages,
    privacy::bars::Bars,
    quarantine,
    registry::Registry,
    retention,
    sealed::Keys,
    traffic::Agents,
    writer::Progress,
};

/// Parts of 16 of the cache's bytes.
const PEOPLE_SHARE: usize = 9;
const PAGES_SHARE: usize = 6;
const HOLDERS_SHARE: usize = 1;
/// What of the share of holders accounts take: there are few of them, each asked for by all its members.
const ACCOUNTS_PART: usize = 4;

/// Decoded state in memory.
#[derive(Debug)]
pub(crate) struct Caches {
    /// From an identifier to the head of the one component that holds it.
    pub(crate) holders: Cache<Hash16, StrandId>,
    /// Accounts by name.
    pub(crate) accounts: Cache<Hash16, Arc<Account>>,
    /// By head.
    pub(crate) people: Cache<StrandId, SharedPerson>,
    /// Pages as they are stored: read ahead for the writer, which changes them.
    pub(crate) pages: KnownPages,
    /// Where the events of a pair belong.
    pub(crate) pairs: Pairs,
    pub(crate) generations: Generations,
    /// What was said about consent, strand by strand, once somebody has asked.
    pub(crate) consenting: Consenting,
}

impl Caches {
    /// Caches of at most about `bytes` together.
    pub(crate) fn new(bytes: usize) -> Self {
        let share = |parts| bytes / 16 * parts;
        Self {
            holders: Cache::new(share(HOLDERS_SHARE) / ACCOUNTS_PART * (ACCOUNTS_PART - 1), |_| 96),
            accounts: Cache::new(share(HOLDERS_SHARE) / ACCOUNTS_PART, |account| {
                account.weight() + 96
            }),
            people: Cache::new(share(PEOPLE_SHARE), |person| person.weight() + 96),
            pages: Cache::new(share(PAGES_SHARE), |page| page.weight() + 96),
            pairs: Pairs::default(),
            consenting: Consenting::default(),
            generations: Generations::default(),
        }
    }
}

/// Everything that the writer and the readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Keys,
    pub(crate) rules: IdentityRules,
    pub(crate) caches: Caches,
    pub(crate) registry: Registry,
    pub(crate) credentials: Credentials,
    pub(crate) audit: AuditLog,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    /// How full the quarantine is.
    pub(crate) quarantine: quarantine::Usage,
    /// What came in, counted and shown as it comes.
    pub(crate) observation: Observation,
    /// How far the look at everyone has come.
    pub(crate) backfill: Progress,
    /// Which user agents are programs.
    pub(crate) agents: Agents,
    /// Why no more writes are taken, once that is so.
    failure: Mutex<Option<String>>,
    has_failed: AtomicBool,
    /// Which messages may have been applied before.
    pub(crate) messages: Messages,
    /// Identifiers that nothing may be collected of.
    pub(crate) bars: Bars,
    /// How far the sweep is that removes what is kept no longer.
    pub(crate) retention: retention::Progress,
    /// What experiences brought about, as it was counted last.
    pub(crate) measured: Published,
    /// By which weights versions of experiences divide units.
    pub(crate) plans: Plans,
    /// What keeps metrics from being tried side by side.
    pub(crate) trying: Trying,
    /// What looks at all units of experiences have told.
    pub(crate) columns: Columns,
    /// How many commits the writer has made since the start.
    pub(crate) commits: AtomicU64,
}

impl Shared {
    /// Puts the parts together.
    #[expect(clippy::too_many_arguments, reason = "the parts of the engine, each of its own type")]
    pub(crate) fn new(
        store: Arc<dyn Store>,
        keys: Keys,
        rules: IdentityRules,
        caches: Caches,
        registry: Registry,
        credentials: Credentials,
        audit: AuditLog,
        bars: Bars,
        retention: retention::Progress,
        clock: Arc<dyn Clock>,
        quarantine: quarantine::Usage,
        observation: Observation,
    ) -> Self {
        let (failure, has_failed) = (Mutex::new(None), AtomicBool::new(false));
        let metrics = Metrics::default();
        Self {
            store,
            keys,
            rules,
            caches,
            registry,
            credentials,
            audit,
            clock,
            metrics,
            quarantine,
            observation,
            backfill: Progress::default(),
            agents: Agents::default(),
            failure,
            has_failed,
            messages: Messages::default(),
            bars,
            retention,
            measured: Published::default(),
            plans: Plans::default(),
            trying: Trying::default(),
            columns: Columns::default(),
            commits: AtomicU64::new(0),
        }
    }

    /// The pages of strands as they are stored now.
    pub(crate) fn stored(&self) -> Stored<'_> {
        Stored { reader: &*self.store, keys: &self.keys }
    }

    /// Remembers that the store has failed for good; only a restart helps.
    pub(crate) fn fail(&self, reason: &str) {
        self.failure.lock().get_or_insert_with(|| reason.to_owned());
        self.has_failed.store(true, Ordering::Release);
    }

    /// Why no writes are taken, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        if self.has_failed.load(Ordering::Acquire) { self.failure.lock().clone() } else { None }
    }
}
