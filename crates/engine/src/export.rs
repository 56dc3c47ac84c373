//! Exports: everything of one table, for a purpose, as of one instant.
//!
//! Whoever does not grant the purpose is left out, and so is what was collected without it; both are
//! counted. Consents are the exception, since whoever must heed a refusal has to know of it: they
//! come from everyone, and of those who refuse with nothing but the profile's id.

mod rows;

use std::ops::ControlFlow;

use model::{Key, Purpose, Timestamp, condition::Sight, value::Object};
use serde::Serialize;
use store::VaultError;

use crate::{
    engine::{Engine, EngineError},
    load::Loader,
    page::Stored,
    priority,
    sealed::RowError,
    writer::heads,
};

/// What can be exported; the columns of each are those of the table of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// People.
    Profiles,
    /// Events.
    Events,
    /// Who is in which audience.
    Memberships,
    /// What people said about purposes.
    Consents,
    /// What was decided.
    Decisions,
    /// Accounts that people belong to.
    Accounts,
    /// Who belongs to which account.
    AccountMembers,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Profiles,
        Self::Events,
        Self::Memberships,
        Self::Consents,
        Self::Decisions,
        Self::Accounts,
        Self::AccountMembers,
    ];

    /// The word it is written with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Profiles => "profiles",
            Self::Events => "events",
            Self::Memberships => "memberships",
            Self::Consents => "consents",
            Self::Decisions => "decisions",
            Self::Accounts => "accounts",
            Self::AccountMembers => "account_members",
        }
    }

    /// The table written as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == text)
    }
}

/// What to export.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// Which table.
    pub table: Table,
    /// What the rows will be used for.
    pub purpose: Purpose,
    /// Of memberships: only those of this audience.
    pub audience: Option<Key>,
    /// Of events and decisions: only those that happened at this instant or later.
    pub since: Option<Timestamp>,
    /// Of events and decisions: only those that happened before this instant.
    pub until: Option<Timestamp>,
    /// How much those may see who get the rows.
    pub sight: Sight,
}

impl ExportRequest {
    fn covers(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// What an export held, and what it left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExportSummary {
    /// Rows handed out.
    pub rows: u64,
    /// People looked at.
    pub people: u64,
    /// People who do not grant the purpose.
    pub people_withheld: u64,
    /// People whose rows do not read back, as their keys were erased or the rows are damaged.
    pub people_unreadable: u64,
    /// Events of the others that were collected without the purpose.
    pub events_withheld: u64,
    /// Traits of the others that were collected without the purpose.
    pub traits_withheld: u64,
    /// Traits that those who get the rows may not see.
    pub traits_masked: u64,
    /// Audiences that were folded for another purpose.
    pub audiences_withheld: u64,
}

/// What takes each row.
pub type Take<'a> = dyn FnMut(&Object) -> ControlFlow<()> + 'a;

impl Engine {
    /// Hands out all rows of a table, person by person, until `take` breaks; `None` then.
    ///
    /// It reads a snapshot, so everything is of one instant, and holds one person at a time. The
    /// calling thread runs behind requests from then on, so give it one of its own.
    pub fn export(
        &self,
        request: &ExportRequest,
        take: &mut Take<'_>,
    ) -> Result<Option<ExportSummary>, EngineError> {
        priority::yield_to_requests();
        let shared = self.shared();
        let snapshot = shared.registry.snapshot_full();
        let frozen = shared.store.snapshot()?;
        let pages = Stored { reader: &*frozen, keys: &shared.keys };
        let loader = Loader { pages: &pages, snapshot: &snapshot };
        let mut export = rows::Export::new(shared, &snapshot, &pages, request, take);
        let mut has_broken = false;
        heads(&*frozen, &mut |head| {
            let passed = loader.person(head).and_then(|person| export.person(&person));
            let passed = match passed {
                Ok(passed) => passed,
                Err(error) if is_of_one_person(&error) => export.count_unreadable(),
                Err(error) => return Err(error),
            };
            has_broken = passed.is_break();
            Ok(passed)
        })?;
        Ok((!has_broken).then_some(export.summary()))
    }
}

/// Whether everybody else can still be read.
pub(crate) fn is_of_one_person(error: &RowError) -> bool {
    matches!(
        error,
        RowError::Unreadable(_) | RowError::Seal(_) | RowError::Vault(VaultError::Erased { .. })
    )
}
