//! Comparisons of one value.

use super::Reader;
use crate::{
    Duration, Value,
    condition::{
        Area, Condition, Dated, Near, Pair, Pattern, Point, Polygon, Seen, Subject, When,
        area::MAX_KM,
        comparison::{Literal, Op, Operand, Test},
        dated::MAX_DAYS,
        pattern::{MAX_COMPILED_BYTES, MAX_PATTERN_BYTES, MAX_PATTERNS},
        syntax::Filter,
        version,
    },
    value::{Object, Path},
};

/// Most values of one list.
const MAX_VALUES: usize = 1000;

/// A condition on a trait or on a value of the context.
pub(super) fn read(reader: &mut Reader, object: &Object, subject: Subject) -> Option<Condition> {
    let path = path(reader, object, subject.as_str());
    let word = object.get("op").and_then(Value::as_str).unwrap_or_default();
    if When::WORDS.contains(&word) {
        let when = when(reader, object, word);
        let (path, when) = (path?, when?);
        return Some(Condition::Dated(Box::new(Dated { subject, path, when })));
    }
    let takes_area = Op::parse(word).is_some_and(Op::takes_area);
    if let Some(Value::Object(other)) = object.get("value").filter(|_| !takes_area) {
        let pair = compared_pair(reader, object, other);
        let ((op, other, ignore_case), path) = (pair?, path?);
        return Some(Condition::Pair(Box::new(Pair { subject, path, op, other, ignore_case })));
    }
    let test = test(reader, object, &When::WORDS);
    let (path, test) = (path?, test?);
    Some(match subject {
        Subject::Trait => Condition::Trait { path, test },
        Subject::Context => Condition::Context { path, test },
    })
}

/// A comparison with a trait: the operator, the trait, and whether case is ignored.
fn compared_pair(reader: &mut Reader, object: &Object, other: &Object) -> Option<(Op, Path, bool)> {
    let other = reader.inside("value", |reader| {
        reader.refuse_unknown(other, &["trait"]);
        path(reader, other, "trait")
    });
    let op = op(reader, object, &[], Pair::allows);
    let ignore_case = ignore_case(reader, object, op?);
    Some((op?, other?, ignore_case?))
}

/// How an instant or a date must stand to now.
fn when(reader: &mut Reader, object: &Object, word: &str) -> Option<When> {
    if object.contains_key("ignore_case") {
        reader.fault_at("ignore_case", format!("`ignore_case` does not go with `{word}`"));
    }
    if matches!(word, "around" | "anniversary") {
        let near = reader.inside("value", |reader| near(reader, object.get("value")))?;
        return Some(if word == "around" { When::Around(near) } else { When::Anniversary(near) });
    }
    let help = format!("with `{word}`, `value` is a duration, as in \"30d\"");
    let length = reader.parsed::<Duration>(object, "value", &help)?;
    Some(match word {
        "older_than" => When::OlderThan(length),
        "newer_than" => When::NewerThan(length),
        _ => When::WithinNext(length),
    })
}

fn near(reader: &mut Reader, value: Option<&Value>) -> Option<Near> {
    const HELP: &str = "this is an object, as in {\"days_before\":7,\"days_after\":0}";
    let object = reader.object(value.unwrap_or(&Value::Null), HELP)?;
    reader.refuse_unknown(object, &["days_before", "days_after", "timezone"]);
    let mut days = |field: &str| {
        let days = object.get(field).map_or(Some(0), Value::as_u64);
        let days = days.and_then(|days| u16::try_from(days).ok()).filter(|days| *days <= MAX_DAYS);
        if days.is_none() {
            reader.fault_at(field, format!("`{field}` is a whole number from 0 to {MAX_DAYS}"));
        }
        days
    };
    let (days_before, days_after) = (days("days_before"), days("days_after"));
    let zone = super::window::zone(reader, object);
    Some(Near { days_before: days_before?, days_after: days_after?, zone: zone? })
}

pub(super) fn filter(reader: &mut Reader, value: &Value) -> Option<Filter> {
    const HELP: &str =
        "this is an object, as in {\"property\":\"plan\",\"op\":\"eq\",\"value\":\"pro\"}";
    let object = reader.object(value, HELP)?;
    let key = if object.contains_key("context") { "context" } else { "property" };
    reader.refuse_unknown(object, &[key, "op", "value", "ignore_case"]);
    let path = path(reader, object, key);
    let test = test(reader, object, &[]);
    let property = if key == "context" { path?.into_context() } else { path? };
    Some(Filter { property, test: test? })
}

pub(in crate::condition) fn path(reader: &mut Reader, object: &Object, key: &str) -> Option<Path> {
    let path = object.get(key).and_then(Value::as_str).and_then(Path::parse);
    if path.is_none() {
        reader.fault_at(
            key,
            format!("`{key}` is a dotted path of 1 to 8 parts and at most 256 bytes"),
        );
    }
    path
}

pub(super) fn op(
    reader: &mut Reader,
    object: &Object,
    more_words: &[&str],
    allowed: impl Fn(Op) -> bool,
) -> Option<Op> {
    let op = object.get("op").and_then(Value::as_str).and_then(Op::parse);
    let op = op.filter(|op| allowed(*op));
    if op.is_none() {
        let known = Op::ALL.into_iter().filter(|(op, _)| allowed(*op)).map(|(_, word)| word);
        let known: Vec<&str> = known.chain(more_words.iter().copied()).collect();
        reader.fault_at("op", format!("`op` is one of {}", known.join(", ")));
    }
    op
}

/// A comparison with what the rule says. `more_words` are told where the operator is none.
pub(super) fn test(reader: &mut Reader, object: &Object, more_words: &[&str]) -> Option<Test> {
    let op = op(reader, object, more_words, |_| true)?;
    let ignore_case = ignore_case(reader, object, op)?;
    let operand = operand(reader, object, op, ignore_case)?;
    Some(Test { op, operand, ignore_case })
}

fn ignore_case(reader: &mut Reader, object: &Object, op: Op) -> Option<bool> {
    match object.get("ignore_case") {
        None => Some(false),
        Some(Value::Bool(ignore)) if !ignore || op.compares_text() => Some(*ignore),
        Some(Value::Bool(_)) => {
            reader.fault_at("ignore_case", format!("`ignore_case` does not go with `{op}`"));
            None
        }
        Some(_) => {
            reader.fault_at("ignore_case", "`ignore_case` is true or false");
            None
        }
    }
}

fn operand(reader: &mut Reader, object: &Object, op: Op, ignore_case: bool) -> Option<Operand> {
    let scalar = |value: &Value| Literal::new(value, ignore_case);
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
            (value.and_then(range), "a list of two numbers or two texts, the smaller first")
        }
        Op::In | Op::NotIn | Op::ContainsAny | Op::ContainsAll | Op::ContainsNone => {
            let list = value.and_then(Value::as_array);
            let list = list.filter(|list| (1..=MAX_VALUES).contains(&list.len()));
            let literals: Option<Box<[Literal]>> =
                list.and_then(|list| list.iter().map(scalar).collect());
            (literals.map(Operand::Many), "a list of 1 to 1000 texts, numbers or booleans")
        }
        Op::Matches => return pattern(reader, value, ignore_case),
        Op::Near => return circle(reader, value),
        Op::Inside => (
            value.and_then(polygon),
            "a list of 3 to 100 points [latitude, longitude] that goes round no pole",
        ),
        Op::VersionEq | Op::VersionLt | Op::VersionLte | Op::VersionGt | Op::VersionGte => {
            let version = value.and_then(Value::as_str).and_then(version::parse);
            let operand = version.map(|version| Operand::Version(Box::new(version)));
            (operand, "a version, as in \"2.1.0\"")
        }
    };
    if operand.is_none() {
        reader.fault_at("value", format!("with `{op}`, `value` is {wanted}"));
    }
    operand
}

/// A point and a distance from it.
fn circle(reader: &mut Reader, value: Option<&Value>) -> Option<Operand> {
    const HELP: &str = "with `near`, `value` is an object, as in {\"of\":[59.33,18.06],\"km\":50}";
    reader.inside("value", |reader| {
        let object = reader.object(value.unwrap_or(&Value::Null), HELP)?;
        reader.refuse_unknown(object, &["of", "km"]);
        let of = object.get("of").and_then(Point::read);
        if of.is_none() {
            let help = "`of` is a point: latitude (-90 to 90) and longitude (-180 to 180)";
            reader.fault_at("of", help);
        }
        let km = object.get("km").and_then(Value::as_f64).filter(|km| 0.0 < *km && *km <= MAX_KM);
        if km.is_none() {
            reader.fault_at("km", format!("`km` is a number above 0 and at most {MAX_KM}"));
        }
        Some(Operand::Area(Box::new(Area::Circle { of: of?, km: km? })))
    })
}

fn polygon(value: &Value) -> Option<Operand> {
    let corners = value.as_array()?.iter().map(Point::read).collect::<Option<Vec<_>>>()?;
    Some(Operand::Area(Box::new(Area::Polygon(Polygon::new(corners)?))))
}

/// A literal that can be ordered.
fn ordered(value: &Value) -> Option<Literal> {
    Literal::new(value, false).filter(|literal| !matches!(literal, Literal::Bool(_)))
}

fn range(value: &Value) -> Option<Operand> {
    let (low, high) = pair(value, ordered)?;
    let order = high.order_of(&Seen::from(&low.to_value()))?;
    order.is_le().then_some(Operand::Two(low, high))
}

/// A regular expression. They are counted, since each takes memory of its own.
fn pattern(reader: &mut Reader, value: Option<&Value>, ignore_case: bool) -> Option<Operand> {
    if MAX_PATTERNS < reader.count_pattern() {
        reader.fault_at("value", format!("a rule has at most {MAX_PATTERNS} regular expressions"));
        return None;
    }
    let pattern = value.and_then(Value::as_str).and_then(|text| Pattern::new(text, ignore_case));
    if pattern.is_none() {
        reader.fault_at(
            "value",
            format!(
                "with `matches`, `value` is a regular expression of 1 to {MAX_PATTERN_BYTES} bytes that takes at most {} KiB compiled; look-around and references back are not part of it",
                MAX_COMPILED_BYTES / 1024
            ),
        );
    }
    pattern.map(|pattern| Operand::Pattern(Box::new(pattern)))
}

pub(super) fn pair<T>(value: &Value, one: impl Fn(&Value) -> Option<T>) -> Option<(T, T)> {
    match value.as_array()?.as_slice() {
        [low, high] => Some((one(low)?, one(high)?)),
        _ => None,
    }
}
