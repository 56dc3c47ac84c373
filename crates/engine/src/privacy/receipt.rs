//! Receipts: what was done for a request, in a form that can be checked later.
//!
//! A receipt carries a keyed hash of the request as it is shown, and the hash of the receipt before it.
//! So nobody without the workspace's key can make one or change one, and none can be left out unseen.

use model::{Seq, Timestamp, Value};
use serde_json::json;
use store::{Reader, Table};

use crate::{
    privacy::{
        RequestKind, id_text,
        rows::{self, Record, StoredForgotten, StoredReceipt},
    },
    record::{Unreadable, decode},
    sealed::RowError,
    state::Shared,
};

/// Names the key that receipts are hashed with.
const CONTEXT: &str = "concierge 2026 privacy receipt";

/// Makes the receipt of a request that is done, and the row that says that it is the last.
pub(crate) fn make(
    shared: &Shared,
    reader: &dyn Reader,
    (id, record): (Seq, &Record),
    done_at: Timestamp,
) -> Result<(StoredReceipt, Vec<u8>), RowError> {
    let (number, previous) = match reader.get(Table::Meta, &rows::LAST_RECEIPT)? {
        None => (0, [0; 32]),
        Some(row) => parse_last(&row)?,
    };
    let mut receipt = StoredReceipt { done_at, number: number + 1, previous, code: [0; 32] };
    receipt.code = code(shared, id, record, &receipt);
    let last = [&receipt.number.to_be_bytes()[..], &receipt.code].concat();
    Ok((receipt, last))
}

fn parse_last(row: &[u8]) -> Result<(u64, [u8; 32]), Unreadable> {
    let unreadable = || Unreadable("receipt");
    let (number, code) = row.split_first_chunk::<8>().ok_or_else(unreadable)?;
    Ok((u64::from_be_bytes(*number), code.try_into().map_err(|_| unreadable())?))
}

/// The keyed hash of all that is shown of a request, but for the hash itself.
fn code(shared: &Shared, id: Seq, record: &Record, receipt: &StoredReceipt) -> [u8; 32] {
    let shown = document(id, record, Some(&parts(receipt)));
    // The members of an object are written in the order of their names.
    let text = shown.to_string();
    *blake3::keyed_hash(&shared.keys.vault.derive(CONTEXT), text.as_bytes()).as_bytes()
}

fn parts(receipt: &StoredReceipt) -> Value {
    let StoredReceipt { done_at, number, previous, .. } = receipt;
    json!({"done_at": done_at, "number": number, "previous": hex(previous)})
}

/// A request as it is shown. Its receipt says whether its hash is right.
pub(crate) fn shown(shared: &Shared, id: Seq, record: &Record) -> Value {
    let receipt = record.receipt.map(|receipt| {
        let mut shown = parts(&receipt);
        shown["code"] = hex(&receipt.code).into();
        shown["verified"] = (code(shared, id, record, &receipt) == receipt.code).into();
        shown
    });
    let mut shown = document(id, record, receipt.as_ref());
    if record.kind == RequestKind::Erase {
        // It goes on after the receipt was made, so it is no part of what that vouches for.
        shown["lake"] = in_lake(shared, id).map_or(Value::Null, |forgotten| {
            let StoredForgotten::V1 { hidden_at, rewritten_at } = forgotten;
            json!({"hidden_at": hidden_at, "rewritten_at": rewritten_at})
        });
    }
    shown
}

/// How far an erasure is in the lake; `None` where there is none, or it has not come there.
fn in_lake(shared: &Shared, id: Seq) -> Option<StoredForgotten> {
    let row = shared.store.get(Table::Meta, &rows::forgotten(id)).ok()??;
    decode(&row, "erasure").ok()
}

fn document(id: Seq, record: &Record, receipt: Option<&Value>) -> Value {
    json!({
        "id": id_text(id),
        "type": record.kind,
        "identifier": {"type": record.identifier_type, "hash": hex(&record.identifier)},
        "reason": record.reason,
        "requested_at": record.at,
        "requested_by": record.actor,
        "state": if record.is_done() { "done" } else { "running" },
        "counts": record.counts,
        "receipt": receipt,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
