//! What is known about a person: of each trait what its definition keeps, the newest value without one.

mod rules;
#[cfg(test)]
mod tests;

use std::{cmp::Ordering, io, sync::Arc};

use compact_str::CompactString;
use model::{PurposeSet, SourceKey, Value, event::Order, value::Object, weight};
use serde::Serialize;

use crate::shared::Shared;

pub use rules::{
    MAX_UNION, Merge, MergeWord, TraitDocument, TraitRule, TraitRules, TraitType, masked,
};

/// Most traits of one person that have no definition, removed ones included. Beyond that the one set longest ago is
/// dropped.
pub const MAX_TRAITS: usize = 500;
/// Longest name of a trait, in bytes.
pub const MAX_NAME_BYTES: usize = 200;
/// Largest value of a trait as compact JSON, in bytes.
pub const MAX_VALUE_BYTES: usize = 2 * 1024;

/// Most events whose numbers a sum adds. Beyond that it is missing, since older ones are not kept; events and a
/// computed trait have no such bound.
pub const MAX_SUMMED: usize = 200;
/// Largest value of a union as compact JSON, in bytes.
const MAX_PIECE_BYTES: usize = 256;

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
    /// How it stands to another by age.
    ///
    /// One event gives a trait one value, so values of equal order are the same; should they
    /// differ, their text decides, so that the order of arrival never does.
    fn by_age(&self, other: &Self) -> Ordering {
        let key = |t: &Self| (t.value.to_string(), t.origin.source.clone(), t.origin.purposes.0);
        let order = self.origin.order.cmp(&other.origin.order);
        order.then_with(|| key(self).cmp(&key(other)))
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
    /// The value is of another type than the trait's definition says, or than its policy can merge.
    Type,
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

/// The traits of a person by name: of each what its rule keeps, which is the newest value by canonical
/// order where nothing else is said.
///
/// Taking in values is commutative, associative and idempotent, bounds included: the [`MAX_TRAITS`]
/// newest are the same ones in whichever order they arrive, and so are the parts that a union or a
/// sum is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traits {
    /// By what they are folded; none where no trait has a definition.
    rules: Option<Arc<TraitRules>>,
    /// Sorted by name. A map would take a node with room for eleven traits for the few most people have.
    known: Shared<(CompactString, TraitValue)>,
    /// The values that unions and sums are made of: sorted by name, then from the newest to the oldest.
    parts: Shared<(CompactString, TraitValue)>,
}

impl Traits {
    /// No traits yet, to be folded by these rules.
    pub fn folded_by(rules: &Arc<TraitRules>) -> Self {
        let rules = (!rules.is_empty()).then(|| Arc::clone(rules));
        Self { rules, ..Self::default() }
    }

    fn rules(&self) -> &TraitRules {
        static NONE: TraitRules = TraitRules::none();
        self.rules.as_deref().unwrap_or(&NONE)
    }

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
            } else if !fits(value, MAX_VALUE_BYTES) {
                Some(Fault::Value)
            } else if self.rules().get(name).is_some_and(|rule| !rule.accepts(value)) {
                Some(Fault::Type)
            } else {
                None
            };
            if let Some(fault) = fault {
                refused.push(RefusedTrait { name: cut(name), fault });
                continue;
            }
            if rules::is_passed_over(self.rules(), name, value) {
                continue;
            }
            let merge = self.rules().merge(name);
            let (keeps_parts, pieces) = (merge.keeps_parts(), rules::pieces(merge, value));
            for piece in pieces {
                if keeps_parts && !fits(piece, MAX_PIECE_BYTES) {
                    refused.push(RefusedTrait { name: cut(name), fault: Fault::Value });
                    continue;
                }
                let value = TraitValue { value: piece.clone(), origin: Arc::clone(&origin) };
                refused.extend(self.take(name.into(), value));
            }
        }
        refused
    }

    /// Takes in one value as it was kept, which was checked when it was first observed; returns the trait that had
    /// to go for it, which may be itself.
    pub fn take(&mut self, name: CompactString, value: TraitValue) -> Option<RefusedTrait> {
        if self.rules().merge(&name).keeps_parts() {
            self.add_part(name, value);
            return None;
        }
        let place = self.place(&name);
        let known = place.ok().and_then(|at| self.known.as_slice().get(at));
        if known.is_some_and(|(_, known)| !self.rules().merge(&name).prefers(&value, known)) {
            return None;
        }
        let value = self.sharing(value);
        self.set(name, value);
        self.drop_oldest()
    }

    fn set(&mut self, name: CompactString, value: TraitValue) {
        let place = self.place(&name);
        self.known.change(|traits| match place {
            Ok(at) => traits[at].1 = value,
            Err(at) => traits.insert(at, (name, value)),
        });
    }

    /// Drops the oldest of the traits without a definition, where there are too many. Those with one are
    /// bounded by the number of definitions.
    fn drop_oldest(&mut self) -> Option<RefusedTrait> {
        if self.known.as_slice().len() <= MAX_TRAITS {
            return None;
        }
        let rules = self.rules();
        let is_free =
            |(_, (name, _)): &(usize, &(CompactString, TraitValue))| rules.get(name).is_none();
        let free = || self.known.as_slice().iter().enumerate().filter(is_free);
        if free().count() <= MAX_TRAITS {
            return None;
        }
        // Per name the order only grows, so a trait among the newest in the end was among them
        // at every moment, and stayed.
        let age = |(_, (name, value)): &(usize, &(CompactString, TraitValue))| {
            (value.origin.order, name.clone())
        };
        let (oldest, _) = free().min_by_key(age)?;
        let (name, _) = self.known.change(|traits| traits.remove(oldest));
        Some(RefusedTrait { name, fault: Fault::Count })
    }

    /// Takes in a part of a union or a sum, and makes the value anew.
    fn add_part(&mut self, name: CompactString, value: TraitValue) {
        let merge = self.rules().merge(&name).clone();
        let range = self.range(&name);
        let own = self.parts.as_slice().get(range.clone()).unwrap_or_default();
        let is_same = |(_, known): &(CompactString, TraitValue)| match merge {
            Merge::Union(_) => known.value == value.value,
            _ => known.origin.order == value.origin.order,
        };
        let same = own.iter().position(is_same);
        if let Some((_, known)) = same.and_then(|at| own.get(at))
            && !merge.prefers(&value, known)
        {
            return;
        }
        let limit = match merge {
            Merge::Union(limit) => limit,
            // One more than is added up, so that it shows that there were more.
            _ => MAX_SUMMED + 1,
        };
        let value = self.sharing(value);
        let combined = self.parts.change(|parts| {
            let mut own: Vec<_> = parts.drain(range.clone()).collect();
            if let Some(at) = same {
                own.remove(at);
            }
            own.push((name.clone(), value));
            own.sort_by(|(_, a), (_, b)| b.by_age(a));
            own.truncate(limit);
            let combined = combined(&merge, &own);
            parts.splice(range.start..range.start, own);
            combined
        });
        if let Some(combined) = combined {
            self.set(name, combined);
        }
    }

    /// Where the parts of a trait are.
    fn range(&self, name: &str) -> std::ops::Range<usize> {
        let parts = self.parts.as_slice();
        let start = parts.partition_point(|(known, _)| known.as_str() < name);
        let end = parts.partition_point(|(known, _)| known.as_str() <= name);
        start..end
    }

    /// The values that are kept of a trait: its parts where it has some, else its value.
    pub fn kept(&self, name: &str) -> impl Iterator<Item = &TraitValue> {
        let parts = self.parts.as_slice().get(self.range(name)).unwrap_or_default();
        let whole = self.get(name).filter(|_| parts.is_empty());
        parts.iter().map(|(_, value)| value).chain(whole)
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
        self.known.as_slice().binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    /// Takes in the traits of another part of the component.
    pub fn merge(&mut self, other: &Self) {
        if self.is_empty() && self.rules == other.rules {
            *self = other.clone();
            return;
        }
        for (name, value) in other.iter().filter(|(name, _)| other.range(name).is_empty()) {
            self.take(name.clone(), value.clone());
        }
        for (name, value) in other.parts.as_slice() {
            self.take(name.clone(), value.clone());
        }
    }

    /// The trait with this very name, removed ones included.
    pub fn get(&self, name: &str) -> Option<&TraitValue> {
        self.known.as_slice().get(self.place(name).ok()?).map(|(_, value)| value)
    }

    /// All traits by name, removed ones included.
    pub fn iter(&self) -> impl Iterator<Item = (&CompactString, &TraitValue)> {
        self.known.as_slice().iter().map(|(name, value)| (name, value))
    }

    /// How many traits there are, removed ones included.
    pub fn len(&self) -> usize {
        self.known.as_slice().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.as_slice().is_empty()
    }

    /// Bytes in memory, beside its own.
    pub(crate) fn weight(&self) -> usize {
        let inner =
            |(name, t): &(CompactString, TraitValue)| weight::text(name) + weight::value(&t.value);
        let all = || self.known.as_slice().iter().chain(self.parts.as_slice());
        let mut origins: Vec<_> = all().map(|(_, t)| Arc::as_ptr(&t.origin)).collect();
        origins.sort_unstable();
        origins.dedup();
        self.known.weight()
            + self.parts.weight()
            + all().map(inner).sum::<usize>()
            + origins.len() * weight::shared(size_of::<Origin>())
    }
}

/// What the parts of a trait come to, from the newest to the oldest. It may be read only for what all of them may be.
fn combined(merge: &Merge, parts: &[(CompactString, TraitValue)]) -> Option<TraitValue> {
    let (_, newest) = parts.first()?;
    let purposes = parts
        .iter()
        .fold(PurposeSet::ALL, |all, (_, part)| PurposeSet(all.0 & part.origin.purposes.0));
    let value = match merge {
        Merge::Union(_) => parts.iter().map(|(_, part)| part.value.clone()).collect(),
        _ if MAX_SUMMED < parts.len() => Value::Null,
        _ => sum(parts.iter().rev().map(|(_, part)| &part.value)),
    };
    let Origin { order, source, .. } = &*newest.origin;
    let origin = Arc::new(Origin { order: *order, source: source.clone(), purposes });
    Some(TraitValue { value, origin })
}

/// The sum of numbers, oldest first, so that one of doubles is always the same; whole where all of them are.
fn sum<'a>(numbers: impl Iterator<Item = &'a Value> + Clone) -> Value {
    let whole: Option<i64> =
        numbers.clone().try_fold(0_i64, |sum, number| sum.checked_add(number.as_i64()?));
    match whole {
        Some(sum) => sum.into(),
        None => numbers.filter_map(Value::as_f64).sum::<f64>().into(),
    }
}

/// Whether a trait of this name and value would be kept.
pub fn is_sound(name: &str, value: &Value) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && fits(value, MAX_VALUE_BYTES)
}

/// Whether a value has at most so many bytes, without building its text.
fn fits(value: &Value, limit: usize) -> bool {
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
    serde_json::to_writer(Room(limit), value).is_ok()
}

fn cut(name: &str) -> CompactString {
    name[..name.floor_char_boundary(MAX_NAME_BYTES)].into()
}
