//! Opening a data directory: store, keys, definitions, writer; and what a first start makes.

use std::sync::{Arc, OnceLock, atomic::AtomicUsize};

use parking_lot::Mutex;
use profile::IdentityRules;
use store::{Batch, Fjall, FjallOptions, Reader, Store, Vault};

use crate::{
    audit::AuditLog,
    credentials::{self, Credentials, FirstSecrets},
    decide::{Decider, SigningKeys},
    definitions::{Scope, Token},
    engine::{Engine, EngineError, FirstKeys, Inner, Options},
    follow::{Follower, Sink},
    measure::{Measuring, columns},
    observation::Observation,
    privacy::bars::Bars,
    quarantine, reading,
    registry::{Act, Registry},
    retention,
    sealed::Keys,
    state::{Caches, Shared},
    watch::{self, Broken, Desk, Guardrails, Learning},
    writer::{self, LogEnd, Writer},
};

/// Folder of the key files, which live apart from the store and its backups.
pub(crate) const KEY_FOLDER: &str = "keys";
/// How long events are kept; no definition may ask about a longer past.
const RETENTION: model::Duration = model::Duration::days(730);
/// Calls waiting for the writer; events are bounded apart from this.
const JOBS_MAX: usize = 4_096;
/// Calls whose people have been read and that wait for the writer: more than one batch takes, and
/// few enough that the cache still holds their people when their turn comes.
const JOBS_READ_MAX: usize = 64;
/// Decision records waiting for the writer: 50 ms at the highest rate a machine of two cores
/// serves, several times over.
const RECORDS_MAX: usize = 16_384;
/// Names the key that previews are signed with.
const PREVIEW_CONTEXT: &str = "concierge 2026 preview";

pub(super) fn open(options: Options) -> Result<(Engine, Option<FirstKeys>), EngineError> {
    let store = Arc::new(Fjall::open(&options.dir, FjallOptions::default())?);
    over(store, options)
}

/// Opens over a store that somebody else opened.
pub(super) fn over(
    store: Arc<dyn Store>,
    options: Options,
) -> Result<(Engine, Option<FirstKeys>), EngineError> {
    let (shared, end) = shared(store, &options)?;
    let preview = shared.keys.vault.derive(PREVIEW_CONTEXT);
    let signing = SigningKeys { token: shared.keys.token(), preview };
    let first =
        if shared.credentials.is_empty() { Some(first_keys(&shared, &options)?) } else { None };
    let (jobs, jobs_taken) = crossbeam_channel::bounded(JOBS_MAX);
    let (read, read_taken) = crossbeam_channel::bounded(JOBS_READ_MAX);
    let (records, records_taken) = crossbeam_channel::bounded(RECORDS_MAX);
    let mut threads = reading::start(&shared, &jobs_taken, &read)?;
    // The writer ends when all readers have.
    drop((jobs_taken, read));
    let writer = Writer::new(Arc::clone(&shared), read_taken, records_taken, end)?.start()?;
    threads.push(writer);
    let mut prefix = [0; 8];
    random(&mut prefix)?;
    let decider = Decider::new(records, u64::from_be_bytes(prefix), signing);
    let measuring: Box<dyn Sink> = Box::new(Measuring::new(Arc::clone(&shared)));
    let follower = Follower::start(Arc::clone(&shared), vec![measuring])?;
    let desk = Desk { shared: Arc::clone(&shared), jobs: jobs.clone() };
    let tasks: Vec<Box<dyn watch::Task>> =
        vec![Box::new(Guardrails), Box::new(Broken), Box::new(Learning)];
    let watch = watch::start(desk, tasks)?;
    let columns = columns::start(Arc::clone(&shared))?;
    let (waiting, threads) = (AtomicUsize::new(0), Mutex::new(threads));
    let lake = OnceLock::new();
    let inner = Inner { shared, decider, jobs, waiting, threads, follower, watch, columns, lake };
    Ok((Engine { inner: Arc::new(inner) }, first))
}

/// What the threads of an engine share, and where its log ends.
pub(crate) fn shared(
    store: Arc<dyn Store>,
    options: &Options,
) -> Result<(Arc<Shared>, LogEnd), EngineError> {
    let reader: &dyn Reader = &*store;
    let end = writer::log_end(reader)?;
    let vault = Vault::open(&options.dir.join(KEY_FOLDER), end.next_slot)?;
    vault.prepare()?;
    let shared = Shared::new(
        Arc::clone(&store),
        Keys { vault },
        IdentityRules::default(),
        Caches::new(options.cache_bytes),
        Registry::open(reader, RETENTION)?,
        Credentials::open(reader)?,
        AuditLog::open(reader)?,
        Bars::open(reader)?,
        retention::Progress::read(reader)?,
        Arc::clone(&options.clock),
        quarantine::Usage::read(reader)?,
        Observation::read(reader)?,
    );
    Ok((Arc::new(shared), end))
}

/// Makes the first source, its write key and the first administrator token.
fn first_keys(shared: &Shared, options: &Options) -> Result<FirstKeys, EngineError> {
    let given =
        FirstSecrets { write_key: options.write_key.as_deref(), token: options.token.as_deref() };
    let actor = Token { name: "first start".into(), scopes: vec![Scope::Admin] };
    let act = Act { actor: &actor, now: shared.clock.now(), audit: &shared.audit };
    let mut has_failed = false;
    let mut fill = |bytes: &mut [u8]| has_failed |= random(bytes).is_err();
    let mut made =
        credentials::first_start(&shared.registry, &shared.keys.vault, &given, &mut fill, act)
            .map_err(EngineError::FirstStart)?;
    if has_failed {
        return Err(EngineError::Random);
    }
    let mut batch = Batch::new();
    for (table, key, value) in made.take_writes() {
        match value {
            Some(value) => batch.put(table, key, value),
            None => batch.delete(table, key),
        }
    }
    shared.store.commit(batch)?;
    shared.registry.publish(made.source);
    let write_key = shared.credentials.publish(made.write_key);
    let token = shared.credentials.publish(made.token);
    Ok(FirstKeys { write_key, token })
}

/// Fills `bytes` from the operating system.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), EngineError> {
    getrandom::fill(bytes).map_err(|_| EngineError::Random)
}
