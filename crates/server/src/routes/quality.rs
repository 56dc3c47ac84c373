//! The paths round the quality of what comes in.

use axum::routing::{delete, get, post};
use engine::definitions::Scope;

use super::{CURSOR, Doc, LIMIT, Parameter, Route, optional, scope};
use crate::quarantine;

const SOURCE: Parameter = optional("source", "string", "of this source only");
const CODE: Parameter = optional("code", "string", "with this code only");
const FROM: Parameter = optional("from", "time", "at this instant or later");
const UNTIL: Parameter = optional("until", "time", "before this instant");

/// The routes.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "get",
        path: "/api/v1/quarantine",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(quarantine::list),
        doc: Doc {
            id: "list_quarantine",
            tag: "events",
            summary: "Events that were set aside, newest first",
            query: &[SOURCE, CODE, FROM, UNTIL, CURSOR, LIMIT],
            body: None,
            answer: (200, Some("QuarantinePage")),
        },
    },
    Route {
        method: "delete",
        path: "/api/v1/quarantine",
        aliases: &[],
        access: scope(Scope::EventsWrite),
        handler: || delete(quarantine::discard_all),
        doc: Doc {
            id: "discard_all_quarantined",
            tag: "events",
            summary: "Throw up to 500 events away that were set aside and match",
            query: &[SOURCE, CODE, FROM, UNTIL, CURSOR],
            body: None,
            answer: (200, Some("Discarded")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/quarantine/replay",
        aliases: &[],
        access: scope(Scope::EventsWrite),
        handler: || post(quarantine::replay_all),
        doc: Doc {
            id: "replay_all_quarantined",
            tag: "events",
            summary: "Judge up to 500 events that were set aside and match once more",
            query: &[SOURCE, CODE, FROM, UNTIL, CURSOR],
            body: None,
            answer: (200, Some("Replayed")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/quarantine/{id}",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(quarantine::read),
        doc: Doc {
            id: "get_quarantined",
            tag: "events",
            summary: "One event that was set aside, with what was sent",
            query: &[],
            body: None,
            answer: (200, Some("Quarantined")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/quarantine/{id}/replay",
        aliases: &[],
        access: scope(Scope::EventsWrite),
        handler: || post(quarantine::replay),
        doc: Doc {
            id: "replay_quarantined",
            tag: "events",
            summary: "Judge an event that was set aside once more",
            query: &[],
            body: None,
            answer: (200, Some("Verdict")),
        },
    },
    Route {
        method: "delete",
        path: "/api/v1/quarantine/{id}",
        aliases: &[],
        access: scope(Scope::EventsWrite),
        handler: || delete(quarantine::discard),
        doc: Doc {
            id: "discard_quarantined",
            tag: "events",
            summary: "Throw an event that was set aside away",
            query: &[],
            body: None,
            answer: (204, None),
        },
    },
];
