//! Devices that several users share: what somebody does there without a name belongs to whose turn it was.

use engine::{
    definitions::Kind, ingest::EventVerdict, people::AudienceChoice, privacy::RequestKind,
};
use model::{Consents, Duration, Purpose, PurposeSet, Timestamp, Value, condition::Sight};
use serde_json::json;

use crate::world::{START, Sent, World};

const SCREEN: (&str, &str) = ("anonymous_id", "screen");
const ANN: (&str, &str) = ("user_id", "ann");
const BOB: (&str, &str) = ("user_id", "bob");

/// Events at a screen in a shop, by the minute: who, what they like, and whether they refuse to be personalised.
const STORY: [(i64, Option<&str>, &str, bool); 8] = [
    (0, None, "hats", false),
    (1, Some("ann"), "shoes", false),
    (2, None, "coats", true),
    (3, None, "ties", false),
    (10, Some("bob"), "belts", false),
    (12, None, "socks", false),
    (13, None, "gloves", true),
    (90, None, "scarves", false),
];

fn at(minute: i64) -> Timestamp {
    START.saturating_add(Duration(minute * 60_000))
}

fn world() -> World {
    let world = World::new();
    world.pass(Duration::hours(6));
    world.define(Kind::Trait, json!({"key": "likes", "merge": "union"}));
    world.define(
        Kind::Audience,
        json!({"key": "all", "purpose": "analytics", "condition": {"event": "Looked"}}),
    );
    let condition = json!({"event": "Visit Started"});
    world.define(
        Kind::Audience,
        json!({"key": "visitors", "purpose": "analytics", "condition": condition}),
    );
    world
}

/// Sends those events of the story, in this order; in one call, or in one each.
fn tell(world: &mut World, places: &[usize], in_one_call: bool) {
    let users = STORY.map(|(_, user, _, _)| user.map(|user| [SCREEN, ("user_id", user)]));
    let sent = |&place: &usize| {
        let (minute, _, thing, refuses) = STORY[place];
        let denied = PurposeSet::NONE.with(Purpose::PERSONALIZATION);
        let consents =
            if refuses { Consents { denied, ..Consents::default() } } else { Consents::default() };
        Sent {
            ids: users[place].as_ref().map_or(&[SCREEN], |ids| &ids[..]),
            name: "Looked",
            traits: json!({"likes": [thing], "last": thing}),
            context: json!({"page": {"path": format!("/{thing}")}}),
            consents,
            at: Some(at(minute)),
            ..Sent::default()
        }
    };
    let calls: Vec<&[usize]> = if in_one_call { vec![places] } else { places.chunks(1).collect() };
    for call in calls {
        let verdicts = world.send_all(call.iter().map(sent));
        assert!(verdicts.iter().all(|verdict| *verdict == EventVerdict::Accepted));
    }
}

/// What is known of everyone, by what they did last.
fn everyone(world: &World) -> Vec<Value> {
    let choice = AudienceChoice::Saved("all".parse().unwrap());
    let members = world.engine.members(&choice, None, None, 100).unwrap();
    let mut people: Vec<Value> = members
        .items
        .iter()
        .map(|member| {
            let profile = world.engine.profile(member.profile, Sight::Full).unwrap().unwrap();
            known(&profile)
        })
        .collect();
    people.sort_by_key(Value::to_string);
    people
}

/// What a profile says, but for what goes by arrival: ids, what it may be used for, and when an identifier was seen
/// last, which is noted to the day.
fn known(profile: &Value) -> Value {
    let mut traits = profile["traits"].clone();
    for known in traits.as_object_mut().unwrap().values_mut() {
        known["purposes"].take();
    }
    let mut identifiers = profile["identifiers"].clone();
    for known in identifiers.as_array_mut().unwrap() {
        known["last_seen"].take();
    }
    let events = profile["timeline"].as_array().unwrap();
    let times: Vec<&Value> = events.iter().map(|event| &event["at"]).collect();
    let is_in = |audience: &str| profile["audiences"][audience]["member"].clone();
    json!({
        "events": times,
        "traits": traits,
        "visits": profile["visits"],
        "consents": profile["consents"],
        "identifiers": identifiers,
        "visitor": is_in("visitors"),
    })
}

fn ann(world: &World) -> Value {
    known(&world.profile(ANN.0, ANN.1).unwrap())
}

#[test]
fn whoever_comes_late_changes_nothing_about_whose_turn_it_was() {
    let mut in_order = world();
    tell(&mut in_order, &[0, 1, 2, 3, 4, 5, 6, 7], false);
    let expected = ann(&in_order);
    assert_eq!(expected["events"].as_array().unwrap().len(), 4, "{expected:#}");
    assert_eq!(expected["traits"]["last"]["value"], "ties");
    assert_eq!(expected["traits"]["likes"]["value"].as_array().unwrap().len(), 4);
    let everyone_expected = everyone(&in_order);
    let orders: [&[usize]; 6] = [
        &[0, 1, 2, 3, 5, 6, 7, 4],
        &[7, 6, 5, 4, 3, 2, 1, 0],
        &[4, 5, 6, 7, 0, 2, 3, 1],
        &[5, 6, 4, 7, 1, 3, 2, 0],
        &[1, 5, 7, 4, 6, 2, 0, 3],
        &[2, 3, 5, 6, 7, 1, 4, 0],
    ];
    for order in orders {
        for in_one_call in [false, true] {
            let mut world = world();
            tell(&mut world, order, in_one_call);
            assert_eq!(ann(&world), expected, "{order:?}, in one call: {in_one_call}");
            assert_eq!(everyone(&world), everyone_expected, "{order:?}");
            world.restart();
            assert_eq!(ann(&world), expected, "{order:?}, after a restart");
        }
    }
}

#[test]
fn an_erasure_leaves_those_whose_turn_came_later() {
    let mut world = world();
    tell(&mut world, &[0, 1, 2, 3, 5, 7, 4], false);
    let (ann, bob) = (world.id(ANN), world.id(BOB));
    world.file(RequestKind::Erase, ANN, Value::Null);
    world.wait(|world| world.engine.profile(ann, Sight::Full).unwrap().is_none());
    let choice = AudienceChoice::Saved("all".parse().unwrap());
    let members = |world: &World| world.engine.members(&choice, None, None, 100).unwrap().items;
    let others: Vec<_> =
        members(&world).into_iter().map(|m| m.profile).filter(|id| *id != bob).collect();
    assert_eq!(others.len(), 1, "who came after Bob");
    let events = |world: &World| {
        let profile = world.engine.profile(others[0], Sight::Full).unwrap().unwrap();
        profile["timeline"].as_array().unwrap().len()
    };
    assert_eq!(events(&world), 2);
    // What comes late of Ann's time is refused, and what comes now is of whose turn it is.
    let late = Sent { ids: &[SCREEN], at: Some(at(3)), ..Sent::default() };
    assert_eq!(world.send(late), EventVerdict::Refused { code: "erased".into() });
    world.restart();
    world.see(&[SCREEN], "Looked", json!({}));
    assert_eq!(events(&world), 3);
}

#[test]
fn a_strand_without_end_stays_whole() {
    let mut world = world();
    for (minute, ids) in [(0, &[SCREEN][..]), (1, &[SCREEN, ANN])] {
        world.send(Sent { ids, at: Some(at(minute)), ..Sent::default() });
    }
    for call in 0..9 {
        let minute = |n: i64| Some(at(20 + call * 10).saturating_add(Duration(n)));
        let sent = (0..250).map(|n| Sent { ids: &[SCREEN], at: minute(n), ..Sent::default() });
        world.send_all(sent);
    }
    let late = Sent { ids: &[SCREEN, BOB], at: Some(at(10)), ..Sent::default() };
    assert_eq!(world.send(late), EventVerdict::Accepted);
    let first_seen = world.profile(BOB.0, BOB.1).unwrap()["first_seen"].clone();
    assert_eq!(first_seen, json!(at(10)));
    world.see(&[SCREEN], "Looked", json!({}));
    let last_seen = world.profile(ANN.0, ANN.1).unwrap()["last_seen"].clone();
    let last = at(20 + 8 * 10).saturating_add(Duration(249));
    assert_eq!(last_seen, json!(last), "what comes from now on is another's");
}
