//! Results by other methods than the usual one, held against what the methods themselves say of the same sums.

use std::sync::atomic::{AtomicU32, Ordering};

use model::Duration;
use serde_json::{Value, json};
use stats::{
    effect::{Effect, Inference, Interval, Level, Scale},
    exact,
    looks::Boundaries,
    sample::Sums,
    sequence::mixture,
};

use crate::harness::{Server, get, post, put, server};

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

/// An experience of two variants that is read like this, and the metrics `bought` and `orders`.
async fn shop(server: &Server, method: Value) {
    define(server, "placements/hero", json!({"state": "live"})).await;
    for (key, kind) in [("bought", "conversion"), ("orders", "count")] {
        let metric = json!({"state": "live", "kind": kind, "event": "Ordered"});
        define(server, &format!("metrics/{key}"), metric).await;
    }
    define(server, "experiences/test", test(method)).await;
}

fn test(method: Value) -> Value {
    json!({"state": "live", "placement": "hero", "goal": "bought", "method": method,
        "variants": [{"key": "a"}, {"key": "b"}]})
}

/// Shows something to these users; of those who are shown `a` every `every[0]`th orders, of `b` every `every[1]`th.
async fn expose(server: &Server, users: std::ops::Range<u32>, every: [u32; 2]) {
    let mut seen = [0_u32; 2];
    for number in users {
        let user = format!("u{number}");
        let ask = json!({"identifiers": {"user_id": user}, "placements": ["hero"]});
        let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
        let place = usize::from(answer["decisions"][0]["variant"] == "b");
        seen[place] += 1;
        if seen[place].is_multiple_of(every[place]) {
            server.track(&json!({"type": "track", "event": "Ordered", "userId": user})).await;
        }
    }
}

static FLUSHES: AtomicU32 = AtomicU32::new(0);

/// Results, once everything is counted.
async fn results(server: &Server, query: &str) -> Value {
    let number = FLUSHES.fetch_add(1, Ordering::Relaxed);
    let id = format!("methods {number}");
    let flush = json!({"type": "track", "event": "Flush", "userId": "nobody", "messageId": id});
    server.track(&flush).await;
    server.engine.catch_up();
    server.ok(get(format!("/api/v1/experiences/test/results{query}")).admin()).await
}

fn arm<'a>(results: &'a Value, metric: &str, arm: &str) -> &'a Value {
    let find = |all: &'a Value, name: &str, key: &str| -> &'a Value {
        all.as_array().unwrap().iter().find(|one| one[name] == *key).unwrap()
    };
    find(&find(&results["metrics"], "metric", metric)["arms"], "arm", arm)
}

/// The sums of both arms of `bought`, as results tell them.
fn sums(results: &Value) -> [Sums; 2] {
    ["a", "b"].map(|key| {
        let arm = arm(results, "bought", key);
        let count = |name: &str| arm[name].as_u64().unwrap();
        Sums::of_successes(count("units"), count("nonzero")).unwrap()
    })
}

fn effect(results: &Value, scale: Scale) -> Effect {
    let [a, b] = sums(results);
    Effect::new(scale, &a.as_share().unwrap(), &b.as_share().unwrap()).unwrap()
}

fn is_interval(told: &Value, Interval { low, high }: Interval) {
    for (name, expected) in [("low", low), ("high", high)] {
        let found = told[name].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{name} {found} is not {expected}");
    }
}

fn is_told(comparison: &Value, expected: &Inference) {
    is_interval(&comparison["absolute"], expected.interval);
    let p_value = comparison["p_value"].as_f64().unwrap();
    assert!((p_value - expected.p_value).abs() < 1e-9, "{p_value} {expected:?}");
}

#[tokio::test]
async fn planned_looks_are_the_same_whenever_somebody_asks() {
    let server = server();
    shop(&server, json!({"kind": "planned_looks", "units": 800, "looks": 2})).await;
    expose(&server, 0..500, [4, 3]).await;
    let before = results(&server, "").await;
    assert_eq!(before["looks"]["next"], json!({"look": 1, "units": 400}), "the day is not over");
    assert_eq!(before["arms"][0]["units"], 0, "{before:#}");
    let reason = before["verdict"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("none of the planned looks has come yet"), "{reason}");
    server.clock.advance(Duration::days(1));
    let first = results(&server, "").await;
    let look = json!({"at": "2026-11-22T23:59:59.999Z", "units": 500, "share": 0.625});
    assert_eq!(
        (&first["method"], &first["looks"]["taken"]),
        (&json!("planned_looks"), &json!([look]))
    );
    assert_eq!(
        (&first["as_of"], &first["looks"]["next"]),
        (&look["at"], &json!({"look": 2, "units": 800}))
    );
    let told = &arm(&first, "bought", "b")["comparison"];
    let boundaries = Boundaries::new(&[0.625], Level::FIVE_PERCENT, 3.0).unwrap();
    let expected = boundaries.look(0, &effect(&first, Scale::Absolute)).unwrap();
    is_interval(&told["absolute"], expected.interval);
    // More come, and nobody sees them before the next look.
    expose(&server, 500..820, [4, 2]).await;
    let again = results(&server, "?series=true").await;
    assert_eq!((&again["metrics"], &again["looks"]), (&first["metrics"], &first["looks"]));
    assert_eq!(again["series"], Value::Null);
    server.clock.advance(Duration::days(2));
    let last = results(&server, "").await;
    assert_eq!(
        (last["looks"]["taken"].as_array().unwrap().len(), &last["looks"]["next"]),
        (2, &Value::Null)
    );
    assert_eq!(last["looks"]["taken"][1]["share"], 1.0);
    let boundaries = Boundaries::new(&[0.625, 1.0], Level::FIVE_PERCENT, 3.0).unwrap();
    let expected = boundaries.look(1, &effect(&last, Scale::Absolute)).unwrap();
    is_interval(&arm(&last, "bought", "b")["comparison"]["absolute"], expected.interval);
    // A question may still say otherwise.
    let always = results(&server, "?method=sequential").await;
    assert_eq!((&always["method"], &always["looks"]), (&json!("sequential"), &Value::Null));
}

#[tokio::test]
async fn a_mixture_is_tuned_by_the_question_the_experience_or_the_metric() {
    let server = server();
    shop(&server, json!({"kind": "msprt", "effect": 0.5})).await;
    expose(&server, 0..600, [4, 2]).await;
    let is_tuned = |read: &Value, size: f64| {
        let comparison = &arm(read, "bought", "b")["comparison"];
        assert_eq!(comparison["method"], "msprt");
        let absolute = size * sums(read)[0].mean().unwrap();
        let expected = mixture(&effect(read, Scale::Absolute), Level::FIVE_PERCENT, absolute);
        is_told(comparison, &expected.unwrap());
        let expected = mixture(&effect(read, Scale::Relative), Level::FIVE_PERCENT, size).unwrap();
        is_interval(&comparison["relative"], expected.interval);
    };
    is_tuned(&results(&server, "").await, 0.5);
    is_tuned(&results(&server, "?method=msprt&effect=0.2").await, 0.2);
    define(&server, "experiences/test", test(json!({"kind": "sequential"}))).await;
    let without = results(&server, "?method=msprt").await;
    let why = arm(&without, "bought", "b")["why_not"].as_str().unwrap();
    assert!(why.ends_with("or the metric a `smallest_effect`"), "{why}");
    let metric =
        json!({"state": "live", "kind": "conversion", "event": "Ordered", "smallest_effect": 0.1});
    define(&server, "metrics/bought", metric).await;
    is_tuned(&results(&server, "?method=msprt").await, 0.1);
}

#[tokio::test]
async fn shares_of_few_are_compared_exactly() {
    let server = server();
    shop(&server, json!({"kind": "sequential"})).await;
    expose(&server, 0..120, [30, 2]).await;
    let read = results(&server, "").await;
    let comparison = &arm(&read, "bought", "b")["comparison"];
    let [a, b] = sums(&read);
    let expected = exact::shares(Scale::Absolute, &a, &b, Level::FIVE_PERCENT).unwrap();
    assert_eq!((&read["method"], &comparison["method"]), (&json!("sequential"), &json!("exact")));
    is_told(comparison, &expected);
    assert_eq!(
        (&comparison["surely"], &read["verdict"]["verdict"]),
        (&json!("better"), &json!("ship"))
    );
    let why = |read: &Value| arm(read, "orders", "b")["why_not"].as_str().unwrap().to_owned();
    assert_eq!(why(&read), "there is not enough yet to say anything");
    let asked = results(&server, "?method=exact").await;
    assert_eq!(&arm(&asked, "bought", "b")["comparison"], comparison);
    assert!(
        why(&asked).starts_with("the exact sequence is for shares of units"),
        "{}",
        why(&asked)
    );
}

#[tokio::test]
async fn what_does_not_fit_is_told_where() {
    let server = server();
    shop(&server, json!({"kind": "sequential"})).await;
    let mut told = Vec::new();
    let adaptive = json!({"kind": "adaptive", "policy": "thompson"});
    for (method, allocation) in [
        (json!({"kind": "planned_looks", "units": 10, "looks": 13}), json!({"kind": "fixed"})),
        (json!({"kind": "msprt", "effect": 0}), json!({"kind": "fixed"})),
        (json!({"kind": "exact"}), adaptive.clone()),
        (json!({"kind": "fixed"}), adaptive),
    ] {
        let mut document = test(method);
        document["allocation"] = allocation;
        told.push(server.verdict(put("/api/v1/experiences/test", &document).admin()).await);
    }
    for query in ["method=planned_looks", "effect=0.1", "method=msprt&effect=-1", "method=magic"] {
        let path = format!("/api/v1/experiences/test/results?{query}");
        told.push(server.verdict(get(path).admin()).await);
    }
    let planned = json!({"kind": "planned_looks", "units": 800, "looks": 2});
    define(&server, "experiences/test", test(planned)).await;
    let path = "/api/v1/experiences/test/results?breakdown=device.type";
    told.push(server.verdict(get(path).admin()).await);
    expect_test::expect![[r#"
        422 invalid_definition: the document has 2 faults
        422 invalid_definition: /method/effect: a size of effect is from 0.0001 to 10, as in 0.05
        422 invalid_definition: /method/kind: where shares follow what units did, results are read by `sequential` or `fixed`
        200
        422 invalid_definition: /method: the experience has planned no looks: its `method` is where they are
        422 invalid_definition: /effect: only `msprt` is for a size of effect
        422 invalid_definition: /effect: a size of effect is from 0.0001 to 10, as in 0.05
        400 invalid_request: `method` is one of sequential, msprt, planned_looks, fixed, exact
        422 invalid_definition: /breakdown: looks are planned for all units together, and not for groups"#]].assert_eq(&told.join("\n"));
}
