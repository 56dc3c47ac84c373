//! Audiences become true on the event and false by the clock.

use engine::{definitions::Kind, people::AudienceChoice};
use model::Duration;
use serde_json::json;

use crate::world::World;

const ANN: &[(&str, &str)] = &[("user_id", "ann")];

fn viewers(world: &World) {
    world.define(
        Kind::Audience,
        json!({
            "key": "viewers",
            "condition": {"event": "Product Viewed", "within": "1h", "count": {"op": "gte", "value": 2}},
        }),
    );
}

#[test]
fn entered_with_the_event_and_left_by_the_clock_without_traffic() {
    let mut world = World::new();
    viewers(&world);
    world.see(ANN, "Product Viewed", json!({}));
    assert!(world.since("user_id", "ann", "viewers").is_null());
    world.pass(Duration::seconds(600));
    world.see(ANN, "Product Viewed", json!({}));
    let profile = world.profile("user_id", "ann").unwrap();
    assert_eq!(profile["audiences"]["viewers"]["member"], "true", "{profile:#}");
    // The first view leaves the window after an hour, so the exit is due fifty minutes from now.
    world.pass(Duration::seconds(3_001));
    world.wait(|world| {
        let profile = world.profile("user_id", "ann").unwrap();
        profile["audiences"]["viewers"]["member"] == "false"
            && profile["audiences"]["viewers"]["since"] == "2026-09-21T15:13:20.001Z"
    });
}

#[test]
fn an_audience_made_later_finds_those_who_are_in_it_already() {
    let mut world = World::new();
    world.see(ANN, "Product Viewed", json!({}));
    world.see(ANN, "Product Viewed", json!({}));
    world.see(&[("user_id", "bob")], "Product Viewed", json!({}));
    viewers(&world);
    let choice = AudienceChoice::Saved("viewers".parse().unwrap());
    let members = world.engine.members(&choice, None, None, 10).unwrap();
    assert_eq!((members.count, members.evaluated), (1, 2));
    assert_eq!(members.items[0].user_id.as_deref(), Some("ann"));
    world.wait(|world| world.since("user_id", "ann", "viewers").is_string());
}

#[test]
fn a_condition_is_answered_for_any_instant() {
    let mut world = World::new();
    world.see(ANN, "Order Completed", json!({"revenue": 70}));
    world.pass(Duration::days(10));
    world.see(ANN, "Order Completed", json!({"revenue": 50}));
    let condition = json!(
        {"event": "Order Completed", "within": "30d", "sum": {"property": "revenue", "op": "gt", "value": 100}}
    );
    let draft = AudienceChoice::Draft(condition);
    let count = |at| world.engine.members(&draft, at, None, 10).unwrap().count;
    let start = crate::world::START;
    assert_eq!(count(None), 1);
    assert_eq!(count(Some(start.saturating_add(Duration::days(9)))), 0, "the second was not there");
    assert_eq!(count(Some(start.saturating_add(Duration::days(31)))), 0, "the first has left");
}

#[test]
fn memberships_stand_across_a_restart() {
    let mut world = World::new();
    viewers(&world);
    world.see(ANN, "Product Viewed", json!({}));
    world.see(ANN, "Product Viewed", json!({}));
    let before = world.profile("user_id", "ann").unwrap();
    world.restart();
    assert_eq!(world.profile("user_id", "ann").unwrap(), before);
    world.pass(Duration::hours(1));
    world.wait(|world| {
        world.profile("user_id", "ann").unwrap()["audiences"]["viewers"]["member"] == "false"
    });
}

/// What decides here is when she left before she came back, which only the stored membership tells.
#[test]
fn who_left_and_came_back_is_remembered_across_a_restart() {
    let mut world = World::new();
    viewers(&world);
    let condition =
        json!({"all": [{"audience": "viewers"}, {"audience": "viewers", "left_within": "1d"}]});
    world.define(Kind::Audience, json!({"key": "back", "condition": condition}));
    let view_twice = |world: &mut World| {
        world.see(ANN, "Product Viewed", json!({}));
        world.see(ANN, "Product Viewed", json!({}));
    };
    let is = |world: &World, key: &str, member: &str| {
        world.profile("user_id", "ann").unwrap()["audiences"][key]["member"] == member
    };
    view_twice(&mut world);
    world.pass(Duration::hours(1));
    world.wait(|world| is(world, "viewers", "false"));
    view_twice(&mut world);
    assert!(is(&world, "back", "true"));
    world.restart();
    // Whatever is evaluated from here on reads the stored transitions.
    view_twice(&mut world);
    assert!(is(&world, "back", "true"));
    world.pass(Duration::days(1));
    world.wait(|world| is(world, "back", "false"));
}
