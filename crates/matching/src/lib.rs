#![doc = include_str!("../README.md")]

mod blocking;
mod em;
pub mod infer;
mod linkage;
mod model;
mod plan;
mod records;
mod settings;
mod similarity;
mod train;

pub use blocking::{BLOCK_RECORDS_MAX, LeftOut, PAIRS_MAX};
pub use linkage::{Blocks, Linkage, PAIRS_KEPT_MAX, TooMany, clusters, one_to_one};
pub use model::{Explanation, Learnt, LearntLevel, Model, ModelFault, Part, Scored, weight_of};
pub use plan::Plan;
pub use records::{RECORDS_MAX, Records, RecordsBuilder, TooManyRecords};
pub use settings::{
    Beginning, COMPARISONS_MAX, Comparison, Fault, Key, Kind, LEVELS_MAX, Level, Like, RULES_MAX,
    Settings,
};
pub use train::NoEvidence;
