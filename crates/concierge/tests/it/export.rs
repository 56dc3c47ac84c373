//! Exports of people and definitions, and what they say of a server.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{Server, run, stderr, stdout};

const RULE: &str = "state = \"live\"\nname = \"VIP\"\n[condition]\ntrait = \"plan\"\nop = \"eq\"\nvalue = \"pro\"\n";

fn write(dir: &Path, file: &str, text: &str) {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A server with an audience, and three people of whom one refuses analytics.
fn shop(dir: &Path) -> Server {
    write(dir, "definitions/audiences/vip.toml", RULE);
    write(dir, "definitions/placements/hero.json", r#"{"state": "live"}"#);
    let server = Server::start(dir, "127.0.0.1:0");
    let output = run(dir, &["apply", "-f", "definitions", "--server", &server.base]);
    assert!(output.status.success(), "{}", stderr(&output));
    for (user, plan) in [("ann", "pro"), ("bob", "pro"), ("cy", "free")] {
        let refused = json!({"consent": {"categoryPreferences": {"analytics": user != "bob"}}});
        server.post(
            "/v1/identify",
            &json!({"userId": user, "traits": {"plan": plan}, "context": refused}),
        );
        let event = json!({"event": "Order Completed", "userId": user, "properties": {"revenue": 12.5}, "context": refused});
        server.post("/v1/track", &event);
    }
    server
}

/// Runs a command against the server, and says its exit code, standard output and standard error.
fn commands<'a>(
    dir: &'a Path,
    server: &Server,
) -> impl Fn(&[&str]) -> (i32, String, String) + use<'a> {
    let base = server.base.clone();
    move |arguments| {
        let output = run(dir, &[arguments, &["--server", &base]].concat());
        (output.status.code().unwrap(), stdout(&output), stderr(&output))
    }
}

#[test]
fn rows_are_exported_for_a_purpose_and_who_refuses_it_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let server = shop(dir.path());
    // The flags of the server belong to `export` itself.
    let export = |arguments: &[&str]| {
        let output = run(dir.path(), &[&["export", "--server", &server.base], arguments].concat());
        (output.status.code().unwrap(), stdout(&output), stderr(&output))
    };
    let (code, rows, told) = export(&["profiles", "--purpose", "analytics"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(told, "profiles for analytics: 2 rows; left out: 1 people who do not grant it\n");
    let users: Vec<Value> = rows
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["user_id"].clone())
        .collect();
    assert_eq!(users.len(), 2);
    assert!(!rows.contains("bob"), "{rows}");
    let (_, rows, _) =
        export(&["events", "--purpose", "analytics", "--format", "csv", "--since", "2020-01-01"]);
    assert!(rows.starts_with("position,profile,message_id,"), "{rows}");
    assert_eq!(rows.lines().count(), 1 + 4);
    let (_, rows, _) =
        export(&["memberships", "--purpose", "personalization", "--audience", "vip"]);
    assert_eq!(rows.lines().count(), 2, "{rows}");
    let (_, rows, _) = export(&["consents", "--purpose", "analytics"]);
    assert!(rows.contains("\"said\":\"denied\"") && !rows.contains("bob"), "{rows}");

    let to = ["events", "--purpose", "analytics", "--format", "parquet"];
    assert_eq!(export(&to).0, 2, "Parquet needs a file");
    let (code, _, told) = export(&[&to[..], &["--to", "events.parquet"]].concat());
    assert_eq!(code, 0, "{told}");
    let file = fs::read(dir.path().join("events.parquet")).unwrap();
    assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));

    for (arguments, expected) in [
        (&["profiles", "--purpose", "service"][..], "no purpose `service` that people can grant"),
        (&["profiles", "--purpose", "gossip"], "no purpose `gossip`"),
        (&["memberships", "--purpose", "analytics", "--audience", "nobody"], "not found"),
    ] {
        let (code, rows, told) = export(arguments);
        assert_eq!((code, rows.as_str()), (1, ""), "{told}");
        assert!(told.contains(expected), "{told}");
    }
    let made =
        server.post("/api/v1/tokens", &json!({"name": "reader", "scopes": ["profiles:read"]}));
    let token = made["secret"].as_str().unwrap();
    let (code, _, told) =
        export(&["--token", token, "profiles", "--purpose", "analytics", "--to", "people.jsonl"]);
    assert!(code == 1 && told.contains("`export`"), "{told}");
    assert!(!dir.path().join("people.jsonl").exists());
    let audit = server.get("/api/v1/audit");
    assert!(audit.to_string().contains("profiles for analytics"), "{audit}");
    assert!(server.terminate().success());
}

#[test]
fn exported_definitions_are_applied_back_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let server = shop(dir.path());
    let run = commands(dir.path(), &server);
    let output = crate::support::run(
        dir.path(),
        &["export", "--server", &server.base, "definitions", "--to", "out"],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let (code, said, told) = run(&["apply", "-f", "out"]);
    assert_eq!(code, 0, "{told}");
    assert!(
        said.lines().count() >= 2 && said.lines().all(|line| line.ends_with(": unchanged")),
        "{said}"
    );
    let (code, said, told) = run(&["diff", "-f", "out"]);
    assert_eq!((code, said.as_str()), (0, ""), "{told}");
    // Another server takes them as well.
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let other = Server::start(&elsewhere, "127.0.0.1:0");
    let (code, _, told) = commands(dir.path(), &other)(&["apply", "-f", "out"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(
        other.get("/api/v1/audiences/vip")["condition"],
        server.get("/api/v1/audiences/vip")["condition"]
    );
    assert!(other.terminate().success());
    assert!(server.terminate().success());
}

#[test]
fn a_difference_is_told_place_by_place() {
    let dir = tempfile::tempdir().unwrap();
    let server = shop(dir.path());
    let run = commands(dir.path(), &server);
    let (code, said, told) = run(&["diff", "-f", "definitions"]);
    assert_eq!(code, 0, "{said}{told}");
    write(dir.path(), "definitions/audiences/vip.toml", &RULE.replace("pro", "max"));
    write(dir.path(), "definitions/audiences/new.json", r#"{"condition": {"audience": "vip"}}"#);
    fs::remove_file(dir.path().join("definitions/placements/hero.json")).unwrap();
    let (code, said, told) = run(&["diff", "-f", "definitions"]);
    assert_eq!(code, 1);
    assert!(
        said.contains("audiences/vip: would be updated\n  /condition/value: \"pro\" → \"max\"\n"),
        "{said}"
    );
    assert!(said.contains("audiences/new: would be created\n"), "{said}");
    assert!(said.contains("placements/hero: only on the server\n"), "{said}");
    assert!(told.contains("2 of 2 definitions would change"), "{told}");
    assert_eq!(run(&["diff", "-f", "absent"]).0, 1);
    assert!(server.terminate().success());
}

#[test]
fn audiences_are_counted_listed_and_explained() {
    let dir = tempfile::tempdir().unwrap();
    let server = shop(dir.path());
    let of = |arguments: &[&str]| {
        let output = crate::support::run(
            dir.path(),
            &[&["audience", "--server", &server.base], arguments].concat(),
        );
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let previewed = of(&["preview", "vip"]);
    assert!(
        previewed.starts_with("vip: 2 of 3 people\n") && previewed.contains("  ann"),
        "{previewed}"
    );
    write(
        dir.path(),
        "draft.json",
        r#"{"kind": "audience", "key": "draft", "condition": {"not": {"audience": "vip"}}}"#,
    );
    let previewed = of(&["preview", "-f", "draft.json"]);
    assert!(
        previewed.starts_with("draft: 1 of 3 people\n") && previewed.contains("  cy"),
        "{previewed}"
    );
    let members = of(&["members", "vip", "--limit", "1"]);
    assert_eq!(members.lines().count(), 1);
    let members = of(&["members", "vip"]);
    assert!(members.contains("\tann\t") && members.contains("\tbob\t"), "{members}");
    let explained = of(&["explain", "vip", "user_id", "ann"]);
    assert!(explained.starts_with("in vip since "), "{explained}");
    assert!(explained.contains("✓ trait plan is \"pro\", wanted eq \"pro\""), "{explained}");
    let explained = of(&["explain", "vip", "user_id", "cy"]);
    assert!(explained.starts_with("not in vip\n"), "{explained}");
    assert!(explained.contains("✗ trait plan is \"free\""), "{explained}");

    let explain = |arguments: &[&str]| {
        let output = crate::support::run(
            dir.path(),
            &[&["explain", "--server", &server.base], arguments].concat(),
        );
        (output.status.code().unwrap(), stdout(&output), stderr(&output))
    };
    let (code, said, told) = explain(&["user_id", "ann", "--placement", "hero"]);
    assert_eq!(code, 0, "{told}");
    for part in ["hero: the default", "is a member of `vip`", "recognised by user_id"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (code, _, told) = explain(&["user_id", "nobody"]);
    assert!(code == 1 && told.contains("not found"), "{told}");
    assert!(server.terminate().success());
}
