//! From events to explained decisions.

use engine::definitions::Kind;
use model::{Duration, Value, condition::Sight};
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
        !world
            .engine
            .profile_decisions(id, None, 10, Sight::Full)
            .unwrap()
            .unwrap()
            .items
            .is_empty()
    });
    let page = world.engine.profile_decisions(id, None, 10, Sight::Full).unwrap().unwrap();
    let recorded = &page.items[0];
    assert_eq!(recorded["decisions"][0]["id"], answer.decisions[0].id.to_string());
    assert_eq!(recorded["decisions"][0]["experience"]["key"], "thanks");
    assert_eq!(recorded["memberships"], json!(["buyers"]));
    assert_eq!(recorded["definitions_version"], answer.definitions_version);
}

/// The newest recorded decision, once there are `count` of them and the next decision counts them.
fn recorded(world: &mut World, ids: &[(&str, &str)], count: usize) -> Value {
    let read = |world: &World| {
        let id = world.engine.find_profile(&request(ids, "hero").identifiers[0]).unwrap()?;
        let page = world.engine.profile_decisions(id, None, 100, Sight::Full).unwrap()?;
        page.items.get(count - 1)?;
        page.items.into_iter().next()
    };
    world.wait(|world| read(world).is_some());
    // A record is stored before caches know of it, and a call is answered after its batch and those
    // before it are published.
    world.see(&[("anonymous_id", "somebody else")], "View", json!({}));
    read(world).unwrap()
}

#[test]
fn a_record_reads_the_same_after_the_definitions_have_changed() {
    let mut world = World::new();
    shop(&world);
    let experience = |key: &str, priority: u32, eligibility: Value| {
        let variants = json!([{"key": "a", "content": {"title": "Hi"}}]);
        json!({
            "key": key, "placement": "hero", "priority": priority, "eligibility": eligibility,
            "variants": variants,
        })
    };
    let nobody = json!({"trait": "plan", "op": "eq", "value": "gold"});
    for key in ["gold", "silver"] {
        world.define(Kind::Experience, experience(key, 9, nobody.clone()));
    }
    world.define(Kind::Placement, json!({"key": "closed", "state": "paused"}));
    world.see(ANN, "Order Completed", json!({}));
    let mut asked = request(ANN, "hero");
    asked.placements =
        ["hero", "closed", "nowhere"].map(|key| key.parse().ok()).into_iter().collect();
    asked.context = json!({"page": {"n": 1, "x": 0.5}}).as_object().unwrap().clone().into();
    let answer = world.engine.decide(&asked).unwrap();
    let before = recorded(&mut world, ANN, 1);
    let candidate = |key, version, why_not: Value| json!({"experience": {"key": key, "version": version}, "why_not": why_not});
    let candidates = json!([
        candidate("gold", 1, "ineligible".into()),
        candidate("silver", 1, "ineligible".into()),
        candidate("thanks", 1, Value::Null),
    ]);
    let none = json!({"asked": 0, "granted": 0});
    let [hero, closed, nowhere] = &answer.decisions[..] else { panic!("three were asked for") };
    let decisions = json!([
        {
            "id": hero.id.to_string(), "placement": "hero", "placement_version": 1,
            "experience": {"key": "thanks", "version": 1}, "variant": "a",
            "reason": "targeting_match", "propensity": 1.0, "shadow": null,
            "candidates": candidates, "consent": {"asked": 2, "granted": 2},
        },
        {
            "id": closed.id.to_string(), "placement": "closed", "placement_version": 1,
            "experience": null, "variant": null, "reason": "paused", "propensity": 1.0,
            "shadow": null, "candidates": [], "consent": none,
        },
        {
            "id": nowhere.id.to_string(), "placement": "nowhere", "placement_version": null,
            "experience": null, "variant": null, "reason": "error", "propensity": 1.0,
            "shadow": null, "candidates": [], "consent": none,
        },
    ]);
    assert_eq!(before["decisions"], decisions);
    assert_eq!(before["context"], json!({"page": {"n": 1, "x": 0.5}}));
    world.define(Kind::Experience, experience("silver", 1, nobody.clone()));
    world.define(Kind::Experience, experience("new", 9, nobody));
    world.define(Kind::Placement, json!({"key": "hero", "state": "paused"}));
    world.restart();
    assert_eq!(recorded(&mut world, ANN, 1), before);
}

#[test]
fn a_held_out_unit_is_recorded_with_what_it_would_have_seen() {
    let mut world = World::new();
    world.define(Kind::Placement, json!({"key": "hero"}));
    world.define(
        Kind::Experience,
        json!({
            "key": "test", "placement": "hero", "holdout": 1,
            "variants": [{"key": "a", "content": {"v": 1}}],
        }),
    );
    world.see(ANN, "View", json!({}));
    assert_eq!(world.shown(ANN, "hero"), "holdout nothing");
    let decision = recorded(&mut world, ANN, 1)["decisions"][0].clone();
    let winner = json!({"key": "test", "version": 1});
    assert_eq!(decision["experience"], Value::Null);
    let shadow = json!({"experience": winner, "variant": "a", "holdout": "experience"});
    assert_eq!(decision["shadow"], shadow);
    assert_eq!(decision["candidates"], json!([{"experience": winner, "why_not": null}]));
}

#[test]
fn a_context_too_large_to_keep_is_left_out_and_the_record_says_so() {
    let mut world = World::new();
    shop(&world);
    world.see(ANN, "Order Completed", json!({}));
    let mut asked = request(ANN, "hero");
    asked.context.insert("note", "x".repeat(40_000).into());
    assert!(!world.engine.decide(&asked).unwrap().decisions[0].unrecorded);
    let record = recorded(&mut world, ANN, 1);
    assert_eq!(record["context"], json!({"left_out": "the context was too large"}));
    assert_eq!(record["decisions"][0]["variant"], "a");
}

#[test]
fn each_recorded_win_counts_and_the_variant_stays() {
    let mut world = World::new();
    world.define(Kind::Placement, json!({"key": "hero"}));
    world.define(
        Kind::Experience,
        json!({
            "key": "test", "placement": "hero", "caps": {"per_person": {"count": 10, "within": "1d"}},
            "variants": [{"key": "a", "content": {"v": 1}}, {"key": "b", "content": {"v": 2}}],
        }),
    );
    world.see(ANN, "View", json!({}));
    for count in 1..=5 {
        let variant = world.ask(ANN, "hero").decisions[0].variant.clone();
        world.pass(Duration(1));
        assert_eq!(variant, world.ask(ANN, "hero").decisions[0].variant);
        world.pass(Duration(1));
        recorded(&mut world, ANN, count * 2);
        if count == 1 {
            world.restart();
        }
    }
    assert_eq!(world.shown(ANN, "hero"), "frequency_cap nothing");
}
