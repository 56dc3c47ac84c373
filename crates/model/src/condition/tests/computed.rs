//! Computed traits held against a naive reading of the whole history at every instant.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::facts::Person;
use crate::{
    Purpose, Timestamp, Value,
    condition::{
        ComputedTrait, Condition, Fact, NamedTrait, Names, Rule, Truth, comparison::compare_numbers,
    },
    consent::PurposeKey,
};

/// One event as a test states it.
#[derive(Clone, Debug)]
struct Told {
    seconds: i64,
    properties: Value,
    withheld: bool,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(1_700_000_000_000 + seconds * 1_000)
}

fn person(events: &[Told]) -> Person {
    let events: Vec<Value> = events
        .iter()
        .map(|told| {
            json!({
                "event": "Seen",
                "time": at(told.seconds),
                "properties": told.properties,
                "withheld": told.withheld
            })
        })
        .collect();
    serde_json::from_value(json!({ "events": events })).unwrap()
}

fn rule(document: &Value) -> ComputedTrait {
    ComputedTrait::parse(document.as_object().unwrap()).unwrap()
}

/// The events that count at `now`, oldest first; what may not be read might count.
fn inside<'a>(document: &Value, events: &'a [Told], now: Timestamp) -> Vec<&'a Told> {
    let length = |field: &Value| -> Option<i64> {
        field.as_str()?.parse::<crate::Duration>().ok().map(|duration| duration.0)
    };
    let window = &document["within"];
    let (from, to) = match length(window) {
        Some(length) => (Some(now.0 - length), now.0),
        None if window.is_object() => (
            length(&window["from"]).map(|from| now.0 - from),
            now.0 - length(&window["to"]).unwrap(),
        ),
        None => (None, now.0),
    };
    let mut inside: Vec<&Told> = events
        .iter()
        .filter(|told| from.is_none_or(|from| from < at(told.seconds).0))
        .filter(|told| at(told.seconds).0 <= to)
        .filter(|told| told.withheld || document["where"].is_null() || told.properties["n"] == 1)
        .collect();
    // Of events of one instant the one told later is the later one.
    inside.sort_by_key(|told| told.seconds);
    inside
}

/// The value by looking at everything: what the reader must agree with.
fn naive(document: &Value, events: &[Told], now: Timestamp) -> Fact<Value> {
    let inside = inside(document, events, now);
    let decides = match document["measure"].as_str().unwrap() {
        "last" | "recency" => inside.last().into_iter().copied().collect::<Vec<_>>(),
        "first" => inside.first().into_iter().copied().collect(),
        _ => inside.clone(),
    };
    if decides.iter().any(|told| told.withheld) {
        return Fact::Withheld;
    }
    let known = |value: Option<Value>| {
        value.filter(|value| !value.is_null()).map_or(Fact::Missing, Fact::Known)
    };
    match naive_number(document, &inside) {
        Err(NoNumber) => known(naive_other(document, &inside, now)),
        Ok(None) => Fact::Missing,
        Ok(Some(number)) => match document["levels"].as_array() {
            None => Fact::Known(number.into()),
            Some(levels) => {
                let reaches = |level: &&Value| level["from"].as_f64().is_none_or(|f| f <= number);
                Fact::Known(levels.iter().rfind(reaches).unwrap()["name"].clone())
            }
        },
    }
}

/// The measure is none of a number.
struct NoNumber;

fn naive_number(document: &Value, inside: &[&Told]) -> Result<Option<f64>, NoNumber> {
    let property = document["property"].as_str().unwrap_or_default();
    let mut numbers: Vec<f64> =
        inside.iter().rev().filter_map(|told| told.properties[property].as_f64()).collect();
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
    Ok(match document["measure"].as_str().unwrap() {
        "count" => Some(inside.len() as f64),
        // The sum of no doubles is the other zero.
        "sum" => Some(numbers.iter().sum::<f64>() + 0.0),
        "avg" => (!numbers.is_empty()).then(|| mean(&numbers)),
        "min" => numbers.iter().copied().min_by(f64::total_cmp),
        "max" => numbers.iter().copied().max_by(f64::total_cmp),
        "median" => {
            numbers.sort_by(f64::total_cmp);
            let middle = numbers.len() / 2;
            match numbers.len() {
                0 => None,
                length if length % 2 == 1 => Some(numbers[middle]),
                _ => Some((numbers[middle - 1] + numbers[middle]) / 2.0),
            }
        }
        "days" => {
            let days: BTreeSet<i64> = inside.iter().map(|t| at(t.seconds).0 / 86_400_000).collect();
            Some(days.len() as f64)
        }
        _ => return Err(NoNumber),
    })
}

fn naive_other(document: &Value, inside: &[&Told], now: Timestamp) -> Option<Value> {
    let property = document["property"].as_str().unwrap_or_default();
    let values = || inside.iter().rev().map(|told| told.properties[property].clone());
    let newest_first = || values().filter(|value| !value.is_null());
    match document["measure"].as_str().unwrap() {
        "last" => values().next(),
        "recency" => inside.last().map(|told| at(told.seconds).to_string().into()),
        "first" => values().next_back(),
        "most_frequent" => {
            let mut counts: Vec<(Value, usize)> = Vec::new();
            for value in newest_first() {
                match counts.iter_mut().find(|(known, _)| *known == value) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((value, 1)),
                }
            }
            let most = counts.iter().map(|(_, count)| *count).max();
            counts.into_iter().find(|(_, count)| Some(*count) == most).map(|(value, _)| value)
        }
        "unique" => {
            let limit = document["limit"].as_u64().unwrap_or(20);
            let mut values: Vec<Value> = Vec::new();
            for value in newest_first() {
                if !values.contains(&value) && (values.len() as u64) < limit {
                    values.push(value);
                }
            }
            (!values.is_empty()).then(|| values.into())
        }
        _ => {
            let mut items: Vec<(String, f64)> = scores(document, inside, now).into_iter().collect();
            items.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
            items.truncate(5);
            let items: Vec<Value> = items.into_iter().map(|(item, _)| item.into()).collect();
            (!items.is_empty()).then(|| items.into())
        }
    }
}

/// Scores by the formula alone: the sum of weight · 2^(−age / half-life).
fn scores(document: &Value, inside: &[&Told], now: Timestamp) -> BTreeMap<String, f64> {
    let half_life: crate::Duration = document["half_life"].as_str().unwrap().parse().unwrap();
    let mut scores = BTreeMap::new();
    for told in inside {
        let value = &told.properties[document["property"].as_str().unwrap()];
        if value.is_null() {
            continue;
        }
        let item = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let age = now.since(at(told.seconds)).0 as f64;
        *scores.entry(item).or_insert(0.0) += (-age / half_life.0 as f64).exp2();
    }
    scores
}

fn alike(a: &Fact<Value>, b: &Fact<Value>) -> bool {
    match (a, b) {
        (Fact::Known(Value::Number(a)), Fact::Known(Value::Number(b))) => {
            compare_numbers(a, b).is_some_and(std::cmp::Ordering::is_eq)
        }
        (a, b) => a == b,
    }
}

fn document() -> impl Strategy<Value = Value> {
    let levels =
        json!([{"name": "low"}, {"name": "middle", "from": 2}, {"name": "high", "from": 3.5}]);
    let measure = prop_oneof![
        Just(json!({"measure": "count"})),
        Just(json!({"measure": "count", "levels": levels})),
        Just(json!({"measure": "days"})),
        Just(json!({"measure": "recency"})),
        // Longer than all events together: two that are a half-life apart would weigh as much as one, and a tie
        // within rounding has either order.
        Just(json!({"measure": "affinity", "property": "p", "half_life": "71s"})),
        Just(json!({"measure": "unique", "property": "p", "limit": 2})),
        Just(json!({"measure": "avg", "property": "n", "levels": levels})),
        prop_oneof![
            Just("sum"),
            Just("min"),
            Just("max"),
            Just("avg"),
            Just("median"),
            Just("first"),
            Just("last"),
            Just("most_frequent")
        ]
        .prop_flat_map(|word| {
            let property = prop_oneof![Just("n"), Just("p")];
            property.prop_map(move |property| json!({"measure": word, "property": property}))
        }),
    ];
    let within = prop_oneof![
        Just(Value::Null),
        (1..20_i64).prop_map(|length| format!("{length}s").into()),
        Just(json!({"from": "9s", "to": "3s"})),
    ];
    (measure, within, any::<bool>()).prop_map(|(mut document, within, filtered)| {
        document["event"] = "Seen".into();
        if !within.is_null() {
            document["within"] = within;
        }
        if filtered {
            document["where"] = json!([{"property": "n", "op": "eq", "value": 1}]);
        }
        document
    })
}

fn events() -> impl Strategy<Value = Vec<Told>> {
    let value =
        prop_oneof![Just(json!("a")), Just(json!("b")), Just(json!("c")), Just(Value::Null)];
    let event = (0..30_i64, value, 0..4_i64, prop::bool::weighted(0.05));
    let told = event.prop_map(|(seconds, p, n, withheld)| Told {
        seconds,
        properties: json!({"p": p, "n": n}),
        withheld,
    });
    proptest::collection::vec(told, 0..14)
}

proptest! {
    #[test]
    fn reads_what_a_look_at_everything_finds_and_until_when(document in document(), events in events()) {
        let (rule, person) = (rule(&document), person(&events));
        let instants: Vec<Timestamp> =
            (0..70).flat_map(|second| [at(second), Timestamp(at(second).0 + 1)]).collect();
        let mut stands: Option<(Fact<Value>, Option<Timestamp>)> = None;
        for now in instants {
            let expected = naive(&document, &events, now);
            let read = rule.read(&person, now);
            prop_assert!(
                alike(&read.value, &expected), "at {now}: read {:?}, expected {expected:?}", read.value
            );
            prop_assert!(read.valid_until.is_none_or(|until| now < until));
            if let Some((before, until)) = &stands
                && until.is_none_or(|until| now < until)
            {
                prop_assert!(alike(before, &expected), "{before:?} was to stand at {now}, not {expected:?}");
            } else {
                stands = Some((read.value, read.valid_until));
            }
        }
    }

    #[test]
    fn scores_are_the_formula_and_conditions_on_them_turn_in_time(
        events in events(), low in 1..40_u8
    ) {
        let document = json!({"event": "Seen", "measure": "affinity", "property": "p", "half_life": "7s", "within": "20s"});
        let (rule, person) = (rule(&document), person(&events));
        let threshold = f64::from(low) / 16.0;
        let asked = json!({"computed": "taste", "item": "a", "op": "gte", "value": threshold});
        let condition = linked(&asked, &document);
        let mut stands: Option<(Truth, Option<Timestamp>)> = None;
        for now in (0..60_000).step_by(250).map(|millis| Timestamp(at(0).0 + millis)) {
            let inside: Vec<&Told> = events
                .iter()
                .filter(|told| at(told.seconds) <= now && now.0 - 20_000 < at(told.seconds).0)
                .collect();
            let verdict = condition.evaluate(&person, now);
            if inside.iter().any(|told| told.withheld) {
                prop_assert_eq!(verdict.truth, Truth::Withheld);
                stands = None;
                continue;
            }
            let score = scores(&document, &inside, now).get("a").copied();
            let read = rule.score("a", &person, now);
            let close = |read: f64| score.is_some_and(|score| (read - score).abs() < 1e-9);
            let agrees = match read {
                Fact::Known(read) => close(read),
                _ => score.is_none(),
            };
            prop_assert!(agrees);
            // Too close to a threshold, both answers are right.
            if score.is_some_and(|score| (score - threshold).abs() < 1e-9) {
                stands = None;
                continue;
            }
            let holds = score.is_some_and(|score| threshold <= score);
            prop_assert_eq!(verdict.truth, Truth::from(holds));
            if let Some((truth, until)) = stands
                && until.is_none_or(|until| now < until)
            {
                prop_assert_eq!(truth, verdict.truth, "it was to stand at {}", now);
            } else {
                stands = Some((verdict.truth, verdict.valid_until));
            }
        }
    }

    #[test]
    fn comparisons_are_those_of_the_value(document in document(), events in events(), number in 0..4_u8) {
        let person = person(&events);
        for op in ["eq", "ne", "lt", "gte"] {
            let asked = json!({"computed": "taste", "op": op, "value": number});
            let condition = linked(&asked, &document);
            for now in (0..40).map(at) {
                let truth = condition.evaluate(&person, now).truth;
                let Fact::Known(value) = naive(&document, &events, now) else { continue };
                let Some(value) = value.as_f64() else { continue };
                // A sum of nothing is a negative zero here.
                let order = (value + 0.0).total_cmp(&f64::from(number));
                let holds = match op {
                    "eq" => order.is_eq(),
                    "ne" => order.is_ne(),
                    "lt" => order.is_lt(),
                    _ => order.is_ge(),
                };
                prop_assert_eq!(truth, Truth::from(holds), "{} {} {}", value, op, number);
            }
        }
    }
}

fn names(document: &Value) -> Names {
    let named = NamedTrait {
        rule: rule(document).into(),
        version: 3,
        is_sensitive: false,
        purpose: Purpose::PERSONALIZATION,
        purpose_key: PurposeKey::default(),
    };
    Names { computed: [("taste".parse().unwrap(), named)].into(), ..Names::default() }
}

fn linked(asked: &Value, document: &Value) -> Rule {
    let condition = Condition::parse(asked).unwrap();
    Rule::link(condition, &names(document), Purpose::PERSONALIZATION).unwrap()
}

#[test]
fn ages_are_asked_of_recency_and_what_is_read_is_told() {
    let document = json!({"event": "Seen", "measure": "recency", "where": [{"property": "n", "op": "eq", "value": 1}]});
    let rule = linked(&json!({"computed": "taste", "op": "gt", "value": "10s"}), &document);
    let told = |seconds, n| Told { seconds, properties: json!({"n": n}), withheld: false };
    let person = person(&[told(0, 1), told(5, 2)]);
    let verdict = rule.evaluate(&person, at(4));
    assert_eq!((verdict.truth, verdict.valid_until), (Truth::False, Some(Timestamp(at(10).0 + 1))));
    assert_eq!(rule.evaluate(&person, Timestamp(at(10).0 + 1)).truth, Truth::True);
    let needs = rule.needs();
    assert_eq!(
        needs.computed.iter().map(|(k, v)| (k.as_str(), *v)).collect::<Vec<_>>(),
        [("taste", 3)]
    );
    let names: Vec<_> = needs.events.keys().map(|name| name.text.as_str()).collect();
    assert_eq!(names, ["Seen"]);
    let steps = rule.explain(&person, at(4));
    assert_eq!(steps[0].text, "computed taste is \"2023-11-14T22:13:20.000Z\", wanted gt \"10s\"");
}

fn faulty(document: Value, expect: Expect) {
    let faults = ComputedTrait::parse(document.as_object().unwrap()).unwrap_err();
    let lines: Vec<_> = faults.iter().map(|f| format!("{}: {}", f.pointer, f.detail)).collect();
    expect.assert_eq(&lines.join("\n"));
}

#[test]
fn what_cannot_be_computed_is_told_with_its_place() {
    faulty(
        json!({"event": "Seen", "measure": "count", "property": "p"}),
        expect!["/property: `property` does not go with the measure `count`"],
    );
    faulty(
        json!({"event": "Seen", "measure": "mode"}),
        expect![
            "/measure: `measure` is one of count, sum, min, max, avg, median, first, last, most_frequent, unique, days, recency, affinity"
        ],
    );
    faulty(
        json!({"event": "Seen", "measure": "count", "within": {"since": {"event": "Order Completed"}}}),
        expect![
            "/within: the window of a computed trait is neither `since` something else nor a visit"
        ],
    );
    faulty(
        json!({"event": "", "measure": "affinity", "property": "p", "limit": 0}),
        expect![[r#"
        /event: `event` is the name of an event, 1 to 200 bytes
        /limit: `limit` is a whole number from 1 to 100
        /half_life: `half_life` is how long it takes for a weight to halve, as in "30d""#]],
    );
    faulty(
        json!({"event": "Seen", "measure": "last", "property": "p", "levels": [{"name": "a"}, {"name": "b", "from": 1}]}),
        expect!["/levels: levels are made of a number: a count, a sum, days and the like"],
    );
    faulty(
        json!({"event": "Seen", "measure": "count", "levels": [{"name": "a"}, {"name": "b", "from": 2}, {"name": "c", "from": 2}]}),
        expect![
            "/levels: levels go from the lowest, which has no `from`, to the highest, each with a name of its own and a larger `from` than the one before"
        ],
    );
}

#[test]
fn a_condition_must_name_what_is_there_and_for_its_purpose() {
    let document = json!({"event": "Seen", "measure": "count"});
    let link = |asked: Value, purpose| {
        let condition = Condition::parse(&asked).unwrap();
        let faults = Rule::link(condition, &names(&document), purpose).err().unwrap_or_default();
        faults.iter().map(|f| format!("{}: {}", f.pointer, f.detail)).collect::<Vec<_>>().join("\n")
    };
    let asked = json!({"computed": "taste", "op": "gte", "value": 1});
    assert_eq!(link(asked.clone(), Purpose::PERSONALIZATION), "");
    expect!["/all/0/not/computed: computed trait `taste` is for the purpose `personalization`; what asks about it needs the same"].assert_eq(&link(json!({"all": [{"not": asked}]}), Purpose::ANALYTICS));
    let other = json!({"any": [{"computed": "other", "op": "exists"}]});
    expect!["/any/0/computed: there is no live computed trait `other`"]
        .assert_eq(&link(other, Purpose::PERSONALIZATION));
    let item = json!({"computed": "taste", "item": "a", "op": "exists"});
    expect!["/computed: computed trait `taste` is no affinity, so its items have no scores"]
        .assert_eq(&link(item, Purpose::PERSONALIZATION));
}
