//! The keys: one per strand in a file of slots, and the workspace's own, all apart from the engine
//! and its backups.
//!
//! The key directory holds
//!
//! - `workspace.key`: 32 random bytes and a check over them; all other keys of the workspace are
//!   derived from it;
//! - `slots`: records of 32 bytes. Record 0 is a header, record *n* the key of slot *n*; all zeros
//!   is an erased key. The file is filled with random keys ahead of need, so that a new strand
//!   costs no sync of its own.
//!
//! Which slots are in use is not kept here: the engine commits its high-water mark together with
//! the strands.

use std::{
    fmt, fs, io,
    ops::ControlFlow,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    SealError, Sealer,
    files::{make_dir, private_file, sync_dir, write_whole},
    keyfile,
};

/// The length of every key.
pub const KEY_BYTES: usize = 32;

/// How many slots are filled at a time.
pub const SLOT_CHUNK: u64 = (CHUNK_BYTES / KEY_BYTES) as u64;

const CHUNK_BYTES: usize = 128 * 1024;

const SLOT_BYTES: u64 = KEY_BYTES as u64;
pub(crate) const SLOTS_FILE: &str = "slots";
pub(crate) const SLOTS_HEADER: [u8; KEY_BYTES] = *b"concierge strand keys, format 1\n";
pub(crate) const WORKSPACE_FILE: &str = "workspace.key";
/// The length of the file of the workspace's key.
pub(crate) const WORKSPACE_FILE_BYTES: usize = KEY_BYTES + CHECK_BYTES;
const CHECK_BYTES: usize = 8;
const CHECK_CONTEXT: &str = "concierge 2026 workspace key check";
const HASH_CONTEXT: &str = "concierge 2026 identifier hash";
const FINGERPRINT_CONTEXT: &str = "concierge 2026 workspace key fingerprint";

/// The place of a strand's key. The first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u64);

/// The key of one strand. It is wiped from memory when dropped.
pub struct StrandKey(pub(crate) [u8; KEY_BYTES]);

/// Why a key could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VaultError {
    /// A key file could not be read or written.
    #[error("could not {what} in the key directory")]
    Io {
        /// The step that failed, as a verb phrase.
        what: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The key was erased: what it sealed is gone.
    #[error("the key of slot {} was erased", slot.0)]
    Erased {
        /// The slot.
        slot: Slot,
    },
    /// There never was such a slot in these key files; they do not belong to the data.
    #[error("there is no slot {}", slot.0)]
    Missing {
        /// The slot.
        slot: Slot,
    },
    /// A key file is not one, or is damaged.
    #[error("key file `{file}` is damaged")]
    Corrupt {
        /// Its name.
        file: &'static str,
    },
    /// The operating system gave no random bytes.
    #[error("could not draw random bytes")]
    Random(#[from] SealError),
}

/// The open key directory. All methods may be called from any thread.
#[derive(Debug)]
pub struct Vault {
    dir: PathBuf,
    workspace: WorkspaceKey,
    slots: fs::File,
    /// The next slot to hand out.
    next: AtomicU64,
    /// The first slot that is not filled. Slots below it are on disk.
    filled: AtomicU64,
    /// Held while the slots file is written, so that fills, erasures and copies do not interleave.
    writing: Mutex<()>,
    sealer: Sealer,
}

impl Vault {
    /// Opens the key directory, creating it with fresh keys if there is none.
    ///
    /// `next_slot` is the engine's high-water mark: the first slot that no committed strand uses (0
    /// and 1 mean none does). Slots from there on are handed out again, as nothing that was sealed
    /// with them survived.
    ///
    /// # Errors
    ///
    /// When the files cannot be read or written, or are not key files.
    pub fn open(dir: &Path, next_slot: u64) -> Result<Self, VaultError> {
        make_dir(dir).map_err(io("create the key directory"))?;
        let workspace = WorkspaceKey::open(dir)?;
        let slots = open_slots(dir)?;
        let next = next_slot.max(1);
        let filled = count_filled(&slots, next)?;
        let vault = Self {
            dir: dir.to_path_buf(),
            workspace,
            slots,
            next: AtomicU64::new(next),
            filled: AtomicU64::new(filled),
            writing: Mutex::default(),
            sealer: Sealer::new()?,
        };
        vault.prepare()?;
        Ok(vault)
    }

    /// Hands out the next free slot. It costs no sync as long as [`Self::prepare`] is called in
    /// time.
    ///
    /// # Errors
    ///
    /// When all prepared slots are used up and more cannot be filled.
    pub fn allocate(&self) -> Result<Slot, VaultError> {
        loop {
            let next = self.next.load(Ordering::Acquire);
            if next >= self.filled.load(Ordering::Acquire) {
                self.prepare()?;
                continue;
            }
            let claim =
                self.next.compare_exchange(next, next + 1, Ordering::AcqRel, Ordering::Acquire);
            if claim.is_ok() {
                return Ok(Slot(next));
            }
        }
    }

    /// The first slot that was not handed out: what the engine commits as its high-water mark.
    pub fn next_slot(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// Whether the free slots run low, so that [`Self::prepare`] should be called, best from a
    /// background thread.
    pub fn needs_preparing(&self) -> bool {
        let filled = self.filled.load(Ordering::Acquire);
        filled.saturating_sub(self.next.load(Ordering::Acquire)) < SLOT_CHUNK / 2
    }

    /// Fills slots with fresh keys until half a chunk is free, and returns when they are on disk.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; nothing is lost then.
    pub fn prepare(&self) -> Result<(), VaultError> {
        let _writing = self.writing.lock();
        // Another thread may have done it while this one waited.
        if !self.needs_preparing() {
            return Ok(());
        }
        let filled = self.filled.load(Ordering::Acquire);
        let mut keys = Zeroizing::new(vec![0_u8; CHUNK_BYTES]);
        fill_random(&mut keys)?;
        self.slots.write_all_at(&keys, filled * SLOT_BYTES).map_err(io("fill slots"))?;
        self.slots.sync_data().map_err(io("sync slots"))?;
        self.filled.store(filled + SLOT_CHUNK, Ordering::Release);
        Ok(())
    }

    /// The key in `slot`.
    ///
    /// # Errors
    ///
    /// [`VaultError::Erased`] when it was erased.
    pub fn key(&self, slot: Slot) -> Result<StrandKey, VaultError> {
        self.check(slot)?;
        let mut key = StrandKey([0; KEY_BYTES]);
        self.slots.read_exact_at(&mut key.0, slot.0 * SLOT_BYTES).map_err(io("read a slot"))?;
        if key.0 == [0; KEY_BYTES] { Err(VaultError::Erased { slot }) } else { Ok(key) }
    }

    /// Overwrites the key in `slot` and returns when that is on disk. Erasing twice is erasing
    /// once.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; the key may then still be readable, and the call must be
    /// repeated.
    pub fn erase(&self, slot: Slot) -> Result<(), VaultError> {
        self.erase_all(&[slot])
    }

    /// Overwrites the keys in all `slots` with a single sync.
    ///
    /// # Errors
    ///
    /// As [`Self::erase`].
    pub fn erase_all(&self, slots: &[Slot]) -> Result<(), VaultError> {
        let _writing = self.writing.lock();
        for &slot in slots {
            self.check(slot)?;
            self.slots
                .write_all_at(&[0; KEY_BYTES], slot.0 * SLOT_BYTES)
                .map_err(io("erase a slot"))?;
        }
        self.slots.sync_data().map_err(io("sync an erasure"))
    }

    /// The keyed hash under which `bytes` stand in stored keys; different `domain`s are unrelated.
    ///
    /// Without the workspace key, nobody can tell from it whether a guessed identifier is stored.
    pub fn hash(&self, domain: &str, bytes: &[u8]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.workspace.hash_key);
        hasher.update(&(domain.len() as u64).to_le_bytes());
        hasher.update(domain.as_bytes());
        hasher.update(bytes);
        let mut hash = [0; 16];
        hasher.finalize_xof().fill(&mut hash);
        hash
    }

    /// A key of the workspace for the one use that `context` names, such as signing tokens.
    pub fn derive(&self, context: &str) -> [u8; KEY_BYTES] {
        blake3::derive_key(context, &*self.workspace.secret)
    }

    /// A key of the workspace's own for `context`, for values that belong to no strand.
    pub fn derived_key(&self, context: &str) -> StrandKey {
        StrandKey(self.derive(context))
    }

    /// What seals rows with the keys of this vault.
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Hands out all keys as the bytes of a [key file](crate::keyfile), in pieces, until `sink`
    /// breaks.
    ///
    /// Erasures go on meanwhile: a key that is erased while the copy is made may be in it, as if the
    /// copy had been made before.
    ///
    /// # Errors
    ///
    /// When a key file cannot be read.
    pub fn copy(&self, sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), VaultError> {
        let workspace = fs::read(self.dir.join(WORKSPACE_FILE)).map(Zeroizing::new);
        let workspace = workspace.map_err(io("read the workspace key"))?;
        let mut hasher = blake3::Hasher::new();
        let mut pass = |bytes: &[u8]| {
            hasher.update(bytes);
            sink(bytes)
        };
        if pass(&keyfile::HEAD).is_break() || pass(&workspace).is_break() {
            return Ok(());
        }
        let end = self.filled.load(Ordering::Acquire) * SLOT_BYTES;
        let mut at = 0;
        let mut step = Zeroizing::new(vec![0; CHUNK_BYTES]);
        while at < end {
            let count = usize::try_from(end - at).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            // Held for one step only, so that a slow reader of the copy holds up no erasure.
            let writing = self.writing.lock();
            let read = self.slots.read_exact_at(&mut step[..count], at);
            drop(writing);
            read.map_err(io("read slots"))?;
            if pass(&step[..count]).is_break() {
                return Ok(());
            }
            at += count as u64;
        }
        let digest = *hasher.finalize().as_bytes();
        // It is the last piece: whether more would be taken does not matter.
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = sink(&digest);
        Ok(())
    }

    /// Names the workspace's key without giving it away, to tell whether keys belong to data.
    pub fn fingerprint(&self) -> String {
        self.workspace.fingerprint()
    }

    fn check(&self, slot: Slot) -> Result<(), VaultError> {
        let is_known = slot.0 > 0 && slot.0 < self.filled.load(Ordering::Acquire);
        if is_known { Ok(()) } else { Err(VaultError::Missing { slot }) }
    }
}

impl fmt::Debug for StrandKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StrandKey(..)")
    }
}

impl Drop for StrandKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The secret of the workspace and the key of its hashes.
pub(crate) struct WorkspaceKey {
    secret: Zeroizing<[u8; KEY_BYTES]>,
    hash_key: Zeroizing<[u8; KEY_BYTES]>,
}

impl WorkspaceKey {
    fn open(dir: &Path) -> Result<Self, VaultError> {
        let path = dir.join(WORKSPACE_FILE);
        let secret = match fs::read(&path).map(Zeroizing::new) {
            Ok(content) => return Self::parse(&content),
            // A fresh key beside used slots would make every stored identifier unfindable.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if dir.join(SLOTS_FILE).exists() {
                    return Err(VaultError::Io { what: "find the workspace key", source: error });
                }
                Self::create(&path)?
            }
            Err(source) => return Err(VaultError::Io { what: "read the workspace key", source }),
        };
        Ok(Self::of(secret))
    }

    fn of(secret: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let hash_key = Zeroizing::new(blake3::derive_key(HASH_CONTEXT, &*secret));
        Self { secret, hash_key }
    }

    fn create(path: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, VaultError> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        fill_random(&mut *secret)?;
        let content = Zeroizing::new([&secret[..], &key_check(&secret)].concat());
        write_whole(path, &content).map_err(io("write the workspace key"))?;
        Ok(secret)
    }

    /// Reads the content of the key's file.
    pub(crate) fn parse(content: &[u8]) -> Result<Self, VaultError> {
        let corrupt = VaultError::Corrupt { file: WORKSPACE_FILE };
        let Some((secret, check)) = content.split_first_chunk::<KEY_BYTES>() else {
            return Err(corrupt);
        };
        if check == key_check(secret) {
            Ok(Self::of(Zeroizing::new(*secret)))
        } else {
            Err(corrupt)
        }
    }

    /// See [`Vault::fingerprint`].
    pub(crate) fn fingerprint(&self) -> String {
        let derived = blake3::derive_key(FINGERPRINT_CONTEXT, &*self.secret);
        derived[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for WorkspaceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkspaceKey(..)")
    }
}

/// Tells a damaged key from a whole one, without giving anything away about it.
fn key_check(secret: &[u8; KEY_BYTES]) -> [u8; CHECK_BYTES] {
    let derived = blake3::derive_key(CHECK_CONTEXT, secret);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&derived[..CHECK_BYTES]);
    check
}

/// Opens the slots file and checks its header, or begins a new one.
fn open_slots(dir: &Path) -> Result<fs::File, VaultError> {
    let path = dir.join(SLOTS_FILE);
    if !path.exists() {
        write_whole(&path, &SLOTS_HEADER).map_err(io("begin the slots file"))?;
    }
    let slots =
        private_file().read(true).write(true).open(path).map_err(io("open the slots file"))?;
    let mut header = [0; KEY_BYTES];
    match slots.read_exact_at(&mut header, 0) {
        Ok(()) if header == SLOTS_HEADER => {}
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(VaultError::Io { what: "read the slots file", source: error });
        }
        _ => return Err(VaultError::Corrupt { file: SLOTS_FILE }),
    }
    // What a killed process wrote may not be on disk yet.
    slots.sync_all().map_err(io("sync the slots file"))?;
    sync_dir(dir).map_err(io("sync the key directory"))?;
    Ok(slots)
}

/// The first slot from `next` on that holds no key. Slots below `next` that the file lacks become
/// erased ones.
///
/// The file lacks used slots when it is an older copy. Fresh keys there would pass for the lost
/// ones, so they stay zero.
fn count_filled(slots: &fs::File, next: u64) -> Result<u64, VaultError> {
    let length = slots.metadata().map_err(io("read the slots file"))?.len();
    let end = length / SLOT_BYTES;
    if end < next {
        slots.set_len(next * SLOT_BYTES).map_err(io("extend the slots file"))?;
        return Ok(next);
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    for slot in next..end {
        // A crash while filling can leave zeros where keys were meant to be.
        slots.read_exact_at(&mut *key, slot * SLOT_BYTES).map_err(io("read a slot"))?;
        if *key == [0; KEY_BYTES] {
            return Ok(slot);
        }
    }
    Ok(end)
}

pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), SealError> {
    getrandom::fill(bytes).map_err(|source| SealError::Random { source: source.into() })
}

fn io(what: &'static str) -> impl Fn(io::Error) -> VaultError {
    move |source| VaultError::Io { what, source }
}

#[cfg(test)]
mod tests;
