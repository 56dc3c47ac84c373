//! Reads a JSON document and keeps account of where it is and what is wrong.

use std::{fmt, str::FromStr};

use crate::{Value, definition::Fault, value::Object};

/// Most faults reported of one document; a reader of more has stopped reading.
const MAX_FAULTS: usize = 32;
/// Longest part of a field name that is repeated in a message, in characters.
const MAX_SHOWN: usize = 60;

/// The place in a document, as a JSON pointer, the faults found so far, and what is limited as a whole.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pointer: String,
    faults: Vec<Fault>,
    /// How many regular expressions have been read.
    patterns: usize,
    /// What is read is asked of an account.
    in_account: bool,
}

impl Reader {
    pub(super) fn pointer(&self) -> &str {
        &self.pointer
    }

    pub(super) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Whether what is read is asked of an account.
    pub(super) fn in_account(&self) -> bool {
        self.in_account
    }

    /// Reads what is asked of an account.
    pub(super) fn of_account<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.in_account, true);
        let result = read(self);
        self.in_account = before;
        result
    }

    /// Counts one more regular expression, and tells how many there are.
    pub(super) fn count_pattern(&mut self) -> usize {
        self.patterns += 1;
        self.patterns
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    pub(super) fn push(&mut self, fault: Fault) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }

    /// Reports a fault at the present place.
    pub(super) fn fault(&mut self, detail: impl Into<String>) {
        self.push(Fault::new(self.pointer.clone(), detail));
    }

    /// Reports a fault at a field of the present place.
    pub(super) fn fault_at(&mut self, field: &str, detail: impl Into<String>) {
        self.inside(field, |reader| reader.fault(detail));
    }

    /// Reads something at a field or index of the present place.
    pub(super) fn inside<T>(
        &mut self,
        segment: impl fmt::Display,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let outer = self.pointer.len();
        let escaped = segment.to_string().replace('~', "~0").replace('/', "~1");
        self.pointer.push('/');
        self.pointer.push_str(&escaped);
        let result = read(self);
        self.pointer.truncate(outer);
        result
    }

    /// The value as an object, or a fault with `help`.
    pub(super) fn object<'a>(&mut self, value: &'a Value, help: &str) -> Option<&'a Object> {
        let object = value.as_object();
        if object.is_none() {
            self.fault(help);
        }
        object
    }

    /// Reports every field that is not one of `known`.
    pub(super) fn refuse_unknown(&mut self, object: &Object, known: &[&str]) {
        for field in object.keys().filter(|field| !known.contains(&field.as_str())) {
            let shown: String = field.chars().take(MAX_SHOWN).collect();
            let known = known.join(", ");
            self.fault_at(field, format!("`{shown}` is not a field here; there are {known}"));
        }
    }

    /// Reads every element of a list of at most `limit`; `None` when any of them is faulty.
    pub(super) fn list<T>(
        &mut self,
        value: &Value,
        limit: usize,
        noun: &str,
        read: impl Fn(&mut Self, &Value) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(elements) = value.as_array().filter(|elements| elements.len() <= limit) else {
            self.fault(format!("this is a list of at most {limit} {noun}"));
            return None;
        };
        // Every element is read before one that failed ends it, so that all faults are told at once.
        let read: Vec<Option<T>> = elements
            .iter()
            .enumerate()
            .map(|(index, element)| self.inside(index, |reader| read(reader, element)))
            .collect();
        read.into_iter().collect()
    }

    /// Reads a text field that parses as `T`, or reports a fault there with `help`.
    pub(super) fn parsed<T: FromStr>(
        &mut self,
        object: &Object,
        field: &str,
        help: &str,
    ) -> Option<T> {
        let value = object.get(field).and_then(Value::as_str).and_then(|text| text.parse().ok());
        if value.is_none() {
            self.fault_at(field, help);
        }
        value
    }
}
