//! What rules no longer let stay goes, and nothing else.

use std::sync::Arc;

use engine::{
    Engine, ManualClock, Options,
    definitions::{Expect, Kind},
    ingest::EventVerdict,
    privacy::RequestKind,
    retention::Removed,
};
use model::{Duration, Value, condition::Sight};
use serde_json::json;
use store::{KeyRange, Memory, Reader as _, ScanOrder, Table};

use crate::world::{START, Sent, World, admin, item};

const ANN: &[(&str, &str)] = &[("anonymous_id", "laptop"), ("user_id", "ann")];
const BEN: &[(&str, &str)] = &[("user_id", "ben")];
const EVE: &[(&str, &str)] = &[("user_id", "eve")];

/// Waits for a round of the sweep that began after now.
fn swept(world: &World) -> Removed {
    let now = world.engine.now();
    world.wait(|world| {
        let round = world.engine.retention();
        round.is_some_and(|round| round.ended_at.is_some() && now <= round.began_at)
    });
    world.engine.retention().unwrap().removed
}

fn dry_run(world: &World, rule: &str) -> Removed {
    let rule = rule.parse().unwrap();
    world.engine.retention_dry_run(Some(&rule)).unwrap().unwrap().removed
}

#[test]
fn events_and_decisions_go_when_their_time_is_over() {
    let mut world = World::new();
    world.define(Kind::Placement, json!({"key": "hero", "default": {"title": "Welcome"}}));
    let viewed = json!({"event": "Viewed", "count": {"op": "gte", "value": 1}});
    world.define(Kind::Audience, json!({"key": "viewers", "condition": viewed}));
    let bought = json!({"event": "Bought", "count": {"op": "gte", "value": 2}});
    world.define(Kind::Audience, json!({"key": "buyers", "condition": bought}));
    world.send(Sent { ids: ANN, traits: json!({"plan": "pro"}), ..Sent::default() });
    for count in 0..150 {
        world.see(ANN, "Viewed", json!({"what": format!("{count} {}", "tent ".repeat(20))}));
    }
    world.see(ANN, "Bought", json!({}));
    world.shown(ANN, "hero");
    let user = model::Identifier::new(model::IdentifierType::UserId, "ann");
    let id = world.engine.find_profile(&user).unwrap().unwrap();
    let decisions = |world: &World| {
        world.engine.profile_decisions(id, None, 100, Sight::Full).unwrap().unwrap().items.len()
    };
    world.wait(|world| decisions(world) == 1);

    let views = json!({"key": "views", "state": "draft", "of": "events", "keep": "30d",
        "events": ["Viewed", "Visit Started"]});
    world.define(Kind::RetentionRule, views.clone());
    let records = json!({"key": "records", "state": "draft", "of": "decisions", "keep": "30d"});
    world.define(Kind::RetentionRule, records.clone());
    assert_eq!(dry_run(&world, "views"), Removed::default(), "nothing is old enough");
    world.pass(Duration::days(31));
    world.see(ANN, "Bought", json!({}));
    assert_eq!(dry_run(&world, "views"), Removed { events: 150, ..Removed::default() });
    assert_eq!(dry_run(&world, "records"), Removed { decisions: 1, ..Removed::default() });
    assert_eq!(world.engine.retention(), None, "a draft removes nothing");

    for mut rule in [views, records] {
        rule["state"] = "live".into();
        world.define(Kind::RetentionRule, rule);
    }
    world.wait(|world| decisions(world) == 0);
    world.wait(|world| dry_run(world, "views") == Removed::default());
    let kept = world.profile("user_id", "ann").unwrap();
    let names: Vec<&Value> =
        kept["timeline"].as_array().unwrap().iter().map(|event| &event["name"]).collect();
    assert_eq!(names, ["Bought", "Bought", "Page Viewed"]);
    assert_eq!(kept["traits"]["plan"]["value"], "pro", "what is known stays");
    assert_eq!(kept["audiences"]["viewers"]["member"], "false");
    assert_eq!(kept["audiences"]["buyers"]["member"], "true");
    world.restart();
    assert_eq!(world.profile("user_id", "ann").unwrap(), kept, "it is what is stored");
    for _ in 0..60 {
        world.see(ANN, "Viewed", json!({"what": "boat"}));
    }
    let anew = world.profile("user_id", "ann").unwrap();
    assert_eq!(anew["audiences"]["viewers"]["member"], "true");
    assert_eq!(world.engine.timeline(id, None, 500, Sight::Full).unwrap().unwrap().items.len(), 63);
}

#[test]
fn a_rule_of_one_source_leaves_those_of_others() {
    let mut world = World::new();
    world.see(ANN, "Viewed", json!({}));
    world.pass(Duration::days(3));
    let rule =
        |source: &str| json!({"key": "rule", "of": "events", "keep": "2d", "sources": [source]});
    world.define(Kind::RetentionRule, rule("till"));
    assert_eq!(swept(&world), Removed::default());
    // Other rules act at once, not only a day after the round before.
    world.define(Kind::RetentionRule, rule("default"));
    world.wait(|world| {
        let round = world.engine.retention();
        round.is_some_and(|round| round.ended_at.is_some() && round.removed.events == 1)
    });
    let kept = world.profile("user_id", "ann").unwrap();
    assert_eq!(
        (&kept["timeline"], &kept["identifiers"][0]["type"]),
        (&json!([]), &json!("user_id"))
    );
}

#[test]
fn who_was_not_seen_for_long_is_erased() {
    let mut world = World::new();
    for ids in [ANN, BEN, EVE] {
        world.send(Sent { ids, traits: json!({"plan": "pro"}), ..Sent::default() });
    }
    world.file(RequestKind::Restrict, ("user_id", "eve"), Value::Null);
    let rule = json!({"key": "forget", "of": "people", "keep": "365d"});
    world.define(Kind::RetentionRule, rule);
    world.pass(Duration::days(300));
    world.see(BEN, "Viewed", json!({}));
    assert_eq!(swept(&world), Removed::default());
    world.pass(Duration::days(100));
    assert_eq!(dry_run(&world, "forget"), Removed { people: 1, ..Removed::default() });
    assert_eq!(swept(&world), Removed { people: 1, ..Removed::default() });
    assert_eq!(world.profile("user_id", "ann"), None);
    assert_eq!(world.profile("anonymous_id", "laptop"), None);
    assert!(world.profile("user_id", "ben").is_some());
    assert!(world.profile("user_id", "eve").is_some(), "what is restricted is kept");
    let requests = || world.engine.privacy_requests(None, 10).unwrap().items;
    world.wait(|_| requests()[0]["state"] == "done");
    let request = requests().remove(0);
    assert_eq!(
        (&request["type"], &request["requested_by"]),
        (&json!("erase"), &json!("retention"))
    );
    assert_eq!(request["receipt"]["verified"], true);
    let late = Sent { ids: ANN, ago: Duration::days(401), ..Sent::default() };
    assert_eq!(world.send(late), EventVerdict::Refused { code: "erased".into() });
    world.see(ANN, "Viewed", json!({}));
    world.restart();
    assert_eq!(world.profile("user_id", "ann").unwrap()["traits"], json!({}), "somebody new");
}

#[test]
fn nothing_is_left_of_what_was_removed() {
    let keys = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(START));
    let store = Arc::new(Memory::default());
    let options = Options {
        dir: keys.path().to_owned(),
        clock: Arc::clone(&clock) as Arc<dyn engine::Clock>,
        cache_bytes: 1 << 20,
        write_key: None,
        token: None,
    };
    let over = Arc::clone(&store) as Arc<dyn store::Store>;
    let engine = Engine::open_over(over, options).unwrap().0;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // More than a step removes at once, of one person.
    for call in 0..30 {
        let items = (0..100).map(|count| item(ANN, &format!("{call} {count}"), START));
        runtime.block_on(engine.ingest(items.collect())).unwrap();
    }
    let rows = |table, is_wanted: &dyn Fn(&[u8]) -> bool| {
        let mut found = 0;
        let mut count = |key: &[u8], _: &[u8]| {
            found += usize::from(is_wanted(key));
            std::ops::ControlFlow::Continue(())
        };
        store.scan(table, KeyRange::all(), ScanOrder::Ascending, &mut count).unwrap();
        found
    };
    let chunks = || rows(Table::Strand, &|key| key.len() == 15);
    assert!(chunks() > 30 && rows(Table::Body, &|_| true) == 3_000);
    let Value::Object(rule) = json!({"key": "all", "state": "live", "of": "events", "keep": "1d"})
    else {
        unreachable!()
    };
    let key = "all".parse().unwrap();
    let admin = admin();
    let saved = engine.put_definition(Kind::RetentionRule, key, rule, Expect::Anything, &admin);
    runtime.block_on(saved).unwrap();
    clock.set(START.saturating_add(Duration::days(2)));
    for _ in 0..4_000 {
        if engine.retention().is_some_and(|round| round.removed.events == 3_000) {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    assert_eq!(engine.retention().unwrap().removed.events, 3_000);
    assert_eq!((chunks(), rows(Table::Body, &|_| true)), (0, 0));
    engine.shutdown();
}
