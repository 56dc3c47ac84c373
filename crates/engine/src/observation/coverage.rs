//! How many people have which trait, from which source.
//!
//! Counting everybody would read every page of the store. Lanes are equal shares of the people by a
//! keyed hash, so the people of some lanes are a random sample of all: whole lanes are read until
//! there are enough people, and with few people that is all of them. Only names and sources of traits
//! are looked at, no values.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use compact_str::CompactString;
use model::{Lane, SourceKey, StrandId, event::Order, id::LANE_COUNT};
use quality::name;
use serde_json::{Value, json};

use crate::{
    keys::Kind,
    load,
    page::{Pages, Stored},
    record::{self, StoredTrait},
    sealed::RowError,
    state::Shared,
    writer::heads,
};

/// People after whom no further lane is begun: a share is then known to within about two percentage points.
const PEOPLE_ENOUGH: u64 = 2_000;
/// People at whom reading stops in the middle of a lane, should one be very full.
const PEOPLE_MAX: u64 = 20_000;
/// Most traits that are told apart.
const TRAITS_MAX: usize = 1_000;
/// The quantile of the normal distribution for an interval that holds the true share 19 times in 20.
const Z: f64 = 1.96;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct People {
    looked_at: u64,
    lanes: BTreeSet<Lane>,
    is_everybody: bool,
    /// By trait: how many have it, and from which source they have it.
    traits: BTreeMap<CompactString, BTreeMap<SourceKey, u64>>,
}

/// Looks at people.
pub(super) fn people(shared: &Shared) -> Result<People, RowError> {
    let frozen = shared.store.snapshot()?;
    let pages = Stored { reader: &*frozen, keys: &shared.keys };
    let mut people = People { is_everybody: true, ..People::default() };
    heads(&*frozen, &mut |head| {
        let is_in_new_lane = !people.lanes.contains(&head.lane);
        if people.looked_at >= PEOPLE_MAX || people.looked_at >= PEOPLE_ENOUGH && is_in_new_lane {
            people.is_everybody = false;
            return Ok(ControlFlow::Break(()));
        }
        people.lanes.insert(head.lane);
        people.add(&pages, head)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(people)
}

impl People {
    fn add(&mut self, pages: &dyn Pages, head: StrandId) -> Result<(), RowError> {
        let mut newest: BTreeMap<CompactString, (Order, SourceKey)> = BTreeMap::new();
        let mut is_somebody = false;
        for strand in load::component_strands(pages, head)? {
            let page = pages.existing(strand)?;
            // Where only events came that do not count, nobody was identified.
            is_somebody |= page.of_kind(Kind::Link).next().is_some();
            for (_, row) in page.of_kind(Kind::Trait) {
                let StoredTrait::V1 { name, value, source, order, .. } =
                    record::decode(row, "trait")?;
                let is_newer = newest.get(&name).is_none_or(|(known, _)| *known < order);
                if value != "null" && is_newer {
                    newest.insert(name, (order, source));
                }
            }
        }
        self.looked_at += u64::from(is_somebody);
        for (name, (_, source)) in newest {
            let mut name = name::shown(&name);
            if self.traits.len() >= TRAITS_MAX && !self.traits.contains_key(name) {
                name = name::ANY;
            }
            let sources = self.traits.entry(name.into()).or_default();
            *sources.entry(source).or_default() += 1;
        }
        Ok(())
    }

    /// How many people were looked at, and what part that is of all.
    pub(super) fn document(&self) -> Value {
        let lanes = u64::try_from(self.lanes.len()).unwrap_or_default().max(1);
        let estimate = match self.is_everybody {
            true => self.looked_at,
            false => self.looked_at * u64::from(LANE_COUNT) / lanes,
        };
        json!({
            "looked_at": self.looked_at,
            "is_everybody": self.is_everybody,
            "estimated_people": estimate,
        })
    }

    /// The names of traits.
    pub(super) fn names(&self) -> impl Iterator<Item = &CompactString> {
        self.traits.keys()
    }

    /// Who has a trait.
    pub(super) fn of_trait(&self, name: &str) -> Value {
        let sources = self.traits.get(name);
        let with: u64 = sources.into_iter().flat_map(BTreeMap::values).sum();
        let of_source = |(source, count): (&SourceKey, &u64)| json!({"source": source, "people": count, "share": share(*count, self.looked_at)});
        let (low, high) = if self.is_everybody {
            let exact = share(with, self.looked_at);
            (exact, exact)
        } else {
            interval(with, self.looked_at)
        };
        json!({
            "people": with,
            "share": share(with, self.looked_at),
            "share_low": low,
            "share_high": high,
            "by_source": sources.into_iter().flatten().map(of_source).collect::<Vec<_>>(),
        })
    }
}

pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    let share = part as f64 / whole as f64;
    (whole > 0).then_some(share)
}

/// The interval of Wilson ("Probable inference", 1927) for a share.
fn interval(part: u64, whole: u64) -> (Option<f64>, Option<f64>) {
    let Some(p) = share(part, whole) else { return (None, None) };
    let n = whole as f64;
    let scale = 1.0 + Z * Z / n;
    let middle = (p + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    (Some((middle - half).max(0.0)), Some((middle + half).min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_the_share_and_narrows() {
        // Wilson's interval of 10 of 100, as in Brown, Cai and DasGupta (2001), table and formula 4.
        let (low, high) = interval(10, 100);
        assert!((low.unwrap() - 0.0552).abs() < 0.0001 && (high.unwrap() - 0.1744).abs() < 0.0001);
        let (low, high) = interval(0, 2_000);
        assert!(low.unwrap() < 1e-12 && high.unwrap() < 0.002);
        assert_eq!(interval(0, 0), (None, None));
    }
}
