//! A strand's page: all that lies under a strand, in as few rows of the store as can be.
//!
//! A person who is not in memory is read in one look-up per strand instead of a scan through every
//! run of the store's tree, and opened in one go. A page is the rows of a strand in the order of
//! their kinds, sealed together; it is rewritten whenever one of them changes, so it is kept small:
//! what grows leaves it.
//!
//! - A *part* (what is known, what audiences say, wins, visits) that outgrows the page moves to leaves, rows
//!   of its own, which are rewritten only when the part changes.
//! - Events that outgrow the page move to a *chunk*, a row that is not written again until some of its
//!   events are kept no longer.
//!
//! | key | value |
//! |---|---|
//! | strand | [`Head`], sealed rows: those of all parts that have no leaves, and the newest events |
//! | strand, part u8, leaf u16 | sealed rows of a part |
//! | strand, `80`, chunk u32 | sealed events |
//!
//! A row in a page is the lengths of key (u8) and value (u16, little-endian), the key, which is its
//! kind and what names it, and the value.

use std::{
    collections::BTreeSet,
    ops::{ControlFlow, Range},
    sync::Arc,
};

use bytes::Bytes;
use model::StrandId;
use store::{Reader, ScanOrder, StrandKey, Table, VaultError};

use crate::{
    keys::{self, Kind},
    record::{MetaHead, Unreadable},
    sealed::{Keys, RowError},
};

/// Most bytes of rows that are sealed together. What is sealed must fit into a row of the store even
/// when it does not compress.
const SEALED_ROWS_MAX: usize = 3_700;
/// Most bytes of events in a page, before all of them move to a chunk.
const EVENTS_MAX: usize = 1_100;
/// Bytes before the key of a row.
const ROW_HEAD_BYTES: usize = 3;

/// Rows that leave a page together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Part {
    /// Who it is and what is known of them.
    Known = 1,
    /// What audiences say.
    Audiences = 2,
    /// Wins that are counted for caps.
    Wins = 3,
    /// Visits.
    Visits = 4,
}

impl Part {
    const ALL: [Self; 4] = [Self::Known, Self::Audiences, Self::Wins, Self::Visits];

    fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Meta
            | Kind::Link
            | Kind::Trait
            | Kind::Consent
            | Kind::Assignment
            | Kind::Act
            | Kind::Country
            | Kind::Standing
            | Kind::Stated
            | Kind::Since
            | Kind::Account
            | Kind::AccountTrait => Some(Self::Known),
            Kind::Component | Kind::Membership | Kind::State | Kind::Shadow | Kind::Counted => {
                Some(Self::Audiences)
            }
            Kind::Win => Some(Self::Wins),
            Kind::Visit => Some(Self::Visits),
            Kind::Event => None,
        }
    }

    fn index(self) -> usize {
        usize::from(self as u8) - 1
    }

    /// Most bytes of its rows that stay in the page.
    fn bytes_max(self) -> usize {
        match self {
            Self::Known | Self::Audiences => 1_100,
            Self::Wins => 300,
            Self::Visits => 600,
        }
    }
}

/// The plain head of a page, bound to what is sealed behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) meta: MetaHead,
    /// By part: how many leaves it has.
    leaves: [u16; Part::ALL.len()],
    /// How many chunks of events there are.
    chunks: u32,
}

impl Head {
    const BYTES: usize = MetaHead::BYTES + 2 * Part::ALL.len() + 4;

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..MetaHead::BYTES].copy_from_slice(&self.meta.to_bytes());
        let (leaves, chunks) = bytes[MetaHead::BYTES..].split_at_mut(2 * Part::ALL.len());
        for (bytes, count) in leaves.chunks_exact_mut(2).zip(self.leaves) {
            bytes.copy_from_slice(&count.to_be_bytes());
        }
        chunks.copy_from_slice(&self.chunks.to_be_bytes());
        bytes
    }

    /// Reads the head of a page's row.
    pub(crate) fn parse(row: &[u8]) -> Result<Self, Unreadable> {
        let unreadable = || Unreadable("strand");
        let meta = MetaHead::parse(row)?;
        let rest = row.get(MetaHead::BYTES..Self::BYTES).ok_or_else(unreadable)?;
        let (counts, chunks) = rest.split_at(2 * Part::ALL.len());
        let mut leaves = [0; Part::ALL.len()];
        for (count, bytes) in leaves.iter_mut().zip(counts.chunks_exact(2)) {
            *count = bytes.try_into().map(u16::from_be_bytes).map_err(|_| unreadable())?;
        }
        let chunks = chunks.try_into().map(u32::from_be_bytes).map_err(|_| unreadable())?;
        Ok(Self { meta, leaves, chunks })
    }
}

/// Where a row stands in the bytes of a page, lengths first, as it is sealed.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    key_len: u8,
    value_len: u16,
}

impl Place {
    fn key(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize + ROW_HEAD_BYTES;
        bytes.get(start..start + usize::from(self.key_len)).unwrap_or_default()
    }

    fn value(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize + ROW_HEAD_BYTES + usize::from(self.key_len);
        bytes.get(start..start + usize::from(self.value_len)).unwrap_or_default()
    }

    fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.len()
    }

    /// Bytes that the row takes.
    fn len(self) -> usize {
        ROW_HEAD_BYTES + usize::from(self.key_len) + usize::from(self.value_len)
    }
}

/// What to do with an event, by the name of its row and the row.
pub(crate) type VisitEvent<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), RowError> + 'a;

/// A page, opened.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    strand: StrandId,
    head: Head,
    key: Arc<StrandKey>,
    /// Rows, those that were replaced included.
    bytes: Vec<u8>,
    /// Sorted by key.
    rows: Vec<Place>,
    /// By part: whether it differs from what is stored.
    changed: [bool; Part::ALL.len()],
    /// How many chunks are stored, where the page has taken their events back.
    old_chunks: u32,
    /// The length of a value that is longer than any row. All rows have limits far below that, so
    /// it is a mistake, and the page is not laid out.
    too_long: Option<usize>,
}

impl Page {
    /// The page of a strand that is born.
    pub(crate) fn born(strand: StrandId, meta: MetaHead, key: Arc<StrandKey>) -> Self {
        let head = Head { meta, leaves: [0; Part::ALL.len()], chunks: 0 };
        let (bytes, rows) = (Vec::with_capacity(512), Vec::new());
        let changed = [true; Part::ALL.len()];
        Self { strand, head, key, bytes, rows, changed, old_chunks: 0, too_long: None }
    }

    /// Opens a page's row, without the parts that have leaves.
    pub(crate) fn open(keys: &Keys, strand: StrandId, row: &[u8]) -> Result<Self, RowError> {
        let head = Head::parse(row)?;
        let key = match keys.vault.key(store::Slot(head.meta.slot)) {
            Ok(key) => Arc::new(key),
            // Its rows are on their way out; nobody else's work ends on them.
            Err(VaultError::Erased { .. }) => return Err(Unreadable("strand").into()),
            Err(error) => return Err(error.into()),
        };
        let bytes = unseal(&key, &keys::strand(strand), Head::BYTES, row)?;
        let mut rows = Vec::with_capacity(32);
        index(&bytes, 0, &mut rows)?;
        let changed = [false; Part::ALL.len()];
        Ok(Self { strand, head, key, bytes, rows, changed, old_chunks: 0, too_long: None })
    }

    /// Reads a strand's page; `None` when there is no such strand.
    pub(crate) fn read(
        reader: &dyn Reader,
        keys: &Keys,
        strand: StrandId,
    ) -> Result<Option<Self>, RowError> {
        let Some(row) = reader.get(Table::Strand, &keys::strand(strand))? else { return Ok(None) };
        let mut page = Self::open(keys, strand, &row)?;
        page.read_leaves(reader)?;
        Ok(Some(page))
    }

    /// Reads the parts that have leaves.
    fn read_leaves(&mut self, reader: &dyn Reader) -> Result<(), RowError> {
        if !self.has_leaves() {
            return Ok(());
        }
        for part in Part::ALL {
            for leaf in 0..self.head.leaves[part.index()] {
                let row_key = leaf_key(self.strand, part, leaf);
                let row = reader.get(Table::Strand, &row_key)?.ok_or(Unreadable("strand"))?;
                let opened = unseal(&self.key, &row_key, 0, &row)?;
                let from = self.bytes.len();
                self.bytes.extend_from_slice(&opened);
                index(&self.bytes, from, &mut self.rows)?;
            }
        }
        let bytes = &self.bytes;
        self.rows.sort_by(|a, b| a.key(bytes).cmp(b.key(bytes)));
        Ok(())
    }

    /// Whether parts of it lie in rows of their own, which change with it.
    pub(crate) fn has_leaves(&self) -> bool {
        self.head.leaves != [0; Part::ALL.len()]
    }

    pub(crate) fn strand(&self) -> StrandId {
        self.strand
    }

    pub(crate) fn meta(&self) -> MetaHead {
        self.head.meta
    }

    pub(crate) fn set_meta(&mut self, meta: MetaHead) {
        self.head.meta = meta;
    }

    pub(crate) fn key(&self) -> &Arc<StrandKey> {
        &self.key
    }

    /// The value of a row.
    pub(crate) fn get(&self, kind: Kind, name: &[u8]) -> Option<&[u8]> {
        let found = self.rows.get(self.find(kind, name).ok()?)?;
        Some(found.value(&self.bytes))
    }

    /// All rows but events: kind, name and value, in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Kind, &[u8], &[u8])> {
        self.rows.iter().map_while(|row| {
            let (kind, name) = row.key(&self.bytes).split_first()?;
            let kind = Kind::from_byte(*kind).filter(|kind| *kind != Kind::Event)?;
            Some((kind, name, row.value(&self.bytes)))
        })
    }

    /// The rows of a kind: name and value, in order.
    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&[u8], &[u8])> {
        let from = self.rows.partition_point(|row| row.key(&self.bytes) < &[kind as u8][..]);
        self.rows.iter().skip(from).map_while(move |row| {
            let (first, name) = row.key(&self.bytes).split_first()?;
            (*first == kind as u8).then(|| (name, row.value(&self.bytes)))
        })
    }

    /// Sets a row.
    pub(crate) fn put(&mut self, kind: Kind, name: &[u8], value: &[u8]) {
        let place = self.find(kind, name);
        if let Ok(at) = place
            && self.rows.get(at).is_some_and(|row| row.value(&self.bytes) == value)
        {
            return;
        }
        let lengths = (u8::try_from(name.len() + 1), u16::try_from(value.len()));
        let (Ok(key_len), Ok(value_len)) = lengths else {
            self.too_long = Some(value.len());
            return;
        };
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.push(key_len);
        self.bytes.extend_from_slice(&value_len.to_le_bytes());
        self.bytes.push(kind as u8);
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        let row = Place { start, key_len, value_len };
        match place {
            Ok(at) => self.rows[at] = row,
            Err(at) => self.rows.insert(at, row),
        }
        self.mark(kind);
    }

    /// Removes a row; it need not exist.
    pub(crate) fn delete(&mut self, kind: Kind, name: &[u8]) {
        if let Ok(at) = self.find(kind, name) {
            self.rows.remove(at);
            self.mark(kind);
        }
    }

    /// Removes all rows of a kind.
    pub(crate) fn delete_all(&mut self, kind: Kind) {
        let bytes = &self.bytes;
        let before = self.rows.len();
        self.rows.retain(|row| row.key(bytes).first() != Some(&(kind as u8)));
        if self.rows.len() < before {
            self.mark(kind);
        }
    }

    /// Removes events by the names of their rows. If one has left the page, all that have come back to be
    /// moved anew.
    pub(crate) fn remove_events(
        &mut self,
        reader: &dyn Reader,
        names: &BTreeSet<[u8; keys::EVENT_BYTES]>,
    ) -> Result<(), RowError> {
        let is_named = |name: &[u8]| {
            <[u8; keys::EVENT_BYTES]>::try_from(name).is_ok_and(|name| names.contains(&name))
        };
        let (mut kept, mut has_found) = (Vec::new(), false);
        self.chunks(reader, &mut |name, row| {
            if is_named(name) {
                has_found = true;
            } else {
                kept.push((name.to_vec(), row.to_vec()));
            }
            Ok(())
        })?;
        if has_found {
            self.old_chunks = self.old_chunks.max(self.head.chunks);
            self.head.chunks = 0;
            kept.iter().for_each(|(name, row)| self.put(Kind::Event, name, row));
        }
        names.iter().for_each(|name| self.delete(Kind::Event, name));
        Ok(())
    }

    fn mark(&mut self, kind: Kind) {
        if let Some(part) = Part::of(kind) {
            self.changed[part.index()] = true;
        }
    }

    fn find(&self, kind: Kind, name: &[u8]) -> Result<usize, usize> {
        self.rows.binary_search_by(|row| match row.key(&self.bytes).split_first() {
            Some((first, rest)) => (*first).cmp(&(kind as u8)).then_with(|| rest.cmp(name)),
            None => std::cmp::Ordering::Less,
        })
    }

    /// Visits the events of the strand that are no longer in its page, oldest chunk first.
    ///
    /// Chunks only change when events are removed, so those that a page counts go with it, whatever else
    /// has been written since.
    pub(crate) fn chunks(
        &self,
        reader: &dyn Reader,
        visit: &mut VisitEvent<'_>,
    ) -> Result<(), RowError> {
        if self.head.chunks == 0 {
            return Ok(());
        }
        let (from, to) = (chunk_key(self.strand, 0), chunk_key(self.strand, self.head.chunks));
        let mut failed = None;
        let mut read = 0;
        let range = store::KeyRange::new(&from, &to);
        reader.scan(Table::Strand, range, ScanOrder::Ascending, &mut |row_key, row| {
            read += 1;
            match self.chunk(row_key, row, visit) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        match failed {
            Some(error) => Err(error),
            None if read < self.head.chunks => Err(Unreadable("event").into()),
            None => Ok(()),
        }
    }

    fn chunk(
        &self,
        row_key: &[u8],
        row: &[u8],
        visit: &mut VisitEvent<'_>,
    ) -> Result<(), RowError> {
        let bytes = unseal(&self.key, row_key, 0, row)?;
        let mut rows = Vec::with_capacity(16);
        index(&bytes, 0, &mut rows)?;
        for row in rows {
            visit(row.key(&bytes).get(1..).unwrap_or_default(), row.value(&bytes))?;
        }
        Ok(())
    }

    /// Lays out what has changed as rows of the store, not sealed yet. From here on the page is what
    /// will be stored.
    pub(crate) fn lay_out(&mut self) -> Result<Vec<Laid>, RowError> {
        if let Some(bytes) = self.too_long {
            return Err(store::SealError::TooLong { bytes }.into());
        }
        let mut laid = Vec::with_capacity(1);
        self.move_events(&mut laid)?;
        for chunk in self.head.chunks..std::mem::take(&mut self.old_chunks) {
            laid.push(Laid { key: chunk_key(self.strand, chunk), rows: None });
        }
        let mut sizes = [0; Part::ALL.len()];
        for row in &self.rows {
            if let Some(part) = part_of(*row, &self.bytes) {
                sizes[part.index()] += row.len();
            }
        }
        for part in Part::ALL {
            self.lay_out_part(part, sizes[part.index()], &mut laid)?;
        }
        self.compact();
        let leaves = self.head.leaves;
        let is_inline =
            |row: &&Place| part_of(**row, &self.bytes).is_none_or(|part| leaves[part.index()] == 0);
        let size = self.rows.iter().filter(is_inline).map(|row| row.len()).sum();
        let mut plain = Vec::with_capacity(size);
        gather(self.rows.iter().filter(is_inline), &self.bytes, &mut plain);
        let head = self.head.to_bytes().to_vec();
        laid.push(Laid { key: keys::strand(self.strand), rows: Some(Unsealed { head, plain }) });
        self.changed = [false; Part::ALL.len()];
        Ok(laid)
    }

    /// Forgets what was replaced, and gives room back that nothing stands in: the page will be cached.
    fn compact(&mut self) {
        let size: usize = self.rows.iter().map(|row| row.len()).sum();
        if self.bytes.capacity() <= size + size / 4 {
            return;
        }
        let mut bytes = Vec::with_capacity(size);
        gather(self.rows.iter(), &self.bytes, &mut bytes);
        self.bytes = bytes;
        let mut start = 0;
        for row in &mut self.rows {
            row.start = start;
            start += u32::try_from(row.len()).unwrap_or_default();
        }
    }

    /// Bytes in memory, the counts of an `Arc` around it and its key included.
    pub(crate) fn weight(&self) -> usize {
        model::weight::shared(size_of::<Self>())
            + model::weight::block(self.bytes.capacity())
            + model::weight::block(self.rows.capacity() * size_of::<Place>())
            + model::weight::shared(size_of::<StrandKey>())
    }

    /// Moves the events to chunks when they take too much of the page.
    fn move_events(&mut self, laid: &mut Vec<Laid>) -> Result<(), RowError> {
        let first =
            self.rows.partition_point(|row| row.key(&self.bytes) < &[Kind::Event as u8][..]);
        let size: usize = self.rows.iter().skip(first).map(|row| row.len()).sum();
        if size <= EVENTS_MAX {
            return Ok(());
        }
        for plain in self.groups(self.rows.iter().skip(first)) {
            let key = chunk_key(self.strand, self.head.chunks);
            laid.push(Laid { key, rows: Some(Unsealed { head: Vec::new(), plain }) });
            self.head.chunks = self.head.chunks.checked_add(1).ok_or(Unreadable("strand"))?;
        }
        self.rows.truncate(first);
        Ok(())
    }

    /// Lays out a part as leaves where it is too large for the page, and removes leaves where it is not.
    fn lay_out_part(
        &mut self,
        part: Part,
        size: usize,
        laid: &mut Vec<Laid>,
    ) -> Result<(), RowError> {
        let before = self.head.leaves[part.index()];
        let is_large = part.bytes_max() < size;
        if !self.changed[part.index()] || (!is_large && before == 0) {
            return Ok(());
        }
        let mut after = 0;
        if is_large {
            let of_part = |row: &&Place| part_of(**row, &self.bytes) == Some(part);
            for plain in self.groups(self.rows.iter().filter(of_part)) {
                let key = leaf_key(self.strand, part, after);
                laid.push(Laid { key, rows: Some(Unsealed { head: Vec::new(), plain }) });
                after = after.checked_add(1).ok_or(Unreadable("strand"))?;
            }
        }
        for leaf in after..before {
            laid.push(Laid { key: leaf_key(self.strand, part, leaf), rows: None });
        }
        self.head.leaves[part.index()] = after;
        Ok(())
    }

    /// Rows put together so that each group can be sealed as one.
    fn groups<'a>(&self, rows: impl Iterator<Item = &'a Place>) -> Vec<Vec<u8>> {
        let mut groups: Vec<Vec<u8>> = Vec::new();
        for row in rows {
            match groups.last_mut().filter(|group| group.len() + row.len() <= SEALED_ROWS_MAX) {
                Some(group) => gather([row], &self.bytes, group),
                None => {
                    let mut group = Vec::with_capacity(SEALED_ROWS_MAX);
                    gather([row], &self.bytes, &mut group);
                    groups.push(group);
                }
            }
        }
        groups
    }
}

/// A row of the store that a page is laid out in.
#[derive(Debug)]
pub(crate) struct Laid {
    pub(crate) key: Vec<u8>,
    /// `None` removes the row.
    pub(crate) rows: Option<Unsealed>,
}

/// A value before it is sealed.
#[derive(Debug)]
pub(crate) struct Unsealed {
    head: Vec<u8>,
    plain: Vec<u8>,
}

impl Laid {
    /// Its value, sealed; `None` removes the row.
    pub(crate) fn seal(&self, keys: &Keys, key: &StrandKey) -> Result<Option<Bytes>, RowError> {
        let Some(Unsealed { head, plain }) = &self.rows else { return Ok(None) };
        Ok(Some(keys.vault.sealer().seal(key, &self.key, head, plain)?.into()))
    }
}

fn part_of(row: Place, bytes: &[u8]) -> Option<Part> {
    row.key(bytes).first().and_then(|kind| Kind::from_byte(*kind)).and_then(Part::of)
}

/// Appends rows to `out`. Most stand one behind the other already, and those are copied in one go.
fn gather<'a>(rows: impl IntoIterator<Item = &'a Place>, bytes: &[u8], out: &mut Vec<u8>) {
    let mut run = 0..0;
    for row in rows {
        let row = row.range();
        if row.start == run.end {
            run.end = row.end;
        } else {
            out.extend_from_slice(bytes.get(run).unwrap_or_default());
            run = row;
        }
    }
    out.extend_from_slice(bytes.get(run).unwrap_or_default());
}

/// Finds the rows in `bytes` from `from` on.
fn index(bytes: &[u8], from: usize, rows: &mut Vec<Place>) -> Result<(), Unreadable> {
    let unreadable = || Unreadable("strand");
    let mut at = from;
    while at < bytes.len() {
        let [key_len, low, high] = *bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk::<ROW_HEAD_BYTES>())
            .ok_or_else(unreadable)?;
        let start = u32::try_from(at).map_err(|_| unreadable())?;
        let row = Place { start, key_len, value_len: u16::from_le_bytes([low, high]) };
        let kind = row.key(bytes).first().and_then(|kind| Kind::from_byte(*kind));
        kind.ok_or_else(unreadable)?;
        at += row.len();
        rows.push(row);
    }
    if at == bytes.len() { Ok(()) } else { Err(unreadable()) }
}

fn unseal(
    key: &StrandKey,
    row_key: &[u8],
    head_bytes: usize,
    row: &[u8],
) -> Result<Vec<u8>, Unreadable> {
    store::seal::open(key, row_key, head_bytes, row).map_err(|_| Unreadable("strand"))
}

fn leaf_key(strand: StrandId, part: Part, leaf: u16) -> Vec<u8> {
    let mut key = keys::strand(strand);
    key.push(part as u8);
    key.extend_from_slice(&leaf.to_be_bytes());
    key
}

fn chunk_key(strand: StrandId, chunk: u32) -> Vec<u8> {
    let mut key = keys::strand(strand);
    key.push(Kind::Event as u8);
    key.extend_from_slice(&chunk.to_be_bytes());
    key
}

/// Where pages are read: the store, or what a batch writes over it.
pub(crate) trait Pages {
    /// Where all other rows are read, and those that have left their page.
    fn reader(&self) -> &dyn Reader;

    fn keys(&self) -> &Keys;

    /// A strand's page; `None` when there is no such strand.
    fn page(&self, strand: StrandId) -> Result<Option<Arc<Page>>, RowError>;

    /// The page of a strand that must exist.
    fn existing(&self, strand: StrandId) -> Result<Arc<Page>, RowError> {
        Ok(self.page(strand)?.ok_or(Unreadable("strand"))?)
    }
}

/// Pages as they are stored.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) reader: &'a dyn Reader,
    pub(crate) keys: &'a Keys,
}

impl Pages for Stored<'_> {
    fn reader(&self) -> &dyn Reader {
        self.reader
    }

    fn keys(&self) -> &Keys {
        self.keys
    }

    fn page(&self, strand: StrandId) -> Result<Option<Arc<Page>>, RowError> {
        Ok(Page::read(self.reader, self.keys, strand)?.map(Arc::new))
    }
}

#[cfg(test)]
mod tests;
