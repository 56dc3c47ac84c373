//! What can go wrong with a store, told apart by what the caller should do about it.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why a store did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Reading or opening failed. A commit never answers this once it has begun to write: then it
    /// is [`Self::Poisoned`].
    #[error("could not {what}")]
    Io {
        /// The step that failed, as a verb phrase.
        what: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The disk has less free space than the reserve. Nothing was applied; the same batch can be
    /// committed again once there is space.
    #[error("the disk is full: {free_bytes} bytes free, {reserve_bytes} kept in reserve")]
    Full {
        /// Free space at the time of the check.
        free_bytes: u64,
        /// The space that a commit leaves untouched, for journals and compaction.
        reserve_bytes: u64,
    },
    /// A write failed half-way, so whether the batch will be there after a restart is unknown.
    /// The process must restart; [`Usage::poisoned`](crate::Usage::poisoned) has the cause.
    #[error("the store stopped accepting writes after a failed one; restart the process")]
    Poisoned,
    /// Stored bytes are not what was written.
    #[error("stored data is damaged: {what}")]
    Corrupt {
        /// What was found where.
        what: String,
    },
    /// Another process has the directory open.
    #[error("data directory `{}` is in use by {}; stop it first", dir.display(), named(*holder))]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The id of that process, as it knows itself.
        holder: Option<u32>,
    },
    /// The directory was written by another version of the format.
    #[error("data directory has format {found}, this program knows format {known}")]
    Version {
        /// The format of the directory, as written there.
        found: String,
        /// The format this program reads and writes.
        known: u32,
    },
    /// A value is longer than a row may be. Nothing was applied.
    #[error("value of {bytes} bytes in table `{table}` is over the limit of {limit}")]
    ValueTooLarge {
        /// The table it was meant for.
        table: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A key is empty or longer than a key may be. Nothing was applied.
    #[error("key of {bytes} bytes in table `{table}` is not within 1 to {limit}")]
    KeyLength {
        /// The table it was meant for.
        table: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A batch is larger than one commit may be. Nothing was applied.
    #[error("batch of {bytes} bytes is over the limit of {limit}")]
    BatchTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

fn named(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
}

impl StoreError {
    /// Whether the same call can succeed later in this process.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}
