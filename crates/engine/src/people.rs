//! Reading people: lookup by any identifier, timeline, decisions, members of an audience and how many there are.

pub(crate) mod members;
pub(crate) mod preview;
pub(crate) mod show;
pub(crate) mod usage;

pub use usage::{TraitUsage, TraitUser};

use audience::Estimate;
use model::{
    Key, ProfileId, Timestamp, Value,
    condition::{Step, Truth},
    value::Object,
};
use serde::Serialize;

use crate::definitions::Switch;

/// Who is in an audience, everyone looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Members {
    /// How many people are in the audience.
    pub count: u64,
    /// How many people were looked at.
    pub evaluated: u64,
    /// How many could not be answered because data is withheld by consent.
    pub withheld: u64,
    /// The first people, by profile id.
    pub items: Vec<Member>,
    /// Give this as `cursor` to continue; `null` at the end.
    pub next_cursor: Option<String>,
}

/// How many people are in an audience, told from some of them.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// How many people are in it.
    pub count: Estimate,
    /// How many cannot be answered because data is withheld by consent.
    pub withheld: Estimate,
    /// How many people there are.
    pub people: Estimate,
    /// How many people were looked at.
    pub evaluated: u64,
    /// Everyone was looked at, so that the numbers are no estimates.
    pub is_exact: bool,
    /// Members, drawn at random.
    pub items: Vec<Member>,
}

/// An audience whose newest version is computed while the one before acts.
#[derive(Clone, Debug, Serialize)]
pub struct Edit {
    /// The version that acts.
    pub from: u64,
    /// The version that is to act next.
    pub to: u64,
    /// What it waits for beside being computed.
    pub switch: Switch,
    /// When it was saved.
    pub since: Timestamp,
    /// How far it has been computed.
    pub progress: Progress,
    /// How the two differ.
    pub difference: Difference,
}

/// How far everyone has been evaluated.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Progress {
    /// How many were looked at, those who came through several devices counted for each.
    pub done: u64,
    /// What part that is of all, from 0 to 1.
    pub part: f64,
    /// All were looked at.
    pub is_complete: bool,
}

/// How the members of two versions differ, told from some people.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// How many would enter.
    pub enter: Estimate,
    /// How many would leave.
    pub leave: Estimate,
    /// How many would stay.
    pub stay: Estimate,
    /// How many people there are.
    pub people: Estimate,
    /// How many people were looked at.
    pub evaluated: u64,
    /// Everyone was looked at, so that the numbers are no estimates.
    pub is_exact: bool,
    /// Some of those who would enter, drawn at random.
    pub entering: Vec<Member>,
    /// Some of those who would leave.
    pub leaving: Vec<Member>,
}

/// Whether a preview goes on, asked before each person with how many were looked at.
pub type GoesOn<'a> = &'a dyn Fn(u64) -> bool;

/// One member.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// The person.
    pub profile: ProfileId,
    /// The user id, where one is known.
    pub user_id: Option<String>,
    /// Since when, where a transition was logged.
    pub since: Option<Timestamp>,
}

/// Why a person is in an audience, or is not.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The person.
    pub profile: ProfileId,
    /// Whether they are in it; withheld where consent does not allow an answer.
    pub member: Truth,
    /// Since when, where the entry was seen.
    pub since: Option<Timestamp>,
    /// Until when the answer holds, if nothing happens.
    pub valid_until: Option<Timestamp>,
    /// The rule and each of its parts: what it asks, what was found, and its answer.
    pub parts: Vec<Step>,
}

/// Which audience to read members of.
#[derive(Clone, Debug)]
pub enum AudienceChoice {
    /// A saved one.
    Saved(Key),
    /// A draft: the condition of a document that may never be saved.
    Draft {
        /// The condition.
        condition: Value,
        /// Documents of computed traits that it may name beside the live ones.
        computed_traits: Vec<Object>,
    },
}

impl AudienceChoice {
    /// The draft of a condition that names nothing but what is live.
    pub fn draft(condition: Value) -> Self {
        Self::Draft { condition, computed_traits: Vec::new() }
    }
}
