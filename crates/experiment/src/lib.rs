#![doc = include_str!("../README.md")]

mod amount;
mod document;
mod estimate;
mod exposure;
mod harm;
pub mod learn;
mod measure;
mod metric;
mod power;
mod reading;
mod readout;
pub mod ready_made;
mod tally;
mod verdict;

pub use amount::Amount;
pub use document::{CapDocument, Direction, MetricDocument, MetricKind, PartDocument, Role};
pub use exposure::{Arm, Exposed, Exposure, MAX_ARMS_OF_A_UNIT, Stratum, effective};
pub use harm::{Harm, harm};
pub use measure::{Measured, Unread, Values, measure};
pub use metric::{Cap, Metric, MetricId, Metrics};
pub use power::Power;
pub use reading::{LOOKS_MAX, Looks, Method, Reading};
pub use readout::{
    ArmResult, ArmSums, Comparison, Difference, MetricResult, StratumSums, Surely, adjust_together,
    read_out, read_out_over,
};
pub use tally::{History, Tally, Totals};
pub use verdict::{
    Several, SplitResult, Stretch, Verdict, Word, decayed, judge, several, test_split,
};
