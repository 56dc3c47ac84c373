//! The accounts that a person belongs to, and what is known of an account.

#[cfg(test)]
mod tests;

use std::{cmp::Reverse, collections::BTreeMap, fmt, sync::Arc};

use compact_str::CompactString;
use model::{
    Key, Purpose, Value,
    condition::{self, Fact, Share},
    event::Order,
    value::{Object, Path},
    weight,
};

use crate::{Origin, Traits, shared::Shared, view};

/// Most accounts that are kept of one person, those they left included. Beyond that the one that was told of longest
/// ago is dropped.
pub const MAX_ACCOUNTS: usize = 100;
/// Longest id of an account, in bytes.
pub const MAX_ID_BYTES: usize = 512;
/// Longest role, in bytes.
pub const MAX_ROLE_BYTES: usize = 200;

/// What a person is in an account, and who said so.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    /// As sent.
    pub name: CompactString,
    /// Where it came from and what it may be used for.
    pub origin: Origin,
}

/// What was said last of a person's belonging to one account.
#[derive(Clone, Debug, PartialEq)]
pub struct Belonging {
    /// The id of the account, as sent.
    pub account: CompactString,
    /// Whether they belong to it; somebody who left is kept, so that an older word that arrives later changes nothing.
    pub is_member: bool,
    /// Where that came from and what it may be used for.
    pub origin: Origin,
    /// What they are in it, if that was ever said.
    pub role: Option<Role>,
}

impl Belonging {
    /// Takes in another word about the same account: of each thing the newest counts.
    fn take(&mut self, other: Self) {
        let Self { is_member, origin, role, .. } = other;
        if (key(&self.origin), self.is_member) < (key(&origin), is_member) {
            (self.is_member, self.origin) = (is_member, origin);
        }
        let rank = |role: &Role| (role.origin.order, role.origin.purposes.0, role.name.clone());
        if self.role.as_ref().map(rank) < role.as_ref().map(rank) {
            self.role = role;
        }
    }
}

/// By age; of what is equally old the rest decides, so that the order of arrival never does.
fn key(origin: &Origin) -> (Order, u32, &str) {
    (origin.order, origin.purposes.0, origin.source.as_str())
}

/// The accounts that a person belongs to or has left. Taking in what was said is commutative, associative and
/// idempotent: the [`MAX_ACCOUNTS`] that were told of last are the same in whichever order that arrives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Belongings {
    /// Sorted by account.
    known: Shared<Belonging>,
}

impl Belongings {
    /// Takes in what was said of one account; returns the one that had to go for it, which may be itself.
    pub fn take(&mut self, said: Belonging) -> Option<Belonging> {
        let place = self.place(&said.account);
        self.known.change(|known| match place {
            Ok(at) => known[at].take(said),
            Err(at) => known.insert(at, said),
        });
        if self.known.as_slice().len() <= MAX_ACCOUNTS {
            return None;
        }
        let age = |(_, one): &(usize, &Belonging)| (one.origin.order, one.account.clone());
        let (oldest, _) = self.known.as_slice().iter().enumerate().min_by_key(age)?;
        Some(self.known.change(|known| known.remove(oldest)))
    }

    /// Takes in those of another part of the component.
    pub fn merge(&mut self, other: &Self) {
        for said in other.iter() {
            self.take(said.clone());
        }
    }

    /// What is known of one account.
    pub fn get(&self, account: &str) -> Option<&Belonging> {
        self.known.as_slice().get(self.place(account).ok()?)
    }

    /// All, those that were left included, by account.
    pub fn iter(&self) -> impl Iterator<Item = &Belonging> {
        self.known.as_slice().iter()
    }

    /// Whether nothing was ever said.
    pub fn is_empty(&self) -> bool {
        self.known.as_slice().is_empty()
    }

    fn place(&self, account: &str) -> Result<usize, usize> {
        self.known.as_slice().binary_search_by(|known| known.account.as_str().cmp(account))
    }

    /// All, the one that was told of last first.
    pub fn newest_first(&self) -> Vec<&Belonging> {
        let mut all: Vec<&Belonging> = self.iter().collect();
        all.sort_by_key(|one| Reverse((one.origin.order, &one.account)));
        all
    }

    /// Bytes in memory, beside its own.
    pub(crate) fn weight(&self) -> usize {
        let role = |role: &Role| weight::text(&role.name) + weight::key(&role.origin.source);
        let inner = |one: &Belonging| {
            weight::text(&one.account)
                + weight::key(&one.origin.source)
                + one.role.as_ref().map_or(0, role)
        };
        self.known.weight() + self.iter().map(inner).sum::<usize>()
    }
}

/// Names the answers of a version of an audience about the members of an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counted {
    /// The audience.
    pub audience: Key,
    /// Its version.
    pub version: u32,
}

/// How many members are in an audience, and how many are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Those who are in it.
    pub inside: u32,
    /// Those who are not. Of the others it is not known.
    pub outside: u32,
}

/// An account: what was said of it through its members, and how many of them are in audiences.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Its id, as sent.
    pub id: CompactString,
    /// What is known of it: of each trait the newest value.
    pub traits: Traits,
    /// How many people belong to it.
    pub members: u32,
    /// How many of them are in which audience.
    pub counts: BTreeMap<Counted, Count>,
}

impl Account {
    /// An account of which nothing is known.
    pub fn new(id: &str) -> Self {
        let (traits, counts) = (Traits::default(), BTreeMap::new());
        Self { id: id.into(), traits, members: 0, counts }
    }

    /// Bytes in memory, the counts of an `Arc` around it included.
    pub fn weight(&self) -> usize {
        let keys: usize = self.counts.keys().map(|counted| weight::key(&counted.audience)).sum();
        weight::shared(size_of::<Self>())
            + weight::text(&self.id)
            + self.traits.weight()
            + weight::map::<Counted, Count>(self.counts.len())
            + keys
    }
}

/// The audiences whose answers about members are counted.
pub trait Audiences {
    /// The version of an audience that acts, and the purpose it is for.
    fn acting(&self, audience: &Key) -> Option<(u32, Purpose)>;
}

/// The accounts around a person: those that the person belongs to, and the audiences that members are counted for.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Among them those that the person belongs to.
    pub accounts: &'a [Arc<Account>],
    /// The audiences.
    pub audiences: &'a dyn Audiences,
}

impl fmt::Debug for Around<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Around({} accounts)", self.accounts.len())
    }
}

/// One account of a person as it may be seen for a purpose.
pub struct AccountView<'a> {
    id: Value,
    role: Fact<Value>,
    around: Around<'a>,
    account: Option<&'a Account>,
    purpose: Purpose,
}

impl fmt::Debug for AccountView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountView").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

impl<'a> AccountView<'a> {
    /// The account of which `said` tells, for a purpose for which that may be read.
    pub(crate) fn new(said: &Belonging, around: Around<'a>, purpose: Purpose) -> Self {
        let role = match &said.role {
            None => Fact::Missing,
            Some(role) if role.origin.purposes.contains(purpose) => {
                Fact::Known(role.name.as_str().into())
            }
            Some(_) => Fact::Withheld,
        };
        let account = around.accounts.iter().find(|account| account.id == said.account);
        let account = account.map(|account| &**account);
        Self { id: said.account.as_str().into(), role, around, account, purpose }
    }

    /// The account as templates see it: `id`, `role` and `traits`. What is withheld is left out.
    pub fn fields(&self) -> Object {
        let traits = self.account.iter().flat_map(|account| account.traits.iter());
        let traits: Object = traits
            .filter_map(|(name, value)| match view::readable(value, self.purpose) {
                Fact::Known(value) => Some((name.to_string(), value.clone())),
                Fact::Missing | Fact::Withheld => None,
            })
            .collect();
        let mut fields = Object::new();
        fields.insert("id".to_owned(), self.id.clone());
        if let Fact::Known(role) = &self.role {
            fields.insert("role".to_owned(), role.clone());
        }
        fields.insert("traits".to_owned(), Value::Object(traits));
        fields
    }
}

impl condition::Account for AccountView<'_> {
    fn id(&self) -> &Value {
        &self.id
    }

    fn role(&self) -> Fact<&Value> {
        match &self.role {
            Fact::Known(role) => Fact::Known(role),
            Fact::Missing => Fact::Missing,
            Fact::Withheld => Fact::Withheld,
        }
    }

    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        // What could not be loaded may be anything.
        let Some(account) = self.account else { return Fact::Withheld };
        view::found(path, self.purpose, |name| account.traits.get(name))
    }

    fn share(&self, audience: &Key) -> Share {
        // Nobody is known to be in or out.
        let unknown = Share { members: u32::MAX, inside: 0, outside: 0 };
        let Some(account) = self.account else { return unknown };
        match self.around.audiences.acting(audience) {
            Some((version, purpose)) if purpose == self.purpose => {
                let counted = Counted { audience: audience.clone(), version };
                let Count { inside, outside } =
                    account.counts.get(&counted).copied().unwrap_or_default();
                Share { members: account.members, inside, outside }
            }
            _ => unknown,
        }
    }
}
