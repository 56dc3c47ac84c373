//! Schemas of what is answered about the quality of what comes in.

use model::Value;
use serde_json::json;

use super::{page, time};

/// Events that were set aside.
pub(super) fn quarantine() -> Value {
    json!({
        "Quarantined": {
            "type": "object",
            "description": "with `body` where it is no sound event, else with `event`",
            "required": ["id", "at", "source", "code", "detail", "received_at"],
            "properties": {
                "id": {"type": "string"},
                "at": time(),
                "source": {"type": "string"},
                "code": {"type": "string"},
                "detail": {"type": "string"},
                "received_at": time(),
                "sent_at": {"type": ["string", "null"], "format": "date-time"},
                "call": {"type": ["string", "null"], "description": "that the path named"},
                "context": {"type": ["object", "null"], "description": "of the batch"},
                "body": {"type": "string", "description": "as sent, cut at 32 KiB"},
                "event": {"type": "object", "description": "in normal form"},
            },
        },
        "QuarantinePage": page(json!({
            "type": "object",
            "required": ["id", "at", "source", "code", "detail"],
            "properties": {
                "id": {"type": "string"},
                "at": time(),
                "source": {"type": "string"},
                "code": {"type": "string"},
                "detail": {"type": "string"},
            },
        })),
        "Replayed": {
            "type": "object",
            "required": ["verdicts", "next_cursor"],
            "properties": {
                "verdicts": {
                    "type": "object",
                    "description": "how many got each verdict",
                    "additionalProperties": {"type": "integer"},
                },
                "next_cursor": {"type": ["string", "null"]},
            },
        },
        "Discarded": {
            "type": "object",
            "required": ["discarded", "next_cursor"],
            "properties": {
                "discarded": {"type": "integer"},
                "next_cursor": {"type": ["string", "null"]},
            },
        },
    })
}

/// Reports.
pub(super) fn reports() -> Value {
    json!({
        "EventStream": {
            "type": "string",
            "description": "server-sent events (`text/event-stream`): `event` with JSON, `lost` with how many were",
        },
        "SourceQuality": {
            "type": "object",
            "required": ["days", "items"],
            "properties": {
                "days": {"type": "integer", "description": "that verdicts, lateness and skew are of"},
                "items": {"type": "array", "items": {"type": "object"}},
            },
        },
        "SeenEventPage": page(json!({
            "type": "object",
            "required": ["source", "event", "received", "looked_at", "properties"],
        })),
        "ViolationPage": page(json!({
            "type": "object",
            "required": ["event", "path", "rule", "events", "samples"],
        })),
        "VolumePage": page(json!({
            "type": "object",
            "required": ["source", "event", "hour", "events", "weeks", "expected", "status"],
        })),
        "TraitCoverage": {
            "type": "object",
            "required": ["people", "items"],
            "properties": {
                "people": {"type": "object"},
                "items": {"type": "array", "items": {"type": "object"}},
            },
        },
    })
}
