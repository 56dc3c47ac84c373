//! The reports on data quality.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use compact_str::CompactString;
use model::{Key, SourceKey, Timestamp, Value};
use quality::{
    Plan, Tally, Verdict, lag,
    shape::{Property, Shape, TYPES},
    tally::{MARKS, Series, SourceTally, age},
    volume::{self, Assessment, DAYS_KEPT, Status},
};
use serde_json::{Map, json};

use crate::{definitions::Page, sealed::RowError, state::Shared};

use super::coverage::{self, share};

/// Days that lateness, clock skew and verdicts are summed over.
const DAYS_SUMMED: i64 = 7;
/// The event whose traits say how often a source sends each.
const IDENTIFY: &str = "Identify";

/// Which events of the catalogue.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Of this source.
    pub source: Option<SourceKey>,
    /// Of this name.
    pub event: Option<CompactString>,
}

/// Which events' volumes.
#[derive(Clone, Debug, Default)]
pub struct VolumeQuery {
    /// Of which events.
    pub events: EventQuery,
    /// Only those with this status.
    pub status: Option<CompactString>,
}

impl EventQuery {
    fn takes(&self, source: &SourceKey, event: &str) -> bool {
        self.source.as_ref().is_none_or(|wanted| wanted == source)
            && self.event.as_ref().is_none_or(|wanted| wanted == event)
    }
}

/// Every source: what it sent last, what became of its events, how late they came and how far its clocks are off.
pub(crate) fn sources(shared: &Shared) -> Value {
    let now = shared.clock.now();
    let snapshot = shared.registry.snapshot_full();
    let tally = shared.observation.tally.lock();
    let nothing = SourceTally::default();
    let mut sources: BTreeMap<&Key, &SourceTally> =
        snapshot.sources.keys().map(|key| (key, &nothing)).collect();
    sources.extend(&tally.sources);
    let items: Vec<Value> =
        sources.into_iter().map(|(key, source)| source_report(key, source, now)).collect();
    json!({"days": DAYS_SUMMED, "items": items})
}

fn source_report(key: &SourceKey, source: &SourceTally, now: Timestamp) -> Value {
    let sum = source.last_days(DAYS_SUMMED, now);
    let verdicts: Map<String, Value> = Verdict::ALL
        .into_iter()
        .map(|(verdict, word)| (word.to_owned(), sum.count_of(verdict).into()))
        .collect();
    let marks: Map<String, Value> =
        MARKS.iter().zip(sum.marks).map(|((_, word), n)| ((*word).to_owned(), n.into())).collect();
    let freshness =
        |last: Timestamp| json!({"last_received": last, "age_seconds": age(last, now).0 / 1000});
    let events = source.events.iter().map(|(name, series)| {
        let mut shown = freshness(series.last);
        shown["event"] = name.as_str().into();
        shown["received"] = series.total.into();
        shown
    });
    json!({
        "source": key,
        "last_received": source.last(),
        "age_seconds": source.last().map(|last| age(last, now).0 / 1000),
        "verdicts": verdicts,
        "marks": marks,
        "lateness": steps(lag::lateness_labels(), &sum.lateness),
        "clock_skew": steps(lag::skew_labels(), &sum.skew),
        "events": events.collect::<Vec<_>>(),
    })
}

fn steps(labels: impl Iterator<Item = &'static str>, counts: &[u64]) -> Vec<Value> {
    labels.zip(counts).map(|(step, events)| json!({"step": step, "events": events})).collect()
}

/// The catalogue of what was seen, by source and name. A cursor is the place of the last item of the page before.
pub(crate) fn events(
    shared: &Shared,
    query: &EventQuery,
    cursor: Option<&str>,
    limit: usize,
) -> Page<Value> {
    let snapshot = shared.registry.snapshot_full();
    let tally = shared.observation.tally.lock();
    let found = series(&tally, query).map(|(source, name, series)| {
        (place(source, name), event_report(&snapshot.plan, source, name, series))
    });
    page(found, cursor, limit)
}

fn event_report(plan: &Plan, source: &SourceKey, name: &str, series: &Series) -> Value {
    let Shape { looked_at, properties } = &series.shape;
    let property = |(path, property): (&CompactString, &Property)| {
        let types = TYPES.iter().zip(property.types).filter(|(_, count)| *count > 0);
        json!({
            "path": path,
            "share": share(property.present, *looked_at),
            "types": types.map(|(name, count)| ((*name).to_owned(), count.into())).collect::<Map<_, _>>(),
            "first_seen": property.first,
            "last_seen": property.last,
        })
    };
    json!({
        "source": source,
        "event": name,
        "event_schema": plan.schema_of(name),
        "received": series.total,
        "looked_at": looked_at,
        "first_seen": series.first,
        "last_seen": series.last,
        "properties": properties.iter().map(property).collect::<Vec<_>>(),
    })
}

/// A draft of an event schema that the events seen fit; `None` where none were seen.
pub(crate) fn proposal(shared: &Shared, query: &EventQuery) -> Option<Value> {
    let event = query.event.as_ref()?;
    let tally = shared.observation.tally.lock();
    let mut seen = Shape::default();
    for (_, _, series) in series(&tally, query) {
        seen.merge(&series.shape);
    }
    if seen.looked_at == 0 {
        return None;
    }
    let mut draft = json!({
        "key": key_of(event),
        "event": event,
        "description": format!("proposed from {} events", seen.looked_at),
        "state": "draft",
        "mode": "observe",
    });
    for part in ["properties", "traits"] {
        if let Some(schema) = seen.proposal(part) {
            draft[part] = schema;
        }
    }
    Some(draft)
}

/// A key that reads like the name of an event.
fn key_of(event: &str) -> String {
    let mut key = String::new();
    for c in event.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            key.push(c);
        } else if !key.is_empty() && !key.ends_with('_') {
            key.push('_');
        }
    }
    key.truncate(Key::MAX_BYTES);
    let key = key.trim_end_matches('_');
    if key.is_empty() { "event".to_owned() } else { key.to_owned() }
}

/// The last full hour of every event, held against the weeks before.
pub(crate) fn volume(
    shared: &Shared,
    query: &VolumeQuery,
    cursor: Option<&str>,
    limit: usize,
) -> Page<Value> {
    let now = shared.clock.now();
    let hour = volume::hour(now) - 1;
    let tally = shared.observation.tally.lock();
    let is_one = query.events.source.is_some() && query.events.event.is_some();
    let found = series(&tally, &query.events).filter_map(|(source, name, series)| {
        let assessment = series.assess(hour);
        let status = assessment.status.word();
        if query.status.as_ref().is_some_and(|wanted| wanted != status) {
            return None;
        }
        let mut shown = volume_report(source, name, hour, &assessment);
        if is_one {
            let from = hour - DAYS_KEPT * 24 + 25;
            let counts: Vec<u32> = (from..=hour).map(|hour| series.hours.count(hour)).collect();
            shown["hours"] = json!({"from": volume::hour_start(from), "events": counts});
        }
        Some((place(source, name), shown))
    });
    page(found, cursor, limit)
}

fn volume_report(source: &SourceKey, name: &str, hour: i64, assessment: &Assessment) -> Value {
    let expected = assessment.expected.map(
        |expected| json!({"middle": expected.middle, "low": expected.low, "high": expected.high}),
    );
    json!({
        "source": source,
        "event": name,
        "hour": volume::hour_start(hour),
        "events": assessment.count,
        "weeks": assessment.weeks,
        "expected": expected,
        "status": assessment.status.word(),
    })
}

/// How many series were unusual in the last full hour.
pub(super) fn unusual(tally: &Tally, now: Timestamp) -> usize {
    let hour = volume::hour(now) - 1;
    let everything = EventQuery::default();
    let status = series(tally, &everything).map(|(_, _, series)| series.assess(hour).status);
    status.filter(|status| matches!(status, Status::Low | Status::High)).count()
}

/// Violations of the plan, the most frequent first.
pub(crate) fn violations(
    shared: &Shared,
    event: Option<&str>,
    cursor: Option<&str>,
    limit: usize,
) -> Page<Value> {
    let tally = shared.observation.tally.lock();
    let counts = tally.violations.iter().filter(|(name, _, _)| event.is_none_or(|e| e == *name));
    let mut found: Vec<(String, Value)> = counts
        .map(|(event, violation, count)| {
            let place = format!(
                "{:020}/{event}{}/{}",
                u64::MAX - count.count,
                violation.path,
                violation.rule
            );
            let shown = json!({
                "event": event,
                "path": violation.path,
                "rule": violation.rule,
                "events": count.count,
                "first_seen": count.first,
                "last_seen": count.last,
                "samples": count.samples.iter().rev().collect::<Vec<_>>(),
            });
            (place, shown)
        })
        .collect();
    found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    page(found.into_iter(), cursor, limit)
}

/// How many people have each trait, and how many identify calls of each source carry it.
pub(crate) fn traits(shared: &Shared) -> Result<Value, RowError> {
    let people = coverage::people(shared)?;
    let tally = shared.observation.tally.lock();
    let mut names: std::collections::BTreeSet<&str> =
        people.names().map(CompactString::as_str).collect();
    let identified: Vec<(&SourceKey, &Shape)> = tally
        .sources
        .iter()
        .filter_map(|(source, tally)| Some((source, &tally.events.get(IDENTIFY)?.shape)))
        .collect();
    for (_, shape) in &identified {
        names.extend(shape.properties.keys().filter_map(|path| path.strip_prefix("traits/")));
    }
    let items = names.into_iter().map(|name| {
        let path = format!("traits/{name}");
        let of_source = identified.iter().filter_map(|(source, shape)| {
            let present =
                shape.properties.get(path.as_str()).map_or(0, |property| property.present);
            let share = share(present, shape.looked_at)?;
            Some(json!({"source": source, "looked_at": shape.looked_at, "share": share}))
        });
        json!({
            "trait": name,
            "people": people.of_trait(name),
            "identify_calls": of_source.collect::<Vec<_>>(),
        })
    });
    Ok(json!({"people": people.document(), "items": items.collect::<Vec<_>>()}))
}

fn series<'a>(
    tally: &'a Tally,
    query: &'a EventQuery,
) -> impl Iterator<Item = (&'a SourceKey, &'a str, &'a Series)> {
    let all = tally.sources.iter().flat_map(|(source, tally)| {
        tally.events.iter().map(move |(name, series)| (source, name.as_str(), series))
    });
    all.filter(|(source, name, _)| query.takes(source, name))
}

/// The place of a source's event: a space sorts before everything that a key may contain.
fn place(source: &SourceKey, name: &str) -> String {
    format!("{source} {name}")
}

/// A page of items in the order of their places. A cursor that does not read begins anew.
fn page(
    found: impl Iterator<Item = (String, Value)>,
    cursor: Option<&str>,
    limit: usize,
) -> Page<Value> {
    let after = cursor.and_then(|cursor| BASE64_URL_SAFE_NO_PAD.decode(cursor).ok());
    let is_before =
        |place: &str| after.as_ref().is_some_and(|after| place.as_bytes() <= &after[..]);
    let mut rest = found.skip_while(|(place, _)| is_before(place));
    let items: Vec<(String, Value)> = rest.by_ref().take(limit.max(1)).collect();
    let last = items.last().map(|(place, _)| BASE64_URL_SAFE_NO_PAD.encode(place));
    let next_cursor = rest.next().and(last);
    Page { items: items.into_iter().map(|(_, shown)| shown).collect(), next_cursor }
}
