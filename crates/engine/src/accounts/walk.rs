//! When something about an account changed that conditions ask about, all its members are looked at again, some in
//! each batch: an account with a hundred thousand of them holds nobody else up.

use std::{collections::VecDeque, ops::ControlFlow};

use model::StrandId;
use store::{KeyRange, Reader, ScanOrder, StoreError, Table, prefix_range};

use super::{
    record::{StoredWalk, WalkState},
    rows,
};
use crate::{
    fold::Fold,
    keys::{self, Hash16},
    page::Pages as _,
    record::{decode, encode},
    sealed::RowError,
};

/// Strands looked at in one batch: some milliseconds of work beside what the batch brings.
const STRANDS_PER_BATCH: usize = 128;

/// The accounts whose members are to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Walks(VecDeque<Hash16>);

impl Walks {
    /// Those that a process before did not finish.
    pub(crate) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let mut waiting = VecDeque::new();
        let prefix = [keys::WALK];
        reader.scan(Table::Meta, prefix_range(&prefix), ScanOrder::Ascending, &mut |key, _| {
            waiting.extend(keys::parse_walk(key));
            ControlFlow::Continue(())
        })?;
        Ok(Self(waiting))
    }

    /// The account whose turn it is, if there is anything to do.
    pub(crate) fn next(&self) -> Option<Hash16> {
        self.0.front().copied()
    }

    /// Takes note of what a batch did: each account with whether there is more to do.
    pub(crate) fn note(&mut self, changes: &[(Hash16, bool)]) {
        for &(account, is_waiting) in changes {
            self.0.retain(|known| *known != account);
            if is_waiting {
                self.0.push_back(account);
            }
        }
    }
}

impl Fold<'_> {
    /// Has all members of an account looked at, from the beginning or once more.
    pub(super) fn begin_walk(&mut self, account: &Hash16) -> Result<(), RowError> {
        let state = match self.walk_state(account)? {
            Some(state) if !state.after.is_empty() => WalkState { again: true, ..state },
            _ => WalkState::default(),
        };
        self.write_walk(account, Some(state));
        Ok(())
    }

    /// Has some members of an account looked at by the second pass.
    pub(crate) fn walk(&mut self, account: &Hash16) -> Result<(), RowError> {
        let Some(WalkState { after, again }) = self.walk_state(account)? else {
            self.walks.push((*account, false));
            return Ok(());
        };
        let strands = strands_after(&self.pending, account, &after)?;
        for &strand in &strands {
            // Who does not read back has nothing that could be looked at.
            match self.pending.existing(strand) {
                Ok(page) => self.update(page.meta().head).has_other_accounts = true,
                Err(RowError::Unreadable(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let state = match strands.last() {
            Some(last) if strands.len() == STRANDS_PER_BATCH => {
                Some(WalkState { after: keys::strand(*last), again })
            }
            _ => again.then(WalkState::default),
        };
        self.write_walk(account, state);
        Ok(())
    }

    fn walk_state(&self, account: &Hash16) -> Result<Option<WalkState>, RowError> {
        let row = self.pending.get(Table::Meta, &keys::walk(account))?;
        let state = row.map(|row| decode(&row, "walk")).transpose()?;
        Ok(state.map(|StoredWalk::V1(state)| state))
    }

    fn write_walk(&mut self, account: &Hash16, state: Option<WalkState>) {
        self.walks.push((*account, state.is_some()));
        match state {
            Some(state) => {
                self.pending.put(Table::Meta, keys::walk(account), encode(&StoredWalk::V1(state)));
            }
            None => self.pending.delete(Table::Meta, keys::walk(account)),
        }
    }
}

/// The next strands that told of an account.
fn strands_after(
    reader: &dyn Reader,
    account: &Hash16,
    after: &[u8],
) -> Result<Vec<StrandId>, StoreError> {
    let prefix = rows::strands(account);
    let mut from = [&prefix[..], after].concat();
    if !after.is_empty() {
        from.push(0);
    }
    let range = KeyRange { from: from.into(), to: prefix_range(&prefix).to };
    let mut strands = Vec::new();
    reader.scan(Table::Index, range, ScanOrder::Ascending, &mut |key, _| {
        strands.extend(keys::parse_strand(&key[prefix.len()..]));
        match strands.len() < STRANDS_PER_BATCH {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    })?;
    Ok(strands)
}
