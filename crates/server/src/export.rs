//! Exports: all rows of a table that a purpose may see, streamed as JSON Lines.

use std::{ops::ControlFlow, sync::Arc};

use axum::{
    Extension,
    extract::{Path, State},
    http::Uri,
    response::Response,
};
use engine::{
    definitions::{Kind, Token},
    export::{ExportRequest, Table},
};
use model::{Key, Purpose, Timestamp};
use serde::Deserialize;

use crate::{
    app::App,
    audiences::audit,
    error::ApiError,
    profiles::sight,
    query,
    streamed::{self, Sink},
};

/// Lines are sent together once they take so many bytes.
const PIECE_BYTES: usize = 256 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    purpose: String,
    audience: Option<Key>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// Sends the rows of a table, and at the end what was left out.
pub(crate) async fn rows(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let table =
        Table::parse(&name).ok_or_else(|| ApiError::not_found(format!("table `{name}`")))?;
    let Asked { purpose: purpose_key, audience, since, until } = query::parse(&uri)?;
    let purpose = purpose(&app, &purpose_key)?;
    if let Some(audience) = &audience {
        if table != Table::Memberships {
            return Err(ApiError::invalid("`audience` is for memberships only"));
        }
        app.engine.definition(Kind::Audience, audience, None)?;
    }
    if (since.is_some() || until.is_some()) && !matches!(table, Table::Events | Table::Decisions) {
        return Err(ApiError::invalid("`since` and `until` are for events and decisions only"));
    }
    let sight = sight(&token);
    let subject = format!("{name} for {purpose_key}");
    audit(&app, &token, "export", subject).await?;
    let request = ExportRequest { table, purpose, audience, since, until, sight };
    streamed::answer(&app, "application/x-ndjson", move |engine, sink| {
        let mut lines = Lines { piece: Vec::with_capacity(2 * PIECE_BYTES), sink };
        let summary = engine.export(&request, &mut |row| lines.push(row))?;
        if let Some(summary) = summary {
            lines.end(&serde_json::json!({"summary": summary}));
        }
        Ok(())
    })
}

/// A purpose that people can grant. Nothing may be exported for the service purpose, which serves checks only.
pub(crate) fn purpose(app: &App, key: &str) -> Result<Purpose, ApiError> {
    let purpose = app.engine.purpose(key).filter(|purpose| *purpose != Purpose::SERVICE);
    purpose.ok_or_else(|| {
        ApiError::invalid(format!("`purpose`: there is no purpose `{key}` that people can grant"))
    })
}

/// Lines on their way.
struct Lines<'a> {
    piece: Vec<u8>,
    sink: &'a mut Sink,
}

impl Lines<'_> {
    fn push(&mut self, row: &impl serde::Serialize) -> ControlFlow<()> {
        if serde_json::to_writer(&mut self.piece, row).is_err() {
            // Writing JSON to memory does not fail; without an end the caller knows that rows are missing.
            return ControlFlow::Break(());
        }
        self.piece.push(b'\n');
        if self.piece.len() < PIECE_BYTES { ControlFlow::Continue(()) } else { self.flush() }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        self.sink.send(std::mem::take(&mut self.piece))
    }

    fn end(&mut self, summary: &impl serde::Serialize) {
        if self.push(summary).is_continue() && !self.piece.is_empty() {
            // Whether anybody takes the last piece changes nothing any more.
            let (ControlFlow::Continue(()) | ControlFlow::Break(())) = self.flush();
        }
    }
}
