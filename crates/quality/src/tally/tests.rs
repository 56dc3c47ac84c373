//! What is counted, that it is bounded, and that it comes back.

use expect_test::{Expect, expect};
use model::{Consents, EventKind, Identifier, IdentifierType, LazyObject, Value, value::Object};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// 2026-11-22T12:00:00Z.
const NOW: Timestamp = Timestamp(1_795_348_800_000);

fn source(name: &str) -> SourceKey {
    name.parse().unwrap()
}

fn event(source_key: &str, name: &str, at: Timestamp, properties: Value) -> Event {
    let Value::Object(properties) = properties else { panic!("no object") };
    Event {
        source: source(source_key),
        message_id: "m".into(),
        kind: EventKind::Track,
        name: name.into(),
        identifiers: vec![Identifier::new(IdentifierType::UserId, "u")],
        event_time: at,
        received_at: at,
        sent_at: Some(at),
        properties: LazyObject::from(properties),
        traits: Object::new(),
        context: LazyObject::default(),
        consents: Consents::default(),
        historical: false,
        marks: Marks::default(),
    }
}

fn accepted(event: &Event) -> Seen<'_> {
    Seen { event, verdict: Verdict::Accepted, breach: None }
}

#[test]
fn events_are_counted_by_source_name_and_hour() {
    let mut tally = Tally::default();
    let later = NOW.saturating_add(Duration::hours(1));
    tally.observe(accepted(&event("web", "Viewed", NOW, json!({"price": 1}))));
    tally.observe(accepted(&event("web", "Viewed", later, json!({"price": 1.5, "colour": null}))));
    tally.observe(accepted(&event("web", "anna@example.com", later, json!({"+46701234567": "x"}))));
    let repeated = event("web", "Viewed", later, json!({}));
    tally.observe(Seen { verdict: Verdict::Duplicate, ..accepted(&repeated) });
    tally.observe_unsound(&source("web"), Verdict::Quarantined, later);

    let web = &tally.sources[&source("web")];
    assert_eq!(web.last_days(7, later).verdicts, [3, 1, 1, 0]);
    let names: Vec<&str> = web.events.keys().map(CompactString::as_str).collect();
    assert_eq!(names, ["*", "Viewed"], "what looks like data is not kept");
    let viewed = &web.events["Viewed"];
    assert_eq!((viewed.total, viewed.first, viewed.last), (2, NOW, later));
    assert_eq!(viewed.hours.count(volume::hour(NOW)), 1);
    let price = &viewed.shape.properties["properties/price"];
    assert_eq!((price.present, price.types), (2, [0, 0, 1, 1, 0, 0, 0]));
    assert!(web.events["*"].shape.properties.contains_key("properties/*"));
}

#[test]
fn lateness_and_skew_are_counted_of_live_events_only() {
    let mut tally = Tally::default();
    let mut late = event("web", "Viewed", NOW, json!({}));
    late.event_time = NOW.saturating_sub(Duration::hours(3));
    late.sent_at = Some(NOW.saturating_sub(Duration::seconds(90)));
    tally.observe(accepted(&late));
    late.historical = true;
    tally.observe(accepted(&late));
    let day = tally.sources[&source("web")].last_days(1, NOW);
    assert_eq!(day.lateness.iter().sum::<u64>(), 1);
    assert_eq!(day.lateness[lag::lateness_step(Duration::hours(3))], 1);
    assert_eq!(day.skew[lag::skew_step(Duration::seconds(90))], 1);
    let series = &tally.sources[&source("web")].events["Viewed"];
    assert_eq!((series.total, series.hours.count(volume::hour(NOW))), (2, 1));
}

#[test]
fn of_what_counts_for_nothing_only_the_marks_are_counted() {
    let mut tally = Tally::default();
    let mut bot = event("web", "Viewed", NOW, json!({}));
    bot.marks = Marks::BOT.with(Marks::UNCOUNTED);
    tally.observe(accepted(&bot));
    bot.marks = Marks::INTERNAL;
    tally.observe(accepted(&bot));
    let web = &tally.sources[&source("web")];
    let day = web.last_days(1, NOW);
    assert_eq!((day.marks, day.verdicts), ([1, 1], [2, 0, 0, 0]));
    assert_eq!(day.lateness.iter().sum::<u64>(), 1);
    assert_eq!(web.events["Viewed"].total, 1);
}

#[test]
fn names_beyond_the_bounds_count_together() {
    let mut tally = Tally::default();
    let word = |i: usize| {
        let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap());
        [letter(i / 676), letter(i / 26), letter(i)].iter().collect::<String>()
    };
    for i in 0..2_000 {
        let properties = json!({word(i): i});
        tally.observe(accepted(&event("web", &word(i), NOW, properties.clone())));
        tally.observe(accepted(&event("shop", "Same", NOW, properties)));
    }
    let web = &tally.sources[&source("web")];
    assert!(web.events.len() <= EVENTS_MAX + 1);
    assert_eq!(web.events.values().map(|series| series.total).sum::<u64>(), 2_000);
    let same = &tally.sources[&source("shop")].events["Same"].shape;
    assert!(same.properties.len() <= 151, "{}", same.properties.len());
    let present: u64 = same.properties.values().map(|property| property.present).sum();
    assert_eq!(present, same.looked_at);
}

#[test]
fn days_that_are_over_leave_the_store() {
    let mut tally = Tally::default();
    tally.observe(accepted(&event("web", "Viewed", NOW, json!({}))));
    tally.take_changes();
    let much_later = NOW.saturating_add(Duration::days(40));
    tally.observe(accepted(&event("web", "Viewed", much_later, json!({}))));
    let day = volume::day(NOW);
    let gone: Vec<RowKey> = tally
        .take_changes()
        .into_iter()
        .filter_map(|(key, row)| row.is_none().then_some(key))
        .collect();
    let expected =
        [RowKey::SourceDay(source("web"), day), RowKey::Day(source("web"), "Viewed".into(), day)];
    assert_eq!(gone, expected);
    tally.observe(accepted(&event("web", "Old", NOW, json!({}))));
    assert_eq!(tally.sources[&source("web")].days.len(), 1, "what came long ago opens no day");
}

#[test]
fn a_proposal_fits_what_was_seen() {
    let check = |seen: &[(usize, Value)], expected: Expect| {
        let mut shape = Shape::default();
        let mut number = 0;
        for (times, properties) in seen {
            for _ in 0..*times {
                number += 1;
                shape.observe(&event("web", "E", NOW, properties.clone()), number);
            }
        }
        let proposal = shape.proposal("properties").unwrap_or_default();
        expected.assert_eq(&proposal.to_string());
    };
    check(
        &[(60, json!({"price": 1, "name": "x"})), (1, json!({"price": 1.5, "name": null}))],
        expect![[
            r#"{"properties":{"name":{"type":["null","string"]},"price":{"type":"number"}},"required":["name","price"],"type":"object"}"#
        ]],
    );
    check(
        &[(60, json!({"a": true})), (60, json!({"b": []}))],
        expect![[
            r#"{"properties":{"a":{"type":"boolean"},"b":{"type":"array"}},"type":"object"}"#
        ]],
    );
    check(
        &[(3, json!({"a": {}}))],
        expect![[r#"{"properties":{"a":{"type":"object"}},"type":"object"}"#]],
    );
    check(&[(3, json!({}))], expect!["null"]);
}

proptest! {
    /// Rows that were taken in whatever portions bring back what was counted.
    #[test]
    fn rows_bring_back_what_was_counted(
        steps in proptest::collection::vec((0_usize..3, 0_usize..3, 0_i64..90, any::<bool>()), 1..60),
    ) {
        let mut tally = Tally::default();
        let mut stored = BTreeMap::new();
        let mut at = NOW;
        for (who, what, hours, is_taken) in steps {
            at = at.saturating_add(Duration::hours(hours));
            let (who, what) = (["web", "shop", "app"][who], ["Viewed", "Added", "Bought"][what]);
            let event = event(who, what, at, json!({what: hours}));
            let violation = crate::Violation { path: "/properties/x".into(), rule: "type".into() };
            let breach = Breach {
                schema: "s".parse().unwrap(),
                mode: crate::Mode::Flag,
                violations: vec![violation],
            };
            tally.observe(Seen { breach: is_taken.then_some(&breach), ..accepted(&event) });
            if is_taken {
                store(&mut stored, tally.take_changes());
            }
        }
        store(&mut stored, tally.take_changes());
        prop_assert!(tally.take_changes().is_empty(), "nothing is told twice");
        let mut back = Tally::default();
        for (key, row) in stored {
            back.restore(key, row);
        }
        prop_assert_eq!(&back.violations, &tally.violations);
        for (key, source) in &tally.sources {
            let source_back = &back.sources[key];
            prop_assert_eq!(&source_back.days, &source.days);
            for (name, series) in &source.events {
                let series_back = &source_back.events[name];
                prop_assert_eq!(&series_back.shape, &series.shape);
                prop_assert_eq!(series_back.total, series.total);
                for hour in 0..24 * 36 {
                    let hour = volume::hour(at) - hour;
                    if volume::day(hour_start(hour)) > volume::day(at) - DAYS_KEPT {
                        prop_assert_eq!(series_back.hours.count(hour), series.hours.count(hour));
                    }
                }
            }
        }
    }
}

fn hour_start(hour: i64) -> Timestamp {
    volume::hour_start(hour)
}

fn store(stored: &mut BTreeMap<RowKey, Row>, changes: Vec<Change>) {
    for (key, row) in changes {
        match row {
            Some(row) => drop(stored.insert(key, row)),
            None => drop(stored.remove(&key)),
        }
    }
}
