//! Audiences that may hold for someone of whom nothing is known: what must be evaluated for a new
//! person beside what their first events touch.
//!
//! Most conditions ask for something that happened, and are false without evaluation while nothing
//! has. Evaluating hundreds of them for every new visitor would cost more than everything else
//! about the visitor's first event.

use model::{
    Key, Purpose, Timestamp, UnitId,
    condition::{Condition, Facts, Membership, Rule, Truth},
    consent::PurposeKey,
};

use crate::{Audience, Touched};

/// Nobody: no trait, no event, no membership.
struct Nobody;

impl Facts for Nobody {
    fn membership(&self, _: &Key) -> Option<Membership> {
        Some(Membership::unrecorded(Truth::False))
    }

    fn consents_to(&self, _: &PurposeKey) -> Option<bool> {
        Some(false)
    }

    fn unit(&self) -> UnitId {
        UnitId(0)
    }
}

/// The audiences whose answer for somebody without data is not known to be false for ever, and the
/// purposes of all the others.
///
/// Where one of those purposes is not granted, the answer is withheld instead, and everything must be evaluated.
pub(crate) fn unconditional(audiences: &[Audience]) -> (Touched, Vec<Purpose>) {
    let mut found = Touched::default();
    let mut purposes = Vec::new();
    for (position, audience) in audiences.iter().enumerate().filter(|(_, a)| !a.request_only()) {
        let verdict = audience.rule().evaluate(&Nobody, Timestamp::default());
        let is_blank = verdict.truth == Truth::False && verdict.valid_until.is_none();
        if !is_blank || depends_on_more_than_data(audience.rule()) {
            found.insert(position);
        } else if !purposes.contains(&audience.purpose()) {
            purposes.push(audience.purpose());
        }
    }
    (found, purposes)
}

/// Whether the condition asks about something that even a person without data has: a unit, consent, another audience.
fn depends_on_more_than_data(rule: &Rule) -> bool {
    // A stage that is reached with a further one is looked at whenever that is.
    let is_audience = |key: &Key| key.parts().is_none();
    let needs = rule.needs();
    let mut depends = needs.audiences.iter().any(is_audience) || !needs.purposes.is_empty();
    rule.condition().visit(&mut |_, part| depends |= matches!(part, Condition::Bucket { .. }));
    depends
}
