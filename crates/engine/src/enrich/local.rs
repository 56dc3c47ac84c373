//! What day and hour it is where somebody is.

use jiff::tz::TimeZone;
use model::{LazyObject, Timestamp, Value};

use super::text;

const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Adds `local` to a context that names its time zone: `hour` (0 to 23), `weekday`, `date`.
pub(super) fn complete(context: &mut LazyObject, at: Timestamp) {
    let Some(zone) = text(context, "timezone").and_then(|name| TimeZone::get(name).ok()) else {
        return;
    };
    let Ok(instant) = jiff::Timestamp::from_millisecond(at.0) else { return };
    let time = zone.to_datetime(instant);
    let weekday = usize::try_from(time.weekday().to_monday_zero_offset()).ok();
    let weekday = weekday.and_then(|day| WEEKDAYS.get(day)).map(|day| Value::from(*day));
    let date = Value::from(time.date().to_string());
    let known = [("hour", Some(time.hour().into())), ("weekday", weekday), ("date", Some(date))];
    super::complete(context, "local", known);
}
