use std::{collections::HashSet, os::unix::fs::PermissionsExt, thread};

use tempfile::TempDir;

use super::*;

fn dir() -> TempDir {
    TempDir::new().unwrap()
}

fn key_bytes(vault: &Vault, slot: Slot) -> [u8; KEY_BYTES] {
    vault.key(slot).unwrap().0
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn each_slot_has_a_key_of_its_own_that_survives_a_restart() {
    let dir = dir();
    let vault = Vault::open(dir.path(), 0).unwrap();
    let slots: Vec<_> = (0..10).map(|_| vault.allocate().unwrap()).collect();
    assert_eq!(slots, (1..11).map(Slot).collect::<Vec<_>>());
    assert_eq!(vault.next_slot(), 11);
    let keys: Vec<_> = slots.iter().map(|&slot| key_bytes(&vault, slot)).collect();
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 10);
    drop(vault);
    let vault = Vault::open(dir.path(), 11).unwrap();
    assert_eq!(slots.iter().map(|&slot| key_bytes(&vault, slot)).collect::<Vec<_>>(), keys);
    assert_eq!(vault.allocate().unwrap(), Slot(11));
}

#[test]
fn an_erased_key_is_gone_from_the_file_for_good() {
    let dir = dir();
    let vault = Vault::open(dir.path(), 0).unwrap();
    let slots: Vec<_> = (0..4).map(|_| vault.allocate().unwrap()).collect();
    let keys: Vec<_> = slots.iter().map(|&slot| key_bytes(&vault, slot)).collect();
    vault.erase(slots[0]).unwrap();
    vault.erase_all(&slots[..2]).unwrap();
    drop(vault);
    let vault = Vault::open(dir.path(), 5).unwrap();
    for (index, &slot) in slots.iter().enumerate() {
        let key = vault.key(slot);
        assert_eq!(
            matches!(key, Err(VaultError::Erased { slot: erased }) if erased == slot),
            index < 2
        );
        let file = fs::read(dir.path().join(SLOTS_FILE)).unwrap();
        assert_eq!(contains(&file, &keys[index]), index >= 2);
    }
}

#[test]
fn a_slot_that_never_was_is_missing_not_erased() {
    let dir = dir();
    let vault = Vault::open(dir.path(), 0).unwrap();
    for slot in [Slot(0), Slot(SLOT_CHUNK * 9), Slot(u64::MAX)] {
        assert!(matches!(vault.key(slot), Err(VaultError::Missing { .. })));
        assert!(matches!(vault.erase(slot), Err(VaultError::Missing { .. })));
    }
}

#[test]
fn slots_are_filled_ahead_and_never_run_out() {
    let dir = dir();
    let vault = Vault::open(dir.path(), 0).unwrap();
    assert!(!vault.needs_preparing());
    for _ in 0..=SLOT_CHUNK / 2 {
        vault.allocate().unwrap();
    }
    assert!(vault.needs_preparing());
    vault.prepare().unwrap();
    assert!(!vault.needs_preparing());
    // Without anybody preparing, allocating does.
    for _ in 0..SLOT_CHUNK * 2 {
        let slot = vault.allocate().unwrap();
        vault.key(slot).unwrap();
    }
}

#[test]
fn threads_never_get_the_same_slot() {
    let dir = dir();
    let vault = Vault::open(dir.path(), 0).unwrap();
    let slots: Vec<Slot> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| (0..2_000).map(|_| vault.allocate().unwrap()).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let keys: HashSet<_> = slots.iter().map(|&slot| key_bytes(&vault, slot)).collect();
    assert_eq!(keys.len(), 8_000);
}

#[test]
fn an_older_copy_of_the_keys_lacks_the_newer_ones_rather_than_inventing_them() {
    let (dir, copy) = (dir(), dir());
    let vault = Vault::open(dir.path(), 0).unwrap();
    let old = vault.allocate().unwrap();
    let (old_key, hash) = (key_bytes(&vault, old), vault.hash("email", b"a@b.example"));
    for file in [WORKSPACE_FILE, SLOTS_FILE] {
        fs::copy(dir.path().join(file), copy.path().join(file)).unwrap();
    }
    let used = SLOT_CHUNK * 3;
    let restored = Vault::open(copy.path(), used).unwrap();
    assert_eq!(key_bytes(&restored, old), old_key);
    assert_eq!(restored.hash("email", b"a@b.example"), hash);
    assert!(matches!(restored.key(Slot(used - 1)), Err(VaultError::Erased { .. })));
    assert_eq!(restored.allocate().unwrap(), Slot(used));
    restored.key(Slot(used)).unwrap();
}

#[test]
fn what_a_crash_while_filling_leaves_is_filled_again() {
    let dir = dir();
    drop(Vault::open(dir.path(), 0).unwrap());
    let file = fs::OpenOptions::new().write(true).open(dir.path().join(SLOTS_FILE)).unwrap();
    // Ten slots arrived, then zeros, then half a slot.
    file.write_all_at(&[0; 1_000], 11 * SLOT_BYTES).unwrap();
    file.set_len(100 * SLOT_BYTES + 5).unwrap();
    let vault = Vault::open(dir.path(), 0).unwrap();
    for _ in 0..SLOT_CHUNK {
        vault.key(vault.allocate().unwrap()).unwrap();
    }
}

#[test]
fn damaged_or_missing_key_files_are_noticed() {
    let dir = dir();
    drop(Vault::open(dir.path(), 0).unwrap());
    let workspace = dir.path().join(WORKSPACE_FILE);
    let mut secret = fs::read(&workspace).unwrap();
    fs::remove_file(&workspace).unwrap();
    assert!(matches!(Vault::open(dir.path(), 0), Err(VaultError::Io { .. })));
    secret[3] ^= 1;
    fs::write(&workspace, &secret).unwrap();
    let damaged = Vault::open(dir.path(), 0);
    assert!(matches!(damaged, Err(VaultError::Corrupt { file: WORKSPACE_FILE })));
    secret[3] ^= 1;
    fs::write(&workspace, &secret).unwrap();
    fs::write(dir.path().join(SLOTS_FILE), b"short").unwrap();
    assert!(matches!(Vault::open(dir.path(), 0), Err(VaultError::Corrupt { file: SLOTS_FILE })));
}

#[test]
fn hashes_and_derived_keys_differ_by_use_and_by_workspace() {
    let (dir, other) = (dir(), dir());
    let vault = Vault::open(dir.path(), 0).unwrap();
    let hash = vault.hash("email", b"a@b.example");
    assert_eq!(vault.hash("email", b"a@b.example"), hash);
    assert_ne!(vault.hash("phone", b"a@b.example"), hash);
    assert_ne!(vault.hash("emaila", b"@b.example"), hash);
    let other = Vault::open(other.path(), 0).unwrap();
    assert_ne!(other.hash("email", b"a@b.example"), hash);
    assert_eq!(vault.derive("test signing"), vault.derive("test signing"));
    assert_ne!(vault.derive("test signing"), vault.derive("test other"));
    assert_ne!(vault.derive("test signing"), other.derive("test signing"));
}

#[test]
fn keys_are_private_and_never_printed() {
    let dir = dir();
    let keys = dir.path().join("keys");
    let vault = Vault::open(&keys, 0).unwrap();
    let slot = vault.allocate().unwrap();
    assert_eq!(format!("{:?}", vault.key(slot).unwrap()), "StrandKey(..)");
    assert!(format!("{vault:?}").contains("WorkspaceKey(..)"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&keys), 0o700);
    assert_eq!(mode(&keys.join(WORKSPACE_FILE)), 0o600);
    assert_eq!(mode(&keys.join(SLOTS_FILE)), 0o600);
}

#[test]
fn what_an_erased_key_sealed_stays_sealed() {
    let dir = dir();
    let vault = Vault::open(dir.path(), 0).unwrap();
    let slot = vault.allocate().unwrap();
    let sealed = vault.sealer().seal(&vault.key(slot).unwrap(), b"row", b"", b"secret").unwrap();
    let opened = crate::open(&vault.key(slot).unwrap(), b"row", 0, &sealed);
    assert_eq!(opened.unwrap(), b"secret");
    vault.erase(slot).unwrap();
    assert!(matches!(vault.key(slot), Err(VaultError::Erased { .. })));
}
