//! What leaves the engine for a purpose, and what stays.

use std::ops::ControlFlow;

use engine::{
    Clock as _,
    definitions::Kind,
    export::{ExportRequest, ExportSummary, Table},
};
use model::{Consents, Duration, Purpose, PurposeSet, Value};
use serde_json::json;

use crate::world::{Sent, World};

fn request(table: Table, purpose: Purpose) -> ExportRequest {
    ExportRequest {
        table,
        purpose,
        audience: None,
        since: None,
        until: None,
        sight: model::condition::Sight::Full,
    }
}

fn exported(world: &World, request: &ExportRequest) -> (Vec<Value>, ExportSummary) {
    let mut rows = Vec::new();
    let summary = world.engine.export(request, &mut |row| {
        rows.push(Value::Object(row.clone()));
        ControlFlow::Continue(())
    });
    (rows, summary.unwrap().unwrap())
}

fn column(rows: &[Value], name: &str) -> Vec<Value> {
    let mut values: Vec<Value> = rows.iter().map(|row| row[name].clone()).collect();
    values.sort_by_key(Value::to_string);
    values
}

fn said(world: &World, granted: &[&str], denied: &[&str]) -> Consents {
    let set = |keys: &[&str]| {
        let purposes = keys.iter().map(|key| world.engine.purpose(key).unwrap());
        purposes.fold(PurposeSet::NONE, PurposeSet::with)
    };
    Consents { granted: set(granted), denied: set(denied) }
}

/// Ann grants everything; Bob refuses analytics from the start; Cy refuses it after a while, and
/// grants it again later.
fn world() -> World {
    let mut world = World::new();
    let pro = json!({"trait": "plan", "op": "eq", "value": "pro"});
    world.define(
        Kind::Audience,
        json!({"key": "pro", "condition": pro, "purpose": "personalization"}),
    );
    let told = json!({"trait": "plan", "op": "exists"});
    world.define(Kind::Audience, json!({"key": "told", "condition": told, "purpose": "analytics"}));
    let (yes, no) = (said(&world, &["analytics"], &[]), said(&world, &[], &["analytics"]));
    for (user, consents, plan) in [
        ("ann", yes, "pro"),
        ("bob", no, "pro"),
        ("cy", yes, "pro"),
        ("cy", no, "free"),
        ("cy", yes, "none"),
    ] {
        let traits = if plan == "none" { json!({"city": "Umeå"}) } else { json!({"plan": plan}) };
        let ids = [("user_id", user)];
        world.send(Sent { ids: &ids, consents, traits, ..Sent::default() });
        world.send(Sent {
            ids: &ids,
            name: "Bought",
            properties: json!({"n": 1}),
            ..Sent::default()
        });
    }
    world
}

#[test]
fn people_who_refuse_and_what_was_collected_without_the_purpose_stay() {
    let world = world();
    let analytics = world.engine.purpose("analytics").unwrap();
    let (rows, summary) = exported(&world, &request(Table::Profiles, analytics));
    assert_eq!(column(&rows, "user_id"), ["ann", "cy"]);
    // What Cy said while refusing is withheld, though it is granted again.
    let cy = rows.iter().find(|row| row["user_id"] == "cy").unwrap();
    assert_eq!(cy["traits"], json!({"city": "Umeå"}));
    assert_eq!((cy["traits_withheld"].as_u64(), summary.traits_withheld), (Some(1), 1));
    assert_eq!((summary.people, summary.people_withheld), (3, 1));
    let (rows, summary) = exported(&world, &request(Table::Events, analytics));
    assert_eq!(rows.len(), 2 + 4, "two of Ann, four of Cy");
    assert_eq!((summary.rows, summary.events_withheld), (6, 2));
    assert!(!json!(rows).to_string().contains("bob"));
    let (rows, _) = exported(&world, &request(Table::Profiles, Purpose::PERSONALIZATION));
    assert_eq!(column(&rows, "user_id"), ["ann", "bob", "cy"]);
}

#[test]
fn a_refusal_itself_is_exported_with_the_profile_and_nothing_more() {
    let world = world();
    let analytics = world.engine.purpose("analytics").unwrap();
    let (rows, summary) = exported(&world, &request(Table::Consents, analytics));
    let of_analytics: Vec<Value> =
        rows.iter().filter(|row| row["purpose"] == "analytics").cloned().collect();
    assert_eq!(column(&of_analytics, "said"), ["denied", "granted", "granted"]);
    assert_eq!(summary.people_withheld, 0);
    assert!(of_analytics.iter().all(|row| !row["said_at"].is_null()));
    let text = json!(rows).to_string();
    assert!(!text.contains("bob") && !text.contains("ann"), "{text}");
    let unsaid = rows.iter().find(|row| row["purpose"] == "marketing").unwrap();
    assert_eq!((&unsaid["said"], &unsaid["granted"]), (&Value::Null, &json!(false)));
}

#[test]
fn memberships_are_those_of_audiences_of_the_same_purpose() {
    let world = world();
    let analytics = world.engine.purpose("analytics").unwrap();
    let (rows, summary) = exported(&world, &request(Table::Memberships, analytics));
    assert_eq!(column(&rows, "audience"), ["told"], "only Ann's plan may be seen");
    assert_eq!(rows[0]["user_id"], "ann");
    assert_eq!(summary.audiences_withheld, 1);
    let (rows, _) = exported(&world, &request(Table::Memberships, Purpose::PERSONALIZATION));
    assert_eq!(column(&rows, "user_id"), ["ann", "bob"]);
    let only = ExportRequest {
        audience: Some("told".parse().unwrap()),
        ..request(Table::Memberships, Purpose::PERSONALIZATION)
    };
    assert!(exported(&world, &only).0.is_empty());
}

#[test]
fn decisions_are_exported_one_row_for_each_placement() {
    let world = world();
    world.define(Kind::Placement, json!({"key": "hero"}));
    let variants = json!([{"key": "a", "content": {}}, {"key": "b", "content": {}}]);
    world.define(Kind::Experience, json!({"key": "x", "placement": "hero", "variants": variants}));
    let shown: Vec<String> = ["ann", "bob"]
        .map(|user| world.ask(&[("user_id", user)], "hero").decisions[0].id.to_string())
        .to_vec();
    let personalization = request(Table::Decisions, Purpose::PERSONALIZATION);
    world.wait(|world| exported(world, &personalization).0.len() == 2);
    let (rows, _) = exported(&world, &personalization);
    assert!(rows.iter().all(|row| row["experience"] == "x" && row["propensity"] == 0.5));
    assert!(rows.iter().all(|row| shown.contains(&row["decision"].as_str().unwrap().to_owned())));
    let analytics = world.engine.purpose("analytics").unwrap();
    let (rows, summary) = exported(&world, &request(Table::Decisions, analytics));
    assert_eq!((rows.len(), summary.people_withheld), (1, 1));
}

#[test]
fn a_stretch_of_time_is_half_open_and_a_sink_that_breaks_ends_the_export() {
    let mut world = World::new();
    let mut times = Vec::new();
    for _ in 0..5 {
        world.see(&[("user_id", "u1")], "Seen", json!({}));
        times.push(world.clock.now());
        world.pass(Duration::hours(1));
    }
    let (since, until) = (Some(times[1]), Some(times[4]));
    let stretch =
        ExportRequest { since, until, ..request(Table::Events, Purpose::PERSONALIZATION) };
    let (rows, _) = exported(&world, &stretch);
    let expected: Vec<Value> = times[1..4].iter().map(|time| json!(time)).collect();
    assert_eq!(column(&rows, "event_time"), expected);
    let mut taken = 0;
    let broken = world.engine.export(&stretch, &mut |_| {
        taken += 1;
        ControlFlow::Break(())
    });
    assert_eq!((broken.unwrap(), taken), (None, 1));
}
