//! Which schemas may be compiled: those that no event can make expensive.
//!
//! A schema may refer to its own definitions, so that a short text can stand for an enormous or an
//! endless check. What it stands for is counted before it is compiled: references are followed, and
//! one that leads back to itself is refused.

use std::collections::BTreeSet;

use model::{Value, definition::Fault};

/// Longest schema, as compact JSON, in bytes: that of a rule.
const SCHEMA_BYTES_MAX: usize = 16 * 1024;
/// Deepest nesting of a schema, references followed.
const DEPTH_MAX: usize = 32;
/// Most parts of a schema, references followed.
const PARTS_MAX: usize = 2_000;

/// Keywords that make a check depend on more than the schema's own tree.
const REFUSED: [&str; 7] = [
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
];

/// Counts what a schema stands for; answers with the names of members that it knows.
pub(super) fn check(schema: &Value) -> Result<BTreeSet<String>, Fault> {
    let bytes = schema.to_string().len();
    if bytes > SCHEMA_BYTES_MAX {
        let detail = format!("the schema has {bytes} bytes; at most {SCHEMA_BYTES_MAX} fit");
        return Err(Fault::new("", detail));
    }
    let mut walk = Walk { root: schema, parts: 0, open: Vec::new(), names: BTreeSet::new() };
    walk.visit(schema, "", 0)?;
    Ok(walk.names)
}

struct Walk<'a> {
    root: &'a Value,
    parts: usize,
    /// The references that are being followed.
    open: Vec<&'a str>,
    names: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, part: &'a Value, pointer: &str, depth: usize) -> Result<(), Fault> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            let detail =
                format!("with its references followed, the schema has more than {PARTS_MAX} parts");
            return Err(Fault::new(pointer, detail));
        }
        if depth > DEPTH_MAX {
            let detail = format!(
                "with its references followed, the schema is deeper than {DEPTH_MAX} levels"
            );
            return Err(Fault::new(pointer, detail));
        }
        match part {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.visit(item, &format!("{pointer}/{index}"), depth + 1)?;
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    self.member(name, value, &format!("{pointer}/{}", escaped(name)), depth)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn member(
        &mut self,
        name: &'a str,
        value: &'a Value,
        pointer: &str,
        depth: usize,
    ) -> Result<(), Fault> {
        match (name, value) {
            // Its parts count where they are referred to.
            ("$defs" | "definitions", Value::Object(_)) => return Ok(()),
            ("$ref", Value::String(reference)) => return self.follow(reference, pointer, depth),
            ("properties", Value::Object(members)) => {
                self.names.extend(members.keys().cloned());
            }
            ("required", Value::Array(names)) => {
                self.names.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            (name, Value::String(_)) if REFUSED.contains(&name) => {
                return Err(Fault::new(
                    pointer,
                    format!("`{name}` is not taken; refer with `$ref`"),
                ));
            }
            _ => {}
        }
        self.visit(value, pointer, depth + 1)
    }

    fn follow(&mut self, reference: &'a str, pointer: &str, depth: usize) -> Result<(), Fault> {
        let local = reference.strip_prefix('#').filter(|path| path.starts_with('/'));
        let Some(target) = local.and_then(|path| self.root.pointer(path)) else {
            let detail = "a reference leads to a place in the same schema, as in `#/$defs/price`";
            return Err(Fault::new(pointer, detail));
        };
        if self.open.contains(&reference) {
            return Err(Fault::new(pointer, format!("`{reference}` refers to itself")));
        }
        self.open.push(reference);
        self.visit(target, pointer, depth + 1)?;
        self.open.pop();
        Ok(())
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
