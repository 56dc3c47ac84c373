//! A directory that appears under its name only when it is finished.
//!
//! It is written as `NAME.unfinished` beside its place and renamed at the end, so that a crash at
//! any instant leaves either nothing under the name or all of it. What a crash leaves beside it, the
//! next attempt removes.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    backup::{BackupError, io_error},
    files::{make_dir, sync_dir},
};

const SUFFIX: &str = ".unfinished";

/// A directory in the making. Dropped unpublished, it is removed.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    target: PathBuf,
    /// The directory itself, locked: two processes must not write into one draft. `None` once it is
    /// published.
    lock: Option<File>,
}

impl Draft {
    /// Begins to make `target`, which must not be there or be an empty directory.
    ///
    /// # Errors
    ///
    /// [`BackupError::Occupied`] when it holds something, [`BackupError::Busy`] when another process
    /// is making it.
    pub fn begin(target: &Path) -> Result<Self, BackupError> {
        let busy = || BackupError::Busy { dir: target.to_path_buf() };
        require_free(target)?;
        let path = beside(target)?;
        make_dir(&path).map_err(io_error("create", &path))?;
        let lock = File::open(&path).map_err(io_error("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
        }
        // Whoever held the lock before may have published the directory meanwhile.
        let held = lock.metadata().map_err(io_error("read", &path))?.ino();
        if fs::metadata(&path).map_or(true, |found| found.ino() != held) {
            return Err(busy());
        }
        clear(&path).map_err(io_error("empty", &path))?;
        Ok(Self { path, target: target.to_path_buf(), lock: Some(lock) })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the directory its name. Its files must be on disk already.
    ///
    /// # Errors
    ///
    /// As [`Self::begin`], when something took its place meanwhile.
    pub fn publish(mut self) -> Result<(), BackupError> {
        sync_dir(&self.path).map_err(io_error("sync", &self.path))?;
        require_free(&self.target)?;
        // Takes the place of an empty directory, and fails on any other.
        fs::rename(&self.path, &self.target).map_err(io_error("rename", &self.path))?;
        self.lock = None;
        let parent = self.target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        sync_dir(parent).map_err(io_error("sync", parent))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // What cannot be removed now, the next attempt removes.
            fs::remove_dir_all(&self.path).ok();
        }
    }
}

fn beside(target: &Path) -> Result<PathBuf, BackupError> {
    let name = target
        .file_name()
        .ok_or_else(|| io_error("name", target)(io::Error::from(io::ErrorKind::InvalidFilename)))?;
    let mut name = name.to_os_string();
    name.push(SUFFIX);
    Ok(target.with_file_name(name))
}

fn require_free(target: &Path) -> Result<(), BackupError> {
    let is_free = match fs::read_dir(target) {
        Ok(entries) => entries.take(1).count() == 0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => false,
        Err(source) => return Err(io_error("read", target)(source)),
    };
    if is_free { Ok(()) } else { Err(BackupError::Occupied { dir: target.to_path_buf() }) }
}

fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_appears_whole_or_not_at_all_and_leftovers_go() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("made");
        let draft = Draft::begin(&target).unwrap();
        fs::create_dir(draft.path().join("in")).unwrap();
        fs::write(draft.path().join("in/file"), b"x").unwrap();
        assert!(!target.exists());
        assert!(matches!(Draft::begin(&target), Err(BackupError::Busy { .. })));
        // As a killed process leaves it.
        let left = draft.path().to_path_buf();
        drop(draft);
        fs::create_dir(&left).unwrap();
        fs::write(left.join("old"), b"x").unwrap();
        let draft = Draft::begin(&target).unwrap();
        assert!(!left.join("old").exists());
        fs::write(draft.path().join("new"), b"x").unwrap();
        draft.publish().unwrap();
        assert!(target.join("new").exists() && !left.exists());
        assert!(matches!(Draft::begin(&target), Err(BackupError::Occupied { .. })));
        assert!(target.join("new").exists());
    }

    #[test]
    fn an_empty_directory_may_stand_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("made");
        fs::create_dir(&target).unwrap();
        let draft = Draft::begin(&target).unwrap();
        fs::write(draft.path().join("new"), b"x").unwrap();
        draft.publish().unwrap();
        assert!(target.join("new").exists());
        let file = dir.path().join("file");
        fs::write(&file, b"x").unwrap();
        assert!(matches!(Draft::begin(&file), Err(BackupError::Occupied { .. })));
    }
}
