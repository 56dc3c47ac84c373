//! Violations of the plan, counted by event, place and rule, with a few samples of where they came from.

use std::collections::{BTreeMap, VecDeque};

use compact_str::{CompactString, format_compact};
use model::{Event, SourceKey, Timestamp, Value};
use serde::{Deserialize, Serialize};

use crate::{name, plan::Violation};

/// Samples kept of a violation: the newest.
const SAMPLES_MAX: usize = 5;
/// Most events whose violations are told apart; others count as `*`.
const EVENTS_MAX: usize = 500;
/// Most violations of an event that are told apart; others count under the path `*`.
const OF_EVENT_MAX: usize = 100;

/// Longest version of a client that is kept, in bytes.
const VERSION_BYTES_MAX: usize = 20;

/// Where a violation came from: nothing of what was sent but the client's own name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When it was received.
    pub at: Timestamp,
    /// The source.
    pub source: SourceKey,
    /// The client and its version, as `context.library` has them.
    pub library: CompactString,
}

/// How often something was violated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Events.
    pub count: u64,
    /// When the first was received.
    pub first: Timestamp,
    /// When the last was received.
    pub last: Timestamp,
    /// The newest, last.
    pub samples: VecDeque<Sample>,
    pub(crate) is_changed: bool,
}

/// All violations, by event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    pub(crate) events: BTreeMap<CompactString, BTreeMap<Violation, Count>>,
}

impl Violations {
    /// Counts the violations of an event.
    pub fn add(&mut self, event: &Event, violations: &[Violation]) {
        let mut name = name::shown(&event.name);
        if self.events.len() >= EVENTS_MAX && !self.events.contains_key(name) {
            name = name::ANY;
        }
        let of_event = self.events.entry(name.into()).or_default();
        let sample = Sample {
            at: event.received_at,
            source: event.source.clone(),
            library: library(event.context.get("library")),
        };
        for violation in violations {
            let is_full = of_event.len() >= OF_EVENT_MAX && !of_event.contains_key(violation);
            let key = if is_full {
                Violation { path: name::ANY.into(), rule: violation.rule.clone() }
            } else {
                violation.clone()
            };
            of_event.entry(key).or_default().add(sample.clone());
        }
    }

    /// Every count with its event and violation.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Violation, &Count)> {
        self.events.iter().flat_map(|(event, counts)| {
            counts.iter().map(move |(violation, count)| (event.as_str(), violation, count))
        })
    }

    /// Puts a count back as it was stored.
    pub fn restore(&mut self, event: &str, violation: Violation, count: Count) {
        self.events.entry(event.into()).or_default().insert(violation, count);
    }
}

impl Count {
    fn add(&mut self, sample: Sample) {
        if self.count == 0 {
            self.first = sample.at;
        }
        self.count += 1;
        self.last = self.last.max(sample.at);
        self.is_changed = true;
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }
}

fn library(library: Option<&Value>) -> CompactString {
    let text = |name: &str| library.and_then(|library| library.get(name)).and_then(Value::as_str);
    let is_version = |text: &&str| {
        text.len() <= VERSION_BYTES_MAX
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte))
    };
    let version = text("version").filter(is_version).unwrap_or_default();
    match text("name").map(name::shown) {
        Some(name) => format_compact!("{name} {version}"),
        None => CompactString::default(),
    }
}
