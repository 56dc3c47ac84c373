//! Changing who is who, through the public interface.

use serde_json::{Value, json};

use crate::harness::{Server, get, post, server};

async fn id(server: &Server, kind: &str, value: &str) -> String {
    let path = format!("/api/v1/profiles/lookup?type={kind}&value={value}");
    server.ok(get(path).admin()).await["id"].as_str().unwrap().to_owned()
}

async fn split(server: &Server, id: &str, body: &Value) -> Value {
    server.ok(post(format!("/api/v1/profiles/{id}/split"), body.to_string()).admin()).await
}

#[tokio::test]
async fn a_person_is_split_and_the_split_is_taken_back() {
    let server = server();
    server.track(&json!({"type": "page", "name": "one", "anonymousId": "a1"})).await;
    server
        .track(&json!({"type": "page", "name": "two", "anonymousId": "a1", "userId": "u1"}))
        .await;
    let whole = id(&server, "user_id", "u1").await;
    assert_eq!(id(&server, "anonymous_id", "a1").await, whole);
    let token = server.token(&["profiles:write"]).await;
    let body = json!({"identifiers": [{"type": "anonymous_id", "value": "a1"}]});
    let call = post(format!("/api/v1/profiles/{whole}/split"), body.to_string());
    let done = server.ok(call.header("authorization", format!("Bearer {token}"))).await;
    assert_eq!(done["profiles"].as_array().unwrap().len(), 2, "{done}");
    assert_ne!(id(&server, "user_id", "u1").await, id(&server, "anonymous_id", "a1").await);

    let acts = format!("/api/v1/profiles/{whole}/acts");
    let listed = server.ok(get(&acts).admin()).await;
    let act = &listed["items"][0];
    assert_eq!(act["kind"], "split");
    assert_eq!(act["actor"], "test 0");
    assert_eq!(act["parts"][0], json!([{"type": "anonymous_id", "value": "a1"}]));
    let undo = format!("{acts}/{}/undo", act["id"].as_str().unwrap());
    server.ok(post(&undo, "").admin()).await;
    assert_eq!(id(&server, "user_id", "u1").await, id(&server, "anonymous_id", "a1").await);
    let again = server.verdict(post(&undo, "").admin()).await;
    assert!(again.starts_with("409 not_in_force"), "{again}");

    let audit = server.ok(get("/api/v1/audit?limit=500").admin()).await;
    let done = |action: &str| {
        let items = audit["items"].as_array().unwrap();
        items.iter().filter(|entry| entry["action"] == action).count()
    };
    assert_eq!((done("profile.split"), done("profile.undo")), (1, 1));
}

#[tokio::test]
async fn a_split_that_makes_no_sense_is_refused() {
    let server = server();
    server.track(&json!({"type": "identify", "userId": "u1"})).await;
    let id = id(&server, "user_id", "u1").await;
    let path = format!("/api/v1/profiles/{id}/split");
    let identifier =
        |kind: &str, value: &str| json!({"identifiers": [{"type": kind, "value": value}]});
    for (body, expected) in [
        (json!({"all": true}), "409 cannot_split: the profile has nothing else"),
        (identifier("user_id", "u1"), "409 cannot_split: the profile has nothing else"),
        (identifier("email", "a@b.c"), "409 cannot_split: an identifier of type email is not one"),
        (identifier("shoe_size", "44"), "400 invalid_request: /identifiers/0/type: is user_id"),
        (identifier("email", ""), "400 invalid_request: /identifiers/0/value: has 1 to 512"),
        (json!({}), "400 invalid_request: give either"),
        (
            json!({"all": true, "identifiers": [{"type": "email", "value": "a"}]}),
            "400 invalid_request",
        ),
        (json!({"everything": true}), "400 invalid_request: /everything: unknown field"),
    ] {
        let verdict = server.verdict(post(&path, body.to_string()).admin()).await;
        assert!(verdict.starts_with(expected), "{body}: {verdict}");
    }
    for path in [
        "/api/v1/profiles/00000000000000000999/split".to_owned(),
        "/api/v1/profiles/nonsense/split".to_owned(),
        format!("/api/v1/profiles/{id}/acts/nonsense/undo"),
        format!("/api/v1/profiles/{id}/acts/00000000000000000000000000000001/undo"),
    ] {
        let verdict = server.verdict(post(&path, json!({"all": true}).to_string()).admin()).await;
        assert!(verdict.starts_with("404 not_found"), "{path}: {verdict}");
    }
}

#[tokio::test]
async fn all_that_was_merged_is_taken_apart_by_one_call() {
    let server = server();
    for event in [
        json!({"type": "page", "anonymousId": "a1", "timestamp": "2026-11-22T10:00:00Z"}),
        json!({"type": "page", "anonymousId": "a2", "timestamp": "2026-11-22T10:01:00Z"}),
        json!({"type": "page", "anonymousId": "a1", "userId": "u1", "timestamp": "2026-11-22T10:02:00Z"}),
        json!({"type": "page", "anonymousId": "a2", "userId": "u1", "timestamp": "2026-11-22T10:03:00Z"}),
    ] {
        server.track(&event).await;
    }
    let whole = id(&server, "user_id", "u1").await;
    let done = split(&server, &whole, &json!({"all": true})).await;
    assert_eq!(done["profiles"].as_array().unwrap().len(), 3, "{done}");
}

/// Two users with one mail address, and the proposal that says so.
async fn family(server: &Server) -> String {
    for (user, time) in [("ann", "2026-11-22T10:00:00Z"), ("bob", "2026-11-22T10:01:00Z")] {
        let traits = json!({"email": "family@example.org"});
        let event =
            json!({"type": "identify", "userId": user, "traits": traits, "timestamp": time});
        server.track(&event).await;
    }
    let open = server.ok(get("/api/v1/merge_proposals").admin()).await;
    assert_eq!(open["items"].as_array().unwrap().len(), 1, "{open}");
    assert_eq!(open["items"][0]["evidence"][0]["reason"], "two_known_users");
    open["items"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_proposal_is_looked_at_accepted_and_taken_back() {
    let server = server();
    let proposal = format!("/api/v1/merge_proposals/{}", family(&server).await);
    let shown = server.ok(get(&proposal).admin()).await;
    assert_eq!(shown["preview"].as_array().unwrap().len(), 2);
    let done = server.ok(post(format!("{proposal}/accept"), "").admin()).await;
    let merged = id(&server, "user_id", "ann").await;
    assert_eq!(done["profiles"], json!([merged]));
    assert_eq!(id(&server, "user_id", "bob").await, merged);
    assert_eq!(server.ok(get(&proposal).admin()).await["state"], "accepted");
    let again = server.verdict(post(format!("{proposal}/accept"), "").admin()).await;
    assert!(again.starts_with("409 already_decided"), "{again}");
    let act = done["act"].as_str().unwrap();
    let undo = format!("/api/v1/profiles/{merged}/acts/{act}/undo");
    server.ok(post(undo, "").admin()).await;
    assert_ne!(id(&server, "user_id", "ann").await, id(&server, "user_id", "bob").await);
    server.ok(post(format!("{proposal}/reject"), "").admin()).await;
    let rejected = server.ok(get("/api/v1/merge_proposals?state=rejected").admin()).await;
    assert_eq!(rejected["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn many_proposals_are_reviewed_by_one_call_that_may_be_repeated() {
    let server = server();
    for (user, address, time) in [
        ("ann", "a@example.org", "10:00"),
        ("bob", "a@example.org", "10:01"),
        ("cid", "c@example.org", "10:02"),
        ("dan", "c@example.org", "10:03"),
        ("eve", "e@example.org", "10:04"),
        ("fay", "e@example.org", "10:05"),
    ] {
        let traits = json!({"email": address});
        let time = format!("2026-11-22T{time}:00Z");
        let event =
            json!({"type": "identify", "userId": user, "traits": traits, "timestamp": time});
        server.track(&event).await;
    }
    let open = server.ok(get("/api/v1/merge_proposals").admin()).await;
    let ids: Vec<&str> =
        open["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let [eve, cid, ann] = ids[..] else { panic!("{open}") };
    let nobody: String = ann.chars().rev().collect();
    let review = |body: Value| post("/api/v1/merge_proposals/review", body.to_string()).admin();
    let body = json!({"verdict": "accept", "proposals": [
        {"id": ann}, {"id": cid, "verdict": "reject"}, {"id": nobody}, {"id": eve}, {"id": ann},
    ]});
    let told = server.ok(review(body.clone())).await["proposals"].clone();
    let states = |told: &Value| -> Vec<String> {
        let told = told.as_array().unwrap().iter();
        told.map(|one| one["state"].as_str().or(one["code"].as_str()).unwrap().to_owned()).collect()
    };
    let expected = ["accepted", "rejected", "not_found", "accepted", "accepted"];
    assert_eq!(states(&told), expected);
    assert_eq!(told[4], json!({"id": ann, "state": "accepted"}), "it was so before");
    let merged = id(&server, "user_id", "ann").await;
    assert_eq!(told[0]["profiles"], json!([merged]));
    assert_eq!(id(&server, "user_id", "bob").await, merged);
    assert_eq!(id(&server, "user_id", "eve").await, id(&server, "user_id", "fay").await);
    assert_ne!(id(&server, "user_id", "cid").await, id(&server, "user_id", "dan").await);

    let again = server.ok(review(body)).await["proposals"].clone();
    assert_eq!(states(&again), expected);
    assert!(again.as_array().unwrap().iter().all(|one| one["act"].is_null()), "{again}");
    let other = server.ok(review(json!({"verdict": "reject", "proposals": [{"id": ann}]}))).await;
    assert_eq!(states(&other["proposals"]), ["already_decided"]);
    let audit = server.ok(get("/api/v1/audit?limit=500").admin()).await;
    let done = |action: &str| {
        let items = audit["items"].as_array().unwrap();
        items.iter().filter(|entry| entry["action"] == action).count()
    };
    assert_eq!((done("merge_proposal.accept"), done("merge_proposal.reject")), (2, 1));

    let act = told[0]["act"].as_str().unwrap();
    server.ok(post(format!("/api/v1/profiles/{merged}/acts/{act}/undo"), "").admin()).await;
    assert_ne!(id(&server, "user_id", "ann").await, id(&server, "user_id", "bob").await);
}

#[tokio::test]
async fn a_review_that_makes_no_sense_is_refused() {
    let server = server();
    let id = family(&server).await;
    let review = |body: Value| post("/api/v1/merge_proposals/review", body.to_string()).admin();
    let many: Vec<Value> = (0..101).map(|_| json!({"id": id})).collect();
    for (body, expected) in [
        (json!({"proposals": []}), "400 invalid_request: /proposals: has 1 to 100"),
        (json!({"verdict": "accept", "proposals": many}), "400 invalid_request: /proposals: has 1"),
        (json!({"proposals": [{"id": id}]}), "400 invalid_request: /proposals/0/verdict: is miss"),
        (
            json!({"verdict": "accept", "proposals": [{"id": "x"}]}),
            "400 invalid_request: /proposals/0/id: is no id",
        ),
    ] {
        let verdict = server.verdict(review(body)).await;
        assert!(verdict.starts_with(expected), "{verdict}");
    }
    let token = server.token(&["profiles:read"]).await;
    let call = post("/api/v1/merge_proposals/review", "{}");
    let verdict = server.verdict(call.header("authorization", format!("Bearer {token}"))).await;
    assert!(verdict.starts_with("403"), "{verdict}");
}

#[tokio::test]
async fn proposals_are_handed_in_by_identifiers() {
    let server = server();
    family(&server).await;
    let side = |kind: &str, value: &str| json!({"type": kind, "value": value});
    let (ann, bob) = (side("user_id", "ann"), side("user_id", "bob"));
    let new = |a: &Value, b: &Value, score: f64| json!({"a": a, "b": b, "score": score});
    let hand_in = |list: Value| {
        post("/api/v1/merge_proposals", json!({"proposals": list}).to_string()).admin()
    };
    let nobody = side("email", "nobody@example.org");
    let answer = server.ok(hand_in(json!([new(&ann, &bob, 0.9), new(&ann, &nobody, 0.9)]))).await;
    assert_eq!(answer["proposals"], json!(["known", "nobody"]));
    for (list, expected) in [
        (json!([]), "400 invalid_request: /proposals: has 1 to 500"),
        (json!([new(&ann, &ann, 0.9)]), "400 invalid_request: /proposals/0: `a` and `b` are"),
        (json!([new(&ann, &bob, 1.5)]), "400 invalid_request: /proposals/0/score: is a number"),
        (json!([new(&ann, &side("x", "y"), 0.5)]), "400 invalid_request: /proposals/0/b/type"),
    ] {
        let verdict = server.verdict(hand_in(list)).await;
        assert!(verdict.starts_with(expected), "{verdict}");
    }
    let verdict = server.verdict(get("/api/v1/merge_proposals?state=new").admin()).await;
    assert!(verdict.starts_with("400 invalid_request"), "{verdict}");
    let verdict = server.verdict(get("/api/v1/merge_proposals/nonsense").admin()).await;
    assert!(verdict.starts_with("404 not_found"), "{verdict}");
    assert_eq!(server.ok(get("/api/v1/large_profiles").admin()).await["items"], json!([]));
}
