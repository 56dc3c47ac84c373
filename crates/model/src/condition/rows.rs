//! Many events of one person, in order, in shared leaves.
//!
//! A person with three events and one with twenty thousand are held alike: one sorted run of packed
//! rows, cut into leaves of a few kilobytes. Copies of a run share its leaves, so taking in an event
//! copies one leaf and the list of them, however long the run is.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{ControlFlow, Range},
    sync::Arc,
};

use super::{
    EventName,
    packed::{self, RowValues, Seen},
};
use crate::{PurposeSet, Timestamp, value::Path, weight};

/// Most bytes of a leaf, unless a single row takes more.
const LEAF_BYTES: usize = 4 * 1024;

/// What timelines keep of events: which names, and which properties of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Sorted by name, paths too. The place of a name is its number.
    events: Box<[(EventName, Box<[Path]>)]>,
}

impl Layout {
    /// A layout that keeps so much.
    pub fn new(needed: BTreeMap<EventName, BTreeSet<Path>>) -> Self {
        let sorted =
            |(name, paths): (EventName, BTreeSet<Path>)| (name, paths.into_iter().collect());
        Self { events: needed.into_iter().map(sorted).collect() }
    }

    /// The number of a name, where events of that name are kept.
    pub fn number(&self, name: &EventName) -> Option<u32> {
        let place = self.events.binary_search_by(|(known, _)| known.cmp(name)).ok()?;
        u32::try_from(place).ok()
    }

    /// The name with this number.
    pub fn name(&self, number: u32) -> Option<&EventName> {
        self.get(number).map(|(name, _)| name)
    }

    /// The properties that are kept of the events with this number, sorted.
    pub fn paths(&self, number: u32) -> &[Path] {
        self.get(number).map_or(&[], |(_, paths)| paths)
    }

    /// All names, by number.
    pub fn names(&self) -> impl Iterator<Item = &EventName> {
        self.events.iter().map(|(name, _)| name)
    }

    fn get(&self, number: u32) -> Option<&(EventName, Box<[Path]>)> {
        self.events.get(usize::try_from(number).ok()?)
    }
}

/// One event of a timeline, reduced to what live definitions read of it.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// When it happened.
    pub time: Timestamp,
    /// Orders events of the same instant independently of arrival: a hash of (source, message id).
    pub tie: u64,
    /// The purposes it may be read for.
    pub purposes: PurposeSet,
    /// The properties that live definitions name for this event.
    pub values: RowValues,
}

impl EventRow {
    /// The row as conditions read it.
    pub fn as_row(&self) -> Row<'_> {
        let Self { time, tie, purposes, ref values } = *self;
        Row { time, tie, purposes, values: values.bytes() }
    }
}

/// An [`EventRow`], wherever it is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// When it happened.
    pub time: Timestamp,
    /// Orders events of the same instant.
    pub tie: u64,
    /// The purposes it may be read for.
    pub purposes: PurposeSet,
    values: &'a [u8],
}

impl<'a> Row<'a> {
    /// The property at `path`, where `paths` are those that are kept of events of its name.
    pub fn value(&self, paths: &[Path], path: &Path) -> Option<Seen<'a>> {
        self.at(paths.binary_search(path).ok())
    }

    /// The property at a place of the paths that are kept.
    pub(super) fn at(&self, place: Option<usize>) -> Option<Seen<'a>> {
        packed::find(self.values, place?)
    }

    /// The number at a place of the paths that are kept.
    pub(super) fn number_at(&self, place: Option<usize>) -> Option<f64> {
        packed::find_f64(self.values, place?)
    }
}

/// What orders rows: the number of the name, the time, the tie.
type Place = (u32, Timestamp, u64);

/// Bytes of a row before its values.
const ROW_HEAD_BYTES: usize = 24;

/// The bytes of a row: number, time, tie, purposes, values.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn write(number: u32, row: Row<'_>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ROW_HEAD_BYTES + row.values.len());
        bytes.extend(number.to_le_bytes());
        bytes.extend(row.time.0.to_le_bytes());
        bytes.extend(row.tie.to_le_bytes());
        bytes.extend(row.purposes.0.to_le_bytes());
        bytes.extend_from_slice(row.values);
        bytes
    }

    fn number(self) -> u32 {
        self.read().0
    }

    fn time(self) -> Timestamp {
        self.place().1
    }

    fn place(self) -> Place {
        let (number, row) = self.read();
        (number, row.time, row.tie)
    }

    fn row(self) -> Row<'a> {
        self.read().1
    }

    fn read(self) -> (u32, Row<'a>) {
        // What was written here is never too short.
        let Some((head, values)) = self.0.split_first_chunk::<ROW_HEAD_BYTES>() else {
            let (time, tie, purposes) = (Timestamp(0), 0, PurposeSet(0));
            return (0, Row { time, tie, purposes, values: &[] });
        };
        let time = Timestamp(i64::from_le_bytes(part(head, 4)));
        let tie = u64::from_le_bytes(part(head, 12));
        let purposes = PurposeSet(u32::from_le_bytes(part(head, 20)));
        (u32::from_le_bytes(part(head, 0)), Row { time, tie, purposes, values })
    }
}

/// The bytes of a number in the head of a row.
fn part<const N: usize>(head: &[u8; ROW_HEAD_BYTES], from: usize) -> [u8; N] {
    head.get(from..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// A number in the head of a leaf. Leaves are far smaller than 64 KiB, but for the end of the last row.
fn short(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes()
}

/// Reads what [`short`] wrote.
fn read_short(bytes: &[u8]) -> usize {
    bytes.first_chunk().map_or(0, |bytes| usize::from(u16::from_le_bytes(*bytes)))
}

/// Rows in one block: how many there are, where each begins, then their bytes.
#[derive(Clone, Debug)]
struct Leaf(Arc<[u8]>);

impl Leaf {
    /// Takes in `rows`, of which there are few or only one.
    fn new(rows: &[&[u8]]) -> Self {
        let head = 2 * (1 + rows.len());
        let mut bytes = Vec::with_capacity(head + rows.iter().map(|row| row.len()).sum::<usize>());
        bytes.extend(short(rows.len()));
        let mut start = head;
        for row in rows {
            bytes.extend(short(start));
            start += row.len();
        }
        rows.iter().for_each(|row| bytes.extend_from_slice(row));
        Self(bytes.into())
    }

    /// A copy with one row more, before the one at `index`; `None` where that is more than a leaf holds.
    ///
    /// Nearly every event ends here, so nothing is taken apart: two blocks are copied.
    fn with(&self, index: usize, row: &[u8]) -> Option<Self> {
        let size = self.0.len() + 2 + row.len();
        if LEAF_BYTES < size {
            return None;
        }
        let len = self.len();
        let (head, starts) = self.0.split_at_checked(2 * (1 + len))?;
        let start = if index < len { self.short(index + 1) } else { self.0.len() };
        let (before, after) = starts.split_at_checked(start - head.len())?;
        let mut leaf: Arc<[u8]> = std::iter::repeat_n(0, size).collect();
        let (new_head, new_rows) = Arc::get_mut(&mut leaf)?.split_at_mut(head.len() + 2);
        let numbers = head.chunks_exact(2).skip(1).map(|start| read_short(start) + 2);
        let moved =
            |(at, start): (usize, usize)| if at < index { start } else { start + row.len() };
        let (first, last) =
            (numbers.clone().take(index), numbers.enumerate().skip(index).map(moved));
        let all = [len + 1].into_iter().chain(first).chain([start + 2]).chain(last);
        for (place, number) in new_head.chunks_exact_mut(2).zip(all) {
            place.copy_from_slice(&short(number));
        }
        let (new_before, rest) = new_rows.split_at_mut(before.len());
        let (new_row, new_after) = rest.split_at_mut(row.len());
        new_before.copy_from_slice(before);
        new_row.copy_from_slice(row);
        new_after.copy_from_slice(after);
        Some(Self(leaf))
    }

    fn short(&self, index: usize) -> usize {
        self.0.get(2 * index..).map_or(0, read_short)
    }

    fn len(&self) -> usize {
        self.short(0)
    }

    fn get(&self, index: usize) -> Bytes<'_> {
        let start = self.short(index + 1);
        let end = if index + 1 < self.len() { self.short(index + 2) } else { self.0.len() };
        Bytes(self.0.get(start..end).unwrap_or_default())
    }

    /// A row with all that follows it, for looking at its beginning.
    fn from(&self, index: usize) -> Bytes<'_> {
        Bytes(self.0.get(self.short(index + 1)..).unwrap_or_default())
    }

    fn slices(&self, range: Range<usize>) -> impl Iterator<Item = &[u8]> {
        range.map(|index| self.get(index).0)
    }
}

/// Divides rows among leaves, evenly, so that there is room for more in each.
fn leaves(rows: &[&[u8]]) -> Vec<Leaf> {
    let size = |row: &[u8]| row.len() + 2;
    let total: usize = rows.iter().map(|row| size(row)).sum();
    let fair = total / total.div_ceil(LEAF_BYTES).max(1);
    let (mut leaves, mut rest) = (Vec::new(), rows);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|row| {
            let before = bytes;
            bytes += size(row);
            before == 0 || before < fair && bytes <= LEAF_BYTES
        });
        let (leaf, after) = rest.split_at(fits.count());
        leaves.push(Leaf::new(leaf));
        rest = after;
    }
    leaves
}

/// A position in a run. It names a row that is there, or the end of the last leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    leaf: usize,
    row: usize,
}

/// The leaves of a run. Most people have one.
#[derive(Clone, Debug)]
enum Leaves {
    None,
    One(Leaf),
    Many(Arc<[Leaf]>),
}

impl Leaves {
    fn as_slice(&self) -> &[Leaf] {
        match self {
            Self::None => &[],
            Self::One(leaf) => std::slice::from_ref(leaf),
            Self::Many(leaves) => leaves,
        }
    }
}

impl FromIterator<Leaf> for Leaves {
    fn from_iter<I: IntoIterator<Item = Leaf>>(leaves: I) -> Self {
        let mut leaves = leaves.into_iter();
        match (leaves.next(), leaves.next()) {
            (None, _) => Self::None,
            (Some(leaf), None) => Self::One(leaf),
            (Some(one), Some(two)) => Self::Many([one, two].into_iter().chain(leaves).collect()),
        }
    }
}

/// Events of any names, each name by its number, oldest first by `(time, tie)`.
///
/// Two runs are equal when their rows are, however they are cut into leaves.
#[derive(Clone, Debug)]
pub struct Run(Leaves);

impl Default for Run {
    fn default() -> Self {
        Self(Leaves::None)
    }
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.slices().eq(other.slices())
    }
}

impl Run {
    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    /// Takes in one event; whether it was not there before.
    pub fn insert(&mut self, number: u32, row: &EventRow) -> bool {
        let bytes = Bytes::write(number, row.as_row());
        let place = Bytes(&bytes).place();
        let at = self.position(|row| row.place() < place);
        if self.get(at).is_some_and(|known| known.place() == place) {
            return false;
        }
        if !self.put(at, &bytes) {
            self.splice(at, at, &[&bytes]);
        }
        true
    }

    /// Removes one event; whether it was there.
    pub fn remove(&mut self, number: u32, time: Timestamp, tie: u64) -> bool {
        let place = (number, time, tie);
        let from = self.position(|row| row.place() < place);
        let is_there = self.get(from).is_some_and(|row| row.place() == place);
        if is_there {
            let to = Position { row: from.row + 1, ..from };
            self.splice(from, to, &[]);
        }
        is_there
    }

    /// Takes in many events, in any order and repeated ones once.
    pub fn extend<'a>(&mut self, rows: impl IntoIterator<Item = (u32, Row<'a>)>) {
        let rows: Vec<_> =
            rows.into_iter().map(|(number, row)| Bytes::write(number, row)).collect();
        let mut all: Vec<&[u8]> = self.slices().chain(rows.iter().map(Vec::as_slice)).collect();
        // Stable, so that of two equal events the one that was there stays.
        all.sort_by_key(|row| Bytes(row).place());
        all.dedup_by_key(|row| Bytes(row).place());
        self.0 = leaves(&all).into_iter().collect();
    }

    /// Keeps the `limit` newest events of a name; whether there were more.
    pub fn keep_newest(&mut self, number: u32, limit: usize) -> bool {
        let span = self.span(number);
        let excess = span.len().saturating_sub(limit);
        let mut to = span.from;
        for _ in 0..excess {
            to = span.after(to);
        }
        if 0 < excess {
            let from = span.from;
            self.splice(from, to, &[]);
        }
        0 < excess
    }

    /// The events of a name.
    pub fn span(&self, number: u32) -> Span<'_> {
        let from = self.position(|row| row.number() < number);
        let to = self.position(|row| row.number() <= number);
        Span { leaves: self.0.as_slice(), from, to }
    }

    /// The numbers of the names of which there are events, ascending.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        let number = |at| self.get(at).map(Bytes::number);
        let next = move |known: &u32| number(self.position(|row| row.number() <= *known));
        std::iter::successors(number(Position::default()), next)
    }

    /// Bytes in memory, beside the run itself.
    pub fn weight(&self) -> usize {
        let list = match &self.0 {
            Leaves::Many(leaves) => weight::shared(size_of_val(&**leaves)),
            Leaves::None | Leaves::One(_) => 0,
        };
        list + self.0.as_slice().iter().map(|leaf| weight::shared(leaf.0.len())).sum::<usize>()
    }

    /// The first row of which `is_before` is false; rows are sorted by it.
    fn position(&self, is_before: impl Fn(Bytes<'_>) -> bool) -> Position {
        let leaves = self.0.as_slice();
        let leaf = leaves.partition_point(|leaf| is_before(leaf.from(leaf.len() - 1)));
        match leaves.get(leaf) {
            None => end(leaves),
            Some(found) => {
                let (mut row, mut to) = (0, found.len());
                while row < to {
                    let middle = row.midpoint(to);
                    if is_before(found.from(middle)) { row = middle + 1 } else { to = middle }
                }
                Position { leaf, row }
            }
        }
    }

    fn get(&self, at: Position) -> Option<Bytes<'_>> {
        let leaf = self.0.as_slice().get(at.leaf)?;
        (at.row < leaf.len()).then(|| leaf.get(at.row))
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.0.as_slice().iter().flat_map(|leaf| leaf.slices(0..leaf.len()))
    }

    /// Puts one row into the leaf at a position, if that leaf is there and has room.
    fn put(&mut self, at: Position, row: &[u8]) -> bool {
        let leaf = self.0.as_slice().get(at.leaf).and_then(|leaf| leaf.with(at.row, row));
        match (leaf, &mut self.0) {
            (Some(leaf), Leaves::One(one)) => *one = leaf,
            (Some(leaf), Leaves::Many(many)) => {
                // The list is shared with copies of the run.
                let mut list: Arc<[Leaf]> = many.iter().cloned().collect();
                let place = Arc::get_mut(&mut list).and_then(|list| list.get_mut(at.leaf));
                let Some(place) = place else { return false };
                *place = leaf;
                *many = list;
            }
            _ => return false,
        }
        true
    }

    /// Puts `new` in the place of the rows from one position up to another.
    fn splice(&mut self, from: Position, to: Position, new: &[&[u8]]) {
        let old = self.0.as_slice();
        let before = old.get(from.leaf).map(|leaf| leaf.slices(0..from.row));
        let after = old.get(to.leaf).map(|leaf| leaf.slices(to.row..leaf.len()));
        let before = before.into_iter().flatten().chain(new.iter().copied());
        let rows: Vec<&[u8]> = before.chain(after.into_iter().flatten()).collect();
        let (kept, rest) = old.split_at(from.leaf.min(old.len()));
        let rest = rest.iter().skip(to.leaf + 1 - from.leaf);
        self.0 = kept.iter().cloned().chain(leaves(&rows)).chain(rest.cloned()).collect();
    }
}

fn end(leaves: &[Leaf]) -> Position {
    leaves
        .last()
        .map_or(Position::default(), |last| Position { leaf: leaves.len() - 1, row: last.len() })
}

/// Consecutive events of one name, oldest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span<'a> {
    leaves: &'a [Leaf],
    from: Position,
    to: Position,
}

impl<'a> Span<'a> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let between = self.leaves.get(self.from.leaf..self.to.leaf).unwrap_or_default();
        between.iter().map(Leaf::len).sum::<usize>() + self.to.row - self.from.row
    }

    /// The oldest.
    pub fn first(&self) -> Option<Row<'a>> {
        self.iter().next()
    }

    /// The newest.
    pub fn last(&self) -> Option<Row<'a>> {
        self.iter().next_back()
    }

    /// Takes the newest off.
    pub fn pop(&mut self) -> Option<Row<'a>> {
        let mut rows = Iter(*self);
        let newest = rows.next_back();
        *self = rows.0;
        newest
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Row<'a>> + use<'a> {
        Iter(*self)
    }

    /// Visits all of them, newest first, until `visit` breaks: quicker than an iterator, for sums
    /// over thousands.
    pub(super) fn each_newest_first(&self, mut visit: impl FnMut(Row<'a>) -> ControlFlow<()>) {
        let Self { leaves, from, to } = *self;
        let held = leaves.iter().enumerate().skip(from.leaf).take(to.leaf + 1 - from.leaf);
        for (place, leaf) in held.rev() {
            let first = if place == from.leaf { from.row } else { 0 };
            let last = if place == to.leaf { to.row } else { leaf.len() };
            let mut end = if last < leaf.len() { leaf.short(last + 1) } else { leaf.0.len() };
            for row in (first..last).rev() {
                let start = leaf.short(row + 1);
                let bytes = Bytes(leaf.0.get(start..end).unwrap_or_default());
                end = start;
                if visit(bytes.row()).is_break() {
                    return;
                }
            }
        }
    }

    /// Those up to an instant, and those after it.
    pub fn split_after(&self, time: Timestamp) -> (Self, Self) {
        let is_before = |row: Bytes<'_>| row.time() <= time;
        let Self { leaves, from, to } = *self;
        // The leaves at both ends may hold events of other names, so their rows are looked at within the span.
        let rows = |leaf: usize| -> Range<usize> {
            let start = if leaf == from.leaf { from.row } else { 0 };
            let end = if leaf == to.leaf { to.row } else { leaves.get(leaf).map_or(0, Leaf::len) };
            start..end
        };
        let (mut leaf, mut last) = (from.leaf, to.leaf);
        while leaf < last {
            let middle = leaf.midpoint(last);
            let newest = leaves.get(middle).map(|of| of.from(rows(middle).end - 1));
            if newest.is_some_and(is_before) { leaf = middle + 1 } else { last = middle }
        }
        let Range { start: mut row, mut end } = rows(leaf);
        while row < end {
            let middle = row.midpoint(end);
            let at = leaves.get(leaf).map(|of| of.from(middle));
            if at.is_some_and(is_before) { row = middle + 1 } else { end = middle }
        }
        let at = Position { leaf, row };
        (Self { to: at, ..*self }, Self { from: at, ..*self })
    }

    /// The position after `at`, which is a row.
    fn after(&self, at: Position) -> Position {
        let row = at.row + 1;
        let is_last = self.leaves.get(at.leaf).is_none_or(|leaf| leaf.len() <= row);
        if is_last && at.leaf + 1 < self.leaves.len() {
            Position { leaf: at.leaf + 1, row: 0 }
        } else {
            Position { row, ..at }
        }
    }
}

/// Goes over a span from both ends.
struct Iter<'a>(Span<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let at = self.0.from;
        if self.0.is_empty() {
            return None;
        }
        self.0.from = self.0.after(at);
        self.0.leaves.get(at.leaf).map(|leaf| leaf.get(at.row).row())
    }
}

impl<'a> DoubleEndedIterator for Iter<'a> {
    fn next_back(&mut self) -> Option<Row<'a>> {
        let Span { leaves, to, .. } = self.0;
        if self.0.is_empty() {
            return None;
        }
        let leaf = if to.row == 0 { to.leaf - 1 } else { to.leaf };
        let found = leaves.get(leaf)?;
        let row = if to.row == 0 { found.len() } else { to.row } - 1;
        self.0.to = Position { leaf, row };
        Some(found.get(row).row())
    }
}
