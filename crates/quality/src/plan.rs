//! The tracking plan: the live schemas compiled, and events held against them.
//!
//! A violation says where and which rule, never what: values stay in the event.

mod bounds;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use compact_str::CompactString;
use jsonschema::{PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use model::{Event, Key, LazyObject, Value, definition::Fault};
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};

use crate::{
    document::{ANY_EVENT, EventSchemaDocument, Mode, Unknown},
    name,
};

/// Most violations told of one event: enough to see what is wrong with it.
const VIOLATIONS_MAX: usize = 20;
/// Longest path of a violation, in bytes; what is deeper is told of the part above it.
const PATH_BYTES_MAX: usize = 200;
/// Most bytes that one pattern may take when compiled.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// The rule of an event that no schema names, where that is a violation.
pub const UNKNOWN_EVENT: &str = "unknown_event";
/// The rule of a property that the schema does not name.
pub const UNKNOWN_PROPERTY: &str = "unknown_property";

/// One violation: where, and of which rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Violation {
    /// JSON pointer into the event; `*` for a position of a list and for a name that the plan does not know.
    pub path: CompactString,
    /// The keyword of JSON Schema, such as `required`; or `unknown_property`, `unknown_event`.
    pub rule: CompactString,
}

/// What is wrong with an event, and what its schema wants done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The schema.
    pub schema: Key,
    /// What becomes of the event.
    pub mode: Mode,
    /// At least one, at most 20; no two the same.
    pub violations: Vec<Violation>,
}

/// The live schemas, compiled. Immutable.
#[derive(Debug, Default)]
pub struct Plan {
    schemas: HashMap<CompactString, Schema, FxBuildHasher>,
    /// What becomes of events that no schema names, where anything does.
    others: Option<(Key, Mode)>,
}

/// A compiled schema.
#[derive(Debug)]
struct Schema {
    key: Key,
    mode: Mode,
    properties: Option<Part>,
    traits: Option<Part>,
    context: Option<Part>,
    /// The properties that are known, where others are violations.
    only: Option<BTreeSet<String>>,
}

/// The schema of one object of the event.
#[derive(Debug)]
struct Part {
    validator: Validator,
    /// Every name of a member in it: these may be shown.
    names: BTreeSet<String>,
}

impl Plan {
    /// Compiles schemas. A broken one is left out and comes back with its faults.
    pub fn compile<'a>(
        documents: impl IntoIterator<Item = &'a EventSchemaDocument>,
    ) -> (Self, Vec<(Key, Vec<Fault>)>) {
        let mut plan = Self::default();
        let mut broken = Vec::new();
        for document in documents {
            if let Err(faults) = plan.add(document) {
                broken.push((document.key.clone(), faults));
            }
        }
        (plan, broken)
    }

    /// What is wrong with a schema by itself.
    pub fn check_schema(document: &EventSchemaDocument) -> Vec<Fault> {
        Schema::compile(document).err().unwrap_or_default()
    }

    fn add(&mut self, document: &EventSchemaDocument) -> Result<(), Vec<Fault>> {
        let schema = Schema::compile(document)?;
        let described_twice = |by: &Key| {
            let event = &document.event;
            let detail =
                format!("the event `{event}` is described by the live schema `{by}` already");
            Err(vec![Fault::new("/event", detail)])
        };
        if document.event == ANY_EVENT {
            if let Some((by, _)) = &self.others {
                return described_twice(by);
            }
            self.others = Some((schema.key, schema.mode));
            return Ok(());
        }
        if let Some(other) = self.schemas.get(document.event.as_str()) {
            return described_twice(&other.key);
        }
        self.schemas.insert(document.event.as_str().into(), schema);
        Ok(())
    }

    /// The key of the schema of an event.
    pub fn schema_of(&self, event: &str) -> Option<&Key> {
        self.schemas.get(event).map(|schema| &schema.key)
    }

    /// Holds an event against its schema; `None` where it fits, or where nothing is asked of it.
    pub fn check(&self, event: &Event) -> Option<Breach> {
        let Some(schema) = self.schemas.get(&event.name) else {
            let (key, mode) = self.others.as_ref()?;
            let violation = Violation { path: "".into(), rule: UNKNOWN_EVENT.into() };
            return Some(Breach { schema: key.clone(), mode: *mode, violations: vec![violation] });
        };
        let violations = schema.violations(event);
        (!violations.is_empty()).then(|| Breach {
            schema: schema.key.clone(),
            mode: schema.mode,
            violations,
        })
    }
}

impl Schema {
    fn compile(document: &EventSchemaDocument) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut part = |pointer: &str, schema: &Option<Value>| {
            let schema = schema.as_ref()?;
            Part::compile(schema, pointer).map_err(|found| faults.extend(found)).ok()
        };
        let properties = part("/properties", &document.properties);
        let traits = part("/traits", &document.traits);
        let context = part("/context", &document.context);
        if document.event.trim().is_empty() || document.event.len() > Event::MAX_NAME_BYTES {
            let detail = format!("an event has a name of 1 to {} bytes", Event::MAX_NAME_BYTES);
            faults.push(Fault::new("/event", detail));
        }
        let is_for_others = document.event == ANY_EVENT;
        if is_for_others {
            let parts = [
                ("properties", &document.properties),
                ("traits", &document.traits),
                ("context", &document.context),
            ];
            let asked = parts.into_iter().filter(|(_, schema)| schema.is_some());
            let detail =
                "the schema of all other events says what becomes of them, not how they look";
            faults.extend(asked.map(|(name, _)| Fault::new(format!("/{name}"), detail)));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let only = (document.unknown_properties == Unknown::Violate).then(|| {
            let listed = document.properties.as_ref().and_then(|schema| schema.get("properties"));
            let names = listed.and_then(Value::as_object).into_iter().flatten();
            names.map(|(name, _)| name.clone()).collect()
        });
        Ok(Self {
            key: document.key.clone(),
            mode: document.mode,
            properties,
            traits,
            context,
            only,
        })
    }

    fn violations(&self, event: &Event) -> Vec<Violation> {
        let mut found = Found::default();
        if let Some(part) = &self.properties {
            part.check("/properties", &whole(&event.properties), &mut found);
        }
        if let Some(part) = &self.traits {
            part.check("/traits", &Value::Object(event.traits.clone()), &mut found);
        }
        if let Some(part) = &self.context {
            part.check("/context", &whole(&event.context), &mut found);
        }
        if let Some(only) = &self.only {
            let unknown = event.properties.names().filter(|name| !only.contains(*name));
            for name in unknown {
                found.add("/properties", Some(name::shown(name)), UNKNOWN_PROPERTY);
            }
        }
        found.violations
    }
}

fn whole(object: &LazyObject) -> Value {
    Value::Object(object.object())
}

impl Part {
    fn compile(schema: &Value, pointer: &str) -> Result<Self, Vec<Fault>> {
        let names = bounds::check(schema).map_err(|fault| {
            vec![Fault::new(format!("{pointer}{}", fault.pointer), fault.detail)]
        })?;
        let options = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX));
        let validator = options.build(schema).map_err(|error| {
            let place = format!("{pointer}{}", error.instance_path().as_str());
            vec![Fault::new(place, format!("this is no JSON Schema: {error}"))]
        })?;
        Ok(Self { validator, names })
    }

    fn check(&self, pointer: &str, value: &Value, found: &mut Found) {
        for error in self.validator.iter_errors(value) {
            if found.violations.len() >= VIOLATIONS_MAX {
                return;
            }
            self.take(pointer, &error, found);
        }
    }

    fn take(&self, pointer: &str, error: &ValidationError<'_>, found: &mut Found) {
        let mut path = pointer.to_owned();
        for step in error.instance_path().as_str().split('/').skip(1) {
            path.push('/');
            path.push_str(self.shown(step));
        }
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                found.add(&path, property.as_str().map(|name| self.shown(name)), "required");
            }
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                for name in unexpected {
                    found.add(&path, Some(name::shown(name)), UNKNOWN_PROPERTY);
                }
            }
            kind => found.add(&path, None, kind.keyword()),
        }
    }

    /// A step of a path as it may be shown: the plan's own names, and no others.
    fn shown<'a>(&self, step: &'a str) -> &'a str {
        let is_position = step.bytes().all(|byte| byte.is_ascii_digit());
        if !is_position && self.names.contains(step) { step } else { name::ANY }
    }
}

/// Violations as they are found.
#[derive(Debug, Default)]
struct Found {
    violations: Vec<Violation>,
}

impl Found {
    fn add(&mut self, place: &str, name: Option<&str>, rule: &str) {
        if self.violations.len() >= VIOLATIONS_MAX {
            return;
        }
        let mut path = CompactString::from(place);
        if let Some(name) = name {
            path.push('/');
            path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        }
        while path.len() > PATH_BYTES_MAX {
            path.truncate(path.rfind('/').unwrap_or_default());
        }
        let violation = Violation { path, rule: rule.into() };
        if !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }
}
