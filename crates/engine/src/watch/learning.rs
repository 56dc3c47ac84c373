//! Learning how to divide the units of experiences whose shares follow what units did.
//!
//! An epoch ends when it has lasted as long as the experience says and every variant has been drawn often enough in it,
//! which does not depend on what its units did. What follows is computed by [`experiment::learn`] from the sums, and
//! saved as the next version of the policy.

use std::{collections::BTreeMap, time::Duration};

use decision::{
    Adaptive, ExperienceDocument, Policy, PolicyDocument, Share, policy::MAX_FEATURES,
    shares_by_weight,
};
use experiment::{
    Arm,
    learn::{Hold, Rule, Seen, is_worth_it},
};
use model::{Key, Timestamp, Value, definition::State};
use serde_json::json;
use stats::policy::beliefs::Linear;

use super::{Desk, Live, LookError, Task, guardrails::is_current};
use crate::{
    definitions::DefinitionError, engine::save, measure::Sums, snapshot::Snapshot, state::Shared,
};

/// How often experiences are looked at.
const EVERY: Duration = Duration::from_secs(60);
/// How many epochs last as long as the experience says; the n-th lasts n/20 times as long from then on.
const USUAL_EPOCHS: u64 = 20;

/// The task.
#[derive(Debug)]
pub(crate) struct Learning;

impl Task for Learning {
    fn name(&self) -> &'static str {
        "learning"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn look(&mut self, desk: &Desk, live: &Live) -> Result<(), LookError> {
        let Live { key, version, document, readable } = live;
        let Some(adaptive) = document.allocation.adaptive() else { return Ok(()) };
        let shared = &*desk.shared;
        let now = shared.clock.now();
        let epoch = Epoch::of(shared, key, document);
        if !is_current(now, readable) || !epoch.is_over(adaptive, now) {
            return Ok(());
        }
        let Some(sums) = readable.experiences.get(key) else { return Ok(()) };
        let snapshot = shared.registry.snapshot_full();
        let known = epoch.shares(document, adaptive);
        let shares = match next(&snapshot, document, sums, &epoch) {
            Ok(shares) if epoch.is_left || is_worth_it(&known, &shares) => shares,
            // Those who come now are not to be taken for those of the first epoch, whose weights may have been others.
            _ if epoch.is_left => known,
            _ => return Ok(()),
        };
        let policy = policy((document, *version), adaptive, &shares, sums);
        match save::learn(&desk.jobs, policy) {
            Ok(saved) => {
                shared.metrics.watch.learned.inc();
                tracing::info!(experience = %key, epoch = saved.version, "shares follow what units did");
                Ok(())
            }
            // Somebody saved the experience meanwhile; the next round looks at what they made of it.
            Err(DefinitionError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The epoch that goes on: since when shares are as they are, by which policy.
struct Epoch {
    /// `None` while weights divide the units.
    policy: Option<(PolicyDocument, u64, Timestamp)>,
    /// There was a policy, and the variants or features are others by now.
    is_left: bool,
}

impl Epoch {
    fn of(shared: &Shared, key: &Key, document: &ExperienceDocument) -> Self {
        let newest = shared.registry.policy(key);
        let is_left = newest.as_ref().is_some_and(|(policy, ..)| !policy.fits(document));
        Self { policy: newest.filter(|_| !is_left), is_left }
    }

    fn number(&self) -> u64 {
        self.policy.as_ref().map_or(0, |(_, version, _)| *version)
    }

    /// Whether it has lasted long enough. Epochs grow longer, so that there are few however long the experience runs:
    /// each has sums of its own.
    fn is_over(&self, adaptive: &Adaptive, now: Timestamp) -> bool {
        self.policy.as_ref().is_none_or(|(_, number, since)| {
            let times = i64::try_from(number / USUAL_EPOCHS).unwrap_or(i64::MAX).max(1);
            adaptive.every.0.saturating_mul(times) <= now.since(*since).0
        })
    }

    /// The shares of the variants that can be drawn, in ten-thousandths, by cell.
    fn shares(&self, document: &ExperienceDocument, adaptive: &Adaptive) -> Vec<Vec<u32>> {
        let cells = match &self.policy {
            Some((policy, ..)) => policy.cells.clone(),
            None => vec![shares_by_weight(document).unwrap_or_default(); cells(adaptive)],
        };
        let drawn = |shares: &Vec<Share>| {
            let shares = document.variants.iter().zip(shares);
            let drawn = shares.filter(|(variant, _)| 0 < variant.weight);
            drawn.map(|(_, share)| share.buckets()).collect()
        };
        cells.iter().map(drawn).collect()
    }
}

fn cells(adaptive: &Adaptive) -> usize {
    1 << adaptive.features.len().min(MAX_FEATURES)
}

/// The variants that can be drawn.
fn drawn(document: &ExperienceDocument) -> Vec<Arm> {
    let drawn = document.variants.iter().filter(|variant| 0 < variant.weight);
    drawn.map(|variant| Arm::Variant(variant.key.clone())).collect()
}

/// The shares that follow from what units did, in ten-thousandths, by cell; or why they stay.
fn next(
    snapshot: &Snapshot,
    document: &ExperienceDocument,
    sums: &Sums,
    epoch: &Epoch,
) -> Result<Vec<Vec<u32>>, String> {
    let (Some(adaptive), Some(goal)) = (document.allocation.adaptive(), &document.goal) else {
        return Err("shares follow nothing".into());
    };
    let metric = snapshot.metrics.get(goal);
    let metric = metric.ok_or_else(|| format!("the goal `{goal}` is no live metric"))?;
    let arms = drawn(document);
    let (exposed, nothing) = (sums.by_stratum(), BTreeMap::new());
    let seen = Seen {
        metric,
        arms: &arms,
        cells: u16::try_from(cells(adaptive)).unwrap_or(u16::MAX),
        exposed: &exposed,
        tallies: sums.tallies.get(&metric.id).unwrap_or(&nothing),
    };
    let rule = rule(adaptive, document, &arms);
    seen.shares(epoch.number(), rule, adaptive.floor.fraction())
        .map_err(|why: Hold| why.to_string())
}

fn rule(adaptive: &Adaptive, document: &ExperienceDocument, arms: &[Arm]) -> Rule {
    let given = |usual: f64| adaptive.exploration.unwrap_or(usual);
    let is_control = |arm: &Arm| document.control.clone().map(Arm::Variant).as_ref() == Some(arm);
    match adaptive.policy {
        Policy::Thompson => Rule::Thompson,
        Policy::TopTwo => Rule::TopTwo(given(0.5)),
        Policy::EpsilonGreedy => Rule::EpsilonGreedy(given(0.1)),
        Policy::Accelerator => {
            Rule::Accelerator(arms.iter().position(is_control).unwrap_or_default())
        }
        Policy::LinTs => Rule::Linear(Linear::Sampling(given(1.0))),
        Policy::LinUcb => Rule::Linear(Linear::Bound(given(1.0))),
    }
}

fn policy(
    (document, version): (&ExperienceDocument, u64),
    adaptive: &Adaptive,
    shares: &[Vec<u32>],
    sums: &Sums,
) -> PolicyDocument {
    let whole = |shares: &Vec<u32>| -> Vec<Share> {
        let mut shares = shares.iter();
        let all = document.variants.iter().map(|variant| {
            let share = if 0 < variant.weight { shares.next().copied() } else { None };
            share.and_then(Share::from_buckets).unwrap_or_default()
        });
        all.collect()
    };
    let arms = drawn(document);
    let told: Vec<String> =
        arms.iter().map(|arm| format!("`{arm}` {} units", sums.units(arm))).collect();
    PolicyDocument {
        key: document.key.clone(),
        state: State::Live,
        experience_version: version,
        metric: document.goal.clone().unwrap_or_else(|| document.key.clone()),
        features: adaptive.features.clone(),
        variants: document.variants.iter().map(|variant| variant.key.clone()).collect(),
        cells: shares.iter().map(whole).collect(),
        because: told.join(", "),
    }
}

/// How the shares of an experience stand, for its results; `None` where they follow nothing.
pub(crate) fn standing(
    shared: &Shared,
    snapshot: &Snapshot,
    document: &ExperienceDocument,
    sums: &Sums,
) -> Option<Value> {
    let adaptive = document.allocation.adaptive()?;
    let epoch = Epoch::of(shared, &document.key, document);
    let shares = epoch.shares(document, adaptive).into_iter().map(|shares| {
        let fractions = drawn(document).into_iter().zip(shares);
        let fractions = fractions.map(|(arm, buckets)| {
            (arm.to_string(), Share::from_buckets(buckets).unwrap_or_default().fraction())
        });
        fractions.collect::<BTreeMap<_, _>>()
    });
    Some(json!({
        "policy": adaptive.policy,
        "features": adaptive.features,
        "epoch": epoch.number(),
        "since": epoch.policy.as_ref().map(|(_, _, since)| *since),
        "because": epoch.policy.as_ref().map(|(policy, ..)| &policy.because),
        "cells": shares.collect::<Vec<_>>(),
        "holds": next(snapshot, document, sums, &epoch).err(),
    }))
}
