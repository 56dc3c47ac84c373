//! Reads the engine's journals without the engine: where a journal is sound, and where it stops
//! being so.
//!
//! This is the format of the pinned version of fjall (3.1): a journal `<number>.jnl` is a sequence
//! of batches and then zeros, because the file is made longer than needed at first. A batch is
//!
//! ```text
//! start: 1, count of items (u32), sequence number (u64)
//! item:  2, kind, compression, table (u64), key length (u16), value length (u32),
//!        stored value length (u32), key, stored value
//!  or    4, table (u64), which empties the table and is not used here
//! end:   3, xxh3 over all items (u64), "FJL" 3
//! ```
//!
//! all numbers little endian. Sequence numbers rise from batch to batch.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::Xxh3;

const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const TAG_CLEAR: u8 = 4;
const TRAILER: [u8; 4] = *b"FJL\x03";
const EXTENSION: &str = "jnl";

/// Kinds of items: a value, two kinds of deletion, and a pointer to a value elsewhere.
const ITEM_KINDS: [u8; 4] = [0, 1, 2, 4];
/// The only compression the engine is built with.
const COMPRESSION_NONE: u8 = 0;

/// What follows the tag of an item before its key: kind, compression, table and three lengths.
const ITEM_HEADER_BYTES: usize = 1 + 1 + 8 + 2 + 4 + 4;
/// How far a sequence number can be from the one before. The engine counts every write and flush,
/// so a step this long is damage; the number itself is not under the checksum.
const MAX_SEQNO_STEP: u64 = 1 << 40;
const BUFFER_BYTES: usize = 256 * 1024;

/// What a journal was found to hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Where the last batch of the sound beginning ends.
    pub(crate) sound_bytes: u64,
    /// Batches of the sound beginning.
    pub(crate) batches: u64,
    /// The sequence number of the last of them.
    pub(crate) last_seqno: Option<u64>,
    /// What comes after, if it is not nothing or zeros.
    pub(crate) damage: Option<Damage>,
}

/// Bytes after the sound beginning of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Why the next batch is not one.
    pub(crate) flaw: Flaw,
    /// Whole batches found behind it.
    pub(crate) later_batches: u64,
    /// All bytes after the sound beginning, without the zeros at the end.
    pub(crate) bytes: u64,
}

/// Why bytes are not a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// They end or turn into something else in the middle, as a write cut short by a crash does.
    Unfinished,
    /// They have the form of a batch, but not its checksum, count or order.
    Wrong,
}

/// The journals in the engine's directory, oldest first. The last one is the one being written.
pub(crate) fn list(rows: &Path) -> io::Result<Vec<PathBuf>> {
    let mut journals = Vec::new();
    for entry in rows.read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let number = stem.and_then(|stem| stem.parse::<u64>().ok());
            let number = number.ok_or_else(|| {
                io::Error::other(format!("`{}` is not the name of a journal", path.display()))
            })?;
            journals.push((number, path));
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

/// Reads a journal up to the first flaw and looks for whole batches behind it.
///
/// `previous_seqno` is the last sequence number of the journal before.
pub(crate) fn scan(path: &Path, previous_seqno: Option<u64>) -> io::Result<Scan> {
    let file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, file);
    let mut scan = Scan { sound_bytes: 0, batches: 0, last_seqno: previous_seqno, damage: None };
    let mut buffer = Vec::new();
    let flaw = loop {
        let rest_bytes = file_bytes - scan.sound_bytes;
        if rest_bytes == 0 {
            return Ok(scan);
        }
        match read_batch(&mut reader, rest_bytes, scan.last_seqno, &mut buffer)? {
            Ok(batch) => {
                scan.sound_bytes += batch.bytes;
                scan.last_seqno = Some(batch.seqno);
                scan.batches += 1;
            }
            Err(flaw) => break flaw,
        }
    };
    let content_end = content_end(path, scan.sound_bytes)?;
    if content_end > scan.sound_bytes {
        let later_batches = count_later(path, scan.sound_bytes, content_end)?;
        let bytes = content_end - scan.sound_bytes;
        scan.damage = Some(Damage { flaw, later_batches, bytes });
    }
    Ok(scan)
}

struct BatchRead {
    bytes: u64,
    seqno: u64,
}

/// Reads one batch of at most `rest_bytes`. The outer error is of the disk, the inner one of the
/// content.
fn read_batch(
    reader: &mut dyn Read,
    rest_bytes: u64,
    previous_seqno: Option<u64>,
    buffer: &mut Vec<u8>,
) -> io::Result<Result<BatchRead, Flaw>> {
    let mut source = Source { reader, rest_bytes, read_bytes: 0 };
    match source.batch(previous_seqno, buffer) {
        Ok(seqno) => Ok(Ok(BatchRead { bytes: source.read_bytes, seqno })),
        Err(Stop::Flaw(flaw)) => Ok(Err(flaw)),
        Err(Stop::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Ok(Err(Flaw::Unfinished))
        }
        Err(Stop::Io(error)) => Err(error),
    }
}

/// Why reading a batch stopped.
enum Stop {
    Io(io::Error),
    Flaw(Flaw),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

const UNFINISHED: Stop = Stop::Flaw(Flaw::Unfinished);
const WRONG: Stop = Stop::Flaw(Flaw::Wrong);

/// Counts what is read, so that a damaged length cannot ask for more than there is.
struct Source<'a> {
    reader: &'a mut dyn Read,
    rest_bytes: u64,
    read_bytes: u64,
}

impl Source<'_> {
    /// Reads a whole batch and returns its sequence number.
    fn batch(&mut self, previous_seqno: Option<u64>, buffer: &mut Vec<u8>) -> Result<u64, Stop> {
        if self.array::<1>()? != [TAG_START] {
            return Err(UNFINISHED);
        }
        let count = u32::from_le_bytes(self.array()?);
        let seqno = u64::from_le_bytes(self.array()?);
        let mut hasher = Xxh3::new();
        let mut items = 0_u32;
        loop {
            match self.array::<1>()? {
                [TAG_ITEM] => self.item(buffer)?,
                [TAG_CLEAR] => {
                    buffer.clear();
                    buffer.push(TAG_CLEAR);
                    buffer.extend_from_slice(&self.array::<8>()?);
                }
                [TAG_END] => break,
                _ => return Err(UNFINISHED),
            }
            hasher.update(buffer);
            items = items.saturating_add(1);
        }
        let checksum = u64::from_le_bytes(self.array()?);
        if self.array::<4>()? != TRAILER {
            return Err(UNFINISHED);
        }
        let is_in_order = previous_seqno
            .is_none_or(|previous| previous < seqno && seqno - previous < MAX_SEQNO_STEP);
        if items == count && checksum == hasher.digest() && is_in_order {
            Ok(seqno)
        } else {
            Err(WRONG)
        }
    }

    /// Reads the item after its tag, and leaves all of it, tag included, in `buffer`.
    fn item(&mut self, buffer: &mut Vec<u8>) -> Result<(), Stop> {
        let header = self.array::<ITEM_HEADER_BYTES>()?;
        let [kind, compression, _, _, _, _, _, _, _, _, k0, k1, _, _, _, _, v0, v1, v2, v3] =
            header;
        if !ITEM_KINDS.contains(&kind) || compression != COMPRESSION_NONE {
            return Err(UNFINISHED);
        }
        let key_bytes = u64::from(u16::from_le_bytes([k0, k1]));
        let value_bytes = u64::from(u32::from_le_bytes([v0, v1, v2, v3]));
        let body_bytes = key_bytes + value_bytes;
        if body_bytes > self.rest_bytes - self.read_bytes {
            return Err(UNFINISHED);
        }
        buffer.clear();
        buffer.push(TAG_ITEM);
        buffer.extend_from_slice(&header);
        let body = buffer.len();
        let end = body + usize::try_from(body_bytes).map_err(|_| UNFINISHED)?;
        buffer.resize(end, 0);
        self.reader.read_exact(&mut buffer[body..])?;
        self.read_bytes += body_bytes;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.read_bytes += N as u64;
        Ok(bytes)
    }
}

/// Where the zeros at the end of a file begin, if not before `offset`; else `offset`.
fn content_end(path: &Path, offset: u64) -> io::Result<u64> {
    let mut file = open_at(path, offset)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let (mut at, mut end) = (offset, offset);
    while let Some(data) = skip_hole(&mut file, at)? {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        let last = buffer[..read].iter().rposition(|&byte| byte != 0);
        end = last.map_or(end, |last| data + last as u64 + 1);
        at = data + read as u64;
    }
    Ok(end)
}

/// Moves `file` to the next byte from `at` on that is on disk, and returns its place; `None` when
/// there is none.
///
/// The zeros behind a journal were never written, so that this spares reading tens of megabytes at
/// each start.
#[cfg(target_os = "linux")]
fn skip_hole(file: &mut File, at: u64) -> io::Result<Option<u64>> {
    use rustix::{
        fs::{SeekFrom, seek},
        io::Errno,
    };
    match seek(&*file, SeekFrom::Data(at)) {
        Ok(data) => Ok(Some(data)),
        Err(Errno::NXIO) => Ok(None),
        // The file system does not know its holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => file.seek(io::SeekFrom::Start(at)).map(Some),
        Err(error) => Err(error.into()),
    }
}

/// Moves `file` to `at`: this platform does not tell where its holes are.
#[cfg(not(target_os = "linux"))]
fn skip_hole(file: &mut File, at: u64) -> io::Result<Option<u64>> {
    file.seek(io::SeekFrom::Start(at)).map(Some)
}

/// Counts whole batches anywhere between `offset` and `content_end`. They need not continue the
/// order of those before, whose last may be the damaged one.
fn count_later(path: &Path, offset: u64, content_end: u64) -> io::Result<u64> {
    let mut bytes = Vec::new();
    open_at(path, offset)?.take(content_end - offset).read_to_end(&mut bytes)?;
    // The first byte begins the damaged batch.
    let (mut batches, mut last_seqno, mut at) = (0, None, 1_usize);
    let mut buffer = Vec::new();
    while let Some(mut rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let rest_bytes = rest.len() as u64;
        // Most bytes are ruled out by this comparison, which keeps the search linear in practice.
        let batch = match rest[0] {
            TAG_START => read_batch(&mut rest, rest_bytes, last_seqno, &mut buffer)?.ok(),
            _ => None,
        };
        match batch {
            Some(batch) => {
                batches += 1;
                last_seqno = Some(batch.seqno);
                at += usize::try_from(batch.bytes).unwrap_or(usize::MAX);
            }
            None => at += 1,
        }
    }
    Ok(batches)
}

fn open_at(path: &Path, offset: u64) -> io::Result<File> {
    let mut file = File::open(path)?;
    file.seek(io::SeekFrom::Start(offset))?;
    Ok(file)
}
