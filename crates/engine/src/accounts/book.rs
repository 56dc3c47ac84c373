//! The accounts of people who are looked at one after the other: each account is read once.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use profile::{Account, Profile};
use rustc_hash::FxBuildHasher;

use super::{SharedAccount, name, read};
use crate::{keys::Hash16, page::Pages, sealed::RowError};

/// Most accounts that are held while everyone is looked at; beyond, they are read anew.
const HELD_MAX: usize = 10_000;

/// Accounts as they are in one state of the store.
pub(crate) struct Book<'a> {
    pages: &'a dyn Pages,
    known: RefCell<HashMap<Hash16, SharedAccount, FxBuildHasher>>,
}

impl<'a> Book<'a> {
    /// Reads accounts from these pages.
    pub(crate) fn of(pages: &'a dyn Pages) -> Self {
        Self { pages, known: RefCell::default() }
    }

    /// Those that a person belongs to. Nothing is looked up for somebody who belongs to none.
    pub(crate) fn around(&self, profile: &Profile) -> Result<Vec<Arc<Account>>, RowError> {
        let mut accounts = Vec::new();
        for said in profile.records().accounts.iter().filter(|said| said.is_member) {
            accounts.extend(self.account(&said.account)?);
        }
        Ok(accounts)
    }

    fn account(&self, id: &str) -> Result<SharedAccount, RowError> {
        let name = name(self.pages.keys(), id);
        if let Some(known) = self.known.borrow().get(&name) {
            return Ok(known.clone());
        }
        let account = read::account(self.pages, &name)?.map(Arc::new);
        let mut known = self.known.borrow_mut();
        if known.len() >= HELD_MAX {
            known.clear();
        }
        known.insert(name, account.clone());
        Ok(account)
    }
}
