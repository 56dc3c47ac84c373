#![doc = include_str!("../README.md")]

pub mod condition;
pub mod consent;
pub mod country;
pub mod definition;
pub mod drawn;
pub mod event;
pub mod hash;
pub mod id;
pub mod identifier;
pub mod lazy;
pub mod table;
pub mod time;
pub mod value;
pub mod weight;

pub use consent::{Basis, Consents, Purpose, PurposeSet};
pub use country::Country;
pub use drawn::Drawn;
pub use event::{Event, EventKind};
pub use id::{ActId, DecisionId, Key, Lane, ProfileId, Seq, SourceKey, StrandId, UnitId};
pub use identifier::{Identifier, IdentifierType};
pub use lazy::LazyObject;
pub use time::{Duration, Timestamp};
pub use value::Value;
