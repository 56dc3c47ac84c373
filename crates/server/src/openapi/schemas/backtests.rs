//! The body of a backtest. What it answers are lines, which the reference describes.

use model::Value;
use serde_json::json;

use super::time;

pub(super) fn schemas() -> Value {
    let changed = |of: &str| {
        json!({
            "type": "object",
            "additionalProperties": {"type": "object"},
            "description": format!("{of} that are put in place of those that act, by key"),
        })
    };
    json!({
        "NewBacktest": {
            "type": "object",
            "required": ["from"],
            "additionalProperties": false,
            "properties": {
                "from": time(),
                "to": time(),
                "experiences": changed("experiences"),
                "audiences": changed("audiences"),
                "placements": changed("placements"),
                "reward": {
                    "type": "object",
                    "required": ["event"],
                    "additionalProperties": false,
                    "description": "what is to be gained; without it nothing is said about an effect",
                    "properties": {
                        "event": {"type": "string", "description": "the name of the events that count"},
                        "property": {"type": "string", "description": "what is added up; else a person counts 1 or 0"},
                        "within": {"type": "string", "description": "how long after the decision, as in `7d`"},
                    },
                },
            },
        },
    })
}
