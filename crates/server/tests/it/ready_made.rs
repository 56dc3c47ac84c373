//! Ready-made audiences over HTTP: filled in, previewed, saved, and exactly the right people in them.

use model::{Duration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{NOW, Server, get, post, server};

impl Server {
    /// An event of a user, so long ago.
    async fn did(&self, user: &str, event: &str, ago: &str, properties: Value) {
        let event = json!({"type": "track", "userId": user, "event": event,
            "properties": properties, "timestamp": before(ago)});
        self.track(&event).await;
    }

    /// A page that a user looks at, so long ago: the beginning of a visit.
    async fn visited(&self, user: &str, ago: &str, context: Value) {
        let event = json!({"type": "page", "userId": user, "name": "Home",
            "context": context, "timestamp": before(ago)});
        self.track(&event).await;
    }

    /// Who is in a ready-made audience, saved live under a key of its own.
    async fn members_of(&self, ready_made: &str, parameters: Value, key: &str) -> Vec<String> {
        let body = json!({"parameters": parameters, "key": key, "state": "live"});
        let path = format!("/api/v1/ready_made_audiences/{ready_made}/save");
        self.ok(post(path, body.to_string()).admin()).await;
        let found = self.ok(get(format!("/api/v1/audiences/{key}/members")).admin()).await;
        users(&found)
    }

    /// Who would be in one that is not saved.
    async fn previewed(&self, ready_made: &str, parameters: Value) -> Vec<String> {
        let body = json!({"parameters": parameters}).to_string();
        let path = format!("/api/v1/ready_made_audiences/{ready_made}/draft");
        let drafted = self.ok(post(path, body).admin()).await;
        let asked = json!({
            "condition": drafted["audience"]["condition"], "computed_traits": drafted["computed_traits"],
        });
        let path = format!("/api/v1/audiences/{ready_made}/preview");
        let found = self.ok(post(path, asked.to_string()).admin()).await;
        assert_eq!(found["is_exact"], true);
        users(&found)
    }

    /// Both, which are the same.
    async fn in_it(&self, ready_made: &str, parameters: Value, key: &str) -> Vec<String> {
        let previewed = self.previewed(ready_made, parameters.clone()).await;
        assert_eq!(self.members_of(ready_made, parameters, key).await, previewed, "{key}");
        previewed
    }
}

fn before(ago: &str) -> Timestamp {
    NOW.saturating_sub(ago.parse::<Duration>().unwrap())
}

fn users(found: &Value) -> Vec<String> {
    let items = found["items"].as_array().unwrap().iter();
    let mut users: Vec<_> =
        items.map(|item| item["user_id"].as_str().unwrap().to_owned()).collect();
    users.sort();
    users
}

#[tokio::test]
async fn visitors_by_when_where_and_how_they_come() {
    let server = server();
    let phone =
        json!({"device": {"type": "mobile"}, "location": {"country": "SE", "city": "Lund"}});
    let desk = json!({"device": {"type": "desktop"}, "location": {"country": "NO", "city": "Oslo"},
        "campaign": {"name": "spring", "source": "letter"}});
    server.visited("new", "1d", phone.clone()).await;
    server.visited("back", "60d", phone.clone()).await;
    server.visited("back", "2d", desk.clone()).await;
    server.visited("gone", "90d", desk.clone()).await;
    server.visited("gone", "80d", phone.clone()).await;
    assert_eq!(server.in_it("new_visitors", json!({}), "a").await, ["new"]);
    assert_eq!(server.in_it("new_visitors", json!({"within": "70d"}), "b").await, ["back", "new"]);
    assert_eq!(server.in_it("returning_visitors", json!({}), "c").await, ["back"]);
    let long = json!({"within": "200d"});
    assert_eq!(server.in_it("returning_visitors", long, "d").await, ["back", "gone"]);
    assert_eq!(server.in_it("place", json!({"names": ["SE"]}), "e").await, ["gone", "new"]);
    let city = json!({"part": "city", "names": ["Oslo", "Bergen"]});
    assert_eq!(server.in_it("place", city, "f").await, ["back"]);
    assert_eq!(server.in_it("device", json!({}), "g").await, ["gone", "new"]);
    assert_eq!(server.in_it("device", json!({"types": ["desktop"]}), "h").await, ["back"]);
    assert_eq!(server.in_it("campaign", json!({"names": ["spring"]}), "i").await, ["back"]);
    let source = json!({"part": "source", "names": ["letter"], "within": "100d"});
    assert_eq!(server.in_it("campaign", source, "j").await, ["back", "gone"]);
}

#[tokio::test]
async fn customers_by_what_they_buy_and_when() {
    let server = server();
    let (add, order) = ("Product Added", "Order Completed");
    for (user, event, ago, revenue) in [
        ("left", add, "2h", 0),
        ("shopping", add, "30m", 0),
        ("bought", add, "3h", 0),
        ("bought", order, "2h", 100),
        ("forgot", add, "20d", 0),
        ("again", order, "2d", 10),
        ("again", add, "1d", 0),
        ("lapsed", order, "120d", 900),
        ("often", order, "80d", 20),
        ("often", order, "40d", 20),
        ("often", order, "5d", 20),
        ("rich", order, "100d", 300),
        ("rich", order, "10d", 250),
    ] {
        server.did(user, event, ago, json!({"revenue": revenue})).await;
    }
    assert_eq!(server.in_it("cart_abandoners", json!({}), "a").await, ["again", "left"]);
    let long = json!({"until": "30d"});
    assert_eq!(server.in_it("cart_abandoners", long, "b").await, ["again", "forgot", "left"]);
    assert_eq!(server.in_it("lapsed", json!({}), "c").await, ["lapsed"]);
    assert_eq!(server.in_it("lapsed", json!({"after": "9d"}), "d").await, ["lapsed", "rich"]);
    assert_eq!(server.in_it("frequent", json!({}), "e").await, ["often"]);
    let twice = json!({"times": 2, "within": "365d"});
    assert_eq!(server.in_it("frequent", twice, "f").await, ["often", "rich"]);
    assert_eq!(server.in_it("high_value", json!({}), "g").await, ["lapsed", "rich"]);
    let lately = json!({"within": "30d", "amount": 100});
    assert_eq!(server.in_it("high_value", lately, "h").await, ["bought", "rich"]);
}

#[tokio::test]
async fn every_customer_is_in_one_rfm_segment() {
    let server = server();
    let order = "Order Completed";
    // Each buys so often, the last time so long ago, each time for so much.
    for (user, times, last, revenue) in [
        ("champion", 5, 10, 100),
        ("loyal", 6, 10, 50),
        ("potential", 2, 10, 900),
        ("new", 1, 10, 900),
        ("waning", 5, 40, 100),
        ("sleepy", 1, 40, 900),
        ("dear", 5, 200, 100),
        ("risky", 3, 200, 900),
        ("lost", 1, 200, 900),
        ("long_lost", 7, 400, 900),
    ] {
        for time in 0..times {
            let ago = format!("{}d", last + time);
            server.did(user, order, &ago, json!({"revenue": revenue})).await;
        }
    }
    server.did("visitor", "Page Viewed", "1d", json!({})).await;
    for (segment, expected) in [
        ("champions", &["champion"][..]),
        ("loyal", &["loyal"]),
        ("potential", &["potential"]),
        ("new", &["new"]),
        ("need_attention", &["waning"]),
        ("about_to_sleep", &["sleepy"]),
        ("cannot_lose", &["dear"]),
        ("at_risk", &["risky"]),
        ("lost", &["long_lost", "lost"]),
    ] {
        let found = server.in_it("rfm", json!({"segment": segment}), segment).await;
        assert_eq!(found, expected, "{segment}");
    }
}

#[tokio::test]
async fn tiers_and_levels_come_with_their_computed_trait() {
    let server = server();
    for (user, prices) in
        [("thrifty", &[10, 20, 900][..]), ("usual", &[60]), ("rich", &[100, 200, 300])]
    {
        for price in prices {
            server.did(user, "Order Completed", "3d", json!({"revenue": price})).await;
        }
    }
    for day in 1..=6 {
        server.did("usual", "Feature Used", &format!("{day}d"), json!({})).await;
    }
    server.did("thrifty", "Feature Used", "1d", json!({})).await;
    let tier = |tier: &str| json!({"tier": tier});
    assert_eq!(server.in_it("price_tier", json!({}), "luxury").await, ["rich"]);
    assert_eq!(server.in_it("price_tier", tier("middle"), "middle").await, ["usual"]);
    assert_eq!(server.in_it("price_tier", tier("budget"), "budget").await, ["thrifty"]);
    assert_eq!(server.in_it("skill", json!({}), "novices").await, ["thrifty"]);
    let level = json!({"level": "intermediate"});
    assert_eq!(server.in_it("skill", level, "intermediates").await, ["usual"]);
    // The computed trait is one for all three, and is there to be shown.
    let profile = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=rich").admin()).await;
    assert_eq!(profile["computed"]["price_tier"]["value"], "luxury");

    let save = |body: Value| {
        post("/api/v1/ready_made_audiences/price_tier/save", body.to_string()).admin()
    };
    let other = json!({"parameters": {"luxury_from": 90}, "key": "posh"});
    expect_test::expect!["409 in_use: there is a computed trait `price_tier` with another rule; set the parameter `trait` to another key"]
        .assert_eq(&server.verdict(save(other)).await);
    let own = json!({"parameters": {"luxury_from": 90, "trait": "posh_tier"}, "key": "posh"});
    server.ok(save(own)).await;
    let again = json!({"key": "posh"});
    expect_test::expect!["412 version_mismatch: audience `posh` is at version 1"]
        .assert_eq(&server.verdict(save(again)).await);
}

#[tokio::test]
async fn they_are_listed_and_wrong_parameters_are_told() {
    let server = server();
    let listed = server.ok(get("/api/v1/ready_made_audiences").admin()).await;
    let items = listed["items"].as_array().unwrap();
    let lapsed = items.iter().find(|item| item["key"] == "lapsed").unwrap();
    assert_eq!(
        lapsed["parameters"][0],
        json!({"name": "after", "type": "duration", "default": "90d", "least": "1d", "greatest": "730d",
            "description": "how long ago the last order is at least"})
    );
    let draft = |key: &str, body: &str| {
        post(format!("/api/v1/ready_made_audiences/{key}/draft"), body).admin()
    };
    let mut told = Vec::new();
    for (key, body) in [
        ("lapsed", r#"{"parameters": {"after": "1s", "b": 1}}"#),
        ("place", ""),
        ("nobody", "{}"),
        ("lapsed", r#"{"state": "lively"}"#),
    ] {
        told.push(server.verdict(draft(key, body)).await);
    }
    expect_test::expect![[r#"
        422 invalid_definition: the document has 2 faults
        422 invalid_definition: /parameters/names: it must be set: ISO 3166 codes of countries, or names of regions or cities as the database of places has them
        404 not_found: ready-made audience `nobody` not found
        400 invalid_request: /state: unknown variant `lively`, expected one of `draft`, `live`, `paused`, `archived`"#]].assert_eq(&told.join("\n"));
    let reader = server.token(&["definitions:read"]).await;
    let bearer = format!("Bearer {reader}");
    let by_reader = |verb: &str| {
        post(format!("/api/v1/ready_made_audiences/lapsed/{verb}"), "{}")
            .header("authorization", bearer.clone())
    };
    server.ok(by_reader("draft")).await;
    assert!(server.verdict(by_reader("save")).await.starts_with("403 "));
}
