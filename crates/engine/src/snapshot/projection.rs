//! What timelines keep of events: the properties that definitions that act read, and no others.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use model::{
    Value,
    condition::EventName,
    value::{Object, Path},
};
use rustc_hash::FxBuildHasher;

/// Event names, each with the properties that somebody reads of it.
type NeededEvents = BTreeMap<EventName, BTreeSet<Path>>;

/// Which events are read, and which properties of each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Projection {
    /// By the hash of the event's name; paths are sorted.
    events: HashMap<u64, (EventName, Box<[Path]>), FxBuildHasher>,
    /// A hash of the above: profiles decoded under another epoch lack properties or hold ones nobody reads.
    pub(crate) epoch: u64,
}

impl Projection {
    /// The union of what is read.
    pub(crate) fn new<'a>(needed: impl IntoIterator<Item = &'a NeededEvents>) -> Self {
        let mut read: BTreeMap<&EventName, BTreeSet<&Path>> = BTreeMap::new();
        for (name, properties) in needed.into_iter().flatten() {
            read.entry(name).or_default().extend(properties);
        }
        let epoch = epoch(&read);
        let sorted = |paths: BTreeSet<&Path>| paths.into_iter().cloned().collect();
        let events =
            read.into_iter().map(|(name, paths)| (name.hash, (name.clone(), sorted(paths))));
        Self { events: events.collect(), epoch }
    }

    /// The names of events that are read, in no order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &EventName> {
        self.events.values().map(|(name, _)| name)
    }

    /// The name with this hash, where events of that name are read.
    pub(crate) fn name(&self, name_hash: u64) -> Option<&EventName> {
        self.events.get(&name_hash).map(|(name, _)| name)
    }

    /// Whether properties of events of this name are read, and not only when they happened.
    pub(crate) fn reads_properties(&self, name_hash: u64) -> bool {
        self.events.get(&name_hash).is_some_and(|(_, paths)| !paths.is_empty())
    }

    /// What a row keeps of an event's properties, by path; absent ones are left out.
    pub(crate) fn row_values(&self, name_hash: u64, properties: &Object) -> Arc<[(Path, Value)]> {
        let paths = self.events.get(&name_hash).map_or(&[][..], |(_, paths)| paths);
        let found = paths.iter().filter_map(|path| {
            let value = path.find(properties)?;
            Some((path.clone(), value.clone()))
        });
        found.collect()
    }
}

/// A hash that is the same for the same content in every process.
fn epoch(read: &BTreeMap<&EventName, BTreeSet<&Path>>) -> u64 {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        // Lengths keep neighbours apart.
        hasher.update(&(text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    };
    for (name, paths) in read {
        add(&name.text);
        add(&paths.len().to_string());
        paths.iter().for_each(|path| add(path.as_str()));
    }
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn needs(events: &[(&str, &[&str])]) -> NeededEvents {
        let paths = |paths: &[&str]| paths.iter().map(|p| Path::parse(p).unwrap()).collect();
        events.iter().map(|(name, read)| (EventName::new(name), paths(read))).collect()
    }

    #[test]
    fn rows_keep_what_is_read_and_nothing_else() {
        let (one, two) =
            (needs(&[("Order", &["total"])]), needs(&[("Order", &["a.b"]), ("Seen", &[])]));
        let projection = Projection::new([&one, &two]);
        let properties = json!({"total": 5, "a": {"b": "x", "c": 1}, "secret": true});
        let hash = EventName::new("Order").hash;
        let row = projection.row_values(hash, properties.as_object().unwrap());
        let named: Vec<_> =
            row.iter().map(|(path, value)| (path.as_str(), value.clone())).collect();
        assert_eq!(named, [("a.b", json!("x")), ("total", json!(5))]);
        assert!(projection.name(EventName::new("Seen").hash).is_some());
        assert!(projection.name(EventName::new("Other").hash).is_none());
        assert!(!projection.reads_properties(EventName::new("Seen").hash));
        assert!(projection.row_values(EventName::new("Seen").hash, &Object::new()).is_empty());
        assert_eq!(projection.names().count(), 2);
    }

    #[test]
    fn the_epoch_is_fixed_for_ever() {
        // Profiles on disk may one day carry it.
        assert_eq!(Projection::new([&needs(&[("Order", &["total"])])]).epoch, 5514272982206123192);
    }

    proptest! {
        #[test]
        fn the_epoch_tells_contents_apart_and_ignores_how_they_came(
            events in proptest::collection::vec(("[a-c]{1,2}", proptest::collection::vec("[a-c]{1,2}", 0..3)), 0..5),
            others in proptest::collection::vec(("[a-c]{1,2}", proptest::collection::vec("[a-c]{1,2}", 0..3)), 0..5),
        ) {
            let each = |events: &[(String, Vec<String>)]| -> Vec<NeededEvents> {
                let single = |(name, paths): &(String, Vec<String>)| {
                    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
                    needs(&[(name, &paths)])
                };
                events.iter().map(single).collect()
            };
            let (one, two) = (each(&events), each(&others));
            let (a, b) = (Projection::new(&one), Projection::new(&two));
            prop_assert_eq!(a.events == b.events, a.epoch == b.epoch);
            prop_assert_eq!(&a, &Projection::new(one.iter().rev()));
        }
    }
}
