//! From the identifiers of a call to the strand they belong to, and to the head of its component.

use std::{ops::ControlFlow, sync::Arc};

use model::{Consents, Identifier, StrandId, Timestamp, UnitId, event::Order};
use profile::{Reason, SeenIn};
use store::{Reader, StrandKey, Table};

use crate::{
    keys::{self, Hash16, Kind},
    load,
    page::Page,
    pending::Pending,
    record::{self, MetaHead, StoredLink, Unreadable, decode},
    sealed::RowError,
};

/// An identifier as its strand knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownLink {
    /// keyed hash of the identifier in normal form.
    pub(crate) hash: Hash16,
    /// Canonical position of its earliest observation.
    pub(crate) order: Order,
    /// Its newest observation, to the day.
    pub(crate) last: Timestamp,
    /// Whether one observation was more than a claim.
    pub(crate) trusted: bool,
    /// What was made of it.
    pub(crate) refused: Option<Reason>,
}

/// What the writer and decisions need to know of a strand before they look at its person.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) strand: StrandId,
    pub(crate) head: StrandId,
    pub(crate) slot: u64,
    pub(crate) key: Arc<StrandKey>,
    pub(crate) unit: UnitId,
    /// What the component has said about consent.
    pub(crate) consents: Consents,
    /// Where it was seen last, as far as that matters.
    pub(crate) country: Option<SeenIn>,
    pub(crate) links: Vec<KnownLink>,
}

impl Route {
    /// What its page says in plain.
    pub(crate) fn meta(&self) -> MetaHead {
        MetaHead { slot: self.slot, head: self.head, unit: self.unit, consents: self.consents }
    }

    /// The route of a strand, from its page.
    pub(crate) fn of(page: &Page) -> Result<Self, RowError> {
        let MetaHead { slot, head, unit, consents } = page.meta();
        let mut links = Vec::new();
        for (hash, row) in page.of_kind(Kind::Link) {
            let (StoredLink::V1 { order, last, trusted, .. }, verdict) = parse_link(row)?;
            let hash = hash.try_into().map_err(|_| Unreadable("link"))?;
            let refused = record::refused(verdict)?;
            links.push(KnownLink { hash, order, last, trusted, refused });
        }
        let key = Arc::clone(page.key());
        let country = load::country(page)?;
        Ok(Self { strand: page.strand(), head, slot, key, unit, consents, country, links })
    }
}

/// Reads a link's row: the observation, and the byte of the verdict on it.
pub(crate) fn parse_link(row: &[u8]) -> Result<(StoredLink, u8), Unreadable> {
    let (verdict, link) = row.split_first().ok_or(Unreadable("link"))?;
    Ok((decode(link, "link")?, *verdict))
}

/// The strand that a (routing identifier, user id) pair opened, by its row.
pub(crate) fn strand(
    reader: &dyn Reader,
    lane: model::Lane,
    pair: &Hash16,
) -> Result<Option<StrandId>, RowError> {
    let row = reader.get(Table::Index, &keys::route(lane, pair))?;
    Ok(row.map(|row| parse_strand(&row)).transpose()?)
}

/// Reads the row of a pair.
pub(crate) fn parse_strand(row: &[u8]) -> Result<StrandId, Unreadable> {
    keys::parse_strand(row).ok_or(Unreadable("route"))
}

/// Most strands in the one row that names the holders of an identifier.
const HOLDERS_IN_ROW_MAX: usize = 8;
/// Says at its end that others have rows of their own.
const OTHERS: u8 = 0x01;

/// The strands that observed an identifier, at most about `limit`.
///
/// Nearly every identifier has a few holders or none, which is one point read.
pub(crate) fn holders(
    reader: &dyn Reader,
    lane: model::Lane,
    identifier: &Hash16,
    limit: usize,
) -> Result<Vec<StrandId>, RowError> {
    let prefix = keys::holders(lane, identifier);
    let Some(row) = reader.get(Table::Index, &prefix)? else { return Ok(Vec::new()) };
    let (mut strands, has_others) = parse_holders(&row)?;
    if !has_others {
        return Ok(strands);
    }
    reader.scan(
        Table::Index,
        store::prefix_range(&prefix),
        store::ScanOrder::Ascending,
        &mut |key, _| {
            // The row of the first holders has nothing after the prefix.
            strands.extend(keys::parse_strand(&key[prefix.len()..]));
            if strands.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        },
    )?;
    Ok(strands)
}

/// Remembers that a strand observed an identifier.
pub(crate) fn hold(
    pending: &mut Pending<'_>,
    lane: model::Lane,
    identifier: &Hash16,
    strand: StrandId,
) -> Result<(), RowError> {
    let row_key = keys::holders(lane, identifier);
    let row = pending.get(Table::Index, &row_key)?.unwrap_or_default();
    let (strands, has_others) = parse_holders(&row)?;
    if strands.contains(&strand) {
        return Ok(());
    }
    if strands.len() < HOLDERS_IN_ROW_MAX && !has_others {
        pending.put(Table::Index, row_key, [&row[..], &keys::strand(strand)].concat());
        return Ok(());
    }
    if !has_others {
        pending.put(Table::Index, row_key, [&row[..], &[OTHERS]].concat());
    }
    pending.put(Table::Index, keys::holder(lane, identifier, strand), Vec::new());
    Ok(())
}

/// Forgets that a strand observed an identifier.
pub(crate) fn release(
    pending: &mut Pending<'_>,
    lane: model::Lane,
    identifier: &Hash16,
    strand: StrandId,
) -> Result<(), RowError> {
    let row_key = keys::holders(lane, identifier);
    let Some(row) = pending.get(Table::Index, &row_key)? else { return Ok(()) };
    let (strands, has_others) = parse_holders(&row)?;
    if has_others {
        pending.delete(Table::Index, keys::holder(lane, identifier, strand));
    }
    let mut kept: Vec<u8> =
        strands.into_iter().filter(|held| *held != strand).flat_map(keys::strand).collect();
    if has_others {
        kept.push(OTHERS);
    }
    if kept.is_empty() {
        pending.delete(Table::Index, row_key);
    } else {
        pending.put(Table::Index, row_key, kept);
    }
    Ok(())
}

/// Reads the row of the first holders: who they are, and whether there are others.
fn parse_holders(row: &[u8]) -> Result<(Vec<StrandId>, bool), Unreadable> {
    let mut strands = row.chunks_exact(keys::STRAND_BYTES);
    let has_others = match strands.remainder() {
        [] => false,
        [OTHERS] => true,
        _ => return Err(Unreadable("holder")),
    };
    let read = |strand| keys::parse_strand(strand).ok_or(Unreadable("holder"));
    Ok((strands.by_ref().map(read).collect::<Result<_, _>>()?, has_others))
}

/// The lane of an identifier's holders: of its normal form, since that is where equal identifiers meet.
pub(crate) fn holder_lane(normalised: &Identifier) -> model::Lane {
    model::hash::lane(normalised)
}

#[cfg(test)]
mod tests {
    use model::{Lane, Seq};
    use store::{Memory, Store, Vault};

    use super::*;
    use crate::{pending::KnownPages, sealed::Keys, writer::flight::Above};

    #[test]
    fn every_strand_that_holds_an_identifier_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys { vault: Vault::open(directory.path(), 0).unwrap() };
        let known = KnownPages::new(0, |page| page.weight());
        let store = Memory::default();
        let (lane, hash, other) = (Lane::from_hash(5), [7; 16], [8; 16]);
        let strand = |n| StrandId { born: Seq(n), lane: Lane::from_hash(n * 37) };
        for count in 0..=HOLDERS_IN_ROW_MAX as u64 + 3 {
            let found = holders(&store, lane, &hash, 64).unwrap();
            let expected: Vec<_> = (0..count).map(strand).collect();
            assert_eq!(
                found.iter().collect::<std::collections::BTreeSet<_>>(),
                expected.iter().collect()
            );
            assert_eq!(found.len(), expected.len(), "none is named twice");
            assert!(count < 3 || holders(&store, lane, &hash, 2).unwrap().len() >= 2);
            let above = Above { flight: None, store: &store };
            let mut pending = Pending::over(above, &keys, &known, Seq(u64::MAX));
            for held in [strand(count), strand(0), strand(count)] {
                hold(&mut pending, lane, &hash, held).unwrap();
            }
            let mut batch = store::Batch::new();
            pending.take().0.add_to(&mut batch);
            store.commit(batch).unwrap();
        }
        assert_eq!(holders(&store, lane, &other, 64).unwrap(), []);
        let mut left: std::collections::BTreeSet<_> =
            (0..=HOLDERS_IN_ROW_MAX as u64 + 3).map(strand).collect();
        for gone in [3, 11, 0, 9, 1, 2, 4, 5, 6, 7, 8, 10] {
            let above = Above { flight: None, store: &store };
            let mut pending = Pending::over(above, &keys, &known, Seq(u64::MAX));
            release(&mut pending, lane, &hash, strand(gone)).unwrap();
            let mut batch = store::Batch::new();
            pending.take().0.add_to(&mut batch);
            store.commit(batch).unwrap();
            left.remove(&strand(gone));
            let found = holders(&store, lane, &hash, 64).unwrap();
            assert_eq!(found.into_iter().collect::<std::collections::BTreeSet<_>>(), left);
        }
        assert!(parse_holders(&[0; 12]).is_err());
    }
}
