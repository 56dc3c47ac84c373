//! The routes of OpenFeature's remote evaluation protocol.

use axum::routing::{get, post};

use super::{Access, Doc, Route, optional};
use crate::ofrep;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "post",
        path: "/ofrep/v1/evaluate/flags",
        aliases: &[],
        access: Access::WriteKeyOrToken,
        handler: || post(ofrep::flags),
        doc: Doc {
            id: "evaluate_flags",
            tag: "flags",
            summary: "All feature flags for somebody, with an ETag (OFREP 0.3); nothing is recorded",
            query: &[
                optional(
                    "flagConfigEtag",
                    "string",
                    "the `etag` of the event that made the client ask; the answer is always of the newest definitions",
                ),
                optional("flagConfigLastModified", "string", "the same of `lastModified`"),
            ],
            body: Some("FlagRequest"),
            answer: (200, Some("Flags")),
        },
    },
    Route {
        method: "post",
        path: "/ofrep/v1/evaluate/flags/{key}",
        aliases: &[],
        access: Access::WriteKeyOrToken,
        handler: || post(ofrep::flag),
        doc: Doc {
            id: "evaluate_flag",
            tag: "flags",
            summary: "One feature flag for somebody (OFREP 0.3); recorded as a decision",
            query: &[],
            body: Some("FlagRequest"),
            answer: (200, Some("Flag")),
        },
    },
    Route {
        method: "get",
        path: "/ofrep/v1/events",
        aliases: &[],
        access: Access::WriteKeyOrToken,
        handler: || get(ofrep::events),
        doc: Doc {
            id: "flag_events",
            tag: "flags",
            summary: "Server-sent events that say when to evaluate anew",
            query: &[optional("writeKey", "string", "the write key, unless it comes in a header")],
            body: None,
            answer: (200, Some("EventStream")),
        },
    },
];
