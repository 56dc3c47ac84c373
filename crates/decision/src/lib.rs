#![doc = include_str!("../README.md")]

pub mod division;
pub mod document;
pub mod share;

mod bucket;
pub mod catalog;
pub mod changes;
pub mod component;
mod content;
pub mod policy;
pub mod recorded;
mod redirect;
mod schema;
mod template;

pub mod backtest;
pub mod decide;
pub mod explanation;
pub mod health;
pub mod outcome;
pub mod person;
pub mod token;
pub mod trigger;

pub use catalog::{Broken, Catalog, Defined, Kind, Versioned, shares as shares_by_weight};
pub use decide::{HELD_OUT, MAX_PLACEMENTS, NOT_HELD_OUT, decide, holdout_name};
pub use division::{Divisions, ExclusionGroupDocument, HoldoutDocument};
pub use document::{Allocation, EFFECTS, ExperienceDocument, Method, PlacementDocument};
pub use explanation::{Stage, Step};
pub use outcome::{Candidate, ConsentBasis, Holdout, Outcome, Reason, Reference, Shadow, WhyNot};
pub use person::{Person, Request};
pub use policy::{Adaptive, Policy, PolicyDocument};
pub use recorded::{Recorded, RecordedTraits};
pub use share::Share;
pub use token::{Recording, TokenClaims, TokenError};
pub use trigger::{Awaited, Trigger};
