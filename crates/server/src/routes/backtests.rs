//! The path of backtests.

use axum::routing::post;
use engine::definitions::Scope;

use super::{Doc, Route, scope};
use crate::backtests;

pub(super) const ROUTES: &[Route] = &[Route {
    method: "post",
    path: "/api/v1/experiences/{key}/backtest",
    aliases: &[],
    access: scope(Scope::DefinitionsRead),
    handler: || post(backtests::run),
    doc: Doc {
        id: "backtest",
        tag: "decisions",
        summary: "What a draft would have decided: one JSON object on each line, `progress` and at last `result`",
        query: &[],
        body: Some("NewBacktest"),
        answer: (200, Some("Lines")),
    },
}];
