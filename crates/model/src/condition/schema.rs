//! The JSON Schema of the language, for editors and the API's reader.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::{
    Belonging, Condition, Pair, When, Which,
    area::{MAX_CORNERS, MAX_KM},
    calendar::Unit,
    comparison::Op,
    dated::MAX_DAYS,
};
use crate::{Duration, Key, consent::PurposeKey, value::Path};

impl JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let condition = generator.subschema_for::<Self>();
        let parts = json_schema!({"type": "array", "items": condition, "maxItems": 256});
        let some =
            json_schema!({"type": "array", "items": condition, "minItems": 1, "maxItems": 256});
        let key = generator.subschema_for::<Key>();
        let duration = generator.subschema_for::<Duration>();
        let share = json_schema!({"type": "number", "minimum": 0, "maximum": 1});
        let salt = json_schema!({"type": "string", "minLength": 1, "maxLength": 128});
        let quota = object(
            json_schema!({"count": {"type": "integer", "minimum": 1}, "of": some}),
            &["count", "of"],
        );
        let bucket = object(json_schema!({"salt": salt, "below": share}), &["salt", "below"]);
        let kinds = [
            object(json_schema!({"all": parts}), &["all"]),
            object(json_schema!({"any": some}), &["any"]),
            object(json_schema!({"not": condition}), &["not"]),
            object(json_schema!({"at_least": quota}), &["at_least"]),
            test("trait", generator),
            test("context", generator),
            computed(generator),
            with_trait("trait", generator),
            with_trait("context", generator),
            dated("trait", generator),
            dated("context", generator),
            event(generator),
            sequence(generator),
            object(
                json_schema!({
                    "audience": key,
                    "for_at_least": duration,
                    "ever": {"const": true},
                    "entered_within": duration,
                    "left_within": duration
                }),
                &["audience"],
            ),
            object(
                json_schema!({
                    "stage": key,
                    "in": {"type": "array", "items": key, "minItems": 1, "maxItems": 256},
                    "for_at_least": duration
                }),
                &["stage", "in"],
            ),
            account(generator),
            object(
                json_schema!({"consent": generator.subschema_for::<PurposeKey>()}),
                &["consent"],
            ),
            object(json_schema!({"bucket": bucket}), &["bucket"]),
        ];
        json_schema!({
            "description": "A condition: who is in an audience, who is eligible, which branch a journey takes.",
            "anyOf": kinds
        })
    }
}

/// Something about the accounts of a person. What is asked of an account is a condition as well, of fewer kinds.
fn account(generator: &mut SchemaGenerator) -> Schema {
    let which: Vec<&str> = Which::ALL.into_iter().map(|(_, word)| word).collect();
    let of_account = generator.subschema_for::<OfAccount>();
    let conditions = json_schema!({"type": "array", "items": of_account, "maxItems": 256});
    object(json_schema!({"account": {"enum": which}, "where": conditions}), &["account"])
}

/// A condition that is asked of an account.
struct OfAccount;

impl JsonSchema for OfAccount {
    fn schema_name() -> Cow<'static, str> {
        "AccountCondition".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let condition = generator.subschema_for::<Self>();
        let parts = json_schema!({"type": "array", "items": condition, "maxItems": 256});
        let some =
            json_schema!({"type": "array", "items": condition, "minItems": 1, "maxItems": 256});
        let quota = object(
            json_schema!({"count": {"type": "integer", "minimum": 1}, "of": some}),
            &["count", "of"],
        );
        let mut membership = test("membership", generator);
        let words: Vec<&str> = Belonging::ALL.into_iter().map(|(_, word)| word).collect();
        if let Some(properties) = membership.get_mut("properties") {
            properties["membership"] = json!({ "enum": words });
        }
        let members = json_schema!({
            "members": {"enum": ["any", "all", "none", "at_least"]},
            "count": {"type": "integer", "minimum": 1},
            "in": generator.subschema_for::<Key>()
        });
        let kinds = [
            object(json_schema!({"all": parts}), &["all"]),
            object(json_schema!({"any": some}), &["any"]),
            object(json_schema!({"not": condition}), &["not"]),
            object(json_schema!({"at_least": quota}), &["at_least"]),
            test("trait", generator),
            with_trait("trait", generator),
            dated("trait", generator),
            membership,
            object(members, &["members", "in"]),
        ];
        json_schema!({
            "description": "What is asked of one account of a person.",
            "anyOf": kinds
        })
    }
}

fn object(properties: Schema, required: &[&str]) -> Schema {
    json_schema!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false
    })
}

/// A comparison of one value of an event: a property, or a part of its context.
fn filter(generator: &mut SchemaGenerator) -> Schema {
    let of = [test("property", generator), test("context", generator)];
    json_schema!({ "anyOf": of })
}

/// A comparison of the value at a path; `key` is the field that names the path.
fn test(key: &str, generator: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = Op::ALL.into_iter().map(|(_, word)| word).collect();
    let path = generator.subschema_for::<Path>();
    object(
        json_schema!({
            key: path,
            "op": {"enum": words},
            "value": {
                "anyOf": [
                    {"type": ["string", "number", "boolean"]},
                    {
                        "type": "array",
                        "items": {"type": ["string", "number", "boolean"]},
                        "minItems": 1,
                        "maxItems": 1000
                    },
                    {
                        "type": "object",
                        "properties": {
                            "of": point(),
                            "km": {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_KM}
                        },
                        "required": ["of", "km"],
                        "additionalProperties": false
                    },
                    {"type": "array", "items": point(), "minItems": 3, "maxItems": MAX_CORNERS}
                ]
            },
            "ignore_case": {"type": "boolean"}
        }),
        &[key, "op"],
    )
}

/// A point on the earth.
fn point() -> Schema {
    json_schema!({
        "description": "A point: latitude and longitude in degrees.",
        "anyOf": [
            {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            {"type": "object"}
        ]
    })
}

fn computed(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = test("computed", generator);
    let key = generator.subschema_for::<Key>().to_value();
    if let Some(properties) = schema.get_mut("properties") {
        properties["computed"] = key;
        properties["item"] = json!({
            "type": "string",
            "description": "An item of an affinity, whose score is compared.",
            "minLength": 1,
            "maxLength": 256
        });
    }
    schema
}

/// A comparison of the value at a path with a trait.
fn with_trait(key: &str, generator: &mut SchemaGenerator) -> Schema {
    let ops = Op::ALL.into_iter().filter(|(op, _)| Pair::allows(*op));
    let words: Vec<&str> = ops.map(|(_, word)| word).collect();
    let path = generator.subschema_for::<Path>();
    let other = object(json_schema!({"trait": path}), &["trait"]);
    object(
        json_schema!({
            key: path,
            "op": {"enum": words},
            "value": other,
            "ignore_case": {"type": "boolean"}
        }),
        &[key, "op", "value"],
    )
}

/// How the instant or date at a path stands to now.
fn dated(key: &str, generator: &mut SchemaGenerator) -> Schema {
    let path = generator.subschema_for::<Path>();
    let days = json_schema!({"type": "integer", "minimum": 0, "maximum": MAX_DAYS});
    let near =
        object(json_schema!({"days_before": days, "days_after": days, "timezone": zone()}), &[]);
    let length = generator.subschema_for::<Duration>();
    object(
        json_schema!({
            key: path,
            "op": {"enum": When::WORDS},
            "value": {"anyOf": [length, near]}
        }),
        &[key, "op", "value"],
    )
}

fn event(generator: &mut SchemaGenerator) -> Schema {
    let filter = filter(generator);
    let duration = generator.subschema_for::<Duration>();
    let count = json_schema!({"type": "integer", "minimum": 0});
    let amount = json_schema!({"type": "number"});
    let path = generator.subschema_for::<Path>();
    let ops = ["eq", "ne", "lt", "lte", "gt", "gte", "between"];
    let of_number = object(
        json_schema!({"property": path, "op": {"enum": ops}, "value": one_or_two(&amount)}),
        &["property", "op", "value"],
    );
    let distinct = object(
        json_schema!({"property": path, "op": {"enum": ops}, "value": one_or_two(&count)}),
        &["property", "op", "value"],
    );
    let units: Vec<&str> = Unit::ALL.into_iter().map(|(_, name)| name).collect();
    let periods = object(
        json_schema!({
            "unit": {"enum": units},
            "timezone": zone(),
            "op": {"enum": ops},
            "value": one_or_two(&count)
        }),
        &["unit", "op", "value"],
    );
    let share = object(
        json_schema!({
            "where": filters(generator),
            "op": {"enum": ops},
            "value": one_or_two(&json_schema!({"type": "number", "minimum": 0, "maximum": 1}))
        }),
        &["where", "op", "value"],
    );
    object(
        json_schema!({
            "event": name(),
            "where": filters(generator),
            "within": window(generator),
            "count": bound(&ops, &count),
            "sum": of_number,
            "avg": of_number,
            "min": of_number,
            "max": of_number,
            "distinct": distinct,
            "periods": periods,
            "most_frequent": filter,
            "share": share,
            "last": filter,
            "first": filter,
            "since": bound(&ops[2..], &duration),
            "since_first": bound(&ops[2..], &duration)
        }),
        &["event"],
    )
}

fn zone() -> Schema {
    json_schema!({
        "type": "string",
        "description": "A name of the time zone database, or `profile` for the person's trait `timezone`; UTC when left out."
    })
}

/// Which stretch of the past is looked at.
fn window(generator: &mut SchemaGenerator) -> Schema {
    let duration = generator.subschema_for::<Duration>();
    let instant = json_schema!({
        "type": "string",
        "description": "An RFC 3339 instant, or a date for its midnight in UTC."
    });
    let calendar = json_schema!({
        "type": "string",
        "pattern": "^(today|yesterday|(this|last)_(day|week|month|quarter|year)|last_[0-9]{1,3}_(day|week|month|quarter|year)s)$"
    });
    let path = generator.subschema_for::<Path>();
    let event = object(json_schema!({"event": name(), "where": filters(generator)}), &["event"]);
    let of_trait = object(json_schema!({"trait": path}), &["trait"]);
    let entry = object(json_schema!({"audience": generator.subschema_for::<Key>()}), &["audience"]);
    let anchor = json_schema!({"anyOf": [event, of_trait, entry]});
    let kinds = [
        duration.clone(),
        object(json_schema!({"since": anchor}), &["since"]),
        object(json_schema!({"visit": {"const": "current"}}), &["visit"]),
        object(json_schema!({"from": duration, "to": duration}), &["from", "to"]),
        object(json_schema!({"after": instant, "before": instant}), &[]),
        object(
            json_schema!({"calendar": calendar, "timezone": zone(), "with_current": {"type": "boolean"}, "year_begins": {"type": "integer", "minimum": 1, "maximum": 12}}),
            &["calendar"],
        ),
    ];
    json_schema!({ "anyOf": kinds })
}

/// The name of an event.
fn name() -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 200})
}

/// What each event must be.
fn filters(generator: &mut SchemaGenerator) -> Schema {
    let filter = filter(generator);
    json_schema!({"type": "array", "items": filter, "maxItems": 256})
}

fn sequence(generator: &mut SchemaGenerator) -> Schema {
    let duration = generator.subschema_for::<Duration>();
    let path = generator.subschema_for::<Path>();
    let place = json_schema!({"type": "integer", "minimum": 0, "maximum": 6});
    let same = object(json_schema!({"property": path, "as": path, "step": place}), &["property"]);
    let (name, filters) = (name(), filters(generator));
    let same = json_schema!({"type": "array", "items": same, "maxItems": 8});
    let absent = object(json_schema!({"event": name, "where": filters, "same": same}), &["event"]);
    let happens = object(
        json_schema!({
            "event": name,
            "where": filters,
            "same": same,
            "within": duration,
            "times": {"type": "integer", "minimum": 1, "maximum": 8}
        }),
        &["event"],
    );
    let stays_away = object(json_schema!({"not": absent, "within": duration}), &["not"]);
    let list = json_schema!({"type": "array", "items": absent, "minItems": 2, "maxItems": 5});
    let any_order = object(json_schema!({"any_order": list, "within": duration}), &["any_order"]);
    let steps = json_schema!({
        "type": "array",
        "items": {"anyOf": [happens, stays_away, any_order]},
        "minItems": 1,
        "maxItems": 8
    });
    object(
        json_schema!({
            "sequence": steps,
            "within": window(generator),
            "span": duration,
            "finished_within": duration,
            "strict": {"type": "boolean"},
            "same_visit": {"type": "boolean"}
        }),
        &["sequence"],
    )
}

fn bound(ops: &[&str], value: &Schema) -> Schema {
    object(json_schema!({"op": {"enum": ops}, "value": one_or_two(value)}), &["op", "value"])
}

fn one_or_two(value: &Schema) -> Schema {
    let two = json_schema!({"type": "array", "items": value, "minItems": 2, "maxItems": 2});
    json_schema!({"anyOf": [value, two]})
}
