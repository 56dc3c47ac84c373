//! What the shoppers do: their visits, turn by turn, as events and as questions for a decision.
//!
//! Pure: a visit is told what was shown and answers with what the shopper does next. The same seed
//! and the same answers give the same events, byte for byte.

use std::sync::Arc;

use model::{Duration, Timestamp};

use super::{catalogue::Catalogue, chance::Chance, shopper::Shopper};

mod event;
mod visit;

pub(crate) use visit::{Ask, Shown, Turn, Visit};

/// A simulated world, before anything is shown in it.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    /// When the first visits begin.
    pub(crate) from: Timestamp,
    pub(crate) days: u32,
    pub(crate) shoppers: Vec<Arc<Shopper>>,
    pub(crate) catalogue: Arc<Catalogue>,
    /// What is asked for on arrival, on a product's page and on leaving; as many of these as are named.
    pub(crate) placements: Arc<[String]>,
}

impl World {
    /// The end of the simulated time.
    pub(crate) fn until(&self) -> Timestamp {
        self.from.saturating_add(Duration::days(i64::from(self.days)))
    }

    /// Every visit, in the order in which they begin.
    pub(crate) fn visits(&self) -> Vec<Visit> {
        let mut visits: Vec<Visit> =
            self.shoppers.iter().flat_map(|shopper| self.visits_of(shopper)).collect();
        visits.sort_by_key(|visit| (visit.start(), visit.shopper().number));
        visits
    }

    /// The same visits, one after the other at even intervals, so that somebody comes at any hour.
    pub(crate) fn visits_every(&self, interval: Duration) -> Vec<Visit> {
        let mut visits = self.visits();
        let mut start = self.from;
        for visit in &mut visits {
            visit.begin_at(start);
            start = start.saturating_add(interval);
        }
        visits
    }

    fn visits_of(&self, shopper: &Arc<Shopper>) -> Vec<Visit> {
        let mut visits = Vec::new();
        let (first, last) = shopper.present;
        for day in 0..self.days {
            let subject = format!("{}/{day}", shopper.number);
            let mut chance = Chance::new(self.seed, "day", &subject);
            let elapsed = f64::from(day) / f64::from(self.days);
            let present = first <= elapsed && elapsed <= last;
            if !chance.happens(shopper.visits_per_week / 7.0) || !present {
                continue;
            }
            let start = self.start_of_visit(shopper, day, &mut chance);
            if self.from <= start && start < self.until() {
                let number = u32::try_from(visits.len()).unwrap_or(u32::MAX);
                visits.push(Visit::new(self, Arc::clone(shopper), number, start));
            }
        }
        visits
    }

    /// An instant around the shopper's active hour of a local day.
    fn start_of_visit(&self, shopper: &Shopper, day: u32, chance: &mut Chance) -> Timestamp {
        let minutes = shopper.active_hour * 60 + rounded(chance.normal() * 80.0);
        let seconds = minutes * 60 + chance.between(0, 59);
        let day_start = self.from.saturating_add(Duration::days(i64::from(day)));
        local_midnight(day_start, shopper.home.timezone).saturating_add(Duration::seconds(seconds))
    }
}

/// The last midnight before an instant on the clocks of a zone.
fn local_midnight(instant: Timestamp, zone: &str) -> Timestamp {
    let midnight = || {
        let zone = jiff::tz::TimeZone::get(zone).ok()?;
        let zoned = jiff::Timestamp::from_millisecond(instant.0).ok()?.to_zoned(zone);
        Some(Timestamp(zoned.start_of_day().ok()?.timestamp().as_millisecond()))
    };
    midnight().unwrap_or(instant)
}

#[expect(clippy::cast_possible_truncation, reason = "a float saturates, and these are small")]
fn rounded(number: f64) -> i64 {
    number.round() as i64
}

#[cfg(test)]
mod tests;
