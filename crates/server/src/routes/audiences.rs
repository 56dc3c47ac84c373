//! The paths of audiences beside those that all definitions have.

use axum::routing::{get, post};
use engine::definitions::Scope;

use super::{AT, CURSOR, Doc, LIMIT, Route, required, scope};
use crate::{audiences, ready_made};

/// The routes.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "get",
        path: "/api/v1/audiences/{key}/members",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(audiences::members),
        doc: Doc {
            id: "list_audience_members",
            tag: "audiences",
            summary: "Who is in an audience",
            query: &[AT, CURSOR, LIMIT],
            body: None,
            answer: (200, Some("Members")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/audiences/{key}/explain",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(audiences::explain),
        doc: Doc {
            id: "explain_audience",
            tag: "audiences",
            summary: "Why a person is in an audience, or is not",
            query: &[required("profile", "string", "the person: a profile's id"), AT],
            body: None,
            answer: (200, Some("Explained")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/audiences/{key}/preview",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || post(audiences::preview),
        doc: Doc {
            id: "preview_audience",
            tag: "audiences",
            summary: "How many would be in an audience, told from a sample of all people; those shown need the scope `profiles:read`",
            query: &[],
            body: Some("AudiencePreview"),
            answer: (200, Some("Preview")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/audiences/{key}/edit",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || get(audiences::edit),
        doc: Doc {
            id: "get_audience_edit",
            tag: "audiences",
            summary: "How far the newest version has been computed, and whom it would let in and out; \
                      those shown need the scope `profiles:read`",
            query: &[LIMIT],
            body: None,
            answer: (200, Some("AudienceEdit")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/audiences/{key}/edit/switch",
        aliases: &[],
        access: scope(Scope::DefinitionsPublish),
        handler: || post(audiences::switch),
        doc: Doc {
            id: "switch_audience",
            tag: "audiences",
            summary: "Let the newest version act, once it has been computed for everyone",
            query: &[],
            body: None,
            answer: (200, Some("SavedAudience")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/ready_made_audiences",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || get(ready_made::list),
        doc: Doc {
            id: "list_ready_made_audiences",
            tag: "audiences",
            summary: "Audiences that most ask for, with what can be set about them",
            query: &[],
            body: None,
            answer: (200, Some("ReadyMadePage")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/ready_made_audiences/{key}/draft",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || post(ready_made::draft),
        doc: Doc {
            id: "draft_ready_made_audience",
            tag: "audiences",
            summary: "The documents of a ready-made audience, to be previewed, changed and saved",
            query: &[],
            body: Some("ReadyMadeFilling"),
            answer: (200, Some("ReadyMadeDraft")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/ready_made_audiences/{key}/save",
        aliases: &[],
        access: scope(Scope::DefinitionsWrite),
        handler: || post(ready_made::save),
        doc: Doc {
            id: "save_ready_made_audience",
            tag: "audiences",
            summary: "Save a ready-made audience as an ordinary one, with the computed traits it needs",
            query: &[],
            body: Some("ReadyMadeFilling"),
            answer: (201, Some("SavedAudience")),
        },
    },
];
