//! Between the queue and the writer: reads what a call's events will need into the caches.
//!
//! Reading somebody who is not in memory costs several times what folding their event does. It needs
//! no order, so a thread of its own does it one call ahead, while the writer folds and syncs. What it
//! reads is only offered to the caches: where it comes too late or is evicted again, the writer reads
//! by itself, and the fold never knows the difference.

use std::{sync::Arc, thread};

use crossbeam_channel::{Receiver, Sender};
use model::{Event, StrandId, hash};
use store::StoreError;

use crate::{
    ingest::Item,
    load::{Loader, Read},
    route,
    sealed::{Address, RowError},
    snapshot::Snapshot,
    state::Shared,
    writer::Job,
};

/// Starts the thread that hands jobs from `queue` to the writer, in order, each after its people
/// were read. It ends behind [`Job::Stop`], or when either side is gone.
pub(crate) fn start(
    shared: Arc<Shared>,
    queue: Receiver<Job>,
    writer: Sender<Job>,
) -> Result<thread::JoinHandle<()>, StoreError> {
    let pass_on = move || {
        for job in queue {
            if let Job::Ingest(call) = &job {
                read_ahead(&shared, &call.items);
            }
            let is_last = matches!(job, Job::Stop);
            if writer.send(job).is_err() || is_last {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("reader".into())
        .spawn(pass_on)
        .map_err(|source| StoreError::Io { what: "start the reader", source })
}

fn read_ahead(shared: &Shared, items: &[Item]) {
    let snapshot = shared.registry.snapshot_full();
    for item in items {
        let Item::Event(event) = item else { continue };
        // The writer meets the same error if it lasts, and knows what to do about it.
        if let Err(error) = read_event(shared, &snapshot, event) {
            tracing::debug!(%error, "could not read ahead");
        }
    }
}

/// Reads the route of an event, and its person if the event can matter to what is known of them.
fn read_event(shared: &Shared, snapshot: &Snapshot, event: &Event) -> Result<(), RowError> {
    let Some(address) = Address::of_event(event, &shared.keys) else { return Ok(()) };
    let caches = &shared.caches;
    let needs_person = !event.traits.is_empty()
        || !event.consents.is_empty()
        || snapshot.projection.name(hash::event_name(&event.name)).is_some();
    if let Some(route) = caches.routes.get(&address.pair) {
        return if needs_person { read_person(shared, snapshot, route.head) } else { Ok(()) };
    }
    let generation = caches.generations.of(&address.pair);
    let Some(strand) = route::strand(&*shared.store, address.lane, &address.pair)? else {
        return Ok(());
    };
    if !needs_person {
        let route = Arc::new(route::read(&*shared.store, &shared.keys, strand)?);
        caches.routes.offer(address.pair, route, generation, &caches.generations);
        return Ok(());
    }
    let person_generation = caches.generations.of(&strand);
    let frozen = shared.store.snapshot()?;
    let loader = Loader { reader: &*frozen, keys: &shared.keys, snapshot };
    let Read { route, person } = loader.strand_and_person(strand)?;
    let head = route.head;
    caches.routes.offer(address.pair, Arc::new(route), generation, &caches.generations);
    match person {
        Some(person) => {
            let person = Arc::new(person);
            caches.people.offer(head, person, person_generation, &caches.generations);
            Ok(())
        }
        None => read_person(shared, snapshot, head),
    }
}

fn read_person(shared: &Shared, snapshot: &Snapshot, head: StrandId) -> Result<(), RowError> {
    crate::who::person(shared, snapshot, head).map(|_| ())
}
