//! When and why guardrails have stopped an experience, from its versions and the audit log.

use model::{Key, Timestamp, Value, definition::State};

use super::{Desk, GUARDRAILS, Live, LookError};
use crate::{
    audit,
    definitions::{AuditEntry, Definition, DefinitionError, Kind},
    engine::save,
    registry::{Because, STOPPED},
    state::Shared,
};

/// That guardrails have stopped an experience.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stop {
    pub(crate) at: Timestamp,
    /// The version that this made.
    pub(crate) version: u64,
    /// In a sentence.
    pub(crate) because: String,
    /// What tells the reason from others.
    pub(crate) cause: Value,
    /// The numbers.
    pub(crate) found: Value,
}

/// Has the writer pause an experience, unless guardrails have done so for the same cause before: somebody has set it
/// live again then, and knew why.
pub(super) fn stop(desk: &Desk, live: &Live, because: Because) -> Result<(), LookError> {
    let Live { key, version, .. } = live;
    let shared = &*desk.shared;
    if all(shared, key)?.iter().any(|stop| stop.cause == because.cause) {
        return Ok(());
    }
    let statement = because.statement.clone();
    let stopped = save::stop_experience(&desk.jobs, (key, *version), because)?;
    // Where somebody saved it meanwhile, the next round looks at what they made of it.
    if stopped.version == version + 1 {
        shared.metrics.watch.stopped.inc();
        let because = statement;
        tracing::warn!(experience = %key, because, "an experience was stopped by its guardrails");
    }
    Ok(())
}

/// All stops of an experience that are still known, newest first.
pub(crate) fn all(shared: &Shared, key: &Key) -> Result<Vec<Stop>, DefinitionError> {
    let versions = shared.registry.versions(&*shared.store, Kind::Experience, key)?;
    let mut stops = Vec::new();
    for version in versions.iter().filter(|version| is_stop(version)) {
        stops.extend(of_version(shared, key, version)?);
    }
    Ok(stops)
}

/// The stop since which an experience has been paused; `None` where it acts, or was paused by somebody else.
pub(crate) fn current(shared: &Shared, key: &Key) -> Result<Option<Stop>, DefinitionError> {
    let versions = shared.registry.versions(&*shared.store, Kind::Experience, key)?;
    let paused = versions.iter().take_while(|version| version.state == State::Paused);
    match paused.into_iter().find(|version| is_stop(version)) {
        Some(version) => of_version(shared, key, version),
        None => Ok(None),
    }
}

fn is_stop(version: &Definition) -> bool {
    version.state == State::Paused && version.updated_by == GUARDRAILS
}

/// What the audit log says of the version; nothing where an operator's token only has that name.
fn of_version(
    shared: &Shared,
    key: &Key,
    version: &Definition,
) -> Result<Option<Stop>, DefinitionError> {
    let entries = audit::of_instant(&*shared.store, version.updated_at)
        .map_err(|error| DefinitionError::Unavailable(error.to_string()))?;
    let subject = format!("{}/{key}", Kind::Experience.plural());
    let is_it = |entry: &AuditEntry| entry.action == STOPPED && entry.subject == subject;
    let Some(entry) = entries.into_iter().find(is_it) else { return Ok(None) };
    let change = entry.change.unwrap_or_default();
    let part = |name: &str| change.get(name).cloned().unwrap_or_default();
    Ok(Some(Stop {
        at: entry.at,
        version: version.version,
        because: part("because").as_str().unwrap_or_default().to_owned(),
        cause: part("cause"),
        found: part("found"),
    }))
}
