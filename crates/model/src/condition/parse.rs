//! From JSON to a [`Condition`]: strict, bounded, and telling every fault with its place.
//!
//! The document may come from anyone. Nesting is measured without recursion and size is counted before anything
//! descends, and the descent itself stops at [`MAX_RULE_DEPTH`].

mod account;
mod comparison;
mod measure;
mod sequence;
mod window;

pub(super) use comparison::path;
pub(super) use window::{read as window, zone};

use super::{
    ComputedTest, EventName, StageTest, Stay, Subject,
    reader::Reader,
    syntax::{Condition, EventCondition, EventPattern, Filter},
};
use crate::{
    Duration, Event, Key, Value,
    consent::PurposeKey,
    definition::{Fault, MAX_RULE_BYTES, MAX_RULE_DEPTH},
    value::Object,
};
use comparison::filter;

/// Most parts of one `all`, `any` or `at_least`, and most filters of one event condition.
const MAX_PARTS: usize = 256;
/// Longest name of an item, in bytes.
const MAX_ITEM_BYTES: usize = 256;
/// Longest salt, in bytes.
const MAX_SALT_BYTES: usize = 128;
/// Deepest nesting of the JSON itself. A level of conditions takes at most three levels of JSON (`at_least`, `of`, the
/// array), and an innermost condition eight: a sequence, its list, a step, `not`, `where`, a filter, `value`, an
/// element.
const MAX_JSON_DEPTH: usize = MAX_RULE_DEPTH * 3 + 8;

/// The kinds of condition, each with the fields it may have.
const KINDS: [(&str, &[&str]); 16] = [
    ("all", &["all"]),
    ("any", &["any"]),
    ("not", &["not"]),
    ("at_least", &["at_least"]),
    ("trait", &["trait", "op", "value", "ignore_case"]),
    ("context", &["context", "op", "value", "ignore_case"]),
    ("computed", &["computed", "item", "op", "value", "ignore_case"]),
    (
        "event",
        &[
            "event",
            "where",
            "within",
            "count",
            "sum",
            "avg",
            "min",
            "max",
            "distinct",
            "periods",
            "most_frequent",
            "share",
            "last",
            "first",
            "since",
            "since_first",
        ],
    ),
    ("sequence", &["sequence", "within", "span", "finished_within", "strict", "same_visit"]),
    ("audience", &["audience", "for_at_least", "ever", "entered_within", "left_within"]),
    ("stage", &["stage", "in", "for_at_least"]),
    ("account", &["account", "where"]),
    ("membership", &["membership", "op", "value", "ignore_case"]),
    ("members", &["members", "count", "in"]),
    ("consent", &["consent"]),
    ("bucket", &["bucket"]),
];

impl Condition {
    /// Parses a JSON document; every fault is reported with its JSON pointer.
    pub fn parse(document: &Value) -> Result<Self, Vec<Fault>> {
        if nests_deeper_than(document, MAX_JSON_DEPTH) {
            return Err(vec![too_deep("")]);
        }
        if compact_bytes(document) > MAX_RULE_BYTES {
            let detail = format!("the rule is larger than {MAX_RULE_BYTES} bytes; split it up");
            return Err(vec![Fault::new("", detail)]);
        }
        let mut reader = Reader::default();
        match condition(&mut reader, document, 1) {
            Some(condition) if reader.faults().is_empty() => Ok(condition),
            _ => Err(reader.into_faults()),
        }
    }
}

fn too_deep(pointer: &str) -> Fault {
    let detail = format!("conditions are nested deeper than {MAX_RULE_DEPTH} levels; flatten them");
    Fault::new(pointer, detail)
}

fn nests_deeper_than(document: &Value, limit: usize) -> bool {
    let mut waiting = vec![(document, 1)];
    while let Some((value, depth)) = waiting.pop() {
        if depth > limit {
            return true;
        }
        match value {
            Value::Array(elements) => waiting.extend(elements.iter().map(|v| (v, depth + 1))),
            Value::Object(fields) => waiting.extend(fields.values().map(|v| (v, depth + 1))),
            _ => {}
        }
    }
    false
}

fn compact_bytes(document: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, document) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

fn condition(reader: &mut Reader, document: &Value, depth: usize) -> Option<Condition> {
    if depth > MAX_RULE_DEPTH {
        reader.push(too_deep(reader.pointer()));
        return None;
    }
    let object = reader.object(document, "a condition is an object, as in {\"trait\":…}")?;
    let kinds = || KINDS.into_iter().filter(|(kind, _)| object.contains_key(*kind));
    let Some((kind, fields)) = kinds().next() else {
        let all = KINDS.into_iter().map(|(kind, _)| kind);
        let known: Vec<&str> = all.filter(|kind| account::may_stand(reader, kind)).collect();
        reader.fault(format!("a condition has one of the fields {}", known.join(", ")));
        return None;
    };
    if let Some((other, _)) = kinds().nth(1) {
        reader.fault(format!(
            "a condition is of one kind, and this one has both `{kind}` and `{other}`; combine two in `all` or `any`"
        ));
        return None;
    }
    if !account::is_at_place(reader, kind) {
        return None;
    }
    reader.refuse_unknown(object, fields);
    let value = object.get(kind)?;
    match kind {
        "all" => reader.inside(kind, |r| parts(r, value, depth)).map(Condition::All),
        "any" => reader.inside(kind, |r| any(r, value, depth)),
        "not" => reader
            .inside(kind, |r| condition(r, value, depth + 1))
            .map(|part| Condition::Not(Box::new(part))),
        "at_least" => reader.inside(kind, |r| at_least(r, value, depth)),
        "trait" => comparison::read(reader, object, Subject::Trait),
        "context" => comparison::read(reader, object, Subject::Context),
        "computed" => computed(reader, object),
        "event" => event(reader, object),
        "sequence" => sequence::read(reader, object),
        "audience" => audience(reader, object),
        "stage" => stage(reader, object),
        "account" => account::read(reader, object, depth),
        "membership" => account::belonging(reader, object),
        "members" => account::members(reader, object),
        "consent" => {
            const HELP: &str = "`consent` is the key of a purpose, as in \"personalization\"";
            reader.parsed::<PurposeKey>(object, kind, HELP).map(Condition::Consent)
        }
        _ => reader.inside(kind, |r| bucket(r, value)),
    }
}

fn parts(reader: &mut Reader, value: &Value, depth: usize) -> Option<Vec<Condition>> {
    reader.list(value, MAX_PARTS, "conditions", |r, part| condition(r, part, depth + 1))
}

fn any(reader: &mut Reader, value: &Value, depth: usize) -> Option<Condition> {
    let parts = parts(reader, value, depth)?;
    if parts.is_empty() {
        reader.fault("an empty `any` matches nobody; name at least one condition");
        return None;
    }
    Some(Condition::Any(parts))
}

fn at_least(reader: &mut Reader, value: &Value, depth: usize) -> Option<Condition> {
    const HELP: &str = "`at_least` is an object, as in {\"count\":2,\"of\":[…]}";
    let object = reader.object(value, HELP)?;
    reader.refuse_unknown(object, &["count", "of"]);
    let of = match object.get("of") {
        Some(of) => reader.inside("of", |r| parts(r, of, depth)),
        None => {
            reader.fault("`of` is missing: name the conditions");
            None
        }
    }?;
    let count = object.get("count").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    match count.filter(|count| (1..=of.len()).contains(count)) {
        Some(count) => Some(Condition::AtLeast { count, of }),
        None => {
            let last = of.len();
            reader.fault_at("count", format!("`count` is a whole number from 1 to {last}"));
            None
        }
    }
}

fn computed(reader: &mut Reader, object: &Object) -> Option<Condition> {
    const HELP: &str = "`computed` is the key of a computed trait";
    let key = reader.parsed::<Key>(object, "computed", HELP);
    let item = match object.get("item") {
        None => Some(None),
        Some(item) => {
            let item = item.as_str().filter(|item| (1..=MAX_ITEM_BYTES).contains(&item.len()));
            if item.is_none() {
                reader.fault_at("item", format!("`item` is a text of 1 to {MAX_ITEM_BYTES} bytes"));
            }
            item.map(|item| Some(item.into()))
        }
    };
    let test = comparison::test(reader, object, &[]);
    Some(Condition::Computed(Box::new(ComputedTest::new(key?, item?, test?))))
}

fn event(reader: &mut Reader, object: &Object) -> Option<Condition> {
    let of = pattern(reader, object);
    let within = window::read(reader, object);
    let measure = measure::read(reader, object);
    let (of, within, measure) = (of?, within?, measure?);
    Some(Condition::Event(Box::new(EventCondition { of, within, measure })))
}

/// Which events are meant.
pub(super) fn pattern(reader: &mut Reader, object: &Object) -> Option<EventPattern> {
    let name = object.get("event").and_then(Value::as_str);
    let name = name.filter(|name| (1..=Event::MAX_NAME_BYTES).contains(&name.len()));
    if name.is_none() {
        let limit = Event::MAX_NAME_BYTES;
        reader.fault_at("event", format!("`event` is the name of an event, 1 to {limit} bytes"));
    }
    let filters = match object.get("where") {
        Some(list) => reader.inside("where", |reader| filters(reader, list)),
        None => Some(Vec::new()),
    };
    Some(EventPattern { name: EventName::new(name?), filters: filters? })
}

/// What each of some events must be.
fn filters(reader: &mut Reader, list: &Value) -> Option<Vec<Filter>> {
    reader.list(list, MAX_PARTS, "filters", filter)
}

/// A length of time, where there is one; `None` when it is faulty.
#[expect(clippy::option_option, reason = "a field that may be left out, and may be wrong")]
fn length(reader: &mut Reader, object: &Object, field: &str) -> Option<Option<Duration>> {
    if !object.contains_key(field) {
        return Some(None);
    }
    let help = format!("`{field}` is a duration, as in \"30d\"");
    let length = reader.parsed::<Duration>(object, field, &help)?;
    positive(reader, field, length).map(Some)
}

pub(super) fn positive(reader: &mut Reader, field: &str, duration: Duration) -> Option<Duration> {
    if duration <= Duration::default() {
        reader.fault_at(field, format!("`{field}` is longer than nothing, as in \"30d\""));
        return None;
    }
    Some(duration)
}

fn audience(reader: &mut Reader, object: &Object) -> Option<Condition> {
    let key = reader.parsed::<Key>(object, "audience", "`audience` is the key of an audience");
    let stay = stay(reader, object);
    Some(Condition::Audience { key: key?, stay: stay? })
}

/// What is asked about a membership.
fn stay(reader: &mut Reader, object: &Object) -> Option<Stay> {
    let kinds = ["for_at_least", "ever", "entered_within", "left_within"];
    let mut asked = kinds.into_iter().filter(|kind| object.contains_key(*kind));
    let Some(kind) = asked.next() else { return Some(Stay::Present) };
    if let Some(other) = asked.next() {
        reader.fault(format!(
            "this asks about a membership in two ways, `{kind}` and `{other}`; combine two in `all`"
        ));
        return None;
    }
    if kind == "ever" {
        if object.get(kind) != Some(&Value::Bool(true)) {
            reader.fault_at(kind, "`ever` is true; leave it out to ask who is in now");
            return None;
        }
        return Some(Stay::Ever);
    }
    let length = length(reader, object, kind)??;
    Some(match kind {
        "for_at_least" => Stay::ForAtLeast(length),
        "entered_within" => Stay::EnteredWithin(length),
        _ => Stay::LeftWithin(length),
    })
}

fn stage(reader: &mut Reader, object: &Object) -> Option<Condition> {
    let stages = reader.parsed::<Key>(object, "stage", "`stage` is the key of stages");
    let of = object.get("in").filter(|of| of.as_array().is_some_and(|of| !of.is_empty()));
    let Some(of) = of else {
        reader.fault_at("in", "`in` is a list of the keys of stages");
        return None;
    };
    let of = reader.inside("in", |reader| {
        reader.list(of, MAX_PARTS, "stages", |reader, key| {
            let key = key.as_str().and_then(|key| key.parse::<Key>().ok());
            if key.is_none() {
                reader.fault("this is the key of a stage");
            }
            key
        })
    });
    let for_at_least = length(reader, object, "for_at_least");
    Some(Condition::Stage(Box::new(StageTest::new(stages?, of?, for_at_least?))))
}

fn bucket(reader: &mut Reader, value: &Value) -> Option<Condition> {
    const HELP: &str = "`bucket` is an object, as in {\"salt\":\"x\",\"below\":0.1}";
    let object = reader.object(value, HELP)?;
    reader.refuse_unknown(object, &["salt", "below"]);
    let salt = object.get("salt").and_then(Value::as_str);
    let salt = salt.filter(|salt| (1..=MAX_SALT_BYTES).contains(&salt.len()));
    if salt.is_none() {
        reader.fault_at("salt", format!("`salt` is a text of 1 to {MAX_SALT_BYTES} bytes"));
    }
    let below = object.get("below").and_then(Value::as_f64).and_then(ten_thousandths);
    if below.is_none() {
        reader.fault_at("below", "`below` is a number from 0 to 1 with at most four decimals");
    }
    Some(Condition::Bucket { salt: salt?.into(), below: below? })
}

/// The share in ten-thousandths, rounded to whole ones so that 0.07 is 700 in every language's arithmetic.
fn ten_thousandths(share: f64) -> Option<u32> {
    let scaled = share * f64::from(crate::hash::BUCKET_COUNT);
    let whole = scaled.round();
    if !(0.0..=1.0).contains(&share) || (scaled - whole).abs() > 1e-6 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 0 to 10 000"
    )]
    let whole = whole as u32;
    Some(whole)
}
