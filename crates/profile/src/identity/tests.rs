//! Scenarios of people and devices, in a small notation: one event a line, as `time strand identifier…`.

mod oracle;
mod properties;

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use model::{Duration, Identifier, IdentifierType, Lane, Seq, StrandId, Timestamp, event::Order};

use super::*;

fn strand(number: u64) -> StrandId {
    StrandId { born: Seq(number), lane: Lane::from_hash(number) }
}

/// Reads events: `5d s2 anonymous_id=a1 user_id=u1?`; a question mark makes a claim without proof.
fn events(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (tie, line) in (0..).zip(text.lines().map(str::trim).filter(|line| !line.is_empty())) {
        let mut words = line.split(' ');
        let time = Timestamp(words.next().unwrap().parse::<Duration>().unwrap().0);
        let strand = strand(words.next().unwrap()[1..].parse().unwrap());
        for word in words {
            let (kind, value) = word.split_once('=').unwrap();
            let kind = IdentifierType::parse(kind).unwrap();
            let (value, trusted) = value.strip_suffix('?').map_or((value, true), |v| (v, false));
            let identifier = Identifier::new(kind, value);
            links.push(Link {
                strand,
                identifier,
                order: Order { time, tie },
                last: time,
                count: 1,
                trusted,
            });
        }
    }
    links
}

fn show(resolution: &Resolution) -> String {
    let mut text = String::new();
    for component in &resolution.components {
        let name = |strand: &StrandId| {
            let head = if *strand == component.head { "*" } else { "" };
            format!("s{}{head}", strand.born.0)
        };
        let strands: Vec<String> = component.strands.iter().map(name).collect();
        let known = |k: &KnownIdentifier| format!("{}={}", k.identifier.kind, k.identifier.value);
        let identifiers: Vec<String> = component.identifiers.iter().map(known).collect();
        let identifiers = if identifiers.is_empty() { "-" } else { &identifiers.join(" ") };
        writeln!(text, "{}: {identifiers}", strands.join(" ")).unwrap();
    }
    for refusal in &resolution.refusals {
        let Identifier { kind, value } = &refusal.identifier;
        let holder = refusal.holder.map_or(String::new(), |s| format!(", held by s{}", s.born.0));
        let born = refusal.strand.born.0;
        writeln!(text, "refused s{born} {kind}={value}: {:?}{holder}", refusal.reason).unwrap();
    }
    for (identifier, order) in &resolution.contested {
        let since = Duration(order.time.0);
        writeln!(text, "contested {}={} since {since}", identifier.kind, identifier.value).unwrap();
    }
    text
}

fn check_with(rules: &IdentityRules, text: &str, expected: Expect) {
    expected.assert_eq(&show(&resolve(&events(text), &[], rules)));
}

fn check(text: &str, expected: Expect) {
    check_with(&IdentityRules::default(), text, expected);
}

#[test]
fn a_visitor_logs_in() {
    check(
        "0d s1 anonymous_id=a1
         1d s2 anonymous_id=a1 user_id=u1",
        expect![[r#"
            s1 s2*: user_id=u1 anonymous_id=a1
        "#]],
    );
}

#[test]
fn one_user_on_two_devices() {
    check(
        "0d s1 anonymous_id=a1
         1d s2 anonymous_id=a1 user_id=u1
         2d s3 anonymous_id=a2
         3d s4 anonymous_id=a2 user_id=u1",
        expect![[r#"
            s1 s2* s3 s4: user_id=u1 anonymous_id=a1 anonymous_id=a2
        "#]],
    );
}

#[test]
fn two_users_share_a_device() {
    // s4 is the visitor after the second user was seen; s1 came before and stays with the first user.
    check(
        "0d s1 anonymous_id=a1
         1d s2 anonymous_id=a1 user_id=u1
         2d s3 anonymous_id=a1 user_id=u2
         3d s4 anonymous_id=a1
         4d s5 anonymous_id=a1",
        expect![[r#"
            s1 s2*: user_id=u1 anonymous_id=a1
            s3*: user_id=u2
            s4*: -
            s5*: -
            refused s3 anonymous_id=a1: SharedDevice, held by s2
            refused s4 anonymous_id=a1: SharedDevice, held by s2
            refused s5 anonymous_id=a1: SharedDevice, held by s2
            contested anonymous_id=a1 since 2d
        "#]],
    );
}

#[test]
fn the_device_is_contested_even_when_nobody_could_hold_its_id() {
    // The sixth device of a week is over the limit; the customer who logs in there next must not inherit its visitors.
    let week: String =
        (1..=6).map(|i| format!("1h s{i} anonymous_id=a{i} user_id=staff\n")).collect();
    check(
        &format!("{week}2h s7 anonymous_id=a6 user_id=u1\n3h s8 anonymous_id=a6"),
        expect![[r#"
            s1* s2 s3 s4 s5 s6: user_id=staff anonymous_id=a1 anonymous_id=a2 anonymous_id=a3 anonymous_id=a4 anonymous_id=a5
            s7*: user_id=u1
            s8*: -
            refused s6 anonymous_id=a6: Limit
            refused s7 anonymous_id=a6: SharedDevice
            refused s8 anonymous_id=a6: SharedDevice
            contested anonymous_id=a6 since 2h
        "#]],
    );
}

#[test]
fn a_visitor_known_by_email_is_not_taken_over_by_the_next_user_of_the_device() {
    check(
        "0d s1 user_id=u1 email=ann@example.org
         1d s2 anonymous_id=a1 email=ann@example.org
         2d s3 anonymous_id=a1 user_id=u2",
        expect![[r#"
            s1* s2: user_id=u1 email=ann@example.org anonymous_id=a1
            s3*: user_id=u2
            refused s3 anonymous_id=a1: SharedDevice, held by s1
            contested anonymous_id=a1 since 2d
        "#]],
    );
}

#[test]
fn two_users_share_an_email() {
    check(
        "0d s1 anonymous_id=a1 user_id=u1 email=home@example.org
         1d s2 anonymous_id=a2 user_id=u2 email=home@example.org
         2d s3 anonymous_id=a3 email=home@example.org",
        expect![[r#"
            s1* s3: user_id=u1 email=home@example.org anonymous_id=a1 anonymous_id=a3
            s2*: user_id=u2 anonymous_id=a2
            refused s2 email=home@example.org: TwoKnownUsers, held by s1
        "#]],
    );
}

#[test]
fn placeholders_join_nobody() {
    check(
        "0d s1 anonymous_id=a1 user_id=null
         1d s2 anonymous_id=a2 user_id=null
         2d s3 anonymous_id=0 email=undefined",
        expect![[r#"
            s1*: anonymous_id=a1
            s2*: anonymous_id=a2
            s3*: -
            refused s1 user_id=null: Blocked
            refused s2 user_id=null: Blocked
            refused s3 email=undefined: Blocked
            refused s3 anonymous_id=0: Blocked
        "#]],
    );
}

#[test]
fn the_sixth_email_of_a_year_is_one_too_many() {
    check(
        "0d s1 user_id=u1 email=1@x.org
         10d s1 email=2@x.org
         20d s1 email=3@x.org
         30d s1 email=4@x.org
         40d s1 email=5@x.org
         50d s1 email=6@x.org
         365d s1 email=7@x.org",
        expect![[r#"
            s1*: user_id=u1 email=1@x.org email=2@x.org email=3@x.org email=4@x.org email=5@x.org email=7@x.org
            refused s1 email=6@x.org: Limit
        "#]],
    );
}

#[test]
fn a_join_that_would_exceed_a_limit_is_refused() {
    // Three and three addresses would make six within a year; the user id alone is kept, so each side stays itself.
    check(
        "0d s1 external:crm=c1 email=1@x.org
         1d s1 email=2@x.org
         2d s1 email=3@x.org
         3d s2 phone=+461 email=4@x.org
         4d s2 email=5@x.org
         5d s2 email=6@x.org
         6d s2 external:crm=c1",
        expect![[r#"
            s1*: email=1@x.org email=2@x.org email=3@x.org external:crm=c1
            s2*: email=4@x.org email=5@x.org email=6@x.org phone=+461
            refused s2 external:crm=c1: Limit, held by s1
        "#]],
    );
}

#[test]
fn an_alias_joins_an_anonymous_id_to_a_user() {
    check(
        "0d s1 anonymous_id=a1
         1d s2 user_id=u1
         2d s2 anonymous_id=a1 user_id=u1",
        expect![[r#"
            s1 s2*: user_id=u1 anonymous_id=a1
        "#]],
    );
}

#[test]
fn an_alias_of_two_users_is_left_to_an_operator() {
    check(
        "0d s1 user_id=u1
         1d s2 user_id=u2
         2d s2 user_id=u1",
        expect![[r#"
            s1*: user_id=u1
            s2*: user_id=u2
            refused s2 user_id=u1: TwoKnownUsers, held by s1
        "#]],
    );
}

#[test]
fn a_claim_without_proof_joins_nobody_but_keeps_users_apart() {
    check(
        "0d s1 user_id=u1 email=ann@example.org
         1d s2 anonymous_id=a1
         2d s3 anonymous_id=a1 user_id=u1? email=ann@example.org?
         3d s4 anonymous_id=a1 user_id=u2?",
        expect![[r#"
            s1*: user_id=u1 email=ann@example.org
            s2* s3: anonymous_id=a1
            s4*: -
            refused s3 user_id=u1: Unverified, held by s1
            refused s3 email=ann@example.org: Unverified, held by s1
            refused s4 user_id=u2: Unverified
            refused s4 anonymous_id=a1: SharedDevice, held by s2
            contested anonymous_id=a1 since 3d
        "#]],
    );
}

#[test]
fn proof_that_comes_later_counts_for_the_whole_link() {
    check(
        "0d s1 user_id=u1
         1d s2 anonymous_id=a1 user_id=u1?
         2d s2 anonymous_id=a1 user_id=u1",
        expect![[r#"
            s1* s2: user_id=u1 anonymous_id=a1
        "#]],
    );
}

#[test]
fn types_that_do_not_join_are_held_by_the_first() {
    let crm = IdentifierType::parse("external:crm").unwrap();
    let rule = TypeRule { joinable: false, ..IdentityRules::default().rule(&crm) };
    check_with(
        &IdentityRules::default().with_type(crm, rule),
        "0d s1 anonymous_id=a1 external:crm=c1
         1d s2 anonymous_id=a2 external:crm=c1",
        expect![[r#"
            s1*: anonymous_id=a1 external:crm=c1
            s2*: anonymous_id=a2
            refused s2 external:crm=c1: NotJoinable, held by s1
        "#]],
    );
}

#[test]
fn the_weakest_identifier_of_an_event_is_dropped_first() {
    // The event names u2 and Ann's address: u2 is believed, the address is not.
    check(
        "0d s1 user_id=u1 email=ann@example.org
         1d s2 user_id=u2
         2d s3 anonymous_id=a3 email=ann@example.org user_id=u2",
        expect![[r#"
            s1*: user_id=u1 email=ann@example.org
            s2* s3: user_id=u2 anonymous_id=a3
            refused s3 email=ann@example.org: TwoKnownUsers, held by s1
        "#]],
    );
}

#[test]
fn a_full_component_stops_growing_and_goes_on_working() {
    let full: String = (0..=MAX_IDENTIFIERS)
        .map(|i| format!("{i}w s1 user_id=u1 anonymous_id=a{i:04}\n"))
        .collect();
    let links =
        events(&format!("{full}2000w s2 anonymous_id=b user_id=u1\n2001w s3 anonymous_id=c"));
    let resolution = resolve(&links, &[], &IdentityRules::default());
    assert_eq!(resolution.components[0].identifiers.len(), MAX_IDENTIFIERS);
    assert_eq!(
        resolution.components[0].strands,
        [strand(1), strand(2)],
        "u1 arrives on a new device"
    );
    let refused: Vec<_> =
        resolution.refusals.iter().map(|r| (r.identifier.value.as_str(), r.reason)).collect();
    assert_eq!(refused, [("a0999", Reason::Full), ("a1000", Reason::Full), ("b", Reason::Full)]);
}

#[test]
fn only_so_many_merges_and_arrivals_are_no_merges() {
    // Each week a new visitor turns out to be u1, and u1 also arrives on a new device right away.
    let weeks = u64::from(MAX_MERGES) + 2;
    let text: String = (0..weeks)
        .map(|i| {
            let (guest, login, arrival) = (3 * i + 1, 3 * i + 2, 3 * i + 3);
            let day = 7 * i + 1;
            format!(
                "{day}d s{guest} anonymous_id=g{i:03}
                 {}d s{login} anonymous_id=g{i:03} user_id=u1
                 {}d s{arrival} anonymous_id=d{i:03} user_id=u1\n",
                day + 1,
                day + 2
            )
        })
        .collect();
    let rules = IdentityRules::default();
    let unreviewed = resolve::Bounds { reviewed_from: usize::MAX, ..resolve::Bounds::DEFAULT };
    let resolution = resolve::resolve_within(&events(&text), &[], &rules, unreviewed);
    let refused: Vec<_> =
        resolution.refusals.iter().map(|r| (r.identifier.value.as_str(), r.reason)).collect();
    // The first guest is no merge: u1 was not known before.
    assert_eq!(refused, [("g101", Reason::Full)]);
    assert_eq!(resolution.components.len(), 2);
    // Long before that the person is so large that somebody must look first.
    let resolution = resolve(&events(&text), &[], &rules);
    let refusal = resolution.refusals.first().unwrap();
    assert_eq!((refusal.identifier.value.as_str(), refusal.reason), ("g050", Reason::Large));
    assert!(refusal.holder.is_some(), "the other side of a proposal");
}

#[test]
fn a_user_is_not_on_more_devices_than_anybody_has() {
    let text: String =
        (0..=MAX_STRANDS).map(|n| format!("{n}d s{n} anonymous_id=a{n:04} user_id=u1\n")).collect();
    let resolution = resolve(&events(&text), &[], &IdentityRules::default());
    assert_eq!(resolution.components.len(), 2, "who found no room stands alone");
}

#[test]
fn a_new_strand_that_links_two_people_merges_them() {
    // The strand of the last event is new, so its joining the first person is an arrival; what it
    // then brings together is a merge.
    let links = events(
        "1d s1 phone=+461
         2d s2 anonymous_id=a1
         3d s3 user_id=u1 email=ann@example.org phone=+461 anonymous_id=a1",
    );
    let bounds = |merges| resolve::Bounds { merges, ..resolve::Bounds::DEFAULT };
    let refused = |merges| {
        let resolution =
            resolve::resolve_within(&links, &[], &IdentityRules::default(), bounds(merges));
        let refusals = resolution.refusals.into_iter();
        refusals.map(|r| (r.identifier.value.to_string(), r.reason)).collect::<Vec<_>>()
    };
    assert_eq!(refused(0), [("a1".to_owned(), Reason::Full)]);
    assert_eq!(refused(1), []);
}
