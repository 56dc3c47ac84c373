//! What experiences have brought about.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
    http::Uri,
    response::{IntoResponse, Response},
};
use engine::{
    Breakdown, Engine, Method, ResultsQuery,
    definitions::{Page, Token},
    ready_made_metrics,
};
use model::{Key, value::Object};
use serde::Deserialize;

use crate::{app::App, audiences::audit, body, error::ApiError, gate, query};

/// What is asked about an experience.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    metric: Option<Key>,
    method: Option<String>,
    effect: Option<f64>,
    confidence: Option<f64>,
    adjusted: Option<bool>,
    breakdown: Option<String>,
    series: Option<bool>,
}

impl Asked {
    fn query(self) -> Result<ResultsQuery, ApiError> {
        let default = ResultsQuery::default();
        let method = self.method.map(|name| {
            Method::parse(&name).ok_or_else(|| {
                let known: Vec<&str> = Method::ALL.iter().map(|(_, name)| *name).collect();
                ApiError::invalid(format!("`method` is one of {}", known.join(", ")))
            })
        });
        let confidence = self.confidence.unwrap_or(default.confidence);
        let breakdown = self.breakdown.map(|text| {
            let detail = "`breakdown` is `audience:KEY`, `stage:KEY`, `trait:NAME`, or a path into the context such as `device.type`";
            Breakdown::parse(&text).ok_or_else(|| ApiError::invalid(detail))
        });
        Ok(ResultsQuery {
            metric: self.metric,
            method: method.transpose()?,
            effect: self.effect,
            confidence,
            is_adjusted: self.adjusted.unwrap_or(default.is_adjusted),
            breakdown: breakdown.transpose()?,
            has_series: self.series.unwrap_or(default.has_series),
        })
    }
}

/// Lists ready-made metrics, each a document to be saved.
pub(crate) async fn ready_made(uri: Uri) -> Result<Response, ApiError> {
    let query::Nothing {} = query::parse(&uri)?;
    let page =
        Page { items: ready_made_metrics::all().iter().collect::<Vec<_>>(), next_cursor: None };
    Ok(Json(page).into_response())
}

/// The results of an experience.
pub(crate) async fn read(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(key): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let key = experience_key(&key)?;
    let asked: Asked = query::parse(&uri)?;
    let query = asked.query()?;
    if let Some(Breakdown::Trait(name)) = &query.breakdown {
        // Groups are named by what people are.
        let missing = app.engine.trait_scopes(name).iter().find(|scope| !token.allows(**scope));
        if let Some(scope) = missing {
            return Err(gate::missing_scope(*scope));
        }
    }
    let results = app.read(move |engine| engine.results(&key, &query)).await?;
    Ok(Json(results).into_response())
}

/// How an experience fares on pages.
pub(crate) async fn health(
    State(app): State<App>,
    Path(key): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query::Nothing {} = query::parse(&uri)?;
    let key = experience_key(&key)?;
    let health = app.read(move |engine| engine.health(&key)).await?;
    Ok(Json(health).into_response())
}

/// A metric to be tried, and how it is read out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    metric: Object,
    method: Option<String>,
    effect: Option<f64>,
    confidence: Option<f64>,
    adjusted: Option<bool>,
}

/// The results of an experience by a metric that need not be saved. Whoever does not wait for them cancels it, and so
/// does the server when it stops.
pub(crate) async fn tried(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(key): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let key = experience_key(&key)?;
    let (parts, sent) = request.into_parts();
    let bytes = body::read(sent, &parts.headers, &app.options).await?;
    let Tried { metric, method, effect, confidence, adjusted } = body::json(&bytes)?;
    let asked =
        Asked { metric: None, method, effect, confidence, adjusted, breakdown: None, series: None };
    let query = asked.query()?;
    audit(&app, &token, "results.try", format!("experiences/{key}")).await?;
    // It goes with the call: a caller who has gone takes both along.
    let caller = Arc::new(());
    let (waiting, server) = (Arc::downgrade(&caller), app.clone());
    let is_abandoned =
        move || waiting.strong_count() == 0 || server.is_draining.load(Ordering::Relaxed);
    let tried = move |engine: &Engine| engine.try_metric(&key, metric, &query, &is_abandoned);
    let results = app.read(tried).await?;
    drop(caller);
    Ok(Json(results).into_response())
}

/// How the programme of all experiences is read out.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedOfAll {
    confidence: Option<f64>,
}

/// All experiences together.
pub(crate) async fn programme(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let AskedOfAll { confidence } = query::parse(&uri)?;
    let default = ResultsQuery::default();
    let query = ResultsQuery { confidence: confidence.unwrap_or(default.confidence), ..default };
    let programme = app.read(move |engine| engine.programme(&query)).await?;
    Ok(Json(programme).into_response())
}

fn experience_key(text: &str) -> Result<Key, ApiError> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(Key::MAX_BYTES).collect();
        ApiError::not_found(format!("experience `{shown}`"))
    })
}
