#![doc = include_str!("../README.md")]

pub mod sample;

mod undefined;
pub use undefined::Undefined;

mod special;

pub mod effect;
pub mod fixed;
pub mod gate;
pub mod sequence;
pub mod split;
