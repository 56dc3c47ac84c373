//! The paths of results.

use axum::routing::{get, post};
use engine::definitions::Scope;

use super::{Doc, Parameter, Route, optional, scope};
use crate::results;

const METRIC: Parameter =
    optional("metric", "string", "the key of one metric; all that are live when absent");
const METHOD: Parameter = optional(
    "method",
    "string",
    "`sequential`, whose intervals hold however often somebody looks; `msprt`, the same for an `effect` that is looked \
     for; `planned_looks`, as the experience has planned them; `fixed`, for one look; `exact`, of shares with any \
     number of units; as the experience says when absent",
);
const EFFECT: Parameter = optional(
    "effect",
    "number",
    "of `msprt`: the size of effect that is looked for, as a share of the control's value; as the experience or the \
     metric says when absent",
);
const CONFIDENCE: Parameter = optional(
    "confidence",
    "number",
    "how sure intervals are, for all comparisons of a metric together; 0.95 when absent",
);

const ADJUSTED: Parameter = optional(
    "adjusted",
    "boolean",
    "whether what units did before the exposure is taken out; it is when absent",
);
const SERIES: Parameter = optional(
    "series",
    "boolean",
    "whether it is told how the first metric stood at the end of each day",
);
const BREAKDOWN: Parameter = optional(
    "breakdown",
    "string",
    "`audience:KEY`, `stage:KEY`, `trait:NAME` of a trait that the experience has recorded, or a path into the context \
     such as `device.type`, as recorded with the decision; looks at all units. A trait needs the scope \
     `profiles:read`, unless its class is `none`",
);

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "get",
        path: "/api/v1/programme",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || get(results::programme),
        doc: Doc {
            id: "get_programme",
            tag: "results",
            summary: "All experiences together: which won and lost, and what they have brought in money",
            query: &[CONFIDENCE],
            body: None,
            answer: (200, Some("Programme")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/ready_made_metrics",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || get(results::ready_made),
        doc: Doc {
            id: "list_ready_made_metrics",
            tag: "results",
            summary: "Metrics that most ask for, as documents to be saved",
            query: &[],
            body: None,
            answer: (200, Some("ReadyMadeMetricPage")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/experiences/{key}/results",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || get(results::read),
        doc: Doc {
            id: "get_results",
            tag: "results",
            summary: "What an experience has brought about: exposed units, metrics with intervals, and a verdict",
            query: &[METRIC, METHOD, EFFECT, CONFIDENCE, ADJUSTED, BREAKDOWN, SERIES],
            body: None,
            answer: (200, Some("Results")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/experiences/{key}/health",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || get(results::health),
        doc: Doc {
            id: "get_health",
            tag: "results",
            summary: "How an experience has fared on pages for a day: what browsers could show, and what they did not find",
            query: &[],
            body: None,
            answer: (200, Some("Health")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/experiences/{key}/results",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || post(results::tried),
        doc: Doc {
            id: "try_metric",
            tag: "results",
            summary: "The same by a metric that is not saved, computed over the lake",
            query: &[],
            body: Some("TriedMetric"),
            answer: (200, Some("Results")),
        },
    },
];
