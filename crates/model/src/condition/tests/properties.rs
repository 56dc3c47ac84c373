//! Evaluation against the reference, expiry against time itself, and hostile documents.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;

use super::facts::{Events, Member, Person, READABLE, Track};
use crate::{
    PurposeSet, Timestamp, Value,
    condition::{Condition, EventRow, RowValues, Rule, Truth, reference},
    value::{Object, Path},
};

fn scalar() -> impl Strategy<Value = Value> {
    select(vec![
        json!(0),
        json!(1),
        json!(1.0),
        json!(2.5),
        json!(-1),
        json!(true),
        json!(false),
        json!(""),
        json!("a"),
        json!("A"),
        json!("ab"),
        json!("Ä"),
        json!("2026-01-01"),
        json!("2026-01-01T00:00:00Z"),
        json!("2026-01-01t01:00:00.000+01:00"),
        json!("2026-01-02"),
        json!("20260101"),
    ])
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => scalar(),
        1 => vec(scalar(), 0..3).prop_map(Value::Array),
        1 => Just(Value::Null),
        1 => Just(json!({"a": 1})),
    ]
}

/// The operator, value and case of a comparison.
fn test() -> impl Strategy<Value = Value> {
    let plain = (select(vec!["eq", "ne", "contains", "not_contains"]), scalar(), any::<bool>());
    let plain = plain.prop_map(|(op, v, i)| json!({"op": op, "value": v, "ignore_case": i}));
    let listed = (select(vec!["in", "not_in"]), vec(scalar(), 1..4), any::<bool>());
    let listed = listed.prop_map(|(op, v, i)| json!({"op": op, "value": v, "ignore_case": i}));
    let ordered = select(vec![json!(0), json!(1.0), json!("a"), json!("2026-01-01"), json!("b")]);
    let ordered = (select(vec!["lt", "lte", "gt", "gte"]), ordered);
    let ordered = ordered.prop_map(|(op, v)| json!({"op": op, "value": v}));
    let between =
        select(vec![json!([0, 1]), json!(["a", "b"]), json!(["2026-01-01", "2026-01-01"])]);
    let between = between.prop_map(|v| json!({"op": "between", "value": v}));
    let text = (select(vec!["starts_with", "ends_with"]), select(vec!["a", "A", "ä", ""]));
    let text = (text, any::<bool>());
    let text = text.prop_map(|((op, v), i)| json!({"op": op, "value": v, "ignore_case": i}));
    let bare = select(vec!["exists", "missing", "is_true", "is_false"]);
    let bare = bare.prop_map(|op| json!({"op": op}));
    prop_oneof![plain, listed, ordered, between, text, bare]
}

fn with(key: &'static str, path: &str, mut test: Value) -> Value {
    test[key] = path.into();
    test
}

fn numeric(value: impl Strategy<Value = Value> + Clone + 'static) -> BoxedStrategy<Value> {
    let one = (select(vec!["eq", "ne", "lt", "lte", "gt", "gte"]), value.clone());
    let one = one.prop_map(|(op, value)| json!({"op": op, "value": value}));
    let two = (value.clone(), value).prop_filter_map("a pair, in order", |(a, b)| {
        let ordered = a.as_f64() <= b.as_f64();
        ordered.then(|| json!({"op": "between", "value": [a, b]}))
    });
    prop_oneof![3 => one, 1 => two].boxed()
}

fn measure() -> impl Strategy<Value = Value> {
    let count = numeric((0..4).prop_map(|n| json!(n))).prop_map(|t| json!({ "count": t }));
    let sum = numeric((-2..4).prop_map(|n| json!(n)));
    let sum = sum.prop_map(|test| json!({"sum": with("property", "x", test)}));
    let end = (select(vec!["last", "first"]), test());
    let end = end.prop_map(|(end, test)| json!({ end: with("property", "x", test) }));
    let since = (select(vec!["lt", "lte", "gt", "gte"]), 0..20_i64)
        .prop_map(|(op, age)| json!({"since": {"op": op, "value": format!("{age}s")}}));
    let since_between = (0..10_i64, 0..10_i64).prop_map(|(low, more)| {
        let pair = [format!("{low}s"), format!("{}s", low + more)];
        json!({"since": {"op": "between", "value": pair}})
    });
    let of_number = (select(vec!["avg", "min", "max"]), numeric((-2..4).prop_map(|n| json!(n))));
    let of_number = of_number.prop_map(|(word, test)| json!({ word: with("property", "x", test) }));
    let distinct = numeric((0..4).prop_map(|n| json!(n)));
    let distinct = distinct.prop_map(|test| json!({"distinct": with("property", "x", test)}));
    let periods = (unit(), zone(), numeric((0..4).prop_map(|n| json!(n))));
    let periods = periods.prop_map(|(unit, zone, mut test)| {
        test["unit"] = unit.into();
        test["timezone"] = zone.into();
        json!({ "periods": test })
    });
    prop_oneof![
        3 => count, 2 => sum, 2 => of_number, 2 => distinct, 1 => periods, 2 => end, 1 => since,
        1 => since_between, 1 => Just(json!({}))
    ]
}

fn unit() -> impl Strategy<Value = &'static str> {
    select(vec!["day", "week", "month", "quarter", "year"])
}

fn zone() -> impl Strategy<Value = &'static str> {
    select(vec!["UTC", "Europe/Stockholm", "America/St_Johns", "Pacific/Apia", "profile"])
}

fn window() -> impl Strategy<Value = Value> {
    let seconds = |length: i64| Value::from(format!("{length}s"));
    let last = (1..30_i64).prop_map(seconds);
    let ago = (0..15_i64, 1..15_i64)
        .prop_map(move |(to, more)| json!({"from": seconds(to + more), "to": seconds(to)}));
    let instant = |half: i64| Value::from(Timestamp(half * 500).to_string());
    let fixed = (0..60_i64, 1..30_i64, 0..3).prop_map(move |(after, more, ends)| match ends {
        0 => json!({ "after": instant(after) }),
        1 => json!({ "before": instant(after) }),
        _ => json!({"after": instant(after), "before": instant(after + more)}),
    });
    prop_oneof![4 => last, 1 => ago, 1 => fixed]
}

fn calendar() -> impl Strategy<Value = Value> {
    let words = prop_oneof![
        select(vec!["today".to_owned(), "yesterday".to_owned()]),
        (select(vec!["this", "last"]), unit()).prop_map(|(which, unit)| format!("{which}_{unit}")),
        (1..5, unit()).prop_map(|(count, unit)| format!("last_{count}_{unit}s")),
    ];
    (words, zone(), any::<bool>()).prop_map(|(words, zone, with_current)| {
        json!({"calendar": words, "timezone": zone, "with_current": with_current})
    })
}

fn event() -> impl Strategy<Value = Value> {
    let filters = prop::option::of(vec(test().prop_map(|t| with("property", "x", t)), 0..2));
    let within = prop::option::weighted(0.7, window());
    (select(vec!["A", "B"]), filters, within, measure()).prop_map(
        |(name, filters, within, mut document)| {
            document["event"] = name.into();
            if let Some(filters) = filters {
                document["where"] = filters.into();
            }
            if let Some(within) = within {
                document["within"] = within;
            }
            document
        },
    )
}

/// A sequence whose steps share `x` now and then.
fn sequence() -> impl Strategy<Value = Value> {
    let seconds = |length: i64| Value::from(format!("{length}s"));
    let absent = prop::bool::weighted(0.4);
    let within = prop::option::weighted(0.6, 1..12_i64);
    let filter = prop::option::weighted(0.3, test());
    let same = prop::option::weighted(0.3, any::<prop::sample::Index>());
    let step = (select(vec!["A", "B"]), absent, within, filter, same);
    let around = (prop::option::weighted(0.5, 5..30_i64), prop::option::weighted(0.3, 2..20_i64));
    (vec(step, 2..5), around).prop_map(move |(steps, (within, span))| {
        let mut events = vec![];
        let mut list = vec![];
        for (place, (name, absent, within, filter, same)) in steps.into_iter().enumerate() {
            let absent = absent && place > 0;
            let mut what = json!({"event": name});
            if let Some(filter) = filter {
                what["where"] = json!([with("property", "x", filter)]);
            }
            if let Some(same) = same.filter(|_| place > 0) {
                what["same"] = json!([{"property": "x", "step": same.get(&events)}]);
            }
            let mut step = if absent { json!({ "not": what }) } else { what };
            if let Some(within) = within.filter(|_| place > 0) {
                step["within"] = seconds(within);
            }
            if !absent {
                events.push(place);
            }
            list.push(step);
        }
        let mut document = json!({ "sequence": list });
        for (field, length) in [("within", within), ("span", span)] {
            if let Some(length) = length {
                document[field] = seconds(length);
            }
        }
        document
    })
}

fn leaf() -> impl Strategy<Value = Value> {
    let audience = (select(vec!["in", "out", "unknown", "hidden"]), prop::option::of(1..20_i64));
    let audience = audience.prop_map(|(key, length)| match length {
        Some(length) => json!({"audience": key, "for_at_least": format!("{length}s")}),
        None => json!({ "audience": key }),
    });
    let bucket = (0..=10_000_u32)
        .prop_map(|b| json!({"bucket": {"salt": "s", "below": f64::from(b) / 10_000.0}}));
    let consent = select(vec!["personalization", "marketing", "unheard_of"]);
    let path = || select(vec!["t", "t.a", "hidden", "none"]);
    prop_oneof![
        4 => (path(), test()).prop_map(|(path, test)| with("trait", path, test)).boxed(),
        1 => (path(), test()).prop_map(|(path, test)| with("context", path, test)).boxed(),
        8 => event().boxed(),
        4 => sequence().boxed(),
        2 => audience.boxed(),
        1 => consent.prop_map(|key| json!({ "consent": key })).boxed(),
        1 => bucket.boxed(),
    ]
}

fn document() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 4, |part| {
        let some = (vec(part.clone(), 1..4), any::<prop::sample::Index>());
        prop_oneof![
            vec(part.clone(), 0..4).prop_map(|parts| json!({ "all": parts })),
            vec(part.clone(), 1..4).prop_map(|parts| json!({ "any": parts })),
            part.prop_map(|part| json!({ "not": part })),
            some.prop_map(|(of, count)| {
                json!({"at_least": {"count": count.index(of.len()) + 1, "of": of}})
            }),
        ]
    })
}

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

fn person() -> impl Strategy<Value = Person> {
    let overflow = prop::bool::weighted(0.2);
    (value(), rows(0.2), rows(0.0), overflow, any::<u64>(), 0..30_i64).prop_map(
        |(t, a, b, overflow, unit, since)| {
            let object = |t: Value| Object::from_iter([("t".to_owned(), t)]);
            let member = |truth, since: i64| Member {
                truth,
                since: Some(Timestamp(since * 1000)).filter(|_| since % 4 != 0),
                valid_until: None,
            };
            Person {
                traits: object(t.clone()),
                withheld_traits: ["hidden".to_owned()].into(),
                context: object(t),
                events: Events([("A".to_owned(), track(a)), ("B".to_owned(), track(b))].into()),
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
                ..Person::default()
            }
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
    let zones = vec!["UTC", "Europe/Stockholm", "America/New_York", "nowhere"];
    (vec(row, 0..12), prop::bool::weighted(0.2), prop::option::of(select(zones))).prop_map(
        |(rows, overflow, zone)| {
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
            let traits = zone.map(|zone| ("timezone".to_owned(), zone.into()));
            Person {
                traits: traits.into_iter().collect(),
                events: Events([("A".to_owned(), track(rows))].into()),
                overflow: overflow.then(|| "A".to_owned()).into_iter().collect(),
                ..Person::default()
            }
        },
    )
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

/// Documents made of the language's words in any order.
fn hostile() -> impl Strategy<Value = Value> {
    let words = select(vec![
        "all",
        "any",
        "not",
        "at_least",
        "of",
        "count",
        "trait",
        "context",
        "event",
        "where",
        "property",
        "op",
        "value",
        "within",
        "sum",
        "last",
        "first",
        "since",
        "audience",
        "for_at_least",
        "consent",
        "bucket",
        "distinct",
        "periods",
        "unit",
        "calendar",
        "this_month",
        "month",
        "timezone",
        "from",
        "to",
        "after",
        "avg",
        "sequence",
        "same",
        "step",
        "span",
        "salt",
        "below",
        "ignore_case",
        "eq",
        "in",
        "exists",
        "between",
        "30d",
        "0s",
        "a/b~c",
        "",
    ]);
    let scalar = prop_oneof![
        words.clone().prop_map(Value::from),
        scalar(),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
    ];
    scalar.prop_recursive(8, 64, 6, move |part| {
        let fields = vec((words.clone(), part.clone()), 0..5).prop_map(|fields| {
            fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Object>()
        });
        prop_oneof![vec(part, 0..5).prop_map(Value::Array), fields.prop_map(Value::Object),]
    })
}
