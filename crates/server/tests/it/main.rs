//! The HTTP surface in process: the real router over a real engine in a temporary directory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, what cannot be is a failure")]

mod access;
mod accounts;
mod backtests;
mod bad_input;
mod context;
mod data_quality;
mod decide;
mod definitions;
mod document;
mod edits;
mod experiences;
mod experiments;
mod export;
mod flags;
mod fuzz;
mod guardrails;
mod harness;
mod health;
mod identity;
mod ingest;
mod live;
mod people;
mod permission;
mod pixel;
mod previews;
mod privacy;
mod proof;
mod quarantine;
mod ready_made;
mod redirects;
mod results;
mod results_bad_input;
mod results_changes;
mod results_methods;
mod results_traits;
mod script;
mod serving;
mod signals;
mod stages;
mod tiers;
mod traffic;
mod traits;
mod trials;
