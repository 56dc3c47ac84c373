//! Definitions as files: which documents a folder holds, and in which order they are saved.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use engine::definitions::Kind;
use serde_json::{Map, Value};

/// A definition from a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    pub(crate) kind: Kind,
    pub(crate) key: String,
    /// With its `key`, without its `kind`.
    pub(crate) body: Map<String, Value>,
}

impl Document {
    /// Kind and key, as paths have them.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.kind.plural(), self.key)
    }

    /// Whether some value of the document is `key`, as it is where it refers to another definition.
    pub(super) fn mentions(&self, key: &str) -> bool {
        fn within(value: &Value, key: &str) -> bool {
            match value {
                Value::String(text) => text == key,
                Value::Object(fields) => fields.values().any(|value| within(value, key)),
                Value::Array(values) => values.iter().any(|value| within(value, key)),
                _ => false,
            }
        }
        self.key != key && self.body.values().any(|value| within(value, key))
    }
}

/// Reads a file, or every file of a folder and its folders, sorted so that a definition follows those it may refer to.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Document>> {
    let mut files = Vec::new();
    find_files(path, &mut files)?;
    if files.is_empty() {
        bail!("{} holds no .json or .toml file", path.display());
    }
    let mut documents = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let found = parse(&file, &text).with_context(|| file.display().to_string())?;
        documents.extend(found);
    }
    sort(&mut documents);
    Ok(documents)
}

/// Sorts by kind, in the order in which kinds may refer to one another, and by key, audiences and stages after those
/// they name.
pub(crate) fn sort(documents: &mut Vec<Document>) {
    documents.sort_by(|a, b| (a.kind, &a.key).cmp(&(b.kind, &b.key)));
    let mut waiting = std::mem::take(documents);
    while !waiting.is_empty() {
        let is_free = |document: &Document| {
            !waiting.iter().any(|other| {
                (other.kind, &other.key) != (document.kind, &document.key) && names(document, other)
            })
        };
        // Where definitions name each other in a circle, the server says so about the first one.
        let place = waiting.iter().position(is_free).unwrap_or(0);
        documents.push(waiting.remove(place));
    }
}

/// Whether a condition of `document` names `other`, an audience or stages.
fn names(document: &Document, other: &Document) -> bool {
    fn within(value: &Value, field: &str, key: &str) -> bool {
        match value {
            Value::Object(fields) => fields.iter().any(|(name, value)| {
                (name == field && value.as_str() == Some(key)) || within(value, field, key)
            }),
            Value::Array(values) => values.iter().any(|value| within(value, field, key)),
            _ => false,
        }
    }
    let field = match other.kind {
        Kind::Audience => "audience",
        Kind::Stages => "stage",
        _ => return false,
    };
    document.body.values().any(|value| within(value, field, &other.key))
}

fn find_files(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let cannot = || format!("cannot read {}", path.display());
    if !std::fs::metadata(path).with_context(cannot)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(cannot)?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()
        .with_context(cannot)?;
    paths.sort();
    for path in paths {
        let is_definition =
            path.extension().is_some_and(|extension| extension == "json" || extension == "toml");
        let is_hidden =
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if (path.is_dir() && !is_hidden) || is_definition {
            find_files(&path, files)?;
        }
    }
    Ok(())
}

/// The documents of one file: one, whose kind and key its path tells where it does not say them itself, or a list.
pub(crate) fn parse(path: &Path, text: &str) -> anyhow::Result<Vec<Document>> {
    let is_toml = path.extension().is_some_and(|extension| extension == "toml");
    let value: Value = if is_toml {
        toml::from_str(text).map_err(|error| anyhow!("not sound TOML: {error}"))?
    } else {
        serde_json::from_str(text).map_err(|error| anyhow!("not sound JSON: {error}"))?
    };
    let name = |part: Option<&std::ffi::OsStr>| Some(part?.to_string_lossy().into_owned());
    let folder = name(path.parent().and_then(Path::file_name));
    let kind = folder.and_then(|folder| Kind::from_plural(&folder));
    match value {
        Value::Array(documents) => {
            let one = |document| one(document, kind, None);
            documents.into_iter().map(one).collect()
        }
        document => Ok(vec![one(document, kind, name(path.file_stem()))?]),
    }
}

fn one(document: Value, kind: Option<Kind>, key: Option<String>) -> anyhow::Result<Document> {
    let Value::Object(mut body) = document else { bail!("a definition is an object") };
    let said = match body.get("kind") {
        None => None,
        Some(Value::String(said)) => match kind_named(said) {
            // Sources and metrics have kinds of their own, such as `public` and `sum`; their folder says what they are.
            None if matches!(kind, Some(Kind::Source | Kind::Metric)) => None,
            None => {
                let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.plural()).collect();
                bail!("there is no kind `{said}`; the kinds are {}", known.join(", "))
            }
            named => {
                body.remove("kind");
                named
            }
        },
        Some(_) => bail!("`kind` is a text, such as \"audience\""),
    };
    let Some(kind) = said.or(kind) else {
        bail!(
            "put the file into a folder such as audiences/, or write \"kind\": \"audience\" into it"
        )
    };
    let key = match body.get("key") {
        Some(Value::String(key)) => key.clone(),
        Some(_) => bail!("`key` is a text"),
        None => key.context("the definition has no `key`")?,
    };
    body.insert("key".to_owned(), key.as_str().into());
    Ok(Document { kind, key, body })
}

fn kind_named(name: &str) -> Option<Kind> {
    Kind::from_plural(name).or_else(|| Kind::from_plural(&format!("{name}s")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str, text: &str) -> Vec<Document> {
        parse(Path::new(path), text).unwrap()
    }

    #[test]
    fn the_path_tells_kind_and_key_where_the_file_does_not() {
        let found =
            parsed("d/audiences/vip.toml", "name = \"VIP\"\n[condition]\naudience = \"big\"");
        assert_eq!((found[0].kind, found[0].key.as_str()), (Kind::Audience, "vip"));
        assert_eq!(found[0].body["key"], "vip");
        assert_eq!(found[0].body["condition"]["audience"], "big");
        let found = parsed("sources/shop.json", r#"{"kind": "server"}"#);
        assert_eq!((found[0].kind, &found[0].body["kind"]), (Kind::Source, &"server".into()));
        let found = parsed("metrics/revenue.toml", "kind = \"sum\"");
        assert_eq!((found[0].kind, &found[0].body["kind"]), (Kind::Metric, &"sum".into()));
        let found = parsed("metrics/all.json", r#"[{"key": "visits", "kind": "count"}]"#);
        assert_eq!((found[0].kind, found[0].key.as_str()), (Kind::Metric, "visits"));
        let found =
            parsed("all.json", r#"[{"kind":"placement","key":"a"},{"kind":"purposes","key":"b"}]"#);
        assert_eq!(found[0].kind, Kind::Placement);
        assert_eq!(found[1].kind, Kind::Purpose);
    }

    #[test]
    fn what_is_missing_is_told() {
        let fault =
            |path: &str, text: &str| format!("{:#}", parse(Path::new(path), text).unwrap_err());
        assert!(fault("x.json", r#"{"key":"a"}"#).contains("\"kind\": \"audience\""));
        assert!(fault("x.json", r#"{"kind":"segment","key":"a"}"#).contains("no kind `segment`"));
        assert!(fault("x.json", "[{\"kind\":\"audience\"}]").contains("no `key`"));
        assert!(fault("audiences/x.json", "{").contains("not sound JSON"));
    }

    #[test]
    fn definitions_follow_those_they_name() {
        let mut documents = parsed(
            "all.json",
            r#"[{"kind":"experience","key":"a","eligibility":{"audience":"x"}},
                {"kind":"audience","key":"a","condition":{"all":[{"audience":"b"}]}},
                {"kind":"audience","key":"b","condition":{"all":[]}},
                {"kind":"placement","key":"z"}]"#,
        );
        sort(&mut documents);
        let order: Vec<String> =
            documents.iter().map(|d| format!("{}/{}", d.kind.plural(), d.key)).collect();
        assert_eq!(order, ["audiences/b", "audiences/a", "placements/z", "experiences/a"]);
    }
}
