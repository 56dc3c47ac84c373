//! Calendar periods: days, weeks from Monday (ISO 8601), months, quarters and years in a time zone.

use std::fmt;

use jiff::{ToSpan as _, civil::Date, tz::TimeZone};

use super::{Fact, Facts};
use crate::{Timestamp, Value, value::Path};

/// A kind of calendar period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// From midnight to midnight: 23 to 25 hours where clocks are changed.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
    /// From the first of January, April, July or October, where years begin in January.
    Quarter,
    /// From the first of January, where years begin then.
    Year,
}

/// The number of the month with which years begin, unless something else is said.
pub(super) const JANUARY: i8 = 1;

/// In whose time zone a calendar is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Zone {
    /// This one.
    Fixed(TimeZone),
    /// The one that the person's trait `timezone` names, else UTC.
    Profile,
}

impl Unit {
    /// Every unit with its name.
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Day, "day"),
        (Self::Week, "week"),
        (Self::Month, "month"),
        (Self::Quarter, "quarter"),
        (Self::Year, "year"),
    ];

    /// The unit of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(unit, _)| unit)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(unit, _)| *unit == self).map_or("", |(_, name)| name)
    }

    /// The most days that `count` of them have.
    pub(super) fn days_at_most(self, count: i64) -> i64 {
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 31,
            Self::Quarter => 92,
            Self::Year => 366,
        };
        // An hour more, where clocks are changed, makes a day more.
        count.saturating_mul(days).saturating_add(1)
    }

    /// When the period began in which `instant` lies, or the one so many periods before it (after
    /// it, where negative). `None` beyond the years of the calendar.
    pub(super) fn start(self, instant: Timestamp, zone: &TimeZone, ago: i64) -> Option<Timestamp> {
        self.start_in(JANUARY, instant, zone, ago)
    }

    /// The same where years begin with the month of this number, and quarters with every third from it on.
    pub(super) fn start_in(
        self,
        year_begins: i8,
        instant: Timestamp,
        zone: &TimeZone,
        ago: i64,
    ) -> Option<Timestamp> {
        let date = self.first_day(day(instant, zone)?, year_begins)?;
        let span = match self {
            Self::Day => ago.days(),
            Self::Week => ago.weeks(),
            Self::Month => ago.months(),
            Self::Quarter => ago.checked_mul(3)?.months(),
            Self::Year => ago.years(),
        };
        start_of_day(date.checked_sub(span).ok()?, zone)
    }

    fn first_day(self, date: Date, year_begins: i8) -> Option<Date> {
        let first_of_every = |months: i16| {
            let since = i16::from((date.month() - year_begins).rem_euclid(12)) % months;
            Date::new(date.year(), date.month(), 1).ok()?.checked_sub(since.months()).ok()
        };
        match self {
            Self::Day => Some(date),
            Self::Week => {
                let since_monday = i64::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(since_monday.days()).ok()
            }
            Self::Month => first_of_every(1),
            Self::Quarter => first_of_every(3),
            Self::Year => first_of_every(12),
        }
    }
}

/// The day on which `instant` lies; `None` beyond the years of the calendar.
pub(super) fn day(instant: Timestamp, zone: &TimeZone) -> Option<Date> {
    let instant = jiff::Timestamp::from_millisecond(instant.0).ok()?;
    Some(zone.to_datetime(instant).date())
}

/// When a day begins: at midnight, or after it where clocks are put forward over it.
pub(super) fn start_of_day(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    let start = zone.to_zoned(day.to_datetime(jiff::civil::Time::midnight())).ok()?;
    Some(Timestamp(start.timestamp().as_millisecond()))
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Zone {
    /// How the zone of the person is written.
    pub(super) const PROFILE: &'static str = "profile";
    /// The trait that names it.
    const TRAIT: &'static str = "timezone";

    /// The zone of that name: one of the time zone database, or `profile`.
    pub fn parse(name: &str) -> Option<Self> {
        if name == Self::PROFILE {
            return Some(Self::Profile);
        }
        TimeZone::get(name).ok().map(Self::Fixed)
    }

    /// The trait that it reads.
    pub(super) fn reads(&self) -> Option<Path> {
        match self {
            Self::Fixed(_) => None,
            Self::Profile => Path::parse(Self::TRAIT),
        }
    }

    /// The zone for one person; `None` where it may not be read.
    pub(super) fn of(&self, facts: &dyn Facts) -> Option<TimeZone> {
        let Self::Fixed(zone) = self else {
            let path = self.reads()?;
            return match facts.trait_value(&path) {
                Fact::Known(Value::String(name)) => {
                    Some(TimeZone::get(name).unwrap_or(TimeZone::UTC))
                }
                Fact::Known(_) | Fact::Missing => Some(TimeZone::UTC),
                Fact::Withheld => None,
            };
        };
        Some(zone.clone())
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::Fixed(TimeZone::UTC)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(zone) => f.write_str(zone.iana_name().unwrap_or("UTC")),
            Self::Profile => f.write_str(Self::PROFILE),
        }
    }
}
