//! Who a set of identifiers names, for reading: from identifiers to a decoded person.

use std::{collections::BTreeSet, sync::Arc};

use model::{Identifier, IdentifierType, StrandId, UnitId};
use profile::{Account, Profile};
use store::{Reader, Table};

use crate::{
    accounts,
    keys::{self, Hash16, Kind},
    load::{Loader, Person, SharedPerson},
    page::{Page, Pages},
    record::Unreadable,
    route,
    sealed::{Address, Keys, RowError},
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
    if let Some(strand) = strand(shared, address)? {
        let by = address.user.as_ref().unwrap_or(&address.routing).clone();
        return Ok(Some(Found { head: head(shared, strand)?, by }));
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

/// The strand that these very identifiers opened.
pub(crate) fn strand(shared: &Shared, address: &Address) -> Result<Option<StrandId>, RowError> {
    shared.caches.pairs.find_or_read(&*shared.store, address.lane, &address.pair)
}

/// The head of a strand's component.
fn head(shared: &Shared, strand: StrandId) -> Result<StrandId, RowError> {
    // Who is in memory is there under their head, and leaves when it is one no more.
    if shared.caches.people.contains(&strand) {
        return Ok(strand);
    }
    Ok(existing(shared, strand)?.meta().head)
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
    let Some(head) = accepted(shared, &normalised, &hash)? else { return Ok(None) };
    shared.caches.holders.offer(hash, head, generation, &shared.caches.generations);
    Ok(Some(head))
}

/// The head of the component that was given an identifier: the one of a strand whose link to it was not refused.
fn accepted(
    shared: &Shared,
    normalised: &Identifier,
    hash: &Hash16,
) -> Result<Option<StrandId>, RowError> {
    let lane = route::holder_lane(normalised);
    let mut heads = BTreeSet::new();
    for strand in route::holders(&*shared.store, lane, hash, HOLDERS_MAX)? {
        let page = existing(shared, strand)?;
        if page.get(Kind::Link, hash).is_some_and(|link| link.first() == Some(&0)) {
            heads.insert(page.meta().head);
        }
    }
    Ok(if heads.len() == 1 { heads.pop_first() } else { None })
}

/// The page of a strand that must exist.
pub(crate) fn existing(shared: &Shared, strand: StrandId) -> Result<Arc<Page>, RowError> {
    Ok(page(shared, strand)?.ok_or(Unreadable("strand"))?)
}

/// A strand's page, from the cache or the store.
pub(crate) fn page(shared: &Shared, strand: StrandId) -> Result<Option<Arc<Page>>, RowError> {
    let caches = &shared.caches;
    if let Some(page) = caches.pages.get(&strand) {
        return Ok(Some(page));
    }
    let generation = caches.generations.of(&strand);
    let Some(row) = shared.store.get(Table::Strand, &keys::strand(strand))? else {
        return Ok(None);
    };
    let mut page = Page::open(&shared.keys, strand, &row)?;
    if page.has_leaves() {
        // Page and leaves must be of one instant.
        let frozen = shared.store.snapshot()?;
        page = Page::read(&*frozen, &shared.keys, strand)?.ok_or(Unreadable("strand"))?;
    }
    let page = Arc::new(page);
    caches.pages.offer(strand, Arc::clone(&page), generation, &caches.generations);
    Ok(Some(page))
}

/// The person with this head, from the cache or the store; and whether the store had to be read.
pub(crate) fn person(
    shared: &Shared,
    snapshot: &Snapshot,
    head: StrandId,
) -> Result<(SharedPerson, bool), RowError> {
    let caches = &shared.caches;
    if let Some(person) = caches.people.get(&head)
        && person.epoch == snapshot.epoch()
    {
        return Ok((person, false));
    }
    let generation = caches.generations.of(&head);
    let person = Arc::new(read(shared, snapshot, head)?);
    caches.people.offer(head, Arc::clone(&person), generation, &caches.generations);
    Ok((person, true))
}

/// The accounts that a person belongs to. Nothing is looked up for somebody who belongs to none.
pub(crate) fn accounts(shared: &Shared, profile: &Profile) -> Result<Vec<Arc<Account>>, RowError> {
    let mut found = Vec::new();
    for said in profile.records().accounts.iter().filter(|said| said.is_member) {
        found.extend(account(shared, &accounts::name(&shared.keys, &said.account))?);
    }
    Ok(found)
}

/// An account, from the cache or the store.
pub(crate) fn account(shared: &Shared, name: &Hash16) -> Result<Option<Arc<Account>>, RowError> {
    let caches = &shared.caches;
    if let Some(account) = caches.accounts.get(name) {
        return Ok(Some(account));
    }
    let generation = caches.generations.of(name);
    let Some(account) = accounts::account(&Latest(shared), name)? else { return Ok(None) };
    let account = Arc::new(account);
    caches.accounts.offer(*name, Arc::clone(&account), generation, &caches.generations);
    Ok(Some(account))
}

/// Reads a person from the pages of their strands, each as it was last published or stored.
fn read(shared: &Shared, snapshot: &Snapshot, head: StrandId) -> Result<Person, RowError> {
    Loader { pages: &Latest(shared), snapshot }.person(head)
}

/// The newest pages that readers may see.
struct Latest<'a>(&'a Shared);

impl Pages for Latest<'_> {
    fn reader(&self) -> &dyn Reader {
        &*self.0.store
    }

    fn keys(&self) -> &Keys {
        &self.0.keys
    }

    fn page(&self, strand: StrandId) -> Result<Option<Arc<Page>>, RowError> {
        page(self.0, strand)
    }
}
