//! Tasks come round by themselves, see what acts, and end with the engine.

use std::thread;

use crossbeam_channel::{Receiver, Sender};
use serde_json::json;

use super::*;
use crate::{
    Engine, ManualClock, Options,
    clock::Clock,
    definitions::{Expect, Kind, Scope, Token},
};

/// What becomes of a look.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Well,
    Fails,
    Panics,
}

struct Tells {
    seen: Sender<String>,
    end: End,
}

impl Task for Tells {
    fn name(&self) -> &'static str {
        "tells"
    }

    fn every(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn look(&mut self, _: &Desk, live: &Live) -> Result<(), LookError> {
        self.seen.send(format!("{} {}", live.key, live.version)).unwrap();
        let gone = || DefinitionError::Unavailable("gone".into());
        match self.end {
            End::Well => Ok(()),
            End::Fails => Err(gone().into()),
            End::Panics => panic!("as it was asked to"),
        }
    }
}

fn engine(dir: &std::path::Path) -> Engine {
    let clock = Arc::new(ManualClock::at(model::Timestamp(1_790_000_000_000))) as Arc<dyn Clock>;
    let options =
        Options { dir: dir.to_owned(), clock, cache_bytes: 8 << 20, write_key: None, token: None };
    let engine = Engine::open(options).unwrap().0;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let admin = Token { name: "test".into(), scopes: vec![Scope::Admin] };
    let variants = json!([{"key": "a"}]);
    let experience = |state| json!({"state": state, "placement": "hero", "variants": variants});
    for (kind, key, document) in [
        (Kind::Placement, "hero", json!({"state": "live"})),
        (Kind::Experience, "acts", experience("live")),
        (Kind::Experience, "waits", experience("draft")),
    ] {
        let model::Value::Object(document) = document else { unreachable!() };
        let key = key.parse().unwrap();
        let saved = engine.put_definition(kind, key, document, Expect::Anything, &admin);
        runtime.block_on(saved).unwrap();
    }
    engine
}

fn started(engine: &Engine, end: End) -> (Handle, Receiver<String>) {
    let (seen, told) = crossbeam_channel::unbounded();
    let (jobs, _) = crossbeam_channel::bounded(1);
    let desk = Desk { shared: Arc::clone(engine.shared_for_tests()), jobs };
    (start(desk, vec![Box::new(Tells { seen, end })]).unwrap(), told)
}

#[test]
fn a_task_comes_round_by_itself_until_it_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let (handle, told) = started(&engine, End::Well);
    for _ in 0..3 {
        let seen = told.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!(seen, "acts 1", "what acts, and nothing else");
    }
    handle.stop();
    handle.stop();
    while told.try_recv().is_ok() {}
    assert!(told.recv().is_err(), "the thread has let go of the task");
    handle.look();
}

#[test]
fn a_failure_is_counted_and_the_next_round_comes() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let (handle, told) = started(&engine, End::Fails);
    handle.look();
    handle.look();
    handle.stop();
    let looks = told.try_iter().count() as u64;
    assert!(2 <= looks, "{looks}");
    assert_eq!(engine.shared_for_tests().metrics.watch.failed.get(), looks);
}

#[test]
fn a_thread_that_has_ended_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let (handle, told) = started(&engine, End::Panics);
    handle.look();
    // The panic unwinds the task, so the thread is about to end.
    while told.recv().is_ok() {}
    let has_ended = (0..1_000).any(|_| {
        thread::sleep(Duration::from_millis(1));
        !handle.is_running()
    });
    assert!(has_ended);
    assert!(engine.ready(), "that was not the engine's own");
    engine.watcher().stop();
    assert!(!engine.ready(), "nothing harmful would be stopped");
}
