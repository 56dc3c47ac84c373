//! From the identifiers of a call to the strand they belong to, and to the head of its component.

use std::{ops::ControlFlow, sync::Arc};

use model::{Consents, Identifier, StrandId, Timestamp, UnitId, event::Order};
use store::{Reader, StrandKey, Table};

use crate::{
    keys::{self, Hash16, Kind},
    pending::Pending,
    record::{MetaHead, StoredLink, StoredMeta, Unreadable},
    sealed::{Keys, RowError},
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
    pub(crate) links: Vec<KnownLink>,
}

impl Route {
    /// Approximate bytes in memory.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + 64 + self.links.len() * size_of::<KnownLink>()
    }

    /// The plain head of its meta row.
    pub(crate) fn meta_head(&self) -> MetaHead {
        MetaHead { slot: self.slot, head: self.head, unit: self.unit, consents: self.consents }
    }
}

/// The strand that a (routing identifier, user id) pair opened, if it was ever seen.
pub(crate) fn find(
    reader: &dyn Reader,
    keys: &Keys,
    lane: model::Lane,
    pair: &Hash16,
) -> Result<Option<Route>, RowError> {
    let Some(strand) = strand(reader, lane, pair)? else { return Ok(None) };
    read(reader, keys, strand).map(Some)
}

/// The strand that a pair opened.
pub(crate) fn strand(
    reader: &dyn Reader,
    lane: model::Lane,
    pair: &Hash16,
) -> Result<Option<StrandId>, RowError> {
    let Some(row) = reader.get(Table::Index, &keys::route(lane, pair))? else { return Ok(None) };
    Ok(Some(keys::parse_strand(&row).ok_or(Unreadable("route"))?))
}

/// The head of the component of the strand that a pair opened: two point reads, where [`find`] has to scan.
pub(crate) fn head(
    reader: &dyn Reader,
    lane: model::Lane,
    pair: &Hash16,
) -> Result<Option<StrandId>, RowError> {
    let Some(strand) = strand(reader, lane, pair)? else { return Ok(None) };
    let meta = reader.get(Table::Strand, &keys::kind(strand, Kind::Meta))?;
    Ok(Some(MetaHead::parse(&meta.ok_or(Unreadable("strand"))?)?.head))
}

/// The route of a strand that exists.
pub(crate) fn read(reader: &dyn Reader, keys: &Keys, strand: StrandId) -> Result<Route, RowError> {
    let mut meta = None;
    let mut key: Option<Arc<StrandKey>> = None;
    let mut links = Vec::new();
    let mut failed: Option<RowError> = None;
    let from = keys::kind(strand, Kind::Meta);
    let to = keys::kind(strand, Kind::Trait);
    let range = store::KeyRange::new(&from, &to);
    reader.scan(Table::Strand, range, store::ScanOrder::Ascending, &mut |row_key, row| {
        let read = read_row(keys, row_key, row, &mut meta, &mut key, &mut links);
        match read {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let (Some(meta), Some(key)) = (meta, key) else { return Err(Unreadable("strand").into()) };
    let MetaHead { slot, head, unit, consents } = meta;
    Ok(Route { strand, head, slot, key, unit, consents, links })
}

fn read_row(
    keys: &Keys,
    row_key: &[u8],
    row: &[u8],
    meta: &mut Option<MetaHead>,
    key: &mut Option<Arc<StrandKey>>,
    links: &mut Vec<KnownLink>,
) -> Result<(), RowError> {
    let (_, kind, rest) = keys::parse_row(row_key).ok_or(Unreadable("strand"))?;
    match (kind, &key) {
        (Kind::Meta, _) => {
            let head = MetaHead::parse(row)?;
            *key = Some(Arc::new(keys.vault.key(store::Slot(head.slot))?));
            *meta = Some(head);
        }
        (Kind::Link, Some(key)) => {
            let StoredLink::V1 { order, last, .. } = keys.open(key, row_key, 1, row, "link")?;
            let hash = rest.try_into().map_err(|_| Unreadable("link"))?;
            links.push(KnownLink { hash, order, last });
        }
        _ => return Err(Unreadable("strand").into()),
    }
    Ok(())
}

/// Says in a first holder's row that there are others.
const OTHERS: u8 = 0x01;

/// The strands that observed an identifier, at most about `limit`.
///
/// Nearly every identifier has one holder or none, which is one point read.
pub(crate) fn holders(
    reader: &dyn Reader,
    lane: model::Lane,
    identifier: &Hash16,
    limit: usize,
) -> Result<Vec<StrandId>, RowError> {
    let prefix = keys::holders(lane, identifier);
    let Some(row) = reader.get(Table::Index, &prefix)? else { return Ok(Vec::new()) };
    let (first, has_others) = parse_holder(&row)?;
    let mut strands = vec![first];
    if !has_others {
        return Ok(strands);
    }
    reader.scan(
        Table::Index,
        store::prefix_range(&prefix),
        store::ScanOrder::Ascending,
        &mut |key, _| {
            // The first holder's own row has nothing after the prefix.
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
    let Some(row) = pending.get(Table::Index, &row_key)? else {
        pending.put(Table::Index, row_key, keys::strand(strand));
        return Ok(());
    };
    let (first, has_others) = parse_holder(&row)?;
    if first == strand {
        return Ok(());
    }
    if !has_others {
        pending.put(Table::Index, row_key, [&keys::strand(first)[..], &[OTHERS]].concat());
    }
    pending.put(Table::Index, keys::holder(lane, identifier, strand), Vec::new());
    Ok(())
}

fn parse_holder(row: &[u8]) -> Result<(StrandId, bool), Unreadable> {
    let has_others = match row.get(keys::STRAND_BYTES..) {
        Some([]) => false,
        Some([OTHERS]) => true,
        _ => return Err(Unreadable("holder")),
    };
    let first = row.get(..keys::STRAND_BYTES).and_then(keys::parse_strand);
    let first = first.ok_or(Unreadable("holder"))?;
    Ok((first, has_others))
}

/// Opens the sealed part of a strand's meta row.
pub(crate) fn read_meta(
    reader: &dyn Reader,
    keys: &Keys,
    strand: StrandId,
) -> Result<(MetaHead, Arc<StrandKey>, StoredMeta), RowError> {
    let row_key = keys::kind(strand, Kind::Meta);
    let row = reader.get(Table::Strand, &row_key)?.ok_or(Unreadable("strand"))?;
    let head = MetaHead::parse(&row)?;
    let key = Arc::new(keys.vault.key(store::Slot(head.slot))?);
    let meta = keys.open(&key, &row_key, MetaHead::BYTES, &row, "strand")?;
    Ok((head, key, meta))
}

/// The lane of an identifier's holders: of its normal form, since that is where equal identifiers meet.
pub(crate) fn holder_lane(normalised: &Identifier) -> model::Lane {
    model::hash::lane(normalised)
}
