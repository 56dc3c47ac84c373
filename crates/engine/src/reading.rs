//! Between the queue and the writer: reads what a call's events will need into the caches.
//!
//! Reading somebody who is not in memory costs several times what folding their event does. It needs
//! no order, so threads of its own do it ahead, while the writer folds and syncs, and with it all
//! else that needs none: hashing, packing, looking for an earlier copy. What they read is only
//! offered to the caches: where it comes too late or is evicted again, the writer reads by itself,
//! and the fold never knows the difference.
//!
//! Calls that wait at the same time may overtake each other. One that begins after another was
//! answered comes behind it.

use std::{
    sync::{Arc, atomic::Ordering},
    thread,
};

use crossbeam_channel::{Receiver, Sender};
use model::{Event, Lane, event::Marks, hash};
use profile::Visit;
use quality::{Breach, Mode};
use store::{StoreError, Table};

use crate::{
    body::PackedEvent,
    flag_use::{FlagUse, Unbelieved},
    ingest::{EventVerdict, Item, Rejected},
    keys,
    priority::yield_to_requests,
    proof,
    quarantine::EntryKey,
    sealed::{Address, Keys, RowError},
    snapshot::Snapshot,
    state::Shared,
    visits, who,
    writer::{Ingest, Job},
};

/// The code of an event that the tracking plan does not let pass.
const VIOLATION: &str = "schema_violation";

/// An event with what does not depend on those before it.
#[derive(Debug)]
pub(crate) struct Ahead {
    pub(crate) event: Event,
    /// Where it belongs; `None` when it names nobody.
    pub(crate) address: Option<Address>,
    /// The key of its dedup entry.
    pub(crate) dedup: [u8; 18],
    /// The number of the commit as of which there was no dedup entry yet, if somebody looked.
    pub(crate) new_as_of: Option<u64>,
    /// `None` when it is too long to be stored.
    pub(crate) packed: Option<PackedEvent>,
    /// The visit that it would be by itself; `None` where it belongs to none.
    pub(crate) visit: Option<Visit>,
    /// The entry of the quarantine that it is replayed from.
    pub(crate) entry: Option<EntryKey>,
    /// What the tracking plan has against it.
    pub(crate) breach: Option<Breach>,
    /// The evaluation of a flag that it says was used.
    pub(crate) flag_use: Option<Result<FlagUse, Unbelieved>>,
}

impl Ahead {
    /// Why the tracking plan does not let it pass, if so.
    pub(crate) fn blocked(&self) -> Option<EventVerdict> {
        let breach = self.breach.as_ref().filter(|breach| breach.mode == Mode::Block)?;
        let told = breach.violations.iter().map(|v| match v.path.as_str() {
            "" => v.rule.to_string(),
            path => format!("{path} ({})", v.rule),
        });
        let detail = format!(
            "the event violates the event schema `{}`: {}",
            breach.schema,
            told.collect::<Vec<_>>().join(", ")
        );
        Some(EventVerdict::Quarantined { code: VIOLATION.into(), detail })
    }

    /// What follows from the event alone.
    pub(crate) fn of(event: Event, entry: Option<EntryKey>, keys: &Keys) -> Self {
        let address = Address::of_event(&event, keys);
        let message = keys.message(&event.source, &event.message_id);
        let lane = address.as_ref().map_or(Lane::from_hash(0), |address| address.lane);
        let packed = PackedEvent::of(&event).ok();
        let visit = visits::of(&event, event.order());
        let dedup = keys::dedup(lane, &message);
        let flag_use = address.as_ref().and_then(|address| FlagUse::of(&event, address, keys));
        let (new_as_of, breach) = (None, None);
        Self { event, address, dedup, new_as_of, packed, visit, entry, breach, flag_use }
    }
}

/// One item of a call, read ahead.
#[derive(Debug)]
pub(crate) enum Taken {
    Event(Box<Ahead>),
    Rejected(Box<Rejected>),
}

/// How many threads read: the writer and the committer keep a core busy, and on a small machine
/// what they leave of it is worth using.
pub(crate) const READERS: usize = 2;

/// Starts the threads that hand jobs from `queue` to the writer, each after its people were read.
/// Each ends with a [`Job::Stop`], or when either side is gone; then nothing more comes.
pub(crate) fn start(
    shared: &Arc<Shared>,
    queue: &Receiver<Job<Item>>,
    writer: &Sender<Job<Taken>>,
) -> Result<Vec<thread::JoinHandle<()>>, StoreError> {
    let start = |_| {
        let (shared, queue, writer) = (Arc::clone(shared), queue.clone(), writer.clone());
        thread::Builder::new()
            .name("reader".into())
            .spawn(move || pass_on(&shared, &queue, &writer))
            .map_err(|source| StoreError::Io { what: "start a reader", source })
    };
    (0..READERS).map(start).collect()
}

fn pass_on(shared: &Shared, queue: &Receiver<Job<Item>>, writer: &Sender<Job<Taken>>) {
    yield_to_requests();
    for job in queue {
        let job = match job {
            Job::Ingest(Ingest { items, import, reply }) => {
                Job::Ingest(Ingest { items: take(shared, items), import, reply })
            }
            Job::Operation(operation) => Job::Operation(operation),
            Job::Act(acting) => Job::Act(acting),
            Job::Privacy(filing) => Job::Privacy(filing),
            Job::Stop => return,
        };
        if writer.send(job).is_err() {
            return;
        }
    }
}

fn take(shared: &Shared, items: Vec<Item>) -> Vec<Taken> {
    let snapshot = shared.registry.snapshot_full();
    let event = |mut event: Event, entry| {
        proof::judge(shared, &mut event);
        let Event { context, traits, marks, .. } = &event;
        let noticed = shared.agents.of_content(&snapshot.traffic, context, traits);
        event.marks = marks.with(noticed);
        let breach = snapshot.plan.check(&event);
        if breach.as_ref().is_some_and(|breach| breach.mode == Mode::Flag) {
            event.marks = event.marks.with(Marks::VIOLATION);
        }
        let mut ahead = Box::new(Ahead::of(event, entry, &shared.keys));
        ahead.breach = breach;
        // The writer meets the same error if it lasts, and knows what to do about it.
        if let Err(error) = read(shared, &snapshot, &mut ahead) {
            tracing::debug!(%error, "could not read ahead");
        }
        Taken::Event(ahead)
    };
    let take = |item| match item {
        Item::Rejected(rejected) => Taken::Rejected(rejected),
        Item::Event(sound) => event(*sound, None),
        Item::Replayed(sound, entry) => event(*sound, Some(entry)),
    };
    items.into_iter().map(take).collect()
}

fn read(shared: &Shared, snapshot: &Snapshot, ahead: &mut Ahead) -> Result<(), RowError> {
    // Whatever was committed by then is seen by the look that follows.
    let commits = shared.commits.load(Ordering::Acquire);
    if shared.messages.excludes(&ahead.dedup)
        || shared.store.get(Table::Dedup, &ahead.dedup)?.is_none()
    {
        ahead.new_as_of = Some(commits);
    }
    match &ahead.address {
        Some(address) => read_event(shared, snapshot, ahead, address),
        None => Ok(()),
    }
}

/// Reads the page of an event, and its person if the event can matter to what is known of them.
fn read_event(
    shared: &Shared,
    snapshot: &Snapshot,
    ahead: &Ahead,
    address: &Address,
) -> Result<(), RowError> {
    let Ahead { event, visit, flag_use, .. } = ahead;
    let Some(strand) = who::strand(shared, address)? else { return Ok(()) };
    let Some(page) = who::page(shared, strand)? else { return Ok(()) };
    let needs_person = flag_use.is_some()
        || !event.traits.is_empty()
        || !event.consents.is_empty()
        || snapshot.projection.name(hash::event_name(&event.name)).is_some()
        || visit.is_some() && visits::number(&snapshot.projection).is_some();
    if needs_person {
        let head = page.meta().head;
        if head != strand {
            who::page(shared, head)?;
        }
        who::person(shared, snapshot, head)?;
    }
    Ok(())
}
