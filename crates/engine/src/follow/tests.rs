//! Sinks are given each entry of the log, in order, until it is saved, whatever fails in between.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use model::{
    Consents, Event, EventKind, Identifier, IdentifierType, LazyObject, Timestamp, Value,
    value::Object,
};
use parking_lot::Mutex;
use serde_json::json;
use store::{Batch, Fault, Faulty, Memory, Operation, Store};

use super::{Followed, Save, Sink, What};
use crate::{
    Engine, ManualClock, Options,
    clock::Clock,
    definitions::{Expect, Kind, Scope, Token},
    ingest::Item,
    privacy::{Ask, RequestKind},
    sealed::RowError,
};

const START: Timestamp = Timestamp(1_790_000_000_000);

/// What a sink was told, as lines.
#[derive(Default)]
struct Kept {
    taken: Vec<String>,
    saved: Vec<String>,
}

struct Lines {
    kept: Arc<Mutex<Kept>>,
    /// Whether it saves what it has taken.
    saves: Arc<AtomicBool>,
}

impl Sink for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn take(&mut self, followed: &Followed) -> Result<(), RowError> {
        let mut kept = self.kept.lock();
        let positions: Vec<u64> = followed.entries.iter().map(|entry| entry.seq.0).collect();
        assert!(positions.is_sorted() && positions.iter().all(|seq| *seq < followed.next.0));
        let lines = followed.entries.iter().map(|entry| line(&entry.what));
        kept.taken.extend(lines);
        Ok(())
    }

    fn save(&mut self, _: Timestamp, _: &mut Batch) -> Result<Save, RowError> {
        let is_time = self.saves.load(Ordering::Acquire) && !self.kept.lock().taken.is_empty();
        Ok(if is_time { Save::All } else { Save::Rows })
    }

    fn saved(&mut self) -> Result<(), RowError> {
        let kept = &mut *self.kept.lock();
        kept.saved.append(&mut kept.taken);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), RowError> {
        self.kept.lock().taken.clear();
        Ok(())
    }
}

fn line(what: &What) -> String {
    match what {
        What::Event(found) => format!("{} {}", found.event.message_id, found.purposes.0 != 0),
        What::Decision(found) => format!("decision {}", found.document.id),
        What::Transition(found) => format!("{:?} {}", found.kind, found.audience),
        What::Born { .. } => "born".to_owned(),
        What::Head { strand, head, .. } => format!("head {}", strand != head),
        What::Moved { .. } => "moved".to_owned(),
        What::EventRemoved { .. } | What::DecisionRemoved { .. } => "removed".to_owned(),
        What::Erased { strands, .. } => format!("erased {}", strands.len()),
    }
}

struct World {
    engine: Engine,
    store: Arc<Faulty<Memory>>,
    clock: Arc<ManualClock>,
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
    kept: Arc<Mutex<Kept>>,
    saves: Arc<AtomicBool>,
}

fn admin() -> Token {
    Token { name: "test".into(), scopes: vec![Scope::Admin] }
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let store = Arc::new(Faulty::new(Memory::default()));
        let engine = open(dir.path(), &store, &clock);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (kept, saves) = (Arc::default(), Arc::default());
        let world = Self { engine, store, clock, runtime, dir, kept, saves };
        let Value::Object(document) = json!({"key": "buyers", "state": "live",
            "condition": {"event": "Bought", "count": {"op": "gte", "value": 1}}})
        else {
            unreachable!()
        };
        let key = "buyers".parse().unwrap();
        let admin = admin();
        let saved =
            world.engine.put_definition(Kind::Audience, key, document, Expect::Anything, &admin);
        world.runtime.block_on(saved).unwrap();
        world.follow();
        world
    }

    fn follow(&self) {
        let lines = Lines { kept: Arc::clone(&self.kept), saves: Arc::clone(&self.saves) };
        self.engine.follower().add(Box::new(lines));
    }

    fn send(&self, message: &str, name: &str, names: &[(IdentifierType, &str)]) {
        let identifiers = names.iter().map(|(kind, value)| Identifier::new(kind.clone(), *value));
        let event = Event {
            source: "default".parse().unwrap(),
            message_id: message.into(),
            kind: EventKind::Track,
            name: name.into(),
            identifiers: identifiers.collect(),
            event_time: self.clock.now(),
            received_at: self.clock.now(),
            sent_at: None,
            properties: LazyObject::default(),
            traits: Object::new(),
            context: LazyObject::default(),
            consents: Consents::default(),
            historical: false,
            marks: model::event::Marks::default(),
        };
        self.runtime.block_on(self.engine.ingest(vec![Item::Event(Box::new(event))])).unwrap();
    }

    /// What has been told and not saved, once there is no more.
    fn taken(&self) -> Vec<String> {
        self.engine.follower().catch_up();
        self.kept.lock().taken.clone()
    }

    fn reopen(&mut self) {
        self.engine.shutdown();
        self.store.restart();
        self.engine = open(self.dir.path(), &self.store, &self.clock);
        self.follow();
    }
}

fn open(dir: &std::path::Path, store: &Arc<Faulty<Memory>>, clock: &Arc<ManualClock>) -> Engine {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let options =
        Options { dir: dir.to_owned(), clock, cache_bytes: 8 << 20, write_key: None, token: None };
    Engine::open_over(Arc::clone(store) as Arc<dyn Store>, options).unwrap().0
}

const ANN: [(IdentifierType, &str); 2] =
    [(IdentifierType::AnonymousId, "d1"), (IdentifierType::UserId, "ann")];

#[test]
fn everything_is_told_in_order_with_what_it_names() {
    let world = World::new();
    world.send("m1", "Seen", &ANN[..1]);
    world.send("m2", "Bought", &ANN);
    let expected = ["born", "m1 true", "born", "m2 true", "head true", "Entered buyers"];
    assert_eq!(world.taken(), expected);
    let ask = Ask {
        kind: RequestKind::Erase,
        identifier: Identifier::new(IdentifierType::UserId, "ann"),
        traits: Object::new(),
        reason: None,
        idempotency_key: None,
    };
    world.runtime.block_on(world.engine.file_privacy_request(ask, &admin())).unwrap();
    assert_eq!(world.taken().last().unwrap(), "erased 2");
}

#[test]
fn what_was_not_saved_is_told_again_and_nothing_else() {
    let mut world = World::new();
    world.send("m1", "Seen", &ANN[..1]);
    assert_eq!(world.taken(), ["born", "m1 true"]);
    world.reopen();
    assert_eq!(world.taken(), ["born", "m1 true"], "it was not saved");
    world.saves.store(true, Ordering::Release);
    assert_eq!(world.taken(), [""; 0]);
    world.reopen();
    world.send("m2", "Seen", &ANN[..1]);
    assert_eq!(world.taken(), [""; 0]);
    assert_eq!(world.kept.lock().saved, ["born", "m1 true", "m2 true"]);
}

#[test]
fn a_commit_that_fails_loses_nothing() {
    for fault in [Fault::Io, Fault::PoisonBefore, Fault::PoisonAfter] {
        let mut world = World::new();
        world.send("m1", "Seen", &ANN[..1]);
        world.taken();
        world.store.set_failing(Operation::Commit, Some(fault));
        world.saves.store(true, Ordering::Release);
        world.taken();
        assert_eq!(world.kept.lock().saved, [""; 0], "{fault:?}");
        world.reopen();
        world.taken();
        let saved = world.kept.lock().saved.clone();
        // After the one fault the rows may be there, and only nobody was told.
        let is_there = fault == Fault::PoisonAfter && saved.is_empty();
        assert!(is_there || saved == ["born", "m1 true"], "{fault:?} {saved:?}");
    }
}
