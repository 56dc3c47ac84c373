//! Importing: every row once, whatever is interrupted.

use std::{fmt::Write as _, path::Path, process::Stdio};

use crate::support::{Server, TOKEN, concierge, free_address, run, stderr, stdout};

const ROWS: u64 = 8_000;
const USERS: u64 = 8;

const MAPPING: &str = r#"
time = { column = "at", format = "unix_seconds" }
[[skip]]
reason = "test rows"
column = "who"
op = "eq"
value = "test"
[[events]]
name = "Visited"
identifiers.user_id = "who"
properties.page = "page"
"#;

fn write_file(dir: &Path) {
    let mut rows = "at,who,page\n".to_owned();
    for row in 0..ROWS {
        writeln!(rows, "{},u{},p{row}", 1_700_000_000 + row, row % USERS).unwrap();
        if row % 1000 == 0 {
            rows.push_str("1700000000,test,x\n");
        }
    }
    std::fs::write(dir.join("visits.csv"), rows).unwrap();
    std::fs::write(dir.join("mapping.toml"), MAPPING).unwrap();
}

/// Starts an import and waits until the server has applied some of it.
fn start_import(dir: &Path, server: &Server) -> std::process::Child {
    let digest = blake3::hash(&std::fs::read(dir.join("visits.csv")).unwrap()).to_hex().to_string();
    let child = concierge(dir)
        .args(["import", "--mapping", "mapping.toml", "visits.csv", "--server", &server.base])
        .env("CONCIERGE_TOKEN", TOKEN)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while server.get(&format!("/api/v1/imports/{digest}"))["watermark"].as_u64().unwrap() == 0 {
        std::thread::yield_now();
    }
    child
}

fn check_all_once(server: &Server) {
    for user in 0..USERS {
        let mut ids = server.timeline(&format!("u{user}"));
        assert_eq!(ids.len() as u64, ROWS / USERS, "u{user}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len() as u64, ROWS / USERS, "u{user} has an event twice");
    }
}

#[test]
fn a_killed_import_continues_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    write_file(dir.path());
    let server = Server::start(dir.path(), "127.0.0.1:0");
    let mut first = start_import(dir.path(), &server);
    first.kill().unwrap();
    first.wait().unwrap();
    let import = ["import", "--mapping", "mapping.toml", "visits.csv", "--server", &server.base];
    let second = run(dir.path(), &import);
    assert!(second.status.success(), "{}", stderr(&second));
    assert!(stdout(&second).contains("events had been applied before"), "{}", stdout(&second));
    assert!(stdout(&second).contains("8 rows left out: test rows"), "{}", stdout(&second));
    check_all_once(&server);
    let third = run(dir.path(), &import);
    assert!(stdout(&third).contains(" 0 events applied"), "{}", stdout(&third));
}

#[test]
fn an_import_goes_on_when_its_server_was_killed_and_came_back() {
    let dir = tempfile::tempdir().unwrap();
    write_file(dir.path());
    let address = free_address();
    let server = Server::start(dir.path(), &address);
    let import = start_import(dir.path(), &server);
    server.kill();
    let server = Server::start(dir.path(), &address);
    let output = import.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    check_all_once(&server);
    assert!(server.terminate().success());
}
