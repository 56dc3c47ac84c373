//! Evaluation: how verdicts of parts combine, and what each kind of condition asks of the facts.
//!
//! Nothing here allocates, but for the places of filters. A verdict's expiry is exact where that is
//! cheap and early otherwise; it always lies after the instant of evaluation, so that re-evaluating
//! at every expiry makes progress.

use super::{Condition, Fact, Facts, Truth, Verdict};
use crate::{Timestamp, hash};

impl Truth {
    /// Whether it is [`Truth::True`].
    pub fn is_true(self) -> bool {
        self == Self::True
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Withheld => Self::Withheld,
        }
    }
}

impl Verdict {
    /// An answer that the clock alone cannot change.
    pub fn lasting(truth: Truth) -> Self {
        Self { truth, valid_until: None }
    }
}

/// The earlier of two instants, where `None` is never.
pub(super) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// The first instant after `now`.
pub(super) fn next_instant(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_add(1))
}

impl Condition {
    /// Evaluates at `now`.
    pub fn evaluate(&self, facts: &dyn Facts, now: Timestamp) -> Verdict {
        match self {
            Self::All(parts) => at_least(parts.len(), parts, facts, now),
            Self::Any(parts) => at_least(1, parts, facts, now),
            Self::AtLeast { count, of } => at_least(*count, of, facts, now),
            Self::Not(part) => {
                let verdict = part.evaluate(facts, now);
                Verdict { truth: !verdict.truth, ..verdict }
            }
            Self::Trait { path, test } => Verdict::lasting(test.answer(facts.trait_value(path))),
            Self::Context { path, test } => Verdict::lasting(test.answer(facts.context(path))),
            Self::Computed(computed) => computed.evaluate(facts, now),
            Self::Pair(pair) => Verdict::lasting(pair.answer(facts)),
            Self::Dated(dated) => dated.evaluate(facts, now),
            Self::Event(event) => event.evaluate(facts, now),
            Self::Sequence(sequence) => sequence.evaluate(facts, now),
            Self::Audience { key, stay } => match facts.membership(key) {
                Some(membership) => stay.evaluate(membership, now),
                None => Verdict::lasting(Truth::False),
            },
            Self::Stage(stage) => stage.evaluate(facts, now),
            Self::Account(account) => account.evaluate(facts, now),
            Self::Belonging { of, test } => Verdict::lasting(test.answer(of.fact(facts))),
            Self::Members { quota, audience } => {
                let share = facts.this_account().map(|account| account.share(audience));
                Verdict::lasting(share.unwrap_or_default().meets(*quota))
            }
            Self::Consent(purpose) => {
                Verdict::lasting(facts.consents_to(purpose).unwrap_or(false).into())
            }
            Self::Bucket { salt, below } => {
                Verdict::lasting((hash::bucket(salt, facts.unit()) < *below).into())
            }
        }
    }
}

/// Whether at least `count` of `parts` hold. `all` and `any` are its extremes.
///
/// It stops as soon as the parts seen decide it; the answer then lasts as long as each of the parts that decided it.
pub(super) fn at_least(
    count: usize,
    parts: &[Condition],
    facts: &dyn Facts,
    now: Timestamp,
) -> Verdict {
    // So many parts that do not hold decide against it.
    let against = parts.len().saturating_sub(count).saturating_add(1);
    let (mut holding, mut failing) = (0, 0);
    let (mut holding_until, mut failing_until, mut withheld_until) = (None, None, None);
    if count == 0 {
        return Verdict::lasting(Truth::True);
    }
    for part in parts {
        let Verdict { truth, valid_until } = part.evaluate(facts, now);
        match truth {
            Truth::True => {
                holding += 1;
                holding_until = earlier(holding_until, valid_until);
                if holding >= count {
                    return Verdict { truth, valid_until: holding_until };
                }
            }
            Truth::False => {
                failing += 1;
                failing_until = earlier(failing_until, valid_until);
                if failing >= against {
                    return Verdict { truth, valid_until: failing_until };
                }
            }
            Truth::Withheld => withheld_until = earlier(withheld_until, valid_until),
        }
    }
    let valid_until = earlier(withheld_until, earlier(holding_until, failing_until));
    Verdict { truth: Truth::Withheld, valid_until }
}

/// What is known of a person's events, with a missing timeline as an empty one.
pub(super) fn known_rows(fact: Fact<super::Rows<'_>>) -> Option<super::Rows<'_>> {
    match fact {
        Fact::Known(rows) => Some(rows),
        Fact::Missing => Some(super::Rows::none(crate::Purpose::SERVICE)),
        Fact::Withheld => None,
    }
}
