//! Schemas of feature flags, as OFREP 0.3 has them.

use model::Value;
use serde_json::json;

use super::reference;

pub(super) fn schemas() -> Value {
    let errors = |codes: &[&str]| {
        json!({
            "type": "object",
            "required": ["errorCode"],
            "properties": {
                "key": {"type": "string"},
                "errorCode": {"enum": codes},
                "errorDetails": {"type": "string"},
            },
        })
    };
    json!({
        "FlagRequest": {
            "type": "object",
            "required": ["context"],
            "properties": {"context": {
                "type": "object",
                "required": ["targetingKey"],
                "description": "identifiers, and the context that conditions ask",
                "properties": {
                    "targetingKey": {"type": "string"},
                    "targetingKeyType": {
                        "type": "string",
                        "default": "user_id",
                        "description": "the type of identifier that the targeting key is, as in a decision request",
                    },
                    "userId": {"type": ["string", "integer", "null"]},
                    "anonymousId": {"type": ["string", "integer", "null"]},
                    "identifiers": {
                        "type": "object",
                        "additionalProperties": {"type": ["string", "integer", "null"]},
                    },
                },
                "additionalProperties": true,
            }},
        },
        "Flag": flag(),
        "FlagFailure": errors(&[
            "PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "FLAG_NOT_FOUND", "GENERAL",
        ]),
        "Flags": flags(),
    })
}

fn flag() -> Value {
    json!({
        "type": "object",
        "required": ["key", "reason", "variant", "metadata"],
        "properties": {
            "key": {"type": "string"},
            "value": {
                "type": ["boolean", "string", "number", "object"],
                "description": "absent: the default of the client's own code",
            },
            "reason": {"enum": ["STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED", "UNKNOWN"]},
            "variant": {
                "type": "string",
                "description": "a variant's key; `holdout` for who is held out, `default` where no experience won",
            },
            "metadata": {
                "type": "object",
                "required": ["decision_id", "decision_reason", "propensity", "definitions_version"],
                "properties": {
                    "decision_id": {"type": "string"},
                    "decision_reason": {"type": "string", "description": "as in `Decision.reason`"},
                    "propensity": {"type": "number"},
                    "definitions_version": {"type": "integer"},
                    "experience": {"type": "string"},
                    "token": {
                        "type": "string",
                        "description": "for the event `Flag Used`; absent where the win is recorded already",
                    },
                },
            },
        },
    })
}

fn flags() -> Value {
    json!({
        "type": "object",
        "required": ["flags", "metadata"],
        "properties": {
            "flags": {
                "type": "array",
                "items": {"oneOf": [reference("Flag"), reference("FlagFailure")]},
            },
            "eventStreams": {"type": "array", "items": {
                "type": "object",
                "required": ["type", "inactivityDelaySec"],
                "properties": {
                    "type": {"const": "sse"},
                    "url": {"type": "string"},
                    "endpoint": {
                        "type": "object",
                        "properties": {"requestUri": {"type": "string"}},
                    },
                    "inactivityDelaySec": {"type": "integer"},
                },
            }},
            "metadata": {
                "type": "object",
                "required": ["definitions_version"],
                "properties": {"definitions_version": {"type": "integer"}},
            },
        },
    })
}
