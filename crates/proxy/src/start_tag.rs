//! A start tag with other attributes.

use std::collections::BTreeMap;

use crate::{
    escape,
    markup::{Attribute, Tag},
    plan::Edit,
};

/// A start tag after some edits, all else of it as it was.
pub(crate) fn edited(tag: &Tag<'_>, edits: &[&Edit]) -> Vec<u8> {
    let mut changed: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for edit in edits {
        match edit {
            Edit::Attribute { name, value } => {
                changed.insert(name, value.clone());
            }
            Edit::Image { src, alt } => {
                changed.insert("srcset", None);
                changed.insert("src", Some(src.clone()));
                if let Some(alt) = alt {
                    changed.insert("alt", Some(alt.clone()));
                }
            }
            Edit::Class { add, remove } => {
                let Some(before) = value_now(tag, &changed, "class") else { continue };
                changed.insert("class", Some(classes(&before, add, remove)));
            }
            Edit::Style(declarations) => {
                let Some(before) = value_now(tag, &changed, "style") else { continue };
                // The last declaration may end without a semicolon.
                let end = if before.trim().is_empty() { "" } else { ";" };
                changed.insert("style", Some(format!("{before}{end}{declarations}")));
            }
            Edit::Content(_) | Edit::Insert { .. } => {}
        }
    }
    written(tag, &changed)
}

/// The value of an attribute as it stands after the edits so far, escaped; none where it is not known in which encoding
/// it is.
fn value_now(
    tag: &Tag<'_>,
    changed: &BTreeMap<&str, Option<String>>,
    name: &str,
) -> Option<String> {
    if let Some(value) = changed.get(name) {
        return value.clone();
    }
    let value = tag.attributes.iter().find(|one| one.name.eq_ignore_ascii_case(name.as_bytes()));
    let value = std::str::from_utf8(value.map_or(b"", |one| one.value)).ok()?;
    // What it refers to stays; only the quotes may be others now.
    Some(escape::html_again(value))
}

fn classes(before: &str, add: &[String], remove: &[String]) -> String {
    let escaped =
        |names: &[String]| names.iter().map(|name| escape::html(name)).collect::<Vec<_>>();
    let (add, remove) = (escaped(add), escaped(remove));
    let kept = before.split_ascii_whitespace().filter(|name| !add.iter().any(|new| new == name));
    let kept = kept.map(ToOwned::to_owned).chain(add.iter().cloned());
    kept.filter(|name| !remove.contains(name)).collect::<Vec<_>>().join(" ")
}

fn written(tag: &Tag<'_>, changed: &BTreeMap<&str, Option<String>>) -> Vec<u8> {
    let is_kept = |attribute: &&Attribute<'_>| {
        !changed.keys().any(|name| attribute.name.eq_ignore_ascii_case(name.as_bytes()))
    };
    let mut written = tag.raw.get(..=tag.name.len()).unwrap_or_default().to_vec();
    for attribute in tag.attributes.iter().filter(is_kept) {
        written.push(b' ');
        written.extend_from_slice(attribute.raw);
    }
    for (name, value) in changed {
        if let Some(value) = value {
            written.extend_from_slice(format!(" {name}=\"{value}\"").as_bytes());
        }
    }
    written.extend_from_slice(if tag.is_closed { b" />" } else { b">" });
    written
}
