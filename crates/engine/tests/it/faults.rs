//! When the disk is full or fails: refused, never lost, never half.

use std::sync::Arc;

use engine::{
    Engine, ManualClock, Options,
    definitions::{Expect, Kind},
    ingest::{EventVerdict, IngestError, Item},
};
use model::{
    Consents, Event, EventKind, Identifier, IdentifierType, LazyObject, Value, condition::Sight,
};
use serde_json::json;
use store::{Batch, Fault, Faulty, KeyRange, Memory, Operation, Reader, ScanOrder, Store, Table};

use crate::world::request;

struct Failing {
    engine: Engine,
    store: Arc<Faulty<Memory>>,
    runtime: tokio::runtime::Runtime,
    keys: tempfile::TempDir,
}

fn failing() -> Failing {
    let keys = tempfile::tempdir().unwrap();
    let store = Arc::new(Faulty::new(Memory::default()));
    let engine = open(&store, keys.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    Failing { engine, store, runtime, keys }
}

fn open(store: &Arc<Faulty<Memory>>, keys: &std::path::Path) -> Engine {
    let options = Options {
        dir: keys.to_owned(),
        clock: Arc::new(ManualClock::at(crate::world::START)),
        cache_bytes: 1 << 20,
        write_key: None,
        token: None,
    };
    Engine::open_over(Arc::clone(store) as Arc<dyn store::Store>, options).unwrap().0
}

impl Failing {
    fn send(&self, message_id: &str) -> Result<EventVerdict, IngestError> {
        let verdicts =
            self.runtime.block_on(self.engine.ingest(vec![view("ann", message_id, &[])]))?;
        Ok(verdicts.into_iter().next().unwrap())
    }

    fn define(&self, kind: Kind, document: Value) {
        let key = document["key"].as_str().unwrap().parse().unwrap();
        let Value::Object(document) = document else { unreachable!() };
        let admin = crate::world::admin();
        let saved = self.engine.put_definition(kind, key, document, Expect::Anything, &admin);
        self.runtime.block_on(saved).unwrap();
    }

    fn profile(&self, user: &str) -> Option<Value> {
        let id =
            self.engine.find_profile(&Identifier::new(IdentifierType::UserId, user)).unwrap()?;
        self.engine.profile(id, model::condition::Sight::Full).ok()?
    }

    fn restart(&mut self) {
        self.engine.shutdown();
        self.store.restart();
        self.engine = open(&self.store, self.keys.path());
    }

    fn events(&self) -> usize {
        let ann = Identifier::new(IdentifierType::UserId, "ann");
        let Some(id) = self.engine.find_profile(&ann).unwrap() else { return 0 };
        self.engine
            .timeline(id, None, 100, model::condition::Sight::Full)
            .unwrap()
            .map_or(0, |page| page.items.len())
    }
}

fn view(user: &str, message_id: &str, traits: &[&str]) -> Item {
    Item::Event(Box::new(Event {
        source: "default".parse().unwrap(),
        message_id: message_id.into(),
        kind: EventKind::Track,
        name: "View".into(),
        identifiers: vec![Identifier::new(IdentifierType::UserId, user)],
        event_time: crate::world::START,
        received_at: crate::world::START,
        sent_at: None,
        properties: LazyObject::default(),
        traits: traits.iter().map(|name| ((*name).to_owned(), true.into())).collect(),
        context: LazyObject::default(),
        consents: Consents::default(),
        historical: false,
        marks: model::event::Marks::default(),
    }))
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let world = failing();
    assert_eq!(world.send("one").unwrap(), EventVerdict::Accepted);
    world.store.set_failing(Operation::Commit, Some(Fault::Full));
    assert!(matches!(world.send("two"), Err(IngestError::Unavailable(_))));
    assert_eq!(world.events(), 1, "nothing of it shows");
    assert!(world.engine.ready(), "it still decides and reads");
    world.store.set_failing(Operation::Commit, None);
    assert_eq!(world.send("two").unwrap(), EventVerdict::Accepted, "the refused try left no trace");
    assert_eq!(world.send("two").unwrap(), EventVerdict::Duplicate);
    assert_eq!(world.events(), 2);
}

#[test]
fn a_commit_that_fails_by_io_is_refused_whole() {
    let world = failing();
    world.send("one").unwrap();
    // The next commit need not be that of the event: the engine has work of its own.
    world.store.set_failing(Operation::Commit, Some(Fault::Io));
    assert!(matches!(world.send("two"), Err(IngestError::Unavailable(_))));
    world.store.set_failing(Operation::Commit, None);
    assert_eq!(world.send("two").unwrap(), EventVerdict::Accepted);
    assert_eq!(world.events(), 2);
}

#[test]
fn a_poisoned_store_stops_taking_events_and_says_so() {
    let world = failing();
    world.send("one").unwrap();
    world.store.inject(Operation::Commit, 1, Fault::PoisonAfter);
    assert!(matches!(world.send("two"), Err(IngestError::Unavailable(_))));
    assert!(!world.engine.ready());
    assert!(matches!(world.send("three"), Err(IngestError::Unavailable(_))));
}

#[test]
fn a_decision_after_a_full_disk_is_recorded_with_all_it_names() {
    let world = failing();
    world.define(Kind::Placement, json!({"key": "hero", "state": "live"}));
    let variants = json!([{"key": "a", "content": {"v": 1}}]);
    world.define(
        Kind::Experience,
        json!({"key": "test", "state": "live", "placement": "hero", "variants": variants}),
    );
    world.send("one").unwrap();
    let decide = || world.engine.decide(&request(&[("user_id", "ann")], "hero")).unwrap();
    world.store.set_failing(Operation::Commit, Some(Fault::Full));
    decide();
    assert!(
        matches!(world.send("two"), Err(IngestError::Unavailable(_))),
        "nor is the record kept"
    );
    world.store.set_failing(Operation::Commit, None);
    let answer = decide();
    world.send("three").unwrap();
    let ann = Identifier::new(IdentifierType::UserId, "ann");
    let id = world.engine.find_profile(&ann).unwrap().unwrap();
    let recorded =
        world.engine.profile_decisions(id, None, 10, Sight::Full).unwrap().unwrap().items;
    assert_eq!(recorded.len(), 1);
    let decision = &recorded[0]["decisions"][0];
    assert_eq!(decision["id"], answer.decisions[0].id.to_string());
    assert_eq!(decision["experience"], json!({"key": "test", "version": 1}));
}

#[test]
fn somebody_who_does_not_read_back_costs_nobody_else_anything() {
    let mut world = failing();
    let condition = json!({"event": "View", "count": {"op": "gte", "value": 1}});
    world
        .define(Kind::Audience, json!({"key": "viewers", "state": "live", "condition": condition}));
    for count in 0..400 {
        world.send(&format!("view {count}")).unwrap();
    }
    // Events that have left the page are in rows of their own; here they come to harm.
    let mut chunks = Vec::new();
    let is_chunk = |key: &[u8]| key.len() == 15;
    world
        .store
        .scan(Table::Strand, KeyRange::all(), ScanOrder::Ascending, &mut |key, row| {
            chunks.extend(is_chunk(key).then(|| (key.to_vec(), row.to_vec())));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert!(!chunks.is_empty());
    let mut harm = Batch::new();
    chunks.iter().for_each(|(key, row)| harm.put(Table::Strand, key.clone(), vec![7; row.len()]));
    world.store.commit(harm).unwrap();
    world.restart();
    assert_eq!(world.profile("ann"), None, "she does not read back");

    let both = vec![view("ann", "late", &["told"]), view("ben", "first", &[])];
    let verdicts = world.runtime.block_on(world.engine.ingest(both)).unwrap();
    assert_eq!(verdicts, [EventVerdict::Accepted, EventVerdict::Accepted]);
    let ben = world.profile("ben").unwrap();
    assert_eq!(ben["audiences"]["viewers"]["member"], "true", "{ben}");

    let mut mend = Batch::new();
    chunks.into_iter().for_each(|(key, row)| mend.put(Table::Strand, key, row));
    world.store.commit(mend).unwrap();
    world.restart();
    let ann = world.profile("ann").unwrap();
    assert_eq!(ann["traits"]["told"]["value"], true, "what came meanwhile was kept: {ann}");
    assert_eq!(world.send("after").unwrap(), EventVerdict::Accepted);
    assert_eq!(world.profile("ann").unwrap()["audiences"]["viewers"]["member"], "true");
}
