//! Applied once, kept for ever.

use engine::{
    definitions::Kind,
    ingest::{EventVerdict, ImportRows, IngestError},
};
use serde_json::json;

use crate::world::{Sent, World};

const ANN: &[(&str, &str)] = &[("user_id", "ann")];

#[test]
fn a_message_is_applied_once_across_retries_and_restarts() {
    let mut world = World::new();
    let sent = || Sent { ids: ANN, message_id: Some("the one"), ..Sent::default() };
    assert_eq!(world.send(sent()), EventVerdict::Accepted);
    assert_eq!(world.send(sent()), EventVerdict::Duplicate);
    world.restart();
    assert_eq!(world.send(sent()), EventVerdict::Duplicate);
    let timeline = world.profile("user_id", "ann").unwrap()["timeline"].clone();
    assert_eq!(timeline.as_array().map(Vec::len), Some(1));
}

#[test]
fn a_large_event_survives() {
    let mut world = World::new();
    // Random-looking text, so that compression does not make it small.
    let text: String = (0..25_000_u64)
        .map(|i| char::from(b'a' + u8::try_from(((i * i * 2_654_435_761) >> 7) % 26).unwrap()))
        .collect();
    world.see(ANN, "Long", json!({"text": text}));
    world.see(ANN, "Short", json!({}));
    world.restart();
    let profile = world.profile("user_id", "ann").unwrap();
    assert_eq!(profile["timeline"].as_array().map(Vec::len), Some(2));
    let texts: Vec<_> =
        profile["timeline"].as_array().unwrap().iter().map(|e| &e["properties"]["text"]).collect();
    assert!(texts.contains(&&json!(text)));
}

#[test]
fn an_import_continues_where_it_stopped_and_nowhere_else() {
    let world = World::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let rows = |first_row, end_row| ImportRows { file: "f".repeat(64), first_row, end_row };
    let import = |rows| runtime.block_on(world.engine.import(rows, Vec::new()));
    assert!(import(rows(0, 10)).unwrap().is_empty(), "no events, no verdicts");
    let refused = import(rows(0, 10)).unwrap_err();
    assert!(matches!(refused, IngestError::ImportOutOfStep { watermark: 10 }), "{refused}");
    assert!(import(rows(10, 12)).is_ok());
    assert_eq!(world.engine.import_watermark(&"f".repeat(64)).unwrap(), 12);
}

#[test]
fn definitions_and_their_versions_survive_a_restart() {
    let mut world = World::new();
    world.define(Kind::Placement, json!({"key": "hero", "default": {"title": "1"}}));
    world.define(Kind::Placement, json!({"key": "hero", "default": {"title": "2"}}));
    world.restart();
    let key = "hero".parse().unwrap();
    let versions = world.engine.definition_versions(Kind::Placement, &key).unwrap();
    assert_eq!(versions.iter().map(|v| v.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(world.shown(ANN, "hero"), r#"default {"title":"2"}"#);
}
