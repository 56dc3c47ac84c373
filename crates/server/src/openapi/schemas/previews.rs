//! Schemas of previews: what they show, and the links that carry them.

use model::Value;
use serde_json::json;

use super::{reference, time};

/// What a preview shows, and as whom.
pub(super) fn documents() -> Value {
    json!({
        "PreviewDocument": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "profile": {"type": "string", "description": "the profile as whom is decided"},
                "persona": reference("Persona"),
                "variants": {
                    "type": "object",
                    "description": "the variant to show of each of these experiences",
                    "additionalProperties": {"type": "string"},
                },
                "drafts": {
                    "type": "array",
                    "description": "experiences that take part as if they were live",
                    "items": {"type": "string"},
                    "maxItems": 50,
                },
                "at": time(),
                "debug": {
                    "type": "boolean",
                    "default": false,
                    "description": "whoever has the link may ask for explanations and other variants",
                },
            },
        },
        "Persona": {
            "type": "object",
            "description": "somebody invented, of whom just this is known",
            "additionalProperties": false,
            "properties": {
                "traits": {"type": "object"},
                "events": {"type": "array", "items": {
                    "type": "object",
                    "required": ["event"],
                    "additionalProperties": false,
                    "properties": {
                        "event": {"type": "string"},
                        "ago": {"type": "string", "default": "0s"},
                        "properties": {"type": "object"},
                        "context": {"type": "object"},
                    },
                }},
                "audiences": {"type": "object", "additionalProperties": {"type": "boolean"}},
                "consents": {"type": "object", "additionalProperties": {"type": "boolean"}},
                "country": {"type": "string", "description": "two letters, as in SE"},
            },
        },
    })
}

/// How links are made and looked at.
pub(super) fn links() -> Value {
    json!({
        "NewPreview": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "preview": reference("PreviewDocument"),
                "lasts": {"type": "string", "default": "1h", "description": "at most 7d"},
            },
        },
        "SignedPreview": {
            "type": "object",
            "required": ["token", "expires_at"],
            "properties": {"token": {"type": "string"}, "expires_at": time()},
        },
        "PreviewLook": {
            "type": "object",
            "required": ["preview"],
            "properties": {
                "preview": {"type": "string", "description": "the token of a link"},
                "experiences": {
                    "type": "array",
                    "description": "experiences whose variants to tell as well; links with `debug` only",
                    "items": {"type": "string"},
                    "maxItems": 200,
                },
                "variants": {
                    "type": "object",
                    "description": "variants to show in place of those of the link; links with `debug` only",
                    "additionalProperties": {"type": "string"},
                },
            },
        },
        "PreviewLooked": {
            "type": "object",
            "required": ["preview", "expires_at", "experiences"],
            "properties": {
                "preview": reference("PreviewDocument"),
                "expires_at": time(),
                "experiences": {"type": "array", "items": {
                    "type": "object",
                    "required": ["key", "name", "state", "variants"],
                    "properties": {
                        "key": {"type": "string"},
                        "name": {"type": ["string", "null"]},
                        "state": {"type": "string"},
                        "variants": {"type": "array", "items": {"type": "string"}},
                    },
                }},
                "token": {"type": "string", "description": "of the link to the variants asked for"},
            },
        },
    })
}
