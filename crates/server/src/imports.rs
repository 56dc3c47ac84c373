//! Imports: rows of a file with a permanent watermark, so that no row is ever applied twice.

use axum::{
    Json,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use engine::{
    caller::Caller,
    ingest::{EventVerdict, ImportRows, Item},
    normalise::{self, ConsentReader, Envelope, normalise},
};
use model::{SourceKey, event::Marks};
use serde::Deserialize;

use crate::{app::App, body, error::ApiError};

/// Most rows of one call.
const ROWS_MAX: usize = 5000;
/// The source that imported events carry when the caller names none.
const SOURCE: &str = "import";

/// Says at which row an import continues.
pub(crate) async fn watermark(
    State(app): State<App>,
    Path(digest): Path<String>,
) -> Result<Response, ApiError> {
    let file = checked_digest(digest)?;
    let name = file.clone();
    let watermark = app.read(move |engine| engine.import_watermark(&name)).await?;
    Ok(Json(serde_json::json!({"file": file, "watermark": watermark})).into_response())
}

/// The call without its events, which are taken apart first so that one bad row spoils no other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Around {
    first_row: u64,
    end_row: u64,
    source: Option<SourceKey>,
    #[serde(rename = "events")]
    _events: serde::de::IgnoredAny,
}

/// Applies the next rows of an import, one event each.
pub(crate) async fn rows(
    State(app): State<App>,
    Path(digest): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let file = checked_digest(digest)?;
    // Imports come from our own program, in larger pieces than a client's batches.
    let bytes_max = app.options.decoded_bytes_max;
    let bytes = body::read_up_to(body, &parts.headers, bytes_max, bytes_max).await?;
    let (around, texts) = normalise::split_list(&bytes, "events", ROWS_MAX)
        .map_err(|error| ApiError::invalid(error.to_string()))?;
    let Around { first_row, end_row, source, .. } = body::json(&around)?;
    let rows = u64::try_from(texts.len()).unwrap_or(u64::MAX);
    if first_row.checked_add(rows) != Some(end_row) {
        let detail = format!("rows {first_row} to {end_row} need as many events; there are {rows}");
        return Err(ApiError::fault("/events", detail));
    }
    let source = match source {
        Some(source) => source,
        None => SOURCE.parse().map_err(|error| ApiError::internal(format!("{error}")))?,
    };
    let items = items(&app, &file, first_row, &source, &texts);
    let verdicts = app.engine.import(ImportRows { file, first_row, end_row }, items).await?;
    let is_aside = |verdict: &&EventVerdict| matches!(verdict, EventVerdict::Quarantined { .. });
    let quarantined = verdicts.iter().filter(is_aside).count();
    Ok(Json(serde_json::json!({"watermark": end_row, "quarantined": quarantined})).into_response())
}

fn items(app: &App, file: &str, first_row: u64, source: &SourceKey, texts: &[&[u8]]) -> Vec<Item> {
    let signals = app.engine.consent_signals();
    let received_at = app.engine.now();
    let item = |(row, text): (u64, &&[u8])| {
        // Two equal rows of a file are two events, whichever calls bring them.
        let row = format!("{file}:{row}");
        let envelope = Envelope {
            source,
            received_at,
            judged_at: received_at,
            sent_at: None,
            historical: true,
            marks: Marks::default(),
            kind: None,
            context: None,
            row: Some(&row),
            caller: Caller::default(),
            enricher: &app.options.enricher,
            consent: ConsentReader::of(&signals),
        };
        normalise(text, &envelope)
    };
    (first_row..).zip(texts).map(item).collect()
}

fn checked_digest(digest: String) -> Result<String, ApiError> {
    let sound =
        digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if sound {
        Ok(digest)
    } else {
        Err(ApiError::invalid(
            "a file is named by its BLAKE3 digest: 64 lower-case hexadecimal digits",
        ))
    }
}
