//! Sums against brute force over everybody: whoever turns out to be whom, is split or erased, whatever comes late, and
//! wherever the process ends.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use audience::FactsByPurpose as _;
use decision::Recorded;
use experiment::{Exposed, Exposure, effective, measure};
use model::{
    Consents, Duration, Event, EventKind, Identifier, IdentifierType, Key, LazyObject, PurposeSet,
    StrandId, Timestamp, Value,
    event::Marks,
    value::{Object, Path},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::json;

use super::{
    Sums, columns, exposures, holdouts,
    rows::{StoredExposure, Unit},
    scan::{self, Breakdown, Group},
    tried, unit,
};
use crate::{
    Engine, ManualClock, Options,
    acts::{ActError, Ask, Split},
    archive::{
        Archive,
        tests::{LIMITS, Shelf},
    },
    clock::Clock,
    decide::DecideRequest,
    definitions::{Expect, Kind, Scope, Token},
    facts::Views,
    follow::FollowedDecision,
    ingest::Item,
    load::{self, Loader},
    page::{Pages as _, Stored},
    people::show,
    privacy::{self, RequestKind},
    record::{StoredDecision, Unreadable},
    recording::document::{Decided, Documents, Place},
    sealed::RowError,
    snapshot::Projection,
    state::Shared,
    trial::{Sources, Trial},
    writer::heads,
};

const START: Timestamp = Timestamp(1_790_000_000_000);
const USERS: u32 = 8;
const DEVICES: u32 = 10;

struct World {
    engine: Engine,
    clock: Arc<ManualClock>,
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
    /// The files of the lake.
    shelf: Arc<Shelf>,
    sent: usize,
}

fn open(dir: &std::path::Path, shelf: &Arc<Shelf>, clock: &Arc<ManualClock>) -> Engine {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let options =
        Options { dir: dir.to_owned(), clock, cache_bytes: 8 << 20, write_key: None, token: None };
    let engine = Engine::open(options).unwrap().0;
    engine.keep_lake(Arc::clone(shelf) as Arc<dyn Archive>, LIMITS).unwrap();
    engine
}

fn admin() -> Token {
    Token { name: "test".into(), scopes: vec![Scope::Admin] }
}

fn lazy(value: &Value) -> LazyObject {
    LazyObject::parse(&value.to_string()).unwrap()
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let shelf = Arc::default();
        let engine = open(dir.path(), &shelf, &clock);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = Self { engine, clock, runtime, dir, shelf, sent: 0 };
        world.define(Kind::Placement, "hero", json!({"state": "live", "default": {}}));
        world.define(Kind::Placement, "foot", json!({"state": "live", "default": {}}));
        let held = json!({"state": "live", "placement": "foot", "holdout": 0.4, "variants": [{"key": "x"}]});
        world.define_two(1);
        world.define(Kind::Experience, "held", held);
        world.define(Kind::Holdout, "site", json!({"state": "live", "share": 0.3}));
        let metrics = [
            ("conversion", json!({"kind": "conversion", "event": "Bought", "window": "2h"})),
            (
                "revenue",
                json!({"kind": "sum", "event": "Bought", "property": "revenue", "before": "1h"}),
            ),
            ("value", json!({"kind": "mean", "event": "Bought", "property": "revenue"})),
            ("back", json!({"kind": "retention", "event": "Seen", "after": "1h", "window": "1h"})),
            ("wait", json!({"kind": "time_to_event", "event": "Bought", "window": "3h"})),
        ];
        for (key, mut metric) in metrics {
            metric["state"] = "live".into();
            world.define(Kind::Metric, key, metric);
        }
        world
    }

    fn define(&self, kind: Kind, key: &str, document: Value) {
        let Value::Object(document) = document else { unreachable!() };
        let (key, admin) = (key.parse().unwrap(), admin());
        let saved = self.engine.put_definition(kind, key, document, Expect::Anything, &admin);
        self.runtime.block_on(saved).unwrap();
    }

    fn shared(&self) -> &Arc<Shared> {
        self.engine.shared_for_tests()
    }

    fn someone(random: &mut SmallRng) -> Vec<Identifier> {
        let mut identifiers = Vec::new();
        if random.random_bool(0.7) {
            let device = format!("d{}", random.random_range(0..DEVICES));
            identifiers.push(Identifier::new(IdentifierType::AnonymousId, device));
        }
        if identifiers.is_empty() || random.random_bool(0.4) {
            let user = format!("u{}", random.random_range(0..USERS));
            identifiers.push(Identifier::new(IdentifierType::UserId, user));
        }
        identifiers
    }

    fn send(
        &mut self,
        name: &str,
        identifiers: Vec<Identifier>,
        ago: Duration,
        random: &mut SmallRng,
    ) {
        self.sent += 1;
        let now = self.clock.now();
        let refused = PurposeSet::NONE.with(model::Purpose::ANALYTICS);
        let denied = if random.random_bool(0.05) { refused } else { PurposeSet::NONE };
        let consents = Consents { denied, ..Consents::default() };
        let mut traits = Object::new();
        if random.random_bool(0.3) {
            let plan = ["free", "gold", "withheld"][random.random_range(0..3)];
            traits.insert("plan".into(), plan.into());
        }
        let event = Event {
            source: "default".parse().unwrap(),
            message_id: format!("m{}", self.sent).into(),
            kind: EventKind::Track,
            name: name.into(),
            identifiers,
            event_time: now.saturating_sub(ago),
            received_at: now,
            sent_at: None,
            properties: lazy(&json!({"revenue": random.random_range(-5..50)})),
            traits,
            context: LazyObject::default(),
            consents,
            historical: false,
            marks: Marks::default(),
        };
        let items = vec![Item::Event(Box::new(event))];
        self.runtime.block_on(self.engine.ingest(items)).unwrap();
    }

    fn decide(&self, identifiers: Vec<Identifier>) {
        let request = DecideRequest {
            identifiers,
            placements: None,
            context: LazyObject::default(),
            consents: Consents::default(),
            explain: false,
            marks: Marks::default(),
            record: true,
            at: None,
            public: false,
            source: None,
            masked: false,
            preview: None,
        };
        self.engine.decide(&request).unwrap();
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

    fn restart(&mut self) {
        self.engine.shutdown();
        // The old engine must let go of the directory before the new one takes it.
        let elsewhere = tempfile::tempdir().unwrap();
        self.engine = open(elsewhere.path(), &Arc::default(), &self.clock);
        self.engine = open(self.dir.path(), &self.shelf, &self.clock);
    }

    fn step(&mut self, random: &mut SmallRng) {
        let someone = Self::someone(random);
        match random.random_range(0..100) {
            0..35 => self.decide(someone),
            35..65 => {
                let ago =
                    Duration(random.random_range(0..4) * 1_800_000 + random.random_range(0..9));
                self.send("Bought", someone, ago, random);
            }
            65..82 => self.send("Seen", someone, Duration(0), random),
            82..86 => self.split(random),
            86..88 => self.erase(random),
            88..91 => self.restart(),
            91..93 => {
                let before = format!("{}h", random.random_range(1..3));
                let metric =
                    json!({"state": "live", "kind": "count", "event": "Bought", "before": before});
                self.define(Kind::Metric, "count", metric);
            }
            93..94 => self.define_two(random.random_range(1..4)),
            _ => self.clock.advance(Duration(random.random_range(1..3_600_000))),
        }
    }

    /// The experience `two`, in which `a` has this weight.
    fn define_two(&self, weight: u32) {
        let variants = json!([{"key": "a", "weight": weight}, {"key": "b", "weight": 1}]);
        self.define(
            Kind::Experience,
            "two",
            json!({"state": "live", "placement": "hero", "variants": variants, "record_traits": ["plan"]}),
        );
    }

    /// Waits until all of it is counted.
    fn settle(&mut self, random: &mut SmallRng) {
        let nobody = vec![Identifier::new(IdentifierType::UserId, "nobody")];
        // Decisions are recorded with the next batch at the latest.
        self.send("Flush", nobody, Duration(0), random);
        self.engine.catch_up();
        self.clock.advance(super::RECOUNT_AFTER);
        for _ in 0..100 {
            self.engine.catch_up();
            if self.shared().measured.get().measured >= 1.0 {
                break;
            }
        }
        self.engine.catch_up();
    }

    /// Returns how many units and groups there are.
    fn check(&self) -> (usize, usize) {
        let readable = self.shared().measured.get();
        let (expected, groups) = brute_force(self.shared());
        let mut units = 0;
        let site = decision::holdout_name(&"site".parse().unwrap());
        let experiences = ["two", "held"].map(|key| key.parse::<Key>().unwrap());
        for experience in experiences.into_iter().chain([site]) {
            let nobody = Sums::default();
            let found = readable.experiences.get(&experience).map_or(&nobody, |sums| &**sums);
            let stored = unit::counted(self.shared(), &experience).unwrap();
            assert_eq!(found, &stored, "{experience}: what is published is the sum of the rows");
            let expected = expected.get(&experience).unwrap_or(&nobody);
            assert_eq!(found, expected, "{experience}: against everybody");
            // A holdout is none that a metric could be tried on.
            if holdouts::named(&experience).is_none() {
                assert_eq!(&self.tried(&experience), found, "{experience}: over the lake");
            }
            units += found.arms().into_iter().map(|arm| found.units(arm)).sum::<u64>();
        }
        (usize::try_from(units).unwrap(), self.check_groups(&groups))
    }

    /// What units did by the group of a trait that was recorded with the decision that exposed them; returns how many
    /// groups there are.
    fn check_groups(&self, expected: &BTreeMap<Group, Sums>) -> usize {
        let two: Key = "two".parse().unwrap();
        let by = Breakdown::parse("trait:plan").unwrap();
        let snapshot = self.shared().registry.snapshot();
        let ids: Vec<_> = snapshot.metrics.iter().map(|metric| metric.id).collect();
        let found = scan::broken_down(self.shared(), &two, &by, &ids).unwrap();
        let expected = expected.iter().map(|(group, sums)| (group.clone(), sums.tallies.clone()));
        assert_eq!(found, expected.collect());
        found.len()
    }

    /// The sums of all metrics, each tried over the lake.
    fn tried(&self, experience: &Key) -> Sums {
        let mut sums = Sums::default();
        let lake = self.engine.lake().unwrap();
        lake.catch_up(&self.engine);
        for metric in self.shared().registry.snapshot().metrics.iter() {
            let trial = Trial {
                archive: &*self.shelf,
                sources: &Sources::from(lake.snapshot()),
                experience,
                metric,
                rules: &self.engine.may_be_seen(metric.purpose).unwrap(),
                now: self.clock.now(),
                threads: 3,
                is_abandoned: &|| false,
            };
            let found = tried::by_weights(self.shared(), experience, trial.run().unwrap());
            let (of_metric, tallies, _) = tried::sums(metric, found);
            sums.exposed = of_metric.exposed;
            if !tallies.is_empty() {
                sums.tallies.insert(metric.id, tallies);
            }
        }
        sums
    }
}

/// The exposures of a strand by its recorded decisions, each with the group of the plan that it recorded.
fn exposures_of(
    shared: &Shared,
    strand: StrandId,
) -> Result<Vec<(exposures::Stated, Group)>, RowError> {
    let pages = Stored { reader: &*shared.store, keys: &shared.keys };
    let page = pages.existing(strand)?;
    let mut documents = Documents::over(&*shared.store);
    let mut sealed = Vec::new();
    show::sealed_decisions(&*shared.store, strand, &mut |at, key, row| {
        sealed.push((at, key.to_vec(), row.to_vec()));
    })?;
    let mut found = Vec::new();
    for (at, key, row) in sealed {
        let record: StoredDecision<'_> = shared.keys.open(page.key(), &key, 0, &row, "decision")?;
        let (_, id) = crate::keys::parse_decision(&key).ok_or(Unreadable("decision"))?;
        let document = documents.read(Place { id, at, unit: page.meta().unit }, record)?;
        let plans: BTreeMap<Key, Group> = document.decisions.iter().filter_map(plan).collect();
        let stated = exposures::decided(shared, &FollowedDecision { strand, document });
        found.extend(stated.into_iter().map(|stated| {
            let group = plans.get(&stated.experience).cloned().unwrap_or(Group::Unknown);
            (stated, group)
        }));
    }
    Ok(found)
}

/// The experience that won and the group of the plan that was recorded with it.
fn plan(decided: &Decided) -> Option<(Key, Group)> {
    let won = decided.shadow.as_ref().map(|shadow| &shadow.experience);
    let won = won.or(decided.experience.as_ref())?;
    let group = match decided.recorded.get(&Path::parse("plan")?) {
        Some(Recorded::Known(plan)) => Group::Value(plan.clone()),
        Some(Recorded::Missing) => Group::Missing,
        Some(Recorded::Withheld) => Group::Withheld,
        None => Group::Unknown,
    };
    Some((won.key.clone(), group))
}

/// The sums as everybody's events and decisions give them: of each experience, and of `two` by the recorded plan.
fn brute_force(shared: &Arc<Shared>) -> (BTreeMap<Key, Sums>, BTreeMap<Group, Sums>) {
    let mut all: BTreeMap<Key, Sums> = BTreeMap::new();
    let mut groups: BTreeMap<Group, Sums> = BTreeMap::new();
    let snapshot = shared.registry.snapshot_full();
    let snapshot = snapshot.projected(Arc::new(Projection::new([&snapshot.metrics.events()])));
    let pages = Stored { reader: &*shared.store, keys: &shared.keys };
    let now = shared.clock.now();
    heads(&*shared.store, &mut |head| {
        let mut exposures: BTreeMap<Key, Vec<(StrandId, StoredExposure, Group)>> = BTreeMap::new();
        for strand in load::component_strands(&pages, head)? {
            for (stated, group) in exposures_of(shared, strand)? {
                let of_experience = exposures.entry(stated.experience).or_default();
                of_experience.push((strand, stated.exposure, group));
            }
        }
        let person = Loader { pages: &pages, snapshot: &snapshot }.person(head)?;
        let views = Views::of(&person.profile, &snapshot.policy);
        for (experience, exposures) in exposures {
            let (exposure, is_several): (&Exposure, bool) =
                match effective(exposures.iter().map(|(_, known, _)| &known.exposure)).unwrap() {
                    Exposed::Once(exposure) => (exposure, false),
                    Exposed::Several(exposure) => (exposure, true),
                };
            let measured = snapshot.metrics.iter().filter(|_| !is_several).map(|metric| {
                let facts = views.facts(metric.purpose);
                (metric.id, measure(metric, exposure.at, facts, now).0)
            });
            let measured = measured.collect();
            let first = exposures.iter().filter(|(_, known, _)| known.exposure == *exposure).min();
            let (_, StoredExposure { stratum, .. }, group) = first.cloned().unwrap();
            let (exposure, strand, decision) = (exposure.clone(), head, None);
            let unit = Unit { exposure, stratum, strand, decision, is_several, measured };
            if experience.as_str() == "two" && !is_several {
                groups.entry(group).or_default().add(&unit);
            }
            all.entry(experience).or_default().add(&unit);
        }
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    (all, groups)
}

#[test]
fn sums_are_those_of_brute_force() {
    let (mut units, mut groups) = (0, 0);
    for seed in 0..3 {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut world = World::new();
        for _ in 0..10 {
            for _ in 0..25 {
                world.step(&mut random);
            }
            world.settle(&mut random);
            let (units_now, groups_now) = world.check();
            units += units_now;
            groups = groups.max(groups_now);
        }
    }
    assert!(100 < units, "somebody was exposed: {units}");
    assert!(4 <= groups, "with several plans: {groups}");
}

#[test]
fn what_all_units_told_is_kept_and_says_until_when_it_counts() {
    let mut random = SmallRng::seed_from_u64(4);
    let mut world = World::new();
    // What looks again does so when it is told to.
    world.engine.columns().stop();
    let capped = json!({"state": "live", "kind": "sum", "event": "Bought", "property": "revenue",
        "cap": {"quantile": 0.9}});
    world.define(Kind::Metric, "capped", capped);
    let middle = json!({"state": "live", "kind": "quantile", "event": "Bought", "property": "revenue",
        "quantile": 0.5});
    world.define(Kind::Metric, "middle", middle);
    let user = |number: u32| vec![Identifier::new(IdentifierType::UserId, format!("v{number}"))];
    for number in 0..250 {
        world.decide(user(number));
        world.send("Bought", user(number), Duration(0), &mut random);
    }
    world.settle(&mut random);
    let two: Key = "two".parse().unwrap();
    let snapshot = world.shared().registry.snapshot_full();
    let metric = |key: &str| snapshot.metrics.get(&key.parse().unwrap()).unwrap();
    let of_all = |world: &World| {
        let shared = world.shared();
        let capped = scan::capped(shared, &two, metric("capped")).unwrap();
        (capped, scan::sorted(shared, &two, metric("middle")).unwrap())
    };
    let told = |world: &World| {
        let look = |key| columns::look(world.shared(), &two, metric(key)).unwrap();
        let (capped, middle) = (look("capped"), look("middle"));
        assert_eq!(capped.as_of, middle.as_of);
        (capped.as_of, (capped.told.capped.clone().unwrap(), middle.told.sorted.clone().unwrap()))
    };
    let before = of_all(&world);
    assert_eq!(told(&world), (None, before.clone()), "the first waits for a look");
    let counted = world.shared().measured.get().as_of;
    world.clock.advance(Duration::hours(1));
    for number in 0..250 {
        world.send("Bought", user(number), Duration(0), &mut random);
    }
    world.engine.follower().catch_up();
    let after = of_all(&world);
    assert_ne!(before, after);
    assert_eq!(told(&world), (Some(counted), before), "the next does not, and it is said");
    columns::catch_up(world.shared());
    assert_eq!(told(&world), (None, after), "until the rows have been looked at again");
}
