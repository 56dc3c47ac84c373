//! Erasures in the lake, which hides rows at once and rewrites its files later.

use std::ops::ControlFlow;

use model::{Seq, StrandId, Timestamp};
use store::{Batch, KeyRange, ScanOrder, Table};

use crate::{
    privacy::{
        RequestKind, open,
        rows::{self, StoredForgotten},
    },
    record::{Unreadable, encode},
    sealed::RowError,
    state::Shared,
};

/// The strands of those whose erasure was asked for at a position of the log or later.
pub(crate) fn erased_since(shared: &Shared, seq: Seq) -> Result<Vec<StrandId>, RowError> {
    let mut found = Vec::new();
    // The newest come first.
    let range = KeyRange::new(&rows::REQUESTS, &[rows::REQUESTS[0] + 1]).into_owned();
    shared.store.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, row| {
        match rows::parse_request(key) {
            Some(id) if id < seq => ControlFlow::Break(()),
            id => {
                found.push((id, row.to_vec()));
                ControlFlow::Continue(())
            }
        }
    })?;
    let mut strands = Vec::new();
    for (id, row) in found {
        let record = open(shared, id.ok_or(Unreadable("privacy request"))?, &row)?;
        if record.kind == RequestKind::Erase {
            strands.extend(record.strands.into_iter().map(|(strand, _)| strand));
        }
    }
    Ok(strands)
}

/// Notes that the rows of erased people are hidden.
pub(crate) fn hidden(requests: &[Seq], hidden_at: Timestamp, batch: &mut Batch) {
    note(requests, StoredForgotten::V1 { hidden_at, rewritten_at: None }, batch);
}

/// Notes that no file has rows of them any more.
pub(crate) fn rewritten(
    requests: &[Seq],
    (hidden_at, at): (Timestamp, Timestamp),
    batch: &mut Batch,
) {
    note(requests, StoredForgotten::V1 { hidden_at, rewritten_at: Some(at) }, batch);
}

fn note(requests: &[Seq], forgotten: StoredForgotten, batch: &mut Batch) {
    let row = encode(&forgotten);
    requests.iter().for_each(|id| batch.put(Table::Meta, rows::forgotten(*id), &row));
}
