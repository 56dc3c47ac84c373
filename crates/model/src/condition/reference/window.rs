//! Windows and calendar periods, by numbering days, weeks, months, quarters and years.

use jiff::tz::TimeZone;

use super::{Possible, duration, holds, known, property};
use crate::{
    Timestamp, Value,
    condition::{EventName, Fact, Facts, Truth, comparison::instant, visits},
    value::Path,
};

/// Where an instant lies for a window.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lies {
    Before,
    Inside,
    After,
}

/// Tells where instants lie for the window of a condition; an answer where there is no such window.
pub(super) fn of(
    document: &Value,
    facts: &dyn Facts,
    now: Timestamp,
) -> Result<Box<dyn Fn(i64) -> Lies>, Possible> {
    let window = &document["within"];
    let lies = |is_old: bool, is_new: bool| match (is_old, is_new) {
        (true, _) => Lies::Before,
        (_, true) => Lies::After,
        _ => Lies::Inside,
    };
    let now = now.0;
    if let Some(words) = window["calendar"].as_str() {
        let zone = zone(window, facts).ok_or(Possible::EITHER)?;
        let (unit, first, last) = periods(words);
        let last = if window["with_current"] == Value::Bool(true) { 0 } else { last };
        let begins = window["year_begins"].as_i64().unwrap_or(1);
        let present = number_in(begins, &unit, &zone, now);
        return Ok(Box::new(move |time| {
            let period = number_in(begins, &unit, &zone, time);
            lies(period < present - first, time > now || period > present - last)
        }));
    }
    if let (Some(from), Some(to)) = (duration(&window["from"]), duration(&window["to"])) {
        return Ok(Box::new(move |time| lies(time <= now - from, time > now - to)));
    }
    if window["visit"] == "current" {
        let start = visit(facts, now)?;
        return Ok(Box::new(move |time| lies(time < start, time > now)));
    }
    if !window["since"].is_null() {
        let start = start(&window["since"], facts, now)?;
        return Ok(Box::new(move |time| lies(time <= start, time > now)));
    }
    let instant = |field: &str| window[field].as_str().and_then(|text| text.parse().ok());
    let (after, before): (Option<Timestamp>, Option<Timestamp>) =
        (instant("after"), instant("before"));
    let floor = duration(window).map(|length| now - length);
    Ok(Box::new(move |time| {
        let is_old =
            floor.is_some_and(|floor| time <= floor) || after.is_some_and(|after| time < after.0);
        lies(is_old, time > now || before.is_some_and(|before| before.0 <= time))
    }))
}

/// When the visit that goes on began.
fn visit(facts: &dyn Facts, now: i64) -> Result<i64, Possible> {
    let none = Possible::exactly(false);
    let rows = match facts.events(&EventName::new("Visit Started")) {
        Fact::Known(rows) => rows,
        Fact::Missing => return Err(none),
        Fact::Withheld => return Err(Possible::EITHER),
    };
    let mut newest = Err(none);
    for row in rows.rows.iter().filter(|row| row.time.0 <= now) {
        let last = row.value(rows.paths, &visits::LAST).and_then(|last| last.to_value().as_i64());
        let is_over = last.unwrap_or(row.time.0) + 30 * 60_000 <= now;
        newest = match row.purposes.contains(rows.purpose) {
            _ if is_over => Err(none),
            true => Ok(row.time.0),
            false => Err(Possible::EITHER),
        };
    }
    newest
}

/// When what a window begins after was.
fn start(anchor: &Value, facts: &dyn Facts, now: i64) -> Result<i64, Possible> {
    let none = Possible::exactly(false);
    if let Some(path) = anchor["trait"].as_str().and_then(Path::parse) {
        return match facts.trait_value(&path) {
            Fact::Withheld => Err(Possible::EITHER),
            Fact::Known(value) => value.as_str().and_then(instant).map(|t| t.0).ok_or(none),
            Fact::Missing => Err(none),
        };
    }
    if let Some(key) = anchor["audience"].as_str().and_then(|key| key.parse().ok()) {
        let membership = facts.membership(&key).ok_or(none)?;
        return match membership.truth {
            Truth::Withheld => Err(Possible::EITHER),
            Truth::True => membership.since.map(|t| t.0).ok_or(none),
            Truth::False => membership.previous.map(|t| t.0).ok_or(none),
        };
    }
    let name = EventName::new(anchor["event"].as_str().unwrap_or_default());
    let rows = match facts.events(&name) {
        Fact::Known(rows) => rows,
        Fact::Missing => return Err(none),
        Fact::Withheld => return Err(Possible::EITHER),
    };
    let filters = anchor["where"].as_array().cloned().unwrap_or_default();
    let mut newest = Err(none);
    for row in rows.rows.iter().filter(|row| row.time.0 <= now) {
        let known = known(row, rows.paths);
        if !row.purposes.contains(rows.purpose) {
            newest = Err(Possible::EITHER);
        } else if filters.iter().all(|filter| holds(filter, property(&known, filter))) {
            newest = Ok(row.time.0);
        }
    }
    newest
}

/// The zone that an object names; `None` where it may not be known.
pub(super) fn zone(object: &Value, facts: &dyn Facts) -> Option<TimeZone> {
    let name = match object["timezone"].as_str() {
        Some("profile") => match facts.trait_value(&Path::parse("timezone")?) {
            Fact::Known(value) => value.as_str().unwrap_or("UTC").to_owned(),
            Fact::Missing => "UTC".to_owned(),
            Fact::Withheld => return None,
        },
        name => name.unwrap_or("UTC").to_owned(),
    };
    Some(TimeZone::get(&name).unwrap_or(TimeZone::UTC))
}

fn periods(words: &str) -> (String, i64, i64) {
    let (unit, first, last) = match words {
        "today" => ("day", 0, 0),
        "yesterday" => ("day", 1, 1),
        _ => match words.split('_').collect::<Vec<_>>()[..] {
            ["this", unit] => (unit, 0, 0),
            ["last", unit] => (unit, 1, 1),
            ["last", count, units] => (units.trim_end_matches('s'), count.parse().unwrap_or(1), 1),
            _ => ("day", 0, 0),
        },
    };
    (unit.to_owned(), first, last)
}

/// The number of the period of an instant; periods that follow one another differ by one.
pub(super) fn number(unit: &str, zone: &TimeZone, time: i64) -> i64 {
    number_in(1, unit, zone, time)
}

/// The same where years begin with a month.
fn number_in(begins: i64, unit: &str, zone: &TimeZone, time: i64) -> i64 {
    let instant = jiff::Timestamp::from_millisecond(time).unwrap_or_default();
    let date = zone.to_datetime(instant).date();
    let epoch = jiff::civil::date(1970, 1, 1);
    let days = i64::from((date - epoch).get_days());
    let (year, month) = (i64::from(date.year()), i64::from(date.month()) - 1);
    match unit {
        // The epoch was a Thursday.
        "week" => (days + 3).div_euclid(7),
        "month" => year * 12 + month,
        "quarter" => (year * 12 + month - (begins - 1)).div_euclid(3),
        "year" => (year * 12 + month - (begins - 1)).div_euclid(12),
        _ => days,
    }
}
