//! A mapping, checked and compiled: every column has a place, every condition its operand.

use serde_json::Value;

use model::IdentifierType;

use super::{
    mapping::{EventSpec, From, GroupRows, Kind, Mapping, ValueKind, ValueSpec},
    value::{Condition, Numbers},
};
use crate::rows::{Column, Columns, Record};

/// A compiled mapping.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) columns: Columns,
    pub(super) time: Column,
    pub(super) numbers: Numbers,
    /// Conditions under which a row is left out, with the reason.
    pub(super) skips: Vec<(Condition, String)>,
    pub(super) rules: Vec<Rule>,
}

/// What rows become, compiled.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) when: Vec<Condition>,
    pub(super) kind: Kind,
    pub(super) name: Template,
    pub(super) message_id: Template,
    pub(super) group: Option<(Column, GroupRows)>,
    pub(super) identifiers: Vec<(IdentifierType, Field)>,
    /// Properties, traits and consents that one row gives.
    pub(super) fields: Vec<(Part, String, Field)>,
    /// Properties that the whole group gives.
    pub(super) aggregates: Vec<(String, Aggregate)>,
}

/// Which object of an event a field goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Properties,
    Traits,
    Consents,
}

/// A value that one row gives.
#[derive(Clone, Debug)]
pub(super) enum Field {
    Column(Column, Option<ValueKind>),
    Constant(Value),
}

/// A value that a group of rows gives.
#[derive(Clone, Debug)]
pub(super) enum Aggregate {
    /// The sum of the product of these columns.
    Sum(Vec<Column>, Option<ValueKind>),
    Count,
    Min(Column, Option<ValueKind>),
    Max(Column, Option<ValueKind>),
    Items(Vec<(String, Field)>, usize),
}

/// A text with places for a row's values.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Column(Column),
    Row,
}

/// Stands in a filled template for the event's place, which is known only when the event is made.
/// No column brings one in: [`Template::fill`] leaves it out of what it copies.
const ROW_MARK: char = '\0';

impl Plan {
    /// Compiles `mapping` for a file with `digest`; the error names the fault and its place.
    pub(super) fn new(mapping: &Mapping, digest: &str) -> Result<Self, String> {
        let mut columns = Columns::default();
        let time = columns.column(&mapping.time.column);
        let mut skips = Vec::new();
        for skip in &mapping.skip {
            skips.push((Condition::new(&mut columns, &skip.condition)?, skip.reason.clone()));
        }
        if mapping.events.is_empty() {
            return Err("the mapping makes no events: write an [[events]] table".to_owned());
        }
        let mut rules = Vec::new();
        for (i, spec) in mapping.events.iter().enumerate() {
            let rule = Rule::new(&mut columns, spec, digest);
            rules.push(rule.map_err(|fault| format!("events[{i}]: {fault}"))?);
        }
        let numbers = Numbers { decimal_comma: mapping.decimal_comma };
        Ok(Self { columns, time, numbers, skips, rules })
    }
}

impl Rule {
    fn new(columns: &mut Columns, spec: &EventSpec, digest: &str) -> Result<Self, String> {
        if spec.kind == Kind::Track && spec.name.is_empty() {
            return Err("a track event needs a name".to_owned());
        }
        let when = spec.when.iter().map(|condition| Condition::new(columns, condition));
        let when = when.collect::<Result<_, _>>()?;
        let mut identifiers = Vec::new();
        for (name, value) in &spec.identifiers {
            let kind = IdentifierType::parse(name).ok_or_else(|| {
                format!(
                    "identifiers.{name}: write user_id, email, phone, anonymous_id, device_id or \
                     \"external:<name>\""
                )
            })?;
            identifiers.push((kind, row_field(columns, &format!("identifiers.{name}"), value)?));
        }
        if identifiers.is_empty() {
            return Err("an event needs at least one identifier".to_owned());
        }
        let group = spec.group.as_ref().map(|group| (columns.column(&group.by), group.rows));
        let (mut fields, mut aggregates) = (Vec::new(), Vec::new());
        for (name, value) in &spec.properties {
            let place = format!("properties.{name}");
            match aggregate(columns, &place, value)? {
                Some(_) if group.is_none() => {
                    return Err(format!(
                        "{place}: only events with a group are computed over rows"
                    ));
                }
                Some(aggregate) => aggregates.push((name.clone(), aggregate)),
                None => {
                    let field = row_field(columns, &place, value)?;
                    fields.push((Part::Properties, name.clone(), field));
                }
            }
        }
        for (part, word, values) in
            [(Part::Traits, "traits", &spec.traits), (Part::Consents, "consents", &spec.consents)]
        {
            for (name, value) in values {
                let mut value = value.clone();
                if part == Part::Consents {
                    value.kind = Some(ValueKind::Bool);
                }
                let field = row_field(columns, &format!("{word}.{name}"), &value)?;
                fields.push((part, name.clone(), field));
            }
        }
        Ok(Self {
            when,
            kind: spec.kind,
            name: Template::new(columns, &spec.name, digest)?,
            message_id: Template::new(columns, &spec.message_id, digest)?,
            group,
            identifiers,
            fields,
            aggregates,
        })
    }
}

fn row_field(columns: &mut Columns, place: &str, value: &ValueSpec) -> Result<Field, String> {
    match &value.from {
        From::Column(name) => Ok(Field::Column(columns.column(name), value.kind)),
        From::Constant(constant) => {
            let json = serde_json::to_value(constant);
            json.map(Field::Constant).map_err(|error| format!("{place}: {error}"))
        }
        _ => Err(format!("{place}: only properties are computed over rows")),
    }
}

fn aggregate(
    columns: &mut Columns,
    place: &str,
    value: &ValueSpec,
) -> Result<Option<Aggregate>, String> {
    Ok(Some(match &value.from {
        From::Nothing | From::Column(_) | From::Constant(_) => return Ok(None),
        From::Sum(names) if names.is_empty() => {
            return Err(format!("{place}: sum names no column"));
        }
        From::Sum(names) => {
            Aggregate::Sum(names.iter().map(|name| columns.column(name)).collect(), value.kind)
        }
        From::Count => Aggregate::Count,
        From::Min(name) => Aggregate::Min(columns.column(name), value.kind),
        From::Max(name) => Aggregate::Max(columns.column(name), value.kind),
        From::Items { fields, limit } => {
            let mut compiled = Vec::new();
            for (name, field) in fields {
                let place = format!("{place}.{name}");
                compiled.push((name.clone(), row_field(columns, &place, field)?));
            }
            Aggregate::Items(compiled, *limit)
        }
    }))
}

impl Template {
    fn new(columns: &mut Columns, text: &str, digest: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) =
                after.split_once('}').ok_or_else(|| format!("`{text}`: a {{ is not closed"))?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match name {
                "row" => Piece::Row,
                "digest" => Piece::Text(digest.to_owned()),
                column => Piece::Column(columns.column(column)),
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// The text for one row; the event's place is filled in by [`with_row`].
    pub(super) fn fill(&self, record: &Record<'_>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Row => text.push(ROW_MARK),
                Piece::Column(column) => {
                    let value = record.text(*column).unwrap_or_default();
                    text.extend(value.chars().filter(|&c| c != ROW_MARK));
                }
            }
        }
        text
    }
}

/// A filled template with the event's place in it.
pub(super) fn with_row(filled: &str, row: u64) -> String {
    if filled.contains(ROW_MARK) {
        filled.replace(ROW_MARK, &row.to_string())
    } else {
        filled.to_owned()
    }
}
