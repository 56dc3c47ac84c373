//! Looking at people again: what was counted of them is taken out of the sums, and what holds now is put in.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

use audience::FactsByPurpose as _;
use experiment::{Exposed, MAX_ARMS_OF_A_UNIT, Measured, MetricId, effective, measure};
use model::{Key, StrandId, Timestamp, id::LANE_COUNT};
use store::{Batch, Reader, ScanOrder, Slot, StrandKey, Table, VaultError, prefix_range};

use super::{
    Book, Sums,
    exposures::Stated,
    rows::{self, EXPERIENCES_MAX, StoredExposure, StoredStrand, StoredUnit, Strand, Unit},
};
use crate::{
    facts::Views,
    keys,
    load::{self, Loader},
    page::Stored,
    record::MetaHead,
    sealed::{Keys, RowError},
    snapshot::Snapshot,
    state::Shared,
};

/// Who is to be looked at, and what is known of them beside what is stored.
pub(super) struct Look<'a> {
    pub(super) shared: &'a Shared,
    /// What acts, over timelines that hold what metrics read.
    pub(super) snapshot: &'a Snapshot,
    pub(super) now: Timestamp,
    pub(super) stated: &'a [Stated],
    pub(super) erased: &'a BTreeSet<StrandId>,
    pub(super) dirty: BTreeSet<StrandId>,
    pub(super) book: &'a mut Book,
    pub(super) rows: &'a mut Batch,
}

/// Looks at everybody to whom something has happened; returns the experiences whose sums cannot be put right, since
/// what was counted can no longer be read.
pub(super) fn look_again(look: Look<'_>) -> Result<BTreeSet<Key>, RowError> {
    let frozen = look.shared.store.snapshot()?;
    let mut people = People {
        reader: &*frozen,
        keys: &look.shared.keys,
        known: BTreeMap::new(),
        taken: BTreeSet::new(),
        lost: BTreeSet::new(),
        book: look.book,
        rows: look.rows,
    };
    people.forget(look.erased)?;
    for stated in look.stated {
        people.expose(stated, look.erased)?;
    }
    let exposed = look.stated.iter().map(|stated| stated.strand);
    let mut dirty: Vec<StrandId> = look.dirty.iter().copied().chain(exposed).collect();
    dirty.extend(people.counted_with(look.erased));
    let mut seen = BTreeSet::new();
    while let Some(strand) = dirty.pop() {
        if look.erased.contains(&strand) || !seen.insert(strand) {
            continue;
        }
        let Some(component) = people.component(strand)? else { continue };
        let mut before = BTreeSet::new();
        for &strand in &component.strands {
            seen.insert(strand);
            before.extend(people.strand(strand)?.and_then(|known| known.before));
        }
        before.extend(people.has_units(component.head)?.then_some(component.head));
        // Those with whom they were counted before are to be looked at as well.
        dirty.extend(before.iter().filter(|head| !component.strands.contains(head)));
        people.count(&component, &before, (look.shared, look.snapshot, look.now))?;
    }
    people.save()?;
    Ok(people.lost)
}

/// The strands of one person.
struct Component {
    head: StrandId,
    strands: Vec<StrandId>,
}

/// A strand with what it was exposed to.
#[derive(Clone)]
struct Known {
    key: Arc<StrandKey>,
    /// With whom it was counted, if it was.
    before: Option<StrandId>,
    /// With whom it is counted from now on.
    head: Option<StrandId>,
    exposures: Vec<(Key, Vec<StoredExposure>)>,
    changed: bool,
}

struct People<'a> {
    reader: &'a dyn Reader,
    keys: &'a Keys,
    /// Strands that were looked at; `None` where they are gone.
    known: BTreeMap<StrandId, Option<Known>>,
    /// What was counted and has been taken out.
    taken: BTreeSet<(StrandId, Key)>,
    lost: BTreeSet<Key>,
    book: &'a mut Book,
    rows: &'a mut Batch,
}

impl People<'_> {
    /// What a strand was exposed to; `None` where it is gone.
    fn strand(&mut self, strand: StrandId) -> Result<Option<&mut Known>, RowError> {
        if !self.known.contains_key(&strand) {
            let read = self.read(strand)?;
            self.known.insert(strand, read);
        }
        Ok(self.known.get_mut(&strand).and_then(Option::as_mut))
    }

    fn read(&self, strand: StrandId) -> Result<Option<Known>, RowError> {
        let Some(key) = key(self.reader, self.keys, strand)? else { return Ok(None) };
        let row_key = rows::strand(strand);
        let Some(row) = self.reader.get(Table::Measure, &row_key)? else {
            let (before, head, exposures, changed) = (None, None, Vec::new(), false);
            return Ok(Some(Known { key: Arc::new(key), before, head, exposures, changed }));
        };
        let stored: StoredStrand = self.keys.open(&key, &row_key, 0, &row, "exposures")?;
        let Strand { head, exposures } = stored.into();
        let (before, key) = (Some(head), Arc::new(key));
        Ok(Some(Known { key, before, head: before, exposures, changed: false }))
    }

    /// The person that a strand belongs to; `None` where it is gone.
    fn component(&self, strand: StrandId) -> Result<Option<Component>, RowError> {
        let Some(row) = self.reader.get(Table::Strand, &keys::strand(strand))? else {
            return Ok(None);
        };
        let Ok(MetaHead { head, .. }) = MetaHead::parse(&row) else { return Ok(None) };
        let pages = Stored { reader: self.reader, keys: self.keys };
        match load::component_strands(&pages, head) {
            Ok(strands) => Ok(Some(Component { head, strands })),
            // On its way out, or damaged: nobody else's numbers wait for it.
            Err(RowError::Unreadable(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds an exposure to those of its strand, where it says something new.
    fn expose(&mut self, stated: &Stated, erased: &BTreeSet<StrandId>) -> Result<(), RowError> {
        if erased.contains(&stated.strand) {
            return Ok(());
        }
        let Some(known) = self.strand(stated.strand)? else { return Ok(()) };
        let place = known.exposures.iter().position(|(key, _)| *key == stated.experience);
        if place.is_none() && EXPERIENCES_MAX <= known.exposures.len() {
            tracing::warn!(
                limit = EXPERIENCES_MAX,
                "a strand was exposed to more experiences than are kept"
            );
            return Ok(());
        }
        let place = place.unwrap_or_else(|| {
            known.exposures.push((stated.experience.clone(), Vec::new()));
            known.exposures.len() - 1
        });
        let Some((_, exposures)) = known.exposures.get_mut(place) else { return Ok(()) };
        let arm = &stated.exposure.exposure.arm;
        let is_full = MAX_ARMS_OF_A_UNIT <= exposures.len();
        let place = exposures.iter().position(|known| known.exposure.arm == *arm);
        match place.and_then(|place| exposures.get_mut(place)) {
            Some(first) if stated.exposure < *first => *first = stated.exposure.clone(),
            Some(_) => return Ok(()),
            None if is_full => return Ok(()),
            None => exposures.push(stated.exposure.clone()),
        }
        known.changed = true;
        Ok(())
    }

    /// Those with whom erased strands were counted, as far as other strands of theirs say.
    fn counted_with(&self, erased: &BTreeSet<StrandId>) -> Vec<StrandId> {
        let others = self.known.iter().filter(|(strand, _)| !erased.contains(strand));
        let heads = others.filter_map(|(_, known)| known.as_ref()?.before);
        heads.filter(|head| erased.contains(head)).collect()
    }

    /// Removes all that lies under erased strands.
    fn forget(&mut self, erased: &BTreeSet<StrandId>) -> Result<(), RowError> {
        let experiences: Vec<Key> = self.book.keys().cloned().collect();
        for &strand in erased {
            self.rows.delete(Table::Measure, rows::strand(strand));
            for experience in &experiences {
                let row_key = rows::unit(experience, strand);
                if self.reader.get(Table::Measure, &row_key)?.is_some() {
                    self.rows.delete(Table::Measure, row_key);
                    self.lost.insert(experience.clone());
                }
            }
        }
        Ok(())
    }

    /// Whether something was counted under a head.
    fn has_units(&mut self, head: StrandId) -> Result<bool, RowError> {
        Ok(self.strand(head)?.is_some_and(|known| known.before == Some(head)))
    }

    /// Takes out what was counted under `before`, and puts in what the person is now.
    fn count(
        &mut self,
        component: &Component,
        before: &BTreeSet<StrandId>,
        (shared, snapshot, now): (&Shared, &Snapshot, Timestamp),
    ) -> Result<(), RowError> {
        let mut exposures: BTreeMap<Key, Vec<(StrandId, StoredExposure)>> = BTreeMap::new();
        for &strand in &component.strands {
            let Some(known) = self.strand(strand)? else { continue };
            for (experience, of_strand) in &known.exposures {
                let of_person = exposures.entry(experience.clone()).or_default();
                of_person.extend(of_strand.iter().map(|exposure| (strand, exposure.clone())));
            }
        }
        let mut experiences: BTreeSet<Key> = exposures.keys().cloned().collect();
        if before.iter().any(|head| *head != component.head) {
            // With whom they were counted before may have been exposed to others.
            experiences.extend(self.book.keys().cloned());
        }
        for head in before {
            for experience in &experiences {
                self.take_out(experience, *head)?;
            }
        }
        let is_counted = !exposures.is_empty();
        if is_counted {
            self.put_in(component.head, &exposures, (shared, snapshot, now))?;
        }
        for &strand in &component.strands {
            let Some(known) = self.strand(strand)? else { continue };
            let head = is_counted.then_some(component.head);
            known.changed |= known.head != head;
            known.head = head;
        }
        Ok(())
    }

    fn take_out(&mut self, experience: &Key, head: StrandId) -> Result<(), RowError> {
        if !self.taken.insert((head, experience.clone())) {
            return Ok(());
        }
        let row_key = rows::unit(experience, head);
        // As it was before this step, whatever that has written.
        let Some(row) = self.reader.get(Table::Measure, &row_key)? else { return Ok(()) };
        let key = self.strand(head)?.map(|known| Arc::clone(&known.key));
        let unit =
            key.and_then(|key| self.keys.open::<StoredUnit>(&key, &row_key, 0, &row, "unit").ok());
        match unit {
            Some(unit) => self.book.take_out(experience, &unit.into()),
            None => drop(self.lost.insert(experience.clone())),
        }
        self.rows.delete(Table::Measure, row_key);
        Ok(())
    }

    fn put_in(
        &mut self,
        head: StrandId,
        exposures: &BTreeMap<Key, Vec<(StrandId, StoredExposure)>>,
        (shared, snapshot, now): (&Shared, &Snapshot, Timestamp),
    ) -> Result<(), RowError> {
        let pages = Stored { reader: self.reader, keys: self.keys };
        let person = match (Loader { pages: &pages, snapshot }).person(head) {
            Ok(person) => person,
            Err(RowError::Unreadable(error)) => {
                tracing::warn!(%error, "a unit cannot be measured");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let views = Views::of(&person.profile, &snapshot.policy);
        let mut due: Option<Timestamp> = None;
        for (experience, exposures) in exposures {
            let found = effective(exposures.iter().map(|(_, exposure)| &exposure.exposure));
            let (exposure, is_several) = match found {
                Some(Exposed::Once(exposure)) => (exposure, false),
                Some(Exposed::Several(exposure)) => (exposure, true),
                None => continue,
            };
            let first = exposures.iter().filter(|(_, known)| known.exposure == *exposure).min();
            let Some((strand, first)) = first else { continue };
            let mut measured: Vec<(MetricId, Measured)> = Vec::new();
            for metric in snapshot.metrics.iter().filter(|_| !is_several) {
                let facts = views.facts(metric.purpose);
                let (value, changes) = measure(metric, exposure.at, facts, now);
                measured.push((metric.id, value));
                due = due.into_iter().chain(changes).min();
            }
            let StoredExposure { exposure, decision, stratum } = first.clone();
            let unit = Unit { exposure, stratum, strand: *strand, decision, is_several, measured };
            self.book.add(experience, &unit);
            let unit = StoredUnit::of(unit);
            let row_key = rows::unit(experience, head);
            if let Some(key) = self.strand(head)?.map(|known| Arc::clone(&known.key)) {
                let row = shared.keys.seal(&key, &row_key, &[], &unit)?;
                self.rows.put(Table::Measure, row_key, row);
            }
        }
        if let Some(due) = due {
            self.rows.put(Table::Measure, rows::due(due, head), []);
        }
        Ok(())
    }

    /// Writes what has changed about strands.
    fn save(&mut self) -> Result<(), RowError> {
        for (strand, known) in &self.known {
            let Some(known) = known.as_ref().filter(|known| known.changed) else { continue };
            let row_key = rows::strand(*strand);
            let Some(head) = known.head else {
                self.rows.delete(Table::Measure, row_key);
                continue;
            };
            let stored = StoredStrand::V2(Strand { head, exposures: known.exposures.clone() });
            let row = self.keys.seal(&known.key, &row_key, &[], &stored)?;
            self.rows.put(Table::Measure, row_key, row);
        }
        Ok(())
    }
}

/// The key of a strand; `None` where it is gone.
pub(super) fn key(
    reader: &dyn Reader,
    keys: &Keys,
    strand: StrandId,
) -> Result<Option<StrandKey>, RowError> {
    let Some(row) = reader.get(Table::Strand, &keys::strand(strand))? else { return Ok(None) };
    let Ok(meta) = MetaHead::parse(&row) else { return Ok(None) };
    match keys.vault.key(Slot(meta.slot)) {
        Ok(key) => Ok(Some(key)),
        Err(VaultError::Erased { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What to do with a unit of an experience, by its head.
pub(super) type VisitUnit<'a> = dyn FnMut(StrandId, Unit) -> Result<(), RowError> + 'a;

/// Visits the units of an experience that can be read.
pub(super) fn visit(
    reader: &dyn Reader,
    keys: &Keys,
    experience: &Key,
    visit: &mut VisitUnit<'_>,
) -> Result<(), RowError> {
    let mut failed = None;
    for lane in 0..LANE_COUNT {
        let prefix = rows::units(experience, lane.to_be_bytes());
        let range = prefix_range(&prefix);
        reader.scan(Table::Measure, range, ScanOrder::Ascending, &mut |row_key, row| {
            let mut one = || -> Result<(), RowError> {
                let Some(head) = rows::parse_unit(row_key) else { return Ok(()) };
                let Some(key) = key(reader, keys, head)? else { return Ok(()) };
                let unit: StoredUnit = keys.open(&key, row_key, 0, row, "unit")?;
                visit(head, unit.into())
            };
            match one() {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(())
}

/// The sums of the units' rows, as they are stored.
pub(super) fn counted(shared: &Shared, experience: &Key) -> Result<Sums, RowError> {
    let mut sums = Sums::default();
    let frozen = shared.store.snapshot()?;
    visit(&*frozen, &shared.keys, experience, &mut |_, unit| {
        sums.add(&unit);
        Ok(())
    })?;
    Ok(sums)
}
