//! Killed at any instant, the server has every event it acknowledged, once.

use std::{
    path::Path,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use ureq::Agent;

use crate::support::{Server, call};

const ROUNDS: u64 = 50;
const BATCH_EVENTS: u64 = 20;

/// What was sent to one incarnation of the server.
#[derive(Default)]
struct Sent {
    acknowledged: Vec<String>,
    /// The batch whose answer never came.
    open: Option<Value>,
}

#[test]
fn fifty_kills_lose_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for round in 0..ROUNDS {
        let user = format!("u{round}");
        let server = Server::start(dir.path(), "127.0.0.1:0");
        let sent = send_until_killed(server, &user, round);
        let server = Server::start(dir.path(), "127.0.0.1:0");
        let mut expected = sent.acknowledged;
        // As a client would: what got no answer is sent again, and must not be there twice.
        if let Some(batch) = sent.open {
            server.post("/v1/batch", &batch);
            expected.extend(ids_of(&batch));
        }
        check(&server, &user, &expected, round);
        all.push((user, expected));
        // Now and then the lake gets files, for the next kills to leave as they are.
        if round % 10 == 9 {
            assert!(server.terminate().success());
        } else {
            server.kill();
        }
    }
    let server = Server::start(dir.path(), "127.0.0.1:0");
    for (user, expected) in &all {
        check(&server, user, expected, ROUNDS);
    }
    assert!(server.terminate().success());
    let mut expected: Vec<String> = all.into_iter().flat_map(|(_, expected)| expected).collect();
    let mut found = in_the_lake(&dir.path().join("data/lake"));
    expected.sort();
    found.sort();
    assert_eq!(found, expected, "the lake has each acknowledged event once");
}

/// The messages of all events in the files of a lake.
fn in_the_lake(dir: &Path) -> Vec<String> {
    let table = &engine::archive::tables::EVENTS;
    let folder = lake::Folder::open(dir).unwrap();
    let message = table.columns.iter().position(|column| column.name == "message_id").unwrap();
    let mut found = Vec::new();
    for name in folder.list().unwrap().iter().filter(|name| name.starts_with("events/")) {
        for row in folder.read(table, name).unwrap() {
            let row = row.unwrap();
            let lake::Cell::Text(id) = &row[message] else { panic!("no message id") };
            found.push(id.to_string());
        }
    }
    found
}

/// Sends batch after batch, and kills the server at an instant that the round's seed fixes: some
/// acknowledged batches and up to three milliseconds into the next ones.
fn send_until_killed(server: Server, user: &str, round: u64) -> Sent {
    let mut rng = ChaCha8Rng::seed_from_u64(round);
    let batches_before = rng.random_range(1..8_u64);
    let then = Duration::from_micros(rng.random_range(0..3_000));
    let sent = Arc::new(Mutex::new(Sent::default()));
    let (progress, acknowledged) = mpsc::channel();
    let sender = {
        let (sent, base, user) = (Arc::clone(&sent), server.base.clone(), user.to_owned());
        std::thread::spawn(move || send(&base, &user, &sent, &progress))
    };
    for _ in 0..batches_before {
        acknowledged.recv().unwrap();
    }
    let started = Instant::now();
    while started.elapsed() < then {
        std::hint::spin_loop();
    }
    server.kill();
    sender.join().unwrap();
    Arc::into_inner(sent).unwrap().into_inner().unwrap()
}

/// Sends until the server answers no more.
fn send(base: &str, user: &str, sent: &Mutex<Sent>, progress: &mpsc::Sender<()>) {
    let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
    for number in 0.. {
        let batch = batch(user, number);
        sent.lock().unwrap().open = Some(batch.clone());
        match call(&agent, base, "POST", "/v1/batch", &batch) {
            Ok((200, _)) => {
                let mut sent = sent.lock().unwrap();
                sent.open = None;
                sent.acknowledged.extend(ids_of(&batch));
                // Nobody waits for it any more once the kill is on its way.
                progress.send(()).unwrap_or_default();
            }
            Ok((status, answer)) => panic!("{status} {answer}"),
            Err(_) => return,
        }
    }
}

fn batch(user: &str, number: u64) -> Value {
    let event = |i: u64| {
        json!({"type": "track", "event": "Clicked", "userId": user, "anonymousId": format!("{user}-a{}", i % 3),
            "messageId": format!("{user}-{number}-{i}")})
    };
    json!({"batch": (0..BATCH_EVENTS).map(event).collect::<Vec<_>>()})
}

fn ids_of(batch: &Value) -> Vec<String> {
    let events = batch["batch"].as_array().unwrap();
    events.iter().map(|event| event["messageId"].as_str().unwrap().to_owned()).collect()
}

fn check(server: &Server, user: &str, expected: &[String], round: u64) {
    let mut found = server.timeline(user);
    let mut expected = expected.to_vec();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{user} after round {round}");
}
