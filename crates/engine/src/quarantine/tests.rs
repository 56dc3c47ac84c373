//! What stands in the rows of the quarantine: bytes of every version ever written.

use expect_test::{Expect, expect};
use model::{Consents, Identifier, IdentifierType, event::Marks};

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pinned<T: Serialize>(record: &T, expected: &Expect) -> Vec<u8> {
    let bytes = record::encode(record);
    expected.assert_eq(&hex(&bytes));
    bytes
}

fn pinned_rest(kept: StoredKept<'_>, expected: &Expect) {
    let rest = StoredRest::V1 { detail: "cut".into(), kept };
    let bytes = pinned(&rest, expected);
    assert_eq!(record::decode::<StoredRest<'_>>(&bytes, "quarantine"), Ok(rest));
}

#[test]
fn rows_are_pinned() {
    let head = StoredHead::V1 {
        source: "web".parse().unwrap(),
        code: "too_large".into(),
        bytes: 300,
        holds: Some([7; 18]),
    };
    let bytes = pinned(
        &head,
        &expect!["000377656209746f6f5f6c61726765ac0201070707070707070707070707070707070707"],
    );
    assert_eq!(record::decode::<StoredHead>(&bytes, "quarantine"), Ok(head));
    let as_sent = StoredKept::AsSent {
        received_at: Timestamp(1),
        sent_at: Some(Timestamp(2)),
        historical: true,
        marks: Marks::BOT,
        kind: Some(EventKind::Page),
        context: "{}".into(),
        row: Some("f:1".into()),
        body: b"{".as_slice().into(),
    };
    pinned_rest(as_sent, &expect!["00036375740002010401020102027b7d0103663a31017b"]);
    let event = StoredEvent::V1 {
        kind: EventKind::Track,
        name: "E".into(),
        source: "web".parse().unwrap(),
        message_id: "m".into(),
        identifiers: vec![Identifier::new(IdentifierType::UserId, "u")].into(),
        received_at: Timestamp(1),
        sent_at: None,
        properties: "".into(),
        traits: "".into(),
        context: "".into(),
        consents: Consents::default(),
        historical: false,
        marks: Marks::default(),
    };
    let normal = StoredKept::Normal { event_time: Timestamp(3), event };
    pinned_rest(
        normal,
        &expect!["000363757401060000014503776562016d0107757365725f69640175020000000000000000"],
    );
}

#[test]
fn an_id_names_one_entry() {
    let key = entry_key(Timestamp(-5), 9);
    assert_eq!(parse_id(&id_of(&key)), Some(key));
    assert_eq!(parse_id("00"), None);
    assert_eq!(parse_id(&"é".repeat(16)), None);
    assert_eq!(parse_id(&"g".repeat(32)), None);
}
