//! From JSON to a [`Condition`]: strict, bounded, and telling every fault with its place.
//!
//! The document may come from anyone. Nesting is measured without recursion and size is counted before anything
//! descends, and the descent itself stops at [`MAX_RULE_DEPTH`].

mod sequence;
mod window;

pub(super) use window::{read as window, zone};

use super::{
    ComputedTest, EventName, Seen,
    calendar::Unit,
    comparison::{Bound, Literal, Op, Operand, Test},
    reader::Reader,
    statistic::Statistic,
    syntax::{Condition, EventCondition, EventPattern, Filter, Measure},
};
use crate::{
    Duration, Event, Key, Value,
    consent::PurposeKey,
    definition::{Fault, MAX_RULE_BYTES, MAX_RULE_DEPTH},
    value::{Object, Path},
};

/// Most parts of one `all`, `any` or `at_least`, and most filters of one event condition.
const MAX_PARTS: usize = 256;
/// Most values of one `in` or `not_in`.
const MAX_VALUES: usize = 1000;
/// Longest name of an item, in bytes.
const MAX_ITEM_BYTES: usize = 256;
/// Longest salt, in bytes.
const MAX_SALT_BYTES: usize = 128;
/// Deepest nesting of the JSON itself. A level of conditions takes at most three levels of JSON (`at_least`, `of`, the
/// array), and an innermost condition eight: a sequence, its list, a step, `not`, `where`, a filter, `value`, an
/// element.
const MAX_JSON_DEPTH: usize = MAX_RULE_DEPTH * 3 + 8;

/// The kinds of condition, each with the fields it may have.
const KINDS: [(&str, &[&str]); 12] = [
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
            "event", "where", "within", "count", "sum", "avg", "min", "max", "distinct", "periods",
            "last", "first", "since",
        ],
    ),
    ("sequence", &["sequence", "within", "span"]),
    ("audience", &["audience", "for_at_least"]),
    ("consent", &["consent"]),
    ("bucket", &["bucket"]),
];

/// The questions an event condition can ask, of which it asks one.
const MEASURES: [&str; 10] =
    ["count", "sum", "avg", "min", "max", "distinct", "periods", "last", "first", "since"];

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
        let known: Vec<&str> = KINDS.into_iter().map(|(kind, _)| kind).collect();
        reader.fault(format!("a condition has one of the fields {}", known.join(", ")));
        return None;
    };
    if let Some((other, _)) = kinds().nth(1) {
        reader.fault(format!(
            "a condition is of one kind, and this one has both `{kind}` and `{other}`; combine two in `all` or `any`"
        ));
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
        "trait" => {
            let (path, test) = tested(reader, object, kind)?;
            Some(Condition::Trait { path, test })
        }
        "context" => {
            let (path, test) = tested(reader, object, kind)?;
            Some(Condition::Context { path, test })
        }
        "computed" => computed(reader, object),
        "event" => event(reader, object),
        "sequence" => sequence::read(reader, object),
        "audience" => audience(reader, object),
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
    let test = test(reader, object);
    Some(Condition::Computed(Box::new(ComputedTest::new(key?, item?, test?))))
}

fn event(reader: &mut Reader, object: &Object) -> Option<Condition> {
    let of = pattern(reader, object);
    let within = window::read(reader, object);
    let measure = measure(reader, object);
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
        Some(list) => reader.inside("where", |r| r.list(list, MAX_PARTS, "filters", filter)),
        None => Some(Vec::new()),
    };
    Some(EventPattern { name: EventName::new(name?), filters: filters? })
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

fn measure(reader: &mut Reader, object: &Object) -> Option<Measure> {
    let mut asked = MEASURES.into_iter().filter(|measure| object.contains_key(*measure));
    let Some(measure) = asked.next() else { return Some(Measure::Count(Bound::Gte(1))) };
    if let Some(other) = asked.next() {
        reader.fault(format!(
            "an event condition asks for one thing, and this one has both `{measure}` and `{other}`; combine two in `all`"
        ));
        return None;
    }
    let value = object.get(measure)?;
    reader.inside(measure, |reader| match measure {
        "count" => bound(reader, value, &[], count).map(Measure::Count),
        "since" => bound(reader, value, &[], age).map(Measure::Since),
        "distinct" => of_property(reader, value, count)
            .map(|(property, bound)| Measure::Distinct { property, bound }),
        "periods" => periods(reader, value),
        "last" => filter(reader, value).map(Measure::Last),
        "first" => filter(reader, value).map(Measure::First),
        word => {
            let statistic = Statistic::parse(word)?;
            of_property(reader, value, amount).map(|(property, bound)| Measure::Numbers {
                statistic,
                property,
                bound,
            })
        }
    })
}

fn of_property<T: Bounded>(
    reader: &mut Reader,
    value: &Value,
    one: fn(&Value) -> Option<T>,
) -> Option<(Path, Bound<T>)> {
    let bound = bound(reader, value, &["property"], one);
    let property = value.as_object().and_then(|object| path(reader, object, "property"));
    Some((property?, bound?))
}

fn periods(reader: &mut Reader, value: &Value) -> Option<Measure> {
    let bound = bound(reader, value, &["unit", "timezone"], count);
    let object = value.as_object()?;
    let unit = object.get("unit").and_then(Value::as_str).and_then(Unit::parse);
    if unit.is_none() {
        reader.fault_at("unit", "`unit` is one of day, week, month, quarter, year");
    }
    let zone = window::zone(reader, object);
    Some(Measure::Periods { unit: unit?, zone: zone?, bound: bound? })
}

fn filter(reader: &mut Reader, value: &Value) -> Option<Filter> {
    const HELP: &str =
        "this is an object, as in {\"property\":\"plan\",\"op\":\"eq\",\"value\":\"pro\"}";
    let object = reader.object(value, HELP)?;
    let key = if object.contains_key("context") { "context" } else { "property" };
    reader.refuse_unknown(object, &[key, "op", "value", "ignore_case"]);
    let (path, test) = tested(reader, object, key)?;
    let property = if key == "context" { path.into_context() } else { path };
    Some(Filter { property, test })
}

fn tested(reader: &mut Reader, object: &Object, key: &str) -> Option<(Path, Test)> {
    let path = path(reader, object, key);
    let test = test(reader, object);
    Some((path?, test?))
}

pub(super) fn path(reader: &mut Reader, object: &Object, key: &str) -> Option<Path> {
    let path = object.get(key).and_then(Value::as_str).and_then(Path::parse);
    if path.is_none() {
        reader.fault_at(
            key,
            format!("`{key}` is a dotted path of 1 to 8 parts and at most 256 bytes"),
        );
    }
    path
}

fn op(reader: &mut Reader, object: &Object, allowed: impl Fn(Op) -> bool) -> Option<Op> {
    let op = object.get("op").and_then(Value::as_str).and_then(Op::parse);
    let op = op.filter(|op| allowed(*op));
    if op.is_none() {
        let known = Op::ALL.into_iter().filter(|(op, _)| allowed(*op)).map(|(_, word)| word);
        let known: Vec<&str> = known.collect();
        reader.fault_at("op", format!("`op` is one of {}", known.join(", ")));
    }
    op
}

fn test(reader: &mut Reader, object: &Object) -> Option<Test> {
    let op = op(reader, object, |_| true)?;
    let ignore_case = match object.get("ignore_case") {
        None => false,
        Some(Value::Bool(ignore)) if !ignore || compares_text(op) => *ignore,
        Some(Value::Bool(_)) => {
            reader.fault_at("ignore_case", format!("`ignore_case` does not go with `{op}`"));
            return None;
        }
        Some(_) => {
            reader.fault_at("ignore_case", "`ignore_case` is true or false");
            return None;
        }
    };
    let operand = operand(reader, object, op, ignore_case)?;
    Some(Test { op, operand, ignore_case })
}

fn compares_text(op: Op) -> bool {
    matches!(
        op,
        Op::Eq
            | Op::Ne
            | Op::In
            | Op::NotIn
            | Op::Contains
            | Op::NotContains
            | Op::StartsWith
            | Op::EndsWith
    )
}

fn operand(reader: &mut Reader, object: &Object, op: Op, ignore_case: bool) -> Option<Operand> {
    let scalar = |value: &Value| Literal::new(value, ignore_case);
    let ordered = |value: &Value| scalar(value).filter(|l| !matches!(l, Literal::Bool(_)));
    let value = object.get("value");
    let (operand, wanted) = match op {
        Op::Exists | Op::Missing | Op::IsTrue | Op::IsFalse => {
            (value.is_none().then_some(Operand::None), "left out")
        }
        Op::Eq | Op::Ne | Op::Contains | Op::NotContains => {
            (value.and_then(scalar).map(Operand::One), "a text, a number, true or false")
        }
        Op::Lt | Op::Lte | Op::Gt | Op::Gte => {
            (value.and_then(ordered).map(Operand::One), "a number or a text")
        }
        Op::StartsWith | Op::EndsWith => {
            let text = value.filter(|value| value.is_string()).and_then(scalar);
            (text.map(Operand::One), "a text")
        }
        Op::Between => {
            let pair = value.and_then(|value| pair(value, ordered)).filter(|(low, high)| {
                high.order_of(&Seen::from(&low.to_value())).is_some_and(std::cmp::Ordering::is_le)
            });
            let operand = pair.map(|(low, high)| Operand::Two(low, high));
            (operand, "a list of two numbers or two texts, the smaller first")
        }
        Op::In | Op::NotIn => {
            let list = value.and_then(Value::as_array);
            let list = list.filter(|list| (1..=MAX_VALUES).contains(&list.len()));
            let literals: Option<Box<[Literal]>> =
                list.and_then(|list| list.iter().map(scalar).collect());
            (literals.map(Operand::Many), "a list of 1 to 1000 texts, numbers or booleans")
        }
    };
    if operand.is_none() {
        reader.fault_at("value", format!("with `{op}`, `value` is {wanted}"));
    }
    operand
}

fn pair<T>(value: &Value, one: impl Fn(&Value) -> Option<T>) -> Option<(T, T)> {
    match value.as_array()?.as_slice() {
        [low, high] => Some((one(low)?, one(high)?)),
        _ => None,
    }
}

fn count(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|count| u32::try_from(count).ok())
}

fn amount(value: &Value) -> Option<f64> {
    value.as_f64().filter(|amount| amount.is_finite())
}

fn age(value: &Value) -> Option<Duration> {
    value.as_str()?.parse().ok()
}

/// The types a bound can have.
trait Bounded: Copy + PartialOrd {
    const WANTED: &'static str;
    /// An age is never met to the millisecond, so that asking for one exactly is a mistake.
    const ALLOWS_EQUALITY: bool;
}

impl Bounded for u32 {
    const WANTED: &'static str = "a whole number, 0 or more";
    const ALLOWS_EQUALITY: bool = true;
}

impl Bounded for f64 {
    const WANTED: &'static str = "a number";
    const ALLOWS_EQUALITY: bool = true;
}

impl Bounded for Duration {
    const WANTED: &'static str = "a duration, as in \"14d\"";
    const ALLOWS_EQUALITY: bool = false;
}

fn bound<T: Bounded>(
    reader: &mut Reader,
    value: &Value,
    more_fields: &[&str],
    one: fn(&Value) -> Option<T>,
) -> Option<Bound<T>> {
    let object = reader.object(value, "this is an object, as in {\"op\":\"gte\",\"value\":…}")?;
    let fields: Vec<&str> = ["op", "value"].iter().chain(more_fields).copied().collect();
    reader.refuse_unknown(object, &fields);
    let op = op(reader, object, |op| match op {
        Op::Eq | Op::Ne => T::ALLOWS_EQUALITY,
        Op::Lt | Op::Lte | Op::Gt | Op::Gte | Op::Between => true,
        _ => false,
    })?;
    let value = object.get("value");
    let bound = match op {
        Op::Between => value
            .and_then(|value| pair(value, one))
            .filter(|(low, high)| low <= high)
            .map(|(low, high)| Bound::Between(low, high)),
        _ => value.and_then(one).map(match op {
            Op::Eq => Bound::Eq,
            Op::Ne => Bound::Ne,
            Op::Lt => Bound::Lt,
            Op::Lte => Bound::Lte,
            Op::Gt => Bound::Gt,
            _ => Bound::Gte,
        }),
    };
    if bound.is_none() {
        let wanted = T::WANTED;
        reader.fault_at(
            "value",
            match op {
                Op::Between => format!(
                    "with `between`, `value` is a list of two, each {wanted}, the smaller first"
                ),
                _ => format!("`value` is {wanted}"),
            },
        );
    }
    bound
}

fn audience(reader: &mut Reader, object: &Object) -> Option<Condition> {
    let key = reader.parsed::<Key>(object, "audience", "`audience` is the key of an audience");
    let for_at_least = length(reader, object, "for_at_least");
    Some(Condition::Audience { key: key?, for_at_least: for_at_least? })
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
