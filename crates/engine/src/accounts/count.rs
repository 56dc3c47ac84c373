//! What a person counts for among the members of their accounts.
//!
//! It is kept with the person, so that what was counted is taken back exactly, whatever has changed since.

use audience::Catalog;
use model::{Key, StrandId, condition::Truth, weight};
use profile::accounts::Counted;

use crate::{
    accounts::{name, record::StoredCounted},
    fold::Fold,
    keys::{Hash16, Kind},
    load::Person,
    record::encode,
    sealed::{Keys, RowError},
};

/// Whether a person is in a version of an audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) counted: Counted,
    pub(crate) is_inside: bool,
}

/// What a person was counted as among the members of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CountedIn {
    /// The account, by its name.
    pub(crate) account: Hash16,
    /// The audiences of which it may be known; the others are unknown of them.
    pub(crate) answers: Vec<Answer>,
}

impl CountedIn {
    /// Bytes in memory, beside its own.
    pub(crate) fn weight(&self) -> usize {
        let keys = self.answers.iter().map(|answer| weight::key(&answer.counted.audience));
        weight::block(self.answers.capacity() * size_of::<Answer>()) + keys.sum::<usize>()
    }
}

/// Brings up to date what a person counts for. Nothing is looked up for somebody who belongs and belonged to none.
pub(super) fn update(
    fold: &mut Fold<'_>,
    head: StrandId,
    person: &mut Person,
) -> Result<(), RowError> {
    if person.profile.records().accounts.is_empty() && person.counted.is_empty() {
        return Ok(());
    }
    let after = counted(&fold.ground.snapshot.audiences, fold.ground.keys, person);
    if after == person.counted {
        return Ok(());
    }
    for gone in person.counted.iter().filter(|before| !after.contains(before)) {
        fold.take_back(gone)?;
        fold.pending.page_mut(head)?.delete(Kind::Counted, &gone.account);
    }
    for new in after.iter().filter(|after| !person.counted.contains(after)) {
        fold.add(new)?;
        let row = encode(&StoredCounted::from(new));
        fold.pending.page_mut(head)?.put(Kind::Counted, &new.account, &row);
    }
    person.counted = after;
    Ok(())
}

/// What somebody counts for now, by the accounts' names.
fn counted(catalog: &Catalog, keys: &Keys, person: &Person) -> Vec<CountedIn> {
    let of = |key: &Key| {
        let audience = catalog.get(key).filter(|audience| !audience.request_only())?;
        let is_inside = match person.memberships.recorded(key) {
            Truth::True => true,
            Truth::False => false,
            Truth::Withheld => return None,
        };
        let counted = Counted { audience: key.clone(), version: audience.version() };
        Some((audience.purpose(), Answer { counted, is_inside }))
    };
    let answers: Vec<_> = catalog.watched().keys().filter_map(of).collect();
    let belongs = person.profile.records().accounts.iter().filter(|said| said.is_member);
    let mut counted: Vec<CountedIn> = belongs
        .map(|said| {
            // That somebody belongs to an account may only be used for what it was collected for.
            let may_count = |(purpose, _): &&(_, Answer)| said.origin.purposes.contains(*purpose);
            let answers = answers.iter().filter(may_count).map(|(_, answer)| answer.clone());
            CountedIn { account: name(keys, &said.account), answers: answers.collect() }
        })
        .collect();
    counted.sort_by_key(|counted| counted.account);
    counted
}
