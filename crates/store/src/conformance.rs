//! What every store must do, as cases that run against any of them.
//!
//! [`store_conformance!`](crate::store_conformance) makes a test of each case for one kind of
//! store, and [`fault_conformance!`](crate::fault_conformance) of each case of failing for a kind
//! of store inside [`Faulty`].

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::{collections::BTreeMap, ops::ControlFlow, thread};

use crate::{
    Batch, Fault, Faulty, KeyRange, MAX_CHUNKED_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES, Operation,
    Reader, ScanOrder, Store, StoreError, Table, delete_chunked, get_chunked, prefix_range,
    put_chunked,
};

/// A store under test.
pub trait Subject {
    /// The kind of store. A clone of it is the same open store.
    type Store: Store + Clone;

    /// The open store.
    fn store(&self) -> &Self::Store;

    /// Closes the store and opens it again, as a restarted process would.
    fn reopen(&mut self);
}

/// Makes a module of tests, one per case, for the stores that `$subject` (a function that makes an
/// empty [`Subject`]) gives.
#[macro_export]
macro_rules! store_conformance {
    ($module:ident, $subject:expr) => {
        $crate::conformance_cases! { $module, $subject,
            nothing_is_there_at_first
            what_was_put_is_there_until_deleted
            the_later_write_to_a_key_wins
            tables_are_apart
            a_scan_goes_in_the_order_of_bytes
            a_range_holds_its_start_but_not_its_end
            a_prefix_may_end_in_the_highest_byte
            a_scan_stops_when_told_to
            a_scan_does_not_see_commits_made_meanwhile
            a_snapshot_stays_as_it_was
            committed_rows_survive_a_restart
            a_large_batch_is_one_batch
            a_batch_over_a_limit_changes_nothing
            long_values_are_kept_in_chunks
            readers_see_whole_batches
        }
    };
}

/// Makes a module of tests, one per case of failing, for the stores that `$subject` gives. The
/// cases wrap them in [`Faulty`].
#[macro_export]
macro_rules! fault_conformance {
    ($module:ident, $subject:expr) => {
        $crate::conformance_cases! { $module, $subject,
            a_failed_commit_changes_nothing_and_can_be_repeated
            a_full_disk_refuses_commits_until_there_is_space
            a_poisoned_store_refuses_commits_until_it_restarts
            failed_reads_can_be_repeated
            random_faults_never_tear_a_batch
        }
    };
}

/// Makes a test of each named case.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($module:ident, $subject:expr, $($case:ident)+) => {
        mod $module {
            #[allow(unused_imports, reason = "the subject may be named by a full path")]
            use super::*;
            $(
                #[test]
                fn $case() {
                    $crate::conformance::$case($subject());
                }
            )+
        }
    };
}

/// All rows of `range`, in `order`.
pub fn rows(
    reader: &dyn Reader,
    table: Table,
    range: KeyRange<'_>,
    order: ScanOrder,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    reader
        .scan(table, range, order, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

fn keys(reader: &dyn Reader, range: KeyRange<'_>, order: ScanOrder) -> Vec<Vec<u8>> {
    rows(reader, Table::Strand, range, order).into_iter().map(|(key, _)| key).collect()
}

fn value(reader: &dyn Reader, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    reader.get(table, key).unwrap().map(|value| value.to_vec())
}

fn batch(rows: &[(&[u8], &[u8])]) -> Batch {
    let mut batch = Batch::new();
    for (key, value) in rows {
        batch.put(Table::Strand, key, value);
    }
    batch
}

fn commit_keys(store: &dyn Store, keys: &[&[u8]]) {
    store.commit(batch(&keys.iter().map(|key| (*key, *key)).collect::<Vec<_>>())).unwrap();
}

/// An empty store reads as empty everywhere.
pub fn nothing_is_there_at_first(subject: impl Subject) {
    for table in Table::ALL {
        assert_eq!(value(subject.store(), table, b"key"), None);
        assert_eq!(rows(subject.store(), table, KeyRange::all(), ScanOrder::Ascending), []);
    }
    subject.store().commit(Batch::new()).unwrap();
}

/// Put, replace, delete; deleting what is not there is no error, and an empty value is a value.
pub fn what_was_put_is_there_until_deleted(subject: impl Subject) {
    let store = subject.store();
    store.commit(batch(&[(b"a", b"1"), (b"b", b"2"), (b"e", b"")])).unwrap();
    assert_eq!(value(store, Table::Strand, b"a").unwrap(), b"1");
    assert_eq!(value(store, Table::Strand, b"e").unwrap(), b"");
    let mut second = batch(&[(b"a", b"3")]);
    second.delete(Table::Strand, b"b");
    second.delete(Table::Strand, b"never there");
    store.commit(second).unwrap();
    assert_eq!(value(store, Table::Strand, b"a").unwrap(), b"3");
    assert_eq!(value(store, Table::Strand, b"b"), None);
    assert_eq!(keys(store, KeyRange::all(), ScanOrder::Ascending), [b"a", b"e"]);
}

/// Within one batch the last write to a key counts, whatever the order of kinds.
pub fn the_later_write_to_a_key_wins(subject: impl Subject) {
    let store = subject.store();
    let mut batch = batch(&[(b"twice", b"1"), (b"gone", b"1"), (b"twice", b"2")]);
    batch.delete(Table::Strand, b"gone");
    batch.delete(Table::Strand, b"back");
    batch.put(Table::Strand, b"back", b"3");
    assert_eq!(batch.len(), 6);
    store.commit(batch).unwrap();
    assert_eq!(value(store, Table::Strand, b"twice").unwrap(), b"2");
    assert_eq!(value(store, Table::Strand, b"gone"), None);
    assert_eq!(value(store, Table::Strand, b"back").unwrap(), b"3");
}

/// The same key in each table is another row, and one batch writes to all of them.
pub fn tables_are_apart(mut subject: impl Subject) {
    let mut batch = Batch::new();
    for table in Table::ALL {
        batch.put(table, b"key", table.name());
    }
    subject.store().commit(batch).unwrap();
    subject.reopen();
    for table in Table::ALL {
        assert_eq!(value(subject.store(), table, b"key").unwrap(), table.name().as_bytes());
    }
}

/// Keys order as unsigned bytes, shorter first, both ways.
pub fn a_scan_goes_in_the_order_of_bytes(subject: impl Subject) {
    let ordered: [&[u8]; 7] = [b"\0", b"\0\0", b"\x01", b"a", b"a\0", b"b", b"\xff"];
    let shuffled = [3, 6, 0, 5, 1, 4, 2].map(|index| ordered[index]);
    commit_keys(subject.store(), &shuffled);
    assert_eq!(keys(subject.store(), KeyRange::all(), ScanOrder::Ascending), ordered);
    let mut reversed = ordered;
    reversed.reverse();
    assert_eq!(keys(subject.store(), KeyRange::all(), ScanOrder::Descending), reversed);
}

/// Ranges are half-open; empty and inverted ones hold nothing.
pub fn a_range_holds_its_start_but_not_its_end(subject: impl Subject) {
    commit_keys(subject.store(), &[b"a", b"b", b"c", b"d"]);
    let found = |range, order| keys(subject.store(), range, order).concat();
    for (from, to, expected) in
        [("b", "d", "bc"), ("a", "a", ""), ("d", "b", ""), ("aa", "z", "bcd")]
    {
        let range = KeyRange::new(from.as_bytes(), to.as_bytes());
        assert_eq!(found(range.clone(), ScanOrder::Ascending), expected.as_bytes());
        let reversed = expected.bytes().rev().collect::<Vec<_>>();
        assert_eq!(found(range, ScanOrder::Descending), reversed);
    }
    assert_eq!(found(KeyRange::starting(b"c"), ScanOrder::Ascending), b"cd");
    assert_eq!(found(KeyRange::starting(b"c"), ScanOrder::Descending), b"dc");
}

/// A prefix range ends right behind the prefix, also where counting its last byte up overflows.
pub fn a_prefix_may_end_in_the_highest_byte(subject: impl Subject) {
    let with_prefix: [&[u8]; 3] = [b"a\xff", b"a\xff\0", b"a\xff\xff\xff"];
    commit_keys(subject.store(), &with_prefix);
    commit_keys(
        subject.store(),
        &[b"a", b"a\xfe\xff", b"b", b"\xff\xfe", b"\xff\xff", b"\xff\xff\xff"],
    );
    let found = |prefix| keys(subject.store(), prefix_range(prefix), ScanOrder::Ascending);
    assert_eq!(found(b"a\xff"), with_prefix);
    assert_eq!(found(b"\xff\xff"), [&b"\xff\xff"[..], b"\xff\xff\xff"]);
    assert_eq!(found(b"").len(), 9);
    let reversed = keys(subject.store(), prefix_range(b"\xff"), ScanOrder::Descending);
    assert_eq!(reversed, [&b"\xff\xff\xff"[..], b"\xff\xff", b"\xff\xfe"]);
}

/// Breaking ends the scan after the row that broke.
pub fn a_scan_stops_when_told_to(subject: impl Subject) {
    commit_keys(subject.store(), &[b"a", b"b", b"c"]);
    let mut visited = Vec::new();
    subject
        .store()
        .scan(Table::Strand, KeyRange::all(), ScanOrder::Descending, &mut |key, _| {
            visited.extend_from_slice(key);
            if key == b"b" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(visited, b"cb");
}

/// A scan shows the rows of the instant it began at, even while its visitor commits.
pub fn a_scan_does_not_see_commits_made_meanwhile(subject: impl Subject) {
    let store = subject.store();
    commit_keys(store, &[b"a", b"b"]);
    let mut visited = Vec::new();
    store
        .scan(Table::Strand, KeyRange::all(), ScanOrder::Ascending, &mut |key, value| {
            visited.push((key.to_vec(), value.to_vec()));
            let mut batch = batch(&[(b"b", b"changed"), (b"c", b"new")]);
            batch.delete(Table::Strand, b"a");
            store.commit(batch).unwrap();
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(visited, [(b"a".to_vec(), b"a".to_vec()), (b"b".to_vec(), b"b".to_vec())]);
    assert_eq!(keys(store, KeyRange::all(), ScanOrder::Ascending), [b"b", b"c"]);
}

/// A snapshot shows neither later writes nor later deletions, over all tables.
pub fn a_snapshot_stays_as_it_was(subject: impl Subject) {
    let store = subject.store();
    commit_keys(store, &[b"a", b"b"]);
    let before = store.snapshot().unwrap();
    let mut second = batch(&[(b"a", b"changed"), (b"c", b"new")]);
    second.delete(Table::Strand, b"b");
    second.put(Table::Meta, b"m", b"new");
    store.commit(second).unwrap();
    let after = store.snapshot().unwrap();
    assert_eq!(keys(&*before, KeyRange::all(), ScanOrder::Ascending), [b"a", b"b"]);
    assert_eq!(value(&*before, Table::Strand, b"a").unwrap(), b"a");
    assert_eq!(value(&*before, Table::Strand, b"b").unwrap(), b"b");
    assert_eq!(value(&*before, Table::Meta, b"m"), None);
    assert_eq!(keys(&*after, KeyRange::all(), ScanOrder::Descending), [b"c", b"a"]);
    assert_eq!(value(&*after, Table::Meta, b"m").unwrap(), b"new");
}

/// Rows, replacements and deletions are all there after each of several restarts.
pub fn committed_rows_survive_a_restart(mut subject: impl Subject) {
    for round in 0..3_u8 {
        let mut batch = batch(&[(&[round], b"kept"), (b"latest", &[round])]);
        batch.delete(Table::Strand, [round.wrapping_sub(2)]);
        subject.store().commit(batch).unwrap();
        subject.reopen();
        assert_eq!(value(subject.store(), Table::Strand, b"latest").unwrap(), [round]);
    }
    let kept = keys(subject.store(), KeyRange::all(), ScanOrder::Ascending);
    assert_eq!(kept, [&[1][..], &[2], b"latest"]);
}

/// A batch of thousands of rows is applied whole, and again after a restart.
pub fn a_large_batch_is_one_batch(mut subject: impl Subject) {
    let mut batch = Batch::with_capacity(5_000, 1 << 20);
    let expected: Vec<_> = (0..5_000_u32)
        .map(|row| (row.to_be_bytes().to_vec(), vec![row.to_le_bytes()[0]; 200]))
        .collect();
    for (key, value) in expected.iter().rev() {
        batch.put(Table::Log, key, value);
    }
    assert_eq!(batch.bytes(), 5_000 * 204);
    subject.store().commit(batch).unwrap();
    let all = |store: &dyn Store| rows(store, Table::Log, KeyRange::all(), ScanOrder::Ascending);
    assert!(all(subject.store()) == expected);
    subject.reopen();
    assert!(all(subject.store()) == expected);
}

/// Values and keys up to their limits are kept; beyond them the whole batch is refused.
pub fn a_batch_over_a_limit_changes_nothing(subject: impl Subject) {
    let store = subject.store();
    let (key, long) = (vec![7; MAX_KEY_BYTES], vec![9; MAX_VALUE_BYTES]);
    store.commit(batch(&[(&key, &long)])).unwrap();
    assert_eq!(value(store, Table::Strand, &key).unwrap(), long);
    let too_long = store.commit(batch(&[(b"a", b"1"), (b"b", &[0; MAX_VALUE_BYTES + 1])]));
    assert!(matches!(too_long, Err(StoreError::ValueTooLarge { table: "strand", .. })));
    for key in [&[][..], &[0; MAX_KEY_BYTES + 1]] {
        let refused = store.commit(batch(&[(b"a", b"1"), (key, b"2")]));
        assert!(matches!(refused, Err(StoreError::KeyLength { .. })));
    }
    assert_eq!(value(store, Table::Strand, b"a"), None);
    commit_keys(store, &[b"a"]);
}

/// Chunked values of all lengths come back, replacing longer by shorter leaves nothing behind, and
/// neighbours are left alone.
pub fn long_values_are_kept_in_chunks(subject: impl Subject) {
    let store = subject.store();
    let all = |table| rows(store, table, KeyRange::all(), ScanOrder::Ascending);
    for bytes in
        [MAX_CHUNKED_BYTES, 3 * MAX_VALUE_BYTES, MAX_VALUE_BYTES - 4, MAX_VALUE_BYTES, 1, 0]
    {
        let long: Vec<u8> = (0..bytes).map(|at| (at % 251).to_le_bytes()[0]).collect();
        let mut batch = Batch::new();
        put_chunked(&mut batch, Table::Definition, b"key", &long).unwrap();
        put_chunked(&mut batch, Table::Definition, b"key\0longer", b"other").unwrap();
        store.commit(batch).unwrap();
        assert_eq!(get_chunked(store, Table::Definition, b"key").unwrap(), Some(long));
    }
    assert_eq!(all(Table::Definition).len(), 2);
    assert_eq!(get_chunked(store, Table::Definition, b"ke").unwrap(), None);
    let mut batch = Batch::new();
    delete_chunked(&mut batch, Table::Definition, b"key");
    let too_long = put_chunked(&mut batch, Table::Definition, b"long", &[0; MAX_CHUNKED_BYTES + 1]);
    assert!(matches!(too_long, Err(StoreError::ValueTooLarge { .. })));
    store.commit(batch).unwrap();
    assert_eq!(get_chunked(store, Table::Definition, b"key").unwrap(), None);
    let other = get_chunked(store, Table::Definition, b"key\0longer").unwrap();
    assert_eq!(other.unwrap(), b"other");
}

/// While one thread commits, snapshots and scans in another show all rows of a batch or none.
pub fn readers_see_whole_batches(subject: impl Subject) {
    const ROWS: usize = 20;
    const ROUNDS: u16 = 60;
    let store = subject.store();
    let round_of = |reader: &dyn Reader| {
        let found = rows(reader, Table::Strand, KeyRange::all(), ScanOrder::Ascending);
        let rounds: Vec<_> = found.into_iter().map(|(_, value)| value).collect();
        assert!(rounds.len() == ROWS || rounds.is_empty());
        assert!(rounds.windows(2).all(|pair| pair[0] == pair[1]), "a torn batch: {rounds:?}");
        rounds.into_iter().next()
    };
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..ROUNDS {
                let mut batch = Batch::new();
                for row in 0..ROWS {
                    batch.put(Table::Strand, row.to_be_bytes(), round.to_be_bytes());
                }
                batch.put(Table::Meta, b"round", round.to_be_bytes());
                store.commit(batch).unwrap();
            }
        });
        while !writer.is_finished() {
            round_of(store);
            let snapshot = store.snapshot().unwrap();
            assert_eq!(round_of(&*snapshot), value(&*snapshot, Table::Meta, b"round"));
        }
    });
    assert_eq!(round_of(store).unwrap(), (ROUNDS - 1).to_be_bytes());
}

/// A commit that failed before it began leaves nothing, and the same batch succeeds later.
pub fn a_failed_commit_changes_nothing_and_can_be_repeated(subject: impl Subject) {
    let store = Faulty::new(subject.store().clone());
    store.inject(Operation::Commit, 2, Fault::Io);
    commit_keys(&store, &[b"a"]);
    let failed = store.commit(batch(&[(b"b", b"1")]));
    assert!(matches!(failed, Err(StoreError::Io { .. })));
    assert_eq!(value(&store, Table::Strand, b"b"), None);
    commit_keys(&store, &[b"b"]);
    assert_eq!(keys(&store, KeyRange::all(), ScanOrder::Ascending), [b"a", b"b"]);
    assert_eq!(store.calls(Operation::Commit), 3);
}

/// While the disk is full reads go on, commits change nothing, and afterwards they work again.
pub fn a_full_disk_refuses_commits_until_there_is_space(subject: impl Subject) {
    let store = Faulty::new(subject.store().clone());
    commit_keys(&store, &[b"a"]);
    store.set_failing(Operation::Commit, Some(Fault::Full));
    for _ in 0..2 {
        let refused = store.commit(batch(&[(b"b", b"1")])).unwrap_err();
        assert!(refused.is_retryable());
    }
    assert_eq!(keys(&store, KeyRange::all(), ScanOrder::Ascending), [b"a"]);
    store.set_failing(Operation::Commit, None);
    commit_keys(&store, &[b"b"]);
    assert_eq!(keys(&store, KeyRange::all(), ScanOrder::Ascending), [b"a", b"b"]);
}

/// After a commit that failed half-way nothing can be written, and what a restart finds is all of
/// it or nothing.
pub fn a_poisoned_store_refuses_commits_until_it_restarts(mut subject: impl Subject) {
    for (fault, key) in [(Fault::PoisonBefore, b"x"), (Fault::PoisonAfter, b"y")] {
        let store = Faulty::new(subject.store().clone());
        store.inject(Operation::Commit, 1, fault);
        let failed = store.commit(batch(&[(key, b"1"), (b"z", key)]));
        assert!(matches!(failed, Err(StoreError::Poisoned)));
        assert!(store.usage().poisoned.is_some());
        for _ in 0..2 {
            let refused = store.commit(batch(&[(b"later", b"1")]));
            assert!(matches!(refused, Err(StoreError::Poisoned)));
        }
        drop(store);
        subject.reopen();
        let is_there = fault == Fault::PoisonAfter;
        assert_eq!(value(subject.store(), Table::Strand, key).is_some(), is_there);
        assert_eq!(value(subject.store(), Table::Strand, b"z").is_some(), is_there);
        assert_eq!(value(subject.store(), Table::Strand, b"later"), None);
        commit_keys(subject.store(), &[b"after"]);
    }
}

/// Reads fail where they were told to, of snapshots too, and succeed when repeated.
pub fn failed_reads_can_be_repeated(subject: impl Subject) {
    let store = Faulty::new(subject.store().clone());
    commit_keys(&store, &[b"a"]);
    let scan = |reader: &dyn Reader| {
        let visit = &mut |_: &[u8], _: &[u8]| ControlFlow::Continue(());
        reader.scan(Table::Strand, KeyRange::all(), ScanOrder::Ascending, visit)
    };
    store.inject(Operation::Get, 2, Fault::Io);
    store.inject(Operation::Scan, 1, Fault::Io);
    store.inject(Operation::Snapshot, 1, Fault::Io);
    assert!(store.snapshot().is_err());
    let snapshot = store.snapshot().unwrap();
    assert!(store.get(Table::Strand, b"a").is_ok());
    assert!(snapshot.get(Table::Strand, b"a").is_err());
    assert!(snapshot.get(Table::Strand, b"a").is_ok());
    assert!(scan(&*snapshot).is_err());
    assert!(scan(&store).is_ok());
}

/// Whatever fails, each batch is there whole or not at all, and one that was acknowledged is there.
pub fn random_faults_never_tear_a_batch(mut subject: impl Subject) {
    let mut expected = BTreeMap::new();
    let mut failures = 0;
    for seed in 0..4_u64 {
        let store = Faulty::new(subject.store().clone());
        store.inject_randomly(seed, 200);
        for round in 0..10_u64 {
            let (a, b) = (
                (seed * 100 + round * 2).to_be_bytes(),
                (seed * 100 + round * 2 + 1).to_be_bytes(),
            );
            let committed = store.commit(batch(&[(&a, &b), (&b, &a)]));
            failures += usize::from(committed.is_err());
            let found = [a, b].map(|key| value(store.inner(), Table::Strand, &key).is_some());
            assert_eq!(found[0], found[1], "a torn batch");
            match committed {
                Ok(()) => assert!(found[0]),
                // Unknown: what is found counts from now on.
                Err(StoreError::Poisoned) => {}
                Err(_) => assert!(!found[0]),
            }
            if found[0] {
                expected.extend([(a.to_vec(), b.to_vec()), (b.to_vec(), a.to_vec())]);
            }
        }
        drop(store);
        subject.reopen();
    }
    assert!((1..40).contains(&failures), "the faults must happen, but not always: {failures}");
    let found = rows(subject.store(), Table::Strand, KeyRange::all(), ScanOrder::Ascending);
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
}
