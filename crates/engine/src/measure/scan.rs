//! Results that sums do not tell, and for which all units of an experience are looked at: caps and quantiles of
//! values, and breakdowns by what was recorded with the decision that exposed a unit.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use decision::{Recorded, recorded::shortened};
use experiment::{Amount, Arm, Cap, Measured, Metric, MetricId, MetricKind, Values};
use model::{Key, StrandId, Value, value::Path};
use store::{Reader, StrandKey, Table};

use super::{
    book::Tallies,
    rows::{ArmStratum, Unit},
    unit::{self, key},
};
use crate::{
    keys,
    record::StoredDecision,
    recording::document::{Context, Document, Documents, Place},
    registry::rows,
    sealed::RowError,
    state::Shared,
};

/// Most groups of a breakdown that are told by themselves; the others are one.
const GROUPS_MAX: usize = 20;
/// By what units are divided, as it was recorded with the decision that exposed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breakdown {
    /// Whether they were in an audience.
    Audience(Key),
    /// The stage that they had reached, of a set of stages.
    Stages(Key),
    /// A value of the context, such as `device.type`.
    Context(Path),
    /// A trait that the experience has recorded.
    Trait(Path),
}

/// Units that are alike in what they are divided by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// Those with a value.
    Value(String),
    /// Those who had none.
    Missing,
    /// Those of whom it could not be read whether they had one.
    Withheld,
    /// Those of whom it is not recorded, or not any more.
    Unknown,
    /// All groups that are not told by themselves.
    Other,
}

impl Group {
    /// Its name for people; a value may be called like a group that is none.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Value(value) => value,
            _ => self.kind(),
        }
    }

    /// What makes it a group.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Value(_) => "value",
            Self::Missing => "missing",
            Self::Withheld => "withheld",
            Self::Unknown => "unknown",
            Self::Other => "other",
        }
    }
}

impl Breakdown {
    /// Reads `audience:vip`, `stage:journey`, `trait:plan`, or a path into the context such as `device.type`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.split_once(':') {
            Some(("audience", key)) => Self::Audience(key.parse().ok()?),
            Some(("stage", key)) => Self::Stages(key.parse().ok()?),
            Some(("trait", path)) => Self::Trait(Path::parse(path)?),
            Some(_) => return None,
            None => Self::Context(Path::parse(text)?),
        })
    }

    /// The group of a unit that the decision of `document` exposed to `experience`.
    fn group(&self, document: &Document, experience: &Key) -> Group {
        match self {
            Self::Audience(key) if document.memberships.contains(key) => Group::Value("in".into()),
            Self::Audience(_) => Group::Value("not in".into()),
            Self::Stages(key) => {
                let stage = document.stages.get(key);
                Group::Value(stage.map_or_else(|| "none".to_owned(), Key::to_string))
            }
            Self::Context(path) => match &document.context {
                Context::Kept(context) => match context.find(path) {
                    None | Some(Value::Null) => Group::Unknown,
                    Some(value) => Group::Value(shortened(value)),
                },
                Context::LeftOut { .. } => Group::Unknown,
            },
            Self::Trait(path) => {
                let won = document.decisions.iter().find(|decided| {
                    decided.won().is_some_and(|reference| reference.key == *experience)
                });
                match won.and_then(|decided| decided.recorded.get(path)) {
                    Some(Recorded::Known(value)) => Group::Value(value.clone()),
                    Some(Recorded::Missing) => Group::Missing,
                    Some(Recorded::Withheld) => Group::Withheld,
                    None => Group::Unknown,
                }
            }
        }
    }
}

/// The tallies of a metric whose cap is a quantile of all units' values that are not 0.
pub(super) fn capped(
    shared: &Shared,
    experience: &Key,
    metric: &Metric,
) -> Result<Tallies, RowError> {
    let Some(Cap::Quantile(quantile)) = metric.cap else { return Ok(Tallies::new()) };
    let frozen = shared.store.snapshot()?;
    let mut values: Vec<Amount> = Vec::new();
    counted(&*frozen, shared, experience, metric.id, &mut |_, measured| {
        if let Measured::Counted(Values { upper, .. }) = measured
            && upper != Amount::ZERO
        {
            values.push(upper);
        }
    })?;
    let most = at_quantile(&mut values, quantile).unwrap_or(Amount::MAX);
    let mut tallies = Tallies::new();
    counted(&*frozen, shared, experience, metric.id, &mut |place, measured| {
        tallies.entry(place.clone()).or_default().add(&measured.at_most(most));
    })?;
    Ok(tallies)
}

/// The values of all units of each arm that have one, sorted: for quantiles.
pub(super) fn sorted(
    shared: &Shared,
    experience: &Key,
    metric: &Metric,
) -> Result<BTreeMap<Arm, Vec<f64>>, RowError> {
    debug_assert!(metric.kind == MetricKind::Quantile, "sums tell all others");
    let frozen = shared.store.snapshot()?;
    let mut all: BTreeMap<Arm, Vec<f64>> = BTreeMap::new();
    counted(&*frozen, shared, experience, metric.id, &mut |(arm, _), measured| {
        if let Measured::Counted(values) = measured {
            all.entry(arm.clone()).or_default().push(values.upper.to_f64());
        }
    })?;
    all.values_mut().for_each(|values| values.sort_by(f64::total_cmp));
    Ok(all)
}

/// The value that a share of values do not exceed: the smallest of which that is so.
pub(super) fn at_quantile(values: &mut [Amount], quantile: f64) -> Option<Amount> {
    #[expect(clippy::cast_precision_loss, reason = "a rank among fewer than 2^53")]
    let rank = (values.len() as f64 * quantile).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among them"
    )]
    let place = (rank as usize).checked_sub(1)?;
    let place = place.min(values.len().checked_sub(1)?);
    Some(*values.select_nth_unstable(place).1)
}

/// Visits what the units of an experience that count did by a metric.
fn counted(
    reader: &dyn Reader,
    shared: &Shared,
    experience: &Key,
    metric: MetricId,
    each: &mut dyn FnMut(&ArmStratum, Measured),
) -> Result<(), RowError> {
    unit::visit(reader, &shared.keys, experience, &mut |_, unit| {
        let Unit { exposure, stratum, measured, .. } = unit;
        if let Some((_, measured)) = measured.iter().find(|(id, _)| *id == metric) {
            each(&(exposure.arm, stratum), *measured);
        }
        Ok(())
    })
}

/// The tallies of some metrics, by group.
pub(super) fn broken_down(
    shared: &Shared,
    experience: &Key,
    breakdown: &Breakdown,
    metrics: &[MetricId],
) -> Result<BTreeMap<Group, BTreeMap<MetricId, Tallies>>, RowError> {
    let frozen = shared.store.snapshot()?;
    let mut decisions = Decisions::over(shared, &*frozen);
    let mut groups: BTreeMap<Group, (u64, BTreeMap<MetricId, Tallies>)> = BTreeMap::new();
    unit::visit(&*frozen, &shared.keys, experience, &mut |_, unit| {
        let Unit { exposure, stratum, is_several, measured, .. } = &unit;
        if *is_several {
            return Ok(());
        }
        let document = decisions.of(&unit)?;
        let group = document.map_or(Group::Unknown, |found| breakdown.group(&found, experience));
        // What has a value for everybody must not fill the memory.
        let is_full = 50 * GROUPS_MAX <= groups.len() && !groups.contains_key(&group);
        let group = if is_full { Group::Other } else { group };
        let (units, tallies) = groups.entry(group).or_default();
        *units += 1;
        for (id, measured) in measured.iter().filter(|(id, _)| metrics.contains(id)) {
            let place = (exposure.arm.clone(), *stratum);
            tallies.entry(*id).or_default().entry(place).or_default().add(measured);
        }
        Ok(())
    })?;
    Ok(largest(groups))
}

/// The groups with the most units by themselves, and all others as one.
fn largest(
    groups: BTreeMap<Group, (u64, BTreeMap<MetricId, Tallies>)>,
) -> BTreeMap<Group, BTreeMap<MetricId, Tallies>> {
    let mut sorted: Vec<_> = groups.into_iter().collect();
    sorted.sort_by(|(a, (more, _)), (b, (less, _))| less.cmp(more).then_with(|| a.cmp(b)));
    let mut told: BTreeMap<Group, BTreeMap<MetricId, Tallies>> = BTreeMap::new();
    for (place, (group, (_, metrics))) in sorted.into_iter().enumerate() {
        let group = if place < GROUPS_MAX { group } else { Group::Other };
        let group = told.entry(group).or_default();
        for (metric, tallies) in metrics {
            let of_metric = group.entry(metric).or_default();
            for (place, tally) in tallies {
                of_metric.entry(place).or_default().merge(&tally);
            }
        }
    }
    told
}

/// Recorded decisions by the units that they exposed.
struct Decisions<'a> {
    shared: &'a Shared,
    reader: &'a dyn Reader,
    documents: Documents<'a>,
    /// The keys of the strands looked at last.
    keys: HashMap<StrandId, Option<Arc<StrandKey>>>,
}

impl<'a> Decisions<'a> {
    fn over(shared: &'a Shared, reader: &'a dyn Reader) -> Self {
        Self { shared, reader, documents: Documents::over(reader), keys: HashMap::new() }
    }

    /// The decision that exposed a unit; `None` where an event did, or it is kept no longer.
    fn of(&mut self, unit: &Unit) -> Result<Option<Document>, RowError> {
        let Some((strand, at, id)) = unit.decision() else { return Ok(None) };
        let row_key = keys::decision(strand, at, id);
        let Some((_, row)) = rows::first(self.reader, Table::Decision, &row_key)? else {
            return Ok(None);
        };
        let Some(key) = self.key(strand)? else { return Ok(None) };
        let opened =
            self.shared.keys.open::<StoredDecision<'_>>(&key, &row_key, 0, &row, "decision");
        let Ok(record) = opened else { return Ok(None) };
        let place = Place { id, at, unit: model::UnitId(0) };
        Ok(Some(self.documents.read(place, record)?))
    }

    fn key(&mut self, strand: StrandId) -> Result<Option<Arc<StrandKey>>, RowError> {
        if let Some(known) = self.keys.get(&strand) {
            return Ok(known.clone());
        }
        let found = key(self.reader, &self.shared.keys, strand)?.map(Arc::new);
        if 1_000 <= self.keys.len() {
            self.keys.clear();
        }
        self.keys.insert(strand, found.clone());
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_are_there() {
        let amounts = |numbers: &[f64]| -> Vec<Amount> {
            numbers.iter().filter_map(|number| Amount::of(*number)).collect()
        };
        let mut values = amounts(&[5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(at_quantile(&mut values, 0.5), Amount::of(3.0));
        assert_eq!(at_quantile(&mut values, 0.99), Amount::of(5.0));
        assert_eq!(at_quantile(&mut [], 0.5), None);
    }

    #[test]
    fn breakdowns_are_read() {
        assert_eq!(
            Breakdown::parse("audience:vip"),
            Some(Breakdown::Audience("vip".parse().unwrap()))
        );
        assert!(matches!(Breakdown::parse("device.type"), Some(Breakdown::Context(_))));
        let plan = Path::parse("plan").unwrap();
        assert_eq!(Breakdown::parse("trait:plan"), Some(Breakdown::Trait(plan)));
        assert_eq!(Breakdown::parse("trait:"), None);
        assert_eq!(Breakdown::parse("shoe:size"), None);
    }
}
