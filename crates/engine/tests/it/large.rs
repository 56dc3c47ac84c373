//! People who are larger than people are: they go on working, stop growing, and are listed.

use engine::{
    acts::{ActError, Ask},
    definitions::Kind,
    ingest::EventVerdict,
};
use model::{Duration, Value};
use serde_json::json;

use crate::world::{START, Sent, World};

const DAY: i64 = 24 * 3_600_000;
/// Of each kind of identifier, where a person has them without end: several times what any limit lets join, so that
/// all that comes later is like the last of them.
const MANY: usize = 300;
/// Events sent in one call.
const CALL: usize = 250;

const USER: (&str, &str) = ("user_id", "test");

fn large(world: &World) -> Vec<Value> {
    world.engine.large_profiles(None, 500).unwrap().items
}

fn proposals(world: &World) -> Vec<Value> {
    world.engine.merge_proposals("open", None, 500).unwrap().items
}

/// How many identifiers a person holds, and why others were refused.
fn held(world: &World, kind: &str, value: &str) -> (usize, Vec<String>) {
    let profile = world.profile(kind, value).unwrap();
    let refused = profile["refused_identifiers"].as_array().unwrap();
    let mut reasons: Vec<String> =
        refused.iter().map(|refused| refused["reason"].as_str().unwrap().to_owned()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    (profile["identifiers"].as_array().unwrap().len(), reasons)
}

/// Sends an event with each of these pairs of identifiers.
fn see_all(world: &mut World, pairs: &[[(&str, String); 2]]) {
    for pairs in pairs.chunks(CALL) {
        let ids: Vec<[(&str, &str); 2]> =
            pairs.iter().map(|pair| [0, 1].map(|at| (pair[at].0, pair[at].1.as_str()))).collect();
        let all = ids.iter().map(|ids| Sent { ids, ..Sent::default() });
        let verdicts = world.send_all(all);
        assert!(verdicts.iter().all(|verdict| *verdict == EventVerdict::Accepted));
    }
}

/// Whether everybody is still read, decided on and changed.
fn all_is_well(world: &mut World, ids: &[(&str, &str)]) {
    world.see(&[("anonymous_id", "somebody else"), ("user_id", "ann")], "seen", json!({}));
    assert_eq!(held(world, "user_id", "ann").0, 2);
    world.send(Sent { ids, traits: json!({"plan": "pro"}), ..Sent::default() });
    world.restart();
    let profile = world.profile(ids[0].0, ids[0].1).unwrap();
    assert_eq!(profile["traits"]["plan"]["value"], "pro");
}

#[test]
fn a_user_on_devices_without_end_is_one_person_with_few_of_them() {
    let mut world = World::new();
    let pairs: Vec<_> = (0..MANY)
        .map(|n| [("anonymous_id", format!("a{n}")), ("user_id", "test".into())])
        .collect();
    see_all(&mut world, &pairs);
    assert_eq!(held(&world, USER.0, USER.1), (6, vec!["limit".to_owned()]));
    assert_eq!(world.id(("anonymous_id", "a0")), world.id(USER));
    assert!(world.profile("anonymous_id", "a299").is_none(), "too many within a week");
    let timeline = world.profile(USER.0, USER.1).unwrap()["timeline"].as_array().unwrap().len();
    assert_eq!(timeline, 50, "what was done on the others is theirs all the same");
    all_is_well(&mut world, &[("anonymous_id", "a0"), USER]);
}

#[test]
fn a_device_with_addresses_without_end_stops_growing() {
    let mut world = World::new();
    let pairs: Vec<_> = (0..MANY)
        .map(|n| [("anonymous_id", "a".into()), ("email", format!("e{n}@example.org"))])
        .collect();
    see_all(&mut world, &pairs);
    let (count, reasons) = held(&world, "anonymous_id", "a");
    assert_eq!((count, reasons), (6, vec!["limit".to_owned()]), "five addresses and the device");
    all_is_well(&mut world, &[("anonymous_id", "a")]);
}

#[test]
fn an_address_of_users_without_end_joins_nobody() {
    let mut world = World::new();
    let pairs: Vec<_> = (0..MANY)
        .map(|n| [("user_id", format!("u{n}")), ("email", "test@example.org".into())])
        .collect();
    see_all(&mut world, &pairs);
    assert_eq!(held(&world, "user_id", "u0").0, 2);
    assert_eq!(held(&world, "user_id", "u299").0, 1);
    assert_eq!(large(&world), Vec::<Value>::new());
    // With this many it says nothing about who is who.
    assert_eq!(proposals(&world).len(), 50);
    all_is_well(&mut world, &[("user_id", "u0")]);
}

#[test]
fn the_thousand_and_first_identifier_is_refused() {
    let mut world = World::new();
    for (device, from) in [("a1", 0), ("a2", 600)] {
        for from in (from..from + 600).step_by(15) {
            let external = |n| (format!("external:k{n}"), format!("v{n}"));
            let external: Vec<_> = (from..from + 15).map(external).collect();
            let mut ids = vec![("anonymous_id", device), USER];
            ids.extend(external.iter().map(|(kind, value)| (kind.as_str(), value.as_str())));
            world.see(&ids, "seen", json!({}));
        }
    }
    assert_eq!(held(&world, USER.0, USER.1), (1_000, vec!["full".to_owned()]));
    let listed = large(&world);
    assert_eq!((&listed[0]["identifiers"], &listed[0]["full"]), (&json!(1_000), &json!(true)));
    assert_eq!(world.id(("external:k0", "v0")), world.id(USER));
    assert!(world.profile("external:k1199", "v1199").is_none());
    all_is_well(&mut world, &[USER]);
}

/// Somebody signs in on one device after the other, each of which was somebody before.
#[test]
fn the_hundredth_merge_waits_for_an_operator() {
    let mut world = World::new();
    world.see(&[USER], "first", json!({}));
    for n in 1..=104 {
        let guest = format!("g{n}");
        let at = |hour: i64| Some(START.saturating_add(Duration(n * 2 * DAY + hour)));
        for ids in [&[("anonymous_id", guest.as_str())][..], &[("anonymous_id", &guest), USER]] {
            let at = at(ids.len() as i64);
            assert_eq!(world.send(Sent { ids, at, ..Sent::default() }), EventVerdict::Accepted);
        }
    }
    let (count, reasons) = held(&world, USER.0, USER.1);
    assert_eq!((count, reasons), (100, vec!["large".to_owned()]), "the rules merge 99");
    let open = proposals(&world);
    assert_eq!(open.len(), 5);
    assert!(open.iter().all(|proposal| proposal["evidence"][0]["reason"] == "large"));
    let accept = |world: &World, proposal: &Value| {
        let proposal = proposal["id"].as_str().unwrap().parse().unwrap();
        world.act(Ask::Accept { proposal })
    };
    let acts: Vec<_> = open.iter().map(|proposal| accept(&world, proposal).unwrap().act).collect();
    assert_eq!(held(&world, USER.0, USER.1).0, 105);
    assert!(matches!(accept(&world, &open[0]), Err(ActError::Decided(..))));
    world.undo(USER, acts[4]).unwrap();
    assert_eq!(held(&world, USER.0, USER.1).0, 104);
    assert_eq!(proposals(&world).len(), 1, "what was taken back is open again");
    assert_eq!(large(&world)[0]["identifiers"], 104);
    all_is_well(&mut world, &[USER]);
}

/// What a metric counts.
fn counted(world: &World, metric: &str) -> u64 {
    let metrics = world.engine.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {metric} in {metrics}")).parse().unwrap()
}

/// How many pages are looked at and written for each of `count` events.
fn pages_per_event(world: &mut World, ids: &[(&str, &str)], count: u64) -> [u64; 2] {
    let metrics = ["concierge_pages_looked_at_total", "concierge_pages_written_total"];
    let before = metrics.map(|metric| counted(world, metric));
    for _ in 0..count {
        world.see(ids, "Page Viewed", json!({}));
    }
    [0, 1].map(|at| (counted(world, metrics[at]) - before[at]).div_ceil(count))
}

/// A person with a thousand identifiers and hundreds of devices, each of them a strand.
#[test]
fn an_event_of_a_large_person_costs_what_anybodys_does() {
    let mut world = World::new();
    let condition = json!({"event": "Page Viewed", "count": {"op": "gte", "value": 3}});
    world.define(Kind::Audience, json!({"key": "busy", "condition": condition}));
    let small = [("anonymous_id", "of ann"), ("user_id", "ann")];
    world.see(&small, "Page Viewed", json!({}));
    let anybodys = pages_per_event(&mut world, &small, 20);
    let device = |n: usize| [("anonymous_id", format!("a{n}")), ("user_id", "test".into())];
    for from in (0..960).step_by(15) {
        let external = |n| (format!("external:k{n}"), format!("v{n}"));
        let external: Vec<_> = (from..from + 15).map(external).collect();
        let mut ids = vec![("anonymous_id", "a0"), USER];
        ids.extend(external.iter().map(|(kind, value)| (kind.as_str(), value.as_str())));
        world.see(&ids, "Page Viewed", json!({}));
    }
    let mut for_a_device = Vec::new();
    for many in [50, 300] {
        let from = counted(&world, "concierge_pages_written_total");
        let pairs: Vec<_> = (many - 40..many).map(device).collect();
        see_all(&mut world, &pairs);
        for_a_device.push(counted(&world, "concierge_pages_written_total") - from);
        let more: Vec<_> = (many..many + 200).map(device).collect();
        see_all(&mut world, &more);
    }
    let large = [("anonymous_id", "a49"), USER];
    world.see(&large, "Page Viewed", json!({}));
    assert_eq!(world.profile(USER.0, USER.1).unwrap()["aliases"].as_array().unwrap().len(), 480);
    assert_eq!(pages_per_event(&mut world, &large, 20), anybodys);
    // One more device looks at all others, to find who is who, and writes no more of them.
    assert_eq!(for_a_device[0], for_a_device[1], "pages written for the same number of devices");
}
