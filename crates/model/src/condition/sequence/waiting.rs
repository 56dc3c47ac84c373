//! Chains that wait for the same stage, found by what that compares with, so that somebody who did the same
//! with a thousand things costs no more than one who did a thousand things with one.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    rc::Rc,
};

use crate::{
    Duration, Timestamp,
    condition::{
        Seen,
        comparison::{Literal, instant},
        evaluate::earlier,
    },
};

/// What a later step compares with.
#[derive(Clone, PartialEq)]
pub(super) enum Captured {
    /// It may not be read, so it may equal anything.
    Anything,
    /// A value, or the elements of a list, where there are any that can be compared.
    Values(Rc<[Literal]>),
}

/// Events that fit the stages so far.
#[derive(Clone)]
pub(super) struct Chain {
    pub(super) captured: Vec<Captured>,
    /// The mark of each captured value; [`UNMARKED`] where it is no single value.
    pub(super) marks: Vec<u64>,
    /// When it began.
    pub(super) start: Timestamp,
    /// The place of the last step that it has completed; of its first event where it has completed none.
    pub(super) from: Timestamp,
    /// The place of its last stage.
    pub(super) last: Timestamp,
    /// That place is the end of a time in which nothing happened, so an event there is later.
    pub(super) has_ripened: bool,
    /// Which it has of the set that it is at, a bit for each; 0 where it is at none.
    pub(super) taken: u8,
    /// The visit in which it began, where all of it is to lie in one.
    pub(super) visit: Option<usize>,
}

/// The mark of what may equal values of any mark, or none.
pub(super) const UNMARKED: u64 = 0;

/// A mark that equal values have in common; [`UNMARKED`] for lists and what equals nothing.
pub(super) fn mark(seen: &Seen<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match seen {
        Seen::Bool(value) => value.hash(&mut hasher),
        // Zero has two signs.
        Seen::Number(number) => {
            (number.as_f64().unwrap_or_default() + 0.0).to_bits().hash(&mut hasher)
        }
        Seen::Text(text) => match instant(text) {
            Some(instant) => instant.hash(&mut hasher),
            None => text.hash(&mut hasher),
        },
        Seen::Null | Seen::List(_) | Seen::Object(_) => return UNMARKED,
    }
    hasher.finish().max(1)
}

/// What chains wait for.
#[derive(Clone, Copy, Default)]
pub(super) enum Wait {
    /// That so much time passes.
    Time(Duration),
    /// An event, so long after the step before and so long after the first event at most.
    Event { patience: Option<Duration>, span: Option<Duration> },
    /// Nothing: they are complete.
    #[default]
    Nothing,
}

/// Which chains may have the values that a row has.
pub(super) enum Look {
    /// Any of them.
    All,
    /// Those of these marks, and unmarked ones.
    Marked(Vec<u64>),
}

/// Chains that have completed one stage and nothing after it.
#[derive(Default)]
pub(super) struct Waiting {
    wait: Wait,
    /// The captured value with which the next step compares, where it is one step that compares.
    index: Option<usize>,
    chains: BTreeMap<u64, Vec<Chain>>,
    /// When they have waited for long enough, in the order in which they came, each with its key.
    due: VecDeque<(Timestamp, u64)>,
}

impl Waiting {
    pub(super) fn new(wait: Wait, index: Option<usize>) -> Self {
        Self { wait, index, chains: BTreeMap::new(), due: VecDeque::new() }
    }

    /// Whether rows can be looked for by what they compare with.
    pub(super) fn is_indexed(&self) -> bool {
        self.index.is_some()
    }

    /// Takes in a chain. Where an event is waited for, of chains that agree the one that came last stays.
    pub(super) fn arrive(&mut self, chain: Chain) {
        let key = self.key(&chain);
        let due = self.wait.due(&chain);
        let alike = self.chains.entry(key).or_default();
        let is_alike =
            |known: &&mut Chain| known.taken == chain.taken && known.captured == chain.captured;
        let is_replaceable = !matches!(self.wait, Wait::Time(_));
        // A set can be come to in several ways at one instant.
        let rank = |chain: &Chain| (chain.last, chain.from, chain.start);
        match alike.iter_mut().filter(|_| is_replaceable).find(is_alike) {
            Some(known) if rank(known) > rank(&chain) => return,
            Some(known) => *known = chain,
            None => alike.push(chain),
        }
        self.due.extend(due.map(|due| (due, key)));
    }

    fn key(&self, chain: &Chain) -> u64 {
        match self.index {
            Some(index) => chain.marks.get(index).copied().unwrap_or(UNMARKED),
            None => {
                let mut hasher = DefaultHasher::new();
                chain.marks.hash(&mut hasher);
                hasher.finish()
            }
        }
    }

    /// Takes out those that have waited for long enough at an instant, in the order in which they came.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<Chain> {
        let mut taken = Vec::new();
        while let Some((due, key)) = self.due.pop_front_if(|(due, _)| *due <= now) {
            let Some(chains) = self.chains.get_mut(&key) else { continue };
            // The chain that this was noted for may be gone, and a younger one of its key must not go before others.
            let is_due = |chain: &mut Chain| self.wait.due(chain) == Some(due);
            taken.extend(chains.extract_if(.., is_due));
        }
        taken
    }

    /// Those that may have the values of a row.
    pub(super) fn look(&self, look: &Look) -> impl Iterator<Item = &Chain> {
        let (all, marked) = match look {
            Look::All => (Some(self.chains.values().flatten()), None),
            Look::Marked(marks) => {
                let of = |mark: &u64| self.chains.get(mark).into_iter().flatten();
                (None, Some(marks.iter().flat_map(of)))
            }
        };
        all.into_iter().flatten().chain(marked.into_iter().flatten())
    }

    /// Keeps of those that may have the values of a row the ones that `stays` tells.
    pub(super) fn retain(&mut self, look: &Look, stays: impl Fn(&Chain) -> bool) {
        match look {
            Look::All => self.chains.values_mut().for_each(|chains| chains.retain(&stays)),
            Look::Marked(marks) => {
                for mark in marks {
                    if let Some(chains) = self.chains.get_mut(mark) {
                        chains.retain(&stays);
                    }
                }
            }
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Chain> {
        self.chains.values().flatten()
    }

    /// When the next of them is done by the clock alone.
    pub(super) fn ripens(&self) -> Option<Timestamp> {
        let Wait::Time(_) = self.wait else { return None };
        self.iter().filter_map(|chain| self.wait.due(chain)).min()
    }
}

impl Wait {
    /// When a chain has waited for long enough.
    fn due(self, chain: &Chain) -> Option<Timestamp> {
        match self {
            Self::Time(length) => Some(chain.last.saturating_add(length)),
            Self::Event { patience, span } => {
                let end = |since: Timestamp, length: Option<Duration>| {
                    length.map(|length| since.saturating_add(length))
                };
                earlier(end(chain.from, patience), end(chain.start, span))
            }
            Self::Nothing => None,
        }
    }
}

impl Look {
    /// For what a row has at a property.
    pub(super) fn of(seen: Option<&Seen<'_>>) -> Self {
        let mut marks = vec![UNMARKED];
        match seen {
            Some(Seen::List(elements)) => {
                elements.any(|element| {
                    marks.push(mark(element));
                    false
                });
                marks.sort_unstable();
                marks.dedup();
            }
            Some(seen) => marks.extend(Some(mark(seen)).filter(|mark| *mark != UNMARKED)),
            None => {}
        }
        Self::Marked(marks)
    }
}
