//! Where an address is, by a database in MaxMind's format that the operator supplies.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use maxminddb::{MaxMindDbError, Reader, geoip2};
use model::{LazyObject, Value, value::Object};
use serde::Deserialize;
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

/// What a place is called.
#[derive(Deserialize)]
struct NamedPlace<'a> {
    #[serde(borrow, default)]
    country: Named<'a>,
    /// From the largest to the smallest.
    #[serde(borrow, default)]
    subdivisions: Vec<Named<'a>>,
    #[serde(borrow, default)]
    city: Named<'a>,
}

/// Names by the tags of their languages.
#[derive(Default, Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    names: BTreeMap<&'a str, &'a str>,
}

impl Named<'_> {
    /// The name in a language, else in another variety of it, else in English.
    fn in_language(&self, tag: &str) -> Option<&str> {
        let first = |tag: &'_ str| tag.split(['-', '_']).next().unwrap_or_default().to_owned();
        let is_same = |known: &str| known.eq_ignore_ascii_case(&tag.replace('_', "-"));
        let is_near = |known: &str| first(known).eq_ignore_ascii_case(&first(tag));
        let find = |is_it: &dyn Fn(&str) -> bool| self.names.iter().find(|(known, _)| is_it(known));
        let found =
            find(&is_same).or_else(|| find(&is_near)).or_else(|| find(&|known| known == "en"));
        found.map(|(_, name)| *name)
    }
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

    /// What the place of an address is called in a language, part by part; `None` where nothing is known.
    pub(super) fn names(&self, ip: IpAddr, language: &str) -> Option<Object> {
        let found = self.0.lookup(ip).ok()?;
        let place: NamedPlace<'_> = found.decode().ok()??;
        let parts = [
            ("country", Some(&place.country)),
            ("region", place.subdivisions.first()),
            ("city", Some(&place.city)),
        ];
        let named = |(part, names): (&str, Option<&Named<'_>>)| {
            let name = names?.in_language(language)?;
            Some((part.to_owned(), name.into()))
        };
        let names: Object = parts.into_iter().filter_map(named).collect();
        (!names.is_empty()).then_some(names)
    }
}

/// A coordinate to a hundredth of a degree, about a kilometre: an address does not tell more.
fn coarse(degrees: f64) -> f64 {
    (degrees * 100.0).round() / 100.0
}

/// Whether a context says where it is.
pub(super) fn is_told(context: &LazyObject) -> bool {
    let has = |path: &str| context.find_at(path).is_some();
    has("location.country") || has("location.latitude")
}

impl Place {
    /// Adds it to a context, unless the client knows better where it is.
    pub(super) fn complete(&self, context: &mut LazyObject) {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        if !is_told(context) {
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
