//! Stopping experiences whose page has changed under them: where a variant surely cannot be shown more often than not,
//! and the experience asks for that, it is paused.

use std::time::Duration;

use decision::{
    changes::Place,
    health::{Counts, Verdict},
};
use model::Key;
use serde_json::json;

use super::{Desk, Live, LookError, Task, stops};
use crate::registry::Because;

/// How often experiences are looked at.
const EVERY: Duration = Duration::from_secs(60);

/// The task.
#[derive(Debug)]
pub(crate) struct Broken;

impl Task for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn look(&mut self, desk: &Desk, live: &Live) -> Result<(), LookError> {
        let Live { key, version, document, .. } = live;
        if !document.stop_on_broken {
            return Ok(());
        }
        let shared = &*desk.shared;
        let health = shared.observation.health(key, *version, shared.clock.now());
        let broken = health.iter().find(|(_, counts)| counts.verdict() == Verdict::Broken);
        let Some((variant, counts)) = broken else { return Ok(()) };
        let snapshot = shared.registry.snapshot();
        let on_page = snapshot.decisions.on_page(key);
        let places = on_page.and_then(|page| page.places.as_deref()).unwrap_or_default();
        let because = reason(variant, counts, places);
        stops::stop(desk, live, because)
    }
}

fn reason(variant: &Key, counts: &Counts, places: &[Place]) -> Because {
    let most = counts.most_missing();
    let place = most.map_or_else(String::new, |(selector, _)| format!(", most often `{selector}`"));
    Because {
        statement: format!(
            "variant `{variant}` could not be shown on {} of {} pages: something that it needs was not \
             found{place}",
            counts.not_found,
            counts.outcomes()
        ),
        // Once it looks at other places, it can be stopped again.
        cause: json!({"variant": variant, "places": places}),
        found: json!(counts),
    }
}
