//! Areas: held against other formulas, and read wherever a point can stand.

use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::facts::Person;
use crate::{
    Timestamp, Value,
    condition::{Condition, Rule, Truth, reference},
};

const NOW: Timestamp = Timestamp(0);

fn living_at(home: Value) -> Person {
    Person { traits: [("home".to_owned(), home)].into_iter().collect(), ..Person::default() }
}

fn answers(document: &Value, person: &Person) -> (Truth, Truth) {
    let rule =
        Rule::compile(Condition::parse(document).unwrap_or_else(|f| panic!("{document}: {f:?}")));
    assert_eq!(rule.condition().to_value(), *document);
    (rule.evaluate(person, NOW).truth, reference::truth(document, person, NOW))
}

fn near(of: &Value, km: f64) -> Value {
    json!({"trait": "home", "op": "near", "value": {"of": of, "km": km}})
}

/// Longitudes are drawn past the date line.
fn wrapped(longitude: f64) -> f64 {
    (longitude + 540.0).rem_euclid(360.0) - 180.0
}

fn point() -> impl Strategy<Value = (f64, f64)> {
    (-90.0..=90.0_f64, -180.0..=180.0_f64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn distances_equal_those_of_chords(
        (latitude, longitude) in point(), away in (-1.0..1.0_f64, -1.0..1.0_f64),
        scale in prop_oneof![Just(0.01), Just(1.0), Just(40.0), Just(180.0)], km in 0.1..20_000.0_f64,
        share in 0.1..2.0_f64,
    ) {
        let other = ((latitude + away.0 * scale).clamp(-90.0, 90.0), wrapped(longitude + away.1 * scale));
        let (of, person) = (json!([latitude, longitude]), living_at(json!([other.0, other.1])));
        // As far as they may lie apart, and any other distance.
        for km in [(scale * 111.0 * share).min(20_000.0), km] {
            let certain = [0.999_999, 1.000_001].map(|by| reference::truth(&near(&of, km * by), &person, NOW));
            if certain[0] == certain[1] {
                let (found, expected) = answers(&near(&of, km), &person);
                prop_assert_eq!(found, expected, "{:?} and {:?} within {} km", of, other, km);
            }
        }
    }

    #[test]
    fn a_polygon_holds_what_it_winds_round(
        (north, east) in (-70.0..70.0_f64, -180.0..180.0_f64),
        corners in vec((-20.0..20.0_f64, -60.0..60.0_f64), 3..9),
        home in (-25.0..25.0_f64, -70.0..70.0_f64),
    ) {
        let at = |(up, right): (f64, f64)| json!([(north + up).clamp(-90.0, 90.0), wrapped(east + right)]);
        let corners: Value = corners.into_iter().map(at).collect();
        let inside = json!({"trait": "home", "op": "inside", "value": corners});
        let (found, expected) = answers(&inside, &living_at(at(home)));
        prop_assert_eq!(found, expected, "{}", inside);
    }
}

#[test]
fn a_square_holds_its_inside_and_its_lower_left_edges() {
    for (west, east) in [(10.0, 20.0), (175.0, -175.0), (-180.0, -170.0)] {
        let corners = json!([[40.0, west], [40.0, east], [50.0, east], [50.0, west]]);
        let square = json!({"trait": "home", "op": "inside", "value": corners});
        let holds = |latitude: f64, longitude: f64| {
            let person = living_at(json!({"lat": latitude, "lng": longitude}));
            answers(&square, &person).0 == Truth::True
        };
        let middle = wrapped(west + 5.0);
        assert!(holds(45.0, middle) && holds(40.001, middle), "{west}");
        assert!(!holds(39.999, middle) && !holds(50.001, middle), "{west}");
        assert!(
            !holds(45.0, wrapped(west - 0.001)) && !holds(45.0, wrapped(east + 0.001)),
            "{west}"
        );
    }
}

#[test]
fn what_is_no_point_is_in_no_area() {
    let everywhere = near(&json!([0.0, 0.0]), 20_000.0);
    let is_in = |home: Value| answers(&everywhere, &living_at(home)).0 == Truth::True;
    assert!(is_in(json!([1, 2])) && is_in(json!({"latitude": 1, "longitude": 2, "city": "Lund"})));
    assert!(is_in(json!({"lat": 1.5, "lon": 2})));
    for none in [
        json!("1,2"),
        json!([1]),
        json!([1, 2, 3]),
        json!(["1", "2"]),
        json!([91, 0]),
        json!([0, 181]),
        json!({"latitude": 1}),
        json!(true),
        Value::Null,
    ] {
        assert!(!is_in(none.clone()), "{none}");
    }
}
