//! What the tests of this crate share: short ways to write audiences, people and times.

use model::{
    Key, Purpose, PurposeSet, Timestamp, Value,
    condition::{EventRow, RowValues},
    definition::{Fault, State},
    value::Path,
};

use crate::{AudienceDocument, Catalog, Live};

pub(crate) fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// The instant so many seconds in.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1000)
}

pub(crate) fn live(key_text: &str, version: u32, purpose: &str, condition: Value) -> Live {
    let document = AudienceDocument {
        key: key(key_text),
        name: String::new(),
        description: String::new(),
        tags: Vec::new(),
        state: State::Live,
        purpose: purpose.parse().unwrap(),
        condition,
    };
    let known = Purpose::BUILT_IN.into_iter().find(|(_, key)| *key == purpose);
    Live { document, version, purpose: known.map(|(purpose, _)| purpose) }
}

/// A catalog of audiences for personalization, all in their first version.
pub(crate) fn compile<const N: usize>(
    audiences: [(&str, Value); N],
) -> (Catalog, Vec<(Key, Vec<Fault>)>) {
    let live = audiences.map(|(key, condition)| live(key, 1, "personalization", condition));
    Catalog::compile(live.into())
}

pub(crate) fn catalog<const N: usize>(audiences: [(&str, Value); N]) -> Catalog {
    let (catalog, faults) = compile(audiences);
    assert_eq!(faults, []);
    catalog
}

pub(crate) fn row(time: Timestamp, purposes: PurposeSet, x: Option<Value>) -> EventRow {
    let values = RowValues::pack(&paths(), |_| x.as_ref());
    EventRow { time, tie: 0, purposes, values }
}

/// The properties that rows keep here.
pub(crate) fn paths() -> Vec<Path> {
    vec![Path::parse("x").unwrap()]
}
