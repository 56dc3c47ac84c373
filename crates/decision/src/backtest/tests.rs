use serde_json::json;

use super::*;

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

fn shown(experience: &str, arm: &str) -> Shown {
    Shown { experience: Some(key(experience)), arm: Some(key(arm)) }
}

fn document(changes: serde_json::Value) -> ExperienceDocument {
    let mut document = json!({"key": "offer", "placement": "hero", "variants": [
        {"key": "a", "weight": 1, "content": null},
        {"key": "b", "weight": 3, "content": {"title": "Hello"}},
    ]});
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    serde_json::from_value(document).unwrap()
}

#[test]
fn people_are_counted_once_and_decisions_each() {
    let pair = |before: &Shown, after: &Shown| Pair {
        before: before.clone(),
        after: after.clone(),
        audiences: vec![key("vip")],
    };
    let (old, new, nothing) = (shown("old", "a"), shown("offer", "b"), Shown::default());
    let mut tally = Tally::default();
    tally.person(&key("offer"), &[pair(&old, &new), pair(&old, &new), pair(&nothing, &nothing)]);
    tally.person(&key("offer"), &[pair(&old, &old)]);
    tally.person(&key("offer"), &[]);
    assert_eq!((tally.people, tally.people_different), (2, 1));
    assert_eq!((tally.decisions, tally.different), (4, 2));
    assert_eq!(tally.moves, [((Some(key("old")), Some(key("offer"))), 2)].into());
    let old = &tally.experiences[&key("old")];
    assert_eq!(old.people, Reach { before: 2, after: 1 });
    assert_eq!(old.decisions, Reach { before: 3, after: 1 });
    assert_eq!(tally.experiences[&key("offer")].variants[&key("b")], Reach { before: 0, after: 2 });
    assert_eq!(tally.audiences, [(key("vip"), Reach { before: 0, after: 1 })].into());
}

#[test]
fn chances_are_of_what_is_seen() {
    let hello = action(&document(json!({})), &key("b"));
    let logged = chances(&document(json!({"holdout": 0.2}))).unwrap();
    // Who is held out and who gets the variant without content see the same.
    assert!((chance(&logged, &None) - (0.2 + 0.8 * 0.25)).abs() < 1e-12);
    assert!((chance(&logged, &hello) - 0.6).abs() < 1e-12);
    let other = json!({"variants": [{"key": "x", "content": {"title": "Hello"}},
        {"key": "new", "content": {"title": "Good day"}}]});
    let draft = chances(&document(other)).unwrap();
    assert!((chance(&draft, &hello) - 0.5).abs() < 1e-12, "the same content under another key");
    assert!((supported(&draft, &logged) - 0.5).abs() < 1e-12);
    assert!((supported(&logged, &logged) - 1.0).abs() < 1e-12);
}
