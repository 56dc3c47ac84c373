//! Ready-made audiences: what most shops ask for first, as documents with parameters.
//!
//! They are data, in `ready_made.json`: a condition in the language of all conditions, in which `{"parameter": name}`
//! stands for a value, `{"choice": name, "of": {…}}` for one of several, and `{"part": name}` for a part that comes
//! again. What is filled in is an ordinary audience and can be edited as one.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::LazyLock};

use model::{Duration, Key, Value, definition::Fault, value::Object};
use serde::{Deserialize, Serialize};

/// Longest text that a parameter takes, in characters: the names of events and properties are no longer.
const MAX_TEXT: usize = 200;
/// Most texts of a list that a parameter takes: as many as a rule of the largest size has room for.
const MAX_TEXTS: usize = 100;

/// A ready-made audience.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReadyMade {
    /// The key it is asked for by.
    pub key: Key,
    /// What people call it.
    pub name: String,
    /// Who is meant.
    pub description: String,
    /// What can be set.
    pub parameters: Vec<Parameter>,
    /// Parts that the condition has several times.
    #[serde(default, skip_serializing)]
    parts: BTreeMap<String, Value>,
    #[serde(skip_serializing)]
    condition: Value,
    #[serde(default, skip_serializing)]
    computed_traits: Vec<Value>,
}

/// Something about a ready-made audience that can be set.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Parameter {
    /// The name it is set by.
    pub name: String,
    /// What it says.
    pub description: String,
    /// What it takes.
    #[serde(flatten)]
    pub takes: Takes,
    /// What it is when it is not set; without, it must be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Another parameter than which it must be greater.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<String>,
}

/// What values a parameter takes.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Takes {
    /// A duration such as `30d`.
    Duration {
        /// The shortest.
        least: Duration,
        /// The longest.
        greatest: Duration,
    },
    /// A number.
    Number {
        /// The least.
        least: f64,
        /// The greatest.
        greatest: f64,
    },
    /// A whole number.
    Integer {
        /// The least.
        least: i64,
        /// The greatest.
        greatest: i64,
    },
    /// A text of up to 200 characters, such as the name of an event or a property.
    Text,
    /// Up to 100 texts.
    Texts,
    /// One of these.
    Choice {
        /// The choices.
        of: Vec<String>,
    },
    /// The key of a definition.
    Key,
}

/// A ready-made audience with its parameters filled in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Filled {
    /// The documents of the computed traits that the condition asks about, which must be live before the audience is.
    pub computed_traits: Vec<Object>,
    /// The document of the audience, but for its key and state.
    pub audience: Object,
}

/// All ready-made audiences.
pub fn all() -> &'static [ReadyMade] {
    // A test reads the file, so that it always reads.
    static ALL: LazyLock<Vec<ReadyMade>> =
        LazyLock::new(|| serde_json::from_str(include_str!("ready_made.json")).unwrap_or_default());
    &ALL
}

/// The ready-made audience of this key.
pub fn find(key: &Key) -> Option<&'static ReadyMade> {
    all().iter().find(|ready_made| ready_made.key == *key)
}

impl ReadyMade {
    /// Fills in parameters; what is wrong with them is told by their place below `/parameters`.
    pub fn fill(&self, parameters: &Object) -> Result<Filled, Vec<Fault>> {
        let mut faults = Vec::new();
        for name in parameters.keys() {
            if !self.parameters.iter().any(|parameter| parameter.name == *name) {
                let known: Vec<&str> = self.parameters.iter().map(|p| p.name.as_str()).collect();
                let detail = format!("there is no such parameter; there are {}", known.join(", "));
                faults.push(fault(name, detail));
            }
        }
        let mut values = Object::new();
        for parameter in &self.parameters {
            match parameter.value(parameters) {
                Ok(value) => drop(values.insert(parameter.name.clone(), value)),
                Err(detail) => faults.push(fault(&parameter.name, detail)),
            }
        }
        for Parameter { name, above, .. } in &self.parameters {
            if let Some(other) = above
                && let (Some(value), Some(below)) = (values.get(name), values.get(other))
                && size(value) <= size(below)
            {
                faults.push(fault(name, format!("it must be greater than `{other}`")));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let filling = Filling { values: &values, parts: &self.parts };
        let documents = self.computed_traits.iter().map(|document| filling.fill(document));
        let mut audience = Object::new();
        audience.insert("name".into(), self.name.as_str().into());
        audience.insert("description".into(), self.description.as_str().into());
        audience.insert("condition".into(), filling.fill(&self.condition));
        Ok(Filled { computed_traits: documents.filter_map(object).collect(), audience })
    }
}

impl Parameter {
    /// The value given or the default, or what is wrong with the one given.
    fn value(&self, given: &Object) -> Result<Value, String> {
        // A null is a value that is left out.
        match given.get(&self.name).filter(|value| !value.is_null()) {
            Some(value) => self.takes.check(value).map(|()| value.clone()),
            None => {
                self.default.clone().ok_or_else(|| format!("it must be set: {}", self.description))
            }
        }
    }
}

impl Takes {
    fn check(&self, value: &Value) -> Result<(), String> {
        let is_taken = match self {
            Self::Duration { least, greatest } => {
                duration(value).is_some_and(|value| (*least..=*greatest).contains(&value))
            }
            Self::Number { least, greatest } => {
                value.as_f64().is_some_and(|value| (*least..=*greatest).contains(&value))
            }
            Self::Integer { least, greatest } => {
                value.as_i64().is_some_and(|value| (*least..=*greatest).contains(&value))
            }
            Self::Text => is_text(value),
            Self::Texts => value.as_array().is_some_and(|texts| {
                (1..=MAX_TEXTS).contains(&texts.len()) && texts.iter().all(is_text)
            }),
            Self::Choice { of } => {
                value.as_str().is_some_and(|value| of.iter().any(|choice| choice == value))
            }
            Self::Key => value.as_str().is_some_and(|value| value.parse::<Key>().is_ok()),
        };
        if is_taken { Ok(()) } else { Err(format!("it must be {}", self.expected())) }
    }

    /// What it takes, in words.
    fn expected(&self) -> String {
        match self {
            Self::Duration { least, greatest } => {
                format!("a duration from `{least}` to `{greatest}`")
            }
            Self::Number { least, greatest } => format!("a number from {least} to {greatest}"),
            Self::Integer { least, greatest } => {
                format!("a whole number from {least} to {greatest}")
            }
            Self::Text => format!("a text of 1 to {MAX_TEXT} characters"),
            Self::Texts => format!("a list of 1 to {MAX_TEXTS} texts"),
            Self::Choice { of } => format!("one of `{}`", of.join("`, `")),
            Self::Key => "a key: 1 to 64 of `a-z 0-9 _ -`".to_owned(),
        }
    }
}

/// Puts values where a template names them.
#[derive(Clone, Copy)]
struct Filling<'a> {
    values: &'a Object,
    parts: &'a BTreeMap<String, Value>,
}

impl Filling<'_> {
    fn fill(self, template: &Value) -> Value {
        match template {
            Value::Object(object) => match self.placeholder(object) {
                Some(filled) => filled,
                None => {
                    let fields = object.iter();
                    Value::Object(
                        fields.map(|(name, value)| (name.clone(), self.fill(value))).collect(),
                    )
                }
            },
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            other => other.clone(),
        }
    }

    /// What stands for the object, if it is a place for a value. Parts have no parts.
    fn placeholder(self, object: &Object) -> Option<Value> {
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        if let Some(name) = text("parameter") {
            return self.values.get(name).cloned();
        }
        if let Some(name) = text("part") {
            let nothing = BTreeMap::new();
            let within = Filling { parts: &nothing, ..self };
            return self.parts.get(name).map(|part| within.fill(part));
        }
        let chosen = self.values.get(text("choice")?)?.as_str()?;
        object.get("of")?.get(chosen).map(|chosen| self.fill(chosen))
    }
}

fn fault(parameter: &str, detail: impl Into<String>) -> Fault {
    // RFC 6901 has these two characters written otherwise.
    let name = parameter.replace('~', "~0").replace('/', "~1");
    Fault::new(format!("/parameters/{name}"), detail)
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| (1..=MAX_TEXT).contains(&text.chars().count()))
}

fn duration(value: &Value) -> Option<Duration> {
    value.as_str()?.parse().ok()
}

/// What values of one type are compared by.
#[expect(
    clippy::cast_precision_loss,
    reason = "no duration within the bounds is too long to be exact"
)]
fn size(value: &Value) -> Option<f64> {
    duration(value).map(|duration| duration.0 as f64).or_else(|| value.as_f64())
}

fn object(value: Value) -> Option<Object> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}
