//! Which audiences a change can touch.

use std::ops::Range;

use compact_str::CompactString;
use model::{
    Purpose,
    condition::{EventPattern, Row},
    value::Path,
};
use rustc_hash::FxHashMap;

use crate::Audience;

/// Something about a person that changed.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// One event was added to the timeline of its name.
    Event {
        /// `hash::event_name` of the name.
        name_hash: u64,
        /// The event.
        row: Row<'a>,
        /// The properties that rows of its name keep.
        paths: &'a [Path],
    },
    /// The timeline of a name changed in another way: events were removed, rewritten, or lost to overflow.
    Timeline {
        /// `hash::event_name` of the name.
        name_hash: u64,
    },
    /// A trait changed: its name, or a path into it.
    Trait(&'a str),
    /// What may be read for a purpose changed.
    Consent(Purpose),
    /// The audience at this position of the catalog.
    Audience(usize),
    /// Something about the accounts that the person belongs to.
    Accounts,
    /// Versions are computed that are to act next.
    Shadows,
    /// Anything may have changed: a merge, a split, an erasure, new definitions.
    Everything,
}

/// A set of audiences, by their position in the catalog; iterating goes in the order of evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    words: Vec<u64>,
}

impl Touched {
    /// Whether no audience is touched.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Empties the set, keeping its memory.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// The positions in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let ones = |word: u64| (word != 0).then_some(word);
            std::iter::successors(ones(*word), move |word| ones(word & (word - 1)))
                .map(move |word| index * 64 + word.trailing_zeros() as usize)
        })
    }

    pub(crate) fn insert(&mut self, position: usize) {
        let word = position / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << (position % 64);
        }
    }
}

/// The reader of one event name.
#[derive(Clone, Debug)]
struct EventReader {
    position: usize,
    purpose: Purpose,
    patterns: Vec<EventPattern>,
}

impl EventReader {
    /// Whether `row` can matter to the audience.
    ///
    /// Every condition looks only at events that pass its filters, `not` or no `not`, so one that
    /// fails the filters of each changes nothing. An event that may not be read always
    /// matters: it may turn an answer withheld.
    fn sees(&self, row: Row<'_>, paths: &[Path]) -> bool {
        !row.purposes.contains(self.purpose)
            || self.patterns.iter().any(|pattern| pattern.selects(row, paths))
    }
}

/// What reads what. Audiences that are only answered within requests are not in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    events: FxHashMap<u64, Vec<EventReader>>,
    /// By the first part of the path: a path is found under its first part or, with dots in a key, as a whole.
    traits: FxHashMap<CompactString, Vec<usize>>,
    /// Those that ask about accounts.
    accounts: Vec<usize>,
    /// Those that ask about consent themselves, whatever for.
    consents: Vec<usize>,
    purposes: FxHashMap<Purpose, Vec<usize>>,
    /// For each audience, all that refer to it, directly or not.
    dependents: Vec<Vec<usize>>,
    stored: Vec<usize>,
    shadows: Range<usize>,
}

impl Index {
    /// Indexes audiences, of which each refers only to earlier ones; those from `live` on are shadows,
    /// to which none refers.
    pub(crate) fn new(audiences: &[&Audience], live: usize) -> Self {
        let dependents = vec![Vec::new(); audiences.len()];
        let shadows = live..audiences.len();
        let mut index = Self { dependents, shadows, ..Self::default() };
        for (position, audience) in audiences.iter().enumerate() {
            if !audience.request_only() {
                index.add(position, audience);
            }
        }
        index.close_dependents(audiences, live);
        index
    }

    fn add(&mut self, position: usize, audience: &Audience) {
        self.stored.push(position);
        self.purposes.entry(audience.purpose()).or_default().push(position);
        let needs = audience.rule().needs();
        if !needs.purposes.is_empty() {
            self.consents.push(position);
        }
        if needs.accounts {
            self.accounts.push(position);
        }
        for path in &needs.traits {
            let readers = self.traits.entry(first_part(path.as_str()).into()).or_default();
            if readers.last() != Some(&position) {
                readers.push(position);
            }
        }
        for name in needs.events.keys() {
            let patterns = audience.rule().event_patterns();
            let patterns = patterns.into_iter().filter(|pattern| pattern.name == *name);
            self.events.entry(name.hash).or_default().push(EventReader {
                position,
                purpose: audience.purpose(),
                patterns: patterns.cloned().collect(),
            });
        }
    }

    fn close_dependents(&mut self, audiences: &[&Audience], live: usize) {
        let referable = audiences.iter().take(live).enumerate();
        let positions: FxHashMap<_, _> =
            referable.map(|(position, audience)| (audience.key(), position)).collect();
        // Later audiences refer to earlier ones, so going backwards each one's own dependents are already complete.
        for (position, audience) in audiences.iter().enumerate().rev() {
            if audience.request_only() {
                continue;
            }
            let mut own = self.dependents.get(position).cloned().unwrap_or_default();
            own.sort_unstable();
            own.dedup();
            for key in &audience.rule().needs().audiences {
                let of = positions.get(key).and_then(|p| self.dependents.get_mut(*p));
                if let Some(of) = of {
                    of.push(position);
                    of.extend_from_slice(&own);
                }
            }
            if let Some(dependents) = self.dependents.get_mut(position) {
                *dependents = own;
            }
        }
    }

    /// Adds what `change` can touch to `touched`.
    pub(crate) fn touch(&self, touched: &mut Touched, change: &Change<'_>) {
        match *change {
            Change::Event { name_hash, row, paths } => {
                let readers = self.events.get(&name_hash).into_iter().flatten();
                for reader in readers.filter(|reader| reader.sees(row, paths)) {
                    self.insert(touched, reader.position);
                }
            }
            Change::Timeline { name_hash } => {
                for reader in self.events.get(&name_hash).into_iter().flatten() {
                    self.insert(touched, reader.position);
                }
            }
            Change::Trait(name) => {
                let readers = self.traits.get(first_part(name)).into_iter().flatten();
                readers.for_each(|position| self.insert(touched, *position));
            }
            Change::Consent(purpose) => {
                let folded_for = self.purposes.get(&purpose).into_iter().flatten();
                folded_for.chain(&self.consents).for_each(|p| self.insert(touched, *p));
            }
            Change::Accounts => self.accounts.iter().for_each(|p| self.insert(touched, *p)),
            Change::Audience(position) => self.insert(touched, position),
            Change::Shadows => self.shadows.clone().for_each(|position| touched.insert(position)),
            Change::Everything => self.stored.iter().for_each(|p| touched.insert(*p)),
        }
    }

    /// Adds an audience and all that refer to it.
    pub(crate) fn insert(&self, touched: &mut Touched, position: usize) {
        touched.insert(position);
        for dependent in self.dependents.get(position).into_iter().flatten() {
            touched.insert(*dependent);
        }
    }
}

fn first_part(path: &str) -> &str {
    path.split_once('.').map_or(path, |(first, _)| first)
}
