//! Windows.

use super::{Reader, comparison::path, pattern, positive};
use crate::{
    Duration, Key, Timestamp, Value,
    condition::{
        calendar::{JANUARY, Unit, Zone},
        window::{Anchor, Window},
    },
    value::Object,
};

/// Most calendar periods of one window.
const MAX_PERIODS: u16 = 366;

const HELP: &str = "`within` is a duration, as in \"30d\", or an object: {\"from\":\"60d\",\"to\":\"30d\"} ago, \
     {\"after\":\"2026-01-01\",\"before\":\"2026-02-01\"}, {\"calendar\":\"this_month\"}, {\"since\":{\"event\":…}}, or {\"visit\":\"current\"}";

/// The window of a condition, where there is one; `None` when it is faulty.
#[expect(clippy::option_option, reason = "a field that may be left out, and may be wrong")]
pub(in crate::condition) fn read(reader: &mut Reader, object: &Object) -> Option<Option<Window>> {
    let Some(value) = object.get("within") else { return Some(None) };
    match value {
        Value::Object(window) => reader.inside("within", |reader| {
            if window.contains_key("calendar") {
                calendar(reader, window)
            } else if let Some(anchor) = window.get("since") {
                reader.refuse_unknown(window, &["since"]);
                reader.inside("since", |reader| since(reader, anchor)).map(Window::Since)
            } else if let Some(visit) = window.get("visit") {
                reader.refuse_unknown(window, &["visit"]);
                if visit != "current" {
                    reader.fault_at("visit", "`visit` is \"current\", the visit that goes on");
                    return None;
                }
                Some(Window::Visit)
            } else if window.contains_key("from") {
                ago(reader, window)
            } else {
                fixed(reader, window)
            }
        }),
        _ => reader
            .parsed::<Duration>(object, "within", HELP)
            .and_then(|length| positive(reader, "within", length))
            .map(Window::Last),
    }
    .map(Some)
}

/// What a window begins after.
fn since(reader: &mut Reader, value: &Value) -> Option<Anchor> {
    const HELP: &str = "`since` is an object: {\"event\":…}, {\"trait\":…} or {\"audience\":…}";
    let object = reader.object(value, HELP)?;
    if object.contains_key("event") {
        reader.refuse_unknown(object, &["event", "where"]);
        return pattern(reader, object).map(Anchor::Event);
    }
    if object.contains_key("trait") {
        reader.refuse_unknown(object, &["trait"]);
        return path(reader, object, "trait").map(Anchor::Trait);
    }
    reader.refuse_unknown(object, &["audience"]);
    if !object.contains_key("audience") {
        reader.fault(HELP);
        return None;
    }
    reader
        .parsed::<Key>(object, "audience", "`audience` is the key of an audience")
        .map(Anchor::Entry)
}

fn ago(reader: &mut Reader, window: &Object) -> Option<Window> {
    reader.refuse_unknown(window, &["from", "to"]);
    let from = reader.parsed::<Duration>(window, "from", "`from` is a duration, as in \"60d\"");
    let to = reader.parsed::<Duration>(window, "to", "`to` is a duration, as in \"30d\"");
    let (from, to) = (from?, to?);
    if from <= to {
        reader.fault_at("from", "`from` is longer ago than `to`");
        return None;
    }
    Some(Window::Ago { from, to })
}

fn fixed(reader: &mut Reader, window: &Object) -> Option<Window> {
    reader.refuse_unknown(window, &["after", "before"]);
    let mut end = |field: &str| match window.contains_key(field) {
        true => {
            let help =
                format!("`{field}` is an instant, as in \"2026-01-31T12:00:00Z\", or a date");
            reader.parsed::<Timestamp>(window, field, &help).map(Some)
        }
        false => Some(None),
    };
    let (after, before) = (end("after"), end("before"));
    let (after, before) = (after?, before?);
    if after.is_none() && before.is_none() {
        reader.fault(HELP);
        return None;
    }
    if after.zip(before).is_some_and(|(after, before)| before <= after) {
        reader.fault_at("before", "`before` is later than `after`");
        return None;
    }
    Some(Window::Fixed { after, before })
}

fn calendar(reader: &mut Reader, window: &Object) -> Option<Window> {
    reader.refuse_unknown(window, &["calendar", "timezone", "with_current", "year_begins"]);
    let zone = zone(reader, window);
    let with_current = match window.get("with_current") {
        None => Some(false),
        Some(Value::Bool(with)) => Some(*with),
        Some(_) => {
            reader.fault_at("with_current", "`with_current` is true or false");
            None
        }
    };
    let year_begins = match window.get("year_begins") {
        None => Some(JANUARY),
        Some(month) => {
            let month = month.as_i64().and_then(|month| i8::try_from(month).ok());
            let month = month.filter(|month| (1..=12).contains(month));
            if month.is_none() {
                reader.fault_at("year_begins", "`year_begins` is the number of a month, 1 to 12");
            }
            month
        }
    };
    let periods = window.get("calendar").and_then(Value::as_str).and_then(periods);
    let Some((unit, first, last)) = periods else {
        reader.fault_at(
            "calendar",
            "`calendar` is `today`, `yesterday`, `this_month`, `last_month` or `last_6_months`; \
             there are day, week, month, quarter and year",
        );
        return None;
    };
    let (last, year_begins) = (if with_current? { 0 } else { last }, year_begins?);
    if year_begins != JANUARY && !matches!(unit, Unit::Quarter | Unit::Year) {
        reader.fault_at("year_begins", "`year_begins` goes with quarters and years");
        return None;
    }
    Some(Window::Calendar { unit, first, last, zone: zone?, year_begins })
}

/// The time zone that a field names; UTC without one.
pub(in crate::condition) fn zone(reader: &mut Reader, object: &Object) -> Option<Zone> {
    if !object.contains_key("timezone") {
        return Some(Zone::default());
    }
    let zone = object.get("timezone").and_then(Value::as_str).and_then(Zone::parse);
    if zone.is_none() {
        reader.fault_at(
            "timezone",
            "`timezone` is a name as in \"Europe/Stockholm\", or \"profile\"",
        );
    }
    zone
}

/// The periods that a text names, as unit, first and last.
fn periods(text: &str) -> Option<(Unit, u16, u16)> {
    match text {
        "today" => return Some((Unit::Day, 0, 0)),
        "yesterday" => return Some((Unit::Day, 1, 1)),
        _ => {}
    }
    if let Some(unit) = text.strip_prefix("this_") {
        return Some((Unit::parse(unit)?, 0, 0));
    }
    let rest = text.strip_prefix("last_")?;
    let Some((count, units)) = rest.split_once('_') else {
        return Some((Unit::parse(rest)?, 1, 1));
    };
    let count = count.parse().ok().filter(|count| (1..=MAX_PERIODS).contains(count))?;
    let unit = units.strip_suffix('s').and_then(Unit::parse)?;
    Some((unit, count, 1))
}
