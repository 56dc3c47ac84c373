//! Events that were set aside: list, replay, discard.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use engine::{
    definitions::Token,
    enrich::Caller,
    ingest::{EventVerdict, Item, Rejected},
    normalise::{Envelope, normalise},
};

use crate::{app::App, audiences::audit, error::ApiError, query};

/// Lists events that were set aside, newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let paging: query::Paging = query::parse(&uri)?;
    let limit = paging.limit()?;
    audit(&app, &token, "quarantine.list", "quarantine".to_owned()).await?;
    let page = app.read(move |engine| engine.quarantined(paging.cursor.as_deref(), limit)).await?;
    Ok(Json(page).into_response())
}

/// Judges an event that was set aside once more, and applies it when it is sound now.
pub(crate) async fn replay(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let name = id.clone();
    let kept = app.read(move |engine| engine.quarantined_body(&name)).await?;
    let kept = kept.ok_or_else(|| no_entry(&id))?;
    let verdict = match judged_again(&app, &kept) {
        // Ingesting it would set it aside a second time.
        Item::Rejected(rejected) => {
            EventVerdict::Quarantined { code: rejected.code, detail: rejected.detail }
        }
        sound @ Item::Event(_) => {
            let verdicts = app.engine.ingest(vec![sound]).await?;
            let missing = || ApiError::internal("the engine gave no verdict");
            verdicts.into_iter().next().ok_or_else(missing)?
        }
    };
    if !matches!(verdict, EventVerdict::Quarantined { .. }) {
        app.engine.release_quarantined(&id).await?;
    }
    Ok(Json(verdict).into_response())
}

/// What was kept, in normal form if it is sound now. It triggers nothing: its time has passed.
fn judged_again(app: &App, kept: &Rejected) -> Item {
    let purpose = |key: &str| app.purpose(key);
    let envelope = Envelope {
        source: &kept.source,
        received_at: app.engine.now(),
        sent_at: None,
        historical: true,
        kind: None,
        context: None,
        row: None,
        caller: Caller::default(),
        enricher: &app.options.enricher,
        purpose: &purpose,
    };
    normalise(&kept.body, &envelope)
}

/// Throws an event that was set aside away.
pub(crate) async fn discard(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let name = id.clone();
    let kept = app.read(move |engine| engine.quarantined_body(&name)).await?;
    kept.ok_or_else(|| no_entry(&id))?;
    app.engine.release_quarantined(&id).await?;
    audit(&app, &token, "quarantine.discard", format!("quarantine/{id}")).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn no_entry(id: &str) -> ApiError {
    let id: String = id.chars().take(80).collect();
    ApiError::not_found(format!("quarantined event `{id}`"))
}
