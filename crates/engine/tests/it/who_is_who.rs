//! Random people, in any order of arrival, with splits, merges and their undoing in between: who is one person in
//! the end follows from the events and what operators said, whatever came first.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    acts::{ActError, Ask, Done, Split},
    ingest::EventVerdict,
};
use model::{
    ActId, Duration, Identifier, IdentifierType, Lane, Seq, StrandId, Timestamp, Value,
    event::Order,
};
use profile::{
    IdentityRules,
    identity::{Link, Ruling, Says, resolve},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::SliceRandom};
use serde_json::json;

use crate::world::{Sent, World};

/// An event to come: who, and how long before the end of the story.
struct Story {
    ids: Vec<(&'static str, String)>,
    ago: Duration,
    number: usize,
}

/// What operators said, as a list of the test's own.
#[derive(Default)]
struct Said {
    rulings: BTreeMap<ActId, (Ruling, bool)>,
    /// What an act took back.
    undone: BTreeMap<ActId, ActId>,
    count: u64,
}

fn identifier(value: &Value) -> Identifier {
    let kind = IdentifierType::parse(value["type"].as_str().unwrap()).unwrap();
    Identifier::new(kind, value["value"].as_str().unwrap()).normalised()
}

fn identifiers(list: &Value) -> Vec<Identifier> {
    list.as_array().unwrap().iter().map(identifier).collect()
}

impl Said {
    fn take(&mut self, world: &World, done: &Done) {
        self.count += 1;
        let since = Seq(self.count);
        let acts = done.profiles.iter().flat_map(|id| world.engine.acts(*id).unwrap().unwrap());
        let act = acts.into_iter().find(|act| act["id"] == done.act.to_string()).unwrap();
        let says = match act["kind"].as_str().unwrap() {
            "split" => {
                Says::Apart(act["parts"].as_array().unwrap().iter().map(identifiers).collect())
            }
            "merge" => Says::Together(identifiers(&act["identifiers"])),
            _ => {
                let of: ActId = act["of"].as_str().unwrap().parse().unwrap();
                self.undone.insert(done.act, of);
                self.turn(of, since);
                return;
            }
        };
        self.rulings.insert(done.act, (Ruling { since, says }, true));
    }

    /// Turns an act off, or on again where it was off; what an undo took back turns the other way.
    fn turn(&mut self, act: ActId, now: Seq) {
        if let Some((ruling, in_force)) = self.rulings.get_mut(&act) {
            ruling.since = now;
            *in_force = !*in_force;
        }
        if let Some(of) = self.undone.get(&act).copied() {
            self.turn(of, now);
        }
    }

    fn in_force(&self) -> Vec<Ruling> {
        self.rulings
            .values()
            .filter(|(_, holds)| *holds)
            .map(|(ruling, _)| ruling.clone())
            .collect()
    }
}

/// Visits of three users on devices of their own, with mail addresses and phones that they share.
fn story(random: &mut SmallRng, seed: u64) -> Vec<Story> {
    let count = random.random_range(8..20);
    let event = |number| {
        let user = random.random_range(0..3);
        let device = random.random_range(0..3);
        let mut ids = Vec::new();
        if random.random_bool(0.8) {
            ids.push(("anonymous_id", format!("{seed}-d{user}{device}")));
        }
        if ids.is_empty() || random.random_bool(0.4) {
            ids.push(("user_id", format!("{seed}-u{user}")));
        }
        if random.random_bool(0.3) {
            ids.push(("email", format!("{seed}-{}@x.org", random.random_range(0..3))));
        }
        if random.random_bool(0.15) {
            ids.push(("phone", format!("+46{seed:04}{}", random.random_range(0..2))));
        }
        // Within the lateness bound, each at an instant of its own.
        let ago = Duration(random.random_range(0..40) * 3_600_000 + number as i64);
        Story { ids, ago, number }
    };
    (0..count).map(event).collect()
}

fn known(ids: &[(&'static str, String)]) -> Vec<Identifier> {
    let read = |(kind, value): &(&str, String)| {
        Identifier::new(IdentifierType::parse(kind).unwrap(), value.as_str())
    };
    ids.iter().map(read).collect()
}

/// The links that an event makes, with strands numbered by first sight.
fn links(
    strands: &mut BTreeMap<(Identifier, Option<Identifier>), u64>,
    ids: &[Identifier],
    order: Order,
) -> Vec<Link> {
    let routing = model::event::routing(ids).unwrap().clone();
    let user = ids.iter().find(|i| i.kind == IdentifierType::UserId).cloned();
    let next = strands.len() as u64 + 1;
    let born = *strands.entry((routing, user)).or_insert(next);
    let strand = StrandId { born: Seq(born), lane: Lane::from_hash(born) };
    let link = |identifier: &Identifier| Link {
        strand,
        identifier: identifier.normalised(),
        order,
        last: order.time,
        count: 1,
        trusted: true,
    };
    ids.iter().map(link).collect()
}

/// A random act on whoever holds a random identifier.
fn act(world: &World, random: &mut SmallRng, seen: &[Identifier]) -> Option<Done> {
    let named = &seen[random.random_range(0..seen.len())];
    let profile = world.engine.find_profile(&named.normalised()).unwrap()?;
    let ask = match random.random_range(0..6) {
        0 => Ask::Split { profile, how: Split::All },
        1 | 2 => Ask::Split { profile, how: Split::Identifiers(vec![named.normalised()]) },
        3 => {
            let open = world.engine.merge_proposals("open", None, 1).unwrap().items;
            Ask::Accept { proposal: open.first()?["id"].as_str().unwrap().parse().unwrap() }
        }
        _ => {
            let acts = world.engine.acts(profile).unwrap().unwrap();
            let act = acts.get(random.random_range(0..acts.len().max(1)))?;
            Ask::Undo { profile, act: act["id"].as_str().unwrap().parse().unwrap() }
        }
    };
    match world.act(ask) {
        Ok(done) => Some(done),
        Err(
            ActError::CannotSplit(_)
            | ActError::NotInForce(_)
            | ActError::CannotMerge(_)
            | ActError::Moot(_),
        ) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn who_is_who_follows_from_events_and_acts_and_not_from_their_arrival() {
    let mut world = World::new();
    let mut acts = 0;
    for seed in 0..40 {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut story = story(&mut random, seed);
        let end = world.now();
        story.shuffle(&mut random);
        let mut said = Said::default();
        let (mut strands, mut all, mut seen) = (BTreeMap::new(), Vec::new(), Vec::new());
        for Story { ids, ago, number } in &story {
            let sent: Vec<(&str, &str)> =
                ids.iter().map(|(kind, value)| (*kind, value.as_str())).collect();
            let (message, at) = (format!("{seed}-{number}"), end.saturating_sub(*ago));
            let plan = format!("at {number}");
            let event = Sent {
                ids: &sent,
                traits: json!({"plan": plan}),
                at: Some(at),
                message_id: Some(&message),
                ..Sent::default()
            };
            assert_eq!(world.send(event), EventVerdict::Accepted);
            let ids = known(ids);
            all.extend(links(&mut strands, &ids, order(&message, at)));
            seen.extend(ids);
            if random.random_bool(0.3)
                && let Some(done) = act(&world, &mut random, &seen)
            {
                said.take(&world, &done);
                acts += 1;
            }
        }
        let expected = resolve(&all, &said.in_force(), &IdentityRules::default());
        let seen: BTreeSet<Identifier> = seen.iter().map(Identifier::normalised).collect();
        let mut heads: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for one in &seen {
            let holder = expected
                .components
                .iter()
                .find(|c| c.identifiers.iter().any(|known| known.identifier == *one));
            let found = world.engine.find_profile(one).unwrap();
            assert_eq!(found.is_some(), holder.is_some(), "seed {seed}: {one:?}");
            if let (Some(found), Some(holder)) = (found, holder) {
                heads.entry(holder.head).or_default().insert(found);
            }
        }
        assert!(heads.values().all(|found| found.len() == 1), "seed {seed}: {heads:?}");
        let people: BTreeSet<_> = heads.values().flatten().collect();
        assert_eq!(people.len(), heads.len(), "seed {seed}: as many people as expected");
    }
    assert!(acts > 50, "{acts} acts were done");
}

fn order(message_id: &str, at: Timestamp) -> Order {
    let event = model::Event {
        source: "default".parse().unwrap(),
        message_id: message_id.into(),
        kind: model::EventKind::Track,
        name: "any".into(),
        identifiers: Vec::new(),
        event_time: at,
        received_at: at,
        properties: model::LazyObject::default(),
        traits: model::value::Object::new(),
        context: model::LazyObject::default(),
        consents: model::Consents::default(),
        historical: false,
        marks: model::event::Marks::default(),
        sent_at: None,
    };
    event.order()
}
