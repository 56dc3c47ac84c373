//! Accounts while a batch is folded: what events say of them, and what that changes for their members.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use audience::{Catalog, Change};
use compact_str::CompactString;
use model::{Event, PurposeSet, StrandId, event::Order};
use profile::{
    Account, Belonging, Belongings, Origin, Profile, TraitValue, Traits,
    accounts::{Count, Counted, Role},
};
use rustc_hash::FxBuildHasher;
use store::Table;

use super::{
    Changed, CountedIn, SharedAccount, count, name,
    read::{self, count_row, told},
    record::{self, StoredBelonging},
    rows,
    said::{self, Said},
};
use crate::{
    fold::Fold,
    keys::{self, Hash16, Kind},
    load::{self, Person},
    page::Page,
    record::{Unreadable, encode},
    sealed::RowError,
};

/// The accounts that a batch has looked at.
#[derive(Debug, Default)]
pub(crate) struct Accounts(HashMap<Hash16, Known, FxBuildHasher>);

/// An account as the batch found it, and as it is now.
#[derive(Debug)]
struct Known {
    before: SharedAccount,
    now: SharedAccount,
}

impl Accounts {
    /// Those that differ from what they were before the batch.
    pub(crate) fn changed(&mut self) -> Changed {
        let known = std::mem::take(&mut self.0).into_iter();
        known.filter(|(_, known)| known.before != known.now).map(|(n, k)| (n, k.now)).collect()
    }
}

impl Fold<'_> {
    /// Takes in what an event says of an account; returns what that tells of the person.
    pub(crate) fn state_account(
        &mut self,
        strand: StrandId,
        event: &Event,
        (order, purposes): (Order, PurposeSet),
    ) -> Result<Option<Belonging>, RowError> {
        let Some(said) = said::of(event, self.ground.rules) else { return Ok(None) };
        // Who must prove who they are must not tell without proof where they belong.
        if !self.is_trusted(event) {
            return Ok(None);
        }
        let origin = Origin { order, source: event.source.clone(), purposes };
        let Said { account: id, is_member, role, traits } = said;
        let role = role.map(|name| Role { name, origin: origin.clone() });
        let belonging = Belonging { account: id.clone(), is_member, origin: origin.clone(), role };
        let account_name = name(self.ground.keys, &id);
        // It must be known before what is said is among the rows.
        let account = self.account(&account_name)?.unwrap_or_else(|| Arc::new(Account::new(&id)));
        if !self.keep_belonging(strand, belonging.clone())? {
            return Ok(None);
        }
        self.set_account(&account_name, Some(account));
        if !traits.is_empty() {
            self.keep_words(strand, (&account_name, &id), &traits, &origin)?;
        }
        Ok(Some(belonging))
    }

    /// Keeps that the person belongs to an account, or does no more; whether there was room.
    fn keep_belonging(&mut self, strand: StrandId, said: Belonging) -> Result<bool, RowError> {
        let page = self.pending.page_mut(strand)?;
        let mut belongings = Belongings::default();
        for (_, row) in page.of_kind(Kind::Account) {
            belongings.take(record::belonging(row)?);
        }
        let id = said.account.clone();
        let dropped = belongings.take(said);
        let account_name = name(self.ground.keys, &id);
        if let Some(dropped) = &dropped
            && dropped.account != id
        {
            let gone = name(self.ground.keys, &dropped.account);
            self.drop_account(strand, &gone)?;
        }
        let Some(kept) = belongings.get(&id).cloned() else { return Ok(false) };
        let row = encode(&StoredBelonging::from(kept));
        self.pending.page_mut(strand)?.put(Kind::Account, &account_name, &row);
        self.pending.put(Table::Index, rows::strand(&account_name, strand), Vec::new());
        Ok(true)
    }

    /// Keeps what was said of the account itself.
    fn keep_words(
        &mut self,
        strand: StrandId,
        (account_name, id): (&Hash16, &str),
        traits: &model::value::Object,
        origin: &Origin,
    ) -> Result<(), RowError> {
        let page = self.pending.page_mut(strand)?;
        let mut own = Traits::default();
        let mut before: BTreeMap<CompactString, Order> = BTreeMap::new();
        for (row_name, row) in page.of_kind(Kind::AccountTrait) {
            if row_name.starts_with(account_name) {
                let (trait_name, value) = load::trait_row(row)?;
                before.insert(trait_name.clone(), value.origin.order);
                own.take(trait_name, value);
            }
        }
        own.observe(traits, &origin.source, origin.order, origin.purposes);
        let is_new = |(trait_name, value): &(&CompactString, &TraitValue)| {
            value.origin.order == origin.order && before.get(*trait_name) != Some(&origin.order)
        };
        let new: Vec<_> =
            own.iter().filter(is_new).map(|(n, value)| (n.clone(), value.clone())).collect();
        let dropped: Vec<_> =
            before.keys().filter(|known| own.get(known).is_none()).cloned().collect();
        let row_name =
            |trait_name: &str| [&account_name[..], &keys::trait_name(trait_name)].concat();
        for (trait_name, value) in &new {
            let row = encode(&load::stored_trait(trait_name, value));
            page.put(Kind::AccountTrait, &row_name(trait_name), &row);
        }
        dropped.iter().for_each(|known| page.delete(Kind::AccountTrait, &row_name(known)));
        let mut account = self.account(account_name)?.unwrap_or_else(|| Arc::new(Account::new(id)));
        for (trait_name, value) in new {
            if let Some(older) = before.get(&trait_name) {
                let word = rows::word(account_name, &trait_name, *older, strand);
                self.pending.delete(Table::Index, word);
            }
            let word = rows::word(account_name, &trait_name, origin.order, strand);
            self.pending.put(Table::Index, word, Vec::new());
            Arc::make_mut(&mut account).traits.take(trait_name, value);
        }
        self.set_account(account_name, Some(account));
        for known in &dropped {
            let word = rows::word(account_name, known, before[known], strand);
            self.pending.delete(Table::Index, word);
        }
        if !dropped.is_empty() {
            self.read_account_anew(account_name)?;
        }
        Ok(())
    }

    /// Forgets all that a strand was told of an account.
    fn drop_account(&mut self, strand: StrandId, account_name: &Hash16) -> Result<(), RowError> {
        self.account(account_name)?;
        let page = self.pending.page_mut(strand)?;
        let mut words = Vec::new();
        for (row_name, row) in page.of_kind(Kind::AccountTrait) {
            if row_name.starts_with(account_name) {
                let (trait_name, value) = load::trait_row(row)?;
                words.push((row_name.to_vec(), trait_name, value.origin.order));
            }
        }
        page.delete(Kind::Account, account_name);
        for (row_name, trait_name, order) in words {
            self.pending.page_mut(strand)?.delete(Kind::AccountTrait, &row_name);
            let word = rows::word(account_name, &trait_name, order, strand);
            self.pending.delete(Table::Index, word);
        }
        self.pending.delete(Table::Index, rows::strand(account_name, strand));
        self.read_account_anew(account_name)
    }

    /// Forgets all that a strand was told of accounts, by its page.
    pub(crate) fn drop_accounts(&mut self, page: &Page) -> Result<(), RowError> {
        for account_name in told_by(page)? {
            self.drop_account(page.strand(), &account_name)?;
        }
        Ok(())
    }

    /// An account as this batch has left it.
    pub(super) fn account(&mut self, account_name: &Hash16) -> Result<SharedAccount, RowError> {
        if let Some(known) = self.accounts.0.get(account_name) {
            return Ok(known.now.clone());
        }
        let account = match self.ground.account(account_name) {
            Some(account) => account,
            None => read::account(&self.pending, account_name)?.map(Arc::new),
        };
        let known = Known { before: account.clone(), now: account.clone() };
        self.accounts.0.insert(*account_name, known);
        Ok(account)
    }

    fn set_account(&mut self, account_name: &Hash16, account: SharedAccount) {
        let known = self.accounts.0.entry(*account_name);
        known.or_insert(Known { before: None, now: None }).now = account;
    }

    /// Reads an account anew after what was said of it was taken away; what was counted stays as it is.
    fn read_account_anew(&mut self, account_name: &Hash16) -> Result<(), RowError> {
        let counted = self.account(account_name)?;
        let mut read = read::account(&self.pending, account_name)?;
        if let (Some(read), Some(counted)) = (&mut read, counted) {
            (read.members, read.counts) = (counted.members, counted.counts.clone());
        }
        self.set_account(account_name, read.map(Arc::new));
        Ok(())
    }

    /// The accounts that a person belongs to. Nothing is looked up for somebody who belongs to none.
    pub(crate) fn accounts_around(
        &mut self,
        profile: &Profile,
    ) -> Result<Vec<Arc<Account>>, RowError> {
        let mut accounts = Vec::new();
        for said in profile.records().accounts.iter().filter(|said| said.is_member) {
            let account_name = name(self.ground.keys, &said.account);
            accounts.extend(self.account(&account_name)?);
        }
        Ok(accounts)
    }

    /// Brings up to date what a person counts for among the members of their accounts.
    pub(crate) fn count_in_accounts(
        &mut self,
        head: StrandId,
        person: &mut Person,
    ) -> Result<(), RowError> {
        count::update(self, head, person)
    }

    /// Counts a member.
    pub(super) fn add(&mut self, counted: &CountedIn) -> Result<(), RowError> {
        self.count(counted, u32::saturating_add)
    }

    /// Counts a member no more.
    pub(super) fn take_back(&mut self, counted: &CountedIn) -> Result<(), RowError> {
        self.count(counted, u32::saturating_sub)
    }

    fn count(
        &mut self,
        CountedIn { account: account_name, answers }: &CountedIn,
        step: fn(u32, u32) -> u32,
    ) -> Result<(), RowError> {
        // Where nobody tells of it any more, there is nothing left to be counted.
        let Some(mut account) = self.account(account_name)? else { return Ok(()) };
        let changed = Arc::make_mut(&mut account);
        changed.members = step(changed.members, 1);
        for answer in answers {
            let count = changed.counts.entry(answer.counted.clone()).or_default();
            let side = if answer.is_inside { &mut count.inside } else { &mut count.outside };
            *side = step(*side, 1);
            if *count == Count::default() {
                changed.counts.remove(&answer.counted);
            }
        }
        self.set_account(account_name, Some(account));
        Ok(())
    }

    /// Takes back what somebody counted for who is nobody any more.
    pub(crate) fn uncount(&mut self, head: StrandId) -> Result<(), RowError> {
        let page = self.pending.page_mut(head)?;
        let counted: Result<Vec<CountedIn>, Unreadable> = page
            .of_kind(Kind::Counted)
            .map(|(row_name, row)| record::counted_in(row_name, row))
            .collect();
        page.delete_all(Kind::Counted);
        for counted in counted? {
            self.take_back(&counted)?;
        }
        Ok(())
    }

    /// Writes what was counted, and has the members of those accounts looked at of which something changed that
    /// conditions ask about.
    pub(crate) fn settle_accounts(&mut self) -> Result<(), RowError> {
        let catalog = &self.ground.snapshot.audiences;
        let mut walks = Vec::new();
        let mut writes: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
        let is_read = || !catalog.touched(&Change::Accounts).is_empty();
        for (account_name, Known { before, now }) in &self.accounts.0 {
            if before == now {
                continue;
            }
            let (before, now) = (before.as_deref(), now.as_deref());
            let members = |account: Option<&Account>| account.map_or(0, |account| account.members);
            if members(before) != members(now) {
                let row = Some(members(now)).filter(|members| *members != 0);
                let row = row.map(|members| members.to_be_bytes().to_vec());
                writes.push((rows::members(account_name), row));
            }
            let counts = |account: Option<&Account>| -> Vec<Counted> {
                account.into_iter().flat_map(|account| account.counts.keys().cloned()).collect()
            };
            for counted in counts(before).into_iter().chain(counts(now)) {
                if told(before, &counted) != told(now, &counted) {
                    let row = told(now, &counted).map(|count| count_row(*count));
                    writes.push((rows::count(account_name, &counted), row));
                }
            }
            if now.is_some_and(|now| !says_the_same(before, now, catalog)) && is_read() {
                walks.push(*account_name);
            }
        }
        for (key, row) in writes {
            match row {
                Some(row) => self.pending.put(Table::Index, key, row),
                None => self.pending.delete(Table::Index, key),
            }
        }
        // In the order of names, so that the same inputs always do the same.
        walks.sort_unstable();
        for account_name in walks {
            self.begin_walk(&account_name)?;
        }
        Ok(())
    }
}

/// Whether conditions come to the same before and after.
fn says_the_same(before: Option<&Account>, now: &Account, catalog: &Catalog) -> bool {
    let nothing;
    let before = match before {
        Some(before) => before,
        None => {
            nothing = Account::new(&now.id);
            &nothing
        }
    };
    let words = |account: &Account| -> Vec<_> {
        let words = account.traits.iter();
        words.map(|(n, t)| (n.clone(), t.value.clone(), t.origin.purposes)).collect()
    };
    let answers = |account: &Account| -> Vec<_> {
        let watched = catalog.watched().iter();
        let share = |audience: &model::Key| {
            let version = catalog.get(audience).map_or(0, audience::Audience::version);
            let counted = Counted { audience: audience.clone(), version };
            let Count { inside, outside } =
                account.counts.get(&counted).copied().unwrap_or_default();
            model::condition::Share { members: account.members, inside, outside }
        };
        watched.map(|(audience, quotas)| share(audience).answers(quotas)).collect()
    };
    words(before) == words(now) && answers(before) == answers(now)
}

/// Takes away all that leads to the accounts of somebody, by one of their pages.
pub(crate) fn forget(fold: &mut Fold<'_>, page: &Page) -> Result<(), RowError> {
    fold.uncount(page.strand())?;
    fold.drop_accounts(page)
}

/// The accounts of which a page tells.
fn told_by(page: &Page) -> Result<Vec<Hash16>, Unreadable> {
    let names = page.of_kind(Kind::Account).map(|(account_name, _)| account_name.try_into());
    names.collect::<Result<_, _>>().map_err(|_| Unreadable("account"))
}
