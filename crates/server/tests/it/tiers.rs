//! Story S18: a restaurant-booking site. Luxury and budget diners see their tier, novices a simple page and experts
//! their most used functions; combinations pick the layout and the number of offers; lapsed users hear of a place
//! they would like, lookers who never book get a coupon.

use engine::Clock as _;
use model::{Duration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{NOW, Server, TOKEN, get, post, put, server};

const DAY: i64 = 86_400_000;

/// Numbers that look random and are the same in every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What a diner does, each thing so many days ago.
#[derive(Default)]
struct Diner {
    bookings: Vec<(i64, u64)>,
    uses: Vec<(i64, &'static str)>,
    searches: Vec<(i64, &'static str)>,
}

impl Diner {
    fn seeded(seed: u64) -> Self {
        let mut seeded = Seeded(seed);
        let days = |seeded: &mut Seeded, most: u64| -> Vec<i64> {
            let count = seeded.below(most + 1);
            (0..count).map(|_| i64::try_from(seeded.below(150)).unwrap()).collect()
        };
        let booked = days(&mut seeded, 6);
        let used = days(&mut seeded, 12);
        let searched = days(&mut seeded, 8);
        let dear = seeded.below(2) * 100;
        Self {
            bookings: booked.into_iter().map(|day| (day, 20 + dear + seeded.below(60))).collect(),
            uses: used
                .into_iter()
                .map(|day| {
                    (day, ["map", "filter", "share"][usize::try_from(seeded.below(3)).unwrap()])
                })
                .collect(),
            searches: searched
                .into_iter()
                .map(|day| (day, ["thai", "sushi"][usize::try_from(seeded.below(2)).unwrap()]))
                .collect(),
        }
    }

    /// What the page is to be, by counting again.
    fn expected(&self) -> String {
        let mut prices: Vec<f64> = self.bookings.iter().map(|(_, price)| *price as f64).collect();
        prices.sort_by(f64::total_cmp);
        let middle = prices.len() / 2;
        let median = match prices.len() {
            0 => None,
            length if length % 2 == 1 => Some(prices[middle]),
            _ => Some((prices[middle - 1] + prices[middle]) / 2.0),
        };
        let tier = median.map(|median| if median >= 100.0 { "luxury" } else { "budget" });
        let mut days: Vec<i64> =
            self.uses.iter().filter(|(day, _)| *day < 90).map(|(day, _)| *day).collect();
        days.sort_unstable();
        days.dedup();
        let is_expert = days.len() >= 4;
        match (tier, is_expert) {
            (Some("luxury"), true) => "luxury expert 12".into(),
            (Some(tier), false) => format!("{tier} simple 3"),
            (Some(tier), true) => format!("{tier} expert 6"),
            (None, _) => "start".into(),
        }
    }

    /// The names of the audiences that the diner is in.
    fn audiences(&self) -> Vec<&'static str> {
        let last = self.bookings.iter().map(|(day, _)| *day).min();
        let mut audiences = Vec::new();
        if last.is_some_and(|day| day > 60) {
            audiences.push("lapsed");
        }
        let recent = self.searches.iter().filter(|(day, _)| *day < 30).count();
        if last.is_none() && recent >= 2 {
            audiences.push("lookers");
        }
        audiences
    }
}

async fn site() -> Server {
    let server = server();
    let page = |tier: Value, skill: &str, text: &str, priority: i32| {
        let mut all = vec![json!({"computed": "skill", "op": "eq", "value": skill})];
        all.extend(
            (!tier.is_null()).then(|| json!({"computed": "tier", "op": "eq", "value": tier})),
        );
        all.push(json!({"computed": "tier", "op": "exists"}));
        json!({"placement": "page", "priority": priority, "eligibility": {"all": all},
            "variants": [{"key": "a", "content": {"text": text}}]})
    };
    let booking = "Booking Completed";
    let definitions = [
        (
            "computed_traits/tier",
            json!({"event": booking, "measure": "median", "property": "price",
            "levels": [json!({"name": "budget"}), json!({"name": "luxury", "from": 100})]}),
        ),
        (
            "computed_traits/skill",
            json!({"event": "Function Used", "measure": "days", "within": "90d",
            "levels": [json!({"name": "novice"}), json!({"name": "expert", "from": 4})]}),
        ),
        ("computed_traits/bookings", json!({"event": booking, "measure": "count"})),
        ("computed_traits/last_booking", json!({"event": booking, "measure": "recency"})),
        (
            "computed_traits/searches",
            json!({"event": "Search Performed", "measure": "count", "within": "30d"}),
        ),
        (
            "computed_traits/kitchens",
            json!({"event": "Search Performed", "measure": "affinity",
            "property": "kitchen", "half_life": "30d"}),
        ),
        (
            "computed_traits/functions",
            json!({"event": "Function Used", "measure": "most_frequent", "property": "function"}),
        ),
        (
            "audiences/lapsed",
            json!({"condition": {"computed": "last_booking", "op": "gt", "value": "60d"}}),
        ),
        (
            "audiences/lookers",
            json!({"condition": {"all": [
            {"computed": "searches", "op": "gte", "value": 2}, {"computed": "bookings", "op": "eq", "value": 0}]}}),
        ),
        ("placements/page", json!({"default": {"text": "start"}})),
        (
            "experiences/rich",
            page(json!("luxury"), "expert", "{{ profile.computed.tier }} expert 12", 3),
        ),
        (
            "experiences/expert",
            page(Value::Null, "expert", "{{ profile.computed.tier }} expert 6", 2),
        ),
        (
            "experiences/simple",
            page(Value::Null, "novice", "{{ profile.computed.tier }} simple 3", 1),
        ),
    ];
    for (path, mut document) in definitions {
        document["state"] = "live".into();
        server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
    }
    server
}

impl Server {
    async fn dines(&self, user: &str, diner: &Diner) {
        let event = |name: &str, day: i64, properties: Value| {
            // Noon is the instant of the clock, so a day is a day in UTC and no event is ahead.
            json!({"type": "track", "userId": user, "event": name, "properties": properties,
                "timestamp": Timestamp(NOW.0 - day * DAY)})
        };
        let mut batch = Vec::new();
        for (day, price) in &diner.bookings {
            batch.push(event("Booking Completed", *day, json!({"price": price})));
        }
        for (day, function) in &diner.uses {
            batch.push(event("Function Used", *day, json!({"function": function})));
        }
        for (day, kitchen) in &diner.searches {
            batch.push(event("Search Performed", *day, json!({"kitchen": kitchen})));
        }
        for (place, event) in batch.iter_mut().enumerate() {
            event["messageId"] = format!("{user}-{place}").into();
        }
        batch.push(json!({"type": "identify", "userId": user, "traits": {"seen": true}}));
        self.ok(post("/v1/batch", json!({"batch": batch}).to_string()).source()).await;
    }

    async fn page_of(&self, user: &str) -> String {
        let body = json!({"identifiers": {"user_id": user}, "placements": ["page"]}).to_string();
        let call = post("/v1/decide", body).header("authorization", format!("Bearer {TOKEN}"));
        self.ok(call).await["decisions"][0]["content"]["text"].as_str().unwrap().to_owned()
    }

    async fn diner(&self, user: &str) -> Value {
        self.ok(get(format!("/api/v1/profiles/lookup?type=user_id&value={user}")).admin()).await
    }
}

#[tokio::test]
async fn diners_see_the_page_of_their_tier_and_skill() {
    let server = site().await;
    let mut pages = std::collections::BTreeSet::new();
    for seed in 0..24 {
        let (user, diner) = (format!("diner{seed}"), Diner::seeded(seed));
        server.dines(&user, &diner).await;
        let page = server.page_of(&user).await;
        assert_eq!(page, diner.expected(), "seed {seed}");
        pages.insert(page);
        let profile = server.diner(&user).await;
        let members: Vec<&str> = profile["audiences"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, told)| told["member"] == "true")
            .map(|(key, _)| key.as_str())
            .collect();
        assert_eq!(members, diner.audiences(), "seed {seed}");
    }
    assert!(pages.len() >= 4, "the seeds make different diners: {pages:?}");
}

#[tokio::test]
async fn a_diner_lapses_with_no_traffic_and_hears_of_what_they_like() {
    let server = site().await;
    let diner = Diner {
        bookings: vec![(50, 30)],
        uses: vec![(3, "map"), (2, "map"), (2, "filter")],
        searches: vec![(80, "sushi"), (70, "sushi"), (9, "thai")],
    };
    server.dines("ann", &diner).await;
    assert_ne!(server.diner("ann").await["audiences"]["lapsed"]["member"], "true");
    server.clock.set(server.clock.now().saturating_add(Duration::days(10)));
    let now = server.clock.now();
    let told = server.diner("ann").await["audiences"]["lapsed"]["member"].clone();
    assert_ne!(told, "true", "60 days, not more");
    server.clock.set(Timestamp(now.0 + 1));
    let profile = server.diner("ann").await;
    assert_eq!(profile["audiences"]["lapsed"]["member"], "true");
    assert_eq!(profile["computed"]["functions"]["value"], "map");
    // Two old searches weigh less than a new one: 2^(-90/30) + 2^(-80/30) < 2^(-19/30).
    assert_eq!(profile["computed"]["kitchens"]["value"], json!(["thai", "sushi"]));
}
