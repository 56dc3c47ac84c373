//! The weather where somebody is, as a provider tells it.
//!
//! Nobody waits for a provider. The weather of a place is asked for in the background when somebody
//! is first seen there, and kept for half an hour; until an answer comes, nothing is known, or what
//! was known before for a while. Places are rounded to a grid, so that a town is asked about once
//! and a provider never learns where a person is.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use model::{Duration, LazyObject, Timestamp, Value};
use quick_cache::sync::Cache;
use serde_json::json;

/// How fine the grid is: cells have an edge of a fifth of a degree, some twenty kilometres.
const CELLS_PER_DEGREE: f64 = 5.0;
/// How many cells are remembered.
const CELLS_MAX: usize = 10_000;
/// How many cells wait to be asked about; more are asked about when somebody is seen there again.
const WAITING_MAX: usize = 256;
/// After how long a cell is asked about again.
const FRESH: Duration = Duration(30 * 60 * 1000);
/// For how long an answer is used at most.
const USABLE: Duration = Duration(2 * 60 * 60 * 1000);
/// After how long a cell is asked about again for which there was no answer.
const RETRY: Duration = Duration(60 * 1000);

/// What the sky does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sky {
    /// No or few clouds.
    Clear,
    /// Clouds.
    Cloudy,
    /// Fog.
    Fog,
    /// Rain, drizzle or showers.
    Rain,
    /// Snow, snow showers, freezing rain.
    Snow,
    /// Thunder, with or without hail.
    Thunderstorm,
}

impl Sky {
    /// The sky of a code of WMO's table 4677, as forecasts give it (0 to 99); `None` for others.
    pub fn from_wmo(code: u64) -> Option<Self> {
        Some(match code {
            0 | 1 => Self::Clear,
            2 | 3 => Self::Cloudy,
            45 | 48 => Self::Fog,
            51 | 53 | 55 | 61 | 63 | 65 | 80..=82 => Self::Rain,
            56 | 57 | 66 | 67 | 71 | 73 | 75 | 77 | 85 | 86 => Self::Snow,
            95..=99 => Self::Thunderstorm,
            _ => return None,
        })
    }

    /// Its name in a context.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Cloudy => "cloudy",
            Self::Fog => "fog",
            Self::Rain => "rain",
            Self::Snow => "snow",
            Self::Thunderstorm => "thunderstorm",
        }
    }
}

/// The weather of a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weather {
    /// What the sky does.
    pub sky: Sky,
    /// The temperature of the air, in degrees Celsius.
    pub temperature_celsius: f64,
    /// The speed of the wind, in kilometres an hour.
    pub wind_kmh: Option<f64>,
    /// Whether the sun is up.
    pub is_day: Option<bool>,
}

/// Where weather comes from. It may take seconds; it is called from a thread of its own.
pub trait WeatherProvider: Send + Sync + fmt::Debug {
    /// The weather at these degrees of latitude and longitude now, or why it is not known.
    fn current(&self, latitude: f64, longitude: f64) -> Result<Weather, String>;
}

/// A cell of the grid: multiples of a fifth of a degree.
type Cell = (i32, i32);

/// What is known of a cell, and when it was asked about.
#[derive(Clone, Copy, Debug)]
struct Known {
    asked: Timestamp,
    answer: Option<(Weather, Timestamp)>,
}

/// The weather of the places that people were seen at.
#[derive(Debug)]
pub(super) struct Forecasts {
    cells: Arc<Cache<Cell, Known>>,
    questions: Sender<(Cell, Timestamp)>,
    has_failed: AtomicBool,
}

impl Forecasts {
    /// Starts the thread that asks `provider`. It ends with the last owner.
    pub(super) fn start(provider: Arc<dyn WeatherProvider>) -> std::io::Result<Self> {
        let (questions, asked) = bounded(WAITING_MAX);
        let cells = Arc::new(Cache::new(CELLS_MAX));
        let answers = Arc::clone(&cells);
        thread::Builder::new()
            .name("weather".into())
            .spawn(move || answer(&*provider, &asked, &answers))?;
        Ok(Self { cells, questions, has_failed: AtomicBool::new(false) })
    }

    /// Adds `weather` to a context that says where it is.
    pub(super) fn complete(&self, context: &mut LazyObject, now: Timestamp) {
        let degrees = |path: &str| context.find_at(path).and_then(Value::as_f64);
        let place = degrees("location.latitude").zip(degrees("location.longitude"));
        let Some(cell) = place.and_then(cell) else { return };
        let Some(weather) = self.of(cell, now) else { return };
        let Weather { sky, temperature_celsius, wind_kmh, is_day } = weather;
        let known = [
            ("sky", Some(sky.as_str().into())),
            ("temperature_celsius", Some(json!(temperature_celsius))),
            ("wind_kmh", wind_kmh.map(Value::from)),
            ("is_day", is_day.map(Value::from)),
        ];
        super::complete(context, "weather", known);
    }

    /// What is known of a cell; asks for what is not.
    fn of(&self, cell: Cell, now: Timestamp) -> Option<Weather> {
        let known = self.cells.get(&cell);
        let patience = match known {
            Some(Known { asked, answer: Some((_, told)) }) if told == asked => FRESH,
            _ => RETRY,
        };
        if known.is_none_or(|known| patience <= now.since(known.asked)) {
            self.ask(cell, known, now);
        }
        let (weather, told) = known?.answer?;
        (now.since(told) < USABLE).then_some(weather)
    }

    fn ask(&self, cell: Cell, known: Option<Known>, now: Timestamp) {
        match self.questions.try_send((cell, now)) {
            Ok(()) => {
                let answer = known.and_then(|known| known.answer);
                self.cells.insert(cell, Known { asked: now, answer });
            }
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => {
                if !self.has_failed.swap(true, Ordering::Relaxed) {
                    tracing::error!("the thread that asks for weather has ended; no more is known");
                }
            }
        }
    }
}

/// The cell of a place; `None` for what is no place on earth.
fn cell((latitude, longitude): (f64, f64)) -> Option<Cell> {
    let is_on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    #[expect(clippy::cast_possible_truncation, reason = "at most 900, as just checked")]
    let number = |degrees: f64| (degrees * CELLS_PER_DEGREE).round() as i32;
    is_on_earth.then(|| (number(latitude), number(longitude)))
}

/// Asks about cells, one at a time, until nobody wants to know any more.
fn answer(
    provider: &dyn WeatherProvider,
    asked: &Receiver<(Cell, Timestamp)>,
    cells: &Cache<Cell, Known>,
) {
    for (cell, at) in asked {
        let (latitude, longitude) = cell;
        let degrees = |number: i32| f64::from(number) / CELLS_PER_DEGREE;
        match provider.current(degrees(latitude), degrees(longitude)) {
            Ok(weather) => cells.insert(cell, Known { asked: at, answer: Some((weather, at)) }),
            // The next one who is seen there asks again, after a while.
            Err(reason) => tracing::warn!(%reason, "the weather is not known"),
        }
    }
}
