//! Runs against a sorted vector.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::Value;

/// Number, time, tie and how long the row is.
type Told = (u32, i64, u64, usize);

fn row(&(_, time, tie, length): &Told) -> EventRow {
    let paths = [Path::parse("x").unwrap()];
    let text = Value::from("x".repeat(length));
    let values = RowValues::pack(&paths, |_| Some(&text));
    EventRow { time: Timestamp(time), tie, purposes: PurposeSet::ALL, values }
}

fn told() -> impl Strategy<Value = Vec<Told>> {
    let length = prop_oneof![20 => 0..200_usize, 1 => 0..9_000_usize];
    prop_oneof![
        3 => vec((0..4_u32, 0..40_i64, 0..2_u64, length), 0..120),
        1 => vec((0..2_u32, 0..900_i64, 0..2_u64, 0..30_usize), 0..900),
    ]
}

/// Each event once, as a run holds them.
fn sorted(told: &[Told]) -> BTreeMap<Place, EventRow> {
    let mut rows = BTreeMap::new();
    for told in told {
        let place = (told.0, Timestamp(told.1), told.2);
        rows.entry(place).or_insert_with(|| row(told));
    }
    rows
}

fn of(rows: &BTreeMap<Place, EventRow>, number: u32) -> Vec<&EventRow> {
    rows.iter().filter(|(place, _)| place.0 == number).map(|(_, row)| row).collect()
}

fn check(run: &Run, expected: &BTreeMap<Place, EventRow>) -> Result<(), TestCaseError> {
    let mut numbers: Vec<u32> = expected.keys().map(|place| place.0).collect();
    numbers.dedup();
    prop_assert_eq!(run.numbers().collect::<Vec<_>>(), numbers);
    for number in 0..5 {
        let (span, rows) = (run.span(number), of(expected, number));
        prop_assert_eq!((span.len(), span.is_empty()), (rows.len(), rows.is_empty()));
        prop_assert!(span.iter().eq(rows.iter().map(|row| row.as_row())));
        prop_assert!(span.iter().rev().eq(rows.iter().rev().map(|row| row.as_row())));
        prop_assert_eq!(span.last(), rows.last().map(|row| row.as_row()));
        for time in [-1, 0, 7, 20, 39, 450, 1_000] {
            let (past, ahead) = span.split_after(Timestamp(time));
            let place = rows.partition_point(|row| row.time.0 <= time);
            prop_assert!(past.iter().eq(rows[..place].iter().map(|row| row.as_row())));
            prop_assert!(ahead.iter().eq(rows[place..].iter().map(|row| row.as_row())));
        }
    }
    let few = |leaf: &Leaf| leaf.0.len() <= LEAF_BYTES + 8 || leaf.len() == 1;
    prop_assert!(run.0.as_slice().iter().all(few));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_run_is_a_sorted_set(first in told(), second in told()) {
        let rows: Vec<EventRow> = first.iter().map(row).collect();
        let mut run = Run::default();
        run.extend(first.iter().zip(&rows).map(|(told, row)| (told.0, row.as_row())));
        let mut expected = sorted(&first);
        check(&run, &expected)?;
        let (before, copy) = (expected.clone(), run.clone());
        for told in &second {
            let place = (told.0, Timestamp(told.1), told.2);
            let is_new = !expected.contains_key(&place);
            expected.entry(place).or_insert_with(|| row(told));
            prop_assert_eq!(run.insert(told.0, &row(told)), is_new);
        }
        check(&run, &expected)?;
        check(&copy, &before)?;
        let mut together = Run::default();
        let all: Vec<(u32, EventRow)> = first.iter().chain(&second).map(|t| (t.0, row(t))).collect();
        together.extend(all.iter().map(|(number, row)| (*number, row.as_row())));
        prop_assert_eq!(&together, &run);
        for limit in [100, 10, 0] {
            let held = of(&expected, 1).len();
            prop_assert_eq!(run.keep_newest(1, limit), limit < held);
            let oldest = expected.range((1, Timestamp(i64::MIN), 0)..).map(|(place, _)| *place);
            for place in oldest.take(held.saturating_sub(limit)).collect::<Vec<_>>() {
                expected.remove(&place);
            }
            check(&run, &expected)?;
        }
        for told in first.iter().chain(&second).step_by(2) {
            let (number, time, tie) = (told.0, Timestamp(told.1), told.2);
            let was_there = expected.remove(&(number, time, tie)).is_some();
            prop_assert_eq!(run.remove(number, time, tie), was_there);
            check(&run, &expected)?;
        }
    }
}

#[test]
fn an_insertion_copies_one_leaf() {
    let rows: Vec<EventRow> = (0..2_000).map(|n| row(&(1, n, 0, 8))).collect();
    let mut run = Run::default();
    run.extend(rows.iter().map(|row| (1, row.as_row())));
    let before = run.clone();
    run.insert(1, &row(&(1, 777, 1, 8)));
    let is_kept = |leaf: &&Leaf| before.0.as_slice().iter().any(|old| Arc::ptr_eq(&old.0, &leaf.0));
    let (all, kept) = (run.0.as_slice().len(), run.0.as_slice().iter().filter(is_kept).count());
    assert!(10 < all && all <= kept + 2, "{kept} of {all} leaves kept");
}
