//! How a row's value is sealed with its strand's key.
//!
//! A sealed value is
//!
//! ```text
//! header ‖ nonce (12) ‖ encrypted( flag (1) ‖ [length (4, LE)] ‖ body ) ‖ tag (16)
//! ```
//!
//! encrypted and authenticated by ChaCha20-Poly1305 (RFC 8439). The header is readable without the
//! key and, like the row's key, bound to the rest: a value that was moved under another key or
//! given another header does not open. Flag 0 is followed by the plaintext, flag 1 by the length of
//! the plaintext and an LZ4 block of it.
//!
//! A nonce is 4 bytes drawn when the sealer is made and a 64-bit counter from a drawn start. One
//! sealer never uses a nonce twice. Two overlap only if the 4 bytes agree and their starts are
//! closer than what they seal: below 2^-38 over 4,096 restarts with 2^32 values each. Nothing is
//! stored for that, so restoring an old backup of the keys does not bring used nonces back, as it
//! would with a stored counter.

use std::{
    cell::RefCell,
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size,
};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use thiserror::Error;

use crate::vault::{StrandKey, fill_random};

/// The length of the nonce.
pub const NONCE_BYTES: usize = 12;
/// The length of the tag.
pub const TAG_BYTES: usize = 16;
/// How much longer a sealed value is than its header and plaintext, at most.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + FLAG_BYTES + TAG_BYTES;
/// Plaintexts up to this length are stored as they are: LZ4 gains nothing on them.
pub const COMPRESS_ABOVE_BYTES: usize = 192;
/// The longest plaintext. It bounds what opening a value can cost, whatever the value says about
/// itself.
pub const MAX_PLAINTEXT_BYTES: usize = 64 * 1024;

const FLAG_BYTES: usize = 1;
const LENGTH_BYTES: usize = 4;
const FLAG_PLAIN: u8 = 0;
const FLAG_LZ4: u8 = 1;

/// Why a value was not sealed or opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The plaintext is longer than [`MAX_PLAINTEXT_BYTES`].
    #[error("plaintext of {bytes} bytes is over the limit of {MAX_PLAINTEXT_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The value is too short to be a sealed one.
    #[error("sealed value of {bytes} bytes is too short")]
    Truncated {
        /// Its length.
        bytes: usize,
    },
    /// The key, the row's key, the header or the value is not the one that was sealed.
    #[error("sealed value does not open: wrong key, wrong row or damaged")]
    Forged,
    /// The value opens, but what is inside is not what this program writes.
    #[error("sealed value holds an unknown encoding")]
    Encoding,
    /// The operating system gave no random bytes.
    #[error("could not draw random bytes")]
    Random {
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Seals values, never with the same nonce twice. It may be used from any thread.
#[derive(Debug)]
pub struct Sealer {
    prefix: [u8; 4],
    counter: AtomicU64,
}

thread_local! {
    /// The compressor's table of 8 KiB, kept between values.
    static TABLE: RefCell<CompressTable> = RefCell::new(CompressTable::default());
}

impl Sealer {
    /// A sealer with nonces of its own.
    ///
    /// # Errors
    ///
    /// When the operating system gives no random bytes.
    pub fn new() -> Result<Self, SealError> {
        let (mut prefix, mut start) = ([0; 4], [0; 8]);
        fill_random(&mut prefix)?;
        fill_random(&mut start)?;
        Ok(Self { prefix, counter: AtomicU64::new(u64::from_le_bytes(start)) })
    }

    /// Seals `plaintext` for the row `row_key`, behind a readable `header`.
    ///
    /// # Errors
    ///
    /// When the plaintext is longer than [`MAX_PLAINTEXT_BYTES`].
    pub fn seal(
        &self,
        key: &StrandKey,
        row_key: &[u8],
        header: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut sealed = Vec::with_capacity(header.len() + plaintext.len() + OVERHEAD_BYTES);
        self.seal_into(key, row_key, header, plaintext, &mut sealed)?;
        Ok(sealed)
    }

    /// As [`Self::seal`], appending to `out`. After an error `out` is as it was.
    ///
    /// # Errors
    ///
    /// As [`Self::seal`].
    pub fn seal_into(
        &self,
        key: &StrandKey,
        row_key: &[u8],
        header: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        if plaintext.len() > MAX_PLAINTEXT_BYTES {
            return Err(SealError::TooLong { bytes: plaintext.len() });
        }
        let start = out.len();
        self.seal_body(key, row_key, header, out, |out| encode_body(plaintext, out))
            .map_err(|ring::error::Unspecified| SealError::TooLong { bytes: plaintext.len() })
            .inspect_err(|_| out.truncate(start))
    }

    /// As [`Self::seal`], of a plaintext that was packed before.
    ///
    /// # Errors
    ///
    /// As [`Self::seal`].
    pub fn seal_packed(
        &self,
        key: &StrandKey,
        row_key: &[u8],
        header: &[u8],
        packed: &Packed,
    ) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::with_capacity(header.len() + packed.0.len() + OVERHEAD_BYTES);
        self.seal_body(key, row_key, header, &mut out, |out| out.extend_from_slice(&packed.0))
            .map_err(|ring::error::Unspecified| SealError::TooLong { bytes: packed.0.len() })?;
        Ok(out)
    }

    /// Appends a sealed value to `out`, of the body that `write` appends.
    fn seal_body(
        &self,
        key: &StrandKey,
        row_key: &[u8],
        header: &[u8],
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), ring::error::Unspecified> {
        let nonce = self.next_nonce();
        out.extend_from_slice(header);
        out.extend_from_slice(&nonce);
        let body_start = out.len();
        write(out);
        let tag = with_bound(row_key, header, |bound| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            let body = &mut out[body_start..];
            cipher(key)?.seal_in_place_separate_tag(nonce, Aad::from(bound), body)
        })?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    fn next_nonce(&self) -> [u8; NONCE_BYTES] {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let mut nonce = [0; NONCE_BYTES];
        nonce[..4].copy_from_slice(&self.prefix);
        nonce[4..].copy_from_slice(&count.to_le_bytes());
        nonce
    }
}

/// A plaintext as it is sealed: compressed, where that is shorter. Packing needs no key, so another
/// thread can do it ahead.
#[derive(Clone, Debug)]
pub struct Packed(Vec<u8>);

impl Packed {
    /// Packs a plaintext.
    ///
    /// # Errors
    ///
    /// When it is longer than [`MAX_PLAINTEXT_BYTES`].
    pub fn of(plaintext: &[u8]) -> Result<Self, SealError> {
        if plaintext.len() > MAX_PLAINTEXT_BYTES {
            return Err(SealError::TooLong { bytes: plaintext.len() });
        }
        let mut body = Vec::with_capacity(FLAG_BYTES + plaintext.len());
        encode_body(plaintext, &mut body);
        Ok(Self(body))
    }
}

/// The header of a sealed value, read without its key, so not yet known to be genuine.
///
/// # Errors
///
/// When the value is too short.
pub fn header(header_len: usize, sealed: &[u8]) -> Result<&[u8], SealError> {
    split(header_len, sealed).map(|parts| parts.header)
}

/// Opens a value sealed for the row `row_key` behind a header of `header_len` bytes, and returns
/// the plaintext.
///
/// # Errors
///
/// When anything about it is not as it was sealed.
pub fn open(
    key: &StrandKey,
    row_key: &[u8],
    header_len: usize,
    sealed: &[u8],
) -> Result<Vec<u8>, SealError> {
    let Parts { header, nonce, body_and_tag } = split(header_len, sealed)?;
    let mut opened = body_and_tag.to_vec();
    let body_len = with_bound(row_key, header, |bound| {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let body = cipher(key)?.open_in_place(nonce, Aad::from(bound), &mut opened)?;
        Ok(body.len())
    });
    opened.truncate(body_len.map_err(|ring::error::Unspecified| SealError::Forged)?);
    decode_body(opened)
}

struct Parts<'a> {
    header: &'a [u8],
    nonce: [u8; NONCE_BYTES],
    body_and_tag: &'a [u8],
}

fn split(header_len: usize, sealed: &[u8]) -> Result<Parts<'_>, SealError> {
    let truncated = || SealError::Truncated { bytes: sealed.len() };
    let (header, rest) = sealed.split_at_checked(header_len).ok_or_else(truncated)?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(truncated)?;
    if rest.len() <= TAG_BYTES {
        return Err(truncated());
    }
    Ok(Parts { header, nonce: *nonce, body_and_tag: rest })
}

fn cipher(key: &StrandKey) -> Result<LessSafeKey, ring::error::Unspecified> {
    UnboundKey::new(&CHACHA20_POLY1305, &key.0).map(LessSafeKey::new)
}

/// Calls `f` with what the tag binds besides the plaintext: the row's key, the header, and where
/// one ends and the other begins.
fn with_bound<T>(row_key: &[u8], header: &[u8], f: impl FnOnce(&[u8]) -> T) -> T {
    let mut stack = [0_u8; 160];
    let key_end = LENGTH_BYTES + row_key.len();
    let end = key_end + header.len();
    let mut heap = Vec::new();
    let bound = if end <= stack.len() {
        &mut stack[..end]
    } else {
        heap.resize(end, 0);
        &mut heap[..]
    };
    // Keys are far below 4 GiB; the cast only has to be the same on both sides.
    #[expect(clippy::cast_possible_truncation, reason = "the same value on both sides")]
    bound[..LENGTH_BYTES].copy_from_slice(&(row_key.len() as u32).to_le_bytes());
    bound[LENGTH_BYTES..key_end].copy_from_slice(row_key);
    bound[key_end..].copy_from_slice(header);
    f(bound)
}

/// Appends flag and body, compressed when that is shorter.
fn encode_body(plaintext: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    if plaintext.len() > COMPRESS_ABOVE_BYTES {
        let Ok(length) = u32::try_from(plaintext.len()) else { return };
        let block_start = start + FLAG_BYTES + LENGTH_BYTES;
        // The compressor asks for room for its worst case.
        out.resize(block_start + get_maximum_output_size(plaintext.len()), 0);
        let compressed = TABLE.with_borrow_mut(|table| {
            compress_into_with_table(plaintext, &mut out[block_start..], table)
        });
        if let Ok(block_len) = compressed
            && LENGTH_BYTES + block_len < plaintext.len()
        {
            out[start] = FLAG_LZ4;
            out[start + FLAG_BYTES..block_start].copy_from_slice(&length.to_le_bytes());
            out.truncate(block_start + block_len);
            return;
        }
        out.truncate(start);
    }
    out.push(FLAG_PLAIN);
    out.extend_from_slice(plaintext);
}

fn decode_body(mut opened: Vec<u8>) -> Result<Vec<u8>, SealError> {
    match opened.split_first() {
        Some((&FLAG_PLAIN, _)) => {
            opened.drain(..FLAG_BYTES);
            Ok(opened)
        }
        Some((&FLAG_LZ4, rest)) => {
            let (length, block) =
                rest.split_first_chunk::<LENGTH_BYTES>().ok_or(SealError::Encoding)?;
            let length = u32::from_le_bytes(*length) as usize;
            if length > MAX_PLAINTEXT_BYTES {
                return Err(SealError::Encoding);
            }
            let mut plaintext = vec![0; length];
            let written = decompress_into(block, &mut plaintext);
            if written.is_ok_and(|written| written == length) {
                Ok(plaintext)
            } else {
                Err(SealError::Encoding)
            }
        }
        _ => Err(SealError::Encoding),
    }
}

#[cfg(test)]
mod tests;
