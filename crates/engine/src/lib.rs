#![doc = include_str!("../README.md")]

pub mod acts;
pub mod backup;
pub mod clock;
pub mod decide;
pub mod definitions;
pub mod engine;
pub mod enrich;
pub mod export;
pub mod ingest;
pub mod normalise;
pub mod observation;
pub mod people;
pub mod preview;
pub mod privacy;
pub mod quarantine;
pub mod retention;

mod audit;
mod body;
mod cache;
mod consent;
mod credentials;
mod explain;
mod facts;
mod fold;
mod join;
mod keys;
mod large;
mod load;
mod messages;
mod metrics;
mod page;
mod pairs;
mod pending;
mod priority;
mod proof;
pub mod proposals;
mod reading;
mod record;
mod recording;
mod refold;
mod registry;
#[cfg(test)]
mod replay;
mod route;
mod sealed;
mod snapshot;
mod state;
pub mod traffic;
mod update;
mod visits;
mod who;
mod writer;

pub use audience::ready_made;
pub use clock::{Clock, ManualClock, SystemClock};
pub use engine::{Engine, EngineError, FirstKeys, Options};
