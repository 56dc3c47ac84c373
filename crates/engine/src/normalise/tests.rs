//! What clients really send, what is refused with which code, and that nothing sent is ever fatal.

use std::{fmt::Write as _, sync::LazyLock};

use expect_test::{Expect, expect};
use model::{Consents, Purpose, PurposeSet};
use proptest::prelude::*;
use serde_json::json;

use super::*;

mod fuzz;

/// 2026-11-22T12:00:00Z.
const NOW: Timestamp = Timestamp(1_795_348_800_000);

static ENRICHER: LazyLock<Enricher> = LazyLock::new(Enricher::default);

/// The signals of a workspace that has defined no purposes.
static SIGNALS: LazyLock<ConsentSignals> = LazyLock::new(|| {
    let policy = profile::PurposePolicy::built_in();
    let of = |rule: &profile::PurposeRule| {
        (rule.purpose, rule.key.clone(), PurposeSignals::built_in(rule.purpose))
    };
    let rules: Vec<_> = policy.rules().iter().map(of).collect();
    ConsentSignals::of(rules.iter().map(|(purpose, key, own)| (*purpose, key, own.clone())))
});

fn envelope(source: &SourceKey) -> Envelope<'_> {
    Envelope {
        source,
        received_at: NOW,
        judged_at: NOW,
        sent_at: None,
        historical: false,
        marks: Marks::default(),
        kind: None,
        context: None,
        row: None,
        caller: Caller::default(),
        enricher: &ENRICHER,
        consent: ConsentReader::of(&SIGNALS),
    }
}

fn web() -> SourceKey {
    "web".parse().unwrap()
}

fn item(value: &Value) -> Item {
    normalise(value.to_string().as_bytes(), &envelope(&web()))
}

fn sound(value: &Value) -> Event {
    match item(value) {
        Item::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn code(value: &Value) -> String {
    code_of(value.to_string().as_bytes())
}

fn code_of(body: &[u8]) -> String {
    match normalise(body, &envelope(&web())) {
        Item::Event(_) | Item::Replayed(..) => "sound".to_owned(),
        Item::Rejected(rejected) => rejected.code.to_string(),
    }
}

/// One line for each fact of an item, so that a snapshot reads like a table.
fn show(item: &Item, out: &mut String) {
    match item {
        Item::Event(event) | Item::Replayed(event, _) => {
            let ids: Vec<String> =
                event.identifiers.iter().map(|id| format!("{}={}", id.kind, id.value)).collect();
            writeln!(out, "{} `{}` {}", event.kind, event.name, ids.join(" ")).unwrap();
            writeln!(out, "  at {}", event.event_time).unwrap();
            for (name, object) in
                [("properties", event.properties.object()), ("traits", event.traits.clone())]
            {
                if !object.is_empty() {
                    writeln!(out, "  {name} {}", Value::Object(object)).unwrap();
                }
            }
        }
        Item::Rejected(rejected) => {
            writeln!(out, "rejected {}: {}", rejected.code, rejected.detail).unwrap();
        }
    }
}

fn check_batch(body: &str, expected: Expect) {
    let batch = split(body.as_bytes(), 500).unwrap();
    let source = web();
    let envelope = Envelope {
        sent_at: batch.sent_at,
        context: batch.context.as_ref(),
        // Half a second under way.
        received_at: batch.sent_at.unwrap().saturating_add(model::Duration(500)),
        ..envelope(&source)
    };
    let mut out = String::new();
    for event in &batch.events {
        show(&normalise(event, &envelope), &mut out);
    }
    expected.assert_eq(&out);
}

#[test]
fn segment_python() {
    let body = include_str!("tests/segment-analytics-python-2.4.0.json");
    assert_eq!(split(body.as_bytes(), 500).unwrap().write_key.as_deref(), Some("WK"));
    check_batch(
        body,
        expect![[r#"
        identify `Identify` user_id=u1 email=a@b.c
          at 2026-11-22T03:27:55.766Z
          traits {"email":"a@b.c","plan":"pro"}
        track `Order Completed` user_id=u1 anonymous_id=an1
          at 2026-11-22T03:27:55.766Z
          properties {"revenue":50.5,"when":"2024-01-02T00:00:00"}
        page `Page Viewed` user_id=u1
          at 2026-11-22T03:27:55.766Z
          properties {"category":"Docs","name":"Intro","url":"http://x"}
        screen `Screen Viewed` user_id=u1
          at 2026-11-22T03:27:55.766Z
          properties {"name":"Home"}
        group `Group` user_id=u1
          at 2026-11-22T03:27:55.766Z
          properties {"group_id":"g1","traits":{"name":"Acme"}}
        alias `Alias` user_id=u1 anonymous_id=an1
          at 2026-11-22T03:27:55.766Z
          properties {"previous_id":"an1"}
    "#]],
    );
}

#[test]
fn rudder_python() {
    check_batch(
        include_str!("tests/rudder-sdk-python-2.1.9.json"),
        expect![[r#"
        identify `Identify` user_id=u1 email=a@b.c
          at 2026-11-22T03:27:56.323Z
          traits {"email":"a@b.c"}
        track `Order Completed` user_id=u1
          at 2026-11-22T03:27:56.324Z
          properties {"revenue":50.5}
        page `Page Viewed` user_id=u1
          at 2026-11-22T03:27:56.324Z
          properties {"category":"Docs","name":"Intro","url":"http://x"}
        group `Group` user_id=u1
          at 2026-11-22T03:27:56.324Z
          properties {"group_id":"g1","traits":{"name":"Acme"}}
        alias `Alias` user_id=u1 anonymous_id=an1
          at 2026-11-22T03:27:56.324Z
          properties {"previous_id":"an1"}
    "#]],
    );
}

#[test]
fn segment_node() {
    check_batch(
        include_str!("tests/segment-analytics-node-3.1.0.json"),
        expect![[r#"
        identify `Identify` user_id=u1 email=a@b.c
          at 2026-11-22T03:27:58.317Z
          traits {"email":"a@b.c"}
        track `Order Completed` anonymous_id=an1 external:crm=x
          at 2026-11-22T03:27:58.318Z
          properties {"revenue":1}
        alias `Alias` user_id=u1 anonymous_id=an1
          at 2026-11-22T03:27:58.318Z
          properties {"previous_id":"an1"}
        group `Group` user_id=u1
          at 2026-11-22T03:27:58.318Z
          properties {"group_id":"g","traits":{"n":1}}
        page `Page Viewed` user_id=u1
          at 2026-11-22T03:27:58.318Z
          properties {"category":"C","name":"P"}
    "#]],
    );
}

#[test]
fn segment_node_before_version_one() {
    check_batch(
        include_str!("tests/analytics-node-6.2.0.json"),
        expect![[r#"
        identify `Identify` user_id=12 email=a@b.c
          at 2026-11-22T03:27:58.372Z
          traits {"email":"a@b.c"}
    "#]],
    );
}

#[test]
fn rudder_node() {
    check_batch(
        include_str!("tests/rudder-sdk-node-3.0.13.json"),
        expect![[r#"
        track `E` user_id=u1 anonymous_id=an
          at 2023-11-14T22:13:20.000Z
          properties {"a":1}
        alias `Alias` user_id=u1 anonymous_id=an
          at 2026-11-22T03:27:58.395Z
          properties {"previous_id":"an"}
        group `Group` user_id=u1
          at 2026-11-22T03:27:58.395Z
          properties {"group_id":"g"}
        page `Page Viewed` user_id=u1
          at 2026-11-22T03:27:58.395Z
          properties {"name":"P"}
    "#]],
    );
}

#[test]
fn segment_browser() {
    let calls: Vec<Value> =
        serde_json::from_str(include_str!("tests/segment-analytics-next-1.84.3.json")).unwrap();
    let mut out = String::new();
    for call in &calls {
        let body = call["body"].to_string();
        let sent_at: Timestamp = call["body"]["sentAt"].as_str().unwrap().parse().unwrap();
        let source = web();
        let envelope = Envelope { received_at: sent_at, ..envelope(&source) };
        show(&normalise(body.as_bytes(), &envelope), &mut out);
    }
    expect![[r#"
        page `Page Viewed` anonymous_id=262cc593-3a24-4989-8339-daf82fc63388
          at 2026-11-22T03:36:10.744Z
          properties {"path":"/p","referrer":"","search":"?utm_source=x","title":"T","url":"http://shop.example/p?utm_source=x"}
        identify `Identify` user_id=u1 anonymous_id=262cc593-3a24-4989-8339-daf82fc63388 email=a@b.c
          at 2026-11-22T03:36:10.783Z
          traits {"email":"a@b.c"}
        track `Ev` user_id=u1 anonymous_id=262cc593-3a24-4989-8339-daf82fc63388
          at 2026-11-22T03:36:10.786Z
          properties {"x":1}
        group `Group` user_id=u1 anonymous_id=262cc593-3a24-4989-8339-daf82fc63388
          at 2026-11-22T03:36:10.795Z
          properties {"group_id":"g1","traits":{"n":1}}
        alias `Alias` user_id=u1 anonymous_id=262cc593-3a24-4989-8339-daf82fc63388
          at 2026-11-22T03:36:10.798Z
          properties {"previous_id":"u1"}
    "#]].assert_eq(&out);
}

#[test]
fn both_spellings_are_read_and_the_first_counts() {
    let event = sound(&json!({
        "type": "alias", "user_id": "u1", "previous_id": "a0", "anonymous_id": "a1", "message_id": "m",
    }));
    let ids: Vec<String> = event.identifiers.iter().map(|i| i.value.to_string()).collect();
    assert_eq!(ids, ["u1", "a1", "a0"]);
    assert_eq!(event.routing().unwrap().value, "a1", "the client's own anonymous id routes");
    assert_eq!(event.message_id, "m");

    let both =
        normalise(br#"{"type":"page","userId":"first","user_id":"second"}"#, &envelope(&web()));
    let Item::Event(both) = both else { panic!("refused") };
    assert_eq!(both.identifiers.len(), 1);
    assert_eq!(both.identifiers[0].value, "first");
}

#[test]
fn ids_may_be_numbers_and_empty_ones_are_absent() {
    let event = sound(&json!({"type": "page", "userId": 12, "anonymousId": "", "messageId": null}));
    assert_eq!(event.identifiers, [Identifier::new(model::IdentifierType::UserId, "12")]);
    let alias = sound(&json!({"type": "alias", "userId": "u1", "previousId": "u1"}));
    assert_eq!(alias.identifiers.len(), 1, "an id is no alias of itself");
}

#[test]
fn every_place_that_names_the_person_is_read_once() {
    let event = sound(&json!({
        "type": "identify", "userId": "u1",
        "traits": {"email": "a@b.c", "phone": 46701234567_i64, "plan": "pro"},
        "context": {
            "traits": {"email": "old@b.c", "city": "Lund"},
            "device": {"id": "d1", "advertisingId": "d1"},
            "externalIds": [
                {"id": "x", "type": "crm.Contact", "collection": "users"},
                {"id": "acme", "type": "crm", "collection": "accounts"},
                {"id": "a@b.c", "type": "email"},
                {"id": 7, "type": "brazeExternalId"},
                {"type": "no id"}, "nonsense",
            ],
        },
    }));
    let ids: Vec<String> =
        event.identifiers.iter().map(|id| format!("{}={}", id.kind, id.value)).collect();
    expect![[r#"
        user_id=u1
        email=a@b.c
        phone=46701234567
        device_id=d1
        external:crm_contact=x
        external:brazeexternalid=7"#]]
    .assert_eq(&ids.join("\n"));
    assert_eq!(event.traits["email"], "a@b.c", "the call's own traits win");
    assert_eq!(event.traits["city"], "Lund");
    assert!(!event.context.contains("traits"), "nothing is kept twice");
}

/// What a context says, by the signals of a workspace and of a browser.
fn said_by(signals: &ConsentSignals, browser: BrowserSignals, context: &Value) -> String {
    let reader = ConsentReader { signals, browser };
    let said: Consents = reader.read(|name| context.get(name));
    let names = |set: PurposeSet| {
        let key = |p| Purpose::BUILT_IN.into_iter().find(|(q, _)| *q == p).unwrap().1;
        set.iter().map(key).collect::<Vec<_>>().join(" ")
    };
    format!("granted: {}; denied: {}", names(said.granted), names(said.denied))
}

fn said(context: Value) -> String {
    said_by(&SIGNALS, BrowserSignals::default(), &context)
}

#[test]
fn consent_is_read_in_the_shapes_of_analytics_clients() {
    let segment = json!({"consent": {"categoryPreferences":
        {"Analytics": true, "marketing": false, "unheard_of": true, "advertising": "yes"}}});
    assert_eq!(said(segment), "granted: analytics; denied: marketing");
    let rudder = json!({"consentManagement": {"provider": "custom",
        "allowedConsentIds": ["personalization"], "deniedConsentIds": ["analytics", 3]}});
    assert_eq!(said(rudder), "granted: personalization; denied: analytics");
    let named = json!({"consentManagement": {"allowedConsentIds": {"marketing": "Marketing"}}});
    assert_eq!(said(named), "granted: marketing; denied: ");
    assert_eq!(said(json!({"consent": {"categoryPreferences": {}}})), "granted: ; denied: ");
    assert_eq!(said(json!({"consent": null, "consentManagement": 3})), "granted: ; denied: ");
}

#[test]
fn google_types_grant_together_and_deny_alone() {
    let google = |types: Value| said(json!({"consent": types}));
    assert_eq!(google(json!({"analytics_storage": "granted"})), "granted: analytics; denied: ");
    assert_eq!(google(json!({"analytics_storage": "DENIED"})), "granted: ; denied: analytics");
    assert_eq!(google(json!({"personalization_storage": true})), "granted: ; denied: ");
    let two = json!({"ad_storage": "granted", "ad_user_data": "GRANTED"});
    assert_eq!(google(two), "granted: ; denied: ", "nothing is known of the third");
    let three = json!({"ad_storage": "granted", "ad_user_data": "granted", "ad_personalization": "granted"});
    assert_eq!(google(three), "granted: advertising; denied: ");
    let one_refused =
        json!({"ad_storage": "granted", "ad_user_data": "granted", "ad_personalization": "denied"});
    assert_eq!(google(one_refused), "granted: ; denied: advertising");
}

#[test]
fn strings_of_the_framework_answer_for_every_purpose_they_speak_about() {
    // Purposes 1, 2 and 3.
    let text = "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA";
    let refused = "granted: ; denied: personalization analytics advertising";
    assert_eq!(said(json!({"consent": {"tcString": text}})), refused);
    assert_eq!(said(json!({"consent": {"IABTCF_TCString": text, "gdprApplies": 1}})), refused);
    for applies in [json!(false), json!(0), json!("0")] {
        let outside = json!({"consent": {"tcString": text, "gdprApplies": applies}});
        assert_eq!(said(outside), "granted: ; denied: ", "the law does not apply");
    }
    let own = PurposeSignals { tcf: vec![1, 2], ..PurposeSignals::default() };
    let key = "analytics".parse().unwrap();
    let signals = ConsentSignals::of([(Purpose::ANALYTICS, &key, own)]);
    let context = json!({"consent": {"tcString": text}});
    let said = said_by(&signals, BrowserSignals::default(), &context);
    assert_eq!(said, "granted: analytics; denied: ", "a workspace maps them as it likes");
    assert_eq!(self::said(json!({"consent": {"tcString": "nonsense"}})), "granted: ; denied: ");
}

#[test]
fn signals_of_browsers_refuse_and_never_grant() {
    let refused = "granted: ; denied: advertising";
    for context in [
        json!({"globalPrivacyControl": true}),
        json!({"consent": {"gpc": "1"}}),
        json!({"doNotTrack": "1"}),
        json!({"doNotTrack": "yes"}),
        json!({"consent": {"dnt": 1, "categoryPreferences": {"advertising": true}}}),
    ] {
        let said = said(context.clone()).replace("granted: advertising", "granted: ");
        assert_eq!(said, refused, "{context}");
    }
    for context in [json!({"globalPrivacyControl": false}), json!({"doNotTrack": "0"})] {
        assert_eq!(said(context), "granted: ; denied: ", "silence");
    }
    for browser in
        [BrowserSignals { gpc: true, dnt: false }, BrowserSignals { gpc: false, dnt: true }]
    {
        assert_eq!(said_by(&SIGNALS, browser, &json!({})), refused);
    }
}

#[test]
fn categories_stand_for_what_the_workspace_says() {
    let own = |categories: &[&str]| PurposeSignals {
        categories: categories.iter().map(|&category| category.to_owned()).collect(),
        ..PurposeSignals::default()
    };
    let keys = ["analytics", "marketing"].map(|key| key.parse().unwrap());
    let signals = ConsentSignals::of([
        (Purpose::ANALYTICS, &keys[0], own(&["C0002", "Statistics"])),
        (Purpose::MARKETING, &keys[1], own(&["C0004", "statistics"])),
    ]);
    let said = |preferences: Value| {
        let context = json!({"consent": {"categoryPreferences": preferences}});
        said_by(&signals, BrowserSignals::default(), &context)
    };
    assert_eq!(
        said(json!({"c0002": true, "C0004": false})),
        "granted: analytics; denied: marketing"
    );
    assert_eq!(said(json!({"STATISTICS": true})), "granted: analytics marketing; denied: ");
    assert_eq!(said(json!({"C0003": false})), "granted: ; denied: ");
}

#[test]
fn countries_are_told_by_the_place_or_by_traits() {
    let told = |context: Value, traits: Value| {
        let traits = traits.as_object().unwrap().clone();
        let found = country(|name| context.get(name), &traits);
        found.map(|country| country.to_string())
    };
    let none = json!({});
    assert_eq!(told(json!({"location": {"country": "se"}}), none.clone()), Some("SE".into()));
    let both = json!({"location": {"country": "Germany", "country_code": "DE"}});
    assert_eq!(told(both, none.clone()), Some("DE".into()));
    assert_eq!(told(none.clone(), json!({"address": {"country": "FR"}})), Some("FR".into()));
    assert_eq!(told(json!({"location": "SE"}), json!({"country": "NO"})), Some("NO".into()));
    assert_eq!(told(json!({"location": {"country": "Sweden"}}), none), None);
}

/// The event time of a call with these times, or the code it is refused with.
fn time_of(times: Value) -> String {
    let mut event = json!({"type": "page", "userId": "u1"});
    event.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
    match item(&event) {
        Item::Event(event) | Item::Replayed(event, _) => event.event_time.to_string(),
        Item::Rejected(rejected) => rejected.code.to_string(),
    }
}

#[test]
fn clocks_are_corrected_within_reason() {
    let cases = [
        ("arrival stands in for no time", json!({})),
        ("without sentAt nothing is known", json!({"timestamp": "2026-11-22T10:00:00Z"})),
        (
            "an hour behind",
            json!({"timestamp": "2026-11-22T10:00:00Z", "sentAt": "2026-11-22T11:00:00Z"}),
        ),
        (
            "four seconds are the way here",
            json!({"timestamp": "2026-11-22T11:59:50Z", "sentAt": "2026-11-22T11:59:56Z"}),
        ),
        (
            "a day ahead",
            json!({"timestamp": "2026-11-23T11:59:00Z", "sentAt": "2026-11-23T12:00:00Z"}),
        ),
        (
            "two years off corrects nothing",
            json!({"timestamp": "2024-11-22T11:59:00Z", "sentAt": "2024-11-22T12:00:00Z"}),
        ),
        (
            "originalTimestamp stands in",
            json!({"originalTimestamp": "2026-11-22T10:00:00Z", "sentAt": "2026-11-22T11:00:00Z"}),
        ),
        (
            "a timestamp set on the way is final",
            json!({"timestamp": "2023-11-14T22:13:20Z", "originalTimestamp": "2026-11-22T10:00:00Z",
                   "sentAt": "2026-11-22T11:00:00Z"}),
        ),
        ("sentAt that is no time", json!({"timestamp": "2026-11-22T10:00:00Z", "sentAt": "now"})),
        ("an offset", json!({"timestamp": "2026-11-22T10:00:00+01:00"})),
        ("no offset is UTC", json!({"timestamp": "2026-11-22T10:00:00"})),
        ("23 h ahead", json!({"timestamp": "2026-11-23T11:00:00Z"})),
        ("25 h ahead", json!({"timestamp": "2026-11-23T13:00:00Z"})),
        ("2100", json!({"timestamp": "2100-01-01T00:00:00Z"})),
        ("1970", json!({"timestamp": "1970-01-01T00:00:00Z"})),
        ("no time at all", json!({"timestamp": "yesterday"})),
        ("a number", json!({"timestamp": 1_700_000_000})),
    ];
    let lines: Vec<String> =
        cases.into_iter().map(|(name, times)| format!("{name}: {}", time_of(times))).collect();
    expect![[r#"
        arrival stands in for no time: 2026-11-22T12:00:00.000Z
        without sentAt nothing is known: 2026-11-22T10:00:00.000Z
        an hour behind: 2026-11-22T11:00:00.000Z
        four seconds are the way here: 2026-11-22T11:59:50.000Z
        a day ahead: 2026-11-22T11:59:00.000Z
        two years off corrects nothing: 2024-11-22T11:59:00.000Z
        originalTimestamp stands in: 2026-11-22T11:00:00.000Z
        a timestamp set on the way is final: 2023-11-14T22:13:20.000Z
        sentAt that is no time: 2026-11-22T10:00:00.000Z
        an offset: 2026-11-22T09:00:00.000Z
        no offset is UTC: 2026-11-22T10:00:00.000Z
        23 h ahead: 2026-11-23T11:00:00.000Z
        25 h ahead: timestamp_in_future
        2100: timestamp_in_future
        1970: timestamp_too_old
        no time at all: bad_timestamp
        a number: bad_timestamp"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn imported_events_keep_their_times() {
    let body = br#"{"type":"page","userId":"u","timestamp":"2020-01-01T00:00:00Z","sentAt":"2026-11-22T11:00:00Z"}"#;
    let source = web();
    let imported = Envelope { historical: true, ..envelope(&source) };
    let Item::Event(event) = normalise(body, &imported) else { panic!("refused") };
    assert_eq!(event.event_time.to_string(), "2020-01-01T00:00:00.000Z");
    assert!(event.historical);
}

#[test]
fn faults_have_stable_codes() {
    let long = "x".repeat(600);
    let many: Vec<Value> = (0..25).map(|i| json!({"type": "crm", "id": format!("c{i}")})).collect();
    let cases = [
        json!({"type": "track", "event": "E", "userId": "u"}),
        json!({"type": "track", "event": "E"}),
        json!({"type": "track", "event": "E", "userId": " "}),
        json!({"type": "track", "userId": "u"}),
        json!({"type": "track", "event": "", "userId": "u"}),
        json!({"type": "track", "event": "x".repeat(201), "userId": "u"}),
        json!({"type": "shout", "userId": "u"}),
        json!({"userId": "u"}),
        json!({"type": "page", "userId": long}),
        json!({"type": "page", "userId": "u", "context": {"externalIds": many}}),
        json!({"type": "page", "userId": "u", "messageId": long}),
        json!({"type": "page", "userId": {"a": 1}}),
        json!({"type": "page", "userId": 1.5}),
        json!({"type": "page", "userId": "u", "properties": "text"}),
        json!({"type": "page", "userId": "u", "properties": {"x": "y".repeat(40_000)}}),
        json!([1, 2]),
        json!("track"),
    ];
    let codes: Vec<String> = cases.iter().map(code).collect();
    expect![[r#"
        sound
        no_identifier
        no_identifier
        no_event_name
        no_event_name
        name_too_long
        unknown_type
        unknown_type
        identifier_too_long
        too_many_identifiers
        message_id_too_long
        malformed_event
        malformed_event
        malformed_event
        too_large
        not_an_object
        not_an_object"#]]
    .assert_eq(&codes.join("\n"));
}

#[test]
fn text_that_is_no_json_is_told_apart() {
    let deep_open = "{\"a\":".repeat(100_000);
    let deep = format!(
        "{{\"type\":\"page\",\"userId\":\"u\",\"p\":{}1{}}}",
        "[".repeat(40),
        "]".repeat(40)
    );
    let cases: [&[u8]; 8] = [
        b"",
        b"{",
        b"not json",
        b"{\"type\":\"page\",\"userId\":\"\xff\"}",
        br#"{"type":"page","userId":"u","properties":{"x":NaN}}"#,
        br#"{"type":"page","userId":"u","properties":{"x":1e999}}"#,
        &deep_open.as_bytes()[..30_000],
        deep.as_bytes(),
    ];
    let codes: Vec<String> = cases.iter().map(|body| code_of(body)).collect();
    expect![[r#"
        malformed_json
        malformed_json
        malformed_json
        malformed_json
        malformed_json
        malformed_event
        malformed_json
        too_deep"#]]
    .assert_eq(&codes.join("\n"));
}

#[test]
fn a_retry_without_message_id_is_the_same_event() {
    let id = |body: &str, kind: Option<EventKind>, row: Option<&str>| {
        let source = web();
        let envelope = Envelope { kind, row, ..envelope(&source) };
        match normalise(body.as_bytes(), &envelope) {
            Item::Event(event) => event.message_id,
            other => panic!("{other:?}"),
        }
    };
    let first = id(
        r#"{"type":"track","event":"E","userId":"u","properties":{"a":1,"b":{"c":2,"d":3}},"timestamp":"2026-11-22T10:00:00Z","sentAt":"2026-11-22T10:00:01Z"}"#,
        None,
        None,
    );
    let retried = r#"{"event":"E","timestamp":"2026-11-22T10:00:00Z","sentAt":"2026-11-22T10:05:00Z","userId":"u","properties":{"b":{"d":3,"c":2},"a":1}}"#;
    assert_eq!(id(retried, Some(EventKind::Track), None), first);
    assert_eq!(first.len(), 32);
    let later = retried.replace("10:00:00", "10:00:09");
    assert_ne!(id(&later, Some(EventKind::Track), None), first, "the client's time counts");
    assert_ne!(id(retried, Some(EventKind::Track), Some("f:1")), first, "so does an import's row");
}

#[test]
fn a_rejected_event_can_be_replayed_from_what_was_kept() {
    let source = web();
    let by_path = Envelope { kind: Some(EventKind::Page), ..envelope(&source) };
    let body =
        br#" {"userId":"u","timestamp":"2100-01-01T00:00:00Z","sentAt":"2026-11-22T11:00:00Z"}"#;
    let Item::Rejected(rejected) = normalise(body, &by_path) else { panic!("accepted") };
    let Rejected { source, arrival, body: kept, .. } = *rejected;
    assert_eq!(kept, body);
    let kept = Kept::AsSent { arrival, body: kept };
    let again = |judged_at| normalise_again(&source, &kept, judged_at, &ENRICHER, &SIGNALS);
    assert!(matches!(again(NOW), Item::Rejected(_)), "its time has not come");
    let Item::Event(event) = again(Timestamp(4_102_444_800_000)) else { panic!("refused") };
    assert_eq!((event.kind, event.received_at), (EventKind::Page, NOW));
    assert_eq!(
        event.event_time.to_string(),
        "2100-01-01T01:00:00.000Z",
        "its clock was an hour slow"
    );
    assert!(event.historical, "it triggers nothing");
}

#[test]
fn batches_come_apart_and_one_bad_event_spoils_no_other() {
    let body = r#" {"context":{"ip":"1.2.3.4","batch":[1]},"batch" : [ {"a":"],}"} , {"b":NaN}, 7 ,{"c":[{}]}],"sentAt":"2026-11-22T10:00:00Z"}"#;
    let batch = split(body.as_bytes(), 500).unwrap();
    let texts: Vec<&str> = batch.events.iter().map(|e| std::str::from_utf8(e).unwrap()).collect();
    assert_eq!(texts, [r#"{"a":"],}"}"#, r#"{"b":NaN}"#, "7", r#"{"c":[{}]}"#]);
    assert!(batch.sent_at.is_some());
    assert_eq!(batch.context.unwrap().get("ip"), Some(&json!("1.2.3.4")));
    assert!(split(br#"{"batch":[]}"#, 500).unwrap().events.is_empty());
}

#[test]
fn bodies_that_are_no_batch_say_why() {
    let why =
        |body: &str| split(body.as_bytes(), 2).map(|b| b.events.len()).unwrap_err().to_string();
    let bodies = [
        "",
        "[]",
        "{}",
        r#"{"batch":7}"#,
        r#"{"batch":[{}"#,
        r#"{"batch":[{},]}"#,
        r#"{"batch":[{}}"#,
        r#"{"batch":[1,2,3]}"#,
        r#"{"batch":[1],"batch":[2]}"#,
        r#"{"batch":[1]} trailing"#,
        r#"{"batch":[1],"context":"text"}"#,
    ];
    let lines: Vec<String> = bodies.into_iter().map(why).collect();
    expect![[r#"
        the body is not JSON: EOF while parsing a value at line 1 column 0
        the body has no list `batch`
        the body has no list `batch`
        the body has no list `batch`
        the body is not JSON: the list `batch` does not end as it should
        the body is not JSON: the list `batch` does not end as it should
        the body is not JSON: the list `batch` does not end as it should
        the batch has more than 2 events
        the body is not JSON: duplicate field `batch` at line 1 column 19
        the body is not JSON: trailing characters at line 1 column 14
        the body is not JSON: invalid type: string "text", expected a map at line 1 column 29"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn a_batch_context_fills_what_an_event_leaves_out() {
    let shared = LazyObject::parse(r#"{"ip": "1.2.3.4", "locale": "sv"}"#).unwrap();
    let source = web();
    let envelope = Envelope { context: Some(&shared), ..envelope(&source) };
    let body = br#"{"type":"page","userId":"u","context":{"locale":"en"}}"#;
    let Item::Event(event) = normalise(body, &envelope) else { panic!("refused") };
    assert_eq!(event.context.get("ip"), Some(&json!("1.2.3.4")));
    assert_eq!(event.context.get("locale"), Some(&json!("en")));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(Value::from("2026-11-22T10:00:00Z")),
        Just(Value::from("track")),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let key = prop_oneof![
            "[a-z]{1,4}",
            proptest::sample::select(vec![
                "type",
                "userId",
                "anonymousId",
                "previousId",
                "groupId",
                "event",
                "messageId",
                "timestamp",
                "originalTimestamp",
                "sentAt",
                "properties",
                "traits",
                "context",
                "externalIds",
                "device",
                "id",
                "consent",
                "categoryPreferences",
                "consentManagement",
                "deniedConsentIds",
                "batch",
                "email",
            ])
            .prop_map(str::to_owned),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_is_fatal_and_every_event_keeps_its_bounds(value in any_json(), by_path in any::<bool>()) {
        let source = web();
        let kind = by_path.then_some(EventKind::Track);
        let body = value.to_string();
        let normal = normalise(body.as_bytes(), &Envelope { kind, ..envelope(&source) });
        if let Item::Event(event) = normal {
            prop_assert!((1..=Event::MAX_IDENTIFIERS).contains(&event.identifiers.len()));
            prop_assert!(!event.message_id.is_empty());
            prop_assert!(event.event_time <= NOW.saturating_add(model::Duration::hours(24)));
        }
    }

    #[test]
    fn no_bytes_are_fatal(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let source = web();
        normalise(&body, &envelope(&source));
        split(&body, 10).ok();
    }

    #[test]
    fn a_batch_comes_apart_into_what_it_was_made_of(events in proptest::collection::vec(any_json(), 0..8), spaces in " {0,2}") {
        let texts: Vec<String> = events.iter().map(Value::to_string).collect();
        let list = texts.join(&format!("{spaces},{spaces}"));
        let body = format!("{{\"x\":[\"batch\"],\"batch\":{spaces}[{spaces}{list}{spaces}],\"y\":1}}");
        let batch = split(body.as_bytes(), 500).unwrap();
        prop_assert_eq!(batch.events, texts.iter().map(String::as_bytes).collect::<Vec<_>>());
    }

    #[test]
    fn the_depth_is_that_of_the_parsed_value(value in any_json(), extra in 0_usize..60) {
        let text = format!("{}{value}{}", "[".repeat(extra), "]".repeat(extra));
        let found = depth::of(text.as_bytes()).unwrap();
        let real = extra + nesting(&value);
        prop_assert!(found >= real && (found == real || found <= MAX_EVENT_DEPTH));
    }
}

fn nesting(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nesting).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(nesting).max().unwrap_or(0),
        _ => 0,
    }
}
