//! The paths of previews.

use axum::routing::post;
use engine::definitions::Scope;

use super::{Access, Doc, Route, scope};
use crate::{cors, previews};

pub(super) const ROUTES: &[Route] = &[SIGN, LOOK];

const SIGN: Route = Route {
    method: "post",
    path: "/api/v1/previews",
    aliases: &[],
    access: scope(Scope::DefinitionsRead),
    handler: || post(previews::sign),
    doc: Doc {
        id: "sign_preview",
        tag: "decisions",
        summary: "A link to look at drafts and variants, as anybody; as a profile it needs `profiles:read`, with `debug` `decide`",
        query: &[],
        body: Some("NewPreview"),
        answer: (201, Some("SignedPreview")),
    },
};

const LOOK: Route = Route {
    method: "post",
    path: "/v1/preview",
    aliases: &[],
    access: Access::Open,
    handler: || post(previews::look).options(cors::preflight),
    doc: Doc {
        id: "look_at_preview",
        tag: "decisions",
        summary: "What a preview's link shows, for whoever holds it, and a link to other variants until it ends",
        query: &[],
        body: Some("PreviewLook"),
        answer: (200, Some("PreviewLooked")),
    },
};
