//! The paths round the quality of what comes in.

use axum::routing::{MethodRouter, delete, get, post};
use engine::definitions::Scope;

use super::{CURSOR, Doc, LIMIT, Parameter, Route, optional, scope};
use crate::{app::App, data_quality, live, quarantine};

const SOURCE: Parameter = optional("source", "string", "of this source only");
const CODE: Parameter = optional("code", "string", "with this code only");
const FROM: Parameter = optional("from", "time", "at this instant or later");
const UNTIL: Parameter = optional("until", "time", "before this instant");

const EVENT: Parameter = optional("event", "string", "of this name only");
const STATUS: Parameter = optional(
    "status",
    "string",
    "with this status only: `learning`, `usual`, `unusually_low`, `unusually_high`",
);

/// A report on what comes in.
const fn report(
    path: &'static str,
    handler: fn() -> MethodRouter<App>,
    doc: (&'static str, &'static str, &'static [Parameter], &'static str),
) -> Route {
    let (id, summary, query, answer) = doc;
    let tag = "data quality";
    let doc = Doc { id, tag, summary, query, body: None, answer: (200, Some(answer)) };
    Route { method: "get", path, aliases: &[], access: scope(Scope::EventsRead), handler, doc }
}

/// The routes.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "get",
        path: "/api/v1/live",
        aliases: &[],
        access: scope(Scope::EventsRead),
        handler: || get(live::watch),
        doc: Doc {
            id: "watch_events",
            tag: "events",
            summary: "Events as they come; what they say only with the scope `profiles:read`",
            query: &[
                SOURCE,
                EVENT,
                optional(
                    "verdict",
                    "string",
                    "`accepted`, `duplicate`, `quarantined` or `refused`",
                ),
                optional(
                    "identifier",
                    "string",
                    "with this identifier, as `type:value`; needs the scope `profiles:read`",
                ),
                optional(
                    "one_in",
                    "integer",
                    "one in so many of those that match; all when absent",
                ),
            ],
            body: None,
            answer: (200, Some("EventStream")),
        },
    },
    report(
        "/api/v1/data_quality/sources",
        || get(data_quality::sources),
        (
            "get_source_quality",
            "What each source sent last, what became of it, how late it came, how far its clocks are off",
            &[],
            "SourceQuality",
        ),
    ),
    report(
        "/api/v1/data_quality/events",
        || get(data_quality::events),
        (
            "list_seen_events",
            "The events that were seen and what they look like",
            &[SOURCE, EVENT, CURSOR, LIMIT],
            "SeenEventPage",
        ),
    ),
    report(
        "/api/v1/data_quality/events/{event}/schema",
        || get(data_quality::proposal),
        (
            "propose_event_schema",
            "A draft of an event schema that the events seen fit, to go through and save",
            &[SOURCE],
            "EventSchemaDocument",
        ),
    ),
    report(
        "/api/v1/data_quality/violations",
        || get(data_quality::violations),
        (
            "list_violations",
            "What did not fit the tracking plan, the most frequent first",
            &[EVENT, CURSOR, LIMIT],
            "ViolationPage",
        ),
    ),
    report(
        "/api/v1/data_quality/volume",
        || get(data_quality::volume),
        (
            "list_volumes",
            "How many events came in the last full hour, held against the weeks before",
            &[SOURCE, EVENT, STATUS, CURSOR, LIMIT],
            "VolumePage",
        ),
    ),
    report(
        "/api/v1/data_quality/traits",
        || get(data_quality::traits),
        (
            "get_trait_coverage",
            "How many people have which trait, and how often each source sends it",
            &[],
            "TraitCoverage",
        ),
    ),
    Route {
        method: "get",
        path: "/api/v1/quarantine",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(quarantine::list),
        doc: Doc {
            id: "list_quarantine",
            tag: "events",
            summary: "Events that were set aside, newest first",
            query: &[SOURCE, CODE, FROM, UNTIL, CURSOR, LIMIT],
            body: None,
            answer: (200, Some("QuarantinePage")),
        },
    },
    Route {
        method: "delete",
        path: "/api/v1/quarantine",
        aliases: &[],
        access: scope(Scope::EventsWrite),
        handler: || delete(quarantine::discard_all),
        doc: Doc {
            id: "discard_all_quarantined",
            tag: "events",
            summary: "Throw up to 500 events away that were set aside and match",
            query: &[SOURCE, CODE, FROM, UNTIL, CURSOR],
            body: None,
            answer: (200, Some("Discarded")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/quarantine/replay",
        aliases: &[],
        access: scope(Scope::EventsWrite),
        handler: || post(quarantine::replay_all),
        doc: Doc {
            id: "replay_all_quarantined",
            tag: "events",
            summary: "Judge up to 500 events that were set aside and match once more",
            query: &[SOURCE, CODE, FROM, UNTIL, CURSOR],
            body: None,
            answer: (200, Some("Replayed")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/quarantine/{id}",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(quarantine::read),
        doc: Doc {
            id: "get_quarantined",
            tag: "events",
            summary: "One event that was set aside, with what was sent",
            query: &[],
            body: None,
            answer: (200, Some("Quarantined")),
        },
    },
    Route {
        method: "post",
        path: "/api/v1/quarantine/{id}/replay",
        aliases: &[],
        access: scope(Scope::EventsWrite),
        handler: || post(quarantine::replay),
        doc: Doc {
            id: "replay_quarantined",
            tag: "events",
            summary: "Judge an event that was set aside once more",
            query: &[],
            body: None,
            answer: (200, Some("Verdict")),
        },
    },
    Route {
        method: "delete",
        path: "/api/v1/quarantine/{id}",
        aliases: &[],
        access: scope(Scope::EventsWrite),
        handler: || delete(quarantine::discard),
        doc: Doc {
            id: "discard_quarantined",
            tag: "events",
            summary: "Throw an event that was set aside away",
            query: &[],
            body: None,
            answer: (204, None),
        },
    },
];
