use std::{fs, ops::ControlFlow, path::PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    Batch, Fjall, FjallOptions, KeyRange, MAX_VALUE_BYTES, Memory, Reader, ScanOrder, Store, Table,
};

fn about() -> About {
    About {
        created_at: "2026-11-26T07:00:00.000Z".to_owned(),
        seq: 41,
        next_slot: 3,
        workspace: "00ff".to_owned(),
    }
}

fn dumped(reader: &dyn Reader) -> (Manifest, Vec<u8>) {
    let mut bytes = Vec::new();
    let manifest = dump(reader, about(), &mut |chunk| {
        bytes.extend_from_slice(&chunk);
        ControlFlow::Continue(())
    });
    (manifest.unwrap().unwrap(), bytes)
}

/// All rows, in order.
fn rows(reader: &dyn Reader) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for table in Table::ALL {
        let take = &mut |key: &[u8], value: &[u8]| {
            rows.push((table, key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        reader.scan(table, KeyRange::all(), ScanOrder::Ascending, take).unwrap();
    }
    rows
}

/// A store of more than two chunks of incompressible rows, and small ones beside.
fn filled() -> Memory {
    let store = Memory::new();
    let mut seed = 7_u64;
    for number in 0..2_500_u32 {
        let mut value = vec![0; MAX_VALUE_BYTES];
        for byte in &mut value {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = seed.to_be_bytes()[0];
        }
        let mut batch = Batch::new();
        batch.put(Table::Body, number.to_be_bytes(), value);
        batch.put(Table::Index, number.to_be_bytes(), b"");
        store.commit(batch).unwrap();
    }
    store
}

struct Kept {
    dir: TempDir,
    backup: PathBuf,
}

fn kept() -> Kept {
    let dir = TempDir::new().unwrap();
    let backup = dir.path().join("backup");
    receive(&mut &dumped(&filled()).1[..], &backup).unwrap();
    Kept { dir, backup }
}

#[test]
fn a_restored_store_holds_what_was_there_and_nothing_later() {
    let dir = TempDir::new().unwrap();
    let store = filled();
    let frozen = store.snapshot().unwrap();
    let mut later = Batch::new();
    later.put(Table::Body, b"later", b"x");
    later.delete(Table::Body, 0_u32.to_be_bytes());
    store.commit(later).unwrap();
    let (manifest, bytes) = dumped(&*frozen);
    assert_eq!(manifest.rows(), 5_000);
    assert!(3 <= manifest.chunks(), "{} chunks", manifest.chunks());
    let (backup, data) = (dir.path().join("backup"), dir.path().join("data"));
    assert_eq!(receive(&mut &bytes[..], &backup).unwrap(), manifest);
    assert_eq!(check(&backup).unwrap(), manifest);
    assert_eq!(restore(&backup, &data).unwrap(), manifest);
    let restored = Fjall::open(&data, FjallOptions::default()).unwrap();
    assert!(rows(&restored) == rows(&*frozen));
}

#[test]
fn a_transfer_cut_anywhere_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let bytes = dumped(&filled()).1;
    for cut in [0, 1, 63, 64, 5_000, bytes.len() / 2, bytes.len() - 1] {
        let target = dir.path().join("backup");
        let broken = receive(&mut &bytes[..cut], &target);
        assert!(matches!(broken, Err(BackupError::BrokenOff)), "cut at {cut}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[test]
fn damage_is_refused_with_the_name_of_its_file() {
    let Kept { dir, backup } = kept();
    let files = ["000001.chunk", "000003.chunk", MANIFEST_FILE];
    for name in files {
        let path = backup.join(name);
        let sound = fs::read(&path).unwrap();
        let at = sound.len() / 2;
        let mut flipped = sound.clone();
        flipped[at] ^= 4;
        let cut = sound[..at].to_vec();
        for damaged in [flipped, cut, Vec::new()] {
            fs::write(&path, damaged).unwrap();
            for refused in [check(&backup), restore(&backup, &dir.path().join("data"))] {
                let refused = refused.unwrap_err();
                assert!(matches!(&refused, BackupError::Damaged { path: p } if *p == path));
                assert!(refused.to_string().contains(name), "{refused}");
            }
            fs::remove_dir_all(dir.path().join("data")).unwrap();
        }
        fs::write(&path, sound).unwrap();
    }
    fs::rename(backup.join(files[0]), backup.join("away")).unwrap();
    assert!(
        matches!(check(&backup), Err(BackupError::Damaged { path }) if path.ends_with(files[0]))
    );
    fs::rename(backup.join("away"), backup.join(files[0])).unwrap();
    check(&backup).unwrap();
    // A sound chunk of another place, or of another backup, is damage as well.
    fs::copy(backup.join("000002.chunk"), backup.join("000001.chunk")).unwrap();
    assert!(matches!(check(&backup), Err(BackupError::Damaged { .. })));
    fs::remove_file(backup.join(MANIFEST_FILE)).unwrap();
    assert!(matches!(check(&backup), Err(BackupError::Unfinished { .. })));
}

#[test]
fn a_backup_of_another_version_says_so() {
    let Kept { dir: _dir, backup } = kept();
    let path = backup.join(MANIFEST_FILE);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"data_format\": ", "\"data_format\": 9")).unwrap();
    let refused = check(&backup).unwrap_err();
    assert!(matches!(&refused, BackupError::Version { format: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("does not know"));
}

#[test]
fn a_sink_that_breaks_ends_the_dump() {
    let store = filled();
    for pieces in 0..4 {
        let mut taken = 0;
        let manifest = dump(&store, about(), &mut |_| {
            taken += 1;
            if taken <= pieces { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        assert_eq!(manifest.unwrap(), None);
        assert_eq!(taken, pieces + 1);
    }
}

proptest! {
    /// Whatever bytes come, reading a chunk neither panics nor takes more memory than they say.
    #[test]
    fn nonsense_is_no_chunk(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), real in any::<bool>()) {
        if real {
            bytes.splice(0..0, *b"CBK1");
        }
        let read = chunk::Chunk::read(&mut &bytes[..]).unwrap();
        prop_assert!(read.is_err());
    }
}
