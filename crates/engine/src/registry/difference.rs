//! What changed between two documents, as the audit log shows it.

use model::{Value, value::Object};
use serde_json::json;

/// Most places a difference lists one by one; beyond that it gives the two documents whole.
const MAX_PLACES: usize = 200;
/// Longest pointers a difference lists, together, in bytes: keys are free text, so pointers could
/// outgrow the documents.
const MAX_POINTER_BYTES: usize = 64 * 1024;

/// The places where `new` differs from `old`: `[{"pointer": …, "old": …, "new": …}]`, `old` absent
/// where something was added and `new` where something was taken away.
pub fn difference(old: Option<&Object>, new: Option<&Object>) -> Value {
    let (Some(old), Some(new)) = (old, new) else { return whole(old, new) };
    let mut places = Places::default();
    places.objects(old, new);
    if places.overflow { whole(Some(old), Some(new)) } else { Value::Array(places.found) }
}

/// Both documents as they are.
fn whole(old: Option<&Object>, new: Option<&Object>) -> Value {
    let place = place("", old.map(|o| json!(o)), new.map(|o| json!(o)));
    Value::Array(vec![place])
}

fn place(pointer: &str, old: Option<Value>, new: Option<Value>) -> Value {
    let mut place = Object::new();
    place.insert("pointer".into(), pointer.into());
    for (name, value) in [("old", old), ("new", new)] {
        if let Some(value) = value {
            place.insert(name.into(), value);
        }
    }
    Value::Object(place)
}

#[derive(Debug, Default)]
struct Places {
    found: Vec<Value>,
    pointer: String,
    pointer_bytes: usize,
    overflow: bool,
}

impl Places {
    fn objects(&mut self, old: &Object, new: &Object) {
        for (key, value) in old {
            self.at(&escaped(key), Some(value), new.get(key));
        }
        for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
            self.at(&escaped(key), None, Some(value));
        }
    }

    fn arrays(&mut self, old: &[Value], new: &[Value]) {
        for i in 0..old.len().max(new.len()) {
            self.at(&i.to_string(), old.get(i), new.get(i));
        }
    }

    /// Compares what lies at `step` below the current place.
    fn at(&mut self, step: &str, old: Option<&Value>, new: Option<&Value>) {
        if self.overflow || old == new {
            return;
        }
        let parent = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(step);
        match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => self.objects(old, new),
            (Some(Value::Array(old)), Some(Value::Array(new))) => self.arrays(old, new),
            _ => self.differs(old, new),
        }
        self.pointer.truncate(parent);
    }

    fn differs(&mut self, old: Option<&Value>, new: Option<&Value>) {
        self.pointer_bytes += self.pointer.len();
        self.overflow = self.found.len() >= MAX_PLACES || self.pointer_bytes > MAX_POINTER_BYTES;
        if !self.overflow {
            self.found.push(place(&self.pointer, old.cloned(), new.cloned()));
        }
    }
}

/// A key as a step of a JSON pointer (RFC 6901).
pub(crate) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(old: Value, new: Value, expect: Expect) {
        let found = difference(old.as_object(), new.as_object());
        let lines: Vec<_> = found.as_array().unwrap().iter().map(Value::to_string).collect();
        expect.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn places_are_named_with_old_and_new() {
        check(
            json!({"state": "draft", "a/b": {"~": 1}, "tags": ["x", "y"], "gone": null}),
            json!({"state": "live", "a/b": {"~": 2}, "tags": ["x"], "more": []}),
            expect![[r#"
                {"new":2,"old":1,"pointer":"/a~1b/~0"}
                {"old":null,"pointer":"/gone"}
                {"new":"live","old":"draft","pointer":"/state"}
                {"old":"y","pointer":"/tags/1"}
                {"new":[],"pointer":"/more"}"#]],
        );
        check(json!({"a": 1}), json!({"a": 1}), expect![""]);
        check(json!({"a": 1}), Value::Null, expect![[r#"{"old":{"a":1},"pointer":""}"#]]);
    }

    #[test]
    fn many_places_become_the_whole_documents() {
        let numbered = |from: i32| json!({"n": (from..from + 300).collect::<Vec<_>>()});
        let found = difference(numbered(0).as_object(), numbered(1).as_object());
        assert_eq!(found.as_array().unwrap().len(), 1);
        assert_eq!(found[0]["new"], numbered(1));
        let deep = |value: i32| {
            let leaves: Object = (0..50).map(|i| (i.to_string(), value.into())).collect();
            json!({"k".repeat(30_000): leaves})
        };
        let found = difference(deep(0).as_object(), deep(1).as_object());
        assert_eq!(found[0]["pointer"], "");
    }
}
