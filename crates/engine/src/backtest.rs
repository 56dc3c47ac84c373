//! Backtests: the recorded decisions of a period, decided again by a draft.
//!
//! Each person's records are walked in order and decided by the one decision path (I6) over the person as they were:
//! what is drawn and won under the draft is carried along, as the engine would have. Of what was known then, events
//! are exact but for those that arrived late; audiences that were not edited since, the context and the consent
//! that was asked for are taken from the record; traits, who is who, and consent that was taken back are those of
//! today. [`APPROXIMATIONS`] says so in each answer.

mod effect;
mod person;

use std::{
    collections::{BTreeMap, HashSet},
    ops::ControlFlow,
    panic::resume_unwind,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

use crossbeam_channel::Sender;
use decision::backtest::{ExperienceReach, Reach, Tally};
use model::{
    Duration, Key, StrandId, Timestamp,
    condition::EventName,
    definition::Fault,
    id::LANE_COUNT,
    value::{Object, Path},
};
use serde::{Deserialize, Serialize};
use store::{Reader, ScanOrder, Table, prefix_range};

use crate::{
    definitions::{DefinitionError, Kind},
    engine::{Engine, EngineError},
    keys, priority,
    registry::documents::Documents,
    sealed::RowError,
    snapshot::Snapshot,
};

use person::{Found, Run};

pub use effect::{Estimated, Lift, Refused};

/// Longest period: more than a year, so that two seasons can be compared.
pub const PERIOD_MAX: Duration = Duration::days(400);
/// Most definitions that are put in place of those that act.
pub const DEFINITIONS_MAX: usize = 50;
/// How long after a decision rewards count where nothing is said.
pub const REWARD_WITHIN: Duration = Duration::days(7);

/// What of the past is not known exactly; part of each answer.
pub const APPROXIMATIONS: [&str; 5] = [
    "traits, accounts and who is who are those of today",
    "consent that was taken back since holds for then as well; whoever refuses analytics or was erased is left out",
    "events that arrived late count as if they had been known at their time",
    "audiences that were edited since, or never recorded, are evaluated at the instant of the decision",
    "a request that named no placements is decided for those that it was answered for",
];

/// What is to be decided again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BacktestRequest {
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after; now, when absent.
    #[serde(default)]
    pub to: Option<Timestamp>,
    /// Experiences that are put in place of those that act, by key.
    #[serde(default)]
    pub experiences: BTreeMap<Key, Object>,
    /// The same for audiences.
    #[serde(default)]
    pub audiences: BTreeMap<Key, Object>,
    /// The same for placements.
    #[serde(default)]
    pub placements: BTreeMap<Key, Object>,
    /// What is to be gained; without it nothing is said about an effect.
    #[serde(default)]
    pub reward: Option<Reward>,
}

/// What a person is worth after a decision.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reward {
    /// The name of the events that count.
    pub event: String,
    /// The property that is added up; without one a person counts 1 who has such an event, and 0 else.
    #[serde(default)]
    pub property: Option<Path>,
    /// How long after the decision.
    #[serde(default = "reward_within")]
    pub within: Duration,
}

fn reward_within() -> Duration {
    REWARD_WITHIN
}

/// A backtest that was found sound.
#[derive(Debug)]
pub struct BacktestPlan {
    experience: Key,
    from: Timestamp,
    to: Timestamp,
    now: Timestamp,
    reward: Option<(EventName, Reward)>,
    documents: Documents,
    snapshot: Arc<Snapshot>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BacktestProgress {
    /// The part of everyone that was looked at, from 0 to 1.
    pub part: f64,
    /// People with decisions so far.
    pub people: u64,
    /// Decisions so far.
    pub decisions: u64,
}

/// What a draft would have decided.
#[derive(Clone, Debug, Serialize)]
pub struct Backtest {
    /// The experience in question.
    pub experience: Key,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after.
    pub to: Timestamp,
    /// People with decisions in the period.
    pub people: u64,
    /// Of those, people for whom at least one decision differs.
    pub people_different: u64,
    /// Decisions: one for each placement of a request.
    pub decisions: u64,
    /// Decisions that differ in experience or variant.
    pub different: u64,
    /// Decisions that another experience would have won, most first.
    pub moves: Vec<Move>,
    /// Decisions and people of each experience.
    pub experiences: BTreeMap<Key, ExperienceReach>,
    /// People for whom the experience in question won, by the audiences that they were in then.
    pub audiences: BTreeMap<Key, Reach>,
    /// What was left out.
    pub left_out: LeftOut,
    /// The effect, where a reward was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lift: Option<Lift>,
    /// What of the past is not known exactly.
    pub approximations: [&'static str; 5],
}

/// Decisions that go from one experience to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Move {
    /// What won, as recorded.
    pub from: Option<Key>,
    /// What would have won.
    pub to: Option<Key>,
    /// Decisions.
    pub decisions: u64,
}

/// What a backtest could not look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// People who do not grant analytics.
    pub people_without_consent: u64,
    /// People whose rows do not read back.
    pub people_unreadable: u64,
    /// Requests whose context was too large to keep.
    pub requests_without_context: u64,
}

impl LeftOut {
    fn add(&mut self, other: Self) {
        self.people_without_consent += other.people_without_consent;
        self.people_unreadable += other.people_unreadable;
        self.requests_without_context += other.requests_without_context;
    }
}

impl Engine {
    /// Looks whether a backtest can be made.
    ///
    /// # Errors
    /// The faults of the request or of the definitions in it; no such experience.
    pub fn plan_backtest(
        &self,
        experience: &Key,
        request: BacktestRequest,
    ) -> Result<BacktestPlan, DefinitionError> {
        let (shared, now) = (self.shared(), self.now());
        let BacktestRequest { from, to, experiences, audiences, placements, reward } = request;
        let to = to.unwrap_or(now).min(now);
        let mut faults = Vec::new();
        if to <= from || from < to.saturating_sub(PERIOD_MAX) {
            let detail = format!(
                "`from` is before `to`, which is not in the future, by at most {PERIOD_MAX}"
            );
            faults.push(Fault::new("/from", detail));
        }
        if let Some(reward) = &reward
            && (reward.within.0 <= 0 || PERIOD_MAX < reward.within)
        {
            let detail = format!("more than nothing and at most {PERIOD_MAX}");
            faults.push(Fault::new("/reward/within", detail));
        }
        let kinds = [
            (Kind::Audience, audiences),
            (Kind::Placement, placements),
            (Kind::Experience, experiences),
        ];
        if DEFINITIONS_MAX < kinds.iter().map(|(_, changed)| changed.len()).sum() {
            faults.push(Fault::new("", format!("at most {DEFINITIONS_MAX} definitions change")));
        }
        if !faults.is_empty() {
            return Err(DefinitionError::Invalid(faults));
        }
        let changed = kinds.into_iter().flat_map(|(kind, changed)| {
            changed.into_iter().map(move |(key, document)| (kind, key, document))
        });
        let (documents, snapshot) = shared.registry.with_changes(experience, changed, now)?;
        shared.registry.refuse_beyond_retention(&snapshot, from, now)?;
        let reward = reward.map(|reward| (EventName::new(&reward.event), reward));
        let snapshot = match &reward {
            Some((event, reward)) => snapshot.also_reading(event, reward.property.as_ref()),
            None => snapshot,
        };
        let (experience, snapshot) = (experience.clone(), Arc::new(snapshot));
        Ok(BacktestPlan { experience, from, to, now, reward, documents, snapshot })
    }

    /// Decides a period again, until `progress` breaks; `None` then.
    ///
    /// It reads a snapshot of the store on as many threads as there are cores, each with one person at a time, and
    /// holds of the people who matter for the effect a few numbers each. These threads run behind requests.
    pub fn backtest(
        &self,
        plan: &BacktestPlan,
        progress: &mut dyn FnMut(BacktestProgress) -> ControlFlow<()>,
    ) -> Result<Option<Backtest>, EngineError> {
        let shared = self.shared();
        let frozen = shared.store.snapshot()?;
        let (reader, lanes, done) = (&*frozen, &Lanes::default(), &Done::default());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut is_cancelled = false;
        let found = std::thread::scope(|scope| {
            let (told, heard) = crossbeam_channel::unbounded();
            let start = |_| {
                let told: Sender<_> = told.clone();
                scope.spawn(move || walk(Run::new(shared, reader, plan, done), lanes, &told))
            };
            let walks: Vec<_> = (0..threads).map(start).collect();
            drop(told);
            let mut all = BacktestProgress { part: 0.0, people: 0, decisions: 0 };
            for (people, decisions) in heard {
                all.part += 1.0 / f64::from(LANE_COUNT);
                all.people += people;
                all.decisions += decisions;
                if progress(all).is_break() {
                    is_cancelled = true;
                    lanes.stop();
                }
            }
            let ends =
                walks.into_iter().map(|walk| walk.join().unwrap_or_else(|p| resume_unwind(p)));
            ends.collect::<Result<Vec<_>, _>>()
        })?;
        let found = found.into_iter().fold(Found::default(), Found::and);
        Ok((!is_cancelled).then(|| found.into_backtest(plan)))
    }
}

/// The lanes that no thread has taken yet.
#[derive(Debug, Default)]
struct Lanes(AtomicU16);

impl Lanes {
    fn next(&self) -> Option<u16> {
        Some(self.0.fetch_add(1, Ordering::Relaxed)).filter(|lane| *lane < LANE_COUNT)
    }

    fn stop(&self) {
        self.0.store(LANE_COUNT, Ordering::Relaxed);
    }
}

/// Heads of the people of several strands that were taken: they are met once for each strand, in any lane.
#[derive(Debug, Default)]
struct Done(Mutex<HashSet<StrandId>>);

impl Done {
    fn has(&self, head: StrandId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&head)
    }

    /// Whether nobody else has taken them.
    fn take(&self, head: StrandId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(head)
    }
}

/// Decides lane after lane, and tells of each how many people and decisions it had.
fn walk(mut run: Run<'_>, lanes: &Lanes, told: &Sender<(u64, u64)>) -> Result<Found, RowError> {
    priority::yield_to_requests();
    while let Some(lane) = lanes.next() {
        let before = (run.found.tally.people, run.found.tally.decisions);
        if let Err(error) = run.lane(lane) {
            lanes.stop();
            return Err(error);
        }
        let Tally { people, decisions, .. } = run.found.tally;
        // Who does not listen any more has stopped the lanes.
        told.send((people - before.0, decisions - before.1)).ok();
    }
    Ok(run.found)
}

/// The strands of a lane with records in the period.
fn strands(reader: &dyn Reader, lane: u16, plan: &BacktestPlan) -> Result<Vec<StrandId>, RowError> {
    let mut found: Vec<StrandId> = Vec::new();
    let prefix = lane.to_be_bytes();
    reader.scan(Table::Decision, prefix_range(&prefix), ScanOrder::Ascending, &mut |key, _| {
        let strand = key.get(..keys::STRAND_BYTES).and_then(keys::parse_strand);
        let is_meant = keys::decided_at(key).is_some_and(|at| plan.from <= at && at < plan.to);
        if let Some(strand) = strand.filter(|_| is_meant)
            && found.last() != Some(&strand)
        {
            found.push(strand);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
