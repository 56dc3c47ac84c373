//! What operators say about who is who, above what links say.
//!
//! The two kinds are the must-link and cannot-link constraints of constrained clustering (Wagstaff and
//! others: "Constrained K-means Clustering with Background Knowledge", 2001), over identifiers instead of
//! strands, so that they bind strands that are yet to come.

use model::{Identifier, Seq};
use rustc_hash::FxHashMap;

/// What an operator said about some identifiers. Where two contradict one another, the later one holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Since when, as a place of the log: a ruling that was taken back and put in force again counts from then.
    pub since: Seq,
    /// What was said.
    pub says: Says,
}

/// What a ruling says. Identifiers are normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// Whoever has one of these has them all, whatever the limits of their types are.
    Together(Vec<Identifier>),
    /// Nobody has identifiers of two of these parts.
    Apart(Vec<Vec<Identifier>>),
}

/// Index of a set of identifiers that rulings put together.
pub(super) type Class = usize;
/// Which part of which ruling an identifier is in.
pub(super) type Side = (usize, usize);

/// Rulings, ready to be asked about an identifier.
#[derive(Debug, Default)]
pub(super) struct Rulings<'a> {
    classes: FxHashMap<&'a Identifier, Class>,
    sides: FxHashMap<&'a Identifier, Vec<Side>>,
    class_count: usize,
}

impl<'a> Rulings<'a> {
    /// Settles contradictions, latest first.
    ///
    /// Identifiers that a later ruling puts together are no longer kept apart by an earlier one:
    /// the parts they are in become one. A ruling that puts together what a later one still keeps
    /// apart is void.
    pub(super) fn settle(rulings: &'a [Ruling]) -> Self {
        let mut latest_first: Vec<&Ruling> = rulings.iter().collect();
        latest_first.sort_by_key(|ruling| std::cmp::Reverse(ruling.since));
        let mut settled = Self::default();
        let mut together: Vec<&[Identifier]> = Vec::new();
        for (number, ruling) in latest_first.into_iter().enumerate() {
            match &ruling.says {
                Says::Apart(parts) => settled.keep_apart(number, parts, &together),
                Says::Together(identifiers) => {
                    if !settled.keeps_any_apart(identifiers) {
                        together.push(identifiers);
                    }
                }
            }
        }
        settled.classes = classes(&together);
        settled.class_count = settled.classes.values().max().map_or(0, |last| last + 1);
        settled
    }

    fn keep_apart(
        &mut self,
        number: usize,
        parts: &'a [Vec<Identifier>],
        together: &[&'a [Identifier]],
    ) {
        let mut part_of: FxHashMap<&Identifier, usize> = FxHashMap::default();
        for (part, identifiers) in parts.iter().enumerate() {
            part_of.extend(identifiers.iter().map(|identifier| (identifier, part)));
        }
        let mut merged: Vec<usize> = (0..parts.len()).collect();
        for identifiers in together {
            let mut met =
                identifiers.iter().filter_map(|i| part_of.get(i)).map(|&part| root(&merged, part));
            let Some(first) = met.next() else { continue };
            let others: Vec<usize> = met.collect();
            for other in others {
                let (other, first) = (root(&merged, other), root(&merged, first));
                merged[other] = first;
            }
        }
        for (identifier, part) in part_of {
            self.sides.entry(identifier).or_default().push((number, root(&merged, part)));
        }
    }

    fn keeps_any_apart(&self, identifiers: &[Identifier]) -> bool {
        let mut seen: FxHashMap<usize, usize> = FxHashMap::default();
        identifiers
            .iter()
            .flat_map(|identifier| self.sides(identifier))
            .any(|&(ruling, part)| *seen.entry(ruling).or_insert(part) != part)
    }

    /// The set that an identifier is put together with; `None` when it stands for itself.
    pub(super) fn class(&self, identifier: &Identifier) -> Option<Class> {
        self.classes.get(identifier).copied()
    }

    /// How many classes there are.
    pub(super) fn class_count(&self) -> usize {
        self.class_count
    }

    /// The parts that an identifier is in.
    pub(super) fn sides(&self, identifier: &Identifier) -> &[Side] {
        self.sides.get(identifier).map_or(&[], Vec::as_slice)
    }

    /// Whether two identifiers are one by name or by a ruling.
    pub(super) fn are_one(&self, a: &Identifier, b: &Identifier) -> bool {
        a == b || self.class(a).is_some_and(|class| self.class(b) == Some(class))
    }
}

/// The root of an element in a union-find.
fn root(parents: &[usize], mut element: usize) -> usize {
    while parents[element] != element {
        element = parents[element];
    }
    element
}

/// Numbers the sets that overlapping sets come to.
fn classes<'a>(together: &[&'a [Identifier]]) -> FxHashMap<&'a Identifier, Class> {
    let mut parents: Vec<usize> = (0..together.len()).collect();
    let mut classes: FxHashMap<&Identifier, Class> = FxHashMap::default();
    for (set, identifiers) in together.iter().enumerate() {
        for identifier in *identifiers {
            let known = *classes.entry(identifier).or_insert(set);
            let (known, set) = (root(&parents, known), root(&parents, set));
            parents[known] = set;
        }
    }
    for class in classes.values_mut() {
        *class = root(&parents, *class);
    }
    classes
}
