//! The path of previews.

use axum::routing::post;
use engine::definitions::Scope;

use super::{Doc, Route, scope};
use crate::previews;

pub(super) const ROUTES: &[Route] = &[Route {
    method: "post",
    path: "/api/v1/previews",
    aliases: &[],
    access: scope(Scope::DefinitionsRead),
    handler: || post(previews::sign),
    doc: Doc {
        id: "sign_preview",
        tag: "decisions",
        summary: "A link to look at drafts and variants, as anybody; as a profile it needs `profiles:read`",
        query: &[],
        body: Some("NewPreview"),
        answer: (201, Some("SignedPreview")),
    },
}];
