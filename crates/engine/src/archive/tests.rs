//! The lake against the store: at any moment, and after whatever fails, it has each row of the log that is kept, once.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use expect_test::expect;
use model::{
    Consents, Duration, Event, EventKind, Identifier, IdentifierType, LazyObject, ProfileId, Seq,
    StrandId, Timestamp, Value,
    table::{Cell, Part, Row, Table, Wanted},
    value::Object,
};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::json;
use store::{Fault, Faulty, KeyRange, Memory, Operation, Reader as _, ScanOrder, Store};

use super::{Archive, ArchiveError, Lake, Limits, Rows, Scanned, tables};
use crate::{
    Engine, ManualClock, Options,
    clock::Clock,
    definitions::{Expect, Kind, Scope, Token},
    ingest::Item,
    keys,
    privacy::{Ask, RequestKind},
    record::{LogEntry, LogRow, MetaHead, decode, encode},
};

const START: Timestamp = Timestamp(1_790_000_000_000);

/// Files in memory, where writing fails now and then.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    files: Mutex<BTreeMap<String, Vec<Row>>>,
    /// How many more files are written before one fails; 0 for none that fails.
    fails_after: AtomicU64,
}

fn failed(what: &'static str) -> ArchiveError {
    ArchiveError { what, source: "a planned fault".into() }
}

impl Archive for Shelf {
    fn write(&self, _: &'static Table, name: &str, rows: Rows) -> Result<u64, ArchiveError> {
        let left = self.fails_after.load(Ordering::Acquire);
        if left > 0 {
            self.fails_after.store(left - 1, Ordering::Release);
            if left == 1 {
                return Err(failed("write"));
            }
        }
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let key = |row: &Row| (text(&row[tables::STRAND]), number(&row[tables::SEQ]));
        assert!(rows.is_sorted_by_key(key), "{name}");
        let bytes = rows.iter().map(|row| super::state::weight(row)).sum::<usize>() as u64;
        self.files.lock().insert(name.to_owned(), rows);
        Ok(bytes)
    }

    fn read(&self, _: &'static Table, name: &str) -> Result<Rows, ArchiveError> {
        let rows = self.files.lock().get(name).cloned().ok_or_else(|| failed("find"))?;
        Ok(Box::new(rows.into_iter().map(Ok)))
    }

    fn scan(
        &self,
        table: &'static Table,
        name: &str,
        wanted: &Wanted<'_>,
        visit: &mut Scanned<'_>,
    ) -> Result<(), ArchiveError> {
        let rows = self.files.lock().get(name).cloned().ok_or_else(|| failed("find"))?;
        for rows in rows.chunks(7) {
            if visit(&Part::of(table, wanted, rows)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn strands(&self, _: &'static Table, name: &str) -> Result<Vec<String>, ArchiveError> {
        let rows = self.files.lock().get(name).cloned().ok_or_else(|| failed("find"))?;
        let mut strands: Vec<String> = rows.iter().map(|row| text(&row[0])).collect();
        strands.dedup();
        Ok(strands)
    }

    fn remove(&self, name: &str) -> Result<(), ArchiveError> {
        self.files.lock().remove(name);
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>, ArchiveError> {
        Ok(self.files.lock().keys().cloned().collect())
    }

    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }
}

fn text(cell: &Cell<'_>) -> String {
    let Cell::Text(text) = cell else { panic!("{cell:?} is no text") };
    text.to_string()
}

fn number(cell: &Cell<'_>) -> i64 {
    let Cell::Integer(number) = cell else { panic!("{cell:?} is no integer") };
    *number
}

fn admin() -> Token {
    Token { name: "test".into(), scopes: vec![Scope::Admin] }
}

struct World {
    engine: Engine,
    lake: Lake,
    store: Arc<Faulty<Memory>>,
    shelf: Arc<Shelf>,
    clock: Arc<ManualClock>,
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
    number: u64,
}

/// Small, so that there are many files; upkeep waits to be asked.
pub(crate) const LIMITS: Limits = Limits {
    tail_rows: 60,
    tail_bytes: 1 << 20,
    tail_age: Duration::days(400),
    purge_after: Duration::days(400),
    small_bytes: 20_000,
    small_files: 1_000,
    upkeep_bytes_per_second: 1 << 30,
};

fn open(
    dir: &std::path::Path,
    store: &Arc<Faulty<Memory>>,
    shelf: &Arc<Shelf>,
    clock: &Arc<ManualClock>,
) -> (Engine, Lake) {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let options =
        Options { dir: dir.to_owned(), clock, cache_bytes: 8 << 20, write_key: None, token: None };
    let engine = Engine::open_over(Arc::clone(store) as Arc<dyn Store>, options).unwrap().0;
    let lake = engine.keep_lake(Arc::clone(shelf) as Arc<dyn Archive>, LIMITS).unwrap();
    (engine, lake)
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let (store, shelf) = (Arc::new(Faulty::new(Memory::default())), Arc::default());
        let (engine, lake) = open(dir.path(), &store, &shelf, &clock);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = Self { engine, lake, store, shelf, clock, runtime, dir, number: 0 };
        let buyers = json!({"event": "Bought", "count": {"op": "gte", "value": 1}});
        world.put(Kind::Audience, json!({"key": "buyers", "state": "live", "condition": buyers}));
        world
    }

    fn put(&self, kind: Kind, document: Value) {
        let Value::Object(document) = document else { unreachable!() };
        let key = document["key"].as_str().unwrap().parse().unwrap();
        let admin = admin();
        let saved = self.engine.put_definition(kind, key, document, Expect::Anything, &admin);
        self.runtime.block_on(saved).unwrap();
    }

    fn send(&mut self, name: &str, names: &[(IdentifierType, String)], ago: Duration) {
        self.number += 1;
        let identifiers = names.iter().map(|(kind, value)| Identifier::new(kind.clone(), value));
        let mut properties = LazyObject::default();
        properties.insert("revenue", json!(self.number));
        let event = Event {
            source: "default".parse().unwrap(),
            message_id: format!("m{}", self.number).into(),
            kind: EventKind::Track,
            name: name.into(),
            identifiers: identifiers.collect(),
            event_time: self.clock.now().saturating_sub(ago),
            received_at: self.clock.now(),
            sent_at: None,
            properties,
            traits: Object::new(),
            context: LazyObject::default(),
            consents: Consents::default(),
            historical: false,
            marks: model::event::Marks::default(),
        };
        let sent = self.engine.ingest(vec![Item::Event(Box::new(event))]);
        // A store that fails now and then refuses some.
        self.runtime.block_on(sent).ok();
    }

    fn erase(&self, user: &str) -> Option<String> {
        let ask = Ask {
            kind: RequestKind::Erase,
            identifier: Identifier::new(IdentifierType::UserId, user),
            traits: Object::new(),
            reason: None,
            idempotency_key: None,
        };
        let filed = self.runtime.block_on(self.engine.file_privacy_request(ask, &admin()));
        Some(filed.ok()?.request["id"].as_str()?.to_owned())
    }

    /// Waits until nothing is left of whoever was to be erased.
    fn wait_for_erasures(&self) {
        for _ in 0..5_000 {
            let requests = self.engine.privacy_requests(None, 500).unwrap();
            if requests.items.iter().all(|request| request["state"] == "done") {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(2));
        }
        panic!("an erasure goes on and on");
    }

    /// As after a kill: nothing is saved that was not.
    fn reopen(&mut self) {
        self.engine.shutdown();
        self.store.restart();
        self.shelf.fails_after.store(0, Ordering::Release);
        (self.engine, self.lake) = open(self.dir.path(), &self.store, &self.shelf, &self.clock);
    }

    /// The rows of a table that whoever asks sees.
    fn rows(&self, table: usize) -> Vec<Row> {
        let snapshot = self.lake.snapshot();
        let found = &snapshot.tables[table];
        let mut rows = Vec::new();
        for file in &found.files {
            let name = file.path.to_str().unwrap();
            for row in self.shelf.read(found.table, name).unwrap() {
                let row = row.unwrap();
                let strand = text(&row[tables::STRAND]);
                let seq = number(&row[tables::SEQ]);
                let is_kept = table == 0 && snapshot.is_moved(seq);
                let is_hidden = !is_kept && snapshot.hidden_strands.binary_search(&strand).is_ok()
                    || table == 0 && snapshot.hidden_events.binary_search(&seq).is_ok();
                if !is_hidden {
                    rows.push(row);
                }
            }
        }
        rows.extend(found.tail.iter().flat_map(|chunk| chunk.iter().cloned()));
        rows
    }

    /// What the store has of events: position, strand and message.
    fn stored_events(&self) -> BTreeMap<i64, String> {
        let shared = self.engine.shared();
        let mut found = BTreeMap::new();
        let all = KeyRange::all();
        let mut rows = Vec::new();
        let scan = self.store.inner().scan(
            store::Table::Log,
            all,
            ScanOrder::Ascending,
            &mut |key, row| {
                let first = key.try_into().map(u64::from_be_bytes).unwrap();
                rows.push((first, decode::<LogRow>(row, "log").unwrap()));
                std::ops::ControlFlow::Continue(())
            },
        );
        scan.unwrap();
        for (first, LogRow::V1 { entries, .. }) in rows {
            for (seq, entry) in (first..).zip(entries) {
                let LogEntry::Event { lane, born, time, .. } = entry else { continue };
                let strand = StrandId { born, lane };
                let stored = crate::people::show::stored_event(shared, strand, Seq(seq), time);
                if let Ok(event) = stored {
                    let line = format!("{} {}", ProfileId(strand), event.message_id);
                    found.insert(i64::try_from(seq).unwrap(), line);
                }
            }
        }
        found
    }

    /// What the lake has of events.
    fn seen_events(&self) -> BTreeMap<i64, String> {
        let mut found = BTreeMap::new();
        for row in self.rows(super::rows::EVENTS) {
            let line = format!("{} {}", text(&row[tables::STRAND]), text(&row[8]));
            let twice = found.insert(number(&row[tables::SEQ]), line);
            assert_eq!(twice, None, "each event once");
        }
        found
    }

    /// Whose each strand is, by the lake and by the store.
    fn check_links(&self) {
        let mut newest: BTreeMap<String, (i64, String)> = BTreeMap::new();
        for row in self.rows(super::rows::LINKS) {
            let (strand, seq) = (text(&row[tables::STRAND]), number(&row[tables::SEQ]));
            let link = (seq, text(&row[5]));
            let known = newest.entry(strand).or_insert_with(|| link.clone());
            *known = link.max(known.clone());
        }
        let mut strands = 0;
        for (strand, (_, profile)) in newest {
            let ProfileId(strand) = strand.parse().unwrap();
            let row = self.store.inner().get(store::Table::Strand, &keys::strand(strand)).unwrap();
            // Of the erased, rows may be hidden and strands be gone.
            let Some(row) = row else { continue };
            let head = MetaHead::parse(&row).unwrap().head;
            assert_eq!(profile, ProfileId(head).to_string());
            strands += 1;
        }
        assert!(strands > 0);
    }
}

fn names(random: &mut SmallRng) -> Vec<(IdentifierType, String)> {
    let mut names = Vec::new();
    if random.random_bool(0.7) {
        names.push((IdentifierType::AnonymousId, format!("d{}", random.random_range(0..4))));
    }
    if names.is_empty() || random.random_bool(0.5) {
        names.push((IdentifierType::UserId, format!("u{}", random.random_range(0..4))));
    }
    names
}

/// A history with merges, turns, erasures and faults, of which the lake always has what the store has.
fn play(seed: u64, faults: bool) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut world = World::new();
    let mut erased = 0;
    for round in 0..60 {
        world.clock.set(world.clock.now().saturating_add(Duration::hours(3)));
        for _ in 0..random.random_range(1..12) {
            let (name, names) =
                (if random.random_bool(0.5) { "Seen" } else { "Bought" }, names(&mut random));
            let ago = Duration(random.random_range(0..36_000_000));
            world.send(name, &names, ago);
        }
        if faults && random.random_bool(0.3) {
            let fault = [Fault::Io, Fault::PoisonBefore, Fault::PoisonAfter];
            let fault = fault[random.random_range(0..3)];
            world.store.inject(Operation::Commit, random.random_range(1..6), fault);
        }
        if faults && random.random_bool(0.3) {
            world.shelf.fails_after.store(random.random_range(1..5), Ordering::Release);
        }
        match random.random_range(0..10) {
            0..3 => world.lake.flush(&world.engine),
            3..5 => world.lake.tidy_up(),
            5 => erased += usize::from(world.erase(&format!("u{}", round % 4)).is_some()),
            6 => world.reopen(),
            _ => {}
        }
        if faults && random.random_bool(0.5) || !world.engine.ready() {
            world.reopen();
        }
        if faults {
            continue;
        }
        world.wait_for_erasures();
        world.lake.catch_up(&world.engine);
        let positions = |events: BTreeMap<i64, String>| events.into_keys().collect::<Vec<_>>();
        assert_eq!(positions(world.seen_events()), positions(world.stored_events()), "{seed}");
    }
    world.reopen();
    world.wait_for_erasures();
    world.lake.catch_up(&world.engine);
    world.lake.flush(&world.engine);
    world.lake.tidy_up();
    assert_eq!(world.seen_events(), world.stored_events(), "seed {seed}");
    world.check_links();
    let named: usize = world.lake.snapshot().tables.iter().map(|table| table.files.len()).sum();
    assert_eq!(world.shelf.files.lock().len(), named, "no file is left behind");
    assert_eq!(world.lake.usage().removals, 0);
    assert!(world.lake.snapshot().hidden_strands.is_empty(), "nothing is left to be hidden");
    assert!(erased > 0, "somebody was erased in history {seed}");
}

#[test]
fn the_lake_has_what_the_store_has() {
    (0..6).for_each(|seed| play(seed, false));
}

#[test]
fn whatever_fails_the_lake_ends_with_what_the_store_has() {
    (10..22).for_each(|seed| play(seed, true));
}

#[test]
fn an_erasure_is_seen_at_once_and_its_receipt_says_when_files_were_rewritten() {
    let mut world = World::new();
    let ann = [(IdentifierType::UserId, "ann".to_owned())];
    let bob = [(IdentifierType::UserId, "bob".to_owned())];
    for _ in 0..5 {
        world.send("Bought", &ann, Duration(0));
        world.send("Bought", &bob, Duration(0));
    }
    world.lake.flush(&world.engine);
    assert_eq!(world.rows(super::rows::EVENTS).len(), 10);
    let id = world.erase("ann").unwrap();
    world.lake.catch_up(&world.engine);
    assert_eq!(world.rows(super::rows::EVENTS).len(), 5, "hidden before any file is written");
    assert_eq!(world.rows(super::rows::MEMBERSHIP_CHANGES).len(), 1);
    // Even right after a crash, before the log is read again.
    world.reopen();
    assert_eq!(world.rows(super::rows::EVENTS).len(), 5);
    world.lake.catch_up(&world.engine);
    world.lake.flush(&world.engine);
    let shown = world.engine.privacy_request(&id).unwrap().unwrap();
    assert!(shown["lake"]["hidden_at"].is_string() && shown["lake"]["rewritten_at"].is_null());
    world.lake.tidy_up();
    let shown = world.engine.privacy_request(&id).unwrap().unwrap();
    assert!(shown["lake"]["rewritten_at"].is_string(), "{shown}");
    assert_eq!(shown["receipt"]["verified"], true);
    let files = world.shelf.files.lock();
    assert!(!format!("{files:?}").contains("ann"), "nothing is left of her");
    assert!(format!("{files:?}").contains("bob"));
}

#[test]
fn a_reader_keeps_its_files_and_a_missing_one_has_the_lake_made_anew() {
    let mut world = World::new();
    for user in 0..20 {
        world.send("Seen", &[(IdentifierType::UserId, format!("u{user}"))], Duration(0));
        if user % 5 == 4 {
            world.lake.flush(&world.engine);
        }
    }
    let before = world.lake.snapshot();
    world.lake.tidy_up();
    let after = world.lake.snapshot();
    assert_eq!((before.tables[0].files.len(), after.tables[0].files.len()), (4, 1));
    for file in &before.tables[0].files {
        assert!(world.shelf.read(&tables::EVENTS, file.path.to_str().unwrap()).is_ok());
    }
    drop(before);
    assert_eq!(world.shelf.list().unwrap().len(), 2, "one file of each table");
    let lost = after.tables[0].files[0].path.to_str().unwrap().to_owned();
    drop(after);
    world.shelf.remove(&lost).unwrap();
    world.shelf.files.lock().insert("events/day=2026-01-01/stranger".to_owned(), Vec::new());
    world.reopen();
    assert_eq!(world.shelf.list().unwrap(), [""; 0], "what nobody names is removed");
    world.lake.catch_up(&world.engine);
    assert_eq!(world.seen_events(), world.stored_events());
    assert_eq!(world.seen_events().len(), 20);
}

#[test]
fn what_retention_removes_leaves_the_lake() {
    let mut world = World::new();
    for _ in 0..10 {
        world.send("Seen", &[(IdentifierType::UserId, "ann".to_owned())], Duration(0));
        world.send("Bought", &[(IdentifierType::UserId, "ann".to_owned())], Duration(0));
    }
    world.lake.flush(&world.engine);
    let rule =
        json!({"key": "short", "state": "live", "of": "events", "keep": "1d", "events": ["Seen"]});
    world.put(Kind::RetentionRule, rule);
    let now = world.clock.now().saturating_add(Duration::days(2));
    world.clock.set(now);
    for _ in 0..2_000 {
        let is_swept = |round: crate::retention::Round| round.ended_at.is_some_and(|at| now <= at);
        if world.engine.retention().is_some_and(is_swept) {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    world.lake.catch_up(&world.engine);
    assert_eq!(world.seen_events().len(), 10, "hidden at once");
    world.lake.flush(&world.engine);
    world.lake.tidy_up();
    assert_eq!(world.seen_events(), world.stored_events());
    let files = world.shelf.files.lock();
    let events = files.iter().filter(|(name, _)| name.starts_with("events/"));
    let names: Vec<_> = events.flat_map(|(_, rows)| rows.iter().map(|row| text(&row[6]))).collect();
    assert_eq!(names, ["Bought"; 10]);
}

#[test]
fn the_reference_lists_every_column() {
    let reference = include_str!("../../../../docs/reference/lake.md");
    for table in tables::ALL {
        let mut expected = format!(
            "## {}\n\nA row is {}.\n\n| column | kind | meaning |\n|---|---|---|\n",
            table.name, table.row
        );
        for column in table.columns {
            let kind = column.kind.name();
            let kind =
                if column.required { kind.to_owned() } else { format!("{kind}, may be absent") };
            expected.push_str(&format!("| `{}` | {kind} | {} |\n", column.name, column.meaning));
        }
        assert!(reference.contains(&expected), "docs/reference/lake.md should have\n{expected}");
    }
}

/// Bytes of every record ever written. A change here is a change of the stored format: add a variant instead.
#[test]
fn records_are_pinned() {
    let strand = StrandId { born: Seq(77), lane: model::Lane::from_hash(272) };
    let file =
        super::manifest::StoredFile::V1 { rows: 300, bytes: 7, edition: 2, clean_to: Seq(5) };
    let removals = super::removals::Removals {
        strands: [strand].into(),
        events: [Seq(9)].into(),
        requests: [model::DecisionId(11)].into(),
        moved: [(Seq(8), strand)].into(),
        receipts: vec![Seq(6)],
    };
    let removals = super::removals::StoredRemovals::V1 { at: START, removals };
    let forgotten =
        crate::privacy::rows::StoredForgotten::V1 { hidden_at: START, rewritten_at: Some(START) };
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    expect!["00ac02070205"].assert_eq(&hex(encode(&file)));
    expect!["0080b083c59868014d90020109010b01084d90020106"].assert_eq(&hex(encode(&removals)));
    expect!["0080b083c598680180b083c59868"].assert_eq(&hex(encode(&forgotten)));
    assert_eq!(decode::<super::removals::StoredRemovals>(&encode(&removals), "r"), Ok(removals));
}
