//! From events to explained decisions.

use engine::definitions::Kind;
use model::Duration;
use serde_json::json;

use crate::world::{Sent, World, request};

const ANN: &[(&str, &str)] = &[("user_id", "ann")];

fn shop(world: &World) {
    world.define(
        Kind::Audience,
        json!({"key": "buyers", "condition": {"event": "Order Completed", "within": "30d"}}),
    );
    world.define(Kind::Placement, json!({"key": "hero", "default": {"title": "Welcome"}}));
    world.define(
        Kind::Experience,
        json!({
            "key": "thanks", "placement": "hero", "eligibility": {"audience": "buyers"},
            "variants": [{"key": "a", "content": {"title": "Thank you {{ profile.traits.name | default: 'friend' }}"}}],
        }),
    );
}

#[test]
fn the_next_decision_sees_the_event_and_the_clock() {
    let mut world = World::new();
    shop(&world);
    assert_eq!(world.shown(ANN, "hero"), r#"default {"title":"Welcome"}"#);
    world.see(ANN, "Order Completed", json!({}));
    assert_eq!(world.shown(ANN, "hero"), r#"targeting_match {"title":"Thank you friend"}"#);
    let traits = json!({"name": "Ann"});
    world.send(Sent { ids: ANN, name: "Identify", traits, ..Sent::default() });
    assert_eq!(world.shown(ANN, "hero"), r#"targeting_match {"title":"Thank you Ann"}"#);
    world.pass(Duration::days(30));
    assert_eq!(world.shown(ANN, "hero"), r#"default {"title":"Welcome"}"#, "exact, timer or not");
}

#[test]
fn an_explanation_walks_from_event_to_content() {
    let mut world = World::new();
    shop(&world);
    world.see(ANN, "Order Completed", json!({}));
    let mut request = request(ANN, "hero");
    request.explain = true;
    let answer = world.engine.decide(&request).unwrap();
    let steps = answer.decisions[0].explanation.clone().unwrap();
    let stages: Vec<String> =
        steps.iter().map(|step| json!(step.stage).as_str().unwrap().to_owned()).collect();
    for stage in ["event", "identity", "audience", "eligibility", "arbitration", "content"] {
        assert!(stages.iter().any(|s| s == stage), "{stage} is missing in {stages:?}");
    }
}

#[test]
fn a_person_keeps_the_variant_first_seen_through_login_and_restart() {
    let mut world = World::new();
    world.define(Kind::Placement, json!({"key": "hero"}));
    world.define(
        Kind::Experience,
        json!({
            "key": "test", "placement": "hero",
            "variants": [{"key": "a", "content": {"v": 1}}, {"key": "b", "content": {"v": 2}}],
        }),
    );
    for i in 0..12 {
        let (phone, user) = (format!("phone{i}"), format!("user{i}"));
        let anonymous = [("anonymous_id", phone.as_str())];
        let first = world.ask(&anonymous, "hero").decisions[0].variant.clone().unwrap();
        // Recorded behind the answer, within the writer's next look around.
        world.wait(|world| {
            world
                .profile("anonymous_id", &phone)
                .is_some_and(|p| p["assignments"]["test"].is_string())
        });
        world.see(&[("anonymous_id", &phone), ("user_id", &user)], "login", json!({}));
        let known = [("user_id", user.as_str())];
        assert_eq!(world.ask(&known, "hero").decisions[0].variant.as_ref(), Some(&first));
        if i == 5 {
            world.restart();
        }
        assert_eq!(world.ask(&known, "hero").decisions[0].variant.as_ref(), Some(&first));
    }
}

#[test]
fn decisions_are_recorded_with_what_they_stood_on() {
    let mut world = World::new();
    shop(&world);
    world.see(ANN, "Order Completed", json!({}));
    let answer = world.ask(ANN, "hero");
    let id = world.engine.find_profile(&request(ANN, "hero").identifiers[0]).unwrap().unwrap();
    world.wait(|world| {
        !world.engine.profile_decisions(id, None, 10).unwrap().unwrap().items.is_empty()
    });
    let page = world.engine.profile_decisions(id, None, 10).unwrap().unwrap();
    let recorded = &page.items[0];
    assert_eq!(recorded["decisions"][0]["id"], answer.decisions[0].id.to_string());
    assert_eq!(recorded["decisions"][0]["experience"]["key"], "thanks");
    assert_eq!(recorded["memberships"], json!(["buyers"]));
    assert_eq!(recorded["definitions_version"], answer.definitions_version);
}
