//! The time column: from text to an instant.

use jiff::{fmt::strtime, tz::TimeZone};
use model::Timestamp;
use serde::Deserialize;

/// How times are written in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimeSpec {
    /// The column that holds the time.
    pub(super) column: String,
    /// `rfc3339`, `unix_seconds`, `unix_milliseconds`, or a pattern such as `%Y-%m-%d %H:%M:%S`.
    #[serde(default = "rfc3339")]
    pub(super) format: String,
    /// The zone of times that name none, such as `Europe/London`.
    #[serde(default = "utc")]
    pub(super) zone: String,
}

fn rfc3339() -> String {
    "rfc3339".to_owned()
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Reads times of one format; neighbouring rows often share theirs, so the last one is remembered.
#[derive(Debug)]
pub(super) struct TimeReader {
    format: Format,
    zone: TimeZone,
    last: Option<(String, Timestamp)>,
}

#[derive(Debug)]
enum Format {
    Rfc3339,
    UnixSeconds,
    UnixMilliseconds,
    Pattern(String),
}

impl TimeReader {
    /// A reader for `spec`; the error says what is wrong with it.
    pub(super) fn new(spec: &TimeSpec) -> Result<Self, String> {
        let zone = TimeZone::get(&spec.zone).map_err(|_| {
            format!("time.zone: there is no zone `{}`; write one such as Europe/London", spec.zone)
        })?;
        let format = match spec.format.as_str() {
            "rfc3339" => Format::Rfc3339,
            "unix_seconds" => Format::UnixSeconds,
            "unix_milliseconds" => Format::UnixMilliseconds,
            pattern if pattern.contains('%') => Format::Pattern(pattern.to_owned()),
            other => {
                return Err(format!(
                    "time.format: `{other}` is neither rfc3339, unix_seconds, unix_milliseconds nor a pattern \
                     such as %Y-%m-%d %H:%M:%S"
                ));
            }
        };
        Ok(Self { format, zone, last: None })
    }

    /// The instant `text` names; `None` when it names none in this format.
    pub(super) fn read(&mut self, text: &str) -> Option<Timestamp> {
        if let Some((last, instant)) = &self.last
            && last == text
        {
            return Some(*instant);
        }
        let instant = self.parse(text.trim())?;
        self.last = Some((text.to_owned(), instant));
        Some(instant)
    }

    fn parse(&self, text: &str) -> Option<Timestamp> {
        match &self.format {
            Format::Rfc3339 => match text.parse::<jiff::Timestamp>() {
                Ok(instant) => Some(Timestamp(instant.as_millisecond())),
                Err(_) => self.in_zone(text.parse().ok()?),
            },
            Format::UnixSeconds => {
                let seconds = super::decimal::Decimal::parse(text)?;
                let thousand = super::decimal::Decimal::parse("1000")?;
                seconds.multiply(thousand)?.round(0).whole().map(Timestamp)
            }
            Format::UnixMilliseconds => text.parse().ok().map(Timestamp),
            Format::Pattern(pattern) => {
                let parts = strtime::parse(pattern, text).ok()?;
                if let Ok(instant) = parts.to_timestamp() {
                    return Some(Timestamp(instant.as_millisecond()));
                }
                let civil =
                    parts.to_datetime().or_else(|_| parts.to_date().map(Into::into)).ok()?;
                self.in_zone(civil)
            }
        }
    }

    /// A time on the clocks of the zone. One that clocks skip is taken an hour later, one they show
    /// twice the first time.
    fn in_zone(&self, civil: jiff::civil::DateTime) -> Option<Timestamp> {
        let instant = self.zone.to_ambiguous_timestamp(civil).compatible().ok()?;
        Some(Timestamp(instant.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, zone: &str, text: &str, expected: Option<&str>) {
        let spec =
            TimeSpec { column: "t".into(), format: format.to_owned(), zone: zone.to_owned() };
        let read = TimeReader::new(&spec).unwrap().read(text).map(|instant| instant.to_string());
        assert_eq!(read.as_deref(), expected, "{format} {zone} {text}");
    }

    #[test]
    fn zones_and_their_changes_of_clocks_count() {
        let pattern = "%Y-%m-%d %H:%M:%S";
        let check = |text, expected| check(pattern, "Europe/London", text, expected);
        check("2010-12-01 08:26:00", Some("2010-12-01T08:26:00.000Z"));
        check("2011-07-01 08:26:00", Some("2011-07-01T07:26:00.000Z"));
        check("2011-03-27 01:30:00", Some("2011-03-27T01:30:00.000Z"));
        check("2011-10-30 01:30:00", Some("2011-10-30T00:30:00.000Z"));
        check("2011-13-01 08:26:00", None);
        check("", None);
    }

    #[test]
    fn other_formats() {
        check("rfc3339", "UTC", "2026-01-02T03:04:05+01:00", Some("2026-01-02T02:04:05.000Z"));
        check(
            "rfc3339",
            "Europe/Stockholm",
            "2026-01-02T03:04:05",
            Some("2026-01-02T02:04:05.000Z"),
        );
        check("unix_seconds", "UTC", "1.5", Some("1970-01-01T00:00:01.500Z"));
        check("unix_milliseconds", "UTC", "1500", Some("1970-01-01T00:00:01.500Z"));
        check("%d/%m/%Y", "UTC", "31/01/2026", Some("2026-01-31T00:00:00.000Z"));
        check(
            "%d/%m/%Y %H:%M %z",
            "UTC",
            "31/01/2026 10:00 +0200",
            Some("2026-01-31T08:00:00.000Z"),
        );
    }

    #[test]
    fn wrong_specs_say_what_to_write() {
        let spec = |format: &str, zone: &str| TimeSpec {
            column: "t".into(),
            format: format.into(),
            zone: zone.into(),
        };
        assert!(TimeReader::new(&spec("rfc3339", "Mars/Base")).unwrap_err().contains("Mars/Base"));
        assert!(TimeReader::new(&spec("iso", "UTC")).unwrap_err().contains("time.format"));
    }
}
