//! Results at the looks that an experience has planned: of how everything stood at the end of a day, so that they are
//! the same whenever somebody asks, and nobody looks more often than was planned.
//!
//! A look comes with the first day (UTC) by whose end its part of the planned units was exposed. That does not depend
//! on what they did, so the looks hold after Lan and DeMets.

use experiment::Looks;
use model::{Key, Timestamp, Value};
use serde_json::json;

use super::{Sums, book, rows};
use crate::{sealed::RowError, state::Shared};

/// How many units are to be exposed, and how many looks there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) units: u64,
    pub(super) looks: u32,
}

/// What the last planned look that has come saw.
#[derive(Debug, Default)]
pub(super) struct Planned {
    pub(super) looks: Looks,
    /// What was exposed and done by then; nothing before the first look.
    pub(super) sums: Sums,
    /// Until when everything is counted; `None` before the first look.
    pub(super) as_of: Option<Timestamp>,
    /// The looks, for reading.
    pub(super) told: Value,
}

impl Planned {
    /// The looks of an experience that have come.
    pub(super) fn of(shared: &Shared, key: &Key, plan: Plan) -> Result<Self, RowError> {
        let days = book::pictures(&*shared.store, key)?;
        let today = rows::day(shared.clock.now());
        let mut planned = Self::default();
        let mut taken = Vec::new();
        let mut next = Some(1);
        for (day, sums) in days.range(..today) {
            let units: u64 = sums.arms().into_iter().map(|arm| sums.units(arm)).sum();
            let Some(look) = next.filter(|look| plan.units_of(*look) <= units) else { continue };
            #[expect(clippy::cast_precision_loss, reason = "counts of units are far below 2^53")]
            let share = units as f64 / plan.units.max(1) as f64;
            if planned.looks.add(share) {
                let at = rows::end_of_day(*day);
                taken.push(json!({"at": at, "units": units, "share": share.min(1.0)}));
                (planned.sums, planned.as_of) = (sums.clone(), Some(at));
            }
            // A day may bring the units of several looks, which are one then.
            next = (look..=plan.looks).find(|look| units < plan.units_of(*look));
        }
        let next = next.map(|look| json!({"look": look, "units": plan.units_of(look)}));
        planned.told =
            json!({"units": plan.units, "looks": plan.looks, "taken": taken, "next": next});
        Ok(planned)
    }
}

impl Plan {
    /// How many units a look waits for.
    fn units_of(self, look: u32) -> u64 {
        let part = u128::from(self.units) * u128::from(look);
        u64::try_from(part.div_ceil(u128::from(self.looks.max(1)))).unwrap_or(u64::MAX)
    }
}
