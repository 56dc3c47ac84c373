//! The mapping file: what a row of a file means as events.

use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::time::TimeSpec;
use crate::rows::{FileFormat, Form};

/// A mapping file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    /// How the file is written; by its name when absent.
    pub(super) format: Option<FileFormat>,
    /// What separates the columns of a CSV file.
    #[serde(default = "comma")]
    pub(super) delimiter: char,
    /// Numbers are written `12,50` instead of `12.50`.
    #[serde(default)]
    pub(super) decimal_comma: bool,
    /// When a row happened.
    pub(super) time: TimeSpec,
    /// Rows to leave out, each with the reason that the summary counts them under.
    #[serde(default)]
    pub(super) skip: Vec<Skip>,
    /// What rows become: the first entry whose `when` holds takes the row.
    pub(super) events: Vec<EventSpec>,
}

impl Mapping {
    /// How its files are to be read.
    pub(super) fn form(&self) -> Form {
        Form { format: self.format, delimiter: self.delimiter }
    }
}

fn comma() -> char {
    ','
}

/// Leaves out the rows for which `condition` holds.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Skip {
    /// What the summary counts them under.
    pub(super) reason: String,
    #[serde(flatten)]
    pub(super) condition: Condition,
}

/// A condition on one column.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Condition {
    pub(super) column: String,
    pub(super) op: Op,
    /// What it is compared with; a list for `in` and `not_in`; nothing for `missing` and `exists`.
    pub(super) value: Option<toml::Value>,
}

/// How a column is compared. Texts compare as written, `gt` and its like compare numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Op {
    Missing,
    Exists,
    Eq,
    Ne,
    In,
    NotIn,
    StartsWith,
    NotStartsWith,
    Gt,
    Gte,
    Lt,
    Lte,
}

/// One kind of event that rows become.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventSpec {
    /// All must hold for a row to become this event.
    #[serde(default)]
    pub(super) when: Vec<Condition>,
    /// Which call of the tracking specification it is.
    #[serde(default)]
    pub(super) kind: Kind,
    /// The event's name; `{column}` stands for the row's value. Required for track.
    #[serde(default)]
    pub(super) name: String,
    /// The message id; `{column}` stands for the row's value, `{digest}` and `{row}` for the file
    /// and the event's place.
    #[serde(default = "by_place")]
    pub(super) message_id: String,
    /// Rows that make one event together.
    pub(super) group: Option<GroupSpec>,
    /// Whose event it is, by identifier type.
    pub(super) identifiers: BTreeMap<String, ValueSpec>,
    #[serde(default)]
    pub(super) properties: BTreeMap<String, ValueSpec>,
    #[serde(default)]
    pub(super) traits: BTreeMap<String, ValueSpec>,
    /// What the person said about each purpose; true or false.
    #[serde(default)]
    pub(super) consents: BTreeMap<String, ValueSpec>,
}

fn by_place() -> String {
    "import-{digest}-{row}".to_owned()
}

/// Which call of the tracking specification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    #[default]
    Track,
    Identify,
    Page,
    Screen,
    Group,
}

impl Kind {
    /// As the tracking specification writes it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
        }
    }
}

/// Which rows make one event together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupSpec {
    /// Rows with the same value in this column belong together.
    pub(super) by: String,
    /// Where they stand in the file.
    #[serde(default)]
    pub(super) rows: GroupRows,
}

/// Where the rows of a group stand in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GroupRows {
    /// Anywhere: the file is read to its end before the first event is made.
    #[default]
    Any,
    /// Next to each other: the event is made when another group begins.
    Consecutive,
}

/// Where a value comes from. A bare text is the name of a column.
#[derive(Clone, Debug, Default)]
pub(super) struct ValueSpec {
    pub(super) from: From,
    pub(super) kind: Option<ValueKind>,
}

/// Where a value comes from.
#[derive(Clone, Debug, Default)]
pub(super) enum From {
    /// Nowhere: no legal mapping has it.
    #[default]
    Nothing,
    /// A column of the row; of the first row that has it, in a group.
    Column(String),
    /// The same for all rows.
    Constant(toml::Value),
    /// The sum over the group of the product of these columns.
    Sum(Vec<String>),
    /// How many rows the group has.
    Count,
    /// The smallest number in this column.
    Min(String),
    /// The largest number in this column.
    Max(String),
    /// A list with an object for each row, cut at `limit`.
    Items { fields: BTreeMap<String, ValueSpec>, limit: usize },
}

/// What a text is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ValueKind {
    Text,
    Integer,
    Number,
    /// A number with two digits after the point.
    Money,
    Bool,
}

/// The table form of a value, as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    column: Option<String>,
    value: Option<toml::Value>,
    sum: Option<Vec<String>>,
    count: Option<bool>,
    min: Option<String>,
    max: Option<String>,
    items: Option<BTreeMap<String, ValueSpec>>,
    limit: Option<usize>,
    #[serde(rename = "type")]
    kind: Option<ValueKind>,
}

/// Items of a list that are kept when the mapping names no `limit`.
const ITEMS_DEFAULT: usize = 50;

impl TryFrom<Written> for ValueSpec {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let limit = written.limit;
        let sources = [
            written.column.map(From::Column),
            written.value.map(From::Constant),
            written.sum.map(From::Sum),
            written.count.map(|_| From::Count),
            written.min.map(From::Min),
            written.max.map(From::Max),
            written
                .items
                .map(|fields| From::Items { fields, limit: limit.unwrap_or(ITEMS_DEFAULT) }),
        ];
        let mut named = sources.into_iter().flatten();
        let (Some(from), None) = (named.next(), named.next()) else {
            return Err("a value has exactly one of column, value, sum, count, min, max and items");
        };
        if limit.is_some() && !matches!(from, From::Items { .. }) {
            return Err("only items have a limit");
        }
        Ok(Self { from, kind: written.kind })
    }
}

impl<'de> Deserialize<'de> for ValueSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = ValueSpec;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a column, or a table with column, value, sum, count, min, max or items")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ValueSpec, E> {
                Ok(ValueSpec { from: From::Column(text.to_owned()), kind: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ValueSpec, A::Error> {
                let written = Written::deserialize(MapAccessDeserializer::new(map))?;
                ValueSpec::try_from(written).map_err(serde::de::Error::custom)
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> String {
        toml::from_str::<Mapping>(text).unwrap_err().to_string()
    }

    #[test]
    fn a_value_has_one_source() {
        let with = |value: &str| {
            faults(&format!(
                "time.column = \"t\"\n[[events]]\nname = \"E\"\nidentifiers.user_id = \"u\"\nproperties.p = {value}"
            ))
        };
        assert!(with("{}").contains("exactly one of"));
        assert!(with("{ column = \"a\", value = 1 }").contains("exactly one of"));
        assert!(with("{ column = \"a\", limit = 1 }").contains("only items have a limit"));
        assert!(with("{ colum = \"a\" }").contains("colum"));
        assert!(with("7").contains("the name of a column"));
    }

    #[test]
    fn misspelt_keys_are_refused() {
        assert!(faults("tim.column = \"t\"").contains("tim"));
    }
}
