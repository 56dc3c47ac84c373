//! Evaluation against the reference, expiry against time itself, and hostile documents.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;

use super::{
    documents::{calendar, daily, document, hostile, measure, sequence, test, value, with},
    facts::{Belongs, Events, Member, Person, READABLE, Track, Visited, Visits},
};
use crate::{
    Duration, PurposeSet, Timestamp, Value,
    condition::{Condition, EventRow, RowValues, Rule, Share, Truth, reference, visits::PAUSE},
    value::{Object, Path},
};

/// Events of which only `x` is read.
fn track(rows: Vec<EventRow>) -> Track {
    Track::new(vec![Path::parse("x").unwrap()], rows)
}

/// Events at half seconds, so that they fall on and beside the ends of windows.
fn rows(withheld: f64) -> impl Strategy<Value = Vec<EventRow>> {
    let row = (0..60_i64, prop::option::of(value()), prop::bool::weighted(withheld));
    vec(row, 0..6).prop_map(|mut rows| {
        rows.sort_by_key(|row| row.0);
        let row = |(tie, (half, x, withheld)): (u64, (i64, Option<Value>, bool))| EventRow {
            time: Timestamp(half * 500),
            tie,
            purposes: if withheld { PurposeSet::NONE } else { READABLE },
            values: RowValues::pack(&[Path::parse("x").unwrap()], |_| x.as_ref()),
        };
        (0..).zip(rows).map(row).collect()
    })
}

/// Visits that begin or end at half seconds.
fn visits() -> impl Strategy<Value = Visits> {
    let visit = (-20..60_i64, any::<bool>(), 0..10_i64, prop::bool::weighted(0.2));
    vec(visit, 0..3).prop_map(|visits| {
        let visit = |(half, ends, length, withheld): (i64, bool, i64, bool)| {
            let edge = Timestamp(half * 500);
            let last = if ends { edge.saturating_sub(PAUSE) } else { edge };
            let first = last.saturating_sub(Duration(length * 500));
            Visited { first, last, withheld, ..Visited::default() }
        };
        let mut visits: Vec<Visited> = visits.into_iter().map(visit).collect();
        visits.sort_by_key(|visit| visit.first);
        visits.into()
    })
}

fn person() -> impl Strategy<Value = Person> {
    let overflow = prop::bool::weighted(0.2);
    let traits = (value(), value(), -20..60_i64, visits());
    let accounts = vec(account(), 0..3);
    (traits, rows(0.2), rows(0.0), overflow, any::<u64>(), 0..30_i64, accounts).prop_map(
        |((t, u, d, visits), a, b, overflow, unit, since, accounts)| {
            let d = Value::from(Timestamp(d * 500).to_string());
            let known = [("t".to_owned(), t.clone()), ("u".to_owned(), u), ("d".to_owned(), d)];
            let member = |truth, since: i64| Member {
                truth,
                since: Some(Timestamp(since * 1000)).filter(|_| since % 4 != 0),
                previous: Some(Timestamp(since * 500)).filter(|_| since % 4 == 1),
                valid_until: None,
            };
            Person {
                traits: Object::from_iter(known),
                withheld_traits: ["hidden".to_owned()].into(),
                context: Object::from_iter([("t".to_owned(), t)]),
                events: Events([("A".to_owned(), track(a)), ("B".to_owned(), track(b))].into()),
                visits,
                overflow: overflow.then(|| "B".to_owned()).into_iter().collect(),
                audiences: [
                    ("in".to_owned(), member(Truth::True, since)),
                    ("out".to_owned(), member(Truth::False, since)),
                    ("hidden".to_owned(), member(Truth::Withheld, since)),
                ]
                .into(),
                consents: [("personalization".to_owned(), true), ("marketing".to_owned(), false)]
                    .into(),
                unit,
                accounts,
                ..Person::default()
            }
        },
    )
}

fn account() -> impl Strategy<Value = Belongs> {
    let role = select(vec![Value::Null, "admin".into(), "guest".into()]);
    let share = (0..3_u32, 0..3_u32, 0..2_u32).prop_map(|(inside, outside, unknown)| Share {
        members: inside + outside + unknown,
        inside,
        outside,
    });
    (value(), role, share.clone(), share, prop::bool::weighted(0.2)).prop_map(
        |(t, role, one, other, withheld)| Belongs {
            id: "acme".into(),
            role,
            traits: Object::from_iter([("t".to_owned(), t)]),
            withheld_traits: ["hidden".to_owned()].into(),
            members: [("in".to_owned(), one), ("out".to_owned(), other)].into(),
            withheld,
        },
    )
}

fn rule(document: &Value) -> Rule {
    Rule::compile(Condition::parse(document).unwrap_or_else(|f| panic!("{document}: {f:?}")))
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (0..160_i64, -1..=1_i64).prop_map(|(quarter, beside)| Timestamp(quarter * 250 + beside))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn evaluation_equals_the_reference(document in document(), person in person(), now in instant()) {
        let verdict = rule(&document).evaluate(&person, now);
        prop_assert_eq!(verdict.truth, reference::truth(&document, &person, now));
    }

    #[test]
    fn an_answer_stands_until_it_expires(
        document in document(), person in person(), now in instant(), share in 0.0..1.0_f64,
    ) {
        let rule = rule(&document);
        let verdict = rule.evaluate(&person, now);
        let end = verdict.valid_until.map_or(now.0 + 100_000, |until| until.0);
        prop_assert!(end > now.0, "an expiry lies ahead");
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "any instant will do")]
        let between = now.0 + ((end - now.0) as f64 * share) as i64;
        for instant in [between, end - 1] {
            prop_assert_eq!(rule.evaluate(&person, Timestamp(instant)).truth, verdict.truth);
        }
    }

    #[test]
    fn a_document_survives_parsing(document in document()) {
        let condition = Condition::parse(&document).unwrap();
        prop_assert_eq!(Condition::parse(&condition.to_value()), Ok(condition));
    }

    #[test]
    fn hostile_documents_are_answered(document in hostile()) {
        match Condition::parse(&document) {
            Ok(condition) => {
                prop_assert_eq!(Condition::parse(&condition.to_value()), Ok(condition.clone()));
                Rule::compile(condition).explain(&Person::default(), Timestamp(0));
            }
            Err(faults) => prop_assert!((1..=32).contains(&faults.len())),
        }
    }
}

/// Somebody's events at about midnight over two years, around the days on which clocks are changed.
fn years() -> impl Strategy<Value = Person> {
    let time = (0..730_i64, -3..=3_i64, select(vec![-1_i64, 0, 1, 1_800_000]));
    let row = (time, prop::option::of(0..3_i64), prop::bool::weighted(0.2));
    let zones = vec!["UTC", "Europe/Stockholm", "America/New_York", "Pacific/Apia", "nowhere"];
    let zone = prop::option::of(select(zones));
    (vec(row, 0..12), prop::bool::weighted(0.2), zone, moment()).prop_map(
        |(rows, overflow, zone, moment)| {
            let row =
                |(tie, ((days, hours, beside), x, withheld)): (u64, ((i64, i64, i64), _, _))| {
                    let x: Option<Value> = Option::<i64>::map(x, Value::from);
                    EventRow {
                        time: Timestamp(days * 86_400_000 + hours * 3_600_000 + beside),
                        tie,
                        purposes: if withheld { PurposeSet::NONE } else { READABLE },
                        values: RowValues::pack(&[Path::parse("x").unwrap()], |_| x.as_ref()),
                    }
                };
            let rows = (0..).zip(rows).map(row).collect();
            let zone = zone.map(|zone| ("timezone".to_owned(), zone.into()));
            let traits = zone.into_iter().chain([("d".to_owned(), moment)]);
            Person {
                traits: traits.collect(),
                events: Events([("A".to_owned(), track(rows))].into()),
                overflow: overflow.then(|| "A".to_owned()).into_iter().collect(),
                ..Person::default()
            }
        },
    )
}

/// A date or an instant round which days are counted, leap days among them.
fn moment() -> impl Strategy<Value = Value> {
    let date = (1965..1975_i16, 1..=12_i8, 1..=28_i8);
    let date = date.prop_map(|(year, month, day)| format!("{year}-{month:02}-{day:02}"));
    let instant = (-2000..2000_i64, -3..=3_i64)
        .prop_map(|(days, hours)| Timestamp(days * 86_400_000 + hours * 3_600_000).to_string());
    let other = select(vec!["1968-02-29".to_owned(), "1972-02-29".to_owned(), "soon".to_owned()]);
    prop_oneof![3 => date, 3 => instant, 1 => other].prop_map(Value::from)
}

/// A condition over calendar periods, with filters now and then.
fn by_calendar() -> impl Strategy<Value = Value> {
    let filter = prop::option::weighted(0.3, test());
    (calendar(), measure(), filter).prop_map(|(within, mut document, filter)| {
        document["event"] = "A".into();
        document["within"] = within;
        if let Some(filter) = filter {
            document["where"] = json!([with("property", "x", filter)]);
        }
        document
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn calendars_are_read_as_the_reference_reads_them(
        document in by_calendar(), person in years(),
        days in 0..800_i64, hours in -3..=3_i64, beside in -1..=1_i64,
    ) {
        let now = Timestamp(days * 86_400_000 + hours * 3_600_000 + beside);
        let rule = rule(&document);
        let verdict = rule.evaluate(&person, now);
        prop_assert_eq!(verdict.truth, reference::truth(&document, &person, now));
        let end = verdict.valid_until.map_or(now.0 + 400 * 86_400_000, |until| until.0);
        prop_assert!(end > now.0, "an expiry lies ahead");
        for instant in [now.0 + (end - now.0) / 3, end - 1] {
            prop_assert_eq!(rule.evaluate(&person, Timestamp(instant)).truth, verdict.truth);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The expiry is the very instant at which the answer turns.
    #[test]
    fn days_are_counted_as_the_reference_counts_them(
        document in daily(), person in years(),
        days in -400..1200_i64, hours in -3..=3_i64, beside in -1..=1_i64,
    ) {
        let now = Timestamp(days * 86_400_000 + hours * 3_600_000 + beside);
        let rule = rule(&document);
        let verdict = rule.evaluate(&person, now);
        prop_assert_eq!(verdict.truth, reference::truth(&document, &person, now));
        let end = verdict.valid_until.map_or(now.0 + 400 * 86_400_000, |until| until.0);
        prop_assert!(end > now.0, "an expiry lies ahead");
        for instant in [now.0 + (end - now.0) / 3, end - 1] {
            prop_assert_eq!(reference::truth(&document, &person, Timestamp(instant)), verdict.truth);
        }
        if let Some(until) = verdict.valid_until {
            prop_assert_ne!(reference::truth(&document, &person, until), verdict.truth);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_sequence_is_found_where_the_reference_finds_it(
        document in sequence(), person in person(), now in instant(),
    ) {
        let verdict = rule(&document).evaluate(&person, now);
        prop_assert_eq!(verdict.truth, reference::truth(&document, &person, now));
    }

    /// Every instant up to the expiry is tried, since a sequence can come and go in between.
    #[test]
    fn a_sequence_stands_until_it_expires(
        document in sequence(), person in person(), now in instant(),
    ) {
        let rule = rule(&document);
        let verdict = rule.evaluate(&person, now);
        let end = verdict.valid_until.map_or(now.0 + 60_000, |until| until.0);
        prop_assert!(end > now.0, "an expiry lies ahead");
        let edges = (now.0 / 500..=end / 500).flat_map(|half| [half * 500 - 1, half * 500, half * 500 + 1]);
        for instant in edges.filter(|instant| (now.0..end).contains(instant)) {
            prop_assert_eq!(rule.evaluate(&person, Timestamp(instant)).truth, verdict.truth);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every way the withheld events could turn out is tried, each as a person of whom all is known.
    #[test]
    fn withheld_is_what_could_be_either(
        documents in (counted("A"), counted("B")), shape in 0..4_usize,
        a in rows(0.5), b in rows(0.5), now in instant(),
    ) {
        let parts = [documents.0, documents.1];
        let document = match shape {
            0 => json!({ "all": parts }),
            1 => json!({ "any": parts }),
            2 => json!({"not": {"all": parts}}),
            _ => json!({"at_least": {"count": 2, "of": parts}}),
        };
        let person = Person {
            events: Events([("A".to_owned(), track(a)), ("B".to_owned(), track(b))].into()),
            ..Person::default()
        };
        let rule = rule(&document);
        let truths: Vec<Truth> =
            completions(&person).iter().map(|person| rule.evaluate(person, now).truth).collect();
        let agreed = truths.iter().all(|truth| *truth == truths[0]).then_some(truths[0]);
        let truth = rule.evaluate(&person, now).truth;
        prop_assert_eq!(truth, agreed.unwrap_or(Truth::Withheld));
    }

    /// Exact expiries are not only sound but the first instant at which the answer differs.
    #[test]
    fn a_count_expires_when_it_turns(
        document in counted("A"), a in rows(0.3), now in instant(),
    ) {
        let events: Vec<EventRow> = a.into_iter().filter(|row| row.time <= now).collect();
        let events = Events([("A".to_owned(), track(events))].into());
        let person = Person { events, ..Person::default() };
        let rule = rule(&document);
        let verdict = rule.evaluate(&person, now);
        if let Some(until) = verdict.valid_until {
            prop_assert_ne!(rule.evaluate(&person, until).truth, verdict.truth);
        }
    }
}

/// A count that any event can be part of.
fn counted(name: &'static str) -> impl Strategy<Value = Value> {
    let op = select(vec!["lt", "lte", "gt", "gte"]);
    (op, 0..4, prop::option::of(1..30_i64)).prop_map(move |(op, count, within)| {
        let mut document = json!({"event": name, "count": {"op": op, "value": count}});
        if let Some(within) = within {
            document["within"] = format!("{within}s").into();
        }
        document
    })
}

/// Each withheld event either counts or does not.
fn completions(person: &Person) -> Vec<Person> {
    let mut done = Vec::new();
    let mut waiting = vec![person.clone()];
    while let Some(person) = waiting.pop() {
        let withheld = person.events.0.iter().find_map(|(name, track)| {
            track
                .rows
                .iter()
                .position(|row| row.purposes == PurposeSet::NONE)
                .map(|i| (name.clone(), i))
        });
        let Some((name, index)) = withheld else {
            done.push(person);
            continue;
        };
        let mut counts = person.clone();
        let mut rows = person.events.0[&name].rows.clone();
        rows[index].purposes = READABLE;
        counts.events.0.insert(name.clone(), person.events.0[&name].with(rows.clone()));
        rows.remove(index);
        let mut does_not = person;
        let without = does_not.events.0[&name].with(rows);
        does_not.events.0.insert(name, without);
        waiting.extend([counts, does_not]);
    }
    done
}
