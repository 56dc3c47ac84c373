//! Backups: the rows of one instant while the engine runs, the keys apart from them, and a data
//! directory made of both.

use std::{ops::ControlFlow, path::Path};

use store::{BackupError, Draft, backup::About, keyfile};

use crate::{
    engine::{Engine, EngineError, open::KEY_FOLDER},
    priority, writer,
};

pub use store::{Manifest, backup::check, backup::receive, keyfile::KeyFile};

/// What to do when the keys are older than the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldKeys {
    /// Restore nothing.
    Refuse,
    /// Restore what the keys open; the rest stays unreadable for good.
    Accept,
}

impl Engine {
    /// Hands out all rows of this instant as the bytes of a backup, in pieces of about four
    /// mebibytes, until `sink` breaks. Strand keys are not in it.
    ///
    /// Ingest and decisions go on. While it lasts, versions of rows that are overwritten stay on
    /// disk, so a sink should not wait for long. The calling thread runs behind requests from then
    /// on, so give it one of its own.
    pub fn backup(
        &self,
        sink: &mut dyn FnMut(Vec<u8>) -> ControlFlow<()>,
    ) -> Result<Option<Manifest>, EngineError> {
        priority::yield_to_requests();
        let shared = self.shared();
        let frozen = shared.store.snapshot()?;
        let end = writer::log_end(&*frozen)?;
        let about = About {
            created_at: shared.clock.now().to_string(),
            seq: end.next_seq.0.saturating_sub(1),
            next_slot: end.next_slot,
            workspace: shared.keys.vault.fingerprint(),
        };
        Ok(store::backup::dump(&*frozen, about, sink)?)
    }

    /// Hands out all keys as the bytes of a key file, until `sink` breaks.
    ///
    /// Made after a backup of the rows, it opens all of them.
    pub fn copy_keys(
        &self,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        Ok(self.shared().keys.vault.copy(sink)?)
    }
}

/// Makes the data directory `data` of a backup and its keys. It appears only when all of it is
/// there, was checked and reads back; people whose keys were erased stay unreadable.
///
/// # Errors
///
/// When the backup or the key file is damaged or they do not belong together, or when `data` holds
/// something already. Nothing is left behind then.
pub fn restore(
    backup: &Path,
    keys: &Path,
    data: &Path,
    old_keys: OldKeys,
) -> Result<Manifest, BackupError> {
    let draft = Draft::begin(data)?;
    let key_file = keyfile::unpack(keys, &draft.path().join(KEY_FOLDER))?;
    let manifest = store::backup::restore(backup, draft.path())?;
    fit(&manifest, &key_file, keys, old_keys)?;
    draft.publish()?;
    Ok(manifest)
}

/// Reads a backup and its keys as [`restore`] would, and makes nothing.
///
/// # Errors
///
/// As [`restore`].
pub fn verify(backup: &Path, keys: &Path, old_keys: OldKeys) -> Result<Manifest, BackupError> {
    let key_file = keyfile::check(keys)?;
    let manifest = check(backup)?;
    fit(&manifest, &key_file, keys, old_keys)?;
    Ok(manifest)
}

/// Refuses keys that do not open the rows.
fn fit(
    manifest: &Manifest,
    key_file: &KeyFile,
    keys: &Path,
    old_keys: OldKeys,
) -> Result<(), BackupError> {
    let path = keys.to_path_buf();
    if manifest.about.workspace != key_file.workspace {
        return Err(BackupError::OtherKeys { path });
    }
    let missing = manifest.about.next_slot.saturating_sub(key_file.next_slot);
    match old_keys {
        OldKeys::Refuse if missing > 0 => Err(BackupError::OldKeys { path, missing }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
