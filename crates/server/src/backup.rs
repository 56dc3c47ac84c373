//! Backups: everything as it is stored, streamed to whoever keeps it. No file is written here, so no call names a path.

use std::{ops::ControlFlow, sync::Arc};

use axum::{Extension, extract::State, response::Response};
use engine::definitions::Token;

use crate::{app::App, audiences::audit, error::ApiError, streamed};

const BYTES: &str = "application/octet-stream";

/// Sends all rows of this instant. The last piece says that they are whole.
pub(crate) async fn rows(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
) -> Result<Response, ApiError> {
    audit(&app, &token, "backup.rows", "backup".to_owned()).await?;
    streamed::answer(&app, BYTES, |engine, sink| {
        engine.backup(&mut |piece| sink.send(piece)).map(drop)
    })
}

/// Sends all keys.
pub(crate) async fn keys(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
) -> Result<Response, ApiError> {
    audit(&app, &token, "backup.keys", "keys".to_owned()).await?;
    streamed::answer(&app, BYTES, |engine, sink| {
        let mut pass = |piece: &[u8]| -> ControlFlow<()> { sink.send(piece.to_vec()) };
        engine.copy_keys(&mut pass)
    })
}
