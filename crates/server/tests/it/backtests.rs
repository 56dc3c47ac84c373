//! Backtests over HTTP: recorded decisions, decided again by a draft.

use http_body_util::BodyExt as _;
use model::{Duration, Value};
use serde_json::json;

use crate::harness::{NOW, Server, post, put, server};

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

fn offer(changes: Value) -> Value {
    let mut document = json!({"state": "live", "placement": "hero", "priority": 5, "variants": [
        {"key": "a", "content": {"title": "A"}}, {"key": "b", "content": {"title": "B"}},
    ]});
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

async fn decide(server: &Server, user: usize) -> String {
    let ask = json!({"identifiers": {"user_id": format!("u{user}")}, "placements": ["hero", "side"],
        "context": {"device": {"type": if user.is_multiple_of(3) { "mobile" } else { "desktop" }}}});
    let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
    answer["decisions"][0]["variant"].as_str().unwrap_or_default().to_owned()
}

/// A shop in which `people` came on two days, some of them with a plan, and bought by what they were shown.
async fn shop(people: usize) -> Server {
    let server = server();
    for placement in ["hero", "side"] {
        let document = json!({"state": "live", "default": {"title": "Hello"}});
        define(&server, &format!("placements/{placement}"), document).await;
    }
    let pro = json!({"trait": "plan", "op": "eq", "value": "pro"});
    define(&server, "audiences/pro", json!({"state": "live", "condition": pro})).await;
    let mobile = json!({"context": "device.type", "op": "eq", "value": "mobile"});
    define(&server, "experiences/offer", offer(json!({"holdout": 0.1, "traffic": 0.9}))).await;
    let rest = json!({"state": "live", "placement": "hero", "eligibility": {"audience": "pro"},
        "variants": [{"key": "x", "content": {"title": "X"}}]});
    define(&server, "experiences/rest", rest).await;
    let once = json!({"state": "live", "placement": "side", "eligibility": mobile,
        "caps": {"per_person": {"count": 1, "within": "30d"}},
        "variants": [{"key": "s", "weight": 1, "content": {"title": "S"}},
            {"key": "t", "weight": 3, "content": {"title": "T"}}]});
    define(&server, "experiences/once", once).await;
    for day in 0..2 {
        for user in 0..people {
            if day == 0 {
                let traits = json!({"plan": if user.is_multiple_of(4) { "pro" } else { "free" }});
                let event =
                    json!({"type": "identify", "userId": format!("u{user}"), "traits": traits});
                server.track(&event).await;
            }
            let variant = decide(&server, user).await;
            server.clock.advance(Duration::seconds(2));
            // Of those who see B every second buys, of the others every fifth.
            let of = if variant == "b" { 2 } else { 5 };
            if (user / 7).is_multiple_of(of) {
                let order = json!({"type": "track", "event": "Order Completed", "userId": format!("u{user}"),
                    "properties": {"revenue": 10}});
                server.track(&order).await;
            }
        }
        server.clock.advance(Duration::days(1));
    }
    server.clock.advance(Duration::days(8));
    server
}

/// The result of a backtest, and how many lines of progress came before it.
async fn backtest(server: &Server, body: Value) -> (Value, usize) {
    let call = post("/api/v1/experiences/offer/backtest", body.to_string()).admin();
    let answer = server.call(call).await;
    let text = String::from_utf8(answer.body).unwrap();
    assert_eq!(answer.status.as_u16(), 200, "{text}");
    let lines = text.lines().filter(|line| !line.is_empty());
    let mut lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut last = lines.pop().unwrap();
    assert!(lines.iter().all(|line| line["progress"]["part"].is_number()));
    (last["result"].take(), lines.len())
}

fn period() -> Value {
    json!({"from": NOW})
}

fn with(experience: Value) -> Value {
    json!({"from": NOW, "experiences": {"offer": experience},
        "reward": {"event": "Order Completed", "within": "7d"}})
}

/// The same definitions decide the same again: assignments, holdouts, traffic, caps, audiences and context included.
#[tokio::test]
async fn what_did_not_change_differs_nowhere() {
    let server = shop(60).await;
    let (result, progress) = backtest(&server, period()).await;
    assert!(progress > 50, "told as it went");
    assert_eq!((&result["people"], &result["decisions"]), (&json!(60), &json!(240)));
    assert_eq!((&result["different"], &result["moves"]), (&json!(0), &json!([])));
    assert_eq!(result["lift"], Value::Null, "nothing was asked about an effect");
    // Once more after variants were weighted anew, and somebody left an audience: what was recorded holds.
    let weights = json!([{"key": "a", "weight": 1, "content": {"title": "A"}},
        {"key": "b", "weight": 9, "content": {"title": "B"}}]);
    let document = offer(json!({"holdout": 0.1, "traffic": 0.9, "variants": weights}));
    define(&server, "experiences/offer", document).await;
    server.track(&json!({"type": "identify", "userId": "u0", "traits": {"plan": "free"}})).await;
    let (result, _) = backtest(&server, period()).await;
    assert_eq!(
        result["experiences"]["rest"]["people"]["before"],
        result["experiences"]["rest"]["people"]["after"]
    );
    assert!(result["different"].as_u64().unwrap() > 0, "draws follow the new weights");
}

#[tokio::test]
async fn a_draft_tells_whom_it_reaches_and_what_it_displaces() {
    // Units are drawn anew in each run: of so many, some are in every arm but once in a million runs.
    let server = shop(240).await;
    let body = json!({"from": NOW, "experiences": {"offer": offer(json!({"eligibility": {"audience": "pro"}}))}});
    let (result, _) = backtest(&server, body).await;
    let reach = &result["experiences"]["offer"]["people"];
    assert_eq!(reach["after"], json!(60), "everybody with the plan, without holdout and traffic");
    assert!(reach["before"].as_u64().unwrap() > 150, "about 194");
    let audiences = &result["audiences"]["pro"];
    assert_eq!(audiences["after"], json!(60));
    let moves = result["moves"].as_array().unwrap();
    let to = |to: Value| moves.iter().find(|moved| moved["to"] == to).unwrap();
    assert_eq!(
        (&to(Value::Null)["from"], &to(json!("offer"))["from"]),
        (&json!("offer"), &json!("rest"))
    );
    // Nothing was saved.
    let saved = server.ok(crate::harness::get("/api/v1/experiences/offer").admin()).await;
    assert_eq!(saved["version"], json!(1));
}

#[tokio::test]
async fn the_log_carries_a_lift_only_where_what_a_draft_does_was_tried() {
    let server = shop(400).await;
    let only_b = json!([{"key": "a", "weight": 0, "content": {"title": "A"}}, {"key": "b", "content": {"title": "B"}}]);
    let keeps = json!({"holdout": 0.1, "traffic": 0.9, "variants": only_b});
    let (result, _) = backtest(&server, with(offer(keeps.clone()))).await;
    let lift = &result["lift"];
    assert_eq!(lift["verdict"], json!("estimated"), "{lift}");
    // Half of those who see B buy on each of two days, a fifth of the others: B for all gains about 0.135. One run in
    // twenty has that outside its interval, and less than one in a thousand so far outside.
    let (low, high) =
        (lift["interval"][0].as_f64().unwrap(), lift["interval"][1].as_f64().unwrap());
    assert!(low < 0.135 + 0.06 && 0.135 - 0.06 < high && high - low < 0.4, "{lift}");
    assert!(lift["effective"].as_f64().unwrap() > 100.0);
    // What nobody has seen tells nothing.
    let new =
        json!([{"key": "a", "content": {"title": "A"}}, {"key": "b", "content": {"title": "New"}}]);
    let (result, _) =
        backtest(&server, with(offer(json!({"holdout": 0.1, "traffic": 0.9, "variants": new}))))
            .await;
    let lift = &result["lift"];
    assert_eq!(lift["verdict"], json!("refused"));
    assert!(lift["detail"].as_str().unwrap().contains("needs an exploration share of"), "{lift}");
    assert!((lift["unsupported"].as_f64().unwrap() - 0.45).abs() < 1e-9, "{lift}");
    assert!(lift["exploration_needed"].as_f64().unwrap() < 1.0);
    // Nor does a time that is not over.
    let mut late = with(offer(keeps));
    late["reward"]["within"] = json!("90d");
    let (result, _) = backtest(&server, late).await;
    assert!(result["lift"]["detail"].as_str().unwrap().contains("not over"), "{}", result["lift"]);
}

#[tokio::test]
async fn whoever_refuses_is_left_out_and_counted() {
    let server = shop(12).await;
    let refusal = json!({"consent": {"categoryPreferences": {"analytics": false}}});
    server
        .track(&json!({"type": "track", "event": "Gone", "userId": "u3", "context": refusal}))
        .await;
    let (result, _) = backtest(&server, period()).await;
    assert_eq!(result["people"], json!(11));
    assert_eq!(result["left_out"]["people_without_consent"], json!(1));
}

#[tokio::test]
async fn what_cannot_be_tested_is_said_before_anything_is_sent() {
    let server = shop(2).await;
    let mut verdicts = Vec::new();
    for (experience, body) in [
        ("offer", json!({})),
        ("nobody", period()),
        ("offer", json!({"from": "2030-01-01T00:00:00Z"})),
        ("offer", json!({"from": "2020-01-01T00:00:00Z"})),
        ("offer", json!({"from": NOW, "experiences": {"offer": offer(json!({"traffic": 2}))}})),
        (
            "offer",
            json!({"from": NOW, "experiences": {"offer": offer(json!({"placement": "none"}))}}),
        ),
        ("offer", json!({"from": NOW, "reward": {"event": "E", "within": "0s"}})),
        ("offer", json!({"from": NOW, "metric": "revenue"})),
    ] {
        let call = post(format!("/api/v1/experiences/{experience}/backtest"), body.to_string());
        let verdict = server.verdict(call.admin()).await;
        verdicts.push(verdict.split_once(':').map_or(verdict.clone(), |(code, _)| code.to_owned()));
    }
    expect_test::expect![[r#"
        400 invalid_request
        404 not_found
        422 invalid_definition
        422 invalid_definition
        422 invalid_definition
        422 invalid_definition
        422 invalid_definition
        400 invalid_request"#]]
    .assert_eq(&verdicts.join("\n"));
}

#[tokio::test]
async fn whoever_stops_reading_cancels() {
    let server = shop(2).await;
    let call = post("/api/v1/experiences/offer/backtest", period().to_string()).admin();
    let mut body = server.open(call).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"{\"progress\""));
    drop(body);
    // The place of the answer that was dropped is free again, and so on: only a few may run at once.
    for _ in 0..10 {
        let (result, _) = loop {
            let call = post("/api/v1/experiences/offer/backtest", period().to_string()).admin();
            if server.call(call).await.status.as_u16() != 429 {
                break backtest(&server, period()).await;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(result["people"], json!(2));
    }
}
