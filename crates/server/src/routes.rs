//! Which paths there are: tables from which the router, the rights and the OpenAPI document are all built.

mod accounts;
mod acts;
mod audiences;
mod backtests;
mod bulk;
mod ofrep;
mod previews;
mod privacy;
mod quality;
mod redirects;
mod results;
mod script;

use axum::{
    extract::{Request, State},
    routing::{MethodRouter, delete, get, post, put},
};
use engine::definitions::Scope;
use model::EventKind;

use crate::{
    app::App,
    audit, decide, definitions, health, imports,
    ingest::{self, Call},
    pixel, profiles, settings, tokens,
};

/// Who may call a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody.
    Open,
    /// Whoever has a source's write key; browsers from any page.
    WriteKey,
    /// The same, or a token with the scope `decide`.
    WriteKeyOrToken,
    /// A token; with the scope where one is named.
    Token(Option<Scope>),
}

/// One method of one path.
pub(crate) struct Route {
    /// Lower-case, as OpenAPI writes it.
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// Other paths that do the same.
    pub(crate) aliases: &'static [&'static str],
    pub(crate) access: Access,
    pub(crate) handler: fn() -> MethodRouter<App>,
    pub(crate) doc: Doc,
}

/// What the document says about a route.
pub(crate) struct Doc {
    pub(crate) id: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    /// Query parameters: name, schema in `openapi::schemas`, description.
    pub(crate) query: &'static [Parameter],
    /// The body's schema, by its name in the document; `Document` stands for that of the path's kind.
    pub(crate) body: Option<&'static str>,
    /// Status and schema of the answer when all is well; `None` for one without body.
    pub(crate) answer: (u16, Option<&'static str>),
}

/// A query parameter.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) required: bool,
    /// JSON Schema type, or `time`.
    pub(crate) kind: &'static str,
}

impl Route {
    /// Every path under which it answers. Paths that foreign clients call also answer with a slash at the end.
    pub(crate) fn all_paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for path in std::iter::once(&self.path).chain(self.aliases) {
            paths.push((*path).to_owned());
            if matches!(self.access, Access::WriteKey | Access::WriteKeyOrToken) {
                paths.push(format!("{path}/"));
            }
        }
        paths
    }
}

const CURSOR: Parameter = Parameter {
    name: "cursor",
    description: "`next_cursor` of the page before",
    required: false,
    kind: "string",
};
const LIMIT: Parameter = Parameter {
    name: "limit",
    description: "items of a page, 1 to 500; 50 when absent",
    required: false,
    kind: "integer",
};
const AT: Parameter = Parameter {
    name: "at",
    description: "the instant to look at; now when absent",
    required: false,
    kind: "time",
};
const PAGE: &[Parameter] = &[CURSOR, LIMIT];

const fn optional(name: &'static str, kind: &'static str, description: &'static str) -> Parameter {
    Parameter { name, description, required: false, kind }
}

const fn required(name: &'static str, kind: &'static str, description: &'static str) -> Parameter {
    Parameter { name, description, required: true, kind }
}

const fn scope(scope: Scope) -> Access {
    Access::Token(Some(scope))
}

/// An ingest route.
const fn events(
    path: &'static str,
    aliases: &'static [&'static str],
    handler: fn() -> MethodRouter<App>,
    doc: (&'static str, &'static str, &'static str),
) -> Route {
    let (id, summary, body) = doc;
    let doc = Doc {
        id,
        tag: "events",
        summary,
        query: &[],
        body: Some(body),
        answer: (200, Some("Accepted")),
    };
    Route { method: "post", path, aliases, access: Access::WriteKey, handler, doc }
}

macro_rules! ingest {
    ($call:expr) => {
        || post(|State(app): State<App>, request: Request| ingest::handle(app, request, $call))
    };
}

const DATA: Parameter = optional(
    "data",
    "string",
    "the event as JSON in base64, standard or URL-safe; without it, each parameter is a member of the event, \
     and a dot in its name leads one level down",
);
const WRITE_KEY: Parameter =
    optional("writeKey", "string", "the write key, unless it stands in the event");

/// An ingest route that answers with an image.
const fn image(
    path: &'static str,
    aliases: &'static [&'static str],
    handler: fn() -> MethodRouter<App>,
    doc: (&'static str, &'static str),
) -> Route {
    let (id, summary) = doc;
    let query = &[DATA, WRITE_KEY];
    let doc = Doc { id, tag: "events", summary, query, body: None, answer: (200, Some("Gif")) };
    Route { method: "get", path, aliases, access: Access::WriteKey, handler, doc }
}

macro_rules! pixel {
    ($kind:expr) => {
        || get(|State(app): State<App>, request: Request| pixel::handle(app, request, $kind))
    };
}

/// Every route. Where two paths could match a call, the one with fewer parameters does.
pub(crate) fn all() -> impl Iterator<Item = &'static Route> {
    [
        ROUTES,
        accounts::ROUTES,
        acts::ROUTES,
        audiences::ROUTES,
        backtests::ROUTES,
        ofrep::ROUTES,
        quality::ROUTES,
        redirects::ROUTES,
        previews::ROUTES,
        privacy::ROUTES,
        results::ROUTES,
        script::ROUTES,
    ]
    .into_iter()
    .flatten()
}

/// The routes that have no table of their own.
const ROUTES: &[Route] = &[
    events(
        "/v1/track",
        &["/v1/t"],
        ingest!(Call::Single(EventKind::Track)),
        ("track", "Something a person did", "Event"),
    ),
    events(
        "/v1/identify",
        &["/v1/i"],
        ingest!(Call::Single(EventKind::Identify)),
        ("identify", "Who the person is", "Event"),
    ),
    events(
        "/v1/page",
        &["/v1/p"],
        ingest!(Call::Single(EventKind::Page)),
        ("page", "A web page was seen", "Event"),
    ),
    events(
        "/v1/screen",
        &["/v1/s"],
        ingest!(Call::Single(EventKind::Screen)),
        ("screen", "A screen of an app was seen", "Event"),
    ),
    events(
        "/v1/group",
        &["/v1/g"],
        ingest!(Call::Single(EventKind::Group)),
        ("group", "The person belongs to an account", "Event"),
    ),
    events(
        "/v1/alias",
        &["/v1/a"],
        ingest!(Call::Single(EventKind::Alias)),
        ("alias", "Two identifiers are one person", "Event"),
    ),
    events(
        "/v1/batch",
        &["/v1/b", "/beacon/v1/batch"],
        ingest!(Call::Batch),
        ("batch", "Several events at once", "Batch"),
    ),
    events(
        "/v1/import",
        &[],
        ingest!(Call::Historical),
        ("import", "Events that happened long ago: applied in full, they trigger nothing", "Batch"),
    ),
    image(
        "/v1/pixel/track",
        &["/pixel/v1/track"],
        pixel!(EventKind::Track),
        ("pixel_track", "An image that, loaded, is a track call"),
    ),
    image(
        "/v1/pixel/identify",
        &[],
        pixel!(EventKind::Identify),
        ("pixel_identify", "An image that, loaded, is an identify call"),
    ),
    image(
        "/v1/pixel/page",
        &["/pixel/v1/page"],
        pixel!(EventKind::Page),
        ("pixel_page", "An image that, loaded, is a page call"),
    ),
    image(
        "/v1/pixel/screen",
        &[],
        pixel!(EventKind::Screen),
        ("pixel_screen", "An image that, loaded, is a screen call"),
    ),
    image(
        "/v1/pixel/group",
        &[],
        pixel!(EventKind::Group),
        ("pixel_group", "An image that, loaded, is a group call"),
    ),
    image(
        "/v1/pixel/alias",
        &[],
        pixel!(EventKind::Alias),
        ("pixel_alias", "An image that, loaded, is an alias call"),
    ),
    Route {
        method: "get",
        path: "/v1/projects/{write_key}/settings",
        aliases: &[],
        access: Access::WriteKey,
        handler: || get(settings::segment),
        doc: Doc {
            id: "segment_settings",
            tag: "events",
            summary: "What the Segment browser client fetches before it starts",
            query: &[],
            body: None,
            answer: (200, Some("Foreign")),
        },
    },
    Route {
        method: "get",
        path: "/sourceConfig",
        aliases: &[],
        access: Access::WriteKey,
        handler: || get(settings::rudder),
        doc: Doc {
            id: "rudder_source_config",
            tag: "events",
            summary: "What the RudderStack browser client fetches before it starts",
            query: &[optional("writeKey", "string", "the write key, unless it comes as Basic")],
            body: None,
            answer: (200, Some("Foreign")),
        },
    },
    Route {
        method: "post",
        path: "/v1/decide",
        aliases: &[],
        access: Access::WriteKeyOrToken,
        handler: || post(decide::handle),
        doc: Doc {
            id: "decide",
            tag: "decisions",
            summary: "What to show to somebody, and why",
            query: &[],
            body: Some("DecideRequest"),
            answer: (200, Some("DecideAnswer")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/{kind}",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || get(definitions::list),
        doc: Doc {
            id: "list",
            tag: "definitions",
            summary: "Definitions in key order",
            query: PAGE,
            body: None,
            answer: (200, Some("DefinitionPage")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/{kind}/{key}",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || get(definitions::read),
        doc: Doc {
            id: "get",
            tag: "definitions",
            summary: "One definition, with its ETag",
            query: &[optional("version", "integer", "an older version; the newest when absent")],
            body: None,
            answer: (200, Some("Definition")),
        },
    },
    Route {
        method: "put",
        path: "/api/v1/{kind}/{key}",
        aliases: &[],
        access: scope(Scope::DefinitionsWrite),
        handler: || put(definitions::save),
        doc: Doc {
            id: "put",
            tag: "definitions",
            summary: "Save a document as a new version; saving what is there already makes none",
            query: &[optional(
                "switch",
                "string",
                "of a live audience, when the new version comes to act: `auto`, once it has been computed for everyone \
                 (the default); `manual`, once somebody asks for it then; `now`",
            )],
            body: Some("Document"),
            answer: (200, Some("Definition")),
        },
    },
    Route {
        method: "delete",
        path: "/api/v1/{kind}/{key}",
        aliases: &[],
        access: scope(Scope::DefinitionsWrite),
        handler: || delete(definitions::delete),
        doc: Doc {
            id: "delete",
            tag: "definitions",
            summary: "Delete a definition that nothing live refers to",
            query: &[],
            body: None,
            answer: (204, None),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/{kind}/{key}/versions",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || get(definitions::versions),
        doc: Doc {
            id: "list_versions",
            tag: "definitions",
            summary: "All versions of a definition, newest first",
            query: &[],
            body: None,
            answer: (200, Some("DefinitionPage")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/{kind}/{key}/state",
        aliases: &[],
        access: scope(Scope::DefinitionsPublish),
        handler: || post(definitions::set_state),
        doc: Doc {
            id: "set_state",
            tag: "definitions",
            summary: "Change the state of a definition and nothing else",
            query: &[],
            body: Some("NewState"),
            answer: (200, Some("Definition")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/{kind}/{key}/check",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || post(definitions::check),
        doc: Doc {
            id: "check",
            tag: "definitions",
            summary: "Check a document as saving would, and save nothing",
            query: &[],
            body: Some("Document"),
            answer: (200, Some("Sound")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/schemas/{kind}",
        aliases: &[],
        access: Access::Token(None),
        handler: || get(definitions::schema),
        doc: Doc {
            id: "get_schema",
            tag: "definitions",
            summary: "The JSON Schema of a kind's documents",
            query: &[],
            body: None,
            answer: (200, Some("Foreign")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/traits/usage",
        aliases: &[],
        access: scope(Scope::DefinitionsRead),
        handler: || get(definitions::trait_usage),
        doc: Doc {
            id: "list_trait_usage",
            tag: "definitions",
            summary: "Which definitions use which trait; one without use or definition is `unused`",
            query: PAGE,
            body: None,
            answer: (200, Some("TraitUsagePage")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/profiles/lookup",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(profiles::lookup),
        doc: Doc {
            id: "lookup_profile",
            tag: "profiles",
            summary: "The profile that holds an identifier",
            query: &[
                required(
                    "type",
                    "string",
                    "the identifier's type: user_id, email, external:crm, …",
                ),
                required("value", "string", "its value"),
            ],
            body: None,
            answer: (200, Some("Profile")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/profiles/{id}",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(profiles::read),
        doc: Doc {
            id: "get_profile",
            tag: "profiles",
            summary: "A profile by its id, or by that of a profile merged into it",
            query: &[],
            body: None,
            answer: (200, Some("Profile")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/profiles/{id}/timeline",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(profiles::timeline),
        doc: Doc {
            id: "list_profile_events",
            tag: "profiles",
            summary: "A person's events, newest first",
            query: PAGE,
            body: None,
            answer: (200, Some("Page")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/profiles/{id}/decisions",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(profiles::decisions),
        doc: Doc {
            id: "list_profile_decisions",
            tag: "profiles",
            summary: "A person's recorded decisions, newest first",
            query: PAGE,
            body: None,
            answer: (200, Some("Page")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/profiles/{id}/explain",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(profiles::explain),
        doc: Doc {
            id: "explain_profile",
            tag: "profiles",
            summary: "What a person would see, and why; nothing is recorded",
            query: &[
                optional("placement", "string", "one key or several, separated by commas"),
                AT,
                optional("url", "string", "the page they are on"),
            ],
            body: None,
            answer: (200, Some("DecideAnswer")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/imports/{digest}",
        aliases: &[],
        access: scope(Scope::EventsWrite),
        handler: || get(imports::watermark),
        doc: Doc {
            id: "get_import",
            tag: "imports",
            summary: "The row at which an import continues; 0 for a file not seen before",
            query: &[],
            body: None,
            answer: (200, Some("Watermark")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/imports/{digest}/rows",
        aliases: &[],
        access: scope(Scope::EventsWrite),
        handler: || post(imports::rows),
        doc: Doc {
            id: "import_rows",
            tag: "imports",
            summary: "Apply the next rows of a file together with its watermark",
            query: &[],
            body: Some("ImportRows"),
            answer: (200, Some("Watermark")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/tokens",
        aliases: &[],
        access: scope(Scope::Admin),
        handler: || post(tokens::create),
        doc: Doc {
            id: "create_token",
            tag: "access",
            summary: "Create a token; its secret stands in this answer and nowhere else",
            query: &[],
            body: Some("NewToken"),
            answer: (201, Some("CreatedToken")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/sources/{key}/write_keys",
        aliases: &[],
        access: scope(Scope::Admin),
        handler: || post(tokens::create_write_key),
        doc: Doc {
            id: "create_write_key",
            tag: "access",
            summary: "Give a source one more write key; it stands in this answer and nowhere else",
            query: &[],
            body: None,
            answer: (201, Some("CreatedWriteKey")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/audit",
        aliases: &[],
        access: scope(Scope::Admin),
        handler: || get(audit::list),
        doc: Doc {
            id: "list_audit",
            tag: "access",
            summary: "Who did what, newest first",
            query: PAGE,
            body: None,
            answer: (200, Some("AuditPage")),
        },
    },
    bulk::EXPORT,
    bulk::QUERY,
    bulk::BACKUP_ROWS,
    bulk::BACKUP_KEYS,
    Route {
        method: "get",
        path: "/healthz",
        aliases: &[],
        access: Access::Open,
        handler: || get(health::alive),
        doc: Doc {
            id: "healthz",
            tag: "operation",
            summary: "The process answers",
            query: &[],
            body: None,
            answer: (200, Some("Status")),
        },
    },
    Route {
        method: "get",
        path: "/readyz",
        aliases: &[],
        access: Access::Open,
        handler: || get(health::ready),
        doc: Doc {
            id: "readyz",
            tag: "operation",
            summary: "It can do its work; 503 while it cannot",
            query: &[],
            body: None,
            answer: (200, Some("Status")),
        },
    },
    Route {
        method: "get",
        path: "/metrics",
        aliases: &[],
        access: Access::Open,
        handler: || get(health::metrics),
        doc: Doc {
            id: "metrics",
            tag: "operation",
            summary: "Metrics in the Prometheus text format",
            query: &[],
            body: None,
            answer: (200, Some("Text")),
        },
    },
    Route {
        method: "get",
        path: "/openapi.json",
        aliases: &[],
        access: Access::Open,
        handler: || get(health::openapi),
        doc: Doc {
            id: "openapi",
            tag: "operation",
            summary: "This document",
            query: &[],
            body: None,
            answer: (200, Some("Foreign")),
        },
    },
    Route {
        method: "get",
        path: "/",
        aliases: &[],
        access: Access::Open,
        handler: || get(health::index),
        doc: Doc {
            id: "index",
            tag: "operation",
            summary: "A page for people",
            query: &[],
            body: None,
            answer: (200, Some("Html")),
        },
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn routes_are_unique_and_management_always_needs_a_token() {
        let mut seen = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for route in all() {
            for path in route.all_paths() {
                assert!(seen.insert((route.method, path.clone())), "{} {path} twice", route.method);
                let is_management = path.starts_with("/api/");
                assert_eq!(is_management, matches!(route.access, Access::Token(_)), "{path}");
            }
            assert!(ids.insert(route.doc.id), "{} twice", route.doc.id);
        }
    }
}
