//! Conditions of every kind, and documents that are none.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;

use crate::{Timestamp, Value, value::Object};

pub(super) fn scalar() -> impl Strategy<Value = Value> {
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
        json!("1.2"),
        json!("v1.10.0-b.2"),
        json!("1.10.0-b.10+c"),
        json!("1.10.0"),
    ])
}

pub(super) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => scalar(),
        1 => vec(scalar(), 0..3).prop_map(Value::Array),
        1 => Just(Value::Null),
        1 => Just(json!({"a": 1})),
    ]
}

/// The operator, value and case of a comparison.
pub(super) fn test() -> impl Strategy<Value = Value> {
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
    let lists =
        (select(vec!["contains_any", "contains_all", "contains_none"]), vec(scalar(), 1..3));
    let lists = (lists, any::<bool>());
    let lists = lists.prop_map(|((op, v), i)| json!({"op": op, "value": v, "ignore_case": i}));
    let patterns = vec!["a", "^A?$", "ä|b$", r"^\d+\.\d", ".{3,}"];
    let fitting = (select(patterns), any::<bool>());
    let fitting = fitting.prop_map(|(v, i)| json!({"op": "matches", "value": v, "ignore_case": i}));
    let versions = vec!["1.2.0", "1", "1.10.0-b.2", "1.10.0-b.10", "v1.10", "1.10.0-2"];
    let version = (version_op(), select(versions));
    let version = version.prop_map(|(op, v)| json!({"op": op, "value": v}));
    let bare = select(vec!["exists", "missing", "is_true", "is_false"]);
    let bare = bare.prop_map(|op| json!({"op": op}));
    prop_oneof![plain, listed, ordered, between, text, lists, fitting, version, bare]
}

fn version_op() -> impl Strategy<Value = &'static str> {
    select(vec!["version_eq", "version_lt", "version_lte", "version_gt", "version_gte"])
}

/// A comparison with a trait.
fn pair() -> impl Strategy<Value = Value> {
    let op = prop_oneof![
        select(vec!["eq", "ne", "lt", "lte", "gt", "gte", "starts_with", "ends_with"]),
        select(vec!["in", "not_in", "contains", "not_contains"]),
        select(vec!["contains_any", "contains_all", "contains_none"]),
        version_op(),
    ];
    let of_text =
        |op: &str| !op.starts_with("version") && !["lt", "lte", "gt", "gte"].contains(&op);
    let path = || select(vec!["t", "u", "t.a", "hidden", "none"]);
    let subject = select(vec!["trait", "context"]);
    (subject, path(), op, path(), any::<bool>()).prop_map(
        move |(subject, path, op, other, case)| {
            let case = case && of_text(op);
            let test = json!({"op": op, "value": {"trait": other}, "ignore_case": case});
            with(subject, path, test)
        },
    )
}

/// How the instant in trait `d` stands to now.
fn dated() -> impl Strategy<Value = Value> {
    let op = select(vec!["older_than", "newer_than", "within_next"]);
    let path = prop_oneof![8 => Just("d"), 1 => Just("t"), 1 => Just("hidden")];
    (path, op, 0..15_i64).prop_map(|(path, op, length)| {
        with("trait", path, json!({"op": op, "value": format!("{length}s")}))
    })
}

/// How today stands to the day in trait `d`.
pub(super) fn daily() -> impl Strategy<Value = Value> {
    let days = || prop_oneof![0..5_u16, Just(180)];
    let op = select(vec!["around", "anniversary"]);
    (op, days(), days(), zone()).prop_map(|(op, before, after, zone)| {
        let near = json!({"days_before": before, "days_after": after, "timezone": zone});
        with("trait", "d", json!({"op": op, "value": near}))
    })
}

pub(super) fn with(key: &'static str, path: &str, mut test: Value) -> Value {
    test[key] = path.into();
    test
}

pub(super) fn numeric(
    value: impl Strategy<Value = Value> + Clone + 'static,
) -> BoxedStrategy<Value> {
    let one = (select(vec!["eq", "ne", "lt", "lte", "gt", "gte"]), value.clone());
    let one = one.prop_map(|(op, value)| json!({"op": op, "value": value}));
    let two = (value.clone(), value).prop_filter_map("a pair, in order", |(a, b)| {
        let ordered = a.as_f64() <= b.as_f64();
        ordered.then(|| json!({"op": "between", "value": [a, b]}))
    });
    prop_oneof![3 => one, 1 => two].boxed()
}

pub(super) fn measure() -> impl Strategy<Value = Value> {
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
    let most = test().prop_map(|test| json!({"most_frequent": with("property", "x", test)}));
    let share = (test(), numeric(select(vec![json!(0), json!(0.25), json!(0.5), json!(1)])));
    let share = share.prop_map(|(filter, mut test)| {
        test["where"] = json!([with("property", "x", filter)]);
        json!({ "share": test })
    });
    let since = prop_oneof![since, since_between].prop_flat_map(|since| {
        let first = json!({"since_first": since["since"]});
        select(vec![since, first])
    });
    prop_oneof![
        2 => most, 2 => share,
        3 => count, 2 => sum, 2 => of_number, 2 => distinct, 1 => periods, 2 => end, 3 => since, 1 => Just(json!({}))
    ]
}

pub(super) fn unit() -> impl Strategy<Value = &'static str> {
    select(vec!["day", "week", "month", "quarter", "year"])
}

pub(super) fn zone() -> impl Strategy<Value = &'static str> {
    select(vec!["UTC", "Europe/Stockholm", "America/St_Johns", "Pacific/Apia", "profile"])
}

pub(super) fn window() -> impl Strategy<Value = Value> {
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
    let visit = Just(json!({"visit": "current"}));
    prop_oneof![4 => last, 1 => ago, 1 => fixed, 2 => since(), 2 => visit]
}

/// A window since something else.
fn since() -> impl Strategy<Value = Value> {
    let filters = vec(test().prop_map(|test| with("property", "x", test)), 0..2);
    let event = (select(vec!["A", "B"]), filters);
    let event = event.prop_map(|(name, filters)| json!({"event": name, "where": filters}));
    let of_trait = prop_oneof![4 => Just("d"), 1 => Just("hidden"), 1 => Just("none")];
    let anchor = prop_oneof![
        3 => event,
        1 => of_trait.prop_map(|path| json!({ "trait": path })),
        1 => audience().prop_map(|key| json!({ "audience": key })),
    ];
    anchor.prop_map(|anchor| json!({ "since": anchor }))
}

fn audience() -> impl Strategy<Value = &'static str> {
    select(vec!["in", "out", "unknown", "hidden"])
}

pub(super) fn calendar() -> impl Strategy<Value = Value> {
    let words = prop_oneof![
        select(vec!["today".to_owned(), "yesterday".to_owned()]),
        (select(vec!["this", "last"]), unit()).prop_map(|(which, unit)| format!("{which}_{unit}")),
        (1..5, unit()).prop_map(|(count, unit)| format!("last_{count}_{unit}s")),
    ];
    let begins = prop::option::of(1..=12_i64);
    (words, zone(), any::<bool>(), begins).prop_map(|(words, zone, with_current, begins)| {
        let mut window = json!({"calendar": words, "timezone": zone, "with_current": with_current});
        let is_long = ["quarter", "year"].iter().any(|unit| words.contains(unit));
        if let Some(begins) = begins.filter(|_| is_long) {
            window["year_begins"] = begins.into();
        }
        window
    })
}

pub(super) fn event() -> impl Strategy<Value = Value> {
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
pub(super) fn sequence() -> impl Strategy<Value = Value> {
    let seconds = |length: i64| Value::from(format!("{length}s"));
    let absent = prop::bool::weighted(0.4);
    let within = prop::option::weighted(0.6, 1..12_i64);
    let filter = prop::option::weighted(0.3, test());
    let same = prop::option::weighted(0.3, any::<prop::sample::Index>());
    let times = prop_oneof![5 => Just(1), 1 => 2..4_usize];
    let step = (select(vec!["A", "B"]), absent, within, filter, same, times);
    let windows = window().prop_filter("a window that ends now", |w| w.get("from").is_none());
    let around = (prop::option::weighted(0.5, windows), prop::option::weighted(0.3, 2..20_i64));
    let finished = prop::option::weighted(0.2, 1..20_i64);
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.2));
    let whole = (vec(step, 2..5), around, finished, flags, set());
    whole.prop_map(move |(steps, (within, span), finished, (strict, same_visit), set)| {
        let mut events = vec![];
        let mut list = vec![];
        for (place, (name, absent, within, filter, same, times)) in steps.into_iter().enumerate() {
            let absent = absent && place > 0;
            let mut what = json!({"event": name});
            let filter_free = filter.is_none();
            if let Some(filter) = filter {
                what["where"] = json!([with("property", "x", filter)]);
            }
            if let Some(same) = same.filter(|_| place > 0) {
                what["same"] = json!([{"property": "x", "step": same.get(&events)}]);
            }
            if !absent && times > 1 {
                what["times"] = times.into();
                if filter_free {
                    what["same"] = json!([{"property": "x", "step": place}]);
                }
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
        if let Some((place, mut set)) = set {
            let place = place.index(list.len());
            // Nothing is bound to a step of several events.
            let is_named =
                Value::from(list.clone()).to_string().contains(&format!("\"step\":{place}"));
            if !is_named {
                bind(&mut set, &events, place);
                list[place] = set;
            }
        }
        let mut document = json!({ "sequence": list });
        if same_visit {
            document["same_visit"] = true.into();
        }
        if let Some(length) = finished {
            document["finished_within"] = seconds(length);
        }
        if let Some(within) = within {
            document["within"] = within;
        }
        if let Some(span) = span {
            document["span"] = seconds(span);
        }
        if strict {
            document["strict"] = true.into();
        }
        document
    })
}

/// A step of events in any order, and where it goes.
fn set() -> impl Strategy<Value = Option<(prop::sample::Index, Value)>> {
    let event = (select(vec!["A", "B"]), prop::option::weighted(0.4, test()));
    let event = event.prop_map(|(name, filter)| match filter {
        Some(filter) => json!({"event": name, "where": [with("property", "x", filter)]}),
        None => json!({ "event": name }),
    });
    let within = prop::option::weighted(0.5, 1..15_i64);
    let set = (vec(event, 2..4), within).prop_map(|(events, within)| {
        let mut set = json!({ "any_order": events });
        if let Some(within) = within {
            set["within"] = format!("{within}s").into();
        }
        set
    });
    prop::option::weighted(0.35, (any::<prop::sample::Index>(), set))
}

/// Binds the first event of a set to the first event of the sequence, where that comes before.
fn bind(set: &mut Value, events: &[usize], place: usize) {
    if events.first().is_some_and(|first| *first < place) && place % 2 == 1 {
        set["any_order"][0]["same"] = json!([{"property": "x", "step": events[0]}]);
    }
}

pub(super) fn leaf() -> impl Strategy<Value = Value> {
    let stay = select(vec!["for_at_least", "entered_within", "left_within", "ever", ""]);
    let audience = (audience(), stay, 1..20_i64).prop_map(|(key, stay, length)| match stay {
        "" => json!({ "audience": key }),
        "ever" => json!({"audience": key, "ever": true}),
        _ => json!({"audience": key, stay: format!("{length}s")}),
    });
    let bucket = (0..=10_000_u32)
        .prop_map(|b| json!({"bucket": {"salt": "s", "below": f64::from(b) / 10_000.0}}));
    let consent = select(vec!["personalization", "marketing", "unheard_of"]);
    let path = || select(vec!["t", "t.a", "hidden", "none"]);
    prop_oneof![
        4 => account().boxed(),
        4 => (path(), test()).prop_map(|(path, test)| with("trait", path, test)).boxed(),
        1 => (path(), test()).prop_map(|(path, test)| with("context", path, test)).boxed(),
        2 => pair().boxed(),
        2 => dated().boxed(),
        8 => event().boxed(),
        4 => sequence().boxed(),
        2 => audience.boxed(),
        1 => consent.prop_map(|key| json!({ "consent": key })).boxed(),
        1 => bucket.boxed(),
    ]
}

/// A condition on accounts.
fn account() -> impl Strategy<Value = Value> {
    let path = || select(vec!["t", "t.a", "hidden", "none"]);
    let members = (select(vec!["any", "all", "none", "at_least"]), 1..4_u32, audience()).prop_map(
        |(members, count, audience)| match members {
            "at_least" => json!({"members": members, "count": count, "in": audience}),
            _ => json!({"members": members, "in": audience}),
        },
    );
    let role = select(vec!["admin", "guest"]);
    let of_account = prop_oneof![
        (path(), test()).prop_map(|(path, test)| with("trait", path, test)),
        members,
        role.prop_map(|role| json!({"membership": "role", "op": "eq", "value": role})),
    ];
    let parts = of_account.prop_recursive(2, 6, 3, |part| {
        prop_oneof![
            vec(part.clone(), 0..3).prop_map(|parts| json!({ "all": parts })),
            vec(part.clone(), 1..3).prop_map(|parts| json!({ "any": parts })),
            part.prop_map(|part| json!({ "not": part })),
        ]
    });
    (select(vec!["any", "all", "none", "current"]), vec(parts, 0..3)).prop_map(|(which, parts)| {
        if parts.is_empty() {
            return json!({ "account": which });
        }
        json!({"account": which, "where": parts})
    })
}

pub(super) fn document() -> impl Strategy<Value = Value> {
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

/// Words of the language, and some that are none.
const WORDS: &[&str] = &[
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
    "since_first",
    "share",
    "most_frequent",
    "audience",
    "account",
    "members",
    "membership",
    "role",
    "current",
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
    "strict",
    "times",
    "salt",
    "below",
    "ignore_case",
    "matches",
    "contains_all",
    "older_than",
    "anniversary",
    "days_before",
    "version_lt",
    "eq",
    "in",
    "exists",
    "between",
    "30d",
    "0s",
    "a/b~c",
    "",
];

/// Documents made of the language's words in any order.
pub(super) fn hostile() -> impl Strategy<Value = Value> {
    let words = select(WORDS);
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
