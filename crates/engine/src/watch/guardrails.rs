//! Stopping experiences that do harm: where a variant is surely worse than the control by a metric that the experience
//! names as a guardrail, or where the split of traffic is surely wrong and it asks for that, it is paused.
//!
//! Intervals are those that may be looked at at any time, at a level that all guardrails of the experience share, so
//! that one without harm is ever stopped with a chance of at most 5 %, however long it runs. Nothing is stopped before
//! every arm has enough, but of shares by the exact sequence, nor by sums that are behind.

use std::time::Duration;

use experiment::{Harm, Method, Reading, SplitResult, harm};
use model::{Timestamp, definition::Fault};
use serde_json::{Value, json};
use stats::effect::Level;

use super::{Desk, Live, LookError, Task, stops};
use crate::{
    definitions::DefinitionError,
    measure::{Readable, Sums, results::Experience},
    registry::Because,
    state::Shared,
};

/// How often experiences are looked at.
const EVERY: Duration = Duration::from_secs(60);
/// How old sums may be.
const AGE_MAX: model::Duration = model::Duration::seconds(180);

/// The task.
#[derive(Debug)]
pub(crate) struct Guardrails;

impl Task for Guardrails {
    fn name(&self) -> &'static str {
        "guardrails"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn look(&mut self, desk: &Desk, live: &Live) -> Result<(), LookError> {
        let Live { key, document, readable, .. } = live;
        if document.guardrails.is_empty() && !document.stop_on_mismatch {
            return Ok(());
        }
        let shared = &*desk.shared;
        shared.metrics.watch.looks.inc();
        if !is_current(shared.clock.now(), readable) {
            shared.metrics.watch.put_off.inc();
            return Ok(());
        }
        let Some(sums) = readable.experiences.get(key) else { return Ok(()) };
        let Some(because) = reason(shared, live, sums)? else { return Ok(()) };
        stops::stop(desk, live, because)
    }
}

/// Whether sums tell what is so now: everybody was measured by the metrics of now, and not long ago.
pub(super) fn is_current(now: Timestamp, readable: &Readable) -> bool {
    1.0 <= readable.measured && now.since(readable.as_of).0 <= AGE_MAX.0
}

/// Why an experience is to be stopped, if it is.
fn reason(shared: &Shared, live: &Live, sums: &Sums) -> Result<Option<Because>, LookError> {
    let experience = Experience::of(shared, &live.key, sums)?;
    if live.document.stop_on_mismatch {
        let split = experience.split();
        if split.verdict == "mismatch" {
            return Ok(Some(of_split(&split)));
        }
    }
    let snapshot = shared.registry.snapshot_full();
    let level = Level::FIVE_PERCENT.shared(live.document.guardrails.len());
    let reading = Reading::new(Method::Sequential, level);
    for key in &live.document.guardrails {
        let Some(metric) = snapshot.metrics.get(key).filter(|metric| !metric.needs_all_units())
        else {
            // Saving refuses what cannot be measured, so it broke later, and is told among what is broken.
            continue;
        };
        if let Some(harm) = harm(&experience.metric(shared, metric, reading)?) {
            return Ok(Some(of_harm(&harm)?));
        }
    }
    Ok(None)
}

fn of_split(split: &SplitResult) -> Because {
    Because {
        statement: split.statement.clone(),
        cause: json!({"split": "mismatch"}),
        found: json!({"p_value": split.p_value}),
    }
}

fn of_harm(harm: &Harm) -> Result<Because, DefinitionError> {
    let found: Value = serde_json::to_value(harm).map_err(|error| {
        DefinitionError::Invalid(vec![Fault::new("", format!("harm does not encode: {error}"))])
    })?;
    Ok(Because {
        statement: harm.statement.clone(),
        cause: json!({"guardrail": harm.metric, "variant": harm.variant}),
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_are_behind_tell_nothing() {
        let now = Timestamp(1_790_000_000_000);
        let is_current = |seconds: i64, measured: f64| {
            let as_of = now.saturating_sub(model::Duration::seconds(seconds));
            is_current(now, &Readable { as_of, measured, ..Readable::default() })
        };
        assert!(is_current(0, 1.0) && is_current(180, 1.0));
        assert!(!is_current(181, 1.0), "nobody says what happened since");
        assert!(!is_current(0, 0.99), "some are measured by what a metric was before");
    }
}
