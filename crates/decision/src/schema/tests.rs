//! What content schemas hold and what they refuse.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

fn object(value: Value) -> Object {
    value.as_object().unwrap().clone()
}

fn told(faults: &[Fault]) -> String {
    let lines = faults.iter().map(|fault| format!("{}: {}\n", fault.pointer, fault.detail));
    lines.collect()
}

/// The faults of `content` under `schema`.
fn check(schema: Value, content: Value, expected: Expect) {
    let schema = Schema::compile(&object(schema), "/content_schema").unwrap();
    let mut faults = Vec::new();
    schema.check(&object(content), "/content", &mut faults);
    expected.assert_eq(&told(&faults));
}

/// The faults of a schema itself.
fn refused(schema: Value, expected: Expect) {
    expected.assert_eq(&told(&Schema::compile(&object(schema), "/content_schema").unwrap_err()));
}

#[test]
fn fields_are_required_typed_and_known() {
    let schema = json!({
        "type": "object", "required": ["title"], "additionalProperties": false,
        "properties": {
            "title": {"type": "string"}, "a/b": {"type": ["integer", "null"]},
            "rating": {"type": "number"}, "shown": {"type": "boolean"},
        },
    });
    check(
        schema.clone(),
        json!({"title": "x", "a/b": 2.0, "rating": 1, "shown": true}),
        expect![""],
    );
    check(
        schema,
        json!({"a/b": 2.5, "rating": "5", "colour": "red"}),
        expect![[r#"
            /content: `title` is required
            /content/a~1b: must be integer or null
            /content/colour: the placement knows no such field
            /content/rating: must be number
        "#]],
    );
}

#[test]
fn sizes_ranges_and_choices_are_bounds() {
    let schema = json!({"properties": {
        "title": {"minLength": 2, "maxLength": 4},
        "size": {"enum": ["s", "m"]},
        "kind": {"const": "banner"},
        "count": {"minimum": 1, "maximum": 3},
        "items": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}},
    }});
    let sound = json!({"title": "äöåé", "size": "m", "kind": "banner", "count": 3, "items": ["a"]});
    check(schema.clone(), sound, expect![""]);
    check(
        schema,
        json!({"title": "much", "size": "l", "kind": "popup", "count": 0, "items": ["a", 1, "c"]}),
        expect![[r#"
            /content/count: must be at least 1, is 0
            /content/items: must have at most 2 elements, has 3
            /content/items/1: must be string
            /content/kind: must be one of "banner"
            /content/size: must be one of "s", "m"
        "#]],
    );
}

#[test]
fn a_template_is_only_checked_for_being_text() {
    let schema = json!({"properties": {
        "title": {"type": "string", "maxLength": 3, "enum": ["a"]},
        "count": {"type": "integer"},
    }});
    check(
        schema,
        json!({"title": "{{ profile.name }}", "count": "{{ profile.count }}"}),
        expect![[r#"
            /content/count: must be integer
        "#]],
    );
}

#[test]
fn a_schema_says_nothing_it_would_not_check() {
    refused(
        json!({"type": "list", "pattern": "x", "properties": {"a": {"oneOf": []}, "b": 3}, "title": "t"}),
        expect![[r#"
            /content_schema/pattern: `pattern` is not supported here, or has the wrong type of value
            /content_schema/properties/a/oneOf: `oneOf` is not supported here, or has the wrong type of value
            /content_schema/properties/b: a schema is an object
            /content_schema/type: `type` is not supported here, or has the wrong type of value
        "#]],
    );
    refused(
        json!({"type": "string"}),
        expect![[r#"
            /content_schema/type: content is always an object
        "#]],
    );
}

#[test]
fn a_schema_has_a_bottom() {
    let deep = (0..MAX_DEPTH).fold(json!({}), |inner, _| json!({"items": inner}));
    let faults = Schema::compile(&object(deep), "").unwrap_err();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].detail.contains("16 levels"));
}
