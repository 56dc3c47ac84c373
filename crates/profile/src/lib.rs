#![doc = include_str!("../README.md")]

pub mod accounts;
pub mod assignments;
pub mod computed;
pub mod consent;
pub mod identity;
pub mod profile;
mod sensitivity;
mod shared;
pub mod timeline;
pub mod traits;
pub mod view;
pub mod visits;

pub use accounts::{Account, AccountView, Around, Belonging, Belongings};
pub use assignments::{Assignment, Assignments};
pub use computed::ComputedTraitDocument;
pub use consent::{ConsentLedger, PurposePolicy, PurposeRule, Statement};
pub use identity::{
    Component, IdentityRules, KnownIdentifier, Link, PackedComponent, Reason, Refusal, Resolution,
    Ruling, Says, resolve,
};
pub use profile::{Observation, Observed, Profile, Records, Seen, SeenIn};
pub use sensitivity::Sensitivity;
pub use timeline::Timeline;
pub use traits::{
    Fault, Origin, RefusedTrait, TraitDocument, TraitRule, TraitRules, TraitValue, Traits,
};
pub use view::{ServiceView, View};
pub use visits::{Changed, Entry, Visit, Visits};
