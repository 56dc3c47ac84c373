#![doc = include_str!("../README.md")]

pub mod sample;

mod undefined;
pub use undefined::Undefined;

mod quadrature;
mod special;

pub mod adjusted;
pub mod bayes;
pub mod cap;
pub mod draws;
pub mod effect;
pub mod exact;
pub mod fixed;
pub mod gate;
pub mod looks;
pub mod multiple;
pub mod power;
pub mod quantile;
pub mod sequence;
pub mod split;
pub mod truth;

pub mod off_policy;
pub mod policy;
