//! Windows: which stretch of a person's past a condition on events looks at.

use std::fmt;

use serde_json::json;

use super::{
    Facts,
    calendar::{Unit, Zone},
};
use crate::{Duration, Timestamp, Value};

/// A stretch of the past, as a rule names it.
#[derive(Clone, Debug, PartialEq)]
pub enum Window {
    /// `(now − length, now]`.
    Last(Duration),
    /// `(now − from, now − to]`.
    Ago {
        /// How long ago it begins.
        from: Duration,
        /// How long ago it ends; less than `from`.
        to: Duration,
    },
    /// From one instant up to another, which is left out.
    Fixed {
        /// The first instant, if there is one.
        after: Option<Timestamp>,
        /// The first instant that is no longer inside, if there is one.
        before: Option<Timestamp>,
    },
    /// Whole calendar periods.
    Calendar {
        /// Which periods.
        unit: Unit,
        /// How many periods ago the first of them is; 0 is the present one.
        first: u16,
        /// How many periods ago the last of them is; at most `first`.
        last: u16,
        /// In whose time zone.
        zone: Zone,
    },
}

/// A window at one instant: the events after `floor` up to `ceiling`, both of whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Events up to here are too old; `None` when none is.
    pub(super) floor: Option<Timestamp>,
    /// Events after here do not count yet; never later than the instant itself.
    pub(super) ceiling: Timestamp,
    moves: Moves,
}

/// How a window goes on as time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moves {
    /// An event enters and leaves so long after its own time.
    Along { enters: Duration, leaves: Option<Duration> },
    /// It stands still; events that happen before this instant enter when they do.
    Never { before: Option<Timestamp> },
    /// All of it at this instant; until then events enter when they happen, or not at all.
    At { turn: Timestamp, open: bool },
}

impl Window {
    /// The longest stretch of the past that it can reach for; `None` when that has no end.
    pub fn reach(&self) -> Option<Duration> {
        match self {
            Self::Last(length) | Self::Ago { from: length, .. } => Some(*length),
            Self::Fixed { .. } => None,
            Self::Calendar { unit, first, .. } => {
                Some(Duration::days(unit.days_at_most(i64::from(*first) + 1)))
            }
        }
    }

    /// The zone of its calendar, where it has one.
    pub(super) fn zone(&self) -> Option<&Zone> {
        match self {
            Self::Calendar { zone, .. } => Some(zone),
            _ => None,
        }
    }

    /// Where it stands at `now`; `None` where that depends on what may not be read.
    pub(super) fn bounds(&self, facts: &dyn Facts, now: Timestamp) -> Option<Bounds> {
        Some(match self {
            Self::Last(length) => Bounds::ago(*length, Duration::default(), now),
            Self::Ago { from, to } => Bounds::ago(*from, *to, now),
            Self::Fixed { after, before } => Bounds {
                floor: after.map(just_before),
                ceiling: before.map_or(now, |before| now.min(just_before(before))),
                moves: Moves::Never { before: *before },
            },
            Self::Calendar { unit, first, last, zone } => {
                let zone = zone.of(facts)?;
                let start = |ago| unit.start(now, &zone, ago);
                let turn =
                    start(-1).unwrap_or(Timestamp::MAX).max(super::evaluate::next_instant(now));
                let end = start(i64::from(*last) - 1);
                Bounds {
                    floor: start(i64::from(*first)).map(just_before),
                    ceiling: end.map_or(now, |end| now.min(just_before(end))),
                    moves: Moves::At { turn, open: *last == 0 },
                }
            }
        })
    }

    /// The document it stands for.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Last(length) => length.to_string().into(),
            Self::Ago { from, to } => json!({"from": from.to_string(), "to": to.to_string()}),
            Self::Fixed { after, before } => {
                let ends = [("after", after), ("before", before)];
                let known = |(name, end): (&str, &Option<Timestamp>)| {
                    end.map(|end| (name.to_owned(), end.to_string().into()))
                };
                Value::Object(ends.into_iter().filter_map(known).collect())
            }
            Self::Calendar { unit, first, last, zone } => {
                let mut value =
                    json!({"calendar": words(*unit, *first, *last), "timezone": zone.to_string()});
                if *last == 0 && *first > 0 {
                    value["with_current"] = true.into();
                }
                value
            }
        }
    }
}

/// How periods are written, as in `this_month` or `last_6_months`.
fn words(unit: Unit, first: u16, last: u16) -> String {
    match (unit, first, last) {
        (Unit::Day, 0, 0) => "today".into(),
        (Unit::Day, 1, 1) => "yesterday".into(),
        (_, 0, 0) => format!("this_{unit}"),
        (_, 1, _) => format!("last_{unit}"),
        _ => format!("last_{first}_{unit}s"),
    }
}

impl Bounds {
    /// All of the past.
    pub(super) fn everything(now: Timestamp) -> Self {
        let moves = Moves::Along { enters: Duration::default(), leaves: None };
        Self { floor: None, ceiling: now, moves }
    }

    fn ago(from: Duration, to: Duration, now: Timestamp) -> Self {
        Self {
            floor: Some(now.saturating_sub(from)),
            ceiling: now.saturating_sub(to),
            moves: Moves::Along { enters: to, leaves: Some(from) },
        }
    }

    /// When an event inside, of this time, leaves; `None` for never.
    pub(super) fn leaves(&self, time: Timestamp) -> Option<Timestamp> {
        match self.moves {
            Moves::Along { leaves, .. } => leaves.map(|length| time.saturating_add(length)),
            Moves::Never { .. } => None,
            Moves::At { turn, .. } => Some(turn),
        }
    }

    /// When an event after the ceiling, of this time, may enter; `None` for never.
    pub(super) fn enters(&self, time: Timestamp) -> Option<Timestamp> {
        match self.moves {
            Moves::Along { enters, .. } => Some(time.saturating_add(enters)),
            Moves::Never { before } => before.is_none_or(|before| time < before).then_some(time),
            Moves::At { turn, open } => Some(if open { turn.min(time) } else { turn }),
        }
    }
}

fn just_before(instant: Timestamp) -> Timestamp {
    Timestamp(instant.0.saturating_sub(1))
}

/// As in `within 30d`, `between 60d and 30d ago`, `in last_6_months (Europe/Stockholm)`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last(length) => write!(f, "within {length}"),
            Self::Ago { from, to } => write!(f, "between {from} and {to} ago"),
            Self::Fixed { after, before } => {
                let joint = if after.is_some() && before.is_some() { " and " } else { "" };
                after.map_or(Ok(()), |after| write!(f, "from {after} on"))?;
                f.write_str(joint)?;
                before.map_or(Ok(()), |before| write!(f, "before {before}"))
            }
            Self::Calendar { unit, first, last, zone } => {
                let current = if *last == 0 && *first > 0 { " and the present one" } else { "" };
                let joint = if matches!((unit, first), (Unit::Day, 0 | 1)) { "" } else { "in " };
                write!(f, "{joint}{}{current} ({zone})", words(*unit, *first, *last))
            }
        }
    }
}
