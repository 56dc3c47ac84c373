//! Programs and one's own people: kept with a mark, and counted for nothing unless a rule says so.

use model::Value;
use serde_json::json;

use crate::harness::{Call, Server, get, post, put, server};

const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const FIREFOX: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:121.0) Gecko/20100101 Firefox/121.0";

fn viewed(user: &str, context: &Value) -> Value {
    json!({"type": "track", "event": "Viewed", "userId": user, "context": context})
}

/// The same once more, and not sent again.
fn again(mut event: Value) -> Value {
    event["messageId"] = "again".into();
    event
}

async fn send(server: &Server, event: &Value, agent: &str) {
    let call = post("/v1/batch", json!({"batch": [event]}).to_string()).source();
    server.ok(call.header("user-agent", agent)).await;
}

async fn audience(server: &Server) {
    let everybody = json!({"state": "live", "condition": {"not": {"event": "Bought"}}});
    server.ok(put("/api/v1/audiences/no_buyers", &everybody).admin()).await;
}

async fn members(server: &Server) -> Value {
    server.ok(get("/api/v1/audiences/no_buyers/members").admin()).await["count"].clone()
}

async fn is_known(server: &Server, user: &str) -> bool {
    let path = format!("/api/v1/profiles/lookup?type=user_id&value={user}");
    server.verdict(get(path).admin()).await == "200"
}

#[tokio::test]
async fn a_program_is_nobody() {
    let server = server();
    audience(&server).await;
    send(&server, &viewed("bot", &json!({})), GOOGLEBOT).await;
    send(&server, &viewed("bot2", &json!({"userAgent": GOOGLEBOT})), FIREFOX).await;
    send(&server, &viewed("person", &json!({"userAgent": FIREFOX})), "okhttp/4.9").await;
    let crawler = post("/v1/track", viewed("crawler", &json!({})).to_string()).source();
    server.ok(crawler.header("from", "bot@example.com").header("user-agent", FIREFOX)).await;
    let headless = post("/v1/track", viewed("headless", &json!({})).to_string()).source();
    server.ok(headless.header("sec-ch-ua", "\"HeadlessChrome\";v=\"120\"")).await;
    for bot in ["bot", "bot2", "crawler", "headless"] {
        assert!(!is_known(&server, bot).await, "{bot}");
    }
    assert!(is_known(&server, "person").await);
    assert_eq!(members(&server).await, 1);
    // Saving another audience evaluates everyone anew: nobody is still nobody.
    let more = json!({"state": "live", "condition": {"not": {"event": "Left"}}});
    server.ok(put("/api/v1/audiences/others", &more).admin()).await;
    assert_eq!(members(&server).await, 1);

    // The same visitor without the mark is somebody, with their first event that counts.
    send(&server, &again(viewed("bot", &json!({}))), FIREFOX).await;
    assert!(is_known(&server, "bot").await);
    assert_eq!(members(&server).await, 2);
    let profile = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=bot").admin()).await;
    let marks: Vec<&Value> =
        profile["timeline"].as_array().unwrap().iter().map(|e| &e["marks"]).collect();
    assert_eq!(marks.len(), 2, "what came before is kept, with its mark: {profile}");
    assert!(marks.contains(&&json!(["bot"])));
    let sources = server.ok(get("/api/v1/data_quality/sources").admin()).await;
    assert_eq!(sources["items"][0]["marks"], json!({"bot": 4, "internal": 0}));
}

#[tokio::test]
async fn own_people_are_recognised_by_a_rule_and_count_when_it_says_so() {
    let server = server();
    let rule = |counts: bool| {
        json!({"state": "live", "mark": "internal", "counts": counts, "networks": ["192.0.2.0/24"],
            "condition": {"context": "page.url", "op": "contains", "value": "internal=1"}})
    };
    let save = |counts: bool| put("/api/v1/traffic_rules/office", &rule(counts)).admin();
    server.ok(save(false)).await;
    let office = json!({"ip": "192.0.2.7"});
    let tagged = json!({"page": {"url": "https://shop.example/?internal=1"}});
    send(&server, &viewed("anna", &office), FIREFOX).await;
    send(&server, &viewed("bo", &tagged), FIREFOX).await;
    send(&server, &viewed("carl", &json!({"ip": "198.51.100.1"})), FIREFOX).await;
    assert!(!is_known(&server, "anna").await && !is_known(&server, "bo").await);
    assert!(is_known(&server, "carl").await);
    server.ok(save(true)).await;
    send(&server, &again(viewed("anna", &office)), FIREFOX).await;
    let profile = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=anna").admin()).await;
    assert_eq!(profile["timeline"][0]["marks"], json!(["internal"]), "{profile}");
    let empty =
        server.call(put("/api/v1/traffic_rules/none", &json!({"mark": "bot"})).admin()).await;
    assert_eq!(empty.status.as_u16(), 422);
}

#[tokio::test]
async fn a_program_is_shown_the_default_and_leaves_no_record() {
    let server = server();
    let placement = json!({"state": "live", "default": {"title": "plain"},
        "content_schema": {"type": "object", "properties": {"title": {"type": "string"}}}});
    server.ok(put("/api/v1/placements/hero", &placement).admin()).await;
    let experience = json!({"state": "live", "placement": "hero",
        "variants": [{"key": "a", "content": {"title": "special"}}]});
    server.ok(put("/api/v1/experiences/hello", &experience).admin()).await;
    send(&server, &viewed("u1", &json!({})), FIREFOX).await;
    let decide = |agent: &str| {
        let body = json!({"identifiers": {"user_id": "u1"}, "placements": ["hero"]});
        let call: Call = post("/v1/decide", body.to_string()).source();
        call.header("user-agent", agent)
    };
    let title = |answer: &Value| answer["decisions"][0]["content"]["title"].clone();
    let bot = server.ok(decide(GOOGLEBOT)).await;
    assert_eq!((title(&bot), &bot["decisions"][0]["experience"]), (json!("plain"), &Value::Null));
    assert_eq!(title(&server.ok(decide(FIREFOX)).await), "special");
    send(&server, &again(viewed("u1", &json!({}))), FIREFOX).await;
    let profile = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u1").admin()).await;
    let id = profile["id"].as_str().unwrap();
    let decisions = server.ok(get(format!("/api/v1/profiles/{id}/decisions")).admin()).await;
    assert_eq!(decisions["items"].as_array().unwrap().len(), 1, "that of the person: {decisions}");
}
