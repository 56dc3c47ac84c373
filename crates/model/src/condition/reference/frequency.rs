//! Values that are counted, by comparing each with each.

use std::cmp::Ordering;

use super::{Known, holds as compares, order, property};
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

/// Whether the most frequent value, or the share, is as a document asks; `rows` are oldest first.
pub(super) fn holds(document: &Value, rows: &[&Known]) -> bool {
    if let Some(test) = document.get("share") {
        let filters = test["where"].as_array().cloned().unwrap_or_default();
        let passes = |row: &&&Known| filters.iter().all(|f| compares(f, property(row, f)));
        let part = rows.iter().filter(passes).count();
        let share = part as f64 / rows.len() as f64;
        return !rows.is_empty() && compares(test, Some(&share.into()));
    }
    let test = &document["most_frequent"];
    let values: Vec<&Value> = rows.iter().filter_map(|row| property(row, test)).collect();
    let values: Vec<&Value> = values.into_iter().filter(|value| counts(value)).collect();
    let times = |value: &Value| values.iter().filter(|other| same(other, value)).count();
    // Of several that are greatest, `max_by_key` takes the last one: the newest.
    let most = values.iter().max_by_key(|value| times(value));
    most.is_some_and(|value| compares(test, Some(value)))
}
