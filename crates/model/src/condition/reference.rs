//! The reference evaluator: reads the JSON document itself and looks at everything, each time.
//!
//! Apart from how a text is recognised as an instant, which the spec cases hold, and how rows are
//! held, which has properties of its own, it shares no code with parsing and evaluation, so that the
//! two can be held against each other by property tests here, in `audience` and in simulations. It is
//! slow, expects a document that parses, and takes anything else as false.

mod sequence;
mod window;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::{EventName, Fact, Facts, Row, Rows, Truth};
use crate::{Duration, Timestamp, Value, hash, value::Path};
use window::Lies;

/// What an answer can be, over everything that withheld data could hold.
#[derive(Clone, Copy)]
struct Possible {
    yes: bool,
    no: bool,
}

impl Possible {
    fn exactly(holds: bool) -> Self {
        Self { yes: holds, no: !holds }
    }

    const EITHER: Self = Self { yes: true, no: true };

    fn among(answers: impl IntoIterator<Item = bool>) -> Self {
        answers.into_iter().fold(Self { yes: false, no: false }, |seen, answer| Self {
            yes: seen.yes || answer,
            no: seen.no || !answer,
        })
    }
}

/// Whether the condition that `document` describes holds at `now`.
pub fn truth(document: &Value, facts: &dyn Facts, now: Timestamp) -> Truth {
    match possible(document, facts, now) {
        Possible { yes: true, no: true } => Truth::Withheld,
        Possible { yes, .. } => yes.into(),
    }
}

fn possible(document: &Value, facts: &dyn Facts, now: Timestamp) -> Possible {
    let parts = |list: &Value| -> Vec<Possible> {
        let list = list.as_array().into_iter().flatten();
        list.map(|part| possible(part, facts, now)).collect()
    };
    if let Some(list) = document.get("all") {
        let parts = parts(list);
        let yes = parts.iter().all(|part| part.yes);
        return Possible { yes, no: parts.iter().any(|part| part.no) };
    }
    if let Some(list) = document.get("any") {
        let parts = parts(list);
        let yes = parts.iter().any(|part| part.yes);
        return Possible { yes, no: parts.iter().all(|part| part.no) };
    }
    if let Some(part) = document.get("not") {
        let part = possible(part, facts, now);
        return Possible { yes: part.no, no: part.yes };
    }
    if let Some(quota) = document.get("at_least") {
        let count = quota["count"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let parts = parts(&quota["of"]);
        let at_most = parts.iter().filter(|part| part.yes).count();
        let at_fewest = parts.iter().filter(|part| !part.no).count();
        return Possible { yes: at_most >= count, no: at_fewest < count };
    }
    if document.get("event").is_some() {
        return events(document, facts, now);
    }
    if document.get("sequence").is_some() {
        return sequence::possible(document, facts, now);
    }
    plain(document, facts, now)
}

fn plain(document: &Value, facts: &dyn Facts, now: Timestamp) -> Possible {
    let text = |key: &str| document.get(key).and_then(Value::as_str);
    if let Some(path) = text("trait").and_then(Path::parse) {
        return compared(document, facts.trait_value(&path));
    }
    if let Some(path) = text("context").and_then(Path::parse) {
        return compared(document, facts.context(&path));
    }
    if let Some(purpose) = text("consent").and_then(|key| key.parse().ok()) {
        return Possible::exactly(facts.consents_to(&purpose) == Some(true));
    }
    if let Some(bucket) = document.get("bucket") {
        let bucket_of = hash::bucket(bucket["salt"].as_str().unwrap_or_default(), facts.unit());
        let below = bucket["below"].as_f64().unwrap_or_default() * 10_000.0;
        return Possible::exactly(f64::from(bucket_of) < below.round());
    }
    let Some(membership) =
        text("audience").and_then(|key| key.parse().ok()).and_then(|key| facts.membership(&key))
    else {
        return Possible::exactly(false);
    };
    match (membership.truth, duration(&document["for_at_least"])) {
        (Truth::Withheld, _) => Possible::EITHER,
        (truth, None) => Possible::exactly(truth.is_true()),
        (truth, Some(length)) => {
            let ripe = membership.since.is_some_and(|since| since.0 + length <= now.0);
            Possible::exactly(truth.is_true() && ripe)
        }
    }
}

fn compared(document: &Value, fact: Fact<&Value>) -> Possible {
    match fact {
        Fact::Known(value) => Possible::exactly(holds(document, Some(value))),
        Fact::Missing => Possible::exactly(holds(document, None)),
        Fact::Withheld => Possible::EITHER,
    }
}

/// Length in milliseconds.
fn duration(value: &Value) -> Option<i64> {
    value.as_str()?.parse().ok().map(|Duration(length)| length)
}

/// Whether a comparison holds for a value.
fn holds(test: &Value, value: Option<&Value>) -> bool {
    let op = test["op"].as_str().unwrap_or_default();
    let Some(value) = value.filter(|value| !value.is_null()) else { return op == "missing" };
    let fold = |value: &Value| match value {
        Value::String(text) if test["ignore_case"] == Value::Bool(true) => {
            Value::String(text.chars().flat_map(char::to_lowercase).collect())
        }
        other => other.clone(),
    };
    let (value, wanted) = (fold(value), &test["value"]);
    let order = |wanted: &Value| order(&value, &fold(wanted));
    let equal = |wanted: &Value| order(wanted) == Some(Ordering::Equal);
    let listed = || wanted.as_array().is_some_and(|list| list.iter().any(equal));
    let contains = || match (&value, &fold(wanted)) {
        (Value::Array(elements), wanted) => elements
            .iter()
            .any(|element| self::order(&fold(element), wanted) == Some(Ordering::Equal)),
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        _ => false,
    };
    let edge = |matches: fn(&str, &str) -> bool| match (&value, &fold(wanted)) {
        (Value::String(text), Value::String(part)) => matches(text, part),
        _ => false,
    };
    match op {
        "exists" => true,
        "is_true" => value == true,
        "is_false" => value == false,
        "eq" => equal(wanted),
        "ne" => !equal(wanted),
        "lt" => order(wanted).is_some_and(Ordering::is_lt),
        "lte" => order(wanted).is_some_and(Ordering::is_le),
        "gt" => order(wanted).is_some_and(Ordering::is_gt),
        "gte" => order(wanted).is_some_and(Ordering::is_ge),
        "between" => {
            order(&wanted[0]).is_some_and(Ordering::is_ge)
                && order(&wanted[1]).is_some_and(Ordering::is_le)
        }
        "in" => listed(),
        "not_in" => !listed(),
        "contains" => contains(),
        "not_contains" => !contains(),
        "starts_with" => edge(|text, part| text.starts_with(part)),
        "ends_with" => edge(|text, part| text.ends_with(part)),
        _ => false,
    }
}

fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => (a == b).then_some(Ordering::Equal),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => {
            match (super::comparison::instant(a), super::comparison::instant(b)) {
                (Some(a), Some(b)) => Some(a.cmp(&b)),
                _ => Some(a.cmp(b)),
            }
        }
        _ => None,
    }
}

fn events(document: &Value, facts: &dyn Facts, now: Timestamp) -> Possible {
    let name = EventName::new(document["event"].as_str().unwrap_or_default());
    let rows = match facts.events(&name) {
        Fact::Known(rows) => rows,
        Fact::Missing => Rows::none(crate::Purpose::SERVICE),
        Fact::Withheld => return Possible::EITHER,
    };
    let Some(lies) = window::of(document, facts, now) else { return Possible::EITHER };
    let filters = document["where"].as_array().map(Vec::as_slice).unwrap_or_default();
    // Each event in the window that may count: itself if it certainly does, `None` if nobody may know.
    let seen: Vec<(i64, Option<Known>)> = rows
        .rows
        .iter()
        .filter(|row| lies(row.time.0) == Lies::Inside)
        .filter_map(|row| {
            if !row.purposes.contains(rows.purpose) {
                return Some((row.time.0, None));
            }
            let known = known(row, rows.paths);
            let passes = filters.iter().all(|filter| holds(filter, property(&known, filter)));
            passes.then_some((row.time.0, Some(known)))
        })
        .collect();
    let within_held = rows.rows.first().is_some_and(|oldest| lies(oldest.time.0) == Lies::Before);
    let overflow = rows.overflow && !within_held;
    if let Some(test) = document.get("periods") {
        let Some(zone) = window::zone(test, facts) else { return Possible::EITHER };
        let unit = test["unit"].as_str().unwrap_or_default();
        return counted(test, overflow, &periods(&seen, unit, &zone));
    }
    measured(document, &seen, overflow, now)
}

/// What is known of an event, as JSON by path.
type Known = BTreeMap<String, Value>;

fn known(row: Row<'_>, paths: &[Path]) -> Known {
    let value = |path: &Path| Some((path.to_string(), row.value(paths, path)?.to_value()));
    paths.iter().filter_map(value).collect()
}

fn property<'a>(row: &'a Known, filter: &Value) -> Option<&'a Value> {
    match filter["context"].as_str() {
        Some(path) => row.get(&format!("context {path}")),
        None => row.get(filter["property"].as_str()?),
    }
}

fn measured(
    document: &Value,
    seen: &[(i64, Option<Known>)],
    overflow: bool,
    now: Timestamp,
) -> Possible {
    let certain = || seen.iter().filter_map(|(_, row)| row.as_ref());
    let unknown = seen.iter().filter(|(_, row)| row.is_none()).count();
    let end = |test: &Value, end: Option<&(i64, Option<Known>)>| match end {
        None => Possible::exactly(false),
        Some((_, None)) => Possible::EITHER,
        Some((_, Some(row))) => Possible::exactly(holds(test, property(row, test))),
    };
    if let Some(test) = document.get("last") {
        return end(test, seen.last());
    }
    if let Some(test) = document.get("first") {
        return if overflow { Possible::exactly(false) } else { end(test, seen.first()) };
    }
    for word in ["sum", "avg", "min", "max"] {
        let Some(test) = document.get(word) else { continue };
        if unknown > 0 {
            return Possible::EITHER;
        }
        let amounts: Vec<f64> = certain().filter_map(|row| property(row, test)?.as_f64()).collect();
        let sum: f64 = amounts.iter().sum::<f64>() + 0.0;
        let result = match word {
            "sum" => Some(sum),
            "avg" => (!amounts.is_empty()).then(|| sum / amounts.len() as f64),
            "min" => amounts.into_iter().reduce(f64::min),
            _ => amounts.into_iter().reduce(f64::max),
        };
        let holds = result.is_some_and(|result| holds(test, Some(&result.into())));
        return Possible::exactly(!overflow && holds);
    }
    if let Some(test) = document.get("distinct") {
        let mut values: Vec<&Value> = Vec::new();
        for value in certain().filter_map(|row| property(row, test)) {
            let is_scalar = value.is_string() || value.is_number() || value.is_boolean();
            let same = |known: &&Value| match (known, value) {
                (Value::String(a), Value::String(b)) => a == b,
                _ => order(known, value) == Some(Ordering::Equal),
            };
            if is_scalar && !values.iter().any(same) {
                values.push(value);
            }
        }
        return counted(test, overflow, &(values.len()..=values.len() + unknown));
    }
    if let Some(test) = document.get("since") {
        let newest_certain = seen.iter().rposition(|(_, row)| row.is_some());
        let may_be_last = &seen[newest_certain.unwrap_or(0)..];
        let ages = may_be_last.iter().map(|(time, _)| age_holds(test, now.0 - time));
        return Possible::among(ages.chain(newest_certain.is_none().then_some(false)));
    }
    let at_least_one = serde_json::json!({"op": "gte", "value": 1});
    let test = document.get("count").unwrap_or(&at_least_one);
    let fewest = certain().count();
    counted(test, overflow, &(fewest..=fewest + unknown))
}

/// In how many periods there are events, at fewest and at most.
fn periods(
    seen: &[(i64, Option<Known>)],
    unit: &str,
    zone: &jiff::tz::TimeZone,
) -> std::ops::RangeInclusive<usize> {
    let number = |(time, _): &(i64, Option<Known>)| window::number(unit, zone, *time);
    let all: BTreeSet<i64> = seen.iter().map(number).collect();
    let certain: BTreeSet<i64> = seen.iter().filter(|(_, row)| row.is_some()).map(number).collect();
    certain.len()..=all.len()
}

/// The answer to a bound on what is counted.
fn counted(test: &Value, overflow: bool, counts: &std::ops::RangeInclusive<usize>) -> Possible {
    let holds = |count: usize| holds(test, Some(&count.into()));
    let (fewest, unknown) = (*counts.start(), counts.end() - counts.start());
    let possible = Possible::among(counts.clone().map(holds));
    // No bound of a sound test lies above this, so larger counts answer alike.
    let lost = (fewest..=fewest.max(10_000) + 1).map(holds);
    match Possible::among(lost) {
        Possible { yes: true, no: true } if overflow && unknown > 0 => Possible::EITHER,
        Possible { yes: true, no: true } if overflow => Possible::exactly(false),
        decided if overflow => decided,
        _ => possible,
    }
}

fn age_holds(test: &Value, age: i64) -> bool {
    let wanted = |value: &Value| duration(value).unwrap_or_default();
    let value = &test["value"];
    match test["op"].as_str() {
        Some("lt") => age < wanted(value),
        Some("lte") => age <= wanted(value),
        Some("gt") => age > wanted(value),
        Some("gte") => age >= wanted(value),
        Some("between") => wanted(&value[0]) <= age && age <= wanted(&value[1]),
        _ => false,
    }
}
