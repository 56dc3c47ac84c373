//! Damage to journals: what opens, what is refused, what a repair leaves.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use proptest::{prelude::*, test_runner::TestRunner};
use tempfile::TempDir;

use super::{open, options};
use crate::{
    Batch, Fjall, KeyRange, ScanOrder, Store, StoreError, Table,
    conformance::rows,
    repair::{Damage, check, repair},
};

const BATCHES: usize = 4;
const ROWS: usize = 3;

fn value(batch: usize, row: usize) -> Vec<u8> {
    format!("value {row} of batch {batch} ").repeat(8).into_bytes()
}

/// A closed store of some batches, each of some rows.
fn filled() -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for batch in 0..BATCHES {
        let mut writes = Batch::new();
        for row in 0..ROWS {
            writes.put(Table::Strand, format!("{batch} {row}"), value(batch, row));
        }
        store.commit(writes).unwrap();
    }
    dir
}

fn newest(dir: &Path) -> PathBuf {
    let rows = fs::read_dir(dir.join("rows")).unwrap();
    let journals = rows.map(|entry| entry.unwrap().path());
    journals.filter(|path| path.extension().is_some_and(|e| e == "jnl")).max().unwrap()
}

/// The journal without the zeros at its end.
fn content(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::open(newest(dir)).unwrap().take(64 * 1024).read_to_end(&mut bytes).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    bytes.truncate(end);
    bytes
}

fn find(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).position(|window| window == needle).unwrap()
}

/// How many batches a store holds; panics unless they are the first ones, whole and right.
fn batches_of(store: &Fjall) -> usize {
    let found = rows(store, Table::Strand, KeyRange::all(), ScanOrder::Ascending);
    assert_eq!(found.len() % ROWS, 0, "a torn batch");
    for (index, (key, found)) in found.iter().enumerate() {
        let (batch, row) = (index / ROWS, index % ROWS);
        assert_eq!(*key, format!("{batch} {row}").into_bytes());
        assert_eq!(*found, value(batch, row));
    }
    found.len() / ROWS
}

fn batches(dir: &Path) -> usize {
    batches_of(&Fjall::open(dir, options()).unwrap())
}

fn refusal(dir: &Path) -> String {
    match Fjall::open(dir, options()) {
        Err(error @ StoreError::Corrupt { .. }) => error.to_string(),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn damage(dir: &Path) -> Option<Damage> {
    check(dir).unwrap().journals.last().unwrap().damage
}

#[test]
fn a_sound_store_is_left_as_it_is() {
    let dir = filled();
    let before = content(dir.path());
    let report = repair(dir.path()).unwrap();
    assert!(report.is_sound());
    assert_eq!(report.cut, None);
    assert!(report.journals.iter().map(|journal| journal.batches).sum::<u64>() >= BATCHES as u64);
    assert_eq!(content(dir.path()), before);
    assert_eq!(batches(dir.path()), BATCHES);
}

#[test]
fn a_flipped_byte_in_the_last_batch_costs_that_batch() {
    let dir = filled();
    let mut journal = content(dir.path());
    let at = find(&journal, &value(BATCHES - 1, 1));
    journal[at + 50] ^= 1;
    fs::write(newest(dir.path()), &journal).unwrap();
    assert!(refusal(dir.path()).contains("in its last batch"));
    assert_eq!(damage(dir.path()), Some(Damage::LastBatch));
    let cut = repair(dir.path()).unwrap().cut.unwrap();
    assert_eq!((cut.batches, fs::read(&cut.copy).unwrap()), (0, journal.clone()));
    assert_eq!(cut.bytes + content(dir.path()).len() as u64, journal.len() as u64);
    assert_eq!(batches(dir.path()), BATCHES - 1);
    assert!(check(dir.path()).unwrap().is_sound());
}

#[test]
fn a_flipped_byte_in_the_middle_costs_what_follows_and_says_so() {
    let dir = filled();
    let mut journal = content(dir.path());
    let at = find(&journal, &value(1, 1));
    journal[at + 50] ^= 1;
    fs::write(newest(dir.path()), &journal).unwrap();
    assert!(refusal(dir.path()).contains("with 2 sound batches behind"));
    assert_eq!(damage(dir.path()), Some(Damage::Middle { later_batches: 2 }));
    assert_eq!(repair(dir.path()).unwrap().cut.unwrap().batches, 2);
    assert_eq!(batches(dir.path()), 1);
}

#[test]
fn a_lost_page_in_the_middle_is_not_taken_for_the_end() {
    let dir = filled();
    let mut journal = content(dir.path());
    // From inside one value over the next row's head, so that the bytes no longer parse. The engine
    // alone would drop all that follows.
    let at = find(&journal, &value(1, 0)) + 20;
    journal[at..at + 250].fill(0);
    fs::write(newest(dir.path()), &journal).unwrap();
    assert_eq!(damage(dir.path()), Some(Damage::Middle { later_batches: 2 }));
    refusal(dir.path());
    repair(dir.path()).unwrap();
    assert_eq!(batches(dir.path()), 1);
}

#[test]
fn a_tail_cut_short_opens_without_the_batch_that_was_being_written() {
    for cut_bytes in [1, 5, 13, 100, 300] {
        let dir = filled();
        let journal = content(dir.path());
        fs::write(newest(dir.path()), &journal[..journal.len() - cut_bytes]).unwrap();
        assert_eq!(damage(dir.path()), Some(Damage::TornTail));
        assert!(check(dir.path()).unwrap().is_sound());
        let store = open(&dir);
        assert_eq!(batches_of(&store), BATCHES - 1);
        // What is written afterwards is found again.
        let mut again = Batch::new();
        (0..ROWS).for_each(|row| again.put(Table::Strand, format!("3 {row}"), value(3, row)));
        store.commit(again).unwrap();
        drop(store);
        assert_eq!(batches(dir.path()), BATCHES);
    }
}

#[test]
fn a_repair_drops_a_torn_tail_as_well() {
    let dir = filled();
    let journal = content(dir.path());
    fs::write(newest(dir.path()), &journal[..journal.len() - 10]).unwrap();
    assert!(repair(dir.path()).unwrap().cut.is_some());
    assert_eq!(damage(dir.path()), None);
    assert_eq!(batches(dir.path()), BATCHES - 1);
}

#[test]
fn damage_in_an_older_journal_is_beyond_repair() {
    let dir = filled();
    let sealed = newest(dir.path());
    // The engine would have begun a next journal just so.
    fs::write(sealed.with_file_name("9.jnl"), [0; 100]).unwrap();
    assert!(check(dir.path()).unwrap().is_sound());
    let mut journal = fs::read(&sealed).unwrap();
    let at = find(&journal, &value(BATCHES - 1, 1));
    journal[at] ^= 1;
    fs::write(&sealed, &journal).unwrap();
    assert!(refusal(dir.path()).contains("restore a backup"));
    assert!(matches!(repair(dir.path()), Err(StoreError::Corrupt { .. })));
    assert!(!check(dir.path()).unwrap().is_repairable());
    assert_eq!(fs::read(&sealed).unwrap(), journal);
}

#[test]
fn a_store_that_is_open_or_not_there_is_not_touched() {
    let dir = TempDir::new().unwrap();
    assert!(matches!(repair(dir.path()), Err(StoreError::Io { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let store = open(&dir);
    assert!(matches!(check(dir.path()), Err(StoreError::Locked { .. })));
    assert!(matches!(repair(dir.path()), Err(StoreError::Locked { .. })));
    drop(store);
    assert!(check(dir.path()).unwrap().is_sound());
}

/// Copies a closed store, for much less than making one costs.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// One damaged byte anywhere: the store opens with all batches but perhaps the last, or refuses and
/// a repair leaves the first ones.
#[test]
fn one_bad_byte_never_shows_wrong_rows() {
    let original = filled();
    let sound = content(original.path());
    fs::write(newest(original.path()), &sound).unwrap();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) };
    let damages = (0..sound.len(), 1..=255_u8);
    let checked = TestRunner::new(config).run(&damages, |(at, flip)| {
        let dir = TempDir::new().unwrap();
        copy(original.path(), dir.path());
        let mut journal = sound.clone();
        journal[at] ^= flip;
        fs::write(newest(dir.path()), &journal).unwrap();
        if check(dir.path()).unwrap().is_sound() {
            prop_assert!(batches(dir.path()) >= BATCHES - 1);
        } else {
            refusal(dir.path());
            repair(dir.path()).unwrap();
            prop_assert!(batches(dir.path()) < BATCHES);
        }
        Ok(())
    });
    checked.unwrap();
}
