//! Files that are there whole or not at all.

use std::{
    fs::{self, File},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::Context as _;

/// Writes a file beside its place, readable by its owner only, and gives it its name when it is whole.
pub(crate) fn write<T>(
    path: &Path,
    fill: impl FnOnce(&mut File) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let draft = path.with_added_extension("unfinished");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file =
        options.open(&draft).with_context(|| format!("cannot write {}", draft.display()))?;
    let filled = fill(&mut file).and_then(|filled| {
        file.sync_all()?;
        fs::rename(&draft, path)?;
        Ok(filled)
    });
    if filled.is_err() {
        // Half a file is of no use; that it cannot be removed changes nothing.
        drop(fs::remove_file(&draft));
    }
    filled.with_context(|| format!("{} was not written", path.display()))
}
