use std::collections::BTreeSet;

use model::{
    Consents, Duration, EventKind, Identifier, IdentifierType, LazyObject, PurposeSet,
    value::Object,
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use store::{Fault, Faulty, FjallOptions, Operation};

use super::*;
use crate::{
    Engine, ManualClock, Options,
    acts::{ActError, Ask, Split},
    clock::Clock,
    definitions::{Expect, Kind, Scope, Token},
    engine::open,
    ingest::{EventVerdict, IngestError, Item},
    proposals::{NewProposal, list},
    reading::{Ahead, Taken},
    record::{Deed, Named, Pair},
    writer::{Ingest, Writer},
};

const START: Timestamp = Timestamp(1_790_000_000_000);

struct World {
    engine: Engine,
    clock: Arc<ManualClock>,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

fn options(dir: &std::path::Path, clock: Arc<dyn Clock>) -> Options {
    Options { dir: dir.to_owned(), clock, cache_bytes: 8 << 20, write_key: None, token: None }
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let options = options(dir.path(), Arc::clone(&clock) as Arc<dyn Clock>);
        let engine = Engine::open(options).unwrap().0;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = Self { engine, clock, runtime, _dir: dir };
        world.define();
        world
    }

    fn define(&self) {
        let conditions = [
            ("busy", json!({"event": "a", "within": "1h", "count": {"op": "gte", "value": 2}})),
            ("quiet", json!({"not": {"event": "b", "within": "2h"}})),
            ("pro", json!({"trait": "plan", "op": "eq", "value": "pro"})),
        ];
        for (key, condition) in conditions {
            let document = json!({"key": key, "state": "live", "condition": condition});
            self.put(Kind::Audience, document);
        }
    }

    fn put(&self, kind: Kind, document: Value) {
        let admin = Token { name: "test".into(), scopes: vec![Scope::Admin] };
        let key = document["key"].as_str().unwrap().parse().unwrap();
        let Value::Object(document) = document else { unreachable!() };
        let saved = self.engine.put_definition(kind, key, document, Expect::Anything, &admin);
        self.runtime.block_on(saved).unwrap();
    }

    fn apply(&self, events: Vec<Event>) {
        let items = events.into_iter().map(|event| Item::Event(Box::new(event))).collect();
        self.runtime.block_on(self.engine.ingest(items)).unwrap();
    }

    /// Does something to somebody that an operator can; how many acts were done.
    fn act(&self, random: &mut SmallRng) -> usize {
        let admin = Token { name: "test".into(), scopes: vec![Scope::Admin] };
        let user = |random: &mut SmallRng| {
            Identifier::new(IdentifierType::UserId, format!("u{}", random.random_range(0..3)))
        };
        let one = user(random);
        let Some(profile) = self.engine.find_profile(&one).unwrap() else { return 0 };
        let open = || self.engine.merge_proposals("open", None, 1).unwrap().items;
        let open = || Some(open().first()?["id"].as_str().unwrap().parse().unwrap());
        let ask = match random.random_range(0..10) {
            0..3 => {
                let done = self.engine.acts(profile).unwrap().unwrap();
                let Some(act) = done.get(random.random_range(0..done.len().max(1))) else {
                    return 0;
                };
                Ask::Undo { profile, act: act["id"].as_str().unwrap().parse().unwrap() }
            }
            3..5 => Ask::Split { profile, how: Split::All },
            5 => Ask::Split { profile, how: Split::Identifiers(vec![one]) },
            6..8 => {
                let Some(proposal) = open() else { return 0 };
                Ask::Accept { proposal }
            }
            8 => {
                let Some(proposal) = open() else { return 0 };
                Ask::Reject { proposal }
            }
            _ => {
                let weights = vec![("surname".into(), 2.5)];
                let new = NewProposal { a: one, b: user(random), score: 0.5, weights };
                Ask::Propose { proposals: vec![new] }
            }
        };
        match self.runtime.block_on(self.engine.act(ask, &admin)) {
            Ok(_) => 1,
            Err(
                ActError::CannotSplit(_)
                | ActError::NotInForce(_)
                | ActError::CannotMerge(_)
                | ActError::Moot(_),
            ) => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// The same world with a writer that is driven by hand, over a store that fails on demand.
    fn by_hand(self) -> ByHand {
        let Self { engine, clock, _dir: dir, .. } = self;
        engine.shutdown();
        drop(engine);
        ByHand::over(dir, clock)
    }

    /// Folds a log's batches one by one, without the threads: they would fire timers when they
    /// find time, and not in the batch in which the log has them.
    fn replay(self, log: Vec<Logged>, before: &Shared) -> Ended {
        let mut world = self.by_hand();
        for Logged { now, events, acts, has_timers } in log {
            for (id, act) in acts {
                world.clock.set(now);
                let act = renamed(act, before, &world.shared);
                world.writer.fold_act(id, &act, None).unwrap();
            }
            // What else is in the log are definitions, which the new world has saved itself.
            if has_timers || !events.is_empty() {
                world.batch(now, events);
            }
        }
        drop(world.writer);
        Ended::of(&world.shared)
    }

    fn end(&self) -> Ended {
        self.engine.shutdown();
        Ended::of(self.engine.shared_for_tests())
    }
}

/// An act of one world for another one, which names the same people by other keyed hashes.
fn renamed(act: StoredAct, from: &Shared, to: &Shared) -> StoredAct {
    let all = [
        (IdentifierType::AnonymousId, "d0 d1 d2 d3"),
        (IdentifierType::UserId, "u0 u1 u2"),
        (IdentifierType::Email, "e0@x.org e1@x.org"),
    ];
    let all = all.into_iter().flat_map(|(kind, values)| {
        values.split(' ').map(move |value| Identifier::new(kind.clone(), value))
    });
    let names: BTreeMap<_, _> =
        all.map(|i| (from.keys.identifier(&i), to.keys.identifier(&i))).collect();
    let StoredAct::V1 { actor, mut deed } = act;
    let rename_pair = |pair: &mut Pair| {
        *pair = pair.map(|hash| names[&hash]);
        pair.sort_unstable();
    };
    let named: Vec<&mut Named> = match &mut deed {
        Deed::KeepApart { parts } => parts.iter_mut().flatten().collect(),
        Deed::Merge { proposal, identifiers } => {
            rename_pair(proposal);
            identifiers.iter_mut().collect()
        }
        Deed::Reject { proposal } => {
            rename_pair(proposal);
            Vec::new()
        }
        Deed::Propose { proposals } => {
            proposals.iter_mut().flat_map(|proposed| &mut proposed.sides).collect()
        }
        Deed::Undo { .. } => Vec::new(),
    };
    for (_, hash) in named {
        *hash = names[hash];
    }
    StoredAct::V1 { actor, deed }
}

/// What a world ended in, but for the names that each world gives on its own.
#[derive(Debug, PartialEq)]
struct Ended {
    people: BTreeSet<String>,
    proposals: BTreeSet<String>,
}

impl Ended {
    fn of(shared: &Arc<Shared>) -> Self {
        let exported = export(shared).unwrap();
        let people = exported.values().map(without_numbers).map(|person| person.to_string());
        let states = ["open", "accepted", "rejected", "moot"];
        let of = |state| list::page(shared, state, None, 500).unwrap().items;
        let proposals = states.into_iter().flat_map(of).map(|mut proposal| {
            proposal["id"].take();
            let mut sides: Vec<String> = Vec::new();
            for side in proposal["sides"].as_array_mut().unwrap() {
                side["profile"] = side["profile"].is_string().into();
                sides.push(side.to_string());
            }
            sides.sort_unstable();
            proposal["sides"] = sides.into();
            // Evidence lies in the order of keyed hashes, and each world has a key of its own.
            let evidence = proposal["evidence"].as_array_mut().unwrap();
            evidence.sort_by_cached_key(Value::to_string);
            proposal.to_string()
        });
        Self { people: people.collect(), proposals: proposals.collect() }
    }
}

struct ByHand {
    writer: Writer,
    shared: Arc<Shared>,
    store: Arc<Faulty<store::Fjall>>,
    clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

type Answer = tokio::sync::oneshot::Receiver<Result<Vec<EventVerdict>, IngestError>>;

impl ByHand {
    fn over(dir: tempfile::TempDir, clock: Arc<ManualClock>) -> Self {
        let store = store::Fjall::open(dir.path(), FjallOptions::default()).unwrap();
        let store = Arc::new(Faulty::new(store));
        let options = options(dir.path(), Arc::clone(&clock) as Arc<dyn Clock>);
        let over = Arc::clone(&store) as Arc<dyn store::Store>;
        let (shared, end) = open::shared(over, &options).unwrap();
        let (_jobs, jobs) = crossbeam_channel::bounded(1);
        let (_records, records) = crossbeam_channel::bounded(1);
        let writer = Writer::new(Arc::clone(&shared), jobs, records, end).unwrap();
        Self { writer, shared, store, clock, _dir: dir }
    }

    /// Folds a batch and does not wait for its commit.
    fn batch(&mut self, now: Timestamp, events: Vec<Event>) -> Answer {
        self.clock.set(now);
        let take = |event| Taken::Event(Box::new(Ahead::of(event, None, &self.shared.keys)));
        let items = events.into_iter().map(take).collect();
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.writer.batch(vec![Ingest { items, import: None, reply }]);
        answer
    }
}

fn event(random: &mut SmallRng, number: usize, now: Timestamp) -> Event {
    let device = format!("d{}", random.random_range(0..4));
    let user = format!("u{}", random.random_range(0..3));
    let mut identifiers = Vec::new();
    if random.random_bool(0.7) {
        identifiers.push(Identifier::new(IdentifierType::AnonymousId, device));
    }
    if identifiers.is_empty() || random.random_bool(0.4) {
        identifiers.push(Identifier::new(IdentifierType::UserId, user));
    }
    if random.random_bool(0.2) {
        let address = format!("e{}@x.org", random.random_range(0..2));
        identifiers.push(Identifier::new(IdentifierType::Email, address));
    }
    let mut traits = Object::new();
    if random.random_bool(0.2) {
        let plan = if random.random_bool(0.5) { "pro" } else { "free" };
        traits.insert("plan".into(), plan.into());
    }
    let mut event_time = now.saturating_sub(Duration(random.random_range(0..7_200_000)));
    let consents = match random.random_range(0..20) {
        0 => Consents { denied: PurposeSet(2), ..Consents::default() },
        1 => Consents { granted: PurposeSet(2), ..Consents::default() },
        _ => Consents::default(),
    };
    if !consents.is_empty() {
        // So that some are of one instant.
        event_time = Timestamp(event_time.0 / 3_600_000 * 3_600_000);
    }
    let (mut kind, mut name) = (EventKind::Track, if random.random_bool(0.7) { "a" } else { "b" });
    let mut properties = LazyObject::default();
    if random.random_bool(0.2) {
        (kind, name) = (EventKind::Group, "Group");
        let account = format!("company {}", random.random_range(0..3));
        properties.insert("group_id", account.into());
        properties.insert("traits", json!({"size": number}));
    }
    Event {
        source: "default".parse().unwrap(),
        message_id: format!("m{number}").into(),
        kind,
        name: name.into(),
        identifiers,
        event_time,
        received_at: now,
        sent_at: None,
        properties,
        traits,
        context: LazyObject::default(),
        consents,
        historical: false,
        marks: model::event::Marks::default(),
    }
}

#[test]
fn the_log_folded_again_ends_in_the_same_state() {
    let (mut acts, mut people, mut proposals) = (0, 0, 0);
    for seed in 0..6 {
        let mut random = SmallRng::seed_from_u64(seed);
        let live = World::new();
        let mut number = 0;
        for _ in 0..30 {
            live.clock
                .set(live.clock.now().saturating_add(Duration(random.random_range(1..3_600_000))));
            let count = random.random_range(1..5);
            let events = (0..count)
                .map(|_| {
                    number += 1;
                    event(&mut random, number, live.clock.now())
                })
                .collect();
            live.apply(events);
            if random.random_bool(0.3) {
                acts += live.act(&mut random);
            }
        }
        let log = read(live.engine.shared_for_tests()).unwrap();
        let shared = Arc::clone(live.engine.shared_for_tests());
        let live = live.end();
        let replayed = World::new().replay(log, &shared);
        assert_eq!(live, replayed, "seed {seed}");
        people += live.people.len();
        proposals += live.proposals.len();
    }
    assert!(acts > 20 && proposals > 6, "{acts} acts were done, {proposals} proposals were made");
    assert!(people > 10, "{people} people");
}

/// What a sweep has removed is in no log any more, so a replay begins at a checkpoint that is no older.
#[test]
fn a_replay_goes_on_from_a_checkpoint_after_a_sweep() {
    let mut random = SmallRng::seed_from_u64(3);
    let live = World::new();
    let mut number = 0;
    let mut some = |now: Timestamp, count: usize| {
        number += count;
        (number - count..number).map(|n| event(&mut random, n, now)).collect::<Vec<_>>()
    };
    for _ in 0..20 {
        live.clock.set(live.clock.now().saturating_add(Duration::hours(1)));
        live.apply(some(live.clock.now(), 20));
    }
    let rule =
        json!({"key": "short", "state": "live", "of": "events", "keep": "1d", "events": ["a"]});
    live.put(Kind::RetentionRule, rule);
    let now = live.clock.now().saturating_add(Duration::days(2));
    live.clock.set(now);
    for _ in 0..2_000 {
        let is_swept = |round: crate::retention::Round| round.ended_at.is_some_and(|at| now <= at);
        if live.engine.retention().is_some_and(is_swept) {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    live.engine.shutdown();
    let log = read(live.engine.shared_for_tests()).unwrap();
    let mut kept = log.iter().flat_map(|batch| &batch.events);
    assert!(kept.all(|event| event.name != "a"), "what was swept is in no log");
    let removed = live.engine.retention().unwrap().removed.events;
    assert!(removed > 200, "{removed}");

    let checkpoint = tempfile::tempdir().unwrap();
    copy(live._dir.path(), checkpoint.path());
    let mut live = live.by_hand();
    for hour in 0..20 {
        let now = now.saturating_add(Duration::hours(hour));
        live.batch(now, some(now, 5)).blocking_recv().unwrap().unwrap();
    }
    live.writer.settle().unwrap();
    let mut replayed = ByHand::over(checkpoint, Arc::new(ManualClock::at(now)));
    let mut suffix = read(&live.shared).unwrap();
    suffix.drain(..log.len());
    for Logged { now, events, .. } in suffix {
        replayed.batch(now, events).blocking_recv().unwrap().unwrap();
    }
    replayed.writer.settle().unwrap();
    let (live, replayed) = (export(&live.shared).unwrap(), export(&replayed.shared).unwrap());
    assert_eq!(live, replayed);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Batches are folded over those on their way to the disk, some of which do not arrive.
#[test]
fn what_is_refused_leaves_no_trace_in_what_was_folded_over_it() {
    for seed in 0..8 {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut world = World::new().by_hand();
        for nth in 1..200 {
            if random.random_bool(0.2) {
                let fault = if random.random_bool(0.5) { Fault::Full } else { Fault::Io };
                world.store.inject(Operation::Commit, nth, fault);
            }
        }
        let mut sent: Vec<(Event, Answer)> = Vec::new();
        for number in 0..60 {
            let now = world.clock.now().saturating_add(Duration(random.random_range(1..900_000)));
            let event = event(&mut random, number, now);
            let answer = world.batch(now, vec![event.clone()]);
            sent.push((event, answer));
        }
        world.writer.settle().ok();
        let (mut accepted, mut refused) = (0, Vec::new());
        for (event, answer) in sent {
            match answer.blocking_recv().unwrap() {
                Ok(verdicts) if verdicts == [EventVerdict::Accepted] => accepted += 1,
                Ok(other) => assert!(matches!(other[..], [EventVerdict::Refused { .. }])),
                Err(_) => refused.push(event),
            }
        }
        assert!(!refused.is_empty(), "some batches failed");
        let events = |log: &[Logged]| log.iter().map(|batch| batch.events.len()).sum::<usize>();
        let log = read(&world.shared).unwrap();
        assert_eq!(events(&log), accepted, "seed {seed}: the accepted ones, each once");
        world.store.restart();
        for event in refused {
            let now = world.clock.now();
            let answer = world.batch(now, vec![event]);
            world.writer.settle().unwrap();
            let verdicts = answer.blocking_recv().unwrap().unwrap();
            assert!(!verdicts.contains(&EventVerdict::Duplicate), "a refused try left no trace");
            accepted += usize::from(verdicts == [EventVerdict::Accepted]);
        }
        let log = read(&world.shared).unwrap();
        assert_eq!(events(&log), accepted);
        let ended = Ended::of(&world.shared);
        let shared = Arc::clone(&world.shared);
        drop(world);
        let replayed = World::new().replay(log, &shared);
        assert_eq!(ended, replayed, "seed {seed}");
    }
}

/// Log positions differ where an idle writer logged a timer at another moment; who is whom, what is
/// known and who is in which audience since when do not.
fn without_numbers(person: &Value) -> Value {
    let mut person = person.clone();
    if let Some(fields) = person.as_object_mut() {
        let strands = fields.remove("strands");
        fields.insert("strands".into(), json!(strands.and_then(|s| s.as_array().map(Vec::len))));
    }
    person
}
