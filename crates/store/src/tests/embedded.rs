//! What is particular to the embedded store: its directory, its lock, its disk.

use std::fs;

use tempfile::TempDir;

use super::{open, options};
use crate::{Batch, Fjall, FjallOptions, Reader, Store, StoreError, Table};

fn put(store: &dyn Store, key: &[u8]) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    batch.put(Table::Strand, key, key);
    store.commit(batch)
}

#[test]
fn a_directory_has_one_process_at_a_time() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let second = Fjall::open(dir.path(), options());
    let us = std::process::id();
    let refused = second.unwrap_err();
    assert!(matches!(&refused, StoreError::Locked { dir: locked, .. } if locked == dir.path()));
    assert!(refused.to_string().contains(&format!("in use by process {us};")), "{refused}");
    // A snapshot needs the files, so it keeps them locked.
    let snapshot = store.snapshot().unwrap();
    drop(store);
    assert!(matches!(Fjall::open(dir.path(), options()), Err(StoreError::Locked { .. })));
    drop(snapshot);
    open(&dir);
}

#[test]
fn a_directory_of_another_version_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    put(&open(&dir), b"a").unwrap();
    let format = dir.path().join("FORMAT");
    fs::write(&format, "concierge-store 999\n").unwrap();
    let refused = Fjall::open(dir.path(), options()).unwrap_err();
    assert!(matches!(&refused, StoreError::Version { known: 2, .. }));
    assert!(refused.to_string().contains("concierge-store 999"));
    fs::remove_file(&format).unwrap();
    let refused = Fjall::open(dir.path(), options());
    assert!(matches!(refused, Err(StoreError::Version { .. })));
    fs::write(&format, "concierge-store 2\n").unwrap();
    assert!(open(&dir).get(Table::Strand, b"a").unwrap().is_some());
}

#[test]
fn a_crash_while_creating_the_store_is_made_good() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    let rows = dir.path().join("rows");
    // As it is before the engine's last step of creation: no tables, no version.
    fs::remove_dir_all(rows.join("keyspaces")).unwrap();
    fs::create_dir(rows.join("keyspaces")).unwrap();
    fs::remove_file(rows.join("version")).unwrap();
    put(&open(&dir), b"a").unwrap();
    // With tables there, a missing version is damage, and nothing is removed.
    fs::remove_file(rows.join("version")).unwrap();
    assert!(matches!(Fjall::open(dir.path(), options()), Err(StoreError::Corrupt { .. })));
    assert!(rows.join("keyspaces/1").exists());
}

#[test]
fn commits_stop_at_the_reserve_and_go_on_when_there_is_space() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    put(&store, b"a").unwrap();
    store.set_reserve_bytes(u64::MAX);
    let refused = put(&store, b"b").unwrap_err();
    assert!(matches!(refused, StoreError::Full { reserve_bytes: u64::MAX, .. }));
    assert!(store.get(Table::Strand, b"b").unwrap().is_none());
    assert!(store.get(Table::Strand, b"a").unwrap().is_some());
    store.set_reserve_bytes(0);
    put(&store, b"b").unwrap();
    drop(store);
    assert!(open(&dir).get(Table::Strand, b"b").unwrap().is_some());
}

#[test]
fn rows_written_out_to_tables_read_the_same() {
    let dir = TempDir::new().unwrap();
    let small = FjallOptions { memtable_bytes: 1, cache_bytes: 1 << 20, ..options() };
    let store = Fjall::open(dir.path(), small).unwrap();
    // Every commit fills the memtable, so that each key ends up in many tables.
    for round in 0..16_u32 {
        let mut batch = Batch::new();
        for row in 0..200_u32 {
            let value = [round.to_be_bytes().as_slice(), &[7; 1_996]].concat();
            batch.put(Table::Strand, row.to_be_bytes(), value);
        }
        store.commit(batch).unwrap();
    }
    drop(store);
    let store = Fjall::open(dir.path(), small).unwrap();
    for row in 0..200_u32 {
        let value = store.get(Table::Strand, &row.to_be_bytes()).unwrap().unwrap();
        assert_eq!(value[..4], 15_u32.to_be_bytes());
    }
    let usage = store.usage();
    assert!(usage.disk_bytes > usage.journal_bytes && usage.journals >= 1);
    assert!(usage.free_bytes.is_some_and(|bytes| bytes > 0));
    assert_eq!(usage.poisoned, None);
}

#[test]
fn what_a_read_shows_a_later_snapshot_has() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let key = |batch: u32, row: u32| [batch.to_be_bytes(), row.to_be_bytes()].concat();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..50 {
                let mut batch = Batch::new();
                (0..500).for_each(|row| batch.put(Table::Strand, key(number, row), [0]));
                store.commit(batch).unwrap();
            }
        });
        for number in 0..50 {
            while store.get(Table::Strand, &key(number, 0)).unwrap().is_none() {
                std::hint::spin_loop();
            }
            let snapshot = store.snapshot().unwrap();
            let last = snapshot.get(Table::Strand, &key(number, 499)).unwrap();
            assert!(last.is_some(), "batch {number} showed by half");
        }
    });
}
