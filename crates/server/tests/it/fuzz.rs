//! Whatever a caller sends to decide: an answer for each placement or a refusal that tells nothing of anybody.

use serde_json::json;

use crate::harness::{post, put, server};

/// What is known of the person whom the seeds name, and is in none of them.
const KNOWN: &str = "quokka";

const SEEDS: &str = r#"{"identifiers":{"user_id":"zebedee"},"placements":["hero"],"explain":true}
{"identifiers":{"anonymous_id":"zebedee-phone","email":"zebedee@example.org"},"context":{"page":{"url":"https://example.org/?zebedee","title":"zebedee"},"locale":"sv-SE","timezone":"Europe/Stockholm"}}
{"identifiers":{"user_id":"zebedee","external:crm":"zebedee"},"placements":["hero","absent"],"at":"2026-11-22T12:00:00Z","record":false}
{"identifiers":{},"placements":[],"context":{"properties":{"x":[1,{"y":null}]}}}
{"identifiers":{"user_id":17},"context":{"ip":"192.0.2.1","user_agent":"zebedee","campaign":{"source":"zebedee"}}}
{"at":"zebedee","identifiers":{"zebedee":"zebedee"},"placements":["zebedee zebedee"]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn any_request_is_decided_or_refused_without_telling_of_anybody() {
    let server = server();
    let placement = json!({"state": "live", "default": {"title": "Hello"}});
    server.ok(put("/api/v1/placements/hero", &placement).admin()).await;
    server
        .track(&json!({"type": "identify", "userId": "zebedee", "traits": {"first_name": KNOWN}}))
        .await;
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        ::fuzz::run("decide", SEEDS, |input| {
            let call = || post("/v1/decide", input);
            let answers = runtime.block_on(async {
                [server.call(call().admin()).await, server.call(call().source()).await]
            });
            let mut outcome = String::new();
            for answer in answers {
                assert!(answer.status.as_u16() < 500, "{}", answer.summary());
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                if answer.status.is_success() {
                    let decisions = answer.json()["decisions"].as_array().unwrap().clone();
                    assert!(decisions.len() <= 50, "{text}");
                    for decision in &decisions {
                        // Only a placement that nobody defined has nothing to show.
                        let is_error = decision["reason"] == "error";
                        assert_eq!(is_error, decision["placement"] != "hero", "{text}");
                    }
                    outcome += &format!("decided {} ", decisions.len());
                } else {
                    assert!(!text.contains(KNOWN), "a refusal tells of somebody: {text}");
                    outcome += &::fuzz::kind_of(&answer.summary());
                }
            }
            outcome
        });
    });
}
