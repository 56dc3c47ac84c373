use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    RecordsBuilder,
    settings::{Beginning, Comparison, Key, Level, Settings},
};

const COLUMNS: [&str; 3] = ["x", "y", "z"];

fn key() -> impl Strategy<Value = Key> {
    let column = prop::sample::select(COLUMNS.to_vec()).prop_map(str::to_owned);
    (column, prop::option::of(1_u8..3)).prop_map(|(column, first)| match first {
        Some(first) => Key::Beginning(Beginning { column, first }),
        None => Key::Whole(column),
    })
}

fn plan(blocking: Vec<Vec<Key>>, seed: u64) -> Plan {
    let comparison = |column: &str| Comparison {
        column: column.to_owned(),
        kind: crate::Kind::Text,
        levels: vec![Level::Exact],
        term_frequency: false,
    };
    let comparisons = COLUMNS.map(comparison).to_vec();
    Plan::new(Settings { seed, blocking, comparisons }).unwrap()
}

type Row = [Option<String>; 3];

fn records(rows: &[Row]) -> Records {
    let mut builder = RecordsBuilder::new(COLUMNS.map(|_| crate::Kind::Text));
    for row in rows {
        builder.push(row.iter().map(Option::as_deref)).unwrap();
    }
    builder.finish()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = prop::option::weighted(0.8, "[a-c]{1,3}");
    prop::collection::vec(prop::array::uniform3(value), 0..40)
}

/// Whether two rows share everything a rule asks for, looked up value by value.
fn shares(rule: &[Key], a: &Row, b: &Row) -> bool {
    rule.iter().all(|key| {
        let place = COLUMNS.iter().position(|column| *column == key.column()).unwrap();
        let part = |row: &Row| {
            let value = row[place].clone()?;
            let most = key.first().map_or(usize::MAX, usize::from);
            Some(value.chars().take(most).collect::<String>())
        };
        part(a).is_some() && part(a) == part(b)
    })
}

proptest! {
    #[test]
    fn blocks_hold_every_pair_of_a_rule_once(
        rows in rows(),
        rules in prop::collection::vec(prop::collection::vec(key(), 1..3), 1..4),
        seed: u64,
    ) {
        let (plan, records) = (plan(rules.clone(), seed), records(&rows));
        let blocking = Blocking::new(&plan, &records);
        let mut found = Vec::new();
        for rule in 0..rules.len() {
            let mut pairs = Vec::new();
            let walked = blocking.walk(rule, u64::MAX, |pair| {
                pairs.push((pair.a, pair.b));
                if pair.is_first {
                    found.push((pair.a, pair.b));
                }
            });
            prop_assert_eq!(walked, pairs.len() as u64);
            prop_assert_eq!(walked, blocking.pair_count(rule));
        }
        let once: BTreeSet<(u32, u32)> = found.iter().copied().collect();
        prop_assert_eq!(found.len(), once.len(), "a pair came twice");
        let mut expected = BTreeSet::new();
        for (b, second) in (0_u32..).zip(&rows) {
            for (a, first) in (0..b).zip(&rows) {
                if rules.iter().any(|rule| shares(rule, first, second)) {
                    expected.insert((a, b));
                }
            }
        }
        prop_assert_eq!(once, expected);
    }
}

#[test]
fn a_block_that_is_too_large_is_left_to_other_rules() {
    let common = |place: usize| [Some("a".to_owned()), Some((place / 2).to_string()), None];
    let rows: Vec<Row> = (0..=BLOCK_RECORDS_MAX).map(common).collect();
    let rule = |column: &str| vec![Key::Whole(column.to_owned())];
    let plan = plan(vec![rule("x"), rule("y")], 0);
    let blocking = Blocking::new(&plan, &records(&rows));
    let left_out: Vec<LeftOut> = blocking.left_out().collect();
    assert_eq!(left_out[0], LeftOut { blocks: 1, records: BLOCK_RECORDS_MAX as u64 + 1 });
    assert_eq!(blocking.pair_count(0), 0);
    let mut first = 0;
    blocking.walk(1, u64::MAX, |pair| first += u32::from(pair.is_first));
    assert_eq!(first as usize, BLOCK_RECORDS_MAX / 2);
}

#[test]
fn a_part_is_whole_blocks() {
    let rows: Vec<Row> = (0..40).map(|place| [Some((place / 4).to_string()), None, None]).collect();
    let plan = plan(vec![vec![Key::Whole("x".to_owned())]], 7);
    let blocking = Blocking::new(&plan, &records(&rows));
    assert_eq!(blocking.walk(0, 7, |_| {}), 12);
    assert_eq!(blocking.walk(0, u64::MAX, |_| {}), 60);
}
