//! S8: an app asks for one permission, says why, and uses it for one thing: gift ideas with one's photos.

use std::collections::BTreeSet;

use engine::Clock as _;
use model::Duration;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};

use crate::harness::{Server, get, post, put, server};

const PEOPLE: usize = 60;
const WHY: &str = "We look at your photos for gift ideas, and for nothing else.";

/// What somebody does when they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Agrees,
    Refuses,
    LooksAway,
}

async fn define(server: &Server, path: &str, document: Value) {
    server.ok(put(format!("/api/v1/{path}"), &document).admin()).await;
}

async fn app(server: &Server) {
    define(
        server,
        "purposes/photo_gifts",
        json!({"state": "live", "default": "denied", "description": WHY, "events": ["Photos Shared"]}),
    )
    .await;
    let placement = json!({"state": "live", "default": {"title": "Welcome"}});
    define(server, "placements/home", placement).await;
    let experience = |purpose: &str, priority: i32, eligibility: Value, title: &str| {
        json!({"state": "live", "placement": "home", "purpose": purpose, "priority": priority,
            "eligibility": eligibility, "variants": [{"key": "a", "content": {"title": title}}]})
    };
    let unanswered = json!({"not": {"event": "Permission Answered"}});
    let ask = experience("personalization", 1, unanswered, WHY);
    define(server, "experiences/ask", ask).await;
    let theme = json!({"event": "Photos Shared", "where": [
        {"property": "theme", "op": "eq", "value": "surfing"}]});
    let gifts = experience("photo_gifts", 2, theme.clone(), "Gifts for surfers");
    define(server, "experiences/gifts", gifts).await;
    // Somebody in the house would use the photos for something else as well.
    let nosy = experience("personalization", 3, theme, "A surfing holiday");
    define(server, "experiences/nosy", nosy).await;
}

async fn shown(server: &Server, user: &str) -> String {
    let ask = json!({"identifiers": {"user_id": user}, "placements": ["home"]});
    let answer = server.ok(post("/v1/decide", ask.to_string()).source()).await;
    answer["decisions"][0]["content"]["title"].as_str().unwrap_or_default().to_owned()
}

/// Tells of an answer, a second after whatever was before; the statement goes with the event.
async fn answer(server: &Server, user: &str, agrees: bool) {
    server.clock.set(server.clock.now().saturating_add(Duration::seconds(1)));
    let consent = json!({"consent": {"categoryPreferences": {"photo_gifts": agrees}}});
    let event = json!({"type": "track", "event": "Permission Answered", "userId": user,
        "properties": {"agrees": agrees}, "context": consent});
    server.track(&event).await;
}

/// Sends what the photos show; the verdict of the gate.
async fn share(server: &Server, user: &str, photo: u32) -> Value {
    let event = json!({"batch": [{"type": "track", "event": "Photos Shared", "userId": user,
        "properties": {"theme": "surfing", "photo": photo}}]});
    let call =
        post("/v1/batch", event.to_string()).source().header("prefer", "return=representation");
    server.ok(call).await["events"][0].clone()
}

async fn explained(server: &Server, user: &str) -> String {
    let found = format!("/api/v1/profiles/lookup?type=user_id&value={user}");
    let profile = server.ok(get(found).admin()).await["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/profiles/{profile}/explain?placement=home");
    server.ok(get(path).admin()).await["decisions"][0]["explanation"].to_string()
}

async fn exported(server: &Server, what: &str) -> Vec<Value> {
    let answer = server.call(get(format!("/api/v1/export/{what}")).admin()).await;
    let text = String::from_utf8(answer.body).unwrap();
    let mut lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.pop().unwrap()["summary"].is_object());
    lines
}

async fn everybody_is_asked(server: &Server) -> Vec<(String, Answer)> {
    let mut random = SmallRng::seed_from_u64(8);
    let mut answers = Vec::new();
    for number in 0..PEOPLE {
        let user = format!("p{number}");
        assert_eq!(shown(server, &user).await, WHY, "everybody is asked, and told why");
        let says = match random.random_range(0..3) {
            0 => Answer::Agrees,
            1 => Answer::Refuses,
            _ => Answer::LooksAway,
        };
        if says != Answer::LooksAway {
            answer(server, &user, says == Answer::Agrees).await;
        }
        answers.push((user, says));
    }
    answers
}

/// How many were asked, and how many of them have agreed.
async fn opt_ins(server: &Server) -> (usize, usize) {
    let decisions = exported(server, "decisions?purpose=personalization").await;
    let asked: BTreeSet<String> = decisions
        .iter()
        .filter(|row| row["experience"] == "ask")
        .map(|row| row["profile"].to_string())
        .collect();
    let consents = exported(server, "consents?purpose=personalization").await;
    let agreed = consents
        .iter()
        .filter(|row| row["purpose"] == "photo_gifts" && row["granted"] == true)
        .filter(|row| asked.contains(&row["profile"].to_string()));
    (asked.len(), agreed.count())
}

#[tokio::test]
async fn an_app_asks_for_one_permission_and_uses_it_for_one_thing() {
    let server = server();
    app(&server).await;
    let answers = everybody_is_asked(&server).await;

    // The app is careless, and sends the photos' theme of everybody.
    for (user, says) in &answers {
        let verdict = share(&server, user, 1).await;
        let title = shown(&server, user).await;
        if *says == Answer::Agrees {
            assert_eq!(verdict["verdict"], "accepted");
            assert_eq!(title, "Gifts for surfers", "{user}");
        } else {
            assert_eq!(
                (&verdict["verdict"], &verdict["code"]),
                (&json!("refused"), &json!("no_consent"))
            );
            let usual = if *says == Answer::Refuses { "Welcome" } else { WHY };
            assert_eq!(title, usual, "{user}");
        }
    }
    let agreed = |says: &Answer| *says == Answer::Agrees;
    let (who_agreed, others): (Vec<_>, Vec<_>) = answers.iter().partition(|(_, says)| agreed(says));
    assert!(who_agreed.len() > 10 && others.len() > 20, "{answers:?}");

    // A trace says so.
    let trace = explained(&server, &who_agreed[0].0).await;
    assert!(trace.contains("is 0, 1 withheld, wanted gte 1"), "of the other use: {trace}");
    let refuser = answers.iter().find(|(_, says)| *says == Answer::Refuses).unwrap();
    let trace = explained(&server, &refuser.0).await;
    assert!(trace.contains("`photo_gifts` is not granted: the person refused"), "{trace}");

    // How many of those who were asked agreed.
    assert_eq!(opt_ins(&server).await, (PEOPLE, who_agreed.len()));
    let photos =
        |rows: Vec<Value>| rows.iter().filter(|row| row["name"] == "Photos Shared").count();
    let used = photos(exported(&server, "events?purpose=photo_gifts").await);
    let misused = photos(exported(&server, "events?purpose=analytics").await);
    assert_eq!((used, misused), (who_agreed.len(), 0), "for one thing, and for no other");

    // Who takes the permission back is left alone at once.
    for (user, _) in &who_agreed {
        answer(&server, user, false).await;
        assert_eq!(shown(&server, user).await, "Welcome", "{user}");
        assert_eq!(share(&server, user, 2).await["code"], "no_consent");
    }
    assert_eq!(photos(exported(&server, "events?purpose=photo_gifts").await), 0);
    let trace = explained(&server, &who_agreed[0].0).await;
    assert!(trace.contains("`photo_gifts` is not granted: the person refused"), "{trace}");
}

#[tokio::test]
async fn an_event_belongs_to_one_purpose() {
    let server = server();
    app(&server).await;
    let other = json!({"state": "live", "default": "denied", "events": ["Seen", "Photos Shared"]});
    expect_test::expect![
        "422 invalid_definition: /events/1: purpose `photo_gifts` has `Photos Shared` to itself"
    ]
    .assert_eq(&server.verdict(put("/api/v1/purposes/other", &other).admin()).await);
    let service = json!({"state": "live", "events": ["Seen"]});
    expect_test::expect![
        "422 invalid_definition: /events: nothing is kept for the purpose `service` alone"
    ]
    .assert_eq(&server.verdict(put("/api/v1/purposes/service", &service).admin()).await);
}
