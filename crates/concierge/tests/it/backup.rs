//! Backups of a server that is at work, and what becomes of them when something goes wrong.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use ureq::Agent;

use crate::support::{Server, TOKEN, call, concierge, run, stderr, stdout};

/// Text of which no two parts are alike, so that it does not compress.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_add(1);
    let mut letter = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    };
    (0..length).map(|_| letter()).collect()
}

fn batch(user: u64, first: u64) -> Value {
    let event = |number: u64| {
        json!({"type": "track", "event": "Seen", "userId": format!("u{user}"), "messageId": format!("{user}-{number}"),
            "properties": {"text": noise(user * 1_000 + number, 20_000)}})
    };
    json!({"batch": (first..first + 20).map(event).collect::<Vec<_>>()})
}

/// A server with some ten mebibytes of people: more than two pieces of a backup.
fn filled(dir: &Path) -> Server {
    let server = Server::start(dir, "127.0.0.1:0");
    for user in 0..10 {
        for first in [0, 20] {
            server.post("/v1/batch", &batch(user, first));
        }
    }
    server
}

/// Sends events of one user until it is stopped, and answers with how many were acknowledged.
fn keep_sending(base: &str, stop: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let (base, stop) = (base.to_owned(), Arc::clone(stop));
    std::thread::spawn(move || {
        let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut sent = 0;
        while !stop.load(Ordering::Relaxed) {
            let event = json!({"event": "Late", "userId": "late", "messageId": format!("l{sent}")});
            let (status, answer) = call(&agent, &base, "POST", "/v1/track", &event).unwrap();
            assert_eq!(status, 200, "{answer}");
            sent += 1;
        }
        sent
    })
}

fn back_up(dir: &Path, base: &str, to: &str) -> std::process::Output {
    run(dir, &["backup", "--to", to, "--keys-to", "keys.copy", "--server", base])
}

fn restore(dir: &Path, from: &str, data: &str) -> std::process::Output {
    run(dir, &["restore", "--from", from, "--keys", "keys.copy", "--data", data])
}

fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_of_a_server_at_work_is_restored_and_serves() {
    let dir = tempfile::tempdir().unwrap();
    let server = filled(dir.path());
    let expected = server.timeline("u3");
    let stop = Arc::new(AtomicBool::new(false));
    let sending = keep_sending(&server.base, &stop);
    let output = back_up(dir.path(), &server.base, "b1");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("key slots"), "{}", stdout(&output));
    stop.store(true, Ordering::Relaxed);
    let sent = sending.join().unwrap();
    assert!(sent > 0, "events came meanwhile");
    assert_eq!(server.timeline("late").len() as u64, sent, "and none was lost");
    // The same name again, and rows and keys in one place, are refused.
    let output = back_up(dir.path(), &server.base, "b1");
    assert!(stderr(&output).contains("name a new directory"), "{}", stderr(&output));
    let output = run(dir.path(), &["backup", "--to", "b2", "--keys-to", "b2/keys"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(server.terminate().success());

    let verify = ["restore", "--verify", "--from", "b1", "--keys", "keys.copy"];
    let output = run(dir.path(), &verify);
    assert!(stdout(&output).contains("and its keys are sound"), "{}", stderr(&output));
    let doctor = ["doctor", "--data", "data", "--backup", "b1", "--keys", "keys.copy"];
    let output = run(dir.path(), &doctor);
    let told = stdout(&output);
    assert!(told.contains("ok     backup b1 and its keys are sound"), "{told}");
    assert!(told.contains("ok     the backup is 0 hours old"), "{told}");
    let output = restore(dir.path(), "b1", "data");
    assert_eq!(output.status.code(), Some(1), "the data directory is not empty");
    fs::rename(dir.path().join("data"), dir.path().join("lost")).unwrap();
    let output = restore(dir.path(), "b1", "data");
    assert!(output.status.success(), "{}", stderr(&output));
    let server = Server::start(dir.path(), "127.0.0.1:0");
    assert_eq!(server.timeline("u3"), expected);
    // What the backup has is not taken twice, what it has not is taken.
    server.post("/v1/batch", &batch(3, 0));
    assert_eq!(server.timeline("u3"), expected);
    server.post("/v1/track", &json!({"event": "Back", "userId": "u3", "messageId": "new"}));
    assert_eq!(server.timeline("u3").len(), expected.len() + 1);
    assert!(server.terminate().success());
}

#[test]
fn a_directory_that_nobody_serves_is_backed_up_as_well() {
    let dir = tempfile::tempdir().unwrap();
    assert!(filled(dir.path()).terminate().success());
    let to = ["backup", "--data", "data", "--to", "b1", "--keys-to", "keys.copy"];
    let output = run(dir.path(), &to);
    assert!(output.status.success(), "{}", stderr(&output));
    let output = restore(dir.path(), "b1", "restored");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(files(dir.path()), ["b1", "data", "keys.copy", "restored"]);
}

#[test]
fn a_damaged_backup_is_refused_by_name_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = filled(dir.path());
    assert!(back_up(dir.path(), &server.base, "b1").status.success());
    drop(server);
    let chunk = dir.path().join("b1/000002.chunk");
    let sound = fs::read(&chunk).unwrap();
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    for damaged in [&flipped[..], &sound[..sound.len() - 1]] {
        fs::write(&chunk, damaged).unwrap();
        for output in [
            restore(dir.path(), "b1", "restored"),
            run(dir.path(), &["restore", "--verify", "--from", "b1"]),
        ] {
            assert_eq!(output.status.code(), Some(1));
            let told = stderr(&output);
            assert!(told.contains("000002.chunk") && told.contains("take another one"), "{told}");
        }
        assert_eq!(files(dir.path()), ["b1", "data", "keys.copy"]);
    }
    fs::write(&chunk, &sound).unwrap();
    fs::remove_file(dir.path().join("b1/manifest.json")).unwrap();
    let told = stderr(&restore(dir.path(), "b1", "restored"));
    assert!(told.contains("holds no finished backup"), "{told}");
}

/// Starts a command and kills it as soon as `is_time` says so.
fn kill_when(mut command: Command, is_time: impl Fn() -> bool) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !is_time() {
        if let Some(status) = child.try_wait().unwrap() {
            let mut told = String::new();
            child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            panic!("it ended before it was killed: {status} {told}");
        }
        assert!(started.elapsed() < Duration::from_secs(120), "it never began");
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn killed_half_way_a_backup_and_a_restore_leave_nothing_that_looks_whole_and_go_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = filled(dir.path());
    let started = |arguments: &[&str]| {
        let mut command = concierge(dir.path());
        command.args(arguments).env("CONCIERGE_TOKEN", TOKEN);
        command
    };
    let to = ["backup", "--to", "b1", "--keys-to", "keys.copy", "--server", &server.base];
    kill_when(started(&to), || dir.path().join("b1.unfinished/000001.chunk").exists());
    assert!(!dir.path().join("b1").exists());
    let output = back_up(dir.path(), &server.base, "b1");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(files(dir.path()), ["b1", "data", "keys.copy"]);
    let expected = server.timeline("u7");
    assert!(server.terminate().success());
    fs::remove_dir_all(dir.path().join("data")).unwrap();

    let from = ["restore", "--from", "b1", "--keys", "keys.copy", "--data", "data"];
    kill_when(started(&from), || dir.path().join("data.unfinished/rows").exists());
    assert!(!dir.path().join("data").exists());
    let output = restore(dir.path(), "b1", "data");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(files(dir.path()), ["b1", "data", "keys.copy"]);
    let server = Server::start(dir.path(), "127.0.0.1:0");
    assert_eq!(server.timeline("u7"), expected);
    assert!(server.terminate().success());
}

#[test]
fn tokens_need_the_scope_and_the_keys_one_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "127.0.0.1:0");
    let made = server.post("/api/v1/tokens", &json!({"name": "nightly", "scopes": ["backup"]}));
    let token = made["secret"].as_str().unwrap();
    let with = |more: &[&str]| {
        run(dir.path(), &[&["backup", "--server", &server.base, "--token", token], more].concat())
    };
    let output = with(&["--to", "b1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("the keys were not copied"), "{}", stderr(&output));
    let output = with(&["--keys-to", "keys.copy"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("backup:keys"), "{}", stderr(&output));
    assert_eq!(files(dir.path()), ["b1", "data"]);
    let audit = server.get("/api/v1/audit");
    assert!(audit.to_string().contains("backup.rows"), "{audit}");
    assert!(server.terminate().success());
}
