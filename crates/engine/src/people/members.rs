//! Who is in an audience at an instant: evaluated over full histories, one person after the other.

use std::{ops::ControlFlow, sync::Arc};

use audience::Memberships;
use model::{
    IdentifierType, Key, ProfileId, StrandId, Timestamp,
    condition::{Condition, Facts, Membership, Rule, Sight, Truth},
};
use profile::Account;

use crate::{
    accounts::book::Book,
    definitions::{DefinitionError, Kind},
    facts::{Asked, Views},
    keys,
    load::{Loader, Person},
    page::Stored,
    people::{AudienceChoice, Explained, Member, Members, show},
    sealed::RowError,
    snapshot::{Projection, Snapshot, under},
    state::Shared,
    writer::heads,
};

/// Most members of a page.
const MAX_PAGE: usize = 10_000;

/// What is asked of everyone.
pub(super) struct Asking {
    /// What acts, over timelines that hold what the rule reads.
    pub(super) snapshot: Snapshot,
    choice: Choice,
    now: Timestamp,
    /// At another instant than now, stored memberships say nothing.
    is_now: bool,
    /// How much those may see to whom the answer goes.
    sight: Sight,
}

enum Choice {
    Saved(Key),
    Draft(Box<Rule>),
}

/// Evaluates an audience for everyone.
pub(crate) fn members(
    shared: &Shared,
    choice: &AudienceChoice,
    at: Option<Timestamp>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Members, DefinitionError> {
    let asking = Asking::of(shared, choice, at)?;
    let after: Option<ProfileId> = cursor.and_then(|cursor| cursor.parse().ok());
    count(shared, &asking, after, limit.min(MAX_PAGE))
        .map_err(|error| DefinitionError::Unavailable(error.to_string()))
}

/// The rule to evaluate, and a snapshot whose timelines hold what it reads.
fn chosen(
    choice: &AudienceChoice,
    snapshot: &Snapshot,
) -> Result<(Choice, Snapshot), DefinitionError> {
    match choice {
        AudienceChoice::Saved(key) => match snapshot.audiences.get(key) {
            Some(_) => Ok((Choice::Saved(key.clone()), snapshot.clone())),
            None => Err(DefinitionError::NotFound { kind: Kind::Audience, key: key.clone() }),
        },
        AudienceChoice::Draft { condition, computed_traits } => {
            let purpose = model::Purpose::PERSONALIZATION;
            let names = snapshot.names_with(computed_traits).map_err(DefinitionError::Invalid)?;
            let rule = Condition::parse(condition)
                .and_then(|condition| Rule::link(condition, &names, purpose))
                .map_err(|faults| DefinitionError::Invalid(under("/condition", faults)))?;
            let needed = [&snapshot.audiences.needed_events(), &rule.needs().events];
            let projection = Arc::new(Projection::new(needed));
            Ok((Choice::Draft(Box::new(rule)), snapshot.projected(projection)))
        }
    }
}

/// Why a person is in an audience or not, at an instant: the answer, and that of each part of the rule.
pub(crate) fn explain(
    shared: &Shared,
    choice: &AudienceChoice,
    at: Option<Timestamp>,
    id: ProfileId,
    sight: Sight,
) -> Result<Option<Explained>, DefinitionError> {
    let asking = Asking { sight, ..Asking::of(shared, choice, at)? };
    let explained = show::head(shared, id).and_then(|head| {
        let Some(head) = head else { return Ok(None) };
        let frozen = shared.store.snapshot()?;
        let pages = Stored { reader: &*frozen, keys: &shared.keys };
        let person = Loader { pages: &pages, snapshot: &asking.snapshot }.person(head)?;
        let accounts = Book::of(&pages).around(&person.profile)?;
        Ok(Some(asking.explain(&person, &accounts)))
    });
    explained.map_err(|error| DefinitionError::Unavailable(error.to_string()))
}

fn count(
    shared: &Shared,
    asking: &Asking,
    after: Option<ProfileId>,
    limit: usize,
) -> Result<Members, RowError> {
    let frozen = shared.store.snapshot()?;
    let pages = Stored { reader: &*frozen, keys: &shared.keys };
    let loader = Loader { pages: &pages, snapshot: &asking.snapshot };
    let book = Book::of(&pages);
    let mut members =
        Members { count: 0, evaluated: 0, withheld: 0, items: Vec::new(), next_cursor: None };
    heads(&*frozen, &mut |head| {
        let Some(person) = somebody(&loader, head)? else { return Ok(ControlFlow::Continue(())) };
        members.evaluated += 1;
        let (truth, since) = asking.answer(&person, &book.around(&person.profile)?);
        match truth {
            Truth::False => {}
            Truth::Withheld => members.withheld += 1,
            Truth::True => {
                members.count += 1;
                let place = keys::strand(head);
                let is_after = after.is_none_or(|after| keys::strand(after.0) < place);
                if is_after && members.items.len() < limit {
                    members.items.push(member(&person, since));
                } else if is_after && members.next_cursor.is_none() {
                    members.next_cursor = members.items.last().map(|last| last.profile.to_string());
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(members)
}

/// The person at a head, who is left out where they do not read back or only events came that do not count.
pub(crate) fn somebody(loader: &Loader<'_>, head: StrandId) -> Result<Option<Person>, RowError> {
    match loader.person(head) {
        Ok(person) => Ok(person.profile.records().seen.is_some().then_some(person)),
        // Somebody's damaged rows must not hide everyone else.
        Err(RowError::Unreadable(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Asking {
    pub(super) fn of(
        shared: &Shared,
        choice: &AudienceChoice,
        at: Option<Timestamp>,
    ) -> Result<Self, DefinitionError> {
        let (choice, snapshot) = chosen(choice, &shared.registry.snapshot_full())?;
        let now = at.unwrap_or_else(|| shared.clock.now());
        Ok(Self { snapshot, choice, now, is_now: at.is_none(), sight: Sight::Full })
    }

    /// Whether a person is in it, and since when, where that is known.
    pub(super) fn answer(
        &self,
        person: &Person,
        accounts: &[Arc<Account>],
    ) -> (Truth, Option<Timestamp>) {
        self.ask((person, accounts), |answer, _, _| (answer.truth, answer.since))
    }

    fn explain(&self, person: &Person, accounts: &[Arc<Account>]) -> Explained {
        self.ask((person, accounts), |answer, rule, facts| Explained {
            profile: person.profile.id(),
            member: answer.truth,
            since: answer.since,
            valid_until: answer.valid_until,
            parts: rule.map_or_else(Vec::new, |rule| rule.explain(facts, self.now)),
        })
    }

    /// Evaluates the audience, and hands the answer on with its rule and what the rule reads.
    fn ask<T>(
        &self,
        (person, accounts): (&Person, &[Arc<Account>]),
        then: impl FnOnce(Membership, Option<&Rule>, &dyn Facts) -> T,
    ) -> T {
        let outside = Memberships::default();
        let memberships = if self.is_now { &person.memberships } else { &outside };
        let views =
            Views::of(&person.profile, &self.snapshot.policy).among(accounts, &self.snapshot);
        let asked = Asked::new(&views, &self.snapshot, memberships, self.now).sighted(self.sight);
        match &self.choice {
            Choice::Saved(key) => {
                let audience = self.snapshot.audiences.get(key);
                let purpose = audience.map(audience::Audience::purpose);
                let facts = asked.facts(purpose.unwrap_or(model::Purpose::PERSONALIZATION));
                let unknown = unseen(Truth::False, None);
                let answer = facts.membership(key).unwrap_or(unknown);
                then(answer, audience.map(audience::Audience::rule), facts)
            }
            Choice::Draft(rule) => {
                let facts = asked.facts(model::Purpose::PERSONALIZATION);
                let found = rule.evaluate(facts, self.now);
                let answer = unseen(found.truth, found.valid_until);
                then(answer, Some(&**rule), facts)
            }
        }
    }
}

/// An answer whose transitions nobody has seen.
fn unseen(truth: Truth, valid_until: Option<Timestamp>) -> Membership {
    Membership { truth, since: None, previous: None, valid_until }
}

pub(crate) fn member(person: &Person, since: Option<Timestamp>) -> Member {
    let identifiers = person.profile.records().component.unpack().identifiers;
    let user = identifiers.iter().find(|known| known.identifier.kind == IdentifierType::UserId);
    Member {
        profile: person.profile.id(),
        user_id: user.map(|known| known.identifier.value.to_string()),
        since,
    }
}
