use std::collections::BTreeMap;

use model::{
    Purpose, PurposeSet, UnitId, Value,
    condition::{EventName, EventRow, Layout, RowValues, Run},
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{MetricDocument, Metrics};

/// An exposure at noon of some day.
const EXPOSED: Timestamp = Timestamp(1_790_000_000_000);
const HOUR: i64 = 3_600_000;

/// A person of whom nothing is known but events.
struct Person {
    layout: Layout,
    run: Run,
    overflow: bool,
}

impl Facts for Person {
    fn events(&self, name: &EventName) -> Fact<Rows<'_>> {
        let Some(number) = self.layout.number(name) else { return Fact::Missing };
        let (rows, paths) = (self.run.span(number), self.layout.paths(number));
        let purpose = Purpose::ANALYTICS;
        Fact::Known(Rows { rows, paths, purpose, overflow: self.overflow })
    }

    fn unit(&self) -> UnitId {
        UnitId(0)
    }
}

fn metric(mut document: Value) -> Metric {
    document["key"] = "m".into();
    let document: MetricDocument = serde_json::from_value(document).unwrap();
    Metric::compile(&document, &|_| Some(Purpose::ANALYTICS)).unwrap()
}

/// Somebody with these events: hours after the exposure, name, properties, and whether they may be read.
fn person(metric: &Metric, events: &[(f64, &str, Value, bool)]) -> Person {
    let mut needed: BTreeMap<EventName, _> = BTreeMap::new();
    for (name, paths) in metric.events() {
        needed.entry(name.clone()).or_insert_with(std::collections::BTreeSet::new).extend(paths);
    }
    let layout = Layout::new(needed);
    let mut run = Run::default();
    for (tie, (hours, name, properties, is_open)) in (0..).zip(events) {
        let Some(number) = layout.number(&EventName::new(name)) else { continue };
        let purposes = if *is_open { PurposeSet::ALL } else { PurposeSet::NONE };
        let time = Timestamp(EXPOSED.0 + (hours * HOUR as f64) as i64);
        let properties = properties.as_object().unwrap();
        let values = RowValues::pack(layout.paths(number), |path| path.find(properties));
        run.insert(number, &EventRow { time, tie, purposes, values });
    }
    Person { layout, run, overflow: false }
}

/// What is measured so many hours after the exposure: upper, lower and before, or why not.
fn at(metric: &Metric, person: &Person, hours: i64) -> Result<[f64; 3], Unread> {
    let now = Timestamp(EXPOSED.0 + hours * HOUR);
    match measure(metric, EXPOSED, person, now).0 {
        Measured::Counted(Values { upper, lower, before, .. }) => {
            Ok([upper, lower, before].map(Amount::to_f64))
        }
        Measured::Left(unread) => Err(unread),
    }
}

fn order(hours: f64, revenue: f64) -> (f64, &'static str, Value, bool) {
    (hours, "Order", json!({"revenue": revenue, "currency": "EUR", "kind": "web"}), true)
}

#[test]
fn windows_begin_with_the_exposure_and_leave_out_their_end() {
    let conversion = metric(json!({"kind": "conversion", "event": "Order", "window": "2h"}));
    let somebody = |hours: f64| person(&conversion, &[order(hours, 1.0)]);
    for (hours, expected) in [(-0.1, 0.0), (0.0, 1.0), (1.9, 1.0), (2.0, 0.0)] {
        assert_eq!(at(&conversion, &somebody(hours), 10).unwrap()[0], expected, "{hours}");
    }
    assert_eq!(at(&conversion, &somebody(1.5), 1).unwrap()[0], 0.0, "it has not happened yet");
    let (_, changes) = measure(&conversion, EXPOSED, &somebody(1.5), EXPOSED);
    assert_eq!(changes, Some(Timestamp(EXPOSED.0 + 3 * HOUR / 2)), "look again then");
}

#[test]
fn each_kind_measures_what_it_says() {
    let orders = [order(-1.0, 7.0), order(1.0, 20.0), order(2.0, -5.0), order(30.0, 100.0)];
    let check = |document: Value, hours: i64, expected: Result<[f64; 3], Unread>| {
        let metric = metric(document);
        assert_eq!(at(&metric, &person(&metric, &orders), hours), expected, "{:?}", metric.kind);
    };
    let of =
        |kind: &str| json!({"kind": kind, "event": "Order", "property": "revenue", "window": "1d"});
    check(json!({"kind": "count", "event": "Order", "window": "1d"}), 48, Ok([2.0, 0.0, 1.0]));
    check(of("sum"), 48, Ok([15.0, 0.0, 7.0]));
    check(of("mean"), 48, Ok([15.0, 2.0, 7.0]));
    let mut capped = of("sum");
    capped["cap"] = json!({"amount": 10});
    check(capped, 48, Ok([10.0, 0.0, 7.0]));
    let mut median = of("quantile");
    median["quantile"] = json!(0.5);
    check(median, 48, Ok([15.0, 0.0, 7.0]));
    let back = json!({"kind": "retention", "event": "Order", "after": "1d", "window": "1d"});
    check(back.clone(), 47, Err(Unread::Waiting));
    check(back, 48, Ok([1.0, 0.0, 1.0]));
    let wait = json!({"kind": "time_to_event", "event": "Order", "window": "1d"});
    check(wait, 24, Ok([3_600.0, 0.0, 0.0]));
    let ratio = json!({"kind": "ratio", "event": "Order", "where": [{"property": "revenue", "op": "gt", "value": 0}],
        "denominator": {"event": "Order", "property": "revenue"}});
    check(ratio, 48, Ok([2.0, 115.0, 1.0]));
}

#[test]
fn other_currencies_are_left_out_and_no_number_is_no_event() {
    let revenue =
        metric(json!({"kind": "mean", "event": "Order", "property": "revenue", "currency": "EUR"}));
    let events = [
        order(1.0, 10.0),
        (2.0, "Order", json!({"revenue": 99, "currency": "SEK"}), true),
        (3.0, "Order", json!({"revenue": 1}), true),
        (4.0, "Order", json!({"revenue": "12", "currency": "eur"}), true),
    ];
    assert_eq!(at(&revenue, &person(&revenue, &events), 9), Ok([11.0, 2.0, 0.0]));
}

#[test]
fn what_may_not_be_read_leaves_the_unit_out_where_it_could_matter() {
    let conversion = metric(json!({"kind": "conversion", "event": "Order", "window": "2h"}));
    let closed = |hours: f64| (hours, "Order", json!({}), false);
    let withheld = person(&conversion, &[order(0.5, 1.0), closed(1.0)]);
    assert_eq!(at(&conversion, &withheld, 5), Err(Unread::Withheld));
    let outside = person(&conversion, &[order(0.5, 1.0), closed(-1.0), closed(3.0)]);
    assert_eq!(at(&conversion, &outside, 5), Ok([1.0, 0.0, 0.0]));
    let mut too_many = person(&conversion, &[order(0.5, 1.0)]);
    too_many.overflow = true;
    assert_eq!(at(&conversion, &too_many, 5), Err(Unread::Overflow));
}

#[test]
fn a_visit_that_goes_on_at_the_exposure_counts() {
    let pages = metric(json!({"kind": "sum", "event": "Visit Started", "property": "pages"}));
    let visit = |from: f64, to: f64, pages: u32| {
        let last = EXPOSED.0 as f64 + to * HOUR as f64;
        (from, "Visit Started", json!({"pages": pages, "last": last as i64}), true)
    };
    let mut events = vec![visit(-5.0, -4.0, 9), visit(-0.1, 0.2, 3), visit(4.0, 4.1, 2)];
    // The time of a visit's last event stands at a reserved path, which no document can name.
    for (_, _, properties, _) in &mut events {
        let last = properties["last"].take();
        properties[visits::LAST.as_str()] = last;
    }
    assert_eq!(at(&pages, &person(&pages, &events), 9).unwrap()[0], 5.0);
}

#[test]
fn a_metric_is_another_one_when_its_rule_is() {
    let one = json!({"kind": "sum", "event": "Order", "property": "revenue"});
    let with = |name: &str, value: Value| {
        let mut document = one.clone();
        document[name] = value;
        metric(document).id
    };
    assert_eq!(metric(one.clone()).id, with("name", json!("Revenue")));
    assert_eq!(metric(one.clone()).id, with("role", json!("guardrail")));
    assert_ne!(metric(one.clone()).id, with("window", json!("1d")));
    assert_ne!(metric(one.clone()).id, with("property", json!("total")));
    let (live, broken) = Metrics::compile([], &|_| None);
    assert!(live.is_empty() && broken.is_empty());
}

proptest! {
    /// Against the plainest reading of the document.
    #[test]
    fn sums_are_what_they_say(
        events in proptest::collection::vec((-50_i64..50, -20_i64..20, any::<bool>()), 0..12),
        window in 1_i64..40,
        hours in 0_i64..60,
    ) {
        let sum = metric(json!({"kind": "sum", "event": "Order", "property": "revenue",
            "window": format!("{window}h"), "before": "10h",
            "where": [{"property": "kind", "op": "eq", "value": "web"}]}));
        let event = |&(at, revenue, is_web): &(i64, i64, bool)| {
            let kind = if is_web { "web" } else { "shop" };
            (at as f64, "Order", json!({"revenue": revenue, "kind": kind}), true)
        };
        let all: Vec<_> = events.iter().map(event).collect();
        let total = |from: i64, to: i64| -> f64 {
            let inside = events.iter().filter(|(at, _, is_web)| from <= *at && *at < to && *is_web);
            inside.map(|(_, revenue, _)| *revenue as f64).sum()
        };
        let expected = [total(0, window.min(hours + 1)), 0.0, total(-10, 0)];
        prop_assert_eq!(at(&sum, &person(&sum, &all), hours), Ok(expected));
    }
}

#[test]
fn both_parts_of_a_ratio_are_measured_before() {
    let before = |document: Value, events: &[(f64, &'static str, Value, bool)]| {
        let metric = metric(document);
        match measure(&metric, EXPOSED, &person(&metric, events), Timestamp(EXPOSED.0 + HOUR)).0 {
            Measured::Counted(Values { before, before_lower, .. }) => {
                [before, before_lower].map(Amount::to_f64)
            }
            Measured::Left(unread) => panic!("{unread:?}"),
        }
    };
    let events = [order(-3.0, 20.0), order(-2.0, 4.0), order(1.0, 9.0)];
    let mean = json!({"key": "value", "kind": "mean", "event": "Order", "property": "revenue"});
    assert_eq!(before(mean, &events), [24.0, 2.0]);
    let ratio = json!({"key": "share", "kind": "ratio", "event": "Order", "property": "revenue",
        "denominator": {"event": "Order"}, "before": "150m"});
    assert_eq!(before(ratio, &events), [4.0, 1.0]);
}
