//! Accounts and their members, as the management API lists them.

use std::ops::ControlFlow;

use model::{Lane, StrandId, Value, id::LANE_COUNT};
use profile::{Account, accounts::Count};
use serde_json::{Map, json};
use store::{KeyRange, ScanOrder, Table, prefix_range};

use super::{name, read, rows};
use crate::{
    definitions::Page,
    keys::{self, Hash16, Kind},
    load::{Loader, Person},
    page::{Pages, Stored},
    people::{members, show},
    sealed::RowError,
    snapshot::Snapshot,
    state::Shared,
    who,
};

/// Most items of a page.
const MAX_PAGE: usize = 1_000;

/// A page of accounts, in the order of their keyed hashes.
pub(crate) fn accounts(
    shared: &Shared,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Value>, RowError> {
    let limit = limit.clamp(1, MAX_PAGE);
    let frozen = shared.store.snapshot()?;
    let pages = Stored { reader: &*frozen, keys: &shared.keys };
    let (mut items, mut last) = (Vec::new(), None);
    let mut next_cursor = None;
    each(&pages, cursor.and_then(parse_name), &mut |name, account| {
        if items.len() == limit {
            next_cursor = last.as_ref().map(shown_name);
            return ControlFlow::Break(());
        }
        items.push(short(&account));
        last = Some(name);
        ControlFlow::Continue(())
    })?;
    Ok(Page { items, next_cursor })
}

/// Visits all accounts after one, by their names.
pub(crate) fn each(
    pages: &dyn Pages,
    after: Option<Hash16>,
    visit: &mut dyn FnMut(Hash16, Account) -> ControlFlow<()>,
) -> Result<(), RowError> {
    let mut from = after.and_then(|after| past(&after)).unwrap_or_default();
    for lane in (0..LANE_COUNT).filter_map(Lane::from_stored) {
        let prefix = keys::accounts(lane);
        if *from < prefix[..] {
            from = prefix.to_vec();
        }
        while let Some(key) = read::first_from(pages.reader(), &from, &prefix)? {
            let Some(name) = keys::parse_account(&key) else { break };
            if let Some(account) = read::account(pages, &name)?
                && visit(name, account).is_break()
            {
                return Ok(());
            }
            match past(&name) {
                Some(next) => from = next,
                None => break,
            }
        }
    }
    Ok(())
}

/// The first key behind the rows of an account.
fn past(name: &Hash16) -> Option<Vec<u8>> {
    prefix_range(&keys::account(name)).to.map(|to| to.into_owned())
}

fn shown_name(name: &Hash16) -> String {
    format!("{:032x}", u128::from_be_bytes(*name))
}

fn parse_name(text: &str) -> Option<Hash16> {
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

fn short(account: &Account) -> Value {
    let known = account.traits.iter().filter(|(_, known)| !known.value.is_null());
    let traits: Map<String, Value> =
        known.map(|(name, known)| (name.to_string(), known.value.clone())).collect();
    json!({ "id": account.id, "members": account.members, "traits": traits })
}

/// One account in full.
pub(crate) fn account(
    shared: &Shared,
    snapshot: &Snapshot,
    id: &str,
) -> Result<Option<Value>, RowError> {
    let Some(account) = who::account(shared, &name(&shared.keys, id))? else { return Ok(None) };
    let known = account.traits.iter().filter(|(_, known)| !known.value.is_null());
    let traits = known.map(|(name, known)| {
        let shown = json!({
            "value": known.value,
            "source": known.origin.source,
            "at": known.origin.order.time,
            "purposes": show::purpose_keys(snapshot, known.origin.purposes),
        });
        (name.to_string(), shown)
    });
    let traits: Map<String, Value> = traits.collect();
    let is_acting = |counted: &profile::accounts::Counted| {
        let audience = snapshot.audiences.get(&counted.audience);
        audience.is_some_and(|audience| audience.version() == counted.version)
    };
    let counts = account.counts.iter().filter(|(counted, _)| is_acting(counted));
    let audiences = counts.map(|(counted, Count { inside, outside })| {
        let unknown = account.members.saturating_sub(*inside).saturating_sub(*outside);
        let shown = json!({"inside": inside, "outside": outside, "unknown": unknown});
        (counted.audience.to_string(), shown)
    });
    let audiences: Map<String, Value> = audiences.collect();
    Ok(Some(json!({
        "id": account.id,
        "members": account.members,
        "traits": traits,
        "audiences": audiences,
    })))
}

/// A page of the people who belong to an account; `None` when there is no such account.
pub(crate) fn members(
    shared: &Shared,
    id: &str,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Option<Page<Value>>, RowError> {
    let limit = limit.clamp(1, MAX_PAGE);
    let account = name(&shared.keys, id);
    let frozen = shared.store.snapshot()?;
    let pages = Stored { reader: &*frozen, keys: &shared.keys };
    if read::account(&pages, &account)?.is_none() {
        return Ok(None);
    }
    let snapshot = shared.registry.snapshot_full();
    let loader = Loader { pages: &pages, snapshot: &snapshot };
    let after = cursor.and_then(|cursor| cursor.parse().ok());
    let (mut items, mut last) = (Vec::new(), None);
    let mut next_cursor = None;
    each_strand(&pages, &account, after.map(|model::ProfileId(strand)| strand), &mut |strand| {
        let Some(person) = told_through(&loader, strand, &account)? else {
            return Ok(ControlFlow::Continue(()));
        };
        let Some(said) = person.profile.records().accounts.get(id).filter(|said| said.is_member)
        else {
            return Ok(ControlFlow::Continue(()));
        };
        if items.len() == limit {
            next_cursor = last.map(|last| model::ProfileId(last).to_string());
            return Ok(ControlFlow::Break(()));
        }
        items.push(json!({
            "profile": person.profile.id(),
            "user_id": members::member(&person, None).user_id,
            "role": said.role.as_ref().map(|role| &role.name),
            "at": said.origin.order.time,
        }));
        last = Some(strand);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Some(Page { items, next_cursor }))
}

/// The person whom a strand belongs to, if no earlier one of theirs tells of the account, so that each is shown once.
fn told_through(
    loader: &Loader<'_>,
    strand: StrandId,
    account: &Hash16,
) -> Result<Option<Person>, RowError> {
    let head = match loader.pages.existing(strand) {
        Ok(page) => page.meta().head,
        // Somebody's damaged rows must not hide everyone else.
        Err(RowError::Unreadable(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(person) = members::somebody(loader, head)? else { return Ok(None) };
    let place = keys::strand(strand);
    for other in person.profile.records().component.unpack().strands {
        if keys::strand(other) < place
            && loader.pages.existing(other)?.get(Kind::Account, account).is_some()
        {
            return Ok(None);
        }
    }
    Ok(Some(person))
}

/// Visits the strands that told of an account, after one.
fn each_strand(
    pages: &dyn Pages,
    account: &Hash16,
    after: Option<StrandId>,
    visit: &mut dyn FnMut(StrandId) -> Result<ControlFlow<()>, RowError>,
) -> Result<(), RowError> {
    let prefix = rows::strands(account);
    let from = match after {
        Some(after) => read::after(rows::strand(account, after)),
        None => prefix.clone(),
    };
    let range = KeyRange { from: from.into(), to: prefix_range(&prefix).to };
    let mut outcome = Ok(());
    pages.reader().scan(Table::Index, range, ScanOrder::Ascending, &mut |key, _| {
        let Some(strand) = keys::parse_strand(&key[prefix.len()..]) else {
            return ControlFlow::Continue(());
        };
        visit(strand).unwrap_or_else(|error| {
            outcome = Err(error);
            ControlFlow::Break(())
        })
    })?;
    outcome
}
