//! Instants and durations, as they are stored: whole milliseconds.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An instant: milliseconds since 1970-01-01T00:00:00Z. JSON form is RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Largest instant that has a text form (9999-12-31).
    pub const MAX: Self = Self(253_402_207_200_000);

    /// The instant `duration` later, saturating.
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.0))
    }

    /// The instant `duration` earlier, saturating.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.0))
    }

    /// Time from `earlier` to `self`; negative when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    /// Parses RFC 3339 (any offset, any sub-second precision; cut to milliseconds). A time without
    /// offset is taken as UTC, a date as its midnight.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let invalid = || TimeError::Timestamp(text.chars().take(40).collect());
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(instant.as_millisecond()));
        }
        let local: jiff::civil::DateTime = text.parse().map_err(|_| invalid())?;
        let utc = local.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| invalid())?;
        Ok(Self(utc.timestamp().as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}

/// A length of time in milliseconds. Text form: a whole number and one of `s m h d w`, as in `90s`,
/// `15m`, `2h`, `7d`, `4w`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub i64);

impl Duration {
    /// Longest duration a definition may name: 100 years.
    pub const MAX: Self = Self::days(36_525);

    /// `count` seconds.
    pub const fn seconds(count: i64) -> Self {
        Self(count * 1000)
    }

    /// `count` days of 24 hours.
    pub const fn days(count: i64) -> Self {
        Self(count * 86_400_000)
    }

    /// The duration in its two largest units, as in `5d 18h`: for reading, not for parsing.
    pub fn in_words(self) -> String {
        let mut rest = self.0;
        let mut words = Vec::new();
        for (unit, millis) in UNITS {
            if rest >= millis {
                words.push(format!("{}{unit}", rest / millis));
                rest %= millis;
            }
        }
        words.truncate(2);
        if words.is_empty() { format!("{}ms", self.0) } else { words.join(" ") }
    }

    /// `count` hours.
    pub const fn hours(count: i64) -> Self {
        Self(count * 3_600_000)
    }
}

/// The units a duration may be written in, longest first, with their length in milliseconds.
const UNITS: [(char, i64); 5] =
    [('w', 604_800_000), ('d', 86_400_000), ('h', 3_600_000), ('m', 60_000), ('s', 1000)];

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, millis) in UNITS {
            if self.0 % millis == 0 && self.0 != 0 {
                return write!(f, "{}{unit}", self.0 / millis);
            }
        }
        if self.0 == 0 { f.write_str("0s") } else { write!(f, "{}ms", self.0) }
    }
}

impl FromStr for Duration {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let invalid = || TimeError::Duration(text.chars().take(40).collect());
        let unit = text.chars().next_back().ok_or_else(invalid)?;
        let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let count: i64 = digits.parse().map_err(|_| invalid())?;
        let length = count.checked_mul(millis).ok_or_else(invalid)?;
        if length > Self::MAX.0 { Err(invalid()) } else { Ok(Self(length)) }
    }
}

impl Serialize for Duration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9]+[smhdw]$"})
    }
}

/// Text that is not a time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("`{0}` is not a time: write RFC 3339, as in 2026-11-21T12:00:00Z")]
    Timestamp(String),
    /// Not a duration of the condition language.
    #[error("`{0}` is not a duration: write a whole number and one of s, m, h, d, w, as in 30d")]
    Duration(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_any_offset_and_write_utc() {
        let parsed: Timestamp = "2026-11-21T13:00:00.123456+01:00".parse().unwrap();
        assert_eq!(parsed.to_string(), "2026-11-21T12:00:00.123Z");
        assert_eq!(
            "2011-12-09".parse::<Timestamp>().unwrap().to_string(),
            "2011-12-09T00:00:00.000Z"
        );
        assert_eq!(
            "2011-12-09T13:14:15".parse::<Timestamp>().unwrap().to_string(),
            "2011-12-09T13:14:15.000Z"
        );
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert!("".parse::<Timestamp>().is_err());
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(Duration(500_392_342).in_words(), "5d 18h");
        assert_eq!(Duration::days(14).in_words(), "2w");
        assert_eq!(Duration(12).in_words(), "12ms");
    }

    #[test]
    fn durations_are_narrow() {
        assert_eq!("30d".parse(), Ok(Duration::days(30)));
        assert_eq!("4w".parse::<Duration>().unwrap().to_string(), "4w");
        for bad in ["", "d", "1.5h", "-1d", "9999999999w", "3 d", "1y", "7é"] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }
}
