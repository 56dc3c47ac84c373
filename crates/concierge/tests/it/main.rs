//! The real binary, as its users run it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod backup;
mod commands;
mod crash;
mod demo;
mod export;
mod import;
mod linkage;
mod online_retail;
mod place_and_weather;
mod serve;
mod support;
