//! How many events come in an hour, and whether that is unusual.
//!
//! An hour is held against the same hour of the same weekday in the weeks before: what people do
//! follows the week. With at most five such hours a mean would be moved by one bad week, so the middle
//! is their median, and the width is the largest of three:
//!
//! - 1.4826 times the median absolute deviation, which estimates a standard deviation (Rousseeuw and
//!   Croux, "Alternatives to the Median Absolute Deviation", 1993);
//! - the square root of the median, the standard deviation of counts of independent events (Poisson),
//!   because the deviation of so few hours is often zero by chance;
//! - a tenth of the median, because no week is like another.
//!
//! An hour is unusual when it lies more than five widths from the middle, or below a quarter of the
//! least of the weeks before, and at least ten events from the middle in either case. The second
//! notices silence where the width is large by chance. Of hours of steady traffic fewer than one in a
//! thousand are called unusual (`steady_traffic_is_hardly_ever_called_unusual`).
//! It says that an hour differs, not why, and not that anything is wrong: a holiday is unusual, too.

use std::collections::VecDeque;

use model::Timestamp;

/// Hours of a week.
const WEEK: i64 = 168;
/// Weeks that an hour is held against at most.
pub const WEEKS_MAX: i64 = 5;
/// Weeks that must be known before anything is called unusual.
pub const WEEKS_MIN: i64 = 3;
/// Days that are kept: those weeks, and the day that is not over.
pub const DAYS_KEPT: i64 = 36;
/// Widths from the middle beyond which an hour is unusual.
const WIDTHS: f64 = 5.0;
/// An hour with less than this part of the least week is unusual.
const PART_OF_LEAST: f64 = 0.25;
/// Events from the middle below which no hour is unusual.
const EVENTS_MIN: f64 = 10.0;
/// From the median absolute deviation to a standard deviation, for normally distributed values.
const MAD_TO_DEVIATION: f64 = 1.4826;
/// The least width, as a part of the middle.
const LEAST_WIDTH: f64 = 0.1;

const HOUR_MS: i64 = 3_600_000;

/// The number of the hour of an instant.
pub fn hour(at: Timestamp) -> i64 {
    at.0.div_euclid(HOUR_MS)
}

/// The number of the day of an instant.
pub fn day(at: Timestamp) -> i64 {
    hour(at).div_euclid(24)
}

/// When an hour began.
pub fn hour_start(hour: i64) -> Timestamp {
    Timestamp(hour.saturating_mul(HOUR_MS))
}

/// Counts by hour, for the last [`DAYS_KEPT`] days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    /// The day that `days` begins with.
    first: i64,
    days: VecDeque<[u32; 24]>,
}

impl Hours {
    /// Counts one event. What is older than all that is kept is not counted.
    pub fn add(&mut self, hour: i64) {
        if let Some(count) = self.count_mut(hour) {
            *count = count.saturating_add(1);
        }
    }

    /// Sets the counts of a day, as they were stored.
    pub fn set_day(&mut self, day: i64, counts: [u32; 24]) {
        for (hour, count) in (day.saturating_mul(24)..).zip(counts) {
            if let Some(kept) = self.count_mut(hour) {
                *kept = count;
            }
        }
    }

    fn count_mut(&mut self, hour: i64) -> Option<&mut u32> {
        let (day, of_day) = (hour.div_euclid(24), usize::try_from(hour.rem_euclid(24)).ok()?);
        if self.days.is_empty() {
            self.first = day;
        }
        let last = self.first + i64::try_from(self.days.len()).ok()? - 1;
        if day > last + DAYS_KEPT {
            self.days.clear();
            self.first = day;
        }
        while self.first + i64::try_from(self.days.len()).ok()? <= day {
            self.days.push_back([0; 24]);
        }
        while day < self.first && i64::try_from(self.days.len()).ok()? < DAYS_KEPT {
            self.days.push_front([0; 24]);
            self.first -= 1;
        }
        while i64::try_from(self.days.len()).ok()? > DAYS_KEPT {
            self.days.pop_front();
            self.first += 1;
        }
        let index = usize::try_from(day - self.first).ok()?;
        self.days.get_mut(index)?.get_mut(of_day)
    }

    /// The count of an hour; none where nothing is kept of it.
    pub fn count(&self, hour: i64) -> u32 {
        let index = usize::try_from(hour.div_euclid(24) - self.first).ok();
        let day = index.and_then(|index| self.days.get(index));
        let of_day = usize::try_from(hour.rem_euclid(24)).unwrap_or_default();
        day.and_then(|day| day.get(of_day)).copied().unwrap_or_default()
    }

    /// The counts of a day, if any are kept.
    pub fn day(&self, day: i64) -> Option<&[u32; 24]> {
        self.days.get(usize::try_from(day - self.first).ok()?)
    }

    /// How the hour compares with those a whole number of weeks before it, given that events have been
    /// counted since `since`.
    pub fn assess(&self, hour: i64, since: i64) -> Assessment {
        let weeks = (hour - since).div_euclid(WEEK).clamp(0, WEEKS_MAX);
        let count = self.count(hour);
        if weeks < WEEKS_MIN {
            return Assessment { count, weeks, expected: None, status: Status::Learning };
        }
        let before: Vec<f64> =
            (1..=weeks).map(|week| f64::from(self.count(hour - week * WEEK))).collect();
        let expected = Expected::of(&before);
        let status = expected.status(f64::from(count));
        Assessment { count, weeks, expected: Some(expected), status }
    }
}

/// How an hour compares.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// Its events.
    pub count: u32,
    /// Weeks that it is held against.
    pub weeks: i64,
    /// What those weeks let expect, once there are enough of them.
    pub expected: Option<Expected>,
    /// What is thought of it.
    pub status: Status,
}

/// What is thought of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Too little is known.
    Learning,
    /// As in the weeks before.
    Usual,
    /// Far fewer events.
    Low,
    /// Far more events.
    High,
}

impl Status {
    /// The word it is told with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Learning => "learning",
            Self::Usual => "usual",
            Self::Low => "unusually_low",
            Self::High => "unusually_high",
        }
    }
}

/// The middle of the hours before, and from where on an hour is unusual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Their median.
    pub middle: f64,
    /// An hour with less is unusual.
    pub low: f64,
    /// An hour with more is unusual.
    pub high: f64,
}

impl Expected {
    fn of(before: &[f64]) -> Self {
        let middle = median(before);
        let deviations: Vec<f64> = before.iter().map(|count| (count - middle).abs()).collect();
        let deviation = MAD_TO_DEVIATION * median(&deviations);
        let width = deviation.max(middle.sqrt()).max(LEAST_WIDTH * middle);
        let least = before.iter().copied().fold(f64::INFINITY, f64::min);
        let reach = WIDTHS * width;
        let low = (middle - reach).max(PART_OF_LEAST * least).min(middle - EVENTS_MIN);
        Self { middle, low: low.max(0.0), high: middle + reach.max(EVENTS_MIN) }
    }

    fn status(&self, count: f64) -> Status {
        if count < self.low {
            Status::Low
        } else if count > self.high {
            Status::High
        } else {
            Status::Usual
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    if sorted.len() % 2 == 1 {
        at(middle)
    } else {
        (at(middle.saturating_sub(1)) + at(middle)) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// A number of independent events of which `mean` are expected (Knuth's method, in steps that fit a double).
    fn poisson(random: &mut ChaCha8Rng, mean: f64) -> u32 {
        let (mut left, mut product, mut count) = (mean, 1.0, 0);
        loop {
            product *= random.random::<f64>();
            while product < 1.0 && left > 0.0 {
                let step = left.min(500.0);
                product *= step.exp();
                left -= step;
            }
            if product <= 1.0 {
                return count;
            }
            count += 1;
        }
    }

    fn history(counts: &[u32], hour: i64) -> Hours {
        let mut hours = Hours::default();
        let weeks = i64::try_from(counts.len()).unwrap() - 1;
        for (week, count) in (0..).zip(counts) {
            (0..*count).for_each(|_| hours.add(hour - (weeks - week) * WEEK));
        }
        hours
    }

    fn status(counts: &[u32]) -> Status {
        let hour = 492_000;
        let weeks = i64::try_from(counts.len()).unwrap() - 1;
        history(counts, hour).assess(hour, hour - weeks * WEEK).status
    }

    #[test]
    fn an_hour_is_held_against_the_weeks_before() {
        assert_eq!(status(&[100, 100, 0]), Status::Learning);
        assert_eq!(status(&[100, 100, 100, 100]), Status::Usual);
        assert_eq!(status(&[100, 100, 100, 51]), Status::Usual);
        assert_eq!(status(&[100, 100, 100, 49]), Status::Low);
        assert_eq!(status(&[100, 100, 100, 0]), Status::Low);
        assert_eq!(status(&[100, 100, 100, 151]), Status::High);
        assert_eq!(
            status(&[100, 0, 100, 110, 90, 95]),
            Status::Usual,
            "one bad week moves nothing"
        );
        assert_eq!(status(&[0, 0, 0, 10]), Status::Usual, "few events are never unusual");
        assert_eq!(status(&[0, 0, 0, 11]), Status::High);
        assert_eq!(status(&[8, 8, 8, 0]), Status::Usual, "nor is their absence");
        assert_eq!(status(&[20, 20, 20, 0]), Status::Low);
        assert_eq!(
            status(&[50, 200, 100, 300, 20]),
            Status::Usual,
            "little is expected of a wild source"
        );
        assert_eq!(status(&[50, 200, 100, 300, 5]), Status::Low, "but that it sends something");
    }

    #[test]
    fn steady_traffic_is_hardly_ever_called_unusual() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let (mut alarms, mut hours) = (0, 0);
        for mean in [0.5, 3.0, 12.0, 40.0, 150.0, 900.0] {
            for weeks in 3..=5 {
                for _ in 0..1_000 {
                    let counts: Vec<u32> =
                        (0..=weeks).map(|_| poisson(&mut random, mean)).collect();
                    alarms += u32::from(status(&counts) != Status::Usual);
                    hours += 1;
                }
            }
        }
        assert!(alarms * 1_000 < hours, "{alarms} of {hours}");
    }

    #[test]
    fn a_source_that_falls_silent_or_doubles_is_noticed() {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let mut noticed = 0;
        for _ in 0..1_000 {
            let mut counts: Vec<u32> = (0..5).map(|_| poisson(&mut random, 100.0)).collect();
            counts.push(poisson(&mut random, 200.0));
            noticed += u32::from(status(&counts) == Status::High);
            counts[5] = 0;
            assert_eq!(status(&counts), Status::Low);
        }
        assert!(noticed > 900, "{noticed} of 1000");
    }

    proptest! {
        /// Whatever the order of hours, what is within the days kept is counted and no more is held.
        #[test]
        fn hours_are_counted_within_bounds(hours in proptest::collection::vec(0_i64..2_000, 1..200)) {
            let mut counted = Hours::default();
            for hour in &hours {
                counted.add(*hour);
            }
            prop_assert!(counted.days.len() <= usize::try_from(DAYS_KEPT).unwrap());
            let newest = hours.iter().max().copied().unwrap_or_default();
            // The newest day is always kept, and what came on it after it was first seen.
            let first = hours.iter().position(|hour| hour / 24 == newest / 24).unwrap();
            let of_day: u32 = counted.day(newest / 24).unwrap().iter().sum();
            let expected = hours[first..].iter().filter(|hour| *hour / 24 == newest / 24).count();
            prop_assert_eq!(usize::try_from(of_day).unwrap(), expected);
        }
    }

    #[test]
    fn days_come_back_in_any_order() {
        let mut hours = history(&[3, 1, 4], 492_000);
        let mut back = Hours::default();
        let days: Vec<i64> = (20_450..20_550).filter(|day| hours.day(*day).is_some()).collect();
        for day in days.iter().rev() {
            back.set_day(*day, *hours.day(*day).unwrap());
        }
        assert_eq!(back, hours);
        hours.add(492_000 + 24 * 100);
        assert_eq!(hours.count(492_000), 0, "a long silence forgets what was before");
    }
}
