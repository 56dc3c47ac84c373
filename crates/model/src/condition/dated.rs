//! Values that are instants or dates, looked at from now: how old they are, how near their day is.

use std::fmt;

use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::{Map, json};

use super::{
    Fact, Facts, Truth, Verdict, calendar, calendar::Zone, comparison::instant, pair::Subject,
};
use crate::{Duration, Timestamp, Value, value::Path};

/// Most days before and after a day that are still near it. Two anniversaries stay apart so.
pub(super) const MAX_DAYS: u16 = 180;

/// A condition on how an instant or a date stands to now.
#[derive(Clone, Debug, PartialEq)]
pub struct Dated {
    /// Where the instant or date is found.
    pub subject: Subject,
    /// Under which path.
    pub path: Path,
    /// How it must stand to now.
    pub when: When,
}

/// How an instant or a date stands to now.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// It was so long ago or longer.
    OlderThan(Duration),
    /// It was less long ago than this, or lies ahead.
    NewerThan(Duration),
    /// It lies ahead, by no more than this.
    WithinNext(Duration),
    /// Today is near its day.
    Around(Near),
    /// Today is near its day of a later year; of a 29th of February, the 28th where there is none.
    Anniversary(Near),
}

/// The days that are near a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Near {
    /// How many days before it the first is.
    pub days_before: u16,
    /// How many days after it the last is.
    pub days_after: u16,
    /// Where days begin and end, and on which day an instant lies. A date is the same day everywhere.
    pub zone: Zone,
}

impl When {
    /// Every word it can be asked with.
    pub(super) const WORDS: [&str; 5] =
        ["older_than", "newer_than", "within_next", "around", "anniversary"];

    fn word(&self) -> &'static str {
        let place = match self {
            Self::OlderThan(_) => 0,
            Self::NewerThan(_) => 1,
            Self::WithinNext(_) => 2,
            Self::Around(_) => 3,
            Self::Anniversary(_) => 4,
        };
        Self::WORDS.get(place).copied().unwrap_or_default()
    }

    /// The zone of its calendar, where it has one.
    pub(super) fn zone(&self) -> Option<&Zone> {
        match self {
            Self::Around(near) | Self::Anniversary(near) => Some(&near.zone),
            Self::OlderThan(_) | Self::NewerThan(_) | Self::WithinNext(_) => None,
        }
    }

    fn evaluate(&self, text: &str, facts: &dyn Facts, now: Timestamp) -> Verdict {
        let Some(instant) = instant(text) else { return Verdict::lasting(Truth::False) };
        let reaches = |length: &Duration| instant.saturating_add(*length);
        match self {
            Self::OlderThan(length) => inside(Some(reaches(length)), None, now),
            Self::NewerThan(length) => inside(None, Some(reaches(length)), now),
            Self::WithinNext(length) => {
                inside(Some(instant.saturating_sub(*length)), Some(instant), now)
            }
            Self::Around(near) => near.evaluate(text, instant, facts, now, false),
            Self::Anniversary(near) => near.evaluate(text, instant, facts, now, true),
        }
    }
}

/// True from `start` on and before `end`.
fn inside(start: Option<Timestamp>, end: Option<Timestamp>, now: Timestamp) -> Verdict {
    match (start, end) {
        (Some(start), _) if now < start => {
            Verdict { truth: Truth::False, valid_until: Some(start) }
        }
        (_, Some(end)) if end <= now => Verdict::lasting(Truth::False),
        _ => Verdict { truth: Truth::True, valid_until: end },
    }
}

impl Near {
    fn evaluate(
        &self,
        text: &str,
        instant: Timestamp,
        facts: &dyn Facts,
        now: Timestamp,
        is_yearly: bool,
    ) -> Verdict {
        let Some(zone) = self.zone.of(facts) else { return Verdict::lasting(Truth::Withheld) };
        let Some(day) = day(text, instant, &zone) else { return Verdict::lasting(Truth::False) };
        if !is_yearly {
            return match self.around(day, &zone) {
                Some((start, end)) => inside(Some(start), Some(end), now),
                None => Verdict::lasting(Truth::False),
            };
        }
        let Some(today) = calendar::day(now, &zone) else { return Verdict::lasting(Truth::False) };
        let first = (today.year() - 1).max(day.year().saturating_add(1));
        let mut years = (first..=first.saturating_add(2)).filter_map(|year| of_year(day, year));
        years
            .find_map(|day| self.around(day, &zone).filter(|(_, end)| now < *end))
            .map_or(Verdict::lasting(Truth::False), |(start, end)| {
                inside(Some(start), Some(end), now)
            })
    }

    /// When the days that are near `day` begin and end; `None` beyond the years of the calendar.
    fn around(&self, day: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let first = day.checked_sub(i64::from(self.days_before).days()).ok()?;
        let end = day.checked_add((i64::from(self.days_after) + 1).days()).ok()?;
        Some((calendar::start_of_day(first, zone)?, calendar::start_of_day(end, zone)?))
    }
}

/// The day that a text names: of a date, that date; of an instant, the day there.
fn day(text: &str, instant: Timestamp, zone: &TimeZone) -> Option<Date> {
    let is_date = !text.contains(['T', 't']);
    if is_date { calendar::day(instant, &TimeZone::UTC) } else { calendar::day(instant, zone) }
}

/// The same day of another year.
fn of_year(day: Date, year: i16) -> Option<Date> {
    Date::new(year, day.month(), day.day()).or_else(|_| Date::new(year, 2, 28)).ok()
}

impl Dated {
    /// Evaluates at `now`. What is missing, or neither an instant nor a date, is false.
    pub(super) fn evaluate(&self, facts: &dyn Facts, now: Timestamp) -> Verdict {
        match self.subject.fact(&self.path, facts) {
            Fact::Known(Value::String(text)) => self.when.evaluate(text, facts, now),
            Fact::Known(_) | Fact::Missing => Verdict::lasting(Truth::False),
            Fact::Withheld => Verdict::lasting(Truth::Withheld),
        }
    }

    /// The document it stands for.
    pub(super) fn to_value(&self) -> Value {
        let mut object = Map::new();
        object.insert(self.subject.as_str().into(), self.path.as_str().into());
        object.insert("op".into(), self.when.word().into());
        let value = match &self.when {
            When::OlderThan(length) | When::NewerThan(length) | When::WithinNext(length) => {
                length.to_string().into()
            }
            When::Around(Near { days_before, days_after, zone })
            | When::Anniversary(Near { days_before, days_after, zone }) => json!({
                "days_before": days_before,
                "days_after": days_after,
                "timezone": zone.to_string()
            }),
        };
        object.insert("value".into(), value);
        Value::Object(object)
    }
}

/// As in `older_than 30d`, `anniversary, from 3 days before to 0 after (profile)`.
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::OlderThan(length) | Self::NewerThan(length) | Self::WithinNext(length) => {
                write!(f, " {length}")
            }
            Self::Around(near) | Self::Anniversary(near) => {
                let Near { days_before, days_after, zone } = near;
                write!(f, ", from {days_before} days before to {days_after} after ({zone})")
            }
        }
    }
}

impl fmt::Display for Dated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.subject.as_str(), self.path, self.when)
    }
}
