//! One person's facts, as a test states them; the form in `spec/conditions.json`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{
    Key, Purpose, PurposeSet, Timestamp, UnitId, Value,
    condition::{EventName, EventRow, Fact, Facts, Membership, Rows, Truth},
    consent::PurposeKey,
    value::{Object, Path},
};

pub(super) const READABLE: PurposeSet = PurposeSet(1 << 1);
const PURPOSE: Purpose = Purpose::PERSONALIZATION;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Person {
    pub(super) traits: Object,
    /// Top-level traits that may not be read.
    pub(super) withheld_traits: BTreeSet<String>,
    pub(super) context: Object,
    pub(super) events: Events,
    /// Names of which older events are not held.
    pub(super) overflow: BTreeSet<String>,
    /// Names of which nothing may be read at all.
    pub(super) withheld_events: BTreeSet<String>,
    pub(super) audiences: BTreeMap<String, Member>,
    pub(super) consents: BTreeMap<String, bool>,
    pub(super) unit: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Member {
    pub(super) truth: Truth,
    #[serde(default)]
    pub(super) since: Option<Timestamp>,
    #[serde(default)]
    pub(super) valid_until: Option<Timestamp>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Happened {
    event: String,
    time: Timestamp,
    #[serde(default)]
    properties: BTreeMap<String, Value>,
    #[serde(default)]
    withheld: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Vec<Happened>")]
pub(super) struct Events(pub(super) BTreeMap<String, Vec<EventRow>>);

impl From<Vec<Happened>> for Events {
    fn from(happened: Vec<Happened>) -> Self {
        let mut events = BTreeMap::<String, Vec<EventRow>>::new();
        for (tie, Happened { event, time, properties, withheld }) in (0..).zip(happened) {
            let purposes = if withheld { PurposeSet::NONE } else { READABLE };
            let values = properties.into_iter();
            let values = values.map(|(path, value)| (Path::parse(&path).unwrap(), value)).collect();
            events.entry(event).or_default().push(EventRow { time, tie, purposes, values });
        }
        events.values_mut().for_each(|rows| rows.sort_by_key(|row| (row.time, row.tie)));
        Self(events)
    }
}

impl Facts for Person {
    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        let name = path.as_str().split('.').next().unwrap();
        match path.find(&self.traits) {
            _ if self.withheld_traits.contains(name) => Fact::Withheld,
            Some(value) => Fact::Known(value),
            None => Fact::Missing,
        }
    }

    fn context(&self, path: &Path) -> Fact<&Value> {
        path.find(&self.context).map_or(Fact::Missing, Fact::Known)
    }

    fn events(&self, name: &EventName) -> Fact<Rows<'_>> {
        let name = name.text.as_str();
        if self.withheld_events.contains(name) {
            return Fact::Withheld;
        }
        let overflow = self.overflow.contains(name);
        match self.events.0.get(name) {
            Some(rows) => Fact::Known(Rows { rows, purpose: PURPOSE, overflow }),
            None => Fact::Missing,
        }
    }

    fn membership(&self, audience: &Key) -> Option<Membership> {
        let Member { truth, since, valid_until } = *self.audiences.get(audience.as_str())?;
        Some(Membership { truth, since, valid_until })
    }

    fn consents_to(&self, purpose: &PurposeKey) -> Option<bool> {
        self.consents.get(purpose.0.as_str()).copied()
    }

    fn unit(&self) -> UnitId {
        UnitId(self.unit)
    }
}
