//! What is asked of events, and bounds on it.

use super::{
    Reader,
    comparison::{filter, op, pair, path},
    filters, window,
};
use crate::{
    Duration, Value,
    condition::{
        calendar::Unit,
        comparison::{Bound, Op},
        statistic::Statistic,
        syntax::Measure,
    },
    value::{Object, Path},
};

/// The questions an event condition can ask, of which it asks one.
const MEASURES: [&str; 13] = [
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
];

pub(super) fn read(reader: &mut Reader, object: &Object) -> Option<Measure> {
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
        "since_first" => bound(reader, value, &[], age).map(Measure::SinceFirst),
        "most_frequent" => filter(reader, value).map(Measure::MostFrequent),
        "share" => share(reader, value),
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

fn share(reader: &mut Reader, value: &Value) -> Option<Measure> {
    let bound = bound(reader, value, &["where"], amount)?;
    let (low, high) = bound.ends();
    if low < 0.0 || 1.0 < high {
        reader.fault_at("value", "a share is a number from 0 to 1");
        return None;
    }
    let list = value.get("where").unwrap_or(&Value::Null);
    let filters = reader.inside("where", |reader| filters(reader, list))?;
    Some(Measure::Share { filters, bound })
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
    let op = op(reader, object, &[], |op| match op {
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
