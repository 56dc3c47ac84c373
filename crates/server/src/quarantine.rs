//! Events that were set aside: list, look at, replay, discard; one, or all that match.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use compact_str::CompactString;
use engine::{
    definitions::{Page, Token},
    ingest::{EventVerdict, Item},
    normalise::normalise_again,
    quarantine::{Entry, Filter},
};
use model::{SourceKey, Timestamp};
use serde::Deserialize;
use serde_json::json;

use crate::{app::App, audiences::audit, error::ApiError, profiles::sight, query};

/// Entries replayed or discarded in one call: as many as a batch of events.
const ENTRIES_MAX: usize = 500;

/// Which entries, and which page of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Selection {
    source: Option<SourceKey>,
    code: Option<CompactString>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    cursor: Option<String>,
    limit: Option<usize>,
}

impl Selection {
    fn parse(uri: &Uri) -> Result<(Filter, Option<String>, Option<usize>), ApiError> {
        let Self { source, code, from, until, cursor, limit } = query::parse(uri)?;
        Ok((Filter { source, code, from, until }, cursor, limit))
    }

    /// For an act on all that match: what is meant must be said.
    fn to_act_on(uri: &Uri) -> Result<(Filter, Option<String>), ApiError> {
        let (filter, cursor, limit) = Self::parse(uri)?;
        if limit.is_some() {
            return Err(ApiError::invalid(format!(
                "one call takes {ENTRIES_MAX} entries; leave out `limit`"
            )));
        }
        if filter.is_empty() {
            return Err(ApiError::invalid("say which: `source`, `code`, `from` or `until`"));
        }
        Ok((filter, cursor))
    }
}

/// Lists events that were set aside, newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let (filter, cursor, limit) = Selection::parse(&uri)?;
    let limit = query::checked_limit(limit)?;
    audit(&app, &token, "quarantine.list", "quarantine".to_owned()).await?;
    let Page { items, next_cursor } = page(&app, filter, cursor, limit).await?;
    let items: Vec<_> = items.into_iter().map(|entry| entry.summary).collect();
    Ok(Json(Page { items, next_cursor }).into_response())
}

/// Shows one event that was set aside, with what was sent.
pub(crate) async fn read(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let entry = entry(&app, &id).await?;
    audit(&app, &token, "quarantine.read", format!("quarantine/{id}")).await?;
    Ok(Json(app.engine.quarantined_document(&entry, sight(&token))).into_response())
}

/// Judges an event that was set aside once more, and applies it when it is sound now.
pub(crate) async fn replay(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let entry = entry(&app, &id).await?;
    audit(&app, &token, "quarantine.replay", format!("quarantine/{id}")).await?;
    let verdicts = judge_again(&app, vec![entry]).await?;
    let missing = || ApiError::internal("the engine gave no verdict");
    Ok(Json(verdicts.into_iter().next().ok_or_else(missing)?).into_response())
}

/// Replays the next events that match, newest first, and counts what became of them.
pub(crate) async fn replay_all(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let (filter, cursor) = Selection::to_act_on(&uri)?;
    audit(&app, &token, "quarantine.replay", "quarantine".to_owned()).await?;
    let Page { items, next_cursor } = page(&app, filter, cursor, ENTRIES_MAX).await?;
    let mut counts =
        BTreeMap::from(["accepted", "duplicate", "quarantined", "refused"].map(|name| (name, 0)));
    for verdict in judge_again(&app, items).await? {
        *counts.entry(verdict.name()).or_default() += 1;
    }
    Ok(Json(json!({"verdicts": counts, "next_cursor": next_cursor})).into_response())
}

/// Discards an event that was set aside.
pub(crate) async fn discard(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let entry = entry(&app, &id).await?;
    audit(&app, &token, "quarantine.discard", format!("quarantine/{id}")).await?;
    app.engine.discard_quarantined(vec![entry.key]).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Discards the next events that match, newest first.
pub(crate) async fn discard_all(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let (filter, cursor) = Selection::to_act_on(&uri)?;
    audit(&app, &token, "quarantine.discard", "quarantine".to_owned()).await?;
    let Page { items, next_cursor } = page(&app, filter, cursor, ENTRIES_MAX).await?;
    let discarded = items.len();
    app.engine.discard_quarantined(items.iter().map(|entry| entry.key).collect()).await?;
    Ok(Json(json!({"discarded": discarded, "next_cursor": next_cursor})).into_response())
}

async fn page(
    app: &App,
    filter: Filter,
    cursor: Option<String>,
    limit: usize,
) -> Result<Page<Entry>, ApiError> {
    app.read(move |engine| engine.quarantined(&filter, cursor.as_deref(), limit)).await
}

async fn entry(app: &App, id: &str) -> Result<Entry, ApiError> {
    let name = id.to_owned();
    let entry = app.read(move |engine| engine.quarantined_entry(&name)).await?;
    entry.ok_or_else(|| {
        let id: String = id.chars().take(80).collect();
        ApiError::not_found(format!("quarantined event `{id}`"))
    })
}

/// The verdicts on entries, in their order. Those that are still unsound stay as they are.
async fn judge_again(app: &App, entries: Vec<Entry>) -> Result<Vec<EventVerdict>, ApiError> {
    let (now, signals) = (app.engine.now(), app.engine.consent_signals());
    let mut verdicts = Vec::with_capacity(entries.len());
    let mut sound = Vec::new();
    for Entry { summary, kept, key } in entries {
        match normalise_again(&summary.source, &kept, now, &app.options.enricher, &signals) {
            Item::Rejected(rejected) => {
                let (code, detail) = (rejected.code, rejected.detail);
                verdicts.push(Some(EventVerdict::Quarantined { code, detail }));
            }
            Item::Event(event) | Item::Replayed(event, _) => {
                verdicts.push(None);
                sound.push(Item::Replayed(event, key));
            }
        }
    }
    let mut applied =
        if sound.is_empty() { Vec::new() } else { app.engine.ingest(sound).await? }.into_iter();
    let missing = || ApiError::internal("the engine gave no verdict");
    verdicts
        .into_iter()
        .map(|verdict| verdict.or_else(|| applied.next()).ok_or_else(missing))
        .collect()
}
