//! The paths of people's requests about their own data, and of how long it is kept.

use axum::routing::{get, post};
use engine::definitions::Scope;

use super::{Doc, PAGE, Parameter, Route, scope};
use crate::{privacy, retention};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "post",
        path: "/api/v1/privacy/requests",
        aliases: &[],
        access: scope(Scope::Privacy),
        handler: || post(privacy::file),
        doc: Doc {
            id: "file_privacy_request",
            tag: "privacy",
            summary: "Have somebody's data shown, erased, put right or left alone",
            query: &[],
            body: Some("NewPrivacyRequest"),
            answer: (201, Some("PrivacyRequest")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/privacy/requests",
        aliases: &[],
        access: scope(Scope::Privacy),
        handler: || get(privacy::list),
        doc: Doc {
            id: "list_privacy_requests",
            tag: "privacy",
            summary: "Requests of people about their data, newest first",
            query: PAGE,
            body: None,
            answer: (200, Some("Page")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/privacy/requests/{id}",
        aliases: &[],
        access: scope(Scope::Privacy),
        handler: || get(privacy::read),
        doc: Doc {
            id: "get_privacy_request",
            tag: "privacy",
            summary: "A request, with its receipt once it is done",
            query: &[],
            body: None,
            answer: (200, Some("PrivacyRequest")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/privacy/requests/{id}/document",
        aliases: &[],
        access: scope(Scope::Privacy),
        handler: || get(privacy::document),
        doc: Doc {
            id: "get_privacy_document",
            tag: "privacy",
            summary: "Everything that is held about the people whom a request for access named",
            query: &[],
            body: None,
            answer: (200, Some("PrivacyDocument")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/retention",
        aliases: &[],
        access: scope(Scope::Privacy),
        handler: || get(retention::progress),
        doc: Doc {
            id: "get_retention",
            tag: "privacy",
            summary: "How far the sweep is that removes what is kept no longer",
            query: &[],
            body: None,
            answer: (200, Some("Retention")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/retention/dry_run",
        aliases: &[],
        access: scope(Scope::Privacy),
        handler: || get(retention::dry_run),
        doc: Doc {
            id: "dry_run_retention",
            tag: "privacy",
            summary: "What a retention rule, or all live ones, would remove now",
            query: &[Parameter {
                name: "rule",
                kind: "string",
                description: "the key of a rule, in any state; all live rules when it is absent",
                required: false,
            }],
            body: None,
            answer: (200, Some("RetentionDryRun")),
        },
    },
];
