//! What is added to contexts, and what is left as it was said.

use std::{io::Write as _, net::IpAddr};

use expect_test::{Expect, expect};
use maxminddb_writer::{Database, metadata::IpVersion, paths::IpAddrWithMask};
use serde_json::json;

use super::*;

/// 2026-11-22T22:30:00Z, a Sunday.
const AT: Timestamp = Timestamp(1_795_386_600_000);

const IPHONE: &str = concat!(
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) ",
    "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
);
const IPAD: &str = concat!(
    "Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) ",
    "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1 Mobile/15E148 Safari/604.1"
);
const ANDROID_PHONE: &str = concat!(
    "Mozilla/5.0 (Linux; Android 10; K) ",
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36"
);
const ANDROID_TABLET: &str = concat!(
    "Mozilla/5.0 (Linux; Android 10; K) ",
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
);
const WINDOWS: &str = concat!(
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) ",
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0"
);
const MAC: &str = concat!(
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ",
    "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15"
);
const BOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

fn completed(enricher: &Enricher, context: Value, caller: &Caller<'_>) -> Value {
    let mut context = LazyObject::from(context.as_object().unwrap().clone());
    enricher.complete(&mut context, caller, None, AT);
    Value::Object(context.object())
}

/// What was added to a context or changed in it, a member on each line.
fn added(enricher: &Enricher, context: &Value, caller: &Caller<'_>) -> String {
    let completed = completed(enricher, context.clone(), caller);
    let members = completed.as_object().unwrap().iter();
    let new = members.filter(|(name, value)| context.get(name) != Some(*value));
    new.map(|(name, value)| format!("{name} {value}\n")).collect()
}

fn check(context: &Value, expected: Expect) {
    expected.assert_eq(&added(&Enricher::default(), context, &Caller::default()));
}

/// A database in which one network is Malmö and another only Sweden.
fn places() -> (tempfile::NamedTempFile, Enricher) {
    let mut database = Database::default();
    database.metadata.binary_format_major_version = 2;
    database.metadata.ip_version = IpVersion::V6;
    database.metadata.database_type = "Test-City".to_owned();
    let malmo = json!({
        "country": {"iso_code": "SE", "names": {"en": "Sweden", "de": "Schweden", "pt-BR": "Suécia"}},
        "subdivisions": [{"iso_code": "M", "names": {"en": "Skåne County", "sv": "Skåne"}}],
        "city": {"names": {"en": "Malmo"}},
        "location": {"latitude": 55.60587, "longitude": 13.00073, "time_zone": "Europe/Stockholm"},
    });
    let city = database.insert_value(malmo).unwrap();
    let country = database.insert_value(json!({"country": {"iso_code": "SE"}})).unwrap();
    let network = |text: &str| text.parse::<IpAddrWithMask>().unwrap();
    database.insert_node(network("2001:db8::/64"), city);
    database.insert_node(network("2001:db8:1::/64"), country);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    database.write_to(file.as_file_mut()).unwrap();
    file.flush().unwrap();
    let enricher = Enricher::open(Some(file.path())).unwrap();
    (file, enricher)
}

#[test]
fn devices_are_told_by_user_agents() {
    let device = |agent: &str| {
        let context =
            completed(&Enricher::default(), json!({"userAgent": agent}), &Caller::default());
        let part =
            |path: &str| context.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned();
        ["/device/type", "/os/name", "/os/version", "/browser/name", "/browser/version"]
            .map(part)
            .join(" ")
    };
    let lines = [IPHONE, IPAD, ANDROID_PHONE, ANDROID_TABLET, WINDOWS, MAC, BOT, "", "x", "é"]
        .map(device)
        .join("\n");
    expect![[r#"
        mobile iOS 17.5 Safari 17.5
        tablet iPadOS 12.2 Safari 12.1
        mobile Android 10 Chrome 130.0.0.0
        tablet Android 10 Chrome 130.0.0.0
        desktop Windows 10 Edge 130.0.0.0
        desktop macOS 10.15.7 Safari 17.5
        bot - - Googlebot -
        - - - - -
        - - - - -
        - - - - -"#]]
    .assert_eq(&lines);
}

#[test]
fn hints_go_before_frozen_user_agents() {
    check(
        &json!({
            "userAgent": WINDOWS,
            "userAgentData": {"mobile": false, "platform": "Windows", "platformVersion": "15.0.0"}
        }),
        expect![[r#"
            browser {"name":"Edge","version":"130.0.0.0"}
            device {"type":"desktop"}
            os {"name":"Windows","version":"15.0.0"}
        "#]],
    );
    check(
        &json!({
            "userAgent": ANDROID_PHONE,
            "userAgentData": {"mobile": true, "platform": "Android", "model": "Pixel 9"}
        }),
        expect![[r#"
            browser {"name":"Chrome","version":"130.0.0.0"}
            device {"model":"Pixel 9","type":"mobile"}
            os {"name":"Android"}
        "#]],
    );
}

#[test]
fn what_a_client_says_stands() {
    check(
        &json!({
            "userAgent": IPHONE,
            "device": {"type": "ios", "id": "d1", "model": "iPhone16,2"},
            "os": {"name": "iOS", "version": "17.6"},
            "browser": "none",
            "timezone": "Asia/Tokyo",
        }),
        expect![[r#"
            device {"id":"d1","model":"iPhone16,2","type":"mobile"}
            local {"date":"2026-11-23","hour":7,"weekday":"monday"}
        "#]],
    );
    check(&json!({"device": null, "timezone": "Nowhere/Land"}), expect![[""]]);
}

#[test]
fn campaigns_are_read_from_the_address_of_the_page() {
    check(
        &json!({"page": {
            "url": concat!(
                "https://shop.example/?utm_source=google&utm_medium=cpc&utm_campaign=autumn+sale",
                "&utm_term=&gclid=x#utm_content=no"
            ),
            "referrer": "https://www.google.com/"
        }}),
        expect![[r#"
            campaign {"click":"google","medium":"cpc","name":"autumn sale","source":"google"}
            referrer {"channel":"paid_search","domain":"google.com"}
        "#]],
    );
    check(
        &json!({"campaign": {"source": "newsletter", "medium": "email"}, "page": {"path": "/"}}),
        expect![[r#"
            referrer {"channel":"email"}
        "#]],
    );
    check(&json!({"page": {"path": "/"}, "library": {"name": "x"}}), expect![[""]]);
    let long = format!("https://shop.example/?utm_source={}", "å".repeat(500));
    let context =
        completed(&Enricher::default(), json!({"page": {"url": long}}), &Caller::default());
    assert_eq!(context["campaign"]["source"].as_str().unwrap().len(), 200);
}

#[test]
fn a_page_call_names_its_page_in_its_properties() {
    let mut context = LazyObject::default();
    let properties =
        r#"{"url":"https://shop.example/?utm_source=x","referrer":"https://blog.example/a"}"#;
    let properties = LazyObject::parse(properties).unwrap();
    Enricher::default().complete(&mut context, &Caller::default(), Some(&properties), AT);
    assert_eq!(context.get("campaign"), Some(&json!({"source": "x"})));
    assert_eq!(context.find_at("referrer.channel"), Some(&json!("referral")));
}

#[test]
fn places_are_told_by_addresses_that_are_not_kept() {
    let (_file, enricher) = places();
    let at = |ip: &str| Caller { ip: Some(ip.parse::<IpAddr>().unwrap()), ..Caller::default() };
    expect![[r#"
        local {"date":"2026-11-22","hour":23,"weekday":"sunday"}
        location {"city":"Malmo","country":"SE","latitude":55.61,"longitude":13.0,"region":"M"}
        timezone "Europe/Stockholm"
    "#]]
    .assert_eq(&added(&enricher, &json!({}), &at("2001:db8::7")));
    expect![[r#"
        location {"country":"SE"}
    "#]]
    .assert_eq(&added(&enricher, &json!({}), &at("2001:db8:1::7")));
    assert_eq!(added(&enricher, &json!({}), &at("2001:db8:2::7")), "");
    let said =
        json!({"ip": "2001:db8::9", "location": {"country": "NO"}, "timezone": "Europe/Oslo"});
    let said = completed(&enricher, said, &at("2001:db8:1::7"));
    assert_eq!(said["location"], json!({"country": "NO"}), "the client knows better");
    assert_eq!(said["local"]["hour"], json!(23));
}

#[test]
fn places_have_names_in_the_language_of_a_request() {
    let (_file, enricher) = places();
    let names = |context: Value| {
        let mut context = LazyObject::from(context.as_object().unwrap().clone());
        enricher.complete_request(&mut context, AT);
        let names = context.find_at("location.names").cloned().unwrap_or_default();
        (context.find_at("location.city").cloned().unwrap_or_default(), names)
    };
    for (locale, country, region) in [
        ("de-AT", "Schweden", "Skåne County"),
        ("pt_PT", "Suécia", "Skåne County"),
        ("SV-se", "Sweden", "Skåne"),
        ("", "Sweden", "Skåne County"),
    ] {
        let (city, names) = names(json!({"ip": "2001:db8::7", "locale": locale}));
        assert_eq!(city, "Malmo", "what conditions read is the same in every language");
        assert_eq!(names, json!({"country": country, "region": region, "city": "Malmo"}));
    }
    let told = json!({"ip": "2001:db8::7", "locale": "de", "location": {"country": "NO"}});
    assert_eq!(names(told), (Value::Null, Value::Null), "the client knows better");
    assert_eq!(names(json!({"ip": "2001:db8:1::7"})).1, Value::Null, "a place without names");
}

#[test]
fn a_file_that_is_no_database_is_refused_by_name() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"no database").unwrap();
    let error = Enricher::open(Some(file.path())).unwrap_err().to_string();
    assert!(error.contains(&file.path().display().to_string()), "{error}");
}
