//! What a person agreed to: statements, what they come to, and what the workspace makes of silence.
//!
//! A grant is never retroactive and a withdrawal is immediate. The ledger answers only what holds
//! *now*; that older data stays closed after a grant is realised by the purposes that every value
//! and row was collected for, which never grow.

mod policy;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Basis, Consents, Purpose, PurposeSet, SourceKey, StrandId, UnitId, event::Order, weight,
};
use serde::{Deserialize, Serialize};

pub use policy::{PolicyError, PurposePolicy, PurposeRule};

use crate::shared::Shared;

/// What was said about consent, by whom and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The canonical position of the event that carried it.
    pub order: Order,
    /// The strand it came through.
    pub strand: StrandId,
    /// The device it came from: the unit of the strand, which all strands of one routing identifier share.
    pub device: UnitId,
    /// Whether the person was identified with proof (a server, or an identity token); else it
    /// speaks for the device only.
    pub identified: bool,
    /// What was said.
    pub consents: Consents,
    /// The source it came from.
    pub source: SourceKey,
}

/// Who speaks in a statement. A newer statement of the same voice replaces an older one, purpose by purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Voice {
    /// The identified person, through whichever strand.
    Person,
    /// Whoever held this device.
    Device(UnitId),
}

impl Statement {
    fn voice(&self) -> Voice {
        if self.identified { Voice::Person } else { Voice::Device(self.device) }
    }

    /// Age, as far as `purpose` goes. Of one instant the denial counts as newer, whatever the hashes that
    /// order events say; the rest only makes the order total.
    fn age(&self, purpose: Purpose) -> impl Ord {
        let denies = self.consents.denied.contains(purpose);
        (self.order.time, denies, self.position())
    }

    /// The place in the ledger.
    fn position(&self) -> impl Ord {
        let Consents { granted, denied } = self.consents;
        (self.order, self.strand, self.device, self.identified, &self.source, granted.0, denied.0)
    }
}

/// The statements of a component that still matter.
///
/// A statement stays as long as it is, for some purpose, the newest of its voice; the log keeps
/// them all. So the ledger is bounded by the number of devices, and taking in statements is
/// commutative, associative and idempotent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsentLedger(Shared<Statement>);

impl ConsentLedger {
    /// Takes in a statement; one that says nothing changes nothing.
    pub fn record(&mut self, statement: Statement) {
        if !statement.consents.is_empty() {
            self.extend([statement]);
        }
    }

    /// Takes in the statements of another part of the component.
    pub fn merge(&mut self, other: &Self) {
        let theirs = other.0.as_slice();
        if self.0.as_slice().is_empty() {
            self.0 = other.0.clone();
        } else if !theirs.is_empty() {
            self.extend(theirs.iter().cloned());
        }
    }

    fn extend(&mut self, more: impl IntoIterator<Item = Statement>) {
        self.0.change(|statements| {
            statements.extend(more);
            statements.sort_by(|a, b| a.position().cmp(&b.position()));
            statements.dedup();
            keep_newest(statements);
        });
    }

    /// What holds for a purpose for the person as a whole, as audiences and timers need it.
    pub fn basis(&self, purpose: Purpose) -> Basis {
        self.weigh(purpose, |_| true)
    }

    /// What holds for a purpose when the person is met on this device: a grant that only another
    /// device gave does not count.
    pub fn basis_on(&self, device: UnitId, purpose: Purpose) -> Basis {
        self.weigh(purpose, |other| other == device)
    }

    /// What holds on this device, purpose by purpose.
    pub fn on_device(&self, device: UnitId) -> Consents {
        let mut consents = Consents::default();
        let statements = self.0.as_slice().iter();
        let spoken =
            statements.fold(PurposeSet::default(), |spoken, s| spoken.union(s.consents.spoken()));
        for purpose in spoken.iter() {
            match self.basis_on(device, purpose) {
                Basis::Granted => consents.granted = consents.granted.with(purpose),
                Basis::Denied => consents.denied = consents.denied.with(purpose),
                Basis::Unknown => {}
            }
        }
        consents
    }

    /// The identified person's newest statement holds, until an unidentified device denies later:
    /// the most restrictive wins, until the identified person speaks again. Of one instant, the denial is
    /// the later. Where the identified person never spoke, a denial of any device wins over the grants of
    /// the devices that count.
    fn weigh(&self, purpose: Purpose, counts: impl Fn(UnitId) -> bool) -> Basis {
        let mut newest: BTreeMap<Voice, &Statement> = BTreeMap::new();
        for statement in self.0.as_slice().iter().filter(|s| s.consents.spoken().contains(purpose))
        {
            let known = newest.entry(statement.voice()).or_insert(statement);
            if known.age(purpose) < statement.age(purpose) {
                *known = statement;
            }
        }
        let person = newest.remove(&Voice::Person);
        let mut granted = false;
        for statement in newest.into_values() {
            if person.is_some_and(|person| statement.order.time < person.order.time) {
                continue;
            }
            match statement.consents.basis(purpose) {
                Basis::Denied => return Basis::Denied,
                _ => granted |= counts(statement.device),
            }
        }
        match person {
            Some(person) => person.consents.basis(purpose),
            None if granted => Basis::Granted,
            None => Basis::Unknown,
        }
    }

    /// The statements that still matter, newest first.
    pub fn statements(&self) -> impl Iterator<Item = &Statement> {
        self.0.as_slice().iter().rev()
    }

    /// Bytes in memory, beside its own.
    pub(crate) fn weight(&self) -> usize {
        let source = |statement: &Statement| weight::key(&statement.source);
        self.0.weight() + self.0.as_slice().iter().map(source).sum::<usize>()
    }
}

/// Drops the statements that no longer matter.
fn keep_newest(statements: &mut Vec<Statement>) {
    let mut newest: BTreeMap<(Voice, Purpose), usize> = BTreeMap::new();
    for (i, statement) in statements.iter().enumerate() {
        for purpose in statement.consents.spoken().iter() {
            let known = newest.entry((statement.voice(), purpose)).or_insert(i);
            if statements[*known].age(purpose) < statement.age(purpose) {
                *known = i;
            }
        }
    }
    let kept: BTreeSet<usize> = newest.into_values().collect();
    let mut index = 0..;
    statements.retain(|_| index.next().is_some_and(|i| kept.contains(&i)));
}
