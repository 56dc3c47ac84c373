#![doc = include_str!("../README.md")]

mod catalog;
mod document;
mod estimate;
mod in_place;
mod index;
mod memberships;
mod newborn;
pub mod ready_made;
pub mod reference;
mod stages;

pub use catalog::{Audience, Catalog, Live, MAX_REFERENCE_DEPTH};
pub use document::AudienceDocument;
pub use estimate::Estimate;
pub use in_place::{InPlace, Stated, evaluate_in_place};
pub use index::{Change, Touched};
pub use memberships::{Entry, FactsByPurpose, Memberships, Transition, TransitionKind};
pub use stages::{LiveStages, MAX_STAGES, StageDocument, StagePolicy, StagesDocument};

#[cfg(test)]
mod fixture;
