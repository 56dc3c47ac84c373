//! How experiences fare on pages: what browsers say became of what was decided, counted by variant, and whether that
//! shows that a page has changed under an experience.
//!
//! Counts are of the last day and of one version, so that a repaired experience begins anew.

mod rows;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use model::{DecisionId, Key, Timestamp};
use serde::{Deserialize, Serialize};

pub use rows::{Change, Row, RowKey};

use crate::Reference;

/// Of so many hours outcomes count, the present one included.
const HOURS: i64 = 24;
const HOUR_MS: i64 = 3_600_000;
/// Most outcomes of an experience that are counted in one hour: more say nothing new, and each is remembered until the
/// hour is over, so that nobody who sends one again and again changes what is said of it.
const HOURLY_MAX: usize = 5_000;
/// Most selectors of a variant that are told apart.
const SELECTORS_MAX: usize = 20;
/// Fewest outcomes of a variant that say anything.
const OUTCOMES_MIN: u64 = 100;
/// A variant that is applied less often than this share is broken.
const BROKEN_BELOW: f64 = 0.5;
/// One that is applied less often than this share should be looked at.
const SOUND_FROM: f64 = 0.95;

/// What became of a decision on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became<'a> {
    /// Everything that it needs was there.
    Applied,
    /// It was seen.
    Viewed,
    /// It came when the visitor had seen the original.
    Late,
    /// Something that it needs was not there; the selectors that found nothing.
    NotFound(&'a [&'a str]),
    /// The page undid it, so many times.
    Overwritten(u64),
}

impl Became<'_> {
    /// What tells it from other outcomes of the same decision.
    fn tag(self) -> u8 {
        match self {
            Self::Applied => 0,
            Self::Viewed => 1,
            Self::Late => 2,
            Self::NotFound(_) => 3,
            Self::Overwritten(_) => 4,
        }
    }
}

/// What became of the decisions for one variant. Its fields are part of the stored format of [`Row`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Decisions that were applied.
    pub applied: u64,
    /// Decisions that were seen.
    pub viewed: u64,
    /// Decisions that came too late.
    pub late: u64,
    /// Decisions of which a place was not found.
    pub not_found: u64,
    /// How often pages undid changes.
    pub overwritten: u64,
    /// How often each selector found nothing.
    pub missing: BTreeMap<String, u64>,
}

impl Counts {
    fn add(&mut self, became: Became<'_>) {
        match became {
            Became::Applied => self.applied += 1,
            Became::Viewed => self.viewed += 1,
            Became::Late => self.late += 1,
            Became::Overwritten(times) => self.overwritten = self.overwritten.saturating_add(times),
            Became::NotFound(selectors) => {
                self.not_found += 1;
                for selector in selectors {
                    self.miss(selector, 1);
                }
            }
        }
    }

    fn miss(&mut self, selector: &str, times: u64) {
        if self.missing.len() < SELECTORS_MAX || self.missing.contains_key(selector) {
            *self.missing.entry(selector.to_owned()).or_default() += times;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.applied += other.applied;
        self.viewed += other.viewed;
        self.late += other.late;
        self.not_found += other.not_found;
        self.overwritten = self.overwritten.saturating_add(other.overwritten);
        for (selector, times) in &other.missing {
            self.miss(selector, *times);
        }
    }

    /// How often a page was looked at for the places of the variant.
    pub fn outcomes(&self) -> u64 {
        self.applied + self.not_found
    }

    /// The selector that found nothing most often, and how often.
    pub fn most_missing(&self) -> Option<(&str, u64)> {
        let most = self.missing.iter().max_by_key(|(_, times)| **times);
        most.map(|(selector, times)| (selector.as_str(), *times))
    }

    /// What they say. A late answer says nothing of the page.
    pub fn verdict(&self) -> Verdict {
        let outcomes = self.outcomes();
        if outcomes < OUTCOMES_MIN {
            return Verdict::Collecting;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let share = self.applied as f64 / outcomes as f64;
        match share {
            share if share < BROKEN_BELOW => Verdict::Broken,
            share if share < SOUND_FROM => Verdict::Failing,
            _ => Verdict::Sound,
        }
    }
}

/// How a variant fares on pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Fewer than a hundred outcomes say nothing.
    Collecting,
    /// It is applied nearly always.
    Sound,
    /// Now and then something that it needs is not there.
    Failing,
    /// More often than not something that it needs is not there.
    Broken,
}

/// The counts of all experiences.
#[derive(Clone, Debug, Default)]
pub struct Health {
    experiences: BTreeMap<Key, Experience>,
    /// The rows that are not stored as they are.
    changed: BTreeSet<RowKey>,
}

#[derive(Clone, Debug)]
struct Experience {
    version: u64,
    hours: BTreeMap<i64, BTreeMap<Key, Counts>>,
    /// The outcomes that were counted in the newest hour.
    known: HashSet<(DecisionId, u8)>,
}

impl Experience {
    fn begin(version: u64) -> Self {
        Self { version, hours: BTreeMap::new(), known: HashSet::new() }
    }

    /// Forgets hours, and notes that their rows go.
    fn forget(&mut self, key: &Key, changed: &mut BTreeSet<RowKey>, goes: impl Fn(i64) -> bool) {
        let gone = self.hours.keys().filter(|hour| goes(**hour));
        changed.extend(gone.map(|hour| RowKey { experience: key.clone(), hour: *hour }));
        self.hours.retain(|hour, _| !goes(*hour));
    }
}

fn hour_of(at: Timestamp) -> i64 {
    at.0.div_euclid(HOUR_MS)
}

fn is_over(hour: i64, now: i64) -> bool {
    hour + HOURS <= now
}

impl Health {
    /// Takes in what became of a decision for a variant. It is counted once, and of the newest version only.
    pub fn observe(
        &mut self,
        decision: DecisionId,
        (experience, variant): (&Reference, &Key),
        became: Became<'_>,
        now: Timestamp,
    ) {
        let Reference { key, version } = experience;
        let told =
            self.experiences.entry(key.clone()).or_insert_with(|| Experience::begin(*version));
        if told.version < *version {
            told.forget(key, &mut self.changed, |_| true);
            *told = Experience::begin(*version);
        }
        if told.version != *version {
            return;
        }
        let hour = hour_of(now);
        if !told.hours.contains_key(&hour) {
            told.known.clear();
            told.forget(key, &mut self.changed, |known| is_over(known, hour));
        }
        let variants = told.hours.entry(hour).or_default();
        if HOURLY_MAX <= told.known.len() || !told.known.insert((decision, became.tag())) {
            return;
        }
        let counts = variants.entry(variant.clone()).or_default();
        counts.add(became);
        // What was missing at first came after all.
        if became == Became::Applied
            && told.known.contains(&(decision, Became::NotFound(&[]).tag()))
        {
            counts.not_found = counts.not_found.saturating_sub(1);
        }
        self.changed.insert(RowKey { experience: key.clone(), hour });
    }

    /// The counts of the variants of a version of an experience over the last day; none where nothing was told.
    pub fn of(&self, experience: &Key, version: u64, now: Timestamp) -> BTreeMap<Key, Counts> {
        let mut all: BTreeMap<Key, Counts> = BTreeMap::new();
        let told = self.experiences.get(experience).filter(|told| told.version == version);
        let hours = told.into_iter().flat_map(|told| &told.hours);
        let hours = hours.filter(|(hour, _)| !is_over(**hour, hour_of(now)));
        for (variant, counts) in hours.flat_map(|(_, variants)| variants) {
            all.entry(variant.clone()).or_default().merge(counts);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp(1_790_000_000_000 + hour * HOUR_MS)
    }

    #[derive(Default)]
    struct World {
        health: Health,
        decisions: u128,
    }

    impl World {
        fn tell(&mut self, version: u64, became: Became<'_>, times: u64, hour: i64) {
            let experience = Reference { key: key("e"), version };
            for _ in 0..times {
                self.decisions += 1;
                let id = DecisionId(self.decisions);
                self.health.observe(id, (&experience, &key("a")), became, at(hour));
            }
        }

        fn of(&self, version: u64, hour: i64) -> Counts {
            self.health.of(&key("e"), version, at(hour)).remove(&key("a")).unwrap_or_default()
        }
    }

    #[test]
    fn a_page_that_has_changed_is_noticed_after_a_hundred_outcomes() {
        let mut world = World::default();
        world.tell(1, Became::NotFound(&["#hero"]), 99, 0);
        world.tell(1, Became::Late, 1_000, 0);
        assert_eq!(world.of(1, 0).verdict(), Verdict::Collecting);
        world.tell(1, Became::NotFound(&["#hero", "#offer"]), 1, 0);
        assert_eq!(world.of(1, 0).verdict(), Verdict::Broken);
        let missing = BTreeMap::from([("#hero".to_owned(), 100), ("#offer".to_owned(), 1)]);
        assert_eq!(world.of(1, 0).missing, missing);
        world.tell(1, Became::Applied, 100, 1);
        assert_eq!(world.of(1, 1).verdict(), Verdict::Failing);
        world.tell(1, Became::Applied, 1_800, 2);
        assert_eq!(world.of(1, 2).verdict(), Verdict::Sound);
    }

    #[test]
    fn only_the_last_day_and_the_newest_version_count() {
        let mut world = World::default();
        world.tell(1, Became::Applied, 3, 0);
        world.tell(1, Became::Viewed, 2, 23);
        assert_eq!((world.of(1, 23).applied, world.of(1, 23).viewed), (3, 2));
        assert_eq!((world.of(1, 24).applied, world.of(1, 24).viewed), (0, 2));
        world.tell(2, Became::Applied, 1, 24);
        world.tell(1, Became::Applied, 5, 24);
        assert_eq!(world.of(2, 24).applied, 1);
        assert_eq!(world.of(1, 24), Counts::default(), "what was before is over");
    }

    #[test]
    fn whoever_says_something_again_and_again_is_counted_once() {
        let mut health = Health::default();
        let experience = Reference { key: key("e"), version: 1 };
        for _ in 0..500 {
            let became = Became::NotFound(&["#hero"]);
            health.observe(DecisionId(7), (&experience, &key("a")), became, at(0));
            health.observe(DecisionId(7), (&experience, &key("a")), Became::Late, at(0));
        }
        let counts = &health.of(&key("e"), 1, at(0))[&key("a")];
        assert_eq!((counts.not_found, counts.late), (1, 1));
    }

    #[test]
    fn what_comes_late_was_applied_after_all() {
        let mut health = Health::default();
        let experience = Reference { key: key("e"), version: 1 };
        for became in [Became::NotFound(&["#hero"]), Became::Applied] {
            health.observe(DecisionId(7), (&experience, &key("a")), became, at(0));
        }
        let counts = &health.of(&key("e"), 1, at(0))[&key("a")];
        assert_eq!((counts.not_found, counts.applied), (0, 1));
    }

    /// What a store has of it.
    fn stored(health: &mut Health, store: &mut BTreeMap<RowKey, Row>, hour: i64) -> Health {
        for (key, row) in health.take_changes(at(hour)) {
            match row {
                Some(row) => _ = store.insert(key, row),
                None => assert!(store.remove(&key).is_some(), "what goes was there"),
            }
        }
        let mut read = Health::default();
        store.iter().for_each(|(key, row)| read.restore(key.clone(), row.clone()));
        read
    }

    #[test]
    fn a_restart_forgets_nothing_that_counts_and_keeps_nothing_that_does_not() {
        let (mut world, mut store) = (World::default(), BTreeMap::new());
        for (hour, version) in [(0, 1), (1, 1), (1, 1), (24, 1), (24, 2), (26, 2), (60, 2)] {
            world.tell(version, Became::NotFound(&["#hero"]), 2, hour);
            world.tell(version, Became::Applied, 3, hour);
            let read = stored(&mut world.health, &mut store, hour);
            for hour in [hour, hour + 1, hour + 23] {
                let counts = read.of(&key("e"), version, at(hour)).remove(&key("a"));
                assert_eq!(counts.unwrap_or_default(), world.of(version, hour), "{hour}");
            }
        }
        assert_eq!(store.len(), 1);
        assert!(world.health.take_changes(at(60)).is_empty(), "it is stored");
        stored(&mut world.health, &mut store, 84);
        assert_eq!(store.len(), 0);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut world = World::default();
        for number in 0..50 {
            let selector = format!("#s{number}");
            world.tell(1, Became::NotFound(&[&selector]), 1, 0);
        }
        assert_eq!(world.of(1, 0).missing.len(), SELECTORS_MAX);
        world.tell(1, Became::Applied, HOURLY_MAX as u64 + 10, 0);
        assert_eq!(world.of(1, 0).applied, HOURLY_MAX as u64 - 50);
        world.tell(1, Became::Applied, 1, 1);
        assert_eq!(world.of(1, 1).applied, HOURLY_MAX as u64 - 49);
    }
}
