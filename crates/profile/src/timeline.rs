//! What a person did: the newest events of each name, in canonical order.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

use model::{
    Purpose,
    condition::{EventName, EventRow, Layout, Row, Rows, Run, Span},
    event::Order,
    weight,
};

/// Most events of one name that are held decoded. The rows on disk stay for their retention.
pub const MAX_ROWS: usize = 1_000;

/// A person's events by name: for each name the [`MAX_ROWS`] newest by canonical order.
///
/// Taking in rows is commutative, associative and idempotent. How many names there are is bounded
/// by whoever inserts: only events that live definitions read are decoded. All rows of a timeline
/// are of one layout, which the first of them brings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// What the rows keep of events. Shared by all people that were decoded with it.
    layout: Arc<Layout>,
    rows: Run,
    /// The numbers of the names of which older rows exist than those that are held, sorted.
    overflow: Box<[u32]>,
}

impl Timeline {
    /// Takes in one event, late ones at their place. The same event (by time and tie) is taken in
    /// once. `number` is that of its name in `layout`.
    pub fn insert(&mut self, layout: &Arc<Layout>, number: u32, row: &EventRow) {
        self.adopt(layout);
        if self.rows.insert(number, row) {
            self.keep_newest(number);
        }
    }

    /// Takes an event out again, the one at this position of those with the name of this number.
    pub fn remove(&mut self, number: u32, order: Order) {
        self.rows.remove(number, order.time, order.tie);
    }

    /// Takes in many events, each with the number of its name in `layout`.
    pub fn extend(&mut self, layout: &Arc<Layout>, rows: &[(u32, EventRow)]) {
        if rows.is_empty() {
            return;
        }
        self.adopt(layout);
        self.take(rows.iter().map(|(number, row)| (*number, row.as_row())));
    }

    /// Notes that older events of a name exist than those that are held.
    pub fn mark_overflow(&mut self, layout: &Arc<Layout>, number: u32) {
        self.adopt(layout);
        if let Err(place) = self.overflow.binary_search(&number) {
            let mut numbers = std::mem::take(&mut self.overflow).into_vec();
            numbers.insert(place, number);
            self.overflow = numbers.into();
        }
    }

    /// Takes in the events of another part of the component.
    pub fn merge(&mut self, other: &Self) {
        if other.rows.is_empty() && other.overflow.is_empty() {
            return;
        }
        for number in &other.overflow {
            self.mark_overflow(&other.layout, *number);
        }
        self.adopt(&other.layout);
        let of = |number| other.rows.span(number).iter().map(move |row| (number, row));
        self.take(other.rows.numbers().flat_map(of));
    }

    fn adopt(&mut self, layout: &Arc<Layout>) {
        if self.rows.is_empty() && self.overflow.is_empty() {
            self.layout = Arc::clone(layout);
        }
        debug_assert!(self.layout == *layout, "rows of one person are decoded with one layout");
    }

    fn take<'a>(&mut self, rows: impl IntoIterator<Item = (u32, Row<'a>)>) {
        self.rows.extend(rows);
        let numbers: Vec<u32> = self.rows.numbers().collect();
        numbers.into_iter().for_each(|number| self.keep_newest(number));
    }

    fn keep_newest(&mut self, number: u32) {
        if self.rows.keep_newest(number, MAX_ROWS) {
            let layout = Arc::clone(&self.layout);
            self.mark_overflow(&layout, number);
        }
    }

    /// The events of a name as they are read for a purpose.
    pub fn rows(&self, name: &EventName, purpose: Purpose) -> Rows<'_> {
        let Some(number) = self.layout.number(name) else { return Rows::none(purpose) };
        Rows {
            rows: self.rows.span(number),
            paths: self.layout.paths(number),
            purpose,
            overflow: self.overflow.binary_search(&number).is_ok(),
        }
    }

    /// The names of which events are held.
    pub fn names(&self) -> impl Iterator<Item = &EventName> {
        self.rows.numbers().filter_map(|number| self.layout.name(number))
    }

    /// All events that are held, newest first over all names.
    pub fn newest_first(&self) -> impl Iterator<Item = (&EventName, Row<'_>)> {
        // The newest unread row of each name; the heap gives the newest of those.
        let head = |name, rows: &Span<'_>| rows.last().map(|row| (row.time, row.tie, name));
        let mut unread: BTreeMap<&EventName, Span<'_>> =
            self.names().map(|name| (name, self.rows(name, Purpose::SERVICE).rows)).collect();
        let mut heap: BinaryHeap<_> =
            unread.iter().filter_map(|(name, rows)| head(*name, rows)).collect();
        std::iter::from_fn(move || {
            let (_, _, name) = heap.pop()?;
            let rows = unread.get_mut(name)?;
            let row = rows.pop()?;
            heap.extend(head(name, rows));
            Some((name, row))
        })
    }

    /// Bytes in memory, beside the timeline itself.
    pub(crate) fn weight(&self) -> usize {
        self.rows.weight() + weight::block(size_of_val(&*self.overflow))
    }
}
