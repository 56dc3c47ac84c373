//! The results of an experience, as documents: from the sums in memory, so that they are there at once.

use std::collections::{BTreeMap, BTreeSet};

use decision::{ExperienceDocument, PolicyDocument};
use experiment::{
    Arm, ArmResult, ArmSums, Method, Metric, MetricId, MetricKind, MetricResult, Reading, Role,
    Several, SplitResult, Stratum, Stretch, Tally, Verdict, Word, adjust_together, judge, learn,
    read_out, read_out_over, several, test_split,
};
use model::{
    Key, Timestamp, Value,
    definition::{Fault, State},
};
use serde_json::json;
use stats::effect::Level;

use super::{
    Readable, Sums,
    alarms::{self, Past},
    book::{self, Tallies},
    columns,
    planned::{Plan, Planned},
    plans, rows,
    scan::{self, Breakdown, Group},
};
use crate::{
    definitions::{DefinitionError, Kind},
    registry::documents::Typed,
    sealed::RowError,
    snapshot::Snapshot,
    state::Shared,
    watch::{self, GUARDRAILS, Stop, current_stop},
};

/// What is asked about an experience.
#[derive(Clone, Debug)]
pub struct ResultsQuery {
    /// One metric; all that are live when absent.
    pub metric: Option<Key>,
    /// How intervals come about; as the experience says when absent.
    pub method: Option<Method>,
    /// Of mSPRT: the size of effect that is looked for, as a share of the control's value; as the experience or the
    /// metric says when absent.
    pub effect: Option<f64>,
    /// How sure intervals are, all comparisons of a metric together: 0.95.
    pub confidence: f64,
    /// Whether what units did before the exposure is taken out.
    pub is_adjusted: bool,
    /// By what units are divided.
    pub breakdown: Option<Breakdown>,
    /// Whether it is told how the first metric stood at the end of each day; never by planned looks.
    pub has_series: bool,
}

impl Default for ResultsQuery {
    fn default() -> Self {
        Self {
            metric: None,
            method: None,
            effect: None,
            confidence: 0.95,
            is_adjusted: true,
            breakdown: None,
            has_series: false,
        }
    }
}

impl ResultsQuery {
    /// Whether what units are divided by is there: without it all of them would be said not to be in it.
    pub(crate) fn check(&self, shared: &Shared) -> Result<(), DefinitionError> {
        let (kind, key) = match &self.breakdown {
            Some(Breakdown::Audience(key)) => (Kind::Audience, key),
            Some(Breakdown::Stages(key)) => (Kind::Stages, key),
            Some(Breakdown::Context(_) | Breakdown::Trait(_)) | None => return Ok(()),
        };
        shared.registry.get(&*shared.store, kind, key, None).map(drop)
    }

    /// How an experience is read whose document says this.
    pub(super) fn reading(&self, own: decision::Method) -> Result<Reading, DefinitionError> {
        let level = Level::new(1.0 - self.confidence)
            .ok()
            .filter(|_| (0.5..=0.999).contains(&self.confidence));
        let level = level.ok_or_else(|| {
            let detail = "confidence is a number from 0.5 to 0.999, as in 0.95";
            DefinitionError::Invalid(vec![Fault::new("/confidence", detail)])
        })?;
        let own_effect = match own {
            decision::Method::Msprt { effect } => effect,
            _ => None,
        };
        if self.effect.is_some_and(|effect| !decision::EFFECTS.contains(&effect)) {
            return Err(refused("/effect", "a size of effect is from 0.0001 to 10, as in 0.05"));
        }
        let method = self.method.unwrap_or(match own {
            decision::Method::Sequential {} => Method::Sequential,
            decision::Method::Msprt { .. } => Method::Msprt,
            decision::Method::PlannedLooks { .. } => Method::PlannedLooks,
            decision::Method::Fixed {} => Method::Fixed,
            decision::Method::Exact {} => Method::Exact,
        });
        if self.effect.is_some() && method != Method::Msprt {
            return Err(refused("/effect", "only `msprt` is for a size of effect"));
        }
        let effect = self.effect.or(own_effect);
        Ok(Reading { effect, is_adjusted: self.is_adjusted, ..Reading::new(method, level) })
    }

    /// The looks that have come, where the reading is by planned ones.
    fn planned(
        &self,
        shared: &Shared,
        (key, own): (&Key, decision::Method),
        reading: &mut Reading,
    ) -> Result<Option<Planned>, DefinitionError> {
        if reading.method != Method::PlannedLooks {
            return Ok(None);
        }
        let decision::Method::PlannedLooks { units, looks } = own else {
            let detail = "the experience has planned no looks: its `method` is where they are";
            return Err(refused("/method", detail));
        };
        if self.breakdown.is_some() {
            let detail = "looks are planned for all units together, and not for groups";
            return Err(refused("/breakdown", detail));
        }
        let planned = Planned::of(shared, key, Plan { units, looks });
        let planned = planned.map_err(|error| DefinitionError::Unavailable(error.to_string()))?;
        reading.looks = planned.looks;
        Ok(Some(planned))
    }
}

fn refused(pointer: &str, detail: &str) -> DefinitionError {
    DefinitionError::Invalid(vec![Fault::new(pointer, detail)])
}

/// One experience as it is read out.
pub(crate) struct Experience<'a> {
    pub(crate) document: ExperienceDocument,
    pub(super) sums: &'a Sums,
    /// All arms, the control first.
    pub(super) arms: Vec<Arm>,
    /// By version of the definition under which somebody was exposed: its document.
    versions: BTreeMap<u64, ExperienceDocument>,
    /// By epoch in which somebody was exposed: the policy that divided them.
    policies: BTreeMap<u64, PolicyDocument>,
}

/// The results of an experience.
pub(crate) fn results(
    shared: &Shared,
    key: &Key,
    query: &ResultsQuery,
) -> Result<Value, DefinitionError> {
    let snapshot = shared.registry.snapshot_full();
    let readable = shared.measured.get();
    let nothing = Sums::default();
    let now = readable.experiences.get(key).map_or(&nothing, |sums| &**sums);
    let own = Experience::document(shared, key)?.method;
    let mut reading = query.reading(own)?;
    let planned = query.planned(shared, (key, own), &mut reading)?;
    let sums = planned.as_ref().map_or(now, |planned| &planned.sums);
    let as_of = planned.as_ref().and_then(|planned| planned.as_of).unwrap_or(readable.as_of);
    let experience = Experience::of(shared, key, sums)?;
    let mut metrics = chosen(&snapshot, &experience.document, query.metric.as_ref())?;
    let mut notes = experience.notes(&snapshot, &readable);
    match planned {
        Some(_) => notes.extend(leave_planned(&mut metrics)),
        None => notes.extend(about_series(&metrics, query)),
    }
    let unreadable = |error: RowError| DefinitionError::Unavailable(error.to_string());
    let read = metrics.iter().map(|metric| experience.metric(shared, metric, reading));
    let mut read = read.collect::<Result<Vec<MetricResult>, _>>().map_err(unreadable)?;
    let past = match planned {
        None => Past::of(shared, &experience).map_err(unreadable)?,
        // What came since the last look is not looked at.
        Some(_) => Past::default(),
    };
    let units_per_day = past.units_per_day(&experience);
    experience.at_pace(&mut read, units_per_day);
    let details = experience.details(shared, &metrics, (query, reading));
    let (groups, series) = details.map_err(unreadable)?;
    let split = experience.split();
    let compared: Vec<&Arm> = sums.arms().into_iter().collect();
    let several = experience.several();
    let stopped = stopped(shared, &experience.document)?;
    let verdict = match (&stopped, &planned) {
        (Some(stop), _) => of_stop(stop),
        (None, Some(Planned { as_of: None, .. })) => before_looks(),
        (None, _) => judge(&read, &split, &compared),
    };
    let alarms = alarms::of(shared, &experience, &metrics, &read, (&split, &several, &past));
    Ok(json!({
        "experience": key,
        "name": experience.document.name,
        "hypothesis": experience.document.hypothesis,
        "state": experience.document.state,
        "stopped": stopped.as_ref().map(told),
        "guardrails": experience.document.guardrails,
        "method": reading.method.name(),
        "effect": reading.effect,
        "looks": planned.as_ref().map(|planned| &planned.told),
        "confidence": query.confidence,
        "as_of": as_of,
        "lag_seconds": lag_seconds(shared, readable.as_of),
        "measured": readable.measured,
        "notes": notes,
        "arms": experience.exposed(),
        "split": split,
        "several": several,
        "metrics": read,
        "groups": groups,
        "series": series,
        "alarms": alarms,
        "units_per_day": units_per_day,
        "allocation": watch::standing(shared, &snapshot, &experience.document, sums),
        "verdict": verdict,
    }))
}

/// What is to be known of the days of the first metric, where they are asked for: of earlier days sums alone are kept,
/// which do not tell quantiles.
fn about_series(metrics: &[&Metric], query: &ResultsQuery) -> Option<String> {
    let metric = metrics.first().filter(|_| query.has_series)?;
    let Metric { key, kind, .. } = *metric;
    if *kind == MetricKind::Quantile {
        return Some(format!(
            "`series` has no days of `{key}`: it is a quantile of all units, and of earlier days only sums are kept"
        ));
    }
    metric.is_capped_by_quantile().then(|| {
        format!(
            "`series` tells `{key}` without its cap, also of today: the cap is a quantile of all units, and of earlier \
             days only sums are kept"
        )
    })
}

/// A stop, as results tell it.
fn told(stop: &Stop) -> Value {
    json!({
        "at": stop.at,
        "by": GUARDRAILS,
        "because": stop.because,
        "guardrail": stop.cause.get("guardrail"),
        "variant": stop.cause.get("variant"),
    })
}

/// The stop by its guardrails since which an experience has been paused.
pub(super) fn stopped(
    shared: &Shared,
    document: &ExperienceDocument,
) -> Result<Option<Stop>, DefinitionError> {
    match document.state {
        State::Paused => current_stop(shared, &document.key),
        _ => Ok(None),
    }
}

/// What is said of an experience that its guardrails have stopped, whatever its numbers say since.
pub(super) fn of_stop(stop: &Stop) -> Verdict {
    let variant = stop.cause.get("variant").and_then(Value::as_str).map(str::to_owned);
    let reason = format!("its guardrails have stopped it: {}", stop.because);
    Verdict { verdict: Word::Stop, variant, reason }
}

/// What is said before the first planned look.
fn before_looks() -> Verdict {
    let reason = "none of the planned looks has come yet: `looks` says for how many units the first one waits";
    Verdict { verdict: Word::Collecting, variant: None, reason: reason.to_owned() }
}

pub(super) fn lag_seconds(shared: &Shared, as_of: Timestamp) -> f64 {
    let lag = shared.clock.now().since(as_of).0.max(0);
    #[expect(clippy::cast_precision_loss, reason = "it is for reading")]
    let seconds = lag as f64 / 1000.0;
    seconds
}

/// Whether a metric is a guardrail to an experience: by itself, or because it stops the experience. What an experience
/// is judged by is none.
fn is_guardrail(experience: &ExperienceDocument, metric: &Metric) -> bool {
    experience.goal.as_ref() != Some(&metric.key)
        && (metric.role == Role::Guardrail || experience.guardrails.contains(&metric.key))
}

/// The metrics to be read out, the one first by which the experience is judged: the one it names as its goal, else the
/// first goal, else the first.
pub(super) fn chosen<'a>(
    snapshot: &'a Snapshot,
    experience: &ExperienceDocument,
    wanted: Option<&Key>,
) -> Result<Vec<&'a Metric>, DefinitionError> {
    if let Some(key) = wanted {
        let found = snapshot.metrics.get(key).map(|metric| vec![metric]);
        return found
            .ok_or_else(|| DefinitionError::NotFound { kind: Kind::Metric, key: key.clone() });
    }
    let mut metrics: Vec<&Metric> = snapshot.metrics.iter().collect();
    metrics.sort_by_key(|metric| {
        let is_goal = experience.goal.as_ref() == Some(&metric.key);
        (!is_goal, is_guardrail(experience, metric))
    });
    Ok(metrics)
}

/// Leaves the metrics that planned looks can tell, and says which they cannot.
fn leave_planned(metrics: &mut Vec<&Metric>) -> Vec<String> {
    let (untold, told): (Vec<&Metric>, Vec<&Metric>) =
        metrics.iter().partition(|metric| metric.needs_all_units());
    *metrics = told;
    let note = |metric: &&Metric| {
        format!(
            "`{}` takes a quantile, for which all units of now would be looked at, so planned looks do not tell it",
            metric.key
        )
    };
    untold.iter().map(note).collect()
}

impl<'a> Experience<'a> {
    /// The definition of an experience as it is now.
    pub(super) fn document(
        shared: &Shared,
        key: &Key,
    ) -> Result<ExperienceDocument, DefinitionError> {
        let known = shared.registry.get(&*shared.store, Kind::Experience, key, None)?;
        let missing = || DefinitionError::NotFound { kind: Kind::Experience, key: key.clone() };
        document(&known.document).ok_or_else(missing)
    }

    pub(crate) fn of(shared: &Shared, key: &Key, sums: &'a Sums) -> Result<Self, DefinitionError> {
        let document = Self::document(shared, key)?;
        let exposing: BTreeSet<u64> = sums.exposed.keys().map(|(_, version, _)| *version).collect();
        let mut versions = BTreeMap::new();
        for version in exposing {
            let known = shared.registry.get(&*shared.store, Kind::Experience, key, Some(version));
            if let Some(document) = known.ok().and_then(|known| self::document(&known.document)) {
                versions.insert(version, document);
            }
        }
        let arms = arms(&document, sums);
        let policies = policies(shared, key, sums);
        Ok(Self { document, sums, arms, versions, policies })
    }

    /// Reads a metric out, by sums or, where these do not tell it, by all units.
    pub(crate) fn metric(
        &self,
        shared: &Shared,
        metric: &Metric,
        reading: Reading,
    ) -> Result<MetricResult, RowError> {
        let tallies = self.sums.tallies.get(&metric.id);
        if !metric.needs_all_units() {
            return Ok(self.read_out(metric, (self.sums, tallies), None, reading));
        }
        let columns::Looked { told, as_of } = columns::look(shared, &self.document.key, metric)?;
        let tallies = told.capped.as_ref().or(tallies);
        let read = self.read_out(metric, (self.sums, tallies), told.sorted.as_ref(), reading);
        Ok(MetricResult { as_of, ..read })
    }

    pub(super) fn read_out(
        &self,
        metric: &Metric,
        (exposed, told): (&Sums, Option<&Tallies>),
        sorted: Option<&BTreeMap<Arm, Vec<f64>>>,
        reading: Reading,
    ) -> MetricResult {
        let nobody = Tally::default();
        let tallies = told.map(book::by_arm).unwrap_or_default();
        let sums: Vec<ArmSums<'_>> = self
            .arms
            .iter()
            .map(|arm| ArmSums {
                arm,
                tally: tallies.get(arm).unwrap_or(&nobody),
                sorted: sorted.map(|all| all.get(arm).map_or(&[][..], Vec::as_slice)),
            })
            .collect();
        let mut result = match told.filter(|_| exposed.is_stratified()) {
            Some(told) => {
                let strata = learn::by_stratum(&self.arms, &exposed.by_stratum(), told);
                read_out_over(metric, &sums, &strata, reading)
            }
            None => read_out(metric, &sums, reading),
        };
        result
            .arms
            .iter_mut()
            .zip(&self.arms)
            .for_each(|(result, arm)| self.leave_retired(result, arm));
        let is_guardrail = is_guardrail(&self.document, metric);
        result.role = if is_guardrail { Role::Guardrail } else { Role::Goal };
        let units: u64 = sums.iter().map(|arm| arm.tally.units).sum();
        if 0 < units && sums.iter().all(|arm| arm.tally.nonzero == 0) {
            let event = metric.event();
            let note = match metric.property() {
                Some(property) => format!(
                    "no exposed unit has sent `{event}` with a number other than 0 in `{property}` yet; check the names"
                ),
                None => format!("no exposed unit has sent `{event}` yet; check the name"),
            };
            result.notes.push(note);
        }
        result
    }

    /// Takes back how a retired variant compares, where some of those who had it were drawn anew.
    fn leave_retired(&self, result: &mut ArmResult, arm: &Arm) {
        if self.is_retired(arm) && 0 < self.sums.several_from(arm) {
            result.comparison = None;
            result.why_not = Some(
                "it is retired: who had it and came again was drawn anew and is left out, so those who are left are not \
                 like the others"
                    .to_owned(),
            );
        }
    }

    /// Whether an arm is a variant that nobody is given any more.
    fn is_retired(&self, arm: &Arm) -> bool {
        let Arm::Variant(key) = arm else { return false };
        let mut given = self.document.variants.iter().filter(|variant| 0 < variant.weight);
        self.document.control.as_ref() != Some(key) && given.all(|variant| variant.key != *key)
    }

    /// Units exposed to several arms.
    pub(super) fn several(&self) -> Several {
        let arms = || self.sums.arms().into_iter();
        let redrawn = arms().filter(|arm| self.is_retired(arm));
        let redrawn = redrawn.map(|arm| self.sums.several_from(arm)).sum();
        several(self.sums.several(), redrawn, arms().map(|arm| self.sums.units(arm)).sum())
    }

    /// Says how many days each metric still needs at this pace.
    fn at_pace(&self, results: &mut [MetricResult], units_per_day: Option<f64>) {
        let Some(units_per_day) = units_per_day else { return };
        let exposed = self.arms.iter().map(|arm| self.sums.units(arm)).sum();
        let powers = results.iter_mut().filter_map(|result| result.power.as_mut());
        powers.for_each(|power| power.at_pace(units_per_day, exposed));
    }

    /// The groups of a breakdown and the days of a series, where they are asked for. Planned looks have no days.
    fn details(
        &self,
        shared: &Shared,
        metrics: &[&Metric],
        (query, reading): (&ResultsQuery, Reading),
    ) -> Result<Details, RowError> {
        let groups = query.breakdown.as_ref();
        let groups = groups.map(|by| self.groups(shared, metrics, (by, reading))).transpose()?;
        let has_series = query.has_series && reading.method != Method::PlannedLooks;
        let first = metrics.first().filter(|_| has_series);
        let series = first.map(|metric| self.series(shared, metric, reading)).transpose()?;
        Ok((groups, series))
    }

    /// The metrics of each group. A false alarm is as improbable for all groups together as it is for one alone.
    fn groups(
        &self,
        shared: &Shared,
        metrics: &[&Metric],
        (breakdown, reading): (&Breakdown, Reading),
    ) -> Result<Vec<Value>, RowError> {
        let told: Vec<&Metric> =
            metrics.iter().copied().filter(|metric| !metric.needs_all_units()).collect();
        let ids: Vec<MetricId> = told.iter().map(|metric| metric.id).collect();
        let groups = scan::broken_down(shared, &self.document.key, breakdown, &ids)?;
        let reading = Reading { level: reading.level.shared(groups.len()), ..reading };
        let mut by_metric: Vec<Vec<MetricResult>> = Vec::new();
        for metric in &told {
            let read = |tallies: &BTreeMap<MetricId, Tallies>| {
                self.read_out(metric, (self.sums, tallies.get(&metric.id)), None, reading)
            };
            let mut results: Vec<MetricResult> = groups.values().map(read).collect();
            adjust_together(&mut results);
            by_metric.push(results);
        }
        let group = |(place, group): (usize, &Group)| {
            let results: Vec<_> = by_metric.iter().filter_map(|all| all.get(place)).collect();
            json!({"group": group.name(), "kind": group.kind(), "metrics": results})
        };
        Ok(groups.keys().enumerate().map(group).collect())
    }

    /// How a metric stood at the end of each day (UTC), as it was counted then, and how it stands now: by sums, so
    /// without a cap by a quantile, and never of a quantile ([`about_series`] says so).
    fn series(
        &self,
        shared: &Shared,
        metric: &Metric,
        reading: Reading,
    ) -> Result<Vec<Value>, RowError> {
        if metric.kind == MetricKind::Quantile {
            return Ok(Vec::new());
        }
        let mut days = book::pictures(&*shared.store, &self.document.key)?;
        days.insert(rows::day(shared.clock.now()), self.sums.clone());
        let told = days.into_iter().map(|(day, sums)| {
            let told = (&sums, sums.tallies.get(&metric.id));
            let read = self.read_out(metric, told, None, reading);
            json!({"at": rows::end_of_day(day).min(shared.clock.now()), "arms": read.arms})
        });
        Ok(told.collect())
    }

    /// How many were exposed to each arm, and what share of them should have been.
    pub(super) fn exposed(&self) -> Vec<Value> {
        let total: u64 = self.arms.iter().map(|arm| self.sums.units(arm)).sum();
        let arms = self.arms.iter().enumerate().map(|(place, arm)| {
            let units = self.sums.units(arm);
            #[expect(clippy::cast_precision_loss, reason = "a share is for reading")]
            let share = if total == 0 { 0.0 } else { units as f64 / total as f64 };
            let planned = self.planned(arm);
            json!({
                "arm": arm.to_string(),
                "name": name(&self.document, arm),
                "is_control": place == 0,
                "units": units,
                "share": share,
                "planned_share": planned,
            })
        });
        arms.collect()
    }

    /// The share of units that an arm should have: by weight, or where policies divided them by the shares that each
    /// had, as many units as it divided.
    fn planned(&self, arm: &Arm) -> Option<f64> {
        if !self.sums.is_stratified() {
            return weight(&self.document, arm);
        }
        let (mut total, mut planned) = (0.0, 0.0);
        for ((_, version, stratum), count) in &self.sums.exposed {
            #[expect(clippy::cast_precision_loss, reason = "a share is for reading")]
            let units = count.units as f64;
            total += units;
            planned += units * self.planned_in(arm, *version, *stratum).unwrap_or_default();
        }
        (0.0 < total).then(|| planned / total)
    }

    /// The share that an arm should have of the units of a stratum; `None` of a shared holdout, or where the
    /// definition or policy is no longer there.
    fn planned_in(&self, arm: &Arm, version: u64, stratum: Stratum) -> Option<f64> {
        let document = self.versions.get(&version)?;
        match stratum.epoch() {
            None => weight(document, arm),
            Some(epoch) => share(document, self.policies.get(&epoch)?, stratum.cell, arm),
        }
    }

    /// Tests the split of each version by itself.
    pub(crate) fn split(&self) -> SplitResult {
        let strata: BTreeSet<(u64, Stratum)> =
            self.sums.exposed.keys().map(|(_, version, stratum)| (*version, *stratum)).collect();
        let of_stratum = |(version, stratum): (u64, Stratum)| {
            let arms = self.arms.iter().filter_map(|arm| {
                let planned = self.planned_in(arm, version, stratum)?;
                Some((self.sums.exposed_in(arm, version, stratum), planned))
            });
            Stretch { arms: arms.collect() }
        };
        let stretches = strata.into_iter().map(of_stratum);
        let stretches: Vec<Stretch> =
            stretches.filter(|stretch| !stretch.arms.is_empty()).collect();
        test_split(&stretches)
    }

    fn notes(&self, snapshot: &Snapshot, readable: &Readable) -> Vec<String> {
        let mut notes = Vec::new();
        let guardrails = self.document.guardrails.iter();
        for key in guardrails.filter(|key| snapshot.metrics.get(key).is_none()) {
            notes.push(format!("the guardrail `{key}` is not measured, so it stops nothing"));
        }
        if readable.measured < 1.0 {
            notes.push(format!(
                "metrics have changed: {:.0} % of all units have been measured by the new ones so far",
                100.0 * readable.measured
            ));
        }
        if let Some(goal) = self.document.goal.as_ref()
            && snapshot.metrics.get(goal).is_none()
        {
            notes.push(format!("the goal `{goal}` is no live metric, so it is judged by another"));
        }
        let mut weights = self.versions.values().map(plans::weights);
        let first = weights.next();
        // Where they are told apart, only those are compared who were divided alike.
        if weights.any(|weights| Some(weights) != first) && !self.sums.is_stratified() {
            let versions: Vec<String> = self.versions.keys().map(u64::to_string).collect();
            notes.push(format!(
                "variants or their weights changed while units were exposed (versions {}): each version's split is \
                 tested by itself, and if what people do changes with time, arms whose weight changed are not alike",
                versions.join(", ")
            ));
        }
        notes.extend(self.rewritten());
        let unknown: BTreeSet<u64> =
            self.sums.exposed.keys().map(|(_, version, _)| *version).collect();
        if unknown.iter().any(|version| !self.versions.contains_key(version)) {
            notes.push(
                "some units were exposed by a version of the definition that is no longer there"
                    .into(),
            );
        }
        notes
    }
}

impl Experience<'_> {
    /// What is said of variants that showed something else before.
    fn rewritten(&self) -> impl Iterator<Item = String> {
        let mut shown: BTreeMap<&Key, BTreeSet<String>> = BTreeMap::new();
        for variant in self.versions.values().flat_map(|document| &document.variants) {
            let shows = json!([variant.content, variant.editions]).to_string();
            shown.entry(&variant.key).or_default().insert(shows);
        }
        let rewritten = shown.into_iter().filter(|(_, shows)| 1 < shows.len());
        rewritten.map(|(key, _)| {
            format!(
                "what `{key}` shows was changed while units were exposed, and its numbers are of all that it showed: for \
                 numbers of the new content alone, make it a variant or an experience of its own"
            )
        })
    }
}

/// The groups of a breakdown, and the days of a series.
type Details = (Option<Vec<Value>>, Option<Vec<Value>>);

/// The policies that divided somebody, by epoch.
fn policies(shared: &Shared, key: &Key, sums: &Sums) -> BTreeMap<u64, PolicyDocument> {
    let epochs: BTreeSet<u64> =
        sums.exposed.keys().filter_map(|(_, _, stratum)| stratum.epoch()).collect();
    let read = |epoch: u64| {
        let known = shared.registry.get(&*shared.store, Kind::Policy, key, Some(epoch)).ok()?;
        match crate::registry::typed(Kind::Policy, &known.document) {
            Ok(Typed::Policy(policy)) => Some((epoch, *policy)),
            _ => None,
        }
    };
    epochs.into_iter().filter_map(read).collect()
}

pub(super) fn document(document: &model::value::Object) -> Option<ExperienceDocument> {
    match crate::registry::typed(Kind::Experience, document) {
        Ok(Typed::Experience(document)) => Some(*document),
        _ => None,
    }
}

/// All arms that there are or were, the control first. A retired variant that nobody was exposed to is none: the others
/// would wait for it for ever.
fn arms(document: &ExperienceDocument, sums: &Sums) -> Vec<Arm> {
    let is_control = |key: &Key| document.control.as_ref() == Some(key);
    let told = document.variants.iter().filter(|v| 0 < v.weight || is_control(&v.key));
    let variants = told.map(|variant| Arm::Variant(variant.key.clone()));
    let mut arms: Vec<Arm> = variants.collect();
    let holdout = (document.holdout != decision::Share::NONE).then_some(Arm::Holdout);
    for arm in holdout.iter().chain(sums.arms()) {
        if !arms.contains(arm) {
            arms.push(arm.clone());
        }
    }
    let control = control(document, &arms);
    if let Some(place) = arms.iter().position(|arm| Some(arm) == control.as_ref()) {
        let control = arms.remove(place);
        arms.insert(0, control);
    }
    arms
}

/// What others are compared with: the variant that is named, else the first of several, else a holdout.
fn control(document: &ExperienceDocument, arms: &[Arm]) -> Option<Arm> {
    if let Some(key) = &document.control {
        return Some(Arm::Variant(key.clone()));
    }
    let drawn: Vec<_> = document.variants.iter().filter(|variant| 0 < variant.weight).collect();
    match drawn.as_slice() {
        [] | [_] => [Arm::Holdout, Arm::SharedHoldout].into_iter().find(|arm| arms.contains(arm)),
        [first, ..] => Some(Arm::Variant(first.key.clone())),
    }
}

/// The share of units that an arm should get; `None` of a shared holdout, which is no matter of the experience.
fn weight(document: &ExperienceDocument, arm: &Arm) -> Option<f64> {
    let held = f64::from(document.holdout.buckets()) / f64::from(model::hash::BUCKET_COUNT);
    let total: f64 = document.variants.iter().map(|variant| f64::from(variant.weight)).sum();
    match arm {
        Arm::Variant(key) => {
            let variant = document.variants.iter().find(|variant| variant.key == *key);
            let weight = variant.map_or(0.0, |variant| f64::from(variant.weight));
            Some(if total == 0.0 { 0.0 } else { (1.0 - held) * weight / total })
        }
        Arm::Holdout => Some(held),
        Arm::SharedHoldout => None,
    }
}

/// The same where a policy divided the units of a cell.
fn share(
    document: &ExperienceDocument,
    policy: &PolicyDocument,
    cell: u16,
    arm: &Arm,
) -> Option<f64> {
    match arm {
        Arm::Variant(key) => {
            let place = policy.variants.iter().position(|variant| variant == key);
            let shares = policy.cells.get(usize::from(cell))?;
            let share = place.and_then(|place| shares.get(place)).map_or(0.0, |s| s.fraction());
            Some(document.holdout.rest() * share)
        }
        Arm::Holdout | Arm::SharedHoldout => weight(document, arm),
    }
}

fn name(document: &ExperienceDocument, arm: &Arm) -> Option<String> {
    match arm {
        Arm::Variant(key) => {
            document.variants.iter().find(|variant| variant.key == *key)?.name.clone()
        }
        Arm::Holdout | Arm::SharedHoldout => None,
    }
}
