#![doc = include_str!("../README.md")]

pub mod acts;
pub mod backup;
pub mod caller;
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

mod accounts;
mod audit;
mod body;
mod cache;
mod consent;
mod credentials;
mod explain;
mod facts;
mod flag_use;
mod fold;
#[expect(dead_code, reason = "who follows comes with the next changes")]
mod follow;
mod join;
mod keys;
mod large;
mod load;
mod measure;
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
mod traffic;
mod turns;
mod update;
mod visits;
mod who;
mod writer;

pub use audience::ready_made;
pub use clock::{Clock, ManualClock, SteadyClock, SystemClock, Uptime};
pub use engine::{Engine, EngineError, FirstKeys, Options};
pub use experiment::{Method, ready_made as ready_made_metrics};
pub use flag_use::REDIRECT_FOLLOWED;
pub use measure::{results::ResultsQuery, scan::Breakdown};
