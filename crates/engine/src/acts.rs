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

use crate::{
    proposals::{Handed, NewProposal, ProposalId},
    sealed::RowError,
};

pub use profile::identity::Split;

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq)]
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
    /// Make one person of the two of a proposal, whatever the rules say.
    Accept {
        /// The proposal.
        proposal: ProposalId,
    },
    /// Leave the two people of a proposal as they are, for good.
    Reject {
        /// The proposal.
        proposal: ProposalId,
    },
    /// Take in proposals, of somebody's matching.
    Propose {
        /// At most [`PROPOSED_MAX`](crate::proposals::PROPOSED_MAX) of them.
        proposals: Vec<NewProposal>,
    },
}

impl Ask {
    /// What it is done to, in the audit log.
    pub(crate) fn subject(&self) -> String {
        match self {
            Self::Split { profile, .. } | Self::Undo { profile, .. } => {
                format!("profiles/{profile}")
            }
            Self::Accept { proposal } | Self::Reject { proposal } => {
                format!("merge_proposals/{proposal}")
            }
            Self::Propose { .. } => "merge_proposals".to_owned(),
        }
    }

    /// The word in the audit log.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::Split { .. } => "profile.split",
            Self::Undo { .. } => "profile.undo",
            Self::Accept { .. } => "merge_proposal.accept",
            Self::Reject { .. } => "merge_proposal.reject",
            Self::Propose { .. } => "merge_proposal.create",
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
    /// What became of each proposal that was handed in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proposals: Vec<Handed>,
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
    /// There is no such proposal.
    #[error("merge proposal `{0}` not found")]
    NoProposal(ProposalId),
    /// It was decided before.
    #[error("merge proposal `{0}` is {1} already")]
    Decided(ProposalId, &'static str),
    /// Its sides are one person by now, or one of them is gone.
    #[error("merge proposal `{0}` has no two people any more")]
    Moot(ProposalId),
    /// They cannot be one person even by an operator's word: they would be larger than any person may be, or one of
    /// them is known under another user id that was never proven.
    #[error("the people of merge proposal `{0}` cannot be made one")]
    CannotMerge(ProposalId),
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
