//! Edits of live audiences: computed beside what acts, then switched to at once.

use engine::definitions::{DefinitionError, Kind, Switch};
use model::Duration;
use serde_json::{Value, json};

use crate::world::World;

/// People, more than the writer looks at in one step.
const PEOPLE: u32 = 300;

fn viewers(least: u32) -> Value {
    let count = json!({"op": "gte", "value": least});
    json!({"key": "viewers", "state": "live",
        "condition": {"event": "Product Viewed", "within": "1h", "count": count}})
}

/// Many people with one view, and one with two, who is in the audience of those with two.
fn world() -> World {
    let mut world = World::new();
    world.define(Kind::Audience, viewers(2));
    let names: Vec<String> = (0..PEOPLE).map(|number| format!("user-{number}")).collect();
    world.see_all(names.iter().map(String::as_str), "Product Viewed");
    world.see(&[("user_id", "user-0")], "Product Viewed", json!({}));
    assert_eq!(member(&world, "user-0"), "true");
    world
}

/// Whether somebody is shown as a member, and `null` where they are not told of.
fn member(world: &World, user: &str) -> Value {
    world.profile("user_id", user).unwrap()["audiences"]["viewers"]["member"].clone()
}

#[test]
fn the_version_before_acts_until_the_switch() {
    let mut world = world();
    world.edit(viewers(1), Switch::Manual);
    assert_eq!(member(&world, "user-1"), Value::Null);
    let edit = world.edited("viewers").unwrap();
    assert_eq!((edit.from, edit.to, edit.switch), (1, 2, Switch::Manual));
    let difference = edit.difference;
    assert!(difference.is_exact);
    let numbers = [difference.enter, difference.leave, difference.stay].map(|of| of.value);
    assert_eq!(numbers, [u64::from(PEOPLE) - 1, 0, 1]);
    assert_eq!((difference.entering.len(), difference.leaving.len()), (5, 0));
    world.wait(|world| world.edited("viewers").unwrap().progress.is_complete);
    let progress = world.edited("viewers").unwrap().progress;
    assert_eq!((progress.done, progress.part), (u64::from(PEOPLE), 1.0));
    // It goes on being computed: one comes, and those whose hour is over leave it.
    world.see(&[("user_id", "late")], "Product Viewed", json!({}));
    assert_eq!(member(&world, "late"), Value::Null);
    world.pass(Duration::seconds(3_601));
    world.see(&[("user_id", "user-1")], "Product Viewed", json!({}));
    assert_eq!(world.edited("viewers").unwrap().difference.enter.value, 1);
    world.switch("viewers").unwrap();
    assert_eq!(member(&world, "user-1"), "true");
    assert_eq!(member(&world, "late"), Value::Null);
    // The entry is recorded, as it is for all who enter.
    world.wait(|world| world.since("user_id", "user-1", "viewers").is_string());
    assert!(matches!(world.switch("viewers"), Err(DefinitionError::NoEdit { .. })));
}

#[test]
fn it_switches_by_itself_when_it_is_complete() {
    let world = world();
    let transitions = |world: &World| {
        let metrics = world.engine.metrics();
        let of = |line: &str| {
            line.strip_prefix("concierge_audience_transitions_total")?.trim().parse::<u64>().ok()
        };
        metrics.lines().filter_map(of).sum::<u64>()
    };
    let before = transitions(&world);
    world.edit(viewers(1), Switch::Auto);
    world.wait(|world| world.edited("viewers").is_none());
    assert_eq!(member(&world, "user-1"), "true");
    // Each enters once, by the switch and not while it was computed; who stays does not enter again.
    world.wait(|world| transitions(world) == before + u64::from(PEOPLE) - 1);
    world.wait(|world| world.since("user_id", "user-299", "viewers").is_string());
    assert_eq!(transitions(&world), before + u64::from(PEOPLE) - 1);
}

#[test]
fn a_restart_in_the_middle_goes_on() {
    let mut world = world();
    world.edit(viewers(1), Switch::Manual);
    world.restart();
    assert_eq!(member(&world, "user-1"), Value::Null, "the version before acts");
    world.wait(|world| world.edited("viewers").unwrap().progress.is_complete);
    world.restart();
    let progress = world.edited("viewers").unwrap().progress;
    assert!(progress.is_complete, "once is enough");
    assert_eq!(progress.done, u64::from(PEOPLE));
    world.switch("viewers").unwrap();
    assert_eq!(member(&world, "user-1"), "true");
    world.edit(viewers(2), Switch::Auto);
    world.restart();
    world.wait(|world| world.edited("viewers").is_none());
    assert_eq!(member(&world, "user-0"), "true");
    assert_ne!(member(&world, "user-1"), "true");
}

#[test]
fn an_edit_may_act_at_once() {
    let world = world();
    world.edit(viewers(1), Switch::Now);
    assert!(world.edited("viewers").is_none());
    assert_eq!(member(&world, "user-1"), "true");
}
