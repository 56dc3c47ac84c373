//! What is known about a person: the newest value of each trait, wherever it came from.

#[cfg(test)]
mod tests;

use std::{io, sync::Arc};

use compact_str::CompactString;
use model::{PurposeSet, SourceKey, Value, event::Order, value::Object, weight};
use serde::Serialize;

use crate::shared::Shared;

/// Most traits of one person, removed ones included. Beyond that the one set longest ago is dropped.
pub const MAX_TRAITS: usize = 500;
/// Longest name of a trait, in bytes.
pub const MAX_NAME_BYTES: usize = 200;
/// Largest value of a trait as compact JSON, in bytes.
pub const MAX_VALUE_BYTES: usize = 2 * 1024;

/// Where a trait's value came from and what it may be used for. The traits of one event share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The canonical position of the event it came with.
    pub order: Order,
    /// The source it came from.
    pub source: SourceKey,
    /// The purposes it was collected for.
    pub purposes: PurposeSet,
}

/// The value of a trait and its origin.
///
/// Decisions never see one: they read through [`crate::View`], which checks the purposes.
#[derive(Clone, Debug, PartialEq)]
pub struct TraitValue {
    /// The value; `null` says that the trait was removed, and is kept so that an older value that
    /// arrives later stays removed.
    pub value: Value,
    /// Where it came from.
    pub origin: Arc<Origin>,
}

impl TraitValue {
    /// Whether `self` replaces `known`: it does when it is newer.
    ///
    /// One event gives a trait one value, so values of equal order are the same; should they
    /// differ, their text decides, so that the order of arrival never does.
    fn replaces(&self, known: &Self) -> bool {
        let (ours, theirs) = (&self.origin, &known.origin);
        if ours.order != theirs.order {
            return ours.order > theirs.order;
        }
        let key = |t: &Self| (t.value.to_string(), t.origin.source.clone(), t.origin.purposes.0);
        key(self) > key(known)
    }
}

/// Why a trait was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The name is empty or longer than [`MAX_NAME_BYTES`].
    Name,
    /// The value is larger than [`MAX_VALUE_BYTES`].
    Value,
    /// The person has [`MAX_TRAITS`] traits that were set later.
    Count,
}

/// A trait that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedTrait {
    /// Its name, cut at [`MAX_NAME_BYTES`].
    pub name: CompactString,
    /// Why.
    pub fault: Fault,
}

/// The traits of a person by name: for each the newest by canonical order.
///
/// Taking in values is commutative, associative and idempotent, bound included: the [`MAX_TRAITS`]
/// newest are the same ones in whichever order they arrive.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traits(
    /// Sorted by name. A map would take a node with room for eleven traits for the few most people have.
    Shared<(CompactString, TraitValue)>,
);

impl Traits {
    /// Takes in the traits of one event; returns those that are not kept, dropped older ones included.
    pub fn observe(
        &mut self,
        traits: &Object,
        source: &SourceKey,
        order: Order,
        purposes: PurposeSet,
    ) -> Vec<RefusedTrait> {
        let mut refused = Vec::new();
        let origin = Arc::new(Origin { order, source: source.clone(), purposes });
        for (name, value) in traits {
            let fault = if name.is_empty() || name.len() > MAX_NAME_BYTES {
                Some(Fault::Name)
            } else if !fits(value) {
                Some(Fault::Value)
            } else {
                None
            };
            if let Some(fault) = fault {
                refused.push(RefusedTrait { name: cut(name), fault });
                continue;
            }
            let value = TraitValue { value: value.clone(), origin: Arc::clone(&origin) };
            refused.extend(self.insert(name.into(), value));
        }
        refused
    }

    /// Takes in one sound value; returns the trait that had to go for it, which may be itself.
    fn insert(&mut self, name: CompactString, value: TraitValue) -> Option<RefusedTrait> {
        let place = self.place(&name);
        let known = place.ok().and_then(|at| self.0.as_slice().get(at));
        if known.is_some_and(|(_, known)| !value.replaces(known)) {
            return None;
        }
        let value = self.sharing(value);
        self.0.change(|traits| {
            match place {
                Ok(at) => traits[at].1 = value,
                Err(at) => traits.insert(at, (name, value)),
            }
            if traits.len() <= MAX_TRAITS {
                return None;
            }
            // Per name the order only grows, so a trait among the newest in the end was among them
            // at every moment, and stayed.
            let age = |(_, (name, value)): &(usize, &(CompactString, TraitValue))| {
                (value.origin.order, name.clone())
            };
            let (oldest, _) = traits.iter().enumerate().min_by_key(age)?;
            let (name, _) = traits.remove(oldest);
            Some(RefusedTrait { name, fault: Fault::Count })
        })
    }

    /// The value with the origin that other traits of its event have.
    fn sharing(&self, mut value: TraitValue) -> TraitValue {
        let known = self.iter().map(|(_, known)| &known.origin);
        if let Some(origin) = known.into_iter().find(|origin| **origin == value.origin) {
            value.origin = Arc::clone(origin);
        }
        value
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.as_slice().binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    /// Takes in the traits of another part of the component.
    pub fn merge(&mut self, other: &Self) {
        if self.is_empty() {
            self.0 = other.0.clone();
            return;
        }
        for (name, value) in other.iter() {
            self.insert(name.clone(), value.clone());
        }
    }

    /// The trait with this very name, removed ones included.
    pub fn get(&self, name: &str) -> Option<&TraitValue> {
        self.0.as_slice().get(self.place(name).ok()?).map(|(_, value)| value)
    }

    /// All traits by name, removed ones included.
    pub fn iter(&self) -> impl Iterator<Item = (&CompactString, &TraitValue)> {
        self.0.as_slice().iter().map(|(name, value)| (name, value))
    }

    /// How many traits there are, removed ones included.
    pub fn len(&self) -> usize {
        self.0.as_slice().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    /// Bytes in memory, beside its own.
    pub(crate) fn weight(&self) -> usize {
        let inner =
            |(name, t): (&CompactString, &TraitValue)| weight::text(name) + weight::value(&t.value);
        let mut origins: Vec<_> = self.iter().map(|(_, t)| Arc::as_ptr(&t.origin)).collect();
        origins.sort_unstable();
        origins.dedup();
        self.0.weight()
            + self.iter().map(inner).sum::<usize>()
            + origins.len() * weight::shared(size_of::<Origin>())
    }
}

impl FromIterator<(CompactString, TraitValue)> for Traits {
    /// Folds values as [`Traits::merge`] does; meant for values that were checked when they were first observed.
    fn from_iter<I: IntoIterator<Item = (CompactString, TraitValue)>>(values: I) -> Self {
        let mut traits = Self::default();
        for (name, value) in values {
            traits.insert(name, value);
        }
        traits
    }
}

/// Whether a trait of this name and value would be kept.
pub fn is_sound(name: &str, value: &Value) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && fits(value)
}

/// Whether a value is within [`MAX_VALUE_BYTES`], without building its text.
fn fits(value: &Value) -> bool {
    /// Takes so many bytes and no more.
    struct Room(usize);
    impl io::Write for Room {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Room(MAX_VALUE_BYTES), value).is_ok()
}

fn cut(name: &str) -> CompactString {
    name[..name.floor_char_boundary(MAX_NAME_BYTES)].into()
}
