//! The tracking plan and the reports on what comes in, as an operator sees them.

use model::{Duration, Value};
use serde_json::json;

use crate::harness::{Server, WRITE_KEY, get, post, put, server};

async fn save(server: &Server, key: &str, schema: &Value) {
    let path = format!("/api/v1/event_schemas/{key}");
    server.ok(put(path, schema).admin()).await;
}

fn order(id: &str, properties: Value) -> Value {
    json!({"type": "track", "event": "Order Completed", "userId": "u1", "messageId": id,
        "context": {"library": {"name": "analytics.js", "version": "5.12.10"}}, "properties": properties})
}

async fn send(server: &Server, events: &[Value]) -> Vec<Value> {
    let call = post("/v1/batch", json!({"batch": events}).to_string()).source();
    let answer = server.ok(call.header("prefer", "return=representation")).await;
    answer["events"].as_array().unwrap().clone()
}

/// Counts are taken once a call is answered, on another thread: waits for it by sending one more.
async fn report(server: &Server, path: &str) -> Value {
    send(server, &[json!({"type": "track", "event": "Settled", "userId": "u0"})]).await;
    server.ok(get(path).admin()).await
}

fn verdicts(answers: &[Value]) -> Vec<&str> {
    answers.iter().map(|answer| answer["verdict"].as_str().unwrap()).collect()
}

fn schema(mode: &str) -> Value {
    json!({
        "state": "live", "event": "Order Completed", "mode": mode,
        "properties": {
            "type": "object",
            "properties": {"total": {"type": "number", "minimum": 0}, "currency": {"enum": ["SEK"]}},
            "required": ["total"],
        },
    })
}

async fn timeline(server: &Server) -> Vec<Value> {
    let path = "/api/v1/profiles/lookup?type=user_id&value=u1";
    let profile = server.ok(get(path).admin()).await;
    profile["timeline"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_event_that_violates_its_schema_is_counted_flagged_or_blocked() {
    let server = server();
    let bad = |id: &str| order(id, json!({"total": -1, "currency": "secret"}));
    save(&server, "order", &schema("observe")).await;
    assert_eq!(verdicts(&send(&server, &[bad("m1")]).await), ["accepted"]);
    assert_eq!(timeline(&server).await[0].get("marks"), None);
    save(&server, "order", &schema("flag")).await;
    assert_eq!(verdicts(&send(&server, &[bad("m2")]).await), ["accepted"]);
    assert_eq!(timeline(&server).await[0]["marks"], json!(["violation"]));
    save(&server, "order", &schema("block")).await;
    let answers = send(&server, &[bad("m3"), order("m4", json!({"total": 1}))]).await;
    assert_eq!(verdicts(&answers), ["quarantined", "accepted"]);
    assert_eq!(answers[0]["code"], "schema_violation");
    let told = "the event violates the event schema `order`: /properties/currency (enum), /properties/total (minimum)";
    assert_eq!(answers[0]["detail"], told);
    assert_eq!(timeline(&server).await.len(), 3);

    let found = report(&server, "/api/v1/data_quality/violations?event=Order%20Completed").await;
    let items = found["items"].as_array().unwrap();
    let lines: Vec<String> = items
        .iter()
        .map(|item| format!("{} {} {}", item["path"], item["rule"], item["events"]))
        .collect();
    assert_eq!(lines, [r#""/properties/currency" "enum" 3"#, r#""/properties/total" "minimum" 3"#]);
    let sample = &items[0]["samples"][0];
    assert_eq!(
        (sample["source"].as_str(), sample["library"].as_str()),
        (Some("default"), Some("analytics.js 5.12.10"))
    );
    assert!(!found.to_string().contains("secret"), "where, not what: {found}");
}

#[tokio::test]
async fn a_blocked_event_waits_holds_its_message_and_comes_in_when_the_plan_lets_it() {
    let server = server();
    save(&server, "order", &schema("block")).await;
    let early = order("m1", json!({"total": "12"}));
    assert_eq!(verdicts(&send(&server, std::slice::from_ref(&early)).await), ["quarantined"]);
    let nobody = server.verdict(get("/api/v1/profiles/lookup?type=user_id&value=u1").admin()).await;
    assert!(nobody.starts_with("404"), "nobody is born of an event that is set aside: {nobody}");
    // However long it waits, a retry is the same event.
    server.clock.advance(Duration::days(30));
    assert_eq!(verdicts(&send(&server, std::slice::from_ref(&early)).await), ["duplicate"]);

    let listed = server.ok(get("/api/v1/quarantine?code=schema_violation").admin()).await;
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    let shown = server.ok(get(format!("/api/v1/quarantine/{id}")).admin()).await;
    assert_eq!(shown["event"]["properties"], json!({"total": "12"}));
    let replay = || post("/api/v1/quarantine/replay?code=schema_violation", "").admin();
    assert_eq!(server.ok(replay()).await["verdicts"]["quarantined"], 1, "the plan is as it was");

    let mut wider = schema("block");
    wider["properties"]["properties"]["total"] = json!({"type": ["number", "string"]});
    save(&server, "order", &wider).await;
    assert_eq!(server.ok(replay()).await["verdicts"]["accepted"], 1);
    assert_eq!(timeline(&server).await.len(), 1);
    let left = server.ok(get("/api/v1/quarantine").admin()).await;
    assert_eq!(left["items"], json!([]));
    assert_eq!(verdicts(&send(&server, &[early]).await), ["duplicate"]);
}

#[tokio::test]
async fn an_import_tells_how_many_rows_the_plan_set_aside() {
    let server = server();
    save(&server, "order", &schema("block")).await;
    let events = [order("m1", json!({"total": 1})), order("m2", json!({})), json!(7)];
    let rows = json!({"first_row": 0, "end_row": 3, "events": events});
    let path = format!("/api/v1/imports/{}/rows", "ab".repeat(32));
    let done = server.ok(post(path, rows.to_string()).admin()).await;
    assert_eq!(done, json!({"watermark": 3, "quarantined": 2}));
}

#[tokio::test]
async fn who_refused_everything_is_not_kept_in_the_quarantine_either() {
    let server = server();
    save(&server, "order", &schema("block")).await;
    let mut refusing = order("m1", json!({}));
    refusing["context"]["consent"] = json!({"categoryPreferences": {
        "personalization": false, "analytics": false, "marketing": false, "advertising": false}});
    let answers = send(&server, &[refusing]).await;
    assert_eq!(
        (&answers[0]["verdict"], &answers[0]["code"]),
        (&json!("refused"), &json!("no_consent"))
    );
    let listed = server.ok(get("/api/v1/quarantine").admin()).await;
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test]
async fn unknown_events_and_properties_are_what_the_plan_says_they_are() {
    let server = server();
    let mut closed = schema("flag");
    closed["unknown_properties"] = "violate".into();
    save(&server, "order", &closed).await;
    save(&server, "others", &json!({"state": "live", "event": "*", "mode": "observe"})).await;
    let other = json!({"type": "track", "event": "Misspelt", "userId": "u1"});
    send(&server, &[order("m1", json!({"total": 1, "colour": "red"})), other]).await;
    let found = report(&server, "/api/v1/data_quality/violations?limit=500").await;
    let has = |event: &str, path: &str, rule: &str| {
        let items = found["items"].as_array().unwrap();
        items.iter().any(|i| i["event"] == event && i["path"] == path && i["rule"] == rule)
    };
    assert!(has("Order Completed", "/properties/colour", "unknown_property"), "{found}");
    assert!(has("Misspelt", "", "unknown_event"), "{found}");
}

#[tokio::test]
async fn a_schema_is_checked_when_it_is_saved_and_only_a_live_one_acts() {
    let server = server();
    let broken = json!({"event": "E", "properties": {"type": "text"}});
    let answer = server.call(put("/api/v1/event_schemas/e", &broken).admin()).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert_eq!(answer.json()["errors"][0]["pointer"], "/properties/type");
    let remote = json!({"event": "E", "properties": {"$ref": "https://example.com/x"}});
    assert_eq!(
        server.call(put("/api/v1/event_schemas/e", &remote).admin()).await.status.as_u16(),
        422
    );

    let mut draft = schema("block");
    draft["state"] = "draft".into();
    save(&server, "order", &draft).await;
    assert_eq!(verdicts(&send(&server, &[order("m1", json!({}))]).await), ["accepted"]);
    let live = post("/api/v1/event_schemas/order/state", json!({"state": "live"}).to_string());
    server.ok(live.admin()).await;
    assert_eq!(verdicts(&send(&server, &[order("m2", json!({}))]).await), ["quarantined"]);
    let twice = server.call(put("/api/v1/event_schemas/again", &schema("flag")).admin()).await;
    assert_eq!(twice.status.as_u16(), 422, "one live schema for each event");
    let versions = server.ok(get("/api/v1/event_schemas/order/versions").admin()).await;
    assert_eq!(versions["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_catalogue_tells_what_was_seen_and_proposes_a_plan_that_holds() {
    let server = server();
    let events: Vec<Value> = (0..60)
        .map(|i| {
            let mut properties = json!({"total": 10 + i, "paid": true});
            if i % 2 == 0 {
                properties["coupon"] = "SUMMER".into();
            }
            order(&format!("m{i}"), properties)
        })
        .collect();
    send(&server, &events).await;
    let seen = report(&server, "/api/v1/data_quality/events?event=Order%20Completed").await;
    let item = &seen["items"][0];
    assert_eq!((&item["source"], &item["received"]), (&json!("default"), &json!(60)));
    let coupon =
        item["properties"].as_array().unwrap().iter().find(|p| p["path"] == "properties/coupon");
    assert_eq!(coupon.unwrap()["share"], 0.5);
    assert_eq!(coupon.unwrap()["types"], json!({"string": 30}));
    assert!(!seen.to_string().contains("SUMMER"), "no values: {seen}");

    let path = "/api/v1/data_quality/events/Order%20Completed/schema";
    let draft = server.ok(get(path).admin()).await;
    assert_eq!(draft["properties"]["required"], json!(["paid", "total"]));
    assert_eq!(draft["properties"]["properties"]["total"], json!({"type": "integer"}));
    let key = draft["key"].as_str().unwrap();
    assert_eq!(key, "order_completed");
    let mut live = draft.clone();
    live["state"] = "live".into();
    live["mode"] = "block".into();
    save(&server, key, &live).await;
    let fits = order("n1", json!({"total": 7, "paid": false}));
    let not = order("n2", json!({"total": "7", "paid": false}));
    assert_eq!(verdicts(&send(&server, &[fits, not]).await), ["accepted", "quarantined"]);
    let unseen = "/api/v1/data_quality/events/Never/schema";
    assert!(server.verdict(get(unseen).admin()).await.starts_with("404 not_found"));
}

#[tokio::test]
async fn freshness_verdicts_lateness_and_skew_are_told_by_source() {
    let server = server();
    let late = json!({"type": "track", "event": "Late", "userId": "u1", "messageId": "l",
        "timestamp": "2026-11-22T08:00:00Z", "sentAt": "2026-11-22T11:50:00Z"});
    send(&server, &[late.clone(), late, json!(7)]).await;
    server.clock.advance(Duration::hours(2));
    let report = report(&server, "/api/v1/data_quality/sources").await;
    let source = &report["items"][0];
    assert_eq!(source["source"], "default");
    assert_eq!(
        (&source["verdicts"]["duplicate"], &source["verdicts"]["quarantined"]),
        (&json!(1), &json!(1))
    );
    let count = |list: &str, step: &str| {
        let steps = source[list].as_array().unwrap();
        steps.iter().find(|s| s["step"] == step).unwrap()["events"].clone()
    };
    assert_eq!(count("lateness", "below 6 h"), 1, "{source}");
    assert_eq!(count("clock_skew", "behind by less than 1 h"), 1, "{source}");
    let late = source["events"].as_array().unwrap().iter().find(|e| e["event"] == "Late").unwrap();
    assert_eq!((&late["age_seconds"], &late["received"]), (&json!(7200), &json!(1)));
}

#[tokio::test]
async fn an_hour_is_unusual_only_against_enough_weeks() {
    let server = server();
    let hour = |week: i64, events: i64| {
        let batch: Vec<Value> = (0..events)
            .map(|i| json!({"type": "track", "event": "Beat", "userId": "u1", "messageId": format!("{week}-{i}")}))
            .collect();
        batch
    };
    let path = "/api/v1/data_quality/volume?source=default&event=Beat";
    for week in 0..5 {
        send(&server, &hour(week, if week == 4 { 5 } else { 100 })).await;
        server.clock.advance(Duration::hours(1));
        let told = report(&server, path).await;
        let item = &told["items"][0];
        let status = item["status"].as_str().unwrap();
        assert_eq!(
            status,
            ["learning", "learning", "learning", "usual", "unusually_low"]
                [usize::try_from(week).unwrap()]
        );
        assert_eq!(item["weeks"], week);
        server.clock.advance(Duration::hours(167));
    }
    server.clock.advance(Duration::hours(-167));
    let low = server.ok(get("/api/v1/data_quality/volume?status=unusually_low").admin()).await;
    assert_eq!(low["items"].as_array().unwrap().len(), 1, "{low}");
    assert_eq!(low["items"][0]["expected"]["middle"], 100.0);
    let metrics = server.call(get("/metrics")).await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains("concierge_volumes_unusual 1\n"), "{metrics}");
    let odd = server.verdict(get("/api/v1/data_quality/volume?status=odd").admin()).await;
    assert!(odd.starts_with("400 invalid_request"), "{odd}");
}

#[tokio::test]
async fn coverage_tells_who_has_a_trait_and_which_source_sends_it() {
    let server = server();
    let identify = |user: usize, traits: Value| json!({"type": "identify", "userId": format!("u{user}"), "traits": traits});
    let events: Vec<Value> = (0..4)
        .map(|user| {
            identify(
                user,
                if user == 0 {
                    json!({"plan": "pro", "city": "x"})
                } else {
                    json!({"plan": "free"})
                },
            )
        })
        .collect();
    send(&server, &events).await;
    let report = report(&server, "/api/v1/data_quality/traits").await;
    // The one who sends what settles the counts is a person, too.
    assert_eq!(report["people"]["is_everybody"], true);
    let item = |name: &str| {
        let items = report["items"].as_array().unwrap();
        items.iter().find(|item| item["trait"] == name).unwrap().clone()
    };
    assert_eq!(
        (&item("plan")["people"]["people"], &item("city")["people"]["people"]),
        (&json!(4), &json!(1))
    );
    assert_eq!(item("plan")["people"]["by_source"][0]["source"], "default");
    assert_eq!(item("city")["identify_calls"][0]["share"], 0.25);
}

#[tokio::test]
async fn counts_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let event = json!({"batch": [order("m1", json!({"total": 1}))]}).to_string();
    for round in 0..2 {
        let (engine, _) = crate::harness::open(&dir);
        let seen = engine.event_catalogue(&engine::observation::EventQuery::default(), None, 10);
        assert_eq!(seen.items.len(), round, "what was counted before the stop is there");
        let router = server::router(engine.clone(), server::Options::default());
        let call = axum::http::Request::post("/v1/batch")
            .header("x-write-key", WRITE_KEY)
            .body(axum::body::Body::from(event.clone()));
        let answer = tower::ServiceExt::oneshot(router, call.unwrap()).await.unwrap();
        assert!(answer.status().is_success());
        engine.shutdown();
    }
}

#[tokio::test]
async fn reports_need_their_scope_and_take_no_unknown_parameters() {
    let server = server();
    let reader = format!("Bearer {}", server.token(&["events:read"]).await);
    let other = format!("Bearer {}", server.token(&["definitions:read"]).await);
    for path in ["sources", "events", "violations", "volume", "traits"] {
        let path = format!("/api/v1/data_quality/{path}");
        assert_eq!(server.verdict(get(&path).header("authorization", &reader)).await, "200");
        let refused = server.verdict(get(&path).header("authorization", &other)).await;
        assert!(refused.starts_with("403 missing_scope"), "{refused}");
        let odd = server.verdict(get(format!("{path}?odd=1")).admin()).await;
        assert!(odd.starts_with("400 invalid_request"), "{odd}");
    }
}
