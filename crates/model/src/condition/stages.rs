//! In which stage of an ordered set a person is.
//!
//! Stages are ordered, and a person is in the furthest they have reached. Whether somebody has
//! reached a stage is a membership like that in an audience: recorded, with an instant and an
//! expiry. Nothing else is recorded, so a person in the first stage takes no room.

use super::{
    Facts, NamedStages, Names, Truth, Verdict,
    evaluate::{earlier, next_instant},
};
use crate::{Duration, Key, Purpose, Timestamp};

/// Where somebody stands among the stages of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The place of their stage, from 0 for the first; `None` where it may not be known.
    pub stage: Option<usize>,
    /// Since when they have been in it; `None` for those who never were in another.
    pub since: Option<Timestamp>,
    /// The instant from which it may be another one, if nothing new is observed.
    pub valid_until: Option<Timestamp>,
}

/// Where somebody stands, given the names under which their having reached the second and each
/// further stage is recorded.
pub fn standing(reached: &[Key], facts: &dyn Facts, now: Timestamp) -> Standing {
    let (mut since, mut valid_until) = (None, None);
    for (before, key) in reached.iter().enumerate().rev() {
        let Some(membership) = facts.membership(key) else {
            return Standing { stage: None, since: None, valid_until: None };
        };
        let until = membership.valid_until.map(|until| until.max(next_instant(now)));
        valid_until = earlier(valid_until, until);
        match membership.truth {
            // They came into a stage when they reached it, or when they fell back from the one after it.
            Truth::True => {
                let since = membership.since.max(since);
                return Standing { stage: Some(before + 1), since, valid_until };
            }
            Truth::False => since = membership.since,
            Truth::Withheld => return Standing { stage: None, since: None, valid_until },
        }
    }
    Standing { stage: Some(0), since, valid_until }
}

/// A question for the stage in which a person is.
#[derive(Clone, Debug, PartialEq)]
pub struct StageTest {
    /// The stages, by the key of their definition.
    pub stages: Key,
    /// In one of these.
    pub of: Vec<Key>,
    /// For how long without a break, if that matters.
    pub for_at_least: Option<Duration>,
    /// How it is answered, once the definition is known.
    linked: Option<Linked>,
}

#[derive(Clone, Debug, PartialEq)]
struct Linked {
    reached: Vec<Key>,
    places: Vec<usize>,
}

impl StageTest {
    /// A question that does not know yet what it names.
    pub(super) fn new(stages: Key, of: Vec<Key>, for_at_least: Option<Duration>) -> Self {
        Self { stages, of, for_at_least, linked: None }
    }

    /// The names of the memberships that it reads.
    pub fn reads(&self) -> &[Key] {
        self.linked.as_ref().map_or(&[], |linked| &linked.reached)
    }

    /// Where the person stands at `now`.
    pub(super) fn standing(&self, facts: &dyn Facts, now: Timestamp) -> Standing {
        match &self.linked {
            Some(linked) => standing(&linked.reached, facts, now),
            None => Standing { stage: None, since: None, valid_until: None },
        }
    }

    /// Evaluates at `now`. What names nothing known is false.
    pub(super) fn evaluate(&self, facts: &dyn Facts, now: Timestamp) -> Verdict {
        let Some(Linked { places, .. }) = &self.linked else {
            return Verdict::lasting(Truth::False);
        };
        let Standing { stage, since, valid_until } = self.standing(facts, now);
        let Some(stage) = stage else { return Verdict { truth: Truth::Withheld, valid_until } };
        let is_in = places.contains(&stage);
        let Some(length) = self.for_at_least.filter(|_| is_in) else {
            return Verdict { truth: is_in.into(), valid_until };
        };
        match since.map(|since| since.saturating_add(length)) {
            Some(ripe) if ripe <= now => Verdict { truth: Truth::True, valid_until },
            ripe => Verdict { truth: Truth::False, valid_until: earlier(valid_until, ripe) },
        }
    }

    pub(super) fn link(&mut self, names: &Names, purpose: Purpose) -> Result<(), String> {
        let Self { stages, of, .. } = self;
        let Some(NamedStages { keys, reached, purpose: own, purpose_key, .. }) =
            names.stages.get(stages)
        else {
            return Err(format!("there are no live stages `{stages}`"));
        };
        if *own != purpose {
            return Err(format!(
                "stages `{stages}` are for the purpose `{purpose_key}`; what asks about them needs the same"
            ));
        }
        let mut places = Vec::with_capacity(of.len());
        for key in of {
            let place = keys.iter().position(|known| known == key);
            places.push(place.ok_or_else(|| format!("stages `{stages}` have no stage `{key}`"))?);
        }
        self.linked = Some(Linked { reached: reached.clone(), places });
        Ok(())
    }
}
