//! How long what was taken in is kept: the rules, what they would remove, and what has been removed.
//!
//! A rule is about events, decisions or whole people. The writer looks at everyone once a day, in its
//! spare time, and removes what no rule lets stay: rows of timelines, bodies, visits and decision
//! records, and the log no longer says of whom and what a removed event was. People who were not seen
//! for so long are erased as if they had asked for it. What events have told stays until somebody says
//! otherwise or the person goes: traits, identifiers, consent.

use std::{collections::BTreeSet, ops::ControlFlow};

use model::{
    Duration, Key, SourceKey, StrandId, Timestamp,
    definition::{Fault, State},
    hash,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use store::{Reader, ScanOrder, StoreError, Table, prefix_range};

use crate::{
    body,
    keys::{self, EventKey, Kind},
    load::Loader,
    page::{Page, Pages, Stored},
    record::{StoredMeta, StoredRound, StoredStanding, StoredVisit, Unreadable, decode},
    sealed::RowError,
    snapshot::Snapshot,
    state::Shared,
    visits,
    writer::strands,
};

/// Nothing is removed before it is a day old: a sweep takes place once a day.
pub const KEEP_MIN: Duration = Duration::days(1);
/// Most names of events, and most sources, of one rule.
pub const ENTRIES_MAX: usize = 100;
/// Row of table `Meta` about the last round of the sweep.
pub(crate) const ROUND_KEY: [u8; 1] = [0x54];

/// How long something is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionRuleDocument {
    /// The key it is referred to by.
    pub key: Key,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether it acts.
    #[serde(default)]
    pub state: State,
    /// What it removes.
    pub of: Kept,
    /// How long that is kept, a day at least: events and decisions from when they happened, people from when they
    /// were seen last.
    pub keep: Duration,
    /// The names of the events that it is about; all when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// The sources whose events it is about; all when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceKey>,
}

/// What a rule removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// Events, and visits: these are events of the name `Visit Started` and of no source.
    Events,
    /// The records of decisions.
    Decisions,
    /// Everything that is known of somebody, as an erasure does.
    People,
}

impl RetentionRuleDocument {
    /// What is wrong with it by itself.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.keep < KEEP_MIN {
            faults.push(Fault::new("/keep", "what comes in is kept for a day at least"));
        }
        for (field, count) in [("/events", self.events.len()), ("/sources", self.sources.len())] {
            if self.of != Kept::Events && count != 0 {
                faults.push(Fault::new(field, "only a rule of `events` is about some of them"));
            }
            if ENTRIES_MAX < count {
                let detail = format!("a rule names at most {ENTRIES_MAX}");
                faults.push(Fault::new(field, detail));
            }
        }
        faults
    }

    /// Whether it may remove events of a name.
    pub(crate) fn removes(&self, name: u64) -> bool {
        let is_named = |event: &String| hash::event_name(event) == name;
        self.of == Kept::Events && (self.events.is_empty() || self.events.iter().any(is_named))
    }
}

/// Rules, compiled. Immutable.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    of: Kept,
    keep: Duration,
    /// All when there are none.
    events: BTreeSet<u64>,
    /// All when there are none.
    sources: BTreeSet<SourceKey>,
}

impl Rules {
    /// Compiles rules.
    pub(crate) fn of<'a>(documents: impl Iterator<Item = &'a RetentionRuleDocument>) -> Self {
        let rule = |document: &RetentionRuleDocument| Rule {
            of: document.of,
            keep: document.keep,
            events: document.events.iter().map(|name| hash::event_name(name)).collect(),
            sources: document.sources.iter().cloned().collect(),
        };
        Self(documents.map(rule).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rules of a kind that no longer let something of an instant stay.
    fn against(&self, of: Kept, at: Timestamp, now: Timestamp) -> impl Iterator<Item = &Rule> {
        self.0.iter().filter(move |rule| rule.of == of && rule.keep < now.since(at))
    }

    /// Whether an event has to go. Its source is asked for where a rule is about some sources only.
    fn removes_event(
        &self,
        at: EventKey,
        now: Timestamp,
        source: &dyn Fn() -> Result<Option<SourceKey>, RowError>,
    ) -> Result<bool, RowError> {
        let is_about = |rule: &&Rule| rule.events.is_empty() || rule.events.contains(&at.name);
        let mut some_sources = Vec::new();
        for rule in self.against(Kept::Events, at.time, now).filter(is_about) {
            if rule.sources.is_empty() {
                return Ok(true);
            }
            some_sources.push(&rule.sources);
        }
        if some_sources.is_empty() {
            return Ok(false);
        }
        let source = source()?;
        let is_of = |sources: &&BTreeSet<SourceKey>| {
            source.as_ref().is_some_and(|source| sources.contains(source))
        };
        Ok(some_sources.iter().any(is_of))
    }

    fn removes_visit(&self, last: Timestamp, now: Timestamp) -> bool {
        let name = visits::name_hash();
        let is_about = |rule: &Rule| {
            rule.sources.is_empty() && (rule.events.is_empty() || rule.events.contains(&name))
        };
        self.against(Kept::Events, last, now).any(is_about)
    }

    fn removes_decision(&self, at: Timestamp, now: Timestamp) -> bool {
        self.against(Kept::Decisions, at, now).next().is_some()
    }

    /// Whether somebody who was seen last at an instant has to go.
    fn removes_person(&self, last_seen: Timestamp, now: Timestamp) -> bool {
        self.against(Kept::People, last_seen, now).next().is_some()
    }

    fn has(&self, of: Kept) -> bool {
        self.0.iter().any(|rule| rule.of == of)
    }
}

/// What has to go of one strand.
#[derive(Debug, Default)]
pub(crate) struct Expired {
    pub(crate) events: Vec<EventKey>,
    /// The names of rows.
    pub(crate) visits: Vec<Vec<u8>>,
    /// The keys of rows, several for a long record.
    pub(crate) decisions: Vec<Vec<u8>>,
    /// There may be more events.
    pub(crate) has_more: bool,
}

impl Expired {
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.visits.is_empty() && self.decisions.is_empty()
    }

    /// In numbers.
    pub(crate) fn counts(&self) -> Removed {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        // The rows of a record count from 0.
        let records = self.decisions.iter().filter(|key| key.last() == Some(&0)).count();
        Removed {
            events: count(self.events.len()),
            visits: count(self.visits.len()),
            decisions: count(records),
            people: 0,
        }
    }
}

/// Looks at rows under rules, at an instant.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) pages: &'a Stored<'a>,
    pub(crate) rules: &'a Rules,
    pub(crate) now: Timestamp,
}

impl Look<'_> {
    /// What has to go of a strand, at most about so many events. What is restricted stays: the person
    /// asked for that.
    pub(crate) fn expired(&self, page: &Page, events_max: usize) -> Result<Expired, RowError> {
        let mut expired = Expired::default();
        if is_restricted(page)? {
            return Ok(expired);
        }
        if self.rules.has(Kept::Events) {
            let mut take = |name: &[u8], _: &[u8]| {
                if events_max <= expired.events.len() {
                    expired.has_more = true;
                    return Ok(());
                }
                let at = keys::parse_event(name).ok_or(Unreadable("event"))?;
                if self.rules.removes_event(at, self.now, &|| self.source(page, at))? {
                    expired.events.push(at);
                }
                Ok(())
            };
            page.chunks(self.pages.reader, &mut take)?;
            page.of_kind(Kind::Event).try_for_each(|(name, row)| take(name, row))?;
            for (name, row) in page.of_kind(Kind::Visit) {
                let StoredVisit::V1 { last, .. } = decode(row, "visit")?;
                if self.rules.removes_visit(last, self.now) {
                    expired.visits.push(name.to_vec());
                }
            }
        }
        if self.rules.has(Kept::Decisions) {
            expired.decisions = self.decisions(page.strand())?;
        }
        Ok(expired)
    }

    /// The source of an event; `None` where its body does not read back.
    fn source(&self, page: &Page, at: EventKey) -> Result<Option<SourceKey>, RowError> {
        let Stored { reader, keys } = *self.pages;
        match body::read(reader, keys, page.key(), at.seq, at.time) {
            Ok(event) => Ok(Some(event.source)),
            Err(RowError::Unreadable(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn decisions(&self, strand: StrandId) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut found = Vec::new();
        let prefix = keys::strand(strand);
        let range = prefix_range(&prefix);
        self.pages.reader.scan(Table::Decision, range, ScanOrder::Ascending, &mut |key, _| {
            // They lie in the order of time.
            match keys::decided_at(key) {
                Some(at) if self.rules.removes_decision(at, self.now) => {
                    found.push(key.to_vec());
                    ControlFlow::Continue(())
                }
                _ => ControlFlow::Break(()),
            }
        })?;
        Ok(found)
    }

    /// Whether the person with this head has not been seen for so long that they have to go.
    pub(crate) fn is_inactive(
        &self,
        snapshot: &Snapshot,
        head: StrandId,
    ) -> Result<bool, RowError> {
        if !self.rules.has(Kept::People) {
            return Ok(false);
        }
        let person = Loader { pages: self.pages, snapshot }.person(head)?;
        let records = person.profile.records();
        if records.restricted {
            return Ok(false);
        }
        let last_seen = match records.seen {
            Some(seen) => seen.last,
            None => {
                let page = self.pages.existing(head)?;
                let row = page.get(Kind::Meta, &[]).ok_or(Unreadable("strand"))?;
                let StoredMeta::V1 { born_at, .. } = decode(row, "strand")?;
                born_at
            }
        };
        Ok(self.rules.removes_person(last_seen, self.now))
    }
}

fn is_restricted(page: &Page) -> Result<bool, Unreadable> {
    let Some(row) = page.get(Kind::Standing, &[]) else { return Ok(false) };
    let StoredStanding::V1 { restricted, .. } = decode(row, "standing")?;
    Ok(restricted)
}

/// What was removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Events of people who stay.
    pub events: u64,
    /// Visits, each strand's part of one by itself.
    pub visits: u64,
    /// Decision records.
    pub decisions: u64,
    /// People who are erased.
    pub people: u64,
}

impl Removed {
    pub(crate) fn add(&mut self, more: Self) {
        self.events += more.events;
        self.visits += more.visits;
        self.decisions += more.decisions;
        self.people += more.people;
    }
}

/// A round of the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Round {
    /// When it began.
    pub began_at: Timestamp,
    /// When it had looked at everyone; `None` while it goes on.
    pub ended_at: Option<Timestamp>,
    /// Strands that it has looked at.
    pub strands: u64,
    /// What it has removed.
    pub removed: Removed,
}

impl Round {
    pub(crate) fn begun(began_at: Timestamp) -> Self {
        Self { began_at, ended_at: None, strands: 0, removed: Removed::default() }
    }
}

/// How far the sweep is, for whoever asks; of the round that goes on, else of the last one.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<Option<Round>>);

impl Progress {
    /// Reads what is known of the last round.
    pub(crate) fn read(reader: &dyn Reader) -> Result<Self, RowError> {
        let Some(row) = reader.get(Table::Meta, &ROUND_KEY)? else { return Ok(Self::default()) };
        let StoredRound::V1 { began_at, ended_at, strands, removed } = decode(&row, "retention")?;
        let round = Round { began_at, ended_at: Some(ended_at), strands, removed };
        Ok(Self(Mutex::new(Some(round))))
    }

    pub(crate) fn get(&self) -> Option<Round> {
        *self.0.lock()
    }

    pub(crate) fn set(&self, round: Round) {
        *self.0.lock() = Some(round);
    }
}

/// What rules would remove at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DryRun {
    /// The instant.
    pub at: Timestamp,
    /// Strands that were looked at: all.
    pub strands: u64,
    /// Strands that do not read back, of which nothing is known.
    pub unreadable: u64,
    /// What would be removed. Of people who would go, nothing else is counted.
    pub removed: Removed,
}

/// Counts what rules would remove now, over everyone.
pub(crate) fn dry_run(shared: &Shared, rules: &Rules) -> Result<DryRun, RowError> {
    let snapshot = shared.registry.snapshot_full();
    let frozen = shared.store.snapshot()?;
    let pages = &Stored { reader: &*frozen, keys: &shared.keys };
    let now = shared.clock.now();
    let look = Look { pages, rules, now };
    let mut found = DryRun { at: now, strands: 0, unreadable: 0, removed: Removed::default() };
    let mut gone = BTreeSet::new();
    strands(pages.reader, &mut |strand, head| {
        found.strands += 1;
        let looked = look_at(&look, &snapshot, (strand, head), &mut gone);
        match looked {
            Ok(removed) => found.removed.add(removed),
            Err(RowError::Unreadable(_)) => found.unreadable += 1,
            Err(error) => return Err(error),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// What would be removed of a strand; `gone` are the heads of people who would go.
fn look_at(
    look: &Look<'_>,
    snapshot: &Snapshot,
    (strand, head): (StrandId, StrandId),
    gone: &mut BTreeSet<StrandId>,
) -> Result<Removed, RowError> {
    let mut removed = Removed::default();
    // A head is not always the first of its strands that is met.
    if !gone.contains(&head) && look.is_inactive(snapshot, head)? {
        gone.insert(head);
        removed.people = 1;
    }
    if gone.contains(&head) {
        return Ok(removed);
    }
    Ok(look.expired(&*look.pages.existing(strand)?, usize::MAX)?.counts())
}

#[cfg(test)]
mod tests {
    use model::Seq;

    use super::*;

    fn rules(documents: serde_json::Value) -> Rules {
        let documents: Vec<RetentionRuleDocument> = serde_json::from_value(documents).unwrap();
        Rules::of(documents.iter())
    }

    #[test]
    fn the_strictest_rule_that_is_about_an_event_counts() {
        let rules = rules(serde_json::json!([
            {"key": "all", "of": "events", "keep": "100d"},
            {"key": "views", "of": "events", "keep": "10d", "events": ["View"]},
            {"key": "till", "of": "events", "keep": "5d", "events": ["View"], "sources": ["till"]},
        ]));
        let now = Timestamp(1_790_000_000_000);
        let removes = |name: &str, days: i64, source: Option<&str>| {
            let time = now.saturating_sub(Duration::days(days));
            let at = EventKey { name: hash::event_name(name), time, seq: Seq(1) };
            let source = || Ok(source.map(|source| source.parse().unwrap()));
            rules.removes_event(at, now, &source).unwrap()
        };
        assert!(!removes("Buy", 100, None) && removes("Buy", 101, None));
        assert!(!removes("View", 10, Some("web")) && removes("View", 11, Some("web")));
        assert!(!removes("View", 5, Some("till")) && removes("View", 6, Some("till")));
        assert!(!removes("View", 6, None), "nobody knows where it came from");
        assert!(rules.removes_visit(now.saturating_sub(Duration::days(101)), now));
        assert!(!rules.removes_visit(now.saturating_sub(Duration::days(100)), now));
        assert!(
            !rules.removes_decision(Timestamp(0), now) && !rules.removes_person(Timestamp(0), now)
        );
    }

    #[test]
    fn a_rule_makes_sense_by_itself() {
        let faults = |document: serde_json::Value| {
            let document: RetentionRuleDocument = serde_json::from_value(document).unwrap();
            document.faults().iter().map(|fault| fault.pointer.clone()).collect::<Vec<_>>()
        };
        let sound = serde_json::json!({"key": "a", "of": "people", "keep": "2d"});
        assert_eq!(faults(sound), [""; 0]);
        let short = serde_json::json!({"key": "a", "of": "events", "keep": "23h"});
        assert_eq!(faults(short), ["/keep"]);
        let named = serde_json::json!(
            {"key": "a", "of": "people", "keep": "2d", "events": ["View"], "sources": ["web"]});
        assert_eq!(faults(named), ["/events", "/sources"]);
    }
}
