//! Schemas of results.

use model::Value;
use serde_json::json;

use super::{page, reference, time};

fn count() -> Value {
    json!({"type": "integer"})
}

fn maybe() -> Value {
    json!({"type": ["number", "null"]})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn maybe_text() -> Value {
    json!({"type": ["string", "null"]})
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

/// What experiences have brought about.
pub(super) fn schemas() -> Value {
    json!({
        "Results": results(),
        "TriedMetric": tried(),
        "MetricResult": metric(),
        "ArmResult": arm(),
        "Programme": programme(),
        "Health": health(),
        "ReadyMadeMetricPage": page(reference("MetricDocument")),
    })
}

fn health() -> Value {
    let verdict = json!({
        "enum": ["collecting", "sound", "failing", "broken"],
        "description": "`failing` where less than 95 % could be shown, `broken` where less than half",
    });
    let count = json!({"type": "integer"});
    json!({
        "type": "object",
        "required": ["experience", "version", "state", "stop_on_broken", "verdict", "variants"],
        "properties": {
            "experience": {"type": "string"},
            "version": count,
            "state": {"type": "string"},
            "stop_on_broken": {"type": "boolean"},
            "verdict": verdict,
            "variants": {"type": "array", "items": {
                "type": "object",
                "required": [
                    "variant", "verdict", "applied", "viewed", "late", "not_found", "overwritten", "missing",
                ],
                "properties": {
                    "variant": {"type": "string"},
                    "verdict": verdict,
                    "applied": count,
                    "viewed": count,
                    "late": count,
                    "not_found": count,
                    "overwritten": count,
                    "missing": {
                        "type": "object",
                        "description": "how often each selector found nothing",
                        "additionalProperties": count,
                    },
                },
            }},
        },
    })
}

fn tried() -> Value {
    json!({
        "type": "object",
        "required": ["metric"],
        "additionalProperties": false,
        "properties": {
            "metric": reference("MetricDocument"),
            "method": method(),
            "effect": {"type": "number", "description": "of msprt: the size of effect that is looked for"},
            "confidence": {"type": "number", "description": "0.95 when absent"},
            "adjusted": {
                "type": "boolean",
                "description": "whether what units did before the exposure is taken out; it is when absent",
            },
        },
    })
}

fn results() -> Value {
    let group = json!({
        "type": "object",
        "required": ["group", "kind", "metrics"],
        "properties": {
            "group": {"type": "string", "description": "the value, or what else makes it a group"},
            "kind": {"enum": ["value", "missing", "withheld", "unknown", "other"]},
            "metrics": list(reference("MetricResult")),
        },
    });
    let day = json!({
        "type": "object",
        "required": ["at", "arms"],
        "properties": {"at": time(), "arms": list(reference("ArmResult"))},
    });
    json!({
        "type": "object",
        "required": ["experience", "as_of", "lag_seconds", "arms", "split", "several", "metrics", "verdict"],
        "properties": {
            "experience": text(),
            "name": maybe_text(),
            "hypothesis": maybe_text(),
            "state": text(),
            "stopped": stopped(),
            "guardrails": {"type": "array", "items": {"type": "string"}, "description": "metrics that stop it"},
            "method": method(),
            "effect": {
                "type": ["number", "null"],
                "description": "of msprt: the size that is looked for, where it is not each metric's own",
            },
            "looks": looks(),
            "confidence": {"type": "number"},
            "as_of": time(),
            "lag_seconds": {"type": "number", "description": "how long ago that was"},
            "measured": {"type": "number", "description": "the part of all units measured by the metrics of now"},
            "notes": list(text()),
            "arms": list(exposed()),
            "split": split(),
            "several": several(),
            "metrics": list(reference("MetricResult")),
            "series": {"type": ["array", "null"], "items": day},
            "groups": {"type": ["array", "null"], "items": group},
            "alarms": list(alarm()),
            "units_per_day": {"type": ["number", "null"], "description": "over the last seven days"},
            "allocation": allocation(),
            "verdict": verdict(),
        },
    })
}

fn alarm() -> Value {
    json!({
        "type": "object",
        "required": ["alarm", "statement"],
        "properties": {
            "alarm": {"enum": ["split", "several", "page", "guardrail", "decay", "unheld"]},
            "statement": text(),
        },
    })
}

fn method() -> Value {
    json!({"enum": ["sequential", "msprt", "planned_looks", "fixed", "exact"]})
}

fn looks() -> Value {
    let taken = json!({
        "type": "object",
        "required": ["at", "units", "share"],
        "properties": {
            "at": time(),
            "units": count(),
            "share": {"type": "number", "description": "of the planned units"},
        },
    });
    json!({
        "type": ["object", "null"],
        "description": "the planned looks; all numbers are those of the last one taken. Null by other methods",
        "required": ["units", "looks", "taken", "next"],
        "properties": {
            "units": count(),
            "looks": count(),
            "taken": list(taken),
            "next": {
                "type": ["object", "null"],
                "description": "the look that comes next, and for how many units it waits",
                "properties": {"look": count(), "units": count()},
            },
        },
    })
}

/// How shares stand that follow what units did.
fn allocation() -> Value {
    let shares = json!({"type": "object", "additionalProperties": {"type": "number"}});
    json!({
        "type": ["object", "null"],
        "description": "how shares stand that follow what units did; null where they do not",
        "properties": {
            "policy": text(),
            "features": list(text()),
            "epoch": {"type": "integer", "description": "the version of the policy; 0 while weights divide the units"},
            "since": {"type": ["string", "null"], "format": "date-time"},
            "because": {"type": ["string", "null"]},
            "cells": {"type": "array", "items": shares, "description": "by cell the share of each variant"},
            "holds": {"type": ["string", "null"], "description": "why shares stay as they are"},
        },
    })
}

fn stopped() -> Value {
    json!({
        "type": ["object", "null"],
        "description": "by its guardrails, since which it has been paused",
        "required": ["at", "by", "because"],
        "properties": {
            "at": time(),
            "by": text(),
            "because": text(),
            "guardrail": maybe_text(),
            "variant": maybe_text(),
        },
    })
}

fn exposed() -> Value {
    json!({
        "type": "object",
        "required": ["arm", "is_control", "units", "share", "planned_share"],
        "properties": {
            "arm": {"type": "string", "description": "a variant, `holdout` or `shared_holdout`"},
            "name": maybe_text(),
            "is_control": {"type": "boolean"},
            "units": count(),
            "share": {"type": "number"},
            "planned_share": maybe(),
        },
    })
}

fn split() -> Value {
    json!({
        "type": "object",
        "required": ["verdict", "p_value", "statement"],
        "properties": {
            "verdict": {"enum": ["as_planned", "mismatch", "unknown"]},
            "p_value": maybe(),
            "statement": text(),
        },
    })
}

fn several() -> Value {
    json!({
        "type": "object",
        "description": "units exposed to more than one arm, which count for none",
        "required": ["units", "share", "is_alarm", "statement"],
        "properties": {
            "units": count(),
            "share": {"type": "number"},
            "is_alarm": {"type": "boolean"},
            "statement": text(),
        },
    })
}

fn verdict() -> Value {
    json!({
        "type": "object",
        "required": ["verdict", "reason"],
        "properties": {
            "verdict": {"enum": ["collecting", "keep_running", "ship", "stop", "invalid"]},
            "variant": text(),
            "reason": text(),
        },
    })
}

fn metric() -> Value {
    json!({
        "type": "object",
        "required": ["metric", "name", "kind", "role", "direction", "is_collecting", "arms"],
        "properties": {
            "metric": text(),
            "name": text(),
            "kind": text(),
            "role": {"enum": ["goal", "guardrail"]},
            "direction": {"enum": ["higher", "lower"]},
            "currency": text(),
            "is_collecting": {"type": "boolean", "description": "some arm has too little to say anything"},
            "as_of": {
                "type": "string",
                "format": "date-time",
                "description": "until when it counts, where that is earlier than for all else",
            },
            "notes": list(text()),
            "power": power(),
            "arms": list(reference("ArmResult")),
        },
    })
}

fn power() -> Value {
    json!({
        "type": ["object", "null"],
        "description": "what can be found with the units there are, by the arm that tells least; null while collecting",
        "required": ["power", "detectable", "statement"],
        "properties": {
            "power": {"type": "number", "description": "the chance to find it"},
            "detectable": {"type": "number", "description": "the least difference that is found, in the metric's unit"},
            "detectable_relative": maybe(),
            "smallest_effect": {"type": ["number", "null"], "description": "what the metric says is worth finding"},
            "units_needed": {"type": ["integer", "null"], "description": "how many more units of all arms find that"},
            "days_needed": {"type": ["number", "null"], "description": "how long that takes at the pace of a week"},
            "statement": text(),
        },
    })
}

fn arm() -> Value {
    let difference = json!({
        "type": ["object", "null"],
        "required": ["lift", "std_error", "low", "high"],
        "properties": {
            "lift": {"type": "number"},
            "std_error": {"type": "number"},
            "low": {"type": "number", "description": "the lower end of the interval"},
            "high": {"type": "number", "description": "the upper end of the interval"},
        },
    });
    let comparison = json!({
        "type": ["object", "null"],
        "description": "how the arm compares with the control; null for the control, and where nothing can be said",
        "properties": {
            "method": method(),
            "absolute": difference,
            "relative": difference,
            "p_value": {"type": "number"},
            "p_value_of_all": {"type": "number", "description": "for all groups of a breakdown together (Holm)"},
            "variance_reduction": {"type": "number", "description": "by what units did before the exposure"},
            "surely": {"enum": ["better", "worse", null]},
            "units_needed": {"type": ["integer", "null"], "description": "how many more would make it sure"},
            "impact": difference,
        },
    });
    json!({
        "type": "object",
        "required": ["arm", "is_control", "units", "value", "comparison"],
        "properties": {
            "arm": text(),
            "is_control": {"type": "boolean"},
            "units": count(),
            "nonzero": count(),
            "waiting": {"type": "integer", "description": "units whose window has not passed"},
            "withheld": {"type": "integer", "description": "units whose events may not be read"},
            "overflow": {"type": "integer", "description": "units that did more than is kept"},
            "value": maybe(),
            "std_error": maybe(),
            "chance_best": {"type": ["number", "null"], "description": "the chance that no other arm is better"},
            "expected_loss": {"type": ["number", "null"], "description": "what choosing it costs if another is better"},
            "comparison": comparison,
            "why_not": text(),
        },
    })
}

fn programme() -> Value {
    let experience = json!({
        "type": "object",
        "required": ["experience", "state", "units", "verdict", "goal", "money"],
        "properties": {
            "experience": text(),
            "name": maybe_text(),
            "state": text(),
            "units": count(),
            "verdict": verdict(),
            "alarms": list(alarm()),
            "goal": {"oneOf": [reference("MetricResult"), {"type": "null"}]},
            "money": list(json!({"type": "object"})),
        },
    });
    json!({
        "type": "object",
        "required": [
            "as_of", "lag_seconds", "won", "lost", "undecided", "collecting", "invalid", "holdouts", "experiences",
        ],
        "properties": {
            "as_of": time(),
            "lag_seconds": {"type": "number"},
            "won": count(),
            "lost": count(),
            "undecided": count(),
            "collecting": count(),
            "invalid": count(),
            "holdouts": list(programme_holdout()),
            "experiences": list(experience),
        },
    })
}

/// What all that a shared holdout covers has brought.
fn programme_holdout() -> Value {
    let impact = json!({
        "type": ["object", "null"],
        "description": "the difference for each unit, times the units that are not held out; null where nothing can be said",
        "required": ["value", "low", "high"],
        "properties": {"value": {"type": "number"}, "low": {"type": "number"}, "high": {"type": "number"}},
    });
    let money = json!({
        "type": "object",
        "required": ["metric", "currency", "impact", "why_not", "result"],
        "properties": {
            "metric": text(),
            "currency": text(),
            "impact": impact,
            "why_not": maybe_text(),
            "result": reference("MetricResult"),
        },
    });
    json!({
        "type": "object",
        "required": ["holdout", "state", "share", "units", "held_out_units", "split", "several", "money"],
        "properties": {
            "holdout": text(),
            "name": maybe_text(),
            "state": text(),
            "share": {"type": "number", "description": "of all units, that it holds out now"},
            "experience_tags": {"type": "array", "items": text(), "description": "what it covers; all when empty"},
            "units": {"type": "integer", "description": "units that it does not hold, from the first thing on that won for them"},
            "held_out_units": {"type": "integer", "description": "units for which something would have won"},
            "split": split(),
            "several": several(),
            "money": list(money),
        },
    })
}
