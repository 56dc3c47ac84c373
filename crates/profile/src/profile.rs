//! One person as the engine holds it: everything that was folded from the rows of the component's strands.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use model::{
    Consents, Country, Key, ProfileId, Purpose, PurposeSet, SourceKey, StrandId, Timestamp, UnitId,
    condition::{EventRow, Layout},
    event::Order,
    value::Object,
};

use crate::{
    Assignment, Assignments, Belonging, Belongings, Component, ConsentLedger, PackedComponent,
    PurposePolicy, RefusedTrait, ServiceView, Statement, Timeline, Traits, View,
};

/// When a person was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Event time of the earliest event.
    pub first: Timestamp,
    /// Event time of the latest.
    pub last: Timestamp,
}

/// Where a person was, and when; only the newest is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenIn {
    /// The canonical position of the event that told it.
    pub order: Order,
    /// The country.
    pub country: Country,
}

/// What a profile consists of, in the open: for storing, merging, and showing it to someone who may see all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Records {
    /// Which strands and identifiers are this person.
    pub component: PackedComponent,
    /// What assignments hash.
    pub unit: UnitId,
    /// What is known.
    pub traits: Traits,
    /// What was agreed to.
    pub consents: ConsentLedger,
    /// What was done.
    pub timeline: Timeline,
    /// Which variants are kept.
    pub assignments: Assignments,
    /// When the person was seen; `None` before the first event.
    pub seen: Option<Seen>,
    /// Where the person was seen last, where a purpose makes a difference between countries.
    pub country: Option<SeenIn>,
    /// The person is to be left alone: nothing is chosen for them and nothing is sent.
    pub suppressed: bool,
    /// What is stored may not be used for any purpose until that is lifted.
    pub restricted: bool,
    /// What the person has put right. It holds whatever sources say, before and after.
    pub stated: Traits,
    /// The accounts that the person belongs to.
    pub accounts: Belongings,
}

/// A person.
///
/// Its data is not readable here. Whatever decides goes through [`Profile::view`] and names a
/// purpose (I10); only storage and the pages of those who may see a whole person use
/// [`Profile::records`]. Clones share their large parts until one of them changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    records: Records,
}

/// One event, as far as it tells something about the person.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// The strand it came through.
    pub strand: StrandId,
    /// The unit of that strand, which names its device.
    pub device: UnitId,
    /// The source it came from.
    pub source: &'a SourceKey,
    /// Its canonical position.
    pub order: Order,
    /// Whether it identifies the person with proof, so that its statements bind the person and not only the device.
    pub identified: bool,
    /// What it says about consent.
    pub consents: Consents,
    /// Where the person was, where that matters.
    pub country: Option<Country>,
    /// The purposes it was collected for, as [`PurposePolicy::collect`] answered.
    pub purposes: PurposeSet,
    /// What it says about the person.
    pub traits: &'a Object,
    /// Its row, where a live definition reads events of its name.
    pub row: Option<Observed<'a>>,
}

/// The row of an event, and how it is read.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// What rows keep of events.
    pub layout: &'a Arc<Layout>,
    /// The number of the event's name in it.
    pub number: u32,
    /// The row.
    pub row: &'a EventRow,
}

impl Profile {
    /// A person of whom nothing is known but who it is.
    pub fn new(component: Component, unit: UnitId) -> Self {
        let records = Records {
            component: component.into(),
            unit,
            traits: Traits::default(),
            consents: ConsentLedger::default(),
            timeline: Timeline::default(),
            assignments: Assignments::default(),
            seen: None,
            country: None,
            suppressed: false,
            restricted: false,
            stated: Traits::default(),
            accounts: Belongings::default(),
        };
        Self { records }
    }

    /// The public id: that of the head strand.
    pub fn id(&self) -> ProfileId {
        ProfileId(self.records.component.head())
    }

    /// What assignments hash.
    pub fn unit(&self) -> UnitId {
        self.records.unit
    }

    /// Takes in what an event says about the person; returns the traits that were not kept.
    ///
    /// The same events end in the same profile in whichever order and however often they are observed.
    pub fn observe(&mut self, observation: Observation<'_>) -> Vec<RefusedTrait> {
        let Observation { strand, device, source, order, identified, consents, purposes, .. } =
            observation;
        let records = &mut self.records;
        let statement =
            Statement { order, strand, device, identified, consents, source: source.clone() };
        records.consents.record(statement);
        let seen_in = observation.country.map(|country| SeenIn { order, country });
        records.country = records.country.max(seen_in);
        if let Some(Observed { layout, number, row }) = observation.row {
            records.timeline.insert(layout, number, row);
        }
        let at = Seen { first: order.time, last: order.time };
        records.seen = Some(records.seen.map_or(at, |seen| seen.merged(at)));
        records.traits.observe(observation.traits, source, order, purposes)
    }

    /// Takes in an assignment row.
    pub fn assign(&mut self, experience: Key, assignment: Assignment) {
        self.records.assignments.insert(experience, assignment);
    }

    /// Takes in what was said of the person's belonging to an account.
    pub fn belong(&mut self, said: Belonging) {
        self.records.accounts.take(said);
    }

    /// Sets whether the person is to be left alone.
    pub fn suppress(&mut self, suppressed: bool) {
        self.records.suppressed = suppressed;
    }

    /// Says anew which strands and identifiers are this person, after a link or a refold that left
    /// the data of the component as it is.
    pub fn recompose(&mut self, component: Component, unit: UnitId) {
        self.records.component = component.into();
        self.records.unit = unit;
    }

    /// Takes in the data of another part of the component. Commutative, associative and idempotent
    /// but for component and unit, which [`Profile::recompose`] sets.
    pub fn merge(&mut self, other: &Self) {
        let (ours, theirs) = (&mut self.records, &other.records);
        ours.traits.merge(&theirs.traits);
        ours.consents.merge(&theirs.consents);
        ours.timeline.merge(&theirs.timeline);
        ours.assignments.merge(&theirs.assignments);
        ours.country = ours.country.max(theirs.country);
        ours.suppressed |= theirs.suppressed;
        ours.restricted |= theirs.restricted;
        ours.stated.merge(&theirs.stated);
        ours.accounts.merge(&theirs.accounts);
        ours.seen = match (ours.seen, theirs.seen) {
            (Some(a), Some(b)) => Some(a.merged(b)),
            (a, b) => a.or(b),
        };
    }

    /// The person as decisions for `purpose` may see them.
    pub fn view<'a>(&'a self, policy: &'a PurposePolicy, purpose: Purpose) -> View<'a> {
        View::new(self, policy, purpose)
    }

    /// What may always be checked: suppression and what is already assigned.
    pub fn service(&self) -> ServiceView<'_> {
        ServiceView::new(self)
    }

    /// Everything, as it is stored. Not for decisions: no purpose is checked.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Everything, to be changed by whoever loads it from storage.
    pub fn records_mut(&mut self) -> &mut Records {
        &mut self.records
    }

    /// Bytes in memory, beside the profile itself and what it shares with others.
    pub fn weight(&self) -> usize {
        let records = &self.records;
        records.component.weight()
            + records.traits.weight()
            + records.stated.weight()
            + records.consents.weight()
            + records.timeline.weight()
            + records.assignments.weight()
            + records.accounts.weight()
    }
}

impl From<Records> for Profile {
    fn from(records: Records) -> Self {
        Self { records }
    }
}

impl Seen {
    fn merged(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}
