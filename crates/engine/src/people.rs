//! Reading people: lookup by any identifier, timeline, decisions, members of an audience.

pub(crate) mod members;
pub(crate) mod show;

use model::{
    Key, ProfileId, Timestamp, Value,
    condition::{Step, Truth},
};
use serde::Serialize;

/// A membership count with a sample.
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
    Draft(Value),
}
