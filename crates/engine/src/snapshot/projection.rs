//! What timelines keep of events: the properties and parts of the context that definitions that act
//! read, and no others.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use model::{
    LazyObject,
    condition::{EventName, Layout, RowValues},
    value::{Object, Path},
};
use rustc_hash::FxBuildHasher;
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor},
};

use crate::record::ROW_CONTEXT;

/// Event names, each with the properties that somebody reads of it.
type NeededEvents = BTreeMap<EventName, BTreeSet<Path>>;

/// Which events are read, and which properties of each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Projection {
    layout: Arc<Layout>,
    /// From the hash of an event's name to its number in the layout.
    numbers: HashMap<u64, u32, FxBuildHasher>,
    /// A hash of the above: profiles decoded under another epoch lack properties or hold ones nobody reads.
    pub(crate) epoch: u64,
}

impl Projection {
    /// The union of what is read.
    pub(crate) fn new<'a>(needed: impl IntoIterator<Item = &'a NeededEvents>) -> Self {
        let mut read = NeededEvents::new();
        for (name, properties) in needed.into_iter().flatten() {
            read.entry(name.clone()).or_default().extend(properties.iter().cloned());
        }
        let epoch = epoch(&read);
        let layout = Layout::new(read);
        let numbers = (0..).zip(layout.names()).map(|(number, name)| (name.hash, number)).collect();
        Self { layout: Arc::new(layout), numbers, epoch }
    }

    /// How timelines hold events.
    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The number in the layout of the name with this hash, where events of that name are read.
    pub(crate) fn number(&self, name_hash: u64) -> Option<u32> {
        self.numbers.get(&name_hash).copied()
    }

    /// The name with this hash, where events of that name are read.
    pub(crate) fn name(&self, name_hash: u64) -> Option<&EventName> {
        self.layout.name(self.number(name_hash)?)
    }

    /// Whether values of events of this name are read, and not only when they happened.
    pub(crate) fn reads_values(&self, name_hash: u64) -> bool {
        !self.paths(name_hash).is_empty()
    }

    /// Whether something of events of this name is read that only their bodies have.
    pub(crate) fn reads_bodies(&self, name_hash: u64) -> bool {
        let mut beyond = self.paths(name_hash).iter().filter_map(Path::in_context);
        beyond.any(|path| ROW_CONTEXT.binary_search(&path).is_err())
    }

    /// What is read of events of this name, sorted.
    pub(crate) fn paths(&self, name_hash: u64) -> &[Path] {
        self.number(name_hash).map_or(&[], |number| self.layout.paths(number))
    }

    /// What a row keeps of an event.
    pub(crate) fn row_values(
        &self,
        name_hash: u64,
        properties: &LazyObject,
        context: &LazyObject,
    ) -> RowValues {
        RowValues::pack(self.paths(name_hash), |path| match path.in_context() {
            Some(path) => context.find_at(path),
            None => properties.find(path),
        })
    }

    /// The same, of properties and the parts of a context that its row repeats, as JSON text or empty.
    /// Members that nobody reads are not decoded.
    pub(crate) fn row_values_of(
        &self,
        name_hash: u64,
        properties: &str,
        context: &str,
    ) -> serde_json::Result<RowValues> {
        let paths = self.paths(name_hash);
        let read = |json: &str, reads: &dyn Fn(&str) -> bool| {
            if json.is_empty() {
                return Ok(Object::new());
            }
            Members { reads }.deserialize(&mut serde_json::Deserializer::from_str(json))
        };
        let properties = read(properties, &|name| paths.iter().any(|path| leads(path, name)))?;
        // Its members are named by whole paths.
        let is_read = |name: &str| paths.iter().any(|path| path.in_context() == Some(name));
        let context = read(context, &is_read)?;
        Ok(RowValues::pack(paths, |path| match path.in_context() {
            Some(path) => context.get(path),
            None => path.find(&properties),
        }))
    }
}

/// Whether a path leads into the member of this name.
fn leads(path: &Path, name: &str) -> bool {
    let rest = path.as_str().strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The name of a member, borrowed unless it is written with escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Decodes the members of an object that somebody reads.
struct Members<'a> {
    reads: &'a dyn Fn(&str) -> bool,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut read = Object::new();
        while let Some(Name(name)) = map.next_key()? {
            if (self.reads)(&name) {
                read.insert(name.into_owned(), map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(read)
    }
}

/// A hash that is the same for the same content in every process.
fn epoch(read: &NeededEvents) -> u64 {
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
    use model::{PurposeSet, Timestamp, condition::EventRow};
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
        let text = properties.to_string();
        let context = LazyObject::default();
        let values = projection.row_values(hash, &LazyObject::parse(&text).unwrap(), &context);
        let (time, tie, purposes) = (Timestamp(0), 0, PurposeSet::ALL);
        let row = EventRow { time, tie, purposes, values };
        let paths = projection.paths(hash);
        let value = |path: &Path| (path.to_string(), row.as_row().value(paths, path).unwrap());
        assert_eq!(projection.row_values_of(hash, &text, "").unwrap(), row.values);
        assert!(projection.row_values_of(hash, "[]", "").is_err());
        let named = paths.iter().map(value).map(|(path, value)| (path, value.to_value()));
        let expected = [("a.b".to_owned(), json!("x")), ("total".to_owned(), json!(5))];
        assert!(named.eq(expected));
        assert!(projection.name(EventName::new("Seen").hash).is_some());
        assert!(projection.name(EventName::new("Other").hash).is_none());
        let seen = EventName::new("Seen").hash;
        assert!(!projection.reads_values(seen));
        assert!(projection.row_values(seen, &context, &context).is_empty());
        assert_eq!(projection.layout().names().count(), 2);
    }

    #[test]
    fn rows_keep_what_is_read_of_the_context_beside_properties() {
        let in_context = |path: &str| Path::parse(path).unwrap().into_context();
        let name = EventName::new("Order");
        let read = [Path::parse("device.type").unwrap(), in_context("device.type")];
        let needed = NeededEvents::from([(name.clone(), read.into_iter().collect())]);
        let projection = Projection::new([&needed]);
        assert!(!projection.reads_bodies(name.hash));
        let properties = LazyObject::parse(r#"{"device": {"type": "lamp"}}"#).unwrap();
        let context = LazyObject::parse(r#"{"device": {"type": "mobile", "id": "x"}}"#).unwrap();
        let live = projection.row_values(name.hash, &properties, &context);
        let stored = r#"{"device.type":"mobile","os.name":"iOS"}"#;
        assert_eq!(projection.row_values_of(name.hash, properties.text(), stored).unwrap(), live);
        let (time, tie, purposes) = (Timestamp(0), 0, PurposeSet::ALL);
        let row = EventRow { time, tie, purposes, values: live };
        let paths = projection.paths(name.hash);
        let value = |path: Path| row.as_row().value(paths, &path).unwrap().to_value();
        assert_eq!(value(in_context("device.type")), json!("mobile"));
        assert_eq!(value(Path::parse("device.type").unwrap()), json!("lamp"));
        let beyond = NeededEvents::from([(name.clone(), [in_context("device.id")].into())]);
        assert!(Projection::new([&beyond]).reads_bodies(name.hash), "no row has it");
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
            prop_assert_eq!(a.layout == b.layout, a.epoch == b.epoch);
            prop_assert_eq!(&a, &Projection::new(one.iter().rev()));
        }
    }
}
