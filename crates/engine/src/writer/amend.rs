//! Changing what the log says of single entries.

use std::ops::ControlFlow;

use model::Seq;
use store::{KeyRange, Reader, ScanOrder, Table};

use crate::{
    keys,
    pending::Pending,
    record::{LogEntry, LogRow, Unreadable, decode, encode},
    sealed::RowError,
};

/// Changes the entries at these places, in the rows as `reader` has them.
pub(super) fn log(
    reader: &dyn Reader,
    pending: &mut Pending<'_>,
    mut seqs: Vec<Seq>,
    change: &dyn Fn(Seq, &mut LogEntry),
) -> Result<(), RowError> {
    seqs.sort_unstable();
    let mut rest = &seqs[..];
    while let Some(&seq) = rest.first() {
        let mut found = None;
        let to = keys::log(Seq(seq.0 + 1));
        let range = KeyRange::new(&[], &to);
        reader.scan(Table::Log, range, ScanOrder::Descending, &mut |key, row| {
            found = Some((key.to_vec(), row.to_vec()));
            ControlFlow::Break(())
        })?;
        let (key, row) = found.ok_or(Unreadable("log"))?;
        let first = key[..].try_into().map(u64::from_be_bytes).map_err(|_| Unreadable("log"))?;
        let LogRow::V1 { begins, now, next_slot, mut entries } = decode(&row, "log")?;
        let place = |seq: Seq| usize::try_from(seq.0 - first).ok().filter(|at| *at < entries.len());
        let count = rest.iter().take_while(|seq| place(**seq).is_some()).count();
        for &seq in rest.iter().take(count) {
            let at = usize::try_from(seq.0 - first).ok();
            if let Some(entry) = at.and_then(|at| entries.get_mut(at)) {
                change(seq, entry);
            }
        }
        pending.put(Table::Log, key, encode(&LogRow::V1 { begins, now, next_slot, entries }));
        rest = rest.get(count.max(1)..).unwrap_or_default();
    }
    Ok(())
}
