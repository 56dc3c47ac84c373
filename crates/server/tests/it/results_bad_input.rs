//! What results say of experiments that tell little or nothing: a clear statement each time, and never what is no
//! number. Exposures are stated by a server's events, so that each case is the same in each run.

use expect_test::{Expect, expect};
use model::Duration;
use serde_json::{Value, json};

use crate::harness::{NOW, Server, get, post, put, server};

/// A server with an experiment that somebody else decides.
struct Case {
    server: Server,
    write_key: String,
    users: usize,
}

/// Who is exposed to a variant, and what they order: the properties of one event each, none of `null`.
type Orders<'a> = (&'a str, &'a [Value]);

impl Case {
    async fn new(variants: &[&str]) -> Self {
        let server = server();
        let case = Self { write_key: String::new(), server, users: 0 };
        case.define("placements/elsewhere", json!({"state": "live"})).await;
        case.define("sources/backend", json!({"state": "live", "kind": "server"})).await;
        let made = case.server.ok(post("/api/v1/sources/backend/write_keys", "").admin()).await;
        let write_key = made["write_key"].as_str().unwrap().to_owned();
        let case = Self { write_key, ..case };
        case.metric("orders", json!({"kind": "conversion"})).await;
        case.metric("revenue", json!({"kind": "sum", "property": "revenue"})).await;
        case.metric("order_value", json!({"kind": "mean", "property": "revenue"})).await;
        let variants = variants.iter().map(|key| json!({"key": key})).collect();
        case.experience(json!({"goal": "orders"}), variants).await;
        case
    }

    async fn define(&self, path: &str, document: Value) {
        self.server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
    }

    async fn metric(&self, key: &str, mut more: Value) {
        let fields = more.as_object_mut().unwrap();
        fields.insert("state".into(), "live".into());
        fields.entry("event").or_insert("Order Completed".into());
        self.define(&format!("metrics/{key}"), more).await;
    }

    async fn experience(&self, more: Value, variants: Vec<Value>) {
        let mut document = json!({"state": "live", "placement": "elsewhere", "variants": variants,
            "allocation": {"kind": "external"}});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.define("experiences/test", document).await;
    }

    async fn send(&self, events: Vec<Value>) {
        for batch in events.chunks(400) {
            let body = json!({"batch": batch}).to_string();
            let call = post("/v1/batch", body).header("x-write-key", self.write_key.clone());
            self.server.ok(call).await;
        }
    }

    /// Exposes a person for each order.
    async fn expose(&mut self, arms: &[Orders<'_>]) {
        let mut events = Vec::new();
        for (variant, orders) in arms {
            for order in *orders {
                let user = format!("u{}", self.users);
                self.users += 1;
                events.push(json!({"type": "track", "event": "Experience Viewed", "userId": user,
                    "timestamp": NOW, "properties": {"experience": "test", "variant": variant}}));
                if !order.is_null() {
                    events
                        .push(json!({"type": "track", "event": "Order Completed", "userId": user,
                        "timestamp": NOW, "properties": order}));
                }
            }
        }
        self.send(events).await;
    }

    async fn results(&self) -> Value {
        self.server.engine.catch_up();
        self.server.ok(get("/api/v1/experiences/test/results").admin()).await
    }

    /// What is said of all, in lines; arms of which the same is said are one line.
    async fn check(&self, expect: Expect) {
        let results = self.results().await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let verdict = &results["verdict"];
        let mut lines =
            vec![format!("{}: {}", text(&verdict["verdict"]), text(&verdict["reason"]))];
        let notes = results["notes"].as_array().unwrap();
        lines.extend(notes.iter().map(|note| format!("note: {}", text(note))));
        for metric in results["metrics"].as_array().unwrap() {
            let key = text(&metric["metric"]);
            let notes = metric["notes"].as_array().into_iter().flatten();
            lines.extend(notes.map(|note| format!("{key}: {}", text(note))));
            for arm in metric["arms"].as_array().unwrap() {
                let name = text(&arm["arm"]);
                is_sound(&format!("{key} of {name}"), arm);
                if let Some(why_not) = arm["why_not"].as_str() {
                    lines.push(format!("{key}: of an arm: {why_not}"));
                }
            }
        }
        lines.dedup();
        expect.assert_eq(&lines.join("\n"));
    }
}

/// Each number is there, or it is said why not. What is no number would have become `null`.
fn is_sound(what: &str, arm: &Value) {
    let has_units = 0 < arm["units"].as_u64().unwrap();
    let is_told = arm["value"].is_number() || !has_units || arm["why_not"].is_string();
    assert!(is_told || arm["is_control"] == true, "{what}: {arm:#}");
    let comparison = &arm["comparison"];
    assert!(
        comparison.is_object() || arm["is_control"] == true || arm["why_not"].is_string(),
        "{what}: {arm:#}"
    );
    for part in ["absolute", "relative", "impact"].map(|part| &comparison[part]) {
        let numbers = part.as_object().into_iter().flatten();
        for (name, number) in numbers {
            assert!(number.is_number(), "{what}: {name} of {part}");
        }
    }
}

/// So many orders, of which every `every`th is this one and the others are none.
fn some(count: usize, every: usize, order: &Value) -> Vec<Value> {
    let of = |place: usize| if place.is_multiple_of(every) { order.clone() } else { Value::Null };
    (0..count).map(of).collect()
}

fn revenue(amount: f64) -> Value {
    json!({"revenue": amount})
}

#[tokio::test]
async fn nobody_was_exposed() {
    let case = Case::new(&["a", "b"]).await;
    case.check(expect![[r#"
        collecting: nobody has been exposed yet
        orders: `a` has 0 so far; each arm needs 50 units that did it, and as many that did not before more is said than by the exact sequence
        orders: of an arm: there are no units
        order_value: `a` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        order_value: of an arm: there is not enough yet to say anything
        revenue: `a` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        revenue: of an arm: there is not enough yet to say anything"#]]).await;
}

#[tokio::test]
async fn there_is_one_variant() {
    let mut case = Case::new(&["only"]).await;
    case.expose(&[("only", &some(200, 2, &revenue(20.0)))]).await;
    case.check(expect!["collecting: everybody got the same, so there is nothing to compare with: add a second variant or a holdout"]).await;
}

#[tokio::test]
async fn one_variant_of_two_reached_nobody() {
    let mut case = Case::new(&["a", "b"]).await;
    case.expose(&[("a", &some(200, 2, &revenue(20.0)))]).await;
    case.check(expect![[r#"
        invalid: the arms do not have the shares of units that they should have (p = 6.40e-32): something loses or doubles units, and no number here can be trusted until it is found
        orders: `b` has 0 so far; each arm needs 50 units that did it, and as many that did not before more is said than by the exact sequence
        orders: of an arm: there are no units
        order_value: `b` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        order_value: of an arm: there is not enough yet to say anything
        revenue: `b` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        revenue: of an arm: there is not enough yet to say anything"#]]).await;
}

#[tokio::test]
async fn all_units_are_alike() {
    let mut case = Case::new(&["a", "b"]).await;
    case.experience(json!({"goal": "revenue"}), vec![json!({"key": "a"}), json!({"key": "b"})])
        .await;
    let same = some(100, 1, &revenue(20.0));
    case.expose(&[("a", &same), ("b", &same)]).await;
    case.check(expect![[r#"
        collecting: nothing can be said by `revenue`: all units of an arm have the same value, so that chance cannot be told from effect
        revenue: of an arm: all units of an arm have the same value, so that chance cannot be told from effect
        order_value: of an arm: all units of an arm have the same value, so that chance cannot be told from effect
        orders: `a` has 0 so far; each arm needs 50 units that did it, and as many that did not before more is said than by the exact sequence"#]]).await;
}

#[tokio::test]
async fn values_are_negative() {
    let mut case = Case::new(&["a", "b"]).await;
    case.experience(json!({"goal": "revenue"}), vec![json!({"key": "a"}), json!({"key": "b"})])
        .await;
    let refunds: Vec<Value> = (0..150).map(|place| revenue(-10.0 - f64::from(place % 5))).collect();
    case.expose(&[("a", &refunds), ("b", &refunds)]).await;
    case.check(expect![[r#"
        keep_running: by `revenue` no variant is surely better or worse than the control yet; with the units there are, a difference of 0.8666 or more is found four times out of five
        orders: `a` has 0 so far; each arm needs 50 units that did it, and as many that did not before more is said than by the exact sequence"#]]).await;
}

#[tokio::test]
async fn values_of_both_signs_balance() {
    let mut case = Case::new(&["a", "b"]).await;
    case.experience(json!({"goal": "revenue"}), vec![json!({"key": "a"}), json!({"key": "b"})])
        .await;
    let mixed: Vec<Value> =
        (0..150).map(|place| revenue(if place % 2 == 0 { 10.0 } else { -10.0 })).collect();
    case.expose(&[("a", &mixed), ("b", &mixed)]).await;
    case.check(expect![[r#"
        collecting: `a` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        revenue: `a` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        revenue: of an arm: there is not enough yet to say anything
        order_value: `a` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        order_value: of an arm: there is not enough yet to say anything
        orders: `a` has 0 so far; each arm needs 50 units that did it, and as many that did not before more is said than by the exact sequence"#]]).await;
}

#[tokio::test]
async fn values_are_missing_or_no_numbers() {
    let mut case = Case::new(&["a", "b"]).await;
    let odd = [
        json!({}),
        json!({"revenue": "12 EUR"}),
        json!({"revenue": null}),
        json!({"revenue": [1]}),
    ];
    let odd: Vec<Value> = odd.iter().cycle().take(120).cloned().collect();
    let mut with_none = odd.clone();
    with_none.extend(some(120, 1, &Value::Null));
    case.expose(&[("a", &with_none), ("b", &with_none)]).await;
    case.check(expect![[r#"
        keep_running: by `orders` no variant is surely better or worse than the control yet; with the units there are, a change of 43.2 % or more is found four times out of five
        order_value: `a` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        order_value: no exposed unit has sent `Order Completed` with a number other than 0 in `revenue` yet; check the names
        order_value: of an arm: there is not enough yet to say anything
        revenue: `a` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        revenue: no exposed unit has sent `Order Completed` with a number other than 0 in `revenue` yet; check the names
        revenue: of an arm: there is not enough yet to say anything"#]]).await;
}

#[tokio::test]
async fn values_are_larger_than_anything() {
    let mut case = Case::new(&["a", "b"]).await;
    let mut orders = some(150, 1, &revenue(10.0));
    orders.extend([revenue(1e300), revenue(-1e300), revenue(1e-300)]);
    case.expose(&[("a", &orders), ("b", &orders)]).await;
    case.check(expect![[r#"
        collecting: `a` has 0 so far; each arm needs 50 units that did it, and as many that did not before more is said than by the exact sequence
        orders: `a` has 0 so far; each arm needs 50 units that did it, and as many that did not before more is said than by the exact sequence
        order_value: `a` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        order_value: of an arm: there is not enough yet to say anything
        revenue: `a` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        revenue: of an arm: there is not enough yet to say anything"#]]).await;
}

#[tokio::test]
async fn a_metric_is_about_what_nobody_sends() {
    let mut case = Case::new(&["a", "b"]).await;
    case.metric("wishes", json!({"kind": "count", "event": "Wish Made"})).await;
    case.experience(json!({"goal": "wishes"}), vec![json!({"key": "a"}), json!({"key": "b"})])
        .await;
    let some = some(100, 2, &revenue(20.0));
    case.expose(&[("a", &some), ("b", &some)]).await;
    case.check(expect![[r#"
        collecting: `a` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        wishes: `a` has 0 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        wishes: no exposed unit has sent `Wish Made` yet; check the name
        wishes: of an arm: there is not enough yet to say anything
        order_value: of an arm: all units of an arm have the same value, so that chance cannot be told from effect"#]]).await;
}

#[tokio::test]
async fn no_goal_is_named() {
    let mut case = Case::new(&["a", "b"]).await;
    case.experience(json!({}), vec![json!({"key": "a"}), json!({"key": "b"})]).await;
    let some = some(100, 2, &revenue(20.0));
    case.expose(&[("a", &some), ("b", &some)]).await;
    case.check(expect![[r#"
        collecting: nothing can be said by `order_value`: all units of an arm have the same value, so that chance cannot be told from effect
        order_value: of an arm: all units of an arm have the same value, so that chance cannot be told from effect"#]]).await;
}

#[tokio::test]
async fn there_are_two_hundred_variants() {
    let names: Vec<String> = (0..200).map(|place| format!("v{place:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut case = Case::new(&names).await;
    let some = some(20, 2, &revenue(20.0));
    let arms: Vec<Orders<'_>> = names.iter().map(|name| (*name, some.as_slice())).collect();
    case.expose(&arms).await;
    assert_eq!(case.results().await["arms"].as_array().unwrap().len(), 200);
    case.check(expect![[r#"
        collecting: `v000` has 10 so far; each arm needs 50 units that did it, and as many that did not before anything is said
        orders: `v000` has 10 so far; each arm needs 50 units that did it, and as many that did not before anything is said
        orders: of an arm: there is not enough yet to say anything
        order_value: `v000` has 10 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        order_value: of an arm: there is not enough yet to say anything
        revenue: `v000` has 10 so far; each arm needs 50 units with a value other than 0, counted as fewer where few of them make up most before anything is said
        revenue: of an arm: there is not enough yet to say anything"#]]).await;
}

#[tokio::test]
async fn a_retired_variant_that_nobody_met_keeps_nobody_waiting() {
    let mut case = Case::new(&["a", "b"]).await;
    let retired = json!({"key": "never", "weight": 0});
    case.experience(
        json!({"goal": "orders"}),
        vec![json!({"key": "a"}), json!({"key": "b"}), retired],
    )
    .await;
    let some = some(200, 2, &revenue(20.0));
    case.expose(&[("a", &some), ("b", &some)]).await;
    let told: Vec<String> = case.results().await["arms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arm| arm["arm"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["a", "b"]);
    case.check(expect![[r#"
        keep_running: by `orders` no variant is surely better or worse than the control yet; with the units there are, a change of 49.3 % or more is found four times out of five
        order_value: of an arm: all units of an arm have the same value, so that chance cannot be told from effect"#]]).await;
}

#[tokio::test]
async fn clocks_go_wrong() {
    let mut case = Case::new(&["a", "b"]).await;
    case.expose(&[("a", &some(1, 1, &Value::Null)), ("b", &some(1, 1, &Value::Null))]).await;
    let order = |user: &str, id: &str, at: Duration, sent: Duration| {
        json!({"type": "track", "event": "Order Completed", "userId": user, "messageId": id,
            "timestamp": NOW.saturating_add(at), "sentAt": NOW.saturating_add(sent),
            "properties": revenue(20.0)})
    };
    let (day, hour) = (Duration::days(1), Duration::hours(1));
    // Two years ahead and saying so, a bit more than a year ahead and saying nothing of it, and right.
    case.send(vec![
        order("u0", "ahead", hour, hour),
        order("u1", "far", Duration::days(400), Duration::default()),
        order("u1", "behind", Duration(-day.0), Duration(-day.0)),
    ])
    .await;
    let results = case.results().await;
    let units = |arm: &str| {
        let arms = results["metrics"][0]["arms"].as_array().unwrap();
        arms.iter().find(|found| found["arm"] == arm).unwrap()["nonzero"].clone()
    };
    // What a sender's clock is off by is taken out; what lies far ahead is set aside.
    assert_eq!((units("a"), units("b")), (json!(1), json!(1)));
    let aside = case.server.ok(get("/api/v1/quarantine").admin()).await;
    assert_eq!(aside["items"][0]["code"], "timestamp_in_future", "{aside:#}");
}

#[tokio::test]
async fn definitions_change_meanwhile() {
    let mut case = Case::new(&["a", "b", "c"]).await;
    let some = some(200, 2, &revenue(20.0));
    case.expose(&[("a", &some), ("b", &some), ("c", &some)]).await;
    // An exposure that is stated counts under the version that acts when it is counted.
    case.results().await;
    // One variant goes, another gets more weight, and a metric is another one from now on.
    let variants = vec![json!({"key": "a"}), json!({"key": "b", "weight": 3})];
    case.experience(json!({"goal": "orders"}), variants).await;
    case.metric("revenue", json!({"kind": "sum", "property": "total"})).await;
    case.expose(&[("a", &some[..100]), ("b", &[&some[..], &some[..100]].concat())]).await;
    let mut read = case.results().await;
    for _ in 0..20 {
        if read["measured"] == 1.0 {
            break;
        }
        read = case.results().await;
    }
    assert_eq!(read["split"]["verdict"], "as_planned", "each version by itself: {read:#}");
    let note = read["notes"][0].as_str().unwrap();
    assert!(note.contains("changed while units were exposed (versions 1, 2)"), "{note}");
    for metric in read["metrics"].as_array().unwrap() {
        for arm in metric["arms"].as_array().unwrap() {
            is_sound("after a change", arm);
        }
    }
    let revenue = read["metrics"].as_array().unwrap().iter().find(|m| m["metric"] == "revenue");
    let note = revenue.unwrap()["notes"][1].as_str().unwrap();
    assert!(note.contains("with a number other than 0 in `total`"), "{note}");
}
