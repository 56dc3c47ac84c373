//! What other definitions would have decided, beside what was recorded: who gets something else, who is displaced,
//! and how probable what was shown would have been.

use std::collections::{BTreeMap, BTreeSet};

use model::Key;
use serde::Serialize;

use crate::{ExperienceDocument, HELD_OUT, Outcome, catalog, document::Allocation};

/// What a placement showed somebody, or would have shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown {
    /// The experience that won; `None` where none did.
    pub experience: Option<Key>,
    /// Its variant, or [`HELD_OUT`] for who was held out of it.
    pub arm: Option<Key>,
}

impl Shown {
    /// What an outcome shows.
    pub fn of(outcome: &Outcome) -> Self {
        let arm = if outcome.shadow.is_some() { held_out() } else { outcome.variant.clone() };
        Self { experience: outcome.won().map(|won| won.key.clone()), arm }
    }

    /// Who was held out of an experience.
    pub fn held_out(experience: Key) -> Self {
        Self { experience: Some(experience), arm: held_out() }
    }
}

fn held_out() -> Option<Key> {
    HELD_OUT.parse().ok()
}

/// One decision, as it was and as it would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// As recorded.
    pub before: Shown,
    /// By the other definitions.
    pub after: Shown,
    /// The audiences that the person was in then, as recorded.
    pub audiences: Vec<Key>,
}

/// How many before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// As recorded.
    pub before: u64,
    /// By the other definitions.
    pub after: u64,
}

/// Decisions and people of an experience.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExperienceReach {
    /// Decisions that it won, held-out ones included.
    pub decisions: Reach,
    /// People for whom it won at least once.
    pub people: Reach,
    /// Decisions by variant; `holdout` for those held out.
    pub variants: BTreeMap<Key, Reach>,
}

/// Differences counted over many people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// People with decisions.
    pub people: u64,
    /// People of whom at least one decision differs.
    pub people_different: u64,
    /// Decisions.
    pub decisions: u64,
    /// Decisions that differ in experience or variant.
    pub different: u64,
    /// Decisions that another experience would have won: from which to which; `None` for none.
    pub moves: BTreeMap<(Option<Key>, Option<Key>), u64>,
    /// By experience.
    pub experiences: BTreeMap<Key, ExperienceReach>,
    /// People for whom the experience in question won, by the audiences that they were in.
    pub audiences: BTreeMap<Key, Reach>,
}

impl Tally {
    /// Takes in all decisions of one person; `focus` is the experience whose reach by audience is counted.
    pub fn person(&mut self, focus: &Key, decisions: &[Pair]) {
        if decisions.is_empty() {
            return;
        }
        self.people += 1;
        let mut won = [BTreeSet::new(), BTreeSet::new()];
        let mut within = [BTreeSet::new(), BTreeSet::new()];
        for pair in decisions {
            self.decide(pair);
            for (place, shown) in [&pair.before, &pair.after].into_iter().enumerate() {
                won[place].extend(&shown.experience);
                if shown.experience.as_ref() == Some(focus) {
                    within[place].extend(&pair.audiences);
                }
            }
        }
        self.people_different += u64::from(decisions.iter().any(|pair| pair.before != pair.after));
        for (place, (won, within)) in won.into_iter().zip(within).enumerate() {
            for experience in won {
                self.experiences.entry(experience.clone()).or_default().people.count(place);
            }
            for audience in within {
                self.audiences.entry(audience.clone()).or_default().count(place);
            }
        }
    }

    /// Takes in what was counted of other people.
    pub fn add(&mut self, other: Self) {
        let Self { people, people_different, decisions, different, moves, experiences, audiences } =
            other;
        self.people += people;
        self.people_different += people_different;
        self.decisions += decisions;
        self.different += different;
        for (pair, count) in moves {
            *self.moves.entry(pair).or_default() += count;
        }
        for (key, reach) in experiences {
            self.experiences.entry(key).or_default().add(reach);
        }
        for (key, reach) in audiences {
            self.audiences.entry(key).or_default().add(reach);
        }
    }

    fn decide(&mut self, Pair { before, after, .. }: &Pair) {
        self.decisions += 1;
        self.different += u64::from(before != after);
        if before.experience != after.experience {
            let pair = (before.experience.clone(), after.experience.clone());
            *self.moves.entry(pair).or_default() += 1;
        }
        for (place, shown) in [before, after].into_iter().enumerate() {
            let Some(experience) = &shown.experience else { continue };
            let reach = self.experiences.entry(experience.clone()).or_default();
            reach.decisions.count(place);
            if let Some(arm) = &shown.arm {
                reach.variants.entry(arm.clone()).or_default().count(place);
            }
        }
    }
}

impl ExperienceReach {
    fn add(&mut self, Self { decisions, people, variants }: Self) {
        self.decisions.add(decisions);
        self.people.add(people);
        for (variant, reach) in variants {
            self.variants.entry(variant).or_default().add(reach);
        }
    }
}

impl Reach {
    fn add(&mut self, Self { before, after }: Self) {
        self.before += before;
        self.after += after;
    }

    fn count(&mut self, place: usize) {
        *(if place == 0 { &mut self.before } else { &mut self.after }) += 1;
    }
}

/// What is shown, as far as people can tell: the content with its editions as JSON text, or the placement's default.
pub type Action = Option<String>;

/// The probabilities of what one unit is shown by a policy. They add up to 1.
pub type Chances = Vec<(Action, f64)>;

/// The probabilities of what a unit for which an experience wins is shown, given that no shared holdout keeps it away.
///
/// Variants that show the same are one action, and who is held out sees the placement's default. `None` where
/// the document does not say the shares, since somebody else divides the units.
pub fn chances(document: &ExperienceDocument) -> Option<Chances> {
    if document.allocation != (Allocation::Fixed {}) {
        return None;
    }
    let mut chances: BTreeMap<Action, f64> = BTreeMap::new();
    *chances.entry(None).or_default() += document.holdout.fraction();
    let shares = catalog::shares(document)?;
    for (variant, share) in document.variants.iter().zip(shares) {
        let chance = document.holdout.rest() * share.fraction();
        *chances.entry(action(document, &variant.key)).or_default() += chance;
    }
    Some(chances.into_iter().filter(|(_, chance)| *chance > 0.0).collect())
}

/// What an arm of an experience shows.
pub fn action(document: &ExperienceDocument, arm: &Key) -> Action {
    let variant = document.variants.iter().find(|variant| variant.key == *arm)?;
    if variant.content.is_none() && variant.editions.is_empty() {
        return None;
    }
    // Objects keep their members in the order of their names, so equal contents are equal texts.
    serde_json::to_string(&(&variant.content, &variant.editions)).ok()
}

/// The chance of an action.
pub fn chance(chances: &Chances, action: &Action) -> f64 {
    chances.iter().find(|(known, _)| known == action).map_or(0.0, |(_, chance)| *chance)
}

/// The part of a policy's probability that lies on what another policy might have shown as well.
pub fn supported(policy: &Chances, by: &Chances) -> f64 {
    policy.iter().filter(|(action, _)| chance(by, action) > 0.0).map(|(_, chance)| chance).sum()
}

#[cfg(test)]
mod tests;
