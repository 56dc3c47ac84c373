use std::collections::BTreeMap;

use model::{
    Key, Purpose, PurposeSet, Timestamp, Value,
    condition::{Facts, Membership, Names, Truth},
    hash,
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;

use super::{Entry, FactsByPurpose, Memberships, OUTSIDE, Transition, TransitionKind};
use crate::{
    Catalog, Change, InPlace, Live, Touched,
    fixture::{at, catalog, key, live, paths, row},
    reference::{Learnt, Observation, Person, members, replay},
};

/// A person who does nothing but learn and age.
#[derive(Default)]
struct Life {
    person: Person,
    memberships: Memberships,
}

impl Life {
    fn learn(&mut self, catalog: &Catalog, what: &Learnt, now: Timestamp) -> Vec<Transition> {
        self.person.learn(what);
        let mut touched = Touched::default();
        match what {
            Learnt::Event { name, row, paths } => {
                let (name_hash, row) = (hash::event_name(name), row.as_row());
                catalog.touch(&mut touched, &Change::Event { name_hash, row, paths });
            }
            Learnt::Trait { name, .. } => catalog.touch(&mut touched, &Change::Trait(name)),
            Learnt::Consent { purpose, .. } => {
                catalog.touch(&mut touched, &Change::Consent(*purpose));
            }
        }
        self.memberships.update(catalog, &self.person, &touched, now)
    }

    fn advance(&mut self, catalog: &Catalog, now: Timestamp) -> Vec<Transition> {
        self.memberships.advance(catalog, &self.person, now)
    }
}

fn happens(name: &str, time: Timestamp) -> Learnt {
    Learnt::Event { name: name.into(), row: row(time, PurposeSet::ALL, None), paths: paths() }
}

fn told(transitions: &[Transition]) -> Vec<(&str, TransitionKind, i64)> {
    transitions.iter().map(|t| (t.audience.as_str(), t.kind, t.at.0)).collect()
}

use TransitionKind::{Entered, Left};

#[test]
fn people_leave_at_the_boundary_with_no_traffic() {
    let catalog = catalog([
        ("buyer", json!({"event": "Order", "within": "10s"})),
        ("regular", json!({"audience": "buyer", "for_at_least": "4s"})),
        ("stranger", json!({"not": {"audience": "buyer"}})),
    ]);
    let mut life = Life::default();
    let seen = life.learn(&catalog, &happens("Order", at(1)), at(2));
    assert_eq!(told(&seen), [("buyer", Entered, 2_000)]);
    assert_eq!(life.memberships.next_due(), Some(at(6)));
    assert_eq!(told(&life.advance(&catalog, at(10))), [("regular", Entered, 6_000)]);
    let seen = life.advance(&catalog, at(100));
    let left = [("buyer", Left, 11_000), ("regular", Left, 11_000), ("stranger", Entered, 11_000)];
    assert_eq!(told(&seen), left);
    assert_eq!(life.memberships.next_due(), None);
}

#[test]
fn what_does_not_happen_is_noticed_with_no_traffic() {
    let abandoned = json!({
        "sequence": [{"event": "Cart"}, {"not": {"event": "Order"}, "within": "3s"}],
        "within": "10s"
    });
    let catalog = catalog([("abandoned", abandoned)]);
    let mut life = Life::default();
    assert_eq!(told(&life.learn(&catalog, &happens("Cart", at(1)), at(1))), []);
    assert_eq!(life.memberships.next_due(), Some(at(4)));
    assert_eq!(told(&life.advance(&catalog, at(9))), [("abandoned", Entered, 4_000)]);
    assert_eq!(told(&life.advance(&catalog, at(99))), [("abandoned", Left, 11_000)]);
    assert_eq!(life.memberships.next_due(), None);
    life.learn(&catalog, &happens("Cart", at(100)), at(100));
    life.learn(&catalog, &happens("Order", at(102)), at(102));
    assert_eq!(told(&life.advance(&catalog, at(200))), []);
}

#[test]
fn only_entries_that_say_something_are_kept() {
    let catalog = catalog([
        ("buyer", json!({"event": "Order", "within": "10s"})),
        ("never", json!({"event": "Unheard"})),
    ]);
    let mut life = Life::default();
    life.learn(&catalog, &happens("Page", at(1)), at(1));
    assert_eq!(life.memberships.entries(), []);
    life.learn(&catalog, &happens("Order", at(1)), at(1));
    life.advance(&catalog, at(100));
    let (since, previous) = (Some(at(11)), Some(at(1)));
    let left = Membership { truth: Truth::False, since, previous, valid_until: None };
    let kept = Entry::new(key("buyer").into(), 1, left);
    assert_eq!(life.memberships.entries(), [kept]);
}

#[test]
fn a_new_version_is_evaluated_with_the_next_change_and_keeps_who_stays() {
    let first =
        catalog([("buyer", json!({"event": "Order"})), ("gone", json!({"event": "Order"}))]);
    let condition = json!({"any": [{"event": "Order"}, {"event": "Trial"}]});
    let new = json!({"event": "Order"});
    let (second, faults) = Catalog::compile(vec![
        live("buyer", 2, "personalization", condition),
        live("new", 1, "personalization", new),
    ]);
    assert_eq!(faults, []);
    let mut life = Life::default();
    life.learn(&first, &happens("Order", at(1)), at(1));
    let standing = |life: &Life, key_text: &str| {
        let audience = second.get(&key(key_text)).unwrap();
        let entry = life.memberships.entry(audience.key());
        life.memberships.standing(&second, audience, entry, at(5))
    };
    assert!(life.memberships.is_outdated(&second));
    assert_eq!(standing(&life, "buyer"), None, "of another version");
    assert_eq!(standing(&life, "new"), None, "never evaluated");
    let seen = life.learn(&second, &happens("Page", at(5)), at(5));
    assert_eq!(told(&seen), [("new", Entered, 5_000)]);
    let entries: Vec<_> = life
        .memberships
        .entries()
        .iter()
        .map(|e| (e.key().as_str(), e.version(), e.since()))
        .collect();
    assert_eq!(entries, [("buyer", 2, Some(at(1))), ("new", 1, Some(at(5)))]);
    let member = Membership { since: Some(at(1)), ..Membership::unrecorded(Truth::True) };
    assert_eq!(standing(&life, "buyer"), Some(member));
}

#[test]
fn withdrawal_withholds_at_once_and_is_no_negative_answer() {
    let catalog = catalog([
        ("buyer", json!({"event": "Order"})),
        ("no_buyer", json!({"not": {"event": "Order"}})),
    ]);
    let mut life = Life::default();
    life.learn(&catalog, &happens("Order", at(1)), at(1));
    let purpose = Purpose::PERSONALIZATION;
    let withdrawn = Learnt::Consent { purpose, granted: false };
    assert_eq!(told(&life.learn(&catalog, &withdrawn, at(2))), [("buyer", Left, 2_000)]);
    let truths: Vec<_> = life.memberships.entries().iter().map(Entry::truth).collect();
    assert_eq!(truths, [Truth::Withheld, Truth::Withheld]);
    let granted = Learnt::Consent { purpose, granted: true };
    assert_eq!(told(&life.learn(&catalog, &granted, at(3))), [("buyer", Entered, 3_000)]);
}

#[test]
fn restored_memberships_are_the_same_and_share_their_keys() {
    let catalog = catalog([
        ("buyer", json!({"event": "Order", "within": "10s"})),
        ("stranger", json!({"not": {"audience": "buyer"}})),
    ]);
    let mut life = Life::default();
    life.learn(&catalog, &happens("Order", at(1)), at(1));
    let stored =
        |entry: &Entry| Entry::new(entry.key().clone().into(), entry.version(), entry.membership());
    let mut entries: Vec<Entry> = life.memberships.entries().iter().map(stored).collect();
    entries.reverse();
    let gone = Membership { valid_until: Some(at(3)), ..Membership::unrecorded(Truth::True) };
    entries.push(Entry::new(key("gone").into(), 7, gone));
    let restored = Memberships::restore(&catalog, life.memberships.fingerprint(), entries);
    let kept = |entry: &&Entry| entry.key().as_str() != "gone";
    assert!(restored.entries().iter().filter(kept).eq(life.memberships.entries()));
    assert_eq!(restored.entry(&key("gone")).map(Entry::membership), Some(gone));
    let shared = catalog.get(&key("buyer")).unwrap().key();
    assert!(std::ptr::eq(restored.entry(&key("buyer")).unwrap().key(), shared));
}

fn test() -> impl Strategy<Value = Value> {
    prop_oneof![
        (select(vec!["eq", "ne", "lt", "gte"]), 0..3)
            .prop_map(|(op, v)| json!({"op": op, "value": v})),
        select(vec!["exists", "missing"]).prop_map(|op| json!({"op": op})),
    ]
}

fn of(key: &str, path: &str, mut test: Value) -> Value {
    test[key] = path.into();
    test
}

fn event() -> impl Strategy<Value = Value> {
    let bound = |values: std::ops::Range<i64>| {
        (select(vec!["eq", "lt", "gte", "gt"]), values)
            .prop_map(|(op, value)| json!({"op": op, "value": value}))
    };
    let age = (select(vec!["lt", "lte", "gt", "gte"]), 0..12)
        .prop_map(|(op, age)| json!({"op": op, "value": format!("{age}s")}));
    let measure = prop_oneof![
        3 => bound(0..4).prop_map(|test| json!({ "count": test })),
        1 => bound(0..4).prop_map(|test| json!({"sum": of("property", "x", test)})),
        1 => test().prop_map(|test| json!({"last": of("property", "x", test)})),
        1 => test().prop_map(|test| json!({"first": of("property", "x", test)})),
        1 => (select(vec!["since", "since_first"]), age).prop_map(|(since, test)| json!({ since: test })),
        1 => test().prop_map(|test| json!({"most_frequent": of("property", "x", test)})),
        1 => (test(), select(vec![0.0, 0.5, 1.0])).prop_map(|(test, share)| {
            let filters = [of("property", "x", test)];
            json!({"share": {"where": filters, "op": "gte", "value": share}})
        }),
        1 => Just(json!({})),
    ];
    let filters = vec(test().prop_map(|test| of("property", "x", test)), 0..2);
    let within = prop::option::weighted(0.8, window());
    (select(vec!["A", "B"]), filters, within, measure).prop_map(
        |(name, filters, within, mut document)| {
            document["event"] = name.into();
            document["where"] = filters.into();
            if let Some(within) = within {
                document["within"] = within;
            }
            document
        },
    )
}

/// A window, now and then since something else.
fn window() -> impl Strategy<Value = Value> {
    let filters = vec(test().prop_map(|test| of("property", "x", test)), 0..2);
    let event = (select(vec!["A", "B"]), filters);
    let event = event.prop_map(|(name, filters)| json!({"event": name, "where": filters}));
    let anchor = prop_oneof![
        2 => event,
        1 => Just(json!({"trait": "t"})),
        1 => (0..6).prop_map(|n| json!({ "entered_earlier": n })),
    ];
    prop_oneof![
        3 => (1..15).prop_map(|length| format!("{length}s").into()),
        1 => anchor.prop_map(|anchor| json!({ "since": anchor })),
    ]
}

fn sequence() -> impl Strategy<Value = Value> {
    let step = (select(vec!["A", "B"]), any::<bool>(), prop::option::of(1..8), any::<bool>());
    let within = prop::option::weighted(0.5, window());
    let strict = prop::bool::weighted(0.2);
    (vec(step, 2..5), within, strict).prop_map(|(steps, within, strict)| {
        let step =
            |(place, (name, absent, within, same)): (usize, (&str, bool, Option<i32>, bool))| {
                let mut what = json!({"event": name});
                if same && place > 0 {
                    what["same"] = json!([{"property": "x"}]);
                }
                let mut step = if absent && place > 0 { json!({ "not": what }) } else { what };
                if let Some(within) = within.filter(|_| place > 0) {
                    step["within"] = format!("{within}s").into();
                }
                step
            };
        let steps: Vec<Value> = steps.into_iter().enumerate().map(step).collect();
        let mut document = json!({ "sequence": steps });
        if let Some(within) = within {
            document["within"] = within;
        }
        document["strict"] = strict.into();
        document
    })
}

/// How an instant in trait `t` stands to now.
fn dated() -> impl Strategy<Value = Value> {
    let op = select(vec!["older_than", "newer_than", "within_next"]);
    (op, 0..10)
        .prop_map(|(op, length)| json!({"trait": "t", "op": op, "value": format!("{length}s")}))
}

/// Conditions in which `{"earlier": n}` stands for a reference to an earlier audience, and
/// `{"entered_earlier": n}` for the entry into one.
fn condition() -> impl Strategy<Value = Value> {
    let stay = select(vec!["for_at_least", "entered_within", "left_within", "ever", ""]);
    let earlier = (0..6, stay, 1..8).prop_map(|(n, stay, length)| match stay {
        "" => json!({ "earlier": n }),
        "ever" => json!({"earlier": n, "ever": true}),
        _ => json!({"earlier": n, stay: format!("{length}s")}),
    });
    let leaf = prop_oneof![
        5 => event(),
        2 => sequence(),
        2 => (select(vec!["t", "t.a"]), test()).prop_map(|(path, test)| of("trait", path, test)),
        3 => earlier,
        1 => dated(),
        1 => Just(json!({"trait": "t", "op": "ne", "value": {"trait": "t.a"}})),
        1 => select(vec!["personalization", "analytics"]).prop_map(|key| json!({ "consent": key })),
    ];
    leaf.prop_recursive(2, 6, 3, |part| {
        prop_oneof![
            vec(part.clone(), 1..3).prop_map(|parts| json!({ "all": parts })),
            vec(part.clone(), 1..3).prop_map(|parts| json!({ "any": parts })),
            part.clone().prop_map(|part| json!({ "not": part })),
            (part.clone(), part).prop_map(|(a, b)| json!({"at_least": {"count": 2, "of": [a, b]}})),
        ]
    })
}

/// Audiences for two purposes in turn; each refers to earlier ones of its own purpose.
fn audiences() -> impl Strategy<Value = Catalog> {
    vec(condition(), 1..6).prop_map(|conditions| {
        let live = conditions.into_iter().enumerate().map(|(i, condition)| {
            let purpose = ["personalization", "analytics"][i % 2];
            live(&format!("a{i}"), 1, purpose, resolve(condition, i))
        });
        let (catalog, faults) = Catalog::compile(live.collect());
        assert_eq!(faults, []);
        catalog
    })
}

fn resolve(condition: Value, position: usize) -> Value {
    match condition {
        Value::Object(mut object) => {
            let is_anchor = object.contains_key("entered_earlier");
            if let Some(n) = object.remove("earlier").or(object.remove("entered_earlier")) {
                let candidates = position / 2;
                if candidates == 0 {
                    return if is_anchor { json!({"event": "B"}) } else { json!({"all": []}) };
                }
                let pick = usize::try_from(n.as_u64().unwrap()).unwrap() % candidates;
                object.insert("audience".into(), format!("a{}", pick * 2 + position % 2).into());
            }
            object.into_iter().map(|(field, value)| (field, resolve(value, position))).collect()
        }
        Value::Array(parts) => parts.into_iter().map(|part| resolve(part, position)).collect(),
        other => other,
    }
}

fn purposes() -> impl Strategy<Value = PurposeSet> {
    select(vec![PurposeSet(0b110), PurposeSet(0b110), PurposeSet(0b010), PurposeSet(0b100)])
}

/// What is learnt, with the time since the last thing and an event's lateness, in half seconds.
fn learnt() -> impl Strategy<Value = (i64, i64, Learnt)> {
    let x = prop::option::of((0..3).prop_map(Value::from));
    let event = (select(vec!["A", "B"]), purposes(), x).prop_map(|(name, purposes, x)| {
        Learnt::Event { name: name.into(), row: row(at(0), purposes, x), paths: paths() }
    });
    let instant = (-8..30_i64).prop_map(|half| Timestamp(half * 500).to_string().into());
    let value = select(vec![json!(0), json!(2), Value::Null, json!({"a": 1}), json!({"a": null})]);
    let value = prop_oneof![2 => value, 1 => instant];
    let changed = (value, purposes()).prop_map(|(value, purposes)| Learnt::Trait {
        name: "t".into(),
        value,
        purposes,
    });
    let consent = (1..=2_u8, any::<bool>()).prop_map(|(purpose, granted)| Learnt::Consent {
        purpose: Purpose::from_number(purpose).unwrap(),
        granted,
    });
    let what = prop_oneof![6 => event, 2 => changed, 1 => consent];
    let lateness = prop_oneof![3 => Just(0_i64), 1 => -6..20_i64];
    (0..12_i64, lateness, what)
}

fn history() -> impl Strategy<Value = Vec<Observation>> {
    vec(learnt(), 1..12).prop_map(|learnt| {
        let mut now = 0;
        let mut history = Vec::new();
        for (tie, (gap, lateness, mut what)) in (0..).zip(learnt) {
            now += gap * 500;
            if let Learnt::Event { row, .. } = &mut what {
                row.time = Timestamp(now - lateness * 500);
                row.tie = tie;
            }
            history.push(Observation { at: Timestamp(now), what });
        }
        history
    })
}

fn check_life(catalog: &Catalog, history: &[Observation]) -> Result<(), TestCaseError> {
    let mut shown: Vec<(Timestamp, BTreeMap<Key, Membership>)> = Vec::new();
    let end = Timestamp(history.last().unwrap().at.0 + 60_000);
    replay(history, catalog, end, |now, members| shown.push((now, members.clone())));
    let mut life = Life::default();
    let mut waiting = history.iter().peekable();
    for (now, expected) in shown {
        let stale = life.memberships.clone();
        life.advance(catalog, now);
        if !life.memberships.is_outdated(catalog) {
            check_in_place(catalog, &life, &stale, now)?;
        }
        while let Some(observation) = waiting.next_if(|next| next.at <= now) {
            life.learn(catalog, &observation.what, now);
        }
        for (audience, expected) in expected {
            let found = life.memberships.entry(&audience).map_or(OUTSIDE, Entry::membership);
            let (found, expected) = ((found.truth, found.since), (expected.truth, expected.since));
            prop_assert_eq!(found, expected, "{} at {}", audience, now.0);
        }
        prop_assert!(life.memberships.next_due().is_none_or(|due| due > now));
    }
    Ok(())
}

/// Before its timers have fired, and with nothing stored, a request sees what they would have left.
fn check_in_place(
    catalog: &Catalog,
    life: &Life,
    stale: &Memberships,
    now: Timestamp,
) -> Result<(), TestCaseError> {
    for audience in catalog.audiences() {
        let facts = life.person.facts(audience.purpose());
        let in_place = InPlace::new(catalog, stale, facts, audience.purpose(), now);
        let seen = in_place.membership(audience.key()).unwrap();
        let stored = life.memberships.entry(audience.key()).map_or(OUTSIDE, Entry::membership);
        prop_assert_eq!(seen.truth, stored.truth, "{} at {}", audience.key(), now.0);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fold_equals_the_reference_at_every_instant(
        catalog in audiences(), history in history(),
    ) {
        check_life(&catalog, &history)?;
    }
}

#[test]
fn chains_ripen_in_their_order_though_an_older_one_has_ended() {
    let apart = json!({"sequence": [
        {"event": "B"},
        {"not": {"event": "B", "same": [{"property": "x"}]}, "within": "5s"},
        {"not": {"event": "A"}, "within": "1s"},
    ]});
    let catalog = catalog([("apart", apart)]);
    let seen = |half: i64, x: Option<Value>| {
        let row = row(Timestamp(half * 500), PurposeSet::ALL, x);
        let what = Learnt::Event { name: "B".into(), row, paths: paths() };
        Observation { at: Timestamp(half * 500), what }
    };
    // The third ends the first; the second, which has no value, and the third wait at once.
    let history = [seen(0, Some(json!(1))), seen(2, None), seen(3, Some(json!(1)))];
    check_life(&catalog, &history).unwrap();
}

#[test]
fn events_that_may_not_be_read_are_withheld_wherever_their_window_lies() {
    let never = json!({"not": {"any": [{"consent": "analytics"}]}});
    let since = json!({"since": {"audience": "never"}});
    let catalog = catalog([
        ("never", never),
        ("one", json!({"event": "A", "within": since})),
        ("two", json!({"sequence": [{"event": "A"}, {"event": "A"}], "within": since})),
    ]);
    let refused = Learnt::Consent { purpose: Purpose::from_number(1).unwrap(), granted: false };
    check_life(&catalog, &[Observation { at: at(0), what: refused }]).unwrap();
}

/// An edit of one audience: what acts before, the same beside the version that is to act next, and what acts then.
fn edit() -> impl Strategy<Value = [Catalog; 3]> {
    (vec(condition(), 2..5), condition(), 0..4_usize).prop_map(|(conditions, edited, place)| {
        let version = |i: usize, number, condition| {
            // Without references the answers follow from the person alone.
            live(
                &format!("a{i}"),
                number,
                ["personalization", "analytics"][i % 2],
                resolve(condition, 0),
            )
        };
        let first = conditions.into_iter().enumerate();
        let before: Vec<Live> = first.map(|(i, condition)| version(i, 1, condition)).collect();
        let place = place % before.len();
        let next = version(place, 2, edited);
        let mut after = before.clone();
        after[place] = next.clone();
        let sound = |(catalog, faults): (Catalog, Vec<_>)| {
            assert_eq!(faults, []);
            catalog
        };
        let beside = Catalog::with_shadows(before.clone(), vec![next], &[], &Names::default());
        [sound(Catalog::compile(before)), sound(beside), sound(Catalog::compile(after))]
    })
}

/// Lives through an edit that begins before the thing at `begun`; the look at everyone comes by before
/// that at `looked_at`.
fn check_edit(
    [before, beside, after]: &[Catalog; 3],
    history: &[Observation],
    (begun, looked_at): (usize, usize),
    rest: i64,
) -> Result<(), TestCaseError> {
    let mut life = Life::default();
    for (place, Observation { at: now, what }) in history.iter().enumerate() {
        let catalog = if place < begun { before } else { beside };
        life.advance(catalog, *now);
        if place == looked_at.max(begun) && 0 < place {
            let shadows = catalog.touched(&Change::Shadows);
            let moved = life.memberships.update(catalog, &life.person, &shadows, *now);
            prop_assert_eq!(moved, [], "nobody enters what does not act");
        }
        let moved = life.learn(catalog, what, *now);
        prop_assert!(moved.iter().all(|transition| transition.version == 1));
        let so_far = &history[..=place];
        let (acting, next) = (members(so_far, before, *now), members(so_far, after, *now));
        for (key, expected) in acting {
            let found = life.memberships.entry(&key).map_or(OUTSIDE, Entry::membership);
            prop_assert_eq!(found.truth, expected.truth, "{} at {}", key, now.0);
        }
        for shadow in life.memberships.shadows() {
            prop_assert_eq!(shadow.version(), 2);
            prop_assert_eq!(
                shadow.truth(),
                next[shadow.key()].truth,
                "{} at {}",
                shadow.key(),
                now.0
            );
        }
    }
    let now = Timestamp(history.last().unwrap().at.0 + rest * 500);
    life.advance(beside, now);
    let naive = members(history, after, now);
    let was = life.memberships.clone();
    check_in_place_as(after, &life, &naive, now)?;
    let moved = life.memberships.update(after, &life.person, &Touched::default(), now);
    prop_assert_eq!(life.memberships.shadows(), []);
    for (key, expected) in naive {
        let found = life.memberships.entry(&key).map_or(OUTSIDE, Entry::membership);
        prop_assert_eq!(found.truth, expected.truth, "{} at {}", &key, now.0);
        let was_in = was.entry(&key).is_some_and(|entry| entry.truth().is_true());
        let kinds: Vec<_> = moved.iter().filter(|t| t.audience == key).map(|t| t.kind).collect();
        let expected = match (was_in, expected.truth.is_true()) {
            (false, true) => vec![Entered],
            (true, false) => vec![Left],
            _ => vec![],
        };
        prop_assert_eq!(kinds, expected, "{} at {}", key, now.0);
    }
    Ok(())
}

/// What requests see at the switch, before anybody is evaluated again.
fn check_in_place_as(
    catalog: &Catalog,
    life: &Life,
    naive: &BTreeMap<Key, Membership>,
    now: Timestamp,
) -> Result<(), TestCaseError> {
    for audience in catalog.audiences() {
        let (purpose, facts) = (audience.purpose(), life.person.facts(audience.purpose()));
        let in_place = InPlace::new(catalog, &life.memberships, facts, purpose, now);
        let seen = in_place.membership(audience.key()).unwrap();
        prop_assert_eq!(seen.truth, naive[audience.key()].truth, "{} at {}", audience.key(), now.0);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_is_computed_beside_what_acts_and_equals_the_reference_once_it_acts(
        catalogs in edit(), history in history(), places in (0..8_usize, 0..12_usize), rest in 0..20_i64,
    ) {
        check_edit(&catalogs, &history, places, rest)?;
    }
}

#[test]
fn what_was_computed_ahead_is_taken_at_the_switch_and_not_evaluated() {
    let order = |within: &str| json!({"event": "Order", "within": within});
    let of = |version, within| live("buyer", version, "personalization", order(within));
    let names = Names::default();
    let (beside, _) = Catalog::with_shadows(vec![of(1, "10s")], vec![of(2, "20s")], &[], &names);
    let (after, _) = Catalog::compile(vec![of(2, "20s")]);
    let mut life = Life::default();
    life.learn(&beside, &happens("Order", at(1)), at(1));
    life.advance(&beside, at(12));
    assert_eq!(life.memberships.entry(&key("buyer")).map(Entry::truth), Some(Truth::False));
    let audience = after.get(&key("buyer")).unwrap();
    let foreseen = |now| life.memberships.foreseen(audience, now);
    assert_eq!(foreseen(at(12)), Some((Truth::True, Some(at(21)))));
    assert_eq!(foreseen(at(21)), None, "it has expired");
    assert_eq!(life.memberships.foreseen(beside.get(&key("buyer")).unwrap(), at(12)), None);
}

#[test]
fn the_reference_tells_one_instant_like_the_replay() {
    let catalog = catalog([("buyer", json!({"event": "A", "within": "10s"}))]);
    let history = [Observation { at: at(2), what: happens("A", at(1)) }];
    let buyer = |now| members(&history, &catalog, now)[&key("buyer")];
    assert_eq!((buyer(at(10)).truth, buyer(at(10)).since), (Truth::True, Some(at(2))));
    assert_eq!((buyer(at(11)).truth, buyer(at(11)).since), (Truth::False, Some(at(11))));
}
