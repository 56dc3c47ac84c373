//! From rows to an event in the tracking specification's form, as JSON text.

use model::{IdentifierType, Timestamp};
use serde_json::Value;

use super::{
    decimal::Decimal,
    plan::{Aggregate, Field, Part, Plan, Rule, with_row},
    value::{NotA, computed},
};
use crate::rows::{Column, Record};

/// Largest event that is sent, in bytes: a little under what a server takes (32 KiB), for what it adds.
pub(super) const EVENT_BYTES_MAX: usize = 31 * 1024;

/// Why a row made no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// A `[[skip]]` of the mapping, by its place.
    Skip(usize),
    /// No `[[events]]` takes such a row.
    NoEvent,
    /// The time column holds no time of the format.
    NoTime,
    /// All identifier columns are empty.
    NoIdentifier,
    /// A column is empty that a computation needs.
    Empty(Column),
    /// A column does not hold what the mapping says.
    NotA(NotA),
    /// A sum is larger than can be held.
    TooLarge,
    /// The line is no JSON object.
    NoObject,
}

impl Reason {
    /// As the summary says it.
    pub(super) fn text(self, plan: &Plan) -> String {
        match self {
            Self::Skip(place) => {
                plan.skips.get(place).map_or_else(String::new, |(_, reason)| reason.clone())
            }
            Self::NoEvent => "no [[events]] of the mapping takes it".to_owned(),
            Self::NoTime => {
                format!("`{}` is not a time of the mapping's format", plan.columns.name(plan.time))
            }
            Self::NoIdentifier => "no identifier".to_owned(),
            Self::Empty(column) => format!("`{}` is empty", plan.columns.name(column)),
            Self::NotA(NotA { column, wanted }) => {
                format!("`{}` is not {wanted}", plan.columns.name(column))
            }
            Self::TooLarge => "a sum is too large".to_owned(),
            Self::NoObject => "not a JSON object".to_owned(),
        }
    }
}

impl From<NotA> for Reason {
    fn from(fault: NotA) -> Self {
        Self::NotA(fault)
    }
}

/// An event in the making: what its first row gave, and what its rows add up to.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    time: Timestamp,
    name: String,
    message_id: String,
    identifiers: Vec<(IdentifierType, String)>,
    /// By the place of the field in the rule; `None` where no row had a value yet.
    fields: Vec<Option<Value>>,
    totals: Vec<Total>,
    /// Rows it was made of.
    pub(super) rows: u64,
}

#[derive(Clone, Debug)]
enum Total {
    Number(Option<Decimal>),
    Count(u64),
    Items { kept: Vec<Box<str>>, left_out: u64 },
}

impl Draft {
    /// A draft from its first row, which it does not add up yet.
    pub(super) fn new(
        rule: &Rule,
        plan: &Plan,
        record: &Record<'_>,
        time: Timestamp,
    ) -> Result<Self, Reason> {
        let mut identifiers = Vec::new();
        for (kind, field) in &rule.identifiers {
            if let Some(value) = read(field, plan, record)? {
                let text = match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                identifiers.push((kind.clone(), text));
            }
        }
        if identifiers.is_empty() {
            return Err(Reason::NoIdentifier);
        }
        let totals = rule.aggregates.iter().map(|(_, aggregate)| match aggregate {
            Aggregate::Sum(..) | Aggregate::Min(..) | Aggregate::Max(..) => Total::Number(None),
            Aggregate::Count => Total::Count(0),
            Aggregate::Items(..) => Total::Items { kept: Vec::new(), left_out: 0 },
        });
        Ok(Self {
            time,
            name: rule.name.fill(record),
            message_id: rule.message_id.fill(record),
            identifiers,
            fields: vec![None; rule.fields.len()],
            totals: totals.collect(),
            rows: 0,
        })
    }

    /// Adds a row, all of it or, where a value cannot be read, nothing of it. Returns how many list items it brought.
    pub(super) fn add(
        &mut self,
        rule: &Rule,
        plan: &Plan,
        record: &Record<'_>,
    ) -> Result<usize, Reason> {
        let mut fields = self.fields.clone();
        for (known, (_, _, field)) in fields.iter_mut().zip(&rule.fields) {
            if known.is_none() {
                *known = read(field, plan, record)?;
            }
        }
        let mut steps = Vec::with_capacity(self.totals.len());
        for (total, (_, aggregate)) in self.totals.iter().zip(&rule.aggregates) {
            steps.push(total.step(aggregate, plan, record)?);
        }
        self.fields = fields;
        let mut items = 0;
        for (total, step) in self.totals.iter_mut().zip(steps) {
            items += total.take(step);
        }
        self.rows += 1;
        Ok(items)
    }

    /// How many list items it holds.
    pub(super) fn items(&self) -> usize {
        let kept = |total: &Total| match total {
            Total::Items { kept, .. } => kept.len(),
            _ => 0,
        };
        self.totals.iter().map(kept).sum()
    }

    /// The event as JSON. A list that would make it larger than [`EVENT_BYTES_MAX`] is cut, and the
    /// event says by how much.
    pub(super) fn into_json(mut self, rule: &Rule, row: u64) -> String {
        loop {
            let text = self.json(rule, row);
            let excess = text.len().saturating_sub(EVENT_BYTES_MAX);
            if excess == 0 || !self.cut_items(excess) {
                return text;
            }
        }
    }

    fn json(&self, rule: &Rule, row: u64) -> String {
        let mut event = JsonObject::default();
        event.put("type", &Value::from(rule.kind.text()));
        let name_key = if rule.kind == super::mapping::Kind::Track { "event" } else { "name" };
        if !self.name.is_empty() {
            event.put(name_key, &Value::from(self.name.as_str()));
        }
        event.put("messageId", &Value::from(with_row(&self.message_id, row)));
        event.put("timestamp", &Value::from(self.time.to_string()));
        let mut context = JsonObject::default();
        self.put_identifiers(&mut event, &mut context);
        self.put_properties(rule, &mut event);
        let traits = self.object(rule, Part::Traits);
        if rule.kind == super::mapping::Kind::Identify {
            event.put_raw("traits", &traits.close());
        } else if !traits.is_empty() {
            context.put_raw("traits", &traits.close());
        }
        let consents = self.object(rule, Part::Consents);
        if !consents.is_empty() {
            let mut consent = JsonObject::default();
            consent.put_raw("categoryPreferences", &consents.close());
            context.put_raw("consent", &consent.close());
        }
        if !context.is_empty() {
            event.put_raw("context", &context.close());
        }
        event.close()
    }

    fn put_identifiers(&self, event: &mut JsonObject, context: &mut JsonObject) {
        let mut external = Vec::new();
        for (kind, value) in &self.identifiers {
            match kind {
                IdentifierType::UserId => event.put("userId", &Value::from(value.as_str())),
                IdentifierType::AnonymousId => {
                    event.put("anonymousId", &Value::from(value.as_str()))
                }
                IdentifierType::DeviceId => {
                    context.put("device", &serde_json::json!({"id": value}));
                }
                IdentifierType::Email | IdentifierType::Phone => {
                    external.push(external_id(&kind.to_string(), value));
                }
                IdentifierType::External(name) => external.push(external_id(name, value)),
            }
        }
        if !external.is_empty() {
            context.put("externalIds", &Value::from(external));
        }
    }

    fn put_properties(&self, rule: &Rule, event: &mut JsonObject) {
        let mut properties = self.object(rule, Part::Properties);
        for (total, (name, aggregate)) in self.totals.iter().zip(&rule.aggregates) {
            match total {
                Total::Count(count) => properties.put(name, &Value::from(*count)),
                Total::Number(None) => {}
                Total::Number(Some(number)) => {
                    let kind = match aggregate {
                        Aggregate::Sum(_, kind)
                        | Aggregate::Min(_, kind)
                        | Aggregate::Max(_, kind) => *kind,
                        _ => None,
                    };
                    properties.put(name, &computed(*number, kind));
                }
                Total::Items { kept, left_out } => {
                    properties.put_raw(name, &format!("[{}]", kept.join(",")));
                    if *left_out > 0 {
                        properties.put(&format!("{name}_left_out"), &Value::from(*left_out));
                    }
                }
            }
        }
        if rule.kind != super::mapping::Kind::Identify {
            let key =
                if rule.kind == super::mapping::Kind::Group { "traits" } else { "properties" };
            event.put_raw(key, &properties.close());
        }
    }

    fn object(&self, rule: &Rule, part: Part) -> JsonObject {
        let mut object = JsonObject::default();
        for (value, (of, name, _)) in self.fields.iter().zip(&rule.fields) {
            if let Some(value) = value
                && *of == part
            {
                object.put(name, value);
            }
        }
        object
    }

    /// Drops list items worth `excess` bytes from the longest list; false when there are none left.
    fn cut_items(&mut self, excess: usize) -> bool {
        let lists = self.totals.iter_mut().filter_map(|total| match total {
            Total::Items { kept, left_out } if !kept.is_empty() => Some((kept, left_out)),
            _ => None,
        });
        let Some((kept, left_out)) = lists.max_by_key(|(kept, _)| kept.len()) else { return false };
        // Room for the `_left_out` property that says so.
        let mut wanted = excess + 64;
        while let Some(item) = kept.pop() {
            *left_out += 1;
            wanted = wanted.saturating_sub(item.len() + 1);
            if wanted == 0 {
                break;
            }
        }
        true
    }
}

/// What a row changes about a total.
enum StepBy {
    Number(Option<Decimal>),
    One,
    Item(Option<Box<str>>),
}

impl Total {
    /// What `record` does to this total, without doing it yet.
    fn step(
        &self,
        aggregate: &Aggregate,
        plan: &Plan,
        record: &Record<'_>,
    ) -> Result<StepBy, Reason> {
        Ok(match (self, aggregate) {
            (Self::Number(sum), Aggregate::Sum(columns, _)) => {
                let mut product = Decimal::ONE;
                for column in columns {
                    let number =
                        plan.numbers.read(record, *column)?.ok_or(Reason::Empty(*column))?;
                    product = product.multiply(number).ok_or(Reason::TooLarge)?;
                }
                let sum = sum.unwrap_or_default().add(product).ok_or(Reason::TooLarge)?;
                StepBy::Number(Some(sum))
            }
            (Self::Number(least), Aggregate::Min(column, _)) => {
                let number = plan.numbers.read(record, *column)?;
                StepBy::Number(chosen(*least, number, std::cmp::Ordering::is_lt))
            }
            (Self::Number(most), Aggregate::Max(column, _)) => {
                let number = plan.numbers.read(record, *column)?;
                StepBy::Number(chosen(*most, number, std::cmp::Ordering::is_gt))
            }
            (Self::Items { kept, .. }, Aggregate::Items(fields, limit)) => {
                if kept.len() >= *limit {
                    return Ok(StepBy::Item(None));
                }
                let mut item = JsonObject::default();
                for (name, field) in fields {
                    if let Some(value) = read(field, plan, record)? {
                        item.put(name, &value);
                    }
                }
                StepBy::Item(Some(item.close().into()))
            }
            _ => StepBy::One,
        })
    }

    /// Takes the step; returns how many items it brought.
    fn take(&mut self, step: StepBy) -> usize {
        match (self, step) {
            (Self::Number(known), StepBy::Number(number)) => *known = number,
            (Self::Count(count), _) => *count += 1,
            (Self::Items { kept, .. }, StepBy::Item(Some(item))) => {
                kept.push(item);
                return 1;
            }
            (Self::Items { left_out, .. }, _) => *left_out += 1,
            _ => {}
        }
        0
    }
}

/// Of two numbers the one that `wins` over the known one; a missing one never does.
fn chosen(
    known: Option<Decimal>,
    number: Option<Decimal>,
    wins: fn(std::cmp::Ordering) -> bool,
) -> Option<Decimal> {
    match (known, number) {
        (Some(known), Some(number)) if number.compare(known).is_some_and(wins) => Some(number),
        (Some(known), _) => Some(known),
        (None, number) => number,
    }
}

fn read(field: &Field, plan: &Plan, record: &Record<'_>) -> Result<Option<Value>, NotA> {
    match field {
        Field::Constant(value) => Ok(Some(value.clone())),
        Field::Column(column, kind) => plan.numbers.value(record, *column, *kind),
    }
}

fn external_id(kind: &str, value: &str) -> Value {
    serde_json::json!({"id": value, "type": kind, "collection": "users", "encoding": "none"})
}

/// A JSON object as text, so that list items are written once and not kept as trees.
#[derive(Clone, Debug, Default)]
struct JsonObject(String);

impl JsonObject {
    fn put(&mut self, key: &str, value: &Value) {
        self.put_raw(key, &value.to_string());
    }

    fn put_raw(&mut self, key: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&Value::from(key).to_string());
        self.0.push(':');
        self.0.push_str(json);
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn close(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}
