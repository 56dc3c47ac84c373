//! When a provider is asked, and what is known meanwhile.

use std::sync::Mutex;

use super::*;

const START: Timestamp = Timestamp(1_795_348_800_000);
const MINUTE: i64 = 60_000;

/// Tells when it was asked about what, and answers as it is told to.
#[derive(Debug)]
struct Provider {
    asked: Sender<(f64, f64)>,
    answers: Mutex<Receiver<Result<Weather, String>>>,
}

impl WeatherProvider for Provider {
    fn current(&self, latitude: f64, longitude: f64) -> Result<Weather, String> {
        self.asked.send((latitude, longitude)).ok();
        // When the test is over, nobody answers any more.
        self.answers.lock().unwrap().recv().unwrap_or_else(|_| Err("the end".to_owned()))
    }
}

fn weather(temperature_celsius: f64) -> Weather {
    Weather { sky: Sky::Rain, temperature_celsius, wind_kmh: None, is_day: Some(true) }
}

struct World {
    forecasts: Forecasts,
    asked: Receiver<(f64, f64)>,
    answers: Sender<Result<Weather, String>>,
}

impl World {
    fn new() -> Self {
        let (ask, asked) = bounded(100);
        let (answers, told) = bounded(100);
        let provider = Arc::new(Provider { asked: ask, answers: Mutex::new(told) });
        Self { forecasts: Forecasts::start(provider).unwrap(), asked, answers }
    }

    fn at(&self, minute: i64) -> Option<Value> {
        let text = r#"{"location": {"latitude": 55.61, "longitude": 13.0}}"#;
        let mut context = LazyObject::parse(text).unwrap();
        self.forecasts.complete(&mut context, Timestamp(START.0 + minute * MINUTE));
        context.get("weather").cloned()
    }

    /// Lets the provider answer the question that it has been asked, and waits until that is known.
    fn answer(&self, answer: Result<Weather, String>) {
        let cell = (278, 65);
        let before = self.forecasts.cells.get(&cell).and_then(|known| known.answer);
        assert_eq!(self.asked.recv().unwrap(), (55.6, 13.0), "rounded to the grid");
        let is_answer = answer.is_ok();
        self.answers.send(answer).unwrap();
        while is_answer && self.forecasts.cells.get(&cell).unwrap().answer == before {
            thread::yield_now();
        }
    }
}

#[test]
fn nobody_waits_and_everybody_behind_knows() {
    let world = World::new();
    assert_eq!(world.at(0), None);
    world.answer(Ok(weather(9.5)));
    let known = json!({"sky": "rain", "temperature_celsius": 9.5, "is_day": true});
    assert_eq!(world.at(1), Some(known.clone()));
    assert_eq!(world.at(29), Some(known.clone()));
    assert!(world.asked.is_empty(), "a fresh answer is not asked for again");
    assert_eq!(world.at(30), Some(known), "the old one is used until the new one comes");
    world.answer(Ok(weather(4.0)));
    assert_eq!(world.at(31).unwrap()["temperature_celsius"], 4.0);
}

#[test]
fn a_provider_that_fails_is_asked_again_and_old_answers_end() {
    let world = World::new();
    assert_eq!(world.at(0), None);
    world.answer(Err("no answer".into()));
    assert_eq!(world.at(0), None);
    assert!(world.asked.is_empty(), "not at once");
    assert_eq!(world.at(1), None);
    world.answer(Ok(weather(9.5)));
    assert!(world.at(100).is_some());
    assert_eq!(world.at(121), None, "two hours old");
}

#[test]
fn only_places_on_earth_are_asked_about() {
    let world = World::new();
    for location in [
        r#"{"latitude": 91, "longitude": 0}"#,
        r#"{"latitude": "x", "longitude": 0}"#,
        r#"{"latitude": 1}"#,
    ] {
        let mut context = LazyObject::parse(&format!(r#"{{"location": {location}}}"#)).unwrap();
        world.forecasts.complete(&mut context, START);
        assert!(!context.contains("weather"));
    }
    assert!(world.asked.is_empty() && world.forecasts.cells.is_empty());
}

#[test]
fn codes_of_the_weather_are_those_of_the_table() {
    let sky = |code| Sky::from_wmo(code).map_or("-", Sky::as_str);
    let told = [0, 3, 45, 61, 66, 75, 80, 86, 95, 4, 100].map(sky);
    let expected = [
        "clear",
        "cloudy",
        "fog",
        "rain",
        "snow",
        "snow",
        "rain",
        "snow",
        "thunderstorm",
        "-",
        "-",
    ];
    assert_eq!(told, expected);
}
