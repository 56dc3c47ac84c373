//! Windows: which stretch of a person's past a condition on events looks at.

use std::fmt;

use serde_json::json;

use super::{
    EventPattern, Fact, Facts, Truth, Verdict,
    calendar::{JANUARY, Unit, Zone},
    comparison::instant,
    evaluate::known_rows,
    visits,
};
use crate::{Duration, Key, Timestamp, Value, value::Path};

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
        /// The number of the month with which years begin; 1 unless quarters or years are asked for.
        year_begins: i8,
    },
    /// What is later than something else.
    Since(Anchor),
    /// From the beginning of the visit that goes on.
    Visit,
}

/// What a window begins after.
#[derive(Clone, Debug, PartialEq)]
pub enum Anchor {
    /// The newest of these events.
    Event(EventPattern),
    /// The instant in a trait; a date is its midnight in UTC.
    Trait(Path),
    /// The last recorded entry into an audience.
    Entry(Key),
}

/// A window at one instant: the events after `floor` up to `ceiling`, both of whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Events up to here are too old; `None` when none is.
    pub(super) floor: Option<Timestamp>,
    /// Events after here do not count yet; never later than the instant itself.
    pub(super) ceiling: Timestamp,
    /// From when on the clock alone may put it elsewhere, where it does not move with the clock.
    pub(super) until: Option<Timestamp>,
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
            Self::Fixed { .. } | Self::Since(_) | Self::Visit => None,
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

    /// What it begins after, where that is something else.
    pub(super) fn anchor(&self) -> Option<&Anchor> {
        match self {
            Self::Since(anchor) => Some(anchor),
            _ => None,
        }
    }

    /// Where it stands at `now`; a verdict where it stands nowhere, or that may not be known.
    pub(super) fn bounds(&self, facts: &dyn Facts, now: Timestamp) -> Result<Bounds, Verdict> {
        Ok(match self {
            Self::Last(length) => Bounds::ago(*length, Duration::default(), now),
            Self::Ago { from, to } => Bounds::ago(*from, *to, now),
            Self::Fixed { after, before } => Bounds {
                floor: after.map(just_before),
                ceiling: before.map_or(now, |before| now.min(just_before(before))),
                until: None,
                moves: Moves::Never { before: *before },
            },
            Self::Calendar { unit, first, last, zone, year_begins } => {
                let zone = zone.of(facts).ok_or(Verdict::lasting(Truth::Withheld))?;
                let start = |ago| unit.start_in(*year_begins, now, &zone, ago);
                let turn =
                    start(-1).unwrap_or(Timestamp::MAX).max(super::evaluate::next_instant(now));
                let end = start(i64::from(*last) - 1);
                Bounds {
                    floor: start(i64::from(*first)).map(just_before),
                    ceiling: end.map_or(now, |end| now.min(just_before(end))),
                    until: None,
                    moves: Moves::At { turn, open: *last == 0 },
                }
            }
            Self::Since(anchor) => {
                let (floor, until) = anchor.stands(facts, now)?;
                let moves = Moves::Never { before: None };
                Bounds { floor: Some(floor), ceiling: now, until, moves }
            }
            Self::Visit => {
                let (start, end) = visits::current(facts, now)?;
                let moves = Moves::Never { before: None };
                Bounds { floor: Some(just_before(start)), ceiling: now, until: Some(end), moves }
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
            Self::Calendar { unit, first, last, zone, year_begins } => {
                let mut value =
                    json!({"calendar": words(*unit, *first, *last), "timezone": zone.to_string()});
                if *last == 0 && *first > 0 {
                    value["with_current"] = true.into();
                }
                if *year_begins != JANUARY {
                    value["year_begins"] = (*year_begins).into();
                }
                value
            }
            Self::Since(anchor) => json!({"since": anchor.to_value()}),
            Self::Visit => json!({"visit": "current"}),
        }
    }
}

impl Anchor {
    /// When it was, and from when on the clock alone may put it elsewhere; a verdict where there is
    /// no such thing, or it may not be known.
    fn stands(
        &self,
        facts: &dyn Facts,
        now: Timestamp,
    ) -> Result<(Timestamp, Option<Timestamp>), Verdict> {
        let nowhere = |truth, valid_until| Err(Verdict { truth, valid_until });
        match self {
            Self::Event(pattern) => {
                let Some(rows) = known_rows(facts.events(&pattern.name)) else {
                    return nowhere(Truth::Withheld, None);
                };
                let (past, ahead) = rows.rows.split_after(now);
                let may_read = |row: &super::Row<'_>| row.purposes.contains(rows.purpose);
                let may_be =
                    |row: &super::Row<'_>| !may_read(row) || pattern.selects(*row, rows.paths);
                let next = ahead.iter().find(may_be).map(|row| row.time);
                match past.iter().rev().find(may_be) {
                    Some(row) if may_read(&row) => Ok((row.time, next)),
                    Some(_) => nowhere(Truth::Withheld, next),
                    None => nowhere(Truth::False, next),
                }
            }
            Self::Trait(path) => match facts.trait_value(path) {
                Fact::Known(Value::String(text)) => match instant(text) {
                    Some(instant) => Ok((instant, None)),
                    None => nowhere(Truth::False, None),
                },
                Fact::Known(_) | Fact::Missing => nowhere(Truth::False, None),
                Fact::Withheld => nowhere(Truth::Withheld, None),
            },
            Self::Entry(key) => {
                let Some(membership) = facts.membership(key) else {
                    return nowhere(Truth::False, None);
                };
                let until = membership.until(now);
                match (membership.truth, membership.entered()) {
                    (Truth::Withheld, _) => nowhere(Truth::Withheld, until),
                    (_, Some(entered)) => Ok((entered, until)),
                    (_, None) => nowhere(Truth::False, until),
                }
            }
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Event(pattern) => Value::Object(pattern.to_object()),
            Self::Trait(path) => json!({ "trait": path }),
            Self::Entry(key) => json!({ "audience": key }),
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
        Self { floor: None, ceiling: now, until: None, moves }
    }

    fn ago(from: Duration, to: Duration, now: Timestamp) -> Self {
        Self {
            floor: Some(now.saturating_sub(from)),
            ceiling: now.saturating_sub(to),
            until: None,
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

    /// When all of it moves on at once; `None` where it never does.
    pub(super) fn turns(&self) -> Option<Timestamp> {
        match self.moves {
            Moves::At { turn, .. } => Some(turn),
            Moves::Along { .. } | Moves::Never { .. } => None,
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
            Self::Calendar { unit, first, last, zone, year_begins } => {
                let current = if *last == 0 && *first > 0 { " and the present one" } else { "" };
                let joint = if matches!((unit, first), (Unit::Day, 0 | 1)) { "" } else { "in " };
                write!(f, "{joint}{}{current} ({zone})", words(*unit, *first, *last))?;
                match *year_begins {
                    JANUARY => Ok(()),
                    month => write!(f, ", years from month {month} on"),
                }
            }
            Self::Since(Anchor::Event(pattern)) => write!(f, "since the last {pattern}"),
            Self::Since(Anchor::Trait(path)) => write!(f, "since the instant in trait {path}"),
            Self::Since(Anchor::Entry(key)) => write!(f, "since entering audience {key}"),
            Self::Visit => f.write_str("in the visit that goes on"),
        }
    }
}
