//! Values that are counted, by comparing each with each.

use std::cmp::Ordering;

use super::{Known, Possible, holds as compares, order, property};
use crate::Value;

/// Whether a value is one that is counted.
pub(super) fn counts(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

/// Whether two values are the same to whoever counts them.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b,
        _ => order(a, b) == Some(Ordering::Equal),
    }
}

/// What can be said of the most frequent value, or the share, that a document asks for; `rows` are oldest
/// first, those that may not be read without what is known of them.
pub(super) fn possible(document: &Value, rows: &[Option<&Known>]) -> Possible {
    match document.get("share") {
        Some(test) => share(test, rows),
        None => most_frequent(&document["most_frequent"], rows),
    }
}

/// A share, with each number of those that may not be read counted, and each number of these in the part.
/// Whether a share is exactly so much is left open where a whole range is possible.
fn share(test: &Value, rows: &[Option<&Known>]) -> Possible {
    let filters = test["where"].as_array().cloned().unwrap_or_default();
    let passes = |row: &&&Known| filters.iter().all(|f| compares(f, property(row, f)));
    let certain: Vec<&Known> = rows.iter().copied().flatten().collect();
    let part = certain.iter().filter(passes).count();
    let unknown = rows.len() - certain.len();
    let ways = (0..=unknown).flat_map(|more| (0..=more).map(move |of| (more, of)));
    let shares: Vec<f64> = ways
        .filter(|(more, _)| certain.len() + more > 0)
        .map(|(more, of)| (part + of) as f64 / (certain.len() + more) as f64)
        .collect();
    let answers = shares.iter().map(|share| compares(test, Some(&(*share).into())));
    let nothing = certain.is_empty().then_some(false);
    let mut found = Possible::among(answers.chain(nothing));
    let least = shares.iter().copied().reduce(f64::min).unwrap_or_default();
    let greatest = shares.iter().copied().reduce(f64::max).unwrap_or_default();
    let is_inside = |wanted: &Value| {
        wanted.as_f64().is_some_and(|wanted| least <= wanted && wanted <= greatest)
    };
    let wanted = &test["value"];
    if unknown > 0 {
        match test["op"].as_str() {
            Some("eq") => found.yes |= is_inside(wanted),
            Some("ne") => found.no |= is_inside(wanted),
            Some("between") => {
                let ends = (wanted[0].as_f64(), wanted[1].as_f64());
                let meets = |(low, high)| low <= greatest && least <= high;
                found.yes |= ends.0.zip(ends.1).is_some_and(meets);
            }
            _ => {}
        }
    }
    found
}

/// The most frequent value, with each that may not be read left out, of each value that was seen, and of one
/// that never was.
fn most_frequent(test: &Value, rows: &[Option<&Known>]) -> Possible {
    let mut kinds: Vec<&Value> = Vec::new();
    for value in rows.iter().copied().flatten().filter_map(|row| property(row, test)) {
        if counts(value) && !kinds.iter().any(|kind| same(kind, value)) {
            kinds.push(value);
        }
    }
    let unseen = Value::Null;
    // Each way is a list of values, oldest first.
    let mut ways: Vec<Vec<&Value>> = vec![Vec::new()];
    for row in rows {
        let values: Vec<Option<&Value>> = match row {
            Some(row) => vec![property(row, test).filter(|value| counts(value))],
            None => kinds.iter().copied().chain([&unseen]).map(Some).chain([None]).collect(),
        };
        let mut longer = Vec::new();
        for way in &ways {
            longer.extend(values.iter().map(|value| way.iter().copied().chain(*value).collect()));
        }
        ways = longer;
    }
    let answer = |way: &Vec<&Value>| {
        let is_same = |a: &Value, b: &Value| a.is_null() && b.is_null() || same(a, b);
        let times = |value: &Value| way.iter().filter(|other| is_same(other, value)).count();
        // Of several that are greatest, `max_by_key` takes the last one: the newest.
        match way.iter().max_by_key(|value| times(value)) {
            Some(value) if value.is_null() => Possible::EITHER,
            Some(value) => Possible::exactly(compares(test, Some(value))),
            None => Possible::exactly(false),
        }
    };
    ways.iter().map(answer).fold(Possible { yes: false, no: false }, |found, way| Possible {
        yes: found.yes || way.yes,
        no: found.no || way.no,
    })
}
