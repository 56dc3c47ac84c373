//! Traits that are computed from events: defined, compared, shown and filled in over HTTP.

use engine::Clock as _;
use expect_test::expect;
use model::Duration;
use serde_json::{Value, json};

use crate::harness::{Server, get, post, put, server};

impl Server {
    /// Saves a live definition.
    async fn define(&self, path: &str, mut document: Value) {
        document["state"] = "live".into();
        self.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
    }

    /// Lets so much time pass.
    fn pass(&self, time: &str) {
        let time: Duration = time.parse().unwrap();
        self.clock.set(self.clock.now().saturating_add(time));
    }

    /// An event of user `u1`, now.
    async fn does(&self, event: &str, properties: Value) {
        let now = self.clock.now();
        self.track(&json!({"type": "track", "userId": "u1", "event": event,
            "properties": properties, "timestamp": now}))
            .await;
    }

    async fn profile(&self) -> Value {
        self.ok(get("/api/v1/profiles/lookup?type=user_id&value=u1").admin()).await
    }

    /// The content that `u1` is shown in the placement `p`, or why none.
    async fn shown(&self) -> Value {
        let body = json!({"identifiers": {"user_id": "u1"}, "placements": ["p"]});
        let bearer = format!("Bearer {}", crate::harness::TOKEN);
        let call = post("/v1/decide", body.to_string()).header("authorization", bearer);
        let decision = self.ok(call).await["decisions"][0].clone();
        if decision["content"].is_null() {
            decision["reason"].clone()
        } else {
            decision["content"].clone()
        }
    }
}

async fn shop() -> Server {
    let server = server();
    let order = "Order Completed";
    server
        .define(
            "computed_traits/orders",
            json!({"event": order, "within": "30d", "measure": "count"}),
        )
        .await;
    server
        .define(
            "computed_traits/tier",
            json!({"event": order, "measure": "median", "property": "price",
                "levels": [{"name": "budget"}, {"name": "luxury", "from": 100}]}),
        )
        .await;
    server
        .define(
            "computed_traits/brands",
            json!({"event": "Product Viewed", "measure": "affinity", "property": "brand", "half_life": "7d"}),
        )
        .await;
    server
}

#[tokio::test]
async fn computed_traits_are_shown_with_their_end() {
    let server = shop().await;
    for (brand, price) in [("acme", 80), ("zen", 200), ("acme", 150)] {
        server.does("Product Viewed", json!({"brand": brand})).await;
        server.does("Order Completed", json!({"price": price})).await;
        server.pass("1d");
    }
    let computed = server.profile().await["computed"].clone();
    assert_eq!(computed["orders"]["value"], 3);
    assert_eq!(computed["orders"]["valid_until"], "2026-12-22T12:00:00.000Z");
    assert_eq!(computed["tier"]["value"], "luxury");
    assert_eq!(computed["brands"]["value"], json!(["acme", "zen"]));
    let score = computed["brands"]["scores"]["acme"].as_f64().unwrap();
    let formula = (-3.0_f64 / 7.0).exp2() + (-1.0_f64 / 7.0).exp2();
    assert!((score - formula).abs() < 1e-12, "{score} is to be {formula}");
}

#[tokio::test]
async fn audiences_over_computed_traits_are_left_in_time() {
    let server = shop().await;
    let frequent = json!({"condition": {"computed": "orders", "op": "gte", "value": 2}});
    server.define("audiences/frequent", frequent).await;
    let fond =
        json!({"condition": {"computed": "brands", "item": "acme", "op": "gte", "value": 0.5}});
    server.define("audiences/fond", fond).await;
    server.does("Order Completed", json!({"price": 1})).await;
    server.does("Product Viewed", json!({"brand": "acme"})).await;
    server.pass("10d");
    server.does("Order Completed", json!({"price": 1})).await;
    let audiences = async || server.profile().await["audiences"].clone();
    let there = audiences().await;
    assert_eq!(there["frequent"]["member"], "true");
    assert_eq!(
        there["frequent"]["valid_until"], "2026-12-22T12:00:00.000Z",
        "the first order leaves"
    );
    assert_eq!(there["fond"]["member"], "false", "a week has halved the score");
    assert_eq!(there["fond"]["since"], "2026-11-29T12:00:00.001Z");
    server.pass("20d");
    assert_eq!(audiences().await["frequent"]["member"], "false");
}

#[tokio::test]
async fn an_edited_rule_counts_for_those_who_ask_about_it_at_once() {
    let server = shop().await;
    let frequent = json!({"condition": {"computed": "orders", "op": "gte", "value": 2}});
    server.define("audiences/frequent", frequent).await;
    server.does("Order Completed", json!({"price": 1, "gift": true})).await;
    server.does("Order Completed", json!({"price": 2})).await;
    assert_eq!(server.profile().await["audiences"]["frequent"]["member"], "true");
    server
        .define(
            "computed_traits/orders",
            json!({"event": "Order Completed", "measure": "count",
                "where": [{"property": "gift", "op": "missing"}]}),
        )
        .await;
    let profile = server.profile().await;
    assert_eq!(profile["computed"]["orders"]["value"], 1);
    // Somebody who is no member is only told of where a transition was recorded.
    assert_ne!(profile["audiences"]["frequent"]["member"], "true");
}

#[tokio::test]
async fn templates_read_computed_traits_of_their_purpose() {
    let server = shop().await;
    server.define("placements/p", json!({})).await;
    let text = "{{ profile.computed.tier }} {{ profile.computed.brands[0] }}";
    let experience = |purpose: &str| {
        json!({"placement": "p", "purpose": purpose,
            "variants": [{"key": "a", "content": {"text": text}}]})
    };
    server.define("experiences/e", experience("personalization")).await;
    server.does("Order Completed", json!({"price": 120})).await;
    server.does("Product Viewed", json!({"brand": "acme"})).await;
    assert_eq!(server.shown().await, json!({"text": "luxury acme"}));
    server.define("experiences/e", experience("analytics")).await;
    assert_eq!(server.shown().await, json!({"text": " "}), "they are for another purpose");
}

#[tokio::test]
async fn what_was_collected_without_the_purpose_is_withheld() {
    let server = shop().await;
    server
        .define(
            "audiences/rare",
            json!({"condition": {"computed": "orders", "op": "lt", "value": 2}}),
        )
        .await;
    let now = server.clock.now();
    let denied =
        json!({"consent": {"categoryPreferences": {"personalization": false, "analytics": true}}});
    server
        .track(&json!({"type": "track", "userId": "u1", "event": "Order Completed",
            "timestamp": now, "context": denied}))
        .await;
    let profile = server.profile().await;
    assert_eq!(profile["computed"]["orders"]["withheld"], true);
    assert_eq!(profile["computed"]["orders"]["value"], Value::Null);
    assert_eq!(profile["audiences"]["rare"], Value::Null, "neither in nor out");
}

#[tokio::test]
async fn faults_have_their_places_and_what_is_asked_about_stays() {
    let server = shop().await;
    let mut verdicts = Vec::new();
    for call in [
        put(
            "/api/v1/computed_traits/a",
            &json!({"event": "E", "measure": "count", "property": "p"}),
        ),
        put(
            "/api/v1/computed_traits/a",
            &json!({"event": "E", "measure": "count", "window": "1d"}),
        ),
        put(
            "/api/v1/computed_traits/a",
            &json!({"event": "E", "measure": "count", "purpose": "service"}),
        ),
        put(
            "/api/v1/computed_traits/a",
            &json!({"event": "E", "measure": "count", "purpose": "nosuch"}),
        ),
        put(
            "/api/v1/audiences/b",
            &json!({"condition": {"computed": "a", "op": "gte", "value": 1}}),
        ),
        put(
            "/api/v1/audiences/b",
            &json!({"purpose": "analytics",
            "condition": {"computed": "orders", "op": "gte", "value": 1}}),
        ),
        put(
            "/api/v1/audiences/b",
            &json!({"state": "live",
            "condition": {"not": {"computed": "orders", "op": "gte", "value": 1}}}),
        ),
        post("/api/v1/computed_traits/orders/state", r#"{"state":"archived"}"#),
    ] {
        let answer = server.call(call.admin()).await;
        let mut line = answer.summary();
        if !answer.status.is_success() {
            let errors = answer.json()["errors"].clone();
            for error in errors.as_array().into_iter().flatten() {
                let place = error["pointer"].as_str().unwrap();
                line.push_str(&format!("\n    {place}: {}", error["detail"].as_str().unwrap()));
            }
        }
        verdicts.push(line);
    }
    expect![[r#"
        422 invalid_definition: /property: `property` does not go with the measure `count`
            /property: `property` does not go with the measure `count`
        422 invalid_definition: /window: unknown field `window`, expected one of `key`, `name`, `description`, `tags`, `state`, `purpose`, `event`, `where`, `within`, `measure`, `property`, `weight`, `half_life`, `limit`, `timezone`, `levels`
            /window: unknown field `window`, expected one of `key`, `name`, `description`, `tags`, `state`, `purpose`, `event`, `where`, `within`, `measure`, `property`, `weight`, `half_life`, `limit`, `timezone`, `levels`
        422 invalid_definition: /purpose: nothing is computed under the purpose `service`
            /purpose: nothing is computed under the purpose `service`
        422 invalid_definition: /purpose: purpose `nosuch` does not exist
            /purpose: purpose `nosuch` does not exist
        422 invalid_definition: /condition/computed: computed trait `a` does not exist
            /condition/computed: computed trait `a` does not exist
        422 invalid_definition: /condition/computed: computed trait `orders` is for the purpose `personalization`; what asks about it needs the same
            /condition/computed: computed trait `orders` is for the purpose `personalization`; what asks about it needs the same
        201
        409 in_use: computed trait `orders` is used by audience `b`"#]].assert_eq(&verdicts.join("\n"));
}
