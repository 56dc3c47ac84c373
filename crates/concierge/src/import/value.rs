//! Values of one row: from a column's text to JSON, and conditions on columns.

use serde_json::Value;

use super::{
    decimal::Decimal,
    mapping::{self, Op, ValueKind},
};
use crate::rows::{Column, Columns, Record};

/// Digits after the point of an amount of money.
const MONEY_SCALE: u32 = 2;

/// A column whose text is not what the mapping says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NotA {
    pub(super) column: Column,
    /// `a number`.
    pub(super) wanted: &'static str,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) decimal_comma: bool,
}

impl Numbers {
    /// The number in a column; `None` when the column is empty.
    pub(super) fn read(self, record: &Record<'_>, column: Column) -> Result<Option<Decimal>, NotA> {
        let Some(text) = record.text(column) else { return Ok(None) };
        let parsed = if self.decimal_comma {
            Decimal::parse(&text.replace(',', "."))
        } else {
            Decimal::parse(&text)
        };
        parsed.map(Some).ok_or(NotA { column, wanted: "a number" })
    }

    /// The value in a column as JSON of `kind`; `None` when the column is empty.
    pub(super) fn value(
        self,
        record: &Record<'_>,
        column: Column,
        kind: Option<ValueKind>,
    ) -> Result<Option<Value>, NotA> {
        let number =
            |wanted: &'static str| self.read(record, column).map_err(|_| NotA { column, wanted });
        Ok(match kind {
            None => record.json(column),
            Some(ValueKind::Text) => record.text(column).map(|text| text.into_owned().into()),
            Some(ValueKind::Number) => number("a number")?.map(Decimal::to_json),
            Some(ValueKind::Money) => {
                number("an amount")?.map(|amount| amount.round(MONEY_SCALE).to_json())
            }
            Some(ValueKind::Integer) => {
                let not_whole = NotA { column, wanted: "a whole number" };
                match number("a whole number")? {
                    None => None,
                    Some(number) => Some(number.whole().ok_or(not_whole)?.into()),
                }
            }
            Some(ValueKind::Bool) => match record.text(column) {
                None => None,
                Some(text) => {
                    Some(truth(&text).ok_or(NotA { column, wanted: "true or false" })?.into())
                }
            },
        })
    }
}

/// A number that was computed over a group, as the mapping wants it.
pub(super) fn computed(number: Decimal, kind: Option<ValueKind>) -> Value {
    match kind {
        Some(ValueKind::Money) => number.round(MONEY_SCALE).to_json(),
        Some(ValueKind::Integer) => number.round(0).to_json(),
        Some(ValueKind::Text) => Value::String(number.to_string()),
        _ => number.to_json(),
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// A condition on one column, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    column: Column,
    op: Op,
    texts: Vec<String>,
    number: Option<Decimal>,
}

impl Condition {
    /// Checks that the operator has the operand it needs.
    pub(super) fn new(columns: &mut Columns, spec: &mapping::Condition) -> Result<Self, String> {
        let fault = |wanted: &str| format!("a condition on `{}` {wanted}", spec.column);
        let texts: Vec<String> = match &spec.value {
            None => Vec::new(),
            Some(toml::Value::Array(values)) => values.iter().map(plain_text).collect(),
            Some(value) => vec![plain_text(value)],
        };
        let listed = matches!(spec.value, Some(toml::Value::Array(_)));
        match spec.op {
            Op::Missing | Op::Exists if !texts.is_empty() => {
                return Err(fault("with op missing or exists takes no value"));
            }
            Op::Missing | Op::Exists => {}
            Op::In | Op::NotIn if !listed => {
                return Err(fault("with op in or not_in takes a list"));
            }
            Op::In | Op::NotIn => {}
            _ if listed || texts.is_empty() => return Err(fault("takes one value")),
            _ => {}
        }
        let compares = matches!(spec.op, Op::Gt | Op::Gte | Op::Lt | Op::Lte);
        let number = texts.first().and_then(|text| Decimal::parse(text));
        if compares && number.is_none() {
            return Err(fault("with op gt, gte, lt or lte takes a number"));
        }
        Ok(Self { column: columns.column(&spec.column), op: spec.op, texts, number })
    }

    /// Whether it holds. A missing or unreadable value makes every comparison false, the negative ones true.
    pub(super) fn holds(&self, record: &Record<'_>, numbers: Numbers) -> bool {
        let text = record.text(self.column);
        let any = |test: &dyn Fn(&str, &str) -> bool| {
            text.as_deref().is_some_and(|text| self.texts.iter().any(|wanted| test(text, wanted)))
        };
        match self.op {
            Op::Missing => text.is_none(),
            Op::Exists => text.is_some(),
            Op::Eq | Op::In => any(&|text, wanted| text == wanted),
            Op::Ne | Op::NotIn => !any(&|text, wanted| text == wanted),
            Op::StartsWith => any(&|text, wanted| text.starts_with(wanted)),
            Op::NotStartsWith => !any(&|text, wanted| text.starts_with(wanted)),
            Op::Gt => self.compared(record, numbers).is_some_and(std::cmp::Ordering::is_gt),
            Op::Gte => self.compared(record, numbers).is_some_and(std::cmp::Ordering::is_ge),
            Op::Lt => self.compared(record, numbers).is_some_and(std::cmp::Ordering::is_lt),
            Op::Lte => self.compared(record, numbers).is_some_and(std::cmp::Ordering::is_le),
        }
    }

    fn compared(&self, record: &Record<'_>, numbers: Numbers) -> Option<std::cmp::Ordering> {
        numbers.read(record, self.column).ok().flatten()?.compare(self.number?)
    }
}

fn plain_text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Numbers = Numbers { decimal_comma: false };

    fn holds(condition: &str, value: &str) -> bool {
        let spec: mapping::Condition =
            toml::from_str(&format!("column = \"c\"\n{condition}")).unwrap();
        let mut columns = Columns::default();
        let condition = Condition::new(&mut columns, &spec).unwrap();
        let row = csv::ByteRecord::from(vec![value]);
        condition.holds(&Record::Csv { row: &row, places: &[0] }, NUMBERS)
    }

    #[test]
    fn conditions() {
        assert!(holds("op = \"missing\"", "  "));
        assert!(holds("op = \"exists\"", "x"));
        assert!(holds("op = \"starts_with\"\nvalue = \"C\"", "C536"));
        assert!(holds("op = \"not_starts_with\"\nvalue = \"C\"", "536"));
        assert!(holds("op = \"not_starts_with\"\nvalue = \"C\"", ""));
        assert!(holds("op = \"in\"\nvalue = [\"a\", 7]", "7"));
        assert!(holds("op = \"gt\"\nvalue = 0", "0.01"));
        assert!(!holds("op = \"gt\"\nvalue = 0", "-3"));
        assert!(!holds("op = \"lte\"\nvalue = 0", "x"), "what is no number compares false");
    }

    #[test]
    fn operands_are_checked() {
        let fault = |text: &str| {
            let spec: mapping::Condition = toml::from_str(text).unwrap();
            Condition::new(&mut Columns::default(), &spec).unwrap_err()
        };
        assert!(fault("column = \"c\"\nop = \"in\"\nvalue = 1").contains("takes a list"));
        assert!(fault("column = \"c\"\nop = \"gt\"\nvalue = \"x\"").contains("takes a number"));
        assert!(fault("column = \"c\"\nop = \"eq\"").contains("takes one value"));
        assert!(fault("column = \"c\"\nop = \"missing\"\nvalue = 1").contains("takes no value"));
    }

    #[test]
    fn texts_become_what_the_mapping_says() {
        let row = csv::ByteRecord::from(vec!["17850.0", "12,50", "yes", ""]);
        let record = Record::Csv { row: &row, places: &[0, 1, 2, 3] };
        let mut columns = Columns::default();
        let [id, price, flag, empty] = ["a", "b", "c", "d"].map(|name| columns.column(name));
        let value = |column, kind| NUMBERS.value(&record, column, kind);
        assert_eq!(value(id, Some(ValueKind::Integer)), Ok(Some(17_850.into())));
        assert_eq!(value(id, None), Ok(Some("17850.0".into())));
        assert_eq!(value(flag, Some(ValueKind::Bool)), Ok(Some(true.into())));
        assert_eq!(value(empty, Some(ValueKind::Integer)), Ok(None));
        let wanted = "an amount";
        assert_eq!(value(price, Some(ValueKind::Money)), Err(NotA { column: price, wanted }));
        let comma = Numbers { decimal_comma: true };
        assert_eq!(comma.value(&record, price, Some(ValueKind::Money)), Ok(Some(12.5.into())));
    }
}
