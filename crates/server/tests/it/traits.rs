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
        422 invalid_definition: /window: unknown field `window`, expected one of `key`, `name`, `description`, `tags`, `state`, `purpose`, `sensitivity`, `event`, `where`, `within`, `measure`, `property`, `weight`, `half_life`, `limit`, `timezone`, `levels`
            /window: unknown field `window`, expected one of `key`, `name`, `description`, `tags`, `state`, `purpose`, `sensitivity`, `event`, `where`, `within`, `measure`, `property`, `weight`, `half_life`, `limit`, `timezone`, `levels`
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

#[tokio::test]
async fn a_policy_keeps_what_it_says_whatever_arrives_first_and_on_every_device() {
    let server = server();
    for (key, more) in [
        ("city", json!({"merge": "first"})),
        ("best", json!({"merge": "max"})),
        ("points", json!({"merge": "sum"})),
        ("tags", json!({"merge": "union", "limit": 3})),
    ] {
        server.define(&format!("traits/{key}"), more).await;
    }
    let said = [
        ("a", 30, json!({"city": "Lund", "best": 4, "points": 5, "tags": ["x", "y"]})),
        ("b", 10, json!({"city": "Ystad", "best": 9, "points": 7, "tags": "z"})),
        ("a", 20, json!({"city": "Malmö", "best": null, "points": 1, "tags": ["y", "w"]})),
    ];
    for (device, minutes, traits) in said {
        let at = model::Timestamp(crate::harness::NOW.0 - 3_600_000 + minutes * 60_000);
        server
            .track(&json!({"type": "identify", "userId": "u1", "anonymousId": device,
                "traits": traits, "timestamp": at}))
            .await;
    }
    let traits = server.profile().await["traits"].clone();
    assert_eq!(traits["city"]["value"], "Ystad");
    assert_eq!(traits["best"]["value"], 9);
    assert_eq!(traits["points"]["value"], 13);
    assert_eq!(traits["tags"]["value"], json!(["y", "x", "w"]));

    // Another policy is another fold of the same events.
    server.define("traits/city", json!({"merge": "last"})).await;
    server.define("traits/tags", json!({"merge": "last"})).await;
    server.define("traits/best", json!({"merge": "sum"})).await;
    server.track(&json!({"type": "identify", "userId": "u1", "traits": {"seen": true}})).await;
    let traits = server.profile().await["traits"].clone();
    assert_eq!(traits["city"]["value"], "Lund");
    assert_eq!(traits["tags"]["value"], json!(["x", "y"]));
    assert_eq!(traits["best"]["value"], 13);
}

/// Somebody with a number that few may see, and a visit that few may know of.
async fn clinic() -> Server {
    let server = server();
    server
        .define("traits/ssn", json!({"sensitivity": "sensitive", "declared_use": "Credit checks"}))
        .await;
    let visits = json!({"event": "Clinic Visited", "measure": "count", "sensitivity": "sensitive"});
    server.define("computed_traits/visits", visits).await;
    server.define("placements/p", json!({})).await;
    let text = "{{ profile.traits.name }}:{{ profile.traits.ssn }}:{{ profile.computed.visits }}";
    let experience = json!({"placement": "p",
        "public_fields": ["traits.ssn", "traits.name", "computed.visits"],
        "variants": [{"key": "a", "content": {"text": text}}]});
    server.define("experiences/e", experience).await;
    server.define("audiences/known", json!({"condition": {"trait": "ssn", "op": "exists"}})).await;
    let traits = json!({"name": "Ann", "ssn": "19900101-1234"});
    server.track(&json!({"type": "identify", "userId": "u1", "traits": traits})).await;
    server.does("Clinic Visited", json!({})).await;
    server
}

#[tokio::test]
async fn sensitive_values_are_seen_by_those_alone_who_may() {
    let server = clinic().await;
    let all = server.token(&["profiles:read", "profiles:sensitive"]).await;
    let some = server.token(&["profiles:read"]).await;
    let read = async |token: &str, path: &str| {
        server.ok(get(path).header("authorization", format!("Bearer {token}"))).await
    };
    let lookup = "/api/v1/profiles/lookup?type=user_id&value=u1";
    let (full, masked) = (read(&all, lookup).await, read(&some, lookup).await);
    assert_eq!(full["traits"]["ssn"]["value"], "19900101-1234");
    assert_eq!(full["computed"]["visits"]["value"], 1);
    for place in ["/traits/ssn", "/computed/visits"] {
        let shown = masked.pointer(place).unwrap();
        assert_eq!((&shown["value"], &shown["masked"]), (&Value::Null, &json!(true)), "{place}");
    }
    assert_eq!(masked["traits"]["name"]["value"], "Ann");
    let id = full["id"].as_str().unwrap();
    let explain = format!("/api/v1/profiles/{id}/explain?placement=p");
    for path in [lookup.to_owned(), format!("/api/v1/profiles/{id}/timeline"), explain.clone()] {
        assert!(read(&all, &path).await.to_string().contains("19900101"), "{path} shows it");
        assert!(!read(&some, &path).await.to_string().contains("19900101"), "{path} masks it");
    }
    let of_audience = format!("/api/v1/audiences/known/explain?profile={id}");
    for path in [explain, of_audience] {
        let explained = read(&some, &path).await.to_string();
        assert!(explained.contains("trait ssn is masked, wanted exists"), "{path}: {explained}");
    }
}

#[tokio::test]
async fn what_was_set_aside_or_is_to_be_merged_shows_no_sensitive_values() {
    let server = clinic().await;
    let traits = json!({"email": "family@example.org", "ssn": "19900101-1234"});
    let identify = |user: &str| json!({"type": "identify", "userId": user, "messageId": user, "traits": traits});
    for user in ["u2", "u3"] {
        server.track(&identify(user)).await;
    }
    server.track(&json!({"type": "track", "userId": "u1", "traits": traits})).await;
    server
        .define(
            "event_schemas/no_ssn",
            json!({"event": "Identify", "mode": "block",
        "traits": {"not": {"required": ["ssn"]}}}),
        )
        .await;
    server.track(&identify("u4")).await;
    let all = server.token(&["profiles:read", "profiles:sensitive"]).await;
    let some = server.token(&["profiles:read"]).await;
    let read = async |token: &str, path: &str| {
        server.ok(get(path).header("authorization", format!("Bearer {token}"))).await
    };
    let mut paths = Vec::new();
    for (list, count) in [("merge_proposals", 1), ("quarantine", 2)] {
        let listed = read(&some, &format!("/api/v1/{list}")).await;
        assert!(!listed.to_string().contains("19900101"), "{listed}");
        let items = listed["items"].as_array().unwrap();
        assert_eq!(items.len(), count, "{listed}");
        paths.extend(
            items.iter().map(|item| format!("/api/v1/{list}/{}", item["id"].as_str().unwrap())),
        );
    }
    for path in paths {
        assert!(read(&all, &path).await.to_string().contains("19900101"), "{path} shows it");
        let masked = read(&some, &path).await.to_string();
        assert!(!masked.contains("19900101") && masked.contains("masked"), "{path}: {masked}");
    }
}

#[tokio::test]
async fn the_document_of_an_access_request_is_whole_for_those_alone_who_may_see_all() {
    let server = clinic().await;
    let ask = json!({"type": "access", "identifier": {"type": "user_id", "value": "u1"}});
    let filed = server.ok(post("/api/v1/privacy/requests", ask.to_string()).admin()).await;
    let path = format!("/api/v1/privacy/requests/{}/document", filed["id"].as_str().unwrap());
    for (scopes, is_whole) in
        [(&["privacy", "profiles:sensitive"][..], true), (&["privacy"][..], false)]
    {
        let token = server.token(scopes).await;
        let call = get(&path).header("authorization", format!("Bearer {token}"));
        let document = server.ok(call).await["profiles"][0].clone();
        assert_eq!(document.to_string().contains("19900101"), is_whole, "{document:#}");
        assert_eq!(document["profile"]["traits"]["name"]["value"], "Ann");
    }
}

#[tokio::test]
async fn public_calls_never_read_sensitive_values() {
    let server = clinic().await;
    let body = json!({"identifiers": {"user_id": "u1"}, "placements": ["p"]}).to_string();
    let decided = async |call: crate::harness::Call| server.ok(call).await["decisions"][0].clone();
    let token = server.token(&["decide"]).await;
    let of_server = post("/v1/decide", &body).header("authorization", format!("Bearer {token}"));
    let text = decided(of_server).await["content"]["text"].clone();
    assert_eq!(text, "Ann:19900101-1234:1", "a server renders what its reader is to see");
    server.define("sources/shop", json!({"kind": "public"})).await;
    let made = server.ok(post("/api/v1/sources/shop/write_keys", "").admin()).await;
    let key = made["write_key"].as_str().unwrap();
    let of_browser = || post("/v1/decide", &body).header("x-write-key", key);
    assert_eq!(decided(of_browser()).await["content"]["text"], "Ann::");
    for condition in [
        json!({"trait": "ssn", "op": "exists"}),
        json!({"computed": "visits", "op": "gte", "value": 1}),
    ] {
        let experience = json!({"placement": "p", "eligibility": {"any": [condition]},
            "variants": [{"key": "a", "content": {"text": "hello"}}]});
        server.define("experiences/e", experience).await;
        assert_eq!(decided(of_browser()).await["reason"], "no_consent", "{condition} is withheld");
    }
}

#[tokio::test]
async fn traits_without_a_use_are_told() {
    let server = server();
    server.define("traits/ssn", json!({"declared_use": "Credit checks"})).await;
    server.define("traits/shoe", json!({"trait": "shoeSize"})).await;
    server
        .define("audiences/locals", json!({"condition": {"trait": "address.city", "op": "exists"}}))
        .await;
    let first = server.ok(get("/api/v1/traits/usage?limit=1").admin()).await;
    assert_eq!(first["items"][0]["trait"], "address");
    assert_eq!(first["items"][0]["used_by"], json!([{"kind": "audiences", "key": "locals"}]));
    let path = format!("/api/v1/traits/usage?cursor={}", first["next_cursor"].as_str().unwrap());
    let rest = server.ok(get(path).admin()).await;
    let told: Vec<_> = rest["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["trait"].as_str().unwrap(), item["unused"].as_bool().unwrap()))
        .collect();
    assert_eq!(told, [("shoeSize", true), ("ssn", false)]);
}

/// Saves every document of the guide, each as what its fields show it to be.
#[tokio::test]
async fn every_example_of_the_guide_can_be_saved() {
    const PAGE: &str = include_str!("../../../../docs/guide/traits.md");
    let server = server();
    server.define("placements/home_hero", json!({})).await;
    let mut count = 0;
    let blocks = PAGE.split("```json").skip(1).filter_map(|rest| rest.split("```").next());
    for (place, block) in blocks.enumerate() {
        let document: Value = serde_json::from_str(block).unwrap();
        let kinds = [
            ("measure", "computed_traits"),
            ("stages", "stages"),
            ("variants", "experiences"),
            ("merge", "traits"),
        ];
        let (_, kind) = kinds.into_iter().find(|(field, _)| document.get(field).is_some()).unwrap();
        let names = ["price_tier", "skill", "example", "car", "first_campaign"];
        server.define(&format!("{kind}/{}", names[place]), document).await;
        count += 1;
    }
    assert_eq!(count, 5);
}
