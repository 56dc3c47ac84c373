//! A value compared with a trait of the same person.

use std::fmt;

use serde_json::{Map, json};

use super::{
    Fact, Facts, Truth,
    comparison::{Literal, Op, Operand, Test},
    version,
};
use crate::{Value, value::Path};

/// Where a value is found that a condition asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Among the person's traits.
    Trait,
    /// In the request's context.
    Context,
}

impl Subject {
    /// The word it is asked with.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Trait => "trait",
            Self::Context => "context",
        }
    }

    /// What is known of the value at `path`.
    pub(super) fn fact<'a>(self, path: &Path, facts: &'a dyn Facts) -> Fact<&'a Value> {
        match self {
            Self::Trait => facts.trait_value(path),
            Self::Context => facts.context(path),
        }
    }
}

/// A comparison of a value with a trait. Made by parsing, which sees that the operator allows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Where the value is found.
    pub subject: Subject,
    /// Under which path.
    pub path: Path,
    /// The operator.
    pub op: Op,
    /// The trait that it is compared with.
    pub other: Path,
    /// Letters are compared without regard to case.
    pub ignore_case: bool,
}

impl Pair {
    /// Whether a value can be compared so with a trait. A pattern is part of a rule, never of data.
    pub(super) fn allows(op: Op) -> bool {
        !matches!(
            op,
            Op::Between
                | Op::Matches
                | Op::Near
                | Op::Inside
                | Op::Exists
                | Op::Missing
                | Op::IsTrue
                | Op::IsFalse
        )
    }

    /// The answer: false where either is missing, whatever the operator.
    pub(super) fn answer(&self, facts: &dyn Facts) -> Truth {
        let value = self.subject.fact(&self.path, facts);
        match (value, facts.trait_value(&self.other)) {
            (Fact::Missing | Fact::Known(Value::Null), _)
            | (_, Fact::Missing | Fact::Known(Value::Null)) => Truth::False,
            (Fact::Withheld, _) | (_, Fact::Withheld) => Truth::Withheld,
            (Fact::Known(value), Fact::Known(other)) => self.holds(value, other).into(),
        }
    }

    fn holds(&self, value: &Value, other: &Value) -> bool {
        let Self { op, ignore_case, .. } = *self;
        let literal = |value: &Value| Literal::new(value, ignore_case);
        let operand = if op.takes_list() {
            let elements = other.as_array().map_or(std::slice::from_ref(other), Vec::as_slice);
            Some(Operand::Many(elements.iter().filter_map(literal).collect()))
        } else if op.takes_version() {
            other.as_str().and_then(version::parse).map(|v| Operand::Version(Box::new(v)))
        } else {
            literal(other).map(Operand::One)
        };
        match operand {
            Some(operand) => Test { op, operand, ignore_case }.holds(Some(value)),
            // A list or an object, which nothing is equal to and nothing contains.
            None => op.is_negative(),
        }
    }

    /// The document it stands for.
    pub(super) fn to_value(&self) -> Value {
        let mut object = Map::new();
        object.insert(self.subject.as_str().into(), self.path.as_str().into());
        object.insert("op".into(), self.op.as_str().into());
        object.insert("value".into(), json!({"trait": self.other}));
        if self.ignore_case {
            object.insert("ignore_case".into(), true.into());
        }
        Value::Object(object)
    }

    /// What is asked, without the value that is asked about.
    pub(super) fn wanted(&self) -> impl fmt::Display {
        let case = if self.ignore_case { " (any case)" } else { "" };
        format!("{} trait {}{case}", self.op, self.other)
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.subject.as_str(), self.path, self.wanted())
    }
}
