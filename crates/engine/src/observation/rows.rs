//! The counts in table `Meta`: `0x51`, then the name of the row, encoded.

use std::ops::ControlFlow;

use quality::{
    Tally,
    tally::{Change, Row, RowKey},
};
use store::{Reader, ScanOrder, StoreError, Table};

use crate::record;

/// First byte of the rows.
const PREFIX: u8 = 0x51;

/// A row to be written; without a value, one to be removed.
pub(crate) type RowWrite = (Vec<u8>, Option<Vec<u8>>);

/// Rows as they are stored.
pub(super) fn encode(changes: Vec<Change>) -> Vec<RowWrite> {
    let write = |(key, row): Change| (row_key(&key), row.map(|row| record::encode(&row)));
    changes.into_iter().map(write).collect()
}

fn row_key(key: &RowKey) -> Vec<u8> {
    let mut bytes = vec![PREFIX];
    bytes.extend(record::encode(key));
    bytes
}

/// Reads the counts. Rows that do not read back are left out: they are counts, and what they count goes on.
pub(super) fn read(reader: &dyn Reader) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    let mut unreadable = 0;
    let range = store::prefix_range(&[PREFIX]);
    reader.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, value| {
        let key = key.strip_prefix(&[PREFIX]).map(|key| record::decode::<RowKey>(key, "count"));
        match (key, record::decode::<Row>(value, "count")) {
            (Some(Ok(key)), Ok(row)) => tally.restore(key, row),
            _ => unreadable += 1,
        }
        ControlFlow::Continue(())
    })?;
    if unreadable > 0 {
        tracing::warn!(unreadable, "some counts of what came in do not read back");
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use model::Timestamp;
    use quality::{Violation, violations::Sample};

    use super::*;

    fn pinned(key: RowKey, row: Row, expected: &Expect) {
        let [(key_bytes, Some(row_bytes))] = &encode(vec![(key.clone(), Some(row.clone()))])[..]
        else {
            panic!("one row")
        };
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        expected.assert_eq(&format!("{} {}", hex(key_bytes), hex(row_bytes)));
        assert_eq!(record::decode::<RowKey>(&key_bytes[1..], "count"), Ok(key));
        assert_eq!(record::decode::<Row>(row_bytes, "count"), Ok(row));
    }

    #[test]
    fn rows_are_pinned() {
        let source: model::SourceKey = "web".parse().unwrap();
        let (first, last) = (Timestamp(1), Timestamp(2));
        pinned(
            RowKey::SourceDay(source.clone(), 7),
            Row::SourceDayV1 {
                verdicts: vec![1, 2],
                marks: vec![5],
                lateness: vec![3],
                skew: vec![4],
            },
            &expect!["5100037765620e 00020102010501030104"],
        );
        pinned(
            RowKey::Series(source.clone(), "E".into()),
            Row::SeriesV1 { first, last, total: 3, looked_at: 4 },
            &expect!["5101037765620145 0102040304"],
        );
        pinned(
            RowKey::Day(source.clone(), "E".into(), 7),
            Row::DayV1 { hours: vec![0, 300] },
            &expect!["51020377656201450e 020200ac02"],
        );
        pinned(
            RowKey::Property(source.clone(), "E".into(), "properties/p".into()),
            Row::PropertyV1 { present: 1, types: vec![0, 1], first, last },
            &expect!["51030377656201450c70726f706572746965732f70 03010200010204"],
        );
        let sample = Sample { at: last, source, library: "js 1".into() };
        pinned(
            RowKey::Violation("E".into(), Violation { path: "/p".into(), rule: "type".into() }),
            Row::ViolationV1 { count: 1, first, last, samples: vec![sample] },
            &expect!["51040145022f700474797065 04010204010403776562046a732031"],
        );
    }
}
