//! The copy of all keys: one file, which takes the place of the one before.
//!
//! ```text
//! head (32) ‖ workspace.key (40) ‖ slots (32 each, its own head first) ‖ digest (32)
//! ```
//!
//! The digest is BLAKE3 over all before it. There must be one copy and never a history, or else an
//! erased key lives on in an old one; so the old file is overwritten before it is let go.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use zeroize::Zeroizing;

use crate::{
    BackupError,
    backup::io_error,
    files::{make_dir, private_file, sync_dir, write_new},
    vault::{
        KEY_BYTES, SLOTS_FILE, SLOTS_HEADER, WORKSPACE_FILE, WORKSPACE_FILE_BYTES, WorkspaceKey,
    },
};

/// The first bytes of a key file.
pub(crate) const HEAD: [u8; 32] = *b"concierge key copy, format 0001\n";
const DIGEST_BYTES: usize = 32;
const START_BYTES: usize = HEAD.len() + WORKSPACE_FILE_BYTES + KEY_BYTES;
/// Bytes that are read or overwritten at a time.
const STEP_BYTES: usize = 64 * 1024;

/// What a sound key file holds, without a key of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The fingerprint of the workspace's key, see [`Vault::fingerprint`](crate::Vault::fingerprint).
    pub workspace: String,
    /// The first slot that the file does not hold.
    pub next_slot: u64,
}

/// Reads a copy of the keys from `source` and puts it in the place of the file at `path`, once all
/// of it is there and sound. The file before is overwritten with zeros.
///
/// # Errors
///
/// [`BackupError::BrokenOff`] when the source ends early or is no copy of keys; the file before is
/// then still in place.
pub fn receive(source: &mut dyn Read, path: &Path) -> Result<KeyFile, BackupError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    make_dir(parent).map_err(io_error("create", parent))?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".unfinished");
    let draft = path.with_file_name(name);
    let kept = write_draft(source, &draft).and_then(|()| match check(&draft) {
        Err(BackupError::KeysDamaged { .. }) => Err(BackupError::BrokenOff),
        checked => checked,
    });
    let kept = match kept {
        Ok(kept) => kept,
        Err(error) => {
            // Half a copy of keys is of no use to anybody who should have it.
            fs::remove_file(&draft).ok();
            return Err(error);
        }
    };
    let before = private_file().write(true).open(path);
    fs::rename(&draft, path).map_err(io_error("rename", &draft))?;
    sync_dir(parent).map_err(io_error("sync", parent))?;
    match before {
        Ok(before) => overwrite(before).map_err(io_error("overwrite the copy before", path))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(io_error("overwrite the copy before", path)(source)),
    }
    Ok(kept)
}

fn write_draft(source: &mut dyn Read, draft: &Path) -> Result<(), BackupError> {
    let file = private_file().write(true).create(true).truncate(true).open(draft);
    let mut file = file.map_err(io_error("write", draft))?;
    let mut step = Zeroizing::new(vec![0; STEP_BYTES]);
    loop {
        let count = source.read(&mut step).map_err(|_| BackupError::BrokenOff)?;
        if count == 0 {
            return file.sync_all().map_err(io_error("sync", draft));
        }
        file.write_all(&step[..count]).map_err(io_error("write", draft))?;
    }
}

fn overwrite(mut file: File) -> io::Result<()> {
    let mut left = file.metadata()?.len();
    let zeros = [0; STEP_BYTES];
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(STEP_BYTES);
        file.write_all(&zeros[..count])?;
        left -= count as u64;
    }
    file.sync_all()
}

/// Reads the whole file at `path` and tells what it holds.
///
/// # Errors
///
/// [`BackupError::KeysDamaged`] when it is no key file, or not as it was written.
pub fn check(path: &Path) -> Result<KeyFile, BackupError> {
    read(path, &mut |_| Ok(()))
}

/// Makes the key directory `dir` of the file at `path`.
///
/// # Errors
///
/// As [`check`], and when files cannot be written.
pub fn unpack(path: &Path, dir: &Path) -> Result<KeyFile, BackupError> {
    // Checked whole before any key is written anywhere.
    check(path)?;
    make_dir(dir).map_err(io_error("create", dir))?;
    let slots_path = dir.join(SLOTS_FILE);
    let slots = private_file().write(true).create_new(true).open(&slots_path);
    let mut slots = slots.map_err(io_error("write", &slots_path))?;
    let found = read(path, &mut |part| match part {
        Part::Workspace(content) => {
            let path = dir.join(WORKSPACE_FILE);
            write_new(&path, content).map_err(io_error("write", &path))
        }
        Part::Slots(content) => slots.write_all(content).map_err(io_error("write", &slots_path)),
    })?;
    slots.sync_all().map_err(io_error("sync", &slots_path))?;
    sync_dir(dir).map_err(io_error("sync", dir))?;
    Ok(found)
}

/// A part of a key file, as a file of the key directory has it.
enum Part<'a> {
    Workspace(&'a [u8]),
    /// Some whole slots.
    Slots(&'a [u8]),
}

fn read(
    path: &Path,
    take: &mut dyn FnMut(Part<'_>) -> Result<(), BackupError>,
) -> Result<KeyFile, BackupError> {
    let damaged = || BackupError::KeysDamaged { path: path.to_path_buf() };
    let mut file = File::open(path).map_err(io_error("open", path))?;
    let bytes = file.metadata().map_err(io_error("read", path))?.len();
    let slots_bytes = bytes.checked_sub((START_BYTES + DIGEST_BYTES) as u64);
    let slots_bytes = slots_bytes.filter(|bytes| bytes.is_multiple_of(KEY_BYTES as u64));
    let mut left = slots_bytes.ok_or_else(damaged)?;
    let next_slot = left / KEY_BYTES as u64 + 1;
    let mut start = Zeroizing::new([0; START_BYTES]);
    file.read_exact(&mut *start).map_err(io_error("read", path))?;
    let (head, rest) = start.split_at(HEAD.len());
    let (workspace, slots_head) = rest.split_at(WORKSPACE_FILE_BYTES);
    let key = WorkspaceKey::parse(workspace).map_err(|_| damaged())?;
    if head != HEAD || slots_head != SLOTS_HEADER {
        return Err(damaged());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&*start);
    take(Part::Workspace(workspace))?;
    take(Part::Slots(slots_head))?;
    let mut step = Zeroizing::new(vec![0; STEP_BYTES]);
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(STEP_BYTES);
        file.read_exact(&mut step[..count]).map_err(io_error("read", path))?;
        hasher.update(&step[..count]);
        take(Part::Slots(&step[..count]))?;
        left -= count as u64;
    }
    let mut digest = [0; DIGEST_BYTES];
    file.read_exact(&mut digest).map_err(io_error("read", path))?;
    if digest != *hasher.finalize().as_bytes() {
        return Err(damaged());
    }
    Ok(KeyFile { workspace: key.fingerprint(), next_slot })
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::{Slot, Vault};

    fn copied(vault: &Vault) -> Vec<u8> {
        let mut bytes = Vec::new();
        vault
            .copy(&mut |part| {
                bytes.extend_from_slice(part);
                ControlFlow::Continue(())
            })
            .unwrap();
        bytes
    }

    fn contains(haystack: &[u8], needle: &[u8]) -> bool {
        haystack.windows(needle.len()).any(|window| window == needle)
    }

    #[test]
    fn keys_come_back_and_the_erased_one_stays_away() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(&dir.path().join("keys"), 0).unwrap();
        let slots: Vec<Slot> = (0..3).map(|_| vault.allocate().unwrap()).collect();
        let erased = vault.key(slots[1]).unwrap().0;
        let file = dir.path().join("copies/keys.copy");
        receive(&mut &copied(&vault)[..], &file).unwrap();
        assert!(contains(&fs::read(&file).unwrap(), &erased));
        let before = File::open(&file).unwrap();
        vault.erase(slots[1]).unwrap();
        let kept = receive(&mut &copied(&vault)[..], &file).unwrap();
        assert_eq!(kept.workspace, vault.fingerprint());
        assert!(vault.next_slot() <= kept.next_slot);
        assert!(!contains(&fs::read(&file).unwrap(), &erased));
        let mut old = Vec::new();
        { before }.read_to_end(&mut old).unwrap();
        assert!(old.iter().all(|&byte| byte == 0), "the copy before was overwritten");
        let restored = dir.path().join("restored");
        assert_eq!(unpack(&file, &restored).unwrap(), kept);
        let restored = Vault::open(&restored, vault.next_slot()).unwrap();
        assert_eq!(restored.key(slots[0]).unwrap().0, vault.key(slots[0]).unwrap().0);
        assert!(matches!(restored.key(slots[1]), Err(crate::VaultError::Erased { .. })));
        assert_eq!(restored.hash("email", b"a"), vault.hash("email", b"a"));
    }

    #[test]
    fn damage_and_broken_transfers_are_noticed_and_the_copy_before_stays() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(&dir.path().join("keys"), 0).unwrap();
        let sound = copied(&vault);
        let file = dir.path().join("keys.copy");
        receive(&mut &sound[..], &file).unwrap();
        for cut in [0, 20, 100, sound.len() / 2, sound.len() - 32, sound.len() - 1] {
            let broken = receive(&mut &sound[..cut], &file);
            assert!(matches!(broken, Err(BackupError::BrokenOff)), "cut at {cut}");
        }
        assert_eq!(fs::read(&file).unwrap(), sound);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no draft is left");
        for at in [0, 40, 90, sound.len() / 2, sound.len() - 1] {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            fs::write(&file, &damaged).unwrap();
            assert!(matches!(check(&file), Err(BackupError::KeysDamaged { .. })), "byte {at}");
            let target = dir.path().join("unpacked");
            assert!(unpack(&file, &target).is_err() && !target.exists());
        }
    }
}
