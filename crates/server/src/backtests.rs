//! Backtests: what a draft would have decided, streamed while it is found out.

use std::{ops::ControlFlow, sync::Arc};

use axum::{
    Extension,
    extract::{Path, Request, State},
    response::Response,
};
use engine::{
    backtest::{BacktestProgress, BacktestRequest},
    definitions::Token,
};
use model::Key;
use serde_json::{Value, json};

use crate::{app::App, audiences::audit, body, error::ApiError, streamed};

/// Looks whether a backtest can be made, and sends how far it is and at last what came out, a JSON object on each line.
///
/// Whoever stops reading cancels it.
pub(crate) async fn run(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(key): Path<Key>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let bytes = body::read(sent, &parts.headers, &app.options).await?;
    let asked: BacktestRequest = body::json(&bytes)?;
    let subject = format!("experiences/{key}");
    let plan = app.read(move |engine| engine.plan_backtest(&key, asked)).await?;
    audit(&app, &token, "backtest", subject).await?;
    streamed::answer(&app, "application/x-ndjson", move |engine, sink| {
        let mut told = -1.0;
        let result = engine.backtest(&plan, &mut |progress: BacktestProgress| {
            // A hundred lines are enough; between them an empty one finds out whether anybody still reads.
            let is_news = told + 0.01 <= progress.part;
            told = if is_news { progress.part } else { told };
            sink.send(if is_news { line(&json!({"progress": progress})) } else { "\n".into() })
        })?;
        if let Some(result) = result {
            // Whether anybody takes the last line changes nothing any more.
            let (ControlFlow::Continue(()) | ControlFlow::Break(())) =
                sink.send(line(&json!({"result": result})));
        }
        Ok(())
    })
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
