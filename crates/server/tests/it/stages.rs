//! Story S5: a car buyer moves from need over research and decision to customer, over weeks, on phone, laptop
//! and in the showroom; each channel continues where the last one stopped.

use engine::Clock as _;
use model::Duration;
use serde_json::{Value, json};

use crate::harness::{Server, TOKEN, get, post, put, server};

impl Server {
    /// An event on one of the buyer's devices, after so much time has passed.
    async fn visits(&self, after: &str, ids: Value, event: &str) {
        let after: Duration = after.parse().unwrap();
        self.clock.set(self.clock.now().saturating_add(after));
        let mut sent = json!({"type": "track", "event": event, "timestamp": self.clock.now()});
        for (name, value) in ids.as_object().unwrap() {
            sent[name] = value.clone();
        }
        self.track(&sent).await;
    }

    async fn stages_of(&self, kind: &str, value: &str) -> Value {
        let path = format!("/api/v1/profiles/lookup?type={kind}&value={value}");
        self.ok(get(path).admin()).await["stages"]["car"].clone()
    }

    /// What a device of the buyer is shown.
    async fn hero(&self, identifiers: Value) -> Value {
        let body = json!({"identifiers": identifiers, "placements": ["hero"]});
        let call =
            post("/v1/decide", body.to_string()).header("authorization", format!("Bearer {TOKEN}"));
        self.ok(call).await["decisions"][0]["content"]["text"].clone()
    }
}

async fn dealer(policy: &str) -> Server {
    let server = server();
    let definitions = [
        (
            "stages/car",
            json!({"policy": policy, "stages": [
                {"key": "need"},
                {"key": "research", "condition":
                    {"event": "Model Viewed", "within": "30d", "count": {"op": "gte", "value": 2}}},
                {"key": "decision", "condition": {"event": "Test Drive Booked", "within": "30d"}},
                {"key": "customer", "condition": {"event": "Order Completed"}}
            ]}),
        ),
        ("placements/hero", json!({})),
        (
            "experiences/brochure",
            json!({"placement": "hero", "priority": 2,
                "eligibility": {"stage": "car", "in": ["need", "research"]},
                "variants": [{"key": "a", "content": {"text": "models for you in {{ profile.stages.car }}"}}]}),
        ),
        (
            "experiences/seller",
            json!({"placement": "hero", "priority": 1,
                "eligibility": {"stage": "car", "in": ["decision"]},
                "variants": [{"key": "a", "content": {"text": "meet your seller"}}]}),
        ),
    ];
    for (path, mut document) in definitions {
        document["state"] = "live".into();
        server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
    }
    server
}

#[tokio::test]
async fn a_buyer_goes_on_where_the_last_channel_stopped() {
    let server = dealer("may_return").await;
    let (phone, laptop) = (json!({"anonymousId": "phone"}), json!({"anonymousId": "laptop"}));
    server.visits("0s", phone.clone(), "Model Viewed").await;
    assert_eq!(server.stages_of("anonymous_id", "phone").await["stage"], "need");
    assert_eq!(server.hero(json!({"anonymous_id": "phone"})).await, "models for you in need");
    server.visits("7d", phone.clone(), "Model Viewed").await;
    let on_phone = server.stages_of("anonymous_id", "phone").await;
    assert_eq!(on_phone["stage"], "research");
    assert_eq!(on_phone["since"], "2026-11-29T12:00:00.000Z");
    assert_eq!(
        on_phone["valid_until"], "2026-12-22T12:00:00.000Z",
        "the first view leaves the window"
    );

    // On the laptop the same person is nobody known yet, and books a test drive there.
    server.visits("2d", laptop, "Test Drive Booked").await;
    assert_eq!(server.stages_of("anonymous_id", "laptop").await["stage"], "decision");
    assert_eq!(server.stages_of("anonymous_id", "phone").await["stage"], "research");

    // They log in on both: one person, as far as the laptop had come.
    server.visits("1d", json!({"anonymousId": "laptop", "userId": "ann"}), "Signed In").await;
    server.visits("1h", json!({"anonymousId": "phone", "userId": "ann"}), "Signed In").await;
    for (kind, value) in [("anonymous_id", "phone"), ("anonymous_id", "laptop"), ("user_id", "ann")]
    {
        let stages = server.stages_of(kind, value).await;
        assert_eq!(stages["stage"], "decision", "{value}");
        assert_eq!(stages["since"], "2026-12-01T12:00:00.000Z", "{value}");
        assert_eq!(stages["reached"]["research"], "2026-11-29T12:00:00.000Z", "{value}");
    }
    assert_eq!(server.hero(json!({"anonymous_id": "phone"})).await, "meet your seller");

    // In the showroom they sign, which the dealer's system tells by the user id.
    server.visits("10d", json!({"userId": "ann"}), "Order Completed").await;
    let stages = server.stages_of("anonymous_id", "phone").await;
    assert_eq!((&stages["stage"], &stages["valid_until"]), (&json!("customer"), &Value::Null));
    assert_eq!(
        server.hero(json!({"anonymous_id": "laptop"})).await,
        Value::Null,
        "nothing is for customers"
    );
}

#[tokio::test]
async fn who_loses_interest_goes_back_unless_the_way_only_leads_on() {
    for (policy, then) in [("may_return", "need"), ("advance_only", "decision")] {
        let server = dealer(policy).await;
        server.visits("0s", json!({"userId": "ann"}), "Test Drive Booked").await;
        assert_eq!(server.stages_of("user_id", "ann").await["stage"], "decision");
        server.visits("31d", json!({"userId": "ann"}), "Page Viewed").await;
        let stages = server.stages_of("user_id", "ann").await;
        assert_eq!(stages["stage"], then, "{policy}");
        if policy == "may_return" {
            assert_eq!(stages["since"], "2026-12-22T12:00:00.000Z", "when the window had passed");
        }
    }
}

#[tokio::test]
async fn decisions_record_the_stage_and_refused_data_has_none() {
    let server = dealer("may_return").await;
    server.visits("0s", json!({"userId": "ann"}), "Test Drive Booked").await;
    server.hero(json!({"user_id": "ann"})).await;
    server.visits("1s", json!({"userId": "ann"}), "Page Viewed").await;
    let found = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=ann").admin()).await;
    let path = format!("/api/v1/profiles/{}/decisions", found["id"].as_str().unwrap());
    let recorded = server.ok(get(path).admin()).await["items"][0].clone();
    assert_eq!(recorded["stages"], json!({"car": "decision"}));
    assert_eq!(recorded["memberships"], json!([]));

    let refusal =
        json!({"consent": {"categoryPreferences": {"personalization": false, "analytics": true}}});
    server
        .track(
            &json!({"type": "track", "userId": "ann", "event": "Page Viewed", "context": refusal,
            "timestamp": server.clock.now()}),
        )
        .await;
    let stages = server.stages_of("user_id", "ann").await;
    assert_eq!((&stages["stage"], &stages["withheld"]), (&Value::Null, &json!(true)));
}

#[tokio::test]
async fn stages_that_cannot_work_are_refused_and_those_in_use_stay() {
    let server = dealer("may_return").await;
    let mut verdicts = Vec::new();
    for call in [
        put("/api/v1/stages/a", &json!({"stages": [{"key": "x"}]})),
        put(
            "/api/v1/stages/a",
            &json!({"stages": [{"key": "x"},
            {"key": "y", "condition": {"stage": "a", "in": ["x"]}}]}),
        ),
        put(
            "/api/v1/stages/a",
            &json!({"stages": [{"key": "x"},
            {"key": "y", "condition": {"context": "device.type", "op": "exists"}}]}),
        ),
        put("/api/v1/audiences/b", &json!({"condition": {"stage": "car", "in": ["nowhere"]}})),
        put("/api/v1/audiences/b", &json!({"condition": {"stage": "car"}})),
        post("/api/v1/stages/car/state", r#"{"state":"archived"}"#),
    ] {
        verdicts.push(server.verdict(call.admin()).await);
    }
    expect_test::expect![[r#"
        422 invalid_definition: /stages: there are 2 to 12 stages, not 1
        422 invalid_definition: /stages/1/condition/stage: there are no live stages `a`
        422 invalid_definition: /stages/1/condition/context: how far somebody is does not depend on the request; leave the context out
        422 invalid_definition: /condition/stage: stages `car` have no stage `nowhere`
        422 invalid_definition: /condition/in: `in` is a list of the keys of stages
        409 in_use: stages `car` is used by experience `brochure`"#]].assert_eq(&verdicts.join("\n"));
}
