//! One row of a file, whatever the file is written as, addressed by the columns that a mapping names.

use std::{borrow::Cow, collections::HashMap};

use model::value::{Object, Path};
use serde_json::Value;

/// A column that the mapping names, by its place in [`Columns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Column(usize);

/// The columns that a mapping names, in the order in which it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    names: Vec<String>,
    known: HashMap<String, usize>,
}

impl Columns {
    /// The column called `name`.
    pub(crate) fn column(&mut self, name: &str) -> Column {
        if let Some(place) = self.known.get(name) {
            return Column(*place);
        }
        let place = self.names.len();
        self.names.push(name.to_owned());
        self.known.insert(name.to_owned(), place);
        Column(place)
    }

    /// The name of a column.
    pub(crate) fn name(&self, column: Column) -> &str {
        self.names.get(column.0).map_or("", String::as_str)
    }

    /// Where each column stands in a heading; the error names the ones that are not there.
    pub(crate) fn in_heading(&self, heading: &[String]) -> Result<Vec<usize>, String> {
        let place = |name: &String| {
            heading.iter().position(|known| known == name).ok_or_else(|| {
                let known = heading.join(", ");
                format!("the file has no column `{name}`; its columns are {known}")
            })
        };
        self.names.iter().map(place).collect()
    }

    /// Each column as a path into an object; the error names the ones that are no paths.
    pub(crate) fn as_paths(&self) -> Result<Vec<Path>, String> {
        let path = |name: &String| {
            Path::parse(name)
                .ok_or_else(|| format!("`{name}` is no path: write 1 to 8 parts between dots"))
        };
        self.names.iter().map(path).collect()
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record<'a> {
    /// A CSV row, with the place of each column.
    Csv { row: &'a csv::ByteRecord, places: &'a [usize] },
    /// A JSON object, with the path of each column.
    Json { row: &'a Object, paths: &'a [Path] },
}

impl<'a> Record<'a> {
    /// The value as trimmed text; `None` when it is empty, `null` or no scalar.
    pub(crate) fn text(&self, column: Column) -> Option<Cow<'a, str>> {
        let text = match self {
            Self::Csv { row, places } => {
                let bytes = row.get(*places.get(column.0)?)?.trim_ascii();
                String::from_utf8_lossy(bytes)
            }
            Self::Json { row, paths } => match paths.get(column.0)?.find(row)? {
                Value::String(text) => Cow::Borrowed(text.trim()),
                Value::Number(number) => Cow::Owned(number.to_string()),
                Value::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            },
        };
        if text.is_empty() { None } else { Some(text) }
    }

    /// The value as JSON: text from a CSV file, whatever it is from a JSONL file.
    pub(crate) fn json(&self, column: Column) -> Option<Value> {
        match self {
            Self::Csv { .. } => self.text(column).map(|text| Value::String(text.into_owned())),
            Self::Json { row, paths } => paths.get(column.0)?.find(row).cloned(),
        }
    }
}

/// How deep an object is looked into for the paths of its columns.
const PATH_DEPTH_MAX: usize = 3;

/// Adds the paths of an object's scalars that are not known yet.
pub(super) fn collect_paths(row: &Object, before: &str, names: &mut Vec<String>) {
    for (name, value) in row {
        let path = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        match value {
            Value::Object(inner) if path.split('.').count() < PATH_DEPTH_MAX => {
                collect_paths(inner, &path, names);
            }
            Value::Object(_) | Value::Array(_) => {}
            _ if names.contains(&path) => {}
            _ => names.push(path),
        }
    }
}
