//! Schemas of what changes who is who.

use model::Value;
use serde_json::json;

use super::{page, reference, time};

pub(super) fn schemas() -> Value {
    json!({
        "Split": {
            "type": "object",
            "description": "either `identifiers`, which are somebody else's, or `all`",
            "additionalProperties": false,
            "properties": {
                "identifiers": {
                    "type": "array", "items": reference("Identifier"), "minItems": 1, "maxItems": 1000,
                },
                "all": {"const": true, "description": "take everything that was merged apart"},
            },
        },
        "Identifier": {
            "type": "object",
            "required": ["type", "value"],
            "additionalProperties": false,
            "properties": {
                "type": {
                    "type": "string",
                    "description": "user_id, anonymous_id, email, phone, device_id or external:<name>",
                },
                "value": {"type": "string", "minLength": 1, "maxLength": 512},
            },
        },
        "ActDone": {
            "type": "object",
            "required": ["act", "profiles"],
            "properties": {
                "act": {"type": "string", "description": "its name, by which it can be taken back"},
                "profiles": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "the people whom it touched, as they are now",
                },
            },
        },
        "Acts": page(json!({
            "type": "object",
            "required": ["id", "at", "actor", "kind", "in_force"],
            "properties": {
                "id": {"type": "string"},
                "at": time(),
                "actor": {"type": "string", "description": "the name of the token"},
                "kind": {"enum": ["split", "merge", "undo"]},
                "in_force": {"type": "boolean", "description": "false once it was taken back"},
                "parts": {
                    "type": "array",
                    "items": {"type": "array", "items": reference("Identifier")},
                    "description": "of a split: identifiers of different parts are different people's",
                },
                "identifiers": {
                    "type": "array",
                    "items": reference("Identifier"),
                    "description": "of a merge: they are one person's",
                },
                "of": {"type": "string", "description": "of an undo: the act that was taken back"},
            },
        })),
    })
}
