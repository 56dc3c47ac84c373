//! Values of traits, properties and context: JSON, addressed by dotted paths.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// Any JSON value.
pub type Value = serde_json::Value;

/// A JSON object, as properties, traits and context arrive.
pub type Object = serde_json::Map<String, Value>;

/// A dotted path into an object: `cart.total`, `device.type`.
///
/// A key that itself contains dots is found before its parts are, so `{"a.b": 1}` answers `a.b`.
///
/// What is read of an event lies in its properties or in its context. Both are held side by side, so
/// a path of either kind is a `Path`; one into the context is made by [`Path::into_context`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Path(#[schemars(with = "String")] CompactString);

impl Path {
    /// Stands before a path into the context; no parsed path begins so.
    const CONTEXT: char = '\u{1}';
    /// Stands before a path that no document can name; no parsed path begins so.
    const RESERVED: char = '\u{2}';
    /// Longest path, in bytes.
    pub const MAX_BYTES: usize = 256;
    /// Most parts a path may have.
    pub const MAX_PARTS: usize = 8;

    /// Parses a path; `None` when it is empty, too long or too deep.
    pub fn parse(text: &str) -> Option<Self> {
        let parts = text.split('.').count();
        let sound = !text.is_empty() && text.len() <= Self::MAX_BYTES && parts <= Self::MAX_PARTS;
        (sound && !text.starts_with([Self::CONTEXT, Self::RESERVED])).then(|| Self(text.into()))
    }

    /// A path that no document can name, for what is kept of events beside what was sent.
    pub(crate) fn reserved(name: &str) -> Self {
        Self(format!("{}{name}", Self::RESERVED).into())
    }

    /// The same path, into an event's context and not into its properties.
    pub fn into_context(self) -> Self {
        Self(format!("{}{}", Self::CONTEXT, self.0).into())
    }

    /// Where it leads in an event's context, if it leads there.
    pub fn in_context(&self) -> Option<&str> {
        self.0.strip_prefix(Self::CONTEXT)
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Finds the value at this path; JSON `null` counts as absent.
    pub fn find<'a>(&self, object: &'a Object) -> Option<&'a Value> {
        find(object, &self.0)
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.in_context() {
            Some(path) => write!(f, "context {path}"),
            None => f.write_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = CompactString::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("a path has 1 to 8 parts and at most 256 bytes")
        })
    }
}

pub(crate) fn find<'a>(object: &'a Object, path: &str) -> Option<&'a Value> {
    if let Some(value) = object.get(path) {
        return Some(value).filter(|v| !v.is_null());
    }
    let (head, rest) = path.split_once('.')?;
    match object.get(head)? {
        Value::Object(inner) => find(inner, rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_descend_and_prefer_the_literal_key() {
        let value = serde_json::json!({"a": {"b": 1}, "a.c": 2, "n": null});
        let object = value.as_object().unwrap();
        let at = |path| Path::parse(path).unwrap().find(object).cloned();
        assert_eq!(at("a.b"), Some(1.into()));
        assert_eq!(at("a.c"), Some(2.into()));
        assert_eq!(at("n"), None, "null is absent");
        assert_eq!(at("a.b.c"), None);
        assert!(Path::parse("").is_none());
        assert!(Path::parse("\u{1}a").is_none(), "kept for the context");
        assert!(Path::parse(Path::reserved("a").as_str()).is_none());
        let path = Path::parse("a.b").unwrap().into_context();
        assert_eq!((path.in_context(), &*path.to_string()), (Some("a.b"), "context a.b"));
    }
}
