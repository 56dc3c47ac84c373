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
    /// Of an anonymous strand of a shared device, from when on its events are.
    pub(crate) since: Option<Order>,
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
        let since = match page.get(Kind::Since, &[]) {
            Some(row) => Some(keys::parse_order(row).ok_or(Unreadable("turns"))?),
            None => None,
        };
        Ok(Self { strand: page.strand(), head, slot, key, unit, consents, country, since, links })
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
/// Says the same, and that no further strand joins anybody by this identifier: who holds it is full, or it is
/// everybody's.
const CLOSED: u8 = 0x02;

/// The row of an identifier's first holders.
#[derive(Debug, Default)]
struct Holders {
    first: Vec<StrandId>,
    has_others: bool,
    is_closed: bool,
}

impl Holders {
    fn read(reader: &dyn Reader, key: &[u8]) -> Result<Option<Self>, RowError> {
        let row = reader.get(Table::Index, key)?;
        Ok(row.map(|row| Self::parse(&row)).transpose()?)
    }

    fn parse(row: &[u8]) -> Result<Self, Unreadable> {
        let mut strands = row.chunks_exact(keys::STRAND_BYTES);
        let (has_others, is_closed) = match strands.remainder() {
            [] => (false, false),
            [OTHERS] => (true, false),
            [CLOSED] => (true, true),
            _ => return Err(Unreadable("holder")),
        };
        let read = |strand| keys::parse_strand(strand).ok_or(Unreadable("holder"));
        let first = strands.by_ref().map(read).collect::<Result<_, _>>()?;
        Ok(Self { first, has_others, is_closed })
    }

    fn to_row(&self) -> Vec<u8> {
        let mut row: Vec<u8> = self.first.iter().flat_map(|&strand| keys::strand(strand)).collect();
        match (self.has_others, self.is_closed) {
            (_, true) => row.push(CLOSED),
            (true, false) => row.push(OTHERS),
            (false, false) => {}
        }
        row
    }
}

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
    let Some(holders) = Holders::read(reader, &prefix)? else { return Ok(Vec::new()) };
    let mut strands = holders.first;
    if !holders.has_others {
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

/// Remembers that a strand observed an identifier; whether that is closed, so that it joins nobody.
pub(crate) fn hold(
    pending: &mut Pending<'_>,
    lane: model::Lane,
    identifier: &Hash16,
    strand: StrandId,
) -> Result<bool, RowError> {
    let row_key = keys::holders(lane, identifier);
    let mut holders = Holders::read(pending, &row_key)?.unwrap_or_default();
    let is_closed = holders.is_closed;
    if holders.first.contains(&strand) {
        return Ok(is_closed);
    }
    if holders.first.len() < HOLDERS_IN_ROW_MAX && !holders.has_others {
        holders.first.push(strand);
        pending.put(Table::Index, row_key, holders.to_row());
        return Ok(is_closed);
    }
    if !holders.has_others {
        holders.has_others = true;
        pending.put(Table::Index, row_key, holders.to_row());
    }
    pending.put(Table::Index, keys::holder(lane, identifier, strand), Vec::new());
    Ok(is_closed)
}

/// Forgets that a strand observed an identifier.
pub(crate) fn release(
    pending: &mut Pending<'_>,
    lane: model::Lane,
    identifier: &Hash16,
    strand: StrandId,
) -> Result<(), RowError> {
    let row_key = keys::holders(lane, identifier);
    let Some(mut holders) = Holders::read(pending, &row_key)? else { return Ok(()) };
    if holders.has_others {
        pending.delete(Table::Index, keys::holder(lane, identifier, strand));
    }
    holders.first.retain(|held| *held != strand);
    // Who was full may have room now.
    holders.is_closed = false;
    let row = holders.to_row();
    if row.is_empty() {
        pending.delete(Table::Index, row_key);
    } else {
        pending.put(Table::Index, row_key, row);
    }
    Ok(())
}

/// Whether an identifier joins no further strand.
pub(crate) fn is_closed(
    reader: &dyn Reader,
    lane: model::Lane,
    identifier: &Hash16,
) -> Result<bool, RowError> {
    let holders = Holders::read(reader, &keys::holders(lane, identifier))?;
    Ok(holders.is_some_and(|holders| holders.is_closed))
}

/// Sets whether strands that observe an identifier from now on are left out without looking who holds it.
pub(crate) fn close(
    pending: &mut Pending<'_>,
    lane: model::Lane,
    identifier: &Hash16,
    is_closed: bool,
) -> Result<(), RowError> {
    let row_key = keys::holders(lane, identifier);
    let Some(mut holders) = Holders::read(pending, &row_key)? else { return Ok(()) };
    if holders.is_closed != is_closed {
        (holders.has_others, holders.is_closed) = (true, is_closed);
        pending.put(Table::Index, row_key, holders.to_row());
    }
    Ok(())
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
                let is_closed = hold(&mut pending, lane, &hash, held).unwrap();
                assert_eq!(is_closed, count > 4, "what was closed stays closed");
            }
            if count == 4 {
                close(&mut pending, lane, &hash, true).unwrap();
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
        assert!(Holders::parse(&[0; 12]).is_err());
    }
}
