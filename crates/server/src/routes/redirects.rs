//! The route by which visitors are led to a variant.

use axum::routing::get;

use super::{Access, Doc, Route, required};
use crate::redirects;

pub(super) const ROUTES: &[Route] = &[Route {
    method: "get",
    path: "/r/{placement}",
    aliases: &[],
    access: Access::WriteKey,
    handler: || get(redirects::follow),
    doc: Doc {
        id: "follow_redirect",
        tag: "decisions",
        summary: "Lead a visitor to the address that is decided for them; what is decided is recorded before",
        query: &[required(
            "writeKey",
            "string",
            "the write key of a public source; all other parameters go along to the address",
        )],
        body: None,
        answer: (302, Some("Redirect")),
    },
}];
