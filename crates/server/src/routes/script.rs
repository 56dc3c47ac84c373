//! The routes of the scripts that sites put on their pages.

use axum::routing::get;

use super::{Access, Doc, Route};
use crate::script;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "get",
        path: "/sdk/{file}",
        aliases: &[],
        access: Access::WriteKey,
        handler: || get(script::serve),
        doc: Doc {
            id: "browser_script",
            tag: "decisions",
            summary: "The browser's client for a public source: its write key with `.js` after it",
            query: &[],
            body: None,
            answer: (200, Some("Script")),
        },
    },
    Route {
        method: "get",
        path: "/sdk/modules/{file}",
        aliases: &[],
        access: Access::Open,
        handler: || get(script::serve_module),
        doc: Doc {
            id: "browser_module",
            tag: "decisions",
            summary: "A module of the browser's client, such as `consent-banner.js`",
            query: &[],
            body: None,
            answer: (200, Some("Script")),
        },
    },
];
