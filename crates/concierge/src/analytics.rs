//! SQL over the lake: the engine's port for it, answered by the query engine over the lake's snapshot.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use engine::{
    Engine,
    analytics::{Analytics, AnalyticsError, Answer, Form, Query},
    archive::{Lake, Snapshot, TableSnapshot},
    consenting::MayBeSeen,
};
use query::{Format, Limits, QueryError, Seen, Source, Sql};

/// Answers queries over a lake.
#[derive(Debug)]
pub(crate) struct LakeQueries {
    engine: Engine,
    lake: Lake,
    sql: Sql,
}

impl LakeQueries {
    /// An engine that puts what does not fit into memory under `dir`.
    pub(crate) fn new(engine: Engine, lake: Lake, dir: &Path) -> Result<Self, QueryError> {
        let limits = Limits { spill: Some(dir.join("spill")), ..Limits::default() };
        let sql = Sql::new(limits, engine::yield_to_requests)?;
        Ok(Self { engine, lake, sql })
    }

    /// The lake's tables as they are now, with what may be seen of them for a purpose.
    fn sources(&self, query: &Query) -> Result<Vec<Source>, AnalyticsError> {
        let failed = |error: engine::EngineError| AnalyticsError::Failed(error.to_string());
        let allowed = self.engine.may_be_seen(query.purpose).map_err(failed)?;
        let snapshot = Arc::new(self.lake.snapshot());
        let source = |table: &TableSnapshot| {
            let name = table.table.name;
            let mut seen = vec![by_text("strand", &allowed, MayBeSeen::strand)];
            match name {
                "events" => seen.push(by_text("purposes", &allowed, MayBeSeen::purposes)),
                "membership_changes" => {
                    seen.push(by_text("audience", &allowed, MayBeSeen::audience));
                }
                _ => {}
            }
            Source {
                table: table.table,
                files: table.files.iter().map(|file| file.path.clone()).collect(),
                kept: kept(name, &snapshot),
                recent: table.tail.clone(),
                seen,
                guard: Some(Arc::clone(&snapshot) as _),
            }
        };
        Ok(snapshot.tables.iter().map(source).collect())
    }
}

fn by_text(
    column: &'static str,
    allowed: &MayBeSeen,
    is_seen: fn(&MayBeSeen, &str) -> bool,
) -> Seen {
    let allowed = allowed.clone();
    Seen::Text(column, Arc::new(move |text| is_seen(&allowed, text)))
}

/// What is left of the rows of a table's files: those that were removed and stand in files until these are rewritten
/// are passed over.
fn kept(table: &str, snapshot: &Arc<Snapshot>) -> Vec<Seen> {
    let mut kept = Vec::new();
    if !snapshot.hidden_strands.is_empty() {
        let hidden = Arc::clone(snapshot);
        let is_kept = move |strand: &str| {
            hidden.hidden_strands.binary_search_by(|one| one.as_str().cmp(strand)).is_err()
        };
        let strand = Seen::Text("strand", Arc::new(is_kept));
        kept.push(if table == "events" && !snapshot.moved_events.is_empty() {
            let moved = Arc::clone(snapshot);
            let is_kept = move |seq| moved.is_moved(seq);
            Seen::Either(vec![strand, Seen::Integer("seq", Arc::new(is_kept))])
        } else {
            strand
        });
    }
    if table == "events" && !snapshot.hidden_events.is_empty() {
        let hidden = Arc::clone(snapshot);
        let is_kept = move |seq| hidden.hidden_events.binary_search(&seq).is_err();
        kept.push(Seen::Integer("seq", Arc::new(is_kept)));
    }
    if matches!(table, "decisions" | "exposures") && !snapshot.hidden_requests.is_empty() {
        let hidden = Arc::clone(snapshot);
        let is_kept = move |request: &str| {
            hidden.hidden_requests.binary_search_by(|one| one.as_str().cmp(request)).is_err()
        };
        kept.push(Seen::Text("request", Arc::new(is_kept)));
    }
    kept
}

impl Analytics for LakeQueries {
    fn start(&self, query: Query) -> Result<Box<dyn Answer>, AnalyticsError> {
        let format = match query.form {
            Form::Json => Format::Json,
            Form::Csv => Format::Csv,
            Form::Arrow => Format::Arrow,
        };
        let sources = self.sources(&query)?;
        let answer = self.sql.start(&query.sql, sources, format).map_err(told)?;
        Ok(Box::new(Pieces(answer)))
    }
}

struct Pieces(query::Answer);

impl Answer for Pieces {
    fn next_piece(&mut self) -> Option<Result<Bytes, AnalyticsError>> {
        self.0.next_piece().map(|piece| piece.map_err(told))
    }
}

fn told(error: QueryError) -> AnalyticsError {
    let text = error.to_string();
    match error {
        QueryError::Sql(_) | QueryError::NotReadOnly(_) | QueryError::Value(_) => {
            AnalyticsError::Query(text)
        }
        QueryError::TooLong { .. }
        | QueryError::TooManyParts { .. }
        | QueryError::Memory { .. }
        | QueryError::Time { .. }
        | QueryError::Answer { .. } => AnalyticsError::Limit(text),
        QueryError::Busy { .. } => AnalyticsError::Busy(text),
        QueryError::Failed(detail) => AnalyticsError::Failed(detail),
        _ => AnalyticsError::Failed(text),
    }
}
