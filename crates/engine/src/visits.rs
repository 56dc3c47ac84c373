//! Visits: which events belong to one, how strands keep them, and how conditions see them.
//!
//! A strand keeps its own part of each visit. A person's visits are those of all their strands put
//! together, so somebody who logs in or changes the device goes on with the same visit.
//! Conditions see visits as events of the name [`STARTED`], each at the time of its first event.

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use model::{
    Event, EventKind, PurposeSet, Timestamp, Value,
    condition::{
        EventName, EventRow,
        visits::{LAST, STARTED},
    },
    event::Order,
};
use profile::{Changed, Entry, Profile, Visit, Visits, visits::MAX_VISITS};
use serde_json::json;

use crate::{
    keys::{self, Kind},
    page::Page,
    record::{self, StoredVisit, Unreadable, encode},
    sealed::RowError,
    snapshot::Projection,
};

static NAME: LazyLock<EventName> = LazyLock::new(|| EventName::new(STARTED));

/// What changes about a visit while it goes on; all else that conditions read of it stays.
const GROWING: [&str; 3] = ["events", "pages", "seconds"];

/// Longest landing page that is kept, in bytes.
const LANDING_BYTES_MAX: usize = 200;

/// The hash of [`STARTED`].
pub(crate) fn name_hash() -> u64 {
    NAME.hash
}

/// The number of visits in what timelines hold, where some definition reads them.
pub(crate) fn number(projection: &Projection) -> Option<u32> {
    projection.number(NAME.hash)
}

/// The visit that an event would be by itself, without its purposes; `None` where nobody is known to
/// have been there: what a server reports belongs to no visit, and a bot makes none.
pub(crate) fn of(event: &Event, order: Order) -> Option<Visit> {
    let context = &event.context;
    let is_page = matches!(event.kind, EventKind::Page | EventKind::Screen);
    let names_place = ["page", "screen", "userAgent", "user_agent"];
    let is_there = is_page || names_place.iter().any(|name| context.contains(name));
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let device = context.find_at("device.type").and_then(Value::as_str);
    if !is_there || device == Some("bot") {
        return None;
    }
    let properties = is_page.then_some(&event.properties);
    let landing = text(context.find_at("page.path"))
        .or_else(|| text(properties.and_then(|p| p.get("path").or_else(|| p.get("name")))));
    let mut landing = landing.unwrap_or_default();
    landing.truncate(landing.floor_char_boundary(LANDING_BYTES_MAX));
    let context = record::row_context(context).unwrap_or_default();
    Some(Visit {
        start: order,
        last: order.time,
        events: 1,
        pages: u32::from(is_page),
        purposes: PurposeSet::NONE,
        entry: Arc::new(Entry { landing, context }),
    })
}

/// Takes an event, as a visit of its own, into those of its strand.
pub(crate) fn write(page: &mut Page, mut visit: Visit) -> Result<(), RowError> {
    let mut joined = Vec::new();
    for known in neighbours(page, visit.start)? {
        if known.joins(&visit) {
            visit.absorb(&known);
            joined.push(known.start);
        }
    }
    for start in joined.into_iter().filter(|start| *start != visit.start) {
        page.delete(Kind::Visit, &keys::order(start));
    }
    page.put(Kind::Visit, &keys::order(visit.start), &encode(&StoredVisit::of(&visit)));
    let oldest = page.of_kind(Kind::Visit).map(|(name, _)| name.to_vec()).next();
    if let Some(oldest) = oldest
        && MAX_VISITS < page.of_kind(Kind::Visit).count()
    {
        page.delete(Kind::Visit, &oldest);
    }
    Ok(())
}

/// The visits of a strand that began last before an instant and first after it: no others can join
/// an event of that instant.
fn neighbours(page: &Page, at: Order) -> Result<Vec<Visit>, RowError> {
    let (mut before, mut after) = (None, None);
    for (name, row) in page.of_kind(Kind::Visit) {
        if name <= &keys::order(at)[..] {
            before = Some((name, row));
        } else {
            after = Some((name, row));
            break;
        }
    }
    let near = before.into_iter().chain(after);
    near.map(|(name, row)| read_one(name, row)).collect()
}

/// Reads a visit of a strand.
pub(crate) fn read_one(name: &[u8], row: &[u8]) -> Result<Visit, RowError> {
    let start = keys::parse_order(name).ok_or(Unreadable("visit"))?;
    let stored: StoredVisit<'_> = record::decode(row, "visit")?;
    Ok(stored.into_visit(start))
}

/// Adds the visits of a strand to those of its person.
pub(crate) fn read(page: &Page, visits: &mut Visits) -> Result<(), RowError> {
    let mut count = 0;
    for (name, row) in page.of_kind(Kind::Visit) {
        visits.insert(read_one(name, row)?);
        count += 1;
    }
    if count == MAX_VISITS {
        visits.mark_earlier();
    }
    Ok(())
}

/// Puts all visits into a timeline that has none.
pub(crate) fn show(visits: &Visits, projection: &Projection, profile: &mut Profile) {
    let Some(number) = number(projection) else { return };
    let rows: Vec<_> = visits.iter().map(|visit| (number, row(visit, projection))).collect();
    let timeline = &mut profile.records_mut().timeline;
    timeline.extend(projection.layout(), &rows);
    if visits.has_earlier() {
        timeline.mark_overflow(projection.layout(), number);
    }
}

/// Takes an event, as a visit of its own, into a person's visits and their timeline; whether that
/// can matter at `now` to anybody who reads visits. That a visit goes on for longer does not: whoever waits
/// for its end looks again then.
pub(crate) fn observe(
    visits: &mut Visits,
    event: &Visit,
    projection: &Projection,
    profile: &mut Profile,
    now: Timestamp,
) -> bool {
    let Some(number) = number(projection) else { return false };
    let known = visits.iter().find(|known| known.joins(event)).cloned();
    let Changed { replaced, visit } = visits.insert(event.clone());
    let timeline = &mut profile.records_mut().timeline;
    for start in &replaced {
        timeline.remove(number, *start);
    }
    if let Some(visit) = &visit {
        timeline.insert(projection.layout(), number, &row(visit, projection));
    }
    if visits.has_earlier() {
        timeline.mark_overflow(projection.layout(), number);
    }
    let is_longer_only = match (&known, &visit) {
        (Some(known), Some(visit)) => {
            replaced[..] == [visit.start] && known.purposes == visit.purposes && !known.is_over(now)
        }
        _ => false,
    };
    !is_longer_only || reads_growing(projection)
}

fn reads_growing(projection: &Projection) -> bool {
    let paths = projection.paths(NAME.hash);
    paths.iter().any(|path| GROWING.contains(&path.as_str()))
}

/// A visit as conditions see it.
fn row(visit: &Visit, projection: &Projection) -> EventRow {
    let Visit { start, last, events, pages, purposes, .. } = *visit;
    let seconds = last.since(start.time).0 / 1000;
    let Entry { landing, context } = &*visit.entry;
    let mut properties = json!({"events": events, "pages": pages, "seconds": seconds});
    properties[LAST.as_str()] = last.0.into();
    if !landing.is_empty() {
        properties["landing"] = landing.as_str().into();
    }
    let values = projection.row_values_of(NAME.hash, &properties.to_string(), context);
    // Both are JSON of our own making.
    let values = values.unwrap_or_default();
    EventRow { time: start.time, tie: start.tie, purposes, values }
}

/// A visit as people are shown one.
pub(crate) fn document(visit: &Visit) -> Value {
    let Visit { start, last, events, pages, .. } = *visit;
    let Entry { landing, context } = &*visit.entry;
    json!({
        "started": start.time,
        "seconds": last.since(start.time).0 / 1000,
        "events": events,
        "pages": pages,
        "landing": landing,
        "context": serde_json::from_str::<Value>(context).unwrap_or_default(),
    })
}
