//! The running engine on a real store, driven through its public door.

mod audiences;
mod consent;
mod decisions;
mod durability;
mod identity;
mod simulation;
mod world;
