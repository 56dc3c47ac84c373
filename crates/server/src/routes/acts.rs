//! Paths that change who is who.

use axum::routing::{get, post};
use engine::definitions::Scope;

use super::{Doc, Route, scope};
use crate::acts;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "post",
        path: "/api/v1/profiles/{id}/split",
        aliases: &[],
        access: scope(Scope::ProfilesWrite),
        handler: || post(acts::split),
        doc: Doc {
            id: "split_profile",
            tag: "profiles",
            summary: "Take a person apart; it holds whatever is seen later",
            query: &[],
            body: Some("Split"),
            answer: (200, Some("ActDone")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/profiles/{id}/acts",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(acts::list),
        doc: Doc {
            id: "list_profile_acts",
            tag: "profiles",
            summary: "What operators did to a person, newest first",
            query: &[],
            body: None,
            answer: (200, Some("Acts")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/profiles/{id}/acts/{act}/undo",
        aliases: &[],
        access: scope(Scope::ProfilesWrite),
        handler: || post(acts::undo),
        doc: Doc {
            id: "undo_profile_act",
            tag: "profiles",
            summary: "Take an act back; the undo can be taken back as well",
            query: &[],
            body: None,
            answer: (200, Some("ActDone")),
        },
    },
];
