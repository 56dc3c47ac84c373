//! Any sequence of commits, restarts and scans, against an ordered map.

use std::{collections::BTreeMap, ops::ControlFlow};

use proptest::prelude::*;

use super::FjallSubject;
use crate::{
    Batch, KeyRange, Memory, Reader, ScanOrder, Store, Table,
    conformance::{Subject, rows},
};

type Key = Vec<u8>;
type Model = BTreeMap<(Table, Key), Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(Table, Key, Option<Vec<u8>>)>),
    Restart,
    /// Scans from the one key to the other, up to so many rows.
    Scan(Table, Key, Key, ScanOrder, usize),
    Get(Table, Key),
}

/// Few keys, so that they meet, and among them the awkward ones.
fn keys() -> impl Strategy<Value = Key> {
    prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(254), Just(255)], 1..4)
}

fn tables() -> impl Strategy<Value = Table> {
    prop_oneof![Just(Table::Strand), Just(Table::Dedup), Just(Table::Log)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let values = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..40));
    let writes = prop::collection::vec((tables(), keys(), values), 1..12);
    let order = prop_oneof![Just(ScanOrder::Ascending), Just(ScanOrder::Descending)];
    let step = prop_oneof![
        5 => writes.prop_map(Step::Commit),
        1 => Just(Step::Restart),
        3 => (tables(), keys(), keys(), order, 0..20_usize)
            .prop_map(|(table, from, to, order, limit)| Step::Scan(table, from, to, order, limit)),
        1 => (tables(), keys()).prop_map(|(table, key)| Step::Get(table, key)),
    ];
    prop::collection::vec(step, 1..25)
}

fn rows_of(model: &Model, table: Table) -> Vec<(Key, Vec<u8>)> {
    let rows = model.iter().filter(|((of, _), _)| *of == table);
    rows.map(|((_, key), value)| (key.clone(), value.clone())).collect()
}

fn check_all(reader: &dyn Reader, model: &Model) {
    for table in [Table::Strand, Table::Dedup, Table::Log] {
        let found = rows(reader, table, KeyRange::all(), ScanOrder::Ascending);
        assert_eq!(found, rows_of(model, table));
    }
}

fn commit(store: &dyn Store, model: &mut Model, writes: Vec<(Table, Key, Option<Vec<u8>>)>) {
    let mut batch = Batch::new();
    for (table, key, value) in writes {
        match value {
            Some(value) => {
                batch.put(table, &key, &value);
                model.insert((table, key), value);
            }
            None => {
                batch.delete(table, &key);
                model.remove(&(table, key));
            }
        }
    }
    store.commit(batch).unwrap();
}

fn check_scan(
    store: &dyn Store,
    model: &Model,
    (table, range): (Table, KeyRange<'_>),
    order: ScanOrder,
    limit: usize,
) {
    let mut expected = rows_of(model, table);
    expected.retain(|(key, _)| range.contains(key));
    if order == ScanOrder::Descending {
        expected.reverse();
    }
    expected.truncate(limit.max(1));
    let mut found = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    store.scan(table, range, order, visit).unwrap();
    assert_eq!(found, expected);
}

fn run(mut subject: impl Subject, steps: Vec<Step>) {
    let mut model = Model::new();
    // A snapshot from the middle, with what the store held then.
    let mut earlier = None;
    for (index, step) in steps.into_iter().enumerate() {
        match step {
            Step::Commit(writes) => commit(subject.store(), &mut model, writes),
            Step::Restart => {
                earlier = None;
                subject.reopen();
            }
            Step::Scan(table, from, to, order, limit) => {
                let range = (table, KeyRange::new(&from, &to));
                check_scan(subject.store(), &model, range, order, limit);
            }
            Step::Get(table, key) => {
                let found = subject.store().get(table, &key).unwrap().map(|value| value.to_vec());
                assert_eq!(found, model.get(&(table, key)).cloned());
            }
        }
        if index == 5 {
            earlier = Some((subject.store().snapshot().unwrap(), model.clone()));
        }
    }
    if let Some((snapshot, model)) = &earlier {
        check_all(&**snapshot, model);
    }
    drop(earlier);
    check_all(subject.store(), &model);
    subject.reopen();
    check_all(subject.store(), &model);
}

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(count) }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn memory_is_a_map(steps in steps()) {
        run(Memory::new(), steps);
    }
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn fjall_is_a_map(steps in steps()) {
        run(FjallSubject::new(), steps);
    }
}
