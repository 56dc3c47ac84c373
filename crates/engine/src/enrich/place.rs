//! Where an address is, by a database in MaxMind's format that the operator supplies.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use maxminddb::{MaxMindDbError, Reader, geoip2};
use model::{LazyObject, Value};
use thiserror::Error;

use super::complete;

/// A database of places cannot be used.
#[derive(Debug, Error)]
#[error("cannot read the database of places {}: it is to be a file in MaxMind's format (.mmdb)", path.display())]
pub struct PlacesError {
    path: PathBuf,
    #[source]
    source: MaxMindDbError,
}

/// A database of places, in memory.
#[derive(Debug)]
pub(super) struct Places(Reader<Vec<u8>>);

/// A place, as far as the database knows it.
#[derive(Debug, Default)]
pub(super) struct Place {
    country: Option<String>,
    region: Option<String>,
    city: Option<String>,
    metro: Option<u16>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    timezone: Option<String>,
}

impl Places {
    pub(super) fn open(path: &Path) -> Result<Self, PlacesError> {
        let wrong = |source| PlacesError { path: path.to_owned(), source };
        Reader::open_readfile(path).map(Self).map_err(wrong)
    }

    /// Where an address is; `None` where the database does not know, or its entry does not read.
    pub(super) fn of(&self, ip: IpAddr) -> Option<Place> {
        let found = self.0.lookup(ip).ok()?;
        let city: geoip2::City<'_> = found.decode().ok()??;
        let owned = |text: &str| text.to_owned();
        Some(Place {
            country: city.country.iso_code.map(owned),
            region: city.subdivisions.first().and_then(|region| region.iso_code).map(owned),
            city: city.city.names.english.map(owned),
            metro: city.location.metro_code,
            latitude: city.location.latitude.map(coarse),
            longitude: city.location.longitude.map(coarse),
            timezone: city.location.time_zone.map(owned),
        })
    }
}

/// A coordinate to a hundredth of a degree, about a kilometre: an address does not tell more.
fn coarse(degrees: f64) -> f64 {
    (degrees * 100.0).round() / 100.0
}

impl Place {
    /// Adds it to a context, unless the client knows better where it is.
    pub(super) fn complete(&self, context: &mut LazyObject) {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        if context.find_at("location.country").is_none()
            && context.find_at("location.latitude").is_none()
        {
            let known = [
                ("country", text(&self.country)),
                ("region", text(&self.region)),
                ("city", text(&self.city)),
                ("metro", self.metro.map(Value::from)),
                ("latitude", self.latitude.map(Value::from)),
                ("longitude", self.longitude.map(Value::from)),
            ];
            complete(context, "location", known);
        }
        if let Some(timezone) = text(&self.timezone)
            && !context.contains("timezone")
        {
            context.insert("timezone", timezone);
        }
    }
}
