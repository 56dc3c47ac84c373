//! Bytes of every record ever written. A change here is a change of the stored format: add a variant instead.

use expect_test::{Expect, expect};
use model::{Purpose, hash};
use serde_json::json;

use super::*;
use crate::turns::Turn;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The record is written as it always was, and reads back.
fn pinned<T>(record: &T, expected: &Expect)
where
    T: Serialize + for<'a> Deserialize<'a> + PartialEq + std::fmt::Debug,
{
    let bytes = encode(record);
    expected.assert_eq(&hex(&bytes));
    assert_eq!(decode::<T>(&bytes, "record").unwrap(), *record);
}

fn identifier() -> Identifier {
    Identifier::new(model::IdentifierType::AnonymousId, "a1")
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

fn strand() -> StrandId {
    StrandId { born: Seq(77), lane: hash::lane(&identifier()) }
}

const ORDER: Order = Order { time: Timestamp(1_790_000_000_000), tie: 9 };

#[test]
fn heads_are_pinned() {
    let consents =
        Consents { granted: PurposeSet::NONE.with(Purpose::ANALYTICS), denied: PurposeSet::NONE };
    let meta = MetaHead { slot: 5, head: strand(), unit: UnitId(3), consents };
    expect!["0100000000000000050110000000000000004d00000000000000030000000400000000"]
        .assert_eq(&hex(&meta.to_bytes()));
    assert_eq!(MetaHead::parse(&meta.to_bytes()), Ok(meta));
    let purposes = PurposeSet(6);
    let event = EventHead { values: Values::InBody, counts: true, purposes, tie: 9 };
    let uncounted = EventHead { counts: false, ..event };
    assert_eq!(EventHead::parse(&uncounted.to_bytes()), Ok(uncounted));
    expect!["0102000000060000000000000009"].assert_eq(&hex(&event.to_bytes()));
    assert_eq!(EventHead::parse(&event.to_bytes()), Ok(event));
    assert!(MetaHead::parse(&[2; 40]).is_err(), "a version nobody has written yet");
}

#[test]
fn records_of_strands_are_pinned() {
    let user = Some(Identifier::new(model::IdentifierType::UserId, "u1"));
    let born_at = ORDER.time;
    pinned(
        &StoredMeta::V1 { routing: identifier(), user, born_at },
        &expect!["000c616e6f6e796d6f75735f69640261310107757365725f696402753180b083c59868"],
    );
    let country = StoredCountry::V1 { letters: *b"SE", order: ORDER };
    pinned(&country, &expect!["00534580b083c5986809"]);
    let link =
        StoredLink::V1 { identifier: identifier(), order: ORDER, last: ORDER.time, trusted: true };
    pinned(&link, &expect!["000c616e6f6e796d6f75735f696402613180b083c598680980b083c5986801"]);
    let known = StoredTrait::V1 {
        name: "plan".into(),
        value: json!("pro").to_string(),
        source: key("web"),
        order: ORDER,
        purposes: PurposeSet(6),
    };
    pinned(&known, &expect!["0004706c616e052270726f220377656280b083c598680906"]);
    let consents = Consents { granted: PurposeSet(2), denied: PurposeSet(4) };
    let said = StoredConsent::V1 { consents, identified: true, source: key("web") };
    pinned(&said, &expect!["0002040103776562"]);
    pinned(&StoredAssignment::V1 { variant: key("b"), seq: Seq(5) }, &expect!["00016205"]);
    let drawn = Drawn { policy: 7, cell: 2, buckets: 9_000 };
    pinned(
        &StoredAssignment::V2 { variant: key("b"), seq: Seq(5), drawn },
        &expect!["010162050702a846"],
    );
    pinned(
        &StoredTurns::V1(Turns {
            first: Some(Seq(5)),
            users: vec![Turn {
                user: [7; 16],
                is_erased: false,
                since: ORDER,
                strand: Some(Seq(6)),
            }],
        }),
        &expect!["00010501070707070707070707070707070707070080b083c59868090106"],
    );
    let visit = StoredVisit::V1 {
        last: ORDER.time,
        events: 3,
        pages: 2,
        purposes: PurposeSet(6),
        landing: "/a".into(),
        context: r#"{"os.name":"iOS"}"#.into(),
    };
    pinned(&visit, &expect!["0080b083c59868030206022f61117b226f732e6e616d65223a22694f53227d"]);
    let membership = StoredMembership::V1 {
        version: 3,
        truth: Truth::True,
        since: Some(ORDER.time),
        previous: Some(ORDER.time),
        valid_until: None,
    };
    pinned(&membership, &expect!["0003000180b083c598680180b083c5986800"]);
    let state = StoredState::V1 { due: Some(ORDER.time), fingerprint: 12 };
    pinned(&state, &expect!["000180b083c598680c"]);
}

#[test]
fn events_and_the_log_are_pinned() {
    let event = StoredEvent::V1 {
        kind: EventKind::Page,
        name: "Page Viewed".into(),
        source: key("web"),
        message_id: "m1".into(),
        identifiers: vec![identifier()].into(),
        received_at: ORDER.time,
        sent_at: None,
        properties: json!({"a": 1}).to_string().into(),
        traits: "".into(),
        context: "".into(),
        consents: Consents::default(),
        historical: false,
        marks: model::event::Marks::default(),
    };
    pinned(
        &event,
        &expect![
            "00020b506167652056696577656403776562026d31010c616e6f6e796d6f75735f696402613180b083c5986800077b2261223a317d000000000000"
        ],
    );
    let context = r#"{"os": {"name": "iOS"}, "device": {"type": "mobile", "id": "x"}}"#;
    let (values, row) = StoredValues::of(&event, &LazyObject::parse(context).unwrap());
    assert_eq!(values, Values::InRow);
    let row = row.unwrap();
    let bytes = encode(&row);
    expect!["00077b2261223a317d287b226465766963652e74797065223a226d6f62696c65222c226f732e6e616d65223a22694f53227d"].assert_eq(&hex(&bytes));
    assert_eq!(decode::<StoredValues<'_>>(&bytes, "record").unwrap(), row);
    let StrandId { born, lane } = strand();
    let entries = vec![
        LogEntry::Event { lane, born, name: [1; 8], time: ORDER.time, purposes: PurposeSet(6) },
        LogEntry::Strand { lane },
        LogEntry::Definition { kind: 2, key: key("vip"), version: 4 },
        LogEntry::Timer { lane, born, due: ORDER.time },
        LogEntry::Decision { lane, born, at: ORDER.time, id: 11 },
        LogEntry::Act { action: "token.create".into() },
        LogEntry::Person { act: ActId(300) },
        LogEntry::Removed,
        LogEntry::Transition {
            lane,
            born,
            audience: key("vip"),
            version: 2,
            kind: audience::TransitionKind::Left,
            at: ORDER.time,
        },
        LogEntry::Head { lane, born, head: strand() },
        LogEntry::Moved { event: Seq(5), lane, born },
        LogEntry::EventRemoved { event: Seq(5), lane, born },
        LogEntry::DecisionRemoved { lane, born, at: ORDER.time, id: 11 },
    ];
    for entry in &entries {
        assert!(encode(entry).len() <= entry.bytes_max(), "{entry:?}");
    }
    pinned(
        &LogRow::V1 { begins: true, now: ORDER.time, next_slot: 6, entries },
        &expect![
            "000180b083c59868060d0090024d010101010101010180b083c5986806019002020203766970040390024d80b083c598680490024d80b083c598680b050c746f6b656e2e63726561746506ac02070890024d03766970020180b083c598680990024d4d90020a0590024d0b0590024d0c90024d80b083c598680b"
        ],
    );
}

#[test]
fn rounds_of_the_sweep_are_pinned() {
    let removed = Removed { events: 300, visits: 2, decisions: 3, people: 4 };
    let (began_at, ended_at) = (ORDER.time, ORDER.time);
    pinned(
        &StoredRound::V1 { began_at, ended_at, strands: 5, removed },
        &expect!["0080b083c5986880b083c5986805ac02020304"],
    );
}

#[test]
fn acts_are_pinned() {
    let act = |deed| StoredAct::V1 { actor: "ann".into(), deed };
    let named = vec![(strand().lane, [7; 16])];
    pinned(
        &act(Deed::KeepApart { parts: vec![named.clone(), vec![]] }),
        &expect!["0003616e6e00020190020707070707070707070707070707070700"],
    );
    pinned(
        &act(Deed::Merge { proposal: [[1; 16], [2; 16]], identifiers: named }),
        &expect![
            "0003616e6e01010101010101010101010101010101010202020202020202020202020202020201900207070707070707070707070707070707"
        ],
    );
    pinned(&act(Deed::Undo { act: ActId(7) }), &expect!["0003616e6e0207"]);
    let proposed = Proposed {
        sides: [(strand().lane, [1; 16]), (strand().lane, [2; 16])],
        score: 0.5,
        weights: vec![("name".into(), 2.0)],
    };
    pinned(
        &act(Deed::Propose { proposals: vec![proposed.clone()] }),
        &expect![
            "0003616e6e0301900201010101010101010101010101010101900202020202020202020202020202020202000000000000e03f01046e616d650000000000000040"
        ],
    );
    pinned(
        &act(Deed::Reject { proposal: [[1; 16], [2; 16]] }),
        &expect!["0003616e6e040101010101010101010101010101010102020202020202020202020202020202"],
    );
    let Proposed { sides, score, weights } = proposed;
    let proposal = |state| StoredProposal::V1 {
        seq: Seq(5),
        at: ORDER.time,
        sides,
        evidence: vec![((strand().lane, [3; 16]), verdict(Some(profile::Reason::Limit)))],
        scored: Some((score, weights.clone())),
        state,
    };
    let large = StoredLarge::V1 { since: ORDER.time, identifiers: 300, strands: 2, is_full: true };
    pinned(&large, &expect!["0080b083c59868ac020201"]);
    pinned(
        &proposal(ProposalState::Open),
        &expect![
            "000580b083c59868900201010101010101010101010101010101900202020202020202020202020202020202019002030303030303030303030303030303030101000000000000e03f01046e616d65000000000000004000"
        ],
    );
    pinned(
        &proposal(ProposalState::Accepted(ActId(7))),
        &expect![
            "000580b083c59868900201010101010101010101010101010101900202020202020202020202020202020202019002030303030303030303030303030303030101000000000000e03f01046e616d6500000000000000400107"
        ],
    );
    pinned(
        &proposal(ProposalState::Rejected(ActId(7))),
        &expect![
            "000580b083c59868900201010101010101010101010101010101900202020202020202020202020202020202019002030303030303030303030303030303030101000000000000e03f01046e616d6500000000000000400207"
        ],
    );
    let state = |kind| {
        let (seq, at, since) = (Seq(5), ORDER.time, Seq(9));
        ActState::V1 { seq, at, kind, since, in_force: true }
    };
    pinned(&state(ActKind::KeepApart), &expect!["000580b083c59868000901"]);
    pinned(&state(ActKind::Merge), &expect!["000580b083c59868010901"]);
    pinned(&state(ActKind::Undo(ActId(7))), &expect!["000580b083c5986802070901"]);
    pinned(&state(ActKind::Other), &expect!["000580b083c59868030901"]);
}

fn outcome(verdicts: Vec<(Option<WhyNot>, u32)>) -> StoredOutcome<'static> {
    StoredOutcome {
        placement: StoredPlacement::Lineup([9; 8]),
        verdicts,
        variant: None,
        shadow: None,
        reason: decision::Reason::Default,
        propensity: 1.0,
        consent: ConsentBasis::default(),
    }
}

#[test]
fn decisions_and_lineups_are_pinned() {
    let candidate = Reference { key: key("sale"), version: 3 };
    let placement = Reference { key: key("hero"), version: 2 };
    pinned(
        &StoredLineup::V1 { placement, candidates: vec![candidate] },
        &expect!["00046865726f02010473616c6503"],
    );
    let shown = StoredOutcome {
        variant: Some(Cow::Owned(key("b"))),
        reason: decision::Reason::Split,
        propensity: 0.5,
        consent: ConsentBasis { asked: PurposeSet(6), granted: PurposeSet(2) },
        ..outcome(vec![(Some(WhyNot::Ineligible), 9), (None, 1)])
    };
    let holdout = Cow::Owned(Holdout::Experience);
    let held_out =
        StoredOutcome { shadow: Some((Cow::Owned(key("b")), holdout)), ..outcome(vec![(None, 1)]) };
    let placement = StoredPlacement::Named { key: Cow::Owned(key("odd")), version: None };
    let unknown = StoredOutcome { placement, ..outcome(Vec::new()) };
    let placement = StoredPlacement::Told {
        placement: Cow::Owned(Reference { key: key("hero"), version: 2 }),
        winner: Cow::Owned(Reference { key: key("sale"), version: 3 }),
    };
    let told = StoredOutcome { placement, ..outcome(vec![(None, 1)]) };
    let parts = DecisionParts {
        definitions_version: 300,
        first: 5,
        memberships: vec![Cow::Owned(key("vip"))],
        outcomes: vec![shown, held_out, unknown, told],
        context: Some(r#"{"page":{"path":"/"}}"#.into()),
    };
    pinned(
        &StoredDecision::of(parts.clone(), Beside::default()),
        &expect![
            "00ac02050103766970040009090909090909090201030900010101620001000000000000e03f0602000909090909090909010001000101620102000000000000f03f000001036f64640000000002000000000000f03f000002046865726f020473616c6503010001000002000000000000f03f000001157b2270616765223a7b2270617468223a222f227d7d"
        ],
    );
    let short = DecisionParts { outcomes: Vec::new(), context: None, ..parts };
    let drawn = Drawn { policy: 7, cell: 2, buckets: 9_000 };
    let drawn = vec![(1, drawn)];
    let beside = Beside { drawn, ..Beside::default() };
    pinned(
        &StoredDecision::of(short.clone(), beside.clone()),
        &expect!["01ac02050103766970000001010702a846"],
    );
    let recorded: decision::RecordedTraits = serde_json::from_value(serde_json::json!([
        ["plan", {"Known": "gold"}], ["city", "Missing"], ["phone", "Withheld"],
    ]))
    .unwrap();
    let beside = Beside { recorded: vec![(0, recorded)], ..beside };
    let record = StoredDecision::of(short, beside);
    pinned(
        &record,
        &expect![
            "02ac02050103766970000001010702a84601000304706c616e0004676f6c640463697479010570686f6e6502"
        ],
    );
    assert!(matches!(record.without_traits(), StoredDecision::V2(..)));
}

/// Reasons are stored by their place in their lists.
#[test]
fn reasons_are_pinned() {
    use decision::Reason;
    let reasons = [
        Reason::TargetingMatch,
        Reason::Split,
        Reason::Default,
        Reason::Holdout,
        Reason::NoConsent,
        Reason::FrequencyCap,
        Reason::Excluded,
        Reason::Paused,
        Reason::Error,
    ];
    pinned(&reasons, &expect!["000102030405060708"]);
    let verdicts = [
        WhyNot::Consent,
        WhyNot::Suppressed,
        WhyNot::Schedule,
        WhyNot::Ineligible,
        WhyNot::Withheld,
        WhyNot::Paused,
        WhyNot::Slot,
        WhyNot::Traffic,
        WhyNot::Cap,
        WhyNot::NeverAfter,
        WhyNot::Page,
    ];
    pinned(&verdicts, &expect!["000102030405060708090a"]);
    pinned(&[Holdout::Shared(key("all")), Holdout::Experience], &expect!["0003616c6c01"]);
}
