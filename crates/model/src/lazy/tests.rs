use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parsed(text: &str) -> Result<LazyObject, serde_json::Error> {
    serde_json::from_str(text)
}

fn decoded(text: &str) -> Result<Object, serde_json::Error> {
    serde_json::from_str(text)
}

#[test]
fn members_are_found_as_in_the_decoded_object() {
    let text = r#" {"a": {"b": 1, "n": null}, "a.c": [2, "]}\""], "n": null,"k\u0065y" : "v\\" , "t":true} "#;
    let (context, object) = (parsed(text).unwrap(), decoded(text).unwrap());
    for path in ["a", "a.b", "a.n", "a.b.c", "a.c", "n", "key", "t", "none", "0"] {
        let path = Path::parse(path).unwrap();
        assert_eq!(context.find(&path), path.find(&object), "{path}");
    }
    assert_eq!(context.get("n"), Some(&Value::Null));
    assert_eq!(Value::Object(object), serde_json::to_value(&context).unwrap());
}

#[test]
fn the_last_member_of_a_name_holds() {
    let mut context = parsed(r#"{"ip": 1, "a": 2, "ip": 3}"#).unwrap();
    assert_eq!(context.get("ip"), Some(&json!(3)));
    context.insert("ip", json!("::1"));
    assert_eq!(context.get("ip"), Some(&json!("::1")));
    assert_eq!(context.names().collect::<Vec<_>>(), ["a", "ip", "ip", "ip"]);
    assert_eq!(Value::Object(context.object()), json!({"a": 2, "ip": "::1"}));
    assert_eq!(context.remove("ip"), Some(json!("::1")));
    assert!(!context.contains("ip") && context.remove("ip").is_none());
    assert_eq!(context, parsed(r#"{ "a": 2 }"#).unwrap());
}

#[test]
fn a_copy_that_is_changed_leaves_the_other_alone() {
    let before = LazyObject::from(json!({"\"a\"": 1}).as_object().unwrap().clone());
    let mut after = before.clone();
    after.insert("b", json!(2));
    assert!(after.contains("b") && !before.contains("b"));
    assert_eq!(before.get("\"a\""), Some(&json!(1)));
    assert_eq!(after.text(), r#"{"\"a\"":1,"b":2}"#);
}

#[test]
fn what_may_not_decode_is_refused() {
    let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let digits = format!("{{\"a\":{}}}", "9".repeat(400));
    for bad in [
        r#"{"a": 1e400}"#,
        r#"{"a": "\ud800"}"#,
        r#"{"a": {"b": ["\uDC00"]}}"#,
        r#"{"a": {"\ud800": 1}}"#,
        r#"{"a": 01}"#,
        r#"{"a": tru}"#,
        r#"{"a": "b}"#,
        "[]",
        "1",
        "null",
        digits.as_str(),
        nested(200).as_str(),
    ] {
        assert!(parsed(bad).is_err(), "{bad}");
    }
    for plain in [r#"{"a": "\u00e5 5e5", "e": 12.5}"#, nested(100).as_str(), r#"{"a": 1e3}"#, "{ }"]
    {
        assert_eq!(parsed(plain).unwrap().object(), decoded(plain).unwrap(), "{plain}");
    }
}

/// JSON, nearly JSON, and what the decoder refuses although it looks like JSON.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        r#""([a-c,:{}\[\] é]|\\["\\/bn]|\\u[0d][08ef]{3}){0,6}""#,
        r"-?[0-9]{1,3}(\.[0-9]{1,2})?([eE][+-]?[0-9]{1,3})?",
        prop::sample::select(vec!["true", "false", "null", "tru", "01", "-", "\"\n\""])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        let pairs = prop::collection::vec(inner.prop_map(|v| format!("\"k\" :{v}")), 0..4);
        prop_oneof![
            list.prop_map(|values| format!("[{}]", values.join(" , "))),
            pairs.prop_map(|pairs| format!("{{{}}}", pairs.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_taken_in_is_what_decodes(
        members in prop::collection::vec(("[ab]|\\\\u0061|\\\\n", value(), "[ \n]{0,2}"), 0..4)
    ) {
        let written = members.iter().map(|(name, value, space)| format!("{space}\"{name}\"{space}:{space}{value}{space}"));
        let text = format!("{{{}}}", written.collect::<Vec<_>>().join(","));
        if let Ok(context) = parsed(&text) {
            let object = decoded(&text).unwrap();
            for name in ["a", "b", "\n", "k"] {
                prop_assert_eq!(context.get(name), object.get(name));
            }
        }
    }

    #[test]
    fn what_a_situation_is_made_of_is_plain(
        texts in prop::collection::vec("[a-z åäö/?=&.5e]{0,12}", 1..6), number in -1e6..1e6_f64,
    ) {
        let object = json!({"page": {"url": texts}, "value": number.round(), "half": 0.5, "ok": true, "none": null});
        let context = parsed(&object.to_string());
        prop_assert_eq!(Value::Object(context.unwrap().object()), object);
    }
}

proptest! {
    #[test]
    fn every_path_finds_what_it_finds_in_the_decoded_object(
        members in prop::collection::btree_map("[ab.-]{0,4}", 0..4_u8, 0..8),
        paths in prop::collection::vec("[ab.-]{1,7}", 16),
    ) {
        let value = |kind| match kind {
            0 => Value::Null,
            1 => json!({"a": {"b": 1}, "b": null, "a.b": 2, "-": {"a": 3}}),
            _ => json!(kind),
        };
        let object: Object = members.into_iter().map(|(name, kind)| (name, value(kind))).collect();
        let lazy = LazyObject::from(object.clone());
        for path in paths.iter().filter_map(|path| Path::parse(path)) {
            prop_assert_eq!(lazy.find(&path), path.find(&object), "{}", path);
        }
    }
}
