//! How one person is taken apart: from what an operator asks for to the parts that a ruling keeps apart.

use std::collections::{BTreeMap, BTreeSet};

use model::{Identifier, Seq, StrandId};
use thiserror::Error;

use super::{IdentityRules, Link, Resolution, Ruling, Says, resolve};

/// How a person is to be taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// These identifiers, normalised, are somebody else's.
    Identifiers(Vec<Identifier>),
    /// Everything that was merged is taken apart: each identifier stays only with those that came through
    /// the same strand.
    All,
}

/// Why a person cannot be taken apart like this.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CannotSplit {
    /// The person does not hold it.
    #[error("an identifier of type {} is not one of this profile", .0.kind)]
    NotHeld(Identifier),
    /// All of it would be on one side.
    #[error("the profile has nothing else that it could be split from")]
    Nothing,
}

/// The parts that keep the person of `strand` apart as asked.
///
/// What only the split-off strands were seen with goes with them: an identifier that was not named, and that
/// nobody could hold any more, moves to the part of the strand that was seen with it first.
///
/// # Errors
///
/// When an identifier is not held by this person, or nothing would be left on the other side.
pub fn split(
    links: &[Link],
    rulings: &[Ruling],
    rules: &IdentityRules,
    strand: StrandId,
    how: &Split,
) -> Result<Vec<Vec<Identifier>>, CannotSplit> {
    let before = resolve(links, rulings, rules);
    let component = before.component_of(strand).ok_or(CannotSplit::Nothing)?;
    let held: BTreeSet<&Identifier> = component.identifiers.iter().map(|k| &k.identifier).collect();
    let (mut parts, named) = match how {
        Split::Identifiers(named) => {
            if let Some(other) = named.iter().find(|identifier| !held.contains(identifier)) {
                return Err(CannotSplit::NotHeld(other.clone()));
            }
            let named: BTreeSet<&Identifier> = named.iter().collect();
            (held.iter().map(|&i| (i, usize::from(!named.contains(i)))).collect(), named)
        }
        Split::All => (by_first_strand(links, &component.strands, &held), BTreeSet::new()),
    };
    for _ in 0..ROUNDS_MAX {
        let after = resolved_apart(links, rulings, rules, &parts);
        if !follow(links, &after, &named, &mut parts) {
            break;
        }
    }
    let mut sorted: BTreeMap<usize, Vec<Identifier>> = BTreeMap::new();
    for (identifier, part) in parts {
        sorted.entry(part).or_default().push(identifier.clone());
    }
    if sorted.len() < 2 {
        return Err(CannotSplit::Nothing);
    }
    Ok(sorted.into_values().collect())
}

/// How often identifiers are moved after others: each round places all whose part is clear by then.
const ROUNDS_MAX: usize = 8;

/// Which part each identifier is in.
type Parts<'a> = BTreeMap<&'a Identifier, usize>;

/// A part for each strand that brought identifiers: those it was the first to be seen with.
fn by_first_strand<'a>(
    links: &'a [Link],
    strands: &[StrandId],
    held: &BTreeSet<&'a Identifier>,
) -> Parts<'a> {
    let mut firsts: BTreeMap<&Identifier, &Link> = BTreeMap::new();
    for link in links.iter().filter(|link| strands.binary_search(&link.strand).is_ok()) {
        let Some(&identifier) = held.get(&link.identifier) else { continue };
        let first = firsts.entry(identifier).or_insert(link);
        if (link.order, link.strand) < (first.order, first.strand) {
            *first = link;
        }
    }
    let part = |link: &Link| strands.binary_search(&link.strand).unwrap_or_default();
    firsts.into_iter().map(|(identifier, link)| (identifier, part(link))).collect()
}

fn resolved_apart(
    links: &[Link],
    rulings: &[Ruling],
    rules: &IdentityRules,
    parts: &Parts<'_>,
) -> Resolution {
    let mut apart: BTreeMap<usize, Vec<Identifier>> = BTreeMap::new();
    for (&identifier, &part) in parts {
        apart.entry(part).or_default().push(identifier.clone());
    }
    let says = Says::Apart(apart.into_values().collect());
    let ruling = Ruling { since: Seq(u64::MAX), says };
    resolve(links, &[rulings, &[ruling]].concat(), rules)
}

/// Moves what nobody holds to the part of the first strand that was seen with it; whether anything moved.
fn follow(
    links: &[Link],
    after: &Resolution,
    named: &BTreeSet<&Identifier>,
    parts: &mut Parts<'_>,
) -> bool {
    let holders: BTreeMap<&Identifier, StrandId> = after
        .components
        .iter()
        .flat_map(|c| c.identifiers.iter().map(|known| (&known.identifier, c.head)))
        .collect();
    let part_of: BTreeMap<StrandId, usize> = parts
        .iter()
        .filter_map(|(&identifier, &part)| Some((*holders.get(identifier)?, part)))
        .collect();
    let mut moves = Vec::new();
    for (&identifier, &part) in &*parts {
        if named.contains(identifier) || holders.contains_key(identifier) {
            continue;
        }
        let seen = links.iter().filter(|link| link.identifier == *identifier);
        let first = seen.min_by_key(|link| (link.order, link.strand));
        let holder = first.and_then(|link| after.component_of(link.strand));
        let other = holder.and_then(|component| part_of.get(&component.head).copied());
        moves.extend(other.filter(|other| *other != part).map(|other| (identifier, other)));
    }
    for &(identifier, part) in &moves {
        if let Some(place) = parts.get_mut(identifier) {
            *place = part;
        }
    }
    !moves.is_empty()
}
