//! Schemas of bodies and answers that are not definitions, written by hand beside the types they describe.

mod accounts;
mod audiences;
mod backtests;
mod flags;
mod identity;
mod previews;
mod quality;
mod results;

use model::{Value, value::Object};
use serde_json::json;

/// A page of `item`s.
pub(super) fn page(item: Value) -> Value {
    json!({
        "type": "object",
        "required": ["items", "next_cursor"],
        "properties": {
            "items": {"type": "array", "items": item},
            "next_cursor": {
                "type": ["string", "null"],
                "description": "give this as `cursor` to continue; null at the end",
            },
        },
    })
}

/// The schemas by name.
pub(super) fn shared() -> Object {
    let all = [
        events(),
        verdicts(),
        imports(),
        decisions(),
        flags::schemas(),
        previews::documents(),
        previews::links(),
        people(),
        accounts::schemas(),
        audiences::schemas(),
        audiences::edits(),
        audiences::ready_made(),
        backtests::schemas(),
        identity::acts(),
        identity::proposals(),
        identity::new_proposals(),
        identity::reviews(),
        privacy(),
        results::schemas(),
        retention(),
        access(),
        operation(),
        sql(),
    ];
    all.into_iter()
        .chain([quality::quarantine(), quality::reports()])
        .flat_map(|group| match group {
            Value::Object(group) => group,
            _ => Object::new(),
        })
        .collect()
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn events() -> Value {
    json!({
        "Event": {
            "type": "object",
            "description": "An event as the Segment tracking specification has it; snake_case names are read too.",
            "properties": {
                "type": {"enum": ["track", "identify", "page", "screen", "group", "alias"]},
                "userId": {"type": ["string", "integer", "null"]},
                "anonymousId": {"type": ["string", "integer", "null"]},
                "previousId": {"type": ["string", "integer", "null"]},
                "groupId": {"type": ["string", "integer", "null"]},
                "event": {"type": "string", "maxLength": 200},
                "name": {"type": ["string", "null"]},
                "category": {"type": ["string", "null"]},
                "messageId": {"type": ["string", "null"], "maxLength": 200},
                "timestamp": time(),
                "originalTimestamp": time(),
                "sentAt": time(),
                "properties": {"type": ["object", "null"]},
                "traits": {"type": ["object", "null"]},
                "context": {"type": ["object", "null"]},
                "writeKey": {"type": "string"},
            },
        },
        "Batch": {
            "type": "object",
            "required": ["batch"],
            "properties": {
                "batch": {"type": "array", "items": reference("Event"), "maxItems": 500},
                "context": {"type": ["object", "null"]},
                "sentAt": time(),
                "writeKey": {"type": "string"},
            },
        },
    })
}

fn verdicts() -> Value {
    json!({
        "Accepted": {
            "type": "object",
            "required": ["success"],
            "properties": {
                "success": {"const": true},
                "events": {
                    "type": "array",
                    "items": reference("Verdict"),
                    "description": "one for each event, with `Prefer: return=representation`",
                },
            },
        },
        "Verdict": {
            "type": "object",
            "required": ["verdict"],
            "properties": {
                "verdict": {"enum": ["accepted", "duplicate", "quarantined", "refused"]},
                "message_id": {"type": ["string", "null"]},
                "code": {"type": "string"},
                "detail": {"type": "string"},
            },
        },
    })
}

fn imports() -> Value {
    json!({
        "ImportRows": {
            "type": "object",
            "required": ["first_row", "end_row", "events"],
            "additionalProperties": false,
            "properties": {
                "first_row": {"type": "integer", "description": "must equal the watermark"},
                "end_row": {"type": "integer", "description": "one past the last row"},
                "source": {"type": "string", "default": "import"},
                "events": {"type": "array", "items": reference("Event"), "maxItems": 5000},
            },
        },
        "Watermark": {
            "type": "object",
            "required": ["watermark"],
            "properties": {
                "watermark": {"type": "integer", "description": "the row to continue at"},
                "file": {"type": "string"},
                "quarantined": {"type": "integer"},
            },
        },
    })
}

fn decisions() -> Value {
    json!({
        "DecideRequest": {
            "type": "object",
            "properties": {
                "identifiers": {
                    "type": "object",
                    "description": "by type: user_id, anonymous_id, email, phone, device_id, external:<name>",
                    "additionalProperties": {"type": ["string", "integer", "null"]},
                    "maxProperties": 20,
                },
                "placements": {
                    "type": ["array", "null"],
                    "items": {"type": "string"},
                    "maxItems": 50,
                    "description": "absent: every placement of the page",
                },
                "context": {"type": ["object", "null"]},
                "explain": {"type": "boolean", "default": false, "description": "for tokens, and previews with `debug`"},
                "record": {"type": "boolean", "default": true},
                "at": time(),
                "preview": {"type": "string", "description": "a signed preview, see `sign_preview`"},
                "write_key": {"type": "string"},
            },
        },
        "DecideAnswer": {
            "type": "object",
            "required": ["decisions", "definitions_version"],
            "properties": {
                "decisions": {"type": "array", "items": reference("Decision")},
                "definitions_version": {"type": "integer"},
                "preview": {"type": "boolean", "description": "decided under a preview, and not recorded"},
                "context": {"type": "object", "description": "the situation as it was completed, with `explain`"},
            },
        },
        "Decision": {
            "type": "object",
            "required": [
                "id", "placement", "experience", "variant", "content", "reason", "propensity",
            ],
            "properties": {
                "id": {"type": "string"},
                "placement": {"type": "string"},
                "experience": {"type": ["string", "null"]},
                "variant": {"type": ["string", "null"]},
                "content": {"type": ["object", "null"]},
                "reason": {"enum": [
                    "targeting_match", "split", "default", "holdout", "no_consent",
                    "frequency_cap", "excluded", "paused", "error",
                ]},
                "propensity": {"type": "number"},
                "places": {
                    "type": "array",
                    "description": "the places of a page that some variant of the experience changes",
                    "items": place(),
                },
                "trigger": trigger(),
                "token": {"type": "string", "description": "return it with exposure events"},
                "unrecorded": {"type": "boolean"},
                "explanation": {"type": "array", "items": {"type": "object"}},
            },
        },
    })
}

/// Where something of a page is.
fn place() -> Value {
    json!({
        "type": "object",
        "required": ["selector"],
        "properties": {
            "selector": {"type": "string"},
            "fallbacks": {"type": "array", "items": {"type": "string"}},
        },
    })
}

/// What a page waits for.
fn trigger() -> Value {
    json!({
        "type": "object",
        "description": "what a page waits for before it shows anything of the experience",
        "required": ["on"],
        "properties": {
            "on": {"enum": ["exit", "scroll", "idle", "delay"]},
            "percent": {"type": "integer", "description": "a share of the page's height"},
            "ms": {"type": "integer", "description": "a time in milliseconds"},
        },
    })
}

fn people() -> Value {
    json!({
        "TraitUsagePage": page(json!({
            "type": "object",
            "required": ["trait", "sensitivity", "used_by", "unused"],
            "properties": {
                "trait": {"type": "string", "description": "its name, as it is sent"},
                "definition": {"type": ["string", "null"], "description": "the key of its live definition"},
                "declared_use": {"type": ["string", "null"]},
                "sensitivity": {"enum": ["none", "personal", "sensitive"]},
                "used_by": {"type": "array", "items": {
                    "type": "object",
                    "required": ["kind", "key"],
                    "properties": {"kind": {"type": "string"}, "key": {"type": "string"}},
                }},
                "unused": {"type": "boolean", "description": "nothing reads it, and no use is declared"},
            },
        })),
        "Profile": {"type": "object"},
        "Page": page(json!({"type": "object"})),
    })
}

fn retention() -> Value {
    let removed = json!({
        "type": "object",
        "required": ["events", "visits", "decisions", "people"],
        "properties": {
            "events": {"type": "integer", "description": "of people who stay"},
            "visits": {"type": "integer"},
            "decisions": {"type": "integer"},
            "people": {"type": "integer", "description": "who are erased"},
        },
    });
    json!({
        "Retention": {
            "type": "object",
            "required": ["round"],
            "properties": {"round": {
                "type": ["object", "null"],
                "description": "the sweep that goes on, else the last one; null when there was none",
                "properties": {
                    "began_at": time(),
                    "ended_at": {"type": ["string", "null"], "format": "date-time"},
                    "strands": {"type": "integer", "description": "how many were looked at"},
                    "removed": removed,
                },
            }},
        },
        "RetentionDryRun": {
            "type": "object",
            "required": ["at", "strands", "unreadable", "removed"],
            "properties": {
                "at": time(),
                "strands": {"type": "integer", "description": "how many were looked at: all"},
                "unreadable": {"type": "integer", "description": "strands that do not read back"},
                "removed": removed,
            },
        },
    })
}

fn hashed_identifier() -> Value {
    json!({
        "type": "object",
        "description": "its type, and a keyed hash of its value",
        "properties": {"type": {"type": "string"}, "hash": {"type": "string"}},
    })
}

fn erasure_in_lake() -> Value {
    json!({
        "type": ["object", "null"],
        "description": "of an erasure, how far it is in the files of the lake",
        "properties": {
            "hidden_at": time(),
            "rewritten_at": {"type": ["string", "null"], "format": "date-time"},
        },
    })
}

fn privacy() -> Value {
    json!({
        "NewPrivacyRequest": {
            "type": "object",
            "required": ["type", "identifier"],
            "additionalProperties": false,
            "properties": {
                "type": {"enum": [
                    "access", "erase", "suppress", "unsuppress", "restrict", "unrestrict", "rectify",
                ]},
                "identifier": {
                    "type": "object",
                    "description": "any identifier of the person",
                    "required": ["type", "value"],
                    "additionalProperties": false,
                    "properties": {"type": {"type": "string"}, "value": {"type": "string"}},
                },
                "traits": {"type": "object", "description": "what `rectify` puts right"},
                "reason": {"type": "string", "maxLength": 500, "description": "in words that name nobody"},
            },
        },
        "PrivacyRequest": {
            "type": "object",
            "required": ["id", "type", "identifier", "state", "counts", "receipt"],
            "properties": {
                "id": {"type": "string"},
                "type": {"type": "string"},
                "identifier": hashed_identifier(),
                "reason": {"type": ["string", "null"]},
                "requested_at": time(),
                "requested_by": {"type": "string"},
                "state": {"enum": ["running", "done"]},
                "counts": {
                    "type": "object",
                    "description": "what was found and done",
                    "additionalProperties": {"type": "integer"},
                },
                "receipt": {
                    "type": ["object", "null"],
                    "description": "`code` is a keyed hash of all that is shown, `previous` that of the receipt before",
                    "properties": {
                        "number": {"type": "integer"},
                        "done_at": time(),
                        "previous": {"type": "string"},
                        "code": {"type": "string"},
                        "verified": {"type": "boolean", "description": "whether `code` is right"},
                    },
                },
                "lake": erasure_in_lake(),
            },
        },
        "PrivacyDocument": {
            "type": "object",
            "properties": {
                "request": reference("PrivacyRequest"),
                "profiles": {"type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "profile": reference("Profile"),
                        "events": {"type": "array", "items": {"type": "object"}},
                        "decisions": {"type": "array", "items": {"type": "object"}},
                    },
                }},
            },
        },
    })
}

fn access() -> Value {
    json!({
        "NewState": {
            "type": "object",
            "required": ["state"],
            "additionalProperties": false,
            "properties": {"state": {"enum": ["draft", "live", "paused", "archived"]}},
        },
        "Sound": {
            "type": "object",
            "required": ["sound"],
            "properties": {"sound": {"const": true}},
        },
        "NewToken": {
            "type": "object",
            "required": ["name", "scopes"],
            "additionalProperties": false,
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 64},
                "scopes": {"type": "array", "minItems": 1, "items": reference("Scope")},
            },
        },
        "CreatedToken": {
            "type": "object",
            "required": ["name", "scopes", "secret"],
            "properties": {
                "name": {"type": "string"},
                "scopes": {"type": "array", "items": reference("Scope")},
                "secret": {"type": "string"},
            },
        },
        "CreatedWriteKey": {
            "type": "object",
            "required": ["source", "write_key"],
            "properties": {"source": {"type": "string"}, "write_key": {"type": "string"}},
        },
        "Scope": {"enum": [
            "admin", "decide", "definitions:read", "definitions:write", "definitions:publish",
            "profiles:read", "events:write", "profiles:write", "events:read",
        ]},
        "AuditPage": page(json!({
            "type": "object",
            "required": ["at", "actor", "action", "subject"],
            "properties": {
                "at": time(),
                "actor": {"type": "string"},
                "action": {"type": "string"},
                "subject": {"type": "string"},
                "change": {},
            },
        })),
    })
}

fn sql() -> Value {
    json!({
        "Query": {
            "type": "object",
            "required": ["sql", "purpose"],
            "additionalProperties": false,
            "properties": {
                "sql": {"type": "string", "description": "one statement that reads"},
                "purpose": {
                    "type": "string",
                    "description": "what the answer will be used for; rows that may not be are not there",
                },
                "format": {
                    "enum": ["json", "csv", "arrow"],
                    "description": "else what `Accept` says, else JSON",
                },
            },
        },
        "QueryAnswer": {
            "type": "object",
            "required": ["columns", "items"],
            "properties": {
                "columns": {"type": "array", "items": {
                    "type": "object",
                    "required": ["name", "type"],
                    "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
                }},
                "items": {
                    "type": "array",
                    "items": {"type": "object"},
                    "description": "a value that is absent is left out",
                },
            },
        },
    })
}

fn operation() -> Value {
    json!({
        "Status": {
            "type": "object",
            "required": ["status"],
            "properties": {"status": {"type": "string"}},
        },
        "Foreign": {"type": "object", "description": "a document whose shape others define"},
        "Problem": {
            "type": "object",
            "description": "RFC 9457; programs branch on `code`, people read `detail`",
            "required": ["title", "status", "code", "detail", "message"],
            "properties": {
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "code": {"type": "string"},
                "detail": {"type": "string"},
                "message": {"type": "string", "description": "`detail` once more, where ingest clients look"},
                "errors": {"type": "array", "items": {
                    "type": "object",
                    "required": ["pointer", "detail"],
                    "properties": {
                        "pointer": {"type": "string", "description": "JSON pointer into the body"},
                        "detail": {"type": "string"},
                    },
                }},
            },
        },
    })
}
