//! Points on the earth, and the areas in which they lie.

use std::fmt;

use serde_json::json;

use super::Seen;
use crate::Value;

/// Radius of the earth as a sphere: the mean radius of the ellipsoid by the International Union of Geodesy and
/// Geophysics, in kilometres. A distance on this sphere is at most 0.6 % off.
const EARTH_RADIUS_KM: f64 = 6371.0088;
/// Longest distance, in kilometres: half round the earth, so that a longer one is a mistake.
pub(super) const MAX_KM: f64 = 20_000.0;
/// Most corners of a polygon: enough for a city, and few enough to be walked round for each event.
pub(super) const MAX_CORNERS: usize = 100;

/// A point, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    latitude: f64,
    longitude: f64,
}

impl Point {
    /// A point by its latitude (-90 to 90) and longitude (-180 to 180).
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let is_one = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        is_one.then_some(Self { latitude, longitude })
    }

    /// Reads a list of latitude and longitude, or an object with both.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let (latitude, longitude) = match value {
            Value::Array(two) => match two.as_slice() {
                [latitude, longitude] => (latitude, longitude),
                _ => return None,
            },
            Value::Object(fields) => {
                let one_of = |names: &[&str]| names.iter().find_map(|name| fields.get(*name));
                (one_of(&["latitude", "lat"])?, one_of(&["longitude", "lon", "lng"])?)
            }
            _ => return None,
        };
        Self::new(latitude.as_f64()?, longitude.as_f64()?)
    }

    fn seen(value: &Seen<'_>) -> Option<Self> {
        match value {
            Seen::List(_) | Seen::Object(_) => Self::read(&value.to_value()),
            Seen::Null | Seen::Bool(_) | Seen::Number(_) | Seen::Text(_) => None,
        }
    }

    fn to_value(self) -> Value {
        json!([self.latitude, self.longitude])
    }

    /// The great-circle distance in kilometres, by the haversine formula, which is exact for small ones as well.
    fn distance_km(self, other: Self) -> f64 {
        let haversine = |angle: f64| (angle.to_radians() / 2.0).sin().powi(2);
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let across = from.cos() * to.cos() * haversine(other.longitude - self.longitude);
        let whole = haversine(other.latitude - self.latitude) + across;
        // Rounding must not make more than a half turn of it.
        2.0 * EARTH_RADIUS_KM * whole.min(1.0).sqrt().asin()
    }
}

/// A part of the earth.
#[derive(Clone, Debug, PartialEq)]
pub enum Area {
    /// All that is no further than so many kilometres from a point.
    Circle {
        /// The point.
        of: Point,
        /// The distance.
        km: f64,
    },
    /// What lies within corners that are joined by lines straight on a map with parallel meridians.
    Polygon(Polygon),
}

/// Corners in their order, the last joined to the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Polygon {
    corners: Box<[Point]>,
    /// Their longitudes, each at most half a turn from the one before, so that no edge crosses the date line.
    unrolled: Box<[f64]>,
}

impl Polygon {
    /// A polygon of 3 to 100 corners; `None` also for one that goes round a pole, which has no inside on a map.
    pub(super) fn new(corners: Vec<Point>) -> Option<Self> {
        if !(3..=MAX_CORNERS).contains(&corners.len()) {
            return None;
        }
        let mut unrolled = Vec::with_capacity(corners.len());
        let mut last = corners.first()?.longitude;
        for corner in &corners {
            last += shorter_turn(corner.longitude - last);
            unrolled.push(last);
        }
        let first = *unrolled.first()?;
        let is_closed = (last + shorter_turn(first - last) - first).abs() < 1.0;
        is_closed.then(|| Self { corners: corners.into(), unrolled: unrolled.into() })
    }

    /// Whether a ray from the point crosses an odd number of edges (Shimrat, *Position of point relative to polygon*,
    /// 1962). An edge owns its lower end and not its upper one.
    fn holds(&self, point: Point) -> bool {
        // The unrolled corners may lie a turn to the east or west of the point's longitude.
        [-360.0, 0.0, 360.0].into_iter().any(|turn| {
            let (y, x) = (point.latitude, point.longitude + turn);
            let corners =
                || self.corners.iter().map(|c| c.latitude).zip(self.unrolled.iter().copied());
            let nexts = corners().skip(1).chain(corners().take(1));
            let crossed = corners().zip(nexts).filter(|((from_y, from_x), (to_y, to_x))| {
                let spans = (*from_y <= y) != (*to_y <= y);
                spans && x < from_x + (y - from_y) / (to_y - from_y) * (to_x - from_x)
            });
            crossed.count() % 2 == 1
        })
    }
}

/// A turn in degrees the shorter way round.
fn shorter_turn(degrees: f64) -> f64 {
    if 180.0 < degrees {
        degrees - 360.0
    } else if degrees < -180.0 {
        degrees + 360.0
    } else {
        degrees
    }
}

impl Area {
    /// Whether a value is a point that lies in it.
    pub(super) fn holds(&self, value: &Seen<'_>) -> bool {
        Point::seen(value).is_some_and(|point| match self {
            Self::Circle { of, km } => of.distance_km(point) <= *km,
            Self::Polygon(polygon) => polygon.holds(point),
        })
    }

    /// The area as it is written.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Circle { of, km } => json!({"of": of.to_value(), "km": km}),
            Self::Polygon(polygon) => {
                polygon.corners.iter().map(|corner| corner.to_value()).collect()
            }
        }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Circle { of: Point { latitude, longitude }, km } => {
                write!(f, "({latitude}, {longitude}) by {km} km")
            }
            Self::Polygon(polygon) => write!(f, "a polygon of {} corners", polygon.corners.len()),
        }
    }
}
