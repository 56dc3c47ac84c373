//! What the parser refuses, and what it says.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use serde_json::json;

use crate::{
    Value,
    condition::{Condition, Rule},
};

fn check(document: Value, expected: Expect) {
    let faults = Condition::parse(&document).expect_err("a faulty document");
    let mut text = String::new();
    for fault in faults {
        writeln!(text, "{}: {}", fault.pointer, fault.detail).unwrap();
    }
    expected.assert_eq(&text);
}

#[test]
fn faults_say_what_would_be_right() {
    check(
        json!({"all": [{"trait": "plan", "op": "is"}, {"event": "A", "within": "1y"}]}),
        expect![[r#"
            /all/0/op: `op` is one of eq, ne, lt, lte, gt, gte, between, in, not_in, contains, not_contains, contains_any, contains_all, contains_none, starts_with, ends_with, matches, version_eq, version_lt, version_lte, version_gt, version_gte, near, inside, exists, missing, is_true, is_false, older_than, newer_than, within_next, around, anniversary
            /all/1/within: `within` is a duration, as in "30d", or an object: {"from":"60d","to":"30d"} ago, {"after":"2026-01-01","before":"2026-02-01"}, {"calendar":"this_month"}, {"since":{"event":…}}, or {"visit":"current"}
        "#]],
    );
    check(
        json!({"trait": "plan", "op": "in", "value": "pro", "valeu": 1}),
        expect![[r#"
        /valeu: `valeu` is not a field here; there are trait, op, value, ignore_case
        /value: with `in`, `value` is a list of 1 to 1000 texts, numbers or booleans
    "#]],
    );
    check(
        json!({"trait": "plan", "op": "eq"}),
        expect![[r#"
        /value: with `eq`, `value` is a text, a number, true or false
    "#]],
    );
    check(
        json!({"trait": "plan", "event": "A"}),
        expect![[r#"
        : a condition is of one kind, and this one has both `trait` and `event`; combine two in `all` or `any`
    "#]],
    );
    check(
        json!({"series": []}),
        expect![[r#"
            : a condition has one of the fields all, any, not, at_least, trait, context, computed, event, sequence, audience, stage, account, consent, bucket
        "#]],
    );
    check(
        json!({"any": []}),
        expect![[r#"
        /any: an empty `any` matches nobody; name at least one condition
    "#]],
    );
    check(
        json!({"at_least": {"count": 3, "of": [{"all": []}]}}),
        expect![[r#"
        /at_least/count: `count` is a whole number from 1 to 1
    "#]],
    );
}

#[test]
fn faults_inside_leaves_say_what_would_be_right() {
    check(
        json!({"event": "A", "count": {"op": "gte", "value": 1.5}}),
        expect![[r#"
        /count/value: `value` is a whole number, 0 or more
    "#]],
    );
    check(
        json!({"event": "A", "since": {"op": "eq", "value": "1d"}}),
        expect![[r#"
        /since/op: `op` is one of lt, lte, gt, gte, between
    "#]],
    );
    check(
        json!({"event": "A", "count": {"op": "gte", "value": 1}, "last": {}}),
        expect![[r#"
        : an event condition asks for one thing, and this one has both `count` and `last`; combine two in `all`
    "#]],
    );
    check(
        json!({"bucket": {"salt": "", "below": 0.12345}}),
        expect![[r#"
        /bucket/salt: `salt` is a text of 1 to 128 bytes
        /bucket/below: `below` is a number from 0 to 1 with at most four decimals
    "#]],
    );
    check(
        json!({"event": "A", "where": [{"property": "a/b", "op": "eq", "value": null}]}),
        expect![[r#"
            /where/0/value: with `eq`, `value` is a text, a number, true or false
        "#]],
    );
    check(
        json!({"all": [], "a/b~c": 1}),
        expect![[r#"
        /a~1b~0c: `a/b~c` is not a field here; there are all
    "#]],
    );
    check(
        json!([]),
        expect![[r#"
        : a condition is an object, as in {"trait":…}
    "#]],
    );
}

#[test]
fn faults_of_values_say_what_would_be_right() {
    check(
        json!({"all": [
            {"trait": "p", "op": "matches", "value": "(a)\\1"},
            {"trait": "p", "op": "version_gt", "value": "latest"},
            {"trait": "p", "op": "between", "value": {"trait": "q"}},
            {"trait": "p", "op": "older_than", "value": {"trait": "q"}},
            {"trait": "p", "op": "around", "value": {"days_before": 200, "zone": "UTC"}}
        ]}),
        expect![[r#"
            /all/0/value: with `matches`, `value` is a regular expression of 1 to 512 bytes that takes at most 256 KiB compiled; look-around and references back are not part of it
            /all/1/value: with `version_gt`, `value` is a version, as in "2.1.0"
            /all/2/op: `op` is one of eq, ne, lt, lte, gt, gte, in, not_in, contains, not_contains, contains_any, contains_all, contains_none, starts_with, ends_with, version_eq, version_lt, version_lte, version_gt, version_gte
            /all/3/value: with `older_than`, `value` is a duration, as in "30d"
            /all/4/value/zone: `zone` is not a field here; there are days_before, days_after, timezone
            /all/4/value/days_before: `days_before` is a whole number from 0 to 180
        "#]],
    );
    let patterns = |count: usize| {
        let pattern = json!({"trait": "p", "op": "matches", "value": "a"});
        Condition::parse(&json!({"any": vec![pattern; count]}))
    };
    assert!(patterns(16).is_ok());
    assert_eq!(patterns(17).unwrap_err()[0].pointer, "/any/16/value");
}

#[test]
fn faults_of_memberships_and_windows_say_what_would_be_right() {
    check(
        json!({"all": [
            {"audience": "vip", "ever": false},
            {"audience": "vip", "entered_within": "0s"},
            {"audience": "vip", "entered_within": "1d", "left_within": "1d"},
            {"event": "A", "within": {"since": "Order"}},
            {"event": "A", "within": {"since": {}, "calendar": "today"}},
            {"event": "A", "within": {"since": {"event": "B", "trait": "t"}}}
        ]}),
        expect![[r#"
            /all/0/ever: `ever` is true; leave it out to ask who is in now
            /all/1/entered_within: `entered_within` is longer than nothing, as in "30d"
            /all/2: this asks about a membership in two ways, `entered_within` and `left_within`; combine two in `all`
            /all/3/within/since: `since` is an object: {"event":…}, {"trait":…} or {"audience":…}
            /all/4/within/since: `since` is not a field here; there are calendar, timezone, with_current, year_begins
            /all/5/within/since/trait: `trait` is not a field here; there are event, where
        "#]],
    );
}

#[test]
fn faults_of_sequences_say_what_would_be_right() {
    check(
        json!({"sequence": [{"event": "A"}], "span": "0s"}),
        expect![[r#"
            /sequence: a sequence has at least two steps; for one, use an event condition
            /span: `span` is longer than nothing, as in "30d"
        "#]],
    );
    check(
        json!({"sequence": [
            {"not": {"event": "A"}, "within": "1h"},
            {"event": "B", "same": [{"property": "sku"}]},
            {"not": {"event": "C", "same": [{"property": "sku", "step": 2}]}}
        ]}),
        expect![[r#"
            /sequence/0: a sequence begins with an event
            /sequence/1/same: each `step` here is the place of an earlier event; the first is 0
            /sequence/2/not/same: each `step` here is the place of an earlier event; the first is 0
        "#]],
    );
    check(
        json!({"sequence": [{"event": "A", "count": {}}, {"not": "B"}, {}, 1]}),
        expect![[r#"
            /sequence/0/count: `count` is not a field here; there are event, where, same, within, times
            /sequence/1/not: `not` is an object, as in {"event":…}
            /sequence/2/event: `event` is the name of an event, 1 to 200 bytes
            /sequence/3: a step is an object, as in {"event":…}, {"not":{"event":…}} or {"any_order":[…]}
        "#]],
    );
}

#[test]
fn faults_of_repeated_steps_say_what_would_be_right() {
    check(
        json!({"any": [
            {"sequence": [{"event": "A", "times": 9}], "strict": 1},
            {"sequence": [{"event": "A", "times": 8}, {"event": "B", "times": 8}, {"event": "C"}]},
            {"sequence": [{"event": "A"}, {"not": {"event": "B"}, "times": 2}]},
            {"sequence": [{"event": "A"}, {"event": "B"}], "within": {"from": "2d", "to": "1d"}},
            {"sequence": [{"event": "A", "same": [{"property": "x"}]}, {"event": "B"}]}
        ]}),
        expect![[r#"
            /any/0/sequence/0/times: `times` is a whole number from 1 to 8
            /any/0/strict: `strict` is true or false
            /any/1/sequence: a sequence has at most 16 events, each repetition counted
            /any/2/sequence/1/times: `times` is not a field here; there are not, within
            /any/3/within: the window of a sequence ends now or at an instant, not some time ago
            /any/4/sequence/0/same: each `step` here is the place of an earlier event; the first is 0
        "#]],
    );
}

#[test]
fn nesting_is_bounded_before_descending() {
    let nest = |levels: usize| {
        (1..levels).fold(json!({"consent": "analytics"}), |inner, _| json!({ "not": inner }))
    };
    assert!(Condition::parse(&nest(16)).is_ok());
    let faults = Condition::parse(&nest(17)).unwrap_err();
    assert_eq!(faults[0].pointer, "/not".repeat(16));
    for levels in [50, 51, 52, 53, 54, 60, 1_000] {
        assert!(Condition::parse(&nest(levels)).is_err(), "{levels}");
    }
    let quota = (1..16).fold(
        json!({"event": "A", "where": [{"property": "p", "op": "in", "value": ["x"]}]}),
        |inner, _| json!({"at_least": {"count": 1, "of": [inner]}}),
    );
    assert!(Condition::parse(&quota).is_ok(), "the widest nesting of JSON fits");
}

#[test]
fn size_and_width_are_bounded() {
    let parts = |count: usize| json!({"all": vec![json!({"all": []}); count]});
    assert!(Condition::parse(&parts(256)).is_ok());
    assert!(Condition::parse(&parts(257)).is_err());
    let long = |bytes: usize| json!({"trait": "t", "op": "eq", "value": "x".repeat(bytes)});
    let frame = long(0).to_string().len();
    assert!(Condition::parse(&long(16 * 1024 - frame)).is_ok());
    assert!(Condition::parse(&long(16 * 1024 - frame + 1)).is_err());
    let faults = Condition::parse(&json!({"all": vec![1; 200]})).unwrap_err();
    assert_eq!(faults.len(), 32, "so many faults are told and no more");
}

#[test]
fn the_schema_is_recursive_and_closed() {
    let schema = serde_json::to_value(schemars::schema_for!(Condition)).unwrap();
    let text = schema.to_string();
    assert!(text.contains("\"$ref\":\"#\""), "{text}");
    assert!(text.contains("\"additionalProperties\":false"));
}

#[test]
fn needs_name_all_that_is_read() {
    let document = json!({"any": [
        {"trait": "address.city", "op": "exists"},
        {"not": {"context": "device.type", "op": "eq", "value": "mobile"}},
        {"event": "Order Completed", "within": "30d", "where": [{"property": "currency", "op": "eq", "value": "SEK"}],
         "sum": {"property": "revenue", "op": "gt", "value": 5}},
        {"at_least": {"count": 1, "of": [{"audience": "vip"}, {"consent": "marketing"}]}},
        {"event": "Order Completed", "within": "2d", "last": {"property": "coupon", "op": "exists"}}
    ]});
    let needs =
        |document: &Value| Rule::compile(Condition::parse(document).unwrap()).needs().clone();
    expect![[r#"
        Needs {
            events: {
                EventName {
                    text: "Order Completed",
                    hash: 12954395632585967936,
                }: {
                    Path(
                        "coupon",
                    ),
                    Path(
                        "currency",
                    ),
                    Path(
                        "revenue",
                    ),
                },
            },
            traits: {
                Path(
                    "address.city",
                ),
            },
            contexts: {
                Path(
                    "device.type",
                ),
            },
            audiences: {
                Key(
                    "vip",
                ),
            },
            computed: {},
            stages: {},
            accounts: false,
            members: {},
            purposes: {
                PurposeKey(
                    Key(
                        "marketing",
                    ),
                ),
            },
            longest_window: Some(
                Duration(
                    2592000000,
                ),
            ),
        }
    "#]]
    .assert_debug_eq(&needs(&document));
    assert_eq!(needs(&json!({"event": "A"})).longest_window, None, "a lifetime");
    assert_eq!(needs(&json!({"all": []})).longest_window, Some(crate::Duration(0)));
}
