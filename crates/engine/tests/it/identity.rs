//! Who turns out to be whom.

use serde_json::json;

use crate::world::{Sent, World};

const LAPTOP: (&str, &str) = ("anonymous_id", "laptop");
const PHONE: (&str, &str) = ("anonymous_id", "phone");
const ANN: (&str, &str) = ("user_id", "ann");
const BOB: (&str, &str) = ("user_id", "bob");

fn names(world: &World, kind: &str, value: &str) -> Vec<String> {
    let profile = world.profile(kind, value).unwrap_or_default();
    let events = profile["timeline"].as_array().cloned().unwrap_or_default();
    events.iter().rev().map(|event| event["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_was_done_before_the_login_belongs_to_the_person() {
    let mut world = World::new();
    world.see(&[LAPTOP], "before", json!({}));
    world.see(&[LAPTOP, ANN], "after", json!({}));
    assert_eq!(names(&world, "user_id", "ann"), ["before", "after"]);
    assert_eq!(
        world.profile("anonymous_id", "laptop").unwrap()["id"],
        world.profile("user_id", "ann").unwrap()["id"],
    );
}

#[test]
fn two_devices_of_one_user_are_one_person() {
    let mut world = World::new();
    world.see(&[LAPTOP], "on the laptop", json!({}));
    world.see(&[PHONE], "on the phone", json!({}));
    world.see(&[LAPTOP, ANN], "login on the laptop", json!({}));
    world.see(&[PHONE, ANN], "login on the phone", json!({}));
    assert_eq!(names(&world, "user_id", "ann").len(), 4);
    world.restart();
    assert_eq!(names(&world, "user_id", "ann").len(), 4);
}

#[test]
fn two_known_users_are_never_joined_by_a_shared_device() {
    let mut world = World::new();
    world.see(&[LAPTOP], "anonymous", json!({}));
    world.see(&[LAPTOP, ANN], "ann", json!({}));
    world.see(&[LAPTOP, BOB], "bob", json!({}));
    world.see(&[LAPTOP], "anonymous again", json!({}));
    assert_eq!(names(&world, "user_id", "ann"), ["anonymous", "ann"]);
    assert_eq!(names(&world, "user_id", "bob"), ["bob"]);
    let ann = world.profile("user_id", "ann").unwrap();
    let bob = world.profile("user_id", "bob").unwrap();
    assert_ne!(ann["id"], bob["id"]);
    assert_eq!(bob["refused_identifiers"][0]["type"], "anonymous_id", "{bob:#}");
}

#[test]
fn a_shared_mail_address_does_not_join_two_users() {
    let mut world = World::new();
    for user in [ANN, BOB] {
        let ids = &[user, ("email", "family@example.org")];
        world.see(ids, "login", json!({}));
    }
    assert_eq!(names(&world, "user_id", "ann").len(), 1);
    assert_eq!(names(&world, "user_id", "bob").len(), 1);
}

#[test]
fn traits_are_the_newest_by_event_time_and_say_where_they_came_from() {
    let mut world = World::new();
    let tell = |world: &mut World, device, plan: &str, ago| {
        let ids = &[device, ANN];
        let traits = json!({"plan": plan});
        world.send(Sent { ids, name: "Identify", traits, ago, ..Sent::default() });
    };
    tell(&mut world, LAPTOP, "pro", model::Duration::seconds(60));
    tell(&mut world, PHONE, "free", model::Duration::seconds(120));
    let profile = world.profile("user_id", "ann").unwrap();
    assert_eq!(profile["traits"]["plan"]["value"], "pro");
    assert_eq!(profile["traits"]["plan"]["source"], "default");
    world.restart();
    assert_eq!(world.profile("user_id", "ann").unwrap()["traits"]["plan"]["value"], "pro");
}

#[test]
fn blocked_values_name_nobody() {
    let mut world = World::new();
    world.see(&[("anonymous_id", "a"), ("email", "null")], "one", json!({}));
    world.see(&[("anonymous_id", "b"), ("email", "null")], "two", json!({}));
    assert_eq!(names(&world, "anonymous_id", "a"), ["one"]);
    assert!(world.profile("email", "null").is_none());
}
