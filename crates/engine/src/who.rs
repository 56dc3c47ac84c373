//! Who a set of identifiers names, for reading: from identifiers to a decoded person.

use std::{collections::BTreeSet, sync::Arc};

use model::{Identifier, IdentifierType, StrandId, UnitId};
use store::{Reader, Table};

use crate::{
    keys::{self, Hash16, Kind},
    load::{Loader, SharedPerson},
    record::{MetaHead, Unreadable},
    route,
    sealed::{Address, RowError},
    snapshot::Snapshot,
    state::Shared,
};

/// Strands looked at to find the one component that holds an identifier.
const HOLDERS_MAX: usize = 64;

/// Who a request is about.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The head of the person's component.
    pub(crate) head: StrandId,
    /// The identifier that named the person.
    pub(crate) by: Identifier,
}

/// Finds the person: by the strand these very identifiers opened, else by the component that holds
/// one of them, known users first.
pub(crate) fn find(
    shared: &Shared,
    address: &Address,
    identifiers: &[Identifier],
) -> Result<Option<Found>, RowError> {
    if let Some(head) = exact(shared, address)? {
        let by = address.user.as_ref().unwrap_or(&address.routing).clone();
        return Ok(Some(Found { head, by }));
    }
    let mut by_rank: Vec<&Identifier> = identifiers.iter().collect();
    by_rank.sort_by_key(|identifier| rank(&identifier.kind));
    for identifier in by_rank {
        if let Some(head) = holder(shared, identifier)? {
            return Ok(Some(Found { head, by: identifier.clone() }));
        }
    }
    Ok(None)
}

/// The unit of a request: that of its routing identifier.
pub(crate) fn unit(shared: &Shared, identifiers: &[Identifier]) -> Option<UnitId> {
    model::event::routing(identifiers).map(|routing| shared.keys.unit(routing))
}

/// Which identifier names a person best.
fn rank(kind: &IdentifierType) -> u8 {
    match kind {
        IdentifierType::UserId => 0,
        IdentifierType::External(_) => 1,
        IdentifierType::Email => 2,
        IdentifierType::Phone => 3,
        IdentifierType::DeviceId => 4,
        IdentifierType::AnonymousId => 5,
    }
}

/// The head of the component of the strand that these very identifiers opened.
fn exact(shared: &Shared, address: &Address) -> Result<Option<StrandId>, RowError> {
    let caches = &shared.caches;
    if let Some(route) = caches.routes.get(&address.pair) {
        return Ok(Some(route.head));
    }
    if let Some(head) = caches.holders.get(&address.pair) {
        return Ok(Some(head));
    }
    let generation = caches.generations.of(&address.pair);
    let Some(head) = route::head(&*shared.store, address.lane, &address.pair)? else {
        return Ok(None);
    };
    caches.holders.offer(address.pair, head, generation, &caches.generations);
    Ok(Some(head))
}

/// The head of the one component that holds an identifier; `None` when nobody does, or when more
/// than one strand claims it and none of their components was given it.
pub(crate) fn holder(
    shared: &Shared,
    identifier: &Identifier,
) -> Result<Option<StrandId>, RowError> {
    let normalised = identifier.normalised();
    if shared.rules.blocked(&normalised) {
        return Ok(None);
    }
    let hash = shared.keys.identifier(&normalised);
    if let Some(head) = shared.caches.holders.get(&hash) {
        return Ok(Some(head));
    }
    let generation = shared.caches.generations.of(&hash);
    let Some(head) = accepted(&*shared.store, &normalised, &hash)? else { return Ok(None) };
    shared.caches.holders.offer(hash, head, generation, &shared.caches.generations);
    Ok(Some(head))
}

/// The head of the component that was given an identifier: the one of a strand whose link to it was not refused.
fn accepted(
    reader: &dyn Reader,
    normalised: &Identifier,
    hash: &Hash16,
) -> Result<Option<StrandId>, RowError> {
    let lane = route::holder_lane(normalised);
    let mut heads = BTreeSet::new();
    for strand in route::holders(reader, lane, hash, HOLDERS_MAX)? {
        let link = reader.get(Table::Strand, &keys::row(strand, Kind::Link, hash))?;
        if link.is_some_and(|link| link.first() == Some(&0)) {
            heads.insert(head_of(reader, strand)?);
        }
    }
    Ok(if heads.len() == 1 { heads.pop_first() } else { None })
}

/// The head of a strand's component.
pub(crate) fn head_of(reader: &dyn Reader, strand: StrandId) -> Result<StrandId, RowError> {
    let row = reader.get(Table::Strand, &keys::kind(strand, Kind::Meta))?;
    Ok(MetaHead::parse(&row.ok_or(Unreadable("strand"))?)?.head)
}

/// The person with this head, from the cache or the store; and whether the store had to be read.
pub(crate) fn person(
    shared: &Shared,
    snapshot: &Snapshot,
    head: StrandId,
) -> Result<(SharedPerson, bool), RowError> {
    let caches = &shared.caches;
    if let Some(person) = caches.people.get(&head)
        && person.epoch == snapshot.projection.epoch
    {
        return Ok((person, false));
    }
    let generation = caches.generations.of(&head);
    // Several scans must see one instant, or a merge in between would show half of it.
    let frozen = shared.store.snapshot()?;
    let loader = Loader { reader: &*frozen, keys: &shared.keys, snapshot };
    let person = Arc::new(loader.person(head)?);
    caches.people.offer(head, Arc::clone(&person), generation, &caches.generations);
    Ok((person, true))
}
