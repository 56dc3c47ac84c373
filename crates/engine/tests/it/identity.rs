//! Who turns out to be whom.

use engine::{
    acts::{ActError, Ask, Split},
    privacy::RequestKind,
    proposals::{Handed, NewProposal, ProposalId},
};
use model::{Identifier, IdentifierType, Value, condition::Sight};
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

/// Claims of the source count only with proof from now on.
fn demand_proof(world: &World) {
    let source = json!({"key": "default", "kind": "public", "identity": "verified"});
    world.define(engine::definitions::Kind::Source, source);
}

#[test]
fn what_is_only_claimed_names_nobody_where_proof_is_demanded() {
    let mut world = World::new();
    demand_proof(&world);
    world.see(&[LAPTOP], "before", json!({}));
    world.see(&[LAPTOP, ANN], "claimed", json!({}));
    world.see(&[PHONE, ANN], "claimed elsewhere", json!({}));
    assert!(world.profile("user_id", "ann").is_none());
    assert_eq!(names(&world, "anonymous_id", "laptop"), ["before", "claimed"]);
    assert_eq!(names(&world, "anonymous_id", "phone"), ["claimed elsewhere"]);
}

const FAMILY: (&str, &str) = ("email", "family@example.org");

fn proposals(world: &World, state: &str) -> Vec<Value> {
    world.engine.merge_proposals(state, None, 50).unwrap().items
}

fn proposal_id(proposal: &Value) -> ProposalId {
    proposal["id"].as_str().unwrap().parse().unwrap()
}

/// Two users with one mail address.
fn family() -> World {
    let mut world = World::new();
    world.see(&[ANN, FAMILY], "ann", json!({}));
    world.see(&[BOB, FAMILY], "bob", json!({}));
    world
}

#[test]
fn a_refused_join_becomes_one_proposal_with_its_evidence() {
    let mut world = family();
    world.see(&[BOB, FAMILY], "bob again", json!({}));
    world.see(&[BOB, PHONE, FAMILY], "bob on the phone", json!({}));
    let open = proposals(&world, "open");
    assert_eq!(open.len(), 1, "{open:#?}");
    assert_eq!(open[0]["source"], "rules");
    assert_eq!(open[0]["evidence"][0]["value"], "family@example.org");
    assert_eq!(open[0]["evidence"][0]["reason"], "two_known_users");
    let mut users: Vec<&str> =
        open[0]["sides"].as_array().unwrap().iter().map(|s| s["value"].as_str().unwrap()).collect();
    users.sort_unstable();
    assert_eq!(users, ["ann", "bob"]);
    let one = world.engine.merge_proposal(proposal_id(&open[0]), Sight::Full).unwrap().unwrap();
    assert_eq!(one["preview"].as_array().unwrap().len(), 2);
    assert!(one["preview"][0]["identifiers"].is_array());
}

#[test]
fn an_accepted_proposal_merges_two_users_and_is_taken_back() {
    let mut world = family();
    let proposal = proposal_id(&proposals(&world, "open")[0]);
    let done = world.act(Ask::Accept { proposal }).unwrap();
    assert_eq!(done.profiles.len(), 1);
    assert_eq!(world.id(ANN), world.id(BOB));
    assert_eq!(names(&world, "user_id", "bob"), ["ann", "bob"]);
    assert_eq!(proposals(&world, "accepted").len(), 1);
    assert!(matches!(world.act(Ask::Accept { proposal }), Err(ActError::Decided(..))));
    assert!(matches!(world.act(Ask::Reject { proposal }), Err(ActError::Decided(..))));
    world.see(&[LAPTOP, BOB], "more of bob", json!({}));
    world.see(&[LAPTOP, ANN], "more of ann", json!({}));
    world.restart();
    assert_eq!(names(&world, "user_id", "ann").len(), 4, "one person on one device");
    world.undo(ANN, done.act).unwrap();
    assert_ne!(world.id(ANN), world.id(BOB));
    assert_eq!(names(&world, "user_id", "bob"), ["bob", "more of bob"]);
    let open = proposals(&world, "open");
    assert_eq!(open.len(), 1, "that of the mail address; a shared device is no evidence");
    world.act(Ask::Accept { proposal }).unwrap();
    assert_eq!(world.id(ANN), world.id(BOB));
}

#[test]
fn a_rejected_proposal_is_not_made_again() {
    let mut world = family();
    let proposal = proposal_id(&proposals(&world, "open")[0]);
    world.act(Ask::Reject { proposal }).unwrap();
    world.see(&[LAPTOP, BOB, FAMILY], "bob on the laptop", json!({}));
    assert_eq!(proposals(&world, "open"), Vec::<Value>::new());
    assert_eq!(proposals(&world, "rejected").len(), 1);
    let handed = hand_in(&world, &[(ANN, BOB, 0.9)]);
    assert_eq!(handed, [Handed::Rejected]);
    assert_eq!(proposals(&world, "rejected").len(), 1);
}

/// An identifier, by its type and value.
type Named<'a> = (&'a str, &'a str);

fn hand_in(world: &World, pairs: &[(Named<'_>, Named<'_>, f64)]) -> Vec<Handed> {
    let identifier = |(kind, value): (&str, &str)| {
        Identifier::new(IdentifierType::parse(kind).unwrap(), value).normalised()
    };
    let proposals = pairs.iter().map(|&(a, b, score)| NewProposal {
        a: identifier(a),
        b: identifier(b),
        score,
        weights: vec![("given_name".into(), 3.5)],
    });
    world.act(Ask::Propose { proposals: proposals.collect() }).unwrap().proposals
}

#[test]
fn proposals_of_a_matching_are_taken_in_once() {
    let mut world = World::new();
    world.see(&[ANN], "ann", json!({}));
    world.see(&[BOB], "bob", json!({}));
    world.see(&[LAPTOP], "laptop", json!({}));
    world.see(&[PHONE, ANN], "ann's phone", json!({}));
    let handed = hand_in(
        &world,
        &[(ANN, LAPTOP, 0.9), (ANN, PHONE, 0.9), (BOB, ("email", "nobody@x"), 0.9)],
    );
    assert_eq!(handed, [Handed::Proposed, Handed::OnePerson, Handed::Nobody]);
    assert_eq!(hand_in(&world, &[(LAPTOP, ANN, 0.95)]), [Handed::Known]);
    let open = proposals(&world, "open");
    assert_eq!(open.len(), 1);
    assert_eq!((&open[0]["score"], &open[0]["source"]), (&json!(0.95), &json!("probabilistic")));
    assert_eq!(open[0]["weights"], json!({"given_name": 3.5}));
    world.act(Ask::Accept { proposal: proposal_id(&open[0]) }).unwrap();
    assert_eq!(names(&world, "anonymous_id", "laptop"), ["ann", "laptop", "ann's phone"]);
}

#[test]
fn proposals_between_people_who_became_one_are_moot() {
    let mut world = World::new();
    world.see(&[LAPTOP], "laptop", json!({}));
    world.see(&[ANN], "ann", json!({}));
    hand_in(&world, &[(ANN, LAPTOP, 0.9)]);
    world.see(&[LAPTOP, ANN], "login", json!({}));
    assert_eq!(proposals(&world, "open"), Vec::<Value>::new());
    let proposal = proposal_id(&proposals(&world, "moot")[0]);
    assert!(matches!(world.act(Ask::Accept { proposal }), Err(ActError::Moot(_))));
}

#[test]
fn the_later_of_a_split_and_a_merge_holds() {
    let world = family();
    let proposal = proposal_id(&proposals(&world, "open")[0]);
    world.act(Ask::Accept { proposal }).unwrap();
    world.split(ANN, out(BOB)).unwrap();
    assert_ne!(world.id(ANN), world.id(BOB));
    hand_in(&world, &[(ANN, BOB, 1.0)]);
    let again = proposals(&world, "accepted");
    assert_eq!(again.len(), 1, "the merge is in force where the split says nothing");
}

#[test]
fn pages_of_proposals_follow_one_another() {
    let mut world = World::new();
    for n in 0..7 {
        let user = format!("u{n}");
        world.see(&[("user_id", &user)], "seen", json!({}));
    }
    for n in 1..7 {
        let user = format!("u{n}");
        hand_in(&world, &[(("user_id", "u0"), ("user_id", &user), 0.5)]);
    }
    let mut cursor = None;
    let mut seen = Vec::new();
    loop {
        let page = world.engine.merge_proposals("open", cursor.as_deref(), 2).unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 6);
    let all = proposals(&world, "open");
    assert!(all.iter().map(|item| item["id"].as_str().unwrap()).eq(&seen), "newest first");
}

#[test]
fn no_more_is_proposed_of_one_person_than_somebody_can_look_at() {
    let mut world = World::new();
    let users: Vec<String> = (0..60).map(|n| format!("u{n:02}")).collect();
    for user in &users {
        world.see(&[("user_id", user)], "seen", json!({}));
    }
    let pairs: Vec<_> = users[1..]
        .iter()
        .map(|user| (("user_id", "u00"), ("user_id", user.as_str()), 0.5))
        .collect();
    let handed = hand_in(&world, &pairs);
    let count = |what: Handed| handed.iter().filter(|handed| **handed == what).count();
    assert_eq!((count(Handed::Proposed), count(Handed::TooMany)), (50, 9));
    assert_eq!(world.engine.merge_proposals("open", None, 500).unwrap().items.len(), 50);
    let twice = [(users[1].as_str(), users[2].as_str()), (users[2].as_str(), users[1].as_str())];
    let twice = twice.map(|(a, b)| (("user_id", a), ("user_id", b), 0.5));
    assert_eq!(hand_in(&world, &twice), [Handed::Proposed, Handed::Known]);
}

#[test]
fn the_erasure_of_one_side_of_what_was_merged_leaves_the_other_well() {
    let mut world = family();
    let proposal = proposal_id(&proposals(&world, "open")[0]);
    let done = world.act(Ask::Accept { proposal }).unwrap();
    world.undo(ANN, done.act).unwrap();
    world.file(RequestKind::Erase, BOB, Value::Null);
    world.see(&[LAPTOP, ANN], "more of ann", json!({}));
    assert_eq!(names(&world, "user_id", "ann"), ["ann", "more of ann"]);
    assert!(matches!(world.act(Ask::Accept { proposal }), Err(ActError::Moot(_))));
    world.see(&[PHONE, BOB, FAMILY], "another bob", json!({}));
    assert_eq!(names(&world, "user_id", "bob"), ["another bob"]);
}
