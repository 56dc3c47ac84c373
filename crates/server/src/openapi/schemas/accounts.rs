//! Schemas of accounts.

use model::Value;
use serde_json::json;

use super::{page, time};

/// Accounts and who belongs to them.
pub(super) fn schemas() -> Value {
    let id = json!({"type": "string", "description": "as `groupId` said it"});
    let members = json!({"type": "integer", "description": "how many people belong to it"});
    let count = json!({"type": "integer"});
    json!({
        "Account": {
            "type": "object",
            "required": ["id", "members", "traits", "audiences"],
            "properties": {
                "id": id,
                "members": members,
                "traits": {"type": "object", "additionalProperties": {
                    "type": "object",
                    "required": ["value", "source", "at", "purposes"],
                    "properties": {
                        "value": {},
                        "source": {"type": "string"},
                        "at": time(),
                        "purposes": {"type": "array", "items": {"type": "string"}},
                    },
                }},
                "audiences": {
                    "type": "object",
                    "description": "how many members are in the audiences that conditions ask about",
                    "additionalProperties": {
                        "type": "object",
                        "required": ["inside", "outside", "unknown"],
                        "properties": {"inside": count, "outside": count, "unknown": count},
                    },
                },
            },
        },
        "AccountPage": page(json!({
            "type": "object",
            "required": ["id", "members", "traits"],
            "properties": {
                "id": id,
                "members": members,
                "traits": {"type": "object", "description": "values by name"},
            },
        })),
        "AccountMemberPage": page(json!({
            "type": "object",
            "required": ["profile", "user_id", "role", "at"],
            "properties": {
                "profile": {"type": "string"},
                "user_id": {"type": ["string", "null"]},
                "role": {"type": ["string", "null"]},
                "at": {"type": "string", "format": "date-time", "description": "when it was said last"},
            },
        })),
    })
}
