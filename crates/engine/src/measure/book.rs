//! The sums of all experiences, in memory: what is read of them, and which rows have changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

use experiment::{Arm, Exposure, History, Measured, MetricId, Metrics, Stratum, Tally};
use model::{Key, Timestamp};
use store::{Batch, Reader, ScanOrder, Table, prefix_range};

use super::rows::{self, ArmStratum, At, Exposing, StoredCount, StoredTally, Unit};
use crate::{
    record::{Unreadable, decode, encode},
    sealed::RowError,
};

/// What the units of one experience did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    /// Units by what they got, by the version of the definition that exposed them, and by their stratum.
    pub(crate) exposed: BTreeMap<Exposing, Count>,
    /// By metric.
    pub(crate) tallies: BTreeMap<MetricId, Tallies>,
}

/// What units did by a metric, by what they got and by their stratum.
pub(crate) type Tallies = BTreeMap<ArmStratum, Tally>;

/// The same of all strata together.
pub(crate) fn by_arm(tallies: &Tallies) -> BTreeMap<Arm, Tally> {
    let mut arms: BTreeMap<Arm, Tally> = BTreeMap::new();
    for ((arm, _), tally) in tallies {
        arms.entry(arm.clone()).or_default().merge(tally);
    }
    arms
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
    pub(super) fn add(&mut self, unit: &Unit) {
        self.go(unit, Way::In);
    }

    /// Adds units of which only is known how many they are.
    pub(super) fn expose(&mut self, place: Exposing, units: u64, several: u64) {
        let count = self.exposed.entry(place).or_default();
        count.units += units;
        count.several += several;
    }

    fn go(&mut self, unit: &Unit, way: Way) {
        let Unit { exposure, stratum, is_several, measured, .. } = unit;
        let Exposure { arm, version, .. } = exposure;
        let place = (arm.clone(), *version, *stratum);
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
            self.tally(*metric, (arm.clone(), *stratum), measured, way);
        }
    }

    fn tally(&mut self, metric: MetricId, place: ArmStratum, measured: &Measured, way: Way) {
        let tallies = self.tallies.entry(metric).or_default();
        let tally = tallies.entry(place.clone()).or_default();
        match way {
            Way::In => tally.add(measured),
            Way::Out => tally.take_out(measured),
        }
        if tally.is_empty() {
            tallies.remove(&place);
            if tallies.is_empty() {
                self.tallies.remove(&metric);
            }
        }
    }

    /// The arms that somebody was exposed to.
    pub(crate) fn arms(&self) -> BTreeSet<&Arm> {
        self.exposed.keys().map(|(arm, ..)| arm).collect()
    }

    /// Units exposed to an arm and no other.
    pub(crate) fn units(&self, arm: &Arm) -> u64 {
        let of_arm = self.exposed.iter().filter(|((of, ..), _)| of == arm);
        of_arm.map(|(_, count)| count.units).sum()
    }

    /// Units of a stratum exposed to an arm by a version of the definition, first or only.
    pub(crate) fn exposed_in(&self, arm: &Arm, version: u64, stratum: Stratum) -> u64 {
        let exposed = self.exposed.get(&(arm.clone(), version, stratum));
        exposed.map_or(0, |count| count.units + count.several)
    }

    /// What units of all strata did by a metric, by arm.
    pub(crate) fn by_arm(&self, metric: MetricId) -> BTreeMap<Arm, Tally> {
        self.tallies.get(&metric).map(by_arm).unwrap_or_default()
    }

    /// Whether units were divided by several shares, or by some that followed what others did.
    pub(crate) fn is_stratified(&self) -> bool {
        let strata = || self.exposed.keys().map(|(_, _, stratum)| *stratum);
        let first = strata().next();
        strata().any(|stratum| stratum.epoch().is_some() || Some(stratum) != first)
    }

    /// Units exposed, first or only, by what they got and by their stratum.
    pub(crate) fn by_stratum(&self) -> BTreeMap<ArmStratum, u64> {
        let mut strata: BTreeMap<ArmStratum, u64> = BTreeMap::new();
        for ((arm, _, stratum), count) in &self.exposed {
            *strata.entry((arm.clone(), *stratum)).or_default() += count.units + count.several;
        }
        strata
    }

    /// Units exposed, to whatever.
    pub(crate) fn exposed_units(&self) -> u64 {
        self.exposed.values().map(|count| count.units + count.several).sum()
    }

    /// Units exposed to several arms.
    pub(crate) fn several(&self) -> u64 {
        self.exposed.values().map(|count| count.several).sum()
    }

    /// Units exposed to this arm first, and then to others.
    pub(crate) fn several_from(&self, arm: &Arm) -> u64 {
        let of_arm = self.exposed.iter().filter(|((of, ..), _)| of == arm);
        of_arm.map(|(_, count)| count.several).sum()
    }

    fn write(&self, experience: &Key, at: At, changed: &Changed, rows: &mut Batch) {
        for place in &changed.counts {
            let key = rows::count(experience, at, place);
            match self.exposed.get(place) {
                Some(&Count { units, several }) => {
                    let (experience, (arm, version, stratum)) = (experience.clone(), place.clone());
                    let row = StoredCount::V2 { experience, arm, version, stratum, units, several };
                    rows.put(Table::Measure, key, encode(&row));
                }
                None => rows.delete(Table::Measure, key),
            }
        }
        for (metric, place) in &changed.tallies {
            let key = rows::tally(experience, at, *metric, place);
            match self.tallies.get(metric).and_then(|tallies| tallies.get(place)) {
                Some(tally) => {
                    let (experience, (arm, stratum)) = (experience.clone(), place.clone());
                    let (metric, tally, history) = (*metric, tally.clone(), tally.history());
                    let row = match history == History::default() {
                        true => StoredTally::V2 { experience, arm, metric, stratum, tally },
                        false => {
                            StoredTally::V3 { experience, arm, metric, stratum, tally, history }
                        }
                    };
                    rows.put(Table::Measure, key, encode(&row));
                }
                None => rows.delete(Table::Measure, key),
            }
        }
    }

    /// All places that have a row.
    fn places(&self) -> Changed {
        let tallies = self
            .tallies
            .iter()
            .flat_map(|(metric, tallies)| tallies.keys().map(|place| (*metric, place.clone())));
        Changed { counts: self.exposed.keys().cloned().collect(), tallies: tallies.collect() }
    }

    /// Takes in a row.
    pub(super) fn take(&mut self, key: &[u8], row: &[u8]) -> Result<Key, Unreadable> {
        if rows::is_tally(key) {
            let (experience, metric, place, tally) = match decode(row, "tally")? {
                StoredTally::V1 { experience, arm, metric, tally } => {
                    (experience, metric, (arm, Stratum::ONLY), tally)
                }
                StoredTally::V2 { experience, arm, metric, stratum, tally } => {
                    (experience, metric, (arm, stratum), tally)
                }
                StoredTally::V3 { experience, arm, metric, stratum, tally, history } => {
                    (experience, metric, (arm, stratum), tally.with_history(history))
                }
            };
            self.tallies.entry(metric).or_default().insert(place, tally);
            return Ok(experience);
        }
        let (experience, place, count) = match decode(row, "count")? {
            StoredCount::V1 { experience, arm, version, units, several } => {
                (experience, (arm, version, Stratum::ONLY), Count { units, several })
            }
            StoredCount::V2 { experience, arm, version, stratum, units, several } => {
                (experience, (arm, version, stratum), Count { units, several })
            }
        };
        self.exposed.insert(place, count);
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
    counts: BTreeSet<Exposing>,
    tallies: BTreeSet<(MetricId, ArmStratum)>,
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
        for (metric, tallies) in one.tallies {
            sums.tallies.entry(metric).or_default().extend(tallies);
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

    pub(super) fn add(&mut self, experience: &Key, unit: &Unit) {
        self.go(experience, unit, Way::In);
    }

    pub(super) fn take_out(&mut self, experience: &Key, unit: &Unit) {
        self.go(experience, unit, Way::Out);
    }

    fn go(&mut self, experience: &Key, unit: &Unit, way: Way) {
        let sums = self.experiences.entry(experience.clone()).or_default();
        Arc::make_mut(sums).go(unit, way);
        let changed = self.changed.entry(experience.clone()).or_default();
        let Unit { exposure: Exposure { arm, version, .. }, stratum, measured, .. } = unit;
        changed.counts.insert((arm.clone(), *version, *stratum));
        let place = |metric: &MetricId| (*metric, (arm.clone(), *stratum));
        changed.tallies.extend(measured.iter().map(|(metric, _)| place(metric)));
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

#[cfg(test)]
mod tests {
    use experiment::{Amount, Values};
    use model::{Seq, StrandId, hash};
    use proptest::prelude::*;
    use store::{Memory, Store as _};

    use super::*;

    fn unit() -> impl Strategy<Value = Unit> {
        let arm = prop_oneof![
            Just(Arm::Variant("a".parse().unwrap())),
            // One name begins with the other, and a holdout is called like a variant.
            Just(Arm::Variant("ab".parse().unwrap())),
            Just(Arm::Variant("holdout".parse().unwrap())),
            Just(Arm::Holdout),
        ];
        let stratum = (0_u64..3, 0_u16..2).prop_map(|(policy, cell)| Stratum { policy, cell });
        let value = (0_u64..3, -5.0..5.0_f64, 0_u8..2).prop_map(|(metric, upper, below)| {
            let upper = Amount::of(upper).unwrap();
            let before_lower = Amount::count(below.into());
            let values = Values { upper, before_lower, ..Values::default() };
            (MetricId(metric), Measured::Counted(values))
        });
        let measured = proptest::collection::vec(value, 0..3);
        (arm, stratum, 1_u64..3, measured, any::<bool>()).prop_map(
            |(arm, stratum, version, measured, is_several)| {
                let identifier = model::Identifier::new(model::IdentifierType::UserId, "u1");
                let strand = StrandId { born: Seq(1), lane: hash::lane(&identifier) };
                let exposure = Exposure { at: Timestamp(5), arm, version };
                Unit { exposure, stratum, strand, decision: None, is_several, measured }
            },
        )
    }

    fn saved(book: &mut Book, store: &Memory) {
        let mut rows = Batch::default();
        book.write(&mut rows);
        store.commit(rows).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// What is read back is the sum of the units that are in, whoever came and went, and so is each stratum alone.
        #[test]
        fn rows_are_the_sums_of_those_who_are_in(
            stay in proptest::collection::vec(unit(), 0..20),
            go in proptest::collection::vec(unit(), 0..20),
        ) {
            let experience: Key = "one".parse().unwrap();
            let store = Memory::default();
            let mut book = Book::default();
            go.iter().chain(&stay).for_each(|unit| book.add(&experience, unit));
            saved(&mut book, &store);
            go.iter().for_each(|unit| book.take_out(&experience, unit));
            book.write_picture(9, &mut Batch::default());
            saved(&mut book, &store);
            let mut plain = Sums::default();
            stay.iter().for_each(|unit| plain.add(unit));
            let read = Book::read(&store).unwrap();
            let nothing = Sums::default();
            let found = read.experiences.get(&experience).map_or(&nothing, |sums| &**sums);
            prop_assert_eq!(found, &plain);
            let mut picture = Batch::default();
            book.write_picture(9, &mut picture);
            store.commit(picture).unwrap();
            let days = pictures(&store, &experience).unwrap();
            prop_assert_eq!(days.get(&9).unwrap_or(&nothing), &plain);
            for (metric, tallies) in &plain.tallies {
                let arms = plain.by_arm(*metric);
                let units = |of: &Arm| {
                    tallies.iter().filter(|((arm, _), _)| arm == of).map(|(_, tally)| tally.units).sum()
                };
                for (arm, tally) in arms {
                    let expected: u64 = units(&arm);
                    prop_assert_eq!(tally.units, expected);
                }
            }
        }
    }

    #[test]
    fn rows_without_strata_are_those_of_the_only_one() {
        let experience: Key = "one".parse().unwrap();
        let arm = Arm::Variant("a".parse().unwrap());
        let store = Memory::default();
        let mut rows = Batch::default();
        let place = (arm.clone(), 2, Stratum::ONLY);
        let key = rows::count(&experience, At::Now, &place);
        let (version, units, several) = (2, 7, 1);
        let row = StoredCount::V1 { experience: experience.clone(), arm, version, units, several };
        rows.put(Table::Measure, key, encode(&row));
        store.commit(rows).unwrap();
        let book = Book::read(&store).unwrap();
        assert_eq!(book.experiences[&experience].exposed[&place], Count { units, several });
    }
}
