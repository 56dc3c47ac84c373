//! Backups of the rows: a consistent copy of all tables, taken while the store is in use.
//!
//! A backup is a list of chunks and a manifest. A chunk holds rows of one table, compressed, with a
//! digest of its own, so that damage is found where it is. The manifest has the digest of every
//! chunk and, for each table, the count and the digest of its rows, so that a restore can read back
//! what it wrote and compare. On the way and in a directory the chunks are the same bytes; the
//! manifest comes last, so what has one is whole.
//!
//! No strand key is in it: what is personal in the rows stays sealed. Keys have a copy of their own,
//! see [`keyfile`](crate::keyfile).

mod chunk;
mod dump;
mod receive;
mod restore;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{StoreError, VaultError};

pub use dump::dump;
pub use receive::receive;
pub use restore::{check, restore};

/// The version of the form of backups that this program reads and writes.
const FORMAT: u32 = 1;
/// The file of a backup's directory that is written last.
const MANIFEST_FILE: &str = "manifest.json";
/// The longest manifest that is read. One chunk takes 70 bytes of it, so this is a backup of 3 TiB.
const MANIFEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a backup says of itself besides its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// When the rows were as they are here: RFC 3339.
    pub created_at: String,
    /// The position in the log of the last input that the rows hold.
    pub seq: u64,
    /// The first key slot that no row of the backup uses.
    pub next_slot: u64,
    /// The fingerprint of the workspace's key: which keys the rows were sealed with.
    pub workspace: String,
}

/// What a backup holds; enough to tell whether all of it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The version of the layout of the rows.
    data_format: u32,
    /// Whose rows, and of when.
    pub about: About,
    /// By name.
    pub tables: BTreeMap<String, TableSummary>,
    /// Bytes of all chunks.
    pub bytes: u64,
    /// The digest of each chunk, in order.
    chunks: Vec<String>,
}

/// The rows of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSummary {
    /// How many there are.
    pub rows: u64,
    /// BLAKE3 over all of them in order, as chunks have them before compression.
    digest: String,
}

/// A manifest in its file, with a digest over its text.
#[derive(Serialize, Deserialize)]
struct Signed<T> {
    digest: String,
    manifest: T,
}

impl Manifest {
    /// How many rows all tables have together.
    pub fn rows(&self) -> u64 {
        self.tables.values().map(|table| table.rows).sum()
    }

    /// How many chunks there are.
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    fn write(&self) -> Vec<u8> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let digest = blake3::hash(&text).to_hex().to_string();
        serde_json::to_vec_pretty(&Signed { digest, manifest: self }).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        /// What every version of a manifest has.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            data_format: u32,
        }
        let signed: Signed<Version> = serde_json::from_slice(bytes).map_err(|_| Flaw::Damaged)?;
        let Version { format, data_format } = signed.manifest;
        if (format, data_format) != (FORMAT, crate::directory::FORMAT_VERSION) {
            return Err(Flaw::Version { format, data_format });
        }
        let signed: Signed<Self> = serde_json::from_slice(bytes).map_err(|_| Flaw::Damaged)?;
        let text = serde_json::to_vec(&signed.manifest).unwrap_or_default();
        if *blake3::hash(&text).to_hex() != *signed.digest {
            return Err(Flaw::Damaged);
        }
        Ok(signed.manifest)
    }
}

/// What can be wrong with a chunk or a manifest, wherever it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// It ends too early, or is not what was written.
    Damaged,
    /// Another version wrote it.
    Version { format: u32, data_format: u32 },
}

/// Why there is no backup, or nothing was restored from one. Whatever it is, no directory that
/// looks finished was left behind.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A file could not be read or written.
    #[error("could not {what} `{}`", path.display())]
    Io {
        /// The step that failed, as a verb phrase.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file of the backup is missing, cut off or changed.
    #[error("`{}` is damaged or missing: this backup cannot be trusted; take another one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The directory has no manifest, which is written last.
    #[error("`{}` holds no finished backup: it has no {MANIFEST_FILE}", dir.display())]
    Unfinished {
        /// The directory.
        dir: PathBuf,
    },
    /// Another version of the program wrote the backup.
    #[error(
        "`{}` has format {format} with rows of format {data_format}, which this program does not know: \
         restore with the version that wrote it", path.display()
    )]
    Version {
        /// The manifest.
        path: PathBuf,
        /// The format of the backup.
        format: u32,
        /// The format of its rows.
        data_format: u32,
    },
    /// What came from the server ended before its end, or was not what the server sent.
    #[error("the backup broke off or was changed on its way; nothing was kept, so run it again")]
    BrokenOff,
    /// The directory to be made is there already and holds something.
    #[error("`{}` is there already and not empty: name a new directory", dir.display())]
    Occupied {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process is making the same directory.
    #[error("another process is writing `{}` at this moment", dir.display())]
    Busy {
        /// The directory.
        dir: PathBuf,
    },
    /// The key file is missing, cut off or changed.
    #[error("key file `{}` is damaged or no key file; take another one", path.display())]
    KeysDamaged {
        /// The file.
        path: PathBuf,
    },
    /// The keys are those of another workspace.
    #[error("key file `{}` belongs to other data than this backup", path.display())]
    OtherKeys {
        /// The file.
        path: PathBuf,
    },
    /// The keys were copied before the backup was taken.
    #[error(
        "key file `{}` is older than the backup and lacks {missing} of its keys: take a newer one, \
         or accept that what these keys sealed stays unreadable", path.display()
    )]
    OldKeys {
        /// The file.
        path: PathBuf,
        /// How many.
        missing: u64,
    },
    /// What was restored does not read back as it was backed up.
    #[error(
        "table `{table}` does not read back as it was written; check the disk and restore again"
    )]
    ReadBack {
        /// The table.
        table: String,
    },
    /// The new store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key directory failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// The name of a chunk's file in the directory of a backup; the first is 1.
fn chunk_file(index: u32) -> String {
    format!("{index:06}.chunk")
}

pub(crate) fn io_error<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl Fn(io::Error) -> BackupError + 'a {
    move |source| BackupError::Io { what, path: path.to_path_buf(), source }
}
