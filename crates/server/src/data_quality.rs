//! Reports on what comes in: sources, events, violations, volumes, traits. None shows what anybody sent.

use axum::{
    Json,
    extract::{Path, State},
    http::Uri,
    response::{IntoResponse, Response},
};
use compact_str::CompactString;
use engine::observation::{EventQuery, VolumeQuery};
use model::SourceKey;
use serde::Deserialize;

use crate::{app::App, error::ApiError, query};

/// Which events, and which page of them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Selection {
    source: Option<SourceKey>,
    event: Option<CompactString>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// The same for volumes, which have a status.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Volumes {
    source: Option<SourceKey>,
    event: Option<CompactString>,
    status: Option<CompactString>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// The statuses that can be asked for.
const STATUSES: [&str; 4] = ["learning", "usual", "unusually_low", "unusually_high"];

/// What each source sent last, what became of it, how late it came.
pub(crate) async fn sources(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    query::parse::<query::Nothing>(&uri)?;
    Ok(Json(app.engine.source_quality()).into_response())
}

/// What the events look like that were seen.
pub(crate) async fn events(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let Selection { source, event, cursor, limit } = query::parse(&uri)?;
    let limit = query::checked_limit(limit)?;
    let query = EventQuery { source, event };
    Ok(Json(app.engine.event_catalogue(&query, cursor.as_deref(), limit)).into_response())
}

/// A draft of an event schema that the events seen fit.
pub(crate) async fn proposal(
    State(app): State<App>,
    Path(event): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Of {
        source: Option<SourceKey>,
    }
    let Of { source } = query::parse(&uri)?;
    let query = EventQuery { source, event: Some(event.as_str().into()) };
    let draft = app.engine.propose_event_schema(&query).ok_or_else(|| {
        let event: String = event.chars().take(80).collect();
        ApiError::not_found(format!("event `{event}` among those seen"))
    })?;
    Ok(Json(draft).into_response())
}

/// What did not fit the tracking plan.
pub(crate) async fn violations(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let Selection { source, event, cursor, limit } = query::parse(&uri)?;
    if source.is_some() {
        return Err(ApiError::invalid(
            "violations are counted by event; their samples name sources",
        ));
    }
    let limit = query::checked_limit(limit)?;
    let page = app.engine.violations(event.as_deref(), cursor.as_deref(), limit);
    Ok(Json(page).into_response())
}

/// How many events came in the last full hour.
pub(crate) async fn volume(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let Volumes { source, event, status, cursor, limit } = query::parse(&uri)?;
    if status.as_deref().is_some_and(|status| !STATUSES.contains(&status)) {
        return Err(ApiError::invalid(format!("`status` is one of {}", STATUSES.join(", "))));
    }
    let limit = query::checked_limit(limit)?;
    let query = VolumeQuery { events: EventQuery { source, event }, status };
    Ok(Json(app.engine.volumes(&query, cursor.as_deref(), limit)).into_response())
}

/// How many people have which trait.
pub(crate) async fn traits(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    query::parse::<query::Nothing>(&uri)?;
    Ok(Json(app.scan(|engine| engine.trait_coverage()).await?).into_response())
}
