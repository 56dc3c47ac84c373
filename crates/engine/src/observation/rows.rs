//! The counts in table `Meta`: `0x51` for what came in, `0x55` for what became of decisions on pages, then the name of
//! the row, encoded.

use std::ops::ControlFlow;

use decision::health::{self, Health};
use quality::{
    Tally,
    tally::{Change, Row, RowKey},
};
use serde::{Serialize, de::DeserializeOwned};
use store::{Reader, ScanOrder, StoreError, Table};

use crate::record;

/// First byte of the rows of what came in.
const TALLY: u8 = 0x51;
/// First byte of the rows of what became of decisions on pages.
const HEALTH: u8 = 0x55;

/// A row to be written; without a value, one to be removed.
pub(crate) type RowWrite = (Vec<u8>, Option<Vec<u8>>);

/// Rows as they are stored.
pub(super) fn of_tally(changes: Vec<Change>) -> Vec<RowWrite> {
    encode(TALLY, changes)
}

/// Rows as they are stored.
pub(super) fn of_health(changes: Vec<health::Change>) -> Vec<RowWrite> {
    encode(HEALTH, changes)
}

/// Reads the counts of what came in.
pub(super) fn tally(reader: &dyn Reader) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    read(reader, TALLY, |key: RowKey, row: Row| tally.restore(key, row))?;
    Ok(tally)
}

/// Reads the counts of what became of decisions on pages.
pub(super) fn health(reader: &dyn Reader) -> Result<Health, StoreError> {
    let mut health = Health::default();
    read(reader, HEALTH, |key: health::RowKey, row: health::Row| health.restore(key, row))?;
    Ok(health)
}

fn encode<K: Serialize, R: Serialize>(prefix: u8, changes: Vec<(K, Option<R>)>) -> Vec<RowWrite> {
    let name = |key: &K| [&[prefix], &record::encode(key)[..]].concat();
    let write = |(key, row): (K, Option<R>)| (name(&key), row.map(|row| record::encode(&row)));
    changes.into_iter().map(write).collect()
}

/// Reads rows. Those that do not read back are left out: they are counts, and what they count goes on.
fn read<K: DeserializeOwned, R: DeserializeOwned>(
    reader: &dyn Reader,
    prefix: u8,
    mut restore: impl FnMut(K, R),
) -> Result<(), StoreError> {
    let mut unreadable = 0;
    let prefix = [prefix];
    let range = store::prefix_range(&prefix);
    reader.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, value| {
        let key = key.strip_prefix(&prefix).map(|key| record::decode::<K>(key, "count"));
        match (key, record::decode::<R>(value, "count")) {
            (Some(Ok(key)), Ok(row)) => restore(key, row),
            _ => unreadable += 1,
        }
        ControlFlow::Continue(())
    })?;
    if unreadable > 0 {
        tracing::warn!(unreadable, "some counts of what came in do not read back");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fmt::Debug};

    use decision::health::Counts;
    use expect_test::{Expect, expect};
    use model::Timestamp;
    use quality::{Violation, violations::Sample};

    use super::*;

    fn pinned<K, R>(prefix: u8, key: K, row: R, expected: &Expect)
    where
        K: Serialize + DeserializeOwned + PartialEq + Debug + Clone,
        R: Serialize + DeserializeOwned + PartialEq + Debug + Clone,
    {
        let [(key_bytes, Some(row_bytes))] =
            &encode(prefix, vec![(key.clone(), Some(row.clone()))])[..]
        else {
            panic!("one row")
        };
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        expected.assert_eq(&format!("{} {}", hex(key_bytes), hex(row_bytes)));
        assert_eq!(record::decode::<K>(&key_bytes[1..], "count"), Ok(key));
        assert_eq!(record::decode::<R>(row_bytes, "count"), Ok(row));
    }

    #[test]
    fn rows_are_pinned() {
        let source: model::SourceKey = "web".parse().unwrap();
        let (first, last) = (Timestamp(1), Timestamp(2));
        pinned(
            TALLY,
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
            TALLY,
            RowKey::Series(source.clone(), "E".into()),
            Row::SeriesV1 { first, last, total: 3, looked_at: 4 },
            &expect!["5101037765620145 0102040304"],
        );
        pinned(
            TALLY,
            RowKey::Day(source.clone(), "E".into(), 7),
            Row::DayV1 { hours: vec![0, 300] },
            &expect!["51020377656201450e 020200ac02"],
        );
        pinned(
            TALLY,
            RowKey::Property(source.clone(), "E".into(), "properties/p".into()),
            Row::PropertyV1 { present: 1, types: vec![0, 1], first, last },
            &expect!["51030377656201450c70726f706572746965732f70 03010200010204"],
        );
        let sample = Sample { at: last, source, library: "js 1".into() };
        pinned(
            TALLY,
            RowKey::Violation("E".into(), Violation { path: "/p".into(), rule: "type".into() }),
            Row::ViolationV1 { count: 1, first, last, samples: vec![sample] },
            &expect!["51040145022f700474797065 04010204010403776562046a732031"],
        );
        let missing = BTreeMap::from([("#a".to_owned(), 6)]);
        let counts =
            Counts { applied: 1, viewed: 2, late: 3, not_found: 4, overwritten: 5, missing };
        let variants = BTreeMap::from([("b".parse().unwrap(), counts)]);
        pinned(
            HEALTH,
            health::RowKey { experience: "e".parse().unwrap(), hour: 7 },
            health::Row::HourV1 { version: 8, variants },
            &expect!["5501650e 000801016201020304050102236106"],
        );
    }
}
