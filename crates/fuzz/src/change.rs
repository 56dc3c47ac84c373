//! How a JSON document or a text is changed.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// One of this many changes is to the bytes, whatever they mean; the others keep JSON what it is.
const BYTES_ONE_IN: u32 = 4;

/// How deep a value is wrapped at once.
const WRAPS_MAX: u32 = 40;

/// Pieces of text that mean something to some parser.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{% if x %}",
    "{% endif %}",
    "{% raw %}",
    "| ",
    "[0]",
    ".size",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "-0",
    "1e999",
    "99999999999999999999",
    "0.1",
    "%",
    "'",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "é",
    "\u{1f600}",
    "(a+)+$",
    "../",
    "T24:00:00Z",
    "9999-12-31",
    "-1d",
    "0s",
    "$",
    "*",
    "<script>",
];

/// The input with one change; parts may come from the other one.
pub(crate) fn changed(input: &[u8], other: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let parsed = serde_json::from_slice::<Value>(input);
    match parsed {
        Ok(document) if random.random_range(0..BYTES_ONE_IN) > 0 => {
            let other = serde_json::from_slice(other).unwrap_or(Value::Null);
            changed_document(document, &other, random).to_string().into_bytes()
        }
        _ => changed_bytes(input, other, random),
    }
}

fn changed_document(mut document: Value, other: &Value, random: &mut ChaCha8Rng) -> Value {
    let place = random.random_range(0..size(&document));
    let given = nth(other, random.random_range(0..size(other))).clone();
    let kind = random.random_range(0..8);
    let scalar = hostile(random);
    let wraps = random.random_range(1..=WRAPS_MAX);
    let key = random.random_range(0..usize::MAX);
    let piece = piece(random);
    let at = random.random_range(0..usize::MAX);
    change_nth(&mut document, place, &mut |value| match (kind, &mut *value) {
        (0, _) => *value = scalar.clone(),
        (1, _) => *value = given.clone(),
        (2, Value::Object(members)) => {
            let name = members.keys().nth(key % members.len().max(1)).cloned();
            members.remove(&name.unwrap_or_default());
        }
        (3, Value::Object(members)) => {
            let name = names(other).nth(key % 7).unwrap_or_else(|| piece.to_owned());
            members.insert(name, given.clone());
        }
        (2 | 3, Value::Array(items)) => items.push(given.clone()),
        (4, Value::Array(items)) => {
            items.truncate(key % (items.len() + 1));
        }
        (5, _) => {
            for _ in 0..wraps {
                *value = json!([value.take()]);
            }
        }
        (_, Value::String(text)) => {
            let cut = text.char_indices().map(|(at, _)| at).nth(at % (text.chars().count() + 1));
            text.insert_str(cut.unwrap_or(text.len()), piece);
        }
        (_, Value::Number(_)) => *value = scalar.clone(),
        _ => *value = json!([value.take(), given.clone()]),
    });
    document
}

/// A value that programs stumble over.
fn hostile(random: &mut ChaCha8Rng) -> Value {
    let values = [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e308),
        json!(0.1),
        json!(""),
        json!("\u{0}"),
        json!("x".repeat(300)),
        json!("2026-02-30T25:61:00Z"),
        json!("-99999-01-01"),
        json!([]),
        json!({}),
    ];
    values.get(random.random_range(0..values.len())).cloned().unwrap_or_default()
}

fn piece(random: &mut ChaCha8Rng) -> &'static str {
    PIECES.get(random.random_range(0..PIECES.len())).copied().unwrap_or_default()
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Object(members) => Box::new(members.values()),
        Value::Array(items) => Box::new(items.iter()),
        _ => Box::new(std::iter::empty()),
    }
}

/// How many values a document has, itself counted.
fn size(value: &Value) -> usize {
    1 + children(value).map(size).sum::<usize>()
}

/// The value at a place, in the order of reading.
fn nth(value: &Value, mut place: usize) -> &Value {
    if place == 0 {
        return value;
    }
    place -= 1;
    for child in children(value) {
        let within = size(child);
        if place < within {
            return nth(child, place);
        }
        place -= within;
    }
    value
}

fn change_nth(value: &mut Value, mut place: usize, change: &mut dyn FnMut(&mut Value)) {
    if place == 0 {
        return change(value);
    }
    place -= 1;
    let children: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Object(members) => Box::new(members.values_mut()),
        Value::Array(items) => Box::new(items.iter_mut()),
        _ => return,
    };
    for child in children {
        let within = size(child);
        if place < within {
            return change_nth(child, place, change);
        }
        place -= within;
    }
}

/// The names of an object's members, at any depth.
fn names(value: &Value) -> Box<dyn Iterator<Item = String> + '_> {
    let own = value.as_object().into_iter().flat_map(|members| members.keys().cloned());
    Box::new(own.chain(children(value).flat_map(names)))
}

fn changed_bytes(input: &[u8], other: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut range = |length: usize| {
        let from = random.random_range(0..=length);
        let to = random.random_range(from..=length.min(from + 64));
        from..to
    };
    let (at, from_other) = (range(input.len()), range(other.len()));
    let begin = input.get(..at.start).unwrap_or_default();
    let middle = input.get(at.clone()).unwrap_or_default();
    let end = input.get(at.end..).unwrap_or_default();
    let given = other.get(from_other).unwrap_or_default();
    match random.random_range(0..5) {
        0 => [begin, end].concat(),
        1 => [begin, middle, middle, end].concat(),
        2 => [begin, given, end].concat(),
        3 => [begin, piece(random).as_bytes(), middle, end].concat(),
        _ => {
            let mut bytes = input.to_vec();
            if let Some(byte) = bytes.get_mut(at.start) {
                *byte ^= 1 << random.random_range(0..8);
            }
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn every_value_of_a_document_can_be_changed() {
        let document = json!({"a": [1, {"b": "x"}], "c": null});
        assert_eq!(size(&document), 6);
        let found: Vec<&Value> = (0..6).map(|place| nth(&document, place)).collect();
        assert_eq!(found.last(), Some(&&Value::Null));
        for place in 1..6 {
            let mut changed = document.clone();
            change_nth(&mut changed, place, &mut |value| *value = json!("here"));
            assert_ne!(changed, document);
        }
    }

    #[test]
    fn changes_are_many_and_mostly_still_json() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let seed = br#"{"event": "A", "where": [{"property": "x", "op": "eq", "value": 1}]}"#;
        let made: Vec<Vec<u8>> = (0..500).map(|_| changed(seed, seed, &mut random)).collect();
        let json = made.iter().filter(|it| serde_json::from_slice::<Value>(it).is_ok()).count();
        assert!(json > 300, "{json}");
        let distinct: std::collections::BTreeSet<&Vec<u8>> = made.iter().collect();
        assert!(distinct.len() > 250, "{}", distinct.len());
    }
}
