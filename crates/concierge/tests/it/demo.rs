//! The demo and the simulator against the real server.

use serde_json::Value;

use crate::support::{Server, run, stderr, stdout};

#[test]
fn the_demo_fills_its_audiences_and_stops_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let arguments =
        ["demo", "--data", "shop", "--listen", "127.0.0.1:0", "--shoppers", "40", "--days", "20"];
    let server = Server::spawn(dir.path(), &arguments, "The demo serves at ");
    let count = |audience: &str| {
        server.get(&format!("/api/v1/audiences/{audience}/members?limit=1"))["count"]
            .as_u64()
            .unwrap()
    };
    assert!(count("new_visitors") > 0);
    assert!(count("lapsed") + count("just_bought") + count("frequent_buyers") > 0);
    let quarantine = server.get("/api/v1/quarantine?limit=1");
    assert_eq!(quarantine["items"], Value::Array(Vec::new()), "every event is sound");
    assert!(server.terminate().success());
    // Started again, it serves what is there with the same keys.
    let server = Server::spawn(dir.path(), &arguments, "The demo serves at ");
    server.get("/api/v1/audiences/lapsed");
    assert!(server.terminate().success());
}

#[test]
fn the_same_seed_is_the_same_world() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "127.0.0.1:0");
    let simulate = |truth: &str| {
        let output = run(
            dir.path(),
            &[
                "simulate",
                "--server",
                &server.base,
                "--shoppers",
                "15",
                "--days",
                "10",
                "--seed",
                "3",
                "--until",
                "2026-05-01",
                "--truth",
                truth,
            ],
        );
        assert!(output.status.success(), "{}", stderr(&output));
        (stdout(&output), std::fs::read_to_string(dir.path().join(truth)).unwrap())
    };
    let first = simulate("first.jsonl");
    let user = first.1.lines().nth(1).unwrap();
    let user: Value = serde_json::from_str(user).unwrap();
    assert_eq!(user["kind"], "shopper");
    assert_eq!(first, simulate("second.jsonl"), "and playing it twice changes nothing");
    assert!(server.terminate().success());
}
