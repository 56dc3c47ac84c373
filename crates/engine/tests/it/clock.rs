//! A machine whose clock is set wrong, and put right again.

use std::sync::Arc;

use engine::{
    Clock as _, Engine, ManualClock, Options, SteadyClock,
    definitions::{Expect, Kind},
    ingest::EventVerdict,
    people::AudienceChoice,
};
use model::{Duration, Value};
use serde_json::json;

use crate::world::{START, admin, item};

const MINUTE: i64 = 60_000;
const YEAR: i64 = 365 * 24 * 60 * MINUTE;
const ANN: &[(&str, &str)] = &[("user_id", "ann")];

struct Machine {
    engine: Engine,
    wall: Arc<ManualClock>,
    running: Arc<ManualClock>,
    runtime: tokio::runtime::Runtime,
    sent: usize,
    _dir: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (wall, running) = (Arc::new(ManualClock::at(START)), Arc::new(ManualClock::default()));
        let clock = SteadyClock::new(Arc::clone(&wall), Arc::clone(&running));
        let options = Options {
            dir: dir.path().to_owned(),
            clock: Arc::new(clock),
            cache_bytes: 8 << 20,
            write_key: None,
            token: None,
        };
        let engine = Engine::open(options).unwrap().0;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { engine, wall, running, runtime, sent: 0, _dir: dir }
    }

    fn define(&self, kind: Kind, document: Value) {
        let key = document["key"].as_str().unwrap().parse().unwrap();
        let Value::Object(document) = document else { unreachable!() };
        let admin = admin();
        let saved = self.engine.put_definition(kind, key, document, Expect::Anything, &admin);
        self.runtime.block_on(saved).unwrap();
    }

    /// Lets some time pass while the wall clock is set to another time.
    fn pass(&self, minutes: i64, set: i64) {
        self.running.advance(Duration(minutes * MINUTE));
        self.wall.advance(Duration(minutes * MINUTE + set));
        self.engine.now();
    }

    fn see(&mut self) {
        self.sent += 1;
        let event = item(ANN, &format!("m{}", self.sent), self.engine.now());
        let verdicts = self.runtime.block_on(self.engine.ingest(vec![event])).unwrap();
        assert_eq!(verdicts, [EventVerdict::Accepted]);
    }

    fn members(&self) -> usize {
        let choice = AudienceChoice::Saved("lately".parse().unwrap());
        self.engine.members(&choice, None, None, 10).unwrap().items.len()
    }

    /// How many events of Ann's are kept.
    fn kept(&self) -> usize {
        let ann = model::Identifier::new(model::IdentifierType::UserId, "ann");
        let id = self.engine.find_profile(&ann).unwrap().unwrap();
        let profile = self.engine.profile(id, model::condition::Sight::Full).unwrap().unwrap();
        profile["timeline"].as_array().unwrap().len()
    }

    /// Lets the writer look around often.
    fn idle(&self) {
        for _ in 0..20 {
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
    }
}

#[test]
fn a_year_that_a_wrong_clock_skips_ends_nothing() {
    let mut machine = Machine::new();
    let condition = json!({"event": "View", "within": "30d"});
    machine
        .define(Kind::Audience, json!({"key": "lately", "state": "live", "condition": condition}));
    machine.define(
        Kind::RetentionRule,
        json!({"key": "short", "state": "live", "of": "events", "keep": "100d"}),
    );
    machine.see();
    assert_eq!((machine.members(), machine.kept()), (1, 1));
    for (minutes, set) in [(1, YEAR), (3, 0), (1, -YEAR), (1, -YEAR), (3, 0), (1, YEAR), (1, 0)] {
        machine.pass(minutes, set);
        machine.idle();
        machine.see();
        assert_eq!((machine.members(), machine.kept()), (1, machine.sent));
    }
    assert_eq!(machine.engine.now(), machine.wall.now());
    let metrics = machine.engine.metrics();
    assert!(metrics.contains("concierge_clock_unbelieved_seconds 0"), "{metrics}");
    // A month that has passed is believed, and so is a clock that stays where it was set to.
    machine.pass(1, 31 * 24 * 60 * MINUTE);
    assert_eq!(machine.members(), 1);
    let metrics = machine.engine.metrics();
    assert!(metrics.contains("concierge_clock_unbelieved_seconds 2678"), "{metrics}");
    machine.pass(10, 0);
    assert_eq!(machine.members(), 0);
    machine.see();
    assert_eq!((machine.members(), machine.kept()), (1, machine.sent));
}
