#![doc = include_str!("../README.md")]

// What a page is, and how it is changed.
mod elements;
mod escape;
mod markup;
mod page;
mod plan;
mod sanitise;
mod selector;
mod start_tag;

// How it comes through.
mod ask;
mod body;
mod forward;
mod options;
mod serve;
mod tag;
mod visit;

pub use options::{Address, AddressError, Consent, Options};
pub use serve::serve;
