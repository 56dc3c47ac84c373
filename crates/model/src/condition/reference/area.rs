//! Areas by other formulas than those of the evaluation: distances by chords through the earth, polygons by winding.

use std::f64::consts::TAU;

use crate::Value;

/// Latitude and longitude in degrees.
type Place = (f64, f64);

fn place(value: &Value) -> Option<Place> {
    let list = value.as_array().filter(|list| list.len() == 2);
    let named = |long: &str, short: &[&str]| {
        let names = std::iter::once(&long).chain(short);
        names.map(|name| &value[*name]).find(|found| !found.is_null())?.as_f64()
    };
    let (latitude, longitude) = match list {
        Some(_) => (value[0].as_f64()?, value[1].as_f64()?),
        None => (named("latitude", &["lat"])?, named("longitude", &["lon", "lng"])?),
    };
    let is_place = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    is_place.then_some((latitude, longitude))
}

/// Whether a value is a place no further than what is wanted.
pub(super) fn is_near(value: &Value, wanted: &Value) -> bool {
    let (Some(a), Some(b)) = (place(value), place(&wanted["of"])) else { return false };
    let on_sphere = |(latitude, longitude): Place| {
        let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
        [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()]
    };
    let (a, b) = (on_sphere(a), on_sphere(b));
    let chord = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let km = 2.0 * (chord / 2.0).min(1.0).asin() * 6371.0088;
    km <= wanted["km"].as_f64().unwrap_or(-1.0)
}

/// Whether a value is a place round which the corners wind.
pub(super) fn is_inside(value: &Value, corners: &Value) -> bool {
    let Some((latitude, longitude)) = place(value) else { return false };
    let corners: Vec<Place> = corners.as_array().into_iter().flatten().filter_map(place).collect();
    // Every edge goes the shorter way round the earth.
    let mut turns = 0.0;
    let mut unrolled: Vec<Place> = Vec::new();
    for (north, east) in corners {
        let last = unrolled.last().map_or(east, |(_, east)| *east);
        unrolled.push((north, last + (east - last + 540.0).rem_euclid(360.0) - 180.0));
    }
    for shift in [-360.0, 0.0, 360.0] {
        let angle = |(north, east): &Place| (north - latitude).atan2(east - longitude - shift);
        let mut wound = 0.0;
        for (from, to) in unrolled.iter().zip(unrolled.iter().cycle().skip(1)) {
            let turn = angle(to) - angle(from);
            wound += (turn + TAU * 1.5).rem_euclid(TAU) - TAU / 2.0;
        }
        turns += (wound / TAU).round();
    }
    // A polygon that crosses itself has its inside where it winds an odd number of times.
    turns.rem_euclid(2.0) != 0.0
}
