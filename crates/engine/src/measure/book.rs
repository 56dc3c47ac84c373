//! The sums of all experiences, in memory: what is read of them, and which rows have changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

use experiment::{Arm, Exposure, Measured, MetricId, Metrics, Tally};
use model::{Key, Timestamp};
use store::{Batch, Reader, ScanOrder, Table, prefix_range};

use super::rows::{self, At, StoredCount, StoredTally, StoredUnit};
use crate::{
    record::{Unreadable, decode, encode},
    sealed::RowError,
};

/// What the units of one experience did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    /// Units by what they got and by the version of the definition that exposed them.
    pub(crate) exposed: BTreeMap<(Arm, u64), Count>,
    /// By metric and arm.
    pub(crate) tallies: BTreeMap<MetricId, BTreeMap<Arm, Tally>>,
}

/// How many units were exposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// To this arm and no other.
    pub(crate) units: u64,
    /// To this arm first, and to others as well: they count for none.
    pub(crate) several: u64,
}

/// Whether a unit comes or goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Sums {
    /// Adds a unit.
    pub(super) fn add(&mut self, unit: &StoredUnit) {
        self.go(unit, Way::In);
    }

    fn go(&mut self, StoredUnit::V1 { exposure, is_several, measured, .. }: &StoredUnit, way: Way) {
        let Exposure { arm, version, .. } = exposure;
        let place = (arm.clone(), *version);
        let count = self.exposed.entry(place.clone()).or_default();
        let number = if *is_several { &mut count.several } else { &mut count.units };
        *number = match way {
            Way::In => number.saturating_add(1),
            Way::Out => number.saturating_sub(1),
        };
        if *count == Count::default() {
            self.exposed.remove(&place);
        }
        for (metric, measured) in measured {
            self.tally(*metric, arm, measured, way);
        }
    }

    fn tally(&mut self, metric: MetricId, arm: &Arm, measured: &Measured, way: Way) {
        let arms = self.tallies.entry(metric).or_default();
        let tally = arms.entry(arm.clone()).or_default();
        match way {
            Way::In => tally.add(measured),
            Way::Out => tally.take_out(measured),
        }
        if tally.is_empty() {
            arms.remove(arm);
            if arms.is_empty() {
                self.tallies.remove(&metric);
            }
        }
    }

    /// The arms that somebody was exposed to.
    pub(crate) fn arms(&self) -> BTreeSet<&Arm> {
        self.exposed.keys().map(|(arm, _)| arm).collect()
    }

    /// Units exposed to an arm and no other.
    pub(crate) fn units(&self, arm: &Arm) -> u64 {
        let of_arm = self.exposed.iter().filter(|((of, _), _)| of == arm);
        of_arm.map(|(_, count)| count.units).sum()
    }

    /// Units exposed to several arms.
    pub(crate) fn several(&self) -> u64 {
        self.exposed.values().map(|count| count.several).sum()
    }

    fn write(&self, experience: &Key, at: At, changed: &Changed, rows: &mut Batch) {
        for (arm, version) in &changed.counts {
            let key = rows::count(experience, at, *version, arm);
            match self.exposed.get(&(arm.clone(), *version)) {
                Some(&Count { units, several }) => {
                    let (experience, arm, version) = (experience.clone(), arm.clone(), *version);
                    let row = StoredCount::V1 { experience, arm, version, units, several };
                    rows.put(Table::Measure, key, encode(&row));
                }
                None => rows.delete(Table::Measure, key),
            }
        }
        for (metric, arm) in &changed.tallies {
            let key = rows::tally(experience, at, *metric, arm);
            match self.tallies.get(metric).and_then(|arms| arms.get(arm)) {
                Some(tally) => {
                    let (experience, arm, tally) = (experience.clone(), arm.clone(), tally.clone());
                    let row = StoredTally::V1 { experience, arm, metric: *metric, tally };
                    rows.put(Table::Measure, key, encode(&row));
                }
                None => rows.delete(Table::Measure, key),
            }
        }
    }

    /// All places that have a row.
    fn places(&self) -> Changed {
        let tallies = self.tallies.iter();
        let tallies =
            tallies.flat_map(|(metric, arms)| arms.keys().map(|arm| (*metric, arm.clone())));
        Changed { counts: self.exposed.keys().cloned().collect(), tallies: tallies.collect() }
    }

    /// Takes in a row.
    pub(super) fn take(&mut self, key: &[u8], row: &[u8]) -> Result<Key, Unreadable> {
        if rows::is_tally(key) {
            let StoredTally::V1 { experience, arm, metric, tally } = decode(row, "tally")?;
            self.tallies.entry(metric).or_default().insert(arm, tally);
            return Ok(experience);
        }
        let StoredCount::V1 { experience, arm, version, units, several } = decode(row, "count")?;
        self.exposed.insert((arm, version), Count { units, several });
        Ok(experience)
    }
}

/// The sums of an experience at the end of each day, by days since 1970.
pub(super) fn pictures(
    reader: &dyn Reader,
    experience: &Key,
) -> Result<BTreeMap<u32, Sums>, RowError> {
    let mut days: BTreeMap<u32, Sums> = BTreeMap::new();
    let mut damaged = None;
    let prefix = rows::pictures(experience);
    reader.scan(Table::Measure, prefix_range(&prefix), ScanOrder::Ascending, &mut |key, row| {
        let day = rows::parse_day(key).ok_or(Unreadable("picture"));
        match day.and_then(|day| days.entry(day).or_default().take(key, row)) {
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => {
                damaged = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    damaged.map_or(Ok(days), |error| Err(error.into()))
}

/// Which rows of an experience differ from what is stored.
#[derive(Clone, Debug, Default)]
struct Changed {
    counts: BTreeSet<(Arm, u64)>,
    tallies: BTreeSet<(MetricId, Arm)>,
}

/// The sums of all experiences.
#[derive(Debug, Default)]
pub(crate) struct Book {
    experiences: BTreeMap<Key, Arc<Sums>>,
    changed: BTreeMap<Key, Changed>,
    /// What happened until then is counted.
    pub(super) as_of: Timestamp,
    /// The fingerprint of the metrics by which everyone is measured.
    measured_by: Option<u64>,
}

impl Book {
    /// Reads what is stored.
    pub(super) fn read(reader: &dyn Reader) -> Result<Self, RowError> {
        let mut book = Self::default();
        let mut damaged = None;
        let range = prefix_range(&rows::ALL_SUMS);
        reader.scan(Table::Measure, range, ScanOrder::Ascending, &mut |key, row| match book
            .take(key, row)
        {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                damaged = Some(error);
                ControlFlow::Break(())
            }
        })?;
        damaged.map_or(Ok(book), |error| Err(error.into()))
    }

    fn take(&mut self, key: &[u8], row: &[u8]) -> Result<(), Unreadable> {
        let mut one = Sums::default();
        let experience = one.take(key, row)?;
        let sums = Arc::make_mut(self.experiences.entry(experience).or_default());
        sums.exposed.extend(one.exposed);
        for (metric, arms) in one.tallies {
            sums.tallies.entry(metric).or_default().extend(arms);
        }
        Ok(())
    }

    /// Whether nobody was exposed to anything.
    pub(super) fn is_empty(&self) -> bool {
        self.experiences.is_empty()
    }

    /// The experiences that somebody was exposed to.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.experiences.keys()
    }

    pub(super) fn add(&mut self, experience: &Key, unit: &StoredUnit) {
        self.go(experience, unit, Way::In);
    }

    pub(super) fn take_out(&mut self, experience: &Key, unit: &StoredUnit) {
        self.go(experience, unit, Way::Out);
    }

    fn go(&mut self, experience: &Key, unit: &StoredUnit, way: Way) {
        let sums = self.experiences.entry(experience.clone()).or_default();
        Arc::make_mut(sums).go(unit, way);
        let changed = self.changed.entry(experience.clone()).or_default();
        let StoredUnit::V1 { exposure: Exposure { arm, version, .. }, measured, .. } = unit;
        changed.counts.insert((arm.clone(), *version));
        changed.tallies.extend(measured.iter().map(|(metric, _)| (*metric, arm.clone())));
    }

    /// Puts sums in the place of what was counted.
    pub(super) fn replace(&mut self, experience: &Key, sums: Sums) {
        let known = self.experiences.entry(experience.clone()).or_default();
        if **known == sums {
            return;
        }
        let (before, after) = (known.places(), sums.places());
        let changed = self.changed.entry(experience.clone()).or_default();
        changed.counts.extend(before.counts.into_iter().chain(after.counts));
        changed.tallies.extend(before.tallies.into_iter().chain(after.tallies));
        *known = Arc::new(sums);
    }

    /// Whether something is to be written.
    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Writes the rows that have changed.
    pub(super) fn write(&mut self, rows: &mut Batch) {
        for (experience, changed) in std::mem::take(&mut self.changed) {
            if let Some(sums) = self.experiences.get(&experience) {
                sums.write(&experience, At::Now, &changed, rows);
            }
        }
        self.experiences.retain(|_, sums| **sums != Sums::default());
    }

    /// Writes how everything stands at the end of a day.
    pub(super) fn write_picture(&self, day: u32, rows: &mut Batch) {
        for (experience, sums) in &self.experiences {
            sums.write(experience, At::Day(day), &sums.places(), rows);
        }
    }

    /// The sums, for readers.
    pub(super) fn shared(&self) -> BTreeMap<Key, Arc<Sums>> {
        self.experiences.clone()
    }

    /// The fingerprint of the metrics by which everyone is measured.
    pub(super) fn measured_by(&self) -> Option<u64> {
        self.measured_by
    }

    pub(super) fn was_measured_by(&mut self, fingerprint: u64) {
        self.measured_by = Some(fingerprint);
    }

    /// Everyone is measured by these metrics; what is left of others goes.
    pub(super) fn is_measured_by(&mut self, fingerprint: u64, metrics: &Metrics) {
        if self.measured_by == Some(fingerprint) {
            return;
        }
        self.measured_by = Some(fingerprint);
        let live: BTreeSet<MetricId> = metrics.iter().map(|metric| metric.id).collect();
        for (experience, sums) in &mut self.experiences {
            let places = sums.places().tallies.into_iter();
            let gone: BTreeSet<_> = places.filter(|(metric, _)| !live.contains(metric)).collect();
            if !gone.is_empty() {
                Arc::make_mut(sums).tallies.retain(|metric, _| live.contains(metric));
                self.changed.entry(experience.clone()).or_default().tallies.extend(gone);
            }
        }
    }
}
