//! What a context leaves unsaid and a call lets one know: the device, the place, the campaign, where
//! somebody came from, the hour and the weather where they are.
//!
//! What a client says stands; only what it leaves out is added, under the names that clients use
//! (`device.type`, `os.name`, `location.country`, `campaign.source`). An event is enriched once, when
//! it arrives, and stored so: a later database or list changes nothing that was said before. An
//! address that only the call shows is used for the place and not kept.

mod campaign;
mod device;
mod local;
mod place;
mod referrer;
pub mod weather;

#[cfg(test)]
mod tests;

use std::{io, path::Path, sync::Arc};

use model::{LazyObject, Timestamp, Value};

use crate::caller::Caller;

pub use place::PlacesError;

/// Adds to contexts what can be known of them.
#[derive(Debug, Default)]
pub struct Enricher {
    devices: device::Devices,
    places: Option<place::Places>,
    forecasts: Option<weather::Forecasts>,
}

impl Enricher {
    /// An enricher that finds places in a database in MaxMind's format, where one is given.
    pub fn open(places: Option<&Path>) -> Result<Self, PlacesError> {
        let places = places.map(place::Places::open).transpose()?;
        Ok(Self { places, ..Self::default() })
    }

    /// The same, which also tells the weather of places by what `provider` says. Fails where no
    /// thread can be started for it.
    pub fn with_weather(self, provider: Arc<dyn weather::WeatherProvider>) -> io::Result<Self> {
        Ok(Self { forecasts: Some(weather::Forecasts::start(provider)?), ..self })
    }

    /// Completes the context of something that happened at `at`, but for the weather. `properties` are
    /// those of a page call, whose clients name the page there.
    pub fn complete(
        &self,
        context: &mut LazyObject,
        caller: &Caller<'_>,
        properties: Option<&LazyObject>,
        at: Timestamp,
    ) {
        self.complete_device(context, caller);
        self.complete_place(context, caller);
        campaign::complete(context, properties);
        local::complete(context, at);
    }

    /// The same of a request made at `at`, with what its place is called in the visitor's language
    /// (`locale`): templates show that, and conditions read codes and English names. Where nobody told
    /// the place, that costs a second look into the database.
    pub fn complete_request(&self, context: &mut LazyObject, at: Timestamp) {
        self.complete_names(context);
        self.complete(context, &Caller::default(), None, at);
    }

    fn complete_names(&self, context: &mut LazyObject) {
        let Some(places) = self.places.as_ref().filter(|_| !place::is_told(context)) else {
            return;
        };
        let Some(ip) = text(context, "ip").and_then(|ip| ip.parse().ok()) else { return };
        let names = places.names(ip, text(context, "locale").unwrap_or("en"));
        complete(context, "location", [("names", names.map(Value::Object))]);
    }

    /// Adds the weather of this moment to a context of this moment.
    pub fn complete_weather(&self, context: &mut LazyObject, now: Timestamp) {
        if let Some(forecasts) = &self.forecasts {
            forecasts.complete(context, now);
        }
    }

    fn complete_device(&self, context: &mut LazyObject, caller: &Caller<'_>) {
        let said = text(context, "userAgent").or_else(|| text(context, "user_agent"));
        let Some(agent) = said.or(caller.user_agent) else { return };
        let device = self.devices.of(agent);
        let hints = context.get("userAgentData").and_then(Value::as_object).cloned();
        device.complete(context, hints.as_ref());
    }

    fn complete_place(&self, context: &mut LazyObject, caller: &Caller<'_>) {
        let Some(places) = &self.places else { return };
        let said = text(context, "ip").and_then(|ip| ip.parse().ok());
        let Some(ip) = said.or(caller.ip) else { return };
        if let Some(place) = places.of(ip) {
            place.complete(context);
        }
    }
}

/// A text of the context's own, where it is there and not empty.
fn text<'a>(context: &'a LazyObject, path: &str) -> Option<&'a str> {
    context.find_at(path).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Adds to the member `name`, an object, the members that it lacks. A member that is something else stays.
fn complete<const PARTS: usize>(
    context: &mut LazyObject,
    name: &str,
    known: [(&str, Option<Value>); PARTS],
) {
    let before = match context.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::Object(object)) => Some(object),
        Some(_) => return,
    };
    let is_missing = |part| before.is_none_or(|b| b.get(part).is_none_or(Value::is_null));
    let missing: Vec<_> = known
        .into_iter()
        .filter_map(|(part, value)| Some((part, value.filter(|_| is_missing(part))?)))
        .collect();
    if missing.is_empty() {
        return;
    }
    let mut object = before.cloned().unwrap_or_default();
    object.extend(missing.into_iter().map(|(part, value)| (part.to_owned(), value)));
    context.insert(name, Value::Object(object));
}
