//! Which event makes a record of which decision, and that none is recorded twice.

use std::sync::Arc;

use model::{
    Consents, Identifier, IdentifierType, LazyObject, Value, condition::Sight, value::Object,
};
use serde_json::json;

use super::*;
use crate::{
    Engine, ManualClock, Options,
    clock::Clock,
    decide::{DecideRequest, Decider, SigningKeys},
    definitions::{Expect, Kind, Scope, Token},
    ingest::Item,
};

struct World {
    engine: Engine,
    runtime: tokio::runtime::Runtime,
    sent: usize,
    _dir: tempfile::TempDir,
}

fn who() -> Vec<Identifier> {
    vec![Identifier::new(IdentifierType::UserId, "ann")]
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_790_000_000_000))) as Arc<dyn Clock>;
        let options = Options {
            dir: dir.path().to_owned(),
            clock,
            cache_bytes: 8 << 20,
            write_key: None,
            token: None,
        };
        let engine = Engine::open(options).unwrap().0;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let admin = Token { name: "test".into(), scopes: vec![Scope::Admin] };
        let variants = json!([{"key": "a"}, {"key": "b"}]);
        let experience = json!({"state": "live", "placement": "hero", "variants": variants});
        for (kind, key, document) in [
            (Kind::Placement, "hero", json!({"state": "live"})),
            (Kind::Experience, "test", experience),
        ] {
            let Value::Object(document) = document else { unreachable!() };
            let key = key.parse().unwrap();
            let saved = engine.put_definition(kind, key, document, Expect::Anything, &admin);
            runtime.block_on(saved).unwrap();
        }
        Self { engine, runtime, sent: 0, _dir: dir }
    }

    fn send(&mut self, name: &str, token: &str) {
        self.sent += 1;
        let now = self.engine.now();
        let event = Event {
            source: "default".parse().unwrap(),
            message_id: format!("m{}", self.sent).into(),
            kind: EventKind::Track,
            name: name.into(),
            identifiers: who(),
            event_time: now,
            received_at: now,
            sent_at: None,
            properties: LazyObject::parse(&json!({"token": token}).to_string()).unwrap(),
            traits: Object::new(),
            context: LazyObject::default(),
            consents: Consents::default(),
            historical: false,
            marks: model::event::Marks::default(),
        };
        let items = vec![Item::Event(Box::new(event))];
        self.runtime.block_on(self.engine.ingest(items)).unwrap();
    }

    /// The ids of the decisions that are recorded.
    fn recorded(&mut self) -> Vec<String> {
        // Decisions are recorded with the next batch at the latest.
        self.send("Flush", "");
        let profile = self.engine.find_profile(&who()[0]).unwrap().unwrap();
        let page = self.engine.profile_decisions(profile, None, 100, Sight::Full).unwrap().unwrap();
        let ids = page.items.iter().map(|item| item["decisions"][0]["id"].as_str().unwrap());
        ids.map(str::to_owned).collect()
    }
}

fn request(record: bool) -> DecideRequest {
    DecideRequest {
        identifiers: who(),
        placements: Some(vec!["hero".parse().unwrap()]),
        context: LazyObject::default(),
        consents: Consents::default(),
        explain: false,
        record,
        at: None,
        marks: model::event::Marks::default(),
        public: false,
        source: None,
        masked: false,
        preview: None,
    }
}

const ALL: [&str; 3] = ["Experience Viewed", "Flag Used", REDIRECT_FOLLOWED];

#[test]
fn what_was_recorded_is_not_recorded_again_whatever_brings_its_token() {
    let mut world = World::new();
    let decided = world.engine.decide(&request(true)).unwrap().decisions.remove(0);
    let token = decided.token.unwrap();
    ALL.iter().for_each(|name| world.send(name, &token));
    assert_eq!(world.recorded(), [decided.id.to_string()]);
}

#[test]
fn what_was_offered_is_recorded_when_it_is_used_and_not_when_it_is_seen() {
    let mut world = World::new();
    let decided = world.engine.decide(&request(false)).unwrap().decisions.remove(0);
    let token = decided.token.unwrap();
    world.send("Experience Viewed", &token);
    assert_eq!(world.recorded(), [""; 0]);
    world.send("Flag Used", &token);
    assert_eq!(world.recorded(), [decided.id.to_string()]);
}

#[test]
fn what_was_lost_is_restored_once_it_is_seen() {
    let mut world = World::new();
    world.send("Flush", "");
    let shared = world.engine.shared_for_tests();
    // Nobody takes a record out of this queue, and it has no room.
    let (records, _taken) = crossbeam_channel::bounded(0);
    let keys = SigningKeys { token: shared.keys.token(), preview: [0; 32] };
    let decider = Decider::new(records, 7, keys);
    let decided = decider.decide(shared, &request(true)).unwrap().decisions.remove(0);
    assert!(decided.unrecorded);
    assert_eq!(world.recorded(), [""; 0]);
    let token = decided.token.unwrap();
    world.send("Experience Viewed", "made up");
    assert_eq!(world.recorded(), [""; 0]);
    for _ in 0..2 {
        ALL.iter().for_each(|name| world.send(name, &token));
        assert_eq!(world.recorded(), [decided.id.to_string()]);
    }
}
