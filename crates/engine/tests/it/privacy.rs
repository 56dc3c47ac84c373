//! What people may ask of their own data, and that it is done.

use std::{fs, path::Path, sync::Arc};

use engine::{
    Engine, ManualClock, Options,
    definitions::Kind,
    ingest::EventVerdict,
    privacy::{Ask, RequestKind},
    quarantine::Filter,
};
use model::{Duration, Identifier, IdentifierType, Value, condition::Sight};
use serde_json::json;
use store::{Fault, Faulty, Memory, Operation};

use crate::world::{Sent, World, admin};

const ANN: &[(&str, &str)] = &[("anonymous_id", "ann-laptop"), ("user_id", "ann")];
const PHONE: &[(&str, &str)] = &[("anonymous_id", "ann-phone"), ("email", "ann@example.org")];
const BEN: &[(&str, &str)] = &[("user_id", "ben")];
const NONE: Value = Value::Null;

fn refused(code: &str) -> EventVerdict {
    EventVerdict::Refused { code: code.into() }
}

/// Ann, who has two devices and much to tell, and Ben.
fn shop() -> World {
    let mut world = World::new();
    world.define(Kind::Placement, json!({"key": "hero", "default": {"title": "Welcome"}}));
    world.define(
        Kind::Experience,
        json!({"key": "hello", "placement": "hero",
            "variants": [{"key": "a", "content": {"title": "Hello {{ profile.traits.name }}"}}]}),
    );
    world.define(
        Kind::Audience,
        json!({"key": "quiet", "condition": {"not": {"event": "Page Viewed", "within": "1h"}}}),
    );
    let traits = json!({"name": "Ann", "email": "ann@example.org"});
    world.send(Sent { ids: ANN, traits: traits.clone(), ..Sent::default() });
    let both = [ANN, &[("email", "ann@example.org")]].concat();
    world.send(Sent { ids: &both, traits: traits.clone(), ..Sent::default() });
    world.send(Sent { ids: PHONE, traits: json!({"name": "Ann"}), ..Sent::default() });
    for count in 0..120 {
        let long = format!("{count} {}", "what Ann wants ".repeat(60));
        world.see(ANN, "Searched", json!({"query": long}));
    }
    world.see(BEN, "Page Viewed", json!({}));
    world.shown(ANN, "hero");
    world.wait(|world| decisions(world, "ann") > 0);
    world
}

fn decisions(world: &World, user: &str) -> usize {
    let user = Identifier::new(IdentifierType::UserId, user);
    let Some(id) = world.engine.find_profile(&user).unwrap() else { return 0 };
    world.engine.profile_decisions(id, None, 100, Sight::Full).unwrap().unwrap().items.len()
}

/// All bytes of all files under a directory.
fn bytes_of(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(bytes_of(&path));
        } else {
            bytes.extend(fs::read(&path).unwrap_or_default());
        }
    }
    bytes
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

/// The keys in the slots that hold any.
fn keys_in(dir: &Path) -> Vec<Vec<u8>> {
    let slots = fs::read(dir.join("keys/slots")).unwrap();
    slots.chunks_exact(32).skip(1).map(<[u8]>::to_vec).collect()
}

#[test]
fn who_is_erased_is_gone_and_begins_anew() {
    let mut world = shop();
    let found = world.profile("user_id", "ann").unwrap();
    let id: model::ProfileId = found["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(found["aliases"].as_array().unwrap().len(), 1, "{found}");
    world.send_unsound(r#"{"type":"track","userId":"ann","context":{"note":"secret"}}"#);
    world.send_unsound(r#"{"type":"track","userId":"ben"}"#);
    world.send_unsound("not json, but Ann@Example.org all the same");
    let keys = keys_in(world.dir());

    let done = world.file(RequestKind::Erase, ("email", "Ann@example.org "), NONE);
    assert_eq!(done["state"], "done", "{done}");
    let counts = &done["counts"];
    assert_eq!((&counts["profiles"], &counts["strands"]), (&json!(1), &json!(2)), "{counts}");
    assert_eq!((&counts["events"], &counts["decisions"]), (&json!(123), &json!(1)), "{counts}");
    assert_eq!(counts["quarantined"], 2, "{counts}");
    assert_eq!(done["receipt"]["verified"], true);
    assert!(!done.to_string().contains("example"), "a receipt names nobody");

    for _ in 0..2 {
        for (kind, value) in [
            ("user_id", "ann"),
            ("email", "ann@example.org"),
            ("anonymous_id", "ann-laptop"),
            ("anonymous_id", "ann-phone"),
        ] {
            assert_eq!(world.profile(kind, value), None, "{kind}");
        }
        assert_eq!(world.engine.profile(id, model::condition::Sight::Full).unwrap(), None);
        assert!(world.profile("user_id", "ben").is_some());
        let quarantined = world.engine.quarantined(&Filter::default(), None, 100).unwrap().items;
        assert_eq!(quarantined.len(), 1, "{quarantined:?}");
        // What happened before the erasure is refused however it comes, what happens after is somebody new.
        let ago = Duration::hours(1);
        for ids in [ANN, PHONE, &[("email", " ANN@example.org")]] {
            let late = Sent { ids, ago, message_id: Some("late"), ..Sent::default() };
            assert_eq!(world.send(late), refused("erased"), "{ids:?}");
        }
        assert_eq!(world.profile("user_id", "ann"), None);
        world.restart();
    }
    world.see(ANN, "Page Viewed", json!({}));
    let anew = world.profile("user_id", "ann").unwrap();
    assert_ne!(anew["id"], found["id"]);
    assert_eq!(anew["timeline"].as_array().unwrap().len(), 1);
    assert_eq!(anew["traits"], json!({}));
    assert_eq!(world.shown(ANN, "hero"), r#"targeting_match {"title":"Hello "}"#);

    world.engine.shutdown();
    let left = bytes_of(world.dir());
    for marker in ["what Ann wants", "ann@example.org", "ann-laptop", "secret"] {
        assert!(!contains(&left, marker.as_bytes()), "{marker} is readable");
    }
    let lost = keys.iter().filter(|key| !contains(&left, key)).count();
    assert_eq!(lost, 4, "the keys of two strands and of two quarantined events are nowhere");
}

#[test]
fn an_erasure_that_was_cut_short_is_finished_after_the_start() {
    for fault in [Fault::PoisonBefore, Fault::PoisonAfter] {
        for commit in 1.. {
            if !erase_with_a_fault(fault, commit) {
                assert!(commit > 4, "there are several commits to be cut short");
                break;
            }
        }
    }
}

/// Erases Ann while a commit fails, and says whether one did.
fn erase_with_a_fault(fault: Fault, commit: u64) -> bool {
    let keys = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(crate::world::START));
    let store = Arc::new(Faulty::new(Memory::default()));
    let open = || {
        let options = Options {
            dir: keys.path().to_owned(),
            clock: Arc::clone(&clock) as Arc<dyn engine::Clock>,
            cache_bytes: 1 << 20,
            write_key: None,
            token: None,
        };
        Engine::open_over(Arc::clone(&store) as Arc<dyn store::Store>, options).unwrap().0
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ann = Identifier::new(IdentifierType::UserId, "ann");
    let ask = Ask {
        kind: RequestKind::Erase,
        identifier: ann.clone(),
        traits: model::value::Object::new(),
        reason: None,
        idempotency_key: Some("ticket 7".to_owned()),
    };
    let engine = open();
    for count in 0..700 {
        let item = crate::world::item(ANN, &format!("m{count}"), crate::world::START);
        runtime.block_on(engine.ingest(vec![item])).unwrap();
    }
    store.inject(Operation::Commit, commit, fault);
    let filed = runtime.block_on(engine.file_privacy_request(ask.clone(), &admin()));
    let has_failed = !engine.ready();
    assert!(has_failed || filed.unwrap().is_done);
    engine.shutdown();
    store.restart();
    let engine = open();
    // A caller that got no answer asks once more.
    let filed = runtime.block_on(engine.file_privacy_request(ask, &admin())).unwrap();
    let id = filed.request["id"].as_str().unwrap().to_owned();
    for _ in 0..2_000 {
        if engine.privacy_request(&id).unwrap().unwrap()["state"] == "done" {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(2));
    }
    let done = engine.privacy_request(&id).unwrap().unwrap();
    assert_eq!(done["state"], "done", "commit {commit}");
    assert_eq!(done["counts"]["events"], 700, "commit {commit}: {done}");
    assert_eq!(done["receipt"]["verified"], true);
    assert_eq!(engine.find_profile(&ann).unwrap(), None);
    assert_eq!(engine.privacy_requests(None, 10).unwrap().items.len(), 1, "it is one request");
    let late = crate::world::item(ANN, "late", crate::world::START);
    assert_eq!(runtime.block_on(engine.ingest(vec![late])).unwrap(), [refused("erased")]);
    use store::Reader as _;
    for table in
        [store::Table::Body, store::Table::Strand, store::Table::Dedup, store::Table::Index]
    {
        let mut left = 0;
        store
            .inner()
            .scan(table, store::KeyRange::all(), store::ScanOrder::Ascending, &mut |_, _| {
                left += 1;
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(left, 0, "rows of {table:?}, commit {commit}");
    }
    engine.shutdown();
    has_failed
}

#[test]
fn who_is_suppressed_is_left_alone() {
    let mut world = shop();
    let done = world.file(RequestKind::Suppress, ("user_id", "ann"), NONE);
    assert_eq!(done["receipt"]["number"], 1);
    for _ in 0..2 {
        for ids in [ANN, PHONE] {
            let sent = Sent { ids, ..Sent::default() };
            assert_eq!(world.send(sent), refused("suppressed"));
            assert_eq!(world.shown(ids, "hero"), r#"excluded {"title":"Welcome"}"#);
        }
        world.restart();
    }
    assert_eq!(world.profile("user_id", "ann").unwrap()["suppressed"], true);
    // Somebody nobody has seen yet can be suppressed, too.
    world.file(RequestKind::Suppress, ("email", "eve@example.org"), NONE);
    let eve: &[(&str, &str)] = &[("email", "Eve@example.org")];
    assert_eq!(world.send(Sent { ids: eve, ..Sent::default() }), refused("suppressed"));
    assert_eq!(world.shown(eve, "hero"), r#"excluded {"title":"Welcome"}"#);
    let lifted = world.file(RequestKind::Unsuppress, ("anonymous_id", "ann-phone"), NONE);
    assert_eq!(lifted["receipt"]["number"], 3);
    world.see(ANN, "Page Viewed", json!({}));
    assert!(world.shown(ANN, "hero").starts_with("targeting_match"));
}

#[test]
fn what_is_restricted_is_kept_and_used_for_nothing() {
    let mut world = shop();
    world.pass(Duration::hours(2));
    world.wait(|world| !world.since("user_id", "ben", "quiet").is_null());
    world.file(RequestKind::Restrict, ("anonymous_id", "ann-phone"), NONE);
    for _ in 0..2 {
        assert_eq!(world.shown(ANN, "hero"), r#"no_consent {"title":"Welcome"}"#);
        let kept = world.profile("user_id", "ann").unwrap();
        assert_eq!(kept["restricted"], true);
        assert_eq!(kept["traits"]["name"]["value"], "Ann");
        assert_eq!(kept["audiences"]["quiet"]["member"], "withheld");
        world.restart();
    }
    world.file(RequestKind::Unrestrict, ("user_id", "ann"), NONE);
    assert_eq!(world.shown(ANN, "hero"), r#"targeting_match {"title":"Hello Ann"}"#);
}

#[test]
fn what_a_person_puts_right_stays_right() {
    let mut world = shop();
    let wrong = json!({"name": "Anna", "plan": "free"});
    world.define(
        Kind::Audience,
        json!({"key": "pro", "condition": {"trait": "plan", "op": "eq", "value": "pro"}}),
    );
    world.send(Sent { ids: ANN, traits: wrong.clone(), ..Sent::default() });
    let right = json!({"name": "Ann-Marie", "plan": "pro", "age": null});
    let done = world.file(RequestKind::Rectify, ("email", "ann@example.org"), right);
    assert_eq!(done["counts"]["traits"], 3);
    for _ in 0..2 {
        world.send(Sent { ids: ANN, traits: wrong.clone(), ..Sent::default() });
        assert_eq!(world.shown(ANN, "hero"), r#"targeting_match {"title":"Hello Ann-Marie"}"#);
        let profile = world.profile("user_id", "ann").unwrap();
        let name = &profile["traits"]["name"];
        assert_eq!((&name["value"], &name["stated"]), (&json!("Ann-Marie"), &json!(true)));
        assert!(!profile["audiences"]["pro"]["since"].is_null(), "{}", profile["audiences"]);
        world.restart();
    }
    world.file(RequestKind::Rectify, ("user_id", "ann"), json!({"name": "Ann"}));
    assert_eq!(world.shown(ANN, "hero"), r#"targeting_match {"title":"Hello Ann"}"#);
}

#[test]
fn a_request_about_nobody_says_so() {
    let world = World::new();
    let done = world.file(RequestKind::Erase, ("user_id", "nobody"), NONE);
    assert_eq!((&done["state"], &done["counts"]["profiles"]), (&json!("done"), &json!(0)));
    let ask = Ask {
        kind: RequestKind::Erase,
        identifier: Identifier::new(IdentifierType::UserId, "undefined"),
        traits: model::value::Object::new(),
        reason: None,
        idempotency_key: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(world.engine.file_privacy_request(ask, &admin()));
    assert!(refused.is_err(), "it would be about everyone whose client was broken");
}
