//! Instants and dates against now: by looking at each day round today.

use jiff::{ToSpan as _, civil::Date, tz::TimeZone};

use super::{Possible, duration, window::zone};
use crate::{
    Timestamp, Value,
    condition::{Fact, Facts, comparison::instant},
};

/// The answer, where the document asks about the clock.
pub(super) fn possible(
    document: &Value,
    fact: &Fact<&Value>,
    facts: &dyn Facts,
    now: Timestamp,
) -> Option<Possible> {
    let op = document["op"].as_str()?;
    let is_daily = matches!(op, "around" | "anniversary");
    if !is_daily && !matches!(op, "older_than" | "newer_than" | "within_next") {
        return None;
    }
    let text = match fact {
        Fact::Withheld => return Some(Possible::EITHER),
        Fact::Known(Value::String(text)) => text,
        _ => return Some(Possible::exactly(false)),
    };
    let Some(then) = instant(text) else { return Some(Possible::exactly(false)) };
    if is_daily {
        let near = &document["value"];
        let Some(zone) = zone(near, facts) else { return Some(Possible::EITHER) };
        let day = if text.len() == 10 { date(then, &TimeZone::UTC) } else { date(then, &zone) };
        let days = |field: &str| near[field].as_i64().unwrap_or(0);
        let mut round = (-days("days_after")..=days("days_before"))
            .filter_map(|days| date(now, &zone).checked_add(days.days()).ok());
        return Some(Possible::exactly(round.any(|other| match op {
            "around" => other == day,
            _ => other.year() > day.year() && falls_on(day, other),
        })));
    }
    let (age, length) = (now.0 - then.0, duration(&document["value"])?);
    Some(Possible::exactly(match op {
        "older_than" => length <= age,
        "newer_than" => age < length,
        _ => age < 0 && -age <= length,
    }))
}

fn date(instant: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(jiff::Timestamp::from_millisecond(instant.0).unwrap_or_default()).date()
}

/// Whether a day is the anniversary of another.
fn falls_on(day: Date, other: Date) -> bool {
    let is_leap_day = (day.month(), day.day()) == (2, 29);
    let stands_in = is_leap_day && !other.in_leap_year() && (other.month(), other.day()) == (2, 28);
    (day.month(), day.day()) == (other.month(), other.day()) || stands_in
}
