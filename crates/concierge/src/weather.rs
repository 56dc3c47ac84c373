//! The weather from a service that speaks the API of Open-Meteo: theirs, or one of the operator's own.

use std::{fmt::Write as _, time::Duration};

use engine::enrich::weather::{Sky, Weather, WeatherProvider};
use serde::Deserialize;
use ureq::Agent;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// What is asked for.
const VALUES: &str = "temperature_2m,weather_code,wind_speed_10m,is_day";

/// A service that is asked over HTTP.
#[derive(Debug)]
pub(crate) struct OpenMeteo {
    agent: Agent,
    /// As in `https://api.open-meteo.com/v1/forecast`, with parameters such as `apikey` where they are needed.
    address: String,
}

/// What the service answers: <https://open-meteo.com/en/docs>.
#[derive(Debug, Deserialize)]
struct Answer {
    current: Current,
}

#[derive(Debug, Deserialize)]
struct Current {
    temperature_2m: f64,
    weather_code: u64,
    #[serde(default)]
    wind_speed_10m: Option<f64>,
    #[serde(default)]
    is_day: Option<u8>,
}

impl OpenMeteo {
    /// The service at `address`; `None` when that is no address.
    pub(crate) fn at(address: &str) -> Option<Self> {
        let is_address = ["http://", "https://"]
            .iter()
            .any(|scheme| address.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        let config = Agent::config_builder().timeout_global(Some(PATIENCE)).build();
        is_address.then(|| Self { agent: config.into(), address: address.to_owned() })
    }

    fn question(&self, latitude: f64, longitude: f64) -> String {
        let mut question = self.address.clone();
        question.push(if question.contains('?') { '&' } else { '?' });
        write!(question, "latitude={latitude}&longitude={longitude}&current={VALUES}").ok();
        question
    }
}

impl WeatherProvider for OpenMeteo {
    fn current(&self, latitude: f64, longitude: f64) -> Result<Weather, String> {
        let question = self.question(latitude, longitude);
        // An error of the client may name the address, and that may hold a key.
        let answer = self.agent.get(&question).call().map_err(|error| match error {
            ureq::Error::StatusCode(status) => format!("the service answered with status {status}"),
            ureq::Error::Timeout(_) => "the service did not answer in time".to_owned(),
            _ => "the service cannot be reached".to_owned(),
        })?;
        let text = answer.into_body().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|_| "the service's answer broke off or is too long")?;
        read(&text)
    }
}

fn read(text: &str) -> Result<Weather, String> {
    let Answer { current } = serde_json::from_str(text)
        .map_err(|error| format!("the service's answer is not as expected: {error}"))?;
    let sky = Sky::from_wmo(current.weather_code)
        .ok_or_else(|| format!("the service told weather code {}", current.weather_code))?;
    Ok(Weather {
        sky,
        temperature_celsius: current.temperature_2m,
        wind_kmh: current.wind_speed_10m,
        is_day: current.is_day.map(|is_day| is_day == 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_keep_the_parameters_of_the_address() {
        let at = |address: &str| OpenMeteo::at(address).map(|service| service.question(55.6, 13.0));
        let asked = format!("latitude=55.6&longitude=13&current={VALUES}");
        assert_eq!(at("http://w/v1"), Some(format!("http://w/v1?{asked}")));
        assert_eq!(at("https://w/v1?apikey=k"), Some(format!("https://w/v1?apikey=k&{asked}")));
        assert_eq!(at("w/v1"), None);
        assert_eq!(at("https://"), None);
    }

    #[test]
    fn answers_are_read() {
        let told = r#"{
            "latitude": 55.6, "longitude": 13.0, "utc_offset_seconds": 0, "timezone": "GMT", "elevation": 12.0,
            "current_units": {"time": "iso8601", "interval": "seconds", "temperature_2m": "°C"},
            "current": {"time": "2026-11-22T12:00", "interval": 900, "temperature_2m": 6.4, "weather_code": 61,
                "wind_speed_10m": 18.7, "is_day": 1}
        }"#;
        let weather = Weather {
            sky: Sky::Rain,
            temperature_celsius: 6.4,
            wind_kmh: Some(18.7),
            is_day: Some(true),
        };
        assert_eq!(read(told), Ok(weather));
        assert!(read(r#"{"error": true, "reason": "limit"}"#).is_err());
        let unknown = told.replace("61", "42");
        assert_eq!(read(&unknown), Err("the service told weather code 42".to_owned()));
    }
}
