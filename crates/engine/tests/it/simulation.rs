//! Random histories: what the engine keeps incrementally is what an evaluation of everything finds,
//! at every step, across merges, late events, withdrawn consent, expiry by the clock and restarts.

use engine::{
    acts::{Ask, Split},
    definitions::{Kind, Switch},
    people::AudienceChoice,
};
use model::{Consents, Duration, Identifier, IdentifierType, Purpose, PurposeSet};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde_json::json;

use crate::world::{Sent, World};

const AUDIENCES: [(&str, &str); 12] = [
    ("viewers", r#"{"event":"View","within":"2h","count":{"op":"gte","value":2}}"#),
    (
        "spenders",
        r#"{"event":"Order","within":"1d","sum":{"property":"total","op":"gt","value":100}}"#,
    ),
    ("quiet", r#"{"not":{"event":"View","within":"1h"}}"#),
    (
        "hesitant",
        r#"{"sequence":[{"event":"View"},{"not":{"event":"Order"},"within":"30m"}],"within":"1d"}"#,
    ),
    (
        "again",
        r#"{"sequence":[{"event":"Order"},{"event":"Order","same":[{"property":"total"}],"within":"6h"}]}"#,
    ),
    ("recent", r#"{"event":"Order","since":{"op":"lte","value":"3h"}}"#),
    ("here", r#"{"event":"View","within":{"visit":"current"},"count":{"op":"gte","value":2}}"#),
    (
        "lingering",
        r#"{"event":"Visit Started","within":{"visit":"current"},"since":{"op":"gte","value":"25m"}}"#,
    ),
    (
        "at_once",
        r#"{"sequence":[{"any_order":[{"event":"View"},{"event":"Order"}]}],"same_visit":true,"finished_within":"2h"}"#,
    ),
    ("pro", r#"{"trait":"plan","op":"eq","value":"pro"}"#),
    (
        "loyal",
        r#"{"all":[{"audience":"viewers"},{"any":[{"audience":"pro"},{"audience":"spenders"}]}]}"#,
    ),
    ("half", r#"{"all":[{"bucket":{"salt":"s","below":0.5}},{"not":{"audience":"quiet"}}]}"#),
];

fn define(world: &World) {
    for (key, condition) in AUDIENCES {
        let condition: model::Value = serde_json::from_str(condition).unwrap();
        world.define(Kind::Audience, json!({"key": key, "condition": condition}));
    }
}

/// What audiences are edited to ask.
const EDITED: [&str; 4] = [
    r#"{"event":"View","within":"3h","count":{"op":"gte","value":1}}"#,
    r#"{"not":{"event":"Order","within":"2h"}}"#,
    r#"{"all":[{"trait":"plan","op":"ne","value":"pro"},{"event":"Order","within":"1d"}]}"#,
    r#"{"sequence":[{"event":"Order"},{"not":{"event":"View"},"within":"20m"}],"within":"1d"}"#,
];

/// Edits an audience, whose version before goes on acting until [`switch`].
fn edit(world: &World, random: &mut SmallRng) -> &'static str {
    // Others refer to some of them.
    let (key, _) = *AUDIENCES.choose(random).unwrap();
    let condition: model::Value = serde_json::from_str(EDITED.choose(random).unwrap()).unwrap();
    world.edit(json!({"key": key, "state": "live", "condition": condition}), Switch::Manual);
    key
}

/// Lets the edit act, once it has been computed for everyone.
fn switch(world: &World, key: &str) {
    // The condition may be the one that it had.
    if world.edited(key).is_some() {
        world.wait(|world| world.edited(key).unwrap().progress.is_complete);
        world.switch(key).unwrap();
        assert!(world.edited(key).is_none());
    }
}

fn act(world: &mut World, random: &mut SmallRng) {
    let devices = ["d1", "d2", "d3"];
    let users = ["u1", "u2", "u3"];
    let device = *devices.choose(random).unwrap();
    let user = *users.choose(random).unwrap();
    let ids: &[(&str, &str)] = match random.random_range(0..4) {
        0 => &[("anonymous_id", device)],
        1 => &[("anonymous_id", device), ("user_id", user)],
        _ => &[("user_id", user)],
    };
    let purposes = match random.random_range(0..30) {
        0 => Consents { denied: personalization(), ..Consents::default() },
        1 => Consents { granted: personalization(), ..Consents::default() },
        _ => Consents::default(),
    };
    let plan = *["pro", "free"].choose(random).unwrap();
    let (name, properties, traits) = match random.random_range(0..10) {
        0..5 => ("View", json!({}), json!({})),
        5..8 => ("Order", json!({"total": random.random_range(1..120)}), json!({})),
        _ => ("Identify", json!({}), json!({"plan": plan})),
    };
    let ago = match random.random_range(0..5) {
        0 => Duration(random.random_range(0..5 * 3_600_000)),
        1 => Duration(random.random_range(0..45 * 60_000)),
        _ => Duration(0),
    };
    // What is seen on a page belongs to a visit.
    let context = if name == "View" { json!({"page": {"path": "/"}}) } else { json!({}) };
    let event = Sent { ids, name, properties, context, traits, ago, ..Sent::default() };
    world.send(Sent { consents: purposes, ..event });
}

/// An operator takes somebody apart, puts two together, or takes that back.
fn operate(world: &World, random: &mut SmallRng) {
    let user = ("user_id", *["u1", "u2", "u3"].choose(random).unwrap());
    let user = Identifier::new(IdentifierType::UserId, user.1);
    let Some(profile) = world.engine.find_profile(&user).unwrap() else { return };
    let ask = match random.random_range(0..4) {
        0 => Ask::Split { profile, how: Split::All },
        1 => Ask::Split { profile, how: Split::Identifiers(vec![user]) },
        2 => {
            let open = world.engine.merge_proposals("open", None, 1).unwrap().items;
            let Some(proposal) = open.first() else { return };
            Ask::Accept { proposal: proposal["id"].as_str().unwrap().parse().unwrap() }
        }
        _ => {
            let acts = world.engine.acts(profile).unwrap().unwrap();
            let Some(act) = acts.choose(random) else { return };
            Ask::Undo { profile, act: act["id"].as_str().unwrap().parse().unwrap() }
        }
    };
    // Some of this makes no sense at that moment; then it is refused and changes nothing.
    world.act(ask).ok();
}

fn personalization() -> PurposeSet {
    PurposeSet::NONE.with(Purpose::PERSONALIZATION)
}

/// The members as they are kept, and as an evaluation of full histories finds them.
fn compare(world: &World, step: usize, seed: u64) {
    use engine::Clock;
    for (key, _) in AUDIENCES {
        let choice = AudienceChoice::Saved(key.parse().unwrap());
        let list = |at| {
            let members = world.engine.members(&choice, at, None, 100).unwrap();
            let ids: Vec<_> = members.items.iter().map(|m| m.profile.to_string()).collect();
            (ids, members.withheld)
        };
        let (kept, found) = (list(None), list(Some(world.clock.now())));
        assert_eq!(kept, found, "audience {key}, step {step}, seed {seed}");
    }
}

fn history(seed: u64, steps: usize) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut world = World::new();
    let defined_at = random.random_range(0..3);
    let mut editing: Option<&str> = None;
    for step in 0..steps {
        if step == defined_at {
            define(&world);
        }
        match random.next_u32() % 14 {
            0..8 => act(&mut world, &mut random),
            8..11 => {
                let longest = *[3_600_000, 4 * 3_600_000].choose(&mut random).unwrap();
                world.pass(Duration(random.random_range(0..longest)));
            }
            11..13 if step > defined_at => match editing.take() {
                Some(key) => switch(&world, key),
                None => editing = Some(edit(&world, &mut random)),
            },
            _ if step % 5 == 0 => world.restart(),
            _ if step % 5 < 3 => operate(&world, &mut random),
            _ => act(&mut world, &mut random),
        }
        if step > defined_at {
            compare(&world, step, seed);
        }
    }
}

#[test]
fn what_is_kept_is_what_is_found() {
    for seed in 0..12 {
        history(seed, 40);
    }
}
