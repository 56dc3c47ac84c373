//! The results of an experience by a metric that is not defined: tried over the lake.

use std::collections::BTreeMap;

use decision::Allocation;
use experiment::{
    Amount, Arm, Cap, Measured, Method, Metric, MetricKind, Reading, Stratum, Values, judge,
};
use model::{Key, StrandId, Value, definition::Fault, value::Object};
use parking_lot::Mutex;
use serde_json::json;

use super::{
    Sums,
    book::Tallies,
    results::{Experience, ResultsQuery},
    scan::at_quantile,
};
use crate::{
    Engine,
    consenting::MayBeSeen,
    definitions::{DefinitionError, Kind},
    registry::documents::Typed,
    state::Shared,
    trial::{Found, Rules, Sources, Trial, TrialError},
};

/// What the key of a metric is that has none yet.
const NAMELESS: &str = "tried";

/// One at a time, since each reads files on all cores.
#[derive(Debug, Default)]
pub(crate) struct Trying(Mutex<()>);

impl Rules for MayBeSeen {
    fn strand(&self, strand: StrandId) -> bool {
        self.of(strand)
    }

    fn purposes(&self, list: &str) -> bool {
        Self::purposes(self, list)
    }
}

impl Engine {
    /// The results of an experience by a metric that need not be saved, computed over the lake: of all that was
    /// acknowledged before. It takes the calling thread, and more, for as long as the files are large, or until
    /// `is_abandoned`.
    ///
    /// # Errors
    ///
    /// No such experience; the faults of the metric, also that it reads what the lake has not; that there is no lake,
    /// that another metric is being tried, or that nobody waits for this one any more.
    pub fn try_metric(
        &self,
        key: &Key,
        document: Object,
        query: &ResultsQuery,
        is_abandoned: &(dyn Fn() -> bool + Sync),
    ) -> Result<Value, DefinitionError> {
        let shared = self.shared();
        let metric = self.compiled(document)?;
        let defined = Experience::document(shared, key)?;
        let reading = reading(query, defined.method)?;
        if defined.allocation == (Allocation::External {}) {
            return Err(fault(
                "exposures of an experience that others decide are stated by events, which are not looked through here; \
                 define the metric and wait for its sums",
            ));
        }
        let none = "a metric is tried over the lake, and this server keeps none (`--lake off`)";
        let lake = self.lake().ok_or_else(|| fault(none))?;
        let busy = || DefinitionError::Unavailable("another metric is being tried".into());
        let _alone = shared.trying.0.try_lock().ok_or_else(busy)?;
        lake.catch_up(self);
        let unavailable =
            |error: &dyn std::fmt::Display| DefinitionError::Unavailable(error.to_string());
        let rules = self.may_be_seen(metric.purpose).map_err(|error| unavailable(&error))?;
        let now = self.now();
        let trial = Trial {
            archive: lake.archive(),
            sources: &Sources::from(lake.snapshot()),
            experience: key,
            metric: &metric,
            rules: &rules,
            now,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            is_abandoned,
        };
        let found = trial.run().map_err(|error| match error {
            TrialError::Unfit(unfit) => fault(unfit.to_string()),
            TrialError::Archive(error) => unavailable(&error),
            TrialError::Abandoned => unavailable(&error),
        })?;
        let (sums, tallies, sorted) = sums(&metric, by_weights(shared, key, found));
        let experience = Experience::of(shared, key, &sums)?;
        let read = experience.read_out(&metric, (&sums, Some(&tallies)), sorted.as_ref(), reading);
        let (read, split) = ([read], experience.split());
        let compared: Vec<&Arm> = sums.arms().into_iter().collect();
        Ok(json!({
            "experience": key,
            "name": experience.document.name,
            "hypothesis": experience.document.hypothesis,
            "state": experience.document.state,
            "method": reading.method.name(),
            "effect": reading.effect,
            "confidence": query.confidence,
            "as_of": now,
            "lag_seconds": 0.0,
            "measured": 1.0,
            "notes": ["tried over the lake: the metric is not saved, and nothing was kept of this"],
            "arms": experience.exposed(),
            "several": experience.several(),
            "verdict": judge(&read, &split, &compared),
            "split": split,
            "metrics": read,
        }))
    }

    fn compiled(&self, mut document: Object) -> Result<Metric, DefinitionError> {
        document.entry("key").or_insert_with(|| NAMELESS.into());
        let snapshot = self.shared().registry.snapshot();
        let typed = crate::registry::typed(Kind::Metric, &document);
        let compiled = typed.and_then(|typed| match typed {
            Typed::Metric(metric) => Metric::compile(&metric, &|key| snapshot.policy.find(key)),
            _ => Err(vec![Fault::new("", "this is no metric")]),
        });
        let under = |fault: Fault| Fault::new(format!("/metric{}", fault.pointer), fault.detail);
        compiled.map_err(|faults| DefinitionError::Invalid(faults.into_iter().map(under).collect()))
    }
}

/// How a metric is tried of an experience that is read like this: by no planned look, since it is one that nobody
/// planned.
fn reading(query: &ResultsQuery, own: decision::Method) -> Result<Reading, DefinitionError> {
    let own = match own {
        decision::Method::PlannedLooks { .. } => decision::Method::default(),
        own => own,
    };
    let reading = query.reading(own)?;
    match reading.method {
        Method::PlannedLooks => Err(DefinitionError::Invalid(vec![Fault::new(
            "/method",
            "a metric that is tried is looked at when nobody planned it",
        )])),
        _ => Ok(reading),
    }
}

fn fault(detail: impl Into<String>) -> DefinitionError {
    DefinitionError::Invalid(vec![Fault::new("/metric", detail)])
}

/// What is told of a metric beside sums: the values of all units of each arm, sorted.
pub(super) type Sorted = Option<BTreeMap<Arm, Vec<f64>>>;

/// What was found, by the weights that divided units: files do not tell which of a definition's weights did.
pub(super) fn by_weights(shared: &Shared, experience: &Key, found: Found) -> Found {
    let mut told = Found::new();
    for ((arm, version, stratum), group) in found {
        let stratum = match stratum {
            Stratum::ONLY => shared.plans.stratum(shared, experience, version),
            stratum => stratum,
        };
        told.insert((arm, version, stratum), group);
    }
    told
}

/// What was found, as sums: capped where a quantile of all values is the cap.
pub(super) fn sums(metric: &Metric, found: Found) -> (Sums, Tallies, Sorted) {
    let upper = |measured: &Measured| match measured {
        Measured::Counted(Values { upper, .. }) => Some(*upper),
        Measured::Left(_) => None,
    };
    let most = match metric.cap {
        Some(Cap::Quantile(quantile)) => {
            let each = found.values().flat_map(|group| &group.each).filter_map(upper);
            let mut each: Vec<Amount> = each.filter(|value| *value != Amount::ZERO).collect();
            at_quantile(&mut each, quantile)
        }
        _ => None,
    };
    let (mut sums, mut tallies) = (Sums::default(), Tallies::new());
    let mut sorted: BTreeMap<Arm, Vec<f64>> = BTreeMap::new();
    for (place, group) in found {
        let (arm, _, stratum) = &place;
        let tally = tallies.entry((arm.clone(), *stratum)).or_default();
        match most {
            None => tally.merge(&group.tally),
            Some(most) => group.each.iter().for_each(|measured| tally.add(&measured.at_most(most))),
        }
        if metric.kind == MetricKind::Quantile {
            let values = group.each.iter().filter_map(upper).map(Amount::to_f64);
            sorted.entry(arm.clone()).or_default().extend(values);
        }
        sums.expose(place, group.units, group.several);
    }
    tallies.retain(|_, tally| !tally.is_empty());
    sorted.values_mut().for_each(|values| values.sort_by(f64::total_cmp));
    (sums, tallies, (metric.kind == MetricKind::Quantile).then_some(sorted))
}
