//! The running engine on a real store, driven through its public door.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a step that fails is a test that fails")]

mod audiences;
mod clock;
mod consent;
mod decisions;
mod durability;
mod edits;
mod export;
mod faults;
mod guardrails;
mod identity;
mod large;
mod privacy;
mod refused_data;
mod retention;
mod shared_devices;
mod simulation;
mod sticky;
mod who_is_who;
mod world;
