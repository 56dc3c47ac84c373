//! Definitions over HTTP: saved, read, conditional, versioned.

use expect_test::expect;
use serde_json::{Value, json};

use crate::harness::{Call, get, post, put, server};

fn audience(plan: &str) -> Value {
    json!({"name": "Pros", "condition": {"trait": "plan", "op": "eq", "value": plan}})
}

#[tokio::test]
async fn what_is_saved_is_read_back_and_can_be_saved_again() {
    let server = server();
    let created = server.call(put("/api/v1/audiences/pros", &audience("pro")).admin()).await;
    assert_eq!(created.status.as_u16(), 201);
    assert_eq!(created.etag(), "\"v1\"");
    let read = server.call(get("/api/v1/audiences/pros").admin()).await;
    assert_eq!(read.etag(), "\"v1\"");
    let document = read.json();
    assert_eq!(document, created.json());
    assert_eq!(document["key"], "pros");
    assert_eq!(document["state"], "draft");
    assert_eq!(document["version"], 1);
    assert_eq!(document["condition"], audience("pro")["condition"]);

    let same = server.call(put("/api/v1/audiences/pros", &document).admin()).await;
    assert_eq!(
        (same.summary().as_str(), same.etag().as_str()),
        ("200", "\"v1\""),
        "nothing changed"
    );
    let changed = server.call(put("/api/v1/audiences/pros", &audience("team")).admin()).await;
    assert_eq!((changed.summary().as_str(), changed.etag().as_str()), ("200", "\"v2\""));

    let old = server.ok(get("/api/v1/audiences/pros?version=1").admin()).await;
    assert_eq!(old["condition"]["value"], "pro");
    let versions = server.ok(get("/api/v1/audiences/pros/versions").admin()).await;
    let numbers: Vec<&Value> =
        versions["items"].as_array().unwrap().iter().map(|item| &item["version"]).collect();
    assert_eq!(numbers, [2, 1]);
}

#[tokio::test]
async fn preconditions_hold() {
    let server = server();
    let path = "/api/v1/audiences/pros";
    let save = |plan: &str, header: &str, value: &str| {
        put(path, &audience(plan)).admin().header(header, value)
    };
    let mut verdicts = Vec::new();
    for call in [
        save("a", "if-match", "*"),
        save("a", "if-match", "\"v1\""),
        save("a", "if-none-match", "*"),
        save("b", "if-none-match", "*"),
        save("b", "if-match", "\"v1\""),
        save("c", "if-match", "\"v1\""),
        save("c", "if-match", "W/\"v2\""),
        save("c", "if-match", "*"),
        save("c", "if-match", "\"v2\", \"v3\""),
        post(format!("{path}/state"), r#"{"state":"live"}"#).admin().header("if-match", "\"v1\""),
        Call::new("DELETE", path).admin().header("if-match", "\"v9\""),
        get(path).admin().header("if-none-match", "\"v3\""),
        get(path).admin().header("if-none-match", "W/\"v3\""),
        get(path).admin().header("if-none-match", "\"v2\""),
    ] {
        verdicts.push(server.verdict(call).await);
    }
    expect![[r#"
        412 version_mismatch: the definition is at version 0
        412 version_mismatch: audience `pros` is at version 0
        201
        412 version_mismatch: audience `pros` is at version 1
        200
        412 version_mismatch: audience `pros` is at version 2
        412 version_mismatch: the definition is at version 2
        200
        400 invalid_request: send one ETag in If-Match, or `*` in If-Match or If-None-Match
        412 version_mismatch: audience `pros` is at version 3
        412 version_mismatch: audience `pros` is at version 3
        304
        304
        200"#]]
    .assert_eq(&verdicts.join("\n"));
}

/// Both have read version 1, and neither sees what the other is writing.
#[tokio::test]
async fn of_two_operators_who_save_at_once_the_second_is_told() {
    let server = server();
    let path = "/api/v1/audiences/pros";
    server.ok(put(path, &audience("a")).admin()).await;
    for version in 1..=8 {
        let save = |plan: &str| {
            let plan = format!("{plan} {version}");
            put(path, &audience(&plan)).admin().header("if-match", format!("\"v{version}\""))
        };
        let (one, other) =
            tokio::join!(server.verdict(save("mine")), server.verdict(save("theirs")));
        let mut verdicts = [one, other];
        verdicts.sort_unstable();
        let now = version + 1;
        let refused = format!("412 version_mismatch: audience `pros` is at version {now}");
        assert_eq!(verdicts, ["200".to_owned(), refused]);
    }
    let versions = server.ok(get(format!("{path}/versions")).admin()).await;
    assert_eq!(versions["items"].as_array().unwrap().len(), 9, "nothing was lost between them");
}

#[tokio::test]
async fn a_state_is_changed_alone_and_a_definition_is_deleted() {
    let server = server();
    server.ok(put("/api/v1/audiences/pros", &audience("pro")).admin()).await;
    let live = post("/api/v1/audiences/pros/state", r#"{"state":"live"}"#).admin();
    let live = server.ok(live).await;
    assert_eq!((&live["state"], &live["version"]), (&json!("live"), &json!(2)));
    let bad = post("/api/v1/audiences/pros/state", r#"{"state":"sleeping"}"#).admin();
    let bad = server.call(bad).await;
    assert_eq!(bad.status.as_u16(), 400);
    assert_eq!(bad.json()["errors"][0]["pointer"], "/state");
    let deleted = Call::new("DELETE", "/api/v1/audiences/pros").admin();
    let deleted = server.verdict(deleted).await;
    assert_eq!(deleted, "204");
    assert_eq!(
        server.verdict(get("/api/v1/audiences/pros").admin()).await,
        "404 not_found: audience `pros` not found"
    );
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = server();
    for key in ["a", "b", "c"] {
        server.ok(put(format!("/api/v1/audiences/{key}"), &audience(key)).admin()).await;
    }
    let mut keys = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.ok(get(format!("/api/v1/audiences?limit=2{cursor}")).admin()).await;
        for item in page["items"].as_array().unwrap() {
            keys.push(item["key"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(keys, ["a", "b", "c"]);
    let refused = server.verdict(get("/api/v1/audiences?limit=501").admin()).await;
    assert_eq!(refused, "400 invalid_request: `limit` is 1 to 500");
    let typo = server.verdict(get("/api/v1/audiences?limits=5").admin()).await;
    assert!(typo.starts_with("400 invalid_request: the query cannot be read"), "{typo}");
    let page = server.ok(get("/api/v1/audiences?cursor=nonsense").admin()).await;
    assert!(page["items"].is_array());
}

#[tokio::test]
async fn faults_are_named_with_their_places() {
    let server = server();
    let mut told = Vec::new();
    for document in [
        json!({"condition": {"trait": "plan", "op": "equals", "value": "pro"}}),
        json!({"condition": {"trait": "plan", "op": "matches", "value": "((a{100}){100}){100}"}}),
        json!({"condition": {"trait": "plan", "op": "eq", "value": "pro"}, "colour": "red"}),
        json!({}),
        json!({"condition": {"trait": "plan", "op": "eq", "value": "pro"}, "key": "other"}),
        json!({"condition": {"trait": "plan", "op": "eq", "value": "pro"}, "state": "sleeping"}),
    ] {
        let answer = server.call(put("/api/v1/audiences/a", &document).admin()).await;
        assert_eq!(answer.status.as_u16(), 422, "{}", answer.summary());
        let problem = answer.json();
        assert_eq!(problem["code"], "invalid_definition");
        told.push(problem["errors"].to_string());

        let checked =
            server.call(post("/api/v1/audiences/a/check", document.to_string()).admin()).await;
        assert_eq!(checked.status.as_u16(), 422, "checking says what saving says");
    }
    expect![[r#"
        [{"detail":"`op` is one of eq, ne, lt, lte, gt, gte, between, in, not_in, contains, not_contains, contains_any, contains_all, contains_none, starts_with, ends_with, matches, version_eq, version_lt, version_lte, version_gt, version_gte, near, inside, exists, missing, is_true, is_false, older_than, newer_than, within_next, around, anniversary","pointer":"/condition/op"}]
        [{"detail":"with `matches`, `value` is a regular expression of 1 to 512 bytes that takes at most 256 KiB compiled; look-around and references back are not part of it","pointer":"/condition/value"}]
        [{"detail":"unknown field `colour`, expected one of `key`, `name`, `description`, `tags`, `state`, `purpose`, `condition`","pointer":"/colour"}]
        [{"detail":"missing field `condition`","pointer":"/condition"}]
        [{"detail":"the key is \"other\" here and `a` where it is saved","pointer":"/key"}]
        [{"detail":"\"sleeping\" is no state: write draft, live, paused or archived","pointer":"/state"}]"#]].assert_eq(&told.join("\n"));
    let sound = post("/api/v1/audiences/a/check", audience("pro").to_string()).admin();
    assert_eq!(server.ok(sound).await, json!({"sound": true}));
    let saved = server.verdict(get("/api/v1/audiences/a").admin()).await;
    assert!(saved.starts_with("404"), "nothing was saved: {saved}");
}

#[tokio::test]
async fn schemas_are_published_for_every_kind() {
    let server = server();
    for kind in ["purposes", "sources", "audiences", "placements", "experiences"] {
        let answer = server.call(get(format!("/api/v1/schemas/{kind}")).admin()).await;
        assert_eq!(answer.header("content-type"), "application/schema+json");
        assert!(answer.json()["properties"]["key"].is_object(), "{kind}");
    }
    let unknown = server.verdict(get("/api/v1/spaceships").admin()).await;
    expect!["404 unknown_kind: there are no `spaceships`; the kinds are purposes, sources, traits, computed_traits, audiences, stages, placements, exclusion_groups, holdouts, metrics, experiences, policies, event_schemas, traffic_rules, retention_rules"].assert_eq(&unknown);
}

#[tokio::test]
async fn members_and_previews_count_people() {
    let server = server();
    for (user, plan) in [("u1", "pro"), ("u2", "pro"), ("u3", "free")] {
        let event = json!({"type": "identify", "userId": user, "traits": {"plan": plan}});
        server.track(&event).await;
    }
    let preview = |body: Value| post("/api/v1/audiences/pros/preview", body.to_string());
    let draft =
        server.ok(preview(json!({"condition": audience("pro")["condition"]})).admin()).await;
    let exactly = |count: u64| json!({"value": count, "low": count, "high": count});
    assert_eq!((&draft["count"], &draft["people"]), (&exactly(2), &exactly(3)));
    assert_eq!((&draft["is_exact"], &draft["evaluated"]), (&json!(true), &json!(3)));
    assert_eq!(draft["items"].as_array().unwrap().len(), 2);

    let reader = server.token(&["definitions:read"]).await;
    let blind = preview(json!({"condition": audience("free")["condition"]}))
        .header("authorization", format!("Bearer {reader}"));
    let blind = server.ok(blind).await;
    assert_eq!((&blind["count"], &blind["items"]), (&exactly(1), &json!([])), "people stay hidden");

    let missing = server.verdict(preview(json!({})).admin()).await;
    assert_eq!(missing, "404 not_found: audience `pros` not found");
    let broken = preview(json!({"condition": {"all": [{"trait": "plan", "op": "equals"}]}}));
    let broken = server.call(broken.admin()).await;
    assert_eq!(broken.status.as_u16(), 422);
    assert_eq!(broken.json()["errors"][0]["pointer"], "/condition/all/0/op");
    let mut saved = audience("pro");
    server.ok(put("/api/v1/audiences/pros", &saved).admin()).await;
    let of_draft = server.ok(preview(json!({})).admin()).await;
    assert_eq!(of_draft["count"], exactly(2), "a draft is previewed");
    saved["state"] = "live".into();
    server.ok(put("/api/v1/audiences/pros", &saved).admin()).await;
    let members = server.ok(get("/api/v1/audiences/pros/members?limit=1").admin()).await;
    assert_eq!(members["count"], 2);
    let next = members["next_cursor"].as_str().unwrap();
    let rest =
        server.ok(get(format!("/api/v1/audiences/pros/members?cursor={next}")).admin()).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest["next_cursor"], Value::Null);
}
