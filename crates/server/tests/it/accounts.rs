//! A supplier to companies: what one employee does changes what the others see.

use engine::Clock as _;
use model::Duration;
use serde_json::{Value, json};

use crate::harness::{Server, TOKEN, get, post, put, server};

/// A banner for who works at a large company of which anybody looked at the prices within a week.
async fn site() -> Server {
    let server = server();
    let page = json!({"property": "path", "op": "eq", "value": "/pricing"});
    let definitions = [
        (
            "audiences/priced",
            json!({"condition": {"event": "Page Viewed", "within": "7d", "where": [page],
                "count": {"op": "gte", "value": 1}}}),
        ),
        (
            "audiences/warm",
            json!({"condition": {"account": "any", "where": [
                {"trait": "employees", "op": "gt", "value": 200}, {"members": "any", "in": "priced"}]}}),
        ),
        ("placements/top", json!({"default": {"text": "nothing"}})),
        (
            "experiences/offer",
            json!({"placement": "top", "eligibility": {"audience": "warm"},
                "public_fields": ["account.traits.name"],
                "variants": [{"key": "a", "content": {
                    "text": "{{ account.traits.name }}, {{ profile.account.role | default: 'nobody' }}"}}]}),
        ),
    ];
    for (path, mut document) in definitions {
        document["state"] = "live".into();
        server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
    }
    server
}

impl Server {
    async fn joins(&self, user: &str, account: &str, traits: Value) {
        // Events of one instant are ordered by chance; these happen one after the other.
        self.clock.set(self.clock.now().saturating_add(Duration::seconds(1)));
        let event = json!({"type": "group", "userId": user, "groupId": account, "traits": traits});
        self.track(&event).await;
    }

    async fn sees(&self, user: &str) -> String {
        let body = json!({"identifiers": {"user_id": user}, "placements": ["top"]}).to_string();
        let call = post("/v1/decide", body).header("authorization", format!("Bearer {TOKEN}"));
        self.ok(call).await["decisions"][0]["content"]["text"].as_str().unwrap().to_owned()
    }

    /// The rows of a table, without the summary behind them.
    async fn exported(&self, asked: &str) -> Vec<Value> {
        let answer = self.call(get(format!("/api/v1/export/{asked}")).admin()).await;
        let text = String::from_utf8(answer.body).unwrap();
        let mut rows: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(rows.pop().unwrap()["summary"].is_object());
        rows
    }

    async fn account(&self, id: &str) -> Value {
        self.ok(get(format!("/api/v1/accounts/{id}")).admin()).await
    }

    /// Waits until somebody sees something: what time alone changes is recorded within moments.
    async fn sees_soon(&self, user: &str, text: &str) {
        for _ in 0..2_000 {
            if self.sees(user).await == text {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(2));
        }
        panic!("{user} never saw {text}");
    }
}

#[tokio::test]
async fn a_colleague_who_looks_at_prices_warms_the_whole_company() {
    let server = site().await;
    let acme = json!({"name": "Acme", "employees": 300});
    server.joins("bo", "acme", acme).await;
    server.joins("cleo", "acme", json!({"role": "buyer"})).await;
    server.joins("dora", "globex", json!({"name": "Globex", "employees": 20})).await;
    assert_eq!(server.sees("cleo").await, "nothing");
    let pricing =
        |user: &str| json!({"type": "page", "userId": user, "properties": {"path": "/pricing"}});
    server.track(&pricing("dora")).await;
    server.track(&pricing("bo")).await;
    // In the very next call.
    assert_eq!(server.sees("cleo").await, "Acme, buyer");
    assert_eq!(server.sees("bo").await, "Acme, nobody");
    assert_eq!(server.sees("dora").await, "nothing", "the company is too small");
    let account = server.account("acme").await;
    assert_eq!(account["audiences"]["priced"], json!({"inside": 1, "outside": 1, "unknown": 0}));

    // The company turns out to be smaller, and then larger again.
    server.joins("cleo", "acme", json!({"employees": 150})).await;
    assert_eq!(server.sees("bo").await, "nothing");
    server.joins("bo", "acme", json!({"employees": 250})).await;
    assert_eq!(server.sees("cleo").await, "Acme, buyer");

    // Whoever leaves is no colleague any more.
    server.clock.set(server.clock.now().saturating_add(Duration::seconds(1)));
    let left = json!({"type": "track", "userId": "bo", "event": "Account Removed User",
        "context": {"groupId": "acme"}});
    server.track(&left).await;
    assert_eq!(server.sees("cleo").await, "nothing");
    assert_eq!(server.sees("bo").await, "nothing");
    server.joins("bo", "acme", json!({})).await;
    assert_eq!(server.sees("cleo").await, "Acme, buyer");

    // The look at the prices is over after a week, with no traffic.
    server.clock.set(server.clock.now().saturating_add(Duration::days(8)));
    server.sees_soon("cleo", "nothing").await;
}

#[tokio::test]
async fn what_somebody_refused_tells_their_colleagues_nothing() {
    let server = site().await;
    server.joins("bo", "acme", json!({"name": "Acme", "employees": 300})).await;
    server.joins("cleo", "acme", json!({})).await;
    server.clock.set(server.clock.now().saturating_add(Duration::seconds(1)));
    let refusing = json!({"consent": {"categoryPreferences": {"personalization": false}}});
    let pricing = json!({"type": "page", "userId": "bo", "properties": {"path": "/pricing"}, "context": refusing});
    server.track(&pricing).await;
    assert_eq!(server.sees("cleo").await, "nothing");
    let account = server.account("acme").await;
    assert_eq!(account["audiences"]["priced"], json!({"inside": 0, "outside": 1, "unknown": 1}));
    // Without the purpose nothing is said of an account for it either.
    let group = json!({"type": "group", "userId": "bo", "groupId": "acme", "traits": {"employees": 1000},
        "context": refusing});
    server.track(&group).await;
    let account = server.account("acme").await;
    assert!(!account["traits"]["employees"]["purposes"].to_string().contains("personalization"));
    server
        .track(&json!({"type": "page", "userId": "cleo", "properties": {"path": "/pricing"}}))
        .await;
    assert_eq!(server.sees("cleo").await, "nothing", "the newest word may not be read");

    // Exports say as much for each purpose.
    let mut exported = Vec::new();
    for asked in ["accounts?purpose=personalization", "accounts?purpose=analytics"] {
        exported.extend(server.exported(asked).await.iter().map(|row| row["traits"].clone()));
    }
    let readable = json!({"name": "Acme"});
    assert_eq!(exported, [readable, json!({"name": "Acme", "employees": 1000})]);
    let members = server.exported("account_members?purpose=personalization").await;
    let users: Vec<&Value> = members.iter().map(|row| &row["user_id"]).collect();
    assert_eq!(users, ["cleo"]);
    assert_eq!(server.exported("account_members?purpose=analytics").await.len(), 2);
}

#[tokio::test]
async fn accounts_and_their_members_are_listed_page_by_page() {
    let server = site().await;
    for n in 0..7 {
        server.joins(&format!("u{n}"), &format!("company {}", n % 3), json!({"size": n})).await;
    }
    let mut ids = Vec::new();
    let mut path = "/api/v1/accounts?limit=2".to_owned();
    loop {
        let page = server.ok(get(&path).admin()).await;
        for account in page["items"].as_array().unwrap() {
            ids.push(account["id"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/accounts?limit=2&cursor={cursor}");
    }
    ids.sort_unstable();
    assert_eq!(ids, ["company 0", "company 1", "company 2"]);
    let account = server.account("company%200").await;
    assert_eq!((&account["members"], &account["traits"]["size"]["value"]), (&json!(3), &json!(6)));
    let members = |cursor: &str| format!("/api/v1/accounts/company%200/members?limit=2{cursor}");
    let first = server.ok(get(members("")).admin()).await;
    let cursor = format!("&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = server.ok(get(members(&cursor)).admin()).await;
    let user = |member: &Value| member["user_id"].as_str().unwrap().to_owned();
    let pages = [&first, &second].map(|page| page["items"].as_array().unwrap());
    let mut users: Vec<String> = pages.into_iter().flatten().map(user).collect();
    users.sort_unstable();
    assert_eq!(users, ["u0", "u3", "u6"]);
    assert!(second["next_cursor"].is_null());
    let profile = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u6").admin()).await;
    assert_eq!(profile["accounts"][0]["id"], "company 0");

    // Who is erased is no member, and what they alone said goes with them.
    let erase = json!({"type": "erase", "identifier": {"type": "user_id", "value": "u6"}});
    server.ok(post("/api/v1/privacy/requests", erase.to_string()).admin()).await;
    let account = server.account("company%200").await;
    assert_eq!((&account["members"], &account["traits"]["size"]["value"]), (&json!(2), &json!(3)));
    for path in ["/api/v1/accounts/nobody", "/api/v1/accounts/nobody/members"] {
        assert_eq!(
            server.verdict(get(path).admin()).await,
            "404 not_found: account `nobody` not found"
        );
    }
}
