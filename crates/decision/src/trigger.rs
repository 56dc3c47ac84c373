//! What an experience waits for on a page, before any of its variants is shown.
//!
//! It belongs to the experience and not to a variant, so that who is given the control is found out about at the same
//! moment as everybody else.

use model::{Duration, definition::Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "on", rename_all = "snake_case", deny_unknown_fields)]
pub enum Trigger {
    /// The visitor is about to leave: the pointer goes out over the top of the page, or the page is put behind others.
    Exit {},
    /// So much of the page has been seen.
    Scroll {
        /// Of its height, in per cent.
        #[schemars(range(min = 1, max = 100))]
        percent: u8,
    },
    /// The visitor has done nothing for a while.
    Idle {
        /// For how long.
        after: Duration,
    },
    /// The page has been open for a while.
    Delay {
        /// For how long.
        after: Duration,
    },
}

/// Longest wait: who does nothing for longer has gone.
const LONGEST: Duration = Duration::hours(1);

/// The same as a browser is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Awaited {
    /// Which of them.
    pub on: &'static str,
    /// A share of the page's height, in per cent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// A time, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<i64>,
}

impl Trigger {
    /// What is wrong with it.
    pub(crate) fn fault(self) -> Option<Fault> {
        match self {
            Self::Scroll { percent } if !(1..=100).contains(&percent) => {
                Some(Fault::new("/trigger/percent", "a share of a page is 1 to 100 per cent"))
            }
            Self::Idle { after } | Self::Delay { after } if LONGEST < after => {
                Some(Fault::new("/trigger/after", "nothing is waited for longer than an hour"))
            }
            _ => None,
        }
    }

    /// How a browser is told.
    pub fn awaited(self) -> Awaited {
        let (on, percent, ms) = match self {
            Self::Exit {} => ("exit", None, None),
            Self::Scroll { percent } => ("scroll", Some(percent), None),
            Self::Idle { after } => ("idle", None, Some(after.0)),
            Self::Delay { after } => ("delay", None, Some(after.0)),
        };
        Awaited { on, percent, ms }
    }
}
