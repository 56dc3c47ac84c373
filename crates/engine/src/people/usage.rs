//! Which definitions use which trait, so that one without use is noticed; and who may be told its values.

use std::collections::{BTreeMap, BTreeSet};

use model::{Key, Value, condition::Rule, value::Path};
use profile::{Sensitivity, TraitDocument};
use serde::Serialize;

use crate::{
    Engine,
    definitions::{Kind, Page, Scope},
    registry::{
        check,
        documents::{Documents, Known, Typed},
    },
};

/// What is defined of a trait, and what uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraitUsage {
    /// Its name, as it is sent.
    pub r#trait: String,
    /// The key of its live definition, where it has one.
    pub definition: Option<Key>,
    /// What its definition says that it is held for.
    pub declared_use: Option<String>,
    /// How carefully its value is to be handled.
    pub sensitivity: Sensitivity,
    /// The definitions that act and read it.
    pub used_by: Vec<TraitUser>,
    /// Neither does its definition declare a use, nor does anything read it.
    pub unused: bool,
}

/// A definition that reads a trait.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TraitUser {
    /// Its kind, as in paths.
    pub kind: &'static str,
    /// Its key.
    pub key: Key,
}

impl Engine {
    /// The scopes that whoever is told values of a trait needs, of a trait by its path.
    pub fn trait_scopes(&self, path: &Path) -> &'static [Scope] {
        match self.shared().registry.snapshot().traits.sensitivity(path.as_str()) {
            Sensitivity::None => &[],
            Sensitivity::Personal => &[Scope::ProfilesRead],
            Sensitivity::Sensitive => &[Scope::ProfilesRead, Scope::ProfilesSensitive],
        }
    }
}

/// The traits that are defined or read, by name. A cursor is the last name of the page before.
pub(crate) fn usage(documents: &Documents, cursor: Option<&str>, limit: usize) -> Page<TraitUsage> {
    let mut found: BTreeMap<String, (Option<&TraitDocument>, BTreeSet<TraitUser>)> =
        BTreeMap::new();
    for kind in Kind::ALL {
        for (key, known) in documents.of(kind).filter(|(_, known)| known.acts()) {
            if let Ok(Typed::Trait(document)) = &known.typed {
                found.entry(document.sent_as().to_owned()).or_default().0 = Some(document);
            }
            for name in read_by(known) {
                let user = TraitUser { kind: kind.plural(), key: key.clone() };
                found.entry(name).or_default().1.insert(user);
            }
        }
    }
    let mut rest =
        found.into_iter().filter(|(name, _)| cursor.is_none_or(|last| last < name.as_str()));
    let items: Vec<TraitUsage> = rest.by_ref().take(limit).map(shown).collect();
    let next_cursor = rest.next().and(items.last()).map(|last| last.r#trait.clone());
    Page { items, next_cursor }
}

fn shown(
    (name, (document, users)): (String, (Option<&TraitDocument>, BTreeSet<TraitUser>)),
) -> TraitUsage {
    let declared_use = document.and_then(|document| document.declared_use.clone());
    TraitUsage {
        r#trait: name,
        definition: document.map(|document| document.key.clone()),
        sensitivity: document.map(|document| document.sensitivity).unwrap_or_default(),
        unused: users.is_empty() && declared_use.is_none(),
        declared_use,
        used_by: users.into_iter().collect(),
    }
}

/// The names of the traits that a definition reads: in conditions, in templates, as fields that are public, and to be
/// recorded.
fn read_by(known: &Known) -> BTreeSet<String> {
    let document = &known.definition.document;
    let mut names = BTreeSet::new();
    let first_part = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
    for (condition, _) in check::conditions(known.definition.kind, document) {
        let rule = Rule::compile(condition);
        names.extend(rule.needs().traits.iter().map(|path| first_part(path.as_str())));
    }
    if let Ok(Typed::ComputedTrait(computed)) = &known.typed
        && let Ok(rule) = computed.compile()
    {
        names.extend(rule.traits().map(|path| first_part(path.as_str())));
    }
    if let Ok(Typed::Experience(experience)) = &known.typed {
        let fields = experience.public_fields.iter();
        names.extend(
            fields.filter_map(|path| path.as_str().strip_prefix("traits.")).map(first_part),
        );
        let recorded = experience.record_traits.iter();
        names.extend(recorded.map(|path| first_part(path.as_str())));
        for value in document.values() {
            in_templates(value, &mut names);
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The traits that templates in the texts of a value read: what follows `profile.traits` up to the next sign.
fn in_templates(value: &Value, names: &mut BTreeSet<String>) {
    const TRAITS: &str = "profile.traits";
    match value {
        Value::String(text) if text.contains("{{") || text.contains("{%") => {
            for after in text.split(TRAITS).skip(1) {
                let quoted = |sign: char| {
                    let rest = after.strip_prefix('[')?.trim_start().strip_prefix(sign)?;
                    Some(rest.split_once(sign)?.0)
                };
                let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                let plain = after.strip_prefix('.').map(|rest| {
                    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                    rest.split_at(end).0
                });
                let name = plain.or_else(|| quoted('"')).or_else(|| quoted('\''));
                names.extend(name.map(str::to_owned));
            }
        }
        Value::Array(values) => values.iter().for_each(|value| in_templates(value, names)),
        Value::Object(fields) => fields.values().for_each(|value| in_templates(value, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn traits_are_found_in_templates_however_they_are_written() {
        let content = json!({"a": ["{{ profile.traits.first_name }} {% if profile.traits['the city'] %}"],
            "b": {"c": "{{profile.traits[\"x\"]|upcase}}"}, "d": "profile.traits.not_a_template"});
        let mut names = BTreeSet::new();
        in_templates(&content, &mut names);
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["first_name", "the city", "x"]);
    }
}
