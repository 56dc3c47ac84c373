//! What operators do to people: splits, and taking them back.
//!
//! An act is an input like an event. It is made ready from what is stored (`prepare`), stands in the
//! log with all that its fold needs, is folded by the writer (`fold`), so that memberships, timers and
//! caches change in the same commit, and is answered when it is durable. A replay folds what the
//! log has and prepares nothing.

pub(crate) mod fold;
pub(crate) mod history;
pub(crate) mod prepare;

use model::{ActId, ProfileId};
use serde::Serialize;
use thiserror::Error;

use crate::sealed::RowError;

pub use profile::identity::Split;

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Take a person apart. It holds whatever is seen later, until it is taken back.
    Split {
        /// The person, by any of their ids.
        profile: ProfileId,
        /// Along which lines.
        how: Split,
    },
    /// Take an act back, another such taking back included.
    Undo {
        /// A person whom it touched.
        profile: ProfileId,
        /// The act.
        act: ActId,
    },
}

impl Ask {
    /// The person whom the operator names.
    pub(crate) fn profile(&self) -> ProfileId {
        match self {
            Self::Split { profile, .. } | Self::Undo { profile, .. } => *profile,
        }
    }

    /// The word in the audit log.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::Split { .. } => "profile.split",
            Self::Undo { .. } => "profile.undo",
        }
    }
}

/// An act that is durable and visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Its name, by which it can be taken back.
    #[serde(serialize_with = "as_text")]
    pub act: ActId,
    /// The people whom it touched, as they are now.
    pub profiles: Vec<ProfileId>,
}

/// Writes an act's name as its digits; as a number it would be larger than JSON's readers keep.
fn as_text<S: serde::Serializer>(act: &ActId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(act)
}

/// Why an act was not done.
#[derive(Debug, Error)]
pub enum ActError {
    /// Nobody has this id.
    #[error("profile `{0}` not found")]
    NoProfile(ProfileId),
    /// No act of this id touched the person.
    #[error("act `{0}` not found")]
    NoAct(ActId),
    /// It was taken back before.
    #[error("act `{0}` was taken back already")]
    NotInForce(ActId),
    /// The person cannot be split like this.
    #[error(transparent)]
    CannotSplit(#[from] profile::identity::CannotSplit),
    /// The operating system gave no random bytes for its name.
    #[error("the operating system gave no random bytes")]
    Random,
    /// Stored state could not be read or changed.
    #[error("{0}")]
    Unavailable(String),
}

impl From<RowError> for ActError {
    fn from(error: RowError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
