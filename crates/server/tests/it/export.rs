//! Exports and backups over HTTP: what is streamed shows where it ends.

use serde_json::{Value, json};

use crate::harness::{Server, get, put, server};

#[tokio::test]
async fn an_export_is_lines_that_end_with_a_summary() {
    let server = server();
    for (user, analytics) in [("u1", true), ("u2", false), ("u3", true)] {
        let consent = json!({"consent": {"categoryPreferences": {"analytics": analytics}}});
        server
            .track(&json!({"type": "track", "event": "Seen", "userId": user, "context": consent}))
            .await;
    }
    let answer = server.call(get("/api/v1/export/events?purpose=analytics").admin()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, "application/x-ndjson")
    );
    let text = String::from_utf8(answer.body).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, rows) = lines.split_last().unwrap();
    let users: Vec<&Value> = rows.iter().map(|row| &row["user_id"]).collect();
    assert_eq!(users, ["u1", "u3"]);
    assert_eq!(summary["summary"]["rows"], 2);
    assert_eq!(
        (&summary["summary"]["people"], &summary["summary"]["people_withheld"]),
        (&json!(3), &json!(1))
    );
    let audit = server.ok(get("/api/v1/audit").admin()).await;
    assert_eq!(audit["items"][0]["subject"], "events for analytics");
}

#[tokio::test]
async fn what_cannot_be_exported_is_said_before_anything_is_sent() {
    let server = server();
    let export = |rest: &str| get(format!("/api/v1/export/{rest}")).admin();
    let mut verdicts = Vec::new();
    for rest in [
        "secrets?purpose=analytics",
        "events",
        "events?purpose=gossip",
        "events?purpose=service",
        "events?purpose=analytics&since=yesterday",
        "profiles?purpose=analytics&since=2026-01-01",
        "events?purpose=analytics&audience=vip",
        "memberships?purpose=analytics&audience=vip",
        "events?purpose=analytics&limit=5",
    ] {
        let verdict = server.verdict(export(rest)).await;
        let (code, _) = verdict.split_once(':').unwrap();
        verdicts.push(format!("{rest} → {code}"));
    }
    expect_test::expect![[r#"
        secrets?purpose=analytics → 404 not_found
        events → 400 invalid_request
        events?purpose=gossip → 400 invalid_request
        events?purpose=service → 400 invalid_request
        events?purpose=analytics&since=yesterday → 400 invalid_request
        profiles?purpose=analytics&since=2026-01-01 → 400 invalid_request
        events?purpose=analytics&audience=vip → 400 invalid_request
        memberships?purpose=analytics&audience=vip → 404 not_found
        events?purpose=analytics&limit=5 → 400 invalid_request"#]]
    .assert_eq(&verdicts.join("\n"));
}

#[tokio::test]
async fn a_person_in_no_audience_is_explained_and_a_stranger_is_not() {
    let server = server();
    let rule = json!({"condition": {"trait": "plan", "op": "eq", "value": "pro"}, "state": "live"});
    server.ok(put("/api/v1/audiences/vip", &rule).admin()).await;
    server.track(&json!({"type": "identify", "userId": "u1", "traits": {"plan": "free"}})).await;
    let found = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u1").admin()).await;
    let id = found["id"].as_str().unwrap();
    let explain = |id: &str| get(format!("/api/v1/audiences/vip/explain?profile={id}")).admin();
    let explained = server.ok(explain(id)).await;
    assert_eq!((&explained["profile"], &explained["member"]), (&found["id"], &json!("false")));
    assert_eq!(explained["parts"][0]["truth"], "false");
    assert!(server.verdict(explain("0183ffffffffffffffff")).await.starts_with("404 not_found"));
    assert!(server.verdict(explain("nobody")).await.starts_with("404 not_found"));
    // A draft acts on nobody, and can be explained all the same.
    let draft = json!({"condition": {"trait": "plan", "op": "eq", "value": "free"}});
    server.ok(put("/api/v1/audiences/draft", &draft).admin()).await;
    let path = format!("/api/v1/audiences/draft/explain?profile={id}");
    assert_eq!(server.ok(get(path).admin()).await["member"], "true");
}

#[tokio::test]
async fn a_third_stream_waits_for_its_turn() {
    let server = server();
    // More tables than pieces that may wait.
    server.track(&json!({"type": "track", "event": "Seen", "userId": "u1"})).await;
    // An answer that nobody reads yet keeps its place.
    let first = server.open(get("/api/v1/backup/rows").admin()).await;
    let second = server.open(get("/api/v1/backup/rows").admin()).await;
    let third = server.call(get("/api/v1/backup/rows").admin()).await;
    assert!(third.summary().starts_with("429 busy"), "{}", third.summary());
    assert!(!third.header("retry-after").is_empty());
    drop((first, second));
}

/// What a token with these scopes is given of a table.
async fn exported(server: &Server, table: &str, scopes: &[&str]) -> Vec<Value> {
    let token = server.token(scopes).await;
    let call = get(format!("/api/v1/export/{table}?purpose=analytics"));
    let answer = server.call(call.header("authorization", format!("Bearer {token}"))).await;
    let text = String::from_utf8(answer.body).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn sensitive_traits_are_exported_to_those_alone_who_may_see_them() {
    let server = server();
    let ssn = json!({"state": "live", "sensitivity": "sensitive"});
    server.ok(put("/api/v1/traits/ssn", &ssn).admin()).await;
    let traits = json!({"ssn": "19900101", "plan": "pro"});
    server.track(&json!({"type": "identify", "userId": "u1", "traits": traits})).await;
    for table in ["profiles", "events"] {
        let all = exported(&server, table, &["export", "profiles:sensitive"]).await;
        assert_eq!(all[0]["traits"], traits, "{table}");
        assert_eq!(all[1]["summary"]["traits_masked"], 0);
        let some = exported(&server, table, &["export"]).await;
        assert_eq!(some[0]["traits"], json!({"plan": "pro"}), "{table}");
        assert_eq!(some[1]["summary"]["traits_masked"], 1);
    }
}

#[tokio::test]
async fn what_came_from_a_source_shows_where_its_data_is_from() {
    let server = server();
    let identify = json!({"type": "identify", "userId": "u1", "traits": {"plan": "pro"}});
    server.track(&identify).await;
    let profile =
        async || server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u1").admin()).await;
    assert_eq!(profile().await["traits"]["plan"].get("party"), None);
    let source = json!({"state": "live", "kind": "public", "party": "first"});
    server.ok(put("/api/v1/sources/default", &source).admin()).await;
    let shown = profile().await;
    assert_eq!(shown["traits"]["plan"]["party"], "first");
    assert_eq!(shown["timeline"][0]["party"], "first");
    assert_eq!(exported(&server, "events", &["export"]).await[0]["party"], "first");
    let unknown = json!({"state": "live", "kind": "public", "party": "fourth"});
    let verdict = server.verdict(put("/api/v1/sources/default", &unknown).admin()).await;
    assert!(verdict.starts_with("422"), "{verdict}");
}
