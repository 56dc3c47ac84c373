//! Which variant a person keeps: the earliest assignment in the component.

use model::{Drawn, Key, Seq, StrandId, weight};
use serde::{Deserialize, Serialize};

use crate::shared::Shared;

/// An immutable row: this strand was given this variant at this place of the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Assignment {
    /// When, as a place of the log. Declared first so that assignments order by age.
    pub seq: Seq,
    /// The strand that was assigned.
    pub strand: StrandId,
    /// The variant.
    pub variant: Key,
    /// How it was drawn, of an experience whose shares follow what units did.
    pub drawn: Option<Drawn>,
}

/// The effective assignment of a person for each experience.
///
/// The earliest wins, so that a person who turns out to be two visitors keeps what either saw
/// first. The rows of the component's strands are the truth: after a split each side is folded from
/// its own rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignments(Shared<(Key, Assignment)>);

impl Assignments {
    /// Takes in a row; an earlier one for the same experience stays.
    pub fn insert(&mut self, experience: Key, assignment: Assignment) {
        match self.place(&experience) {
            Err(place) => self.0.change(|all| all.insert(place, (experience, assignment))),
            Ok(place) if self.at(place).is_some_and(|known| assignment < *known) => {
                self.0.change(|all| all[place].1 = assignment);
            }
            Ok(_) => {}
        }
    }

    /// Takes in the rows of another part of the component. Commutative, associative, idempotent.
    pub fn merge(&mut self, other: &Self) {
        if self.is_empty() {
            self.0 = other.0.clone();
            return;
        }
        for (experience, assignment) in other.iter() {
            self.insert(experience.clone(), assignment.clone());
        }
    }

    fn place(&self, experience: &Key) -> Result<usize, usize> {
        self.0.as_slice().binary_search_by(|(known, _)| known.cmp(experience))
    }

    fn at(&self, place: usize) -> Option<&Assignment> {
        self.0.as_slice().get(place).map(|(_, assignment)| assignment)
    }

    /// The effective assignment for an experience.
    pub fn get(&self, experience: &Key) -> Option<&Assignment> {
        self.at(self.place(experience).ok()?)
    }

    /// All of them, by experience.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Assignment)> {
        self.0.as_slice().iter().map(|(experience, assignment)| (experience, assignment))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.as_slice().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    /// Bytes in memory, beside its own.
    pub(crate) fn weight(&self) -> usize {
        let keys = |(key, kept): (&Key, &Assignment)| weight::key(key) + weight::key(&kept.variant);
        self.0.weight() + self.iter().map(keys).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use model::Lane;
    use proptest::prelude::*;

    use super::*;

    fn rows() -> impl Strategy<Value = Vec<(Key, Assignment)>> {
        let row = (0..3_u8, 0..6_u64, 0..3_u64, 0..2_u8).prop_map(
            |(experience, seq, strand, variant)| {
                let key = |text: String| text.parse::<Key>().unwrap();
                let strand = StrandId { born: Seq(strand), lane: Lane::from_hash(0) };
                let variant = key(format!("v{variant}"));
                (
                    key(format!("e{experience}")),
                    Assignment { seq: Seq(seq), strand, variant, drawn: None },
                )
            },
        );
        proptest::collection::vec(row, 0..12)
    }

    fn fold(rows: &[(Key, Assignment)]) -> Assignments {
        let mut all = Assignments::default();
        rows.iter().for_each(|(key, row)| all.insert(key.clone(), row.clone()));
        all
    }

    proptest! {
        #[test]
        fn the_earliest_wins_in_any_order_and_grouping(rows in rows(), cut in 0..12_usize) {
            let whole = fold(&rows);
            for (key, kept) in whole.iter() {
                let oldest = rows.iter().filter(|(k, _)| k == key).map(|(_, row)| row).min();
                prop_assert_eq!(Some(kept), oldest);
            }
            let (left, right) = rows.split_at(cut.min(rows.len()));
            for (a, b) in [(left, right), (right, left), (&rows[..], left)] {
                let mut merged = fold(a);
                merged.merge(&fold(b));
                prop_assert_eq!(&merged, &whole);
            }
        }
    }
}
