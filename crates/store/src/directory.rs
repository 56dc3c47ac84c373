//! The data directory of an embedded store: its format, its lock, its free space.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

use crate::{
    StoreError,
    files::{make_dir, private_file, write_whole},
};

/// The version of the layout of directory, tables and rows that this program reads and writes.
pub(crate) const FORMAT_VERSION: u32 = 2;

const FORMAT_FILE: &str = "FORMAT";
const FORMAT_NAME: &str = "concierge-store";
const LOCK_FILE: &str = "LOCK";
const ROWS_DIR: &str = "rows";

/// Written by the engine as the last step of creating its files.
const ROWS_VERSION_FILE: &str = "version";
const ROWS_TABLES_DIR: &str = "keyspaces";

/// An open data directory: this process has it to itself until the value is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    rows: PathBuf,
    /// Closing the file releases the lock, also when the process dies.
    _lock: File,
}

impl Directory {
    /// Locks the directory, creating it if needed, and checks its format.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let io = |what| move |source| StoreError::Io { what, source };
        make_dir(path).map_err(io("create the data directory"))?;
        let lock_path = path.join(LOCK_FILE);
        let mut lock = private_file()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(io("open the lock file"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&lock_path).ok();
                let holder = holder.and_then(|holder| holder.trim().parse().ok());
                return Err(StoreError::Locked { dir: path.to_path_buf(), holder });
            }
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Io { what: "lock the data directory", source });
            }
        }
        // For whoever is refused: it says who is here.
        lock.set_len(0).map_err(io("write the lock file"))?;
        writeln!(lock, "{}", process::id()).map_err(io("write the lock file"))?;
        let rows = path.join(ROWS_DIR);
        check_format(path, &rows)?;
        remove_unfinished(&rows)?;
        Ok(Self { path: path.to_path_buf(), rows, _lock: lock })
    }

    /// As [`Self::open`], but a directory that holds no store is an error, not a new store.
    pub(crate) fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let format = fs::metadata(path.join(FORMAT_FILE));
        format
            .map_err(|source| StoreError::Io { what: "find a store in the directory", source })?;
        Self::open(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the engine keeps its files.
    pub(crate) fn rows(&self) -> &Path {
        &self.rows
    }
}

/// Free bytes for this process on the disk that holds `path`, if the disk tells.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Refuses a directory of another version, and marks a new one with this version.
fn check_format(path: &Path, rows: &Path) -> Result<(), StoreError> {
    let format_file = path.join(FORMAT_FILE);
    let expected = format!("{FORMAT_NAME} {FORMAT_VERSION}\n");
    match fs::read_to_string(&format_file) {
        Ok(found) if found == expected => Ok(()),
        Ok(found) => {
            let found = found.trim().to_owned();
            Err(StoreError::Version { found, known: FORMAT_VERSION })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && rows.exists() => {
            Err(StoreError::Version { found: "none".to_owned(), known: FORMAT_VERSION })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_whole(&format_file, expected.as_bytes())
                .map_err(|source| StoreError::Io { what: "write the format file", source })
        }
        Err(source) => Err(StoreError::Io { what: "read the format file", source }),
    }
}

/// Removes the engine's files when a crash interrupted their creation.
///
/// The engine cannot resume that itself. Before its version file is there, no table is, so nothing
/// can have been stored.
fn remove_unfinished(rows: &Path) -> Result<(), StoreError> {
    if !rows.exists() || rows.join(ROWS_VERSION_FILE).exists() {
        return Ok(());
    }
    let has_tables =
        fs::read_dir(rows.join(ROWS_TABLES_DIR)).is_ok_and(|mut entries| entries.next().is_some());
    if has_tables {
        let what = format!("`{ROWS_DIR}/{ROWS_VERSION_FILE}` is missing beside stored tables");
        return Err(StoreError::Corrupt { what });
    }
    fs::remove_dir_all(rows)
        .map_err(|source| StoreError::Io { what: "remove an unfinished store", source })
}
