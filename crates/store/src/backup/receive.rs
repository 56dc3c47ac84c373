//! Keeping a backup: the chunks that [`dump`](super::dump()) made, as files of a directory.

use std::{io::Read, path::Path};

use super::{
    BackupError, Flaw, MANIFEST_FILE, Manifest,
    chunk::{Chunk, Content},
    chunk_file, io_error,
};
use crate::{draft::Draft, files::write_new};

/// Reads a backup from `source` and keeps it in `dir`, which must not be there or be empty. Every
/// chunk is checked and on disk before the directory appears under its name.
///
/// # Errors
///
/// [`BackupError::BrokenOff`] when the source ends early or is no backup; otherwise when files
/// cannot be written.
pub fn receive(source: &mut dyn Read, dir: &Path) -> Result<Manifest, BackupError> {
    let draft = Draft::begin(dir)?;
    let mut digests = Vec::new();
    let manifest = loop {
        let chunk = Chunk::read(source).map_err(|_| BackupError::BrokenOff)?;
        let chunk = chunk.map_err(|_| BackupError::BrokenOff)?;
        if usize::try_from(chunk.index).ok() != Some(digests.len() + 1) {
            return Err(BackupError::BrokenOff);
        }
        match chunk.content {
            Content::Manifest => break chunk.unpack().map_err(|_| BackupError::BrokenOff)?,
            Content::Rows(_) => {
                let path = draft.path().join(chunk_file(chunk.index));
                write_new(&path, &chunk.bytes).map_err(io_error("write", &path))?;
                digests.push(chunk.digest());
            }
        }
    };
    let path = draft.path().join(MANIFEST_FILE);
    write_new(&path, &manifest).map_err(io_error("write", &path))?;
    let manifest = Manifest::read(&manifest).map_err(|flaw| match flaw {
        Flaw::Damaged => BackupError::BrokenOff,
        Flaw::Version { format, data_format } => BackupError::Version { path, format, data_format },
    })?;
    if manifest.chunks != digests {
        return Err(BackupError::BrokenOff);
    }
    draft.publish()?;
    Ok(manifest)
}
