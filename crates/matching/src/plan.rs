//! Settings made ready: columns by their places, and at which level two values are.

use crate::{
    records::{MISSING, Records, Value},
    settings::{Comparison, Fault, Kind, Level, Settings},
    similarity,
};

/// Settings that were checked, with the columns they name.
#[derive(Clone, Debug)]
pub struct Plan {
    settings: Settings,
    columns: Vec<(String, Kind)>,
    compared: Vec<Compared>,
    rules: Vec<Vec<PlannedKey>>,
}

/// A comparison with the place of its column.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    pub(crate) column: usize,
    pub(crate) term_frequency: bool,
    levels: Vec<Level>,
}

/// A blocking key with the place of its column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedKey {
    pub(crate) column: usize,
    pub(crate) first: Option<u8>,
}

impl Plan {
    /// Makes settings ready.
    ///
    /// # Errors
    /// Where the settings are not sound.
    pub fn new(settings: Settings) -> Result<Self, Fault> {
        settings.check()?;
        let mut columns: Vec<(String, Kind)> = Vec::new();
        let compared = settings.comparisons.iter().enumerate().map(|(column, comparison)| {
            columns.push((comparison.column.clone(), comparison.kind));
            Compared {
                column,
                term_frequency: comparison.term_frequency,
                levels: comparison.levels.clone(),
            }
        });
        let compared = compared.collect();
        let mut place = |name: &str| {
            let known = columns.iter().position(|(known, _)| known == name);
            known.unwrap_or_else(|| {
                columns.push((name.to_owned(), Kind::Text));
                columns.len() - 1
            })
        };
        let mut rules = Vec::new();
        for rule in &settings.blocking {
            let key = |key: &crate::settings::Key| PlannedKey {
                column: place(key.column()),
                first: key.first(),
            };
            rules.push(rule.iter().map(key).collect());
        }
        Ok(Self { settings, columns, compared, rules })
    }

    /// The settings it was made from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The columns that records are given with, in this order: what is compared, then what only blocks.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&str, Kind)> {
        self.columns.iter().map(|(name, kind)| (name.as_str(), *kind))
    }

    /// What is compared.
    pub fn comparisons(&self) -> &[Comparison] {
        &self.settings.comparisons
    }

    pub(crate) fn compared(&self) -> &[Compared] {
        &self.compared
    }

    pub(crate) fn rules(&self) -> &[Vec<PlannedKey>] {
        &self.rules
    }

    /// The level of each comparison of two records, in one number.
    pub(crate) fn pattern(&self, records: &Records, a: u32, b: u32) -> Pattern {
        let mut pattern = Pattern::default();
        for (place, compared) in self.compared.iter().enumerate() {
            pattern.set(place, compared.level(records, a, b));
        }
        pattern
    }
}

impl Compared {
    /// 0 where a value is missing, else the level's place from 1, else one more than there are levels.
    fn level(&self, records: &Records, a: u32, b: u32) -> u8 {
        let Some(column) = records.column(self.column) else { return 0 };
        let (a, b) = (records.code(a, self.column), records.code(b, self.column));
        if a == MISSING || b == MISSING {
            return 0;
        }
        let (Some(x), Some(y)) = (column.value(a), column.value(b)) else { return 0 };
        let mut likeness = Likeness { same: a == b, a: x, b: y, jaro_winkler: None, edits: None };
        let least = self.least_jaro_winkler();
        let most = self.most_edits();
        let found = self.levels.iter().position(|level| likeness.reaches(*level, least, most));
        u8::try_from(found.unwrap_or(self.levels.len()) + 1).unwrap_or(u8::MAX)
    }

    /// How many levels there are, with the one for everything else.
    pub(crate) fn level_count(&self) -> usize {
        self.levels.len() + 1
    }

    /// The place from 1 of the level for equal values, if there is one.
    pub(crate) fn exact_level(&self) -> Option<u8> {
        let place = self.levels.iter().position(|level| *level == Level::Exact)?;
        u8::try_from(place + 1).ok()
    }

    fn least_jaro_winkler(&self) -> f64 {
        let bound = |level: &Level| match level {
            Level::JaroWinkler(least) => Some(*least),
            _ => None,
        };
        self.levels.iter().filter_map(bound).fold(1.0, f64::min)
    }

    fn most_edits(&self) -> u32 {
        let bound = |level: &Level| match level {
            Level::Edits(most) => Some(*most),
            _ => None,
        };
        self.levels.iter().filter_map(bound).max().unwrap_or(0)
    }
}

/// Two values, with the distances that were taken already.
struct Likeness<'a> {
    same: bool,
    a: &'a Value,
    b: &'a Value,
    jaro_winkler: Option<f64>,
    edits: Option<Option<u32>>,
}

impl Likeness<'_> {
    /// Whether they are at least so alike. `least` and `most` are the widest bounds that will be asked for.
    fn reaches(&mut self, level: Level, least: f64, most: u32) -> bool {
        if self.same {
            // Equal texts that are no numbers are equal all the same.
            return true;
        }
        match level {
            Level::Exact => false,
            Level::JaroWinkler(bound) => {
                let (a, b) = (&self.a.text, &self.b.text);
                let taken = self.jaro_winkler;
                let similarity = taken.unwrap_or_else(|| similarity::jaro_winkler(a, b, least));
                self.jaro_winkler = Some(similarity);
                similarity >= bound
            }
            Level::Edits(bound) => {
                let (a, b) = (&self.a.text, &self.b.text);
                let edits = self.edits.unwrap_or_else(|| similarity::edits(a, b, most));
                self.edits = Some(edits);
                edits.is_some_and(|edits| edits <= bound)
            }
            Level::Within(bound) => self.measured(|a, b| (a - b).abs() <= bound),
            Level::Days(bound) => self.measured(|a, b| (a - b).abs() <= f64::from(bound)),
            Level::Ratio(bound) => self.measured(|a, b| {
                let (smaller, larger) = (a.abs().min(b.abs()), a.abs().max(b.abs()));
                a.signum() * b.signum() > 0.0 && smaller >= bound * larger
            }),
        }
    }

    fn measured(&self, near: impl Fn(f64, f64) -> bool) -> bool {
        matches!((self.a.measure, self.b.measure), (Some(a), Some(b)) if near(a, b))
    }
}

/// The levels of a pair in all comparisons, 4 bits each; 0 is a missing value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pattern(u64);

impl Pattern {
    pub(crate) fn set(&mut self, comparison: usize, level: u8) {
        self.0 |= u64::from(level) << (comparison * 4);
    }

    pub(crate) fn level(self, comparison: usize) -> u8 {
        ((self.0 >> (comparison * 4)) & 0xf) as u8
    }
}
