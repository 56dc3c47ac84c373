//! Whatever a client sends: an event is the same however its JSON is spaced, and a fault quotes nobody.

use super::*;
use crate::ingest::Rejected;

/// Stands wherever a person's data does.
const PERSONAL: &str = "zebedee";

/// Longest sentence about a fault, in bytes: it names a place and says what is wrong there.
const DETAIL_BYTES_MAX: usize = 600;

#[test]
fn any_body_is_one_event_or_a_fault_that_quotes_nobody() {
    let source = web();
    ::fuzz::run("events", include_str!("fuzz.seeds"), |input| {
        drop(split(input, 500));
        match normalise(input, &envelope(&source)) {
            Item::Replayed(..) => unreachable!("only the quarantine replays"),
            Item::Event(event) => {
                same_when_printed(input, &event, &source);
                assert!(!event.identifiers.is_empty(), "an event is somebody's");
                assert!(
                    event.event_time <= Timestamp(NOW.0 + 48 * 3_600_000),
                    "{}",
                    event.event_time
                );
                format!("{} {}", event.kind, event.identifiers.len())
            }
            Item::Rejected(rejected) => {
                let Rejected { code, detail, body, .. } = *rejected;
                assert!(
                    body.len() <= MAX_EVENT_BYTES && detail.len() <= DETAIL_BYTES_MAX,
                    "{detail}"
                );
                assert!(!detail.contains(PERSONAL), "a fault quotes a person: {detail}");
                format!("{code} {}", ::fuzz::kind_of(&detail))
            }
        }
    });
}

/// What was read, written again without spaces and with its members in order, is the same event.
fn same_when_printed(input: &[u8], event: &Event, source: &SourceKey) {
    // A member that comes twice has no other writing, and numbers beyond 64 bits have several.
    let Ok(document) = serde_json::from_slice::<Value>(input) else { return };
    let printed = document.to_string();
    if printed.len() > MAX_EVENT_BYTES
        || members(&document) * 2 != input.iter().filter(|it| **it == b'"').count()
    {
        return;
    }
    let Item::Event(again) = normalise(printed.as_bytes(), &envelope(source)) else {
        panic!("not an event when printed: {printed}")
    };
    assert_eq!(
        (event.kind, &event.name, &event.identifiers),
        (again.kind, &again.name, &again.identifiers)
    );
    assert_eq!(event.event_time, again.event_time);
    assert_eq!(event.consents, again.consents);
}

/// How many texts a document holds, the names of members counted.
fn members(value: &Value) -> usize {
    match value {
        Value::String(_) => 1,
        Value::Array(items) => items.iter().map(members).sum(),
        Value::Object(entries) => entries.values().map(|value| 1 + members(value)).sum(),
        _ => 0,
    }
}
