//! The records to compare, column by column, each distinct value once.
//!
//! A record costs four bytes for each column, which lie together; comparing two equal values is comparing two numbers.

use jiff::civil::Date;
use rustc_hash::FxHashMap;

use crate::{settings::Kind, similarity::Text};

/// Most records that are compared in one run: their places are 32 bits wide, and their values stay in memory.
pub const RECORDS_MAX: usize = 50_000_000;

/// Longest value that is compared, in characters; the rest is cut off, since distances cost the square of it.
const VALUE_CHARS_MAX: usize = 128;

/// The code of a value that is missing.
pub(crate) const MISSING: u32 = 0;

/// A value in normal form.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) text: Text,
    /// The number, or the days since 1970 of a date, where it is one.
    pub(crate) measure: Option<f64>,
}

/// One column of all records.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    kind: Kind,
    /// A value's code is its place plus one.
    values: Vec<Value>,
    /// How many records have each value.
    counts: Vec<u32>,
    /// How many records have a value.
    pub(crate) present: u32,
}

impl Column {
    fn new(kind: Kind) -> Self {
        Self { kind, values: Vec::new(), counts: Vec::new(), present: 0 }
    }

    pub(crate) fn value(&self, code: u32) -> Option<&Value> {
        self.values.get((code as usize).checked_sub(1)?)
    }

    /// The values in the order of their codes.
    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    /// The share of the records with a value that have this one, 0 to 1.
    pub(crate) fn frequency(&self, code: u32) -> f64 {
        let count = (code as usize).checked_sub(1).and_then(|place| self.counts.get(place));
        f64::from(count.copied().unwrap_or(0)) / f64::from(self.present.max(1))
    }

    /// How often two different records with values have the same one, 0 to 1.
    pub(crate) fn chance_of_equality(&self) -> f64 {
        pairs_of(self.counts.iter().copied()) / pairs(self.present).max(1.0)
    }
}

/// How many pairs so many records make.
pub(crate) fn pairs(records: u32) -> f64 {
    let records = f64::from(records);
    records * (records - 1.0) / 2.0
}

fn pairs_of(counts: impl Iterator<Item = u32>) -> f64 {
    counts.map(pairs).sum()
}

/// There are more records than [`RECORDS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {RECORDS_MAX} records; compare them in parts")]
pub struct TooManyRecords;

/// Takes records one by one.
#[derive(Debug)]
pub struct RecordsBuilder {
    records: Records,
    known: Vec<FxHashMap<Box<str>, u32>>,
}

impl RecordsBuilder {
    /// For records with columns of these kinds.
    pub fn new(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let columns: Vec<Column> = kinds.into_iter().map(Column::new).collect();
        let known = vec![FxHashMap::default(); columns.len()];
        Self { known, records: Records { columns, codes: Vec::new(), length: 0 } }
    }

    /// Takes the next record: its values in the order of the columns. What is not given is missing.
    ///
    /// # Errors
    /// When there are [`RECORDS_MAX`] already.
    pub fn push<T: AsRef<str>>(
        &mut self,
        row: impl IntoIterator<Item = Option<T>>,
    ) -> Result<(), TooManyRecords> {
        let records = &mut self.records;
        if records.length as usize == RECORDS_MAX {
            return Err(TooManyRecords);
        }
        let mut row = row.into_iter();
        for (column, known) in records.columns.iter_mut().zip(&mut self.known) {
            let written = row.next().flatten();
            let value = written.and_then(|written| normal_form(column.kind, written.as_ref()));
            let code = value.map_or(MISSING, |value| column.take(known, value));
            records.codes.push(code);
        }
        records.length += 1;
        Ok(())
    }

    /// All of them.
    pub fn finish(self) -> Records {
        self.records
    }
}

impl Column {
    /// The code of a value, which is counted.
    fn take(&mut self, known: &mut FxHashMap<Box<str>, u32>, value: Value) -> u32 {
        self.present += 1;
        if let Some(&code) = known.get(value.text.as_str()) {
            if let Some(count) = self.counts.get_mut(code as usize - 1) {
                *count += 1;
            }
            return code;
        }
        let text: Box<str> = value.text.as_str().into();
        self.values.push(value);
        self.counts.push(1);
        // There are no more values than records, and those are counted in 32 bits.
        let code = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        known.insert(text, code);
        code
    }
}

/// Records, ready to be compared.
#[derive(Clone, Debug)]
pub struct Records {
    columns: Vec<Column>,
    /// Record by record, for each column the code of its value or [`MISSING`].
    codes: Vec<u32>,
    length: u32,
}

impl Records {
    /// How many there are. A record's place is its number in the order in which they were given, from 0.
    pub fn len(&self) -> u32 {
        self.length
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many pairs have the same values in all of these columns.
    pub(crate) fn equal_pairs(&self, columns: &[usize]) -> f64 {
        if let [column] = columns {
            return self.column(*column).map_or(0.0, |it| pairs_of(it.counts.iter().copied()));
        }
        let mut counts: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        for record in 0..self.length {
            let codes: Vec<u32> = columns.iter().map(|column| self.code(record, *column)).collect();
            if !codes.contains(&MISSING) {
                *counts.entry(codes).or_default() += 1;
            }
        }
        pairs_of(counts.into_values())
    }

    /// The code of a record's value in a column.
    pub(crate) fn code(&self, record: u32, column: usize) -> u32 {
        let place = record as usize * self.columns.len() + column;
        self.codes.get(place).copied().unwrap_or(MISSING)
    }

    pub(crate) fn column(&self, column: usize) -> Option<&Column> {
        self.columns.get(column)
    }
}

/// A value as it is compared: lower case, white space as single spaces; of digits the digits alone.
/// `None` when nothing is left.
fn normal_form(kind: Kind, written: &str) -> Option<Value> {
    let text: String = match kind {
        Kind::Digits => {
            written.chars().filter(char::is_ascii_digit).take(VALUE_CHARS_MAX).collect()
        }
        Kind::Text | Kind::Number | Kind::Date => {
            let lower = written.to_lowercase();
            let spaced = lower.split_whitespace().collect::<Vec<_>>().join(" ");
            spaced.chars().take(VALUE_CHARS_MAX).collect()
        }
    };
    if text.is_empty() {
        return None;
    }
    match kind {
        Kind::Text | Kind::Digits => Some(Value { text: Text::new(&text), measure: None }),
        Kind::Number => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            let text = number.map_or(text, |number| number.to_string());
            Some(Value { text: Text::new(&text), measure: number })
        }
        Kind::Date => Some(date(&text)),
    }
}

/// A date without its time of day, as `20240229`, so that one wrong digit is one edit.
fn date(text: &str) -> Value {
    let day = text.split(['t', ' ']).next().unwrap_or(text);
    match day.parse::<Date>() {
        Ok(date) => {
            let since = date.since(Date::constant(1970, 1, 1));
            let days = since.ok().map(|span| f64::from(span.get_days()));
            Value { text: Text::new(&date.strftime("%Y%m%d").to_string()), measure: days }
        }
        // What is no date may be one with a typing error: it is compared as text.
        Err(_) => Value { text: Text::new(text), measure: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(kind: Kind, written: &str) -> Option<(String, Option<f64>)> {
        normal_form(kind, written).map(|value| (value.text.as_str().to_owned(), value.measure))
    }

    #[test]
    fn values_have_one_normal_form() {
        let text = |text: &str, measure| Some((text.to_owned(), measure));
        assert_eq!(normal(Kind::Text, "  Ann  Marie "), text("ann marie", None));
        assert_eq!(normal(Kind::Text, " \t"), None);
        assert_eq!(normal(Kind::Digits, "+46 (0)70-12"), text("4607012", None));
        assert_eq!(normal(Kind::Digits, "none"), None);
        assert_eq!(normal(Kind::Number, "12.50"), text("12.5", Some(12.5)));
        assert_eq!(normal(Kind::Number, "1e999"), text("1e999", None));
        assert_eq!(normal(Kind::Date, "1970-01-31"), text("19700131", Some(30.0)));
        assert_eq!(normal(Kind::Date, "19691231"), text("19691231", Some(-1.0)));
        assert_eq!(normal(Kind::Date, "1970-01-02T10:00:00Z"), text("19700102", Some(1.0)));
        assert_eq!(normal(Kind::Date, "19701331"), text("19701331", None));
    }

    #[test]
    fn values_are_counted_among_those_that_are_there() {
        let mut builder = RecordsBuilder::new([Kind::Text]);
        for name in [Some("ann"), Some("Ann"), None, Some("bob"), Some("ann")] {
            builder.push([name]).unwrap();
        }
        let records = builder.finish();
        let column = records.column(0).unwrap();
        assert_eq!(records.codes, [1, 1, MISSING, 2, 1]);
        assert!((column.frequency(1) - 0.75).abs() < 1e-12);
        assert!((column.chance_of_equality() - 3.0 / 6.0).abs() < 1e-12);
    }
}
