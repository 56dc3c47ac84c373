//! One person's facts, as a test states them; the form in `spec/conditions.json`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{
    Key, Purpose, PurposeSet, Timestamp, UnitId, Value,
    condition::{
        Account, EventName, EventRow, Fact, Facts, Membership, RowValues, Rows, Run, Share, Truth,
        visits,
    },
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
    /// Stretches of activity, from the first event of each to the last.
    pub(super) visits: Visits,
    /// Names of which older events are not held.
    pub(super) overflow: BTreeSet<String>,
    /// Names of which nothing may be read at all.
    pub(super) withheld_events: BTreeSet<String>,
    pub(super) audiences: BTreeMap<String, Member>,
    pub(super) consents: BTreeMap<String, bool>,
    pub(super) unit: u64,
    /// The one that was told of last first.
    pub(super) accounts: Vec<Belongs>,
}

/// An account that the person belongs to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Belongs {
    pub(super) id: Value,
    pub(super) role: Value,
    pub(super) traits: Object,
    pub(super) withheld_traits: BTreeSet<String>,
    /// By audience.
    pub(super) members: BTreeMap<String, Share>,
    /// Whether they belong to it may not be read.
    pub(super) withheld: bool,
}

impl Account for Belongs {
    fn id(&self) -> &Value {
        &self.id
    }

    fn role(&self) -> Fact<&Value> {
        if self.role.is_null() { Fact::Missing } else { Fact::Known(&self.role) }
    }

    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        let name = path.as_str().split('.').next().unwrap();
        match path.find(&self.traits) {
            _ if self.withheld_traits.contains(name) => Fact::Withheld,
            Some(value) => Fact::Known(value),
            None => Fact::Missing,
        }
    }

    fn share(&self, audience: &Key) -> Share {
        self.members.get(audience.as_str()).copied().unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Member {
    pub(super) truth: Truth,
    #[serde(default)]
    pub(super) since: Option<Timestamp>,
    #[serde(default)]
    pub(super) previous: Option<Timestamp>,
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
    context: BTreeMap<String, Value>,
    #[serde(default)]
    withheld: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Vec<Happened>")]
pub(super) struct Events(pub(super) BTreeMap<String, Track>);

/// Stretches of activity, as events.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Vec<Visited>")]
pub(super) struct Visits(pub(super) Track);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Visited {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) properties: BTreeMap<String, Value>,
    pub(super) context: BTreeMap<String, Value>,
    pub(super) withheld: bool,
}

impl From<Vec<Visited>> for Visits {
    fn from(visited: Vec<Visited>) -> Self {
        let mut paths = BTreeSet::from([visits::LAST.clone()]);
        for Visited { properties, context, .. } in &visited {
            paths.extend(read(properties, context));
        }
        let paths: Vec<Path> = paths.into_iter().collect();
        let row = |(tie, told): (u64, &Visited)| {
            let last = Value::from(told.last.0);
            EventRow {
                time: told.first,
                tie,
                purposes: if told.withheld { PurposeSet::NONE } else { READABLE },
                values: RowValues::pack(&paths, |path| match path.in_context() {
                    _ if *path == *visits::LAST => Some(&last),
                    Some(path) => told.context.get(path),
                    None => told.properties.get(path.as_str()),
                }),
            }
        };
        let rows = (0..).zip(&visited).map(row).collect();
        Self(Track::new(paths, rows))
    }
}

/// The paths of what is told of an event.
fn read<'a>(
    properties: &'a BTreeMap<String, Value>,
    context: &'a BTreeMap<String, Value>,
) -> impl Iterator<Item = Path> + 'a {
    let path = |path: &String| Path::parse(path).unwrap();
    let context = context.keys().map(move |name| path(name).into_context());
    properties.keys().map(path).chain(context)
}

/// The events of one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    paths: Vec<Path>,
    pub(super) rows: Vec<EventRow>,
    run: Run,
}

impl Track {
    pub(super) fn new(paths: Vec<Path>, rows: Vec<EventRow>) -> Self {
        let mut run = Run::default();
        run.extend(rows.iter().map(|row| (0, row.as_row())));
        Self { paths, rows, run }
    }

    /// The same names with other rows.
    pub(super) fn with(&self, rows: Vec<EventRow>) -> Self {
        Self::new(self.paths.clone(), rows)
    }
}

impl From<Vec<Happened>> for Events {
    fn from(happened: Vec<Happened>) -> Self {
        let mut paths = BTreeMap::<&str, BTreeSet<Path>>::new();
        for Happened { event, properties, context, .. } in &happened {
            paths.entry(event).or_default().extend(read(properties, context));
        }
        let track = |(event, paths): (&str, BTreeSet<Path>)| {
            let paths: Vec<Path> = paths.into_iter().collect();
            let named = (0..).zip(&happened).filter(|(_, told)| told.event == event);
            let row = |(tie, told): (u64, &Happened)| EventRow {
                time: told.time,
                tie,
                purposes: if told.withheld { PurposeSet::NONE } else { READABLE },
                values: RowValues::pack(&paths, |path| match path.in_context() {
                    Some(path) => told.context.get(path),
                    None => told.properties.get(path.as_str()),
                }),
            };
            let rows = named.map(row).collect();
            (event.to_owned(), Track::new(paths, rows))
        };
        Self(paths.into_iter().map(track).collect())
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
        let visits = Some(&self.visits.0).filter(|_| name == visits::STARTED);
        match visits.or_else(|| self.events.0.get(name)) {
            Some(Track { paths, run, .. }) => {
                Fact::Known(Rows { rows: run.span(0), paths, purpose: PURPOSE, overflow })
            }
            None => Fact::Missing,
        }
    }

    fn membership(&self, audience: &Key) -> Option<Membership> {
        let Member { truth, since, previous, valid_until } =
            *self.audiences.get(audience.as_str())?;
        Some(Membership { truth, since, previous, valid_until })
    }

    fn consents_to(&self, purpose: &PurposeKey) -> Option<bool> {
        self.consents.get(purpose.0.as_str()).copied()
    }

    fn unit(&self) -> UnitId {
        UnitId(self.unit)
    }

    fn account(&self, place: usize) -> Option<Fact<&dyn Account>> {
        let account = self.accounts.get(place)?;
        Some(if account.withheld { Fact::Withheld } else { Fact::Known(account) })
    }
}
