//! The reference evaluator: reads the JSON document itself and looks at everything, each time.
//!
//! Apart from how a text is recognised as an instant, which the spec cases hold, and how rows are
//! held, which has properties of its own, it shares no code with parsing and evaluation, so that the
//! two can be held against each other by property tests here, in `audience` and in simulations. It is
//! slow, expects a document that parses, and takes anything else as false.

mod account;
mod area;
mod dated;
mod frequency;
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
    if let Some(answer) = account::possible(document, facts, now) {
        return answer;
    }
    plain(document, facts, now)
}

fn plain(document: &Value, facts: &dyn Facts, now: Timestamp) -> Possible {
    let text = |key: &str| document.get(key).and_then(Value::as_str);
    if let Some(path) = text("trait").and_then(Path::parse) {
        return value(document, facts.trait_value(&path), facts, now);
    }
    if let Some(path) = text("context").and_then(Path::parse) {
        return value(document, facts.context(&path), facts, now);
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
    let is_in = match membership.truth {
        Truth::Withheld => return Possible::EITHER,
        truth => truth == Truth::True,
    };
    let (entered, left) = match (is_in, membership.since, membership.previous) {
        (true, since, previous) => (since, previous),
        (false, since, previous) => (previous, since),
    };
    let lately = |instant: Option<Timestamp>, length: i64| {
        instant.is_some_and(|instant| now.0 - length < instant.0)
    };
    let length = |field: &str| duration(&document[field]);
    Possible::exactly(if let Some(length) = length("for_at_least") {
        is_in && entered.is_some() && !lately(entered, length)
    } else if let Some(length) = length("entered_within") {
        lately(entered, length)
    } else if let Some(length) = length("left_within") {
        lately(left, length)
    } else {
        is_in || document["ever"] == Value::Bool(true) && left.is_some()
    })
}

/// A trait or a value of the context, against the document, another trait, or the clock.
fn value(document: &Value, fact: Fact<&Value>, facts: &dyn Facts, now: Timestamp) -> Possible {
    if let Some(answer) = dated::possible(document, &fact, facts, now) {
        return answer;
    }
    let Some(other) = document["value"]["trait"].as_str().and_then(Path::parse) else {
        return compared(document, fact);
    };
    match (fact, facts.trait_value(&other)) {
        (Fact::Missing, _) | (_, Fact::Missing) => Possible::exactly(false),
        (Fact::Known(value), Fact::Known(other)) => {
            let op = document["op"].as_str().unwrap_or_default();
            let takes_list = op.ends_with("in") || op.starts_with("contains_");
            let mut test = document.clone();
            test["value"] = match other {
                other if takes_list && !other.is_array() => serde_json::json!([other]),
                other => other.clone(),
            };
            let is_sound = takes_list || !(other.is_array() || other.is_object());
            let negative = matches!(op, "ne" | "not_contains");
            let has_order = !matches!(op, "lt" | "lte" | "gt" | "gte") || !other.is_boolean();
            let holds = holds(&test, Some(value)) && has_order;
            Possible::exactly(if is_sound { holds } else { negative })
        }
        _ => Possible::EITHER,
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
    let (raw, value, wanted) = (value, fold(value), &test["value"]);
    let order = |wanted: &Value| order(&value, &fold(wanted));
    let equal = |wanted: &Value| order(wanted) == Some(Ordering::Equal);
    let list = || wanted.as_array().into_iter().flatten();
    let listed = || list().any(equal);
    let contains = |wanted: &Value| match (&value, &fold(wanted)) {
        (Value::Array(elements), wanted) => elements
            .iter()
            .any(|element| self::order(&fold(element), wanted) == Some(Ordering::Equal)),
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        _ => false,
    };
    // Lists and objects within a list are contained in nothing.
    let is_scalar =
        |wanted: &&Value| !(wanted.is_array() || wanted.is_object() || wanted.is_null());
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
        "contains" => contains(wanted),
        "not_contains" => !contains(wanted),
        "contains_any" => list().filter(is_scalar).any(contains),
        "contains_all" => list().filter(is_scalar).all(contains),
        "contains_none" => !list().filter(is_scalar).any(contains),
        "near" => area::is_near(raw, wanted),
        "inside" => area::is_inside(raw, wanted),
        "matches" => raw.as_str().is_some_and(|text| fits(test, text)),
        "starts_with" => edge(|text, part| text.starts_with(part)),
        "ends_with" => edge(|text, part| text.ends_with(part)),
        op => op.strip_prefix("version_").is_some_and(|op| {
            let version = |value: &Value| version(value.as_str()?);
            let order = version(&value).zip(version(wanted)).map(|(a, b)| a.cmp(&b));
            order.is_some_and(|order| match op {
                "eq" => order.is_eq(),
                "lt" => order.is_lt(),
                "lte" => order.is_le(),
                "gt" => order.is_gt(),
                _ => order.is_ge(),
            })
        }),
    }
}

fn fits(test: &Value, text: &str) -> bool {
    let flags = if test["ignore_case"] == Value::Bool(true) { "(?i)" } else { "" };
    let pattern = format!("{flags}{}", test["value"].as_str().unwrap_or_default());
    text.len() <= 8192 && regex::Regex::new(&pattern).is_ok_and(|regex| regex.is_match(text))
}

/// What orders versions: three numbers, whether it is a release, and the parts of a pre-release, of
/// which numbers come before words.
type Version = ([u64; 3], bool, Vec<Result<u64, String>>);

fn version(text: &str) -> Option<Version> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let (text, build) = text.split_once('+').map_or((text, None), |(t, b)| (t, Some(b)));
    let (numbers, early) = text.split_once('-').map_or((text, None), |(t, e)| (t, Some(e)));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| {
        let is_sound = is_number(part) && (part == "0" || !part.starts_with('0'));
        if is_sound { part.parse().ok() } else { None }
    };
    let numbers: Option<Vec<u64>> = numbers.split('.').map(number).collect();
    let mut numbers = numbers.filter(|numbers| numbers.len() <= 3)?;
    numbers.resize(3, 0);
    let is_word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !build.into_iter().flat_map(|build| build.split('.')).all(is_word) {
        return None;
    }
    let part = |part: &str| match number(part) {
        Some(number) => Some(Ok(number)),
        None => (is_word(part) && !is_number(part)).then(|| Err(part.to_owned())),
    };
    let parts: Option<Vec<_>> = early.into_iter().flat_map(|e| e.split('.')).map(part).collect();
    Some((numbers.try_into().ok()?, early.is_none(), parts?))
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
    let lies = match window::of(document, facts, now) {
        Ok(lies) => lies,
        Err(answer) => return answer,
    };
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
            if frequency::counts(value) && !values.iter().any(|known| frequency::same(known, value))
            {
                values.push(value);
            }
        }
        return counted(test, overflow, &(values.len()..=values.len() + unknown));
    }
    if document.get("most_frequent").or(document.get("share")).is_some() {
        let rows: Vec<Option<&Known>> = seen.iter().map(|(_, row)| row.as_ref()).collect();
        return match overflow {
            true if unknown > 0 => Possible::EITHER,
            true => Possible::exactly(false),
            false => frequency::possible(document, &rows),
        };
    }
    if let Some(answer) = aged(document, seen, overflow, now) {
        return answer;
    }
    let at_least_one = serde_json::json!({"op": "gte", "value": 1});
    let test = document.get("count").unwrap_or(&at_least_one);
    let fewest = certain().count();
    counted(test, overflow, &(fewest..=fewest + unknown))
}

/// The answer to how long ago the newest, or the oldest, was; `None` where that is not asked.
fn aged(
    document: &Value,
    seen: &[(i64, Option<Known>)],
    overflow: bool,
    now: Timestamp,
) -> Option<Possible> {
    let is_certain = |(_, row): &(i64, Option<Known>)| row.is_some();
    let any_certain = seen.iter().any(is_certain);
    let among = |test: &Value, may_be_it: &[(i64, Option<Known>)]| {
        let ages = may_be_it.iter().map(|(time, _)| age_holds(test, now.0 - time));
        Possible::among(ages.chain((!any_certain).then_some(false)))
    };
    if let Some(test) = document.get("since") {
        let newest_certain = seen.iter().rposition(is_certain);
        return Some(among(test, &seen[newest_certain.unwrap_or(0)..]));
    }
    let test = document.get("since_first")?;
    if overflow {
        return Some(Possible::exactly(false));
    }
    let oldest_certain = seen.iter().position(is_certain);
    Some(among(test, oldest_certain.map_or(seen, |oldest| &seen[..=oldest])))
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
