//! What a decision answers and what is recorded of it.

use std::{fmt, sync::Arc};

use model::{Drawn, Key, Purpose, PurposeSet, value::Object};
use serde::{Deserialize, Serialize};

use crate::{RecordedTraits, explanation::Step};

/// Why a placement shows what it shows.
///
/// When no experience won, it is the reason of the candidate that came nearest, in the order
/// frequency cap, excluded, paused, no consent, default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An experience with one variant won.
    TargetingMatch,
    /// An experience with several variants won; which one is shown was drawn.
    Split,
    /// No experience is for this person now.
    Default,
    /// An experience won, and the unit is held out of it or of everything.
    Holdout,
    /// What would decide may not be read.
    NoConsent,
    /// An experience was shown often enough already.
    FrequencyCap,
    /// The person is suppressed, outside the traffic, in another slot of an exclusion group, did what
    /// the experience must not follow, or is shown another of its page group.
    Excluded,
    /// An experience that is paused would have won, or the placement itself is paused.
    Paused,
    /// The placement is unknown or broken, or the winner's content could not be filled in.
    Error,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TargetingMatch => "targeting_match",
            Self::Split => "split",
            Self::Default => "default",
            Self::Holdout => "holdout",
            Self::NoConsent => "no_consent",
            Self::FrequencyCap => "frequency_cap",
            Self::Excluded => "excluded",
            Self::Paused => "paused",
            Self::Error => "error",
        })
    }
}

/// A definition at a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// Its key.
    pub key: Key,
    /// The version that was live.
    pub version: u64,
}

/// Why a candidate did not win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// Its purpose is not granted.
    Consent,
    /// The person is suppressed.
    Suppressed,
    /// It does not act now.
    Schedule,
    /// The person is not eligible.
    Ineligible,
    /// Whether the person is eligible may not be known for its purpose.
    Withheld,
    /// It is paused, and would have been eligible.
    Paused,
    /// The unit belongs to another slot of its exclusion group.
    Slot,
    /// The unit is outside its traffic.
    Traffic,
    /// It was shown often enough already, by itself or with others of its group.
    Cap,
    /// The person just did what it must not follow.
    NeverAfter,
    /// Another experience of its page group is shown in another placement.
    Page,
}

impl WhyNot {
    /// The reason of a placement in which nothing came nearer than this.
    pub fn reason(self) -> Reason {
        match self {
            Self::Schedule | Self::Ineligible => Reason::Default,
            Self::Consent | Self::Withheld => Reason::NoConsent,
            Self::Paused => Reason::Paused,
            Self::Suppressed | Self::Slot | Self::Traffic | Self::NeverAfter | Self::Page => {
                Reason::Excluded
            }
            Self::Cap => Reason::FrequencyCap,
        }
    }

    /// How near a candidate came to winning.
    pub(crate) fn nearness(self) -> u8 {
        match self.reason() {
            Reason::NoConsent => 1,
            Reason::Paused => 2,
            Reason::Excluded => 3,
            Reason::FrequencyCap => 4,
            _ => 0,
        }
    }
}

/// A candidate that was looked at, in the order of arbitration. Looking stops at the winner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The experience.
    pub experience: Reference,
    /// Why it did not win; `None` for the winner.
    pub why_not: Option<WhyNot>,
}

/// Which holdout a unit is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holdout {
    /// The one of this key, which several experiences share.
    Shared(Key),
    /// The experience's own.
    Experience,
}

/// What a held-out unit would have seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// The experience that won.
    pub experience: Reference,
    /// The variant that the unit would have got.
    pub variant: Key,
    /// The holdout that kept it away.
    pub holdout: Holdout,
}

/// The purposes that candidates up to the winner asked for, and which of them were granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentBasis {
    /// Asked for.
    pub asked: PurposeSet,
    /// Granted, of those.
    pub granted: PurposeSet,
}

impl ConsentBasis {
    pub(crate) fn note(&mut self, purpose: Purpose, granted: bool) {
        self.asked = self.asked.with(purpose);
        if granted {
            self.granted = self.granted.with(purpose);
        }
    }
}

/// What a placement shows, why, and what is recorded of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The placement asked for.
    pub placement: Key,
    /// The version of its definition; `None` when it is unknown.
    pub placement_version: Option<u64>,
    /// The experience that is shown, or that won and whose content broke. None for a held-out unit:
    /// see `shadow`.
    pub experience: Option<Reference>,
    /// Its variant.
    pub variant: Option<Key>,
    /// What to show; `None` when there is nothing.
    pub content: Option<Arc<Object>>,
    /// Why.
    pub reason: Reason,
    /// How probable this outcome was, given the experience that won: see [`crate::decide()`]. 1
    /// when nothing was drawn.
    pub propensity: f64,
    /// What a held-out unit would have seen.
    pub shadow: Option<Shadow>,
    /// The candidates up to the winner.
    pub candidates: Vec<Candidate>,
    /// The consent that was relied on.
    pub consent: ConsentBasis,
    /// The assignment to record for the winner: a variant's key or [`crate::HELD_OUT`]. `None` when
    /// nothing new was drawn.
    pub assignment: Option<Key>,
    /// How the variant was drawn, now or when it was assigned, of an experience whose shares follow what units did.
    pub drawn: Option<Drawn>,
    /// The shared holdouts of the winner that were drawn anew, and whether the unit is in each; to be recorded under
    /// [`crate::holdout_name`].
    pub holdouts: Vec<(Key, bool)>,
    /// The traits that the winner wants recorded.
    pub recorded: RecordedTraits,
    /// How it came about; empty unless asked for.
    pub explanation: Vec<Step>,
}

impl Outcome {
    /// The experience whose win counts towards caps and the triggered population: shown, held out,
    /// or broken while being filled in, so that every arm is counted by the same rule.
    pub fn won(&self) -> Option<&Reference> {
        let shadow = self.shadow.as_ref().map(|shadow| &shadow.experience);
        self.experience.as_ref().or(shadow)
    }
}
