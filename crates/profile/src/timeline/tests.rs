//! Folding timelines, and their bound.

use model::{PurposeSet, Timestamp, Value, condition::RowValues, value::Path};
use proptest::{collection::vec, prelude::*};

use super::*;

fn name(text: &str) -> EventName {
    EventName::new(text)
}

fn layout() -> Arc<Layout> {
    let read = || [Path::parse("n").unwrap()].into();
    Arc::new(Layout::new(["A", "B", "C"].map(|of| (name(of), read())).into()))
}

fn row(time: i64, tie: u64) -> EventRow {
    let n = Value::from(time);
    let values = RowValues::pack(layout().paths(0), |_| Some(&n));
    EventRow { time: Timestamp(time), tie, purposes: PurposeSet::ALL, values }
}

fn times(timeline: &Timeline, of: &str) -> Vec<i64> {
    rows(timeline, of).rows.iter().map(|row| row.time.0).collect()
}

fn rows<'a>(timeline: &'a Timeline, of: &str) -> Rows<'a> {
    timeline.rows(&name(of), Purpose::PERSONALIZATION)
}

fn insert(timeline: &mut Timeline, of: &str, row: &EventRow) {
    let layout = layout();
    timeline.insert(&layout, layout.number(&name(of)).unwrap(), row);
}

#[test]
fn late_events_take_their_place_and_repeated_ones_are_one() {
    let mut timeline = Timeline::default();
    for (time, tie) in [(30, 0), (10, 0), (20, 1), (20, 0), (10, 0)] {
        insert(&mut timeline, "A", &row(time, tie));
    }
    assert_eq!(times(&timeline, "A"), [10, 20, 20, 30]);
    assert!(times(&timeline, "B").is_empty());
    assert!(times(&timeline, "Unheard").is_empty());
}

#[test]
fn the_newest_are_held_and_the_rest_is_said_to_exist() {
    let mut timeline = Timeline::default();
    for time in 0..1_000 {
        insert(&mut timeline, "A", &row(time, 0));
    }
    assert!(!rows(&timeline, "A").overflow);
    insert(&mut timeline, "A", &row(999, 0));
    assert!(!rows(&timeline, "A").overflow, "a repeated event is no further one");
    insert(&mut timeline, "A", &row(-1, 0));
    assert!(rows(&timeline, "A").overflow);
    assert_eq!(times(&timeline, "A")[0], 0, "an event older than all that are held is not held");
    insert(&mut timeline, "A", &row(1_000, 0));
    assert_eq!(times(&timeline, "A")[0], 1);
    assert_eq!(rows(&timeline, "A").rows.len(), MAX_ROWS);
}

#[test]
fn rows_left_on_disk_make_an_overflow() {
    let mut timeline = Timeline::default();
    timeline.mark_overflow(&layout(), 0);
    assert!(rows(&timeline, "A").rows.is_empty() && rows(&timeline, "A").overflow);
    let mut other = Timeline::default();
    insert(&mut other, "A", &row(1, 0));
    other.merge(&timeline);
    assert!(rows(&other, "A").overflow);
}

#[test]
fn all_names_are_read_newest_first() {
    let mut timeline = Timeline::default();
    for (of, time) in [("A", 1), ("B", 2), ("A", 3), ("C", 3), ("B", 4)] {
        insert(&mut timeline, of, &row(time, 0));
    }
    let read: Vec<_> = timeline.newest_first().map(|(n, r)| (n.text.as_str(), r.time.0)).collect();
    assert_eq!(read, [("B", 4), ("C", 3), ("A", 3), ("B", 2), ("A", 1)]);
}

type Seen = (&'static str, i64, u64);

fn fold(events: &[Seen]) -> Timeline {
    let mut timeline = Timeline::default();
    events.iter().for_each(|&(of, time, tie)| insert(&mut timeline, of, &row(time, tie)));
    timeline
}

/// Enough events of one name to cross the bound now and then.
fn events() -> impl Strategy<Value = Vec<Seen>> {
    let few = vec((prop::sample::select(vec!["A", "B"]), 0..8_i64, 0..3_u64), 0..20);
    let many =
        (vec((Just("A"), 0..50_i64, 0..30_u64), 0..20), 990..1_010_i64).prop_map(|(more, n)| {
            (0..n).map(|i| ("A", i % 50, (i / 50).unsigned_abs() + 5)).chain(more).collect()
        });
    prop_oneof![3 => few, 1 => many]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn the_fold_knows_no_order_no_grouping_and_no_repetition(
        (events, shuffled) in events().prop_flat_map(|e| (Just(e.clone()), Just(e).prop_shuffle())),
        cut in 0..1_000_usize,
    ) {
        let whole = fold(&events);
        for of in ["A", "B"] {
            let mut sorted: Vec<_> = events.iter().filter(|e| e.0 == of).map(|e| (e.1, e.2)).collect();
            sorted.sort_unstable();
            sorted.dedup();
            let Rows { rows, overflow, .. } = rows(&whole, of);
            prop_assert_eq!(overflow, sorted.len() > MAX_ROWS);
            let newest = &sorted[sorted.len().saturating_sub(MAX_ROWS)..];
            let held: Vec<_> = rows.iter().map(|r| (r.time.0, r.tie)).collect();
            prop_assert_eq!(held, newest);
        }
        let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
        for (a, b) in [(left, right), (right, left), (&shuffled[..], right)] {
            let mut merged = fold(a);
            merged.merge(&fold(b));
            prop_assert_eq!(&merged, &whole);
        }
        let many: Vec<(u32, EventRow)> = shuffled
            .iter()
            .map(|&(of, time, tie)| (layout().number(&name(of)).unwrap(), row(time, tie)))
            .collect();
        let mut at_once = Timeline::default();
        at_once.extend(&layout(), &many);
        prop_assert_eq!(&at_once, &whole);
        let mut newest: Vec<_> = whole.newest_first().map(|(n, r)| (r.time, r.tie, n)).collect();
        let read = newest.clone();
        newest.sort_unstable_by(|a, b| b.cmp(a));
        prop_assert_eq!(read, newest);
    }
}
