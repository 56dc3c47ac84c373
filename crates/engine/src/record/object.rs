//! JSON objects in records that are written at every request and seldom read: in a binary form,
//! which takes a fraction of the time that text does.

use std::{borrow::Cow, collections::BTreeMap};

use model::value::{Object, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A JSON object in a record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredObject<'a>(pub(crate) Cow<'a, Object>);

impl Serialize for StoredObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Members(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredObject<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = BTreeMap::<String, Read>::deserialize(deserializer)?;
        Ok(Self(Cow::Owned(object(members))))
    }
}

struct Members<'a>(&'a Object);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Written(value))))
    }
}

/// A value as it is written: as the variant of [`Read`] of the same place.
struct Written<'a>(&'a Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        const NAME: &str = "Value";
        match self.0 {
            Value::Null => to.serialize_unit_variant(NAME, 0, "Null"),
            Value::Bool(value) => to.serialize_newtype_variant(NAME, 1, "Bool", value),
            Value::Number(number) => {
                if let Some(number) = number.as_u64() {
                    to.serialize_newtype_variant(NAME, 2, "Unsigned", &number)
                } else if let Some(number) = number.as_i64() {
                    to.serialize_newtype_variant(NAME, 3, "Signed", &number)
                } else {
                    let number = number.as_f64().unwrap_or_default();
                    to.serialize_newtype_variant(NAME, 4, "Float", &number)
                }
            }
            Value::String(text) => to.serialize_newtype_variant(NAME, 5, "Text", text),
            Value::Array(items) => to.serialize_newtype_variant(NAME, 6, "List", &Items(items)),
            Value::Object(members) => {
                to.serialize_newtype_variant(NAME, 7, "Object", &Members(members))
            }
        }
    }
}

struct Items<'a>(&'a [Value]);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Written))
    }
}

/// A value as it is read.
#[derive(Deserialize)]
enum Read {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Read>),
    Object(BTreeMap<String, Read>),
}

impl From<Read> for Value {
    fn from(read: Read) -> Self {
        match read {
            Read::Null => Self::Null,
            Read::Bool(value) => Self::Bool(value),
            Read::Unsigned(number) => number.into(),
            Read::Signed(number) => number.into(),
            Read::Float(number) => number.into(),
            Read::Text(text) => Self::String(text),
            Read::List(items) => items.into_iter().map(Self::from).collect(),
            Read::Object(members) => Self::Object(object(members)),
        }
    }
}

fn object(members: BTreeMap<String, Read>) -> Object {
    members.into_iter().map(|(name, value)| (name, value.into())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::record::{decode, encode};

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter("JSON has no others", |f| f.is_finite()).prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(".{0,4}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn objects_come_back_as_they_were(value in value()) {
            let mut object = Object::new();
            object.insert("value".into(), value);
            let stored = StoredObject(Cow::Borrowed(&object));
            prop_assert_eq!(decode::<StoredObject<'_>>(&encode(&stored), "object"), Ok(stored));
        }
    }

    #[test]
    fn numbers_keep_their_kind() {
        let given = json!({"whole": 1, "part": 1.0, "below": -1, "most": u64::MAX});
        let object = given.as_object().unwrap();
        let bytes = encode(&StoredObject(Cow::Borrowed(object)));
        let read: StoredObject<'_> = decode(&bytes, "object").unwrap();
        assert_eq!(Value::Object(read.0.into_owned()).to_string(), given.to_string());
    }
}
