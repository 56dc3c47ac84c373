//! The routes that hand out everything at once.

use axum::routing::{get, post};
use engine::definitions::Scope;

use super::{Doc, Route, optional, required, scope};
use crate::{backup, export, sql};

/// The rows of a table that a purpose may see.
pub(super) const EXPORT: Route = Route {
    method: "get",
    path: "/api/v1/export/{table}",
    aliases: &[],
    access: scope(Scope::Export),
    handler: || get(export::rows),
    doc: Doc {
        id: "export",
        tag: "export",
        summary: "All rows of a table that a purpose may see, one JSON object on each line; the last has `summary`",
        query: &[
            required("purpose", "string", "what the rows will be used for: a purpose's key"),
            optional("audience", "string", "of memberships: only those of this audience"),
            optional(
                "since",
                "time",
                "of events and decisions: only those at this instant or later",
            ),
            optional("until", "time", "of events and decisions: only those before this instant"),
        ],
        body: None,
        answer: (200, Some("Lines")),
    },
};

/// SQL over the lake.
pub(super) const QUERY: Route = Route {
    method: "post",
    path: "/api/v1/query",
    aliases: &[],
    access: scope(Scope::Export),
    handler: || post(sql::run),
    doc: Doc {
        id: "query",
        tag: "export",
        summary: "SQL over the lake, read only, for a purpose; as JSON, CSV or Arrow",
        query: &[],
        body: Some("Query"),
        answer: (200, Some("QueryAnswer")),
    },
};

/// Everything as it is stored.
pub(super) const BACKUP_ROWS: Route = Route {
    method: "get",
    path: "/api/v1/backup/rows",
    aliases: &[],
    access: scope(Scope::Backup),
    handler: || get(backup::rows),
    doc: Doc {
        id: "backup_rows",
        tag: "operation",
        summary: "All rows of this instant, as `concierge backup` keeps them; personal data stays sealed",
        query: &[],
        body: None,
        answer: (200, Some("Bytes")),
    },
};

/// What it is sealed with.
pub(super) const BACKUP_KEYS: Route = Route {
    method: "get",
    path: "/api/v1/backup/keys",
    aliases: &[],
    access: scope(Scope::BackupKeys),
    handler: || get(backup::keys),
    doc: Doc {
        id: "backup_keys",
        tag: "operation",
        summary: "The keys that the rows are sealed with, as `concierge backup --keys-to` keeps them",
        query: &[],
        body: None,
        answer: (200, Some("Bytes")),
    },
};
