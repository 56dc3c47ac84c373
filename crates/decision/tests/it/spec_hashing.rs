//! `spec/hashing.json`: the hashes that every implementation must agree on.

use model::{Identifier, IdentifierType, UnitId, hash};
use serde::Deserialize;

use crate::person::spec;

#[derive(Deserialize)]
struct Spec {
    murmur3: Vec<Murmur>,
    bucket: Vec<Bucket>,
    lane: Vec<LaneCase>,
    event_name: Vec<EventNameCase>,
}

#[derive(Deserialize)]
struct Murmur {
    text: String,
    hash: u32,
}

#[derive(Deserialize)]
struct Bucket {
    salt: String,
    unit: String,
    bucket: u32,
}

#[derive(Deserialize)]
struct LaneCase {
    r#type: String,
    value: String,
    lane: u16,
}

#[derive(Deserialize)]
struct EventNameCase {
    name: String,
    hash: String,
}

#[test]
fn hashes_match_the_cases() {
    let spec: Spec = spec("hashing.json");
    for case in &spec.murmur3 {
        assert_eq!(hash::murmur3_32(case.text.as_bytes()), case.hash, "{}", case.text);
    }
    for case in &spec.bucket {
        let unit = UnitId(u64::from_str_radix(&case.unit, 16).unwrap());
        assert_eq!(hash::bucket(&case.salt, unit), case.bucket, "{} {}", case.salt, case.unit);
    }
    for case in &spec.lane {
        let kind = IdentifierType::parse(&case.r#type).unwrap();
        let identifier = Identifier { kind, value: case.value.as_str().into() };
        assert_eq!(hash::lane(&identifier).get(), case.lane, "{} {}", case.r#type, case.value);
    }
    for case in &spec.event_name {
        assert_eq!(format!("{:016x}", hash::event_name(&case.name)), case.hash, "{}", case.name);
    }
    let counts = [spec.murmur3.len(), spec.bucket.len(), spec.lane.len(), spec.event_name.len()];
    assert!(counts.iter().all(|count| 0 < *count), "an empty list checks nothing: {counts:?}");
}
