//! A visitor asks what is known, why they saw this, and to be forgotten (S21).

use engine::Clock as _;
use model::Duration;
use serde_json::{Value, json};

use crate::harness::{Call, Server, get, post, put, server};

fn ask(kind: &str, of: (&str, &str)) -> Value {
    json!({"type": kind, "identifier": {"type": of.0, "value": of.1}})
}

async fn file(server: &Server, body: &Value) -> Value {
    server.ok(post("/api/v1/privacy/requests", body.to_string()).admin()).await
}

async fn visit(server: &Server) {
    let placement = json!({"state": "live", "default": {"title": "Welcome"}});
    server.ok(put("/api/v1/placements/hero", &placement).admin()).await;
    let experience = json!({"state": "live", "placement": "hero",
        "eligibility": {"event": "Viewed Tent"},
        "variants": [{"key": "a", "content": {"title": "Tents for {{ profile.traits.name }}"}}]});
    server.ok(put("/api/v1/experiences/tents", &experience).admin()).await;
    let named = json!({"type": "identify", "anonymousId": "browser-7", "userId": "u7",
        "traits": {"name": "Ann", "email": "ann@example.org"}, "messageId": "one"});
    server.track(&named).await;
    for count in 0..130 {
        let viewed = json!({"type": "track", "event": "Viewed Tent", "anonymousId": "browser-7",
            "properties": {"tent": format!("tent {count}")}, "messageId": format!("tent {count}")});
        server.track(&viewed).await;
    }
}

/// Neither who was erased nor anything of them is found.
async fn nothing_is_left(server: &Server, profile: &str) {
    for lookup in [
        "type=user_id&value=u7",
        "type=email&value=ann@example.org",
        "type=anonymous_id&value=browser-7",
    ] {
        let verdict =
            server.verdict(get(format!("/api/v1/profiles/lookup?{lookup}")).admin()).await;
        assert!(verdict.starts_with("404"), "{lookup}: {verdict}");
    }
    for path in [
        format!("/api/v1/profiles/{profile}"),
        format!("/api/v1/profiles/{profile}/explain"),
        format!("/api/v1/profiles/{profile}/timeline"),
    ] {
        assert!(server.verdict(get(&path).admin()).await.starts_with("404"), "{path}");
    }
    let decided = json!({"identifiers": {"anonymous_id": "browser-7"}, "placements": ["hero"]});
    let decided = server.ok(post("/v1/decide", decided.to_string()).source()).await;
    assert_eq!(decided["decisions"][0]["content"]["title"], "Welcome");
    let audit = server.ok(get("/api/v1/audit?limit=500").admin()).await.to_string();
    assert!(audit.contains("privacy.erase") && !audit.contains("browser-7"));
}

/// What comes late is refused, what comes after is somebody new.
async fn somebody_new_begins(server: &Server) {
    let late = json!({"batch": [
        {"type": "track", "event": "Viewed Tent", "userId": "u7", "timestamp": "2026-01-01T00:00:00Z"},
        {"type": "track", "event": "Viewed Boat", "userId": "u7", "timestamp": "2026-11-22T12:30:00Z"}]});
    let call =
        post("/v1/batch", late.to_string()).source().header("prefer", "return=representation");
    let verdicts = server.ok(call).await;
    assert_eq!(
        (&verdicts["events"][0]["code"], &verdicts["events"][1]["verdict"]),
        (&json!("erased"), &json!("accepted")),
        "{verdicts}"
    );
    let anew = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u7").admin()).await;
    assert_eq!(anew["timeline"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_visitor_asks_what_is_known_why_and_to_be_forgotten() {
    let server = server();
    visit(&server).await;
    let officer = server.token(&["privacy"]).await;
    let officer = |call: Call| call.header("authorization", format!("Bearer {officer}"));

    // What is known.
    let body = ask("access", ("email", "Ann@example.org")).to_string();
    let request = server.ok(officer(post("/api/v1/privacy/requests", body))).await;
    let path = format!("/api/v1/privacy/requests/{}", request["id"].as_str().unwrap());
    let answer = server.call(officer(get(format!("{path}/document")))).await;
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"personal-data.json\"");
    let document = answer.json();
    let known = &document["profiles"][0];
    assert_eq!(known["profile"]["traits"]["name"]["value"], "Ann");
    assert_eq!(known["events"].as_array().unwrap().len(), 131);
    assert_eq!(known["events"][130]["type"], "identify");
    assert_eq!(known["events"][0]["purposes"], json!(["personalization", "analytics"]));
    assert_eq!(document["request"]["receipt"]["verified"], true);

    // Why they saw this.
    let profile = known["profile"]["id"].as_str().unwrap();
    let explain = format!("/api/v1/profiles/{profile}/explain?placement=hero");
    let explained = server.ok(get(&explain).admin()).await;
    assert_eq!(explained["decisions"][0]["content"]["title"], "Tents for Ann");
    let steps = explained["decisions"][0]["explanation"].to_string();
    for told in ["`Viewed Tent` happened at", "recognised by", "said nothing", "eligible"] {
        assert!(steps.contains(told), "{told}: {steps}");
    }

    // To be forgotten.
    let body = ask("erase", ("anonymous_id", "browser-7")).to_string();
    let answer = server.call(officer(post("/api/v1/privacy/requests", body))).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.summary());
    let erased = answer.json();
    let path = answer.header("location").to_owned();
    assert_eq!((&erased["state"], &erased["counts"]["events"]), (&json!("done"), &json!(131)));
    let receipt = server.ok(officer(get(&path))).await;
    assert_eq!(receipt, erased);
    assert_eq!(
        (&receipt["receipt"]["number"], &receipt["receipt"]["verified"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(receipt["receipt"]["previous"], request["receipt"]["code"]);

    nothing_is_left(&server, profile).await;
    let document = format!("/api/v1/privacy/requests/{}/document", request["id"].as_str().unwrap());
    assert_eq!(server.ok(officer(get(document))).await["profiles"], json!([]));
    somebody_new_begins(&server).await;
}

#[tokio::test]
async fn a_request_of_one_name_is_one_request() {
    let server = server();
    visit(&server).await;
    let body = ask("suppress", ("user_id", "u7")).to_string();
    let named =
        || post("/api/v1/privacy/requests", &body).admin().header("idempotency-key", "case 12");
    let first = server.call(named()).await;
    let again = server.call(named()).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 200));
    assert_eq!(first.json(), again.json());
    file(&server, &ask("unsuppress", ("user_id", "u7"))).await;
    let first_page = server.ok(get("/api/v1/privacy/requests?limit=1").admin()).await;
    assert_eq!(first_page["items"][0]["type"], "unsuppress");
    let cursor = first_page["next_cursor"].as_str().unwrap();
    let path = format!("/api/v1/privacy/requests?limit=1&cursor={cursor}");
    let second_page = server.ok(get(path).admin()).await;
    assert_eq!(
        (&second_page["items"][0], &second_page["next_cursor"]),
        (&again.json(), &Value::Null)
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = server();
    let mut verdicts = Vec::new();
    let rectify = |traits: Value| json!({"type": "rectify", "identifier": {"type": "user_id", "value": "u1"}, "traits": traits});
    for body in [
        json!({"type": "forget", "identifier": {"type": "user_id", "value": "u1"}}),
        ask("erase", ("shoe_size", "44")),
        ask("erase", ("user_id", " ")),
        ask("erase", ("user_id", "undefined")),
        rectify(json!({})),
        rectify(json!({"a": "x".repeat(3_000)})),
        json!({"type": "erase", "identifier": {"type": "user_id", "value": "u1"}, "traits": {"a": 1}}),
    ] {
        let call = post("/api/v1/privacy/requests", body.to_string()).admin();
        let verdict = server.verdict(call).await;
        verdicts.push(verdict.chars().take(100).collect::<String>());
    }
    expect_test::expect![[r#"
        400 invalid_request: /type: unknown variant `forget`, expected one of `access`, `erase`, `suppress`,
        400 invalid_request: /identifier/type: `shoe_size` is not an identifier type
        400 invalid_request: /identifier/value: a value has 1 to 512 bytes
        422 invalid_privacy_request: /identifier/value: this value names nobody: too many have it
        422 invalid_privacy_request: /traits: to rectify takes 1 to 100 traits
        422 invalid_privacy_request: /traits/a: a name has 1 to 200 bytes, a value 2048
        422 invalid_privacy_request: /traits: only `rectify` takes traits"#]].assert_eq(&verdicts.join("\n"));
    let reader = server.token(&["profiles:read"]).await;
    let body = ask("erase", ("user_id", "u1")).to_string();
    let call =
        post("/api/v1/privacy/requests", body).header("authorization", format!("Bearer {reader}"));
    assert_eq!(
        server.verdict(call).await,
        "403 missing_scope: the token lacks the scope `privacy`"
    );
    for path in ["/api/v1/privacy/requests/0", "/api/v1/privacy/requests/00000000000000ff/document"]
    {
        assert!(server.verdict(get(path).admin()).await.starts_with("404"));
    }
}

#[tokio::test]
async fn browsers_speak_for_whoever_sits_before_them() {
    let server = server();
    let track = |name: &str| {
        post("/v1/track", json!({"event": name, "anonymousId": "b1"}).to_string()).source()
    };
    server.ok(track("Seen").header("sec-gpc", "1")).await;
    let found = server.ok(get("/api/v1/profiles/lookup?type=anonymous_id&value=b1").admin()).await;
    let advertising = &found["consents"]["advertising"];
    assert_eq!((&advertising["said"], &advertising["granted"]), (&json!("denied"), &json!(false)));
    assert_eq!(found["consents"]["analytics"]["said"], "unknown");
    let server_source = json!({"kind": "server", "state": "live"});
    server.ok(put("/api/v1/sources/backend", &server_source).admin()).await;
    let made = server.ok(post("/api/v1/sources/backend/write_keys", "").admin()).await;
    let key = made["write_key"].as_str().unwrap();
    let call = post("/v1/track", json!({"event": "Paid", "userId": "u2"}).to_string());
    server.ok(call.header("x-write-key", key).header("sec-gpc", "1").header("dnt", "1")).await;
    let found = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u2").admin()).await;
    assert_eq!(
        found["consents"]["advertising"]["said"], "unknown",
        "a server's headers are its own"
    );
}

#[tokio::test]
async fn an_officer_sees_what_a_rule_would_remove_before_it_does() {
    let server = server();
    visit(&server).await;
    let officer = server.token(&["privacy"]).await;
    let officer = |path: &str| get(path).header("authorization", format!("Bearer {officer}"));
    let rule = |state: &str, keep: &str| json!({"state": state, "of": "events", "keep": keep, "events": ["Viewed Tent"]});
    let save = |rule: Value| put("/api/v1/retention_rules/tents", &rule).admin();
    server.ok(save(rule("draft", "30d"))).await;
    server.clock.set(server.clock.now().saturating_add(Duration::days(31)));
    let found = server.ok(officer("/api/v1/retention/dry_run?rule=tents")).await;
    let removed = json!({"events": 130, "visits": 0, "decisions": 0, "people": 0});
    assert_eq!((&found["removed"], &found["unreadable"]), (&removed, &json!(0)));
    assert_eq!(server.ok(officer("/api/v1/retention")).await["round"], Value::Null);
    let unknown = server.verdict(officer("/api/v1/retention/dry_run?rule=boats")).await;
    assert!(unknown.starts_with("404"), "{unknown}");

    // Nobody may ask about what is not there, and nothing that somebody asks about may go.
    let condition = json!({"event": "Viewed Tent", "within": "60d"});
    let audience = json!({"state": "live", "condition": condition});
    server.ok(put("/api/v1/audiences/campers", &audience).admin()).await;
    expect_test::expect![
        "422 invalid_definition: /keep: audience `campers` asks about 60d of such events"
    ]
    .assert_eq(&server.verdict(save(rule("live", "30d"))).await);
    server.ok(Call::new("DELETE", "/api/v1/audiences/campers").admin()).await;
    server.ok(save(rule("live", "30d"))).await;
    expect_test::expect!["422 invalid_definition: /condition/within: events are kept for 30d, so nothing is known about 60d"]
        .assert_eq(&server.verdict(put("/api/v1/audiences/campers", &audience).admin()).await);

    // The writer removes it in its spare time.
    let mut round = Value::Null;
    for _ in 0..4_000 {
        round = server.ok(officer("/api/v1/retention")).await["round"].clone();
        if !round["ended_at"].is_null() {
            break;
        }
        std::thread::yield_now();
    }
    assert_eq!((&round["removed"], &round["strands"]), (&removed, &json!(2)), "{round}");
    let kept = server.ok(get("/api/v1/profiles/lookup?type=user_id&value=u7").admin()).await;
    assert_eq!(kept["timeline"].as_array().unwrap().len(), 1);
    assert_eq!(kept["traits"]["name"]["value"], "Ann");
    let short = server.verdict(save(rule("live", "1h"))).await;
    expect_test::expect!["422 invalid_definition: /keep: what comes in is kept for a day at least"]
        .assert_eq(&short);
}
