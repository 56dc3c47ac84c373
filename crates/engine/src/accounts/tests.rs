//! Accounts against brute force: whatever is said in whichever order, and whoever turns out to be whom, is split or
//! is erased.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

use model::{
    Consents, Duration, Event, EventKind, Identifier, IdentifierType, LazyObject, StrandId,
    Timestamp, Value, condition::Sight, value::Object,
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::json;
use store::{ScanOrder, Table, prefix_range};

use crate::{
    Engine, ManualClock, Options,
    acts::{ActError, Ask, Split},
    clock::Clock,
    definitions::{Expect, Kind, Scope, Token},
    ingest::Item,
    keys,
    load::{Loader, Person},
    page::Stored,
    people::show,
    privacy::{self, RequestKind},
    writer::heads,
};

const START: Timestamp = Timestamp(1_790_000_000_000);
const USERS: u32 = 6;
const DEVICES: u32 = 5;
const ACCOUNTS: [&str; 3] = ["acme", "globex", "initech"];

struct World {
    engine: Engine,
    clock: Arc<ManualClock>,
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
    /// What was sent, by message id.
    sent: BTreeMap<String, Event>,
}

fn open(dir: &std::path::Path, clock: &Arc<ManualClock>) -> Engine {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let options =
        Options { dir: dir.to_owned(), clock, cache_bytes: 8 << 20, write_key: None, token: None };
    Engine::open(options).unwrap().0
}

fn admin() -> Token {
    Token { name: "test".into(), scopes: vec![Scope::Admin] }
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let engine = open(dir.path(), &clock);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = Self { engine, clock, runtime, dir, sent: BTreeMap::new() };
        let large = json!({"trait": "employees", "op": "gt", "value": 200});
        let audiences = [
            ("viewers", json!({"event": "Pricing Viewed", "count": {"op": "gte", "value": 1}})),
            ("large", json!({"account": "all", "where": [large]})),
            (
                "hot",
                json!({"account": "any", "where": [large, {"members": "any", "in": "viewers"}]}),
            ),
            (
                "all_in",
                json!({"account": "current", "where": [{"members": "all", "in": "viewers"}]}),
            ),
            (
                "two",
                json!({"account": "any", "where": [
                    {"members": "at_least", "count": 2, "in": "viewers"}, {"membership": "role", "op": "eq", "value": "admin"}
                ]}),
            ),
        ];
        for (key, condition) in audiences {
            let document = json!({"key": key, "state": "live", "condition": condition});
            let Value::Object(document) = document else { unreachable!() };
            let key = key.parse().unwrap();
            let admin = admin();
            let saved = world.engine.put_definition(
                Kind::Audience,
                key,
                document,
                Expect::Anything,
                &admin,
            );
            world.runtime.block_on(saved).unwrap();
        }
        world
    }

    fn send(&mut self, events: Vec<Event>) {
        for event in &events {
            self.sent.insert(event.message_id.to_string(), event.clone());
        }
        let items = events.into_iter().map(|event| Item::Event(Box::new(event))).collect();
        self.runtime.block_on(self.engine.ingest(items)).unwrap();
    }

    /// Waits until the members of all accounts have been looked at.
    fn settle(&self) {
        let shared = self.engine.shared_for_tests();
        for _ in 0..4_000 {
            let mut is_done = shared.backfill.is_complete();
            let prefix = [keys::WALK];
            let range = prefix_range(&prefix);
            let mut see = |_: &[u8], _: &[u8]| {
                is_done = false;
                ControlFlow::Break(())
            };
            shared.store.scan(Table::Meta, range, ScanOrder::Ascending, &mut see).unwrap();
            if is_done {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
        panic!("waited in vain");
    }

    fn split(&self, random: &mut SmallRng) {
        let user = format!("u{}", random.random_range(0..USERS));
        let identifier = Identifier::new(IdentifierType::UserId, user);
        let Some(profile) = self.engine.find_profile(&identifier).unwrap() else { return };
        let how = match random.random_bool(0.5) {
            true => Split::All,
            false => Split::Identifiers(vec![identifier]),
        };
        match self.runtime.block_on(self.engine.act(Ask::Split { profile, how }, &admin())) {
            Ok(_) | Err(ActError::CannotSplit(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn erase(&self, random: &mut SmallRng) {
        let user = format!("u{}", random.random_range(0..USERS));
        let ask = privacy::Ask {
            kind: RequestKind::Erase,
            identifier: Identifier::new(IdentifierType::UserId, user),
            traits: Object::new(),
            reason: None,
            idempotency_key: None,
        };
        self.runtime.block_on(self.engine.file_privacy_request(ask, &admin())).unwrap();
    }
}

fn event(random: &mut SmallRng, number: usize, now: Timestamp) -> Event {
    let device = format!("d{}", random.random_range(0..DEVICES));
    let user = format!("u{}", random.random_range(0..USERS));
    let mut identifiers = Vec::new();
    if random.random_bool(0.6) {
        identifiers.push(Identifier::new(IdentifierType::AnonymousId, device));
    }
    if identifiers.is_empty() || random.random_bool(0.4) {
        identifiers.push(Identifier::new(IdentifierType::UserId, user));
    }
    let account = ACCOUNTS[random.random_range(0..ACCOUNTS.len())];
    let (kind, name, properties, context) = match random.random_range(0..10) {
        0..4 => {
            let mut traits = Object::new();
            for trait_name in ["employees", "plan"] {
                if random.random_bool(0.4) {
                    let value = random.random_range(0..4) * 100;
                    traits.insert(trait_name.to_owned(), value.into());
                }
            }
            if random.random_bool(0.3) {
                let role = if random.random_bool(0.5) { "admin" } else { "guest" };
                traits.insert("role".to_owned(), role.into());
            }
            (EventKind::Group, "Group", json!({"group_id": account, "traits": traits}), json!({}))
        }
        4 => (EventKind::Track, "Account Removed User", json!({}), json!({"groupId": account})),
        5 => {
            let properties = json!({"role": "admin"});
            (EventKind::Track, "Account Added User", properties, json!({"groupId": account}))
        }
        6..8 => (EventKind::Track, "Pricing Viewed", json!({}), json!({})),
        _ => (EventKind::Track, "Other", json!({}), json!({})),
    };
    // The number makes every instant another one, so that no hash decides.
    let ago = random.random_range(0..7_200) * 1_000 + i64::try_from(number % 1_000).unwrap();
    let lazy = |value: Value| LazyObject::parse(&value.to_string()).unwrap();
    Event {
        source: "default".parse().unwrap(),
        message_id: format!("m{number}").into(),
        kind,
        name: name.into(),
        identifiers,
        event_time: now.saturating_sub(Duration(ago)),
        received_at: now,
        sent_at: None,
        properties: lazy(properties),
        traits: Object::new(),
        context: lazy(context),
        consents: Consents::default(),
        historical: false,
        marks: model::event::Marks::default(),
    }
}

/// The newest word on belonging to an account, and on the role in it.
type Words = ((Timestamp, bool), Option<(Timestamp, String)>);

/// What one person has said, plainly.
#[derive(Debug, Default)]
struct Told {
    /// By account.
    accounts: BTreeMap<String, Words>,
    /// Everything said of accounts' traits.
    words: Vec<(String, String, Timestamp, Value)>,
    has_viewed: bool,
}

impl Told {
    fn of<'a>(events: impl Iterator<Item = &'a Event>) -> Self {
        let mut told = Self::default();
        for event in events {
            let at = event.event_time;
            let removed = event.name == "Account Removed User";
            if event.name == "Pricing Viewed" {
                told.has_viewed = true;
            }
            if event.kind != EventKind::Group && !event.name.starts_with("Account") {
                continue;
            }
            let account = event.properties.get("group_id").or(event.context.get("groupId"));
            let account = account.unwrap().as_str().unwrap().to_owned();
            let traits = event.properties.get("traits").and_then(Value::as_object);
            let role = traits.and_then(|traits| traits.get("role"));
            let role = role.or(event.properties.get("role")).and_then(Value::as_str);
            let role = role.map(|role| (at, role.to_owned()));
            for (name, value) in traits.into_iter().flatten().filter(|(name, _)| *name != "role") {
                told.words.push((account.clone(), name.clone(), at, value.clone()));
            }
            let known = told.accounts.entry(account).or_insert(((at, !removed), None));
            known.0 = known.0.max((at, !removed));
            known.1 = known.1.take().max(role);
        }
        told
    }

    fn belongs(&self, account: &str) -> bool {
        self.accounts.get(account).is_some_and(|((_, is_member), _)| *is_member)
    }
}

/// One account, plainly.
#[derive(Debug, Default, PartialEq)]
struct Plain {
    traits: BTreeMap<String, Value>,
    members: usize,
    inside: usize,
}

impl Plain {
    fn of(id: &str, everyone: &BTreeMap<StrandId, Told>) -> Option<Self> {
        if !everyone.values().any(|told| told.accounts.contains_key(id)) {
            return None;
        }
        let words = everyone.values().flat_map(|told| &told.words).filter(|word| word.0 == id);
        let mut newest: BTreeMap<String, (Timestamp, Value)> = BTreeMap::new();
        for (_, name, at, value) in words {
            let known = newest.entry(name.clone()).or_insert((*at, value.clone()));
            if known.0 < *at {
                *known = (*at, value.clone());
            }
        }
        let members = || everyone.values().filter(|told| told.belongs(id));
        Some(Self {
            traits: newest.into_iter().map(|(name, (_, value))| (name, value)).collect(),
            members: members().count(),
            inside: members().filter(|told| told.has_viewed).count(),
        })
    }

    fn is_large(&self) -> bool {
        self.traits.get("employees").and_then(Value::as_i64).is_some_and(|count| count > 200)
    }
}

/// Everyone, and what each has said.
type Everyone = (BTreeMap<StrandId, Person>, BTreeMap<StrandId, Told>);

fn everyone(world: &World) -> Everyone {
    let shared = world.engine.shared_for_tests();
    let snapshot = shared.registry.snapshot_full();
    let frozen = shared.store.snapshot().unwrap();
    let pages = Stored { reader: &*frozen, keys: &shared.keys };
    let loader = Loader { pages: &pages, snapshot: &snapshot };
    let mut people: BTreeMap<StrandId, Person> = BTreeMap::new();
    heads(&*frozen, &mut |head| {
        people.insert(head, loader.person(head)?);
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    let told = |(head, person): (&StrandId, &Person)| {
        let timeline = show::page(shared, &snapshot, &person.profile, None, 1_000).unwrap();
        let ids = timeline.items.iter().map(|event| event["message_id"].as_str().unwrap());
        (*head, Told::of(ids.map(|id| &world.sent[id])))
    };
    let told = people.iter().map(told).collect();
    (people, told)
}

/// Holds accounts and what people are recorded as against brute force; how many answers were anything but false.
fn check(world: &World, seed: u64) -> usize {
    world.settle();
    let (people, everyone) = everyone(world);
    let plain: BTreeMap<&str, Plain> =
        ACCOUNTS.into_iter().filter_map(|id| Some((id, Plain::of(id, &everyone)?))).collect();
    let listed = world.engine.accounts(None, 100).unwrap().items;
    let listed: BTreeSet<&str> = listed.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(listed, plain.keys().copied().collect(), "seed {seed}");
    for (id, plain) in &plain {
        check_account(world, (id, plain), &everyone);
    }
    everyone.iter().map(|(head, told)| check_person(world, &people[head], told, &plain)).sum()
}

fn check_account(world: &World, (id, plain): (&str, &Plain), everyone: &BTreeMap<StrandId, Told>) {
    let shown = world.engine.account(id).unwrap().unwrap();
    let traits = shown["traits"].as_object().unwrap().iter();
    let count = |value: &Value| usize::try_from(value.as_u64().unwrap_or(0)).unwrap();
    let viewers = &shown["audiences"]["viewers"];
    let found = Plain {
        traits: traits.map(|(name, known)| (name.clone(), known["value"].clone())).collect(),
        members: count(&shown["members"]),
        inside: count(&viewers["inside"]),
    };
    assert_eq!(found, *plain, "account {id}");
    assert_eq!(count(&viewers["unknown"]), 0, "account {id}");
    let members = world.engine.account_members(id, None, 100).unwrap().unwrap().items;
    let members: Vec<&str> =
        members.iter().map(|member| member["profile"].as_str().unwrap()).collect();
    let expected: BTreeSet<String> = everyone
        .iter()
        .filter(|(_, told)| told.belongs(id))
        .map(|(head, _)| model::ProfileId(*head).to_string())
        .collect();
    assert_eq!(members.len(), expected.len(), "nobody is named twice");
    assert!(members.iter().all(|member| expected.contains(*member)), "account {id}");
}

fn check_person(
    world: &World,
    person: &Person,
    told: &Told,
    plain: &BTreeMap<&str, Plain>,
) -> usize {
    let belongs = || told.accounts.iter().filter(|(_, ((_, is_member), _))| *is_member);
    let role = |role: &Option<(Timestamp, String)>| role.as_ref().map(|(_, role)| role.clone());
    let own: Vec<(&Plain, Option<String>)> =
        belongs().map(|(id, (_, said))| (&plain[id.as_str()], role(said))).collect();
    let current = belongs().max_by_key(|(_, ((at, _), _))| *at).map(|(id, _)| &plain[id.as_str()]);
    let is_admin = |role: &Option<String>| role.as_deref() == Some("admin");
    let expected = [
        ("viewers", told.has_viewed),
        ("large", own.iter().all(|(account, _)| account.is_large())),
        ("hot", own.iter().any(|(account, _)| account.is_large() && account.inside > 0)),
        ("all_in", current.is_some_and(|account| account.inside == account.members)),
        ("two", own.iter().any(|(account, role)| account.inside > 1 && is_admin(role))),
    ];
    let catalog = &world.engine.shared_for_tests().registry.snapshot_full().audiences;
    let document = world.engine.profile(person.profile.id(), Sight::Full).unwrap().unwrap();
    let mut found = 0;
    for (key, expected) in expected {
        let recorded = person.memberships.recorded(&key.parse().unwrap());
        // Who only did what nobody asks about is looked at when something else happens.
        let is_outdated = person.memberships.is_outdated(catalog);
        let recorded = if is_outdated { expected } else { recorded.is_true() };
        assert_eq!(recorded, expected, "{key} of {told:?}");
        let asked = &document["audiences"][key]["member"];
        assert_eq!(*asked == "true", expected, "{key} of {told:?}");
        found += usize::from(expected && key != "large" && key != "viewers");
    }
    found
}

#[test]
fn accounts_are_what_brute_force_says() {
    let mut found = 0;
    for seed in 0..8 {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut world = World::new();
        let mut number = 0;
        for round in 0..12 {
            let now = world.clock.now().saturating_add(Duration(random.random_range(1..600_000)));
            world.clock.set(now);
            let events = (0..random.random_range(1..8)).map(|_| {
                number += 1;
                event(&mut random, number, now)
            });
            let events = events.collect();
            world.send(events);
            match random.random_range(0..8) {
                0 | 1 => world.split(&mut random),
                2 => world.erase(&mut random),
                _ => {}
            }
            if round % 4 == 3 {
                found += check(&world, seed);
            }
        }
        world.engine.shutdown();
        // The old engine must let go of the directory before the new one takes it.
        let elsewhere = tempfile::tempdir().unwrap();
        world.engine = open(elsewhere.path(), &world.clock);
        world.engine = open(world.dir.path(), &world.clock);
        found += check(&world, seed);
    }
    assert!(found > 40, "only {found} answers were anything but false");
}
