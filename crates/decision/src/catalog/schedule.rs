//! When an experience acts: a period, and hours of the week on somebody's clock.

use jiff::tz::TimeZone;
use model::{Timestamp, condition::Facts, definition::Fault};

use super::said_or_known;
use crate::document::{self, Hours, MAX_HOURS, Weekday};

/// A period: from the first instant, up to but not including the second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Period {
    pub(crate) fn of(schedule: &document::Schedule) -> Self {
        Self { start: schedule.start, end: schedule.end }
    }

    /// Whether `now` lies in it.
    pub(crate) fn contains(self, now: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= now) && self.end.is_none_or(|end| now < end)
    }
}

/// A compiled schedule.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) period: Period,
    hours: Box<[Stretch]>,
    zone: TimeZone,
    in_visitor_time: bool,
}

/// Minutes of a day, on some days. One that ends before it begins goes on over midnight.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// A bit for each day, Monday's the lowest.
    days: u8,
    from: u16,
    to: u16,
}

const MINUTES_OF_DAY: u16 = 24 * 60;
const EVERY_DAY: u8 = 0b111_1111;

impl Schedule {
    /// Compiles a schedule; tells everything that is wrong with it.
    pub(super) fn compile(document: &document::Schedule) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        if let (Some(start), Some(end)) = (document.start, document.end)
            && end <= start
        {
            faults.push(Fault::new("/schedule/end", "the end must be after the start"));
        }
        if document.hours.len() > MAX_HOURS {
            let detail = format!("a schedule has at most {MAX_HOURS} stretches of hours");
            faults.push(Fault::new("/schedule/hours", detail));
        }
        let mut hours = Vec::new();
        for (place, stretch) in document.hours.iter().enumerate().take(MAX_HOURS) {
            hours.extend(compile_hours(stretch, place, &mut faults));
        }
        let zone = match &document.timezone {
            None => Some(TimeZone::UTC),
            Some(name) => TimeZone::get(name).ok(),
        };
        if zone.is_none() {
            let detail = "this is no name of the time zone database, such as Europe/Stockholm";
            faults.push(Fault::new("/schedule/timezone", detail));
        }
        match zone.filter(|_| faults.is_empty()) {
            Some(zone) => Ok(Self {
                period: Period::of(document),
                hours: hours.into(),
                zone,
                in_visitor_time: document.in_visitor_time,
            }),
            None => Err(faults),
        }
    }

    /// Whether it acts at `now` for somebody.
    pub(crate) fn contains<'f>(
        &self,
        now: Timestamp,
        facts: impl FnOnce() -> &'f dyn Facts,
    ) -> bool {
        self.period.contains(now) && (self.hours.is_empty() || self.is_hour(now, facts()))
    }

    fn is_hour(&self, now: Timestamp, facts: &dyn Facts) -> bool {
        let visitor = self.in_visitor_time.then(|| visitor_zone(facts)).flatten();
        let zone = visitor.as_ref().unwrap_or(&self.zone);
        let Ok(instant) = jiff::Timestamp::from_millisecond(now.0) else { return false };
        let time = zone.to_datetime(instant);
        let (hour, minute) = (time.hour().unsigned_abs(), time.minute().unsigned_abs());
        let minute = u16::from(hour) * 60 + u16::from(minute);
        let day = time.weekday().to_monday_zero_offset().unsigned_abs();
        self.hours.iter().any(|stretch| stretch.contains(day, minute))
    }
}

impl Stretch {
    fn contains(self, day: u8, minute: u16) -> bool {
        let on = |day: u8| self.days >> (day % 7) & 1 == 1;
        if self.from < self.to {
            return on(day) && (self.from..self.to).contains(&minute);
        }
        on(day) && self.from <= minute || on(day + 6) && minute < self.to
    }
}

/// The zone that the request names, or else the person's trait.
fn visitor_zone(facts: &dyn Facts) -> Option<TimeZone> {
    TimeZone::get(said_or_known(facts, "timezone")?).ok()
}

fn compile_hours(hours: &Hours, place: usize, faults: &mut Vec<Fault>) -> Option<Stretch> {
    let mut minute = |text: &Option<String>, name: &str, midnight: u16| {
        let Some(text) = text else { return Some(midnight) };
        let read = minute_of_day(text);
        if read.is_none() {
            let pointer = format!("/schedule/hours/{place}/{name}");
            faults.push(Fault::new(pointer, "write a time of day as hours and minutes: 09:30"));
        }
        read
    };
    let (from, to) = (minute(&hours.from, "from", 0), minute(&hours.to, "to", MINUTES_OF_DAY));
    let bit = |day: &Weekday| 1 << (*day as u8);
    let days = hours.days.iter().map(bit).fold(0, |all, day: u8| all | day);
    let days = if hours.days.is_empty() { EVERY_DAY } else { days };
    Some(Stretch { days, from: from?, to: to? })
}

/// The minutes since midnight of `09:30`; `24:00` is the midnight at the end.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let is_sound = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_sound.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let is_time = hour < 24 && minute < 60 || (hour, minute) == (24, 0);
    is_time.then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_read() {
        let read = ["00:00", "09:30", "23:59", "24:00"].map(minute_of_day);
        assert_eq!(read, [Some(0), Some(570), Some(1439), Some(1440)]);
        for wrong in ["", "9:30", "24:01", "12:60", "12", "+1:00", "12:3x"] {
            assert_eq!(minute_of_day(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hours_go_on_over_midnight() {
        let friday = 1 << 4;
        let night = Stretch { days: friday, from: 22 * 60, to: 2 * 60 };
        assert!(night.contains(4, 23 * 60), "Friday night");
        assert!(night.contains(5, 60), "after midnight");
        assert!(!night.contains(4, 60), "the night before");
        assert!(!night.contains(5, 23 * 60));
        let day = Stretch { days: EVERY_DAY, from: 0, to: MINUTES_OF_DAY };
        assert!(day.contains(6, 1439));
    }
}
