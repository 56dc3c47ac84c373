//! Who may say what, and what silence means.

use model::{Country, Lane, Seq, Timestamp};
use proptest::{collection::vec, prelude::*};

use super::*;

const P: Purpose = Purpose::PERSONALIZATION;
const ADS: Purpose = Purpose::ADVERTISING;

fn grants(purpose: Purpose) -> Consents {
    Consents { granted: PurposeSet::NONE.with(purpose), ..Consents::default() }
}

fn denies(purpose: Purpose) -> Consents {
    Consents { denied: PurposeSet::NONE.with(purpose), ..Consents::default() }
}

/// A statement; `device` 0 is the identified person.
fn said(time: i64, device: u64, consents: Consents) -> Statement {
    tied((time, 0), device, consents)
}

/// A statement whose place within its instant was given by a hash.
fn tied((time, tie): (i64, u64), device: u64, consents: Consents) -> Statement {
    Statement {
        order: Order { time: Timestamp(time), tie },
        strand: StrandId { born: Seq(device), lane: Lane::from_hash(0) },
        device: UnitId(device),
        identified: device == 0,
        consents,
        source: "web".parse().unwrap(),
    }
}

fn fold(statements: &[Statement]) -> ConsentLedger {
    let mut ledger = ConsentLedger::default();
    statements.iter().for_each(|statement| ledger.record(statement.clone()));
    ledger
}

const PERSON: u64 = 0;

fn check(statements: &[(i64, u64, Consents)], expected: Basis) {
    let statements: Vec<_> = statements.iter().map(|&(t, device, c)| said(t, device, c)).collect();
    assert_eq!(fold(&statements).basis(P), expected, "{statements:?}");
}

#[test]
fn the_newest_word_of_the_person_holds() {
    check(&[], Basis::Unknown);
    check(&[(1, PERSON, grants(P)), (2, PERSON, denies(P))], Basis::Denied);
    check(&[(2, PERSON, grants(P)), (1, PERSON, denies(P))], Basis::Granted);
    check(&[(1, PERSON, grants(P)), (2, PERSON, denies(ADS))], Basis::Granted);
    check(&[(1, PERSON, grants(P)), (1, PERSON, denies(P))], Basis::Denied);
}

#[test]
fn a_device_only_narrows_what_the_person_said() {
    check(&[(1, PERSON, grants(P)), (2, 7, denies(P))], Basis::Denied);
    check(&[(1, PERSON, denies(P)), (2, 7, grants(P))], Basis::Denied);
    check(&[(2, PERSON, grants(P)), (1, 7, denies(P))], Basis::Granted);
    check(&[(1, PERSON, grants(P)), (2, 7, denies(P)), (3, 7, grants(P))], Basis::Granted);
    check(&[(1, PERSON, grants(P)), (2, 7, denies(P)), (3, 8, grants(P))], Basis::Denied);
    check(&[(1, 7, denies(P)), (2, 7, grants(ADS)), (3, PERSON, denies(ADS))], Basis::Denied);
}

#[test]
fn of_one_instant_the_refusal_holds() {
    for (denial, grant) in [(0, 9), (9, 0)] {
        for (denying, granting) in [(PERSON, PERSON), (7, 7), (7, PERSON), (PERSON, 7), (7, 8)] {
            let denial = tied((1, denial), denying, denies(P));
            let grant = tied((1, grant), granting, grants(P));
            for statements in [[denial.clone(), grant.clone()], [grant, denial]] {
                assert_eq!(fold(&statements).basis(P), Basis::Denied, "{statements:?}");
            }
        }
    }
}

#[test]
fn devices_alone_agree_on_the_most_restrictive() {
    check(&[(1, 7, grants(P))], Basis::Granted);
    check(&[(1, 7, denies(P)), (2, 7, grants(P))], Basis::Granted);
    check(&[(1, 7, denies(P)), (2, 8, grants(P))], Basis::Denied);
}

#[test]
fn a_grant_of_one_device_does_not_count_on_another() {
    let ledger = fold(&[said(1, 7, grants(P)), said(1, 8, denies(ADS))]);
    assert_eq!(ledger.basis_on(UnitId(7), P), Basis::Granted);
    assert_eq!(ledger.basis_on(UnitId(8), P), Basis::Unknown);
    assert_eq!(ledger.basis(P), Basis::Granted, "the person as a whole");
    for device in [7, 8, 9] {
        assert_eq!(ledger.basis_on(UnitId(device), ADS), Basis::Denied);
    }
    let ledger = fold(&[said(1, PERSON, grants(P))]);
    assert_eq!(ledger.basis_on(UnitId(9), P), Basis::Granted, "the person's word holds everywhere");
}

#[test]
fn the_ledger_keeps_what_matters() {
    let mut ledger = ConsentLedger::default();
    for time in 0..100 {
        ledger.record(said(time, 7, grants(P)));
    }
    assert_eq!(ledger.statements().count(), 1);
    ledger.record(said(100, 7, denies(ADS)));
    ledger.record(said(50, 7, denies(P)));
    ledger.record(said(200, 7, Consents::default()));
    let times: Vec<_> = ledger.statements().map(|s| s.order.time.0).collect();
    assert_eq!(times, [100, 99], "newest first; neither silence nor what is superseded is kept");
}

#[test]
fn silence_is_what_the_policy_makes_of_it() {
    let policy = PurposePolicy::built_in();
    assert!(policy.effective(Basis::Unknown, P, None));
    assert!(!policy.effective(Basis::Unknown, ADS, None));
    assert!(policy.effective(Basis::Granted, ADS, None));
    assert!(!policy.effective(Basis::Denied, P, None));
    assert!(policy.effective(Basis::Denied, Purpose::SERVICE, None));
    let unlisted = Purpose::from_number(9).unwrap();
    assert!(
        !policy.effective(Basis::Granted, unlisted, None),
        "nobody can agree to what does not exist"
    );
}

#[test]
fn silence_means_something_else_in_some_countries() {
    let country = |text: &str| text.parse::<Country>().ok();
    let rule = PurposeRule {
        purpose: P,
        key: "personalization".parse().unwrap(),
        granted_by_default: true,
        regions: vec![(country("DE").unwrap(), false)],
        events: Vec::new(),
    };
    let policy = PurposePolicy::new(vec![rule]).unwrap();
    assert!(policy.is_regional() && !PurposePolicy::built_in().is_regional());
    let holds = |basis, place| policy.effective(basis, P, place);
    assert!(holds(Basis::Unknown, None) && holds(Basis::Unknown, country("SE")));
    assert!(!holds(Basis::Unknown, country("DE")), "nobody agreed there");
    assert!(holds(Basis::Granted, country("DE")) && !holds(Basis::Denied, country("SE")));
    let silent = Consents::default();
    assert!(policy.collect(silent, silent, country("SE")).contains(P));
    assert!(!policy.collect(silent, silent, country("DE")).contains(P));
}

#[test]
fn an_event_is_collected_for_what_it_and_the_ledger_allow() {
    let policy = PurposePolicy::built_in();
    let collect = |ledger: &ConsentLedger, device, event, purpose| {
        policy.collect(ledger.on_device(UnitId(device)), event, None).contains(purpose)
    };
    let granted_later = fold(&[said(5, 7, grants(ADS)), said(1, 7, denies(P))]);
    assert!(collect(&granted_later, 7, Consents::default(), ADS));
    assert!(!collect(&granted_later, 7, denies(ADS), ADS), "late, and denied when it happened");
    assert!(!collect(&granted_later, 8, Consents::default(), ADS), "another device did not agree");
    assert!(!collect(&granted_later, 7, grants(P), P), "withdrawn since");
}

#[test]
fn policies_are_sound() {
    let rule = |number, key: &str| PurposeRule {
        purpose: Purpose::from_number(number).unwrap(),
        key: key.parse().unwrap(),
        granted_by_default: false,
        regions: Vec::new(),
        events: Vec::new(),
    };
    let error = |rules: Vec<PurposeRule>| PurposePolicy::new(rules).unwrap_err().to_string();
    assert_eq!(error(vec![rule(7, "a"), rule(7, "b")]), "purpose number 7 is given twice");
    assert_eq!(error(vec![rule(7, "a"), rule(8, "a")]), "purpose `a` is given twice");
    assert_eq!(error(vec![rule(7, "service")]), "purpose `service` is given twice");
    assert_eq!(
        error(vec![rule(0, "a")]),
        "purpose `a` has the number of the built-in service purpose"
    );
    let policy = PurposePolicy::new(vec![rule(8, "b"), rule(7, "a")]).unwrap();
    assert_eq!(policy.rules(), [rule(7, "a"), rule(8, "b")]);
    assert_eq!(policy.find(&"a".parse().unwrap()), Purpose::from_number(7));
    assert_eq!(policy.find(&"service".parse().unwrap()), Some(Purpose::SERVICE));
    assert_eq!(policy.find(&"c".parse().unwrap()), None);
    assert_eq!(PurposePolicy::built_in().rules().len(), Purpose::BUILT_IN.len() - 1);
}

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let place = (0..6_i64, 0..3_u64);
    let statement = (place, 0..3_u64, 0..4_u32, 0..4_u32);
    let statement = statement.prop_map(|(place, device, granted, denied)| {
        let consents =
            Consents { granted: PurposeSet(granted << 1), denied: PurposeSet(denied << 1) };
        tied(place, device, consents)
    });
    vec(statement, 0..16)
}

/// The rule once more, over all statements ever made.
fn oracle(statements: &[Statement], purpose: Purpose, on: Option<UnitId>) -> Basis {
    let newest = |voice: &dyn Fn(&Statement) -> bool| {
        let speaks = |s: &&Statement| voice(s) && s.consents.basis(purpose) != Basis::Unknown;
        let key = |s: &&Statement| (s.order.time, s.consents.basis(purpose) == Basis::Denied);
        statements.iter().filter(speaks).max_by_key(key)
    };
    let person = newest(&|s| s.identified);
    let mut granted = false;
    for device in (1..3).map(UnitId) {
        let Some(word) = newest(&|s| !s.identified && s.device == device) else { continue };
        let newer = person.is_none_or(|person| person.order.time <= word.order.time);
        match word.consents.basis(purpose) {
            Basis::Denied if newer => return Basis::Denied,
            Basis::Granted => granted |= on.is_none_or(|on| on == device),
            _ => {}
        }
    }
    match person {
        Some(person) => person.consents.basis(purpose),
        None if granted => Basis::Granted,
        None => Basis::Unknown,
    }
}

proptest! {
    #[test]
    fn the_ledger_is_the_rule_in_any_order_and_grouping(
        (statements, shuffled) in statements().prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle())),
        cut in 0..16_usize,
    ) {
        let whole = fold(&statements);
        for purpose in [P, Purpose::ANALYTICS] {
            prop_assert_eq!(whole.basis(purpose), oracle(&statements, purpose, None));
            for device in [UnitId(1), UnitId(2), UnitId(3)] {
                let expected = oracle(&statements, purpose, Some(device));
                prop_assert_eq!(whole.basis_on(device, purpose), expected);
            }
        }
        let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
        for (a, b) in [(left, right), (right, left), (&shuffled[..], right)] {
            let mut merged = fold(a);
            merged.merge(&fold(b));
            prop_assert_eq!(&merged, &whole);
        }
        prop_assert!(whole.statements().count() <= 3 * 2, "bounded by voices and purposes");
    }
}

#[test]
fn an_event_that_a_purpose_has_to_itself_is_kept_for_no_other() {
    let mut rules = PurposePolicy::built_in().rules().to_vec();
    let own = rules.iter_mut().find(|rule| rule.purpose == Purpose::MARKETING).unwrap();
    own.events = vec![model::hash::event_name("Photos Shared")];
    let policy = PurposePolicy::new(rules).unwrap();
    let agreed = PurposeSet::NONE.with(Purpose::MARKETING);
    let agreed = Consents { granted: agreed, ..Consents::default() };
    let silent = Consents::default();
    let collect = |name, known| policy.collect_event(name, known, silent, None);
    assert_eq!(collect("Photos Shared", silent), PurposeSet::NONE);
    let alone = PurposeSet::NONE.with(Purpose::SERVICE).with(Purpose::MARKETING);
    assert_eq!(collect("Photos Shared", agreed), alone);
    assert_eq!(collect("Photos Seen", agreed), policy.collect(agreed, silent, None));
}
