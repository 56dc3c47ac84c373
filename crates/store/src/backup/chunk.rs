//! How a chunk is written: a head of 64 bytes and rows of one table, compressed.
//!
//! ```text
//! magic (4) ‖ index (4) ‖ bytes unpacked (4) ‖ bytes packed (4) ‖ table, padded with zeros (16) ‖ digest (32)
//! ```
//!
//! Integers are big-endian. The digest is BLAKE3 over the head before it and the packed bytes. Rows
//! are `key length (2) ‖ value length (2) ‖ key ‖ value`. The manifest travels as a chunk without a
//! table, not packed.

use std::io::{self, Read};

use super::Flaw;
use crate::{MAX_KEY_BYTES, MAX_VALUE_BYTES, Table};

const MAGIC: [u8; 4] = *b"CBK1";
const NAME_BYTES: usize = 16;
const DIGEST_BYTES: usize = 32;
const HEAD_BYTES: usize = 4 + 4 + 4 + 4 + NAME_BYTES + DIGEST_BYTES;
const SIGNED_HEAD_BYTES: usize = HEAD_BYTES - DIGEST_BYTES;
const LENGTHS_BYTES: usize = 4;

/// A chunk is closed once its rows take so many bytes: large enough that files are few and pack
/// well, small enough that a few of them in memory do not matter.
pub(super) const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes that the rows of a chunk take: the last one may go past the limit.
const ROWS_BYTES_MAX: usize = CHUNK_BYTES + LENGTHS_BYTES + MAX_KEY_BYTES + MAX_VALUE_BYTES;

/// What a chunk is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Rows(Table),
    Manifest,
}

impl Content {
    fn name(self) -> &'static str {
        match self {
            Self::Rows(table) => table.name(),
            Self::Manifest => "",
        }
    }

    fn named(name: &[u8]) -> Option<Self> {
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        let name = std::str::from_utf8(&name[..end]).ok()?;
        if name.is_empty() {
            return Some(Self::Manifest);
        }
        Table::ALL.into_iter().find(|table| table.name() == name).map(Self::Rows)
    }

    fn bytes_max(self) -> usize {
        match self {
            Self::Rows(_) => ROWS_BYTES_MAX,
            Self::Manifest => super::MANIFEST_BYTES_MAX,
        }
    }
}

/// A chunk as it is stored and sent.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) index: u32,
    pub(super) content: Content,
    unpacked_bytes: usize,
    /// Head and packed rows.
    pub(super) bytes: Vec<u8>,
}

impl Chunk {
    /// Packs `plain`, which must be within the limits of its content.
    pub(super) fn pack(index: u32, content: Content, plain: &[u8]) -> Self {
        let packed = match content {
            Content::Rows(_) => lz4_flex::block::compress(plain),
            Content::Manifest => plain.to_vec(),
        };
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
        let mut name = [0; NAME_BYTES];
        name[..content.name().len()].copy_from_slice(content.name().as_bytes());
        let mut bytes = Vec::with_capacity(HEAD_BYTES + packed.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&index.to_be_bytes());
        bytes.extend_from_slice(&length(plain.len()));
        bytes.extend_from_slice(&length(packed.len()));
        bytes.extend_from_slice(&name);
        let digest = digest(&bytes, &packed);
        bytes.extend_from_slice(&digest);
        bytes.extend_from_slice(&packed);
        Self { index, content, unpacked_bytes: plain.len(), bytes }
    }

    /// Reads the next chunk, whatever the source has after it.
    ///
    /// `Ok(Err(_))` is what was read and is no sound chunk.
    pub(super) fn read(source: &mut dyn Read) -> io::Result<Result<Self, Flaw>> {
        let mut bytes = vec![0; HEAD_BYTES];
        if !fill(source, &mut bytes)? {
            return Ok(Err(Flaw::Damaged));
        }
        let number = |at: usize| {
            let bytes = bytes[at..at + 4].try_into().unwrap_or_default();
            u32::from_be_bytes(bytes)
        };
        let (index, unpacked, packed) = (number(4), number(8), number(12));
        let content = Content::named(&bytes[16..16 + NAME_BYTES]);
        let (Some(content), Ok(unpacked), Ok(packed)) =
            (content, usize::try_from(unpacked), usize::try_from(packed))
        else {
            return Ok(Err(Flaw::Damaged));
        };
        // Lengths are believed only within their limits, before memory is taken for them.
        let packed_max = lz4_flex::block::get_maximum_output_size(content.bytes_max());
        if bytes[..4] != MAGIC || unpacked > content.bytes_max() || packed > packed_max {
            return Ok(Err(Flaw::Damaged));
        }
        bytes.resize(HEAD_BYTES + packed, 0);
        if !fill(source, &mut bytes[HEAD_BYTES..])? {
            return Ok(Err(Flaw::Damaged));
        }
        let (head, rest) = bytes.split_at(SIGNED_HEAD_BYTES);
        let (found, packed) = rest.split_at(DIGEST_BYTES);
        if found != digest(head, packed) {
            return Ok(Err(Flaw::Damaged));
        }
        Ok(Ok(Self { index, content, unpacked_bytes: unpacked, bytes }))
    }

    /// The digest by which the manifest knows the chunk.
    pub(super) fn digest(&self) -> String {
        self.bytes[SIGNED_HEAD_BYTES..HEAD_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What was packed.
    pub(super) fn unpack(&self) -> Result<Vec<u8>, Flaw> {
        let packed = &self.bytes[HEAD_BYTES..];
        match self.content {
            Content::Manifest => Ok(packed.to_vec()),
            Content::Rows(_) => {
                lz4_flex::block::decompress(packed, self.unpacked_bytes).map_err(|_| Flaw::Damaged)
            }
        }
    }
}

fn digest(head: &[u8], packed: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(head).update(packed);
    *hasher.finalize().as_bytes()
}

/// Fills `bytes`; `false` when the source ends before.
fn fill(source: &mut dyn Read, bytes: &mut [u8]) -> io::Result<bool> {
    match source.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Appends a row.
pub(super) fn push_row(rows: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // Longer ones do not enter a store.
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    rows.extend_from_slice(&length(key));
    rows.extend_from_slice(&length(value));
    rows.extend_from_slice(key);
    rows.extend_from_slice(value);
}

/// A key and its value.
pub(super) type Row<'a> = (&'a [u8], &'a [u8]);

/// Splits off the first row written by [`push_row`]; `None` when there is none left.
pub(super) fn split_row(rows: &[u8]) -> Result<Option<(Row<'_>, &[u8])>, Flaw> {
    if rows.is_empty() {
        return Ok(None);
    }
    let (lengths, rest) = rows.split_first_chunk::<LENGTHS_BYTES>().ok_or(Flaw::Damaged)?;
    let [key_high, key_low, value_high, value_low] = *lengths;
    let key_bytes = usize::from(u16::from_be_bytes([key_high, key_low]));
    let value_bytes = usize::from(u16::from_be_bytes([value_high, value_low]));
    let (key, rest) = rest.split_at_checked(key_bytes).ok_or(Flaw::Damaged)?;
    let (value, rest) = rest.split_at_checked(value_bytes).ok_or(Flaw::Damaged)?;
    Ok(Some(((key, value), rest)))
}
