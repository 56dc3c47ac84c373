//! Explanations and conditions in words.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::facts::Person;
use crate::{
    Timestamp,
    condition::{Condition, Rule},
};

fn person() -> Person {
    serde_json::from_value(json!({
        "traits": {"plan": "pro", "bio": "x".repeat(200), "secret": 1, "renewed": "2026-11-01"},
        "withheld_traits": ["secret"],
        "context": {"device": {"type": "mobile"}},
        "events": [
            {"event": "Order Completed", "time": "2026-11-01T00:00:00Z", "properties": {"revenue": 40, "currency": "EUR"}},
            {"event": "Order Completed", "time": "2026-11-20T00:00:00Z", "properties": {"revenue": 60.5, "currency": "SEK"}},
            {"event": "Page Viewed", "time": "2026-11-20T12:00:00Z"},
            {"event": "Page Viewed", "time": "2026-11-20T13:00:00Z", "withheld": true}
        ],
        "visits": [
            {"first": "2026-11-20T12:00:00Z", "last": "2026-11-20T13:00:00Z"},
            {"first": "2026-11-20T23:40:00Z", "last": "2026-11-20T23:50:00Z"}
        ],
        "audiences": {
            "vip": {"truth": "true", "since": "2026-11-20T00:00:00Z"}, "hidden": {"truth": "withheld"},
            "trial": {"truth": "false", "since": "2026-11-15T00:00:00Z", "previous": "2026-11-01T00:00:00Z"}
        },
        "consents": {"personalization": true, "marketing": false}
    }))
    .unwrap()
}

fn check(document: Value, expected: Expect) {
    let rule = Rule::compile(Condition::parse(&document).unwrap());
    let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    let mut text = format!("{}\n", rule.condition());
    for step in rule.explain(&person(), now) {
        let until = step.valid_until.map(|until| format!(" until {until}")).unwrap_or_default();
        writeln!(text, "[{}] {:?}{until}: {}", step.pointer, step.truth, step.text).unwrap();
    }
    expected.assert_eq(&text);
}

#[test]
fn explanations_show_what_was_found() {
    check(
        json!({"all": [
            {"trait": "plan", "op": "in", "value": ["pro", "team"], "ignore_case": true},
            {"trait": "bio", "op": "not_contains", "value": "y"},
            {"trait": "secret", "op": "between", "value": [1, 2]},
            {"any": [{"trait": "absent", "op": "missing"}, {"context": "device.type", "op": "eq", "value": "desktop"}]},
            {"not": {"at_least": {"count": 2, "of": [{"consent": "marketing"}, {"consent": "personalization"}]}}}
        ]}),
        expect![[r#"
            (trait plan in "pro", "team" (any case) and trait bio not_contains "y" and trait secret between 1 and 2 and (trait absent missing or context device.type eq "desktop") and not (at least 2 of (consents to marketing, consents to personalization)))
            [] Withheld: all of 5
            [/all/0] True: trait plan is "pro", wanted in "pro", "team" (any case)
            [/all/1] True: trait bio is "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…, wanted not_contains "y"
            [/all/2] Withheld: trait secret is withheld, wanted between 1 and 2
            [/all/3] True: any of 2
            [/all/3/any/0] True: trait absent is missing, wanted missing
            [/all/3/any/1] False: context device.type is "mobile", wanted eq "desktop"
            [/all/4] True: not
            [/all/4/not] False: at least 2 of 2
            [/all/4/not/at_least/of/0] False: consents to marketing: not granted
            [/all/4/not/at_least/of/1] True: consents to personalization: granted
        "#]],
    );
    check(
        json!({"any": [
            {"event": "Order Completed", "within": "30d", "where": [{"property": "currency", "op": "eq", "value": "SEK"},
                {"property": "revenue", "op": "gt", "value": 1}], "count": {"op": "gte", "value": 2}},
            {"event": "Order Completed", "sum": {"property": "revenue", "op": "between", "value": [1, 100]}},
            {"event": "Order Completed", "last": {"property": "currency", "op": "eq", "value": "EUR"}},
            {"event": "Order Completed", "first": {"property": "currency", "op": "eq", "value": "SEK"}},
            {"event": "Page Viewed", "since": {"op": "gt", "value": "14d"}},
            {"event": "Page Viewed", "within": "1d", "count": {"op": "gte", "value": 2}},
            {"event": "Unheard", "since": {"op": "gt", "value": "14d"}}
        ]}),
        expect![[r#"
            (count of "Order Completed" where currency eq "SEK" and revenue gt 1 within 30d gte 2 or sum of revenue of "Order Completed" between 1 and 100 or currency of the last "Order Completed" eq "EUR" or currency of the first "Order Completed" eq "SEK" or time since the last "Page Viewed" gt 2w or count of "Page Viewed" within 1d gte 2 or time since the last "Unheard" gt 2w)
            [] Withheld until 2026-11-21T12:00:00.000Z: any of 7
            [/any/0] False: count of "Order Completed" where currency eq "SEK" and revenue gt 1 within 30d is 1, wanted gte 2
            [/any/1] False: sum of revenue of "Order Completed" is 100.5, wanted between 1 and 100
            [/any/2] False: currency of the last "Order Completed" is "SEK", wanted eq "EUR"
            [/any/3] False: currency of the first "Order Completed" is "EUR", wanted eq "SEK"
            [/any/4] False until 2026-12-04T12:00:00.001Z: time since the last "Page Viewed" is 12h, 1 withheld, wanted gt 2w
            [/any/5] Withheld until 2026-11-21T12:00:00.000Z: count of "Page Viewed" within 1d is 1, 1 withheld, wanted gte 2
            [/any/6] False: time since the last "Unheard" is unknown, as there is no such event, wanted gt 2w
        "#]],
    );
    check(
        json!({"all": [
            {"audience": "vip"}, {"audience": "vip", "for_at_least": "7d"}, {"audience": "hidden"}, {"audience": "gone"},
            {"consent": "unheard_of"}, {"bucket": {"salt": "x", "below": 0.1}}, {"all": []}
        ]}),
        expect![[r#"
            (in audience vip and in audience vip for at least 1w and in audience hidden and in audience gone and consents to unheard_of and bucket of "x" below 1000 and everybody)
            [] False until 2026-11-27T00:00:00.000Z: all of 7
            [/all/0] True: in audience vip: a member since 2026-11-20T00:00:00.000Z
            [/all/1] False until 2026-11-27T00:00:00.000Z: in audience vip for at least 1w: a member since 2026-11-20T00:00:00.000Z
            [/all/2] Withheld: in audience hidden: withheld
            [/all/3] False: in audience gone: there is no such audience
            [/all/4] False: consents to unheard_of: there is no such purpose
            [/all/5] False: bucket of "x" below 1000: it is 9461
            [/all/6] True: all of 0
        "#]],
    );
}

#[test]
fn sequences_tell_how_far_they_came() {
    check(
        json!({"any": [
            {"sequence": [
                {"event": "Order Completed", "where": [{"property": "currency", "op": "eq", "value": "EUR"}]},
                {"event": "Order Completed", "same": [{"property": "revenue", "as": "price"}], "within": "4w"}
            ], "within": "90d"},
            {"sequence": [{"event": "Order Completed"}, {"not": {"event": "Refund"}, "within": "14d"}], "span": "30d"},
            {"sequence": [{"event": "Order Completed"}, {"not": {"event": "Refund"}}]},
            {"sequence": [{"event": "Order Completed"}, {"event": "Page Viewed"}, {"event": "Page Viewed"}]}
        ]}),
        expect![[r#"
            ("Order Completed" where currency eq "EUR", then "Order Completed" with the same revenue as the price of step 1 within 4w, within 90d or "Order Completed", then no "Refund" for 2w, all within 30d of one another or "Order Completed", then no "Refund" or "Order Completed", then "Page Viewed", then "Page Viewed")
            [] True: any of 4
            [/any/0] False: "Order Completed" where currency eq "EUR", then "Order Completed" with the same revenue as the price of step 1 within 4w, within 90d: 1 of 2 steps so far
            [/any/1] True: "Order Completed", then no "Refund" for 2w, all within 30d of one another: it began at 2026-11-01T00:00:00.000Z
            [/any/2] True: "Order Completed", then no "Refund": it began at 2026-11-20T00:00:00.000Z
            [/any/3] Withheld: "Order Completed", then "Page Viewed", then "Page Viewed": 2 of 3 steps so far, some events withheld
        "#]],
    );
}

#[test]
fn calendars_and_measures_read_as_they_are_meant() {
    check(
        json!({"any": [
            {"event": "Order Completed", "within": {"calendar": "last_6_months", "timezone": "Europe/Stockholm", "with_current": true},
                "periods": {"unit": "month", "timezone": "profile", "op": "gte", "value": 3}},
            {"event": "Order Completed", "within": {"calendar": "yesterday"}, "avg": {"property": "revenue", "op": "gt", "value": 10}},
            {"event": "Order Completed", "within": {"from": "60d", "to": "5d"}, "min": {"property": "revenue", "op": "gt", "value": 50}},
            {"event": "Order Completed", "within": {"after": "2026-11-02", "before": "2026-12-01"}, "distinct": {"property": "currency", "op": "gt", "value": 1}},
            {"event": "Order Completed", "within": {"after": "2026-11-02"}, "max": {"property": "revenue", "op": "lt", "value": 1}}
        ]}),
        expect![[r#"
            (months (profile) with "Order Completed" in last_6_months and the present one (Europe/Stockholm) gte 3 or mean of revenue of "Order Completed" yesterday (UTC) gt 10 or least revenue of "Order Completed" between 60d and 5d ago gt 50 or different currency of "Order Completed" from 2026-11-02T00:00:00.000Z on and before 2026-12-01T00:00:00.000Z gt 1 or greatest revenue of "Order Completed" from 2026-11-02T00:00:00.000Z on lt 1)
            [] True until 2026-11-22T00:00:00.000Z: any of 5
            [/any/0] False: months (profile) with "Order Completed" in last_6_months and the present one (Europe/Stockholm) is 1, wanted gte 3
            [/any/1] True until 2026-11-22T00:00:00.000Z: mean of revenue of "Order Completed" yesterday (UTC) is 60.5, wanted gt 10
            [/any/2] False until 2026-11-25T00:00:00.000Z: least revenue of "Order Completed" between 60d and 5d ago is 40, wanted gt 50
            [/any/3] False: different currency of "Order Completed" from 2026-11-02T00:00:00.000Z on and before 2026-12-01T00:00:00.000Z is 1, wanted gt 1
            [/any/4] False: greatest revenue of "Order Completed" from 2026-11-02T00:00:00.000Z on is 60.5, wanted lt 1
        "#]],
    );
}

#[test]
fn comparisons_with_traits_and_the_clock_tell_both_sides() {
    check(
        json!({"any": [
            {"trait": "plan", "op": "contains_all", "value": ["p", "x"]},
            {"trait": "plan", "op": "matches", "value": "^P", "ignore_case": true},
            {"context": "device.type", "op": "version_lt", "value": "v2.1"},
            {"trait": "plan", "op": "eq", "value": {"trait": "secret"}, "ignore_case": true},
            {"context": "device.type", "op": "ne", "value": {"trait": "absent"}},
            {"trait": "renewed", "op": "older_than", "value": "30d"},
            {"trait": "absent", "op": "within_next", "value": "7d"},
            {"trait": "renewed", "op": "anniversary", "value": {"days_before": 3, "timezone": "profile"}}
        ]}),
        expect![[r#"
            (trait plan contains_all "p", "x" or trait plan matches /^P/ (any case) or context device.type version_lt 2.1.0 or trait plan eq trait secret (any case) or context device.type ne trait absent or trait renewed older_than 30d or trait absent within_next 1w or trait renewed anniversary, from 3 days before to 0 after (profile))
            [] True: any of 8
            [/any/0] False: trait plan is "pro", wanted contains_all "p", "x"
            [/any/1] True: trait plan is "pro", wanted matches /^P/ (any case)
            [/any/2] False: context device.type is "mobile", wanted version_lt 2.1.0
            [/any/3] Withheld: trait plan is "pro", wanted eq trait secret (any case), which is withheld
            [/any/4] False: context device.type is "mobile", wanted ne trait absent, which is missing
            [/any/5] False until 2026-12-01T00:00:00.000Z: trait renewed is "2026-11-01", wanted older_than 30d
            [/any/6] False: trait absent is missing, wanted within_next 1w
            [/any/7] False until 2027-10-29T00:00:00.000Z: trait renewed is "2026-11-01", wanted anniversary, from 3 days before to 0 after (profile)
        "#]],
    );
}

#[test]
fn the_visit_that_goes_on_is_told() {
    check(
        json!({"any": [
            {"event": "Page Viewed", "within": {"visit": "current"}, "count": {"op": "gte", "value": 3}},
            {"sequence": [{"event": "Page Viewed"}, {"event": "Order Completed"}], "within": {"visit": "current"}}
        ]}),
        expect![[r#"
            (count of "Page Viewed" in the visit that goes on gte 3 or "Page Viewed", then "Order Completed", in the visit that goes on)
            [] False until 2026-11-21T00:20:00.000Z: any of 2
            [/any/0] False until 2026-11-21T00:20:00.000Z: count of "Page Viewed" in the visit that goes on is 0, wanted gte 3
            [/any/1] False until 2026-11-21T00:20:00.000Z: "Page Viewed", then "Order Completed", in the visit that goes on: 0 of 2 steps so far
        "#]],
    );
}

#[test]
fn sequences_say_in_which_order_and_until_when() {
    check(
        json!({"any": [
            {"sequence": [
                {"event": "Order Completed"},
                {"any_order": [{"event": "Page Viewed"}, {"event": "Order Completed", "same": [{"property": "currency"}]}],
                    "within": "60d"}
            ], "same_visit": true},
            {"sequence": [{"event": "Order Completed"}, {"event": "Page Viewed"}], "finished_within": "1h"}
        ]}),
        expect![[r#"
            ("Order Completed", then "Page Viewed" and "Order Completed" with the same currency of step 1 in any order within 60d, all in one visit or "Order Completed", then "Page Viewed", finished within 1h)
            [] False: any of 2
            [/any/0] False: "Order Completed", then "Page Viewed" and "Order Completed" with the same currency of step 1 in any order within 60d, all in one visit: 0 of 3 steps so far, some events withheld
            [/any/1] False: "Order Completed", then "Page Viewed", finished within 1h: it began at 2026-11-20T00:00:00.000Z, finished at 2026-11-20T12:00:00.000Z, some events withheld
        "#]],
    );
}

#[test]
fn memberships_and_what_came_since_tell_when() {
    check(
        json!({"any": [
            {"audience": "trial", "ever": true},
            {"audience": "trial", "entered_within": "7d"},
            {"audience": "trial", "left_within": "7d"},
            {"event": "Page Viewed", "within": {"since": {"event": "Order Completed", "where": [{"property": "revenue", "op": "gt", "value": 100}]}}},
            {"event": "Order Completed", "within": {"since": {"trait": "renewed"}}, "count": {"op": "gt", "value": 5}},
            {"event": "Order Completed", "within": {"since": {"audience": "vip"}}}
        ]}),
        expect![[r#"
            (ever in audience trial or entered audience trial within 1w or left audience trial within 1w or count of "Page Viewed" since the last "Order Completed" where revenue gt 100 gte 1 or count of "Order Completed" since the instant in trait renewed gt 5 or count of "Order Completed" since entering audience vip gte 1)
            [] True: any of 6
            [/any/0] True: ever in audience trial: not a member since 2026-11-15T00:00:00.000Z, entered before that at 2026-11-01T00:00:00.000Z
            [/any/1] False: entered audience trial within 1w: not a member since 2026-11-15T00:00:00.000Z, entered before that at 2026-11-01T00:00:00.000Z
            [/any/2] True until 2026-11-22T00:00:00.000Z: left audience trial within 1w: not a member since 2026-11-15T00:00:00.000Z, entered before that at 2026-11-01T00:00:00.000Z
            [/any/3] False: count of "Page Viewed" since the last "Order Completed" where revenue gt 100 is unknown, as there is nothing to count from, wanted gte 1
            [/any/4] False: count of "Order Completed" since the instant in trait renewed is 1, wanted gt 5
            [/any/5] False: count of "Order Completed" since entering audience vip is 0, wanted gte 1
        "#]],
    );
}

#[test]
fn frequencies_tell_what_leads() {
    check(
        json!({"any": [
            {"event": "Order Completed", "most_frequent": {"property": "currency", "op": "eq", "value": "EUR"}},
            {"event": "Order Completed", "share": {"where": [{"property": "currency", "op": "eq", "value": "SEK"},
                {"property": "revenue", "op": "gt", "value": 1}], "op": "gt", "value": 0.5}},
            {"event": "Order Completed", "since_first": {"op": "lt", "value": "7d"}},
            {"event": "Page Viewed", "share": {"where": [], "op": "gt", "value": 0.5}},
            {"event": "Unheard", "most_frequent": {"property": "x", "op": "exists"}}
        ]}),
        expect![[r#"
            (most frequent currency of "Order Completed" eq "EUR" or share of those where currency eq "SEK" and revenue gt 1 among "Order Completed" gt 0.5 or time since the first "Order Completed" lt 1w or share of those among "Page Viewed" gt 0.5 or most frequent x of "Unheard" exists)
            [] Withheld: any of 5
            [/any/0] False: most frequent currency of "Order Completed" is "SEK", wanted eq "EUR"
            [/any/1] False: share of those where currency eq "SEK" and revenue gt 1 among "Order Completed" is 0.5, wanted gt 0.5
            [/any/2] False: time since the first "Order Completed" is 2w 6d, wanted lt 1w
            [/any/3] Withheld: share of those among "Page Viewed" is 1, 1 withheld, wanted gt 0.5
            [/any/4] False: most frequent x of "Unheard" is unknown, as there is no value, wanted exists
        "#]],
    );
}

#[test]
fn sequences_say_how_often_and_how_closely() {
    check(
        json!({"any": [
            {"sequence": [{"event": "Page Viewed", "times": 2, "within": "2h", "same": [{"property": "url"}]}]},
            {"sequence": [{"event": "Order Completed"}, {"event": "Order Completed"}, {"event": "Refund"}],
                "strict": true, "within": {"calendar": "this_month"}}
        ]}),
        expect![[r#"
            ("Page Viewed" 2 times with the same url of step 1 within 2h or "Order Completed", then "Order Completed", then "Refund", with none of these between, in this_month (UTC))
            [] Withheld: any of 2
            [/any/0] Withheld: "Page Viewed" 2 times with the same url of step 1 within 2h: 0 of 2 steps so far, some events withheld
            [/any/1] False: "Order Completed", then "Order Completed", then "Refund", with none of these between, in this_month (UTC): 2 of 3 steps so far
        "#]],
    );
}
