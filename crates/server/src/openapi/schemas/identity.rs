//! Schemas of what changes who is who.

use model::Value;
use serde_json::json;

use super::{page, reference, time};

pub(super) fn acts() -> Value {
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
                "proposal": {"type": "string", "description": "of a merge: the proposal"},
            },
        })),
    })
}

pub(super) fn proposals() -> Value {
    json!({
        "LargeProfiles": page(json!({
            "type": "object",
            "required": ["profile", "since", "identifiers", "strands", "full"],
            "properties": {
                "profile": {"type": "string"},
                "since": time(),
                "identifiers": {"type": "integer"},
                "strands": {"type": "integer", "description": "pairs of a device and a login"},
                "full": {"type": "boolean", "description": "something was refused for want of room"},
            },
        })),
        "MergeProposals": page(reference("MergeProposal")),
        "MergeProposal": {
            "type": "object",
            "required": ["id", "at", "state", "source", "sides", "evidence"],
            "properties": {
                "id": {"type": "string"},
                "at": time(),
                "state": {
                    "enum": ["open", "accepted", "rejected", "moot"],
                    "description": "moot: they are one person by now, or one of them is gone",
                },
                "source": {"enum": ["rules", "probabilistic"]},
                "sides": {
                    "type": "array",
                    "minItems": 2,
                    "maxItems": 2,
                    "items": {
                        "type": "object",
                        "required": ["profile"],
                        "properties": {
                            "profile": {"type": ["string", "null"]},
                            "type": {"type": "string"},
                            "value": {"type": "string"},
                        },
                    },
                },
                "evidence": {
                    "type": "array",
                    "description": "what both were seen with, and why the rules did not join them",
                    "items": {
                        "type": "object",
                        "required": ["type", "value", "reason"],
                        "properties": {
                            "type": {"type": "string"},
                            "value": {"type": "string"},
                            "reason": {"enum": ["two_known_users", "limit", "large"]},
                        },
                    },
                },
                "score": {"type": "number"},
                "weights": {"type": "object", "additionalProperties": {"type": "number"}},
                "act": {"type": "string", "description": "the act by which it is accepted"},
                "preview": {
                    "type": "array",
                    "items": reference("Profile"),
                    "description": "both sides; when one proposal is read",
                },
            },
        },
    })
}

pub(super) fn new_proposals() -> Value {
    json!({
        "CreatedIdentitySecret": {
            "type": "object",
            "required": ["source", "identity_secret"],
            "properties": {
                "source": {"type": "string"},
                "identity_secret": {"type": "string", "description": "the key of HMAC-SHA-256, as text"},
            },
        },
        "NewMergeProposals": {
            "type": "object",
            "required": ["proposals"],
            "additionalProperties": false,
            "properties": {
                "proposals": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 500,
                    "items": {
                        "type": "object",
                        "required": ["a", "b", "score"],
                        "additionalProperties": false,
                        "properties": {
                            "a": reference("Identifier"),
                            "b": reference("Identifier"),
                            "score": {"type": "number", "minimum": 0, "maximum": 1},
                            "evidence": {
                                "type": "object",
                                "maxProperties": 32,
                                "additionalProperties": {"type": "number"},
                                "description": "how much each comparison speaks for it, by name",
                            },
                        },
                    },
                },
            },
        },
        "HandedIn": {
            "type": "object",
            "required": ["act", "proposals"],
            "properties": {
                "act": {"type": "string"},
                "proposals": {
                    "type": "array",
                    "description": "what became of each",
                    "items": {"enum": [
                        "proposed", "known", "rejected", "one_person", "nobody", "too_many",
                    ]},
                },
            },
        },
    })
}

pub(super) fn reviews() -> Value {
    json!({
        "MergeProposalReview": {
            "type": "object",
            "required": ["proposals"],
            "additionalProperties": false,
            "properties": {
                "verdict": {
                    "enum": ["accept", "reject"],
                    "description": "that of all proposals that have none of their own",
                },
                "proposals": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 100,
                    "items": {
                        "type": "object",
                        "required": ["id"],
                        "additionalProperties": false,
                        "properties": {
                            "id": {"type": "string"},
                            "verdict": {"enum": ["accept", "reject"]},
                        },
                    },
                },
            },
        },
        "MergeProposalsReviewed": {
            "type": "object",
            "required": ["proposals"],
            "properties": {
                "proposals": {
                    "type": "array",
                    "description": "what became of each, in the order of the call",
                    "items": {
                        "type": "object",
                        "required": ["id"],
                        "properties": {
                            "id": {"type": "string"},
                            "state": {"enum": ["accepted", "rejected"]},
                            "act": {
                                "type": "string",
                                "description": "by which it can be taken back; absent if it was so before",
                            },
                            "profiles": {"type": "array", "items": {"type": "string"}},
                            "code": {
                                "enum": ["not_found", "already_decided", "moot", "cannot_merge"],
                                "description": "why it was left as it is",
                            },
                            "detail": {"type": "string"},
                        },
                    },
                },
            },
        },
    })
}
