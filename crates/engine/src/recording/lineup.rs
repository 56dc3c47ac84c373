//! Lineups: the candidates of each placement, stored once and named by every record.
//!
//! A record must be readable after the definitions have changed, so it cannot count on them; and
//! the candidates that lost, with their versions, would be most of it. So they are stored under a
//! hash of what they are, at the latest with the first record that names them.

use std::collections::HashMap;

use decision::Reference;
use model::Key;
use rustc_hash::FxBuildHasher;
use store::{Reader, Table};

use crate::{
    pending::Pending,
    record::{LineupId, StoredLineup, Unreadable, decode, encode},
    registry::rows,
    sealed::RowError,
};

/// First byte of the rows in table `Meta`: `0x45`, id of the lineup, chunk → [`StoredLineup`], cut into rows.
const PREFIX: u8 = 0x45;

/// The lineup of a placement.
#[derive(Debug)]
pub(crate) struct Lineup {
    pub(crate) id: LineupId,
    row: Vec<u8>,
    /// Which candidates' wins are counted for caps.
    pub(crate) capped: Vec<bool>,
}

/// The lineups of all live placements.
#[derive(Debug, Default)]
pub(crate) struct Lineups(HashMap<Key, Lineup, FxBuildHasher>);

impl Lineups {
    /// The lineups of a catalog. One that is too long for its row is left out.
    pub(crate) fn of(catalog: &decision::Catalog) -> Self {
        let lineups = catalog.placements().filter_map(|placement| {
            let candidates: Vec<Reference> =
                catalog.by_placement(&placement.key).cloned().collect();
            let capped = catalog.capped(&placement.key).collect();
            let row = encode(&StoredLineup::V1 { placement: placement.clone(), candidates });
            let id = *blake3::hash(&row).as_bytes().first_chunk()?;
            let fits = row.len() <= rows::MAX_CUT_BYTES;
            fits.then(|| (placement.key.clone(), Lineup { id, row, capped }))
        });
        Self(lineups.collect())
    }

    /// The lineup of a placement.
    pub(crate) fn get(&self, placement: &Key) -> Option<&Lineup> {
        self.0.get(placement)
    }

    /// Writes those that are not stored yet.
    pub(super) fn store(&self, pending: &mut Pending<'_>) -> Result<(), RowError> {
        for lineup in self.0.values() {
            let key = key(&lineup.id);
            let first = [&key[..], &[0]].concat();
            if pending.get(Table::Meta, &first)?.is_none() {
                for (table, key, value) in rows::cut(Table::Meta, &key, &lineup.row)? {
                    pending.put(table, key, value.unwrap_or_default());
                }
            }
        }
        Ok(())
    }
}

/// Reads a lineup that a record names.
pub(super) fn read(reader: &dyn Reader, id: &LineupId) -> Result<StoredLineup, RowError> {
    let found = rows::first(reader, Table::Meta, &key(id))?;
    let (_, row) = found.ok_or(Unreadable("lineup"))?;
    Ok(decode(&row, "lineup")?)
}

fn key(id: &LineupId) -> Vec<u8> {
    [&[PREFIX], &id[..]].concat()
}
