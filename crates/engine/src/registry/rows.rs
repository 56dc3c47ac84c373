//! How a value of any length becomes rows, and rows become values again.
//!
//! A row holds less than a disk page, a definition can be longer. The chunks of `key` lie at `key ‖
//! index` with one byte of index; the first begins with the length of the whole value (`u32`, big
//! endian), so that a missing chunk shows. Values cut like this are written once and never
//! overwritten.

use std::ops::ControlFlow;

use store::{KeyRange, MAX_VALUE_BYTES, Reader, ScanOrder, StoreError, Table, prefix_range};

/// One write of a commit; `None` deletes.
pub(crate) type Write = (Table, Vec<u8>, Option<Vec<u8>>);

const LENGTH_BYTES: usize = 4;

/// Room for the length in front of a value that [`cut_framed`] takes.
pub(crate) const FRAME: [u8; LENGTH_BYTES] = [0; LENGTH_BYTES];

/// Longest value: what 256 chunks hold.
pub(crate) const MAX_CUT_BYTES: usize = 256 * MAX_VALUE_BYTES - LENGTH_BYTES;

/// A value with the key it was cut under.
pub(crate) type Whole = (Vec<u8>, Vec<u8>);

/// Sees a key and its value, and says whether to go on.
type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// The rows of `value` under `key`.
pub(crate) fn cut(table: Table, key: &[u8], value: &[u8]) -> Result<Vec<Write>, StoreError> {
    cut_framed(table, key, &mut [&FRAME, value].concat())
}

/// As [`cut`], for a value that was written behind a [`FRAME`], whose place the length takes.
pub(crate) fn cut_framed(
    table: Table,
    key: &[u8],
    framed: &mut [u8],
) -> Result<Vec<Write>, StoreError> {
    let bytes = framed.len().saturating_sub(LENGTH_BYTES);
    let too_large =
        || StoreError::ValueTooLarge { table: table.name(), bytes, limit: MAX_CUT_BYTES };
    let frame = framed.first_chunk_mut().filter(|_| bytes <= MAX_CUT_BYTES);
    let length = u32::try_from(bytes).map_err(|_| too_large())?;
    *frame.ok_or_else(too_large)? = length.to_be_bytes();
    let row = |(index, chunk): (u8, &[u8])| {
        let row_key = [key, &[index]].concat();
        (table, row_key, Some(chunk.to_vec()))
    };
    Ok((0..=u8::MAX).zip(framed.chunks(MAX_VALUE_BYTES)).map(row).collect())
}

/// Visits the values under `prefix` in key order, until `visit` breaks.
pub(crate) fn visit(
    reader: &dyn Reader,
    table: Table,
    prefix: &[u8],
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    visit_range(reader, table, prefix_range(prefix), visit)
}

/// Visits the values of `range` in key order, until `visit` breaks. The range begins at a value, not among its chunks.
pub(crate) fn visit_range(
    reader: &dyn Reader,
    table: Table,
    range: KeyRange<'_>,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    let mut assembly = Assembly::default();
    let mut stopped = false;
    let mut damage = None;
    reader.scan(table, range, ScanOrder::Ascending, &mut |row_key, chunk| match assembly
        .add(row_key, chunk)
    {
        Ok(None) => ControlFlow::Continue(()),
        Ok(Some((key, value))) => {
            let flow = visit(&key, &value);
            stopped |= flow.is_break();
            flow
        }
        Err(Incomplete) => {
            damage = Some(());
            ControlFlow::Break(())
        }
    })?;
    let whole = damage.is_none() && (stopped || assembly.is_done());
    if whole { Ok(()) } else { Err(incomplete(table)) }
}

/// The first value under `prefix`.
pub(crate) fn first(
    reader: &dyn Reader,
    table: Table,
    prefix: &[u8],
) -> Result<Option<Whole>, StoreError> {
    let mut found = None;
    visit(reader, table, prefix, &mut |key, value| {
        found = Some((key.to_vec(), value.to_vec()));
        ControlFlow::Break(())
    })?;
    Ok(found)
}

fn incomplete(table: Table) -> StoreError {
    StoreError::Corrupt { what: format!("a value in table `{}` lacks chunks", table.name()) }
}

/// The value that is being put together.
#[derive(Debug, Default)]
struct Assembly {
    key: Vec<u8>,
    framed: Vec<u8>,
    next: usize,
}

/// A chunk is missing.
#[derive(Debug)]
struct Incomplete;

impl Assembly {
    /// Adds the next row; answers with the value once it is whole.
    fn add(&mut self, row_key: &[u8], chunk: &[u8]) -> Result<Option<Whole>, Incomplete> {
        let (&index, key) = row_key.split_last().ok_or(Incomplete)?;
        if index == 0 {
            if !self.is_done() {
                return Err(Incomplete);
            }
            *self = Self { key: key.to_vec(), framed: chunk.to_vec(), next: 1 };
        } else {
            if self.key != key || self.next != usize::from(index) {
                return Err(Incomplete);
            }
            self.framed.extend_from_slice(chunk);
            self.next += 1;
        }
        let (length, value) = self.framed.split_first_chunk::<LENGTH_BYTES>().ok_or(Incomplete)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Incomplete)?;
        if value.len() < length {
            return Ok(None);
        }
        let whole = (value.len() == length).then(|| (key.to_vec(), value.to_vec()));
        *self = Self::default();
        whole.map(Some).ok_or(Incomplete)
    }

    fn is_done(&self) -> bool {
        self.next == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use store::{Batch, Memory, Store};

    use super::*;

    fn committed(writes: Vec<Write>) -> Memory {
        let store = Memory::new();
        let mut batch = Batch::new();
        for (table, key, value) in writes {
            batch.put(table, key, value.unwrap());
        }
        store.commit(batch).unwrap();
        store
    }

    fn read(store: &Memory) -> Result<Vec<Whole>, StoreError> {
        let mut found = Vec::new();
        visit(store, Table::Definition, &[1], &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    proptest! {
        #[test]
        fn values_come_back_whole(lengths in proptest::collection::vec(0_usize..13_000, 0..5)) {
            let values: Vec<Whole> = (0_u8..)
                .zip(lengths)
                .map(|(i, length)| (vec![1, i], vec![i; length]))
                .collect();
            let writes = values.iter().flat_map(|(k, v)| cut(Table::Definition, k, v).unwrap());
            let store = committed(writes.collect());
            prop_assert_eq!(read(&store).unwrap(), values);
        }
    }

    #[test]
    fn a_missing_chunk_is_noticed_wherever_it_is() {
        for missing in 0..3 {
            let mut writes = cut(Table::Definition, &[1, 1], &[7; 11_000]).unwrap();
            assert_eq!(writes.len(), 3);
            writes.remove(missing);
            writes.extend(cut(Table::Definition, &[1, 2], b"next").unwrap());
            assert!(read(&committed(writes)).is_err(), "chunk {missing}");
        }
        let mut last = cut(Table::Definition, &[1, 1], &[7; 5_000]).unwrap();
        last.pop();
        assert!(read(&committed(last)).is_err());
    }

    #[test]
    fn reading_may_stop_early_and_too_long_values_are_refused() {
        let writes = [1, 2].map(|i| cut(Table::Definition, &[1, i], &[i; 9_000]).unwrap()).concat();
        let store = committed(writes);
        let (key, value) = first(&store, Table::Definition, &[1]).unwrap().unwrap();
        assert_eq!((key, value.len()), (vec![1, 1], 9_000));
        assert_eq!(first(&store, Table::Definition, &[2]).unwrap(), None);
        assert!(cut(Table::Definition, &[1], &vec![0; MAX_CUT_BYTES + 1]).is_err());
        assert!(cut(Table::Definition, &[1], &vec![0; MAX_CUT_BYTES]).is_ok());
    }
}
