//! Content schemas: which subset of JSON Schema a placement may use, and how content is held
//! against it.
//!
//! The subset is what a form can be built from. An unknown keyword is refused rather than ignored,
//! because a check that silently does nothing is worse than none. A string that is a template is
//! checked for being a string only: what it becomes is not known yet.

use std::collections::BTreeMap;

use model::{Value, definition::Fault, value::Object};

use crate::{changes, redirect, template};

/// Deepest nesting of a content schema, and so of content that is described.
const MAX_DEPTH: usize = 16;

/// Keywords that describe and do not check.
const ANNOTATIONS: [&str; 8] =
    ["$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated"];

/// A compiled content schema.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schema {
    types: Option<Vec<Type>>,
    properties: BTreeMap<String, Schema>,
    required: Vec<String>,
    closed: bool,
    items: Option<Box<Schema>>,
    choices: Option<Vec<Value>>,
    /// Characters of a string.
    length: Bounds,
    /// Elements of an array.
    count: Bounds,
    range: Bounds,
    format: Format,
}

/// What a string is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    #[default]
    Text,
    Html,
    Redirect,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    least: Option<f64>,
    most: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::String,
            "array" => Self::Array,
            "object" => Self::Object,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Number, Value::Number(_))
            | (Self::String, Value::String(_))
            | (Self::Array, Value::Array(_))
            | (Self::Object, Value::Object(_)) => true,
            // 2.0 is an integer to JSON Schema.
            (Self::Integer, Value::Number(number)) => {
                number.as_f64().is_some_and(|number| number.fract() == 0.0)
            }
            _ => false,
        }
    }
}

impl Schema {
    /// Compiles a placement's schema; `pointer` is where it stands in the placement's document.
    pub(crate) fn compile(document: &Object, pointer: &str) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut schema = compile(document, pointer, 0, &mut faults);
        schema.add_reserved();
        if let Some(types) = &schema.types
            && !types.contains(&Type::Object)
        {
            faults.push(Fault::new(format!("{pointer}/type"), "content is always an object"));
        }
        if faults.is_empty() { Ok(schema) } else { Err(faults) }
    }

    /// The schema of a placement that has none of its own.
    pub(crate) fn open() -> Self {
        let mut schema = Self::default();
        schema.add_reserved();
        schema
    }

    /// What content may have in any placement: changes of the page, whose markup is HTML, and the address to which
    /// the visitor is led on.
    fn add_reserved(&mut self) {
        let of = |types| Self { types: Some(vec![types]), ..Self::default() };
        let html = Self { format: Format::Html, ..of(Type::String) };
        let properties = BTreeMap::from([("html".to_owned(), html)]);
        let change = Self { properties, ..of(Type::Object) };
        let count = Bounds { most: Some(changes::MAX_CHANGES as f64), ..Bounds::default() };
        let changes = Self { items: Some(Box::new(change)), count, ..of(Type::Array) };
        let redirect = Self { format: Format::Redirect, ..of(Type::String) };
        for (name, schema) in [(changes::MEMBER, changes), (changes::REDIRECT, redirect)] {
            self.properties.entry(name.to_owned()).or_insert(schema);
        }
    }

    /// Holds `content` against the schema; `pointer` is where it stands in its document.
    pub(crate) fn check(&self, content: &Object, pointer: &str, faults: &mut Vec<Fault>) {
        self.check_object(content, pointer, faults);
    }

    /// The schema of a property, where one is written.
    pub(crate) fn property(&self, name: &str) -> Option<&Schema> {
        self.properties.get(name)
    }

    /// The schema of an array's elements, where one is written.
    pub(crate) fn items(&self) -> Option<&Schema> {
        self.items.as_deref()
    }

    /// Whether strings here are HTML, so that what templates fill in must be escaped.
    pub(crate) fn is_html(&self) -> bool {
        self.format == Format::Html
    }

    /// Whether content of this schema always has an address that visitors are led to.
    pub(crate) fn redirects(&self) -> bool {
        let is_address = |schema: &Self| schema.format == Format::Redirect;
        self.properties.get(redirect::MEMBER).is_some_and(is_address)
            && self.required.iter().any(|name| name == redirect::MEMBER)
    }

    fn check_value(&self, value: &Value, pointer: &str, faults: &mut Vec<Fault>) {
        if let Some(types) = &self.types
            && !types.iter().any(|kind| kind.holds(value))
        {
            let names: Vec<_> = types.iter().map(|kind| kind.name()).collect();
            faults.push(Fault::new(pointer, format!("must be {}", names.join(" or "))));
            return;
        }
        if let (Format::Redirect, Some(text)) = (self.format, value.as_str()) {
            faults.extend(redirect::fault(text).map(|detail| Fault::new(pointer, detail)));
        }
        let filled_in_later = value.as_str().is_some_and(template::is_template);
        if let Some(choices) = &self.choices
            && !filled_in_later
            && !choices.contains(value)
        {
            let choices: Vec<_> = choices.iter().map(Value::to_string).collect();
            faults.push(Fault::new(pointer, format!("must be one of {}", choices.join(", "))));
        }
        match value {
            Value::String(text) if !filled_in_later => {
                self.length.check(text.chars().count(), "characters", pointer, faults);
            }
            Value::Number(number) => self.range.check_number(number, pointer, faults),
            Value::Array(elements) => {
                self.count.check(elements.len(), "elements", pointer, faults);
                for (index, element) in elements.iter().enumerate() {
                    if let Some(items) = &self.items {
                        items.check_value(element, &format!("{pointer}/{index}"), faults);
                    }
                }
            }
            Value::Object(object) => self.check_object(object, pointer, faults),
            _ => {}
        }
    }

    fn check_object(&self, object: &Object, pointer: &str, faults: &mut Vec<Fault>) {
        for name in self.required.iter().filter(|name| !object.contains_key(*name)) {
            faults.push(Fault::new(pointer, format!("`{name}` is required")));
        }
        for (name, value) in object {
            let pointer = child(pointer, name);
            match self.properties.get(name) {
                Some(schema) => schema.check_value(value, &pointer, faults),
                None if self.closed => {
                    faults.push(Fault::new(pointer, "the placement knows no such field"));
                }
                None => {}
            }
        }
    }
}

impl Bounds {
    fn check(self, count: usize, unit: &str, pointer: &str, faults: &mut Vec<Fault>) {
        // A length is far below 2^53, where a float still counts exactly.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(wanted) = self.missed(f64::from(count)) {
            faults.push(Fault::new(pointer, format!("must have {wanted} {unit}, has {count}")));
        }
    }

    fn check_number(self, number: &serde_json::Number, pointer: &str, faults: &mut Vec<Fault>) {
        if let Some(wanted) = number.as_f64().and_then(|number| self.missed(number)) {
            faults.push(Fault::new(pointer, format!("must be {wanted}, is {number}")));
        }
    }

    fn missed(self, number: f64) -> Option<String> {
        match self {
            Self { least: Some(least), .. } if number < least => Some(format!("at least {least}")),
            Self { most: Some(most), .. } if most < number => Some(format!("at most {most}")),
            _ => None,
        }
    }
}

/// The JSON pointer of the member `name` of what `pointer` points to.
pub(crate) fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn compile(document: &Object, pointer: &str, depth: usize, faults: &mut Vec<Fault>) -> Schema {
    let mut schema = Schema::default();
    if depth >= MAX_DEPTH {
        faults.push(Fault::new(pointer, format!("a schema is at most {MAX_DEPTH} levels deep")));
        return schema;
    }
    for (keyword, value) in document {
        if !read_keyword(&mut schema, keyword, value, pointer, depth, faults) {
            faults.push(Fault::new(
                child(pointer, keyword),
                format!("`{keyword}` is not supported here, or has the wrong type of value"),
            ));
        }
    }
    schema
}

/// Reads one keyword into `schema`; false when it is unknown or its value is not what the keyword
/// takes.
fn read_keyword(
    schema: &mut Schema,
    keyword: &str,
    value: &Value,
    pointer: &str,
    depth: usize,
    faults: &mut Vec<Fault>,
) -> bool {
    match keyword {
        "type" => {
            schema.types = types(value);
            schema.types.is_some()
        }
        "properties" => {
            let Some(properties) = value.as_object() else { return false };
            let pointer = child(pointer, keyword);
            for (name, property) in properties {
                let pointer = child(&pointer, name);
                let compiled = nested(property, &pointer, depth, faults);
                schema.properties.insert(name.clone(), compiled);
            }
            true
        }
        "items" => {
            let items = nested(value, &child(pointer, keyword), depth, faults);
            schema.items = Some(Box::new(items));
            true
        }
        "required" => {
            let names = value.as_array().map(|names| names.iter().map(Value::as_str));
            let names: Option<Vec<_>> = names.and_then(Iterator::collect);
            schema.required = names.iter().flatten().map(|name| (*name).to_owned()).collect();
            names.is_some()
        }
        "additionalProperties" => {
            schema.closed = value == &Value::Bool(false);
            value.is_boolean()
        }
        "enum" => {
            schema.choices = value.as_array().cloned();
            schema.choices.is_some()
        }
        "const" => {
            schema.choices = Some(vec![value.clone()]);
            true
        }
        "format" => {
            schema.format = match value.as_str() {
                Some("html") => Format::Html,
                Some(redirect::FORMAT) => Format::Redirect,
                _ => Format::Text,
            };
            value.is_string()
        }
        "minLength" => set(&mut schema.length.least, value),
        "maxLength" => set(&mut schema.length.most, value),
        "minItems" => set(&mut schema.count.least, value),
        "maxItems" => set(&mut schema.count.most, value),
        "minimum" => set(&mut schema.range.least, value),
        "maximum" => set(&mut schema.range.most, value),
        _ => ANNOTATIONS.contains(&keyword),
    }
}

fn nested(value: &Value, pointer: &str, depth: usize, faults: &mut Vec<Fault>) -> Schema {
    match value.as_object() {
        Some(document) => compile(document, pointer, depth + 1, faults),
        None => {
            faults.push(Fault::new(pointer, "a schema is an object"));
            Schema::default()
        }
    }
}

fn set(bound: &mut Option<f64>, value: &Value) -> bool {
    *bound = value.as_f64();
    bound.is_some()
}

fn types(value: &Value) -> Option<Vec<Type>> {
    match value {
        Value::String(name) => Some(vec![Type::parse(name)?]),
        Value::Array(names) => names.iter().map(|name| Type::parse(name.as_str()?)).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
