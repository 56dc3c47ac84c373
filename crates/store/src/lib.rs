#![doc = include_str!("../README.md")]

pub mod backup;
pub mod batch;
pub mod chunked;
#[cfg(any(test, feature = "testsuite"))]
pub mod conformance;
mod directory;
mod draft;
pub mod embedded;
pub mod error;
pub mod faulty;
mod files;
mod journal;
pub mod keyfile;
pub mod memory;
pub mod range;
pub mod repair;
mod retired;
pub mod seal;
pub mod table;
pub mod traits;
pub mod vault;

pub use backup::{BackupError, Manifest};
pub use batch::{Batch, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES};
pub use bytes::Bytes;
pub use chunked::{MAX_CHUNKED_BYTES, delete_chunked, get_chunked, put_chunked};
pub use draft::Draft;
pub use embedded::{Fjall, FjallOptions};
pub use error::StoreError;
pub use faulty::{Fault, Faulty, Operation};
pub use memory::Memory;
pub use range::{KeyRange, ScanOrder, prefix_range};
pub use seal::{SealError, Sealer, open};
pub use table::Table;
pub use traits::{Reader, Snapshot, Store, Usage, Visit};
pub use vault::{Slot, StrandKey, Vault, VaultError};

#[cfg(test)]
mod tests;
