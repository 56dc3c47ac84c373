//! Schemas round audiences: who is in them, how many, and the ready-made ones.

use model::Value;
use serde_json::json;

use super::{page, time};

/// Who is in one, and how many.
pub(super) fn schemas() -> Value {
    json!({
        "AudiencePreview": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "condition": {"description": "absent: that of the saved audience"},
                "computed_traits": {
                    "type": "array",
                    "items": {"type": "object"},
                    "description": "computed traits that the condition names and that are not saved",
                },
                "at": time(),
                "limit": {"type": "integer", "minimum": 1, "maximum": 500},
            },
        },
        "Members": {
            "type": "object",
            "required": ["count", "evaluated", "withheld", "items", "next_cursor"],
            "properties": {
                "count": {"type": "integer"},
                "evaluated": {"type": "integer"},
                "withheld": {"type": "integer"},
                "items": {"type": "array", "items": member()},
                "next_cursor": {"type": ["string", "null"]},
            },
        },
        "Preview": {
            "type": "object",
            "required": ["count", "withheld", "people", "evaluated", "is_exact", "items"],
            "properties": {
                "count": estimate("how many are in it"),
                "withheld": estimate("how many cannot be answered, for want of consent"),
                "people": estimate("how many there are"),
                "evaluated": {"type": "integer", "description": "how many were looked at"},
                "is_exact": {"type": "boolean", "description": "everyone was looked at"},
                "items": {"type": "array", "items": member()},
            },
        },
        "Explained": {
            "type": "object",
            "required": ["profile", "member", "parts"],
            "properties": {
                "profile": {"type": "string"},
                "member": {"enum": ["true", "false", "withheld"]},
                "since": {"type": ["string", "null"], "format": "date-time"},
                "valid_until": {"type": ["string", "null"], "format": "date-time"},
                "parts": {"type": "array", "items": {
                    "type": "object",
                    "required": ["pointer", "text", "truth"],
                    "properties": {
                        "pointer": {"type": "string"},
                        "text": {"type": "string"},
                        "truth": {"enum": ["true", "false", "withheld"]},
                        "valid_until": {"type": "string", "format": "date-time"},
                    },
                }},
            },
        },
    })
}

/// What an edit of a live one comes to.
pub(super) fn edits() -> Value {
    json!({
        "AudienceEdit": {
            "type": "object",
            "required": ["from", "to", "switch", "since", "progress", "difference"],
            "properties": {
                "from": {"type": "integer", "description": "the version that acts"},
                "to": {"type": "integer", "description": "the version that is to act next"},
                "switch": {"enum": ["auto", "manual"]},
                "since": time(),
                "progress": {
                    "type": "object",
                    "required": ["done", "part", "is_complete"],
                    "properties": {
                        "done": {"type": "integer", "description": "how many were looked at, by their devices"},
                        "part": {"type": "number", "minimum": 0, "maximum": 1, "description": "of all"},
                        "is_complete": {"type": "boolean"},
                    },
                },
                "difference": difference(),
            },
        },
    })
}

fn difference() -> Value {
    json!({
        "type": "object",
        "required": ["enter", "leave", "stay", "people", "evaluated", "is_exact", "entering", "leaving"],
        "properties": {
            "enter": estimate("how many would enter"),
            "leave": estimate("how many would leave"),
            "stay": estimate("how many would stay"),
            "people": estimate("how many there are"),
            "evaluated": {"type": "integer", "description": "how many were looked at"},
            "is_exact": {"type": "boolean", "description": "everyone was looked at"},
            "entering": {"type": "array", "items": member()},
            "leaving": {"type": "array", "items": member()},
        },
    })
}

/// The ready-made ones.
pub(super) fn ready_made() -> Value {
    json!({
        "ReadyMadePage": page(json!({
            "type": "object",
            "required": ["key", "name", "description", "parameters"],
            "properties": {
                "key": {"type": "string"},
                "name": {"type": "string"},
                "description": {"type": "string"},
                "parameters": {"type": "array", "items": parameter()},
            },
        })),
        "ReadyMadeFilling": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "parameters": {"type": "object", "description": "by name; those left out have their defaults"},
                "key": {"type": "string", "description": "of the audience; absent: that of the ready-made one"},
                "state": {"enum": ["draft", "live"], "default": "draft"},
                "purpose": {"type": "string", "default": "personalization"},
            },
        },
        "ReadyMadeDraft": {
            "type": "object",
            "required": ["computed_traits", "audience"],
            "properties": {
                "computed_traits": {
                    "type": "array",
                    "items": {"type": "object"},
                    "description": "documents of the computed traits that the condition names",
                },
                "audience": {"type": "object", "description": "the document of the audience"},
            },
        },
    })
}

fn parameter() -> Value {
    json!({
        "type": "object",
        "required": ["name", "description", "type"],
        "properties": {
            "name": {"type": "string"},
            "description": {"type": "string"},
            "type": {"enum": ["duration", "number", "integer", "text", "texts", "choice", "key"]},
            "default": {"description": "absent: it must be set"},
            "least": {"type": ["number", "string"]},
            "greatest": {"type": ["number", "string"]},
            "of": {"type": "array", "items": {"type": "string"}, "description": "the choices"},
            "above": {"type": "string", "description": "another parameter, than which it must be greater"},
        },
    })
}

fn member() -> Value {
    json!({
        "type": "object",
        "required": ["profile"],
        "properties": {
            "profile": {"type": "string"},
            "user_id": {"type": ["string", "null"]},
            "since": {"type": ["string", "null"], "format": "date-time"},
        },
    })
}

/// A number of people with its 95 % interval.
fn estimate(description: &str) -> Value {
    json!({
        "type": "object",
        "description": description,
        "required": ["value", "low", "high"],
        "properties": {
            "value": {"type": "integer"},
            "low": {"type": "integer", "description": "the least of the 95 % interval"},
            "high": {"type": "integer", "description": "the greatest of it"},
        },
    })
}
