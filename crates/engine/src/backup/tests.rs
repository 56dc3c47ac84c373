use std::{fs, path::PathBuf, sync::Arc};

use model::{
    Consents, Duration, Event, EventKind, Identifier, IdentifierType, Key, LazyObject, Timestamp,
    Value, condition::Sight, value::Object,
};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{
    ManualClock, Options,
    decide::DecideRequest,
    definitions::{Expect, Kind, Scope, Token},
    export::{ExportRequest, Table},
    ingest::{EventVerdict, Item},
    people::AudienceChoice,
    replay,
};

const START: Timestamp = Timestamp(1_790_000_000_000);

/// A running engine, and a place for what is made of it.
struct World {
    engine: Engine,
    runtime: tokio::runtime::Runtime,
    dir: TempDir,
}

fn open(data: &Path) -> Engine {
    let clock = Arc::new(ManualClock::at(START));
    let cache_bytes = 8 << 20;
    let options =
        Options { dir: data.to_owned(), clock, cache_bytes, write_key: None, token: None };
    Engine::open(options).unwrap().0
}

fn event(number: u32) -> Event {
    let mut traits = Object::new();
    traits.insert("plan".into(), (if number.is_multiple_of(3) { "pro" } else { "free" }).into());
    let identifier = |kind, value: String| Identifier::new(kind, value);
    let mut identifiers = vec![identifier(IdentifierType::AnonymousId, format!("d{}", number % 7))];
    if number.is_multiple_of(2) {
        identifiers.push(identifier(IdentifierType::UserId, format!("u{}", number % 5)));
    }
    Event {
        source: "default".parse().unwrap(),
        message_id: format!("m{number}").into(),
        kind: EventKind::Track,
        name: "Seen".into(),
        identifiers,
        event_time: START.saturating_sub(Duration(i64::from(number) * 1_000)),
        received_at: START,
        sent_at: None,
        properties: LazyObject::default(),
        traits,
        context: LazyObject::default(),
        consents: Consents::default(),
        historical: false,
        marks: model::event::Marks::default(),
    }
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(&dir.path().join("data"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = Self { engine, runtime, dir };
        let pro = json!({"trait": "plan", "op": "eq", "value": "pro"});
        world.define(Kind::Audience, json!({"key": "pro", "condition": pro}));
        world.define(Kind::Placement, json!({"key": "hero"}));
        let variants =
            json!([{"key": "a", "content": {"t": "A"}}, {"key": "b", "content": {"t": "B"}}]);
        let eligibility = json!({"audience": "pro"});
        world.define(
            Kind::Experience,
            json!({"key": "x", "placement": "hero", "eligibility": eligibility, "variants": variants}),
        );
        world
    }

    fn define(&self, kind: Kind, mut document: Value) {
        document["state"] = "live".into();
        let key: Key = document["key"].as_str().unwrap().parse().unwrap();
        let Value::Object(document) = document else { unreachable!() };
        let admin = Token { name: "test".into(), scopes: vec![Scope::Admin] };
        let saved = self.engine.put_definition(kind, key, document, Expect::Anything, &admin);
        self.runtime.block_on(saved).unwrap();
    }

    fn send(&self, engine: &Engine, numbers: impl Iterator<Item = u32>) -> Vec<EventVerdict> {
        let items = numbers.map(|number| Item::Event(Box::new(event(number)))).collect();
        self.runtime.block_on(engine.ingest(items)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Backs the rows up, calling `meanwhile` for each piece, then the keys.
    fn back_up(&self, meanwhile: &mut dyn FnMut()) -> (PathBuf, PathBuf) {
        let mut bytes = Vec::new();
        let manifest = self.engine.backup(&mut |piece| {
            meanwhile();
            bytes.extend_from_slice(&piece);
            ControlFlow::Continue(())
        });
        let (backup, keys) = (self.path("backup"), self.path("keys.copy"));
        assert_eq!(receive(&mut &bytes[..], &backup).unwrap(), manifest.unwrap().unwrap());
        self.copy_keys(&keys);
        (backup, keys)
    }

    fn copy_keys(&self, file: &Path) {
        let mut bytes = Vec::new();
        let mut take = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            ControlFlow::Continue(())
        };
        self.engine.copy_keys(&mut take).unwrap();
        keyfile::receive(&mut &bytes[..], file).unwrap();
    }
}

/// Everything that an engine answers about everyone: their state, who is in the audience, decisions.
fn answers(engine: &Engine) -> Value {
    let people = replay::export(engine.shared_for_tests()).unwrap();
    let pro = AudienceChoice::Saved("pro".parse().unwrap());
    let members = engine.members(&pro, None, None, 100).unwrap();
    let decided = (0..5).map(|user| {
        let answer = engine.decide(&DecideRequest {
            identifiers: vec![Identifier::new(IdentifierType::UserId, format!("u{user}"))],
            placements: Some(vec!["hero".parse().unwrap()]),
            context: LazyObject::default(),
            consents: Consents::default(),
            explain: false,
            record: false,
            at: None,
            marks: model::event::Marks::default(),
            public: false,
            source: None,
            masked: false,
            preview: None,
        });
        let decision = answer.unwrap().decisions.remove(0);
        json!([decision.reason.to_string(), decision.variant])
    });
    let decided: Vec<_> = decided.collect();
    json!({"people": people, "members": members, "decided": decided})
}

#[test]
fn a_restored_engine_answers_as_at_the_snapshot() {
    let world = World::new();
    world.send(&world.engine, 0..60);
    let expected = answers(&world.engine);
    assert!(expected["decided"].to_string().contains("\"split\""), "{}", expected["decided"]);
    let mut later = 60;
    let (backup, keys) = world.back_up(&mut || {
        let verdicts = world.send(&world.engine, later..later + 20);
        assert!(verdicts.iter().all(|verdict| *verdict == EventVerdict::Accepted));
        later += 20;
    });
    assert!(60 < later, "events came while the backup was made");
    let data = world.path("restored");
    let manifest = restore(&backup, &keys, &data, OldKeys::Refuse).unwrap();
    assert_eq!(verify(&backup, &keys, OldKeys::Refuse).unwrap(), manifest);
    let restored = open(&data);
    assert_eq!(answers(&restored), expected);
    let again = world.send(&restored, 0..60);
    assert!(again.iter().all(|verdict| *verdict == EventVerdict::Duplicate));
    // What came later is new to it, and goes the way it went.
    world.send(&restored, 60..later);
    let without_positions = |answers: Value| answers["decided"].to_string();
    assert_eq!(without_positions(answers(&restored)), without_positions(answers(&world.engine)));
}

#[test]
fn an_erased_key_stays_away_and_takes_nobody_else_with_it() {
    let world = World::new();
    world.send(&world.engine, 0..60);
    let id = |engine: &Engine, device: &str| {
        engine.find_profile(&Identifier::new(IdentifierType::AnonymousId, device)).unwrap()
    };
    let (gone, other) = (id(&world.engine, "d1").unwrap(), id(&world.engine, "d2").unwrap());
    assert_ne!(gone, other);
    let (backup, keys) = world.back_up(&mut || ());
    let shared = world.engine.shared_for_tests();
    let strands = crate::people::show::component(shared, gone).unwrap().unwrap();
    for strand in strands.records().component.unpack().strands {
        let slot = crate::page::Pages::existing(&shared.stored(), strand).unwrap().meta().slot;
        shared.keys.vault.erase(store::Slot(slot)).unwrap();
    }
    world.copy_keys(&keys);
    let data = world.path("restored");
    restore(&backup, &keys, &data, OldKeys::Refuse).unwrap();
    let restored = open(&data);
    assert!(!matches!(restored.profile(gone, Sight::Full), Ok(Some(_))), "the key is gone");
    assert!(restored.profile(other, Sight::Full).unwrap().is_some());
    let request = ExportRequest {
        table: Table::Profiles,
        purpose: restored.purpose("analytics").unwrap(),
        audience: None,
        since: None,
        until: None,
        sight: Sight::Full,
    };
    let mut people = 0;
    let mut count = |_: &Object| {
        people += 1;
        ControlFlow::Continue(())
    };
    let summary = restored.export(&request, &mut count).unwrap().unwrap();
    assert_eq!((summary.people_unreadable, summary.rows), (1, people));
    assert!(0 < people, "everyone else is in an export");
}

#[test]
fn keys_that_do_not_fit_are_refused_and_nothing_is_made() {
    let world = World::new();
    world.send(&world.engine, 0..5);
    let old = world.path("old.keys");
    world.copy_keys(&old);
    for _ in 0..=store::vault::SLOT_CHUNK {
        world.engine.shared().keys.vault.allocate().unwrap();
    }
    world.send(&world.engine, 5..6);
    let (backup, keys) = world.back_up(&mut || ());
    let data = world.path("restored");
    let refused = restore(&backup, &old, &data, OldKeys::Refuse).unwrap_err();
    assert!(matches!(refused, BackupError::OldKeys { .. }), "{refused}");
    assert!(!data.exists());
    restore(&backup, &old, &data, OldKeys::Accept).unwrap();
    let refused = restore(&backup, &keys, &data, OldKeys::Refuse).unwrap_err();
    assert!(matches!(refused, BackupError::Occupied { .. }), "{refused}");
    let foreign = World::new();
    let others = foreign.path("keys.copy");
    foreign.copy_keys(&others);
    let refused = restore(&backup, &others, &world.path("other"), OldKeys::Accept).unwrap_err();
    assert!(matches!(refused, BackupError::OtherKeys { .. }), "{refused}");
    fs::remove_file(backup.join("000001.chunk")).unwrap();
    let refused = restore(&backup, &keys, &world.path("other"), OldKeys::Refuse).unwrap_err();
    assert!(refused.to_string().contains("000001.chunk"), "{refused}");
    let left = fs::read_dir(world.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["backup", "data", "keys.copy", "old.keys", "restored"]);
}
