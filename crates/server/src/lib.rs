#![doc = include_str!("../README.md")]

// What the shell holds.
mod acts;
mod app;
mod options;
mod serve;

// Which paths there are, and their document.
pub mod openapi;
mod routes;

// What every path shares.
mod auth;
mod body;
mod caller;
mod cors;
mod error;
mod gate;
mod live;
mod metrics;
mod packed;
mod query;
mod streamed;
mod tag;

// The paths, by domain.
mod accounts;
mod audiences;
mod audit;
mod backtests;
mod backup;
mod data_quality;
mod decide;
mod definitions;
mod export;
mod health;
mod imports;
mod ingest;
mod ofrep;
mod pixel;
mod previews;
mod privacy;
mod profiles;
mod proposals;
mod quarantine;
mod ready_made;
mod redirects;
mod results;
mod retention;
mod script;
mod settings;
mod sql;
mod tokens;

pub use app::router;
pub use options::Options;
pub use serve::serve;
