//! The properties of an event in as few bytes as they can be compared in.
//!
//! A person may hold thousands of events, so a property has no path and no block of its own: it is a
//! byte for the distance to the property before it, a byte for what it is, and its bytes.

use serde_json::Number;

use crate::{Value, value::Path};

/// What a byte says of the value that follows it.
mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    /// One byte, signed.
    pub(super) const SMALL: u8 = 3;
    /// Eight bytes, signed.
    pub(super) const WHOLE: u8 = 4;
    /// Eight bytes, for what is too large to be signed.
    pub(super) const NATURAL: u8 = 5;
    /// Eight bytes.
    pub(super) const DOUBLE: u8 = 6;
    /// A length and UTF-8.
    pub(super) const TEXT: u8 = 7;
    /// A length in bytes and the elements.
    pub(super) const LIST: u8 = 8;
    /// A length and JSON text: comparisons look into no object.
    pub(super) const OBJECT: u8 = 9;
}

/// What a row keeps of an event's properties, by their places among the paths that are read of its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowValues(Box<[u8]>);

impl RowValues {
    /// Packs what `find` finds at each of `paths`; JSON `null` counts as absent.
    pub fn pack<'a>(paths: &[Path], find: impl Fn(&Path) -> Option<&'a Value>) -> Self {
        let mut bytes = Vec::new();
        let mut next = 0;
        for (place, path) in paths.iter().enumerate() {
            if let Some(value) = find(path).filter(|value| !value.is_null()) {
                put_length(&mut bytes, place - next);
                put(&mut bytes, value);
                next = place + 1;
            }
        }
        Self(bytes.into())
    }

    /// Whether the row keeps nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The value at a place among packed ones.
pub(super) fn find(bytes: &[u8], place: usize) -> Option<Seen<'_>> {
    let (tag, value) = find_raw(bytes, place)?;
    seen(tag, value)
}

/// The number at a place among packed ones, as a double: sums look at thousands.
pub(super) fn find_f64(bytes: &[u8], place: usize) -> Option<f64> {
    match find_raw(bytes, place)? {
        (tag::DOUBLE, value) => {
            let number = f64::from_le_bytes(value.try_into().ok()?);
            number.is_finite().then_some(number)
        }
        (tag, value) => seen(tag, value)?.as_f64(),
    }
}

fn find_raw(mut bytes: &[u8], place: usize) -> Option<(u8, &[u8])> {
    let mut next = 0;
    while !bytes.is_empty() {
        let found = next + take_length(&mut bytes)?;
        if place < found {
            return None;
        }
        let (tag, value) = take_raw(&mut bytes)?;
        if found == place {
            return Some((tag, value));
        }
        next = found + 1;
    }
    None
}

/// A value as comparisons see it, wherever it is held.
#[derive(Clone, Debug)]
pub enum Seen<'a> {
    /// JSON `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(&'a str),
    /// An array.
    List(List<'a>),
    /// An object, which comparisons do not look into.
    Object(Object<'a>),
}

/// The elements of an array.
#[derive(Clone, Copy, Debug)]
pub enum List<'a> {
    /// As JSON.
    Plain(&'a [Value]),
    /// As bytes.
    Packed(Packed<'a>),
}

/// An object.
#[derive(Clone, Copy, Debug)]
pub enum Object<'a> {
    /// As JSON.
    Plain(&'a Value),
    /// As JSON text.
    Packed(Packed<'a>),
}

/// Bytes that [`RowValues::pack`] wrote.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a>(&'a [u8]);

impl Seen<'_> {
    /// The number as a double, if it is a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    /// What tells it from other texts, numbers and booleans; `None` for anything else. Numbers of
    /// the same value are the same, however they are written.
    pub(super) fn kind(&self) -> Option<String> {
        match self {
            Self::Bool(bool) => Some(bool.to_string()),
            Self::Text(text) => Some(format!("\"{text}")),
            Self::Number(number) => {
                let double = number.as_f64()?;
                let is_whole = number.as_i64().is_some() || number.as_u64().is_some();
                // Doubles below 2^53 stand for themselves; a larger one is told as it is written.
                let is_exact = double.abs() < 9_007_199_254_740_992.0;
                Some(if is_whole && !is_exact { number.to_string() } else { double.to_string() })
            }
            Self::Null | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// The value as JSON.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(bool) => Value::Bool(*bool),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String((*text).to_owned()),
            Self::List(List::Plain(elements)) => Value::Array(elements.to_vec()),
            Self::List(list) => {
                let mut elements = Vec::new();
                list.any(|element| {
                    elements.push(element.to_value());
                    false
                });
                Value::Array(elements)
            }
            Self::Object(Object::Plain(object)) => (*object).clone(),
            Self::Object(Object::Packed(Packed(json))) => {
                serde_json::from_slice(json).unwrap_or_default()
            }
        }
    }
}

impl List<'_> {
    /// Whether `holds` does for some element.
    pub(super) fn any(&self, mut holds: impl FnMut(&Seen<'_>) -> bool) -> bool {
        match *self {
            Self::Plain(elements) => elements.iter().any(|element| holds(&element.into())),
            Self::Packed(Packed(mut bytes)) => {
                while let Some((tag, value)) = take_raw(&mut bytes) {
                    if seen(tag, value).is_some_and(|element| holds(&element)) {
                        return true;
                    }
                }
                false
            }
        }
    }
}

impl<'a> From<&'a Value> for Seen<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(bool) => Self::Bool(*bool),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(text),
            Value::Array(elements) => Self::List(List::Plain(elements)),
            Value::Object(_) => Self::Object(Object::Plain(value)),
        }
    }
}

fn put(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => bytes.push(tag::NULL),
        Value::Bool(false) => bytes.push(tag::FALSE),
        Value::Bool(true) => bytes.push(tag::TRUE),
        Value::Number(number) => put_number(bytes, number),
        Value::String(text) => put_long(bytes, tag::TEXT, text.as_bytes()),
        Value::Array(elements) => {
            let mut inner = Vec::new();
            elements.iter().for_each(|element| put(&mut inner, element));
            put_long(bytes, tag::LIST, &inner);
        }
        Value::Object(_) => put_long(bytes, tag::OBJECT, value.to_string().as_bytes()),
    }
}

fn put_number(bytes: &mut Vec<u8>, number: &Number) {
    if let Some(whole) = number.as_i64() {
        match i8::try_from(whole) {
            Ok(small) => {
                bytes.push(tag::SMALL);
                bytes.extend(small.to_le_bytes());
            }
            Err(_) => {
                bytes.push(tag::WHOLE);
                bytes.extend(whole.to_le_bytes());
            }
        }
    } else if let Some(natural) = number.as_u64() {
        bytes.push(tag::NATURAL);
        bytes.extend(natural.to_le_bytes());
    } else {
        bytes.push(tag::DOUBLE);
        bytes.extend(number.as_f64().unwrap_or_default().to_le_bytes());
    }
}

fn put_long(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) {
    bytes.push(tag);
    put_length(bytes, value.len());
    bytes.extend_from_slice(value);
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn put_length(bytes: &mut Vec<u8>, mut length: usize) {
    while let low = u8::try_from(length & 0x7f).unwrap_or_default()
        && 0x7f < length
    {
        bytes.push(low | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap_or_default());
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    // Nearly all are short.
    if let Some((&byte, rest)) = bytes.split_first()
        && byte < 0x80
    {
        *bytes = rest;
        return Some(usize::from(byte));
    }
    let mut length = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(length);
        }
    }
    None
}

/// Takes a value off the front without looking into it.
fn take_raw<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = bytes.split_first()?;
    *bytes = rest;
    let length = match tag {
        tag::NULL | tag::FALSE | tag::TRUE => 0,
        tag::SMALL => 1,
        tag::WHOLE | tag::NATURAL | tag::DOUBLE => 8,
        _ => take_length(bytes)?,
    };
    let (value, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((tag, value))
}

fn seen(tag: u8, value: &[u8]) -> Option<Seen<'_>> {
    Some(match tag {
        tag::NULL => Seen::Null,
        tag::FALSE => Seen::Bool(false),
        tag::TRUE => Seen::Bool(true),
        tag::SMALL => Seen::Number(i8::from_le_bytes(value.try_into().ok()?).into()),
        tag::WHOLE => Seen::Number(i64::from_le_bytes(value.try_into().ok()?).into()),
        tag::NATURAL => Seen::Number(u64::from_le_bytes(value.try_into().ok()?).into()),
        tag::DOUBLE => Seen::Number(Number::from_f64(f64::from_le_bytes(value.try_into().ok()?))?),
        tag::TEXT => Seen::Text(std::str::from_utf8(value).ok()?),
        tag::LIST => Seen::List(List::Packed(Packed(value))),
        _ => Seen::Object(Object::Packed(Packed(value))),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::btree_map, prelude::*};
    use serde_json::json;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i8>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            "x{100,200}".prop_map(Value::from),
        ];
        // Objects are text, in which a double may lose its last digit; comparisons never see them.
        let object = btree_map("[a-c]", any::<i64>(), 0..3);
        let object = object.prop_map(|fields| json!(fields));
        prop_oneof![4 => scalar, 1 => object].prop_recursive(3, 8, 3, |part| {
            proptest::collection::vec(part, 0..4).prop_map(Value::Array)
        })
    }

    proptest! {
        #[test]
        fn what_was_packed_is_found_at_its_place(values in btree_map(0..300_usize, value(), 0..6)) {
            let paths: Vec<Path> = (0..300).map(|n| Path::parse(&format!("p{n:03}")).unwrap()).collect();
            let by_path: BTreeMap<&Path, &Value> =
                values.iter().map(|(place, value)| (&paths[*place], value)).collect();
            let packed = RowValues::pack(&paths, |path| by_path.get(path).copied());
            for place in 0..301 {
                let expected = values.get(&place).filter(|value| !value.is_null());
                let found = find(packed.bytes(), place).map(|seen| seen.to_value());
                prop_assert_eq!(found.as_ref(), expected);
                let number = expected.and_then(Value::as_f64);
                prop_assert_eq!(find_f64(packed.bytes(), place), number);
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            for place in 0..4 {
                find(&bytes, place).map(|seen| seen.to_value());
            }
        }
    }

    #[test]
    fn a_row_of_a_shop_takes_a_few_bytes() {
        let paths = ["category", "revenue", "size"].map(|path| Path::parse(path).unwrap());
        let event = json!({"category": "kitchen", "revenue": 123.45});
        let packed = RowValues::pack(&paths, |path| path.find(event.as_object().unwrap()));
        assert_eq!(packed.bytes().len(), 20);
        assert!(RowValues::pack(&[], |_| None).is_empty());
    }
}
