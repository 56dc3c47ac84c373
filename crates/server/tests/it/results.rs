//! Stories about what experiences brought about, through the public interface alone.

use std::sync::atomic::{AtomicU32, Ordering};

use model::{Duration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{NOW, Server, get, post, put, server};

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

async fn placement(server: &Server) {
    define(server, "placements/hero", json!({"state": "live", "default": {"title": "Hello"}}))
        .await;
}

static FLUSHES: AtomicU32 = AtomicU32::new(0);

async fn results(server: &Server, query: &str) -> Value {
    // Decisions are recorded with the next batch at the latest.
    let number = FLUSHES.fetch_add(1, Ordering::Relaxed);
    server.track(&json!({"type": "track", "event": "Flush", "userId": "nobody", "messageId": format!("flush {number}")})).await;
    server.engine.catch_up();
    server.ok(get(format!("/api/v1/experiences/test/results{query}")).admin()).await
}

/// Asks what somebody is shown, and answers with the variant.
async fn decide(server: &Server, identifiers: Value) -> String {
    let ask = json!({"identifiers": identifiers, "placements": ["hero"]});
    let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
    answer["decisions"][0]["variant"].as_str().unwrap_or("none").to_owned()
}

fn order(user: &str, after: Duration, revenue: f64) -> Value {
    let at: Timestamp = NOW.saturating_add(after);
    json!({"type": "track", "event": "Order Completed", "userId": user, "timestamp": at,
        "properties": {"revenue": revenue, "currency": "EUR"}})
}

fn metric<'a>(results: &'a Value, key: &str) -> &'a Value {
    let all = results["metrics"].as_array().unwrap();
    all.iter().find(|metric| metric["metric"] == key).unwrap()
}

fn arm<'a>(result: &'a Value, key: &str) -> &'a Value {
    let all = result["arms"].as_array().unwrap();
    all.iter().find(|arm| arm["arm"] == key).unwrap()
}

async fn shop(server: &Server) {
    placement(server).await;
    define(
        server,
        "metrics/conversion",
        json!({"state": "live", "kind": "conversion", "event": "Order Completed", "window": "7d"}),
    )
    .await;
    define(server, "metrics/revenue",
        json!({"state": "live", "kind": "sum", "event": "Order Completed", "property": "revenue", "currency": "EUR"}))
    .await;
    define(
        server,
        "metrics/order_value",
        json!({"state": "live", "kind": "mean", "event": "Order Completed", "property": "revenue"}),
    )
    .await;
    define(
        server,
        "experiences/test",
        json!({"state": "live", "placement": "hero", "goal": "conversion", "variants": [
            {"key": "a", "content": {"title": "A"}}, {"key": "b", "content": {"title": "B"}}]}),
    )
    .await;
}

#[tokio::test]
async fn exposures_and_orders_become_results() {
    let server = server();
    shop(&server).await;
    let before = results(&server, "").await;
    assert_eq!(before["verdict"]["verdict"], "collecting");
    assert_eq!(before["verdict"]["reason"], "nobody has been exposed yet");
    let (mut units, mut orders) = ([0_u64; 2], [0_u64; 2]);
    for number in 0..600 {
        let user = format!("u{number}");
        let variant = decide(&server, json!({"user_id": user})).await;
        let place = usize::from(variant == "b");
        units[place] += 1;
        // Of `a` every fourth buys, of `b` every second; an order before the exposure or after the window is none.
        if units[place] % (4 - 2 * place as u64) == 0 {
            orders[place] += 1;
            server.clock.set(NOW.saturating_add(Duration::days(10)));
            server.track(&order(&user, Duration::hours(1), 20.0)).await;
            server.track(&order(&user, Duration::days(8), 5.0)).await;
            server.clock.set(NOW);
        }
    }
    server.clock.set(NOW.saturating_add(Duration::days(10)));
    let read = results(&server, "").await;
    assert_eq!(read["split"]["verdict"], "as_planned", "{read:#}");
    let conversion = metric(&read, "conversion");
    for (place, key) in ["a", "b"].into_iter().enumerate() {
        let found = arm(conversion, key);
        assert_eq!(found["units"], units[place], "{read:#}");
        assert_eq!(found["nonzero"], orders[place]);
        let value = arm(metric(&read, "order_value"), key)["value"].as_f64().unwrap();
        assert!((value - 12.5).abs() < 1e-9, "two orders each, not {value}");
    }
    assert_eq!(read["verdict"]["verdict"], "ship", "{read:#}");
    assert_eq!(read["verdict"]["variant"], "b");
    let fixed = results(&server, "?metric=revenue&method=fixed&confidence=0.9").await;
    assert_eq!(fixed["metrics"].as_array().unwrap().len(), 1);
    let wide = &arm(metric(&read, "revenue"), "b")["comparison"]["absolute"];
    let narrow = &arm(metric(&fixed, "revenue"), "b")["comparison"]["absolute"];
    assert_eq!(wide["lift"], narrow["lift"]);
    assert!(wide["low"].as_f64().unwrap() < narrow["low"].as_f64().unwrap());
}

#[tokio::test]
async fn a_person_who_logs_in_is_one_unit_and_who_saw_two_variants_is_none() {
    let server = server();
    shop(&server).await;
    // Two devices that see different variants before anybody knows that they are one person's.
    let mut seen: std::collections::BTreeMap<String, Vec<String>> =
        std::collections::BTreeMap::new();
    for number in 0..20 {
        let device = format!("d{number}");
        seen.entry(decide(&server, json!({"anonymous_id": device})).await)
            .or_default()
            .push(device);
    }
    let exposed = |read: &Value| -> u64 {
        read["arms"].as_array().unwrap().iter().map(|arm| arm["units"].as_u64().unwrap()).sum()
    };
    let read = results(&server, "").await;
    assert_eq!((exposed(&read), &read["several"]["units"]), (20, &json!(0)));
    let login = |device: &str, user: &str| json!({"type": "identify", "userId": user, "anonymousId": device});
    let same = &seen["a"];
    server.track(&login(&same[0], "one")).await;
    server.track(&login(&same[1], "one")).await;
    let read = results(&server, "").await;
    assert_eq!(
        (exposed(&read), &read["several"]["units"]),
        (19, &json!(0)),
        "two devices, one unit"
    );
    server.track(&login(&seen["b"][0], "one")).await;
    let read = results(&server, "").await;
    assert_eq!(
        (exposed(&read), &read["several"]["units"]),
        (17, &json!(1)),
        "left out, counted, shown"
    );
    let ask = json!({"type": "erase", "identifier": {"type": "user_id", "value": "one"}});
    server.ok(post("/api/v1/privacy/requests", ask.to_string()).admin()).await;
    server.clock.advance(Duration::seconds(5));
    results(&server, "").await;
    server.clock.advance(Duration::seconds(5));
    let read = results(&server, "").await;
    assert_eq!((exposed(&read), &read["several"]["units"]), (17, &json!(0)), "erased, and gone");
}

#[tokio::test]
async fn withheld_is_not_nothing_and_bad_metrics_are_told_where() {
    let server = server();
    shop(&server).await;
    for number in 0..10 {
        let user = format!("u{number}");
        decide(&server, json!({"user_id": user})).await;
        let mut order = order(&user, Duration::hours(-1), 1.0);
        if number < 4 {
            order["context"] = json!({"consent": {"categoryPreferences": {"analytics": false}}});
        }
        server.track(&order).await;
    }
    let read = results(&server, "?metric=conversion").await;
    let sum = |name: &str| -> u64 {
        let arms = read["metrics"][0]["arms"].as_array().unwrap();
        arms.iter().map(|arm| arm[name].as_u64().unwrap()).sum()
    };
    assert_eq!((sum("units"), sum("withheld")), (6, 4), "{read:#}");
    let bad = json!({"kind": "ratio", "event": "", "quantile": 2, "currency": "euro"});
    let answer = server.call(put("/api/v1/metrics/bad", &bad).admin()).await;
    assert_eq!(answer.status, 422);
    let faults = answer.json();
    let pointers: Vec<&str> = faults["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers, ["/event", "/denominator", "/quantile", "/currency"]);
    let verdict =
        server.verdict(get("/api/v1/experiences/test/results?method=magic").admin()).await;
    assert_eq!(
        verdict,
        "400 invalid_request: `method` is one of sequential, msprt, planned_looks, fixed, exact"
    );
}

#[tokio::test]
async fn a_holdout_tells_what_one_variant_brings_and_groups_are_told_apart() {
    let server = server();
    shop(&server).await;
    let experience = json!({"state": "live", "placement": "hero", "holdout": 0.5, "goal": "revenue",
        "variants": [{"key": "only", "content": {"title": "Only"}}]});
    define(&server, "experiences/test", experience).await;
    let mut held = 0;
    for number in 0..600_u32 {
        let user = format!("u{number}");
        let device = if number % 3 == 0 { "mobile" } else { "desktop" };
        let ask = json!({"identifiers": {"user_id": user}, "placements": ["hero"],
            "context": {"device": {"type": device}}});
        let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
        let is_held = answer["decisions"][0]["reason"] == "holdout";
        held += u64::from(is_held);
        let revenue = f64::from(number % 7) + if is_held { 10.0 } else { 30.0 };
        server.track(&order(&user, Duration::seconds(0), revenue)).await;
    }
    let read = results(&server, "?metric=revenue&breakdown=device.type&series=true").await;
    let revenue = metric(&read, "revenue");
    assert_eq!(revenue["arms"][0]["arm"], "holdout", "the control: {read:#}");
    assert_eq!(revenue["arms"][0]["units"], held);
    let only = arm(revenue, "only");
    assert_eq!(only["comparison"]["surely"], "better");
    let best = only["chance_best"].as_f64().unwrap();
    assert!(0.999 < best, "{best}");
    let lift = only["comparison"]["absolute"]["lift"].as_f64().unwrap();
    let impact = only["comparison"]["impact"]["lift"].as_f64().unwrap();
    assert!((impact - 600.0 * lift).abs() < 1e-6);
    let groups = read["groups"].as_array().unwrap();
    let names: Vec<&str> = groups.iter().map(|group| group["group"].as_str().unwrap()).collect();
    assert_eq!(names, ["desktop", "mobile"]);
    let units = |group: &Value| -> u64 {
        let arms = group["metrics"][0]["arms"].as_array().unwrap();
        arms.iter().map(|arm| arm["units"].as_u64().unwrap()).sum()
    };
    assert_eq!(groups.iter().map(units).collect::<Vec<_>>(), [400, 200]);
    let mobile = arm(&groups[1]["metrics"][0], "only");
    assert!(mobile["comparison"]["p_value_of_all"].is_number(), "{mobile:#}");
    assert_eq!(read["series"].as_array().unwrap().len(), 1, "no day is over");
    server.clock.advance(Duration::days(1));
    let read = results(&server, "?metric=revenue&series=true").await;
    let days = read["series"].as_array().unwrap();
    assert_eq!(days.len(), 2);
    assert_eq!(days[0]["at"], "2026-11-22T23:59:59.999Z");
    assert_eq!(days[0]["arms"], days[1]["arms"]);
    assert_eq!(read["units_per_day"], 0.0);
    let programme = server.ok(get("/api/v1/programme").admin()).await;
    assert_eq!(
        (&programme["won"], &programme["collecting"]),
        (&json!(1), &json!(0)),
        "{programme:#}"
    );
    let money = &programme["experiences"][0]["money"][0];
    assert_eq!((&money["metric"], &money["best_variant"]), (&json!("revenue"), &json!("only")));
    assert!(0.0 < money["against_holdout"]["impact"]["low"].as_f64().unwrap());
}

#[tokio::test]
async fn earlier_days_know_no_quantile_and_it_is_said() {
    let server = server();
    shop(&server).await;
    for (key, more) in [
        ("capped", json!({"kind": "sum", "cap": {"quantile": 0.9}})),
        ("middle", json!({"kind": "quantile", "quantile": 0.5})),
    ] {
        let mut metric =
            json!({"state": "live", "event": "Order Completed", "property": "revenue"});
        metric.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        define(&server, &format!("metrics/{key}"), metric).await;
    }
    // At first `b` brings three times as much, and later no more than `a`.
    let wave = async |first: u32, after: Duration, of_b: f64| {
        for number in first..first + 200 {
            let user = format!("u{number}");
            let is_b = decide(&server, json!({"user_id": user})).await == "b";
            let revenue = f64::from(number % 7) + if is_b { of_b } else { 10.0 };
            server.track(&order(&user, after, revenue)).await;
        }
    };
    wave(0, Duration(0), 30.0).await;
    results(&server, "").await;
    server.clock.advance(Duration::days(1));
    results(&server, "").await;
    server.clock.advance(Duration::days(15));
    wave(200, Duration::days(16), 10.0).await;
    let decays = |read: &Value| -> Vec<String> {
        let alarms = read["alarms"].as_array().unwrap().iter();
        let decays = alarms.filter(|alarm| alarm["alarm"] == "decay");
        decays.map(|alarm| alarm["statement"].as_str().unwrap().to_owned()).collect()
    };
    let notes = |read: &Value| read["notes"].to_string();
    let plain = results(&server, "?metric=revenue&series=true").await;
    assert!(decays(&plain)[0].contains("`b` by `revenue` decays"), "{plain:#}");
    assert!(!decays(&plain)[0].contains("without the cap") && !notes(&plain).contains("`series`"));
    let capped = results(&server, "?metric=capped&series=true").await;
    assert!(decays(&capped)[0].contains("without the cap"), "{capped:#}");
    assert!(notes(&capped).contains("`series` tells `capped` without its cap"), "{capped:#}");
    let values = |read: &Value| -> Vec<Value> {
        let days = read["series"].as_array().unwrap().iter();
        days.map(|day| arm(day, "b")["value"].clone()).collect()
    };
    assert_eq!((values(&capped).len(), values(&capped)), (3, values(&plain)), "by the same sums");
    assert!(!notes(&results(&server, "?metric=capped").await).contains("`series`"));
    let middle = results(&server, "?metric=middle&series=true").await;
    assert_eq!((&middle["series"], decays(&middle)), (&json!([]), Vec::new()), "{middle:#}");
    assert!(notes(&middle).contains("`series` has no days of `middle`"), "{middle:#}");
}

#[tokio::test]
async fn what_was_changed_while_it_ran_is_said() {
    let server = server();
    shop(&server).await;
    let decided = |from: u32, to: u32| {
        let server = &server;
        async move {
            for number in from..to {
                decide(server, json!({"user_id": format!("u{number}")})).await;
            }
        }
    };
    decided(0, 100).await;
    define(&server, "experiences/test",
        json!({"state": "live", "placement": "hero", "goal": "conversion", "variants": [
            {"key": "a", "weight": 9, "content": {"title": "A"}}, {"key": "b", "content": {"title": "B"}}]})).await;
    decided(100, 300).await;
    define(
        &server,
        "metrics/late",
        json!({"state": "live", "kind": "count", "event": "Nothing Like This"}),
    )
    .await;
    let mut read = results(&server, "").await;
    for _ in 0..20 {
        if read["measured"] == 1.0 && arm(metric(&read, "late"), "a")["units"] != 0 {
            break;
        }
        read = results(&server, "").await;
    }
    assert_eq!(read["split"]["verdict"], "as_planned", "each version by itself: {read:#}");
    let planned = read["arms"][0]["planned_share"].as_f64().unwrap();
    assert!((planned - (0.5 * 100.0 + 0.9 * 200.0) / 300.0).abs() < 1e-9, "by both: {read:#}");
    let late = metric(&read, "late");
    let units: u64 =
        late["arms"].as_array().unwrap().iter().map(|arm| arm["units"].as_u64().unwrap()).sum();
    assert_eq!(units, 300, "measured for those before as well");
    let notes = late["notes"].as_array().unwrap();
    assert!(
        notes.iter().any(|note| note.as_str().unwrap().contains("check the name")),
        "{notes:?}"
    );
}

#[tokio::test]
async fn one_large_order_counts_for_no_more_than_the_cap() {
    let server = server();
    shop(&server).await;
    define(
        &server,
        "metrics/capped",
        json!({"state": "live", "kind": "sum", "event": "Order Completed",
        "property": "revenue", "cap": {"quantile": 0.99}}),
    )
    .await;
    let mut units = [0_u64; 2];
    for number in 0..300_u32 {
        let user = format!("u{number}");
        units[usize::from(decide(&server, json!({"user_id": user})).await == "b")] += 1;
        let revenue = if number < 2 { 1e6 } else { 10.0 };
        server.track(&order(&user, Duration::seconds(0), revenue)).await;
    }
    let value =
        |read: &Value, key: &str| arm(metric(read, "capped"), key)["value"].as_f64().unwrap();
    for round in 1..3 {
        let read = results(&server, "").await;
        assert!(
            metric(&read, "capped")["as_of"].is_null(),
            "it counts what all others do: {read:#}"
        );
        for (place, key) in ["a", "b"].into_iter().enumerate() {
            assert_eq!(arm(metric(&read, "capped"), key)["units"], units[place]);
            let expected = 10.0 * f64::from(round);
            assert!((value(&read, key) - expected).abs() < 1e-9, "{round}: {read:#}");
        }
        server.clock.advance(Duration::hours(1));
        for number in 0..300 {
            server.track(&order(&format!("u{number}"), Duration::seconds(1), 10.0)).await;
        }
    }
}

#[tokio::test]
async fn a_shared_holdout_tells_what_all_experiences_bring_together() {
    let server = server();
    shop(&server).await;
    define(&server, "placements/foot", json!({"state": "live"})).await;
    define(
        &server,
        "experiences/foot",
        json!({"state": "live", "placement": "foot",
        "variants": [{"key": "only", "content": {"title": "Only"}}]}),
    )
    .await;
    define(
        &server,
        "holdouts/everything",
        json!({"state": "live", "share": 0.3, "name": "Everything"}),
    )
    .await;
    let mut units = [0_u64; 2];
    for number in 0..600_u32 {
        let user = format!("u{number}");
        // Whoever comes to both counts once.
        let placements = if number % 2 == 0 { json!(["hero", "foot"]) } else { json!(["foot"]) };
        let ask = json!({"identifiers": {"user_id": user}, "placements": placements});
        let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
        let is_held = answer["decisions"][0]["reason"] == "holdout";
        units[usize::from(is_held)] += 1;
        let revenue = f64::from(number % 7) + if is_held { 10.0 } else { 30.0 };
        server.track(&order(&user, Duration::seconds(0), revenue)).await;
    }
    let read = results(&server, "").await;
    assert_eq!(read["metrics"][0]["arms"][2]["arm"], "shared_holdout", "{read:#}");
    let programme = server.ok(get("/api/v1/programme").admin()).await;
    let told = programme["experiences"].as_array().unwrap();
    let told: Vec<&str> = told.iter().map(|one| one["experience"].as_str().unwrap()).collect();
    assert_eq!(told, ["foot", "test"], "a holdout is no experience");
    let everything = &programme["holdouts"][0];
    assert_eq!((&everything["holdout"], &everything["share"]), (&json!("everything"), &json!(0.3)));
    assert_eq!(everything["units"], units[0], "{everything:#}");
    assert_eq!(everything["held_out_units"], units[1]);
    assert_eq!(everything["split"]["verdict"], "as_planned", "{everything:#}");
    let money = &everything["money"][0];
    assert_eq!((&money["metric"], &money["currency"]), (&json!("revenue"), &json!("EUR")));
    let compared = &arm(&money["result"], "programme")["comparison"];
    assert_eq!(compared["surely"], "better", "{money:#}");
    assert!(compared["relative"]["low"].as_f64().unwrap() > 0.0, "{money:#}");
    let per_unit = |name: &str| compared["absolute"][name].as_f64().unwrap();
    assert!((19.0..21.0).contains(&per_unit("lift")), "{money:#}");
    for (all, one) in [("value", "lift"), ("low", "low"), ("high", "high")] {
        let all = money["impact"][all].as_f64().unwrap();
        assert!((all - per_unit(one) * units[0] as f64).abs() < 1e-6, "{money:#}");
    }
}

#[tokio::test]
async fn a_winner_that_nobody_is_held_out_of_raises_an_alarm() {
    let server = server();
    shop(&server).await;
    let shipped = |more: Value| {
        let mut document = json!({"state": "live", "placement": "hero", "goal": "conversion", "variants": [
            {"key": "a", "weight": 0, "content": {"title": "A"}}, {"key": "b", "content": {"title": "B"}}]});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        document
    };
    let alarms = async || {
        let programme = server.ok(get("/api/v1/programme").admin()).await;
        let alarms = programme["experiences"][0]["alarms"].as_array().unwrap().clone();
        assert_eq!(results(&server, "").await["alarms"], json!(alarms));
        let names = alarms.iter().map(|alarm| alarm["alarm"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(alarms().await, [""; 0], "it is still an experiment");
    define(&server, "experiences/test", shipped(json!({}))).await;
    assert_eq!(alarms().await, ["unheld"]);
    define(&server, "experiences/test", shipped(json!({"holdout": 0.05}))).await;
    assert_eq!(alarms().await, [""; 0]);
    define(&server, "experiences/test", shipped(json!({"tags": ["site"]}))).await;
    let holdout = json!({"state": "live", "share": 0.1, "experience_tags": ["site"]});
    define(&server, "holdouts/site", holdout).await;
    assert_eq!(alarms().await, [""; 0], "a shared holdout does as well");
}

#[tokio::test]
async fn what_an_order_was_worth_before_is_taken_out_of_what_it_is_worth() {
    let server = server();
    shop(&server).await;
    let mut before = Vec::new();
    for number in 0..400_u32 {
        let user = format!("u{number}");
        // Some have bought before, once or twice, each for about as much as they always do.
        before.extend((0..number % 3).map(|times| {
            let at = Duration::hours(-24 - i64::from(times));
            order(&user, at, f64::from(10 + number % 13))
        }));
    }
    for order in before {
        server.track(&order).await;
    }
    for number in 0..400_u32 {
        let user = format!("u{number}");
        decide(&server, json!({"user_id": user})).await;
        server
            .track(&order(&user, Duration::seconds(0), f64::from(10 + number % 13 + number % 2)))
            .await;
    }
    let reduction = async |query: &str| {
        let read = results(&server, query).await;
        let compared = arm(metric(&read, "order_value"), "b")["comparison"].clone();
        compared["variance_reduction"].as_f64().unwrap_or_else(|| panic!("{read:#}"))
    };
    let reduced = reduction("").await;
    assert!(0.3 < reduced, "{reduced}");
    assert!(reduction("?adjusted=false").await < 1e-12);
}
