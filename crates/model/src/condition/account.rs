//! Conditions on the accounts that a person belongs to, and on the other members of these.

use std::{collections::BTreeSet, fmt};

use serde_json::{Map, Value, json};

use super::{
    Condition, Fact, Facts, Sight, Truth, Verdict,
    evaluate::{at_least, earlier},
};
use crate::{Key, Timestamp, UnitId, value::Path};

/// One of the accounts that a person belongs to, as conditions see it for one purpose.
pub trait Account {
    /// Its id as sent, a text.
    fn id(&self) -> &Value;
    /// What the person is in it, a text.
    fn role(&self) -> Fact<&Value>;
    /// The value of one of its traits.
    fn trait_value(&self, path: &Path) -> Fact<&Value>;
    /// How many of its members are in an audience.
    fn share(&self, audience: &Key) -> Share;
}

/// How many of an account's members are in an audience.
///
/// Of those who are neither inside nor outside it may not be known, or not yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// All members.
    pub members: u32,
    /// Those who are in it.
    pub inside: u32,
    /// Those who are not.
    pub outside: u32,
}

/// Which of the accounts of a person are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// At least one of them.
    Any,
    /// Each of them; true of somebody who has none.
    All,
    /// None of them.
    None,
    /// The one that was told of last.
    Current,
}

/// How many of the members of an account are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quota {
    /// At least so many.
    AtLeast(u32),
    /// Each of them.
    All,
    /// None of them.
    None,
}

/// What is known of a person's belonging to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belonging {
    /// What they are in it.
    Role,
    /// The id of the account.
    Account,
}

/// A condition on the accounts of a person.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountTest {
    /// Which of them are meant.
    pub which: Which,
    /// What holds for each one that is meant: all of these.
    pub conditions: Vec<Condition>,
}

/// An account, for the conditions that are asked of it.
struct Inside<'a> {
    account: &'a dyn Account,
    person: &'a dyn Facts,
}

impl Facts for Inside<'_> {
    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        self.account.trait_value(path)
    }

    fn unit(&self) -> UnitId {
        self.person.unit()
    }

    fn sight(&self) -> Sight {
        self.person.sight()
    }

    fn this_account(&self) -> Option<&dyn Account> {
        Some(self.account)
    }
}

/// The facts of an account, as conditions on it see them.
pub(super) fn inside<'a>(account: &'a dyn Account, person: &'a dyn Facts) -> impl Facts + 'a {
    Inside { account, person }
}

/// The accounts of a person, the one that was told of last first.
pub(super) fn accounts(facts: &dyn Facts) -> impl Iterator<Item = Fact<&dyn Account>> {
    (0..).map_while(|place| facts.account(place))
}

impl AccountTest {
    /// Evaluates at `now`.
    pub(super) fn evaluate(&self, facts: &dyn Facts, now: Timestamp) -> Verdict {
        let answer = |account| match account {
            Fact::Known(account) => {
                let conditions = &self.conditions;
                at_least(conditions.len(), conditions, &inside(account, facts), now)
            }
            Fact::Missing => Verdict::lasting(Truth::False),
            Fact::Withheld => Verdict::lasting(Truth::Withheld),
        };
        let not = |verdict: Verdict| Verdict { truth: !verdict.truth, ..verdict };
        let mut accounts = accounts(facts);
        match self.which {
            Which::Any => any(accounts.map(answer)),
            Which::All => not(any(accounts.map(answer).map(not))),
            Which::None => not(any(accounts.map(answer))),
            Which::Current => accounts.next().map_or(Verdict::lasting(Truth::False), answer),
        }
    }

    /// The audiences that it asks about the members, each with its place as a JSON pointer and how many must be in.
    pub fn members(&self) -> Vec<(String, &Key, Quota)> {
        let mut found = Vec::new();
        for (index, condition) in self.conditions.iter().enumerate() {
            condition.visit(&mut |pointer, part| {
                if let Condition::Members { quota, audience } = part {
                    found.push((format!("/where/{index}{pointer}/in"), audience, *quota));
                }
            });
        }
        found
    }

    pub(super) fn to_value(&self) -> Value {
        let mut object = Map::new();
        object.insert("account".into(), self.which.as_str().into());
        if !self.conditions.is_empty() {
            let conditions = self.conditions.iter().map(Condition::to_value).collect();
            object.insert("where".into(), Value::Array(conditions));
        }
        Value::Object(object)
    }

    /// What was found, for an explanation.
    pub(super) fn found(facts: &dyn Facts) -> String {
        let (mut known, mut withheld) = (0_usize, 0_usize);
        for account in accounts(facts) {
            match account {
                Fact::Known(_) => known += 1,
                Fact::Missing => {}
                Fact::Withheld => withheld += 1,
            }
        }
        let noun = if known == 1 { "account" } else { "accounts" };
        match withheld {
            0 => format!("belongs to {known} {noun}"),
            withheld => format!("belongs to {known} {noun}, {withheld} withheld"),
        }
    }
}

/// Whether any holds; an answer stands as long as those that decided it.
fn any(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let (mut truth, mut until) = (Truth::False, None);
    for verdict in verdicts {
        match verdict.truth {
            Truth::True => return verdict,
            Truth::False => {}
            Truth::Withheld => truth = Truth::Withheld,
        }
        until = earlier(until, verdict.valid_until);
    }
    Verdict { truth, valid_until: until }
}

impl Share {
    /// Whether so many of the members are in the audience.
    pub fn meets(self, quota: Quota) -> Truth {
        let unknown = self.members.saturating_sub(self.inside).saturating_sub(self.outside);
        match quota {
            Quota::AtLeast(count) if self.inside >= count => Truth::True,
            Quota::AtLeast(count) if self.inside.saturating_add(unknown) < count => Truth::False,
            Quota::All if self.outside > 0 => Truth::False,
            Quota::None if self.inside > 0 => Truth::False,
            Quota::All | Quota::None if unknown == 0 => Truth::True,
            Quota::AtLeast(_) | Quota::All | Quota::None => Truth::Withheld,
        }
    }

    /// Which of some quotas it meets: as long as these answers stay, nothing that asks with them changes.
    pub fn answers(self, quotas: &BTreeSet<Quota>) -> Vec<Truth> {
        quotas.iter().map(|quota| self.meets(*quota)).collect()
    }
}

impl Which {
    pub(super) const ALL: [(Self, &'static str); 4] =
        [(Self::Any, "any"), (Self::All, "all"), (Self::None, "none"), (Self::Current, "current")];

    pub(super) fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(which, _)| *which == self).map_or("", |(_, word)| word)
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == word).map(|(which, _)| which)
    }
}

impl Belonging {
    pub(super) const ALL: [(Self, &'static str); 2] =
        [(Self::Role, "role"), (Self::Account, "account")];

    pub(super) fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(of, _)| *of == self).map_or("", |(_, word)| word)
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == word).map(|(of, _)| of)
    }

    /// What is known of it.
    pub(super) fn fact(self, facts: &dyn Facts) -> Fact<&Value> {
        match (facts.this_account(), self) {
            (Some(account), Self::Role) => account.role(),
            (Some(account), Self::Account) => Fact::Known(account.id()),
            (None, _) => Fact::Missing,
        }
    }
}

impl Quota {
    pub(super) fn to_value(self, audience: &Key) -> Value {
        match self {
            Self::AtLeast(1) => json!({"members": "any", "in": audience}),
            Self::AtLeast(count) => {
                json!({"members": "at_least", "count": count, "in": audience})
            }
            Self::All => json!({"members": "all", "in": audience}),
            Self::None => json!({"members": "none", "in": audience}),
        }
    }
}

/// As in `any member`.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(1) => f.write_str("any member"),
            Self::AtLeast(count) => write!(f, "at least {count} members"),
            Self::All => f.write_str("all members"),
            Self::None => f.write_str("no member"),
        }
    }
}

/// As in `any account with (trait employees gt 200)`.
impl fmt::Display for AccountTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = match self.which {
            Which::Any => "any account",
            Which::All => "all accounts",
            Which::None => "no account",
            Which::Current => "current account",
        };
        f.write_str(which)?;
        for (index, condition) in self.conditions.iter().enumerate() {
            let joint = if index == 0 { "with" } else { "and" };
            write!(f, " {joint} {condition}")?;
        }
        Ok(())
    }
}
