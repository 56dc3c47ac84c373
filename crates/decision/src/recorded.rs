//! Traits that are recorded with a decision: what results are broken down by, as it was at that moment.

use std::collections::BTreeSet;

use model::{
    Value,
    condition::{Fact, Facts},
    definition::Fault,
    value::{Object, Path},
};
use serde::{Deserialize, Serialize};

/// Most traits that an experience has recorded.
pub const RECORDED_MAX: usize = 8;
/// Longest name of one, in bytes, so that a record has a length that is known.
pub const RECORDED_NAME_BYTES_MAX: usize = 64;
/// What is kept of a value, in characters.
pub const RECORDED_CHARS_MAX: usize = 80;

/// What was known of a trait at a decision, for the purpose of the experience that won.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Recorded {
    /// Its value, [`shortened`].
    Known(String),
    /// There was none.
    Missing,
    /// Whether there was one could not be read for that purpose.
    Withheld,
}

/// Traits by name, in the order of the document that names them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordedTraits(Vec<(Path, Recorded)>);

impl RecordedTraits {
    /// What `facts`, which are for one purpose, say of traits.
    pub(crate) fn of(names: &[Path], facts: &dyn Facts) -> Self {
        let read = |name: &Path| match facts.trait_value(name) {
            Fact::Known(value) => Recorded::Known(shortened(value)),
            Fact::Missing => Recorded::Missing,
            Fact::Withheld => Recorded::Withheld,
        };
        Self(names.iter().map(|name| (name.clone(), read(name))).collect())
    }

    /// Whether none is recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is recorded of a trait; `None` where it was not asked for.
    pub fn get(&self, name: &Path) -> Option<&Recorded> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, recorded)| recorded)
    }

    /// The values by name; `null` for a trait that was missing. What was withheld is not among them.
    pub fn values(&self) -> Object {
        let value = |(name, recorded): &(Path, Recorded)| {
            let value = match recorded {
                Recorded::Known(value) => Value::String(value.clone()),
                Recorded::Missing => Value::Null,
                Recorded::Withheld => return None,
            };
            Some((name.as_str().to_owned(), value))
        };
        self.0.iter().filter_map(value).collect()
    }

    /// The names of those that were withheld.
    pub fn withheld(&self) -> Vec<&str> {
        let withheld = self.0.iter().filter(|(_, recorded)| *recorded == Recorded::Withheld);
        withheld.map(|(name, _)| name.as_str()).collect()
    }
}

/// A value as a text that groups can be named by: its first [`RECORDED_CHARS_MAX`] characters, of anything but a text
/// as JSON writes it.
pub fn shortened(value: &Value) -> String {
    let cut = |text: &str| text.chars().take(RECORDED_CHARS_MAX).collect();
    match value {
        Value::String(text) => cut(text),
        other => cut(&other.to_string()),
    }
}

/// What is wrong with the traits that an experience wants recorded.
pub(crate) fn faults(names: &[Path], is_decided_here: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    if RECORDED_MAX < names.len() {
        let detail = format!("at most {RECORDED_MAX} traits are recorded with a decision");
        faults.push(Fault::new("/record_traits", detail));
    }
    if !is_decided_here && !names.is_empty() {
        let detail =
            "somebody else decides this experience, so no trait is recorded with a decision";
        faults.push(Fault::new("/record_traits", detail));
    }
    let mut seen = BTreeSet::new();
    for (place, name) in names.iter().enumerate() {
        let detail = if !seen.insert(name) {
            format!("trait `{name}` is named twice")
        } else if RECORDED_NAME_BYTES_MAX < name.as_str().len() {
            format!(
                "the name of a trait that is recorded has at most {RECORDED_NAME_BYTES_MAX} bytes"
            )
        } else if name.as_str().chars().any(char::is_control) {
            "the name of a trait has no control characters".to_owned()
        } else {
            continue;
        };
        faults.push(Fault::new(format!("/record_traits/{place}"), detail));
    }
    faults
}
