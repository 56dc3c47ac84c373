//! Memberships as a request sees them: stored answers where they stand, evaluation where they do not.

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
    fmt,
};

use model::{
    Key, Purpose, Timestamp, UnitId, Value,
    condition::{Account, EventName, Fact, Facts, Membership, Rows, Truth, Verdict},
    consent::PurposeKey,
    value::Path,
};
use rustc_hash::FxHashMap;

use crate::{Audience, Catalog, Entry, Memberships};

/// Answers about memberships that are given whatever the facts say.
pub trait Stated {
    /// Whether somebody is a member; `None` where nothing is stated.
    fn is_member(&self, audience: &Key) -> Option<bool>;
}

impl Stated for BTreeMap<Key, bool> {
    fn is_member(&self, audience: &Key) -> Option<bool> {
        self.get(audience).copied()
    }
}

/// A person's facts for one purpose within one request, with their memberships.
///
/// A stored answer is taken if it stands; one that has expired, was given for another version, or
/// depends on the request is evaluated here, at most once. Memberships of another purpose's
/// audiences are withheld.
pub struct InPlace<'a> {
    catalog: &'a Catalog,
    memberships: &'a Memberships,
    person: &'a dyn Facts,
    purpose: Purpose,
    now: Timestamp,
    /// The stored entries by the position of their audience, found when the first is asked for.
    stored: OnceCell<Vec<Option<&'a Entry>>>,
    evaluated: RefCell<FxHashMap<usize, Membership>>,
    /// Answers that are given whatever the facts say.
    stated: Option<&'a dyn Stated>,
}

impl<'a> InPlace<'a> {
    /// The facts of `person`, which were taken for `purpose`, at `now`.
    pub fn new(
        catalog: &'a Catalog,
        memberships: &'a Memberships,
        person: &'a dyn Facts,
        purpose: Purpose,
        now: Timestamp,
    ) -> Self {
        let (stored, evaluated) = (OnceCell::new(), RefCell::default());
        Self { catalog, memberships, person, purpose, now, stored, evaluated, stated: None }
    }

    /// The same with answers that are given whatever the facts say, for whom somebody invents.
    pub fn stating(self, stated: Option<&'a dyn Stated>) -> Self {
        Self { stated, ..self }
    }

    fn evaluate(&self, position: usize, audience: &Audience) -> Membership {
        if let Some(known) = self.evaluated.borrow().get(&position) {
            return *known;
        }
        // References never lead back here and go a bounded number of audiences deep.
        let verdict = audience.rule().evaluate(self, self.now);
        let entry = self.memberships.entry(audience.key());
        let was_member = entry.is_some_and(|entry| entry.truth().is_true());
        let Verdict { truth, valid_until } = audience.kept(was_member, verdict);
        let (since, previous) = self.transitions(audience, truth);
        let membership = Membership { truth, since, previous, valid_until };
        self.evaluated.borrow_mut().insert(position, membership);
        membership
    }

    /// What was computed before the audience's version came to act.
    fn foreseen(&self, audience: &Audience) -> Option<Membership> {
        let (truth, valid_until) = self.memberships.foreseen(audience, self.now)?;
        let (since, previous) = self.transitions(audience, truth);
        Some(Membership { truth, since, previous, valid_until })
    }

    /// Since when `truth` has been so, and when it turned before that, as far as is recorded: if it
    /// differs from what is recorded, since that expired.
    fn transitions(
        &self,
        audience: &Audience,
        truth: Truth,
    ) -> (Option<Timestamp>, Option<Timestamp>) {
        let Some(entry) = self.memberships.entry(audience.key()) else { return (None, None) };
        let (since, previous) = if entry.truth().is_true() == truth.is_true() {
            (entry.since(), entry.previous())
        } else {
            (entry.valid_until(), entry.since())
        };
        // What is recorded of later than now tells nothing of how it was.
        match since.filter(|since| *since <= self.now) {
            Some(since) => (Some(since), previous),
            None => (None, None),
        }
    }
}

impl fmt::Debug for InPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InPlace").field("purpose", &self.purpose).field("now", &self.now).finish()
    }
}

impl Facts for InPlace<'_> {
    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        self.person.trait_value(path)
    }

    fn context(&self, path: &Path) -> Fact<&Value> {
        self.person.context(path)
    }

    fn events(&self, name: &EventName) -> Fact<Rows<'_>> {
        self.person.events(name)
    }

    fn membership(&self, key: &Key) -> Option<Membership> {
        let position = self.catalog.position(key)?;
        let audience = self.catalog.audiences().get(position)?;
        if audience.purpose() != self.purpose {
            return Some(Membership::unrecorded(Truth::Withheld));
        }
        if let Some(is_member) = self.stated.and_then(|stated| stated.is_member(key)) {
            let truth = if is_member { Truth::True } else { Truth::False };
            return Some(Membership::unrecorded(truth));
        }
        let stored = self.stored.get_or_init(|| self.memberships.by_position(self.catalog));
        let entry = stored.get(position).copied().flatten();
        let standing = self.memberships.standing(self.catalog, audience, entry, self.now);
        let standing = standing.or_else(|| self.foreseen(audience));
        Some(standing.unwrap_or_else(|| self.evaluate(position, audience)))
    }

    fn consents_to(&self, purpose: &PurposeKey) -> Option<bool> {
        self.person.consents_to(purpose)
    }

    fn unit(&self) -> UnitId {
        self.person.unit()
    }

    fn account(&self, place: usize) -> Option<Fact<&dyn Account>> {
        self.person.account(place)
    }
}

/// Evaluates one audience at `now` for someone of whom nothing is stored; `None` when there is no such live audience.
/// `person` are their facts for the audience's purpose.
pub fn evaluate_in_place(
    catalog: &Catalog,
    key: &Key,
    person: &dyn Facts,
    now: Timestamp,
) -> Option<Membership> {
    let purpose = catalog.get(key)?.purpose();
    InPlace::new(catalog, &Memberships::default(), person, purpose, now).membership(key)
}

#[cfg(test)]
mod tests;
