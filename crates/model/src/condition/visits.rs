//! Visits, as conditions see them: events of one name, each of which tells when its visit last went on.

use std::sync::LazyLock;

use super::{
    EventName, EventPattern, Facts, Row, Rows, Seen, Truth, Verdict,
    evaluate::{earlier, known_rows},
};
use crate::{Duration, Timestamp, value::Path};

/// The name of the events as which conditions see visits, each at the time of its visit's first
/// event. No client's event has it.
pub const STARTED: &str = "Visit Started";

/// The shortest pause that ends a visit.
pub const PAUSE: Duration = Duration(30 * 60 * 1000);

/// Where such an event has the time of the last event of its visit, in milliseconds since 1970. Conditions
/// read it to tell how long a visit goes on; no document can name it. Without it that is the event's own.
pub static LAST: LazyLock<Path> = LazyLock::new(|| Path::reserved("last"));

/// All visits.
pub(super) static PATTERN: LazyLock<EventPattern> =
    LazyLock::new(|| EventPattern { name: EventName::new(STARTED), filters: Vec::new() });

/// The visit that goes on at `now`: when it began, and when it ends if nothing more happens. A verdict
/// where none goes on, or that may not be known.
pub(super) fn current(
    facts: &dyn Facts,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Verdict> {
    let rows = known_rows(facts.events(&PATTERN.name));
    let rows = rows.ok_or(Verdict::lasting(Truth::Withheld))?;
    let (past, ahead) = rows.rows.split_after(now);
    let next = ahead.first().map(|row| row.time);
    let newest = past.last().map(|row| (row, end(row, &rows)));
    let Some((row, end)) = newest.filter(|(_, end)| now < *end) else {
        return Err(Verdict { truth: Truth::False, valid_until: next });
    };
    let valid_until = earlier(next, Some(end));
    if !row.purposes.contains(rows.purpose) {
        return Err(Verdict { truth: Truth::Withheld, valid_until });
    }
    Ok((row.time, valid_until.unwrap_or(end)))
}

/// From when on a visit is over, if nothing more happens. Times may be looked at whatever may be read.
pub(super) fn end(row: Row<'_>, rows: &Rows<'_>) -> Timestamp {
    let last = match row.value(rows.paths, &LAST) {
        Some(Seen::Number(last)) => last.as_i64().map(Timestamp),
        _ => None,
    };
    last.map_or(row.time, |last| last.max(row.time)).saturating_add(PAUSE)
}
