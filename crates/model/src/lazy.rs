//! A JSON object whose members are decoded when something reads them.

mod split;

use std::{
    fmt,
    ops::Range,
    sync::{Arc, OnceLock},
};

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::value::RawValue;

use crate::{
    Value,
    value::{self, Object, Path},
};

/// The properties of an event, the context of an event or of a request.
///
/// They have dozens of values of which one or two are read, so each member is kept as text and
/// decoded when it is first asked for. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct LazyObject(Arc<Members>);

#[derive(Clone)]
struct Members {
    /// The whole object.
    text: String,
    /// By name. Of several members of one name the last holds, as in the decoded object.
    members: Vec<Member>,
}

#[derive(Clone)]
struct Member {
    name: CompactString,
    /// Where its value stands in the text.
    place: Range<usize>,
    decoded: OnceLock<Value>,
}

impl LazyObject {
    /// Reads an object from JSON; fails where decoding it would.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        let text = text.trim_ascii();
        // Only what is known to decode is left as it is.
        if let Some(members) = split::members(text) {
            return Ok(Self(Arc::new(Members { text: text.to_owned(), members })));
        }
        serde_json::from_str::<Object>(text).map(Self::from)
    }

    /// The value at a path; JSON `null` counts as absent.
    pub fn find(&self, path: &Path) -> Option<&Value> {
        self.find_at(path.as_str())
    }

    /// The same, at a path that is known to be one.
    pub fn find_at(&self, path: &str) -> Option<&Value> {
        // Nothing can stand between the head and the path but names that begin with the head.
        let last = self.0.last_until(path)?;
        if last.name == path {
            return Some(self.value(last)).filter(|value| !value.is_null());
        }
        let (head, rest) = path.split_once('.')?;
        let behind = last.name.strip_prefix(head)?;
        let member = if behind.is_empty() { last } else { self.0.find(head)? };
        value::find(self.value(member).as_object()?, rest)
    }

    /// The member of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.find(name).map(|member| self.value(member))
    }

    fn value<'a>(&'a self, member: &'a Member) -> &'a Value {
        // That it decodes was seen to when it was taken in.
        let decode =
            || serde_json::from_str(&self.text()[member.place.clone()]).unwrap_or_default();
        member.decoded.get_or_init(decode)
    }

    /// Whether there is a member of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.find(name).is_some()
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.0.members.is_empty()
    }

    /// The names of its members, sorted; a name that is there twice is named twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.members.iter().map(|member| member.name.as_str())
    }

    /// Removes a member, and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let removed = self.get(name)?.clone();
        let mut rest = self.object();
        rest.remove(name);
        *self = rest.into();
        Some(removed)
    }

    /// Sets a member.
    pub fn insert(&mut self, name: &str, value: Value) {
        let members = Arc::make_mut(&mut self.0);
        let text = &mut members.text;
        text.pop();
        if !members.members.is_empty() {
            text.push(',');
        }
        text.push_str(&Value::from(name).to_string());
        text.push(':');
        let start = text.len();
        text.push_str(&value.to_string());
        let place = start..text.len();
        text.push('}');
        let member = Member { name: name.into(), place, decoded: OnceLock::from(value) };
        let behind = members.behind(name);
        members.members.insert(behind, member);
    }

    /// All of it, decoded.
    pub fn object(&self) -> Object {
        serde_json::from_str(self.text()).unwrap_or_default()
    }

    /// All of it, as JSON.
    pub fn text(&self) -> &str {
        &self.0.text
    }
}

impl Members {
    fn find(&self, name: &str) -> Option<&Member> {
        self.last_until(name).filter(|member| member.name == name)
    }

    /// The last member up to this name.
    fn last_until(&self, name: &str) -> Option<&Member> {
        self.members.get(self.behind(name).checked_sub(1)?)
    }

    /// The position behind all members up to this name.
    fn behind(&self, name: &str) -> usize {
        self.members.partition_point(|member| member.name.as_str() <= name)
    }
}

impl Default for Members {
    fn default() -> Self {
        Self { text: "{}".to_owned(), members: Vec::new() }
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Object> for LazyObject {
    fn from(object: Object) -> Self {
        let mut context = Self::default();
        for (name, value) in object {
            context.insert(&name, value);
        }
        context
    }
}

impl Serialize for LazyObject {
    /// Writes the text as it is, so it takes a serializer of JSON.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.text()).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LazyObject {
    /// Reads an object from JSON in memory.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(<&RawValue>::deserialize(deserializer)?.get()).map_err(|error| {
            // The place is counted from the object; the deserializer knows the one in the whole.
            let text = error.to_string();
            D::Error::custom(text.rsplit_once(" at line ").map_or(&*text, |(what, _)| what))
        })
    }
}

impl PartialEq for LazyObject {
    /// Compares what they decode to.
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text() || self.object() == other.object()
    }
}

#[cfg(test)]
mod tests;
