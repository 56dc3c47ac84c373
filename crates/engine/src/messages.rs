//! Which messages may have been applied before: a filter in memory over the dedup entries.
//!
//! Nearly every message is new, and finding no entry asks every run of the store's tree. The filter
//! answers that from one line of memory for each million entries; only where it cannot exclude a
//! message, the store is asked. Until it knows all entries it excludes nothing.
//!
//! Each segment is a blocked Bloom filter (Putze, Sanders, Singler: "Cache-, Hash- and
//! Space-Efficient Bloom Filters", 2007): all bits of a message lie in one line of 64 bytes. With 16
//! bits for each message, about one new message in 300 is not excluded by a full segment.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use parking_lot::RwLock;
use store::{KeyRange, Reader, ScanOrder, StoreError, Table};

/// Messages in a segment.
const SEGMENT_MESSAGES: usize = 1 << 20;
/// Words of 64 bits in a line of memory.
const LINE_WORDS: usize = 8;
const SEGMENT_LINES: usize = SEGMENT_MESSAGES * 16 / (64 * LINE_WORDS);
/// Segments at most, 32 MiB of them. With more messages than they hold, the store is asked each time.
const SEGMENTS_MAX: usize = 16;
/// Bits of a message, each of nine bits of its hash.
const BITS: usize = 5;
/// Entries read in one step: about a millisecond of work.
const ENTRIES_PER_STEP: usize = 2_000;

/// The key of a dedup entry: two bytes of lane, then a keyed hash.
pub(crate) type Message = [u8; 18];

/// The filter. It may be asked and added to from any thread.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    segments: RwLock<Vec<Segment>>,
    /// It knows every entry of the store.
    is_complete: AtomicBool,
    is_full: AtomicBool,
}

#[derive(Debug)]
struct Segment {
    words: Box<[AtomicU64]>,
    messages: AtomicUsize,
}

impl Segment {
    fn new() -> Self {
        let words = (0..SEGMENT_LINES * LINE_WORDS).map(|_| AtomicU64::new(0)).collect();
        Self { words, messages: AtomicUsize::new(0) }
    }

    fn word(&self, index: usize) -> Option<&AtomicU64> {
        self.words.get(index)
    }
}

/// The words of a message in every segment, and its bit in each.
fn places(message: &Message) -> [(usize, u64); BITS] {
    let half = |from: usize| {
        message
            .get(from..from + 8)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u64::from_be_bytes)
    };
    let (line, mut bits) = (half(2), half(10));
    let line = usize::try_from(line % SEGMENT_LINES as u64).unwrap_or_default();
    std::array::from_fn(|_| {
        let word = usize::try_from(bits >> 6 & 7).unwrap_or_default();
        let place = (line * LINE_WORDS + word, 1_u64 << (bits & 63));
        bits >>= 9;
        place
    })
}

impl Messages {
    /// Takes note of messages that are applied. What is asked after this is not excluded.
    pub(crate) fn add<'a>(&self, messages: impl IntoIterator<Item = &'a Message>) {
        for message in messages {
            if self.is_full.load(Ordering::Relaxed) {
                return;
            }
            let segments = self.segments.read();
            match segments.last().filter(|last| last.take()) {
                Some(last) => last.add(message),
                None => {
                    drop(segments);
                    self.grow(message);
                }
            }
        }
    }

    fn grow(&self, message: &Message) {
        let mut segments = self.segments.write();
        if segments.len() == SEGMENTS_MAX {
            self.is_full.store(true, Ordering::Relaxed);
            self.is_complete.store(false, Ordering::Release);
            segments.clear();
            return;
        }
        let segment = Segment::new();
        segment.take();
        segment.add(message);
        segments.push(segment);
    }

    /// Whether a message is certainly not among the entries.
    pub(crate) fn excludes(&self, message: &Message) -> bool {
        if !self.is_complete.load(Ordering::Acquire) {
            return false;
        }
        let places = places(message);
        !self.segments.read().iter().any(|segment| segment.may_have(&places))
    }
}

impl Segment {
    /// Takes room for one message, if there is some.
    fn take(&self) -> bool {
        self.messages.fetch_add(1, Ordering::Relaxed) < SEGMENT_MESSAGES
    }

    fn add(&self, message: &Message) {
        for (word, bit) in places(message) {
            if let Some(word) = self.word(word) {
                word.fetch_or(bit, Ordering::Release);
            }
        }
    }

    fn may_have(&self, places: &[(usize, u64); BITS]) -> bool {
        places.iter().all(|(word, bit)| {
            self.word(*word).is_none_or(|word| word.load(Ordering::Acquire) & bit != 0)
        })
    }
}

/// Reads the entries that are stored into the filter, step by step.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    from: Vec<u8>,
    is_done: bool,
}

impl Reading {
    /// Whether there is something left to read.
    pub(crate) fn is_due(&self) -> bool {
        !self.is_done
    }

    /// Leaves the filter as it is, excluding nothing.
    pub(crate) fn give_up(&mut self) {
        self.is_done = true;
    }

    /// Reads the next entries. Those that are committed meanwhile are added by whoever commits them.
    pub(crate) fn step(
        &mut self,
        messages: &Messages,
        reader: &dyn Reader,
    ) -> Result<(), StoreError> {
        let mut found: Vec<Message> = Vec::with_capacity(ENTRIES_PER_STEP);
        let range = KeyRange::starting(&self.from);
        reader.scan(Table::Dedup, range, ScanOrder::Ascending, &mut |key, _| {
            found.extend(Message::try_from(key).ok());
            if found.len() < ENTRIES_PER_STEP {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        messages.add(&found);
        match found.last().filter(|_| found.len() == ENTRIES_PER_STEP) {
            Some(last) if !messages.is_full.load(Ordering::Relaxed) => {
                self.from = [&last[..], &[0]].concat();
            }
            _ => {
                self.is_done = true;
                let is_full = messages.is_full.load(Ordering::Relaxed);
                messages.is_complete.store(!is_full, Ordering::Release);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use store::{Batch, Memory, Store};

    use super::*;

    fn message(number: u64) -> Message {
        let mut message = [0; 18];
        message[2..].copy_from_slice(&blake3::hash(&number.to_be_bytes()).as_bytes()[..16]);
        message
    }

    #[test]
    fn what_is_stored_or_added_is_never_excluded() {
        let store = Memory::default();
        let mut batch = Batch::new();
        (0..5_000).for_each(|number| batch.put(Table::Dedup, message(number), [0; 4]));
        store.commit(batch).unwrap();
        let (messages, mut reading) = (Messages::default(), Reading::default());
        messages.add(&[message(5_000)]);
        while reading.is_due() {
            assert!(!messages.excludes(&message(9_999_999)), "before all is read");
            reading.step(&messages, &store).unwrap();
        }
        assert!((0..=5_000).all(|number| !messages.excludes(&message(number))));
        let excluded = (10_000..20_000).filter(|number| messages.excludes(&message(*number)));
        assert!(excluded.count() > 9_990);
    }

    #[test]
    fn a_full_segment_excludes_nearly_all_that_is_new() {
        let segment = Segment::new();
        (0..SEGMENT_MESSAGES as u64).for_each(|number| {
            assert!(segment.take());
            segment.add(&message(number));
        });
        assert!(!segment.take());
        let known = |number: &u64| segment.may_have(&places(&message(*number)));
        assert!((0..SEGMENT_MESSAGES as u64).all(|number| known(&number)));
        let mistaken = (1 << 40..(1 << 40) + 30_000).filter(known).count();
        assert!(mistaken < 30_000 / 150, "{mistaken}");
    }

    #[test]
    fn more_than_it_holds_excludes_nothing() {
        let messages = Messages::default();
        messages.is_complete.store(true, Ordering::Release);
        assert!(messages.excludes(&message(7)));
        for segment in 0..SEGMENTS_MAX as u64 {
            messages.grow(&message(segment));
        }
        assert!(messages.excludes(&message(99)));
        messages.grow(&message(100));
        assert!(!messages.excludes(&message(99)));
        messages.add(&[message(101)]);
        assert!(!messages.excludes(&message(99)));
    }
}
