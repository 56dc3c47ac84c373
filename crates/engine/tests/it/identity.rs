//! Who turns out to be whom.

use engine::acts::{ActError, Split};
use model::{Identifier, IdentifierType};
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

/// Takes one identifier out.
fn out((kind, value): (&str, &str)) -> Split {
    Split::Identifiers(vec![Identifier::new(IdentifierType::parse(kind).unwrap(), value)])
}

#[test]
fn what_was_split_stays_split_whatever_is_seen_later() {
    let mut world = World::new();
    world.see(&[LAPTOP], "before", json!({}));
    world.see(&[LAPTOP, ANN], "after", json!({}));
    let done = world.split(ANN, out(LAPTOP)).unwrap();
    assert_eq!(done.profiles.len(), 2);
    assert_eq!(names(&world, "user_id", "ann"), ["after"]);
    assert_eq!(names(&world, "anonymous_id", "laptop"), ["before"]);
    world.see(&[LAPTOP, ANN], "again", json!({}));
    world.see(&[LAPTOP], "anonymous again", json!({}));
    world.restart();
    world.see(&[LAPTOP, ANN], "and again", json!({}));
    assert_eq!(names(&world, "user_id", "ann"), ["after", "again", "and again"]);
    assert_eq!(names(&world, "anonymous_id", "laptop"), ["before", "anonymous again"]);
}

#[test]
fn a_split_is_taken_back_and_that_is_taken_back_too() {
    let mut world = World::new();
    world.see(&[LAPTOP], "one", json!({}));
    world.see(&[LAPTOP, ANN], "two", json!({}));
    world.see(&[PHONE, ANN], "three", json!({}));
    let split = world.split(ANN, out(LAPTOP)).unwrap();
    assert_eq!(names(&world, "user_id", "ann"), ["two", "three"]);
    let undo = world.undo(ANN, split.act).unwrap();
    assert_eq!(undo.profiles, [world.id(ANN)]);
    assert_eq!(names(&world, "user_id", "ann"), ["one", "two", "three"]);
    assert!(matches!(world.undo(ANN, split.act), Err(ActError::NotInForce(_))));
    let redo = world.undo(ANN, undo.act).unwrap();
    assert_eq!(names(&world, "user_id", "ann"), ["two", "three"]);
    world.restart();
    world.undo(LAPTOP, redo.act).unwrap();
    assert_eq!(names(&world, "anonymous_id", "laptop"), ["one", "two", "three"]);
    let acts = world.engine.acts(world.id(ANN)).unwrap().unwrap();
    let told: Vec<_> =
        acts.iter().map(|act| format!("{} {}", act["kind"], act["in_force"])).collect();
    assert_eq!(told, [r#""undo" true"#, r#""undo" false"#, r#""undo" true"#, r#""split" false"#]);
}

#[test]
fn all_that_was_merged_can_be_taken_apart_at_once() {
    let mut world = World::new();
    world.see(&[LAPTOP], "laptop", json!({}));
    world.see(&[PHONE], "phone", json!({}));
    world.see(&[LAPTOP, ANN], "ann", json!({}));
    world.see(&[PHONE, ANN], "ann too", json!({}));
    let done = world.split(ANN, Split::All).unwrap();
    assert_eq!(done.profiles.len(), 3);
    assert_eq!(names(&world, "anonymous_id", "laptop"), ["laptop"]);
    assert_eq!(names(&world, "anonymous_id", "phone"), ["phone"]);
    assert_eq!(names(&world, "user_id", "ann"), ["ann", "ann too"]);
}

#[test]
fn nothing_is_split_from_somebody_who_has_nothing_else() {
    let mut world = World::new();
    world.see(&[ANN], "one", json!({}));
    assert!(matches!(world.split(ANN, Split::All), Err(ActError::CannotSplit(_))));
    assert!(matches!(world.split(ANN, out(ANN)), Err(ActError::CannotSplit(_))));
    assert!(matches!(world.split(ANN, out(BOB)), Err(ActError::CannotSplit(_))));
}

#[test]
fn each_side_of_a_split_knows_what_came_through_it() {
    let mut world = World::new();
    let ago = model::Duration::seconds(60);
    let plan = |value: &str| json!({"plan": value});
    let denied = |purpose| model::Consents {
        denied: model::PurposeSet::NONE.with(purpose),
        ..model::Consents::default()
    };
    let no_analytics = denied(model::Purpose::ANALYTICS);
    let ids = &[LAPTOP, ANN];
    let late = Sent {
        ids: &[LAPTOP],
        traits: plan("free"),
        ago,
        consents: no_analytics,
        ..Sent::default()
    };
    world.send(Sent { ids, traits: plan("pro"), consents: no_analytics, ..Sent::default() });
    world.send(late);
    assert_eq!(world.profile("user_id", "ann").unwrap()["traits"]["plan"]["value"], "pro");
    let done = world.split(ANN, out(LAPTOP)).unwrap();
    assert_eq!(done.profiles.len(), 2, "{done:?}");
    let laptop = world.profile("anonymous_id", "laptop").unwrap();
    assert_eq!(laptop["traits"]["plan"]["value"], "free", "{laptop:#}");
    assert_eq!(laptop["consents"]["analytics"]["said"], "denied", "{laptop:#}");
    let ann = world.profile("user_id", "ann").unwrap();
    assert_eq!(ann["traits"]["plan"]["value"], "pro");
    assert_eq!(ann["consents"]["analytics"]["said"], "denied");
}
