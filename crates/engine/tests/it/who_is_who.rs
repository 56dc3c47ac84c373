//! Random people, in any order of arrival, with splits, merges and their undoing in between: who is one person in
//! the end follows from the events and what operators said, whatever came first.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    acts::{ActError, Ask, Done, Split},
    definitions::Kind,
    ingest::EventVerdict,
    people::AudienceChoice,
};
use model::{
    ActId, Duration, Identifier, IdentifierType, Lane, ProfileId, Seq, StrandId, Timestamp, Value,
    condition::Sight, event::Order,
};
use profile::{
    IdentityRules,
    identity::{Link, Resolution, Ruling, Says, resolve},
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

/// Visits of three users with mail addresses and phones that they share, on devices of their own or of all.
fn story(random: &mut SmallRng, name: &str, is_shared: bool) -> Vec<Story> {
    let count = random.random_range(8..20);
    let event = |number| {
        let user = random.random_range(0..3);
        let device = random.random_range(0..3);
        let mut ids = Vec::new();
        if random.random_bool(0.8) {
            let device = if is_shared { device / 2 } else { 10 * user + device };
            ids.push(("anonymous_id", format!("{name}-d{device}")));
        }
        if ids.is_empty() || random.random_bool(0.4) {
            ids.push(("user_id", format!("{name}-u{user}")));
        }
        if random.random_bool(0.3) {
            ids.push(("email", format!("{name}-{}@x.org", random.random_range(0..3))));
        }
        if random.random_bool(0.15) {
            ids.push(("phone", format!("{}{}", area(name), random.random_range(0..2))));
        }
        // Within the lateness bound, each at an instant of its own.
        let ago = Duration(random.random_range(0..40) * 3_600_000 + number as i64);
        Story { ids, ago, number }
    };
    (0..count).map(event).collect()
}

/// With what the phone numbers of a story begin.
fn area(name: &str) -> String {
    format!("+46{:05}", name.replace('x', "").parse::<u32>().unwrap())
}

/// An event as it happened.
struct Happened {
    ids: Vec<Identifier>,
    order: Order,
    message: String,
}

impl Happened {
    fn user(&self) -> Option<&Identifier> {
        self.ids.iter().find(|i| i.kind == IdentifierType::UserId)
    }

    fn device(&self) -> Option<&Identifier> {
        self.ids.iter().find(|i| i.kind == IdentifierType::AnonymousId)
    }

    /// Who was new at the device last, of an event that names nobody, once somebody else had been there before.
    fn turn(&self, all: &[Self]) -> Option<Identifier> {
        if self.user().is_some() {
            return None;
        }
        let here = all.iter().filter(|other| other.device() == self.device());
        let mut firsts: BTreeMap<&Identifier, Order> = BTreeMap::new();
        for other in here {
            if let Some(user) = other.user() {
                let first = firsts.entry(user).or_insert(other.order);
                *first = other.order.min(*first);
            }
        }
        let mut users: Vec<(Order, &Identifier)> =
            firsts.into_iter().map(|(user, first)| (first, user)).collect();
        users.sort();
        let last = users.iter().skip(1).rfind(|(first, _)| *first <= self.order);
        last.map(|(_, user)| (*user).clone())
    }
}

/// What opened a strand, and the turn that it is of.
type Opener = (Identifier, Option<Identifier>, Option<Identifier>);

/// The links that events make, and the strand of each event, numbered by first sight.
fn links(all: &[Happened]) -> (Vec<Link>, Vec<StrandId>) {
    let mut openers: BTreeMap<Opener, u64> = BTreeMap::new();
    let (mut links, mut strands) = (Vec::new(), Vec::new());
    for event in all {
        let routing = model::event::routing(&event.ids).unwrap().clone();
        let next = openers.len() as u64 + 1;
        let opener = (routing, event.user().cloned(), event.turn(all));
        let born = *openers.entry(opener).or_insert(next);
        let strand = StrandId { born: Seq(born), lane: Lane::from_hash(born) };
        strands.push(strand);
        links.extend(event.ids.iter().map(|identifier| Link {
            strand,
            identifier: identifier.normalised(),
            order: event.order,
            last: event.order.time,
            count: 1,
            trusted: true,
        }));
    }
    (links, strands)
}

/// Which of these events belong together.
fn together(
    expected: &Resolution,
    all: &[Happened],
    strands: &[StrandId],
) -> BTreeSet<BTreeSet<String>> {
    let mut by_person: BTreeMap<StrandId, BTreeSet<String>> = BTreeMap::new();
    for (event, strand) in all.iter().zip(strands) {
        let person = expected.component_of(*strand).unwrap().head;
        by_person.entry(person).or_default().insert(event.message.clone());
    }
    by_person.into_values().collect()
}

const EVERYONE: &str = "everyone";

fn define(world: &World) {
    let has = |key: &str, condition: Value| {
        world.define(Kind::Audience, json!({"key": key, "condition": condition}));
    };
    has(EVERYONE, json!({"event": "Page Viewed"}));
    has("busy", json!({"event": "Page Viewed", "count": {"op": "gte", "value": 4}}));
    has("late", json!({"trait": "plan", "op": "gte", "value": 10}));
}

/// Everyone in an audience.
fn members(world: &World, audience: &str) -> BTreeSet<ProfileId> {
    let choice = AudienceChoice::Saved(audience.parse().unwrap());
    let (mut found, mut cursor): (BTreeSet<_>, Option<String>) = (BTreeSet::new(), None);
    loop {
        let page = world.engine.members(&choice, None, cursor.as_deref(), 500).unwrap();
        found.extend(page.items.iter().map(|member| member.profile));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return found;
        }
    }
}

/// The people of a story: their events, and what is known of them.
fn people(world: &World, name: &str) -> BTreeMap<BTreeSet<String>, Value> {
    let [everyone, busy, late] = [EVERYONE, "busy", "late"].map(|key| members(world, key));
    let mut people = BTreeMap::new();
    for id in everyone {
        let profile = world.engine.profile(id, Sight::Full).unwrap().unwrap();
        let events = profile["timeline"].as_array().unwrap();
        let message = |event: &Value| event["message_id"].as_str().unwrap().to_owned();
        let events: BTreeSet<String> = events.iter().map(message).collect();
        let mut identifiers: Vec<String> = profile["identifiers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|known| known["value"].as_str().unwrap().to_owned())
            .collect();
        identifiers.sort();
        if events.iter().any(|event| event.starts_with(&format!("{name}-"))) {
            let known = json!({
                "identifiers": identifiers, "plan": profile["traits"]["plan"]["value"],
                "busy": busy.contains(&id), "late": late.contains(&id),
            });
            assert!(people.insert(events, known).is_none());
        }
    }
    people
}

fn known(ids: &[(&'static str, String)]) -> Vec<Identifier> {
    let read = |(kind, value): &(&str, String)| {
        Identifier::new(IdentifierType::parse(kind).unwrap(), value.as_str())
    };
    ids.iter().map(read).collect()
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

/// Sends one event of a story.
fn send(world: &mut World, name: &str, end: Timestamp, story: &Story) -> Happened {
    let Story { ids, ago, number } = story;
    let sent: Vec<(&str, &str)> = ids.iter().map(|(kind, value)| (*kind, value.as_str())).collect();
    let (message, at) = (format!("{name}-{number}"), end.saturating_sub(*ago));
    let event = Sent {
        ids: &sent,
        traits: json!({"plan": number}),
        at: Some(at),
        message_id: Some(&message),
        ..Sent::default()
    };
    assert_eq!(world.send(event), EventVerdict::Accepted);
    Happened { ids: known(ids), order: order(&message, at), message }
}

#[test]
fn who_is_who_follows_from_events_and_acts_and_not_from_their_arrival() {
    let mut acts = 0;
    for seed in 0..48 {
        let mut world = World::new();
        define(&world);
        let mut random = SmallRng::seed_from_u64(seed);
        let name = seed.to_string();
        let mut story = story(&mut random, &name, seed % 2 == 1);
        let end = world.now();
        story.shuffle(&mut random);
        let mut said = Said::default();
        let (mut all, mut seen): (Vec<Happened>, Vec<Identifier>) = (Vec::new(), Vec::new());
        for event in &story {
            let event = send(&mut world, &name, end, event);
            seen.extend(event.ids.iter().cloned());
            all.push(event);
            if random.random_bool(0.3)
                && let Some(done) = act(&world, &mut random, &seen)
            {
                said.take(&world, &done);
                acts += 1;
            }
        }
        let (links, strands) = links(&all);
        let expected = resolve(&links, &said.in_force(), &IdentityRules::default());
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
        let found: BTreeSet<_> = heads.values().flatten().collect();
        assert_eq!(found.len(), heads.len(), "seed {seed}: as many people as expected");
        let people: BTreeSet<_> = people(&world, &name).into_keys().collect();
        assert_eq!(people, together(&expected, &all, &strands), "seed {seed}");
    }
    assert!(acts > 50, "{acts} acts were done");
}

/// Whoever used a shared device when, and whatever came late: the same people in the end, who know the same and
/// are in the same audiences, after a restart as before.
#[test]
fn a_shared_device_is_divided_by_when_things_happened() {
    let (mut divided, mut late) = (0, 0);
    for seed in 0..24 {
        let mut world = World::new();
        define(&world);
        let mut results = Vec::new();
        for arrival in 0..4 {
            let mut random = SmallRng::seed_from_u64(seed);
            let name = format!("{seed}x{arrival}");
            let mut story = story(&mut random, &name, true);
            story.sort_by_key(|event| std::cmp::Reverse(event.ago));
            match arrival {
                0 => {}
                1 => story.reverse(),
                _ => story.shuffle(&mut SmallRng::seed_from_u64(seed * 10 + arrival)),
            }
            let end = world.now();
            let mut all = Vec::new();
            for (number, event) in story.iter().enumerate() {
                if seed % 6 == 0 && number == 5 {
                    world.restart();
                }
                all.push(send(&mut world, &name, end, event));
            }
            let (links, strands) = links(&all);
            let expected = resolve(&links, &[], &IdentityRules::default());
            let found = people(&world, &name);
            let events: BTreeSet<_> = found.keys().cloned().collect();
            assert_eq!(events, together(&expected, &all, &strands), "{name}");
            divided += all.iter().filter(|event| event.turn(&all).is_some()).count();
            late += usize::from(arrival > 0);
            let common = |text: String| text.replace(&area(&name), "").replace(&name, "");
            let found: BTreeSet<String> =
                found.iter().map(|(events, known)| common(format!("{events:?} {known}"))).collect();
            results.push(found);
        }
        for result in &results {
            assert_eq!(result, &results[0], "seed {seed}");
        }
    }
    assert!(divided > 100 && late > 60, "{divided} events of {late} stories");
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
