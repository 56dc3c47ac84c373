//! From rows to an account.

use std::{ops::ControlFlow, sync::Arc};

use model::StrandId;
use profile::{
    Account,
    accounts::{Count, Counted},
};
use store::{KeyRange, Reader, ScanOrder, StoreError, Table, VaultError, prefix_range};

use super::{record, rows};
use crate::{
    keys::{self, Hash16, Kind},
    load,
    page::{Page, Pages},
    record::Unreadable,
    sealed::RowError,
};

/// An account by its name; `None` when no strand tells of it.
pub(crate) fn account(pages: &dyn Pages, name: &Hash16) -> Result<Option<Account>, RowError> {
    let Some(id) = id(pages, name)? else { return Ok(None) };
    let mut account = Account::new(&id);
    take_traits(pages, name, &mut account)?;
    if let Some(row) = pages.reader().get(Table::Index, &rows::members(name))? {
        account.members = number(&row)?;
    }
    let prefix = rows::counts(name);
    let mut is_sound = true;
    let mut take = |key: &[u8], row: &[u8]| {
        match (rows::parse_count(&key[prefix.len()..]), count(row)) {
            (Some(counted), Ok(count)) => drop(account.counts.insert(counted, count)),
            _ => is_sound = false,
        }
        ControlFlow::Continue(())
    };
    pages.reader().scan(Table::Index, prefix_range(&prefix), ScanOrder::Ascending, &mut take)?;
    if is_sound { Ok(Some(account)) } else { Err(Unreadable("account").into()) }
}

/// Its id, as the first strand that reads back was told it.
fn id(pages: &dyn Pages, name: &Hash16) -> Result<Option<compact_str::CompactString>, RowError> {
    let prefix = rows::strands(name);
    let mut from = prefix.clone();
    while let Some(key) = first_from(pages.reader(), &from, &prefix)? {
        let strand = keys::parse_strand(&key[prefix.len()..]).ok_or(Unreadable("account"))?;
        if let Some(page) = readable(pages, strand)?
            && let Some(row) = page.get(Kind::Account, name)
        {
            return Ok(Some(record::belonging(row)?.account));
        }
        from = after(key);
    }
    Ok(None)
}

/// Takes in the newest word on each trait: a look-up of a row for each, and of the page of whoever said it.
fn take_traits(pages: &dyn Pages, name: &Hash16, account: &mut Account) -> Result<(), RowError> {
    let prefix = rows::traits(name);
    let mut from = prefix.clone();
    while let Some(key) = first_from(pages.reader(), &from, &prefix)? {
        let word = rows::parse_word(&key[prefix.len()..]).ok_or(Unreadable("account"))?;
        let (trait_name, strand) = word;
        let page = readable(pages, strand)?;
        let row_name = [&name[..], &trait_name].concat();
        let row = page.as_ref().and_then(|page| page.get(Kind::AccountTrait, &row_name));
        let Some(row) = row else {
            // Whoever said it does not read back; the next newest counts.
            from = after(key);
            continue;
        };
        let (own, value) = load::trait_row(row)?;
        account.traits.take(own, value);
        // Past all other words on this trait.
        match u64::from_be_bytes(trait_name).checked_add(1) {
            Some(next) => from = [&prefix[..], &next.to_be_bytes()].concat(),
            None => break,
        }
    }
    Ok(())
}

/// A strand's page, unless it is gone, damaged or without a key.
fn readable(pages: &dyn Pages, strand: StrandId) -> Result<Option<Arc<Page>>, RowError> {
    match pages.page(strand) {
        Err(RowError::Unreadable(_) | RowError::Vault(VaultError::Erased { .. })) => Ok(None),
        result => result,
    }
}

/// The first key at or after `from` that begins with `prefix`.
pub(super) fn first_from(
    reader: &dyn Reader,
    from: &[u8],
    prefix: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut found = None;
    let range = KeyRange { from: from.into(), to: prefix_range(prefix).to };
    reader.scan(Table::Index, range, ScanOrder::Ascending, &mut |key, _| {
        found = Some(key.to_vec());
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// The least key after this one.
pub(super) fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

fn number(row: &[u8]) -> Result<u32, Unreadable> {
    row.try_into().map(u32::from_be_bytes).map_err(|_| Unreadable("account"))
}

fn count(row: &[u8]) -> Result<Count, Unreadable> {
    let (inside, outside) = row.split_first_chunk::<4>().ok_or(Unreadable("account"))?;
    Ok(Count { inside: u32::from_be_bytes(*inside), outside: number(outside)? })
}

/// A count as a row.
pub(super) fn count_row(Count { inside, outside }: Count) -> Vec<u8> {
    [inside.to_be_bytes(), outside.to_be_bytes()].concat()
}

/// The audience of a count, where it is not empty.
pub(super) fn told<'a>(account: Option<&'a Account>, counted: &Counted) -> Option<&'a Count> {
    let count = account?.counts.get(counted)?;
    Some(count).filter(|count| **count != Count::default())
}
